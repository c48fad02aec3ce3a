/* What becomes of a letter is written in one transaction, with what is said about it. */
#include "store_outbound_fixture.h"

#include <string.h>

#include "store/store_accounts.h"
#include "store/store_news.h"
#include "store/store_queue.h"

static const struct store_outbound_result done = {.code = 250};

static int64_t number_of(struct store_fixture *fixture, const struct db_statement *statement,
                         int64_t message, int64_t number)
{
    return store_fixture_number(fixture, statement,
                                DB_VALUES(db_number(message), db_number(number)));
}

/* ---- rows ---- */

static void a_delivered_message_leaves_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org", "x.org");
    int64_t other = outbound_put(fixture, "a@x.org", "x.org");
    assert_int_equal(outbound_count(fixture, "body"), 2);
    assert_true(outbound_finish_one(fixture->store, message, &done));
    assert_int_equal(outbound_count(fixture, "recipient"), 1);
    assert_int_equal(outbound_count(fixture, "message"), 1);
    assert_int_equal(outbound_count(fixture, "body"), 1);
    assert_false(outbound_finish_one(fixture->store, message, &done));
    assert_true(outbound_finish_one(fixture->store, other, &done));
    assert_int_equal(outbound_count(fixture, "body"), 0);
    outbound_check(fixture);
}

static void the_last_recipient_takes_the_message_along(void **state)
{
    struct store_fixture *fixture = *state;
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org b@y.org c@x.org d@x.org e@x.org",
                                   "x.org y.org x.org x.org x.org");
    const struct store_outbound_result some[] = {
        {.number = 0, .code = 250}, {.number = 2, .code = 250}, {.number = 3, .code = 250}};
    const struct store_outbound_result rest[] = {{.number = 1, .code = 250},
                                                 {.number = 4, .code = 550}};
    struct store_outbound_finish finish = {
        .store = fixture->store, .message = message, .results = some, .count = 3};
    assert_true(outbound_finish(&finish));
    assert_int_equal(outbound_count(fixture, "recipient"), 2);
    assert_int_equal(outbound_count(fixture, "message"), 1);
    outbound_check(fixture);
    finish.results = rest;
    finish.count = 2;
    assert_true(outbound_finish(&finish));
    assert_int_equal(outbound_count(fixture, "message"), 0);
    assert_int_equal(outbound_count(fixture, "body"), 0);
}

static void results_are_written_row_by_row(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement due = {
        "SELECT due FROM outbound_recipient WHERE message = $1 AND number = $2", NULL};
    static const struct db_statement attempts = {
        "SELECT attempts * 10 + is_warned FROM outbound_recipient "
        "WHERE message = $1 AND number = $2",
        NULL};
    static const struct db_statement code = {
        "SELECT last_code FROM outbound_recipient WHERE message = $1 AND number = $2", NULL};
    static const struct db_statement text = {
        "SELECT LENGTH(last_text) FROM outbound_recipient WHERE message = $1 AND number = $2",
        NULL};
    static char lines[2000];
    memset(lines, 'x', sizeof(lines));
    AUTO(buffer)
    listed = BUFFER(1000);
    outbound_begin(fixture);
    int64_t message =
        outbound_put(fixture, "a@x.org b@x.org c@x.org d@x.org", "x.org x.org x.org x.org");
    const struct store_outbound_result results[] = {
        {.number = 0,
         .outcome = STORE_OUTBOUND_DEFERRED,
         .due = OUTBOUND_TIME + 500,
         .code = 450,
         .text = BYTES("later"),
         .is_warned = true},
        {.number = 1, .outcome = STORE_OUTBOUND_REROUTED, .route = BYTES("y.org")},
        {.number = 2, .outcome = STORE_OUTBOUND_WARNED},
        {.number = 3,
         .outcome = STORE_OUTBOUND_DEFERRED,
         .due = OUTBOUND_TIME + 700,
         .text = bytes_of(lines, sizeof(lines))},
    };
    struct store_outbound_finish finish = {.store = fixture->store,
                                           .message = message,
                                           .now = OUTBOUND_TIME + 100,
                                           .results = results,
                                           .count = 4};
    assert_true(outbound_finish(&finish));
    outbound_list(fixture, fixture->store, &message, 1, &listed);
    assert_string_equal(buffer_bytes(&listed).data,
                        "1 x.org 500;1 y.org 100;1 x.org 0;1 x.org 700;");
    assert_int_equal(number_of(fixture, &attempts, message, 0), 11);
    assert_int_equal(number_of(fixture, &attempts, message, 1), 0);
    assert_int_equal(number_of(fixture, &attempts, message, 2), 1);
    assert_int_equal(number_of(fixture, &attempts, message, 3), 10);
    assert_int_equal(number_of(fixture, &code, message, 0), 450);
    assert_int_equal(number_of(fixture, &text, message, 0), 5);
    assert_int_equal(number_of(fixture, &text, message, 3), STORE_OUTBOUND_TEXT_MAX);
    /* Who was warned once stays so. */
    struct store_outbound_result again = results[0];
    again.is_warned = false;
    assert_true(outbound_finish_one(fixture->store, message, &again));
    assert_int_equal(number_of(fixture, &attempts, message, 0), 21);
    assert_int_equal(number_of(fixture, &due, message, 0), OUTBOUND_TIME + 500);
    outbound_check(fixture);
}

/* A far end may say anything. */
static void junk_of_far_ends_can_be_kept(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement text = {
        "SELECT last_text = 'a?\xc3\xa9?' FROM outbound_recipient WHERE message = $1 "
        "AND number = $2",
        "SELECT (last_text = 'a?\xc3\xa9?')::int::bigint FROM outbound_recipient "
        "WHERE message = $1 AND number = $2"};
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org", "x.org");
    const struct store_outbound_result result = {.outcome = STORE_OUTBOUND_DEFERRED,
                                                 .text = BYTES("a\0\xc3\xa9\xff"),
                                                 .enhanced = BYTES("\xed\xa0\x80"),
                                                 .host = BYTES("\0")};
    assert_true(outbound_finish_one(fixture->store, message, &result));
    assert_int_equal(number_of(fixture, &text, message, 0), 1);
}

/* ---- bodies ---- */

static void remove_from_inbox(struct store_fixture *fixture, uint32_t uid)
{
    struct store_removal removal = {
        .store = fixture->store, .mailbox = fixture->inbox, .uids = &uid, .count = 1};
    outbound_remove(&removal);
}

static void a_body_stays_while_a_mailbox_has_it(void **state)
{
    struct store_fixture *fixture = *state;
    outbound_begin(fixture);
    int64_t first = outbound_put_both(fixture, "a@x.org", "x.org");
    int64_t second = outbound_put_both(fixture, "a@x.org", "x.org");
    assert_true(outbound_finish_one(fixture->store, first, &done));
    assert_int_equal(outbound_count(fixture, "message"), 1);
    assert_int_equal(outbound_count(fixture, "body"), 2);
    outbound_check(fixture);
    remove_from_inbox(fixture, 1);
    assert_int_equal(outbound_count(fixture, "body"), 1);
    /* The other way round the queue keeps it. */
    remove_from_inbox(fixture, 2);
    assert_int_equal(outbound_count(fixture, "body"), 1);
    outbound_check(fixture);
    assert_true(outbound_finish_one(fixture->store, second, &done));
    assert_int_equal(outbound_count(fixture, "body"), 0);
}

/* ---- reports ---- */

struct report {
    struct store_fixture_letter letter;
    struct store_delivery_far far;
};

static void make_report(struct store_fixture *fixture, struct report *report)
{
    *report = (struct report){0};
    store_fixture_letter(fixture, &report->letter, BYTES("Subject: returned\r\n\r\nsorry\r\n"));
    report->letter.delivery.sender = BYTES("");
}

static bool finish_with(struct store_fixture *fixture, int64_t message,
                        const struct store_outbound_result *results, size_t count,
                        struct report *report)
{
    struct store_outbound_finish finish = {.store = fixture->store,
                                           .message = message,
                                           .now = OUTBOUND_TIME,
                                           .results = results,
                                           .count = count,
                                           .report = &report->letter.delivery};
    return outbound_finish(&finish);
}

static int64_t count_inbox(struct store_fixture *fixture)
{
    static const struct db_statement count = {"SELECT messages FROM mailbox WHERE id = $1", NULL};
    return store_fixture_number(fixture, &count, DB_VALUES(db_number(fixture->inbox)));
}

struct looking {
    struct store_watch watch;
    uint32_t uid;
};

static void hear(struct store_watch *watch, const struct store_news *news)
{
    ((struct looking *)watch)->uid = news->uid;
}

static const struct store_outbound_result returned = {.code = 550};

static void a_report_comes_with_the_end(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct report report;
    struct looking looking = {.watch = {.mailbox = fixture->inbox, .hear = hear}};
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org", "x.org");
    assert_true(store_news_watch_begin(fixture->store, &looking.watch, &fault));
    make_report(fixture, &report);
    assert_true(finish_with(fixture, message, &returned, 1, &report));
    store_news_watch_end(fixture->store, &looking.watch);
    assert_int_equal(looking.uid, 1);
    assert_int_equal(report.letter.local.outcome, STORE_DELIVERY_KEPT);
    assert_int_equal(report.letter.local.uid, 1);
    assert_int_equal(count_inbox(fixture), 1);
    assert_int_equal(outbound_count(fixture, "message"), 0);
    assert_int_equal(outbound_count(fixture, "body"), 1);
    store_fixture_letter_clear(&report.letter);
    outbound_check(fixture);
}

struct hearing {
    struct store_outbound_watch watch;
    int64_t message;
    size_t count;
};

static void hear_outbound(struct store_outbound_watch *watch,
                          const struct store_outbound_entry *entries, size_t count)
{
    struct hearing *hearing = (struct hearing *)watch;
    hearing->message = entries[0].message;
    hearing->count += count;
}

static void a_report_may_go_far(void **state)
{
    struct store_fixture *fixture = *state;
    struct report report;
    struct hearing hearing = {.watch.hear = hear_outbound};
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org", "x.org");
    make_report(fixture, &report);
    report.far = (struct store_delivery_far){.recipient = BYTES("bob@example.net"),
                                             .route = BYTES("example.net")};
    report.letter.delivery.local_count = 0;
    report.letter.delivery.fars = &report.far;
    report.letter.delivery.far_count = 1;
    store_outbound_watch_set(fixture->store, &hearing.watch);
    assert_true(finish_with(fixture, message, &returned, 1, &report));
    store_outbound_watch_set(fixture->store, NULL);
    assert_int_equal(hearing.message, report.letter.delivery.id);
    assert_int_equal(hearing.count, 1);
    assert_int_equal(outbound_count(fixture, "message"), 1);
    assert_true(outbound_finish_one(fixture->store, report.letter.delivery.id, &done));
    store_fixture_letter_clear(&report.letter);
    outbound_check(fixture);
}

static void a_full_mailbox_takes_a_report(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement limit = {
        "UPDATE account SET quota_bytes = 1, quota_messages = 1 WHERE id = $1", NULL};
    struct report report;
    outbound_begin(fixture);
    store_fixture_put(fixture, BYTES("x"));
    store_fixture_execute(fixture, &limit, DB_VALUES(db_number(fixture->account)));
    int64_t message = outbound_put(fixture, "a@x.org", "x.org");
    make_report(fixture, &report);
    assert_true(finish_with(fixture, message, &returned, 1, &report));
    assert_int_equal(report.letter.local.outcome, STORE_DELIVERY_KEPT);
    assert_int_equal(count_inbox(fixture), 2);
    store_fixture_letter_clear(&report.letter);
    outbound_check(fixture);
}

static bool remove_account(struct store_job *job, struct db *db, struct fault *fault)
{
    (void)job;
    return store_account_remove(db, BYTES("ann@example.org"), fault);
}

/* What was accepted is still sent; who is gone hears no more of it. */
static void a_report_to_a_gone_mailbox_is_lost(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct store_job removal = {.run = remove_account};
    struct report report;
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org", "x.org");
    assert_true(store_run(fixture->store, &removal, &fault));
    assert_int_equal(outbound_count(fixture, "message"), 1);
    outbound_check(fixture);
    make_report(fixture, &report);
    assert_true(finish_with(fixture, message, &returned, 1, &report));
    assert_int_equal(report.letter.local.outcome, STORE_DELIVERY_NO_MAILBOX);
    assert_int_equal(outbound_count(fixture, "message"), 0);
    assert_int_equal(outbound_count(fixture, "body"), 0);
    store_fixture_letter_clear(&report.letter);
    outbound_check(fixture);
}

/* ---- what a person did meanwhile ---- */

struct removing {
    struct store_job job;
    int64_t message;
    enum store_queue_deed deed;
    struct bytes recipient;
};

static bool run_removing(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct removing *removing = (const struct removing *)job;
    struct store_queue_filter filter = {.message = removing->message,
                                        .recipient = removing->recipient};
    int64_t after_message = 0;
    int64_t after_number = 0;
    size_t count;
    return store_queue_change(db, removing->deed, &filter, OUTBOUND_TIME, &after_message,
                              &after_number, 100, &count, fault);
}

static void change(struct store_fixture *fixture, enum store_queue_deed deed, int64_t message,
                   struct bytes recipient)
{
    struct fault fault = {0};
    struct removing removing = {
        .job.run = run_removing, .message = message, .deed = deed, .recipient = recipient};
    if (!store_run(fixture->store, &removing.job, &fault))
        fail_msg("%s", fault.message);
}

static int64_t read_nudge(struct store_fixture *fixture)
{
    struct fault fault = {0};
    int64_t nudge;
    assert_true(store_outbound_nudge_read(fixture->reader, &nudge, &fault));
    return nudge;
}

static void what_was_removed_is_left_alone(void **state)
{
    struct store_fixture *fixture = *state;
    struct report report;
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org b@x.org c@x.org", "x.org x.org x.org");
    change(fixture, STORE_QUEUE_REMOVE, message, BYTES("b@x.org"));
    assert_int_equal(outbound_count(fixture, "recipient"), 2);
    const struct store_outbound_result results[] = {
        {.number = 0, .code = 250}, {.number = 1, .code = 550}, {.number = 2, .code = 550}};
    make_report(fixture, &report);
    int64_t nudge = read_nudge(fixture);
    assert_false(finish_with(fixture, message, results, 3, &report));
    assert_true(read_nudge(fixture) > nudge);
    /* The first was delivered; the third is tried again, so that it is reported alone. */
    assert_int_equal(count_inbox(fixture), 0);
    assert_int_equal(outbound_count(fixture, "recipient"), 1);
    outbound_check(fixture);
    assert_true(finish_with(fixture, message, &results[2], 1, &report));
    assert_int_equal(count_inbox(fixture), 1);
    assert_int_equal(outbound_count(fixture, "message"), 0);
    store_fixture_letter_clear(&report.letter);
    outbound_check(fixture);
}

static void without_report_the_others_are_written(void **state)
{
    struct store_fixture *fixture = *state;
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org b@x.org", "x.org x.org");
    const struct store_outbound_result results[] = {{.number = 0, .code = 250},
                                                    {.number = 1, .code = 550}};
    struct store_outbound_finish finish = {
        .store = fixture->store, .message = message, .results = results, .count = 2};
    change(fixture, STORE_QUEUE_REMOVE, message, BYTES("a@x.org"));
    assert_false(outbound_finish(&finish));
    assert_int_equal(outbound_count(fixture, "message"), 0);
    assert_int_equal(outbound_count(fixture, "body"), 0);
}

static void a_removed_message_gets_no_report(void **state)
{
    struct store_fixture *fixture = *state;
    struct report report;
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org", "x.org");
    change(fixture, STORE_QUEUE_REMOVE, message, BYTES(""));
    assert_int_equal(outbound_count(fixture, "body"), 0);
    make_report(fixture, &report);
    assert_false(finish_with(fixture, message, &returned, 1, &report));
    assert_int_equal(count_inbox(fixture), 0);
    assert_int_equal(outbound_count(fixture, "body"), 0);
    store_fixture_letter_clear(&report.letter);
}

static void what_is_held_can_still_end(void **state)
{
    struct store_fixture *fixture = *state;
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org b@x.org", "x.org x.org");
    change(fixture, STORE_QUEUE_HOLD, message, BYTES(""));
    struct store_outbound_result result = {
        .outcome = STORE_OUTBOUND_DEFERRED, .due = OUTBOUND_TIME + 9, .number = 1};
    AUTO(buffer)
    listed = BUFFER(1000);
    assert_true(outbound_finish_one(fixture->store, message, &done));
    assert_true(outbound_finish_one(fixture->store, message, &result));
    outbound_list(fixture, fixture->store, &message, 1, &listed);
    assert_string_equal(buffer_bytes(&listed).data, "");
    change(fixture, STORE_QUEUE_RELEASE, message, BYTES(""));
    outbound_list(fixture, fixture->store, &message, 1, &listed);
    assert_string_equal(buffer_bytes(&listed).data, "1 x.org 9;");
}

/* ---- batches ---- */

enum {
    MANY = 60
};

/* Many ends and a job that fails share a batch: those end all the same, once. */
static void a_batch_runs_again(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_outbound_finish finishes[MANY];
    struct report reports[MANY];
    outbound_begin(fixture);
    for (int i = 0; i < MANY; i++) {
        int64_t message = outbound_put(fixture, "a@x.org", "x.org");
        make_report(fixture, &reports[i]);
        finishes[i] = (struct store_outbound_finish){
            .store = fixture->store,
            .message = message,
            .now = OUTBOUND_TIME,
            .results = &returned,
            .count = 1,
            .report = &reports[i].letter.delivery,
        };
    }
    outbound_finish_together(fixture, finishes, MANY);
    for (int i = 0; i < MANY; i++) {
        assert_true(finishes[i].job.is_done);
        assert_true(finishes[i].is_ours);
        store_fixture_letter_clear(&reports[i].letter);
    }
    assert_int_equal(count_inbox(fixture), MANY);
    assert_int_equal(outbound_count(fixture, "message"), 0);
    assert_int_equal(outbound_count(fixture, "body"), MANY);
    outbound_check(fixture);
}

/* Recipients of a few messages end on several connections at the same time. */
static void ends_of_one_message_meet(void **state)
{
    enum {
        MESSAGES = 8,
        RECIPIENTS = 50
    };
    struct store_fixture *fixture = *state;
    static struct store_outbound_finish finishes[MESSAGES * RECIPIENTS];
    static struct store_outbound_result results[RECIPIENTS];
    AUTO(buffer)
    recipients = BUFFER(100000);
    AUTO(buffer)
    routes = BUFFER(100000);
    int64_t messages[MESSAGES];
    for (int i = 0; i < RECIPIENTS; i++) {
        results[i] = (struct store_outbound_result){.number = (uint32_t)i, .code = 250};
        buffer_append_format(&recipients, "u@x%d.org ", i);
        buffer_append_format(&routes, "x%d.org ", i);
    }
    outbound_begin(fixture);
    for (int i = 0; i < MESSAGES; i++)
        messages[i] = outbound_put(fixture, buffer_string(&recipients), buffer_string(&routes));
    for (int i = 0; i < MESSAGES * RECIPIENTS; i++) {
        /* Messages in another order with each recipient. */
        int recipient = i / MESSAGES;
        int message = (i * (recipient % 2 == 0 ? 3 : 5) + recipient) % MESSAGES;
        finishes[i] = (struct store_outbound_finish){.store = fixture->store,
                                                     .message = messages[message],
                                                     .results = &results[recipient],
                                                     .count = 1};
    }
    outbound_finish_together(fixture, finishes, MESSAGES * RECIPIENTS);
    for (int i = 0; i < MESSAGES * RECIPIENTS; i++)
        assert_true(finishes[i].is_ours);
    assert_int_equal(outbound_count(fixture, "message"), 0);
    assert_int_equal(outbound_count(fixture, "body"), 0);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(a_delivered_message_leaves_nothing),
    STORE_TEST(the_last_recipient_takes_the_message_along),
    STORE_TEST(results_are_written_row_by_row),
    STORE_TEST(junk_of_far_ends_can_be_kept),
    STORE_TEST(a_body_stays_while_a_mailbox_has_it),
    STORE_TEST(a_report_comes_with_the_end),
    STORE_TEST(a_report_may_go_far),
    STORE_TEST(a_full_mailbox_takes_a_report),
    STORE_TEST(a_report_to_a_gone_mailbox_is_lost),
    STORE_TEST(what_was_removed_is_left_alone),
    STORE_TEST(without_report_the_others_are_written),
    STORE_TEST(a_removed_message_gets_no_report),
    STORE_TEST(what_is_held_can_still_end),
    STORE_TEST(a_batch_runs_again),
    STORE_TEST(ends_of_one_message_meet),
};

STORE_MAIN(tests)
