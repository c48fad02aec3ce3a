/* The command line of `posthorn send`. */
#include "cli/send_request.h"

#include <stdio.h>
#include <string.h>

#include "unit.h"

static struct send_request request;
static struct fault fault;

static int clean(void **state)
{
    (void)state;
    send_request_clear(&request);
    return 0;
}

#define PARSE(...)                                                                                 \
    (send_request_clear(&request),                                                                 \
     send_request_parse(sizeof((const char *[]){"send", __VA_ARGS__}) / sizeof(char *),            \
                        (char **)(const char *[]){"send", __VA_ARGS__}, &request, &fault))

static void parts_keep_their_order(void **state)
{
    (void)state;
    assert_true(PARSE("--to", "a", "-s", "b", "--attach", "c", "--to", "d", "-q"));
    assert_int_equal(request.part_count, 4);
    assert_int_equal(request.parts[0].id, SEND_OPTION_TO);
    assert_int_equal(request.parts[1].id, SEND_OPTION_SUBJECT);
    assert_int_equal(request.parts[2].id, SEND_OPTION_ATTACH);
    assert_string_equal(request.parts[3].value, "d");
    assert_true(request.has_body);
    assert_true(request.quiet);
    assert_false(request.json);
}

static void every_option_is_understood(void **state)
{
    (void)state;
    /* Each alone: either it is taken, or its value is what is wrong. */
    for (size_t i = 0; i < send_request_table.count; i++) {
        const struct option_row *row = &send_request_table.rows[i];
        if (row->id == 0)
            continue;
        char name[64];
        snprintf(name, sizeof(name), "--%s", row->name);
        char command[] = "send";
        char five[] = "5";
        char *argv[] = {command, name, five};
        send_request_clear(&request);
        if (!send_request_parse(row->value == NULL ? 2 : 3, argv, &request, &fault))
            assert_null(strstr(fault.message, "unknown"));
    }
}

static void account_options_have_the_fields_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < send_request_table.count; i++) {
        const struct option_row *row = &send_request_table.rows[i];
        if (row->id < SEND_OPTION_ACCOUNT || row->id >= SEND_OPTION_PROFILE)
            continue;
        enum send_account_field field = (enum send_account_field)(row->id - SEND_OPTION_ACCOUNT);
        assert_string_equal(row->name, send_account_field_name(field));
        assert_int_equal(row->value == NULL, send_account_field_kind(field) == SEND_ACCOUNT_SWITCH);
    }
}

static void wishes(void **state)
{
    (void)state;
    assert_true(PARSE("--dsn-notify", "Success,DELAY", "--dsn-return", "full", "--envelope-id", "x",
                      "--priority", "-9", "--deliver-by", "60", "--hold-for", "999999999",
                      "--require-tls", "--envelope-from", "<>"));
    assert_int_equal(request.wishes.notify, PH_NOTIFY_SUCCESS | PH_NOTIFY_DELAY);
    assert_int_equal(request.wishes.return_content, PH_RETURN_FULL);
    assert_int_equal(request.wishes.priority, -9);
    assert_true(request.wishes.has_priority);
    assert_int_equal(request.wishes.deliver_by_seconds, 60);
    assert_int_equal(request.wishes.deliver_by_mode, 'N');
    assert_int_equal(request.wishes.hold_for_seconds, 999999999);
    assert_true(request.wishes.require_tls);
    assert_string_equal(request.envelope_from, "");
    assert_int_equal(request.wishes.demands, PH_EXTENSION_DSN | PH_EXTENSION_MT_PRIORITY |
                                                 PH_EXTENSION_DELIVERBY |
                                                 PH_EXTENSION_FUTURERELEASE);
    assert_true(PARSE("--deliver-by", "1,Return"));
    assert_int_equal(request.wishes.deliver_by_mode, 'R');
}

static void mistakes(void **state)
{
    (void)state;
    assert_false(PARSE("--dsn-notify", ""));
    assert_false(PARSE("--dsn-notify", "success,"
                                       "never"));
    assert_false(PARSE("--dsn-notify", "sometimes"));
    assert_false(PARSE("--dsn-return", "fullest"));
    assert_false(PARSE("--priority", ""));
    assert_false(PARSE("--priority", "1x"));
    assert_false(PARSE("--priority", "-10"));
    assert_false(PARSE("--deliver-by", "5,"));
    assert_false(PARSE("--deliver-by", "1000000000"));
    assert_false(PARSE("--hold-for", "0"));
    assert_false(PARSE("--hold-for", "5", "--hold-until", "x"));
    assert_false(PARSE("--eml", "x", "--attach", "y"));
    assert_false(PARSE("bob@y.example"));
    assert_false(PARSE("--", "--to"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(parts_keep_their_order, clean),
        cmocka_unit_test_teardown(every_option_is_understood, clean),
        cmocka_unit_test(account_options_have_the_fields_names),
        cmocka_unit_test_teardown(wishes, clean),
        cmocka_unit_test_teardown(mistakes, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
