/* Encodings: the choice, the rules of RFC 2045 6.7, and pieces of any size. */
#include "mail/transfer_encoding.h"

#include "base/auto.h"
#include "unit.h"

static enum transfer_encoding choose(struct bytes text, bool eight_bit)
{
    struct transfer_analysis analysis = {0};
    transfer_encoding_analyse(&analysis, text);
    return transfer_encoding_choose(&analysis, eight_bit);
}

static void choices(void **state)
{
    (void)state;
    assert_int_equal(choose(BYTES(""), false), TRANSFER_7BIT);
    assert_int_equal(choose(BYTES("plain\r\n"), false), TRANSFER_7BIT);
    assert_int_equal(choose(BYTES("a few \xc3\xb6 among many letters\r\n"), true), TRANSFER_8BIT);
    assert_int_equal(choose(BYTES("a few \xc3\xb6 among many letters\r\n"), false),
                     TRANSFER_QUOTED_PRINTABLE);
    assert_int_equal(choose(BYTES("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe6\x97\xa5\r\n"), false),
                     TRANSFER_BASE64);
    assert_int_equal(choose(BYTES("nul \0 in text that is otherwise plain"), true),
                     TRANSFER_QUOTED_PRINTABLE);
    char line[TRANSFER_LINE_MAX + 1];
    memset(line, 'x', sizeof line);
    assert_int_equal(choose(bytes_of(line, TRANSFER_LINE_MAX), false), TRANSFER_7BIT);
    assert_int_equal(choose(bytes_of(line, TRANSFER_LINE_MAX + 1), true),
                     TRANSFER_QUOTED_PRINTABLE);
    line[500] = '\n';
    assert_int_equal(choose(bytes_of(line, TRANSFER_LINE_MAX + 1), false), TRANSFER_7BIT);
}

static void encode(enum transfer_encoding encoding, struct bytes text, size_t piece,
                   struct buffer *out)
{
    struct transfer_encoder encoder;
    buffer_reset(out);
    transfer_encoding_begin(&encoder, encoding);
    for (size_t start = 0; start < text.length; start += piece)
        transfer_encoding_feed(&encoder, bytes_slice(text, start, piece), out);
    transfer_encoding_finish(&encoder, out);
    assert_false(buffer_is_failed(out));
}

struct encoding_case {
    struct bytes in;
    struct bytes out;
};

static void check_all_pieces(enum transfer_encoding encoding, const struct encoding_case *cases,
                             size_t count)
{
    AUTO(buffer)
    out = BUFFER(10000);
    for (size_t i = 0; i < count; i++) {
        for (size_t piece = 1; piece <= cases[i].in.length + 1; piece++) {
            encode(encoding, cases[i].in, piece, &out);
            if (!bytes_equal(buffer_bytes(&out), cases[i].out))
                fail_msg("case %zu in pieces of %zu: %s", i, piece, buffer_string(&out));
        }
        assert_int_equal(transfer_encoding_length(encoding, cases[i].in), cases[i].out.length);
    }
}

static void quoted_printable(void **state)
{
    (void)state;
    static const struct encoding_case cases[] = {
        {BYTES_INIT(""), BYTES_INIT("")},
        {BYTES_INIT("plain"), BYTES_INIT("plain")},
        {BYTES_INIT("1=2"), BYTES_INIT("1=3D2")},
        {BYTES_INIT("\xc3\xa4\r\n"), BYTES_INIT("=C3=A4\r\n")},
        {BYTES_INIT("a\nb\rc\r\nd"), BYTES_INIT("a\r\nb\r\nc\r\nd")},
        {BYTES_INIT("\r\r\n\n"), BYTES_INIT("\r\n\r\n\r\n")},
        {BYTES_INIT("end \nend\t\r\nend "), BYTES_INIT("end=20\r\nend=09\r\nend=20")},
        {BYTES_INIT("a  b \t c"), BYTES_INIT("a  b \t c")},
        {BYTES_INIT("a  \n"), BYTES_INIT("a =20\r\n")},
        {BYTES_INIT("\0\x7f\x1b"), BYTES_INIT("=00=7F=1B")},
        {BYTES_INIT("123456789012345678901234567890123456789012345678901234567890123456789012345"
                    "6789"),
         BYTES_INIT("123456789012345678901234567890123456789012345678901234567890123456789012345"
                    "=\r\n6789")},
        {BYTES_INIT("1234567890123456789012345678901234567890123456789012345678901234567890123"
                    "\xc3\xa4"),
         BYTES_INIT("1234567890123456789012345678901234567890123456789012345678901234567890123"
                    "=\r\n=C3=A4")},
    };
    check_all_pieces(TRANSFER_QUOTED_PRINTABLE, cases, sizeof cases / sizeof *cases);
}

static void text_with_crlf(void **state)
{
    (void)state;
    static const struct encoding_case cases[] = {
        {BYTES_INIT(""), BYTES_INIT("")},
        {BYTES_INIT("a\nb\rc\r\nd"), BYTES_INIT("a\r\nb\r\nc\r\nd")},
        {BYTES_INIT("\r\r\n\n\n"), BYTES_INIT("\r\n\r\n\r\n\r\n")},
        {BYTES_INIT("a\r\n"), BYTES_INIT("a\r\n")},
        {BYTES_INIT("\n\r"), BYTES_INIT("\r\n\r\n")},
    };
    check_all_pieces(TRANSFER_8BIT, cases, sizeof cases / sizeof *cases);
    check_all_pieces(TRANSFER_7BIT, cases, sizeof cases / sizeof *cases);
}

static void base64(void **state)
{
    (void)state;
    static const struct encoding_case cases[] = {
        {BYTES_INIT(""), BYTES_INIT("")},
        {BYTES_INIT("a"), BYTES_INIT("YQ==\r\n")},
        {BYTES_INIT("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcde"),
         BYTES_INIT("YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5emFiY2Rl"
                    "\r\n")},
        {BYTES_INIT("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdef"),
         BYTES_INIT("YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5emFiY2Rl"
                    "\r\nZg==\r\n")},
    };
    check_all_pieces(TRANSFER_BASE64, cases, sizeof cases / sizeof *cases);
}

static void as_it_is(void **state)
{
    (void)state;
    static const struct encoding_case cases[] = {
        {BYTES_INIT("a\nb\r\0\xff"), BYTES_INIT("a\nb\r\0\xff")},
    };
    check_all_pieces(TRANSFER_AS_IS, cases, 1);
}

/* Every byte, on lines of every length: no line too long, no blank at an end, the length as said.
 */
static void quoted_lines(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(100000);
    AUTO(buffer)
    out = BUFFER(400000);
    for (unsigned i = 0; i < 50000; i++)
        buffer_append_char(&text, (char)(i * 7919u >> 3));
    encode(TRANSFER_QUOTED_PRINTABLE, buffer_bytes(&text), 1000, &out);
    assert_int_equal(transfer_encoding_length(TRANSFER_QUOTED_PRINTABLE, buffer_bytes(&text)),
                     out.length);
    struct bytes rest = buffer_bytes(&out);
    while (rest.length > 0) {
        size_t end = bytes_find(rest, BYTES("\r\n"));
        struct bytes line = bytes_slice(rest, 0, end);
        assert_true(line.length <= TRANSFER_QUOTED_LINE_MAX);
        assert_true(bytes_trim_end(line).length == line.length);
        assert_true(bytes_is_ascii(line));
        rest = bytes_skip(rest, end == BYTES_NOT_FOUND ? rest.length : end + 2);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(choices), cmocka_unit_test(quoted_printable), cmocka_unit_test(text_with_crlf),
    cmocka_unit_test(base64),  cmocka_unit_test(as_it_is),         cmocka_unit_test(quoted_lines),
};

UNIT_MAIN(tests)
