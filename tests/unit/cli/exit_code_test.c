/* From errors and replies to exit statuses. */
#include "cli/exit_code.h"

#include "unit.h"

static int of(struct ph_error error)
{
    return exit_code_of_error(&error, NULL);
}

static void kinds(void **state)
{
    (void)state;
    assert_int_equal(of((struct ph_error){0}), EX_OK);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_DISCONNECTED}), EX_TEMPFAIL);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_CONNECT, .retry = true}), EX_TEMPFAIL);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_HELO, .reply_code = 554}), EX_PROTOCOL);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_AUTHENTICATION}), EX_NOPERM);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_NOT_SUPPORTED}), EX_UNAVAILABLE);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_ARGUMENT}), EX_USAGE);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_RESOLVE}), EX_NOHOST);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_RESOLVE, .retry = true}), EX_TEMPFAIL);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_TIMEOUT, .retry = true}), EX_TEMPFAIL);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_PROTOCOL}), EX_PROTOCOL);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_TLS}), EX_PROTOCOL);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_CERTIFICATE}), EX_NOPERM);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_PROXY}), EX_UNAVAILABLE);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_TOO_LARGE}), EX_UNAVAILABLE);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_BODY}), EX_DATAERR);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_BODY, .system_error = 5}), EX_IOERR);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_LIMIT}), EX_DATAERR);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_MEMORY, .retry = true}), EX_OSERR);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_CANCELLED}), EX_TEMPFAIL);
    assert_int_equal(of((struct ph_error){.kind = (enum ph_error_kind)999}), EX_SOFTWARE);
}

static void replies(void **state)
{
    (void)state;
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_DATA_REFUSED, .reply_code = 452}),
                     EX_TEMPFAIL);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_DATA_REFUSED, .reply_code = 554}),
                     EX_UNAVAILABLE);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_DATA_REFUSED,
                                          .reply_code = 554,
                                          .reply_enhanced = {5, 7, 1}}),
                     EX_NOPERM);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_SENDER_REFUSED, .reply_code = 530}),
                     EX_NOPERM);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_AUTHENTICATION, .reply_code = 454}),
                     EX_TEMPFAIL);
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_RECIPIENTS_REFUSED, .reply_code = 550}),
                     EX_NOUSER);
    /* A doubt outweighs every kind. */
    assert_int_equal(of((struct ph_error){.kind = PH_ERROR_TIMEOUT, .fate = PH_MAYBE_SENT}),
                     EXIT_CODE_MAYBE);
}

static int of_recipients(struct ph_recipient_result first, struct ph_recipient_result second)
{
    struct ph_recipient_result recipients[] = {first, second};
    struct ph_result result = {
        .recipients = recipients,
        .recipient_count = 2,
        .accepted_count = (size_t)first.is_accepted + (size_t)second.is_accepted,
    };
    if (result.accepted_count == 0)
        result.error.kind = PH_ERROR_RECIPIENTS_REFUSED;
    return exit_code_of_result(&result);
}

static void recipients(void **state)
{
    (void)state;
    struct ph_recipient_result good = {.is_accepted = true, .reply = {.code = 250}};
    struct ph_recipient_result unknown = {.reply = {.code = 550, .enhanced = {5, 1, 1}}};
    struct ph_recipient_result nowhere = {.reply = {.code = 550, .enhanced = {5, 1, 2}}};
    struct ph_recipient_result full = {.reply = {.code = 552, .enhanced = {5, 2, 2}}};
    struct ph_recipient_result denied = {.reply = {.code = 554, .enhanced = {5, 7, 1}}};
    struct ph_recipient_result later = {.reply = {.code = 451, .enhanced = {4, 1, 1}}};
    assert_int_equal(of_recipients(good, good), EX_OK);
    assert_int_equal(of_recipients(good, unknown), EXIT_CODE_PARTIAL);
    assert_int_equal(of_recipients(later, good), EXIT_CODE_PARTIAL);
    assert_int_equal(of_recipients(good, (struct ph_recipient_result){.fate = PH_MAYBE_SENT}),
                     EXIT_CODE_MAYBE);
    assert_int_equal(of_recipients(unknown, full), EX_NOUSER);
    assert_int_equal(of_recipients(nowhere, unknown), EX_NOHOST);
    assert_int_equal(of_recipients(full, unknown), EX_UNAVAILABLE);
    assert_int_equal(of_recipients(denied, denied), EX_NOPERM);
    assert_int_equal(of_recipients(unknown, later), EX_TEMPFAIL);
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(exit_code_name(EX_OK), "EX_OK");
    assert_string_equal(exit_code_name(EX_NOUSER), "EX_NOUSER");
    assert_string_equal(exit_code_name(EXIT_CODE_PARTIAL), "partial");
    assert_string_equal(exit_code_name(3), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(replies),
        cmocka_unit_test(recipients),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
