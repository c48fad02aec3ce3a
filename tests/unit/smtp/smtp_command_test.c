/* The one encoder: what it builds, and what it refuses. */
#include "smtp/smtp_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <posthorn/protocol.h>

#include "unit.h"

static void check_mail(const struct smtp_command_mail *mail, const char *expected)
{
    struct fault fault = {.kind = FAULT_NONE};
    AUTO(buffer)
    out = BUFFER(PH_ENGINE_COMMAND_MAX * 2);
    buffer_append_string(&out, "before");
    bool is_built = smtp_command_mail(&out, mail, &fault);
    assert_int_equal(is_built, expected != NULL);
    assert_int_equal(is_built, fault.kind == FAULT_NONE);
    struct bytes line = bytes_skip(buffer_bytes(&out), 6);
    unit_assert_bytes(line, bytes_from_string(expected == NULL ? "" : expected), __FILE__,
                      __LINE__);
}

static void check_rcpt(const struct smtp_command_recipient *recipient, const char *expected)
{
    struct fault fault = {.kind = FAULT_NONE};
    AUTO(buffer)
    out = BUFFER(PH_ENGINE_COMMAND_MAX * 2);
    bool is_built = smtp_command_rcpt(&out, recipient, &fault);
    assert_int_equal(is_built, expected != NULL);
    unit_assert_bytes(buffer_bytes(&out), bytes_from_string(expected == NULL ? "" : expected),
                      __FILE__, __LINE__);
}

static void test_mail(void **state)
{
    (void)state;
    check_mail(&(struct smtp_command_mail){.sender = BYTES("a@b.example")},
               "MAIL FROM:<a@b.example>\r\n");
    check_mail(&(struct smtp_command_mail){.sender = BYTES("")}, "MAIL FROM:<>\r\n");
    check_mail(
        &(struct smtp_command_mail){
            .sender = BYTES("a@b"),
            .has_size = true,
            .size = UINT64_MAX,
            .body = PH_CONTENT_8BIT,
            .is_utf8 = true,
            .return_content = PH_RETURN_HEADERS,
            .envelope_id = "id 1+=",
            .require_tls = true,
            .deliver_by_seconds = -5,
            .deliver_by_mode = 'N',
            .deliver_by_trace = true,
            .hold_for_seconds = 60,
            .has_priority = true,
            .priority = -9,
            .authenticated_sender = "u=v@b",
            .parameters = "X-A=1 XB",
        },
        "MAIL FROM:<a@b> SIZE=18446744073709551615 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=HDRS "
        "ENVID=id+201+2B+3D BY=-5;NT HOLDFOR=60 MT-PRIORITY=-9 AUTH=u+3Dv@b X-A=1 XB\r\n");
    check_mail(
        &(struct smtp_command_mail){.sender = BYTES("a@b"),
                                    .body = PH_CONTENT_BINARY,
                                    .return_content = PH_RETURN_FULL,
                                    .hold_until = "2026-11-23T10:00:00Z",
                                    .authenticated_sender = ""},
        "MAIL FROM:<a@b> BODY=BINARYMIME RET=FULL HOLDUNTIL=2026-11-23T10:00:00Z AUTH=<>\r\n");
}

static void test_mail_refused(void **state)
{
    (void)state;
    const struct smtp_command_mail wrong[] = {
        {.sender = BYTES("a@b\r\nRCPT TO:<x@y>")},
        {.sender = BYTES("a@b> ORCPT=x")},
        {.sender = BYTES("a<b@c")},
        {.sender = BYTES("\"a\x01\"@c")},
        {.sender = BYTES("a@b\x7F")},
        {.sender = BYTES("a@b"), .envelope_id = ""},
        {.sender = BYTES("a@b"), .envelope_id = "a\nb"},
        {.sender = BYTES("a@b"), .envelope_id = "\xC3\xA9"},
        {.sender = BYTES("a@b"), .deliver_by_mode = 'X', .deliver_by_seconds = 1},
        {.sender = BYTES("a@b"), .deliver_by_mode = 'R', .deliver_by_seconds = 0},
        {.sender = BYTES("a@b"), .deliver_by_mode = 'N', .deliver_by_seconds = 1000000000},
        {.sender = BYTES("a@b"), .hold_for_seconds = 1, .hold_until = "2026-11-23T10:00:00Z"},
        {.sender = BYTES("a@b"), .hold_for_seconds = 1000000000},
        {.sender = BYTES("a@b"), .hold_until = "tomorrow"},
        {.sender = BYTES("a@b"), .hold_until = "2026-11-23T10:00:00Z X"},
        {.sender = BYTES("a@b"), .has_priority = true, .priority = 10},
        {.sender = BYTES("a@b"), .parameters = "A  B"},
        {.sender = BYTES("a@b"), .parameters = " A"},
        {.sender = BYTES("a@b"), .parameters = "A "},
        {.sender = BYTES("a@b"), .parameters = "A="},
        {.sender = BYTES("a@b"), .parameters = "A=b=c"},
        {.sender = BYTES("a@b"), .parameters = "A\r\nDATA"},
        {.sender = BYTES("a@b"), .parameters = "-A"},
        {.sender = BYTES("a@b"), .parameters = "A=\xFF"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check_mail(&wrong[i], NULL);
}

static void test_quoted_addresses(void **state)
{
    (void)state;
    check_mail(&(struct smtp_command_mail){.sender = BYTES("\"a> \\\" <b\"@c")},
               "MAIL FROM:<\"a> \\\" <b\"@c>\r\n");
    check_rcpt(&(struct smtp_command_recipient){.address = BYTES("\"a b\"@c")},
               "RCPT TO:<\"a b\"@c>\r\n");
    check_rcpt(&(struct smtp_command_recipient){.address = BYTES("\"a\"b c\"@c")}, NULL);
}

static void test_rcpt(void **state)
{
    (void)state;
    check_rcpt(&(struct smtp_command_recipient){.address = BYTES("b@c")}, "RCPT TO:<b@c>\r\n");
    check_rcpt(&(struct smtp_command_recipient){.address = BYTES("b@c"), .notify = PH_NOTIFY_NEVER},
               "RCPT TO:<b@c> NOTIFY=NEVER\r\n");
    check_rcpt(&(struct smtp_command_recipient){.address = BYTES("b@c"),
                                                .notify = PH_NOTIFY_SUCCESS | PH_NOTIFY_FAILURE |
                                                          PH_NOTIFY_DELAY,
                                                .original_recipient = "x+y@z",
                                                .parameters = "X=1"},
               "RCPT TO:<b@c> NOTIFY=SUCCESS,FAILURE,DELAY ORCPT=rfc822;x+2By@z X=1\r\n");
    /* RFC 6533 3: 7-bit whatever it holds. */
    check_rcpt(&(struct smtp_command_recipient){.address = BYTES("b@c"),
                                                .original_recipient = "\xC3\xA9+\\@z"},
               "RCPT TO:<b@c> ORCPT=utf-8;\\x{E9}\\x{2B}\\x{5C}@z\r\n");
    check_rcpt(&(struct smtp_command_recipient){.address = BYTES("")}, NULL);
    check_rcpt(&(struct smtp_command_recipient){.address = BYTES("b@c"),
                                                .notify = PH_NOTIFY_NEVER | PH_NOTIFY_DELAY},
               NULL);
    check_rcpt(&(struct smtp_command_recipient){.address = BYTES("b@c"), .notify = 64}, NULL);
    check_rcpt(
        &(struct smtp_command_recipient){.address = BYTES("b@c"), .original_recipient = "a\rb"},
        NULL);
    check_rcpt(
        &(struct smtp_command_recipient){.address = BYTES("b@c"), .original_recipient = "\xFF@z"},
        NULL);
}

/* One byte more than each limit. */
static void test_limits(void **state)
{
    (void)state;
    char text[PH_PARAMETERS_MAX + 2];
    memset(text, 'x', sizeof text);
    text[100] = '\0';
    char expected[200];
    snprintf(expected, sizeof expected, "MAIL FROM:<a@b> ENVID=%.100s\r\n", text);
    check_mail(&(struct smtp_command_mail){.sender = BYTES("a@b"), .envelope_id = text}, expected);
    text[100] = 'x';
    text[101] = '\0';
    check_mail(&(struct smtp_command_mail){.sender = BYTES("a@b"), .envelope_id = text}, NULL);
    text[101] = 'x';
    text[PH_PARAMETERS_MAX] = '\0';
    struct fault fault = {.kind = FAULT_NONE};
    assert_true(smtp_command_check_parameters(text, &fault));
    text[PH_PARAMETERS_MAX] = 'x';
    text[PH_PARAMETERS_MAX + 1] = '\0';
    assert_false(smtp_command_check_parameters(text, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

static bool build_plain(const char *verb, const char *argument, char *line, size_t size)
{
    struct fault fault;
    AUTO(buffer)
    out = BUFFER(PH_ENGINE_COMMAND_MAX * 2);
    bool is_built = smtp_command_plain(&out, verb, argument, &fault);
    snprintf(line, size, "%.*s", BYTES_FORMAT(buffer_bytes(&out)));
    return is_built;
}

static void test_plain(void **state)
{
    (void)state;
    char line[100];
    assert_true(build_plain("NOOP", NULL, line, sizeof line));
    assert_string_equal(line, "NOOP\r\n");
    assert_true(build_plain("VRFY", "some one", line, sizeof line));
    assert_string_equal(line, "VRFY some one\r\n");
    assert_true(build_plain("HELP", "", line, sizeof line));
    assert_string_equal(line, "HELP \r\n");
    assert_false(build_plain("", "x", line, sizeof line));
    assert_false(build_plain("NOOP\r\nQUIT", NULL, line, sizeof line));
    assert_false(build_plain("NOOP", "x\ny", line, sizeof line));
    assert_false(build_plain("NOOP", "x\ry", line, sizeof line));
    assert_string_equal(line, "");
}

static void test_plain_limit(void **state)
{
    (void)state;
    char line[8];
    char *argument = malloc(PH_ENGINE_COMMAND_MAX);
    size_t most = PH_ENGINE_COMMAND_MAX - sizeof "NOOP \r\n" + 1;
    memset(argument, 'x', PH_ENGINE_COMMAND_MAX);
    argument[most] = '\0';
    assert_true(build_plain("NOOP", argument, line, sizeof line));
    argument[most] = 'x';
    argument[most + 1] = '\0';
    assert_false(build_plain("NOOP", argument, line, sizeof line));
    free(argument);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_mail),
    cmocka_unit_test(test_mail_refused),
    cmocka_unit_test(test_quoted_addresses),
    cmocka_unit_test(test_rcpt),
    cmocka_unit_test(test_limits),
    cmocka_unit_test(test_plain),
    cmocka_unit_test(test_plain_limit),
};

UNIT_MAIN(tests)
