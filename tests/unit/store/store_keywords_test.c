/* Keywords: named bits of a mailbox. */
#include "store_fixture.h"

#include <stdio.h>

#include "store/store_mailboxes.h"

struct making_job {
    struct store_job job;
    int64_t mailbox;
    const struct bytes *names;
    size_t count;
    uint64_t bits;
    bool is_changed;
};

static bool run_making(struct store_job *job, struct db *db, struct fault *fault)
{
    struct making_job *making = (struct making_job *)job;
    return store_keywords_make(db, making->mailbox, making->names, making->count, &making->bits,
                               &making->is_changed, fault);
}

static bool make(struct store_fixture *fixture, struct making_job *making, struct fault *fault)
{
    making->job.run = run_making;
    making->mailbox = fixture->inbox;
    making->job.mailboxes = &making->mailbox;
    making->job.mailbox_count = 1;
    return store_run(fixture->store, &making->job, fault);
}

static void names_are_bits_in_any_case(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    static const struct bytes names[] = {BYTES_INIT("$Forwarded"), BYTES_INIT("later"),
                                         BYTES_INIT("$FORWARDED")};
    struct making_job making = {.names = names, .count = 3};
    assert_true(make(fixture, &making, &fault));
    assert_int_equal(making.bits, 3 << STORE_KEYWORD_FIRST);
    assert_true(making.is_changed);
    making.names = &names[2];
    making.count = 1;
    assert_true(make(fixture, &making, &fault));
    assert_int_equal(making.bits, 1 << STORE_KEYWORD_FIRST);
    assert_false(making.is_changed);
    AUTO(store_keywords)
    keywords = {0};
    assert_true(store_keywords_read(fixture->reader, fixture->inbox, &keywords, &fault));
    assert_int_equal(keywords.count, 2);
    assert_bytes(keywords.names[0], "$Forwarded");
    assert_bytes(keywords.names[1], "later");
}

static void a_keyword_without_messages_makes_room(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement flag = {"UPDATE message SET flags = $2 WHERE mailbox = $1",
                                             NULL};
    struct fault fault = {0};
    char text[STORE_KEYWORDS_MAX][8];
    struct bytes names[STORE_KEYWORDS_MAX];
    for (int i = 0; i < STORE_KEYWORDS_MAX; i++) {
        snprintf(text[i], sizeof(text[i]), "k%d", i);
        names[i] = bytes_from_string(text[i]);
    }
    struct making_job making = {.names = names, .count = STORE_KEYWORDS_MAX};
    assert_true(make(fixture, &making, &fault));
    uint64_t all = making.bits;
    /* A message has all but the sixth. */
    store_fixture_put(fixture, BYTES("Subject: x\r\n\r\n"));
    int64_t used = (int64_t)(all & ~((uint64_t)1 << (STORE_KEYWORD_FIRST + 5)));
    store_fixture_execute(fixture, &flag, DB_VALUES(db_number(fixture->inbox), db_number(used)));
    static const struct bytes two[] = {BYTES_INIT("new"), BYTES_INIT("newer")};
    making = (struct making_job){.names = two, .count = 2};
    assert_false(make(fixture, &making, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    making.count = 1;
    assert_true(make(fixture, &making, &fault));
    assert_int_equal(making.bits, (uint64_t)1 << (STORE_KEYWORD_FIRST + 5));
    /* What is asked for beside a new one is not taken over. */
    store_fixture_execute(fixture, &flag, DB_VALUES(db_number(fixture->inbox), db_number(used)));
    static const struct bytes with_new[] = {BYTES_INIT("other"), BYTES_INIT("new")};
    making = (struct making_job){.names = with_new, .count = 2};
    assert_false(make(fixture, &making, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

static void names_have_a_limit(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    char text[STORE_KEYWORD_NAME_MAX + 1];
    memset(text, 'k', sizeof(text));
    struct bytes name = bytes_of(text, sizeof(text));
    struct making_job making = {.names = &name, .count = 1};
    assert_false(make(fixture, &making, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    name.length--;
    assert_true(make(fixture, &making, &fault));
    AUTO(store_keywords)
    keywords = {0};
    assert_true(store_keywords_read(fixture->reader, fixture->inbox, &keywords, &fault));
    assert_int_equal(keywords.names[0].length, STORE_KEYWORD_NAME_MAX);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(names_are_bits_in_any_case),
    STORE_TEST(a_keyword_without_messages_makes_room),
    STORE_TEST(names_have_a_limit),
};

STORE_MAIN(tests)
