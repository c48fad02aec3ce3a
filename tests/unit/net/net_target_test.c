/* Hosts and ports as people write them. */
#include "net/net_target.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static void reads_hosts_and_ports(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *host;
        unsigned port;
    } rows[] = {
        {"mx.example", "mx.example", 25},
        {"mx.example:587", "mx.example", 587},
        {"mx.example.", "mx.example.", 25},
        {"MX.Example:1", "MX.Example", 1},
        {"localhost:65535", "localhost", 65535},
        {"my_host", "my_host", 25},
        {"192.0.2.1", "192.0.2.1", 25},
        {"192.0.2.1:465", "192.0.2.1", 465},
        {"::1", "::1", 25},
        {"2001:db8::25", "2001:db8::25", 25},
        {"[::1]", "::1", 25},
        {"[2001:db8::1]:587", "2001:db8::1", 587},
        {"[fe80::1%1]:587", "fe80::1%1", 587},
        {"[mx.example]:587", "mx.example", 587},
        {"b\u00fccher.example:25", "xn--bcher-kva.example", 25},
        {"BU\u0308CHER.example", "xn--bcher-kva.example", 25},
        {"stra\u00dfe.example", "xn--strae-oqa.example", 25},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net_target target;
        struct fault fault = {0};
        print_message("# %s\n", rows[i].text);
        assert_true(net_target_parse(rows[i].text, 25, &target, &fault));
        assert_string_equal(target.host, rows[i].host);
        assert_int_equal(target.port, rows[i].port);
        assert_false(target.is_path);
    }
}

static void refuses_what_is_no_target(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",         ":",           ":25",          "mx.example:",     "mx.example:0",
        "mx:65536", "mx:25x",      "mx: 25",       "mx:+25",          "mx:99999999999999999999",
        "[::1",     "[::1]x",      "[::1]25",      "[]:25",           "[::1]:",
        "a b",      "a\r\nb",      "a/b",          "user@mx.example", "a..b",
        ".example", "-mx.example", "fe80::1%none", "1:2:3",           "\xff.example",
        "a\tb",     "a%b",         "mx.example\n",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net_target target = {.port = 7};
        struct fault fault = {0};
        print_message("# row %zu\n", i);
        assert_false(net_target_parse(rows[i], 25, &target, &fault));
        assert_int_equal(fault.kind, FAULT_SYNTAX);
        assert_int_equal(target.port, 7);
    }
    struct net_target target;
    assert_false(net_target_parse("mx.example", 0, &target, NULL));
    assert_false(net_target_parse("mx.example", 65536, &target, NULL));
}

static void keeps_its_limits(void **state)
{
    (void)state;
    char host[NET_HOST_MAX + 2];
    char path[NET_HOST_MAX + 2];
    struct net_target target;
    memset(host, 'a', sizeof host);
    memset(path, 'a', sizeof path);
    path[0] = '/';
    host[NET_HOST_MAX] = path[NET_HOST_MAX] = '\0';
    assert_true(net_target_parse(host, 25, &target, NULL));
    assert_string_equal(target.host, host);
    assert_true(net_target_parse(path, 25, &target, NULL));
    assert_string_equal(target.host, path);
    host[NET_HOST_MAX] = path[NET_HOST_MAX] = 'a';
    host[NET_HOST_MAX + 1] = path[NET_HOST_MAX + 1] = '\0';
    assert_false(net_target_parse(host, 25, &target, NULL));
    assert_false(net_target_parse(path, 25, &target, NULL));
}

static void reads_paths(void **state)
{
    (void)state;
    struct net_target target;
    assert_true(net_target_parse("/run/lmtp:24", 25, &target, NULL));
    assert_true(target.is_path);
    assert_string_equal(target.host, "/run/lmtp:24");
    assert_int_equal(target.port, 0);
}

static void knows_what_stays_on_this_machine(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_loopback;
    } rows[] = {
        {"localhost", true},
        {"LocalHost:587", true},
        {"localhost.", true},
        {"mail.localhost", true},
        {"127.0.0.1", true},
        {"127.255.0.9:25", true},
        {"[::1]:25", true},
        {"/run/lmtp", true},
        {"localhost.example", false},
        {"notlocalhost", false},
        {"128.0.0.1", false},
        {"[::2]", false},
        {"[::ffff:127.0.0.1]", false},
        {"127.example", false},
        {"0.0.0.0", false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct net_target target;
        print_message("# %s\n", rows[i].text);
        assert_true(net_target_parse(rows[i].text, 25, &target, NULL));
        assert_int_equal(net_target_is_loopback(&target), rows[i].is_loopback);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_hosts_and_ports),
    cmocka_unit_test(refuses_what_is_no_target),
    cmocka_unit_test(keeps_its_limits),
    cmocka_unit_test(reads_paths),
    cmocka_unit_test(knows_what_stays_on_this_machine),
};

UNIT_MAIN(tests)
