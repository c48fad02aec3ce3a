/* Sending through a session: results, bodies from everywhere, many at once, and messages. */
#include <posthorn/posthorn.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* ---- bodies ---- */

struct source {
    size_t left;
    size_t fail_at;
    unsigned calls;
};

static ssize_t give(void *context, char *buffer, size_t size)
{
    struct source *source = context;
    source->calls++;
    if (source->left <= source->fail_at && source->fail_at > 0) {
        errno = EIO;
        return -1;
    }
    size_t count = source->left < size ? source->left : size;
    if (count > 1000)
        count = 1000;
    for (size_t i = 0; i < count; i++) {
        size_t place = (source->left - i) % 50;
        buffer[i] = place == 1 ? '\n' : place == 0 ? '.' : 'x';
    }
    source->left -= count;
    return (ssize_t)count;
}

#define ENVELOPE                                                                                   \
    "C: MAIL FROM:*\n"                                                                             \
    "C: RCPT TO:*\n"                                                                               \
    "C: DATA\n"                                                                                    \
    "S: 250 ok\n"                                                                                  \
    "S: 250 ok\n"                                                                                  \
    "S: 354 go\n"

/* What DATA makes of a text of lines of 49 bytes that begin with a dot. */
static char *expected_body(size_t source_length, size_t *length)
{
    struct source source = {.left = source_length};
    char *text = malloc(source_length);
    size_t filled = 0;
    while (source.left > 0)
        filled += (size_t)give(&source, text + filled, source_length - filled);
    char *quoted = ph_quotedata(text, source_length, length, NULL);
    free(text);
    assert_non_null(quoted);
    return quoted;
}

static void assert_body(struct client_talk *talk, size_t source_length)
{
    size_t length, expected_length;
    char *body = client_talk_end_body(talk, &length);
    char *expected = expected_body(source_length, &expected_length);
    assert_int_equal(length, expected_length);
    assert_memory_equal(body, expected, length);
    free(body);
    free(expected);
}

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

static void sends_from_a_callback(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, CLIENT_TALK_GREETING ENVELOPE "D:\n"
                                                                                    "S: 250 ok\n"
                                                                                    "E:\n");
    struct source source = {.left = 1000000};
    struct ph_transaction transaction = transaction_of(
        (struct ph_body){.kind = PH_BODY_CALLBACK, .read = give, .context = &source});
    struct ph_error error = {0};
    assert_true(ph_smtp_send(talk.smtp, &transaction, NULL, &error));
    assert_body(&talk, 1000000);
}

static int make_file(size_t length)
{
    char path[] = "/tmp/posthorn-test-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    unlink(path);
    struct source source = {.left = length};
    char piece[1000];
    ssize_t got;
    while ((got = give(&source, piece, sizeof piece)) > 0)
        assert_int_equal(write(descriptor, piece, (size_t)got), got);
    assert_int_equal(lseek(descriptor, 0, SEEK_SET), 0);
    return descriptor;
}

static void sends_from_a_file(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:<ann@x.example> SIZE=1000000 *\n"
                                                     "C: RCPT TO:*\n"
                                                     "C: DATA\n"
                                                     "S: 250 ok\n"
                                                     "S: 250 ok\n"
                                                     "S: 354 go\n"
                                                     "D:\n"
                                                     "S: 250 ok\n"
                                                     "E:\n");
    int descriptor = make_file(1000000);
    struct ph_transaction transaction =
        transaction_of((struct ph_body){.kind = PH_BODY_FILE, .descriptor = descriptor});
    struct ph_error error = {0};
    if (!ph_smtp_send(talk.smtp, &transaction, NULL, &error))
        fail_msg("%s", error.message);
    close(descriptor);
    assert_body(&talk, 1000000);
}

static void sends_from_a_pipe(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING ENVELOPE "D:\nS: 250 ok\nE:\n");
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], ".\n", 2), 2);
    close(pipes[1]);
    struct ph_transaction transaction =
        transaction_of((struct ph_body){.kind = PH_BODY_FILE, .descriptor = pipes[0]});
    assert_true(ph_smtp_send(talk.smtp, &transaction, NULL, NULL));
    close(pipes[0]);
    size_t length;
    char *body = client_talk_end_body(&talk, &length);
    assert_string_equal(body, "..\r\n");
    free(body);
}

static void never_lets_a_part_be_accepted(void **state)
{
    (void)state;
    /* After DATA only the end of the connection can take the message back: no lone dot may come. */
    struct client_talk talk = client_talk_begin(NULL, CLIENT_TALK_GREETING ENVELOPE "C: *\n"
                                                                                    "W:\n");
    struct source source = {.left = 1000000, .fail_at = 500000};
    struct ph_transaction transaction = transaction_of(
        (struct ph_body){.kind = PH_BODY_CALLBACK, .read = give, .context = &source});
    struct ph_result result = {0};
    struct ph_error error = {0};
    assert_false(ph_smtp_send(talk.smtp, &transaction, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    assert_int_equal(error.fate, PH_NOT_SENT);
    assert_int_equal(error.system_error, EIO);
    assert_int_equal(result.fate, PH_NOT_SENT);
    assert_false(ph_smtp_is_connected(talk.smtp));
    ph_result_clear(&result);
    scripted_server_go_on(talk.server);
    client_talk_end(&talk);
}

static void keeps_the_connection_when_bdat_fails(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, "S: 220 hi\n"
                                                      "C: EHLO *\n"
                                                      "S: 250-mx\n"
                                                      "S: 250-PIPELINING\n"
                                                      "S: 250 CHUNKING\n"
                                                      "C: MAIL FROM:*\n"
                                                      "C: RCPT TO:*\n"
                                                      "S: 250 ok\n"
                                                      "S: 250 ok\n"
                                                      "C: RSET\n"
                                                      "S: 250 ok\n"
                                                      "C: NOOP\n"
                                                      "S: 250 ok\n"
                                                      "E:\n");
    struct source source = {.left = 1000, .fail_at = 1000};
    struct ph_transaction transaction = transaction_of(
        (struct ph_body){.kind = PH_BODY_CALLBACK, .read = give, .context = &source});
    struct ph_error error = {0};
    assert_false(ph_smtp_send(talk.smtp, &transaction, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_BODY);
    assert_int_equal(ph_smtp_noop(talk.smtp, NULL), 250);
    client_talk_end(&talk);
}

struct steps {
    unsigned calls;
    uint64_t done;
    uint64_t total;
    uint64_t stop_at;
};

static bool watch(void *context, uint64_t done, uint64_t total)
{
    struct steps *steps = context;
    assert_true(done > steps->done);
    steps->calls++;
    steps->done = done;
    steps->total = total;
    return steps->stop_at == 0 || done < steps->stop_at;
}

static void tells_of_its_progress(void **state)
{
    (void)state;
    struct steps steps = {0};
    struct ph_smtp_options options = {.progress = watch, .progress_context = &steps};
    struct client_talk talk =
        client_talk_begin(&options, CLIENT_TALK_GREETING ENVELOPE "D:\n"
                                                                  "S: 250 ok\n" ENVELOPE "D:\n"
                                                                  "S: 250 ok\n"
                                                                  "E:\n");
    int descriptor = make_file(600000);
    struct ph_transaction transaction =
        transaction_of((struct ph_body){.kind = PH_BODY_FILE, .descriptor = descriptor});
    assert_true(ph_smtp_send(talk.smtp, &transaction, NULL, NULL));
    assert_true(steps.calls > 1);
    assert_int_equal(steps.done, 600000);
    assert_int_equal(steps.total, 600000);
    close(descriptor);
    steps = (struct steps){0};
    assert_true(send_letter(talk.smtp, NULL, NULL));
    assert_int_equal(steps.done, strlen(LETTER));
    assert_int_equal(steps.total, strlen(LETTER));
    client_talk_end(&talk);
}

static void stops_when_progress_says_so(void **state)
{
    (void)state;
    struct steps steps = {.stop_at = 300000};
    struct ph_smtp_options options = {.progress = watch, .progress_context = &steps};
    struct client_talk talk =
        client_talk_begin(&options, CLIENT_TALK_GREETING ENVELOPE "C: *\nW:\n");
    int descriptor = make_file(600000);
    struct ph_transaction transaction =
        transaction_of((struct ph_body){.kind = PH_BODY_FILE, .descriptor = descriptor});
    struct ph_error error = {0};
    assert_false(ph_smtp_send(talk.smtp, &transaction, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_CANCELLED);
    assert_int_equal(error.fate, PH_NOT_SENT);
    close(descriptor);
    scripted_server_go_on(talk.server);
    client_talk_end(&talk);
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

/* ---- messages ---- */

static void sends_a_message(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:<ann@x.example>*\n"
                                                     "C: RCPT TO:<bob@x.example>\n"
                                                     "C: RCPT TO:<carl@x.example>\n"
                                                     "C: DATA\n"
                                                     "S: 250 ok\n"
                                                     "S: 250 ok\n"
                                                     "S: 250 ok\n"
                                                     "S: 354 go\n"
                                                     "D:\n"
                                                     "S: 250 ok\n"
                                                     "E:\n");
    static const char text[] = "From: Ann <ann@x.example>\n"
                               "To: Bob <bob@x.example>\n"
                               "Bcc: carl@x.example\n"
                               "Subject: x\n"
                               "\n"
                               ".body\n";
    struct ph_error error = {0};
    struct ph_message *message = ph_message_from_memory(text, strlen(text), &error);
    assert_non_null(message);
    if (!ph_smtp_send_message(talk.smtp, message, NULL, NULL, 0, NULL, &error))
        fail_msg("%s", error.message);
    ph_message_free(message);
    size_t length;
    char *body = client_talk_end_body(&talk, &length);
    assert_non_null(strstr(body, "To: Bob <bob@x.example>\r\n"));
    assert_non_null(strstr(body, "\r\n\r\n..body\r\n"));
    assert_null(strstr(body, "carl"));
    free(body);
}

static void sends_a_message_in_an_envelope_of_ones_own(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING "C: MAIL FROM:<>*\n"
                                                     "C: RCPT TO:<bob@x.example>\n"
                                                     "C: DATA\n"
                                                     "S: 250 ok\n"
                                                     "S: 250 ok\n"
                                                     "S: 354 go\n"
                                                     "D:\n"
                                                     "S: 250 ok\n"
                                                     "E:\n");
    struct ph_error error = {0};
    struct ph_message *message = ph_message_new(&error);
    assert_true(ph_message_add_from(message, "Ann <ann@x.example>", &error));
    assert_true(ph_message_set_subject(message,
                                       "Gr\xc3\xbc\xc3\x9f"
                                       "e",
                                       &error));
    assert_true(ph_message_set_text(message, "hello\n", 6, &error));
    struct ph_result result = {0};
    assert_false(ph_smtp_send_message(talk.smtp, message, NULL, NULL, 0, &result, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    if (!ph_smtp_send_message(talk.smtp, message, "", bob, 1, &result, &error))
        fail_msg("%s", error.message);
    assert_int_equal(result.accepted_count, 1);
    ph_result_clear(&result);
    ph_message_free(message);
    size_t length;
    char *body = client_talk_end_body(&talk, &length);
    assert_non_null(strstr(body, "Subject: =?"));
    assert_non_null(strstr(body, "\r\n\r\nhello\r\n"));
    free(body);
}

static void sends_a_message_with_wishes(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, "S: 220 hi\n"
                                "C: EHLO *\n"
                                "S: 250-mx\n"
                                "S: 250-PIPELINING\n"
                                "S: 250-MT-PRIORITY\n"
                                "S: 250 DSN\n"
                                "C: MAIL FROM:<ann@x.example> RET=HDRS ENVID=77 MT-PRIORITY=3\n"
                                "C: RCPT TO:<bob@x.example> NOTIFY=NEVER\n"
                                "C: DATA\n"
                                "S: 250 ok\n"
                                "S: 250 ok\n"
                                "S: 354 go\n"
                                "D:\n"
                                "S: 250 ok\n"
                                "C: MAIL FROM:<ann@x.example> ENVID=78\n"
                                "C: RCPT TO:<carl@x.example>\n"
                                "C: DATA\n"
                                "S: 250 ok\n"
                                "S: 250 ok\n"
                                "S: 354 go\n"
                                "D:\n"
                                "S: 250 ok\n"
                                "E:\n");
    static const char text[] = "From: ann@x.example\nTo: carl@x.example\n\nhello\n";
    struct ph_error error = {0};
    struct ph_message *message = ph_message_from_memory(text, strlen(text), &error);
    const struct ph_recipient silent = {.address = "bob@x.example", .notify = PH_NOTIFY_NEVER};
    struct ph_transaction wishes = {
        .recipients = &silent,
        .recipient_count = 1,
        .return_content = PH_RETURN_HEADERS,
        .envelope_id = "77",
        .priority = 3,
        .has_priority = true,
        .demands = PH_EXTENSION_DSN,
        .body = {.data = "not this", .length = 8},
    };
    struct ph_result result = {0};
    if (!ph_smtp_send_message_as(talk.smtp, message, &wishes, &result, &error))
        fail_msg("%s", error.message);
    assert_int_equal(result.accepted_count, 1);
    wishes = (struct ph_transaction){.envelope_id = "78"};
    if (!ph_smtp_send_message_as(talk.smtp, message, &wishes, &result, &error))
        fail_msg("%s", error.message);
    ph_result_clear(&result);
    ph_message_free(message);
    size_t length;
    char *body = client_talk_end_body(&talk, &length);
    assert_non_null(strstr(body, "\r\n\r\nhello\r\n"));
    assert_null(strstr(body, "not this"));
    free(body);
}

static void takes_an_empty_list_for_a_mistake(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, "S: 220 hi\nE:\n");
    static const char text[] = "From: ann@x.example\nTo: carl@x.example\n\nhello\n";
    struct ph_error error = {0};
    struct ph_message *message = ph_message_from_memory(text, strlen(text), &error);
    assert_false(ph_smtp_send_message(talk.smtp, message, NULL, bob, 0, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    error.kind = PH_OK;
    assert_false(ph_smtp_send_message(talk.smtp, message, NULL, NULL, 1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    ph_message_free(message);
    client_talk_end(&talk);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sends_one_letter),
    cmocka_unit_test(tells_of_each_recipient),
    cmocka_unit_test(sends_after_what_failed),
    cmocka_unit_test(refuses_before_a_byte),
    cmocka_unit_test(knows_when_a_message_is_too_large),
    cmocka_unit_test(sends_from_a_callback),
    cmocka_unit_test(sends_from_a_file),
    cmocka_unit_test(sends_from_a_pipe),
    cmocka_unit_test(never_lets_a_part_be_accepted),
    cmocka_unit_test(keeps_the_connection_when_bdat_fails),
    cmocka_unit_test(tells_of_its_progress),
    cmocka_unit_test(stops_when_progress_says_so),
    cmocka_unit_test(sends_many_in_few_flights),
    cmocka_unit_test(tells_of_each_when_the_connection_dies),
    cmocka_unit_test(respects_how_many_a_server_takes),
    cmocka_unit_test(says_maybe_when_the_verdict_is_missing),
    cmocka_unit_test(says_not_sent_before_that),
    cmocka_unit_test(hears_each_verdict_of_lmtp),
    cmocka_unit_test(knows_whose_verdict_of_lmtp_is_missing),
    cmocka_unit_test(sends_a_message),
    cmocka_unit_test(sends_a_message_in_an_envelope_of_ones_own),
    cmocka_unit_test(sends_a_message_with_wishes),
    cmocka_unit_test(takes_an_empty_list_for_a_mistake),
};

UNIT_MAIN(tests)
