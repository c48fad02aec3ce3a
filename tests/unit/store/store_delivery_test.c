/* Messages go in once, are counted, and come out as they went in. */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#include <posthorn/transaction.h>

#include "store/store_accounts.h"
#include "store/store_maildrop.h"

#define LETTER "From: bob@example.net\r\nSubject: hello\r\n\r\nHello, Ann.\r\n"
#define PREFIX "Return-Path: <bob@example.net>\r\n"

enum {
    COPY_SIZE = sizeof(LETTER PREFIX) - 1,
    LARGE_SIZE = 700 * 1000,
    PART_SIZE = 256 * 1024
};

static int64_t count_bodies(struct store_fixture *fixture)
{
    static const struct db_statement count = {"SELECT count(*) FROM body", NULL};
    return store_fixture_number(fixture, &count, DB_NO_VALUES);
}

static int64_t used_bytes(struct store_fixture *fixture, int64_t account)
{
    static const struct db_statement find = {"SELECT used_bytes FROM account WHERE id = $1", NULL};
    return store_fixture_number(fixture, &find, DB_VALUES(db_number(account)));
}

static void assert_mailbox(struct store_fixture *fixture, int64_t mailbox, uint64_t messages,
                           uint64_t bytes)
{
    struct fault fault = {0};
    uint64_t count;
    uint64_t size;
    assert_true(store_maildrop_count(fixture->reader, mailbox, &count, &size, &fault));
    assert_int_equal(count, messages);
    assert_int_equal(size, bytes);
}

static void a_letter_comes_out_as_it_went_in(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    assert_int_equal(store_fixture_put(fixture, BYTES(LETTER)), 1);
    assert_int_equal(store_fixture_put(fixture, BYTES(LETTER)), 2);
    AUTO(buffer)
    out = BUFFER(1000);
    bool is_gone;
    assert_true(
        store_message_read(fixture->reader, fixture->inbox, 2, 0, 1000, &out, &is_gone, &fault));
    assert_false(is_gone);
    assert_bytes(buffer_bytes(&out), PREFIX LETTER);
    assert_mailbox(fixture, fixture->inbox, 2, 2 * COPY_SIZE);
    assert_int_equal(used_bytes(fixture, fixture->account), 2 * COPY_SIZE);
}

static void what_the_parser_found_is_kept(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement find = {
        "SELECT lines, sent, header, envelope, structure FROM body_meta", NULL};
    struct fault fault = {0};
    store_fixture_put(fixture, BYTES(LETTER));
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    assert_true(db_query_one(fixture->reader, &find, DB_NO_VALUES, &rows, &is_found, &fault));
    assert_true(is_found);
    assert_int_equal(db_rows_number(&rows, 0), 3);
    assert_int_equal(db_rows_number(&rows, 1), 1000000);
    assert_bytes(db_rows_bytes(&rows, 2), LETTER);
    assert_bytes(db_rows_bytes(&rows, 3), "envelope");
    assert_bytes(db_rows_bytes(&rows, 4), "structure");
}

static void a_message_may_be_empty(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    store_fixture_put(fixture, BYTES(""));
    AUTO(buffer)
    out = BUFFER(1000);
    bool is_gone;
    assert_true(
        store_message_read(fixture->reader, fixture->inbox, 1, 0, 1000, &out, &is_gone, &fault));
    assert_bytes(buffer_bytes(&out), PREFIX);
}

static void assert_range(struct store_fixture *fixture, const char *expected, size_t total,
                         size_t offset, size_t size)
{
    struct fault fault = {0};
    AUTO(buffer)
    out = BUFFER(2 * LARGE_SIZE);
    bool is_gone;
    assert_true(store_message_read(fixture->reader, fixture->inbox, 1, offset, size, &out, &is_gone,
                                   &fault));
    assert_false(is_gone);
    size_t left = offset < total ? total - offset : 0;
    assert_int_equal(out.length, size < left ? size : left);
    assert_memory_equal(buffer_bytes(&out).data, expected + offset, out.length);
}

static void ranges_of_a_large_message(void **state)
{
    struct store_fixture *fixture = *state;
    size_t prefix = strlen(PREFIX);
    char *text = malloc(prefix + LARGE_SIZE);
    memcpy(text, PREFIX, prefix);
    for (size_t i = 0; i < LARGE_SIZE; i++)
        text[prefix + i] = (char)(i * 7 + i / 251);
    store_fixture_put(fixture, bytes_of(text + prefix, LARGE_SIZE));
    size_t total = prefix + LARGE_SIZE;
    assert_range(fixture, text, total, 0, 2 * LARGE_SIZE);
    assert_range(fixture, text, total, 0, 1);
    assert_range(fixture, text, total, 5, prefix);
    assert_range(fixture, text, total, prefix - 1, 2);
    assert_range(fixture, text, total, prefix, 10);
    assert_range(fixture, text, total, prefix + PART_SIZE - 1, 2);
    assert_range(fixture, text, total, prefix + PART_SIZE, 1);
    assert_range(fixture, text, total, prefix + 2 * PART_SIZE - 10, 2000);
    assert_range(fixture, text, total, total - 1, 100);
    assert_range(fixture, text, total, total, 100);
    assert_range(fixture, text, total, total + 100, 100);
    free(text);
}

/* ---- several recipients ---- */

struct three {
    struct store_fixture_letter letter;
    struct store_delivery_local locals[3];
};

static void make_three(struct store_fixture *fixture, struct three *three)
{
    static const char *const logins[] = {"bea@example.org", "cat@example.org"};
    store_fixture_letter(fixture, &three->letter, BYTES(LETTER));
    for (size_t i = 0; i < 3; i++)
        three->locals[i] = three->letter.local;
    for (size_t i = 0; i < 2; i++)
        store_fixture_add_account(fixture, logins[i], &three->locals[i + 1].account,
                                  &three->locals[i + 1].mailbox);
    three->letter.delivery.locals = three->locals;
    three->letter.delivery.local_count = 3;
}

static void set_quota(struct store_fixture *fixture, int64_t account, int64_t bytes,
                      int64_t messages)
{
    static const struct db_statement set = {
        "UPDATE account SET quota_bytes = $2, quota_messages = $3 WHERE id = $1", NULL};
    store_fixture_execute(fixture, &set,
                          DB_VALUES(db_number(account), db_number(bytes), db_number(messages)));
}

static void a_body_is_kept_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct three three;
    make_three(fixture, &three);
    assert_true(store_fixture_deliver(&three.letter.delivery));
    assert_int_equal(count_bodies(fixture), 1);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(three.locals[i].outcome, STORE_DELIVERY_KEPT);
        assert_int_equal(three.locals[i].uid, 1);
        assert_mailbox(fixture, three.locals[i].mailbox, 1, COPY_SIZE);
    }
    store_fixture_letter_clear(&three.letter);
}

static void one_full_mailbox_undoes_all(void **state)
{
    struct store_fixture *fixture = *state;
    struct three three;
    make_three(fixture, &three);
    set_quota(fixture, three.locals[1].account, COPY_SIZE - 1, 0);
    three.letter.delivery.is_all_or_nothing = true;
    assert_false(store_fixture_deliver(&three.letter.delivery));
    assert_int_equal(three.letter.delivery.job.fault.kind, FAULT_LIMIT);
    assert_int_equal(three.locals[1].outcome, STORE_DELIVERY_OVER_QUOTA_BYTES);
    assert_int_equal(count_bodies(fixture), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_mailbox(fixture, three.locals[i].mailbox, 0, 0);
        assert_int_equal(used_bytes(fixture, three.locals[i].account), 0);
    }
    store_fixture_letter_clear(&three.letter);
}

static void with_lmtp_the_others_get_theirs(void **state)
{
    struct store_fixture *fixture = *state;
    struct three three;
    make_three(fixture, &three);
    set_quota(fixture, three.locals[0].account, 0, 1);
    assert_int_equal(store_fixture_put(fixture, BYTES(LETTER)), 1);
    three.locals[2].mailbox = 12345;
    assert_true(store_fixture_deliver(&three.letter.delivery));
    assert_int_equal(three.locals[0].outcome, STORE_DELIVERY_OVER_QUOTA_MESSAGES);
    assert_int_equal(three.locals[1].outcome, STORE_DELIVERY_KEPT);
    assert_int_equal(three.locals[2].outcome, STORE_DELIVERY_NO_MAILBOX);
    assert_mailbox(fixture, three.locals[0].mailbox, 1, COPY_SIZE);
    assert_mailbox(fixture, three.locals[1].mailbox, 1, COPY_SIZE);
    assert_int_equal(used_bytes(fixture, three.locals[2].account), 0);
    store_fixture_letter_clear(&three.letter);
}

static void nobody_served_is_a_failure(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_fixture_letter letter;
    store_fixture_letter(fixture, &letter, BYTES(LETTER));
    letter.local.mailbox = 12345;
    assert_false(store_fixture_deliver(&letter.delivery));
    assert_int_equal(letter.delivery.job.fault.kind, FAULT_PERMANENT);
    assert_int_equal(letter.local.outcome, STORE_DELIVERY_NO_MAILBOX);
    assert_int_equal(count_bodies(fixture), 0);
    assert_int_equal(used_bytes(fixture, fixture->account), 0);
    store_fixture_letter_clear(&letter);
}

static void a_mailbox_of_somebody_else_is_none(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t account;
    int64_t inbox;
    struct store_fixture_letter letter;
    store_fixture_add_account(fixture, "bea@example.org", &account, &inbox);
    store_fixture_letter(fixture, &letter, BYTES(LETTER));
    letter.local.mailbox = inbox;
    assert_false(store_fixture_deliver(&letter.delivery));
    assert_int_equal(letter.local.outcome, STORE_DELIVERY_NO_MAILBOX);
    store_fixture_letter_clear(&letter);
}

static bool deliver_one(struct store_fixture *fixture, enum store_delivery_outcome *outcome)
{
    struct store_fixture_letter letter;
    store_fixture_letter(fixture, &letter, BYTES(LETTER));
    bool is_kept = store_fixture_deliver(&letter.delivery);
    *outcome = letter.local.outcome;
    store_fixture_letter_clear(&letter);
    return is_kept;
}

static void quotas_count_to_the_last_byte(void **state)
{
    struct store_fixture *fixture = *state;
    enum store_delivery_outcome outcome;
    set_quota(fixture, fixture->account, 2 * COPY_SIZE, 0);
    assert_true(deliver_one(fixture, &outcome));
    assert_true(deliver_one(fixture, &outcome));
    assert_false(deliver_one(fixture, &outcome));
    assert_int_equal(outcome, STORE_DELIVERY_OVER_QUOTA_BYTES);
    set_quota(fixture, fixture->account, 3 * COPY_SIZE - 1, 0);
    assert_false(deliver_one(fixture, &outcome));
    set_quota(fixture, fixture->account, 3 * COPY_SIZE, 3);
    assert_true(deliver_one(fixture, &outcome));
    set_quota(fixture, fixture->account, 0, 3);
    assert_false(deliver_one(fixture, &outcome));
    assert_int_equal(outcome, STORE_DELIVERY_OVER_QUOTA_MESSAGES);
    assert_mailbox(fixture, fixture->inbox, 3, 3 * COPY_SIZE);
}

/* ---- far recipients ---- */

static void far_recipients_wait_in_the_queue(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement find = {
        "SELECT m.id, m.sender, m.envelope_id, m.return_content, r.recipient, r.route, "
        "r.original_recipient, r.notify, r.state, r.number, m.account FROM outbound_message m "
        "JOIN outbound_recipient r ON r.message = m.id ORDER BY r.number",
        NULL};
    struct fault fault = {0};
    struct store_fixture_letter letter;
    struct store_delivery_far fars[] = {
        {.recipient = BYTES("x@example.com"),
         .original_recipient = BYTES("rfc822;x@example.com"),
         .notify = PH_NOTIFY_FAILURE | PH_NOTIFY_DELAY},
        {.recipient = BYTES("y@example.com"), .route = BYTES("relay.example.com")},
    };
    store_fixture_letter(fixture, &letter, BYTES(LETTER));
    letter.delivery.fars = fars;
    letter.delivery.far_count = 2;
    letter.delivery.local_count = 0;
    letter.delivery.envelope_id = BYTES("QQ314159");
    letter.delivery.return_content = PH_RETURN_HEADERS;
    letter.delivery.account = fixture->account;
    assert_true(store_fixture_deliver(&letter.delivery));
    AUTO(db_rows)
    rows = {0};
    assert_true(db_query(fixture->reader, &find, DB_NO_VALUES, &rows, &fault));
    assert_true(db_rows_next(&rows));
    assert_int_equal(db_rows_number(&rows, 0), letter.delivery.id);
    assert_bytes(db_rows_bytes(&rows, 1), "bob@example.net");
    assert_bytes(db_rows_bytes(&rows, 2), "QQ314159");
    assert_int_equal(db_rows_number(&rows, 3), PH_RETURN_HEADERS);
    assert_bytes(db_rows_bytes(&rows, 4), "x@example.com");
    assert_bytes(db_rows_bytes(&rows, 5), "");
    assert_bytes(db_rows_bytes(&rows, 6), "rfc822;x@example.com");
    assert_int_equal(db_rows_number(&rows, 7), PH_NOTIFY_FAILURE | PH_NOTIFY_DELAY);
    assert_int_equal(db_rows_number(&rows, 8), 0);
    assert_int_equal(db_rows_number(&rows, 10), fixture->account);
    assert_true(db_rows_next(&rows));
    assert_bytes(db_rows_bytes(&rows, 5), "relay.example.com");
    assert_int_equal(db_rows_number(&rows, 9), 1);
    assert_false(db_rows_next(&rows));
    assert_true(db_rows_finish(&rows, &fault));
    store_fixture_letter_clear(&letter);
}

static void fields_in_front_are_part_of_the_body(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct store_fixture_letter letter;
    store_fixture_letter(fixture, &letter, BYTES(LETTER));
    assert_true(store_draft_put_front(letter.delivery.draft, BYTES("Date: now\r\n"), &fault));
    assert_true(store_fixture_deliver(&letter.delivery));
    AUTO(buffer)
    out = BUFFER(1000);
    bool is_gone;
    assert_true(
        store_message_read(fixture->reader, fixture->inbox, 1, 0, 1000, &out, &is_gone, &fault));
    assert_bytes(buffer_bytes(&out), PREFIX "Date: now\r\n" LETTER);
    store_fixture_letter_clear(&letter);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(a_letter_comes_out_as_it_went_in),
    STORE_TEST(what_the_parser_found_is_kept),
    STORE_TEST(a_message_may_be_empty),
    STORE_TEST(ranges_of_a_large_message),
    STORE_TEST(a_body_is_kept_once),
    STORE_TEST(one_full_mailbox_undoes_all),
    STORE_TEST(with_lmtp_the_others_get_theirs),
    STORE_TEST(nobody_served_is_a_failure),
    STORE_TEST(a_mailbox_of_somebody_else_is_none),
    STORE_TEST(quotas_count_to_the_last_byte),
    STORE_TEST(far_recipients_wait_in_the_queue),
    STORE_TEST(fields_in_front_are_part_of_the_body),
};

STORE_MAIN(tests)
