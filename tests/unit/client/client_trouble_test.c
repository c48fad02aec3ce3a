/* Sessions in trouble: silence in every phase, cancelling, transports of the user's own, threads,
 * no memory. */
#include <posthorn/posthorn.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/client_talk.h"
#include "failing_allocation.h"
#include "unit.h"

#define LETTER "Subject: x\r\n\r\nhello\r\n"

enum {
    SHORT_MS = 30 /* a time limit that is meant to pass */
};

static const char *const bob[] = {"bob@x.example"};

static bool send_letter(struct ph_smtp *smtp, struct ph_error *error)
{
    return ph_smtp_sendmail(smtp, "ann@x.example", bob, 1, LETTER, strlen(LETTER), NULL, error);
}

/* ---- silence ---- */

/* Plays a script that goes silent, against a session with these limits. */
static struct ph_error meet_silence(struct ph_timeouts timeouts, const char *script)
{
    struct ph_smtp_options options = {
        .timeouts = timeouts,
        .tls = {.mode = PH_TLS_DEFAULT, .no_verification = true},
    };
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, script);
    struct ph_error error = {0};
    struct ph_smtp *smtp = ph_smtp_new(&options, &error);
    if (ph_smtp_connect(smtp, scripted_server_address(server), 0, &error)) {
        if (strstr(script, "STARTTLS") != NULL)
            assert_false(ph_smtp_starttls(smtp, &error));
        else
            assert_false(send_letter(smtp, &error));
    }
    assert_false(ph_smtp_is_connected(smtp));
    ph_smtp_free(smtp);
    scripted_server_go_on(server);
    scripted_server_finish_early(server);
    return error;
}

static void assert_timeout(struct ph_error error, enum ph_fate fate)
{
    if (error.kind != PH_ERROR_TIMEOUT)
        fail_msg("%s: %s", ph_error_kind_name(error.kind), error.message);
    assert_int_equal(error.fate, fate);
    /* A second try of what may have been sent could make a double. */
    assert_int_equal(error.retry, fate == PH_NOT_SENT);
}

static void gives_up_on_silence_in_each_phase(void **state)
{
    (void)state;
    struct ph_timeouts greeting = {.greeting = SHORT_MS};
    struct ph_timeouts command = {.command = SHORT_MS};
    struct ph_timeouts data_start = {.data_start = SHORT_MS};
    struct ph_timeouts data_end = {.data_end = SHORT_MS};
    struct ph_timeouts tls = {.tls = SHORT_MS};
    struct ph_timeouts total = {.total = SHORT_MS};
    assert_timeout(meet_silence(greeting, "W:\n"), PH_NOT_SENT);
    assert_timeout(meet_silence(total, "W:\n"), PH_NOT_SENT);
    assert_timeout(meet_silence(greeting, "s: 220-half\nW:\n"), PH_NOT_SENT);
    assert_timeout(meet_silence(command, "S: 220 hi\nC: EHLO *\nW:\n"), PH_NOT_SENT);
    assert_timeout(meet_silence(total, "S: 220 hi\nC: EHLO *\nW:\n"), PH_NOT_SENT);
    assert_timeout(meet_silence(command, CLIENT_TALK_GREETING "C: MAIL *\nW:\n"), PH_NOT_SENT);
    assert_timeout(
        meet_silence(command, CLIENT_TALK_GREETING "C: MAIL *\nC: RCPT *\nS: 250 ok\nW:\n"),
        PH_NOT_SENT);
    assert_timeout(meet_silence(data_start, CLIENT_TALK_GREETING
                                "C: MAIL *\nC: RCPT *\nC: DATA\nS: 250 ok\nS: 250 ok\nW:\n"),
                   PH_NOT_SENT);
    assert_timeout(
        meet_silence(data_end, CLIENT_TALK_GREETING
                     "C: MAIL *\nC: RCPT *\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nD:\nW:\n"),
        PH_MAYBE_SENT);
    assert_timeout(
        meet_silence(command,
                     "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nW:\n"),
        PH_NOT_SENT);
    assert_timeout(meet_silence(tls, "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\n"
                                     "C: STARTTLS\nS: 220 go\nW:\n"),
                   PH_NOT_SENT);
}

static void gives_up_on_a_body_that_nobody_takes(void **state)
{
    (void)state;
    struct ph_smtp_options options = {.timeouts.data_block = SHORT_MS};
    struct client_talk talk =
        client_talk_begin(&options, CLIENT_TALK_GREETING
                          "C: MAIL *\nC: RCPT *\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nW:\n");
    enum {
        SIZE = 9000000 /* more than socket buffers hold */
    };
    char *body = malloc(SIZE);
    memset(body, 'x', SIZE);
    for (size_t i = 70; i < SIZE; i += 70)
        body[i] = '\n';
    struct ph_error error = {0};
    assert_false(ph_smtp_sendmail(talk.smtp, "ann@x.example", bob, 1, body, SIZE, NULL, &error));
    assert_timeout(error, PH_NOT_SENT);
    free(body);
    scripted_server_go_on(talk.server);
    client_talk_end(&talk);
}

/* ---- cancelling ---- */

struct canceller {
    struct scripted_server *server;
    struct ph_smtp *smtp;
};

static void *cancel_when_it_waits(void *context)
{
    struct canceller *canceller = context;
    scripted_server_await(canceller->server);
    ph_smtp_cancel(canceller->smtp);
    return NULL;
}

static void is_cancelled_from_another_thread(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(
        NULL, CLIENT_TALK_GREETING
        "C: MAIL *\nC: RCPT *\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nD:\nK:\nW:\n");
    struct canceller canceller = {talk.server, talk.smtp};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_it_waits, &canceller), 0);
    struct ph_error error = {0};
    assert_false(send_letter(talk.smtp, &error));
    pthread_join(thread, NULL);
    assert_int_equal(error.kind, PH_ERROR_CANCELLED);
    assert_int_equal(error.fate, PH_MAYBE_SENT);
    assert_false(ph_smtp_is_connected(talk.smtp));
    scripted_server_go_on(talk.server);
    client_talk_end(&talk);
}

static void is_cancelled_while_it_waits_for_the_greeting(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "K:\nE:\nA:\nS: 220 hi\nE:\n");
    struct ph_smtp *smtp = ph_smtp_new(NULL, NULL);
    struct canceller canceller = {server, smtp};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_it_waits, &canceller), 0);
    struct ph_error error = {0};
    assert_false(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    pthread_join(thread, NULL);
    assert_int_equal(error.kind, PH_ERROR_CANCELLED);
    assert_false(error.retry);
    /* One cancel ends one call. */
    assert_true(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void is_cancelled_before_it_begins(void **state)
{
    (void)state;
    struct client_talk talk = client_talk_begin(NULL, "S: 220 hi\nE:\n");
    ph_smtp_cancel(talk.smtp);
    ph_smtp_cancel(talk.smtp);
    struct ph_error error = {0};
    assert_int_equal(ph_smtp_noop(talk.smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_CANCELLED);
    assert_false(ph_smtp_is_connected(talk.smtp));
    assert_int_equal(ph_smtp_noop(talk.smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    client_talk_end(&talk);
}

/* ---- last words ---- */

static void hears_why_the_server_left(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING
                          "C: MAIL *\nC: RCPT *\nC: DATA\nS: 421 4.3.2 shutting down\nX:\n");
    struct ph_error error = {0};
    assert_false(send_letter(talk.smtp, &error));
    assert_int_equal(error.reply_code, 421);
    assert_int_equal(error.fate, PH_NOT_SENT);
    assert_true(error.retry);
    assert_false(ph_smtp_is_connected(talk.smtp));
    client_talk_end(&talk);
}

/* The connection breaks under a client that still writes; what the server said before is worth more
 * than that. */
static void hears_why_the_server_broke_off(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, CLIENT_TALK_GREETING
                          "C: MAIL *\nC: RCPT *\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
                          "G:\nS: 552 5.3.4 too much\nX:\n");
    enum {
        SIZE = 9000000
    };
    char *body = calloc(1, SIZE);
    memset(body, 'x', SIZE);
    struct ph_error error = {0};
    assert_false(ph_smtp_sendmail(talk.smtp, "ann@x.example", bob, 1, body, SIZE, NULL, &error));
    if (error.reply_code != 552)
        fail_msg("%s: %s", ph_error_kind_name(error.kind), error.message);
    assert_int_equal(error.kind, PH_ERROR_DATA_REFUSED);
    assert_int_equal(error.fate, PH_NOT_SENT);
    free(body);
    client_talk_end(&talk);
}

static void notices_words_that_nobody_asked_for(void **state)
{
    (void)state;
    struct client_talk talk =
        client_talk_begin(NULL, "S: 220 hi\nC: NOOP\ns: 250 ok\\r\\n250 again\\r\\n\nE:\n");
    struct ph_error error = {0};
    assert_int_equal(ph_smtp_noop(talk.smtp, &error), 250);
    assert_int_equal(ph_smtp_noop(talk.smtp, &error), -1);
    assert_false(ph_smtp_is_connected(talk.smtp));
    client_talk_end(&talk);
}

/* A server that talks all the while and reads nothing until its words are taken must not stop a
 * client that writes. */
static void reads_while_it_writes(void **state)
{
    (void)state;
    enum {
        RECIPIENTS = 20000
    };
    char *script = malloc(RECIPIENTS * 40 + 4000);
    size_t length = (size_t)sprintf(script, "%sC: MAIL *\nS: 250 ok\n", CLIENT_TALK_GREETING);
    for (size_t i = 0; i < RECIPIENTS; i++)
        length += (size_t)sprintf(script + length, "C: RCPT *\nS: 250 2.1.5 ok\n");
    sprintf(script + length, "C: DATA\nS: 354 go\nD:\nS: 250 ok\nE:\n");
    struct client_talk talk = client_talk_begin(NULL, script);
    const char **recipients = malloc(RECIPIENTS * sizeof *recipients);
    for (size_t i = 0; i < RECIPIENTS; i++)
        recipients[i] = "bob@x.example";
    struct ph_result result = {0};
    struct ph_error error = {0};
    if (!ph_smtp_sendmail(talk.smtp, "a@x.example", recipients, RECIPIENTS, "x", 1, &result,
                          &error))
        fail_msg("%s", error.message);
    assert_int_equal(result.accepted_count, RECIPIENTS);
    assert_string_equal(result.recipients[RECIPIENTS - 1].reply.text, "ok");
    ph_result_clear(&result);
    client_talk_end(&talk);
    free(recipients);
    free(script);
}

/* ---- a transport of the user's own ---- */

struct own {
    int descriptor;
    unsigned closed;
    unsigned writes;
    unsigned tls;
    bool is_broken;
    char server_name[64];
};

static ssize_t wait_for(int descriptor, short events, int64_t timeout)
{
    struct pollfd polled = {.fd = descriptor, .events = events};
    if (poll(&polled, 1, (int)timeout) == 1)
        return 0;
    errno = EAGAIN;
    return -1;
}

static ssize_t own_read(void *context, char *buffer, size_t size, int64_t timeout)
{
    struct own *own = context;
    assert_true(timeout >= 0 && timeout <= 1000);
    if (wait_for(own->descriptor, POLLIN, timeout) < 0)
        return -1;
    /* In small pieces, as a tunnel may. */
    return recv(own->descriptor, buffer, size < 7 ? size : 7, 0);
}

static ssize_t own_write(void *context, const char *data, size_t size, int64_t timeout)
{
    struct own *own = context;
    own->writes++;
    if (own->is_broken) {
        errno = EPIPE;
        return -1;
    }
    if (wait_for(own->descriptor, POLLOUT, timeout) < 0)
        return -1;
    return send(own->descriptor, data, size, MSG_NOSIGNAL);
}

static int own_start_tls(void *context, const char *server_name, struct ph_tls_facts *facts,
                         int64_t timeout)
{
    struct own *own = context;
    assert_true(timeout > 0);
    own->tls++;
    snprintf(own->server_name, sizeof own->server_name, "%s", server_name);
    facts->has_client_certificate = false;
    return 0;
}

static void own_close(void *context)
{
    struct own *own = context;
    own->closed++;
    close(own->descriptor);
}

static struct ph_transport transport_of(struct own *own)
{
    return (struct ph_transport){
        .read = own_read,
        .write = own_write,
        .start_tls = own_start_tls,
        .close = own_close,
        .context = own,
    };
}

static void speaks_over_a_transport_of_ones_own(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_PAIR, "S: 220 hi\n"
                                             "C: EHLO *\n"
                                             "S: 250-mx\n"
                                             "S: 250-PIPELINING\n"
                                             "S: 250 STARTTLS\n"
                                             "C: STARTTLS\n"
                                             "S: 220 go\n"
                                             "C: EHLO *\n"
                                             "S: 250-mx\n"
                                             "S: 250 PIPELINING\n"
                                             "C: MAIL FROM:<ann@x.example>\n"
                                             "C: RCPT TO:<bob@x.example>\n"
                                             "C: DATA\n"
                                             "S: 250 ok\n"
                                             "S: 250 ok\n"
                                             "S: 354 go\n"
                                             "D:\n"
                                             "S: 250 ok\n"
                                             "C: QUIT\n"
                                             "S: 221 bye\n"
                                             "E:\n");
    struct own own = {.descriptor = scripted_server_take_descriptor(server)};
    struct ph_transport transport = transport_of(&own);
    struct ph_smtp *smtp = ph_smtp_new(NULL, NULL);
    struct ph_error error = {0};
    assert_true(ph_smtp_connect_transport(smtp, &transport, "mx.test", &error));
    if (!send_letter(smtp, &error))
        fail_msg("%s", error.message);
    assert_true(ph_smtp_is_encrypted(smtp));
    assert_int_equal(own.tls, 1);
    assert_string_equal(own.server_name, "mx.test");
    /* EHLO, STARTTLS, EHLO, envelope, body: a write each. */
    assert_int_equal(own.writes, 5);
    assert_int_equal(ph_smtp_quit(smtp, &error), 221);
    assert_int_equal(own.closed, 1);
    ph_smtp_free(smtp);
    assert_int_equal(own.closed, 1);
    scripted_server_finish(server);
}

static void closes_a_transport_that_fails(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_PAIR, "S: 220 hi\nE:\n");
    struct own own = {.descriptor = scripted_server_take_descriptor(server), .is_broken = true};
    struct ph_transport transport = transport_of(&own);
    struct ph_smtp *smtp = ph_smtp_new(NULL, NULL);
    struct ph_error error = {0};
    assert_true(ph_smtp_connect_transport(smtp, &transport, NULL, &error));
    assert_int_equal(ph_smtp_noop(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    assert_int_equal(error.system_error, EPIPE);
    assert_int_equal(own.closed, 1);
    struct ph_transport none = {.close = own_close, .context = &own};
    own.descriptor = -1;
    assert_false(ph_smtp_connect_transport(smtp, &none, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_int_equal(own.closed, 2);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void needs_start_tls_to_start_tls(void **state)
{
    (void)state;
    struct own own = {.descriptor = -1};
    struct ph_transport transport = transport_of(&own);
    transport.start_tls = NULL;
    struct ph_smtp_options options = {.tls.mode = PH_TLS_IMPLICIT};
    struct ph_smtp *smtp = ph_smtp_new(&options, NULL);
    struct ph_error error = {0};
    assert_false(ph_smtp_connect_transport(smtp, &transport, "mx.test", &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
    assert_int_equal(own.closed, 1);
    ph_smtp_free(smtp);
}

/* ---- threads ---- */

#define ONE_LETTER "C: MAIL *\nC: RCPT *\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nD:\nS: 250 ok\n"

static void *send_twenty(void *context)
{
    struct ph_smtp *smtp = context;
    struct ph_result result = {0};
    size_t sent = 0;
    for (int i = 0; i < 20; i++)
        sent +=
            ph_smtp_sendmail(smtp, "ann@x.example", bob, 1, LETTER, strlen(LETTER), &result, NULL);
    ph_result_clear(&result);
    return (void *)sent;
}

static void two_sessions_know_nothing_of_each_other(void **state)
{
    (void)state;
    char script[4000] = CLIENT_TALK_GREETING;
    for (int i = 0; i < 20; i++)
        strcat(script, ONE_LETTER);
    strcat(script, "E:\n");
    struct client_talk one = client_talk_begin(NULL, script);
    struct client_talk two = client_talk_begin(NULL, script);
    pthread_t threads[2];
    assert_int_equal(pthread_create(&threads[0], NULL, send_twenty, one.smtp), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, send_twenty, two.smtp), 0);
    for (size_t i = 0; i < 2; i++) {
        void *sent;
        pthread_join(threads[i], &sent);
        assert_int_equal((size_t)sent, 20);
    }
    client_talk_end(&one);
    client_talk_end(&two);
}

/* ---- no memory ---- */

/* A peer that says everything in advance: no thread, so that the n-th allocation is always the same
 * one. */
struct canned {
    const char *said;
    unsigned closed;
};

static ssize_t canned_read(void *context, char *buffer, size_t size, int64_t timeout)
{
    struct canned *canned = context;
    (void)timeout;
    /* A line at a time, as replies come. */
    size_t length = strcspn(canned->said, "\n");
    if (canned->said[length] == '\n')
        length++;
    if (length > size)
        length = size;
    memcpy(buffer, canned->said, length);
    canned->said += length;
    return (ssize_t)length;
}

static ssize_t canned_write(void *context, const char *data, size_t size, int64_t timeout)
{
    (void)context;
    (void)data;
    (void)timeout;
    return (ssize_t)size;
}

static void canned_close(void *context)
{
    ((struct canned *)context)->closed++;
}

/* The whole of it: birth, connecting, login, two letters with results, quitting. True when all went
   well; *kind is the first failure's. */
static bool do_everything(enum ph_error_kind *kind)
{
    struct canned canned = {
        .said = "220 hi\r\n250-mx\r\n250-PIPELINING\r\n250 AUTH PLAIN\r\n235 ok\r\n"
                "250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"
                "250 ok\r\n550 one\r\n250 two\r\n354 go\r\n250 queued\r\n221 bye\r\n",
    };
    const struct ph_transport transport = {
        .read = canned_read, .write = canned_write, .close = canned_close, .context = &canned};
    const struct ph_smtp_options options = {.host = "localhost", .local_hostname = "me.example"};
    static const char *const two[] = {"a@x.example", "b@x.example"};
    struct ph_error error = {0};
    struct ph_result result = {0};
    struct ph_smtp *smtp = ph_smtp_new(&options, &error);
    bool is_done =
        smtp != NULL && ph_smtp_connect_transport(smtp, &transport, NULL, &error) &&
        ph_smtp_login(smtp, "bob", "secret", &error) &&
        ph_smtp_sendmail(smtp, "a@x.example", two, 2, LETTER, strlen(LETTER), &result, &error) &&
        ph_smtp_sendmail(smtp, "a@x.example", two, 2, LETTER, strlen(LETTER), &result, &error) &&
        ph_smtp_quit(smtp, &error) == 221;
    *kind = error.kind;
    ph_result_clear(&result);
    ph_smtp_free(smtp);
    assert_true(canned.closed <= 1);
    return is_done;
}

static void runs_out_of_memory_cleanly(void **state)
{
    (void)state;
    enum ph_error_kind kind;
    assert_true(do_everything(&kind));
    size_t refusals = 0;
    for (size_t n = 0; n < 2000; n++) {
        failing_allocation_start(n);
        bool is_done = do_everything(&kind);
        bool has_refused = failing_allocation_stop();
        if (!has_refused) {
            assert_true(is_done);
            break;
        }
        refusals++;
        if (!is_done && kind != PH_ERROR_MEMORY && kind != PH_ERROR_AUTHENTICATION)
            fail_msg("allocation %zu: %s", n, ph_error_kind_name(kind));
    }
    assert_true(refusals > 5 && refusals < 2000);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(gives_up_on_silence_in_each_phase),
    cmocka_unit_test(gives_up_on_a_body_that_nobody_takes),
    cmocka_unit_test(is_cancelled_from_another_thread),
    cmocka_unit_test(is_cancelled_while_it_waits_for_the_greeting),
    cmocka_unit_test(is_cancelled_before_it_begins),
    cmocka_unit_test(hears_why_the_server_left),
    cmocka_unit_test(hears_why_the_server_broke_off),
    cmocka_unit_test(notices_words_that_nobody_asked_for),
    cmocka_unit_test(reads_while_it_writes),
    cmocka_unit_test(speaks_over_a_transport_of_ones_own),
    cmocka_unit_test(closes_a_transport_that_fails),
    cmocka_unit_test(needs_start_tls_to_start_tls),
    cmocka_unit_test(two_sessions_know_nothing_of_each_other),
    cmocka_unit_test(runs_out_of_memory_cleanly),
};

UNIT_MAIN(tests)
