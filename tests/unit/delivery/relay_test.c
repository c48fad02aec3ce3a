/* Rules of relays: which fits, how routes are named, what the rules may say. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "delivery/relay.h"
#include "failing_allocation.h"

#define RULES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static struct relay_table *table_of(const char *const *rules, size_t count, const char *secrets)
{
    struct fault fault = {0};
    struct relay_table *table = relay_table_new(rules, count, bytes_from_string(secrets), &fault);
    if (table == NULL)
        fail_msg("%s", fault.message);
    return table;
}

static void assert_route(const struct relay_table *table, const char *sender, const char *recipient,
                         const char *expected)
{
    AUTO(buffer)
    route = BUFFER(RELAY_ROUTE_MAX);
    struct fault fault = {0};
    struct address address;
    assert_true(address_parse(bytes_from_string(recipient), &address, &fault));
    assert_true(relay_route(table, bytes_from_string(sender), &address, &route, &fault));
    assert_string_equal(buffer_string(&route), expected);
}

static struct relay find(const struct relay_table *table, const char *route)
{
    struct relay relay;
    bool is_stale = true;
    relay_find(table, bytes_from_string(route), &relay, &is_stale);
    assert_false(is_stale);
    return relay;
}

static void without_rules_all_go_by_mx(void **state)
{
    (void)state;
    assert_route(NULL, "ann@home.example", "bob@Far.Example", "far.example");
    assert_route(NULL, "", "bob@[192.0.2.1]", "[192.0.2.1]");
    assert_route(NULL, "", "bob@[IPv6:2001:DB8::1]", "[ipv6:2001:db8::1]");
    assert_route(NULL, "",
                 "bob@b\xc3\xbc"
                 "cher.example",
                 "xn--bcher-kva.example");
    assert_route(NULL, "",
                 "bob@B\xc3\x9c"
                 "CHER.Example",
                 "xn--bcher-kva.example");
    struct relay relay = find(NULL, "far.example");
    assert_null(relay.host);
    assert_null(relay.user);
    assert_int_equal(relay.port, 25);
    assert_int_equal(relay.tls, RELAY_TLS_OPPORTUNISTIC);
    assert_false(relay.is_implicit);
    assert_int_equal(relay.connections, RELAY_CONNECTIONS);
    assert_int_equal(relay.letters, RELAY_LETTERS);
    assert_int_equal(relay.letters_minute, 0);
    struct relay_table *table = table_of(NULL, 0, "");
    assert_route(table, "ann@home.example", "bob@far.example", "far.example");
    find(table, "[ipv6:2001:db8::1]");
    relay_table_free(table);
    relay_table_free(NULL);
}

static void the_first_that_fits_holds(void **state)
{
    (void)state;
    struct relay_table *table =
        table_of(RULES("from=ann@home.example to=special.example host=one.example",
                       "from=@home.example to=.below.example host=two.example:2525",
                       "to=.Bypass.example host=mx", "from=@home.example host=three.example",
                       "to=b\xc3\xbc"
                       "cher.example host=four.example",
                       "to=last.example host=mx", "host=[192.0.2.9]"),
                 7, "");
    assert_route(table, "ann@home.example", "x@special.example", "one.example:25");
    assert_route(table, "Ann@Home.Example", "x@SPECIAL.example", "one.example:25");
    assert_route(table, "bob@home.example", "x@special.example", "three.example:25");
    assert_route(table, "ann@home.example", "x@sub.special.example", "three.example:25");
    assert_route(table, "ann@home.example", "x@below.example", "two.example:2525");
    assert_route(table, "ann@home.example", "x@a.b.below.example", "two.example:2525");
    assert_route(table, "ann@home.example", "x@notbelow.example", "three.example:25");
    assert_route(table, "ann@home.example", "x@bypass.example", "bypass.example");
    assert_route(table, "ann@else.example", "x@sub.bypass.example", "sub.bypass.example");
    assert_route(table, "ann@sub.home.example", "x@far.example", "[192.0.2.9]:25");
    assert_route(table, "ann@nothome.example", "x@far.example", "[192.0.2.9]:25");
    assert_route(table, "", "x@far.example", "[192.0.2.9]:25");
    assert_route(table, "no address", "x@far.example", "[192.0.2.9]:25");
    assert_route(table, "", "x@xn--bcher-kva.example", "four.example:25");
    assert_route(table, "", "x@last.example", "last.example");
    relay_table_free(table);
}

static void senders_are_compared_as_values(void **state)
{
    (void)state;
    struct relay_table *table = table_of(RULES("from=\"a\\b\"@home.example host=one.example",
                                               "from=@b\xc3\xbc"
                                               "cher.example host=two.example"),
                                         2, "");
    assert_route(table, "ab@home.example", "x@far.example", "one.example:25");
    assert_route(table,
                 "ann@B\xc3\x9c"
                 "CHER.example",
                 "x@far.example", "two.example:25");
    assert_route(table, "ann@xn--bcher-kva.example", "x@far.example", "two.example:25");
    relay_table_free(table);
}

static void demands_are_found_by_name(void **state)
{
    (void)state;
    struct relay_table *table = table_of(
        RULES("from=@ann.example host=smtp.example.net:587 user=ann@example.net connections=5 "
              "letters=50 minute=600",
              "from=@bob.example host=SMTP.example.net:587 user=bob tls=required",
              "to=strict.example host=mx tls=verified connections=2", "to=.plain.example tls=none",
              "host=big.example tls=implicit"),
        5,
        "# Passwords\n"
        "\n"
        "smtp.example.net ann@example.net  pass word \n"
        "  smtp.EXAMPLE.net:587 bob\tb#b\r\n"
        "smtp.example.net:25 bob wrong\n");
    assert_route(table, "x@ann.example", "y@far.example",
                 "ann@example.net via smtp.example.net:587");
    assert_route(table, "x@bob.example", "y@far.example", "bob via smtp.example.net:587");
    assert_route(table, "", "y@far.example", "big.example:465");
    assert_route(table, "", "y@strict.example", "strict.example");
    struct relay relay = find(table, "ann@example.net via smtp.example.net:587");
    assert_string_equal(relay.host, "smtp.example.net");
    assert_int_equal(relay.port, 587);
    assert_string_equal(relay.user, "ann@example.net");
    assert_string_equal(relay.password, "pass word ");
    assert_int_equal(relay.tls, RELAY_TLS_VERIFIED);
    assert_int_equal(relay.connections, 5);
    assert_int_equal(relay.letters, 50);
    assert_int_equal(relay.letters_minute, 600);
    relay = find(table, "bob via smtp.example.net:587");
    assert_string_equal(relay.password, "b#b");
    assert_int_equal(relay.tls, RELAY_TLS_REQUIRED);
    assert_int_equal(relay.connections, RELAY_CONNECTIONS);
    relay = find(table, "big.example:465");
    assert_true(relay.is_implicit);
    assert_int_equal(relay.tls, RELAY_TLS_REQUIRED);
    assert_null(relay.user);
    relay = find(table, "strict.example");
    assert_null(relay.host);
    assert_int_equal(relay.port, 25);
    assert_int_equal(relay.tls, RELAY_TLS_VERIFIED);
    assert_int_equal(relay.connections, 2);
    assert_int_equal(find(table, "sub.strict.example").tls, RELAY_TLS_OPPORTUNISTIC);
    assert_int_equal(find(table, "sub.plain.example").tls, RELAY_TLS_NONE);
    relay_table_free(table);
}

/* A rule for one sender's mail by MX must not lend its demands to all. */
static void exceptions_have_no_demands(void **state)
{
    (void)state;
    struct relay_table *table = table_of(
        RULES("from=@ann.example host=mx", "to=far.example tls=required", "host=one.example"), 3,
        "");
    assert_route(table, "x@ann.example", "y@far.example", "far.example");
    assert_route(table, "x@ann.example", "y@else.example", "else.example");
    assert_int_equal(find(table, "far.example").tls, RELAY_TLS_REQUIRED);
    assert_int_equal(find(table, "else.example").tls, RELAY_TLS_OPPORTUNISTIC);
    relay_table_free(table);
}

static void hosts_and_ports(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *route;
        bool is_implicit;
        enum relay_tls tls;
    } cases[] = {
        {"host=a.example", "a.example:25", false, RELAY_TLS_OPPORTUNISTIC},
        {"host=a.example:465", "a.example:465", true, RELAY_TLS_REQUIRED},
        {"host=a.example:465 tls=verified", "a.example:465", true, RELAY_TLS_VERIFIED},
        {"host=a.example:465 tls=none", "a.example:465", false, RELAY_TLS_NONE},
        {"host=a.example:2465 tls=implicit", "a.example:2465", true, RELAY_TLS_REQUIRED},
        {"host=a.example tls=implicit,verified", "a.example:465", true, RELAY_TLS_VERIFIED},
        {"host=a.example tls=required,implicit", "a.example:465", true, RELAY_TLS_REQUIRED},
        {"host=192.0.2.1:26", "[192.0.2.1]:26", false, RELAY_TLS_OPPORTUNISTIC},
        {"host=[192.0.2.1]", "[192.0.2.1]:25", false, RELAY_TLS_OPPORTUNISTIC},
        {"host=[2001:DB8::1]", "[ipv6:2001:db8::1]:25", false, RELAY_TLS_OPPORTUNISTIC},
        {"host=[IPv6:2001:db8::1]:587", "[ipv6:2001:db8::1]:587", false, RELAY_TLS_OPPORTUNISTIC},
        {"host=localhost:65535 \t tls=none", "localhost:65535", false, RELAY_TLS_NONE},
        {"  host=MX.b\xc3\xbc"
         "cher.example:1  ",
         "mx.xn--bcher-kva.example:1", false, RELAY_TLS_OPPORTUNISTIC},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct relay_table *table = table_of(&cases[i].rule, 1, "");
        assert_route(table, "", "x@far.example", cases[i].route);
        struct relay relay = find(table, cases[i].route);
        assert_int_equal(relay.is_implicit, cases[i].is_implicit);
        assert_int_equal(relay.tls, cases[i].tls);
        relay_table_free(table);
    }
}

/* Two rules may lead to one relay, if they want the same of it. */
static void a_relay_may_serve_several_rules(void **state)
{
    (void)state;
    struct relay_table *table = table_of(RULES("from=@a.example host=one.example:587 user=u",
                                               "from=@b.example user=u host=one.example:587"),
                                         2, "one.example u p\n");
    assert_route(table, "x@b.example", "y@far.example", "u via one.example:587");
    relay_table_free(table);
}

static void relays_that_are_no_more_are_stale(void **state)
{
    (void)state;
    static const char *const routes[] = {"gone.example:25", "[192.0.2.1]:25",
                                         "[ipv6:2001:db8::1]:25", "u via one.example:25"};
    struct relay_table *table = table_of(RULES("host=one.example"), 1, "");
    for (size_t i = 0; i < 4; i++) {
        struct relay relay = {.host = "untouched"};
        bool is_stale = false;
        relay_find(table, bytes_from_string(routes[i]), &relay, &is_stale);
        assert_true(is_stale);
        assert_null(relay.host);
        is_stale = false;
        relay_find(NULL, bytes_from_string(routes[i]), &relay, &is_stale);
        assert_true(is_stale);
    }
    find(table, "one.example:25");
    find(table, "one.example");
    relay_table_free(table);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *secrets, *message;
    } cases[] = {
        {"", "", "relay rule 2: host= is missing"},
        {"from=ann@home.example", "", "relay rule 2: host= is missing"},
        {"smarthost", "", "relay rule 2: \"smarthost\" is not of the form name=value"},
        {"hosts=one.example", "",
         "relay rule 2: \"hosts=\" is none of from, to, host, user, tls, connections, letters, "
         "minute"},
        {"host=one.example host=two.example", "", "relay rule 2: host= stands there twice"},
        {"host=", "", "relay rule 2: nothing stands behind host="},
        {"host=one_two.example", "",
         "relay rule 2: \"one_two.example\" is no domain and no address literal"},
        {"host=one.example:0", "",
         "relay rule 2: host=: the port is no number from 1 to 65535 (an IPv6 address stands in "
         "brackets)"},
        {"host=one.example:65536", "",
         "relay rule 2: host=: the port is no number from 1 to 65535 (an IPv6 address stands in "
         "brackets)"},
        {"host=2001:db8::1", "", "relay rule 2: \"2001:db8:\" is no host"},
        {"host=[x400:ann]", "", "relay rule 2: \"[x400:ann]\" is no host"},
        {"host=[]", "", "relay rule 2: \"[]\" is no domain and no address literal"},
        {"to=*.example host=one.example", "",
         "relay rule 2: \"*.example\" is no domain and no address literal"},
        {"from=home.example host=one.example", "",
         "relay rule 2: the address is not of the form user@host"},
        {"host=one.example tls=yes", "",
         "relay rule 2: tls= is one of opportunistic, required, verified, none, implicit"},
        {"host=one.example tls=none,required", "",
         "relay rule 2: tls= is one of opportunistic, required, verified, none, implicit"},
        {"host=one.example tls=none,implicit", "", "relay rule 2: tls= is both none and implicit"},
        {"to=far.example tls=implicit", "", "relay rule 2: tls=implicit goes with a host= only"},
        {"host=one.example connections=0", "",
         "relay rule 2: connections= is no number from 1 to 1000"},
        {"host=one.example letters=1x", "", "relay rule 2: letters= is no number from 1 to 100000"},
        {"host=one.example minute=-5", "", "relay rule 2: minute= is no number from 1 to 1000000"},
        {"host=mx user=ann", "", "relay rule 2: user= goes with a host= only"},
        {"host=one.example user=ann", "",
         "relay rule 2: the secrets have no password of ann at one.example"},
        {"host=one.example user=ann", "one.example bob secret\none.example:26 ann secret\n",
         "relay rule 2: the secrets have no password of ann at one.example"},
        {"host=one.example", "one.example ann\n",
         "line 1 of the secrets is not of the form HOST USER PASSWORD"},
        {"host=one.example", "#\n\n_ ann secret",
         "line 3 of the secrets begins with what is no host"},
        {"from=@home.example host=mx tls=required", "",
         "relay rule 2: what is demanded of the hosts of a domain holds for all senders: from= "
         "goes with a host= only"},
        {"host=first.example tls=required", "",
         "relay rule 2: the relay is that of rule 1, but with other demands"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fault fault = {0};
        struct relay_table *table =
            relay_table_new(RULES("to=first.example host=first.example", cases[i].rule), 2,
                            bytes_from_string(cases[i].secrets), &fault);
        assert_null(table);
        assert_string_equal(fault.message, cases[i].message);
        assert_int_equal(fault.kind, FAULT_SYNTAX);
    }
}

static void a_zero_in_a_password_is_none(void **state)
{
    (void)state;
    struct fault fault = {0};
    assert_null(relay_table_new(RULES("host=one.example user=ann"), 1,
                                BYTES("one.example ann sec\0ret"), &fault));
    assert_string_equal(fault.message, "line 1 of the secrets has a zero byte in the password");
}

static void limits(void **state)
{
    (void)state;
    struct fault fault = {0};
    static const char *rules[RELAY_RULES_MAX + 1];
    for (size_t i = 0; i <= RELAY_RULES_MAX; i++)
        rules[i] = "to=far.example host=one.example";
    relay_table_free(table_of(rules, RELAY_RULES_MAX, ""));
    assert_null(relay_table_new(rules, RELAY_RULES_MAX + 1, BYTES(""), &fault));
    assert_int_equal(fault.kind, FAULT_SYNTAX);

    /* The longest route that a rule may have, and one more. */
    static char rule[2 * RELAY_ROUTE_MAX];
    static char secrets[2 * RELAY_ROUTE_MAX];
    size_t user = RELAY_ROUTE_MAX - strlen(" via a.example:65535");
    for (size_t i = 0; i < 2; i++) {
        char name[RELAY_ROUTE_MAX] = {0};
        memset(name, 'u', user + i);
        snprintf(rule, sizeof(rule), "host=a.example:65535 user=%s", name);
        snprintf(secrets, sizeof(secrets), "a.example %s p", name);
        const char *const one[] = {rule};
        struct relay_table *table = relay_table_new(one, 1, bytes_from_string(secrets), &fault);
        assert_int_equal(table != NULL, i == 0);
        relay_table_free(table);
    }
    assert_string_equal(fault.message, "relay rule 1: user= and host= are too long");
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    static const char *const rules[] = {
        "from=ann@home.example to=.far.example host=one.example user=u tls=verified",
        "from=@home.example host=two.example",
        "to=b\xc3\xbc"
        "cher.example host=[2001:db8::1]"};
    bool is_done = false;
    for (size_t count = 0; !is_done; count++) {
        struct fault fault = {0};
        AUTO(buffer)
        route = BUFFER(RELAY_ROUTE_MAX);
        struct address address;
        assert_true(address_parse(BYTES("x@B\xc3\xbc"
                                        "cher.example"),
                                  &address, &fault));
        failing_allocation_start(count);
        struct relay_table *table =
            relay_table_new(rules, 3, BYTES("# \none.example:25 u p\n"), &fault);
        bool is_routed = table != NULL &&
                         relay_route(table, BYTES("bob@else.example"), &address, &route, &fault);
        is_done = !failing_allocation_stop();
        assert_int_equal(is_done, is_routed);
        assert_int_equal(fault.kind, is_done ? FAULT_NONE : FAULT_TEMPORARY);
        relay_table_free(table);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(without_rules_all_go_by_mx),
    cmocka_unit_test(the_first_that_fits_holds),
    cmocka_unit_test(senders_are_compared_as_values),
    cmocka_unit_test(demands_are_found_by_name),
    cmocka_unit_test(exceptions_have_no_demands),
    cmocka_unit_test(hosts_and_ports),
    cmocka_unit_test(a_relay_may_serve_several_rules),
    cmocka_unit_test(relays_that_are_no_more_are_stale),
    cmocka_unit_test(says_what_is_wrong),
    cmocka_unit_test(a_zero_in_a_password_is_none),
    cmocka_unit_test(limits),
    cmocka_unit_test(memory_may_end_anywhere),
};

UNIT_MAIN(tests)
