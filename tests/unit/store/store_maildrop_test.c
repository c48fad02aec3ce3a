/* A mailbox as POP3 sees it: lists, many messages at once, removal. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failing_allocation.h"
#include "store/store_maildrop.h"

#define PREFIX "Return-Path: <bob@example.net>\r\n"

enum {
    SEVERAL = 5,
    LARGE_SIZE = 300 * 1024,
    ALLOCATIONS_MAX = 200
};

/* Letters "1", "22", "333"... */
static void put_several(struct store_fixture *fixture)
{
    for (size_t i = 1; i <= SEVERAL; i++) {
        char text[SEVERAL + 1];
        memset(text, (int)('0' + i), i);
        store_fixture_put(fixture, bytes_of(text, i));
    }
}

static int64_t number(struct store_fixture *fixture, const char *sql)
{
    /* Statements are remembered by their address, so each text needs its own. */
    struct fault fault = {0};
    struct db_statement statement = {sql, NULL};
    struct db *reader = store_reader_open(fixture->store, &fault);
    assert_non_null(reader);
    bool is_found;
    struct db_rows rows = {0};
    if (!db_query_one(reader, &statement, DB_NO_VALUES, &rows, &is_found, &fault))
        fail_msg("%s", fault.message);
    int64_t found = db_rows_number(&rows, 0);
    db_rows_clear(&rows);
    store_reader_close(reader);
    return found;
}

static void the_list_is_ordered_and_complete(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct store_maildrop maildrop;
    assert_true(store_maildrop_read(fixture->reader, fixture->inbox, &maildrop, &fault));
    assert_int_equal(maildrop.count, 0);
    store_maildrop_clear(&maildrop);
    put_several(fixture);
    assert_true(store_maildrop_read(fixture->reader, fixture->inbox, &maildrop, &fault));
    assert_int_equal(maildrop.count, SEVERAL);
    assert_true(maildrop.uidvalidity > 0);
    assert_int_equal(maildrop.mailbox, fixture->inbox);
    for (size_t i = 0; i < SEVERAL; i++) {
        assert_int_equal(maildrop.messages[i].uid, i + 1);
        assert_int_equal(maildrop.messages[i].size, strlen(PREFIX) + i + 1);
    }
    assert_int_equal(maildrop.size, SEVERAL * strlen(PREFIX) + 15);
    store_maildrop_clear(&maildrop);
}

static void no_mailbox_is_a_fault(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct store_maildrop maildrop;
    uint64_t count;
    uint64_t size;
    assert_false(store_maildrop_read(fixture->reader, 12345, &maildrop, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    assert_false(store_maildrop_count(fixture->reader, 12345, &count, &size, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
}

struct many {
    uint32_t uids[10];
    size_t lengths[10];
    size_t count;
};

static void read_many(struct store_fixture *fixture, uint32_t uid, struct buffer *out,
                      struct many *many, size_t count)
{
    struct fault fault = {0};
    many->count = count;
    if (!store_messages_read(fixture->reader, fixture->inbox, uid, out, many->uids, many->lengths,
                             &many->count, &fault))
        fail_msg("%s", fault.message);
}

static void many_messages_come_at_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct many many;
    put_several(fixture);
    AUTO(buffer)
    out = BUFFER(10000);
    read_many(fixture, 1, &out, &many, 10);
    assert_int_equal(many.count, SEVERAL);
    assert_bytes(buffer_bytes(&out),
                 PREFIX "1" PREFIX "22" PREFIX "333" PREFIX "4444" PREFIX "55555");
    assert_int_equal(many.uids[4], 5);
    assert_int_equal(many.lengths[4], strlen(PREFIX) + 5);
    buffer_reset(&out);
    read_many(fixture, 2, &out, &many, 2);
    assert_int_equal(many.count, 2);
    assert_bytes(buffer_bytes(&out), PREFIX "22" PREFIX "333");
    buffer_reset(&out);
    read_many(fixture, 6, &out, &many, 2);
    assert_int_equal(many.count, 0);
}

static void many_messages_end_where_room_ends(void **state)
{
    struct store_fixture *fixture = *state;
    struct many many;
    put_several(fixture);
    size_t room = 2 * strlen(PREFIX) + 3;
    AUTO(buffer)
    exact = BUFFER(room);
    read_many(fixture, 1, &exact, &many, 10);
    assert_int_equal(many.count, 2);
    AUTO(buffer)
    less = BUFFER(room - 1);
    read_many(fixture, 1, &less, &many, 10);
    assert_int_equal(many.count, 1);
    AUTO(buffer)
    none = BUFFER(strlen(PREFIX));
    read_many(fixture, 1, &none, &many, 10);
    assert_int_equal(many.count, 0);
    assert_false(buffer_is_failed(&none));
}

static void a_large_message_ends_the_run(void **state)
{
    struct store_fixture *fixture = *state;
    struct many many;
    char *text = calloc(1, LARGE_SIZE);
    store_fixture_put(fixture, BYTES("1"));
    store_fixture_put(fixture, bytes_of(text, LARGE_SIZE));
    store_fixture_put(fixture, BYTES("3"));
    AUTO(buffer)
    out = BUFFER((size_t)2 * LARGE_SIZE);
    read_many(fixture, 1, &out, &many, 10);
    assert_int_equal(many.count, 1);
    read_many(fixture, 2, &out, &many, 10);
    assert_int_equal(many.count, 0);
    read_many(fixture, 3, &out, &many, 10);
    assert_int_equal(many.count, 1);
    free(text);
}

/* ---- removal ---- */

struct removing {
    struct store_job job;
    int64_t mailbox;
    const uint32_t *uids;
    size_t count;
};

static bool run_removal(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct removing *removing = (const struct removing *)job;
    return store_removal_run(db, removing->mailbox, removing->uids, removing->count, fault);
}

static void remove_from(struct store_fixture *fixture, int64_t mailbox, const uint32_t *uids,
                        size_t count)
{
    struct fault fault = {0};
    struct removing removing = {
        .job = {.run = run_removal, .mailboxes = &mailbox, .mailbox_count = 1},
        .mailbox = mailbox,
        .uids = uids,
        .count = count};
    if (!store_run(fixture->store, &removing.job, &fault))
        fail_msg("%s", fault.message);
}

static void removal_sees_to_everything(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    static const uint32_t uids[] = {2, 4, 77};
    put_several(fixture);
    int64_t modseq = number(fixture, "SELECT max(modseq) FROM mailbox");
    remove_from(fixture, fixture->inbox, uids, 3);
    uint64_t count;
    uint64_t size;
    assert_true(store_maildrop_count(fixture->reader, fixture->inbox, &count, &size, &fault));
    assert_int_equal(count, 3);
    assert_int_equal(size, 3 * strlen(PREFIX) + 1 + 3 + 5);
    assert_int_equal(number(fixture, "SELECT max(used_messages) FROM account"), 3);
    assert_int_equal(number(fixture, "SELECT max(used_bytes) FROM account"), size);
    assert_int_equal(number(fixture, "SELECT max(unseen) FROM mailbox"), 3);
    assert_int_equal(number(fixture, "SELECT count(*) FROM body"), 3);
    assert_int_equal(number(fixture, "SELECT count(*) FROM body_meta"), 3);
    assert_int_equal(number(fixture, "SELECT count(*) FROM message_prefix"), 3);
    assert_int_equal(number(fixture, "SELECT count(*) FROM vanished"), 2);
    assert_int_equal(number(fixture, "SELECT sum(uid) FROM vanished"), 6);
    assert_int_equal(number(fixture, "SELECT max(modseq) FROM vanished"), modseq + 1);
    AUTO(buffer)
    out = BUFFER(1000);
    bool is_gone;
    assert_true(
        store_message_read(fixture->reader, fixture->inbox, 2, 0, 10, &out, &is_gone, &fault));
    assert_true(is_gone);
    assert_int_equal(out.length, 0);
    /* UIDs are not used again (RFC 9051 2.3.1.1). */
    assert_int_equal(store_fixture_put(fixture, BYTES("x")), 6);
}

static void removing_nothing_changes_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    static const uint32_t uids[] = {8};
    put_several(fixture);
    remove_from(fixture, fixture->inbox, uids, 0);
    remove_from(fixture, fixture->inbox, uids, 1);
    remove_from(fixture, 12345, uids, 1);
    assert_int_equal(number(fixture, "SELECT count(*) FROM message"), SEVERAL);
    assert_int_equal(number(fixture, "SELECT count(*) FROM vanished"), 0);
}

static void a_body_goes_with_its_last_user(void **state)
{
    struct store_fixture *fixture = *state;
    static const uint32_t uids[] = {1};
    struct store_fixture_letter letter;
    struct store_delivery_far far = {.recipient = BYTES("x@example.com")};
    struct store_delivery_local locals[2];
    store_fixture_letter(fixture, &letter, BYTES("x"));
    locals[0] = locals[1] = letter.local;
    store_fixture_add_account(fixture, "bea@example.org", &locals[1].account, &locals[1].mailbox);
    letter.delivery.locals = locals;
    letter.delivery.local_count = 2;
    letter.delivery.fars = &far;
    letter.delivery.far_count = 1;
    assert_true(store_fixture_deliver(&letter.delivery));
    store_fixture_letter_clear(&letter);
    remove_from(fixture, locals[0].mailbox, uids, 1);
    assert_int_equal(number(fixture, "SELECT count(*) FROM body"), 1);
    remove_from(fixture, locals[1].mailbox, uids, 1);
    /* The queue still needs it. */
    assert_int_equal(number(fixture, "SELECT count(*) FROM body"), 1);
}

static void many_are_removed_at_once(void **state)
{
    struct store_fixture *fixture = *state;
    enum {
        MANY = 1200
    };
    uint32_t uids[MANY];
    for (uint32_t i = 0; i < MANY; i++)
        uids[i] = store_fixture_put(fixture, BYTES("x"));
    remove_from(fixture, fixture->inbox, uids, MANY - 1);
    assert_int_equal(number(fixture, "SELECT count(*) FROM message"), 1);
    assert_int_equal(number(fixture, "SELECT count(*) FROM body"), 1);
    assert_int_equal(number(fixture, "SELECT count(*) FROM vanished"), 1);
    assert_int_equal(number(fixture, "SELECT uid_last FROM vanished"), MANY - 1);
}

static void every_allocation_may_fail(void **state)
{
    struct store_fixture *fixture = *state;
    put_several(fixture);
    bool has_refused = true;
    for (size_t i = 0; has_refused && i < ALLOCATIONS_MAX; i++) {
        struct fault fault = {0};
        struct store_maildrop maildrop;
        AUTO(buffer)
        out = BUFFER(1000);
        bool is_gone;
        failing_allocation_start(i);
        bool is_read = store_maildrop_read(fixture->reader, fixture->inbox, &maildrop, &fault);
        bool is_got = is_read && store_message_read(fixture->reader, fixture->inbox, 1, 0, 100,
                                                    &out, &is_gone, &fault);
        has_refused = failing_allocation_stop();
        assert_true(is_got || fault.kind == FAULT_TEMPORARY);
        assert_true(is_got || has_refused);
        if (is_read)
            store_maildrop_clear(&maildrop);
    }
    assert_false(has_refused);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(the_list_is_ordered_and_complete), STORE_TEST(no_mailbox_is_a_fault),
    STORE_TEST(many_messages_come_at_once),       STORE_TEST(many_messages_end_where_room_ends),
    STORE_TEST(a_large_message_ends_the_run),     STORE_TEST(removal_sees_to_everything),
    STORE_TEST(removing_nothing_changes_nothing), STORE_TEST(a_body_goes_with_its_last_user),
    STORE_TEST(many_are_removed_at_once),         STORE_TEST(every_allocation_may_fail),
};

STORE_MAIN(tests)
