/* Flags, copies, moves and removals, one after another, and what they leave in the store. */
#include "store_change_fixture.h"

#include <stdio.h>

#include "failing_allocation.h"
#include "store_mailboxes_fixture.h"

enum {
    MANY = 30,
    ALLOCATIONS_MAX = 300
};

#define LETTER "From: bob@example.net\r\nSubject: hello\r\n\r\nHello, Ann.\r\n"

static int64_t number_of(struct store_fixture *fixture, const struct db_statement *statement,
                         int64_t mailbox)
{
    return store_fixture_number(fixture, statement, DB_VALUES(db_number(mailbox)));
}

static int64_t modseq_of(struct store_fixture *fixture, int64_t mailbox)
{
    static const struct db_statement find = {"SELECT modseq FROM mailbox WHERE id = $1", NULL};
    return number_of(fixture, &find, mailbox);
}

static int64_t unseen_of(struct store_fixture *fixture, int64_t mailbox)
{
    static const struct db_statement find = {"SELECT unseen FROM mailbox WHERE id = $1", NULL};
    return number_of(fixture, &find, mailbox);
}

static int64_t changed_rows(struct store_fixture *fixture, int64_t mailbox)
{
    static const struct db_statement count = {"SELECT COUNT(*) FROM changed WHERE mailbox = $1",
                                              NULL};
    return number_of(fixture, &count, mailbox);
}

static int64_t vanished_rows(struct store_fixture *fixture, int64_t mailbox)
{
    static const struct db_statement count = {"SELECT COUNT(*) FROM vanished WHERE mailbox = $1",
                                              NULL};
    return number_of(fixture, &count, mailbox);
}

static void put_many(struct store_fixture *fixture, int64_t mailbox, int count)
{
    for (int i = 0; i < count; i++)
        store_change_fixture_put(fixture, mailbox, LETTER, 0, NULL);
}

static uint64_t flags_of(struct store_fixture *fixture, int64_t mailbox, uint32_t uid)
{
    static const struct db_statement find = {
        "SELECT flags FROM message WHERE mailbox = $1 AND uid = $2", NULL};
    int64_t kept =
        store_fixture_number(fixture, &find, DB_VALUES(db_number(mailbox), db_number(uid)));
    assert_true(kept & STORE_FLAG_KEPT);
    return store_flags_told(kept);
}

static void expunge(struct store_fixture *fixture, int64_t mailbox, uint32_t first, uint32_t last,
                    const char *removed)
{
    struct store_uid_range range = {first, last};
    struct store_expunge job = {.mailbox = mailbox, .ranges = &range, .range_count = 1};
    assert_true(store_change_fixture_expunge(fixture, &job));
    assert_string_equal(store_change_fixture_show(job.removed, job.removed_count), removed);
    assert_true((job.modseq != 0) == (job.removed_count != 0));
    store_expunge_clear(&job);
}

/* ---- flags ---- */

static void only_what_changes_gets_the_modseq(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t inbox = fixture->inbox;
    put_many(fixture, inbox, 5);
    int64_t before = modseq_of(fixture, inbox);
    assert_int_equal(store_change_fixture_add_flags(fixture, inbox, 2, 2, STORE_FLAG_SEEN),
                     before + 1);
    assert_int_equal(store_change_fixture_add_flags(fixture, inbox, 1, 4, STORE_FLAG_SEEN),
                     before + 2);
    assert_int_equal(unseen_of(fixture, inbox), 1);
    struct store_change_fixture_view view;
    store_change_fixture_read(fixture, inbox, &view);
    assert_int_equal(view.messages[1].modseq, before + 1);
    assert_int_equal(view.messages[0].modseq, before + 2);
    assert_int_equal(view.messages[3].modseq, before + 2);
    assert_int_equal(view.messages[4].modseq, 6);
    /* 2; then 1 and 3 to 4, as 2 lies between. */
    assert_int_equal(changed_rows(fixture, inbox), 3);
    store_change_fixture_assert_sound(fixture);
}

static void what_changes_nothing_is_not_counted(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t inbox = fixture->inbox;
    put_many(fixture, inbox, 2);
    store_change_fixture_add_flags(fixture, inbox, 1, 1, STORE_FLAG_SEEN);
    int64_t before = modseq_of(fixture, inbox);
    assert_int_equal(store_change_fixture_add_flags(fixture, inbox, 1, 1, STORE_FLAG_SEEN), 0);
    assert_int_equal(store_change_fixture_add_flags(fixture, inbox, 77, 99, STORE_FLAG_SEEN), 0);
    assert_int_equal(store_change_fixture_add_flags(fixture, 12345, 1, 1, STORE_FLAG_SEEN), 0);
    assert_int_equal(modseq_of(fixture, inbox), before);
    assert_int_equal(changed_rows(fixture, inbox), 1);
}

static void the_three_modes(void **state)
{
    struct store_fixture *fixture = *state;
    struct bytes names[] = {BYTES("$Forwarded"), BYTES("Work")};
    struct store_uid_range range = {1, 1};
    put_many(fixture, fixture->inbox, 1);
    struct store_flag_change change = {.mailbox = fixture->inbox,
                                       .ranges = &range,
                                       .range_count = 1,
                                       .mode = STORE_FLAGS_ADD,
                                       .flags = STORE_FLAG_SEEN | STORE_FLAG_FLAGGED,
                                       .keywords = names,
                                       .keyword_count = 2,
                                       .unchanged_since = UINT64_MAX};
    assert_true(store_change_fixture_flags(fixture, &change));
    assert_true(change.has_new_keywords);
    assert_int_equal(change.all_keywords.count, 2);
    assert_bytes(change.all_keywords.names[1], "Work");
    assert_int_equal(change.bits, 5 | 3 << 8);
    assert_int_equal(flags_of(fixture, fixture->inbox, 1), 5 | 3 << 8);
    /* In any case of letters it is the same. */
    names[0] = BYTES("work");
    change.mode = STORE_FLAGS_REMOVE;
    change.flags = STORE_FLAG_FLAGGED;
    change.keyword_count = 1;
    assert_true(store_change_fixture_flags(fixture, &change));
    assert_false(change.has_new_keywords);
    assert_int_equal(change.bits, 4 | 2 << 8);
    assert_int_equal(flags_of(fixture, fixture->inbox, 1), 1 | 1 << 8);
    names[0] = BYTES("unknown");
    assert_true(store_change_fixture_flags(fixture, &change));
    assert_int_equal(change.modseq, 0);
    assert_int_equal(change.bits, 4);
    change.mode = STORE_FLAGS_SET;
    change.flags = STORE_FLAG_DRAFT;
    assert_true(store_change_fixture_flags(fixture, &change));
    assert_true(change.has_new_keywords);
    assert_int_equal(flags_of(fixture, fixture->inbox, 1), 16 | 4 << 8);
    change.keyword_count = 0;
    change.flags = 0;
    assert_true(store_change_fixture_flags(fixture, &change));
    assert_int_equal(flags_of(fixture, fixture->inbox, 1), 0);
    store_flag_change_clear(&change);
    store_change_fixture_assert_sound(fixture);
}

static void a_keyword_is_made_only_for_a_message(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement count = {"SELECT COUNT(*) FROM keyword", NULL};
    struct bytes name = BYTES("nobody");
    struct store_uid_range range = {7, 9};
    struct store_flag_change change = {.mailbox = fixture->inbox,
                                       .ranges = &range,
                                       .range_count = 1,
                                       .mode = STORE_FLAGS_ADD,
                                       .keywords = &name,
                                       .keyword_count = 1,
                                       .unchanged_since = UINT64_MAX};
    assert_true(store_change_fixture_flags(fixture, &change));
    assert_int_equal(change.modseq, 0);
    assert_false(change.has_new_keywords);
    assert_int_equal(store_fixture_number(fixture, &count, DB_NO_VALUES), 0);
    store_flag_change_clear(&change);
}

static void keywords_have_an_end(void **state)
{
    struct store_fixture *fixture = *state;
    char texts[STORE_KEYWORDS_MAX + 1][8];
    struct bytes names[STORE_KEYWORDS_MAX + 1];
    struct store_uid_range range = {1, 1};
    put_many(fixture, fixture->inbox, 1);
    for (size_t i = 0; i < STORE_KEYWORDS_MAX + 1; i++) {
        snprintf(texts[i], sizeof(texts[i]), "k%zu", i);
        names[i] = bytes_from_string(texts[i]);
    }
    struct store_flag_change change = {.mailbox = fixture->inbox,
                                       .ranges = &range,
                                       .range_count = 1,
                                       .mode = STORE_FLAGS_ADD,
                                       .keywords = names,
                                       .keyword_count = STORE_KEYWORDS_MAX,
                                       .unchanged_since = UINT64_MAX};
    assert_true(store_change_fixture_flags(fixture, &change));
    int64_t before = modseq_of(fixture, fixture->inbox);
    change.keywords = names + STORE_KEYWORDS_MAX;
    change.keyword_count = 1;
    assert_false(store_change_fixture_flags(fixture, &change));
    assert_int_equal(change.job.fault.kind, FAULT_LIMIT);
    assert_int_equal(modseq_of(fixture, fixture->inbox), before);
    store_flag_change_clear(&change);
    store_change_fixture_assert_sound(fixture);
}

/* RFC 7162 3.1.3 */
static void changed_since_is_refused(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t inbox = fixture->inbox;
    put_many(fixture, inbox, 6);
    uint64_t since = (uint64_t)modseq_of(fixture, inbox);
    store_change_fixture_add_flags(fixture, inbox, 2, 3, STORE_FLAG_SEEN);
    store_change_fixture_add_flags(fixture, inbox, 5, 5, STORE_FLAG_FLAGGED);
    struct store_uid_range ranges[] = {{1, 4}, {5, 6}};
    struct store_flag_change change = {.mailbox = inbox,
                                       .ranges = ranges,
                                       .range_count = 2,
                                       .mode = STORE_FLAGS_ADD,
                                       .flags = STORE_FLAG_SEEN,
                                       .unchanged_since = since};
    assert_true(store_change_fixture_flags(fixture, &change));
    assert_string_equal(store_change_fixture_show(change.refused, change.refused_count), "2:3,5");
    assert_int_equal(change.modseq, since + 3);
    assert_int_equal(flags_of(fixture, inbox, 1), STORE_FLAG_SEEN);
    assert_int_equal(flags_of(fixture, inbox, 5), STORE_FLAG_FLAGGED);
    assert_int_equal(unseen_of(fixture, inbox), 1);
    store_flag_change_clear(&change);
    store_change_fixture_assert_sound(fixture);
}

static void gaps_do_not_end_a_range(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t inbox = fixture->inbox;
    put_many(fixture, inbox, 9);
    store_change_fixture_add_flags(fixture, inbox, 2, 2, STORE_FLAG_DELETED);
    store_change_fixture_add_flags(fixture, inbox, 5, 6, STORE_FLAG_DELETED);
    expunge(fixture, inbox, 1, 9, "2,5:6");
    assert_int_equal(vanished_rows(fixture, inbox), 2);
    int64_t before = changed_rows(fixture, inbox);
    store_change_fixture_add_flags(fixture, inbox, 1, UINT32_MAX, STORE_FLAG_DELETED);
    assert_int_equal(changed_rows(fixture, inbox), before + 1);
    expunge(fixture, inbox, 1, UINT32_MAX, "1:9");
    assert_int_equal(vanished_rows(fixture, inbox), 3);
    store_change_fixture_assert_sound(fixture);
}

/* ---- removal ---- */

static void only_deleted_ones_are_expunged(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement bodies = {"SELECT COUNT(*) FROM body", NULL};
    int64_t inbox = fixture->inbox;
    put_many(fixture, inbox, 6);
    expunge(fixture, inbox, 1, 6, "");
    store_change_fixture_add_flags(fixture, inbox, 1, 2, STORE_FLAG_DELETED);
    store_change_fixture_add_flags(fixture, inbox, 4, 5, STORE_FLAG_DELETED);
    expunge(fixture, inbox, 2, 4, "2,4");
    assert_int_equal(store_fixture_number(fixture, &bodies, DB_NO_VALUES), 4);
    expunge(fixture, inbox, 2, 4, "");
    expunge(fixture, 12345, 1, 6, "");
    expunge(fixture, inbox, 1, 6, "1,5");
    store_change_fixture_assert_sound(fixture);
}

/* ---- messages of a client ---- */

static void a_mailbox_is_found_by_its_name(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement bodies = {"SELECT COUNT(*) FROM body", NULL};
    assert_int_equal(store_mailboxes_fixture_create(fixture, "above/below"), STORE_MAILBOX_DONE);
    assert_int_equal(store_change_fixture_put_by_name(fixture, "INBOX", LETTER), 1);
    assert_int_equal(store_change_fixture_put_by_name(fixture, "above/below", LETTER), 1);
    assert_int_equal(store_change_fixture_put_by_name(fixture, "above/below", LETTER), 2);
    assert_int_equal(store_change_fixture_put_by_name(fixture, "above/beyond", LETTER), 0);
    assert_int_equal(store_mailboxes_fixture_find(fixture, "above/below").messages, 2);
    assert_int_equal(store_fixture_number(fixture, &bodies, DB_NO_VALUES), 3);
    store_change_fixture_assert_sound(fixture);
}

/* ---- copies ---- */

static void copies_keep_what_they_are(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement find = {
        "SELECT COUNT(*) FROM message c JOIN message m ON m.body = c.body AND m.mailbox = $2 "
        "JOIN message_prefix p ON p.body = c.body AND p.number = c.prefix_number AND p.uses = 3 "
        "WHERE c.mailbox = $1 AND c.received = m.received AND c.saved = 77 AND c.size = m.size "
        "AND c.uid = $3 AND m.uid = $4",
        NULL};
    int64_t inbox = fixture->inbox;
    int64_t trash = store_change_fixture_mailbox(fixture, STORE_ROLE_TRASH);
    store_change_fixture_put(fixture, trash, LETTER, 0, "Private");
    store_change_fixture_put(fixture, inbox, LETTER, STORE_FLAG_SEEN, "Work");
    store_change_fixture_put(fixture, inbox, LETTER, 0, "PRIVATE");
    store_change_fixture_put(fixture, inbox, LETTER, 0, "unused");
    store_change_fixture_deliver(fixture, LETTER);
    struct store_uid_range ranges[] = {{1, 2}, {4, 9}};
    struct store_copy copy = {.account = fixture->account,
                              .mailbox = inbox,
                              .target = trash,
                              .ranges = ranges,
                              .range_count = 2,
                              .now = 77};
    assert_true(store_change_fixture_copy(fixture, &copy));
    assert_string_equal(store_change_fixture_show(copy.copied, copy.copied_count), "1:2,4");
    assert_int_equal(copy.first_uid, 2);
    assert_int_equal(copy.count, 3);
    assert_true(copy.uidvalidity > 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(
            store_fixture_number(fixture, &find,
                                 DB_VALUES(db_number(trash), db_number(inbox), db_number(2 + i),
                                           db_number(i == 2 ? 4 : 1 + i))),
            1);
    /* In the target Private is the first keyword and Work the second. */
    assert_int_equal(flags_of(fixture, trash, 2), STORE_FLAG_SEEN | 2 << 8);
    assert_int_equal(flags_of(fixture, trash, 3), 1 << 8);
    assert_int_equal(flags_of(fixture, trash, 4), 0);
    store_copy_clear(&copy);
    store_change_fixture_assert_sound(fixture);
}

static void a_move_takes_away(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement used = {
        "SELECT used_messages FROM account WHERE login = 'ann@example.org'", NULL};
    int64_t inbox = fixture->inbox;
    int64_t trash = store_change_fixture_mailbox(fixture, STORE_ROLE_TRASH);
    store_change_fixture_put(fixture, inbox, LETTER, STORE_FLAG_SEEN, "Work");
    put_many(fixture, inbox, 3);
    store_change_fixture_deliver(fixture, LETTER);
    uint64_t before = (uint64_t)modseq_of(fixture, inbox);
    struct store_uid_range ranges[] = {{1, 2}, {4, 5}};
    struct store_copy copy = {.account = fixture->account,
                              .mailbox = inbox,
                              .target = trash,
                              .ranges = ranges,
                              .range_count = 2,
                              .is_move = true,
                              .now = 77};
    assert_true(store_change_fixture_copy(fixture, &copy));
    assert_string_equal(store_change_fixture_show(copy.copied, copy.copied_count), "1:2,4:5");
    assert_int_equal(copy.modseq, before + 1);
    assert_int_equal(store_fixture_number(fixture, &used, DB_NO_VALUES), 5);
    assert_int_equal(flags_of(fixture, trash, 1), STORE_FLAG_SEEN | 1 << 8);
    assert_int_equal(vanished_rows(fixture, inbox), 2);
    struct store_change_fixture_view view;
    store_change_fixture_read(fixture, inbox, &view);
    assert_int_equal(view.count, 1);
    assert_int_equal(view.messages[0].uid, 3);
    /* They are not there any more. */
    assert_true(store_change_fixture_copy(fixture, &copy));
    assert_int_equal(copy.count, 0);
    assert_int_equal(copy.modseq, 0);
    store_copy_clear(&copy);
    store_change_fixture_assert_sound(fixture);
}

static void the_target_may_be_the_same(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t inbox = fixture->inbox;
    store_change_fixture_put(fixture, inbox, LETTER, 0, "Work");
    put_many(fixture, inbox, 2);
    struct store_uid_range range = {1, 2};
    struct store_copy copy = {.account = fixture->account,
                              .mailbox = inbox,
                              .target = inbox,
                              .ranges = &range,
                              .range_count = 1,
                              .now = 77};
    assert_true(store_change_fixture_copy(fixture, &copy));
    assert_int_equal(copy.first_uid, 4);
    assert_int_equal(flags_of(fixture, inbox, 4), 1 << 8);
    copy.is_move = true;
    assert_true(store_change_fixture_copy(fixture, &copy));
    assert_int_equal(copy.first_uid, 6);
    assert_int_equal(flags_of(fixture, inbox, 6), 1 << 8);
    struct store_change_fixture_view view;
    store_change_fixture_read(fixture, inbox, &view);
    assert_int_equal(view.count, 5);
    assert_int_equal(view.messages[0].uid, 3);
    assert_int_equal(view.messages[4].uid, 7);
    store_copy_clear(&copy);
    store_change_fixture_assert_sound(fixture);
}

static void a_quota_is_for_copies_not_for_moves(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement limit = {"UPDATE account SET quota_messages = 4", NULL};
    int64_t inbox = fixture->inbox;
    int64_t trash = store_change_fixture_mailbox(fixture, STORE_ROLE_TRASH);
    put_many(fixture, inbox, 3);
    store_fixture_execute(fixture, &limit, DB_NO_VALUES);
    struct store_uid_range range = {1, 2};
    struct store_copy copy = {.account = fixture->account,
                              .mailbox = inbox,
                              .target = trash,
                              .ranges = &range,
                              .range_count = 1,
                              .now = 77};
    assert_false(store_change_fixture_copy(fixture, &copy));
    assert_int_equal(copy.job.fault.kind, FAULT_LIMIT);
    copy.is_move = true;
    assert_true(store_change_fixture_copy(fixture, &copy));
    copy.is_move = false;
    copy.target = 12345;
    assert_false(store_change_fixture_copy(fixture, &copy));
    assert_int_equal(copy.job.fault.kind, FAULT_PERMANENT);
    store_copy_clear(&copy);
    store_change_fixture_assert_sound(fixture);
}

static void nobody_copies_to_others(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t other;
    int64_t mailbox;
    store_fixture_add_account(fixture, "bea@example.org", &other, &mailbox);
    put_many(fixture, fixture->inbox, 1);
    struct store_uid_range range = {1, 1};
    struct store_copy copy = {.account = fixture->account,
                              .mailbox = fixture->inbox,
                              .target = mailbox,
                              .ranges = &range,
                              .range_count = 1};
    assert_false(store_change_fixture_copy(fixture, &copy));
    assert_int_equal(copy.job.fault.kind, FAULT_PERMANENT);
    store_copy_clear(&copy);
}

/* ---- trouble ---- */

static void move_all(struct store_fixture *fixture, int64_t from, int64_t to, bool *is_done)
{
    struct store_uid_range range = {1, UINT32_MAX};
    struct store_copy copy = {.account = fixture->account,
                              .mailbox = from,
                              .target = to,
                              .ranges = &range,
                              .range_count = 1,
                              .is_move = true};
    *is_done = store_change_fixture_copy(fixture, &copy);
    store_copy_clear(&copy);
}

static void every_allocation_may_fail(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t inbox = fixture->inbox;
    int64_t trash = store_change_fixture_mailbox(fixture, STORE_ROLE_TRASH);
    put_many(fixture, inbox, MANY);
    struct store_uid_range ranges[] = {{1, 3}, {5, 5}, {9, MANY}};
    bool has_failed = true;
    for (size_t i = 0; has_failed && i < ALLOCATIONS_MAX; i++) {
        struct bytes name = BYTES("Work");
        struct store_flag_change change = {.mailbox = i % 2 == 0 ? inbox : trash,
                                           .ranges = ranges,
                                           .range_count = 3,
                                           .mode = STORE_FLAGS_ADD,
                                           .flags = STORE_FLAG_DELETED,
                                           .keywords = &name,
                                           .keyword_count = 1,
                                           .unchanged_since = UINT64_MAX};
        bool is_moved;
        failing_allocation_start(i);
        store_change_fixture_flags(fixture, &change);
        store_flag_change_clear(&change);
        move_all(fixture, inbox, trash, &is_moved);
        move_all(fixture, trash, inbox, &is_moved);
        has_failed = failing_allocation_stop();
    }
    assert_false(has_failed);
    store_change_fixture_assert_sound(fixture);
    static const struct db_statement count = {"SELECT COUNT(*) FROM message", NULL};
    assert_int_equal(store_fixture_number(fixture, &count, DB_NO_VALUES), MANY);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(only_what_changes_gets_the_modseq),
    STORE_TEST(what_changes_nothing_is_not_counted),
    STORE_TEST(the_three_modes),
    STORE_TEST(a_keyword_is_made_only_for_a_message),
    STORE_TEST(keywords_have_an_end),
    STORE_TEST(changed_since_is_refused),
    STORE_TEST(gaps_do_not_end_a_range),
    STORE_TEST(only_deleted_ones_are_expunged),
    STORE_TEST(a_mailbox_is_found_by_its_name),
    STORE_TEST(copies_keep_what_they_are),
    STORE_TEST(a_move_takes_away),
    STORE_TEST(the_target_may_be_the_same),
    STORE_TEST(a_quota_is_for_copies_not_for_moves),
    STORE_TEST(nobody_copies_to_others),
    STORE_TEST(every_allocation_may_fail),
};

STORE_MAIN(tests)
