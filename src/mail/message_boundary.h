/* The boundaries that a line of a message may be: those of all multiparts that are open (RFC 2046
 * 5.1.1). Looking one up takes time that grows with the line, however many there are. */
#ifndef MAIL_MESSAGE_BOUNDARY_H
#define MAIL_MESSAGE_BOUNDARY_H

#include "base/buffer.h"
#include "base/bytes.h"

enum {
    /* Bytes of a boundary that count; the standard allows 70, some programs make longer ones. */
    MESSAGE_BOUNDARY_MAX = 512,
    MESSAGE_BOUNDARIES_MAX = 128 /* open ones; more than there can be parts in parts */
};

/* Initialise with zeroes. */
struct message_boundaries {
    struct message_boundary {
        size_t start; /* in text */
        size_t length;
        size_t part; /* the caller's name for it */
    } open[MESSAGE_BOUNDARIES_MAX];
    unsigned char sorted[MESSAGE_BOUNDARIES_MAX]; /* indices of open ones, by their bytes */
    size_t count;
    struct buffer text;
};

void message_boundary_clear(struct message_boundaries *boundaries);
void message_boundary_reset(struct message_boundaries *boundaries);

/* Opens a boundary within all that are open. False: out of memory. */
bool message_boundary_push(struct message_boundaries *boundaries, struct bytes boundary,
                           size_t part);

/* Only the first `count` stay open. */
void message_boundary_shorten(struct message_boundaries *boundaries, size_t count);

/* The open boundary that a line (what is behind its "--") is: the innermost of those that it has
   nothing behind but the "--" of the last and blanks, else the longest that it starts with (RFC
   2046 5.1.1), of equal ones the innermost. Real mail has boundaries of which one is the beginning
   of the other: "a--" ends "a" and not "a-". False: none. */
bool message_boundary_find(const struct message_boundaries *boundaries, struct bytes line,
                           size_t *index);

#endif
