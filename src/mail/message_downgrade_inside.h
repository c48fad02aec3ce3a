/* What the files of message_downgrade share. */
#ifndef MAIL_MESSAGE_DOWNGRADE_INSIDE_H
#define MAIL_MESSAGE_DOWNGRADE_INSIDE_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/fault.h"
#include "mail/header_writer.h"
#include "mail/message_content.h"
#include "mail/transfer_encoding.h"

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

/* ---- message_downgrade_leaf.c ---- */

/* How the body of a leaf goes out. */
enum message_downgrade_way {
    MESSAGE_DOWNGRADE_AHEAD, /* not known yet: it is gathered */
    MESSAGE_DOWNGRADE_ENCODE,
    MESSAGE_DOWNGRADE_REPAIR /* it is encoded already; what has no place in that is taken care of */
};

/* What stands around a leaf. */
struct message_downgrade_place {
    bool is_part;  /* in a multipart */
    bool is_inner; /* in anything */
};

struct message_downgrade_leaf {
    enum message_downgrade_way way;
    struct buffer section; /* its header, until that can be written */
    struct message_downgrade_header header;
    enum transfer_encoding declared; /* TRANSFER_AS_IS for all that is no encoding */
    bool is_called_8bit;             /* or binary */
    bool is_text;
    bool has_type;
    bool has_mime_version;
    bool is_changed; /* something was, since the owner last asked */
    struct buffer ahead;
    struct transfer_analysis analysis; /* of what is in ahead */
    char line_end[2];                  /* the last, which may belong to a boundary */
    size_t line_end_length;
    struct transfer_encoder encoder;
    size_t column; /* of repaired quoted-printable */
};

/* Of zeroes. */
void message_downgrade_leaf_init(struct message_downgrade_leaf *leaf);
void message_downgrade_leaf_clear(struct message_downgrade_leaf *leaf);

bool message_downgrade_leaf_is_label(struct bytes label, const char *name);
/* 8bit or binary. */
bool message_downgrade_leaf_is_called_8bit(const struct message_content *content);

/* A new one; what *section holds is taken over. Each false: memory, or a header that cannot be
 * said.
 */
bool message_downgrade_leaf_begin(struct message_downgrade_leaf *leaf, struct buffer *section,
                                  const struct message_content *content,
                                  struct message_downgrade_place place, struct buffer *out,
                                  struct fault *fault);
bool message_downgrade_leaf_feed(struct message_downgrade_leaf *leaf, struct bytes bytes,
                                 struct buffer *out, struct fault *fault);
/* A line that begins with "-" and has bytes that may be replaced: takes the "-" if they are. */
void message_downgrade_leaf_defuse(struct message_downgrade_leaf *leaf, struct bytes *line,
                                   struct buffer *out);
/* The last line end: before a boundary it is none of the body's... */
struct bytes message_downgrade_leaf_take_line_end(struct message_downgrade_leaf *leaf);
/* ...and at the end of the message it is. */
bool message_downgrade_leaf_flush(struct message_downgrade_leaf *leaf, struct buffer *out,
                                  struct fault *fault);
bool message_downgrade_leaf_end(struct message_downgrade_leaf *leaf, struct buffer *out,
                                struct fault *fault);

#endif
