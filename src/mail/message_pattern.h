/* One folded text, to be found in others: the innermost loop of every search. */
#ifndef MAIL_MESSAGE_PATTERN_H
#define MAIL_MESSAGE_PATTERN_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "mail/message_fold.h"

/* Made by message_pattern_init, then only read. */
struct message_pattern {
    struct bytes text; /* folded, borrowed */
    /* The two bytes of it that are rarest in mail: where they stand, and what they are when a
       letter's case is set by the mask. */
    size_t places[2];
    unsigned char bytes[2];
    unsigned char masks[2];
};

void message_pattern_init(struct message_pattern *pattern, struct bytes text);

/* Is it in a text? Capital letters of ASCII are as good as small ones; anything beyond ASCII must
   be folded. */
bool message_pattern_is_in(const struct message_pattern *pattern, struct bytes text);

/* How many bytes of ASCII a text begins with. */
size_t message_pattern_ascii(struct bytes text);

/* Looks for a pattern in a text that comes in pieces. */
struct message_matcher {
    const struct message_pattern *pattern;
    struct message_fold fold;
    struct buffer folded;
    struct buffer tail; /* of what went by, and room for as much of the next piece */
    bool is_found;
};

/* Keeps the memory for the next time. */
void message_pattern_matcher_begin(struct message_matcher *matcher,
                                   const struct message_pattern *pattern);
/* UTF-8 that is not folded. False: memory. */
bool message_pattern_matcher_feed(struct message_matcher *matcher, struct bytes in);
bool message_pattern_matcher_finish(struct message_matcher *matcher);
void message_pattern_matcher_clear(struct message_matcher *matcher);

#endif
