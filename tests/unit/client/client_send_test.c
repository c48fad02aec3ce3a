/* Sending through a session: results, many at once, and LMTP. */
#include <posthorn/posthorn.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/client_talk.h"
#include "unit.h"

#define LETTER "Subject: x\r\n\r\nhello\r\n"

static const char *const bob[] = {"bob@x.example"};

static bool send_letter(struct ph_smtp *smtp, struct ph_result *result, struct ph_error *error)
{
    return ph_smtp_sendmail(smtp, "ann@x.example", bob, 1, LETTER, strlen(LETTER), result, error);
}

/* ---- sendmail ---- */

static void sends_one_letter(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:<ann@x.example>*\n"
                                                     "C: RCPT TO:<bob@x.example>\n"
                                                     "C: DATA\n"
                                                     "S: 250 2.1.0 sender ok\n"
                                                     "S: 250 2.1.5 recipient ok\n"
                                                     "S: 354 go\n"
                                                     "D:\n"
                                                     "S: 250 2.0.0 queued as 77\n"
                                                     "E:\n");
    struct ph_result result = {0};
    struct ph_error error = {0};
    assert_true(send_letter(talk.smtp, &result, &error));
    assert_int_equal(error.kind, PH_OK);
    assert_int_equal(result.fate, PH_ACCEPTED);
    assert_int_equal(result.reply.code, 250);
    assert_string_equal(result.reply.text, "queued as 77");
    assert_int_equal(result.recipient_count, 1);
    assert_int_equal(result.accepted_count, 1);
    assert_true(result.recipients[0].is_accepted);
    assert_int_equal(result.recipients[0].fate, PH_ACCEPTED);
    assert_string_equal(result.recipients[0].reply.text, "recipient ok");
    assert_int_equal(result.error.kind, PH_OK);
    assert_string_equal(ph_smtp_reply(talk.smtp)->text, "queued as 77");
    ph_result_clear(&result);
    assert_null(result.recipients);
    size_t length;
    char *body = client_talk_end_body(&talk, &length);
    assert_string_equal(body, LETTER);
    free(body);
}

static void tells_of_each_recipient(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:<>*\n"
                                                     "C: RCPT TO:<a@x.example>\n"
                                                     "C: RCPT TO:<b@x.example>\n"
                                                     "C: RCPT TO:<b@x.example>\n"
                                                     "C: RCPT TO:<c@x.example>\n"
                                                     "C: DATA\n"
                                                     "S: 250 ok\n"
                                                     "S: 250 2.1.5 a ok\n"
                                                     "S: 550 5.1.1 unknown\n"
                                                     "S: 550 5.1.1 unknown\n"
                                                     "S: 451 4.3.0 later\n"
                                                     "S: 354 go\n"
                                                     "D:\n"
                                                     "S: 250 ok\n"
                                                     "E:\n");
    static const char *const recipients[] = {"a@x.example", "b@x.example", "b@x.example",
                                             "c@x.example"};
    struct ph_result result = {0};
    struct ph_error error;
    assert_true(ph_smtp_sendmail(talk.smtp, "", recipients, 4, "x", 1, &result, &error));
    assert_int_equal(result.recipient_count, 4);
    assert_int_equal(result.accepted_count, 1);
    assert_true(result.recipients[0].is_accepted);
    assert_string_equal(result.recipients[0].reply.text, "a ok");
    for (size_t i = 1; i < 4; i++) {
        assert_false(result.recipients[i].is_accepted);
        assert_int_equal(result.recipients[i].fate, PH_NOT_SENT);
    }
    assert_int_equal(result.recipients[1].reply.code, 550);
    assert_int_equal(result.recipients[2].reply.enhanced[2], 1);
    assert_string_equal(result.recipients[2].reply.text, "unknown");
    assert_int_equal(result.recipients[3].reply.code, 451);
    assert_string_equal(result.recipients[3].reply.text, "later");
    ph_result_clear(&result);
    client_talk_end(&talk);
}

static void sends_after_what_failed(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:<ann@x.example>*\n"
                                                     "C: RCPT TO:<bob@x.example>\n"
                                                     "C: DATA\n"
                                                     "S: 550 5.7.1 not you\n"
                                                     "S: 503 no sender\n"
                                                     "S: 503 no sender\n"
                                                     "C: MAIL FROM:<ann@x.example>*\n"
                                                     "C: RCPT TO:<bob@x.example>\n"
                                                     "C: DATA\n"
                                                     "S: 250 ok\n"
                                                     "S: 550 5.1.1 unknown\n"
                                                     "S: 503 no recipients\n"
                                                     "C: RSET\n"
                                                     "S: 250 ok\n"
                                                     "C: MAIL FROM:<ann@x.example>*\n"
                                                     "C: RCPT TO:<bob@x.example>\n"
                                                     "C: DATA\n"
                                                     "S: 250 ok\n"
                                                     "S: 250 ok\n"
                                                     "S: 354 go\n"
                                                     "D:\n"
                                                     "S: 554 5.6.0 spam\n"
                                                     "C: RSET\n"
                                                     "S: 250 ok\n"
                                                     "C: NOOP\n"
                                                     "S: 250 ok\n"
                                                     "E:\n");
    struct ph_result result = {0};
    struct ph_error error;
    assert_false(send_letter(talk.smtp, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_SENDER_REFUSED);
    assert_int_equal(error.reply_code, 550);
    assert_string_equal(error.reply_text, "not you");
    assert_string_equal(error.verb, "MAIL");
    assert_int_equal(error.fate, PH_NOT_SENT);
    assert_int_equal(result.error.kind, PH_ERROR_SENDER_REFUSED);
    assert_false(send_letter(talk.smtp, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_RECIPIENTS_REFUSED);
    assert_int_equal(result.recipients[0].reply.code, 550);
    assert_int_equal(result.accepted_count, 0);
    assert_false(send_letter(talk.smtp, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_DATA_REFUSED);
    assert_int_equal(error.reply_code, 554);
    assert_false(result.recipients[0].is_accepted);
    assert_int_equal(result.reply.code, 554);
    assert_int_equal(ph_smtp_noop(talk.smtp, NULL), 250);
    ph_result_clear(&result);
    client_talk_end(&talk);
}

static void refuses_before_a_byte(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, CLIENT_TALK_GREETING "C: NOOP\n"
                                                                           "S: 250 ok\n"
                                                                           "E:\n");
    struct ph_result result = {0};
    struct ph_error error;
    static const char *const wrong[] = {"bob@x.example", "b@x.example> NOTIFY=NEVER"};
    assert_false(ph_smtp_sendmail(talk.smtp, "a@x.example", wrong, 2, "x", 1, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_int_equal(result.error.kind, PH_ERROR_ARGUMENT);
    assert_int_equal(result.recipient_count, 2);
    assert_false(ph_smtp_sendmail(talk.smtp, "a\r\n@x.example", bob, 1, "x", 1, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_false(ph_smtp_sendmail(talk.smtp, NULL, bob, 1, "x", 1, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_false(ph_smtp_sendmail(talk.smtp, "a@x.example", NULL, 0, "x", 1, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_int_equal(result.recipient_count, 0);
    struct ph_recipient recipient = {.address = "bob@x.example"};
    struct ph_transaction large = {
        .sender = "a@x.example",
        .recipients = &recipient,
        .recipient_count = 1,
        .body = {.kind = PH_BODY_CALLBACK, .read = NULL},
    };
    assert_false(ph_smtp_send(talk.smtp, &large, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    large.body = (struct ph_body){.kind = PH_BODY_FILE, .descriptor = -1};
    assert_false(ph_smtp_send(talk.smtp, &large, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    assert_int_equal(error.system_error, EBADF);
    large.body = (struct ph_body){.data = LETTER, .length = strlen(LETTER)};
    large.require_tls = true;
    assert_false(ph_smtp_send(talk.smtp, &large, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_NOT_SUPPORTED);
    assert_int_equal(ph_smtp_noop(talk.smtp, NULL), 250);
    ph_result_clear(&result);
    client_talk_end(&talk);
}

static void knows_when_a_message_is_too_large(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, "S: 220 hi\n"
                                                      "C: EHLO *\n"
                                                      "S: 250-mx\n"
                                                      "S: 250 SIZE 10\n"
                                                      "E:\n");
    struct ph_error error;
    assert_false(send_letter(talk.smtp, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_TOO_LARGE);
    client_talk_end(&talk);
}

#define ENVELOPE                                                                                   \
    "C: MAIL FROM:*\n"                                                                             \
    "C: RCPT TO:*\n"                                                                               \
    "C: DATA\n"                                                                                    \
    "S: 250 ok\n"                                                                                  \
    "S: 250 ok\n"                                                                                  \
    "S: 354 go\n"

static const struct ph_recipient recipient = {.address = "bob@x.example"};

static struct ph_transaction transaction_of(struct ph_body body)
{
    return (struct ph_transaction){
        .sender = "ann@x.example",
        .recipients = &recipient,
        .recipient_count = 1,
        .body = body,
    };
}

/* ---- many ---- */

static void sends_many_in_few_flights(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:*\n"
                                                                           "C: RCPT TO:*\n"
                                                                           "C: DATA\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 354 go\n"
                                                                           "D:\n"
                                                                           "C: RSET\n"
                                                                           "C: MAIL FROM:*\n"
                                                                           "C: RCPT TO:*\n"
                                                                           "C: DATA\n"
                                                                           "S: 250 queued as 1\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 550 no\n"
                                                                           "S: 503 no\n"
                                                                           "C: RSET\n"
                                                                           "S: 250 ok\n"
                                                                           "C: MAIL FROM:*\n"
                                                                           "C: RCPT TO:*\n"
                                                                           "C: DATA\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 354 go\n"
                                                                           "D:\n"
                                                                           "S: 250 queued as 3\n"
                                                                           "E:\n");
    struct ph_transaction all[4];
    for (size_t i = 0; i < 4; i++)
        all[i] = transaction_of((struct ph_body){.data = LETTER, .length = strlen(LETTER)});
    all[2].sender = "nobody";
    struct ph_result results[4] = {0};
    struct ph_error error = {0};
    assert_false(ph_smtp_send_all(talk.smtp, all, 4, results, &error));
    assert_string_equal(results[0].reply.text, "queued as 1");
    assert_int_equal(results[0].fate, PH_ACCEPTED);
    assert_int_equal(results[1].error.kind, PH_ERROR_RECIPIENTS_REFUSED);
    assert_int_equal(results[2].error.kind, PH_ERROR_ARGUMENT);
    assert_string_equal(results[3].reply.text, "queued as 3");
    for (size_t i = 0; i < 4; i++)
        ph_result_clear(&results[i]);
    client_talk_end(&talk);
}

static void tells_of_each_when_the_connection_dies(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:*\n"
                                                                           "C: RCPT TO:*\n"
                                                                           "C: DATA\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 354 go\n"
                                                                           "D:\n"
                                                                           "C: RSET\n"
                                                                           "C: MAIL FROM:*\n"
                                                                           "C: RCPT TO:*\n"
                                                                           "C: DATA\n"
                                                                           "S: 250 queued as 1\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 250 ok\n"
                                                                           "S: 354 go\n"
                                                                           "D:\n"
                                                                           "X:\n");
    enum {
        COUNT = 70 /* more than an engine holds */
    };
    struct ph_transaction all[COUNT];
    struct ph_result results[COUNT] = {0};
    for (size_t i = 0; i < COUNT; i++)
        all[i] = transaction_of((struct ph_body){.data = LETTER, .length = strlen(LETTER)});
    struct ph_error error = {0};
    assert_false(ph_smtp_send_all(talk.smtp, all, COUNT, results, &error));
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    assert_int_equal(results[0].fate, PH_ACCEPTED);
    assert_int_equal(results[1].fate, PH_MAYBE_SENT);
    assert_int_equal(results[1].recipients[0].fate, PH_MAYBE_SENT);
    for (size_t i = 2; i < COUNT; i++) {
        assert_int_equal(results[i].fate, PH_NOT_SENT);
        assert_int_equal(results[i].error.kind, PH_ERROR_DISCONNECTED);
        assert_int_equal(results[i].recipient_count, 1);
    }
    for (size_t i = 0; i < COUNT; i++)
        ph_result_clear(&results[i]);
    client_talk_end(&talk);
}

static void respects_how_many_a_server_takes(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, "S: 220 hi\n"
                                                      "C: EHLO *\n"
                                                      "S: 250-mx\n"
                                                      "S: 250 LIMITS MAILMAX=1\n"
                                                      "C: MAIL FROM:*\n"
                                                      "S: 250 ok\n"
                                                      "C: RCPT TO:*\n"
                                                      "S: 250 ok\n"
                                                      "C: DATA\n"
                                                      "S: 354 go\n"
                                                      "D:\n"
                                                      "S: 250 ok\n"
                                                      "E:\n");
    struct ph_error error = {0};
    assert_true(send_letter(talk.smtp, NULL, &error));
    assert_false(send_letter(talk.smtp, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_LIMIT);
    assert_true(error.retry);
    client_talk_end(&talk);
}

/* ---- lost at the worst moment ---- */

static void says_maybe_when_the_verdict_is_missing(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, CLIENT_TALK_GREETING ENVELOPE "D:\nX:\n");
    struct ph_result result = {0};
    struct ph_error error = {0};
    assert_false(send_letter(talk.smtp, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    assert_int_equal(error.fate, PH_MAYBE_SENT);
    assert_int_equal(result.fate, PH_MAYBE_SENT);
    assert_int_equal(result.recipients[0].fate, PH_MAYBE_SENT);
    assert_int_equal(result.accepted_count, 0);
    ph_result_clear(&result);
    client_talk_end(&talk);
}

static void says_not_sent_before_that(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:*\n"
                                                                           "C: RCPT TO:*\n"
                                                                           "C: DATA\n"
                                                                           "S: 250 ok\n"
                                                                           "X:\n");
    struct ph_result result = {0};
    struct ph_error error = {0};
    assert_false(send_letter(talk.smtp, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    assert_int_equal(error.fate, PH_NOT_SENT);
    assert_int_equal(result.recipients[0].fate, PH_NOT_SENT);
    ph_result_clear(&result);
    client_talk_end(&talk);
}

/* ---- LMTP ---- */

#define LMTP_ENVELOPE                                                                              \
    "S: 220 hi\n"                                                                                  \
    "C: LHLO *\n"                                                                                  \
    "S: 250-mx\n"                                                                                  \
    "S: 250 PIPELINING\n"                                                                          \
    "C: MAIL FROM:*\n"                                                                             \
    "C: RCPT TO:*\n"                                                                               \
    "C: RCPT TO:*\n"                                                                               \
    "C: RCPT TO:*\n"                                                                               \
    "C: DATA\n"                                                                                    \
    "S: 250 ok\n"                                                                                  \
    "S: 250 ok\n"                                                                                  \
    "S: 550 unknown\n"                                                                             \
    "S: 250 ok\n"                                                                                  \
    "S: 354 go\n"                                                                                  \
    "D:\n"

static const char *const three[] = {"a@x.example", "b@x.example", "c@x.example"};

static void hears_each_verdict_of_lmtp(void **state)
{
    (void)state;
    struct ph_smtp_options options = {.lmtp = true};
    struct client_talk talk = client_talk_begin(&options, LMTP_ENVELOPE "S: 250 a has it\n"
                                                                        "S: 452 c is full\n"
                                                                        "C: NOOP\n"
                                                                        "S: 250 ok\n"
                                                                        "E:\n");
    struct ph_result result = {0};
    struct ph_error error = {0};
    assert_true(ph_smtp_sendmail(talk.smtp, "s@x.example", three, 3, "x", 1, &result, &error));
    assert_int_equal(result.accepted_count, 1);
    assert_string_equal(result.recipients[0].reply.text, "a has it");
    assert_true(result.recipients[0].is_accepted);
    assert_int_equal(result.recipients[1].reply.code, 550);
    assert_int_equal(result.recipients[2].reply.code, 452);
    assert_false(result.recipients[2].is_accepted);
    assert_int_equal(result.recipients[2].fate, PH_NOT_SENT);
    assert_int_equal(ph_smtp_noop(talk.smtp, NULL), 250);
    ph_result_clear(&result);
    client_talk_end(&talk);
}

static void knows_whose_verdict_of_lmtp_is_missing(void **state)
{
    (void)state;
    struct ph_smtp_options options = {.lmtp = true};
    struct client_talk talk = client_talk_begin(&options, LMTP_ENVELOPE "S: 250 a has it\n"
                                                                        "X:\n");
    struct ph_result result = {0};
    struct ph_error error = {0};
    ph_smtp_sendmail(talk.smtp, "s@x.example", three, 3, "x", 1, &result, &error);
    assert_int_equal(result.recipients[0].fate, PH_ACCEPTED);
    assert_int_equal(result.recipients[1].fate, PH_NOT_SENT);
    assert_int_equal(result.recipients[2].fate, PH_MAYBE_SENT);
    ph_result_clear(&result);
    client_talk_end(&talk);
}

/* A verdict in the middle of the body is one for all: nobody has the message. */
static void hears_a_refusal_of_lmtp_before_the_end(void **state)
{
    (void)state;
    struct ph_smtp_options options = {.lmtp = true};
    struct client_talk talk = client_talk_begin(&options, "S: 220 hi\n"
                                                          "C: LHLO *\n"
                                                          "S: 250-mx\n"
                                                          "S: 250 PIPELINING\n"
                                                          "C: MAIL FROM:*\n"
                                                          "C: RCPT TO:*\n"
                                                          "C: RCPT TO:*\n"
                                                          "C: RCPT TO:*\n"
                                                          "C: DATA\n"
                                                          "S: 250 ok\n"
                                                          "S: 250 ok\n"
                                                          "S: 250 ok\n"
                                                          "S: 250 ok\n"
                                                          "S: 354 go\n"
                                                          "G:\n"
                                                          "S: 552 5.3.4 too much\n"
                                                          "X:\n");
    enum {
        SIZE = 9000000 /* more than socket buffers hold */
    };
    char *body = malloc(SIZE);
    memset(body, 'x', SIZE);
    struct ph_result result = {0};
    struct ph_error error = {0};
    assert_false(ph_smtp_sendmail(talk.smtp, "s@x.example", three, 3, body, SIZE, &result, &error));
    free(body);
    assert_int_equal(error.reply_code, 552);
    assert_int_equal(result.fate, PH_NOT_SENT);
    for (size_t i = 0; i < 3; i++) {
        assert_false(result.recipients[i].is_accepted);
        assert_int_equal(result.recipients[i].fate, PH_NOT_SENT);
    }
    ph_result_clear(&result);
    client_talk_end(&talk);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sends_one_letter),
    cmocka_unit_test(tells_of_each_recipient),
    cmocka_unit_test(sends_after_what_failed),
    cmocka_unit_test(refuses_before_a_byte),
    cmocka_unit_test(knows_when_a_message_is_too_large),
    cmocka_unit_test(sends_many_in_few_flights),
    cmocka_unit_test(tells_of_each_when_the_connection_dies),
    cmocka_unit_test(respects_how_many_a_server_takes),
    cmocka_unit_test(says_maybe_when_the_verdict_is_missing),
    cmocka_unit_test(says_not_sent_before_that),
    cmocka_unit_test(hears_each_verdict_of_lmtp),
    cmocka_unit_test(knows_whose_verdict_of_lmtp_is_missing),
    cmocka_unit_test(hears_a_refusal_of_lmtp_before_the_end),
};

UNIT_MAIN(tests)
