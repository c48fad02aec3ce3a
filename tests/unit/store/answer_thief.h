/* Stands between libpq and PostgreSQL, and can take the answer to a COMMIT away: the connection
 * breaks just then. */
#ifndef ANSWER_THIEF_H
#define ANSWER_THIEF_H

#include <stddef.h>

enum answer_thief_moment {
    ANSWER_THIEF_NEVER,
    ANSWER_THIEF_BEFORE, /* the server never hears of the COMMIT */
    ANSWER_THIEF_AFTER   /* it has done it, and nobody hears of that */
};

struct answer_thief;

/* `place` is that of the server ("host=DIRECTORY ..."); writes into `through` the one that leads
   through the thief, whose socket is in `directory`. A failure fails the test. */
struct answer_thief *answer_thief_start(const char *place, const char *directory, char *through,
                                        size_t size);
void answer_thief_stop(struct answer_thief *thief);

/* The next COMMIT, once. */
void answer_thief_arm(struct answer_thief *thief, enum answer_thief_moment moment);

/* Whether it was done. */
int answer_thief_has_struck(struct answer_thief *thief);

#endif
