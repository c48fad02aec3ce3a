/* What is said of an account, and the library's options that come of it. */
#include "cli/send_account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

static struct send_account account;
static struct ph_smtp_options options;
static struct fault fault;

static int clean(void **state)
{
    (void)state;
    send_account_clear(&account);
    return 0;
}

static bool set(enum send_account_field field, const char *value)
{
    return send_account_set(&account, field, value, &fault);
}

static void nothing_said(void **state)
{
    (void)state;
    assert_true(send_account_options(&account, &options, &fault));
    assert_null(options.host);
    assert_int_equal(options.port, PH_SUBMISSION_PORT);
    assert_int_equal(options.tls.mode, PH_TLS_DEFAULT);
    assert_false(options.tls.no_verification);
    assert_null(options.tls.fingerprints);
    assert_int_equal(options.proxy.kind, PH_PROXY_NONE);
    assert_false(send_account_wants_login(&account));
}

static void ports(void **state)
{
    (void)state;
    assert_true(set(SEND_ACCOUNT_TLS, "implicit"));
    assert_true(send_account_options(&account, &options, &fault));
    assert_int_equal(options.tls.mode, PH_TLS_IMPLICIT);
    assert_int_equal(options.port, 0);
    assert_true(set(SEND_ACCOUNT_TLS, "none"));
    assert_true(set(SEND_ACCOUNT_LMTP, NULL));
    assert_true(send_account_options(&account, &options, &fault));
    assert_int_equal(options.tls.mode, PH_TLS_NONE);
    assert_int_equal(options.port, 0);
    assert_true(options.lmtp);
}

static void proxies(void **state)
{
    (void)state;
    assert_true(set(SEND_ACCOUNT_PROXY, "socks5://an%40n:se:c%25ret@[::1]:1080/"));
    assert_true(send_account_options(&account, &options, &fault));
    assert_int_equal(options.proxy.kind, PH_PROXY_SOCKS5);
    assert_string_equal(options.proxy.address, "[::1]:1080");
    assert_string_equal(options.proxy.user, "an@n");
    assert_string_equal(options.proxy.password, "se:c%ret");
    send_account_clear(&account);
    assert_true(set(SEND_ACCOUNT_PROXY, "http://proxy.example"));
    assert_true(send_account_options(&account, &options, &fault));
    assert_int_equal(options.proxy.kind, PH_PROXY_HTTP);
    assert_string_equal(options.proxy.address, "proxy.example");
    assert_null(options.proxy.user);
    assert_null(options.proxy.password);
    fault_clear(&fault);
    assert_false(set(SEND_ACCOUNT_PROXY, "http://ann@proxy.example:8080"));
    assert_true(bytes_find(bytes_from_string(fault.message), BYTES("no password")) !=
                BYTES_NOT_FOUND);
    static const char *const bad[] = {"proxy.example", "https://x", "socks5://",  "socks5:///",
                                      "http://a:b@",   "http://a%", "http://%0x", "http://%00"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(set(SEND_ACCOUNT_PROXY, bad[i]));
}

static void values_are_checked(void **state)
{
    (void)state;
    static const struct {
        enum send_account_field field;
        const char *value;
    } bad[] = {
        {SEND_ACCOUNT_TLS, "STARTTLS"},    {SEND_ACCOUNT_TLS, ""},
        {SEND_ACCOUNT_TIMEOUT, "0"},       {SEND_ACCOUNT_TIMEOUT, "86401"},
        {SEND_ACCOUNT_TOTAL_TIMEOUT, "0"}, {SEND_ACCOUNT_TIMEOUT, "5s"},
        {SEND_ACCOUNT_TIMEOUT, "-5"},      {SEND_ACCOUNT_SERVER, ""},
        {SEND_ACCOUNT_USER, "a\nb"},       {SEND_ACCOUNT_FROM, "a\rb"},
        {SEND_ACCOUNT_PASSWORD_FILE, ""},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        fault_clear(&fault);
        assert_false(set(bad[i].field, bad[i].value));
        assert_int_equal(fault.kind, FAULT_SYNTAX);
        assert_null(send_account_value(&account, bad[i].field));
    }
    assert_true(set(SEND_ACCOUNT_TIMEOUT, "86400"));
    assert_true(send_account_options(&account, &options, &fault));
    assert_int_equal(options.timeouts.command, 86400000);
    assert_int_equal(options.timeouts.data_end, 86400000);
    assert_int_equal(options.timeouts.total, 0);
    assert_true(set(SEND_ACCOUNT_TOTAL_TIMEOUT, "7"));
    assert_true(send_account_options(&account, &options, &fault));
    assert_int_equal(options.timeouts.command, 86400000);
    assert_int_equal(options.timeouts.total, 7000);
}

#define DIGITS                                                                                     \
    "0123456789abcdefABCDEF0123456789"                                                             \
    "0123456789abcdefABCDEF012345678"

static void pins_gather(void **state)
{
    (void)state;
    for (size_t i = 0; i < SEND_ACCOUNT_PINS_MAX; i++)
        assert_true(set(SEND_ACCOUNT_PIN, i == 0 ? DIGITS "0" : DIGITS ":1"));
    assert_false(set(SEND_ACCOUNT_PIN, DIGITS "2"));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_true(send_account_options(&account, &options, &fault));
    assert_string_equal(options.tls.fingerprints[0], DIGITS "0");
    assert_string_equal(options.tls.fingerprints[SEND_ACCOUNT_PINS_MAX - 1], DIGITS ":1");
    assert_null(options.tls.fingerprints[SEND_ACCOUNT_PINS_MAX]);
}

static void files_are_looked_at(void **state)
{
    (void)state;
    assert_true(set(SEND_ACCOUNT_KEY, "/nonexistent/key.pem"));
    assert_false(send_account_options(&account, &options, &fault));
    assert_int_equal(fault.system_error, ENOENT);
    assert_true(bytes_find(bytes_from_string(fault.message), BYTES("key /nonexistent/key.pem")) !=
                BYTES_NOT_FOUND);
}

static void mechanisms_and_paths(void **state)
{
    (void)state;
    assert_true(set(SEND_ACCOUNT_MECHANISM, "plain,Login"));
    assert_string_equal(send_account_value(&account, SEND_ACCOUNT_MECHANISM), "PLAIN LOGIN");
    assert_true(send_account_wants_login(&account));
    setenv("HOME", "/home/ann", 1);
    assert_true(set(SEND_ACCOUNT_CA_FILE, "~/ca.pem"));
    assert_string_equal(send_account_value(&account, SEND_ACCOUNT_CA_FILE), "/home/ann/ca.pem");
    assert_true(set(SEND_ACCOUNT_CA_FILE, "~bob/ca.pem"));
    assert_string_equal(send_account_value(&account, SEND_ACCOUNT_CA_FILE), "~bob/ca.pem");
    assert_true(set(SEND_ACCOUNT_PASSWORD_COMMAND, "~/get"));
    assert_string_equal(send_account_value(&account, SEND_ACCOUNT_PASSWORD_COMMAND), "~/get");
}

static void laying_one_over_another(void **state)
{
    (void)state;
    struct send_account over = {0};
    assert_true(set(SEND_ACCOUNT_SERVER, "a.example"));
    assert_true(set(SEND_ACCOUNT_USER, "ann"));
    assert_true(set(SEND_ACCOUNT_PASSWORD, "secret"));
    assert_true(set(SEND_ACCOUNT_TOKEN_FILE, "/token"));
    assert_true(send_account_set(&over, SEND_ACCOUNT_SERVER, "b.example", &fault));
    assert_true(send_account_overlay(&account, &over, &fault));
    assert_string_equal(send_account_value(&account, SEND_ACCOUNT_SERVER), "b.example");
    assert_string_equal(send_account_value(&account, SEND_ACCOUNT_USER), "ann");
    assert_string_equal(send_account_value(&account, SEND_ACCOUNT_PASSWORD), "secret");
    assert_true(send_account_set(&over, SEND_ACCOUNT_PASSWORD_COMMAND, "echo x", &fault));
    assert_true(send_account_overlay(&account, &over, &fault));
    assert_null(send_account_value(&account, SEND_ACCOUNT_PASSWORD));
    assert_null(send_account_value(&account, SEND_ACCOUNT_TOKEN_FILE));
    assert_string_equal(send_account_value(&account, SEND_ACCOUNT_PASSWORD_COMMAND), "echo x");
    send_account_clear(&over);
}

static void names_are_words_of_the_command_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < SEND_ACCOUNT_FIELDS; i++) {
        const char *name = send_account_field_name((enum send_account_field)i);
        assert_non_null(name);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(name, send_account_field_name((enum send_account_field)j));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(nothing_said, clean),
        cmocka_unit_test_teardown(ports, clean),
        cmocka_unit_test_teardown(proxies, clean),
        cmocka_unit_test_teardown(values_are_checked, clean),
        cmocka_unit_test_teardown(pins_gather, clean),
        cmocka_unit_test_teardown(files_are_looked_at, clean),
        cmocka_unit_test_teardown(mechanisms_and_paths, clean),
        cmocka_unit_test_teardown(laying_one_over_another, clean),
        cmocka_unit_test(names_are_words_of_the_command_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
