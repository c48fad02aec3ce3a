/* Servers that mean harm: junk, endless lines, wrong codes, replies in halves, words slipped in
 * around STARTTLS, silence in each phase, the end of the connection at each byte. Each must come to
 * a clear error, in bounded time and with bounded memory. */
#include <posthorn/posthorn.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "client/scripted_server.h"
#include "unit.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

enum {
    TOTAL_MS = 10000,  /* nothing but silence may take so long */
    SHORT_MS = 20,     /* where silence is what is tested */
    GROWTH_KIB = 16384 /* what a hostile server may make the process grow by */
};

#define LETTER "Subject: x\r\n\r\n.hello\r\n"

/* How a session goes to meet the server. */
struct meeting {
    enum ph_tls_mode tls;
    bool lmtp;
    bool wants_login;
    int64_t limit; /* of each phase, milliseconds; 0 = the defaults under TOTAL_MS */
};

struct outcome {
    bool is_sent;
    struct ph_error error;
    enum ph_fate fate;
    size_t accepted;
};

static const char *const recipients[] = {"a@x.example", "b@x.example"};

static struct ph_smtp_options options_for(const struct meeting *meeting)
{
    struct ph_smtp_options options = {
        .local_hostname = "client.example",
        .lmtp = meeting->lmtp,
        .tls = {.mode = meeting->tls, .ca_file = scripted_server_ca_file()},
        .timeouts = {.total = TOTAL_MS},
    };
    if (meeting->limit > 0) {
        int64_t limit = meeting->limit;
        options.timeouts = (struct ph_timeouts){
            .connect = TOTAL_MS,
            .tls = limit,
            .greeting = limit,
            .command = limit,
            .data_start = limit,
            .data_block = limit,
            .data_end = limit,
        };
    }
    return options;
}

static bool talk(struct ph_smtp *smtp, const char *address, const struct meeting *meeting,
                 struct ph_result *result, struct ph_error *error)
{
    return ph_smtp_connect(smtp, address, 0, error) &&
           (!meeting->wants_login || ph_smtp_login(smtp, "bob", "secret", error)) &&
           ph_smtp_sendmail(smtp, "s@x.example", recipients, 2, LETTER, strlen(LETTER), result,
                            error);
}

/* Meets the server; whatever it does, the session must end in order and say what was wrong. */
static struct outcome meet(const struct meeting *meeting, struct scripted_server *server)
{
    struct ph_smtp_options options = options_for(meeting);
    struct ph_result result = {0};
    struct outcome outcome = {0};
    struct ph_smtp *smtp = ph_smtp_new(&options, NULL);
    assert_non_null(smtp);
    outcome.is_sent = talk(smtp, scripted_server_address(server), meeting, &result, &outcome.error);
    outcome.fate = outcome.is_sent ? result.fate : outcome.error.fate;
    outcome.accepted = result.accepted_count;
    if (!outcome.is_sent) {
        assert_int_not_equal(outcome.error.kind, PH_OK);
        assert_true(strlen(outcome.error.message) > 10);
    }
    if (outcome.is_sent && ph_smtp_is_connected(smtp))
        ph_smtp_quit(smtp, NULL);
    ph_result_clear(&result);
    ph_smtp_free(smtp);
    return outcome;
}

static long peak_kib(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_maxrss;
}

static void assert_kind(const struct outcome *outcome, enum ph_error_kind expected,
                        const char *script)
{
    if (outcome->error.kind != expected)
        fail_msg("%s\nexpected \"%s\", got \"%s\": %s", script, ph_error_kind_name(expected),
                 ph_error_kind_name(outcome->error.kind), outcome->error.message);
}

struct hostile {
    enum ph_error_kind kind; /* PH_OK: the letter goes out all the same */
    const char *script;
};

static void meet_each(const struct meeting *meeting, const struct hostile *table, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        long before = peak_kib();
        struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, table[i].script);
        struct outcome outcome = meet(meeting, server);
        assert_kind(&outcome, table[i].kind, table[i].script);
        scripted_server_finish(server);
#ifndef IS_SANITIZED
        assert_true(peak_kib() - before < GROWTH_KIB);
#else
        (void)before;
#endif
    }
}

#define MEET_EACH(meeting, table) meet_each((meeting), (table), sizeof(table) / sizeof *(table))

/* ---- the greeting ---- */

static void junk_instead_of_a_greeting(void **state)
{
    (void)state;
    static const struct hostile table[] = {
        {PH_ERROR_PROTOCOL, "s: HTTP/1.1 400 Bad Request\\r\\n\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: SSH-2.0-OpenSSH_9.2\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: \\x15\\x03\\x01\\x00\\x02\\x02\\x46\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: \\x00\\x00\\x00\\xff\\xfe\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: \\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: 22\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: 2200 hi\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: +20 hi\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s:  220 hi\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: 2_0 hi\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: 220_hi\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: 199 hi\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: 600 hi\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: 260 hi\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "s: 220-one\\r\\n221 two\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, "O: x\n"},
        {PH_ERROR_PROTOCOL, "O: 220-and more\\r\\n\n"},
        {PH_ERROR_DISCONNECTED, "O: 220 hi\\r\\n\n"},
        {PH_ERROR_CONNECT, "S: 250 hi\nE:\n"},
        {PH_ERROR_PROTOCOL, "S: 354 hi\nE:\n"},
        {PH_ERROR_PROTOCOL, "S: 334 hi\nE:\n"},
        {PH_ERROR_CONNECT, "S: 421 later\nX:\n"},
        {PH_ERROR_DISCONNECTED, "X:\n"},
        {PH_ERROR_DISCONNECTED, "s: 220 h\nX:\n"},
        {PH_ERROR_DISCONNECTED, "s: 220-hi\\r\\n\nX:\n"},
    };
    MEET_EACH(&(struct meeting){0}, table);
}

static void junk_instead_of_capabilities(void **state)
{
    (void)state;
#define EHLO "S: 220 hi\nC: EHLO client.example\n"
    static const struct hostile table[] = {
        {PH_ERROR_PROTOCOL, EHLO "O: 250-SIZE 1000 and so on\\r\\n\n"},
        {PH_ERROR_PROTOCOL, EHLO "O: 250\n"},
        {PH_ERROR_PROTOCOL, EHLO "s: 250-mx\\r\\n550 no\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, EHLO "s: 250-mx\\r\\nSIZE\\r\\n\nE:\n"},
        {PH_ERROR_DISCONNECTED, EHLO "s: 250 mx\\r\\n250 mx\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, EHLO "S: 354 go\nE:\n"},
        {PH_ERROR_HELO, EHLO "S: 550 no\nC: HELO *\nS: 550 no\nE:\n"},
        {PH_ERROR_DISCONNECTED, EHLO "s: 250-mx\\r\\n250-SI\nX:\n"},
    };
    MEET_EACH(&(struct meeting){0}, table);
}

/* What is odd but harmless is borne. */
static void capabilities_that_are_odd(void **state)
{
    (void)state;
#define REST                                                                                       \
    "C: MAIL *\nS: 250 ok\nC: RCPT *\nS: 250 ok\nC: RCPT *\nS: 250 ok\n"                           \
    "C: DATA\nS: 354 go\nD:\nS: 250 ok\nC: QUIT\nS: 221 bye\n"
    static const struct hostile table[] = {
        {PH_OK, EHLO "s: 250-\\r\\n250-   \\r\\n250-=\\r\\n250 \\x00\\x01\\x7f\\xff\\r\\n\n" REST},
        {PH_OK,
         EHLO "s: 250-mx\\r\\n250-SIZE 99999999999999999999999\\r\\n250 SIZE -1\\r\\n\n" REST},
        {PH_OK, EHLO "s: 250-mx\\n250-LIMITS RCPTMAX=x MAILMAX==\\n250 AUTH=\\n\n" REST},
        {PH_OK, EHLO "s: 250\\r\\n\n" REST},
        {PH_OK, EHLO "s: 250-mx\\r\\n250\\x09HELP\\r\\n\n" REST},
    };
    MEET_EACH(&(struct meeting){0}, table);
}

/* ---- the envelope and the body ---- */

#define PIPELINED "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING\n"
#define ENVELOPE  PIPELINED "C: MAIL *\nC: RCPT *\nC: RCPT *\nC: DATA\n"

static void wrong_answers_to_mail(void **state)
{
    (void)state;
    static const struct hostile table[] = {
        {PH_ERROR_PROTOCOL, ENVELOPE "O: 250\n"},
        {PH_ERROR_PROTOCOL, ENVELOPE "O: 250-x\\r\\n\n"},
        {PH_ERROR_PROTOCOL, ENVELOPE "S: 250 ok\nS: junk\nE:\n"},
        /* One reply too many, while the body is awaited. */
        {PH_ERROR_PROTOCOL,
         ENVELOPE "s: 250 ok\\r\\n250 ok\\r\\n250 ok\\r\\n354 go\\r\\n250 ok\\r\\n"
                  "250 ok\\r\\n250 ok\\r\\n\nG:\n"},
        {PH_ERROR_PROTOCOL, ENVELOPE "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 not 354\nE:\n"},
        {PH_ERROR_RECIPIENTS_REFUSED,
         ENVELOPE "S: 250 ok\nS: 550 no\nS: 550 no\nS: 354 go all the same\nC: .\nS: 554 no\nE:\n"},
        {PH_ERROR_PROTOCOL, ENVELOPE "S: 250 ok\nS: 354 what\nE:\n"},
        {PH_ERROR_PROTOCOL,
         ENVELOPE "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nD:\nS: 354 again\nE:\n"},
        {PH_ERROR_DISCONNECTED, ENVELOPE "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nR:\n"},
    };
    MEET_EACH(&(struct meeting){0}, table);
}

static void wrong_answers_to_logins(void **state)
{
    (void)state;
#define AUTH "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN CRAM-MD5 LOGIN\nC: AUTH *\n"
    static const struct hostile table[] = {
        {PH_ERROR_PROTOCOL, AUTH "O: 334\n"},
        {PH_ERROR_PROTOCOL, AUTH "O: 334-AAAA\\r\\n\n"},
        {PH_ERROR_PROTOCOL, AUTH "S: 250 ok\nE:\n"},
        {PH_ERROR_DISCONNECTED, AUTH "s: 33\nX:\n"},
    };
    MEET_EACH((&(struct meeting){.wants_login = true}), table);
}

/* A server that never has enough: whatever the mechanisms, it ends. */
static void challenges_without_end(void **state)
{
    (void)state;
    static const char *const challenges[] = {"AAAA", "!!!!", "", "=", "AAA"};
    static const char *const mechanisms[] = {"PLAIN", "LOGIN", "CRAM-MD5", "SCRAM-SHA-256",
                                             "XOAUTH2"};
    for (size_t i = 0; i < 25; i++) {
        char script[8000];
        int length =
            snprintf(script, sizeof script, "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 AUTH %s\n",
                     mechanisms[i / 5]);
        /* Whatever the client says, another challenge follows; after its "*" too. */
        for (int n = 0; n < 60; n++)
            length += snprintf(script + length, sizeof script - (size_t)length, "G:\nP: 334 %s\n",
                               challenges[i % 5]);
        struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, script);
        struct outcome outcome = meet(&(struct meeting){.wants_login = true}, server);
        assert_false(outcome.is_sent);
        if (outcome.error.kind != PH_ERROR_AUTHENTICATION &&
            outcome.error.kind != PH_ERROR_PROTOCOL)
            assert_kind(&outcome, PH_ERROR_AUTHENTICATION, script);
        scripted_server_finish(server);
    }
}

/* ---- STARTTLS ---- */

static void words_slipped_in_around_starttls(void **state)
{
    (void)state;
#define STARTTLS "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n"
    static const struct hostile table[] = {
        {PH_ERROR_PROTOCOL, STARTTLS "s: 220 go\\r\\n250 ok\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, STARTTLS "s: 220 go\\r\\n\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, STARTTLS "s: 220 go\\r\\nx\nE:\n"},
        {PH_ERROR_PROTOCOL,
         STARTTLS "s: 220 go\\r\\n250-mx\\r\\n250 AUTH PLAIN\\r\\n235 ok\\r\\n\nE:\n"},
        {PH_ERROR_PROTOCOL, STARTTLS "O: 220\n"},
        {PH_ERROR_RESPONSE, STARTTLS "S: 454 no\nE:\n"},
        {PH_ERROR_TLS, STARTTLS "S: 250 not 220\nE:\n"},
        {PH_ERROR_TLS, "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\nE:\n"},
        {PH_ERROR_TLS, STARTTLS "S: 220 go\nG:\ns: this is not TLS at all\\r\\n\nG:\n"},
        {PH_ERROR_TLS, STARTTLS "S: 220 go\nG:\nX:\n"},
        {PH_ERROR_TLS, STARTTLS "S: 220 go\nG:\nR:\n"},
        {PH_ERROR_PROTOCOL, STARTTLS "S: 220 go\nT:\nC: EHLO *\nS: junk\nE:\n"},
        /* Said inside TLS before EHLO was. */
        {PH_ERROR_DISCONNECTED,
         STARTTLS "S: 220 go\nT:\nC: EHLO *\ns: 250 mx\\r\\n250 mx\\r\\n\nE:\n"},
        {PH_ERROR_DISCONNECTED, STARTTLS "S: 220 go\nT:\nC: EHLO *\nR:\n"},
    };
    MEET_EACH((&(struct meeting){.tls = PH_TLS_STARTTLS}), table);
}

/* ---- whole dialogues, cut short ---- */

static const char by_data[] = ENVELOPE "S: 250 2.1.0 ok\n"
                                       "S: 250 2.1.5 ok\n"
                                       "S: 550-5.1.1 not\nS: 550 5.1.1 here\n"
                                       "S: 354 go\n"
                                       "D:\n"
                                       "S: 250 2.0.0 queued\n"
                                       "C: QUIT\n"
                                       "S: 221 bye\n";

static const char by_bdat[] =
    "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250-CHUNKING\nS: 250 PIPELINING\n"
    "C: MAIL *\nC: RCPT *\nC: RCPT *\nC: BDAT 22 LAST\nB: 22\n"
    "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 queued\n"
    "C: QUIT\nS: 221 bye\n";

static const char by_lmtp[] = "S: 220 hi\nC: LHLO *\nS: 250-mx\nS: 250 PIPELINING\n"
                              "C: MAIL *\nC: RCPT *\nC: RCPT *\nC: DATA\n"
                              "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nD:\n"
                              "S: 250 one has it\nS: 250 two has it\n"
                              "C: QUIT\nS: 221 bye\n";

static const char by_tls[] = "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\n"
                             "S: 220 go\nT:\n"
                             "C: EHLO *\nS: 250-mx\nS: 250-AUTH PLAIN\nS: 250 PIPELINING\n"
                             "C: AUTH PLAIN *\nS: 235 ok\n"
                             "C: MAIL *\nC: RCPT *\nC: RCPT *\nC: DATA\n"
                             "S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nD:\n"
                             "S: 250 queued\nC: QUIT\nS: 221 bye\n";

static const struct {
    const char *script;
    struct meeting meeting;
} dialogues[] = {
    {by_data, {0}},
    {by_bdat, {0}},
    {by_lmtp, {.lmtp = true}},
    {by_tls, {.tls = PH_TLS_STARTTLS, .wants_login = true}},
};

enum {
    DIALOGUES = sizeof dialogues / sizeof *dialogues
};

/* Bytes that the server of a script says before the step that begins at `end`. */
static size_t said_before(const char *script, const char *end)
{
    size_t said = 0;
    for (const char *step = script; step < end; step = strchr(step, '\n') + 1)
        if (step[0] == 'S')
            said += strcspn(step, "\n") - strlen("S: ") + strlen("\r\n");
    return said;
}

/* Where the message has gone out: behind the step that takes its last byte. */
static const char *behind_body(const char *script)
{
    const char *body = strstr(script, "\nD:\n");
    if (body == NULL)
        body = strstr(script, "\nB: ");
    return strchr(body + 1, '\n') + 1;
}

static void judge_cut(const char *script, size_t cut, const struct outcome *outcome)
{
    const char *sent = behind_body(script);
    size_t verdict = said_before(script, strstr(script, "C: QUIT"));
    if (cut >= verdict) {
        assert_true(outcome->is_sent);
        assert_int_equal(outcome->fate, PH_ACCEPTED);
        return;
    }
    /* LMTP: the first of two verdicts makes a success of it. */
    if (outcome->is_sent) {
        assert_ptr_equal(script, by_lmtp);
        assert_int_equal(outcome->accepted, 1);
        return;
    }
    if (outcome->error.kind != PH_ERROR_DISCONNECTED && outcome->error.kind != PH_ERROR_TLS)
        fail_msg("cut at %zu: %s: %s", cut, ph_error_kind_name(outcome->error.kind),
                 outcome->error.message);
    /* Not knowing may only begin where everything had gone out. */
    if (outcome->fate != PH_NOT_SENT)
        assert_true(outcome->fate == PH_MAYBE_SENT &&
                    (script == by_bdat || cut >= said_before(script, sent)));
}

static void cut_at_each_byte(char how)
{
    for (size_t d = 0; d < DIALOGUES; d++) {
        const char *script = dialogues[d].script;
        size_t end = said_before(script, script + strlen(script));
        for (size_t cut = 0; cut < end; cut++) {
            char text[4000];
            snprintf(text, sizeof text, "%c: %zu\n%s", how, cut, script);
            struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, text);
            struct outcome outcome = meet(&dialogues[d].meeting, server);
            if (how == 'L')
                judge_cut(script, cut, &outcome);
            else if (!outcome.is_sent)
                assert_int_not_equal(outcome.error.kind, PH_ERROR_TIMEOUT);
            scripted_server_finish(server);
        }
    }
}

static void the_end_at_each_byte(void **state)
{
    (void)state;
    cut_at_each_byte('L');
}

static void a_break_at_each_byte(void **state)
{
    (void)state;
    cut_at_each_byte('M');
}

/* The last words of the server come byte by byte: the letter goes out. */
static void replies_in_the_smallest_pieces(void **state)
{
    (void)state;
    for (size_t d = 0; d < DIALOGUES; d++) {
        char text[8000] = "";
        size_t length = 0;
        for (const char *step = dialogues[d].script; *step != '\0'; step = strchr(step, '\n') + 1) {
            size_t step_length = strcspn(step, "\n");
            if (step[0] != 'S') {
                length += (size_t)sprintf(text + length, "%.*s\n", (int)step_length, step);
                continue;
            }
            for (size_t i = 3; i < step_length; i++)
                length += (size_t)sprintf(text + length, "s: %c\n", step[i]);
            length += (size_t)sprintf(text + length, "s: \\r\ns: \\n\n");
        }
        struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, text);
        struct outcome outcome = meet(&dialogues[d].meeting, server);
        if (!outcome.is_sent)
            fail_msg("%s", outcome.error.message);
        scripted_server_finish(server);
    }
}

/* Silence in place of each thing that the server says. */
static void silence_in_each_phase(void **state)
{
    (void)state;
    for (size_t d = 0; d < DIALOGUES; d++) {
        const char *script = dialogues[d].script;
        const char *quit = strstr(script, "C: QUIT");
        for (const char *step = script; step < quit; step = strchr(step, '\n') + 1) {
            if (step[0] != 'S' && step[0] != 'T')
                continue;
            char text[4000];
            snprintf(text, sizeof text, "%.*sW:\n", (int)(step - script), script);
            struct meeting meeting = dialogues[d].meeting;
            meeting.limit = SHORT_MS;
            struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, text);
            struct outcome outcome = meet(&meeting, server);
            if (!outcome.is_sent || script != by_lmtp)
                assert_kind(&outcome, PH_ERROR_TIMEOUT, text);
            scripted_server_go_on(server);
            scripted_server_finish_early(server);
        }
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(junk_instead_of_a_greeting),
    cmocka_unit_test(junk_instead_of_capabilities),
    cmocka_unit_test(capabilities_that_are_odd),
    cmocka_unit_test(wrong_answers_to_mail),
    cmocka_unit_test(wrong_answers_to_logins),
    cmocka_unit_test(challenges_without_end),
    cmocka_unit_test(words_slipped_in_around_starttls),
    cmocka_unit_test(the_end_at_each_byte),
    cmocka_unit_test(a_break_at_each_byte),
    cmocka_unit_test(replies_in_the_smallest_pieces),
    cmocka_unit_test(silence_in_each_phase),
};

UNIT_MAIN(tests)
