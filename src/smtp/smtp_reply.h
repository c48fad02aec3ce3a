/* Reads replies (RFC 5321 4.2) from bytes in pieces of any size. Strict where a loose reading lets
 * an attacker speak: the code is [2-5][0-5][0-9], all lines of a reply agree in it, lines and
 * replies are limited. Tolerated: a tab or nothing behind the code, and a bare LF as the end of a
 * line. */
#ifndef SMTP_SMTP_REPLY_H
#define SMTP_SMTP_REPLY_H

#include <posthorn/error.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

/* What a call to smtp_reply_read came to. */
enum smtp_reply_status {
    SMTP_REPLY_MORE = 0, /* all bytes are taken, and more are needed */
    SMTP_REPLY_LINE,     /* a line that is not the last has ended */
    SMTP_REPLY_DONE,     /* the last line has ended: the reply is whole */
    SMTP_REPLY_BROKEN    /* the peer broke the protocol, or memory ran out: see fault */
};

/* A reader of one connection's replies; init, then leave the members alone. */
struct smtp_reply {
    struct buffer line; /* the line being read, or the one that has just ended */
    struct buffer text; /* of the reply so far */
    int code;
    unsigned short enhanced[3];
    size_t line_count;
    size_t length; /* bytes of the reply so far */
    bool is_line_done;
    bool is_done;
};

void smtp_reply_init(struct smtp_reply *reply);
void smtp_reply_clear(struct smtp_reply *reply); /* accepts NULL */

/* Forgets everything that was read. */
void smtp_reply_reset(struct smtp_reply *reply);

/* Takes bytes from the front of *in to the end of a line at most. With SMTP_REPLY_LINE and
 * SMTP_REPLY_DONE the line is in smtp_reply_line. */
enum smtp_reply_status smtp_reply_read(struct smtp_reply *reply, struct bytes *in,
                                       struct fault *fault);

/* True when part of a reply was read and the rest is missing. */
bool smtp_reply_is_begun(const struct smtp_reply *reply);

/* The last line read, code and all, without its end and without control characters, NUL-terminated.
 * Until the next read. */
struct bytes smtp_reply_line(const struct smtp_reply *reply);

/* The whole reply; until the next read. The enhanced status code (RFC 2034) is taken off the text
 * where it stands first in a line and its class agrees with the code. */
struct ph_reply smtp_reply_value(const struct smtp_reply *reply);

#endif
