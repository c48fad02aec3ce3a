/* The steps between tries. */
#include "delivery/retry.h"

#include <stddef.h>

static const int64_t MINUTE = INT64_C(60) * 1000 * 1000;

/* Quick at first, for greylisting and hosts that start again; then patient. */
static const int64_t steps[] = {1, 2, 5, 10, 15, 30, 60, 120};

static int64_t or_default(int64_t time, int64_t minutes)
{
    return time == 0 ? minutes * MINUTE : time;
}

static int64_t lifetime_of(const struct retry_times *times)
{
    return or_default(times->lifetime, 5 * 24 * 60);
}

int64_t retry_warning(const struct retry_times *times)
{
    return times->warning < 0 ? -1 : or_default(times->warning, 4 * 60);
}

int64_t retry_end(const struct retry_times *times, int64_t created)
{
    return created + lifetime_of(times);
}

int64_t retry_wait(const struct retry_times *times, unsigned failures)
{
    int64_t longest = or_default(times->longest, 4 * 60);
    if (failures == 0)
        failures = 1;
    if (failures > sizeof(steps) / sizeof(steps[0]))
        return longest;
    int64_t wait = steps[failures - 1] * MINUTE;
    return wait < longest ? wait : longest;
}

int64_t retry_next(const struct retry_times *times, int64_t created, int64_t now, unsigned failures,
                   uint32_t random)
{
    int64_t wait = retry_wait(times, failures);
    int64_t most = wait / 100 * RETRY_JITTER_PERCENT;
    /* In thousandths, so that no product is too long. */
    int64_t next = now + wait + most / 1000 * (int64_t)((uint64_t)random * 1001 >> 32);
    int64_t end = retry_end(times, created);
    return now < end && next > end ? end : next;
}

bool retry_is_over(const struct retry_times *times, int64_t created, int64_t now)
{
    return now - created >= lifetime_of(times);
}

bool retry_is_late(const struct retry_times *times, int64_t created, int64_t now)
{
    return times->warning >= 0 && now - created >= retry_warning(times);
}
