/* Charsets of messages made UTF-8, in pieces of any size. Only those of a list are known: what
 * iconv would make of any other name that a message brings is nobody's business. */
#ifndef MAIL_MESSAGE_CHARSET_H
#define MAIL_MESSAGE_CHARSET_H

#include <iconv.h>

#include "base/buffer.h"
#include "base/bytes.h"

enum {
    MESSAGE_CHARSET_HELD_MAX = 16 /* bytes of a character that is not whole yet */
};

/* Zero at the start; then leave the members alone. It may be begun again and again, and keeps what
   it has opened of iconv. */
struct message_charset {
    const char *opened; /* iconv's name of what is open; NULL = nothing */
    iconv_t handle;
    bool is_utf8;
    bool is_like_ascii; /* a byte below 128 outside of a character is ASCII */
    char held[MESSAGE_CHARSET_HELD_MAX];
    size_t held_count;
};

/* The names that a client is told of, in their usual spelling; NULL behind the last. */
const char *message_charset_listed(size_t index);
bool message_charset_is_known(struct bytes name);

/* Begins a text; a name with data NULL or "" is UTF-8. False: it is not known, or memory. */
bool message_charset_begin(struct message_charset *charset, struct bytes name);

/* Appends what the piece says, as far as it is settled; bytes that mean nothing become U+FFFD. */
void message_charset_feed(struct message_charset *charset, struct bytes in, struct buffer *out);
/* Appends U+FFFD for a character that is cut off. */
void message_charset_finish(struct message_charset *charset, struct buffer *out);

/* No character is cut off where it stands: what is ASCII now is ASCII. */
static inline bool message_charset_is_at_rest(const struct message_charset *charset)
{
    return charset->is_like_ascii && charset->held_count == 0;
}

void message_charset_clear(struct message_charset *charset);

/* Bytes, at least one, that are no UTF-8 begin a character that may become whole: they are fewer
   than the first says, and valid so far. */
bool message_charset_is_cut_off(struct bytes rest);

#endif
