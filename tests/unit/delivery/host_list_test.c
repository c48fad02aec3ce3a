/* Where mail for a domain goes, asked of a real name server (RFC 5321 5.1, RFC 7505). */
#include "delivery/host_list.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "failing_allocation.h"
#include "net/name_server.h"
#include "unit.h"

enum {
    PATIENCE = 60 * 1000, /* milliseconds for an answer of a server next door */
    PORT = 2525,
    SHUFFLES = 60,
    TEXT_SIZE = 2048
};

struct fixture {
    struct net_address ours[1];
    struct host_list_self self;
    const char *servers[1];
    struct net_dns_options options;
    struct net_dns *dns;
    bool is_told;
    uint32_t random;
};

static int start(void **state)
{
    static struct fixture fixture = {.self = {.name = "mail.posthorn.test"}};
    static const char *const zones[][2] = {{".", "tests/unit/delivery/zones/hosts.zone"},
                                           {"broken.test", "tests/unit/delivery/zones/none"},
                                           {NULL, NULL}};
    struct fault fault;
    name_server_start(zones);
    fixture.servers[0] = name_server_place();
    fixture.options = (struct net_dns_options){
        .servers = fixture.servers, .server_count = 1, .is_authoritative = true};
    fixture.dns = net_dns_new(&fixture.options, &fault);
    assert_non_null(fixture.dns);
    assert_true(net_address_parse("127.0.0.9", PORT, &fixture.ours[0]));
    fixture.self.addresses = fixture.ours;
    fixture.self.address_count = 1;
    *state = &fixture;
    return 0;
}

static int stop(void **state)
{
    net_dns_free(((struct fixture *)*state)->dns);
    name_server_stop();
    return 0;
}

static void hear(struct host_lookup *lookup, void *context)
{
    struct fixture *fixture = context;
    assert_non_null(lookup);
    assert_false(fixture->is_told);
    fixture->is_told = true;
}

static struct host_lookup *begin(struct fixture *fixture, const char *route,
                                 const struct relay *relay, struct fault *fault)
{
    fixture->is_told = false;
    return host_lookup_new(fixture->dns, &fixture->self, bytes_from_string(route), relay,
                           fixture->random, hear, fixture, fault);
}

static void wait_for(struct fixture *fixture)
{
    while (!fixture->is_told) {
        struct pollfd poll_set = {.fd = net_dns_descriptor(fixture->dns), .events = POLLIN};
        assert_int_equal(poll(&poll_set, 1, PATIENCE), 1);
        net_dns_process(fixture->dns);
    }
}

static struct host_list *look_up(struct fixture *fixture, const char *route,
                                 const struct relay *relay)
{
    struct fault fault;
    struct host_lookup *lookup = begin(fixture, route, relay, &fault);
    assert_non_null(lookup);
    wait_for(fixture);
    struct host_list *list = host_lookup_take(lookup);
    assert_non_null(list);
    assert_null(host_lookup_take(lookup));
    host_lookup_free(lookup);
    return list;
}

/* "both.tree.test=192.0.2.1:2525 ..." */
static void write_places(const struct host_list *list, char text[TEXT_SIZE])
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        char address[64];
        net_address_format(&list->places[i].address, address, sizeof address);
        length += (size_t)snprintf(text + length, TEXT_SIZE - length, "%s%s=%s", i > 0 ? " " : "",
                                   list->places[i].name, address);
    }
}

static void assert_places_of(struct fixture *fixture, const char *route, const struct relay *relay,
                             const char *expected)
{
    char text[TEXT_SIZE];
    struct host_list *list = look_up(fixture, route, relay);
    if (list->status != HOST_LIST_FOUND)
        fail_msg("%s: %d %s %s", route, list->code, list->enhanced, list->reason);
    write_places(list, text);
    assert_string_equal(text, expected);
    host_list_free(list);
}

static void assert_places(struct fixture *fixture, const char *domain, const char *expected)
{
    const struct relay relay = {.port = PORT};
    assert_places_of(fixture, domain, &relay, expected);
}

static void assert_failure_of(struct fixture *fixture, const char *route, const struct relay *relay,
                              int code, const char *enhanced, const char *reason)
{
    struct host_list *list = look_up(fixture, route, relay);
    assert_int_equal(list->count, 0);
    assert_int_equal(list->status, code < 500 ? HOST_LIST_TEMPORARY : HOST_LIST_PERMANENT);
    if (list->code != code || strcmp(list->enhanced, enhanced) != 0)
        fail_msg("%s: %d %s %s", route, list->code, list->enhanced, list->reason);
    assert_string_equal(list->reason, reason);
    host_list_free(list);
}

static void assert_failure(struct fixture *fixture, const char *domain, int code,
                           const char *enhanced, const char *reason)
{
    const struct relay relay = {.port = PORT};
    assert_failure_of(fixture, domain, &relay, code, enhanced, reason);
}

#define BOTH   "both.tree.test=[2001:db8::1]:2525 both.tree.test=192.0.2.1:2525"
#define MIDDLE "middle.tree.test=192.0.2.2:2525"
#define LAST   "last.tree.test=[2001:db8::3]:2525"

static void preferences_are_kept(void **state)
{
    assert_places(*state, "tree.test", BOTH " " MIDDLE " " LAST);
    assert_places(*state, "alias.test", BOTH " " MIDDLE " " LAST);
    assert_places(*state, "mxalias.test",
                  "www.mxalias.test=[2001:db8::1]:2525 www.mxalias.test=192.0.2.1:2525");
}

/* Each of the three equal ones comes first some time, the fourth never. */
static void equal_ones_are_shuffled(void **state)
{
    struct fixture *fixture = *state;
    const struct relay relay = {.port = PORT};
    unsigned firsts[4] = {0};
    for (uint32_t i = 0; i < SHUFFLES; i++) {
        fixture->random = i * 2654435761U;
        struct host_list *list = look_up(fixture, "equal.test", &relay);
        assert_int_equal(list->count, 4);
        firsts[list->places[0].name[0] - 'a']++;
        assert_string_equal(list->places[3].name, "d.equal.test");
        host_list_free(list);
    }
    for (size_t i = 0; i < 3; i++)
        assert_in_range(firsts[i], SHUFFLES / 10, SHUFFLES / 2 + SHUFFLES / 10);
    assert_int_equal(firsts[3], 0);
}

static void without_mx_the_domain_is_the_host(void **state)
{
    assert_places(*state, "itself.test",
                  "itself.test=[2001:db8::20]:2525 itself.test=192.0.2.20:2525");
    assert_places(*state, "aliasitself.test",
                  "aliasitself.test=[2001:db8::20]:2525 aliasitself.test=192.0.2.20:2525");
    assert_failure(*state, "textonly.test", 550, "5.4.4",
                   "no mail host of textonly.test has an address");
}

static void no_domain_is_for_good(void **state)
{
    assert_failure(*state, "nothing.test", 550, "5.1.2", "the domain nothing.test does not exist");
}

static void the_null_mx_is_for_good(void **state)
{
    assert_failure(*state, "null.test", 556, "5.1.10",
                   "the domain null.test takes no mail (null MX)");
    assert_places(*state, "nullandmore.test", MIDDLE);
}

/* The A record of a domain with MX does not count. */
static void hosts_without_addresses(void **state)
{
    assert_failure(*state, "homeless.test", 550, "5.4.4",
                   "no mail host of homeless.test has an address");
    assert_failure(*state, "literal.test", 550, "5.4.4",
                   "no mail host of literal.test has an address");
    assert_places(*state, "halfhomeless.test", MIDDLE);
}

static void what_fails_is_tried_again(void **state)
{
    assert_failure(*state, "broken.test", 451, "4.4.3",
                   "the look-up of MX of broken.test failed: no name server gives an answer");
    assert_failure(*state, "failing.test", 451, "4.4.3",
                   "the look-up of A of host.broken.test failed: no name server gives an answer");
    assert_places(*state, "halffailing.test", MIDDLE);
}

/* RFC 5321 5.1: those of the same or less standing are left out too. */
static void mail_does_not_come_back(void **state)
{
    assert_places(*state, "ourname.test", BOTH);
    assert_places(*state, "ouraddress.test", BOTH);
    static const char *const ours[] = {"onlyours.test", "onlyouraddress.test", "behindnobody.test",
                                       "itselfours.test", "mail.posthorn.test"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        char reason[256];
        snprintf(reason, sizeof reason, "mail for %s would come back to this server", ours[i]);
        assert_failure(*state, ours[i], 550, "5.4.6", reason);
    }
}

/* Who listens at another port is somebody else. */
static void our_address_is_one_with_its_port(void **state)
{
    const struct relay relay = {.port = PORT + 1};
    assert_places_of(*state, "itselfours.test", &relay, "itselfours.test=127.0.0.9:2526");
}

/* Who listens on all addresses is whoever is reached by one of this machine. */
static void listening_for_all_is_listening_for_each(void **state)
{
    static const char *const any[] = {"0.0.0.0", "::"};
    struct fixture *fixture = *state;
    struct net_address before = fixture->ours[0];
    for (size_t i = 0; i < 2; i++) {
        assert_true(net_address_parse(any[i], PORT, &fixture->ours[0]));
        assert_failure(fixture, "itselfours.test", 550, "5.4.6",
                       "mail for itselfours.test would come back to this server");
        assert_places(fixture, "ouraddress.test", BOTH);
    }
    fixture->ours[0] = before;
}

static void families_without_a_way_come_last(void **state)
{
    struct fixture *fixture = *state;
    fixture->self.no_ipv6 = true;
    assert_places(fixture, "tree.test",
                  "both.tree.test=192.0.2.1:2525 " MIDDLE
                  " both.tree.test=[2001:db8::1]:2525 " LAST);
    fixture->self.no_ipv6 = false;
    fixture->self.no_ipv4 = true;
    assert_places(fixture, "tree.test",
                  "both.tree.test=[2001:db8::1]:2525 " LAST
                  " both.tree.test=192.0.2.1:2525 " MIDDLE);
    fixture->self.no_ipv4 = false;
}

static void literals_are_addresses(void **state)
{
    assert_places(*state, "[192.0.2.77]", "[192.0.2.77]=192.0.2.77:2525");
    assert_places(*state, "[IPv6:2001:db8::77]", "[IPv6:2001:db8::77]=[2001:db8::77]:2525");
    assert_places(*state, "[ipv6:2001:db8::77]", "[ipv6:2001:db8::77]=[2001:db8::77]:2525");
    assert_failure(*state, "[tag:content]", 550, "5.1.2",
                   "[tag:content] is no address that mail can be sent to");
    assert_failure(*state, "[]", 550, "5.1.2", "[] is no address that mail can be sent to");
    assert_failure(*state, "[", 550, "5.1.2", "[ is no address that mail can be sent to");
    assert_failure(*state, "[127.0.0.9]", 550, "5.4.6",
                   "mail for [127.0.0.9] would come back to this server");
    /* Digits and dots alone are a name. */
    assert_failure(*state, "192.0.2.77", 550, "5.1.2", "the domain 192.0.2.77 does not exist");
}

/* Its addresses are asked for, never its MX; a mistake in the configuration returns no mail. */
static void relays_are_hosts(void **state)
{
    struct relay relay = {.port = 587, .host = "both.tree.test"};
    assert_places_of(*state, "both.tree.test:587", &relay,
                     "both.tree.test=[2001:db8::1]:587 both.tree.test=192.0.2.1:587");
    relay.host = "192.0.2.5";
    assert_places_of(*state, "192.0.2.5:587", &relay, "192.0.2.5=192.0.2.5:587");
    relay.host = "[2001:db8::5]";
    assert_places_of(*state, "[2001:db8::5]:587", &relay, "[2001:db8::5]=[2001:db8::5]:587");
    relay.host = "tree.test";
    assert_failure_of(*state, "tree.test:587", &relay, 451, "4.4.4",
                      "the relay tree.test has no address");
    relay.host = "nothing.test";
    assert_failure_of(*state, "nothing.test:587", &relay, 451, "4.4.4",
                      "the relay nothing.test has no address");
    relay.host = "[nonsense]";
    assert_failure_of(*state, "x", &relay, 451, "4.1.2",
                      "[nonsense] is no address that mail can be sent to");
    /* Our name at another port is another server on this machine. */
    relay.host = "mail.posthorn.test";
    assert_places_of(*state, "x", &relay, "mail.posthorn.test=127.0.0.9:587");
    relay.port = PORT;
    assert_failure_of(*state, "x", &relay, 451, "4.4.6",
                      "the relay mail.posthorn.test is this server itself");
}

static void lists_have_limits(void **state)
{
    const struct relay relay = {.port = PORT};
    struct host_list *list = look_up(*state, "many.test", &relay);
    assert_int_equal(list->count, HOST_LIST_HOSTS_MAX);
    assert_string_equal(list->places[0].name, "0.many.test");
    assert_string_equal(list->places[list->count - 1].name, "19.many.test");
    host_list_free(list);
    list = look_up(*state, "wide.test", &relay);
    assert_int_equal(list->count, HOST_LIST_ADDRESSES_MAX);
    host_list_free(list);
}

static void lifetimes_are_the_shortest(void **state)
{
    const struct relay relay = {.port = PORT};
    struct host_list *list = look_up(*state, "tree.test", &relay);
    assert_in_range(list->lifetime, 0, 20);
    assert_false(list->is_secure);
    host_list_free(list);
    list = look_up(*state, "[192.0.2.77]", &relay);
    assert_int_equal(list->lifetime, HOST_LIST_MEMORY_SECONDS);
    assert_false(list->is_secure);
    host_list_free(list);
}

static void names_have_limits(void **state)
{
    const struct relay relay = {.port = PORT};
    char name[RELAY_HOST_MAX + 2];
    struct fault fault;
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_null(begin(*state, name, &relay, &fault));
    assert_int_equal(fault.kind, FAULT_SYNTAX);
    assert_null(begin(*state, "", &relay, &fault));
    /* As long as allowed, but with a label that no name can have. */
    name[RELAY_HOST_MAX] = '\0';
    struct host_list *list = look_up(*state, name, &relay);
    assert_int_equal(list->status, HOST_LIST_TEMPORARY);
    assert_string_equal(list->enhanced, "4.4.3");
    host_list_free(list);
}

/* In each of the two stages. */
static void open_lookups_are_dropped(void **state)
{
    struct fixture *fixture = *state;
    const struct relay relay = {.port = PORT};
    struct fault fault;
    host_lookup_free(begin(fixture, "tree.test", &relay, &fault));
    struct host_lookup *lookup = begin(fixture, "halffailing.test", &relay, &fault);
    struct pollfd poll_set = {.fd = net_dns_descriptor(fixture->dns), .events = POLLIN};
    assert_int_equal(poll(&poll_set, 1, PATIENCE), 1);
    net_dns_process(fixture->dns);
    host_lookup_free(lookup);
    assert_places(fixture, "tree.test", BOTH " " MIDDLE " " LAST);
}

static void memory_may_run_out(void **state)
{
    static const char *const domains[] = {"tree.test", "itself.test", "[192.0.2.77]"};
    struct fixture *fixture = *state;
    const struct relay relay = {.port = PORT};
    for (size_t i = 0; i < sizeof domains / sizeof *domains; i++) {
        bool is_refused = true;
        for (size_t count = 0; is_refused; count++) {
            struct fault fault = {0};
            failing_allocation_start(count);
            struct host_lookup *lookup = begin(fixture, domains[i], &relay, &fault);
            if (lookup != NULL)
                wait_for(fixture);
            is_refused = failing_allocation_stop();
            if (lookup == NULL) {
                assert_int_equal(fault.system_error, ENOMEM);
                continue;
            }
            struct host_list *list = host_lookup_take(lookup);
            assert_int_equal(list->status, is_refused ? HOST_LIST_TEMPORARY : HOST_LIST_FOUND);
            if (is_refused)
                assert_string_equal(list->reason, "out of memory");
            host_list_free(list);
            host_lookup_free(lookup);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preferences_are_kept),
        cmocka_unit_test(equal_ones_are_shuffled),
        cmocka_unit_test(without_mx_the_domain_is_the_host),
        cmocka_unit_test(no_domain_is_for_good),
        cmocka_unit_test(the_null_mx_is_for_good),
        cmocka_unit_test(hosts_without_addresses),
        cmocka_unit_test(what_fails_is_tried_again),
        cmocka_unit_test(mail_does_not_come_back),
        cmocka_unit_test(our_address_is_one_with_its_port),
        cmocka_unit_test(listening_for_all_is_listening_for_each),
        cmocka_unit_test(families_without_a_way_come_last),
        cmocka_unit_test(literals_are_addresses),
        cmocka_unit_test(relays_are_hosts),
        cmocka_unit_test(lists_have_limits),
        cmocka_unit_test(lifetimes_are_the_shortest),
        cmocka_unit_test(names_have_limits),
        cmocka_unit_test(open_lookups_are_dropped),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
