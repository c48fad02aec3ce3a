/* Bodies from everywhere: memory, callbacks, files and pipes; what becomes of them when the source
 * fails, and how far they are. */
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sends_from_a_callback),
    cmocka_unit_test(sends_from_a_file),
    cmocka_unit_test(sends_from_a_pipe),
    cmocka_unit_test(never_lets_a_part_be_accepted),
    cmocka_unit_test(keeps_the_connection_when_bdat_fails),
    cmocka_unit_test(tells_of_its_progress),
    cmocka_unit_test(stops_when_progress_says_so),
};

UNIT_MAIN(tests)
