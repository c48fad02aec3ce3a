/* Routes on a real store, and what a loop remembers of them. */
#include "unit.h"

#include <stdio.h>

#include "delivery/route.h"
#include "failing_allocation.h"
#include "store/store_jobs.h"

struct house {
    struct store *store;
    struct db *reader;
};

struct making {
    struct store_job job;
    struct store *store;
};

static bool make_everybody(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store *store = ((struct making *)job)->store;
    static const struct bytes accounts[] = {
        BYTES_INIT("ann@home.example"), BYTES_INIT("bob@home.example"),
        BYTES_INIT("off@home.example"), BYTES_INIT("full@home.example"),
        BYTES_INIT("a%b@home.example"), BYTES_INIT("a!b@home.example"),
    };
    static const struct bytes aliases[][2] = {
        {BYTES_INIT("both@home.example"), BYTES_INIT("ann@home.example")},
        {BYTES_INIT("both@home.example"), BYTES_INIT("bob@home.example")},
        {BYTES_INIT("away@home.example"), BYTES_INIT("ann@far.example")},
        {BYTES_INIT("half@home.example"), BYTES_INIT("ann@home.example")},
        {BYTES_INIT("half@home.example"), BYTES_INIT("ann@far.example")},
        {BYTES_INIT("some@home.example"), BYTES_INIT("ann@home.example")},
        {BYTES_INIT("some@home.example"), BYTES_INIT("full@home.example")},
        {BYTES_INIT("@catch.example"), BYTES_INIT("bob@home.example")},
    };
    int64_t id;
    if (!store_domain_add(db, store_id_make(store), BYTES("home.example"), fault) ||
        !store_domain_add(db, store_id_make(store), BYTES("catch.example"), fault))
        return false;
    for (size_t i = 0; i < sizeof(accounts) / sizeof(accounts[0]); i++)
        if (!store_account_add(store, db, accounts[i], &id, fault))
            return false;
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (!store_alias_add(store, db, aliases[i][0], aliases[i][1], fault))
            return false;
    return store_account_set_disabled(db, BYTES("off@home.example"), true, fault);
}

static int open_house(void **state)
{
    static struct house house;
    struct fault fault = {0};
    house.store = store_open(&(struct store_options){.place = ":memory:", .creates = true}, &fault);
    if (house.store == NULL)
        fail_msg("%s", fault.message);
    struct making making = {.job = {.run = make_everybody}, .store = house.store};
    if (!store_run(house.store, &making.job, &fault))
        fail_msg("%s", fault.message);
    house.reader = store_reader_open(house.store, &fault);
    assert_non_null(house.reader);
    *state = &house;
    return 0;
}

static int close_house(void **state)
{
    struct house *house = *state;
    store_reader_close(house->reader);
    store_close(house->store);
    return 0;
}

static void judges_addresses(void **state)
{
    struct house *house = *state;
    static const struct {
        const char *address;
        enum route_verdict verdict;
        size_t targets;
    } cases[] = {
        {"ann@home.example", ROUTE_TAKEN, 1},
        {"ANN@Home.Example", ROUTE_TAKEN, 1},
        {"ann+lists@home.example", ROUTE_TAKEN, 1},
        {"\"ann\"@home.example", ROUTE_TAKEN, 1},
        {"both@home.example", ROUTE_TAKEN, 2},
        {"anybody@catch.example", ROUTE_TAKEN, 1},
        {"postmaster@home.example", ROUTE_TAKEN, 1},
        {"Postmaster", ROUTE_TAKEN, 1},
        {"postMASTER", ROUTE_TAKEN, 1},
        {"nobody@home.example", ROUTE_UNKNOWN, 0},
        {"off@home.example", ROUTE_DISABLED, 0},
        {"ann@far.example", ROUTE_NO_RELAY, 0},
        /* Forwarded, whoever writes. */
        {"away@home.example", ROUTE_TAKEN, 1},
        {"half@home.example", ROUTE_TAKEN, 2},
        /* Old ways to make somebody else deliver: letters of a local part, nothing more. */
        {"ann%far.example@home.example", ROUTE_UNKNOWN, 0},
        {"far.example!ann@home.example", ROUTE_UNKNOWN, 0},
        {"\"ann@far.example\"@home.example", ROUTE_UNKNOWN, 0},
        {"a%b@home.example", ROUTE_TAKEN, 1},
        {"a!b@home.example", ROUTE_TAKEN, 1},
        {"ann@[127.0.0.1]", ROUTE_NO_RELAY, 0},
        {"ann@[IPv6:::1]", ROUTE_NO_RELAY, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct route_question question = {.address = bytes_from_string(cases[i].address)};
        struct route_answer answer = {0};
        struct fault fault = {0};
        if (!route_find(house->reader, &question, &answer, &fault))
            fail_msg("%s: %s", cases[i].address, fault.message);
        if (answer.verdict != cases[i].verdict || answer.targets.count != cases[i].targets)
            fail_msg("%s: verdict %d, targets %zu", cases[i].address, (int)answer.verdict,
                     answer.targets.count);
        route_answer_clear(&answer);
    }
}

static void whoever_is_logged_in_writes_to_everybody(void **state)
{
    struct house *house = *state;
    struct route_question question = {.address = BYTES("Far@Far.example"), .account = 1};
    struct route_answer answer = {0};
    struct fault fault = {0};
    assert_true(route_find(house->reader, &question, &answer, &fault));
    assert_int_equal(answer.verdict, ROUTE_TAKEN);
    assert_int_equal(answer.targets.count, 1);
    assert_int_equal(answer.targets.items[0].account, 0);
    assert_true(bytes_equal(address_local_part(&answer.targets.items[0].far), BYTES("Far")));
    route_answer_clear(&answer);
    question.address = BYTES("nobody@home.example");
    assert_true(route_find(house->reader, &question, &answer, &fault));
    assert_int_equal(answer.verdict, ROUTE_UNKNOWN);
    route_answer_clear(&answer);
}

/* Where the letter goes on to has its own opinion of its size. */
static void an_alias_to_far_has_room(void **state)
{
    struct house *house = *state;
    struct route_question question = {.address = BYTES("away@home.example")};
    struct route_answer answer = {0};
    struct fault fault = {0};
    assert_true(route_find(house->reader, &question, &answer, &fault));
    assert_int_equal(answer.verdict, ROUTE_TAKEN);
    assert_true(route_has_room(&answer, UINT32_MAX));
    route_answer_clear(&answer);
}

static void knows_every_verdict_in_words(void **state)
{
    (void)state;
    for (enum route_verdict verdict = ROUTE_TAKEN; verdict <= ROUTE_NULL_SENDER_REFUSED;
         verdict++) {
        const struct route_words *words = route_words_of(verdict);
        assert_int_equal(words->code / 100, verdict == ROUTE_TAKEN ? 2 : 5);
        assert_int_equal(words->enhanced[0] - '0', words->code / 100);
        assert_true(strlen(words->text) > 0 && strlen(words->text) < 200);
    }
}

static struct route_answer answer_of(struct store_target *targets, size_t count)
{
    return (struct route_answer){
        .verdict = ROUTE_TAKEN,
        .targets = {.resolution = STORE_RESOLVED, .items = targets, .count = count}};
}

static void remembers_for_a_while(void **state)
{
    (void)state;
    struct route_memory *memory = route_memory_new(NULL);
    assert_non_null(memory);
    struct store_target targets[2] = {{.account = 1, .mailbox = 10, .room = INT64_MAX},
                                      {.account = 2, .mailbox = 20, .room = 5000}};
    struct route_answer answer = answer_of(targets, 2);
    struct route_question question = {.address = BYTES("ann@home.example")};
    const struct route_answer *found = NULL;
    assert_false(route_memory_find(memory, &question, 1000, &found));
    route_memory_keep(memory, &question, &answer, 1000);
    assert_true(route_memory_find(memory, &question, 1000 + ROUTE_MEMORY_TIME - 1, &found));
    assert_int_equal(found->verdict, ROUTE_TAKEN);
    assert_int_equal(found->targets.count, 2);
    assert_int_equal(found->targets.items[1].mailbox, 20);
    assert_int_equal(found->targets.items[1].account, 2);
    assert_true(route_has_room(found, 0));
    assert_true(route_has_room(found, 5000 - ROUTE_TRACE_SIZE));
    assert_false(route_has_room(found, 5000 - ROUTE_TRACE_SIZE + 1));

    /* The same mailbox in other letters; another asker is another question. */
    question.address = BYTES("Ann@HOME.example");
    assert_true(route_memory_find(memory, &question, 1000, &found));
    question.account = 7;
    assert_false(route_memory_find(memory, &question, 1000, &found));
    question.account = 0;
    assert_false(route_memory_find(memory, &question, 1000 + ROUTE_MEMORY_TIME, &found));
    route_memory_free(memory);
}

static void keeps_only_what_was_taken(void **state)
{
    (void)state;
    struct route_memory *memory = route_memory_new(NULL);
    struct store_target targets[ROUTE_MEMORY_TARGETS + 1];
    for (size_t i = 0; i < ROUTE_MEMORY_TARGETS + 1; i++)
        targets[i] = (struct store_target){.account = 1, .mailbox = (int64_t)i};
    struct route_question question = {.address = BYTES("ann@home.example")};
    const struct route_answer *found;

    struct route_answer answer = answer_of(targets, ROUTE_MEMORY_TARGETS + 1);
    route_memory_keep(memory, &question, &answer, 0);
    assert_false(route_memory_find(memory, &question, 0, &found));
    answer = answer_of(targets, 0);
    route_memory_keep(memory, &question, &answer, 0);
    assert_false(route_memory_find(memory, &question, 0, &found));
    answer = (struct route_answer){.verdict = ROUTE_UNKNOWN};
    route_memory_keep(memory, &question, &answer, 0);
    assert_false(route_memory_find(memory, &question, 0, &found));
    targets[3].account = 0;
    answer = answer_of(targets, ROUTE_MEMORY_TARGETS);
    route_memory_keep(memory, &question, &answer, 0);
    assert_false(route_memory_find(memory, &question, 0, &found));
    targets[3].account = 1;
    route_memory_keep(memory, &question, &answer, 0);
    assert_true(route_memory_find(memory, &question, 0, &found));
    assert_int_equal(found->targets.count, ROUTE_MEMORY_TARGETS);

    /* Kept again, it is what was said last, and for longer. */
    answer = answer_of(targets + 5, 1);
    route_memory_keep(memory, &question, &answer, 1000);
    assert_true(route_memory_find(memory, &question, ROUTE_MEMORY_TIME + 999, &found));
    assert_int_equal(found->targets.count, 1);
    assert_int_equal(found->targets.items[0].mailbox, 5);
    route_memory_free(memory);
}

static void has_a_bound(void **state)
{
    (void)state;
    struct route_memory *memory = route_memory_new(NULL);
    struct store_target target = {.account = 1, .mailbox = 1};
    struct route_answer answer = answer_of(&target, 1);
    const struct route_answer *found;
    for (int i = 0; i < ROUTE_MEMORY_ENTRIES + 10; i++) {
        char text[64];
        snprintf(text, sizeof(text), "user%d@home.example", i);
        struct route_question question = {.address = bytes_from_string(text)};
        route_memory_keep(memory, &question, &answer, 0);
    }
    int count = 0;
    for (int i = 0; i < ROUTE_MEMORY_ENTRIES + 10; i++) {
        char text[64];
        snprintf(text, sizeof(text), "user%d@home.example", i);
        struct route_question question = {.address = bytes_from_string(text)};
        count += route_memory_find(memory, &question, 0, &found);
    }
    assert_int_equal(count, ROUTE_MEMORY_ENTRIES);
    struct route_question first = {.address = BYTES("user9@home.example")};
    assert_false(route_memory_find(memory, &first, 0, &found));
    first.address = BYTES("user10@home.example");
    assert_true(route_memory_find(memory, &first, 0, &found));
    route_memory_free(memory);
}

static void does_without_memory(void **state)
{
    (void)state;
    struct store_target target = {.account = 1, .mailbox = 1};
    struct route_answer answer = answer_of(&target, 1);
    for (size_t count = 0;; count++) {
        struct fault fault = {0};
        const struct route_answer *found;
        struct route_question question = {.address = BYTES("ann@home.example")};
        struct route_question other = {.address = BYTES("bob@home.example")};
        failing_allocation_start(count);
        struct route_memory *memory = route_memory_new(&fault);
        if (memory != NULL) {
            route_memory_keep(memory, &question, &answer, 0);
            route_memory_keep(memory, &other, &answer, 0);
        }
        bool was_short = failing_allocation_stop();
        if (memory == NULL)
            assert_int_equal(fault.kind, FAULT_TEMPORARY);
        else if (route_memory_find(memory, &question, 0, &found))
            assert_int_equal(found->targets.count, 1);
        if (!was_short)
            assert_true(route_memory_find(memory, &other, 0, &found));
        route_memory_free(memory);
        if (!was_short)
            break;
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(judges_addresses),
    cmocka_unit_test(whoever_is_logged_in_writes_to_everybody),
    cmocka_unit_test(an_alias_to_far_has_room),
    cmocka_unit_test(knows_every_verdict_in_words),
    cmocka_unit_test(remembers_for_a_while),
    cmocka_unit_test(keeps_only_what_was_taken),
    cmocka_unit_test(has_a_bound),
    cmocka_unit_test(does_without_memory),
};

int main(void)
{
    return cmocka_run_group_tests(tests, open_house, close_house);
}
