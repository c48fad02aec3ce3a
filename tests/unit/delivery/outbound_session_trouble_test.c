/* Outbound sessions with hosts that refuse, break off, lie or say nothing; TLS and logins. */
#include "delivery/outbound_session.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "delivery/outbound_lab.h"
#include "failing_allocation.h"
#include "unit.h"

#define LETTER   "A: b\r\n\r\nhello\r\n"
#define GREETING "S: 220 mx.test\nC: EHLO us.test\n"
#define EXTENSIONS                                                                                 \
    "S: 250-mx.test\n"                                                                             \
    "S: 250-ENHANCEDSTATUSCODES\n"                                                                 \
    "S: 250-PIPELINING\n"
#define HELLO GREETING EXTENSIONS "S: 250 SIZE 1000000\n"
#define GOODBYE                                                                                    \
    "C: QUIT\n"                                                                                    \
    "S: 221 2.0.0 Bye\n"
#define TAKES_ONE                                                                                  \
    "C: MAIL FROM:<a@from.test>*\n"                                                                \
    "C: RCPT TO:<r0@to.test>\n"                                                                    \
    "C: DATA\n"                                                                                    \
    "S: 250 2.1.0 Sender\nS: 250 2.1.5 Recipient\nS: 354 Go\n"                                     \
    "C: A: b\nC: \nC: hello\nC: .\n"                                                               \
    "S: 250 2.0.0 Kept\n"
#define KEPT                                                                                       \
    "ready\nletter one: accepted 250 2.0.0 Kept\n"                                                 \
    "end lost 0 orderly we closed the connection\n"

/* Plays with two recipients in one letter, and compares the log; of what stands behind "..." only
 * the beginning counts. */
static void check_with(enum scripted_certificate certificate, const char *script,
                       const struct outbound_lab_options *options, size_t recipients,
                       const char *log)
{
    struct scripted_server *server =
        scripted_server_start_tls(SCRIPTED_LOOPBACK, certificate, script);
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), options);
    if (recipients > 0)
        outbound_lab_letter(lab, "one", recipients, BYTES(LETTER));
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    outbound_lab_await(lab, "\n");
    scripted_server_finish(server);
    AUTO(buffer)
    seen = BUFFER(65536);
    buffer_append_string(&seen, outbound_lab_log(lab));
    const char *dots = strstr(log, "...");
    if (dots != NULL && seen.length > (size_t)(dots - log)) {
        buffer_truncate(&seen, (size_t)(dots - log));
        buffer_append_string(&seen, "...");
    }
    assert_string_equal(buffer_string(&seen), log);
    outbound_lab_close(lab);
}

static void check(const char *script, size_t recipients, const char *log)
{
    check_with(SCRIPTED_GOOD, script, NULL, recipients, log);
}

/* ---- before a letter ---- */

static void nobody_listens(void **state)
{
    (void)state;
    char address[32];
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof place;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&place, sizeof place), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&place, &length), 0);
    snprintf(address, sizeof address, "127.0.0.1:%u", ntohs(place.sin_port));
    struct outbound_lab *lab =
        outbound_lab_new(address, &(struct outbound_lab_options){.has_source = true});
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    assert_string_equal(outbound_lab_log(lab),
                        "end connect 0 cannot connect: Connection refused\n");
    outbound_lab_close(lab);
    close(descriptor);
}

static void greeting_that_refuses(void **state)
{
    (void)state;
    check("S: 554 5.7.1 Go away\n", 1,
          "end greeting 554 the server greeted with a refusal: 554 5.7.1 Go away\n");
    check("S: 421 4.7.0 Too many connections\n", 1, "end greeting 421 ...");
    check("X:\n", 1,
          "end greeting 0 the server closed the connection while waiting for the greeting\n");
    /* It may come before we have seen that we are connected. */
    check("R:\n", 1, "end ...");
    check("S: HTTP/1.0 400 Bad request\n", 1, "end greeting 0 the server broke the protocol...");
}

static void silence_runs_out(void **state)
{
    (void)state;
    check_with(SCRIPTED_GOOD, "E:\n", &(struct outbound_lab_options){.timeouts.greeting = 50}, 1,
               "end greeting 0 the server took too long while waiting for the greeting\n");
    check_with(SCRIPTED_GOOD, GREETING "s: 250-mx.test\\r\\n25\nE:\n",
               &(struct outbound_lab_options){.timeouts.command = 50}, 1,
               "end hello 0 the server took too long while saying hello\n");
}

static void hello_that_is_refused(void **state)
{
    (void)state;
    check("S: 220 mx\nC: EHLO us.test\nS: 550 No\nC: HELO us.test\nS: 550 5.7.1 No\n" GOODBYE, 1,
          "end hello 550 the server refused the hello: 550 5.7.1 No\n");
    check("S: 220 mx\nC: EHLO us.test\nS: 421 4.3.2 Later\n", 1, "end hello 421 ...");
}

/* RFC 5321 4.5.3.1.5 knows an end of a line; nothing that is said may grow. */
static void endless_replies_end(void **state)
{
    (void)state;
    check("O: 220-more\\r\\n\n", 1, "end greeting 0 the server broke the protocol...");
    check("O: 220-more and more and more\n", 1, "end greeting 0 the server broke the protocol...");
    check("S: 220 mx\nC: EHLO us.test\nO: 250 unasked\\r\\n\n", 0, "...");
}

/* ---- TLS ---- */

#define STARTS_TLS GREETING EXTENSIONS "S: 250 STARTTLS\nC: STARTTLS\nS: 220 Go\n"

static void tls_is_started_with_whatever_certificate(void **state)
{
    (void)state;
    check_with(SCRIPTED_STRANGE_CA,
               STARTS_TLS "T:\nC: EHLO us.test\n" EXTENSIONS "S: 250 SIZE\n" TAKES_ONE GOODBYE,
               NULL, 1, KEPT);
}

static void tls_is_from_the_first_byte(void **state)
{
    (void)state;
    check_with(SCRIPTED_GOOD, "T:\n" HELLO TAKES_ONE GOODBYE,
               &(struct outbound_lab_options){.relay.is_implicit = true}, 1, KEPT);
}

static void refused_tls_is_done_without(void **state)
{
    (void)state;
    static const char refused[] = GREETING EXTENSIONS "S: 250 STARTTLS\nC: STARTTLS\n"
                                                      "S: 454 4.7.0 Not now\n";
    AUTO(buffer)
    script = BUFFER(4096);
    buffer_append_format(&script, "%s%s", refused, TAKES_ONE GOODBYE);
    check(buffer_string(&script), 1, KEPT);
    buffer_reset(&script);
    buffer_append_format(&script, "%s%s", refused, GOODBYE);
    check_with(SCRIPTED_GOOD, buffer_string(&script),
               &(struct outbound_lab_options){.relay.tls = RELAY_TLS_REQUIRED}, 1,
               "end tls 454 tls the server refused to start TLS: 454 4.7.0 Not now\n");
}

static void required_tls_that_is_not_there(void **state)
{
    (void)state;
    check_with(SCRIPTED_GOOD, HELLO GOODBYE,
               &(struct outbound_lab_options){.relay.tls = RELAY_TLS_REQUIRED}, 1,
               "end tls 0 tls the server does not offer STARTTLS\n");
}

static void unwished_tls_is_not_started(void **state)
{
    (void)state;
    static const char script[] = GREETING EXTENSIONS "S: 250 STARTTLS\n" TAKES_ONE GOODBYE;
    check_with(SCRIPTED_GOOD, script, &(struct outbound_lab_options){.relay.tls = RELAY_TLS_NONE},
               1, KEPT);
    check_with(SCRIPTED_GOOD, script, &(struct outbound_lab_options){.is_clear = true}, 1, KEPT);
}

/* Whoever asked for TLS gets no letter in clear, whatever was seen there before. */
static void demand_for_tls_outlives_its_failure(void **state)
{
    (void)state;
    check_with(SCRIPTED_GOOD,
               STARTS_TLS "T:\nC: EHLO us.test\n" EXTENSIONS "S: 250 SIZE\n" TAKES_ONE GOODBYE,
               &(struct outbound_lab_options){.relay.tls = RELAY_TLS_REQUIRED, .is_clear = true}, 1,
               KEPT);
}

static void handshake_that_fails_is_told(void **state)
{
    (void)state;
    check(STARTS_TLS "S: 500 What is this\nG:\n", 1, "end tls 0 tls ...");
    check(STARTS_TLS "G:\nX:\n", 1, "end tls 0 tls the TLS handshake ...");
    check(STARTS_TLS "G:\nR:\n", 1, "end tls 0 tls the TLS handshake ...");
    check_with(SCRIPTED_GOOD, STARTS_TLS "G:\nE:\n",
               &(struct outbound_lab_options){.timeouts.tls = 50}, 1, "end tls 0 tls ...");
    check_with(SCRIPTED_GOOD, "S: 220 mx in clear\nG:\n",
               &(struct outbound_lab_options){.relay.is_implicit = true}, 1,
               "end tls 0 tls mx.test does not speak TLS here...");
    check_with(SCRIPTED_GOOD, STARTS_TLS "E:\n", &(struct outbound_lab_options){.has_no_tls = true},
               1, "end tls 0 tls there is no TLS to be had\n");
}

/* RFC 3207 4: what was slipped in behind the 220 is never taken for words under TLS. */
static void words_behind_starttls_end_it(void **state)
{
    (void)state;
    check(GREETING EXTENSIONS "S: 250 STARTTLS\nC: STARTTLS\n"
                              "s: 220 Go\\r\\n250 2.0.0 Slipped in\\r\\n\nG:\n",
          1, "end tls 0 tls ...");
}

static void certificate_is_asked_for(void **state)
{
    (void)state;
    const struct outbound_lab_options options = {.relay.tls = RELAY_TLS_VERIFIED,
                                                 .ca_file = scripted_server_ca_file()};
    const struct outbound_lab_options by_address = {.relay.tls = RELAY_TLS_VERIFIED,
                                                    .ca_file = scripted_server_ca_file(),
                                                    .name = "[127.0.0.1]"};
    static const char good[] =
        STARTS_TLS "T:\nC: EHLO us.test\n" EXTENSIONS "S: 250 SIZE\n" TAKES_ONE GOODBYE;
    check_with(SCRIPTED_GOOD, good, &options, 1, KEPT);
    check_with(SCRIPTED_GOOD, good, &by_address, 1, KEPT);
    static const enum scripted_certificate bad[] = {SCRIPTED_WRONG_NAME, SCRIPTED_EXPIRED,
                                                    SCRIPTED_STRANGE_CA};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check_with(bad[i], STARTS_TLS "F:\n", &options, 1,
                   "end tls 0 tls the certificate of mx.test is refused...");
}

/* ---- logins ---- */

static const struct outbound_lab_options with_login = {
    .relay = {.tls = RELAY_TLS_OPPORTUNISTIC, .user = "ann", .password = "secret"}};

static void login_comes_before_letters(void **state)
{
    (void)state;
    check_with(SCRIPTED_GOOD,
               STARTS_TLS
               "T:\nC: EHLO us.test\n" EXTENSIONS "S: 250 AUTH PLAIN\n"
               "C: AUTH PLAIN AGFubgBzZWNyZXQ=\nS: 235 2.7.0 Welcome\n" TAKES_ONE GOODBYE,
               &with_login, 1, KEPT);
}

static void login_that_is_refused(void **state)
{
    (void)state;
    check_with(SCRIPTED_GOOD,
               GREETING EXTENSIONS "S: 250 AUTH PLAIN\n"
                                   "C: AUTH PLAIN *\nS: 535 5.7.8 No\n" GOODBYE,
               &with_login, 1,
               "end login 535 the server refused the login by PLAIN: 535 5.7.8 No\n");
    check_with(SCRIPTED_GOOD, HELLO GOODBYE, &with_login, 1,
               "end login 0 the server does not offer AUTH...");
}

/* ---- with a letter in hand ---- */

static void host_that_goes_away_with_a_letter(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "C: MAIL*\nX:\n",
        "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\nR:\n",
        "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\nS: 250 Ok\nX:\n",
        "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\nS: 250 Ok\ns: 250\nX:\n",
        "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 250 Ok\nS: 354 Go\nX:\n",
        "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 250 Ok\nS: 354 Go\n"
        "C: A: b\nC: \nC: hello\nC: .\nX:\n",
        "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 250 Ok\nS: 354 Go\n"
        "C: A: b\nC: \nC: hello\nC: .\nS: 250-2.0.0 Kept\nR:\n",
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        AUTO(buffer)
        script = BUFFER(4096);
        buffer_append_format(&script, "%s%s", HELLO, cases[i]);
        check(buffer_string(&script), 2, "ready\nletter one: lost 0 ...");
    }
}

/* What was said of a recipient stands; of the others nobody knows. */
static void results_before_the_loss_stand(void **state)
{
    (void)state;
    check(HELLO "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\nS: 250 Ok\nS: 550 5.1.1 Nobody\nX:\n", 2,
          "ready\nletter one: recipient 550 5.1.1 Nobody; lost 0 the server closed the connection "
          "while sending a message\n"
          "end lost 0 the server closed the connection while sending a message\n");
    check(HELLO "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\nS: 250 Ok\nS: 250 Ok\n"
                "S: 421 4.7.0 Too fast\n",
          2,
          "ready\nletter one: lost 0 the server is closing the connection: 421 4.7.0 Too fast; "
          "recipient 421 4.7.0 Too fast\n"
          "end lost 421 the server is closing the connection: 421 4.7.0 Too fast\n");
    check(HELLO "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\nS: 421 4.3.2 Later\n", 2,
          "ready\nletter one: sender 421 4.3.2 Later; sender 421 4.3.2 Later\n"
          "end lost 421 the server refused the sender <a@from.test>: 421 4.3.2 Later\n");
}

/* The 250 of one letter stands, though the connection is lost with the next. */
static void letter_that_was_kept_stays_so(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, HELLO TAKES_ONE "C: RSET\nX:\n");
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
    outbound_lab_letter(lab, "one", 1, BYTES(LETTER));
    outbound_lab_letter(lab, "two", 1, BYTES(LETTER));
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    scripted_server_finish_early(server);
    assert_ptr_equal(strstr(outbound_lab_log(lab), "ready\nletter one: accepted 250 2.0.0 Kept\n"
                                                   "letter two: lost 0 "),
                     outbound_lab_log(lab));
    outbound_lab_close(lab);
}

static void host_that_breaks_the_protocol(void **state)
{
    (void)state;
    check(HELLO "C: MAIL*\nS: 999 What\n", 1, "ready\nletter one: lost 0 ...");
    check(HELLO "C: MAIL*\nS: 354 Go\n", 1, "ready\nletter one: lost 0 ...");
    check(HELLO "C: MAIL*\ns: \\x00\\x01\\xff\\r\\n\n", 1, "ready\nletter one: lost 0 ...");
    check(HELLO "C: MAIL*\nC: RCPT*\nC: DATA\nS: 250 a\nS: 250 b\nS: 250 c\n", 1,
          "ready\nletter one: lost 0 ...");
    /* The 250 for a message that it has not had yet. */
    check(HELLO "C: MAIL*\nC: RCPT*\nC: DATA\ns: 250 a\\r\\n250 b\\r\\n354 c\\r\\n250 d\\r\\n\n", 1,
          "ready\nletter one: lost 0 ...");
}

static void replies_come_in_pieces(void **state)
{
    (void)state;
    check("s: 2\ns: 20 mx\\r\ns: \\n\nC: EHLO us.test\ns: 250\ns: -mx\\r\\n250 PIPELI\n"
          "s: NING\\r\ns: \\n\n"
          "C: MAIL*\nC: RCPT*\nC: DATA\ns: 250 a\\r\\n25\ns: 0 b\\r\\n354\ns: \\r\ns: \\n\n"
          "C: A: b\nC: \nC: hello\nC: .\ns: 250 2.0.0 \ns: Kept\\r\\n\n" GOODBYE,
          1, KEPT);
}

/* ---- refused in the middle of a body ---- */

/* More than sockets hold. */
static char long_body[24 * 1000 * 1000];

/* The host reads no more, says why and closes: we must hear it though we have more to say. */
static void refusal_in_the_middle_of_a_body_is_heard(void **state)
{
    (void)state;
    memset(long_body, 'x', sizeof long_body);
    for (size_t i = 70; i < sizeof long_body; i += 70)
        memcpy(long_body + i, "\r\n", 2);
    static const char *const ends[] = {"W:\nX:\n", "W:\nE:\n"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        AUTO(buffer)
        script = BUFFER(4096);
        buffer_append_format(&script, "%s%s",
                             GREETING "S: 250-mx.test\nS: 250 PIPELINING\n"
                                      "C: MAIL*\nC: RCPT*\nC: DATA\n"
                                      "S: 250 Ok\nS: 250 Ok\nS: 354 Go\nB: 100000\n"
                                      "S: 552 5.3.4 Too much\n",
                             ends[i]);
        struct scripted_server *server =
            scripted_server_start(SCRIPTED_LOOPBACK, buffer_string(&script));
        struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
        struct outbound_lab_letter *letter =
            outbound_lab_letter(lab, "one", 1, bytes_of(long_body, sizeof long_body));
        letter->letter.first.length = i == 0 ? sizeof long_body : 262144;
        letter->piece_size = 1000000;
        assert_true(outbound_lab_start(lab));
        outbound_lab_await(lab, "letter one: message 552 5.3.4 Too much\n");
        outbound_lab_await(lab, "end lost 552 ");
        scripted_server_go_on(server);
        scripted_server_finish_early(server);
        outbound_lab_close(lab);
    }
}

/* ---- idle ---- */

static void host_that_ends_an_idle_session(void **state)
{
    (void)state;
    static const char *const scripts[] = {HELLO "W:\nX:\n", HELLO "W:\nR:\n",
                                          HELLO "W:\nS: 421 4.4.2 Idle\n"};
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, scripts[i]);
        struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
        assert_true(outbound_lab_start(lab));
        outbound_lab_await(lab, "ready\n");
        scripted_server_go_on(server);
        outbound_lab_await(lab, "ready\nend lost 0 the host closed the connection\n");
        scripted_server_finish(server);
        outbound_lab_close(lab);
    }
}

static void host_that_ends_a_session_behind_a_letter(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, HELLO TAKES_ONE "W:\nS: 421 4.4.2 Idle\n");
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server),
                                                &(struct outbound_lab_options){.stays = true});
    outbound_lab_letter(lab, "one", 1, BYTES(LETTER));
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "Kept\n");
    scripted_server_go_on(server);
    outbound_lab_await(lab, "Kept\nend lost 0 orderly the host closed the connection\n");
    scripted_server_finish(server);
    outbound_lab_close(lab);
}

static void host_that_never_says_goodbye(void **state)
{
    (void)state;
    check(HELLO TAKES_ONE "C: QUIT\nE:\n", 1, KEPT);
    check(HELLO TAKES_ONE "C: QUIT\nX:\n", 1, KEPT);
    check(HELLO TAKES_ONE "C: QUIT\nS: 500 What\nE:\n", 1, KEPT);
}

/* ---- the owner's will ---- */

static void session_is_freed_at_any_time(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "K:\nG:\n",
        "S: 220 mx\nC: EHLO*\nK:\nG:\n",
        STARTS_TLS "K:\nG:\nG:\n",
        HELLO "C: MAIL*\nK:\nG:\nG:\n",
        HELLO "C: MAIL*\nC: RCPT*\nC: DATA\nS: 250 a\nS: 250 b\nS: 354 c\nC: A: b\nK:\nG:\n",
    };
    for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
        struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, scripts[i]);
        struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
        outbound_lab_letter(lab, "one", 1, BYTES(LETTER));
        assert_true(outbound_lab_start(lab));
        scripted_server_await(server);
        outbound_lab_free_session(lab);
        assert_null(strstr(outbound_lab_log(lab), "end"));
        scripted_server_finish(server);
        outbound_lab_close(lab);
    }
}

static void session_that_is_not_ready_ends_at_once(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 mx\nC: EHLO*\nK:\nE:\n");
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
    assert_true(outbound_lab_start(lab));
    scripted_server_await(server);
    outbound_lab_quit(lab);
    outbound_lab_await(lab, "end hello 0 orderly we closed the connection\n");
    scripted_server_finish(server);
    outbound_lab_close(lab);
}

static void loop_that_ends_finishes_what_is_in_hand(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, HELLO "C: MAIL*\nC: RCPT*\nC: DATA\nK:\nW:\n"
                                                       "S: 250 Ok\nS: 250 Ok\nS: 354 Go\n"
                                                       "C: A: b\nC: \nC: hello\nC: .\n"
                                                       "S: 250 2.0.0 Kept\n" GOODBYE);
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server),
                                                &(struct outbound_lab_options){.stays = true});
    outbound_lab_letter(lab, "one", 1, BYTES(LETTER));
    assert_true(outbound_lab_start(lab));
    scripted_server_await(server);
    scripted_server_go_on(server);
    outbound_lab_stop(lab, 10000);
    assert_string_equal(outbound_lab_log(lab), KEPT);
    scripted_server_finish(server);
    outbound_lab_close(lab);
}

static void loop_that_is_killed_loses_what_is_in_hand(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, HELLO "C: MAIL*\nC: RCPT*\nC: DATA\nK:\nE:\n");
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
    outbound_lab_letter(lab, "one", 1, BYTES(LETTER));
    assert_true(outbound_lab_start(lab));
    scripted_server_await(server);
    outbound_lab_stop(lab, 0);
    outbound_lab_await(lab, "ready\nletter one: lost 0 ");
    outbound_lab_await(lab, "end lost 0 orderly");
    scripted_server_finish(server);
    outbound_lab_close(lab);
}

/* ---- memory ---- */

static void want_of_memory_is_survived(void **state)
{
    (void)state;
    bool has_failed = true;
    size_t accepted = 0;
    for (size_t i = 0; has_failed; i++) {
        struct scripted_server *server = scripted_server_start(
            SCRIPTED_LOOPBACK, HELLO "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: RCPT*\nC: DATA\n"
                                     "S: 250 Ok\nS: 250 Ok\nS: 550 5.1.1 No\nS: 250 Ok\nS: 354 Go\n"
                                     "C: A: b\nC: \nC: hello\nC: .\n"
                                     "C: RSET\nC: MAIL*\nC: RCPT*\nC: DATA\n"
                                     "S: 250 2.0.0 Kept\n"
                                     "S: 250 Ok\nS: 250 Ok\nS: 250 Ok\nS: 354 Go\n"
                                     "C: A: b\nC: \nC: hello\nC: .\n"
                                     "S: 250 2.0.0 Kept\n" GOODBYE);
        struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
        outbound_lab_letter(lab, "one", 3, BYTES(LETTER));
        outbound_lab_letter(lab, "two", 1, BYTES(LETTER));
        failing_allocation_start(i);
        if (outbound_lab_start(lab))
            outbound_lab_await(lab, "end ");
        has_failed = failing_allocation_stop();
        scripted_server_finish_early(server);
        accepted += strstr(outbound_lab_log(lab), "letter two: accepted 250 2.0.0 Kept") != NULL;
        if (!has_failed)
            assert_string_equal(outbound_lab_log(lab),
                                "ready\nletter one: accepted 250 2.0.0 Kept; "
                                "recipient 550 5.1.1 No; accepted 250 2.0.0 Kept\n"
                                "letter two: accepted 250 2.0.0 Kept\n"
                                "end lost 0 orderly we closed the connection\n");
        outbound_lab_close(lab);
    }
    assert_true(accepted > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(greeting_that_refuses),
        cmocka_unit_test(silence_runs_out),
        cmocka_unit_test(hello_that_is_refused),
        cmocka_unit_test(endless_replies_end),
        cmocka_unit_test(tls_is_started_with_whatever_certificate),
        cmocka_unit_test(tls_is_from_the_first_byte),
        cmocka_unit_test(refused_tls_is_done_without),
        cmocka_unit_test(required_tls_that_is_not_there),
        cmocka_unit_test(unwished_tls_is_not_started),
        cmocka_unit_test(demand_for_tls_outlives_its_failure),
        cmocka_unit_test(handshake_that_fails_is_told),
        cmocka_unit_test(words_behind_starttls_end_it),
        cmocka_unit_test(certificate_is_asked_for),
        cmocka_unit_test(login_comes_before_letters),
        cmocka_unit_test(login_that_is_refused),
        cmocka_unit_test(host_that_goes_away_with_a_letter),
        cmocka_unit_test(results_before_the_loss_stand),
        cmocka_unit_test(letter_that_was_kept_stays_so),
        cmocka_unit_test(host_that_breaks_the_protocol),
        cmocka_unit_test(replies_come_in_pieces),
        cmocka_unit_test(refusal_in_the_middle_of_a_body_is_heard),
        cmocka_unit_test(host_that_ends_an_idle_session),
        cmocka_unit_test(host_that_ends_a_session_behind_a_letter),
        cmocka_unit_test(host_that_never_says_goodbye),
        cmocka_unit_test(session_is_freed_at_any_time),
        cmocka_unit_test(session_that_is_not_ready_ends_at_once),
        cmocka_unit_test(loop_that_ends_finishes_what_is_in_hand),
        cmocka_unit_test(loop_that_is_killed_loses_what_is_in_hand),
        cmocka_unit_test(want_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
