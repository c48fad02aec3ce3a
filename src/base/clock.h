/* What time it is. Engines never ask: time is an argument there. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since some moment before the program began; never goes back. For deadlines. */
uint64_t clock_monotonic_milliseconds(void);

/* Microseconds since 1970-01-01 00:00 UTC. For dates. */
int64_t clock_wall_microseconds(void);

#endif
