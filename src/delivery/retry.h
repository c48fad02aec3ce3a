/* When a recipient that was put off is tried again, warned of, and given up. Pure. */
#ifndef DELIVERY_RETRY_H
#define DELIVERY_RETRY_H

#include <stdbool.h>
#include <stdint.h>

/* Microseconds. 0 = the default. */
struct retry_times {
    int64_t warning;  /* 4 hours after it came, the sender is told that it is late; -1 = never */
    int64_t lifetime; /* 5 days */
    int64_t longest;  /* 4 hours between two tries */
};

enum {
    RETRY_JITTER_PERCENT =
        20 /* up to so much later, so that what failed together does not come together */
};

/* The wait behind the n-th failure (from 1), before jitter: 1 minute, 2, 5, 10, 15, 30 minutes, 1
   hour, 2 hours, and then the longest. */
int64_t retry_wait(const struct retry_times *times, unsigned failures);

/* The time of the next try: now + wait + jitter (random: any 32 bits), but the last one is made
   when the lifetime ends, not after it. */
int64_t retry_next(const struct retry_times *times, int64_t created, int64_t now, unsigned failures,
                   uint32_t random);

/* How old a letter is when its sender is warned; -1 = he is not. */
int64_t retry_warning(const struct retry_times *times);

/* When its lifetime ends. */
int64_t retry_end(const struct retry_times *times, int64_t created);

bool retry_is_over(const struct retry_times *times, int64_t created, int64_t now);
bool retry_is_late(const struct retry_times *times, int64_t created, int64_t now);

#endif
