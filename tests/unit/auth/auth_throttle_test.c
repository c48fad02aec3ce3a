/* Whoever guesses is slowed, whoever owns the account is not locked out. Time is an argument. */
#include "auth/auth_throttle.h"

#include <stdio.h>

#include "unit.h"

#define HERE  BYTES("192.0.2.0/24")
#define THERE BYTES("198.51.100.0/24")

static struct auth_throttle *throttle;

static int open_throttle(void **state)
{
    (void)state;
    throttle = auth_throttle_new(NULL);
    return throttle == NULL;
}

static int close_throttle(void **state)
{
    (void)state;
    auth_throttle_free(throttle);
    return 0;
}

static void delays_grow_to_a_limit(void **state)
{
    (void)state;
    static const int64_t expected[] = {2000, 4000, 8000, 16000, 17000, 17000};
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(auth_throttle_failed(throttle, BYTES("ann"), HERE, 1000), expected[i]);
    /* In any case of letters. */
    assert_int_equal(auth_throttle_failed(throttle, BYTES("ANN"), HERE, 1000), 17000);
    assert_int_equal(auth_throttle_failed(throttle, BYTES("bob"), HERE, 1000), 2000);
}

static void failures_fade(void **state)
{
    (void)state;
    auth_throttle_failed(throttle, BYTES("ann"), HERE, 0);
    auth_throttle_failed(throttle, BYTES("ann"), HERE, 0);
    assert_int_equal(auth_throttle_failed(throttle, BYTES("ann"), HERE, AUTH_THROTTLE_FADE), 4000);
    assert_int_equal(auth_throttle_failed(throttle, BYTES("ann"), HERE, 10 * AUTH_THROTTLE_FADE),
                     2000);
}

static void a_prefix_that_fails_has_to_wait(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "user%d", i);
        auth_throttle_failed(throttle, bytes_from_string(name), HERE, 0);
    }
    assert_int_equal(auth_throttle_wait(throttle, BYTES("ann"), HERE, 0), 0);
    for (int i = 10; i < 40; i++) {
        snprintf(name, sizeof name, "user%d", i);
        auth_throttle_failed(throttle, bytes_from_string(name), HERE, 0);
    }
    assert_int_equal(auth_throttle_wait(throttle, BYTES("ann"), HERE, 0), AUTH_THROTTLE_DELAY_MAX);
    assert_int_equal(auth_throttle_wait(throttle, BYTES("ann"), THERE, 0), 0);
    /* Who logged in from there before is let through, until mistyping becomes guessing. */
    auth_throttle_succeeded(throttle, BYTES("ann"), HERE);
    assert_int_equal(auth_throttle_wait(throttle, BYTES("ann"), HERE, 0), 0);
    for (int i = 0; i < 5; i++)
        auth_throttle_failed(throttle, BYTES("ann"), HERE, 0);
    assert_int_equal(auth_throttle_wait(throttle, BYTES("ann"), HERE, 0), AUTH_THROTTLE_DELAY_MAX);
}

static void an_account_guessed_at_from_everywhere_waits_a_little(void **state)
{
    (void)state;
    char prefix[32];
    for (int i = 0; i < 200; i++) {
        snprintf(prefix, sizeof prefix, "10.0.%d.0/24", i);
        auth_throttle_failed(throttle, BYTES("ann"), bytes_from_string(prefix), 0);
    }
    assert_int_equal(auth_throttle_wait(throttle, BYTES("ann"), HERE, 0), 2000);
    assert_int_equal(auth_throttle_wait(throttle, BYTES("bob"), HERE, 0), 0);
    /* The next guess, from a place of its own, is told late all the same. */
    assert_int_equal(auth_throttle_failed(throttle, BYTES("ann"), HERE, 0), 17000);
    assert_int_equal(
        auth_throttle_wait(throttle, BYTES("ann"), HERE, 300 * (int64_t)AUTH_THROTTLE_FADE), 0);
}

static void memory_is_bounded(void **state)
{
    (void)state;
    char name[32];
    auth_throttle_failed(throttle, BYTES("first"), THERE, 0);
    for (int i = 0; i < AUTH_THROTTLE_ENTRIES_MAX; i++) {
        snprintf(name, sizeof name, "user%d", i);
        auth_throttle_failed(throttle, bytes_from_string(name), HERE, 0);
    }
    /* The oldest made room, what is new is still known. */
    assert_int_equal(auth_throttle_failed(throttle, BYTES("first"), THERE, 0), 2000);
    assert_int_equal(auth_throttle_wait(throttle, BYTES("x"), HERE, 0), AUTH_THROTTLE_DELAY_MAX);
}

#define THROTTLE_TEST(name) cmocka_unit_test_setup_teardown(name, open_throttle, close_throttle)

static const struct CMUnitTest tests[] = {
    THROTTLE_TEST(delays_grow_to_a_limit),
    THROTTLE_TEST(failures_fade),
    THROTTLE_TEST(a_prefix_that_fails_has_to_wait),
    THROTTLE_TEST(an_account_guessed_at_from_everywhere_waits_a_little),
    THROTTLE_TEST(memory_is_bounded),
};

UNIT_MAIN(tests)
