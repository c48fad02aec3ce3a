/* Taking things off a span. */
#include "base/scan.h"

#include "unit.h"

static void a_command_line(void **state)
{
    (void)state;
    struct scan scan = scan_of(BYTES("mail FROM:<a@b> SIZE=1024"));
    assert_true(scan_take_literal_ignoring_case(&scan, BYTES("MAIL FROM:")));
    assert_false(scan_take_char(&scan, '['));
    assert_true(scan_take_char(&scan, '<'));
    assert_bytes(scan_take_until_char(&scan, '>'), "a@b");
    assert_int_equal(scan_peek(&scan), '>');
    assert_int_equal(scan_take(&scan), '>');
    assert_bytes(scan_take_while(&scan, &scan_blanks), " ");
    assert_false(scan_take_literal(&scan, BYTES("size=")));
    assert_true(scan_take_literal(&scan, BYTES("SIZE=")));
    uint64_t size = 0;
    assert_true(scan_take_number(&scan, UINT64_MAX, &size));
    assert_int_equal(size, 1024);
    assert_true(scan_is_at_end(&scan));
}

static void the_end(void **state)
{
    (void)state;
    struct scan scans[] = {scan_of(bytes_of(NULL, 0)), scan_of(BYTES(""))};
    for (size_t i = 0; i < 2; i++) {
        struct bytes taken;
        uint64_t number;
        assert_true(scan_is_at_end(&scans[i]));
        assert_int_equal(scan_peek(&scans[i]), -1);
        assert_int_equal(scan_take(&scans[i]), -1);
        assert_false(scan_take_char(&scans[i], '\0'));
        assert_false(scan_take_literal(&scans[i], BYTES("x")));
        assert_true(scan_take_literal(&scans[i], BYTES("")));
        assert_bytes(scan_take_while(&scans[i], &scan_printable), "");
        assert_bytes(scan_take_until_char(&scans[i], 'x'), "");
        assert_false(scan_take_count(&scans[i], 1, &taken));
        assert_true(scan_take_count(&scans[i], 0, &taken));
        assert_false(scan_take_number(&scans[i], 10, &number));
        assert_int_equal(scan_rest(&scans[i]).length, 0);
    }
}

static void numbers_and_their_limit(void **state)
{
    (void)state;
    uint64_t number = 7;
    struct scan scan = scan_of(BYTES("101 rest"));
    assert_false(scan_take_number(&scan, 100, &number));
    assert_int_equal(number, 7);
    assert_bytes(scan_rest(&scan), "101 rest");
    assert_true(scan_take_number(&scan, 101, &number));
    assert_int_equal(number, 101);
    assert_bytes(scan_rest(&scan), " rest");
    scan = scan_of(BYTES("18446744073709551615"));
    assert_true(scan_take_number(&scan, UINT64_MAX, &number));
    assert_true(number == UINT64_MAX);
    scan = scan_of(BYTES("18446744073709551616"));
    assert_false(scan_take_number(&scan, UINT64_MAX, &number));
    scan = scan_of(BYTES("0000000000000000000000000000000000042"));
    assert_true(scan_take_number(&scan, 42, &number));
    assert_int_equal(number, 42);
    scan = scan_of(BYTES("-1"));
    assert_false(scan_take_number(&scan, UINT64_MAX, &number));
}

static void counts(void **state)
{
    (void)state;
    struct bytes taken;
    struct scan scan = scan_of(BYTES("abcde"));
    assert_true(scan_take_count(&scan, 3, &taken));
    assert_bytes(taken, "abc");
    assert_false(scan_take_count(&scan, 3, &taken));
    assert_bytes(taken, "abc");
    assert_bytes(scan_take_until_char(&scan, 'x'), "de");
}

static void classes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool is_digit = c >= '0' && c <= '9';
        bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        assert_int_equal(scan_digits.has[c], is_digit);
        assert_int_equal(scan_letters.has[c], is_letter);
        assert_int_equal(scan_letters_and_digits.has[c], is_digit || is_letter);
        assert_int_equal(scan_blanks.has[c], c == ' ' || c == '\t');
        assert_int_equal(scan_printable.has[c], c > 32 && c < 127);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_command_line),
    cmocka_unit_test(the_end),
    cmocka_unit_test(numbers_and_their_limit),
    cmocka_unit_test(counts),
    cmocka_unit_test(classes),
};

UNIT_MAIN(tests)
