/* Looking at bytes. */
#include "base/bytes.h"

#include "unit.h"

static void comparing(void **state)
{
    (void)state;
    assert_true(bytes_equal(BYTES("abc"), BYTES("abc")));
    assert_false(bytes_equal(BYTES("abc"), BYTES("abd")));
    assert_false(bytes_equal(BYTES("abc"), BYTES("ab")));
    assert_true(bytes_equal(bytes_of(NULL, 0), BYTES("")));
    assert_true(bytes_equal_ignoring_case(BYTES("MAIL From"), BYTES("mail fROM")));
    assert_false(bytes_equal_ignoring_case(BYTES("mail"), BYTES("mai1")));
    /* Only ASCII letters: '@' and '`' differ by the same bit, and so do Latin-1 letters. */
    assert_false(bytes_equal_ignoring_case(BYTES("@["), BYTES("`{")));
    assert_false(bytes_equal_ignoring_case(BYTES("\xC4"), BYTES("\xE4")));
    assert_true(bytes_compare(BYTES("a"), BYTES("b")) < 0);
    assert_true(bytes_compare(BYTES("ab"), BYTES("a")) > 0);
    assert_true(bytes_compare(BYTES("a"), BYTES("ab")) < 0);
    assert_int_equal(bytes_compare(BYTES("a"), BYTES("a")), 0);
    assert_int_equal(bytes_compare(BYTES(""), bytes_of(NULL, 0)), 0);
}

static void from_strings(void **state)
{
    (void)state;
    assert_bytes(bytes_from_string("x y"), "x y");
    assert_true(bytes_is_empty(bytes_from_string("")));
    assert_true(bytes_is_empty(bytes_from_string(NULL)));
    assert_int_equal(BYTES("a\0b").length, 3);
}

static void starts_and_ends(void **state)
{
    (void)state;
    assert_true(bytes_starts_with(BYTES("mailto:x"), BYTES("mailto:")));
    assert_false(bytes_starts_with(BYTES("Mailto:x"), BYTES("mailto:")));
    assert_false(bytes_starts_with(BYTES("mail"), BYTES("mailto:")));
    assert_true(bytes_starts_with(BYTES("x"), BYTES("")));
    assert_true(bytes_starts_with_ignoring_case(BYTES("MailTo:x"), BYTES("mailto:")));
    assert_true(bytes_ends_with(BYTES("a.example"), BYTES(".example")));
    assert_false(bytes_ends_with(BYTES("a.exampl"), BYTES(".example")));
    assert_false(bytes_ends_with(BYTES("e"), BYTES("le")));
    assert_true(bytes_ends_with_ignoring_case(BYTES("a.EXAMPLE"), BYTES(".example")));
}

static void slices(void **state)
{
    (void)state;
    struct bytes word = BYTES("posthorn");
    assert_bytes(bytes_skip(word, 4), "horn");
    assert_bytes(bytes_skip(word, 8), "");
    assert_bytes(bytes_skip(bytes_of(NULL, 0), 0), "");
    assert_bytes(bytes_slice(word, 0, 4), "post");
    assert_bytes(bytes_slice(word, 4, 100), "horn");
    assert_bytes(bytes_slice(word, 100, 1), "");
    assert_bytes(bytes_slice(word, 1, SIZE_MAX), "osthorn");
}

static void finding(void **state)
{
    (void)state;
    struct bytes path = BYTES("a/b/c");
    assert_int_equal(bytes_find_char(path, '/'), 1);
    assert_int_equal(bytes_find_last_char(path, '/'), 3);
    assert_int_equal(bytes_find_char(path, 'x'), BYTES_NOT_FOUND);
    assert_int_equal(bytes_find_last_char(path, 'x'), BYTES_NOT_FOUND);
    assert_int_equal(bytes_find_last_char(path, 'a'), 0);
    assert_int_equal(bytes_find_char(bytes_of(NULL, 0), 'x'), BYTES_NOT_FOUND);
    assert_int_equal(bytes_find(path, BYTES("b/")), 2);
    assert_int_equal(bytes_find(path, BYTES("")), 0);
    assert_int_equal(bytes_find(path, BYTES("a/b/c/")), BYTES_NOT_FOUND);
    assert_int_equal(bytes_find(path, BYTES("c/")), BYTES_NOT_FOUND);
    assert_int_equal(bytes_find(bytes_of(NULL, 0), BYTES("x")), BYTES_NOT_FOUND);
    assert_true(bytes_has_char(path, 'c'));
    assert_false(bytes_has_char(path, 'd'));
}

static void trimming(void **state)
{
    (void)state;
    assert_bytes(bytes_trim(BYTES(" \t a b \r\n")), "a b");
    assert_bytes(bytes_trim(BYTES(" \t\r\n")), "");
    assert_bytes(bytes_trim_start(BYTES("  a ")), "a ");
    assert_bytes(bytes_trim_end(BYTES("  a ")), "  a");
    assert_bytes(bytes_trim(bytes_of(NULL, 0)), "");
}

static void splitting(void **state)
{
    (void)state;
    struct bytes head;
    struct bytes rest;
    assert_true(bytes_split(BYTES("key=a=b"), '=', &head, &rest));
    assert_bytes(head, "key");
    assert_bytes(rest, "a=b");
    assert_true(bytes_split(BYTES("key="), '=', &head, &rest));
    assert_bytes(rest, "");
    assert_false(bytes_split(BYTES("key"), '=', &head, &rest));
    assert_bytes(head, "key");
    assert_bytes(rest, "");
}

static void asking(void **state)
{
    (void)state;
    assert_true(bytes_is_ascii(BYTES("")));
    assert_true(bytes_is_ascii(BYTES("0123456789abcdef\x7F")));
    const char text[] = "0123456789abcdefghi";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        char copy[sizeof text];
        memcpy(copy, text, sizeof text);
        copy[i] = (char)0x80;
        assert_false(bytes_is_ascii(bytes_of(copy, sizeof text - 1)));
    }
    assert_false(bytes_has_line_break_or_nul(BYTES("a b\tc")));
    assert_true(bytes_has_line_break_or_nul(BYTES("a\r")));
    assert_true(bytes_has_line_break_or_nul(BYTES("\na")));
    assert_true(bytes_has_line_break_or_nul(BYTES("a\0b")));
    assert_false(bytes_has_control(BYTES("a b~\x80\xFF")));
    assert_true(bytes_has_control(BYTES("a\x1F")));
    assert_true(bytes_has_control(BYTES("\x7F")));
    assert_true(bytes_has_control(BYTES("a\tb")));
}

static void hexadecimal_digits(void **state)
{
    (void)state;
    const char digits[] = "0123456789abcdefABCDEF";
    for (int c = -1; c < 256; c++) {
        const char *found = c <= 0 ? NULL : strchr(digits, c);
        long index = found == NULL ? -1 : found - digits;
        assert_int_equal(bytes_hex_value(c), index > 15 ? index - 6 : index);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(comparing),
    cmocka_unit_test(from_strings),
    cmocka_unit_test(starts_and_ends),
    cmocka_unit_test(slices),
    cmocka_unit_test(finding),
    cmocka_unit_test(trimming),
    cmocka_unit_test(splitting),
    cmocka_unit_test(asking),
    cmocka_unit_test(hexadecimal_digits),
};

UNIT_MAIN(tests)
