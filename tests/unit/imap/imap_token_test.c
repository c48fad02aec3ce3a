/* Tokens: strings in their three forms, what none may hold, numbers, dates, and what is said of the
 * rest. */
#include "imap/imap_token.h"

#include <stdlib.h>
#include <string.h>

#include "failing_allocation.h"
#include "unit.h"

enum {
    ARENA_MAX = 64 * 1024
};

/* A text in memory of its exact size, and a reader at its first byte. */
struct reading {
    struct imap_tokens tokens;
    struct arena arena;
    struct fault fault;
    char *text;
};

static bool open_reading(struct reading *reading, struct bytes text)
{
    memset(reading, 0, sizeof *reading);
    arena_init(&reading->arena, ARENA_MAX);
    reading->text = malloc(text.length > 0 ? text.length : 1);
    assert_non_null(reading->text);
    memcpy(reading->text, text.data, text.length);
    reading->tokens.arena = &reading->arena;
    reading->tokens.fault = &reading->fault;
    reading->tokens.verb = "TEST";
    return imap_token_begin(&reading->tokens, bytes_of(reading->text, text.length));
}

static void close_reading(struct reading *reading)
{
    arena_clear(&reading->arena);
    free(reading->text);
}

/* An astring that is all of the text; data NULL of the expected is a refusal. */
static void expect_text(struct bytes text, bool is_any_text, struct bytes expected)
{
    struct reading reading;
    struct bytes string;
    bool is_read = open_reading(&reading, text);
    reading.tokens.is_any_text = is_any_text;
    is_read = is_read && imap_token_take_astring(&reading.tokens, "text", &string) &&
              imap_token_take_end(&reading.tokens);
    assert_int_equal(is_read, expected.data != NULL);
    if (is_read)
        assert_true(bytes_equal(string, expected));
    else
        assert_int_equal(reading.fault.kind, FAULT_SYNTAX);
    close_reading(&reading);
}

static void strings(void **state)
{
    (void)state;
    expect_text(BYTES("abc"), false, BYTES("abc"));
    expect_text(BYTES("a]b"), false, BYTES("a]b"));
    expect_text(BYTES("!#$&'+,-./:;<=>?@[^_`|}~"), false, BYTES("!#$&'+,-./:;<=>?@[^_`|}~"));
    expect_text(BYTES("\"\""), false, BYTES(""));
    expect_text(BYTES("\"a b\""), false, BYTES("a b"));
    expect_text(BYTES("\"a\tb\""), false, BYTES("a\tb"));
    expect_text(BYTES("\"a\\\"b\\\\\""), false, BYTES("a\"b\\"));
    expect_text(BYTES("\"\\\\\""), false, BYTES("\\"));
    expect_text(BYTES("\"\\\\\\\\x\""), false, BYTES("\\\\x"));
    expect_text(BYTES("\"\xc3\xa9\""), false, BYTES("\xc3\xa9"));
    expect_text(BYTES("{0}\r\n"), false, BYTES(""));
    expect_text(BYTES("{3}\r\na\"b"), false, BYTES("a\"b"));
    expect_text(BYTES("{3+}\r\nabc"), false, BYTES("abc"));
    expect_text(BYTES("{4}\r\na\r\nb"), false, BYTES("a\r\nb"));
    expect_text(BYTES("{003}\r\nabc"), false, BYTES("abc"));
    expect_text(BYTES("{2}\r\n\xc3\xa9"), false, BYTES("\xc3\xa9"));
    expect_text(BYTES("{1}\r\n\xe9"), true, BYTES("\xe9"));
    /* Blanks at the end are passed over. */
    expect_text(BYTES("abc  "), false, BYTES("abc"));
}

static void no_strings(void **state)
{
    (void)state;
    const struct bytes none = {NULL, 0};
    expect_text(BYTES(""), false, none);
    expect_text(BYTES(" a"), false, none);
    expect_text(BYTES("a b"), false, none);
    expect_text(BYTES("a\\b"), false, none);
    expect_text(BYTES("a\"b"), false, none);
    expect_text(BYTES("a(b"), false, none);
    expect_text(BYTES("a{b"), false, none);
    expect_text(BYTES("a%"), false, none);
    expect_text(BYTES("a*"), false, none);
    expect_text(BYTES("a\tb"), false, none);
    expect_text(BYTES("a\x7f"), false, none);
    expect_text(BYTES("\xc3\xa9"), false, none);
    expect_text(BYTES("a\r\n"), false, none);
    expect_text(BYTES("\""), false, none);
    expect_text(BYTES("\"a"), false, none);
    expect_text(BYTES("\"a\\\""), false, none);
    expect_text(BYTES("\"a\\"), false, none);
    expect_text(BYTES("\"a\\b\""), false, none);
    expect_text(BYTES("\"\\\\\\b\""), false, none);
    expect_text(BYTES("\"a\rb\""), false, none);
    expect_text(BYTES("\"a\nb\""), false, none);
    expect_text(BYTES("\"a\r\nb\""), false, none);
    expect_text(BYTES("\"\xe9\""), false, none);
    expect_text(BYTES("\"\xc0\xaf\""), false, none);
    expect_text(BYTES("\"\xed\xa0\x80\""), false, none);
    expect_text(BYTES("{1}\r\n\xe9"), false, none);
    expect_text(BYTES("{"), false, none);
    expect_text(BYTES("{}"), false, none);
    expect_text(BYTES("{}\r\n"), false, none);
    expect_text(BYTES("{-1}\r\n"), false, none);
    expect_text(BYTES("{3"), false, none);
    expect_text(BYTES("{3}"), false, none);
    expect_text(BYTES("{3}\r"), false, none);
    expect_text(BYTES("{3}\nabc"), false, none);
    expect_text(BYTES("{3}abc"), false, none);
    expect_text(BYTES("{3}\r\n"), false, none);
    expect_text(BYTES("{3}\r\nab"), false, none);
    expect_text(BYTES("{3}\r\nabcd"), false, none);
    expect_text(BYTES("{3++}\r\nabc"), false, none);
    expect_text(BYTES("{3-}\r\nabc"), false, none);
    expect_text(BYTES("{99999999999999999999}\r\nabc"), false, none);
    expect_text(BYTES("{4294967295}\r\nabc"), false, none);
    expect_text(BYTES("{3}\r\na\rb"), false, none);
    expect_text(BYTES("{3}\r\na\nb"), false, none);
    expect_text(BYTES("{2}\r\na\r"), false, none);
    expect_text(BYTES("{3}\r\n\n\r\n"), true, none);
    expect_text(BYTES("~{3}\r\nabc"), false, none);
}

/* Wherever it stands. */
static void no_nul(void **state)
{
    (void)state;
    const struct bytes none = {NULL, 0};
    expect_text(BYTES("\0"), true, none);
    expect_text(BYTES("a\0b"), true, none);
    expect_text(BYTES("\"a\0b\""), true, none);
    expect_text(BYTES("{3}\r\na\0b"), true, none);
}

static void expect_mailbox(struct bytes text, bool is_utf8, const char *expected)
{
    struct reading reading;
    struct bytes name = {NULL, 0};
    assert_true(open_reading(&reading, text));
    reading.tokens.is_utf8 = is_utf8;
    bool is_read =
        imap_token_take_mailbox(&reading.tokens, &name) && imap_token_take_end(&reading.tokens);
    assert_int_equal(is_read, expected != NULL);
    if (is_read)
        unit_assert_bytes(name, bytes_from_string(expected), __FILE__, __LINE__);
    close_reading(&reading);
}

static void mailboxes(void **state)
{
    (void)state;
    expect_mailbox(BYTES("Sent"), false, "Sent");
    expect_mailbox(BYTES("inBOX"), false, "INBOX");
    expect_mailbox(BYTES("\"inbox\""), false, "INBOX");
    expect_mailbox(BYTES("{5}\r\ninbox"), false, "INBOX");
    expect_mailbox(BYTES("inboxes"), false, "inboxes");
    expect_mailbox(BYTES("\"a b\""), false, "a b");
    expect_mailbox(BYTES("\"\""), false, "");
    expect_mailbox(BYTES("&AMk-t&AOk-"), false, "\u00c9t\u00e9");
    expect_mailbox(BYTES("&AMk-"), true, "&AMk-");
    expect_mailbox(BYTES("\"\xc3\x89\""), true, "\u00c9");
    expect_mailbox(BYTES("{2}\r\n\xc3\x89"), true, "\u00c9");
    expect_mailbox(BYTES("\"\xc3\x89\""), false, NULL);
    expect_mailbox(BYTES("{2}\r\n\xc3\x89"), false, NULL);
    expect_mailbox(BYTES("&AMk"), false, NULL);
    expect_mailbox(BYTES("a*"), false, NULL);
    expect_mailbox(BYTES("\"a\tb\""), false, NULL);
    expect_mailbox(BYTES("{4}\r\na\r\nb"), true, NULL);
}

static void mailbox_faults(void **state)
{
    (void)state;
    struct reading reading;
    struct bytes name;
    assert_true(open_reading(&reading, BYTES("&")));
    assert_false(imap_token_take_mailbox(&reading.tokens, &name));
    assert_int_equal(reading.fault.kind, FAULT_DENIED);
    assert_string_equal(reading.fault.message, "TEST: the mailbox name is not modified UTF-7");
    close_reading(&reading);
}

static void expect_number(const char *text, bool is_good, uint64_t expected)
{
    struct reading reading;
    uint64_t number = 0;
    assert_true(open_reading(&reading, bytes_from_string(text)));
    bool is_read = imap_token_take_number(&reading.tokens, "size", 1, INT64_MAX, &number) &&
                   imap_token_take_end(&reading.tokens);
    assert_int_equal(is_read, is_good);
    if (is_good)
        assert_true(number == expected);
    else
        assert_int_equal(reading.fault.kind, FAULT_SYNTAX);
    close_reading(&reading);
}

static void numbers(void **state)
{
    (void)state;
    expect_number("1", true, 1);
    expect_number("007", true, 7);
    expect_number("9223372036854775807", true, INT64_MAX);
    expect_number("9223372036854775808", false, 0);
    expect_number("18446744073709551616", false, 0);
    expect_number("18446744073709551617", false, 0);
    expect_number("0", false, 0);
    expect_number("", false, 0);
    expect_number("-1", false, 0);
    expect_number("+1", false, 0);
    expect_number("1x", false, 0);
}

static void expect_message(struct bytes text, bool is_secret, const char *expected)
{
    struct reading reading;
    uint64_t number;
    assert_true(open_reading(&reading, text));
    reading.tokens.is_secret = is_secret;
    assert_false(imap_token_take_number(&reading.tokens, "size", 1, 5, &number));
    assert_string_equal(reading.fault.message, expected);
    close_reading(&reading);
}

/* Printable ASCII, and not much of it. */
static void messages(void **state)
{
    (void)state;
    expect_message(BYTES(""), false, "TEST: size expected at the end");
    expect_message(BYTES("abc"), false, "TEST: size expected at \"abc\"");
    expect_message(BYTES("a\"b\\c\r\n\x7f\xc3\xa9"), false,
                   "TEST: size expected at \"a?b?c?????\"");
    expect_message(BYTES("a234567890123456789012345678901234567890"), false,
                   "TEST: size expected at \"a234567890123456789012345678901234567890\"");
    expect_message(BYTES("a2345678901234567890123456789012345678901"), false,
                   "TEST: size expected at \"a234567890123456789012345678901234567890\"");
    expect_message(BYTES("77"), false, "TEST: a number out of range: \"77\"");
    expect_message(BYTES("abc"), true, "TEST: size expected");
    expect_message(BYTES("77"), true, "TEST: a number out of range:");
}

static void arena_limit(void **state)
{
    (void)state;
    struct reading reading;
    assert_true(open_reading(&reading, BYTES("x")));
    assert_non_null(imap_token_allocate(&reading.tokens, ARENA_MAX, 1));
    assert_null(imap_token_allocate(&reading.tokens, 1, 1));
    assert_int_equal(reading.fault.kind, FAULT_LIMIT);
    close_reading(&reading);

    assert_true(open_reading(&reading, BYTES("x")));
    failing_allocation_start(0);
    void *piece = imap_token_allocate(&reading.tokens, 1, 1);
    assert_true(failing_allocation_stop());
    assert_null(piece);
    assert_int_equal(reading.fault.kind, FAULT_TEMPORARY);
    close_reading(&reading);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(strings),   cmocka_unit_test(no_strings),     cmocka_unit_test(no_nul),
    cmocka_unit_test(mailboxes), cmocka_unit_test(mailbox_faults), cmocka_unit_test(numbers),
    cmocka_unit_test(messages),  cmocka_unit_test(arena_limit),
};

UNIT_MAIN(tests)
