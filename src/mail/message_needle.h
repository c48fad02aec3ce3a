/* The inside of needles, for message_needle.c and message_search.c; the door is message_text.h. */
#ifndef MAIL_MESSAGE_NEEDLE_H
#define MAIL_MESSAGE_NEEDLE_H

#include "mail/message_pattern.h"
#include "mail/message_text.h"

struct message_needle {
    struct buffer text; /* folded */
    struct message_pattern pattern;
    bool has_blank; /* it could stand over a fold */
    struct message_matcher matcher;
    struct buffer scratch; /* a value, decoded */
};

#endif
