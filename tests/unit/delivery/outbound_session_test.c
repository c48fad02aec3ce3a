/* Outbound sessions against scripted hosts: from the greeting to QUIT, TLS, logins, letters, and
 * what becomes of each recipient. */
#include "delivery/outbound_session.h"

#include <stdlib.h>
#include <string.h>

#include "delivery/outbound_lab.h"
#include "unit.h"

#define LETTER "A: b\r\n\r\nhello\r\n"
#define EXTENSIONS                                                                                 \
    "S: 250-mx.test\n"                                                                             \
    "S: 250-ENHANCEDSTATUSCODES\n"                                                                 \
    "S: 250-8BITMIME\n"                                                                            \
    "S: 250-PIPELINING\n"
#define HELLO                                                                                      \
    "S: 220 mx.test\n"                                                                             \
    "C: EHLO us.test\n" EXTENSIONS "S: 250 SIZE 1000000\n"
#define HELLO_WITH(extension)                                                                      \
    "S: 220 mx.test\n"                                                                             \
    "C: EHLO us.test\n" EXTENSIONS "S: 250 " extension "\n"
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

/* Plays one letter, unless `change` is NULL as it is made or else as it changes it. */
typedef void change_letter(struct outbound_lab_letter *letter);

static void check(enum scripted_certificate certificate, const char *script,
                  const struct outbound_lab_options *options, size_t recipients,
                  change_letter *change, const char *log)
{
    struct scripted_server *server =
        scripted_server_start_tls(SCRIPTED_LOOPBACK, certificate, script);
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), options);
    if (recipients > 0) {
        struct outbound_lab_letter *letter =
            outbound_lab_letter(lab, "one", recipients, BYTES(LETTER));
        if (change != NULL)
            change(letter);
    }
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    scripted_server_finish(server);
    assert_string_equal(outbound_lab_log(lab), log);
    outbound_lab_close(lab);
}

static void check_letter(const char *script, size_t recipients, const char *log)
{
    check(SCRIPTED_GOOD, script, NULL, recipients, NULL, log);
}

#define ONE_KEPT                                                                                   \
    "ready\nletter one: accepted 250 2.0.0 Kept\n"                                                 \
    "end lost 0 orderly we closed the connection\n"

/* ---- letters ---- */

static void sends_a_letter(void **state)
{
    (void)state;
    check_letter(HELLO "C: MAIL FROM:<a@from.test> SIZE=15\n"
                       "C: RCPT TO:<r0@to.test>\n"
                       "C: DATA\n"
                       "S: 250 2.1.0 Sender\nS: 250 2.1.5 Recipient\nS: 354 Go\n"
                       "C: A: b\nC: \nC: hello\nC: .\n"
                       "S: 250 2.0.0 Kept\n" GOODBYE,
                 1, ONE_KEPT);
}

static void each_recipient_has_its_own_result(void **state)
{
    (void)state;
    check_letter(HELLO "C: MAIL FROM:<a@from.test> SIZE=15\n"
                       "C: RCPT TO:<r0@to.test>\n"
                       "C: RCPT TO:<r1@to.test>\n"
                       "C: RCPT TO:<r2@to.test>\n"
                       "C: RCPT TO:<r3@to.test>\n"
                       "C: DATA\n"
                       "S: 250 2.1.0 Sender\n"
                       "S: 550-5.1.1 No such\nS: 550 5.1.1 user\n"
                       "S: 250 2.1.5 Recipient\n"
                       "S: 450 4.2.0 Greylisted\n"
                       "S: 452 4.5.3 Too many recipients\n"
                       "S: 354 Go\n"
                       "C: A: b\nC: \nC: hello\nC: .\n"
                       "S: 250 2.0.0 Kept\n" GOODBYE,
                 4,
                 "ready\nletter one: recipient 550 5.1.1 No such\nuser; "
                 "accepted 250 2.0.0 Kept; recipient 450 4.2.0 Greylisted; "
                 "recipient 452 4.5.3 Too many recipients\n"
                 "end lost 0 orderly we closed the connection\n");
}

static void refused_sender_is_the_result_of_all(void **state)
{
    (void)state;
    check_letter(HELLO "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\n"
                       "S: 550 5.7.1 Not you\nS: 503 5.5.1 No\nS: 503 5.5.1 No\n"
                       "S: 503 5.5.1 No\n" GOODBYE,
                 2,
                 "ready\nletter one: sender 550 5.7.1 Not you; "
                 "sender 550 5.7.1 Not you\n"
                 "end lost 0 orderly we closed the connection\n");
}

static void message_may_be_refused_at_data_or_behind(void **state)
{
    (void)state;
    check_letter(HELLO "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\n"
                       "S: 250 Ok\nS: 250 Ok\nS: 550 5.1.1 No\n"
                       "S: 451 4.3.1 Full\n" GOODBYE,
                 2,
                 "ready\nletter one: message 451 4.3.1 Full; "
                 "recipient 550 5.1.1 No\n"
                 "end lost 0 orderly we closed the connection\n");
    check_letter(HELLO "C: MAIL*\nC: RCPT*\nC: DATA\n"
                       "S: 250 Ok\nS: 250 Ok\nS: 354 Go\n"
                       "C: A: b\nC: \nC: hello\nC: .\n"
                       "S: 554 Spam\n" GOODBYE,
                 1,
                 "ready\nletter one: message 554 Spam\n"
                 "end lost 0 orderly we closed the connection\n");
}

static void hosts_of_old_are_spoken_to_one_by_one(void **state)
{
    (void)state;
    check_letter("S: 220 mx.test\n"
                 "C: EHLO us.test\n"
                 "S: 502 What\n"
                 "C: HELO us.test\n"
                 "S: 250 mx.test\n"
                 "C: MAIL FROM:<a@from.test>\nS: 250 Ok\n"
                 "C: RCPT TO:<r0@to.test>\nS: 250 Ok\n"
                 "C: DATA\nS: 354 Go\n"
                 "C: A: b\nC: \nC: hello\nC: .\n"
                 "S: 250 Kept\n" GOODBYE,
                 1,
                 "ready\nletter one: accepted 250 Kept\n"
                 "end lost 0 orderly we closed the connection\n");
}

/* ---- several letters ---- */

static void check_letters(const char *script, size_t count, const char *log)
{
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, script);
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
    for (size_t i = 0; i < count; i++)
        outbound_lab_letter(lab, (char[]){(char)('1' + i), '\0'}, 1, BYTES(LETTER));
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    scripted_server_finish(server);
    assert_string_equal(outbound_lab_log(lab), log);
    outbound_lab_close(lab);
}

#define BODY_BY_DATA "C: A: b\nC: \nC: hello\nC: .\n"
#define NEXT_BY_DATA "C: RSET\nC: MAIL*\nC: RCPT*\nC: DATA\n"
#define OKS_FOR_NEXT "S: 250 2.0.0 Reset\nS: 250 2.1.0 Sender\nS: 250 2.1.5 Recipient\nS: 354 Go\n"

/* RFC 2920 3.1: the next envelope goes with the end of the body. */
static void envelope_rides_behind_the_body(void **state)
{
    (void)state;
    check_letters(
        HELLO "C: MAIL*\nC: RCPT*\nC: DATA\n"
              "S: 250 2.1.0 Sender\nS: 250 2.1.5 Recipient\nS: 354 Go\n" BODY_BY_DATA NEXT_BY_DATA
              "S: 250 2.0.0 Kept 1\n" OKS_FOR_NEXT BODY_BY_DATA NEXT_BY_DATA
              "S: 250 2.0.0 Kept 2\n" OKS_FOR_NEXT BODY_BY_DATA NEXT_BY_DATA
              "S: 250 2.0.0 Kept 3\n" OKS_FOR_NEXT BODY_BY_DATA NEXT_BY_DATA
              "S: 550 5.7.1 Spam 4\n" OKS_FOR_NEXT BODY_BY_DATA "S: 250 2.0.0 Kept 5\n" GOODBYE,
        5,
        "ready\nletter 1: accepted 250 2.0.0 Kept 1\n"
        "letter 2: accepted 250 2.0.0 Kept 2\n"
        "letter 3: accepted 250 2.0.0 Kept 3\n"
        "letter 4: message 550 5.7.1 Spam 4\n"
        "letter 5: accepted 250 2.0.0 Kept 5\n"
        "end lost 0 orderly we closed the connection\n");
}

#define CHUNK      "C: MAIL*\nC: RCPT*\nC: BDAT 15 LAST\nC: A: b\nC: \nC: hello\n"
#define CHUNK_KEPT "S: 250 2.1.0 Sender\nS: 250 2.1.5 Recipient\nS: 250 2.0.0 Kept\n"

/* RFC 3030: as many letters are on their way as the session takes, before one reply is there. */
static void letters_are_in_flight_together(void **state)
{
    (void)state;
    check_letters(HELLO_WITH("CHUNKING") CHUNK
                  "C: RSET\n" CHUNK "C: RSET\n" CHUNK "C: RSET\n" CHUNK CHUNK_KEPT
                  "S: 250 Reset\n" CHUNK_KEPT "S: 250 Reset\nS: 250 Sender\nS: 550 5.1.1 Nobody\n"
                  "S: 503 5.5.1 No\nS: 250 Reset\n" CHUNK_KEPT GOODBYE,
                  4,
                  "ready\nletter 1: accepted 250 2.0.0 Kept\n"
                  "letter 2: accepted 250 2.0.0 Kept\n"
                  "letter 3: recipient 550 5.1.1 Nobody\n"
                  "letter 4: accepted 250 2.0.0 Kept\n"
                  "end lost 0 orderly we closed the connection\n");
}

/* RFC 9422 3: MAILMAX. */
static void session_ends_when_the_host_takes_no_more_letters(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(
        SCRIPTED_LOOPBACK,
        HELLO_WITH("LIMITS MAILMAX=2") "C: MAIL*\nC: RCPT*\nC: DATA\n"
                                       "S: 250 Ok\nS: 250 Ok\nS: 354 Go\n" BODY_BY_DATA NEXT_BY_DATA
                                       "S: 250 Kept\n" OKS_FOR_NEXT BODY_BY_DATA
                                       "S: 250 Kept\n" GOODBYE);
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
    outbound_lab_letter(lab, "1", 1, BYTES(LETTER));
    outbound_lab_letter(lab, "2", 1, BYTES(LETTER));
    struct outbound_lab_letter *third = outbound_lab_letter(lab, "3", 1, BYTES(LETTER));
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    outbound_lab_give(lab);
    assert_true(third->was_refused);
    assert_int_equal(third->refusal.code, 0);
    outbound_lab_close(lab);
    scripted_server_finish(server);
}

/* ---- what the far end can, and cannot ---- */

static void ask_for_notices(struct outbound_lab_letter *letter)
{
    letter->stored.envelope_id = BYTES("QQ+1");
    letter->stored.return_content = PH_RETURN_HEADERS;
    letter->recipients[0].notify = PH_NOTIFY_SUCCESS | PH_NOTIFY_DELAY;
    letter->recipients[0].original_recipient = BYTES("rfc822;old=r0@to.test");
    letter->letter.dropped = 12345;
}

static void ask_for_many_notices(struct outbound_lab_letter *letter)
{
    static char text[600];
    memset(text, '=', sizeof text);
    memcpy(text, "rfc822;", 7);
    ask_for_notices(letter);
    letter->recipients[1].notify = PH_NOTIFY_NEVER;
    letter->recipients[1].original_recipient = BYTES("utf-8;\xc3\xa9@to.test");
    letter->recipients[2].original_recipient = BYTES("x400;/C.de/");
    letter->recipients[3].original_recipient = BYTES("x400;/C=de/");
    letter->recipients[4].original_recipient = bytes_of(text, sizeof text);
}

static void notices_are_asked_for(void **state)
{
    (void)state;
    check(SCRIPTED_GOOD,
          HELLO_WITH("DSN") "C: MAIL FROM:<a@from.test> RET=HDRS ENVID=QQ+2B1\n"
                            "C: RCPT TO:<r0@to.test> NOTIFY=SUCCESS,DELAY "
                            "ORCPT=rfc822;old+3Dr0@to.test\n"
                            "C: RCPT TO:<r1@to.test> NOTIFY=NEVER ORCPT=utf-8;\\\\x{E9}@to.test\n"
                            "C: RCPT TO:<r2@to.test> ORCPT=x400;/C.de/\n"
                            "C: RCPT TO:<r3@to.test>\n"
                            "C: RCPT TO:<r4@to.test>\n"
                            "C: DATA\n"
                            "S: 250 Ok\nS: 550 No\nS: 550 No\nS: 550 No\nS: 550 No\nS: 250 Ok\n"
                            "S: 354 Go\n" BODY_BY_DATA "S: 250 2.0.0 Kept\n" GOODBYE,
          NULL, 5, ask_for_many_notices,
          "ready\nletter one: recipient 550 No; recipient 550 No; recipient 550 No; "
          "recipient 550 No; accepted 250 2.0.0 Kept\n"
          "end lost 0 orderly we closed the connection\n");
}

static void dropped_notices_are_told(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, HELLO TAKES_ONE GOODBYE);
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
    struct outbound_lab_letter *letter = outbound_lab_letter(lab, "one", 1, BYTES(LETTER));
    ask_for_notices(letter);
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    assert_int_equal(letter->letter.dropped, PH_EXTENSION_DSN);
    outbound_lab_close(lab);
    scripted_server_finish(server);
}

static void send_from_nobody(struct outbound_lab_letter *letter)
{
    letter->stored.sender = BYTES("");
    letter->stored.body_kind = STORE_BODY_8BIT;
    letter->stored.is_utf8 = true;
    letter->recipients[0].address = BYTES("\xc3\xa9@\xc3\xa9.test");
}

static void international_mail_is_announced(void **state)
{
    (void)state;
    check(SCRIPTED_GOOD,
          HELLO_WITH("SMTPUTF8") "C: MAIL FROM:<> BODY=8BITMIME SMTPUTF8\n"
                                 "C: RCPT TO:<\xc3\xa9@xn--9ca.test>\n"
                                 "C: DATA\n"
                                 "S: 250 Ok\nS: 250 Ok\nS: 354 Go\n" BODY_BY_DATA
                                 "S: 250 2.0.0 Kept\n" GOODBYE,
          NULL, 1, send_from_nobody, ONE_KEPT);
}

static void make_binary(struct outbound_lab_letter *letter)
{
    letter->stored.body_kind = STORE_BODY_BINARY;
    letter->body = letter->letter.first = BYTES("a\nb\rc\r\n");
    letter->letter.size = letter->body.length;
}

static void binary_goes_as_it_stands(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(
        SCRIPTED_LOOPBACK,
        "S: 220 mx\nC: EHLO us.test\n" EXTENSIONS "S: 250-CHUNKING\nS: 250 BINARYMIME\n"
        "C: MAIL FROM:<a@from.test> BODY=BINARYMIME\n"
        "C: RCPT*\n"
        "C: BDAT 7 LAST\n"
        "B: 7\n"
        "S: 250 Ok\nS: 250 Ok\nS: 250 2.0.0 Kept\n" GOODBYE);
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
    make_binary(outbound_lab_letter(lab, "one", 1, BYTES(LETTER)));
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    assert_non_null(strstr(outbound_lab_log(lab), "letter one: accepted 250 2.0.0 Kept"));
    outbound_lab_close(lab);
    size_t length;
    char *body = scripted_server_finish_body(server, &length);
    assert_bytes(bytes_of(body, length), "a\nb\rc\r\n");
    free(body);
}

static void check_refusal(const char *extension_lines, change_letter *change, const char *refusal)
{
    AUTO(buffer)
    script = BUFFER(4096);
    AUTO(buffer)
    log = BUFFER(4096);
    buffer_append_format(&script, "S: 220 mx\nC: EHLO us.test\nS: 250-mx.test\n%sS: 250 HELP\n%s",
                         extension_lines, GOODBYE);
    buffer_append_format(&log, "ready\nrefused one: %s\n%s", refusal,
                         "end lost 0 orderly we closed the connection\n");
    check(SCRIPTED_GOOD, buffer_string(&script), NULL, 2, change, buffer_string(&log));
}

static void make_8bit(struct outbound_lab_letter *letter)
{
    letter->stored.body_kind = STORE_BODY_8BIT;
}

/* MAIL said nothing of it. */
static void make_8bit_in_secret(struct outbound_lab_letter *letter)
{
    letter->body = letter->letter.first = BYTES("A: b\r\n\r\n\xe9\r\n");
    letter->letter.size = letter->body.length;
}

static void make_utf8(struct outbound_lab_letter *letter)
{
    letter->stored.is_utf8 = true;
}

static void give_utf8_sender(struct outbound_lab_letter *letter)
{
    letter->stored.sender = BYTES("\xc3\xa9@from.test");
}

static void give_utf8_recipients(struct outbound_lab_letter *letter)
{
    letter->recipients[0].address = BYTES("\xc3\xa9@to.test");
    letter->recipients[1].address = BYTES("\xc3\xa8@to.test");
}

static void give_broken_recipients(struct outbound_lab_letter *letter)
{
    letter->recipients[0].address = BYTES("a\r\nRCPT TO:<x@y.test>@to.test");
    letter->recipients[1].address = BYTES("a\0b@to.test");
}

static void give_broken_sender(struct outbound_lab_letter *letter)
{
    letter->stored.sender = BYTES("a b@to.test");
}

static void letter_that_cannot_go_is_refused_before_a_byte(void **state)
{
    (void)state;
    check_refusal("S: 250-SIZE 14\n", NULL,
                  "552 5.3.4 The message has 15 bytes, and the host takes 14 at most");
    check_refusal("", make_8bit,
                  "554 5.6.1 downgrade The message needs 8BITMIME, which the host does not offer");
    check_refusal("", make_8bit_in_secret,
                  "554 5.6.1 downgrade The message needs 8BITMIME, which the host does not offer");
    check_refusal("S: 250-CHUNKING\nS: 250-8BITMIME\n", make_binary,
                  "554 5.6.1 downgrade The message needs BINARYMIME and CHUNKING, which the host "
                  "does not offer");
    check_refusal("S: 250-BINARYMIME\nS: 250-8BITMIME\n", make_binary,
                  "554 5.6.1 downgrade The message needs BINARYMIME and CHUNKING, which the host "
                  "does not offer");
    check_refusal("", make_utf8,
                  "550 5.6.7 downgrade The message needs SMTPUTF8, which the host does not offer");
    check_refusal("", give_utf8_sender,
                  "550 5.6.7 The sender's address needs SMTPUTF8, which the host does not offer");
    check_refusal("", give_utf8_recipients,
                  "550 5.6.7 The recipient's address needs SMTPUTF8, which the host does not "
                  "offer");
    check_refusal("", give_broken_recipients, "553 5.1.3 the address is not of the form user@host");
    check_refusal("", give_broken_sender,
                  "554 5.6.0 the sender \"a b@to.test\" is no address: the address is not of the "
                  "form user@host");
}

static void downgrade(struct outbound_lab_letter *letter)
{
    letter->stored.body_kind = STORE_BODY_8BIT;
    letter->stored.is_utf8 = true;
    letter->letter.is_downgraded = true;
}

static void downgraded_letter_goes(void **state)
{
    (void)state;
    check(SCRIPTED_GOOD,
          "S: 220 mx\nC: EHLO us.test\nS: 250-mx.test\nS: 250 PIPELINING\n"
          "C: MAIL FROM:<a@from.test>\nC: RCPT*\nC: DATA\n"
          "S: 250 Ok\nS: 250 Ok\nS: 354 Go\n" BODY_BY_DATA "S: 250 2.0.0 Kept\n" GOODBYE,
          NULL, 1, downgrade, ONE_KEPT);
}

static void give_mixed_recipients(struct outbound_lab_letter *letter)
{
    letter->recipients[1].address = BYTES("\xc3\xa8@to.test");
    letter->recipients[3].address = BYTES("no address");
}

static void recipients_that_cannot_go_do_not_hold_up_others(void **state)
{
    (void)state;
    check(SCRIPTED_GOOD,
          HELLO "C: MAIL*\nC: RCPT TO:<r0@to.test>\nC: RCPT TO:<r2@to.test>\nC: DATA\n"
                "S: 250 Ok\nS: 250 Ok\nS: 550 5.1.1 No\nS: 354 Go\n" BODY_BY_DATA
                "S: 250 2.0.0 Kept\n" GOODBYE,
          NULL, 4, give_mixed_recipients,
          "ready\nletter one: accepted 250 2.0.0 Kept; "
          "recipient 550 5.6.7 The recipient's address needs SMTPUTF8, which the host does not "
          "offer; recipient 550 5.1.1 No; recipient 553 5.1.3 the address is not of the form "
          "user@host\n"
          "end lost 0 orderly we closed the connection\n");
}

/* RFC 9422 3: RCPTMAX. */
static void more_recipients_than_the_host_takes_are_put_off(void **state)
{
    (void)state;
    check_letter(HELLO_WITH("LIMITS RCPTMAX=2") "C: MAIL*\nC: RCPT TO:<r0@to.test>\n"
                                                "C: RCPT TO:<r1@to.test>\nC: DATA\n"
                                                "S: 250 Ok\nS: 250 Ok\nS: 250 Ok\n"
                                                "S: 354 Go\n" BODY_BY_DATA
                                                "S: 250 2.0.0 Kept\n" GOODBYE,
                 3,
                 "ready\nletter one: accepted 250 2.0.0 Kept; "
                 "accepted 250 2.0.0 Kept; "
                 "recipient 452 4.5.3 The host takes no more recipients at a time\n"
                 "end lost 0 orderly we closed the connection\n");
}

#define LONG                                                                                       \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"             \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* What is no UTF-8 would not get into the store, what has no end not into memory. */
static void replies_are_kept_clean_and_short(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(
        SCRIPTED_LOOPBACK, HELLO "C: MAIL*\nC: RCPT*\nC: RCPT*\nC: DATA\n"
                                 "S: 250 Ok\n"
                                 "s: 550 5.1.1 caf\\xe9 \\xc3\\xa9 \\xc3\\r\\n\n"
                                 "s: 550-" LONG "\\r\\n\n"
                                 "s: 550-" LONG "\\r\\n\n"
                                 "s: 550-" LONG "\\r\\n\n"
                                 "s: 550 " LONG "\\r\\n\n"
                                 "S: 554 5.5.1 None\n" GOODBYE);
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
    struct outbound_lab_letter *letter = outbound_lab_letter(lab, "one", 2, BYTES(LETTER));
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    assert_string_equal(letter->results[0].text, "caf? \xc3\xa9 ?");
    assert_int_equal(strlen(letter->results[1].text), STORE_OUTBOUND_TEXT_MAX - 1);
    outbound_lab_close(lab);
    scripted_server_finish(server);
}

/* ---- long bodies ---- */

static char long_body[1000 * 1000];

static struct bytes make_long_body(void)
{
    for (size_t i = 0; i < sizeof long_body; i += 50)
        memcpy(long_body + i, ".234567890123456789012345678901234567890123456\r\n", 48);
    for (size_t i = 0; i < sizeof long_body; i += 50)
        memcpy(long_body + i + 48, "\r\n", 2);
    return bytes_of(long_body, sizeof long_body);
}

static void check_long_body(const char *script, size_t at_hand, bool is_stuffed)
{
    struct bytes text = make_long_body();
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, script);
    struct outbound_lab *lab = outbound_lab_new(scripted_server_address(server), NULL);
    struct outbound_lab_letter *letter = outbound_lab_letter(lab, "one", 1, text);
    letter->letter.first.length = at_hand;
    letter->piece_size = 400000;
    assert_true(outbound_lab_start(lab));
    outbound_lab_await(lab, "end ");
    assert_non_null(strstr(outbound_lab_log(lab), "letter one: accepted 250 2.0.0 Kept"));
    outbound_lab_close(lab);
    size_t length;
    char *body = scripted_server_finish_body(server, &length);
    size_t at = 0;
    for (size_t i = 0; i < text.length; i += 50) {
        if (is_stuffed)
            assert_int_equal(body[at++], '.');
        assert_memory_equal(body + at, text.data + i, 50);
        at += 50;
    }
    assert_int_equal(at, length);
    free(body);
}

static void long_body_is_asked_for_in_pieces(void **state)
{
    (void)state;
    static const char by_data[] = HELLO "C: MAIL*\nC: RCPT*\nC: DATA\n"
                                        "S: 250 Ok\nS: 250 Ok\nS: 354 Go\n"
                                        "D:\n"
                                        "S: 250 2.0.0 Kept\n" GOODBYE;
    check_long_body(by_data, 262144, true);
    check_long_body(by_data, 0, true);
    check_long_body(by_data, 1000000, true);
}

static void long_body_goes_in_chunks(void **state)
{
    (void)state;
    check_long_body(HELLO_WITH("CHUNKING") "C: MAIL*\nC: RCPT*\nC: BDAT 65536\nB: 65536\n"
                                           "S: 250 Ok\nS: 250 Ok\nS: 250 Ok\n"
                                           "C: BDAT 196608\nB: 196608\nS: 250 Ok\n"
                                           "C: BDAT 400000\nB: 400000\nS: 250 Ok\n"
                                           "C: BDAT 337856 LAST\nB: 337856\n"
                                           "S: 250 2.0.0 Kept\n" GOODBYE,
                    262144, false);
}

static void lose_the_body(struct outbound_lab_letter *letter)
{
    letter->letter.first = BYTES("A: b\r\n");
    letter->fails = true;
}

/* Within DATA only the end of the connection says so. */
static void body_that_cannot_be_read_ends_the_letter(void **state)
{
    (void)state;
    check(SCRIPTED_GOOD,
          HELLO "C: MAIL*\nC: RCPT*\nC: DATA\nS: 250 Ok\nS: 250 Ok\nS: 354 Go\nC: A: b\nE:\n", NULL,
          1, lose_the_body,
          "ready\nbody one 6\n"
          "letter one: lost 0 the message could not be read to its end, so it was not sent\n"
          "end lost 0 orderly the message could not be read to its end, so it was not sent\n");
}

static void chunked_body_that_cannot_be_read_costs_no_connection(void **state)
{
    (void)state;
    check(SCRIPTED_GOOD,
          HELLO_WITH("CHUNKING") "C: MAIL*\nC: RCPT*\nC: BDAT 6\nC: A: b\n"
                                 "S: 250 Ok\nS: 250 Ok\nS: 250 Ok\n" GOODBYE,
          NULL, 1, lose_the_body,
          "ready\nbody one 6\n"
          "letter one: lost 0 the message could not be read to its end, so it was not sent\n"
          "end lost 0 orderly we closed the connection\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sends_a_letter),
        cmocka_unit_test(each_recipient_has_its_own_result),
        cmocka_unit_test(refused_sender_is_the_result_of_all),
        cmocka_unit_test(message_may_be_refused_at_data_or_behind),
        cmocka_unit_test(hosts_of_old_are_spoken_to_one_by_one),
        cmocka_unit_test(envelope_rides_behind_the_body),
        cmocka_unit_test(letters_are_in_flight_together),
        cmocka_unit_test(session_ends_when_the_host_takes_no_more_letters),
        cmocka_unit_test(notices_are_asked_for),
        cmocka_unit_test(dropped_notices_are_told),
        cmocka_unit_test(international_mail_is_announced),
        cmocka_unit_test(binary_goes_as_it_stands),
        cmocka_unit_test(letter_that_cannot_go_is_refused_before_a_byte),
        cmocka_unit_test(downgraded_letter_goes),
        cmocka_unit_test(recipients_that_cannot_go_do_not_hold_up_others),
        cmocka_unit_test(more_recipients_than_the_host_takes_are_put_off),
        cmocka_unit_test(replies_are_kept_clean_and_short),
        cmocka_unit_test(long_body_is_asked_for_in_pieces),
        cmocka_unit_test(long_body_goes_in_chunks),
        cmocka_unit_test(body_that_cannot_be_read_ends_the_letter),
        cmocka_unit_test(chunked_body_that_cannot_be_read_costs_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
