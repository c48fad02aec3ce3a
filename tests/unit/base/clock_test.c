/* The clocks run, and in the units that they promise. */
#include "base/clock.h"

#include <time.h>

#include "unit.h"

static void the_monotonic_clock_does_not_go_back(void **state)
{
    (void)state;
    uint64_t last = clock_monotonic_milliseconds();
    for (int i = 0; i < 100000; i++) {
        uint64_t now = clock_monotonic_milliseconds();
        assert_true(now >= last);
        last = now;
    }
}

static void units(void **state)
{
    (void)state;
    struct timespec now;
    uint64_t milliseconds = clock_monotonic_milliseconds();
    clock_gettime(CLOCK_MONOTONIC, &now);
    assert_true(milliseconds / 1000 <= (uint64_t)now.tv_sec);
    assert_true(milliseconds / 1000 + 60 > (uint64_t)now.tv_sec);
    int64_t microseconds = clock_wall_microseconds();
    clock_gettime(CLOCK_REALTIME, &now);
    assert_true(microseconds / 1000000 <= now.tv_sec);
    assert_true(microseconds / 1000000 + 60 > now.tv_sec);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_monotonic_clock_does_not_go_back),
    cmocka_unit_test(units),
};

UNIT_MAIN(tests)
