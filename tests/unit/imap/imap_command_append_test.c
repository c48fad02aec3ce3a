/* APPEND, one message after the other. */
#include "imap_command_read.h"

/* "mailbox flags 1 'x' date 5 size 10 binary", or the fault. */
static void expect_append(struct bytes text, bool is_first, unsigned enabled, const char *expected)
{
    const struct imap_command_mode mode = {.enabled = enabled};
    AUTO(arena)
    arena = ARENA(IMAP_COMMAND_ARENA_MAX);
    AUTO(buffer)
    out = BUFFER(READ_PRINT_MAX);
    struct imap_command command = {.mailbox = BYTES("before")};
    struct imap_append append = {.size = 77};
    struct fault fault;
    bool is_end = false;
    char *copy = read_copy(text);
    if (!imap_command_parse_append(bytes_of(copy, text.length), is_first, &mode, &arena, &command,
                                   &append, &is_end, &fault)) {
        buffer_append_format(&out, "%s: %s", fault_kind_name(fault.kind), fault.message);
        unit_assert_bytes(command.mailbox, BYTES("before"), __FILE__, __LINE__);
        assert_int_equal(append.size, 77);
    } else if (is_end) {
        buffer_append_string(&out, "end");
    } else {
        buffer_append(&out, command.mailbox);
        print_flags(&out, &append.flags);
        if (append.has_date)
            buffer_append_format(&out, " date %lld", (long long)append.date);
        print_number(&out, " size ", append.size);
        buffer_append_string(&out, append.is_binary ? " binary" : "");
    }
    unit_assert_bytes(buffer_bytes(&out), bytes_from_string(expected), __FILE__, __LINE__);
    free(copy);
}

#define assert_first(text, expected) expect_append(BYTES(text), true, 0, (expected))
#define assert_next(text, expected)  expect_append(BYTES(text), false, 0, (expected))

static void first(void **state)
{
    (void)state;
    assert_first("x {10}", "x flags 0 size 10");
    assert_first(" x {10}", "x flags 0 size 10");
    assert_first("inbox {10+}", "INBOX flags 0 size 10");
    assert_first("{3}\r\na b (\\Seen $Junk) {310}", "a b flags 1 '$Junk' size 310");
    assert_first("x () {0}", "x flags 0 size 0");
    assert_first("x \" 1-Jan-1970 00:00:02 +0000\" {10}", "x flags 0 date 2000000 size 10");
    assert_first("\"x\" (\\Draft) \"01-Jan-1970 00:00:02 +0000\" ~{10+}",
                 "x flags 16 date 2000000 size 10 binary");
    assert_first("x ~{10}", "x flags 0 size 10 binary");
    assert_first("x {9223372036854775807}", "x flags 0 size 9223372036854775807");
    assert_first("&AMk- {1}", "\u00c9 flags 0 size 1");
    expect_append(BYTES("\"\u00c9\" {1}"), true, IMAP_ENABLED_REV2, "\u00c9 flags 0 size 1");
}

/* RFC 3502 */
static void next(void **state)
{
    (void)state;
    assert_next("", "end");
    assert_next(" {10}", "before flags 0 size 10");
    assert_next(" (\\Flagged) ~{7+}", "before flags 4 size 7 binary");
    assert_next("{10}", "syntax: APPEND: blank expected at \"{10}\"");
    assert_next(" ", "syntax: APPEND: literal expected at the end");
    assert_next(" x {10}", "syntax: APPEND: not offered: \"x\"");
}

static void refused(void **state)
{
    (void)state;
    assert_first("", "syntax: APPEND: mailbox expected at the end");
    assert_first("x", "syntax: APPEND: blank expected at the end");
    assert_first("x ", "syntax: APPEND: literal expected at the end");
    assert_first("x \"text\"",
                 "syntax: APPEND: date such as \"17-Jul-1996 02:44:25 -0700\" expected at "
                 "\"?text?\"");
    assert_first("x {", "syntax: APPEND: size of a literal expected at the end");
    assert_first("x {}", "syntax: APPEND: size of a literal expected at \"}\"");
    assert_first("x {5", "syntax: APPEND: } expected at the end");
    assert_first("x {5-}", "syntax: APPEND: } expected at \"-}\"");
    assert_first("x {5} ", "syntax: APPEND: end expected at \" \"");
    assert_first("x {9223372036854775808}",
                 "syntax: APPEND: a number out of range: \"9223372036854775808\"");
    assert_first("x ~~{5}", "syntax: APPEND: literal expected at \"~{5}\"");
    assert_first("x (\\Recent) {5}", "syntax: APPEND: \\Recent cannot be changed");
    assert_first("x (\\Foo) {5}", "syntax: APPEND: unknown system flag \"Foo\"");
    assert_first("x \\Seen {5}", "syntax: APPEND: literal expected at \"?Seen {5}\"");
    assert_first("x \"31-Feb-1970 00:00:02 +0000\" {5}",
                 "syntax: APPEND: date such as \"17-Jul-1996 02:44:25 -0700\" expected at "
                 "\"?31-Feb-1970 00:00:02 +0000? {5}\"");
    assert_first("x CATENATE (URL \"x\")", "syntax: APPEND: not offered: \"CATENATE\"");
    assert_first("x UTF8 (~{5}", "syntax: APPEND: not offered: \"UTF8\"");
    assert_first("\"\u00c9\" {1}", "denied: APPEND: the mailbox name is not modified UTF-7");
    assert_first("x\0 {1}", "syntax: APPEND: there is a NUL");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(first),
    cmocka_unit_test(next),
    cmocka_unit_test(refused),
};

UNIT_MAIN(tests)
