/* Times between tries: steps, jitter, the end. */
#include "unit.h"

#include "delivery/retry.h"

#define MINUTE (INT64_C(60) * 1000 * 1000)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

static const struct retry_times defaults;

static void waits_grow(void **state)
{
    (void)state;
    static const int64_t minutes[] = {1, 2, 5, 10, 15, 30, 60, 120, 240, 240};
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(retry_wait(&defaults, i + 1), minutes[i] * MINUTE);
    assert_int_equal(retry_wait(&defaults, 0), MINUTE);
    assert_int_equal(retry_wait(&defaults, UINT32_MAX), 4 * HOUR);
}

static void no_wait_is_longer_than_the_longest(void **state)
{
    (void)state;
    struct retry_times times = {.longest = 12 * MINUTE};
    assert_int_equal(retry_wait(&times, 4), 10 * MINUTE);
    assert_int_equal(retry_wait(&times, 5), 12 * MINUTE);
    assert_int_equal(retry_wait(&times, 100), 12 * MINUTE);
    times.longest = MINUTE / 60;
    assert_int_equal(retry_wait(&times, 1), MINUTE / 60);
    times.longest = 10 * HOUR;
    assert_int_equal(retry_wait(&times, 8), 2 * HOUR);
    assert_int_equal(retry_wait(&times, 9), 10 * HOUR);
}

static void jitter_is_within_its_bounds(void **state)
{
    (void)state;
    int64_t now = 3 * DAY;
    for (unsigned failures = 1; failures < 12; failures++) {
        int64_t wait = retry_wait(&defaults, failures);
        assert_int_equal(retry_next(&defaults, now, now, failures, 0), now + wait);
        assert_int_equal(retry_next(&defaults, now, now, failures, UINT32_MAX),
                         now + wait + wait / 100 * RETRY_JITTER_PERCENT);
        int64_t half = retry_next(&defaults, now, now, failures, UINT32_MAX / 2);
        assert_true(half > now + wait + wait / 11 && half < now + wait + wait / 9);
    }
}

static void the_last_try_is_at_the_end(void **state)
{
    (void)state;
    int64_t created = 1000 * DAY;
    int64_t end = created + 5 * DAY;
    assert_int_equal(retry_next(&defaults, created, end - HOUR, 20, 77), end);
    assert_int_equal(retry_next(&defaults, created, end - 1, 1, 0), end);
    assert_int_equal(retry_next(&defaults, created, end - 4 * HOUR, 20, 0), end);
    assert_int_equal(retry_next(&defaults, created, end - 4 * HOUR - 1, 20, 0), end - 1);
    /* Behind the end it does not matter, but it must not be a time that is over. */
    assert_true(retry_next(&defaults, created, end, 20, 0) > end);
    struct retry_times times = {.lifetime = 10 * MINUTE};
    assert_int_equal(retry_next(&times, created, created, 9, 0), created + 10 * MINUTE);
}

static void is_over_and_late(void **state)
{
    (void)state;
    int64_t created = 1000 * DAY;
    assert_false(retry_is_over(&defaults, created, created + 5 * DAY - 1));
    assert_true(retry_is_over(&defaults, created, created + 5 * DAY));
    assert_false(retry_is_late(&defaults, created, created + 4 * HOUR - 1));
    assert_true(retry_is_late(&defaults, created, created + 4 * HOUR));
    struct retry_times times = {.warning = -1, .lifetime = HOUR};
    assert_false(retry_is_late(&times, created, created + 100 * DAY));
    assert_true(retry_is_over(&times, created, created + HOUR));
    assert_false(retry_is_over(&times, created, created + HOUR - 1));
    times.warning = MINUTE;
    assert_true(retry_is_late(&times, created, created + MINUTE));
    assert_false(retry_is_late(&times, created, created + MINUTE - 1));
    /* A clock that was set back. */
    assert_false(retry_is_over(&defaults, created, created - DAY));
    assert_false(retry_is_late(&defaults, created, created - DAY));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(waits_grow),
    cmocka_unit_test(no_wait_is_longer_than_the_longest),
    cmocka_unit_test(jitter_is_within_its_bounds),
    cmocka_unit_test(the_last_try_is_at_the_end),
    cmocka_unit_test(is_over_and_late),
};

UNIT_MAIN(tests)
