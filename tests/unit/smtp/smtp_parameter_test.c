/* The arguments of MAIL and RCPT: what talks say with whole commands, as tables. */
#include "smtp/smtp_parameter.h"

#include "unit.h"

struct mail_case {
    const char *argument;
    const char *address;
    uint64_t size;
    bool has_size;
    enum smtp_server_body body;
    bool is_utf8;
};

static void reads_mail(void **state)
{
    static const struct mail_case cases[] = {
        {.argument = "FROM:<>", .address = ""},
        {.argument = "from:<a@b.c>", .address = "a@b.c"},
        {.argument = "From: <a@b.c> ", .address = "a@b.c"},
        {.argument = "FROM:<@x.y:a@b.c>", .address = "a@b.c"},
        {.argument = "FROM:<@x.y,@z:\"@\"@b.c>", .address = "\"@\"@b.c"},
        {.argument = "FROM:<\"\\>\\\\\"@b.c>", .address = "\"\\>\\\\\"@b.c"},
        {.argument = "FROM:<a@b.c> SIZE=18446744073709551615",
         .address = "a@b.c",
         .has_size = true,
         .size = UINT64_MAX},
        {.argument = "FROM:<a@b.c> SIZE=18446744073709551616",
         .address = "a@b.c",
         .has_size = true,
         .size = UINT64_MAX},
        {.argument = "FROM:<a@b.c>  body=binarymime   smtputf8",
         .address = "a@b.c",
         .body = SMTP_SERVER_BINARY,
         .is_utf8 = true},
        {.argument = "FROM:<\xC3\xB6@b.c> SMTPUTF8", .address = "\xC3\xB6@b.c", .is_utf8 = true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_server_event event = {.kind = SMTP_SERVER_MAIL};
        struct smtp_server_reply refusal;
        assert_true(
            smtp_parameter_read_mail(bytes_from_string(cases[i].argument), &event, &refusal));
        assert_true(bytes_equal(event.address, bytes_from_string(cases[i].address)));
        assert_int_equal(event.has_size, cases[i].has_size);
        assert_int_equal(event.size, cases[i].size);
        assert_int_equal(event.body, cases[i].body);
        assert_int_equal(event.is_utf8, cases[i].is_utf8);
    }
}

struct refused_case {
    const char *argument;
    int code;
    const char *enhanced;
};

static void refuses_mail(void **state)
{
    static const struct refused_case cases[] = {
        {"", 501, "5.5.4"},
        {"FROM", 501, "5.5.4"},
        {"FROM:", 501, "5.1.7"},
        {"FROM:<", 501, "5.1.7"},
        {"FROM:<a@b.c", 501, "5.1.7"},
        {"FROM:<\"a@b.c>", 501, "5.1.7"},
        {"FROM:<\"a\\", 501, "5.1.7"},
        {"FROM:a@b.c", 501, "5.1.7"},
        {"FROM:<a@b.c>x", 501, "5.5.4"},
        {"FROM:<@>", 501, "5.1.7"},
        {"FROM:<@x.y,>", 501, "5.1.7"},
        {"FROM:<@x.y>", 501, "5.1.7"},
        {"FROM:<@x.y:>", 501, "5.1.7"},
        {"FROM:< a@b.c>", 501, "5.1.7"},
        {"FROM:<a@b.c> =", 501, "5.5.4"},
        {"FROM:<a@b.c> SIZE==", 501, "5.5.4"},
        {"FROM:<a@b.c> SIZE=-1", 501, "5.5.4"},
        {"FROM:<a@b.c> ENVID=+", 501, "5.5.4"},
        {"FROM:<a@b.c> FOO=bar", 555, "5.5.4"},
        {"FROM:<\xC3\xB6@b.c>", 553, "5.6.7"},
        {"FROM:<\xFF@b.c> SMTPUTF8", 501, "5.1.7"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_server_event event = {.kind = SMTP_SERVER_MAIL};
        struct smtp_server_reply refusal = {0};
        assert_false(
            smtp_parameter_read_mail(bytes_from_string(cases[i].argument), &event, &refusal));
        assert_int_equal(refusal.code, cases[i].code);
        assert_string_equal(refusal.enhanced, cases[i].enhanced);
        assert_non_null(refusal.text);
    }
}

static void reads_rcpt(void **state)
{
    struct smtp_server_event event = {.kind = SMTP_SERVER_RCPT};
    struct smtp_server_reply refusal;
    (void)state;
    assert_true(smtp_parameter_read_rcpt(BYTES("TO:<postMASTER> NOTIFY=success,success"), false,
                                         &event, &refusal));
    assert_bytes(event.address, "postMASTER");
    assert_int_equal(event.notify, PH_NOTIFY_SUCCESS);
    event = (struct smtp_server_event){.kind = SMTP_SERVER_RCPT};
    assert_true(smtp_parameter_read_rcpt(BYTES("TO:<\xC3\xB6@b.c> ORCPT=utf-8;\\x{F6}@b.c"), true,
                                         &event, &refusal));
    assert_bytes(event.original_recipient, "utf-8;\\x{F6}@b.c");
}

static void refuses_rcpt(void **state)
{
    static const struct refused_case cases[] = {
        {"TO:<>", 501, "5.1.3"},
        {"TO:postmaster", 501, "5.1.3"},
        {"FROM:<a@b.c>", 501, "5.5.4"},
        {"TO:<a@b.c> NOTIFY=", 501, "5.5.4"},
        {"TO:<a@b.c> NOTIFY=NEVER,NEVERMORE", 501, "5.5.4"},
        {"TO:<a@b.c> ORCPT=;", 501, "5.5.4"},
        {"TO:<a@b.c> RET=FULL", 555, "5.5.4"},
        {"TO:<\xC3\xB6@b.c>", 553, "5.6.7"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct smtp_server_event event = {.kind = SMTP_SERVER_RCPT};
        struct smtp_server_reply refusal = {0};
        assert_false(smtp_parameter_read_rcpt(bytes_from_string(cases[i].argument), false, &event,
                                              &refusal));
        assert_int_equal(refusal.code, cases[i].code);
        assert_string_equal(refusal.enhanced, cases[i].enhanced);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(reads_mail),
    cmocka_unit_test(refuses_mail),
    cmocka_unit_test(reads_rcpt),
    cmocka_unit_test(refuses_rcpt),
};

UNIT_MAIN(tests)
