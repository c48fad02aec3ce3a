/* A report beside the message that it is about: both are kept, or neither is. */
#include "store_fixture.h"

#include "store/store_accounts.h"

#define LETTER "Subject: hello\r\n\r\nHello, Bob.\r\n"
#define REPORT "Subject: Delivered: hello\r\n\r\nIt was delivered.\r\n"

struct pair {
    struct store_fixture_letter letter; /* to bob */
    struct store_fixture_letter report; /* to ann */
    int64_t bob;
    int64_t bob_inbox;
    int64_t mailboxes[8];
};

static void make_pair(struct store_fixture *fixture, struct pair *pair)
{
    *pair = (struct pair){0};
    store_fixture_add_account(fixture, "bob@example.org", &pair->bob, &pair->bob_inbox);
    store_fixture_letter(fixture, &pair->letter, BYTES(LETTER));
    store_fixture_letter(fixture, &pair->report, BYTES(REPORT));
    pair->letter.local.account = pair->bob;
    pair->letter.local.mailbox = pair->bob_inbox;
    pair->letter.delivery.is_all_or_nothing = true;
    pair->letter.delivery.report = &pair->report.delivery;
    pair->letter.delivery.mailboxes = pair->mailboxes;
}

static void clear_pair(struct pair *pair)
{
    store_fixture_letter_clear(&pair->letter);
    store_fixture_letter_clear(&pair->report);
}

static int64_t count_messages(struct store_fixture *fixture, int64_t mailbox)
{
    static const struct db_statement count = {"SELECT count(*) FROM message WHERE mailbox = $1",
                                              NULL};
    return store_fixture_number(fixture, &count, DB_VALUES(db_number(mailbox)));
}

static int64_t count_bodies(struct store_fixture *fixture)
{
    static const struct db_statement count = {"SELECT count(*) FROM body", NULL};
    return store_fixture_number(fixture, &count, DB_NO_VALUES);
}

static void both_are_kept(void **state)
{
    struct store_fixture *fixture = *state;
    struct pair pair;
    make_pair(fixture, &pair);
    assert_true(store_fixture_deliver(&pair.letter.delivery));
    assert_true(pair.letter.delivery.is_report_kept);
    assert_int_equal(pair.report.local.uid, 1);
    assert_int_equal(count_messages(fixture, pair.bob_inbox), 1);
    assert_int_equal(count_messages(fixture, fixture->inbox), 1);
    clear_pair(&pair);
}

static void both_to_one_mailbox(void **state)
{
    struct store_fixture *fixture = *state;
    struct pair pair;
    make_pair(fixture, &pair);
    pair.letter.local.account = fixture->account;
    pair.letter.local.mailbox = fixture->inbox;
    assert_true(store_fixture_deliver(&pair.letter.delivery));
    assert_int_equal(pair.letter.local.uid, 1);
    assert_int_equal(pair.report.local.uid, 2);
    clear_pair(&pair);
}

static void neither_is_kept(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement limit = {"UPDATE account SET quota_bytes = 1 WHERE id = $1",
                                              NULL};
    struct pair pair;
    make_pair(fixture, &pair);
    store_fixture_execute(fixture, &limit, DB_VALUES(db_number(pair.bob)));
    assert_false(store_fixture_deliver(&pair.letter.delivery));
    assert_false(pair.letter.delivery.is_report_kept);
    assert_int_equal(count_messages(fixture, fixture->inbox), 0);
    assert_int_equal(count_bodies(fixture), 0);
    clear_pair(&pair);
}

/* One of two has no room: the other gets it, and nothing is reported yet. */
static void of_some_it_is_left_out(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement limit = {"UPDATE account SET quota_bytes = 1 WHERE id = $1",
                                              NULL};
    struct pair pair;
    make_pair(fixture, &pair);
    struct store_delivery_local locals[2] = {pair.letter.local, pair.report.local};
    pair.letter.delivery.locals = locals;
    pair.letter.delivery.local_count = 2;
    pair.letter.delivery.is_all_or_nothing = false;
    store_fixture_execute(fixture, &limit, DB_VALUES(db_number(pair.bob)));
    assert_true(store_fixture_deliver(&pair.letter.delivery));
    assert_false(pair.letter.delivery.is_report_kept);
    assert_int_equal(count_messages(fixture, fixture->inbox), 1);
    assert_int_equal(count_bodies(fixture), 1);
    clear_pair(&pair);
}

/* Quotas do not hold a report up, and a mailbox that is gone loses it without harm. */
static void whatever_becomes_of_the_report(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement limit = {"UPDATE account SET quota_bytes = 1 WHERE id = $1",
                                              NULL};
    struct pair pair;
    make_pair(fixture, &pair);
    store_fixture_execute(fixture, &limit, DB_VALUES(db_number(fixture->account)));
    assert_true(store_fixture_deliver(&pair.letter.delivery));
    assert_int_equal(count_messages(fixture, fixture->inbox), 1);
    clear_pair(&pair);

    struct store_fixture_letter letter;
    struct store_fixture_letter report;
    store_fixture_letter(fixture, &letter, BYTES(LETTER));
    store_fixture_letter(fixture, &report, BYTES(REPORT));
    letter.local.account = pair.bob;
    letter.local.mailbox = pair.bob_inbox;
    letter.delivery.report = &report.delivery;
    letter.delivery.mailboxes = pair.mailboxes;
    report.local.mailbox = 12345;
    assert_true(store_fixture_deliver(&letter.delivery));
    assert_int_equal(report.local.outcome, STORE_DELIVERY_NO_MAILBOX);
    assert_int_equal(count_messages(fixture, pair.bob_inbox), 2);
    assert_int_equal(count_bodies(fixture), 3);
    store_fixture_letter_clear(&letter);
    store_fixture_letter_clear(&report);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(both_are_kept),
    STORE_TEST(both_to_one_mailbox),
    STORE_TEST(neither_is_kept),
    STORE_TEST(of_some_it_is_left_out),
    STORE_TEST(whatever_becomes_of_the_report),
};

STORE_MAIN(tests)
