/* Encoded words: the examples of RFC 2047, round trips, and limits. */
#include "mail/encoded_word.h"

#include "base/auto.h"
#include "base/utf8.h"
#include "mail/header.h"
#include "unit.h"

struct text_case {
    const char *in;
    const char *out;
};

static void decoding(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        /* RFC 2047 8 */
        {"=?ISO-8859-1?Q?a?=", "a"},
        {"=?ISO-8859-1?Q?a?= b", "a b"},
        {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"},
        {"=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"},
        {"=?ISO-8859-1?Q?a_b?=", "a b"},
        {"=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?_b?=", "a b"},
        {"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"},
        {"=?ISO-8859-1?Q?Andr=E9?= Pirard", "André Pirard"},
        {"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"},
        {"=?utf-8?q?=e2=82=ac?=", "€"},
        {"=?UTF-8*de?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"},
        /* What is none stays. */
        {"=?X-UNKNOWN?Q?a?=", "=?X-UNKNOWN?Q?a?="},
        {"=?UTF-8?X?a?=", "=?UTF-8?X?a?="},
        {"=?UTF-8?Q?=4?=", "=?UTF-8?Q?=4?="},
        {"=?UTF-8?Q?=FF?=", "=?UTF-8?Q?=FF?="},
        {"=?UTF-8?B?a?=", "=?UTF-8?B?a?="},
        {"=?UTF-8?Q?a", "=?UTF-8?Q?a"},
        {"=?=", "=?="},
        {"=?"
         "?=",
         "=?"
         "?="},
        {"a=?UTF-8?Q?b?=", "a=?UTF-8?Q?b?="},
        {"plain  text", "plain  text"},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        AUTO(buffer)
        out = BUFFER(1000);
        encoded_word_decode_text(bytes_from_string(cases[i].in), &out);
        if (!bytes_equal(buffer_bytes(&out), bytes_from_string(cases[i].out)))
            fail_msg("%s: %s", cases[i].in, buffer_string(&out));
    }
}

static void write(struct buffer *out, const char *text, bool allow_utf8)
{
    struct header_writer writer;
    buffer_reset(out);
    header_writer_begin(&writer, out, BYTES("Subject"));
    encoded_word_write_text(&writer, bytes_from_string(text), allow_utf8);
    struct fault fault = {0};
    if (!header_writer_end(&writer, &fault))
        fail_msg("%s", fault.message);
}

static void encoding(void **state)
{
    (void)state;
    static const struct text_case cases[] = {
        {"plain text", "Subject: plain text\r\n"},
        {"two  blanks\tand tab", "Subject: two  blanks\tand tab\r\n"},
        {"", "Subject:\r\n"},
        {"trailing ", "Subject: trailing\r\n"},
        {"é", "Subject: =?UTF-8?B?w6k=?=\r\n"},
        {"Andr\xc3\xa9 Pirard", "Subject: =?UTF-8?B?QW5kcsOp?= Pirard\r\n"},
        {"Überraschungsparty", "Subject: =?UTF-8?Q?=C3=9Cberraschungsparty?=\r\n"},
        {"tab\tä\tb", "Subject: tab\t=?UTF-8?B?w6Q=?=\tb\r\n"},
        {"日本語", "Subject: =?UTF-8?B?5pel5pys6Kqe?=\r\n"},
        /* Neighbours are one text, with the blank between them. */
        {"ä ö x", "Subject: =?UTF-8?B?w6Qgw7Y=?= x\r\n"},
        /* What looks like one is encoded, so that it comes out as it went in. */
        {"=?UTF-8?Q?a?=", "Subject: =?UTF-8?B?PT9VVEYtOD9RP2E/PQ==?=\r\n"},
        {"a=?b", "Subject: =?UTF-8?Q?a=3D=3Fb?=\r\n"},
    };
    AUTO(buffer)
    out = BUFFER(10000);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write(&out, cases[i].in, false);
        assert_string_equal(buffer_string(&out), cases[i].out);
    }
    write(&out, "Grüße =?x", true);
    assert_string_equal(buffer_string(&out), "Subject: Grüße =?UTF-8?B?PT94?=\r\n");
}

/* Every line at most 76, every word at most 75 and whole characters in each. */
static void check_lines(struct bytes field)
{
    while (field.length > 0) {
        size_t end = bytes_find(field, BYTES("\r\n"));
        struct bytes line = bytes_slice(field, 0, end);
        field = bytes_skip(field, end + 2);
        assert_true(line.length <= HEADER_LINE_ENCODED_WORD);
        size_t start = bytes_find(line, BYTES("=?"));
        while (start != BYTES_NOT_FOUND) {
            AUTO(buffer)
            decoded = BUFFER(200);
            struct bytes word = bytes_skip(line, start);
            struct bytes rest;
            bytes_split(word, ' ', &word, &rest);
            assert_true(word.length <= ENCODED_WORD_MAX);
            assert_true(encoded_word_decode(word, &decoded));
            assert_true(utf8_is_valid(buffer_bytes(&decoded)));
            line = rest;
            start = bytes_find(line, BYTES("=?"));
        }
    }
}

static void round_trips(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Grüße aus München und noch viel mehr Text, der über die Zeile hinausgeht und weiter",
        "日本語の件名がとても長いので、何行かに分けなければなりません。まだ続きます、もう少し。",
        "éééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééééé",
        "😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaä",
        "one ä two ö three ü =?four?= five",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        AUTO(buffer)
        out = BUFFER(10000);
        AUTO(buffer)
        unfolded = BUFFER(10000);
        AUTO(buffer)
        decoded = BUFFER(10000);
        write(&out, texts[i], false);
        assert_true(bytes_is_ascii(buffer_bytes(&out)));
        check_lines(buffer_bytes(&out));
        header_unfold(bytes_skip(buffer_bytes(&out), 8), &unfolded);
        encoded_word_decode_text(buffer_bytes(&unfolded), &decoded);
        assert_string_equal(buffer_string(&decoded), texts[i]);
    }
}

/* A word that no line can hold is made one of several. */
static void long_words(void **state)
{
    (void)state;
    char text[3001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    AUTO(buffer)
    out = BUFFER(10000);
    AUTO(buffer)
    unfolded = BUFFER(10000);
    AUTO(buffer)
    decoded = BUFFER(10000);
    write(&out, text, true);
    check_lines(buffer_bytes(&out));
    header_unfold(bytes_skip(buffer_bytes(&out), 8), &unfolded);
    encoded_word_decode_text(buffer_bytes(&unfolded), &decoded);
    assert_string_equal(buffer_string(&decoded), text);
    text[ENCODED_WORD_PLAIN_MAX] = '\0';
    write(&out, text, false);
    assert_true(bytes_find(buffer_bytes(&out), BYTES("=?")) == BYTES_NOT_FOUND);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(decoding),
    cmocka_unit_test(encoding),
    cmocka_unit_test(round_trips),
    cmocka_unit_test(long_words),
};

UNIT_MAIN(tests)
