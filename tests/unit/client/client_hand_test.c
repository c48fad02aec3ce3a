/* Commands by hand: putcmd, getreply, docmd, raw bytes, a message verb by verb; and transcripts of
 * what passed. */
#include <posthorn/posthorn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/scripted_server.h"
#include "unit.h"

static struct ph_smtp *make(const struct ph_smtp_options *options)
{
    struct ph_error error;
    struct ph_smtp *smtp = ph_smtp_new(options, &error);
    assert_non_null(smtp);
    return smtp;
}

static void assert_connected(struct ph_smtp *smtp, const char *address)
{
    struct ph_error error = {0};
    if (!ph_smtp_connect(smtp, address, 0, &error))
        fail_msg("%s", error.message);
    assert_true(ph_smtp_is_connected(smtp));
}

/* ---- raw use ---- */

static void sends_and_reads_by_hand(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: NOOP\n"
                                                                              "C: NOOP with words\n"
                                                                              "S: 250 one\n"
                                                                              "S: 250 two\n"
                                                                              "C: raw line\n"
                                                                              "S: 500 three\n"
                                                                              "C: RSET\n"
                                                                              "S: 250 four\n"
                                                                              "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error = {0};
    assert_true(ph_smtp_putcmd(smtp, "NOOP", NULL, &error));
    assert_true(ph_smtp_putcmd(smtp, "NOOP", "with words", &error));
    assert_int_equal(ph_smtp_getreply(smtp, &error), 250);
    assert_string_equal(ph_smtp_reply(smtp)->text, "one");
    assert_int_equal(ph_smtp_getreply(smtp, &error), 250);
    assert_string_equal(ph_smtp_reply(smtp)->text, "two");
    assert_true(ph_smtp_send_raw(smtp, "raw line\r\n", 10, &error));
    assert_int_equal(ph_smtp_getreply(smtp, &error), 500);
    assert_int_equal(ph_smtp_rset(smtp, &error), 250);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void sends_a_message_by_hand(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                 "C: EHLO *\n"
                                                 "S: 250-mx\n"
                                                 "S: 250 SIZE\n"
                                                 "C: MAIL FROM:<a@x.example> SIZE=9\n"
                                                 "S: 250 ok\n"
                                                 "C: RCPT TO:<b@x.example>\n"
                                                 "S: 250 ok\n"
                                                 "C: RCPT TO:<c@x.example>\n"
                                                 "S: 550 5.1.1 unknown\n"
                                                 "C: DATA\n"
                                                 "S: 354 go\n"
                                                 "D:\n"
                                                 "S: 250 queued as 1\n"
                                                 "C: MAIL FROM:<>\n"
                                                 "S: 250 ok\n"
                                                 "C: DATA\n"
                                                 "S: 503 no recipients\n"
                                                 "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error = {0};
    assert_int_equal(ph_smtp_mail(smtp, "a@x.example", "SIZE=9", &error), 250);
    assert_int_equal(ph_smtp_rcpt(smtp, "b@x.example", NULL, &error), 250);
    assert_int_equal(ph_smtp_rcpt(smtp, "c@x.example", NULL, &error), 550);
    assert_int_equal(error.kind, PH_OK);
    assert_int_equal(ph_smtp_data(smtp, ".dot\nend", 8, &error), 250);
    assert_string_equal(ph_smtp_reply(smtp)->text, "queued as 1");
    assert_int_equal(ph_smtp_mail(smtp, "", NULL, &error), 250);
    assert_int_equal(ph_smtp_data(smtp, "x", 1, &error), 503);
    assert_int_equal(error.kind, PH_ERROR_DATA_REFUSED);
    ph_smtp_free(smtp);
    size_t length;
    char *body = scripted_server_finish_body(server, &length);
    assert_string_equal(body, "..dot\r\nend\r\n");
    free(body);
}

static void refuses_lines_that_are_more_than_one(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: NOOP\n"
                                                                              "S: 250 ok\n"
                                                                              "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error = {0};
    static const char *const wrong[] = {"a\r\nQUIT", "a\nQUIT", "a\rQUIT"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(ph_smtp_docmd(smtp, "NOOP", wrong[i], &error), -1);
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
        assert_false(ph_smtp_putcmd(smtp, "NOOP", wrong[i], &error));
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
        assert_int_equal(ph_smtp_vrfy(smtp, wrong[i], &error), -1);
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
        assert_int_equal(ph_smtp_ehlo(smtp, wrong[i], &error), -1);
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    }
    assert_int_equal(ph_smtp_docmd(smtp, "STARTTLS", NULL, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_int_equal(ph_smtp_docmd(smtp, "starttls", "", &error), -1);
    assert_false(ph_smtp_putcmd(smtp, "StartTLS", NULL, &error));
    assert_false(ph_smtp_putcmd(smtp, "", NULL, &error));
    assert_int_equal(ph_smtp_vrfy(smtp, "j\xc3\xb6rg", &error), -1);
    assert_int_equal(error.kind, PH_ERROR_NOT_SUPPORTED);
    assert_int_equal(ph_smtp_noop(smtp, NULL), 250);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void reads_every_reply_before_it_asks_again(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                 "C: EHLO *\n"
                                                 "S: 250 mx\n"
                                                 "C: NOOP\n"
                                                 "S: 250 done nothing\n"
                                                 "C: MAIL FROM:<a@x.example>\n"
                                                 "S: 550 not you\n"
                                                 "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error = {0};
    const char *bob = "bob@x.example";
    assert_true(ph_smtp_ehlo_or_helo_if_needed(smtp, &error));
    assert_true(ph_smtp_putcmd(smtp, "NOOP", NULL, &error));
    assert_false(ph_smtp_sendmail(smtp, "a@x.example", &bob, 1, "x", 1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    error.kind = PH_OK;
    assert_int_equal(ph_smtp_noop(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    assert_int_equal(ph_smtp_docmd(smtp, "NOOP", NULL, NULL), -1);
    assert_false(ph_smtp_login(smtp, "u", "p", NULL));
    assert_false(ph_smtp_starttls(smtp, NULL));
    assert_int_equal(ph_smtp_getreply(smtp, &error), 250);
    assert_string_equal(ph_smtp_reply(smtp)->text, "done nothing");
    assert_false(ph_smtp_sendmail(smtp, "a@x.example", &bob, 1, "x", 1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_SENDER_REFUSED);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void quits_when_replies_are_due(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: NOOP\n"
                                                                              "C: HELP\n"
                                                                              "S: 250 one\n"
                                                                              "S: 502 two\n"
                                                                              "C: QUIT\n"
                                                                              "S: 221 bye\n"
                                                                              "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    assert_true(ph_smtp_putcmd(smtp, "NOOP", NULL, NULL));
    assert_true(ph_smtp_putcmd(smtp, "HELP", NULL, NULL));
    assert_int_equal(ph_smtp_quit(smtp, NULL), 221);
    assert_string_equal(ph_smtp_reply(smtp)->text, "bye");
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

/* The time limit of a command is five minutes: more than this test may take. */
static void does_not_wait_long_for_a_farewell(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\nC: QUIT\nW:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error = {0};
    assert_int_equal(ph_smtp_quit(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_TIMEOUT);
    assert_false(ph_smtp_is_connected(smtp));
    ph_smtp_free(smtp);
    scripted_server_go_on(server);
    scripted_server_finish(server);
}

static void logs_in_by_hand(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: AUTH LOGIN\n"
                                                                              "S: 334 VXNlcg==\n"
                                                                              "C: /w==\n"
                                                                              "S: 334 UGFzcw==\n"
                                                                              "C: +w==\n"
                                                                              "S: 334 again\n"
                                                                              "C: \\*\n"
                                                                              "S: 501 ended\n"
                                                                              "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error = {0};
    assert_int_equal(ph_smtp_docmd(smtp, "AUTH", "LOGIN", &error), 334);
    assert_int_equal(ph_smtp_docmd(smtp, "/w==", NULL, &error), 334);
    assert_true(ph_smtp_putcmd(smtp, "+w==", NULL, &error));
    assert_int_equal(ph_smtp_getreply(smtp, &error), 334);
    assert_int_equal(ph_smtp_docmd(smtp, "*", NULL, &error), 501);
    static const char *const none[] = {"", " NOOP", "\tNOOP"};
    for (size_t i = 0; i < 3; i++) {
        assert_false(ph_smtp_putcmd(smtp, none[i], NULL, &error));
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
        assert_int_equal(ph_smtp_docmd(smtp, none[i], NULL, &error), -1);
    }
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void asks_for_the_address_only(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                 "C: VRFY a@x.example\n"
                                                 "S: 252 a\n"
                                                 "C: EXPN a@x.example\n"
                                                 "S: 250 b\n"
                                                 "C: VRFY ann lee\n"
                                                 "S: 252 c\n"
                                                 "C: VRFY <half\n"
                                                 "S: 501 d\n"
                                                 "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    assert_int_equal(ph_smtp_verify(smtp, "Ann <a@x.example>", NULL), 252);
    assert_int_equal(ph_smtp_expn(smtp, "<a@x.example>", NULL), 250);
    assert_int_equal(ph_smtp_verify(smtp, "ann lee", NULL), 252);
    assert_int_equal(ph_smtp_verify(smtp, "<half", NULL), 501);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

/* ---- transcripts ---- */

static void collect(void *context, enum ph_trace_kind kind, const char *text, size_t length)
{
    char *out = context;
    assert_int_equal(strlen(text), length);
    snprintf(out + strlen(out), 2000 - strlen(out), "%d%s|", (int)kind, text);
}

static void writes_a_transcript(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: NOOP\n"
                                                                              "S: 250 ok\n"
                                                                              "E:\n");
    char text[2000] = "";
    struct ph_smtp_options options = {.trace = collect, .trace_context = text};
    struct ph_smtp *smtp = make(&options);
    assert_connected(smtp, scripted_server_address(server));
    assert_int_equal(ph_smtp_noop(smtp, NULL), 250);
    char expected[200];
    snprintf(expected, sizeof expected, "%dconnected to %s|1220 hi|0NOOP|1250 ok|", PH_TRACE_NOTE,
             scripted_server_address(server));
    assert_string_equal(text, expected);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void prints_when_it_is_told_to(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: NOOP\n"
                                                                              "S: 250 ok\n"
                                                                              "C: NOOP\n"
                                                                              "S: 250 ok\n"
                                                                              "C: NOOP\n"
                                                                              "S: 250 ok\n"
                                                                              "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    fflush(stderr);
    int saved = dup(2);
    FILE *file = tmpfile();
    assert_int_equal(dup2(fileno(file), 2), 2);
    ph_smtp_set_debuglevel(smtp, 1);
    int first = ph_smtp_noop(smtp, NULL);
    ph_smtp_set_debuglevel(smtp, 2);
    int second = ph_smtp_noop(smtp, NULL);
    ph_smtp_set_debuglevel(smtp, 0);
    int third = ph_smtp_noop(smtp, NULL);
    assert_int_equal(dup2(saved, 2), 2);
    close(saved);
    assert_int_equal(first + second + third, 750);
    char text[500] = "";
    rewind(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_memory_equal(text, "send: NOOP\nreply: 250 ok\n", 25);
    unsigned hour, minute, second_of, micro;
    char rest[100];
    assert_int_equal(
        sscanf(text + 25, "%2u:%2u:%2u.%6u %99[^\n]", &hour, &minute, &second_of, &micro, rest), 5);
    assert_string_equal(rest, "send: NOOP");
    size_t lines = 0;
    for (const char *c = text; *c != '\0'; c++)
        lines += *c == '\n';
    assert_int_equal(lines, 4);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void shows_what_is_put_by_hand(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: NOOP x\n"
                                                                              "S: 250 ok\n"
                                                                              "C: AUTH PLAIN *\n"
                                                                              "S: 535 no\n"
                                                                              "C: HELP\n"
                                                                              "C: AUTH LOGIN\n"
                                                                              "S: 214 help\n"
                                                                              "C: VXNlcg==\n"
                                                                              "S: 334 one\n"
                                                                              "S: 334 two\n"
                                                                              "C: UGFzcw==\n"
                                                                              "S: 235 ok\n"
                                                                              "C: NOOP\n"
                                                                              "S: 250 ok\n"
                                                                              "E:\n");
    char text[2000] = "";
    struct ph_smtp_options options = {.trace = collect, .trace_context = text};
    struct ph_smtp *smtp = make(&options);
    assert_connected(smtp, scripted_server_address(server));
    text[0] = '\0';
    assert_true(ph_smtp_putcmd(smtp, "NOOP", "x", NULL));
    ph_smtp_getreply(smtp, NULL);
    assert_true(ph_smtp_putcmd(smtp, "AUTH", "PLAIN AGJvYgBzZWNyZXQ=", NULL));
    ph_smtp_getreply(smtp, NULL);
    assert_true(ph_smtp_putcmd(smtp, "HELP", NULL, NULL));
    assert_true(ph_smtp_putcmd(smtp, "AUTH", "LOGIN", NULL));
    ph_smtp_getreply(smtp, NULL);
    assert_true(ph_smtp_putcmd(smtp, "VXNlcg==", NULL, NULL));
    ph_smtp_getreply(smtp, NULL);
    ph_smtp_getreply(smtp, NULL);
    assert_true(ph_smtp_putcmd(smtp, "UGFzcw==", NULL, NULL));
    assert_int_equal(ph_smtp_getreply(smtp, NULL), 235);
    assert_true(ph_smtp_putcmd(smtp, "NOOP", NULL, NULL));
    ph_smtp_getreply(smtp, NULL);
    assert_string_equal(
        text,
        "0NOOP x|1250 ok|0AUTH PLAIN ****|1535 no|0HELP|0AUTH LOGIN|1214 help|0****|1334 ****|"
        "1334 ****|0****|1235 ok|0NOOP|1250 ok|");
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void prints_no_control_characters(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(
        SCRIPTED_LOOPBACK, "S: 220 hi\n"
                           "C: NOOP\n"
                           "s: 250 a\\x1b[2Jb\\x7fc\\xc2\\x9bd\\x9be\\xc3\\xa4f\\r\\n\n"
                           "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    fflush(stderr);
    int saved = dup(2);
    FILE *file = tmpfile();
    assert_int_equal(dup2(fileno(file), 2), 2);
    ph_smtp_set_debuglevel(smtp, 1);
    int code = ph_smtp_noop(smtp, NULL);
    assert_int_equal(dup2(saved, 2), 2);
    close(saved);
    assert_int_equal(code, 250);
    char text[500] = "";
    rewind(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, "send: NOOP\nreply: 250 a?[2Jb?c?d?e\xc3\xa4"
                              "f\n");
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sends_and_reads_by_hand),
    cmocka_unit_test(sends_a_message_by_hand),
    cmocka_unit_test(refuses_lines_that_are_more_than_one),
    cmocka_unit_test(writes_a_transcript),
    cmocka_unit_test(prints_when_it_is_told_to),
    cmocka_unit_test(reads_every_reply_before_it_asks_again),
    cmocka_unit_test(quits_when_replies_are_due),
    cmocka_unit_test(does_not_wait_long_for_a_farewell),
    cmocka_unit_test(logs_in_by_hand),
    cmocka_unit_test(asks_for_the_address_only),
    cmocka_unit_test(shows_what_is_put_by_hand),
    cmocka_unit_test(prints_no_control_characters),
};

UNIT_MAIN(tests)
