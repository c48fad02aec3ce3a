/* What the files of message_downgrade share. */
#ifndef MAIL_MESSAGE_DOWNGRADE_INSIDE_H
#define MAIL_MESSAGE_DOWNGRADE_INSIDE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/fault.h"
#include "mail/header_writer.h"

enum {
    MESSAGE_DOWNGRADE_MEMORY_MAX = 16 * 1024 * 1024 /* bytes while one field is taken apart */
};

/* What becomes of a header section, besides being said in 7 bits. */
struct message_downgrade_header {
    const char *encoding; /* the Content-Transfer-Encoding from now on; NULL = as it is */
    const char
        *charset; /* of a text that says nothing of itself; NULL = no Content-Type is added */
    bool adds_mime_version;
    bool is_inner; /* not the header of the message itself: an address that cannot be said is shown
                      as a name without one (RFC 6857 3.1.8), instead of failing the whole */
};

/* Writes a section, with the empty line behind it if it has one. *is_changed is set when something
   was. False: memory, or an address beyond ASCII (FAULT_PERMANENT). */
bool message_downgrade_header_write(struct bytes section,
                                    const struct message_downgrade_header *header,
                                    struct buffer *out, bool *is_changed, struct fault *fault);

/* Appends the field, raw with its line ends, in 7 bits; it has bytes beyond them. */
bool message_downgrade_field_write(struct bytes raw, bool is_inner, struct buffer *out,
                                   struct fault *fault);

/* Writes the value of an address field. *is_possible: false when it is none that can be read; what
   was written is then to be taken back. False: memory, or an address that cannot be said. */
bool message_downgrade_address_write(struct bytes value, bool is_inner,
                                     struct header_writer *writer, bool *is_possible,
                                     struct fault *fault);

/* Appends a boundary: bytes beyond ASCII as "=XX". */
void message_downgrade_field_write_boundary(struct bytes boundary, struct buffer *out);

#endif
