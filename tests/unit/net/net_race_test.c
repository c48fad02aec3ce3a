/* Attempts to connect, side by side. */
#include "net/net_race.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/loopback.h"
#include "net/net_resolver.h"
#include "unit.h"

static struct net_race_options options_until(int64_t deadline)
{
    return (struct net_race_options){
        .attempt_delay = 20, .deadline = deadline, .wake_descriptor = -1};
}

static int64_t now(void)
{
    return (int64_t)clock_monotonic_milliseconds();
}

static void puts_families_in_turn(void **state)
{
    (void)state;
    static const struct {
        const char *before; /* a letter an address; capitals are IPv6 */
        const char *after;
    } rows[] = {
        {"", ""},       {"a", "a"},       {"Aa", "Aa"},     {"abAB", "aAbB"}, {"ABCab", "AaBbC"},
        {"abc", "abc"}, {"ABCa", "AaBC"}, {"aABC", "aABC"}, {"ABab", "AaBb"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net_address addresses[8] = {0};
        char after[9] = "";
        size_t count = strlen(rows[i].before);
        for (size_t k = 0; k < count; k++) {
            /* The letter travels in the length, which nobody looks at here. */
            addresses[k].length = (socklen_t)rows[i].before[k];
            addresses[k].storage.ss_family = rows[i].before[k] < 'a' ? AF_INET6 : AF_INET;
        }
        net_race_interleave(addresses, count);
        for (size_t k = 0; k < count; k++)
            after[k] = (char)addresses[k].length;
        assert_string_equal(after, rows[i].after);
    }
}

static void takes_the_first_that_answers(void **state)
{
    (void)state;
    struct loopback live = loopback_open(AF_INET, LOOPBACK_LISTENING);
    struct loopback closed = loopback_open(AF_INET6, LOOPBACK_CLOSED);
    struct loopback silent = loopback_open(AF_INET, LOOPBACK_SILENT);
    const struct net_address tries[][3] = {
        {live.address, closed.address, silent.address},
        {closed.address, live.address, silent.address},
        {closed.address, silent.address, live.address},
        {silent.address, closed.address, live.address},
        {silent.address, silent.address, live.address},
    };
    const struct net_race_options options = options_until(INT64_MAX);
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        struct fault fault = {0};
        int descriptor = net_race_run(tries[i], 3, &options, &fault);
        assert_string_equal(fault.message, "");
        assert_true(descriptor >= 0);
        assert_int_equal(loopback_peer_port(descriptor), live.port);
        assert_true((fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
        assert_true((fcntl(descriptor, F_GETFD) & FD_CLOEXEC) != 0);
        close(descriptor);
    }
    loopback_close(&live);
    loopback_close(&closed);
    loopback_close(&silent);
}

static void names_the_failure_that_says_most(void **state)
{
    (void)state;
    struct loopback closed = loopback_open(AF_INET, LOOPBACK_CLOSED);
    struct net_address unreachable;
    /* TEST-NET addresses to bind to are not there: what fails so is about us, not about the server.
     */
    assert_true(net_address_parse("192.0.2.1", 0, &unreachable));
    struct net_race_options options = options_until(INT64_MAX);
    struct fault fault = {0};
    assert_int_equal(net_race_run(&closed.address, 1, &options, &fault), -1);
    assert_int_equal(fault.system_error, ECONNREFUSED);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_non_null(strstr(fault.message, "127.0.0.1:"));

    const struct net_address both[] = {closed.address, closed.address};
    assert_int_equal(net_race_run(both, 2, &options, &fault), -1);
    assert_int_equal(fault.system_error, ECONNREFUSED);
    assert_non_null(strstr(fault.message, "none of 2 addresses"));

    options.source = &unreachable;
    assert_int_equal(net_race_run(&closed.address, 1, &options, &fault), -1);
    assert_int_equal(fault.system_error, EADDRNOTAVAIL);
    loopback_close(&closed);
}

static void gives_up_at_the_deadline(void **state)
{
    (void)state;
    struct loopback silent = loopback_open(AF_INET, LOOPBACK_SILENT);
    const struct net_address many[] = {silent.address, silent.address, silent.address};
    const struct net_race_options options = options_until(now() + 50);
    struct fault fault = {0};
    assert_int_equal(net_race_run(many, 3, &options, &fault), -1);
    assert_int_equal(fault.system_error, ETIMEDOUT);
    assert_true(now() >= options.deadline);
    loopback_close(&silent);
}

static void gives_up_when_woken(void **state)
{
    (void)state;
    struct loopback silent = loopback_open(AF_INET, LOOPBACK_SILENT);
    struct net_race_options options = options_until(INT64_MAX);
    int wake[2];
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(write(wake[1], "x", 1), 1);
    options.wake_descriptor = wake[0];
    struct fault fault = {0};
    assert_int_equal(net_race_run(&silent.address, 1, &options, &fault), -1);
    assert_int_equal(fault.system_error, ECANCELED);
    close(wake[0]);
    close(wake[1]);
    loopback_close(&silent);
}

static int count_descriptors(void)
{
    int count = 0;
    for (int i = 0; i < 256; i++)
        count += fcntl(i, F_GETFD) >= 0;
    return count;
}

static void closes_the_others(void **state)
{
    (void)state;
    struct loopback live = loopback_open(AF_INET, LOOPBACK_LISTENING);
    struct loopback silent = loopback_open(AF_INET, LOOPBACK_SILENT);
    struct net_address many[NET_ADDRESSES_MAX];
    for (size_t i = 0; i < NET_ADDRESSES_MAX; i++)
        many[i] = silent.address;
    many[NET_ADDRESSES_MAX - 1] = live.address;
    struct net_race_options options = options_until(INT64_MAX);
    options.attempt_delay = 0;
    int before = count_descriptors();
    int descriptor = net_race_run(many, NET_ADDRESSES_MAX, &options, NULL);
    assert_true(descriptor >= 0);
    assert_int_equal(loopback_peer_port(descriptor), live.port);
    close(descriptor);
    assert_int_equal(count_descriptors(), before);
    loopback_close(&live);
    loopback_close(&silent);
}

static struct net_address unix_address(const char *path)
{
    struct net_address address = {.length = sizeof(struct sockaddr_un)};
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strncpy(name.sun_path, path, sizeof name.sun_path - 1);
    memcpy(&address.storage, &name, sizeof name);
    return address;
}

static void waits_for_a_busy_unix_socket(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/posthorn-race-%d", (int)getpid());
    struct net_address address = unix_address(path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(path);
    assert_int_equal(bind(listener, (struct sockaddr *)&address.storage, address.length), 0);
    assert_int_equal(listen(listener, 0), 0);
    struct net_race_options options = options_until(INT64_MAX);
    int filler = net_race_run(&address, 1, &options, NULL);
    assert_true(filler >= 0);

    struct fault fault = {0};
    options.deadline = now() + 50;
    assert_int_equal(net_race_run(&address, 1, &options, &fault), -1);
    assert_int_equal(fault.system_error, ETIMEDOUT);

    int wake[2];
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(write(wake[1], "x", 1), 1);
    options.wake_descriptor = wake[0];
    options.deadline = INT64_MAX;
    assert_int_equal(net_race_run(&address, 1, &options, &fault), -1);
    assert_int_equal(fault.system_error, ECANCELED);
    close(wake[0]);
    close(wake[1]);

    close(listener);
    options.wake_descriptor = -1;
    assert_int_equal(net_race_run(&address, 1, &options, &fault), -1);
    assert_int_equal(fault.system_error, ECONNREFUSED);
    assert_non_null(strstr(fault.message, path));
    unlink(path);
    close(filler);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(puts_families_in_turn),
    cmocka_unit_test(takes_the_first_that_answers),
    cmocka_unit_test(names_the_failure_that_says_most),
    cmocka_unit_test(gives_up_at_the_deadline),
    cmocka_unit_test(gives_up_when_woken),
    cmocka_unit_test(closes_the_others),
    cmocka_unit_test(waits_for_a_busy_unix_socket),
};

UNIT_MAIN(tests)
