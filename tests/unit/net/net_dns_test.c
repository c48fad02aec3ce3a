/* Questions to a real name server. */
#include "net/net_dns.h"

#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failing_allocation.h"
#include "net/loopback.h"
#include "net/name_server.h"
#include "unit.h"

enum {
    PATIENCE = 60 * 1000, /* milliseconds for an answer of a server next door */
    MANY = 3000
};

/* What the tests share: the name server has one port. */
struct fixture {
    const char *servers[1];
    struct net_dns_options options;
    struct net_dns *dns;
    size_t told_count;
};

static struct fixture *current;

static void hear(struct net_dns_question *question)
{
    (void)question;
    current->told_count++;
}

static void open_dns(struct fixture *fixture)
{
    struct fault fault;
    fixture->dns = net_dns_new(&fixture->options, &fault);
    assert_non_null(fixture->dns);
    current = fixture;
}

static struct fixture use_server(const char *const server[1])
{
    return (struct fixture){
        .options = {.servers = server, .server_count = 1, .is_authoritative = true}};
}

static void wait_for(struct fixture *fixture, size_t count)
{
    while (fixture->told_count < count) {
        struct pollfd poll_set = {.fd = net_dns_descriptor(fixture->dns), .events = POLLIN};
        assert_int_equal(poll(&poll_set, 1, PATIENCE), 1);
        net_dns_process(fixture->dns);
    }
}

static void put(struct net_dns_question *question, const char *name, enum net_dns_type type)
{
    *question = (struct net_dns_question){.type = type, .told = hear};
    assert_true(snprintf(question->name, sizeof question->name, "%s", name) <
                (int)sizeof question->name);
}

static struct net_dns_answer *ask(struct fixture *fixture, const char *name, enum net_dns_type type)
{
    struct net_dns_question question;
    struct fault fault;
    put(&question, name, type);
    size_t told_count = fixture->told_count;
    assert_true(net_dns_ask(fixture->dns, &question, &fault));
    assert_int_equal(fixture->told_count, told_count);
    wait_for(fixture, told_count + 1);
    assert_non_null(question.answer);
    return question.answer;
}

static void assert_status(struct fixture *fixture, const char *name, enum net_dns_type type,
                          enum net_dns_status status)
{
    struct net_dns_answer *answer = ask(fixture, name, type);
    if (answer->status != status)
        fail_msg("%s has the status %d: %s", name, (int)answer->status, answer->reason);
    assert_true((answer->count > 0) == (status == NET_DNS_FOUND));
    assert_true((answer->reason[0] != '\0') ==
                (status == NET_DNS_FAILED || status == NET_DNS_BOGUS));
    net_dns_answer_free(answer);
}

static void assert_address(const struct net_dns_record *record, const char *expected)
{
    char text[INET6_ADDRSTRLEN + sizeof "[]:65535"];
    net_address_format(&record->address, text, sizeof text);
    assert_string_equal(text, expected);
}

static int start(void **state)
{
    static struct fixture fixture;
    static const char *const zones[][2] = {
        {".", "tests/unit/net/zones/root.zone"},
        {"signed.test", "tests/unit/net/zones/signed.zone"},
        {"broken.test", "tests/unit/net/zones/there-is-none"},
        {NULL, NULL},
    };
    name_server_start(zones);
    fixture.servers[0] = name_server_place();
    fixture.options = (struct net_dns_options){
        .servers = fixture.servers, .server_count = 1, .is_authoritative = true};
    open_dns(&fixture);
    *state = &fixture;
    return 0;
}

static int stop(void **state)
{
    net_dns_free(((struct fixture *)*state)->dns);
    name_server_stop();
    return 0;
}

static void exchangers_are_found(void **state)
{
    struct net_dns_answer *answer = ask(*state, "plain.test", NET_DNS_MX);
    assert_int_equal(answer->status, NET_DNS_FOUND);
    assert_int_equal(answer->count, 2);
    assert_int_equal(answer->lifetime, 300);
    assert_false(answer->is_secure);
    const struct net_dns_record *first = &answer->records[0];
    const struct net_dns_record *second = &answer->records[1];
    if (first->preference > second->preference) {
        first = &answer->records[1];
        second = &answer->records[0];
    }
    assert_int_equal(first->preference, 10);
    assert_string_equal(first->name, "mx1.plain.test");
    assert_int_equal(second->preference, 20);
    assert_string_equal(second->name, "mx2.plain.test");
    net_dns_answer_free(answer);
}

static void addresses_are_found(void **state)
{
    struct net_dns_answer *answer = ask(*state, "MX1.plain.test", NET_DNS_A);
    assert_int_equal(answer->count, 2);
    assert_int_equal(answer->lifetime, 77);
    bool is_turned = ((struct sockaddr_in *)&answer->records[0].address.storage)->sin_addr.s_addr !=
                     htonl(0xc0000201);
    assert_address(&answer->records[is_turned], "192.0.2.1:0");
    assert_address(&answer->records[!is_turned], "192.0.2.2:0");
    net_dns_answer_free(answer);
    answer = ask(*state, "mx1.plain.test", NET_DNS_AAAA);
    assert_int_equal(answer->count, 1);
    assert_address(&answer->records[0], "[2001:db8::1]:0");
    net_dns_answer_free(answer);
}

static void other_records_come_as_they_are(void **state)
{
    struct net_dns_answer *answer = ask(*state, "plain.test", NET_DNS_TXT);
    assert_int_equal(answer->count, 1);
    assert_bytes(answer->records[0].data, "\6a text\10and more");
    net_dns_answer_free(answer);
    answer = ask(*state, "_25._tcp.mx1.plain.test", NET_DNS_TLSA);
    assert_int_equal(answer->count, 1);
    assert_int_equal(answer->records[0].data.length, 35);
    assert_bytes(bytes_slice(answer->records[0].data, 0, 4), "\3\1\1\x8d");
    net_dns_answer_free(answer);
}

/* RFC 7505. */
static void the_null_exchanger_has_no_name(void **state)
{
    struct net_dns_answer *answer = ask(*state, "null.test", NET_DNS_MX);
    assert_int_equal(answer->count, 1);
    assert_int_equal(answer->records[0].preference, 0);
    assert_string_equal(answer->records[0].name, "");
    net_dns_answer_free(answer);
}

static void what_is_not_there_is_told_apart(void **state)
{
    assert_status(*state, "nothing.test", NET_DNS_MX, NET_DNS_NO_NAME);
    assert_status(*state, "mx1.plain.test", NET_DNS_MX, NET_DNS_NO_DATA);
    assert_status(*state, "mx1.plain.test", NET_DNS_TXT, NET_DNS_NO_DATA);
    /* A name with something below it is there. */
    assert_status(*state, "_tcp.mx1.plain.test", NET_DNS_A, NET_DNS_NO_DATA);
    assert_status(*state, "broken.test", NET_DNS_A, NET_DNS_FAILED);
}

static void aliases_are_followed(void **state)
{
    assert_status(*state, "alias.test", NET_DNS_MX, NET_DNS_FOUND);
    assert_status(*state, "second.test", NET_DNS_MX, NET_DNS_FOUND);
    assert_status(*state, "second.test", NET_DNS_AAAA, NET_DNS_NO_DATA);
    assert_status(*state, "lost.test", NET_DNS_MX, NET_DNS_NO_NAME);
    assert_status(*state, "loop.test", NET_DNS_MX, NET_DNS_FAILED);
}

/* A name that looks like another in a zone file can be asked for as it was given. */
static void odd_names_stay_themselves(void **state)
{
    struct net_dns_answer *answer = ask(*state, "odd.test", NET_DNS_MX);
    assert_int_equal(answer->count, 1);
    assert_string_equal(answer->records[0].name, "a\\.b\\032c\\\\d.test");
    struct net_dns_answer *address = ask(*state, answer->records[0].name, NET_DNS_A);
    assert_int_equal(address->count, 1);
    assert_address(&address->records[0], "192.0.2.3:0");
    net_dns_answer_free(address);
    net_dns_answer_free(answer);
}

static void the_longest_name_fits(void **state)
{
    struct net_dns_answer *answer = ask(*state, "long.test", NET_DNS_MX);
    assert_int_equal(answer->count, 1);
    assert_int_equal(strlen(answer->records[0].name), 253);
    assert_status(*state, answer->records[0].name, NET_DNS_A, NET_DNS_NO_NAME);
    net_dns_answer_free(answer);
}

/* By TCP, since the answer is larger than a datagram; one past the limit is left out. */
static void many_records_are_cut(void **state)
{
    struct net_dns_answer *answer = ask(*state, "many.test", NET_DNS_A);
    assert_int_equal(answer->status, NET_DNS_FOUND);
    assert_int_equal(answer->count, NET_DNS_RECORDS_MAX);
    net_dns_answer_free(answer);
}

/* Of the special names that libunbound keeps for itself. */
static void names_of_closed_networks_are_asked_for(void **state)
{
    assert_status(*state, "machine.home.arpa", NET_DNS_A, NET_DNS_FOUND);
    assert_status(*state, "localhost", NET_DNS_A, NET_DNS_FOUND);
}

static void malformed_names_are_no_harm(void **state)
{
    static const char *const names[] = {"", ".", "a..b", ".a", "a\\", "a b.test", "\xff\xfe.test"};
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct net_dns_question question;
        struct fault fault;
        put(&question, names[i], NET_DNS_A);
        size_t told_count = fixture->told_count;
        if (!net_dns_ask(fixture->dns, &question, &fault)) {
            assert_true(fault.message[0] != '\0');
            continue;
        }
        wait_for(fixture, told_count + 1);
        assert_int_not_equal(question.answer->status, NET_DNS_FOUND);
        net_dns_answer_free(question.answer);
    }
}

static void many_questions_are_open_at_once(void **state)
{
    static struct net_dns_question questions[MANY];
    struct fixture *fixture = *state;
    size_t told_count = fixture->told_count;
    struct fault fault;
    for (size_t i = 0; i < MANY; i++) {
        char name[sizeof "123456.nothing.test"];
        snprintf(name, sizeof name, "%zu.nothing.test", i);
        put(&questions[i], i % 2 == 0 ? name : "plain.test", NET_DNS_MX);
        assert_true(net_dns_ask(fixture->dns, &questions[i], &fault));
    }
    wait_for(fixture, told_count + MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(questions[i].answer->status, i % 2 == 0 ? NET_DNS_NO_NAME : NET_DNS_FOUND);
        net_dns_answer_free(questions[i].answer);
    }
}

/* The second question is put, and a third dropped, from within the answer to the first. */
static struct net_dns_question chain[3];

static void hear_first(struct net_dns_question *question)
{
    struct fault fault;
    assert_ptr_equal(question, &chain[0]);
    put(&chain[1], "mx1.plain.test", NET_DNS_A);
    assert_true(net_dns_ask(current->dns, &chain[1], &fault));
    net_dns_drop(current->dns, &chain[2]);
}

static void questions_lead_to_questions(void **state)
{
    struct fixture *fixture = *state;
    struct fault fault;
    size_t told_count = fixture->told_count;
    put(&chain[0], "plain.test", NET_DNS_MX);
    chain[0].told = hear_first;
    put(&chain[2], "mx1.plain.test", NET_DNS_AAAA);
    chain[2].told = NULL;
    /* The dropped one is put last, so that its answer cannot come first. */
    assert_true(net_dns_ask(fixture->dns, &chain[0], &fault));
    assert_true(net_dns_ask(fixture->dns, &chain[2], &fault));
    wait_for(fixture, told_count + 1);
    assert_int_equal(chain[0].answer->status, NET_DNS_FOUND);
    assert_int_equal(chain[1].answer->status, NET_DNS_FOUND);
    assert_null(chain[2].answer);
    net_dns_answer_free(chain[0].answer);
    net_dns_answer_free(chain[1].answer);
}

/* Its server never answers: what is dropped is not told, by name or with everything. */
static void open_questions_are_dropped(void **state)
{
    (void)state;
    static struct net_dns_question questions[NET_DNS_QUESTIONS_MAX + 1];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof address;
    int silent = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(silent, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(silent, (struct sockaddr *)&address, &length), 0);
    char place[sizeof "127.0.0.1@65535"];
    snprintf(place, sizeof place, "127.0.0.1@%u", ntohs(address.sin_port));
    struct fixture fixture = use_server((const char *const[]){place});
    open_dns(&fixture);
    struct fault fault;
    for (size_t i = 0; i < NET_DNS_QUESTIONS_MAX; i++) {
        put(&questions[i], "plain.test", NET_DNS_A);
        assert_true(net_dns_ask(fixture.dns, &questions[i], &fault));
    }
    struct pollfd asked = {.fd = silent, .events = POLLIN};
    assert_int_equal(poll(&asked, 1, PATIENCE), 1);
    put(&questions[NET_DNS_QUESTIONS_MAX], "plain.test", NET_DNS_A);
    assert_false(net_dns_ask(fixture.dns, &questions[NET_DNS_QUESTIONS_MAX], &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    net_dns_drop(fixture.dns, &questions[1]);
    /* Twice is no harm. */
    net_dns_drop(fixture.dns, &questions[1]);
    assert_true(net_dns_ask(fixture.dns, &questions[NET_DNS_QUESTIONS_MAX], &fault));
    net_dns_process(fixture.dns);
    net_dns_free(fixture.dns);
    assert_int_equal(fixture.told_count, 0);
    close(silent);
}

/* Nobody listens: an answer comes nevertheless. */
static void a_dead_server_is_a_failure(void **state)
{
    (void)state;
    struct loopback closed = loopback_open(AF_INET, LOOPBACK_CLOSED);
    char place[sizeof "127.0.0.1@65535"];
    snprintf(place, sizeof place, "127.0.0.1@%u", closed.port);
    struct fixture fixture = use_server((const char *const[]){place});
    for (int i = 0; i < 2; i++) {
        fixture.options.is_authoritative = i == 0;
        fixture.told_count = 0;
        open_dns(&fixture);
        assert_status(&fixture, "plain.test", NET_DNS_MX, NET_DNS_FAILED);
        net_dns_free(fixture.dns);
    }
    loopback_close(&closed);
}

static void signatures_are_checked(void **state)
{
    char key[256];
    struct fixture *shared = *state;
    struct fixture fixture = {.options = shared->options};
    snprintf(key, sizeof key, "%s/tests/unit/net/zones/signed.key", getenv("POSTHORN_SOURCE"));
    fixture.options.trust_anchor_file = key;
    open_dns(&fixture);
    struct net_dns_answer *answer = ask(&fixture, "signed.test", NET_DNS_MX);
    assert_int_equal(answer->status, NET_DNS_FOUND);
    assert_true(answer->is_secure);
    net_dns_answer_free(answer);
    answer = ask(&fixture, "_25._tcp.mx.signed.test", NET_DNS_TLSA);
    assert_true(answer->is_secure);
    net_dns_answer_free(answer);
    /* That there is none is signed as well. */
    answer = ask(&fixture, "nothing.signed.test", NET_DNS_A);
    assert_int_equal(answer->status, NET_DNS_NO_NAME);
    assert_true(answer->is_secure);
    net_dns_answer_free(answer);
    answer = ask(&fixture, "forged.signed.test", NET_DNS_A);
    assert_int_equal(answer->status, NET_DNS_BOGUS);
    assert_false(answer->is_secure);
    assert_int_equal(answer->count, 0);
    assert_true(bytes_starts_with(bytes_from_string(answer->reason), BYTES("DNSSEC: ")));
    net_dns_answer_free(answer);
    answer = ask(&fixture, "plain.test", NET_DNS_MX);
    assert_int_equal(answer->status, NET_DNS_FOUND);
    assert_false(answer->is_secure);
    net_dns_answer_free(answer);
    net_dns_free(fixture.dns);
    current = shared;
}

static void wrong_options_are_a_fault(void **state)
{
    (void)state;
    static const char *const wrong[] = {"example.com", "127.0.0.1@x", ""};
    struct net_dns_question question;
    struct fault fault;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct fixture fixture = use_server(&wrong[i]);
        open_dns(&fixture);
        put(&question, "plain.test", NET_DNS_A);
        assert_false(net_dns_ask(fixture.dns, &question, &fault));
        assert_int_equal(fault.kind, FAULT_PERMANENT);
        net_dns_process(fixture.dns);
        net_dns_free(fixture.dns);
    }
}

static void memory_may_run_out(void **state)
{
    struct fixture fixture = {.options = ((struct fixture *)*state)->options};
    bool is_refused = true;
    for (size_t count = 0; is_refused; count++) {
        struct net_dns_question question;
        struct fault fault = {0};
        put(&question, "plain.test", NET_DNS_MX);
        fixture.told_count = 0;
        current = &fixture;
        failing_allocation_start(count);
        fixture.dns = net_dns_new(&fixture.options, &fault);
        bool is_asked = fixture.dns != NULL && net_dns_ask(fixture.dns, &question, &fault);
        if (is_asked)
            wait_for(&fixture, 1);
        is_refused = failing_allocation_stop();
        assert_true(is_asked ? is_refused == (question.answer == NULL)
                             : fault.kind == FAULT_TEMPORARY);
        if (is_asked)
            net_dns_answer_free(question.answer);
        net_dns_free(fixture.dns);
    }
    current = *state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exchangers_are_found),
        cmocka_unit_test(addresses_are_found),
        cmocka_unit_test(other_records_come_as_they_are),
        cmocka_unit_test(the_null_exchanger_has_no_name),
        cmocka_unit_test(what_is_not_there_is_told_apart),
        cmocka_unit_test(aliases_are_followed),
        cmocka_unit_test(odd_names_stay_themselves),
        cmocka_unit_test(the_longest_name_fits),
        cmocka_unit_test(many_records_are_cut),
        cmocka_unit_test(names_of_closed_networks_are_asked_for),
        cmocka_unit_test(malformed_names_are_no_harm),
        cmocka_unit_test(many_questions_are_open_at_once),
        cmocka_unit_test(questions_lead_to_questions),
        cmocka_unit_test(open_questions_are_dropped),
        cmocka_unit_test(a_dead_server_is_a_failure),
        cmocka_unit_test(signatures_are_checked),
        cmocka_unit_test(wrong_options_are_a_fault),
        cmocka_unit_test(memory_may_run_out),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
