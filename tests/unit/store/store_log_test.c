/* What is remembered of changes and removals, what is forgotten, and what is said when it was. */
#include "store_change_fixture.h"

#include "store/store_log.h"
#include "store_mailboxes_fixture.h"

#define LETTER "From: bob@example.net\r\nSubject: hello\r\n\r\nHello, Ann.\r\n"

static void put_many(struct store_fixture *fixture, int count)
{
    for (int i = 0; i < count; i++)
        store_change_fixture_put(fixture, fixture->inbox, LETTER, 0, NULL);
}

static void set_modseq(struct store_fixture *fixture, int64_t modseq)
{
    static const struct db_statement set = {"UPDATE mailbox SET modseq = $1 WHERE role = 1", NULL};
    store_fixture_execute(fixture, &set, DB_VALUES(db_number(modseq)));
}

static int64_t number(struct store_fixture *fixture, const struct db_statement *statement)
{
    return store_fixture_number(fixture, statement, DB_VALUES(db_number(fixture->inbox)));
}

static const struct db_statement changed_rows = {"SELECT COUNT(*) FROM changed WHERE mailbox = $1",
                                                 NULL};
static const struct db_statement vanished_rows = {
    "SELECT COUNT(*) FROM vanished WHERE mailbox = $1", NULL};
static const struct db_statement changed_floor = {"SELECT changed_floor FROM mailbox WHERE id = $1",
                                                  NULL};
static const struct db_statement vanished_floor = {
    "SELECT vanished_floor FROM mailbox WHERE id = $1", NULL};

static struct store_changes read_changes(struct store_fixture *fixture, uint64_t since,
                                         uint32_t uidnext)
{
    struct store_changes changes;
    struct fault fault = {0};
    if (!store_changes_read(fixture->reader, fixture->inbox, since, uidnext, &changes, &fault))
        fail_msg("%s", fault.message);
    return changes;
}

static void expunge(struct store_fixture *fixture, uint32_t first, uint32_t last)
{
    struct store_uid_range range = {first, last};
    struct store_expunge job = {.mailbox = fixture->inbox, .ranges = &range, .range_count = 1};
    store_change_fixture_add_flags(fixture, fixture->inbox, first, last, STORE_FLAG_DELETED);
    assert_true(store_change_fixture_expunge(fixture, &job));
    store_expunge_clear(&job);
}

/* "3:4,7" of what vanished, and whether the log knew. */
static const char *vanished_since(struct store_fixture *fixture, uint64_t since,
                                  const struct store_uid_range *within, size_t count, bool is_whole)
{
    struct store_vanished vanished;
    struct fault fault = {0};
    if (!store_vanished_read(fixture->reader, fixture->inbox, since, within, count, &vanished,
                             &fault))
        fail_msg("%s", fault.message);
    assert_int_equal(vanished.is_whole, is_whole);
    const char *text = store_change_fixture_show(vanished.ranges, vanished.count);
    store_vanished_clear(&vanished);
    return text;
}

static void old_changes_are_forgotten(void **state)
{
    struct store_fixture *fixture = *state;
    put_many(fixture, 3);
    store_change_fixture_add_flags(fixture, fixture->inbox, 1, 1, STORE_FLAG_SEEN);
    uint64_t since = 4;
    /* The next change is a thousand modseqs later, and one at which it looks. */
    int64_t later = 4 + STORE_CHANGED_KEPT + STORE_LOG_LOOK_EVERY;
    later -= later % STORE_LOG_LOOK_EVERY;
    set_modseq(fixture, later - 1);
    store_change_fixture_add_flags(fixture, fixture->inbox, 2, 2, STORE_FLAG_SEEN);
    assert_int_equal(number(fixture, &changed_rows), 1);
    assert_int_equal(number(fixture, &changed_floor), later - STORE_CHANGED_KEPT);
    struct store_changes changes = read_changes(fixture, since, 4);
    assert_false(changes.is_whole);
    assert_int_equal(changes.count, 0);
    assert_int_equal(changes.mailbox.modseq, later);
    store_changes_clear(&changes);
    changes = read_changes(fixture, (uint64_t)(later - STORE_CHANGED_KEPT), 4);
    assert_true(changes.is_whole);
    assert_int_equal(changes.count, 1);
    assert_int_equal(changes.messages[0].uid, 2);
    store_changes_clear(&changes);
    store_change_fixture_assert_sound(fixture);
}

/* However often it is done, and however scattered. */
static void changes_have_an_end(void **state)
{
    struct store_fixture *fixture = *state;
    enum {
        MESSAGES = 2 * STORE_LOG_RUNS_MAX + 600
    };
    static const struct db_statement fill = {
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2600) "
        "INSERT INTO message(mailbox, uid, body, flags, modseq, received, size, prefix_size) "
        "SELECT $1, i, 1, i & 1, 1, 1, 1, 0 FROM n",
        "INSERT INTO message(mailbox, uid, body, flags, modseq, received, size, prefix_size) "
        "SELECT $1, i, 1, i & 1, 1, 1, 1, 0 FROM generate_series(1, 2600) i"};
    static const struct db_statement count = {
        "UPDATE mailbox SET uidnext = 2601, modseq = 2, messages = 2600, unseen = 1300 "
        "WHERE id = $1",
        NULL};
    assert_int_equal(MESSAGES, 2600);
    store_fixture_execute(fixture, &fill, DB_VALUES(db_number(fixture->inbox)));
    store_fixture_execute(fixture, &count, DB_VALUES(db_number(fixture->inbox)));
    struct store_uid_range range = {1, MESSAGES};
    struct store_flag_change change = {.mailbox = fixture->inbox,
                                       .ranges = &range,
                                       .range_count = 1,
                                       .mode = STORE_FLAGS_ADD,
                                       .flags = STORE_FLAG_SEEN,
                                       .unchanged_since = UINT64_MAX};
    assert_true(store_change_fixture_flags(fixture, &change));
    int64_t rows = number(fixture, &changed_rows);
    assert_true(rows <= STORE_LOG_RUNS_MAX && rows > STORE_LOG_RUNS_MAX / 2);
    /* The wider ranges hold others, which are not told as changed. */
    struct store_changes changes = read_changes(fixture, 2, MESSAGES + 1);
    assert_int_equal(changes.count, MESSAGES / 2);
    for (size_t i = 0; i < changes.count; i++)
        assert_int_equal(changes.messages[i].uid, 2 * i + 2);
    store_changes_clear(&changes);
    store_flag_change_clear(&change);
}

static void old_removals_are_forgotten(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement age = {"UPDATE vanished SET removed = 5 WHERE uid < 5", NULL};
    put_many(fixture, 12);
    expunge(fixture, 2, 3);
    expunge(fixture, 6, 6);
    store_fixture_execute(fixture, &age, DB_NO_VALUES);
    assert_string_equal(vanished_since(fixture, 13, NULL, 0, true), "2:3,6");
    set_modseq(fixture, 2 * STORE_LOG_LOOK_EVERY - 2);
    expunge(fixture, 8, 9);
    assert_int_equal(number(fixture, &vanished_rows), 2);
    assert_int_equal(number(fixture, &vanished_floor), 15);
    assert_string_equal(vanished_since(fixture, 15, NULL, 0, true), "6,8:9");
    assert_string_equal(vanished_since(fixture, 17, NULL, 0, true), "8:9");
    /* What is not known any more is all that is not there. */
    assert_string_equal(vanished_since(fixture, 14, NULL, 0, false), "2:3,6,8:9");
    expunge(fixture, 12, 12);
    expunge(fixture, 1, 1);
    assert_string_equal(vanished_since(fixture, 1, NULL, 0, false), "1:3,6,8:9,12");
    static const struct store_uid_range within[] = {{2, 2}, {9, 40}};
    assert_string_equal(vanished_since(fixture, 1, within, 2, false), "2,9,12");
    assert_string_equal(vanished_since(fixture, 17, within, 2, true), "9,12");
    struct store_changes changes = read_changes(fixture, 14, 13);
    assert_false(changes.is_whole);
    store_changes_clear(&changes);
    store_change_fixture_assert_sound(fixture);
}

static void ranges_that_meet_are_one(void **state)
{
    struct store_fixture *fixture = *state;
    put_many(fixture, 9);
    expunge(fixture, 5, 5);
    expunge(fixture, 3, 3);
    expunge(fixture, 2, 4);
    expunge(fixture, 8, 8);
    assert_string_equal(vanished_since(fixture, 1, NULL, 0, true), "2:5,8");
}

static void what_is_new_is_told(void **state)
{
    struct store_fixture *fixture = *state;
    put_many(fixture, 2);
    struct store_changes changes = read_changes(fixture, 3, 3);
    assert_true(changes.is_whole && !changes.is_gone);
    assert_int_equal(changes.count, 0);
    store_changes_clear(&changes);
    put_many(fixture, 2);
    /* A new one that changed and one that came and went. */
    store_change_fixture_add_flags(fixture, fixture->inbox, 3, 3, STORE_FLAG_SEEN);
    expunge(fixture, 4, 4);
    changes = read_changes(fixture, 3, 3);
    assert_int_equal(changes.count, 1);
    assert_int_equal(changes.messages[0].uid, 3);
    assert_int_equal(changes.messages[0].flags, STORE_FLAG_SEEN);
    assert_int_equal(changes.messages[0].modseq, 6);
    assert_int_equal(changes.mailbox.uidnext, 5);
    assert_int_equal(changes.mailbox.messages, 3);
    assert_int_equal(changes.mailbox.unseen, 2);
    store_changes_clear(&changes);
}

static void a_mailbox_that_went_is_gone(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_changes changes;
    struct fault fault = {0};
    store_mailboxes_fixture_create(fixture, "Soon");
    int64_t mailbox = store_mailboxes_fixture_find(fixture, "Soon").id;
    store_change_fixture_put(fixture, mailbox, LETTER, 0, NULL);
    assert_int_equal(store_mailboxes_fixture_delete(fixture, "Soon"), STORE_MAILBOX_DONE);
    assert_true(store_changes_read(fixture->reader, mailbox, 1, 1, &changes, &fault));
    assert_true(changes.is_gone);
    store_changes_clear(&changes);
    struct store_vanished vanished;
    assert_false(store_vanished_read(fixture->reader, mailbox, 1, NULL, 0, &vanished, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    store_change_fixture_assert_sound(fixture);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(old_changes_are_forgotten),  STORE_TEST(changes_have_an_end),
    STORE_TEST(old_removals_are_forgotten), STORE_TEST(ranges_that_meet_are_one),
    STORE_TEST(what_is_new_is_told),        STORE_TEST(a_mailbox_that_went_is_gone),
};

STORE_MAIN(tests)
