/* smtplib's two helpers. */
#include <posthorn/posthorn.h>

#include <stdlib.h>
#include <string.h>

#include "failing_allocation.h"
#include "unit.h"

static void quotes_addresses(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", "<>"},
        {"bob@x.example", "<bob@x.example>"},
        {"\"b ob\"@x.example", "<\"b ob\"@x.example>"},
        {"\"bob\"@x.example", "<bob@x.example>"},
        {"bob@b\xc3\xbc"
         "cher.example",
         "<bob@xn--bcher-kva.example>"},
        {"bob@[192.0.2.1]", "<bob@[192.0.2.1]>"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char text[100];
        struct ph_error error = {0};
        if (!ph_quoteaddr(pairs[i][0], text, sizeof text, &error))
            fail_msg("%s: %s", pairs[i][0], error.message);
        assert_string_equal(text, pairs[i][1]);
    }
}

static void quotes_nothing_else(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "bob",        "<bob@x.example>", "a@b, c@d",          "a@b>",
        "bob@",       "@x.example",      "Bob <b@x.example>", "a@x.example> NOTIFY=NEVER",
        "a\r\n@x.ex", "a b@x.example",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[100] = "untouched";
        struct ph_error error = {0};
        assert_false(ph_quoteaddr(wrong[i], text, sizeof text, &error));
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
        assert_string_equal(text, "untouched");
    }
}

static void needs_room(void **state)
{
    (void)state;
    char text[16];
    struct ph_error error = {0};
    assert_true(ph_quoteaddr("bob@x.example", text, 16, NULL));
    assert_false(ph_quoteaddr("bob@x.example", text, 15, &error));
    assert_int_equal(error.kind, PH_ERROR_LIMIT);
}

static void quotes_data(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {".", "..\r\n"},
        {"a\n", "a\r\n"},
        {"a\rb\r\nc\n\nd", "a\r\nb\r\nc\r\n\r\nd\r\n"},
        {".a\n..b\r.c", "..a\r\n...b\r\n..c\r\n"},
        {"a.b\r\n.\r\n", "a.b\r\n..\r\n"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        size_t length = 99;
        char *quoted = ph_quotedata(pairs[i][0], strlen(pairs[i][0]), &length, NULL);
        assert_non_null(quoted);
        assert_string_equal(quoted, pairs[i][1]);
        assert_int_equal(length, strlen(quoted));
        free(quoted);
    }
}

static void runs_out_of_memory_cleanly(void **state)
{
    (void)state;
    struct ph_error error = {0};
    size_t length;
    failing_allocation_start(0);
    char *quoted = ph_quotedata("x", 1, &length, &error);
    assert_true(failing_allocation_stop());
    assert_null(quoted);
    assert_int_equal(error.kind, PH_ERROR_MEMORY);
}

/* Every kind of error has a name of its own. */
static void names_each_kind(void **state)
{
    (void)state;
    for (int i = PH_OK; i <= PH_ERROR_CANCELLED; i++) {
        const char *name = ph_error_kind_name((enum ph_error_kind)i);
        assert_string_not_equal(name, "unknown error");
        for (int j = PH_OK; j < i; j++)
            assert_string_not_equal(name, ph_error_kind_name((enum ph_error_kind)j));
    }
    assert_string_equal(ph_error_kind_name((enum ph_error_kind)999), "unknown error");
    assert_string_equal(ph_error_kind_name(PH_ERROR_RECIPIENTS_REFUSED), "recipients refused");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(quotes_addresses),
    cmocka_unit_test(quotes_nothing_else),
    cmocka_unit_test(needs_room),
    cmocka_unit_test(quotes_data),
    cmocka_unit_test(runs_out_of_memory_cleanly),
    cmocka_unit_test(names_each_kind),
};

UNIT_MAIN(tests)
