/* SMTP, submission and LMTP sessions on a real store, over real sockets. */
#include "session/session_house.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "mail/header.h"

/* ---- what every test says ---- */

static void log_in(struct caller *caller)
{
    caller_ask(caller, "EHLO client.example\r\n", "250 ");
    /* "\0ann@home.example\0secret" */
    caller_ask(caller, "AUTH PLAIN AGFubkBob21lLmV4YW1wbGUAc2VjcmV0\r\n", "235 2.7.0");
}

static struct caller call_as_ann(struct house *house)
{
    struct caller caller = house_call(house, HOUSE_CLEAR);
    log_in(&caller);
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

/* MAIL, RCPT, DATA up to the 354. */
static void begin_letter(struct caller *caller, const char *sender, const char *recipient)
{
    char line[512];
    snprintf(line, sizeof(line), "MAIL FROM:<%s>\r\n", sender);
    caller_ask(caller, line, "250 2.1.0");
    snprintf(line, sizeof(line), "RCPT TO:<%s>\r\n", recipient);
    caller_ask(caller, line, "250 2.1.5");
    caller_ask(caller, "DATA\r\n", "354 ");
}

static void send_letter(struct caller *caller, const char *sender, const char *recipient)
{
    begin_letter(caller, sender, recipient);
    caller_ask(caller, "Subject: hello\r\n\r\nHello.\r\n.\r\n", "250 2.0.0 Kept as ");
}

static void assert_field(const char *message, const char *name, const char *start)
{
    struct header_field field;
    if (!header_find(bytes_from_string(message), bytes_from_string(name), &field))
        fail_msg("no %s in %s", name, message);
    assert_true(bytes_starts_with(bytes_trim(field.value), bytes_from_string(start)));
}

static void assert_no_field(const char *message, const char *name)
{
    struct header_field field;
    assert_false(header_find(bytes_from_string(message), bytes_from_string(name), &field));
}

/* ---- from outside ---- */

static void keeps_a_letter_from_outside(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    send_letter(&caller, "far@away.example", "Ann@home.example");
    assert_int_equal(house_count(house, "ann@home.example"), 1);
    char *message = house_message(house, "ann@home.example", 0);
    assert_field(message, "Return-Path", "<far@away.example>");
    assert_field(message, "Delivered-To", "Ann@home.example");
    assert_field(message, "Received", "from client.example ([127.0.0.1]) by mx.home.example");
    assert_non_null(strstr(message, "with ESMTP id"));
    assert_non_null(strstr(message, "for <Ann@home.example>;"));
    assert_non_null(strstr(message, "Subject: hello\r\n\r\nHello.\r\n"));
    /* What only a submission gets. */
    assert_no_field(message, "Date");
    assert_no_field(message, "Message-ID");
    free(message);
    quit(&caller);
    house_wait_for_log(house, "event=smtp.kept");
    house_wait_for_log(house, "event=smtp.closed");
}

static void judges_recipients(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    caller_ask(&caller, "MAIL FROM:<far@away.example>\r\n", "250 2.1.0");
    caller_ask(&caller, "RCPT TO:<nobody@home.example>\r\n", "550 5.1.1");
    caller_ask(&caller, "RCPT TO:<far@elsewhere.example>\r\n", "550 5.7.1");
    caller_ask(&caller, "RCPT TO:<far%elsewhere.example@home.example>\r\n", "550 5.1.1");
    caller_ask(&caller, "RCPT TO:<elsewhere.example!far@home.example>\r\n", "550 5.1.1");
    caller_ask(&caller, "RCPT TO:<@home.example:far@elsewhere.example>\r\n", "550 5.7.1");
    caller_ask(&caller, "RCPT TO:<ann@[127.0.0.1]>\r\n", "550 5.7.1");
    caller_ask(&caller, "DATA\r\n", "5");
    caller_ask(&caller, "RCPT TO:<ann+x@home.example>\r\n", "250 2.1.5");
    caller_ask(&caller, "RCPT TO:<postmaster>\r\n", "250 2.1.5");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 0);
    house_wait_for_log(house, "event=smtp.recipient-refused");
}

static void takes_pipelined_letters(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    caller_say(&caller, "MAIL FROM:<a@away.example>\r\nRCPT TO:<ann@home.example>\r\n"
                        "RCPT TO:<no@home.example>\r\nRCPT TO:<bob@home.example>\r\nDATA\r\n");
    caller_hear(&caller, "250 2.1.0");
    caller_hear(&caller, "250 2.1.5");
    caller_hear(&caller, "550 5.1.1");
    caller_hear(&caller, "250 2.1.5");
    caller_hear(&caller, "354");
    caller_say(&caller, "A: b\r\n\r\none\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<ann@home.example>\r\n"
                        "BDAT 6\r\nX: y\r\nBDAT 7 LAST\r\n\r\ntwo\r\nQUIT\r\n");
    caller_hear(&caller, "250 2.0.0 Kept as ");
    caller_hear(&caller, "250 2.1.0");
    caller_hear(&caller, "250 2.1.5");
    caller_hear(&caller, "250 2.0.0");
    caller_hear(&caller, "250 2.0.0 Kept as ");
    caller_hear(&caller, "221 ");
    caller_hang_up(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 2);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
    char *first = house_message(house, "bob@home.example", 0);
    /* Two recipients: neither is named to the other. */
    assert_null(strstr(first, "for <"));
    assert_field(first, "Delivered-To", "bob@home.example");
    free(first);
    char *second = house_message(house, "ann@home.example", 1);
    assert_field(second, "Return-Path", "<>");
    assert_non_null(strstr(second, "X: y\r\n\r\ntwo\r\n"));
    free(second);
}

static void one_mailbox_gets_one_copy(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<both@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "\r\n.\r\n", "250 2.0.0 Kept as ");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 1);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
}

static void takes_an_empty_body(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    begin_letter(&caller, "", "bob@home.example");
    caller_ask(&caller, ".\r\n", "250 2.0.0 Kept as ");
    caller_ask(&caller, "MAIL FROM:<>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 ");
    caller_ask(&caller, "BDAT 0 LAST\r\n", "250 2.0.0 Kept as ");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 2);
}

static void ends_mail_that_goes_in_circles(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    begin_letter(&caller, "a@away.example", "bob@home.example");
    for (int i = 0; i < SESSION_HOPS_MAX; i++)
        caller_say(&caller, "Received: from a by b; Mon, 23 Nov 2026 17:48:08 +0000\r\n");
    caller_ask(&caller, "\r\nround\r\n.\r\n", "250 2.0.0");
    begin_letter(&caller, "a@away.example", "bob@home.example");
    for (int i = 0; i < SESSION_HOPS_MAX + 1; i++)
        caller_say(&caller, "Received: from a by b; Mon, 23 Nov 2026 17:48:08 +0000\r\n");
    caller_ask(&caller, "\r\nround\r\n.\r\n", "554 5.4.6");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
}

static void refuses_broken_bodies(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    begin_letter(&caller, "a@away.example", "bob@home.example");
    caller_ask(&caller, "Subject: x\r\n\r\nbare\nfeed\r\n.\r\n", "550 5.6.11");
    quit(&caller);
    caller = call_with_hello(house, HOUSE_OUTSIDE);
    begin_letter(&caller, "a@away.example", "bob@home.example");
    caller_say_bytes(&caller, BYTES("Subject: x\r\n\r\nnul\0nul\r\n.\r\n"));
    caller_hear(&caller, "5");
    send_letter(&caller, "a@away.example", "bob@home.example");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
}

static void forgets_what_was_reset(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RSET\r\n", "250 ");
    caller_ask(&caller, "MAIL FROM:<b@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 ");
    caller_ask(&caller, "BDAT 4\r\nabcd", "250 ");
    caller_ask(&caller, "RSET\r\n", "250 ");
    send_letter(&caller, "c@away.example", "bob@home.example");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 0);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
    char *message = house_message(house, "bob@home.example", 0);
    assert_field(message, "Return-Path", "<c@away.example>");
    assert_null(strstr(message, "abcd"));
    free(message);
}

/* ---- large bodies ---- */

/* Lines that tell where they stand. */
static char *make_large(size_t size, size_t *length)
{
    char *text = malloc(size + 128);
    assert_non_null(text);
    *length = (size_t)sprintf(text, "Subject: large\r\n\r\n");
    for (unsigned i = 0; *length < size; i++)
        *length +=
            (size_t)sprintf(text + *length, "line %010u of a body that goes on and on\r\n", i);
    return text;
}

static void spills_what_is_large(void **state)
{
    struct house *house = *state;
    size_t length;
    char *text = make_large(5 * 1024 * 1024, &length);
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    begin_letter(&caller, "a@away.example", "bob@home.example");
    caller_say_bytes(&caller, bytes_of(text, length));
    caller_ask(&caller, ".\r\n", "250 2.0.0 Kept as ");
    char chunk[64];
    snprintf(chunk, sizeof(chunk), "BDAT %zu LAST\r\n", length);
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 ");
    caller_say(&caller, chunk);
    caller_say_bytes(&caller, bytes_of(text, length));
    caller_hear(&caller, "250 2.0.0 Kept as ");
    quit(&caller);
    for (size_t i = 0; i < 2; i++) {
        char *message = house_message(house, "bob@home.example", i);
        const char *body = strstr(message, "Subject: large");
        assert_non_null(body);
        assert_true(bytes_equal(bytes_from_string(body), bytes_of(text, length)));
        free(message);
    }
    free(text);
}

static void spills_drafts_of_a_flood(void **state)
{
    struct house *house = *state;
    size_t length;
    char *text = make_large(1024 * 1024, &length);
    enum {
        CALLERS = 6
    };
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = call_with_hello(house, HOUSE_OUTSIDE);
        begin_letter(&callers[i], "a@away.example", "bob@home.example");
    }
    for (size_t place = 0; place < length; place += 100000)
        for (int i = 0; i < CALLERS; i++)
            caller_say_bytes(&callers[i], bytes_slice(bytes_of(text, length), place, 100000));
    for (int i = 0; i < CALLERS; i++)
        caller_ask(&callers[i], ".\r\n", "250 2.0.0 Kept as ");
    for (int i = 0; i < CALLERS; i++)
        quit(&callers[i]);
    assert_int_equal(house_count(house, "bob@home.example"), CALLERS);
    for (size_t i = 0; i < CALLERS; i++) {
        char *message = house_message(house, "bob@home.example", i);
        assert_string_equal(strstr(message, "Subject: large") + length - 20, text + length - 20);
        free(message);
    }
    free(text);
}

static void large_headers_of_a_flood_are_temporary(void **state)
{
    struct house *house = *state;
    enum {
        CALLERS = 72,
        FIELDS = 900
    };
    char field[1024];
    snprintf(field, sizeof(field), "X-Field: %01000d\r\n", 1);
    AUTO(buffer)
    header = BUFFER(FIELDS * sizeof(field));
    for (int i = 0; i < FIELDS; i++)
        buffer_append_string(&header, field);
    struct caller callers[CALLERS];
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = call_with_hello(house, HOUSE_OUTSIDE);
        begin_letter(&callers[i], "a@away.example", "bob@home.example");
        caller_say_bytes(&callers[i], buffer_bytes(&header));
    }
    house_wait_for_log(house, "too many large headers");
    struct caller other = call_with_hello(house, HOUSE_OUTSIDE);
    send_letter(&other, "a@away.example", "bob@home.example");
    quit(&other);
    unsigned kept = 0;
    unsigned refused = 0;
    for (int i = 0; i < CALLERS; i++) {
        caller_say(&callers[i], "\r\n.\r\n");
        int code = caller_hear_code(&callers[i]);
        kept += code == 250;
        refused += code == 451;
        quit(&callers[i]);
    }
    assert_true(refused > 0);
    assert_int_equal(kept + refused, CALLERS);
    assert_int_equal(house_count(house, "bob@home.example"), kept + 1);
    /* What they held is given back. */
    other = call_with_hello(house, HOUSE_OUTSIDE);
    begin_letter(&other, "a@away.example", "bob@home.example");
    caller_say_bytes(&other, buffer_bytes(&header));
    caller_ask(&other, "\r\n.\r\n", "250 2.0.0 Kept as ");
    quit(&other);
}

/* ---- submission ---- */

static void takes_a_submission(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_SUBMISSION);
    const char *offer = caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    assert_null(strstr(offer, "AUTH"));
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "530 5.7.0");
    caller_ask(&caller, "STARTTLS\r\n", "220 ");
    caller_start_tls(&caller);
    offer = caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    assert_non_null(strstr(offer, "SCRAM-SHA-256-PLUS"));
    assert_non_null(strstr(offer, "PLAIN"));
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "530 5.7.0");
    log_in(&caller);
    send_letter(&caller, "ann@home.example", "bob@home.example");
    quit(&caller);
    char *message = house_message(house, "bob@home.example", 0);
    assert_non_null(strstr(message, "with ESMTPSA"));
    assert_non_null(strstr(message, "(TLSv1.3 TLS_"));
    assert_field(message, "Date", "");
    assert_field(message, "Message-ID", "<");
    assert_non_null(strstr(message, "@mx.home.example>\r\nSubject: hello\r\n\r\nHello.\r\n"));
    free(message);
    house_wait_for_log(house, "event=submission.login ");
    assert_false(house_log_has(house, "secret"));
}

static void takes_a_submission_under_implicit_tls(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_IMPLICIT);
    log_in(&caller);
    begin_letter(&caller, "ann@home.example", "bob@home.example");
    caller_ask(&caller, "Date: Mon, 23 Nov 2026 17:48:08 +0000\r\nMessage-Id: <a@b>\r\n\r\n.\r\n",
               "250 2.0.0");
    quit(&caller);
    char *message = house_message(house, "bob@home.example", 0);
    assert_non_null(strstr(message, "Date: Mon, 23 Nov 2026 17:48:08 +0000\r\nMessage-Id: <a@b>"));
    assert_null(strstr(message, "Message-ID"));
    free(message);
}

static void lets_nobody_send_in_another_name(void **state)
{
    struct house *house = *state;
    struct caller caller = call_as_ann(house);
    caller_ask(&caller, "MAIL FROM:<bob@home.example>\r\n", "550 5.7.1");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "503 ");
    caller_ask(&caller, "MAIL FROM:<ann@elsewhere.example>\r\n", "550 5.7.1");
    send_letter(&caller, "sales@home.example", "bob@home.example");
    send_letter(&caller, "ann+x@home.example", "bob@home.example");
    send_letter(&caller, "ann+x@home.example", "bob@home.example");
    /* RFC 8098 3: a notification of receipt. */
    send_letter(&caller, "", "bob@home.example");
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<far@elsewhere.example>\r\n", "250 2.1.5");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 4);
    house_wait_for_log(house, "event=submission.sender-refused");
}

static void a_disabled_account_sends_no_more(void **state)
{
    struct house *house = *state;
    struct caller ann = call_as_ann(house);
    send_letter(&ann, "ann@home.example", "bob@home.example");
    house_execute(house, "UPDATE account SET is_disabled = 1 WHERE login = 'ann@home.example'");
    caller_ask(&ann, "MAIL FROM:<ann@home.example>\r\n", "550 5.7.1");
    caller_ask(&ann, "MAIL FROM:<>\r\n", "550 5.7.1");
    quit(&ann);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
}

static void refuses_wrong_passwords_after_a_while(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_CLEAR);
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    caller_ask(&caller, "AUTH NONESUCH\r\n", "504 5.5.4");
    caller_ask(&caller, "AUTH PLAIN\r\n", "334 ");
    caller_ask(&caller, "*\r\n", "501 5.7.0");
    caller_ask(&caller, "AUTH PLAIN bm9uc2Vuc2U=\r\n", "501 5.5.2");
    /* "\0ann@home.example\0wrong" */
    uint64_t before = clock_monotonic_milliseconds();
    caller_ask(&caller, "AUTH PLAIN AGFubkBob21lLmV4YW1wbGUAd3Jvbmc=\r\n", "535 5.7.8");
    assert_true(clock_monotonic_milliseconds() - before >= AUTH_THROTTLE_DELAY_FIRST);
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "530 5.7.0");
    caller_hang_up(&caller);
    house_wait_for_log(house, "event=submission.login-refused");
}

static void survives_callers_that_leave_a_login(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_CLEAR);
    caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    caller_say(&caller, "AUTH PLAIN AGFubkBob21lLmV4YW1wbGUAd3Jvbmc=\r\n");
    caller_reset(&caller);
    /* The guess counts all the same. */
    house_wait_for_log(house, "event=submission.closed");
    house_wait_for_log(house, "event=submission.login-refused");
}

/* ---- LMTP ---- */

static void answers_each_recipient_of_lmtp(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_LMTP);
    /* Room for nothing of size, but not full. */
    house_set_quota(house, "carl@home.example", 100, 0);
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<no@home.example>\r\n", "550 5.1.1");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0 Kept as ");
    caller_hear(&caller, "552 5.2.2");
    caller_hear(&caller, "250 2.0.0 Kept as ");
    /* Nobody can be served. */
    begin_letter(&caller, "a@away.example", "carl@home.example");
    caller_ask(&caller, "Subject: x\r\n\r\nx\r\n.\r\n", "552 5.2.2");
    /* Only some behind an alias: never said in a way that brings it again. */
    begin_letter(&caller, "a@away.example", "some@home.example");
    caller_ask(&caller, "Subject: x\r\n\r\nx\r\n.\r\n", "552 5.2.2");
    begin_letter(&caller, "a@away.example", "both@home.example");
    caller_ask(&caller, "Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0 Kept as ");
    quit(&caller);
    assert_int_equal(house_count(house, "carl@home.example"), 0);
    assert_int_equal(house_count(house, "ann@home.example"), 3);
    assert_int_equal(house_count(house, "bob@home.example"), 2);
    char *message = house_message(house, "ann@home.example", 0);
    assert_non_null(strstr(message, "with LMTP id"));
    free(message);
}

static void tells_lmtp_refusals_to_each(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_LMTP);
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    for (int i = 0; i < SESSION_HOPS_MAX + 1; i++)
        caller_say(&caller, "Received: from a by b; Mon, 23 Nov 2026 17:48:08 +0000\r\n");
    caller_ask(&caller, "\r\nround\r\n.\r\n", "554 5.4.6");
    caller_hear(&caller, "554 5.4.6");
    quit(&caller);
}

/* ---- quotas ---- */

static void keeps_quotas(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    house_set_quota(house, "bob@home.example", 0, 1);
    send_letter(&caller, "a@away.example", "bob@home.example");
    house_set_quota(house, "carl@home.example", 600, 0);
    /* All or nobody: one who has no room sends it back for both. */
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example>\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    for (int i = 0; i < 10; i++)
        caller_say(&caller, "More-Than-Fits: 0123456789012345678901234567890123456789\r\n");
    caller_ask(&caller, "\r\n.\r\n", "452 4.2.2");
    assert_int_equal(house_count(house, "ann@home.example"), 0);
    begin_letter(&caller, "a@away.example", "carl@home.example");
    for (int i = 0; i < 10; i++)
        caller_say(&caller, "More-Than-Fits: 0123456789012345678901234567890123456789\r\n");
    caller_ask(&caller, "\r\n.\r\n", "552 5.2.2");
    send_letter(&caller, "a@away.example", "carl@home.example");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
    assert_int_equal(house_count(house, "carl@home.example"), 1);
}

static void say_what_does_not_fit(struct caller *caller)
{
    for (int i = 0; i < 10; i++)
        caller_say(caller, "More-Than-Fits: 0123456789012345678901234567890123456789\r\n");
}

/* Who had no room puts the message off for all once, and is then to come apart. */
static void a_tight_mailbox_holds_nobody_up(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    house_set_quota(house, "carl@home.example", 600, 0);
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example>\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    say_what_does_not_fit(&caller);
    caller_ask(&caller, "\r\n.\r\n", "452 4.2.2");
    /* The second try. */
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example>\r\n", "452 4.5.3");
    caller_ask(&caller, "RCPT TO:<some@home.example>\r\n", "452 4.5.3");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    say_what_does_not_fit(&caller);
    caller_ask(&caller, "\r\n.\r\n", "250 2.0.0 Kept as ");
    /* Alone, whatever is in the way is told, and what fits is kept. */
    begin_letter(&caller, "a@away.example", "carl@home.example");
    say_what_does_not_fit(&caller);
    caller_ask(&caller, "\r\n.\r\n", "552 5.2.2");
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "452 4.5.3");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0 Kept as ");
    /* A size that is announced is compared. */
    caller_ask(&caller, "MAIL FROM:<a@away.example> SIZE=20\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 ");
    quit(&caller);
    assert_int_equal(house_count(house, "ann@home.example"), 1);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
    assert_int_equal(house_count(house, "carl@home.example"), 1);
}

static void full_mailboxes_are_told_at_rcpt(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    send_letter(&caller, "a@away.example", "carl@home.example");
    house_set_quota(house, "carl@home.example", 1, 0);
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    /* carl alone is remembered for a moment yet; this address was not asked for before. */
    caller_ask(&caller, "RCPT TO:<some@home.example>\r\n", "552 5.2.2");
    quit(&caller);
}

/* Who has no room for what SIZE= announces is refused alone, and the others get theirs. */
static void announced_sizes_are_told_at_rcpt(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    house_set_quota(house, "carl@home.example", 5000, 0);
    caller_ask(&caller, "MAIL FROM:<a@away.example> SIZE=2900\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example>\r\n", "250 ");
    caller_ask(&caller, "RSET\r\n", "250 ");
    /* The trace fields take room too; were carl refused only behind the body, so would bob be. */
    caller_ask(&caller, "MAIL FROM:<a@away.example> SIZE=4990\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example>\r\n", "552 5.2.2");
    caller_ask(&caller, "RSET\r\n", "250 ");
    /* From the store and from memory. */
    caller_ask(&caller, "MAIL FROM:<a@away.example> SIZE=6000\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<carl@home.example>\r\n", "552 5.2.2");
    caller_ask(&caller, "RCPT TO:<some@home.example>\r\n", "552 5.2.2");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 ");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "\r\n.\r\n", "250 2.0.0");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
}

/* ---- troubles ---- */

static void a_store_in_trouble_is_temporary(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    struct caller submission = call_as_ann(house);
    begin_letter(&caller, "a@away.example", "bob@home.example");
    house_execute(house, "ALTER TABLE body RENAME TO body_away;"
                         "ALTER TABLE address RENAME TO address_away");
    caller_ask(&caller, "Subject: x\r\n\r\nx\r\n.\r\n", "451 4.3.0");
    caller_ask(&caller, "MAIL FROM:<a@away.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<ann@home.example>\r\n", "451 4.3.0");
    caller_ask(&submission, "MAIL FROM:<ann@home.example>\r\n", "451 4.3.0");
    house_execute(house, "ALTER TABLE body_away RENAME TO body;"
                         "ALTER TABLE address_away RENAME TO address");
    /* It comes back by itself, on the same connections. */
    caller_ask(&caller, "RSET\r\n", "250 ");
    send_letter(&caller, "a@away.example", "bob@home.example");
    send_letter(&submission, "ann@home.example", "bob@home.example");
    quit(&caller);
    quit(&submission);
    assert_int_equal(house_count(house, "bob@home.example"), 2);
    house_wait_for_log(house, "event=store.write-failed");
    house_wait_for_log(house, "event=store.read-failed");
}

/* Hangs up behind each thing that can be said; what the house was doing must not be touched. */
static void survives_callers_that_leave(void **state)
{
    struct house *house = *state;
    static const char *const steps[] = {
        "EHLO client.example\r\n",         "MAIL FROM:<a@away.example>\r\n",
        "RCPT TO:<some@home.example>\r\n", "DATA\r\n",
        "Subject: x\r\n\r\nx\r\n",         ".\r\n",
    };
    enum {
        STEPS = sizeof(steps) / sizeof(steps[0])
    };
    for (int round = 0; round < 3; round++) {
        for (size_t last = 0; last < STEPS; last++) {
            struct caller caller = house_call(house, HOUSE_OUTSIDE);
            for (size_t i = 0; i <= last; i++) {
                caller_say(&caller, steps[i]);
                if (i < last && i != 4)
                    caller_hear(&caller, i == 3 ? "354" : "250 ");
            }
            if (round == 0)
                caller_reset(&caller);
            else
                caller_hang_up(&caller);
        }
    }
    /* A large one, left while it is written out. */
    size_t length;
    char *text = make_large(2 * 1024 * 1024, &length);
    for (int i = 0; i < 8; i++) {
        struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
        begin_letter(&caller, "a@away.example", "bob@home.example");
        caller_say_bytes(&caller, bytes_of(text, length / 8 * ((size_t)i + 1)));
        if (i % 2 == 0)
            caller_reset(&caller);
        else
            caller_hang_up(&caller);
    }
    free(text);
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    send_letter(&caller, "z@away.example", "carl@home.example");
    quit(&caller);
    assert_int_equal(house_count(house, "bob@home.example"), 0);
}

/* Each allocation of the loops fails in turn, in every phase: what was promised is kept, once and
 * by all, and the house stands. (Without memory for the 250 itself a message is kept that was not
 * promised, as when the connection is lost before it.) */
static void survives_loops_without_memory(void **state)
{
    struct house *house = *state;
    static const char *const steps[] = {
        "MAIL FROM:<ann+x@home.example> SIZE=100\r\n",
        "RCPT TO:<both@home.example>\r\n",
        "DATA\r\n",
        "Subject: x\r\n\r\nx\r\n.\r\n",
    };
    size_t promised = 0;
    bool has_failed = true;
    for (size_t count = 0; has_failed; count++) {
        struct caller caller = house_call(house, HOUSE_CLEAR);
        log_in(&caller);
        house_take_memory(house, count);
        int code = 250;
        size_t i = 0;
        while (i < 4 && (code == 250 || code == 354)) {
            caller_say(&caller, steps[i++]);
            code = caller_hear_code(&caller);
        }
        promised += i == 4 && code == 250;
        has_failed = house_restore_memory(house);
        assert_true(code == 0 || code == 250 || (code >= 400 && code < 500));
        caller_hang_up(&caller);
    }
    assert_true(promised > 0);
    assert_true(house_count(house, "ann@home.example") >= promised);
    assert_int_equal(house_count(house, "ann@home.example"),
                     house_count(house, "bob@home.example"));
}

static void survives_logins_without_memory(void **state)
{
    struct house *house = *state;
    bool has_failed = true;
    for (size_t count = 0; has_failed; count++) {
        struct caller caller = house_call(house, HOUSE_CLEAR);
        caller_ask(&caller, "EHLO client.example\r\n", "250 ");
        house_take_memory(house, count);
        caller_say(&caller, "AUTH PLAIN AGFubkBob21lLmV4YW1wbGUAc2VjcmV0\r\n");
        int code = caller_hear_code(&caller);
        has_failed = house_restore_memory(house);
        assert_true(code == 0 || code == 235 || code == 421 || code == 454 || code == 451);
        assert_true(has_failed || code == 235);
        caller_hang_up(&caller);
    }
}

/* A message that is being written when its connection, or the whole server, goes: it is kept or it
 * is not, and whatever belonged to it is freed when the store is done with it. */
static void survives_the_end_in_mid_delivery(void **state)
{
    struct house *house = *state;
    for (int round = 0; round < 6; round++) {
        struct sqlite3 *lock = house_lock(house);
        struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
        begin_letter(&caller, "a@away.example", "bob@home.example");
        caller_say(&caller, "Subject: x\r\n\r\nx\r\n.\r\n");
        if (round % 2 == 0) {
            caller_reset(&caller);
            house_wait_for_log(house, "event=smtp.closed");
        } else {
            caller_hang_up(&caller);
        }
        house_unlock(lock);
    }
    struct sqlite3 *lock = house_lock(house);
    size_t length;
    char *text = make_large(3 * 1024 * 1024, &length);
    struct caller callers[4];
    for (size_t i = 0; i < 4; i++) {
        callers[i] = call_with_hello(house, HOUSE_OUTSIDE);
        begin_letter(&callers[i], "a@away.example", "carl@home.example");
        caller_say_bytes(&callers[i], bytes_of(text, i == 0 ? 100 : length));
        if (i % 2 == 0)
            caller_say(&callers[i], "\r\n.\r\n");
    }
    house_kill(house);
    house_unlock(lock);
    for (size_t i = 0; i < 4; i++)
        caller_hang_up(&callers[i]);
    free(text);
}

static void *stop_house(void *house)
{
    house_stop(house);
    return NULL;
}

static void ends_when_the_server_does(void **state)
{
    struct house *house = *state;
    struct caller idle = call_with_hello(house, HOUSE_OUTSIDE);
    struct caller busy = call_with_hello(house, HOUSE_OUTSIDE);
    begin_letter(&busy, "a@away.example", "bob@home.example");
    caller_ask(&busy, "Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0");
    pthread_t stopper;
    assert_int_equal(pthread_create(&stopper, NULL, stop_house, house), 0);
    caller_hear(&idle, "421 4.3.2");
    caller_hear_end(&idle);
    caller_hear(&busy, "421 4.3.2");
    caller_hear_end(&busy);
    caller_hang_up(&idle);
    caller_hang_up(&busy);
    pthread_join(stopper, NULL);
    assert_int_equal(house_count(house, "bob@home.example"), 1);
}

/* RFC 6409 and the limits of an hour: by recipient, by message, and once more by the commit. */
static void puts_off_who_sends_too_much(void **state)
{
    struct house *house = *state;
    struct caller caller;
    struct session_limits limits = {.sending = {.messages = 2, .recipients = 3}};
    session_services_change_limits(&house->services, &limits);
    caller = call_as_ann(house);
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<a@far.example>\r\n", "250 2.1.5");
    caller_ask(&caller, "RCPT TO:<b@far.example>\r\n", "250 2.1.5");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "Subject: 1\r\n\r\n.\r\n", "250 2.0.0");
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<a@far.example>\r\n", "250 2.1.5");
    caller_ask(&caller, "RCPT TO:<b@far.example>\r\n", "452 4.7.1");
    /* Mail that stays here is not counted. */
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 2.1.5");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "Subject: 2\r\n\r\n.\r\n", "250 2.0.0");
    caller_ask(&caller, "MAIL FROM:<ann@home.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<a@far.example>\r\n", "452 4.7.1");
    caller_ask(&caller, "RCPT TO:<bob@home.example>\r\n", "250 2.1.5");
    quit(&caller);
}

/* Two that begin side by side see the same count: the commit lets one of them through. */
static void counts_again_with_the_commit(void **state)
{
    struct house *house = *state;
    struct caller first, second;
    struct session_limits limits = {.sending = {.messages = 1}};
    session_services_change_limits(&house->services, &limits);
    first = call_as_ann(house);
    second = call_as_ann(house);
    struct caller *both[] = {&first, &second};
    for (size_t i = 0; i < 2; i++) {
        caller_ask(both[i], "MAIL FROM:<ann@home.example>\r\n", "250 ");
        caller_ask(both[i], "RCPT TO:<a@far.example>\r\n", "250 2.1.5");
        caller_ask(both[i], "DATA\r\n", "354 ");
    }
    caller_ask(&first, "Subject: 1\r\n\r\n.\r\n", "250 2.0.0");
    caller_ask(&second, "Subject: 2\r\n\r\n.\r\n", "452 4.7.1");
    quit(&first);
    quit(&second);
}

static void takes_new_limits_for_new_connections(void **state)
{
    struct house *house = *state;
    struct caller before = call_with_hello(house, HOUSE_OUTSIDE);
    struct session_limits limits = {.outside = {.size = 1000}, .hops = 1};
    session_services_change_limits(&house->services, &limits);
    struct caller after = call_with_hello(house, HOUSE_OUTSIDE);
    caller_ask(&before, "MAIL FROM:<a@away.example> SIZE=2000\r\n", "250 ");
    caller_ask(&after, "MAIL FROM:<a@away.example> SIZE=2000\r\n", "552 5.3.4");
    begin_letter(&after, "a@away.example", "bob@home.example");
    caller_ask(&after, "Received: x\r\nReceived: x\r\n\r\n.\r\n", "554 5.4.6");
    quit(&before);
    quit(&after);
}

/* ---- posthorn dev ---- */

static int set_up_dev(void **state)
{
    *state = house_open(&(struct house_wish){.is_dev = true});
    return 0;
}

static void dev_makes_every_mailbox(void **state)
{
    struct house *house = *state;
    struct caller caller = call_with_hello(house, HOUSE_OUTSIDE);
    caller_ask(&caller, "MAIL FROM:<anybody@anywhere.example>\r\n", "250 ");
    caller_ask(&caller, "RCPT TO:<new@fresh.example>\r\n", "250 2.1.5");
    caller_ask(&caller, "RCPT TO:<new+detail@fresh.example>\r\n", "250 2.1.5");
    caller_ask(&caller, "RCPT TO:<other@home.example>\r\n", "250 2.1.5");
    caller_ask(&caller, "RCPT TO:<postmaster>\r\n", "250 2.1.5");
    caller_ask(&caller, "DATA\r\n", "354 ");
    caller_ask(&caller, "Subject: x\r\n\r\nx\r\n.\r\n", "250 2.0.0 Kept as ");
    quit(&caller);
    assert_int_equal(house_count(house, "new@fresh.example"), 1);
    assert_int_equal(house_count(house, "other@home.example"), 1);
}

static void dev_lets_everybody_send_as_anybody(void **state)
{
    struct house *house = *state;
    struct caller caller = house_call(house, HOUSE_CLEAR);
    const char *offer = caller_ask(&caller, "EHLO client.example\r\n", "250 ");
    assert_null(strstr(offer, "SCRAM"));
    /* "\0new\0x" */
    caller_ask(&caller, "AUTH PLAIN AG5ldwB4\r\n", "235 ");
    send_letter(&caller, "somebody@else.example", "third@third.example");
    quit(&caller);
    assert_int_equal(house_count(house, "third@third.example"), 1);
}

static int check_and_tear_down(void **state)
{
    house_check(*state);
    return house_tear_down(state);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, house_set_up, check_and_tear_down)
#define DEV_TEST(test)   cmocka_unit_test_setup_teardown(test, set_up_dev, check_and_tear_down)

static const struct CMUnitTest tests[] = {
    HOUSE_TEST(keeps_a_letter_from_outside),
    HOUSE_TEST(judges_recipients),
    HOUSE_TEST(takes_pipelined_letters),
    HOUSE_TEST(one_mailbox_gets_one_copy),
    HOUSE_TEST(takes_an_empty_body),
    HOUSE_TEST(ends_mail_that_goes_in_circles),
    HOUSE_TEST(refuses_broken_bodies),
    HOUSE_TEST(forgets_what_was_reset),
    HOUSE_TEST(spills_what_is_large),
    HOUSE_TEST(spills_drafts_of_a_flood),
    HOUSE_TEST(large_headers_of_a_flood_are_temporary),
    HOUSE_TEST(takes_a_submission),
    HOUSE_TEST(takes_a_submission_under_implicit_tls),
    HOUSE_TEST(lets_nobody_send_in_another_name),
    HOUSE_TEST(a_disabled_account_sends_no_more),
    HOUSE_TEST(refuses_wrong_passwords_after_a_while),
    HOUSE_TEST(survives_callers_that_leave_a_login),
    HOUSE_TEST(answers_each_recipient_of_lmtp),
    HOUSE_TEST(tells_lmtp_refusals_to_each),
    HOUSE_TEST(keeps_quotas),
    HOUSE_TEST(a_tight_mailbox_holds_nobody_up),
    HOUSE_TEST(full_mailboxes_are_told_at_rcpt),
    HOUSE_TEST(announced_sizes_are_told_at_rcpt),
    HOUSE_TEST(a_store_in_trouble_is_temporary),
    HOUSE_TEST(survives_callers_that_leave),
    HOUSE_TEST(survives_loops_without_memory),
    HOUSE_TEST(survives_logins_without_memory),
    HOUSE_TEST(survives_the_end_in_mid_delivery),
    HOUSE_TEST(ends_when_the_server_does),
    HOUSE_TEST(puts_off_who_sends_too_much),
    HOUSE_TEST(counts_again_with_the_commit),
    HOUSE_TEST(takes_new_limits_for_new_connections),
    DEV_TEST(dev_makes_every_mailbox),
    DEV_TEST(dev_lets_everybody_send_as_anybody),
};

UNIT_MAIN(tests)
