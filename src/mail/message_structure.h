/* What IMAP answers to BODY, BODYSTRUCTURE and BODY[section] (RFC 3501 7.4.2, RFC 9051 7.5.2), in a
 * compact form that is made once when the message comes in and read ever after.
 *
 * The form: a byte for the version, then the message itself as one part. A part is the length of
 * what follows in four bytes, the lowest first; its kind; numbers and strings as in the struct
 * below; and the parts in it. So a part is left out in one step, and all are read in one pass.
 * Readers check every length; a damaged form gives FAULT_PERMANENT. */
#ifndef MAIL_MESSAGE_STRUCTURE_H
#define MAIL_MESSAGE_STRUCTURE_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    MESSAGE_STRUCTURE_VERSION = 1,
    MESSAGE_STRUCTURE_NESTING_MAX = 128 /* parts in parts that a reader follows */
};

enum message_structure_kind {
    MESSAGE_STRUCTURE_LEAF = 0,
    MESSAGE_STRUCTURE_TEXT = 1,      /* a leaf with lines */
    MESSAGE_STRUCTURE_MULTIPART = 2, /* has any number of parts, perhaps none */
    MESSAGE_STRUCTURE_MESSAGE = 3    /* message/rfc822 or message/global: has one part, and the
                                        envelope of that */
};

/* One part. Borrowed from the compact form; strings that the message does not have have data NULL.
   Without a type it is text/plain (message/rfc822 when the kind says so), without an encoding 7bit.
   Offsets count from the first byte of the message. */
struct message_structure_part {
    enum message_structure_kind kind;
    uint64_t header_start;
    uint64_t body_start; /* behind the empty line */
    uint64_t body_size;
    uint64_t lines; /* line ends in the body */
    struct bytes type;
    struct bytes subtype;
    struct bytes parameters; /* for message_structure_next_parameter */
    struct bytes id;
    struct bytes description;
    struct bytes encoding;
    struct bytes md5;
    struct bytes disposition;
    struct bytes disposition_parameters;
    struct bytes languages; /* for message_structure_next_language */
    struct bytes location;
    struct bytes envelope; /* of the message in it; mail/message_envelope.h reads it */
    struct bytes parts;    /* in it; for message_structure_next_part */
};

/* Reads the message itself: the outermost part. */
bool message_structure_read(struct bytes compact, struct message_structure_part *message,
                            struct fault *fault);

/* Takes the next part off message_structure_part.parts, which must not be empty: false is damage.
 */
bool message_structure_next_part(struct bytes *parts, struct message_structure_part *part,
                                 struct fault *fault);

/* Takes the next name and value, or language, off a list. False: there is none. */
bool message_structure_next_parameter(struct bytes *parameters, struct bytes *name,
                                      struct bytes *value);
bool message_structure_next_language(struct bytes *languages, struct bytes *language);

/* The part of that number in BODY[1.2.3] (RFC 3501 6.4.5, part specifiers). *is_found is false when
   there is none. A path of no numbers is the message itself. Part 1 of a message that is no
   multipart is the message, and part 1 of a multipart without parts is an empty text.
   BODY[path.HEADER] and [path.TEXT] of a part of kind MESSAGE are the header and the body of the
   one part in it; [path.MIME] is the header of the part itself. */
bool message_structure_find(struct bytes compact, const uint32_t *path, size_t count,
                            struct message_structure_part *part, bool *is_found,
                            struct fault *fault);

/* For the writer. */

/* Begins the form. */
void message_structure_begin(struct buffer *out);

/* Appends what is said of a part without the parts in it. The strings that stand between lines and
   envelope in the struct are in `details`, as message_structure_write_details makes them. Gives
   where its length has to be written at the end. */
size_t message_structure_open_part(struct buffer *out, const struct message_structure_part *part,
                                   struct bytes details);
void message_structure_write_details(struct buffer *out, const struct message_structure_part *part);

/* The parts in it, if any, have been appended. */
void message_structure_close_part(struct buffer *out, size_t start);

#endif
