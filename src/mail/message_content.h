/* What the Content fields of a part say, read forgivingly: RFC 2045, RFC 2183, RFC 2231, RFC 3282,
 * RFC 2557. */
#ifndef MAIL_MESSAGE_CONTENT_H
#define MAIL_MESSAGE_CONTENT_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/bytes.h"

enum message_content_kind {
    MESSAGE_CONTENT_OTHER,
    MESSAGE_CONTENT_TEXT,
    MESSAGE_CONTENT_MULTIPART,
    MESSAGE_CONTENT_MESSAGE
};

/* All in the arena that was given. What is missing has data NULL. */
struct message_content {
    enum message_content_kind kind;
    bool is_digest;
    struct bytes type;
    struct bytes subtype;    /* there when the type is */
    struct bytes parameters; /* compact: names and values by turns */
    struct bytes boundary;
    struct bytes id;
    struct bytes description;
    struct bytes encoding;
    struct bytes md5;
    struct bytes disposition;
    struct bytes disposition_parameters; /* compact */
    struct bytes language;               /* compact: tags */
    struct bytes location;
};

/* What stands around the part, which decides what its header means. */
struct message_content_place {
    bool is_part;   /* in a multipart: MIME needs no Mime-Version here */
    bool is_digest; /* in a multipart/digest (RFC 2046 5.1.5) */
};

/* False: out of memory, or the arena's limit was met. */
bool message_content_read(struct bytes section, struct message_content_place place,
                          struct arena *arena, struct buffer *scratch,
                          struct message_content *content);

#endif
