/* The folded form of texts, in pieces of any size: case mapped away, characters taken apart into
 * their compatible elements in canonical order (as i;unicode-casemap does, RFC 5051), what cannot
 * be seen left out. */
#ifndef MAIL_MESSAGE_FOLD_H
#define MAIL_MESSAGE_FOLD_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "mail/message_charset.h"

enum {
    /* Marks on one letter that are put in order; no language has more (UAX 15, stream-safe). */
    MESSAGE_FOLD_MARKS_MAX = 32
};

/* Zero at the start; then leave the members alone. */
struct message_fold {
    int32_t marks[MESSAGE_FOLD_MARKS_MAX];
    size_t mark_count;
    char held[4]; /* of a character that is not whole yet */
    size_t held_count;
};

/* UTF-8; bytes that mean nothing become U+FFFD. */
void message_fold_feed(struct message_fold *fold, struct bytes in, struct buffer *out);
/* Appends what was held back; the fold is then as new. */
void message_fold_finish(struct message_fold *fold, struct buffer *out);

/* Nothing is held back. */
static inline bool message_fold_is_at_rest(const struct message_fold *fold)
{
    return fold->mark_count == 0 && fold->held_count == 0;
}

#endif
