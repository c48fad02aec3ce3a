/* Who asked for it hears of what was delivered here: NOTIFY=SUCCESS over real sockets, on a real
 * store. */
#include "session/session_house.h"

#include <stdio.h>
#include <stdlib.h>

#include "db/db.h"
#include "store/store_accounts.h"
#include "store/store_jobs.h"

static struct caller call_as_ann(struct house *house)
{
    struct caller caller = house_call(house, HOUSE_CLEAR);
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    /* "\0ann@home.example\0secret" */
    caller_ask(&caller, "AUTH PLAIN AGFubkBob21lLmV4YW1wbGUAc2VjcmV0\r\n", "235 2.7.0");
    return caller;
}

static struct caller call_with_hello(struct house *house, enum house_door door)
{
    struct caller caller = house_call(house, door);
    caller_ask(&caller, door == HOUSE_LMTP ? "LHLO client.example\r\n" : "EHLO client.example\r\n",
               "250 ");
    return caller;
}

static void quit(struct caller *caller)
{
    caller_ask(caller, "QUIT\r\n", "221 ");
    caller_hear_end(caller);
    caller_hang_up(caller);
}

/* One letter; what is behind the paths of MAIL and RCPT is given. */
static void send_letter(struct caller *caller, const char *mail, const char *rcpt)
{
    char line[512];
    snprintf(line, sizeof(line), "MAIL FROM:%s\r\n", mail);
    caller_ask(caller, line, "250 2.1.0");
    snprintf(line, sizeof(line), "RCPT TO:%s\r\n", rcpt);
    caller_ask(caller, line, "250 2.1.5");
    caller_ask(caller, "DATA\r\n", "354 ");
    caller_ask(caller, "Subject: hello\r\nMessage-ID: <1@home.example>\r\n\r\nHello.\r\n.\r\n",
               "250 2.0.0 Kept as ");
}

static void assert_has(const char *text, const char *part)
{
    assert_non_null(text);
    assert_true(bytes_find(bytes_from_string(text), bytes_from_string(part)) != BYTES_NOT_FOUND);
}

static int64_t ask_number(struct house *house, const char *sql)
{
    const struct db_statement statement = {sql, NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    struct fault fault = {0};
    assert_true(db_query_one(house->reader, &statement, NULL, 0, &rows, &is_found, &fault));
    assert_true(is_found);
    return db_rows_number(&rows, 0);
}

static void of_a_mailbox(void **state)
{
    struct house *house = *state;
    struct caller caller = call_as_ann(house);
    send_letter(&caller, "<ann@home.example> ENVID=Q+3DQ RET=FULL",
                "<bob@home.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;B+2Bob@home.example");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
    assert_int_equal(house_count(house, "ann@home.example"), 1);
    char *report = house_message(house, "ann@home.example", 0);
    assert_int_equal(strncmp(report, "Return-Path: <>\r\nDelivered-To: ann@home.example\r\n", 49),
                     0);
    assert_has(report, "\r\nSubject: Delivered: hello\r\n");
    assert_has(report, "\r\nIn-Reply-To: <1@home.example>\r\n");
    assert_has(report, "\r\nYour letter was put into the mailbox of:\r\n\r\n    bob@home.example");
    assert_has(report, "\r\nOriginal-Envelope-Id: Q=Q\r\nReporting-MTA: dns; mx.home.example\r\n");
    assert_has(report, "\r\n\r\nOriginal-Recipient: rfc822; B+ob@home.example\r\n"
                       "Final-Recipient: rfc822; bob@home.example\r\nAction: delivered\r\n"
                       "Status: 2.1.5\r\n");
    assert_has(report, "\r\nContent-Type: text/rfc822-headers\r\n");
    free(report);
}

static void only_where_it_is_asked_for(void **state)
{
    struct house *house = *state;
    struct caller caller = call_as_ann(house);
    send_letter(&caller, "<ann@home.example>", "<bob@home.example>");
    send_letter(&caller, "<ann@home.example>", "<bob@home.example> NOTIFY=FAILURE,DELAY");
    send_letter(&caller, "<ann@home.example>", "<bob@home.example> NOTIFY=NEVER");
    quit(&caller);
    caller = call_with_hello(house, HOUSE_OUTSIDE);
    /* RFC 3461 4.1: never of a letter from nobody. */
    send_letter(&caller, "<>", "<bob@home.example> NOTIFY=SUCCESS");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 4);
    assert_int_equal(house_count(house, "ann@home.example"), 0);
    assert_int_equal(ask_number(house, "SELECT COUNT(*) FROM outbound_recipient"), 0);
}

static void of_some_recipients(void **state)
{
    struct house *house = *state;
    struct caller caller = call_as_ann(house);
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example> NOTIFY=SUCCESS\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<both@home.example> NOTIFY=SUCCESS\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<sales@home.example> NOTIFY=SUCCESS\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "\r\nx\r\n.\r\n", "250 2.0.0");
    quit(&caller);
    /* The copy of both@ and sales@, and one report. */
    assert_int_equal(house_count(house, "ann@home.example"), 2);
    char *report = house_message(house, "ann@home.example", 1);
    assert_has(report, "\r\nFinal-Recipient: rfc822; bob@home.example\r\nAction: delivered\r\n");
    assert_has(report, "\r\nFinal-Recipient: rfc822; both@home.example\r\nAction: expanded\r\n");
    assert_has(report, "\r\nFinal-Recipient: rfc822; sales@home.example\r\nAction: delivered\r\n");
    assert_null(strstr(report, "carl@"));
    free(report);
}

static void to_a_far_sender(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    send_letter(&caller, "<zoe@away.example>", "<bob@home.example> NOTIFY=SUCCESS");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
    assert_int_equal(ask_number(house, "SELECT COUNT(*) FROM outbound_recipient WHERE "
                                       "recipient = 'zoe@away.example' AND notify = 1 AND "
                                       "route = 'away.example'"),
                     1);
    assert_int_equal(ask_number(house, "SELECT COUNT(*) FROM outbound_message WHERE sender = ''"),
                     1);
}

/* The sender is in a domain of ours, and nobody. */
static void to_nobody(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    send_letter(&caller, "<no@home.example>", "<bob@home.example> NOTIFY=SUCCESS");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
    house_wait_for_log(house, "report-lost");
}

/* A full mailbox takes a report all the same. */
static void to_a_full_mailbox(void **state)
{
    struct house *house = *state;
    struct caller caller = call_as_ann(house);
    house_set_quota(house, "ann@home.example", 10, 0);
    send_letter(&caller, "<ann@home.example>", "<bob@home.example> NOTIFY=SUCCESS");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 1);
}

struct making {
    struct store_job job;
    struct store *store;
};

static bool make_alias(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store *store = ((struct making *)job)->store;
    return store_alias_add(store, db, BYTES("half@home.example"), BYTES("bob@home.example"),
                           fault) &&
           store_alias_add(store, db, BYTES("half@home.example"), BYTES("x@far.example"), fault) &&
           store_alias_add(store, db, BYTES("away@home.example"), BYTES("y@far.example"), fault);
}

/* RFC 3461 5.2.7.3 (c): members hear of no success; 5.2.7.2: the only one does. */
static void of_forwarding_aliases(void **state)
{
    struct house *house = *state;
    struct fault fault = {0};
    struct making making = {.job = {.run = make_alias}, .store = house->store};
    assert_true(store_run(house->store, &making.job, &fault));
    struct caller caller = call_as_ann(house);
    send_letter(&caller, "<ann@home.example>", "<half@home.example> NOTIFY=SUCCESS");
    send_letter(&caller, "<ann@home.example>", "<half@home.example> NOTIFY=SUCCESS,FAILURE");
    send_letter(&caller, "<ann@home.example>", "<away@home.example> NOTIFY=SUCCESS");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 2);
    char *report = house_message(house, "ann@home.example", 0);
    assert_has(report, "\r\nFinal-Recipient: rfc822; half@home.example\r\nAction: expanded\r\n");
    assert_has(report, "\r\nSubject: Passed on: hello\r\n");
    free(report);
    assert_int_equal(ask_number(house, "SELECT COUNT(*) FROM outbound_recipient WHERE "
                                       "recipient = 'x@far.example' AND notify = 1"),
                     1);
    assert_int_equal(ask_number(house, "SELECT COUNT(*) FROM outbound_recipient WHERE "
                                       "recipient = 'x@far.example' AND notify = 4"),
                     1);
    assert_int_equal(ask_number(house, "SELECT COUNT(*) FROM outbound_recipient WHERE "
                                       "recipient = 'y@far.example' AND notify = 2"),
                     1);
}

/* Nothing was delivered, so nothing is said of it. */
static void not_of_what_was_refused(void **state)
{
    struct house *house = *state;
    struct caller caller = call_as_ann(house);
    house_set_quota(house, "carl@home.example", 10, 0);
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example> NOTIFY=SUCCESS\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example> NOTIFY=SUCCESS\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "\r\nmuch too large\r\n.\r\n", "452 4.2.2");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 0);
    assert_int_equal(house_count(house, "bob@home.example"), 0);
}

/* LMTP: one recipient is refused behind the body, the others are reported of. */
static void of_those_that_lmtp_served(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_LMTP);
    house_set_quota(house, "carl@home.example", 10, 0);
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example> NOTIFY=SUCCESS\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example> NOTIFY=SUCCESS\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<some@home.example> NOTIFY=SUCCESS\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "\r\nmuch too large\r\n.\r\n", "250 2.0.0");
    caller_hear(&caller, "552 5.2.2");
    caller_hear(&caller, "552 5.2.2");
    send_letter(&caller, "<ann@home.example>", "<bob@home.example> NOTIFY=SUCCESS");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 2);
    /* The copy of some@, and two reports. */
    assert_int_equal(house_count(house, "ann@home.example"), 3);
    char *report = house_message(house, "ann@home.example", 1);
    assert_has(report, "\r\nFinal-Recipient: rfc822; bob@home.example\r\nAction: delivered\r\n");
    assert_null(strstr(report, "carl@"));
    assert_null(strstr(report, "some@"));
    free(report);
}

static void a_store_that_cannot_be_read(void **state)
{
    struct house *house = *state;
    struct caller caller = call_as_ann(house);
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example> NOTIFY=SUCCESS\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    house_execute(house, "ALTER TABLE address RENAME TO address_away");
    caller_ask(&caller, "\r\nx\r\n.\r\n", "451 4.3.0");
    house_execute(house, "ALTER TABLE address_away RENAME TO address");
    send_letter(&caller, "<ann@home.example>", "<bob@home.example> NOTIFY=SUCCESS");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
    assert_int_equal(house_count(house, "ann@home.example"), 1);
}

static void callers_that_leave(void **state)
{
    struct house *house = *state;
    for (int i = 0; i < 20; i++) {
        struct caller caller = call_with_hello(house, i < 10 ? HOUSE_OUTSIDE : HOUSE_LMTP);
        if (i == 10)
            house_set_quota(house, "carl@home.example", 10, 0);
        caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
        caller_ask(&caller, "RCPT TO:<bob@home.example> NOTIFY=SUCCESS\r\n", "250 ");
        caller_ask(&caller, "RCPT TO:<carl@home.example> NOTIFY=SUCCESS\r\n", "250 ");
        caller_ask(&caller, "DATA\r\n", "354 ");
        caller_say(&caller, "\r\nmuch too large\r\n.\r\n");
        if (i % 4 < 2)
            caller_reset(&caller);
        else
            caller_hang_up(&caller);
    }
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    send_letter(&caller, "<ann@home.example>", "<bob@home.example> NOTIFY=SUCCESS");
    quit(&caller);
}

/* Each allocation of the loops fails in turn: a letter that was promised has its report, and none
 * has two. */
static void loops_without_memory(void **state)
{
    struct house *house = *state;
    size_t promised = 0;
    bool has_failed = true;
    for (size_t count = 0; has_failed; count++) {
        struct caller caller = call_as_ann(house);
        caller_ask(&caller, "MAIL FROM:<ann@home.example> ENVID=x\r\n", "250 ");
        caller_ask(&caller, "RCPT TO:<bob@home.example> NOTIFY=SUCCESS\r\n", "250 ");
        caller_ask(&caller, "DATA\r\n", "354 ");
        house_take_memory(house, count);
        caller_say(&caller, "Subject: x\r\n\r\nx\r\n.\r\n");
        int code = caller_hear_code(&caller);
        promised += code == 250;
        has_failed = house_restore_memory(house);
        assert_true(code == 0 || code == 250 || (code >= 400 && code < 500));
        caller_hang_up(&caller);
    }
    assert_true(promised > 0);
    assert_true(house_count(house, "bob@home.example") >= promised);
    assert_int_equal(house_count(house, "ann@home.example"),
                     house_count(house, "bob@home.example"));
}

static int check_and_tear_down(void **state)
{
    house_check(*state);
    return house_tear_down(state);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, house_set_up, check_and_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(of_a_mailbox),
        HOUSE_TEST(only_where_it_is_asked_for),
        HOUSE_TEST(of_some_recipients),
        HOUSE_TEST(to_a_far_sender),
        HOUSE_TEST(to_nobody),
        HOUSE_TEST(to_a_full_mailbox),
        HOUSE_TEST(of_forwarding_aliases),
        HOUSE_TEST(not_of_what_was_refused),
        HOUSE_TEST(of_those_that_lmtp_served),
        HOUSE_TEST(a_store_that_cannot_be_read),
        HOUSE_TEST(callers_that_leave),
        HOUSE_TEST(loops_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
