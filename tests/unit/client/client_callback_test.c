/* Callbacks that call into the session that called them: refused, and nothing is disturbed. */
#include <posthorn/posthorn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client_talk.h"
#include "unit.h"

struct intruder {
    struct ph_smtp *smtp;
    unsigned calls;
    int descriptor;   /* of a transport */
    const char *left; /* of a body */
};

static const char *const bob[] = {"bob@x.example"};

/* Tries every kind of call. */
static void intrude(struct intruder *intruder)
{
    struct ph_smtp *smtp = intruder->smtp;
    const struct ph_login login = {.user = "u", .password = "p"};
    const struct ph_recipient recipient = {.address = "c@x.example"};
    const struct ph_transaction other = {
        .sender = "", .recipients = &recipient, .recipient_count = 1};
    struct ph_error error = {0};
    if (smtp == NULL)
        return;
    intruder->calls++;
    assert_int_equal(ph_smtp_noop(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_int_equal(ph_smtp_docmd(smtp, "NOOP", NULL, NULL), -1);
    assert_int_equal(ph_smtp_getreply(smtp, NULL), -1);
    assert_int_equal(ph_smtp_ehlo(smtp, NULL, NULL), -1);
    assert_int_equal(ph_smtp_mail(smtp, "", NULL, NULL), -1);
    assert_int_equal(ph_smtp_data(smtp, "x", 1, NULL), -1);
    assert_int_equal(ph_smtp_quit(smtp, NULL), -1);
    assert_false(ph_smtp_putcmd(smtp, "NOOP", NULL, NULL));
    assert_false(ph_smtp_send_raw(smtp, "NOOP\r\n", 6, NULL));
    assert_false(ph_smtp_starttls(smtp, NULL));
    assert_false(ph_smtp_auth(smtp, &login, NULL));
    assert_false(ph_smtp_connect(smtp, "127.0.0.1", 1, NULL));
    assert_false(ph_smtp_connect_take_descriptor(smtp, -1, NULL, NULL));
    assert_false(ph_smtp_send(smtp, &other, NULL, NULL));
    assert_false(ph_smtp_send_all(smtp, &other, 1, NULL, NULL));
    error.kind = PH_OK;
    assert_false(ph_smtp_sendmail(smtp, "a@x.example", bob, 1, "x", 1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
}

static bool intrude_in_progress(void *context, uint64_t done, uint64_t total)
{
    intrude(context);
    return done <= total || total == 0;
}

static ssize_t intrude_in_read(void *context, char *buffer, size_t size)
{
    struct intruder *intruder = context;
    intrude(intruder);
    size_t length = strlen(intruder->left);
    assert_true(length <= size);
    memcpy(buffer, intruder->left, length);
    intruder->left += length;
    return (ssize_t)length;
}

static void intrude_in_trace(void *context, enum ph_trace_kind kind, const char *text,
                             size_t length)
{
    (void)kind;
    assert_int_equal(strlen(text), length);
    intrude(context);
}

#define LETTER_SCRIPT                                                                              \
    CLIENT_TALK_GREETING                                                                           \
    "C: MAIL FROM:<ann@x.example>*\n"                                                              \
    "C: RCPT TO:<bob@x.example>\n"                                                                 \
    "C: DATA\n"                                                                                    \
    "S: 250 ok\n"                                                                                  \
    "S: 250 ok\n"                                                                                  \
    "S: 354 go\n"                                                                                  \
    "D:\n"                                                                                         \
    "S: 250 ok\n"                                                                                  \
    "E:\n"

static struct ph_transaction letter_from(struct intruder *intruder,
                                         const struct ph_recipient *recipient)
{
    intruder->left = "hello\r\n";
    return (struct ph_transaction){
        .sender = "ann@x.example",
        .recipients = recipient,
        .recipient_count = 1,
        .body = {.kind = PH_BODY_CALLBACK, .read = intrude_in_read, .context = intruder},
    };
}

static void bodies_progress_and_transcripts_may_not_call(void **state)
{
    (void)state;
    struct intruder intruder = {0};
    struct ph_smtp_options options = {
        .progress = intrude_in_progress,
        .progress_context = &intruder,
        .trace = intrude_in_trace,
        .trace_context = &intruder,
    };
    struct client_talk talk = client_talk_begin(&options, LETTER_SCRIPT);
    const struct ph_recipient recipient = {.address = "bob@x.example"};
    struct ph_transaction letter = letter_from(&intruder, &recipient);
    struct ph_error error = {0};
    intruder.smtp = talk.smtp;
    if (!ph_smtp_send(talk.smtp, &letter, NULL, &error))
        fail_msg("%s", error.message);
    assert_true(intruder.calls > 5);
    intruder.smtp = NULL;
    size_t length;
    char *body = client_talk_end_body(&talk, &length);
    assert_string_equal(body, "hello\r\n");
    free(body);
}

static ssize_t intrude_and_read(void *context, char *buffer, size_t size, int64_t timeout)
{
    struct intruder *intruder = context;
    (void)timeout;
    intrude(intruder);
    return recv(intruder->descriptor, buffer, size, 0);
}

static ssize_t intrude_and_write(void *context, const char *data, size_t size, int64_t timeout)
{
    struct intruder *intruder = context;
    (void)timeout;
    intrude(intruder);
    return send(intruder->descriptor, data, size, MSG_NOSIGNAL);
}

static void intrude_and_close(void *context)
{
    struct intruder *intruder = context;
    intrude(intruder);
    close(intruder->descriptor);
}

static void count_close(void *context)
{
    ++*(unsigned *)context;
}

static void transports_may_not_call(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_PAIR, LETTER_SCRIPT);
    struct intruder intruder = {.descriptor = scripted_server_take_descriptor(server)};
    const struct ph_transport transport = {
        .read = intrude_and_read,
        .write = intrude_and_write,
        .close = intrude_and_close,
        .context = &intruder,
    };
    const struct ph_recipient recipient = {.address = "bob@x.example"};
    struct ph_transaction letter = letter_from(&intruder, &recipient);
    struct ph_error error = {0};
    struct ph_smtp *smtp = ph_smtp_new(NULL, &error);
    intruder.smtp = smtp;
    assert_true(ph_smtp_connect_transport(smtp, &transport, "localhost", &error));
    if (!ph_smtp_send(smtp, &letter, NULL, &error))
        fail_msg("%s", error.message);
    unsigned calls = intruder.calls;
    ph_smtp_free(smtp);
    assert_int_equal(intruder.calls, calls + 1);
    scripted_server_finish(server);
}

struct replacer {
    struct ph_smtp *smtp;
    unsigned closed;
};

static bool replace_the_transport(void *context, uint64_t done, uint64_t total)
{
    struct replacer *replacer = context;
    const struct ph_transport transport = {
        .read = intrude_and_read,
        .write = intrude_and_write,
        .close = count_close,
        .context = &replacer->closed,
    };
    struct ph_error error = {0};
    assert_false(ph_smtp_connect_transport(replacer->smtp, &transport, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    return done <= total;
}

static void closes_a_transport_that_it_cannot_take_now(void **state)
{
    (void)state;
    struct replacer replacer = {0};
    struct ph_smtp_options options = {
        .progress = replace_the_transport,
        .progress_context = &replacer,
    };
    struct client_talk talk = client_talk_begin(&options, LETTER_SCRIPT);
    replacer.smtp = talk.smtp;
    assert_true(ph_smtp_sendmail(talk.smtp, "ann@x.example", bob, 1, "x", 1, NULL, NULL));
    assert_int_equal(replacer.closed, 1);
    client_talk_end(&talk);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(bodies_progress_and_transcripts_may_not_call),
    cmocka_unit_test(transports_may_not_call),
    cmocka_unit_test(closes_a_transport_that_it_cannot_take_now),
};

UNIT_MAIN(tests)
