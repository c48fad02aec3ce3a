/* The pieces of IMAP responses. */
#include "unit.h"

#include <stdlib.h>

#include "imap/imap_object_id.h"
#include "imap/imap_write.h"

enum {
    OUT_MAX = 64 * 1024
};

static void expect(struct buffer *out, const char *expected)
{
    assert_false(buffer_is_failed(out));
    assert_string_equal(buffer_string(out), expected);
    buffer_reset(out);
}

static void numbers_are_decimal(void **state)
{
    static const struct {
        uint64_t number;
        const char *text;
    } cases[] = {
        {0, "0"},
        {9, "9"},
        {10, "10"},
        {99, "99"},
        {100, "100"},
        {101, "101"},
        {1234567, "1234567"},
        {4294967295, "4294967295"},
        {UINT64_MAX, "18446744073709551615"},
    };
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        imap_write_number(&out, cases[i].number);
        expect(&out, cases[i].text);
    }
}

static void strings_are_quoted_or_literals(void **state)
{
    static const struct {
        struct bytes text;
        bool is_utf8;
        const char *written;
    } cases[] = {
        {BYTES_INIT(""), false, "\"\""},
        {BYTES_INIT("two words"), false, "\"two words\""},
        {BYTES_INIT("a\"b\\c"), false, "\"a\\\"b\\\\c\""},
        {BYTES_INIT("a\r\nb"), false, "{4}\r\na\r\nb"},
        {BYTES_INIT("a\nb"), true, "{3}\r\na\nb"},
        {BYTES_INIT("gr\xc3\xbc\xc3\x9f"), false, "{6}\r\ngr\xc3\xbc\xc3\x9f"},
        {BYTES_INIT("gr\xc3\xbc\xc3\x9f"), true, "\"gr\xc3\xbc\xc3\x9f\""},
        {BYTES_INIT("gr\xfc"), true, "{3}\r\ngr\xfc"},
        {BYTES_INIT("a\0b"), true,
         "{3}\r\na\x80"
         "b"},
        {BYTES_INIT("tab\there"), false, "\"tab\there\""},
        {BYTES_INIT("NIL"), false, "\"NIL\""},
    };
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        imap_write_string(&out, cases[i].text, cases[i].is_utf8);
        expect(&out, cases[i].written);
        imap_write_nstring(&out, cases[i].text, cases[i].is_utf8);
        expect(&out, cases[i].written);
    }
    imap_write_nstring(&out, (struct bytes){NULL, 0}, false);
    expect(&out, "NIL");
}

static void long_strings_are_literals(void **state)
{
    char text[IMAP_WRITE_QUOTED_MAX + 1];
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    memset(text, 'x', sizeof text);
    imap_write_string(&out, bytes_of(text, IMAP_WRITE_QUOTED_MAX), false);
    assert_int_equal(out.length, IMAP_WRITE_QUOTED_MAX + 2);
    buffer_reset(&out);
    imap_write_string(&out, bytes_of(text, sizeof text), false);
    assert_true(bytes_starts_with(buffer_bytes(&out), BYTES("{1001}\r\nx")));
    assert_int_equal(out.length, sizeof text + 8);
}

static void astrings_are_atoms_where_they_can_be(void **state)
{
    static const struct {
        struct bytes text;
        const char *written;
    } cases[] = {
        {BYTES_INIT("INBOX"), "INBOX"},
        {BYTES_INIT("a/b.c]&-"), "a/b.c]&-"},
        {BYTES_INIT(""), "\"\""},
        {BYTES_INIT("nil"), "\"nil\""},
        {BYTES_INIT("two words"), "\"two words\""},
        {BYTES_INIT("a(b"), "\"a(b\""},
        {BYTES_INIT("a%"), "\"a%\""},
        {BYTES_INIT("a*"), "\"a*\""},
        {BYTES_INIT("a{b"), "\"a{b\""},
        {BYTES_INIT("a\\b"), "\"a\\\\b\""},
        {BYTES_INIT("a\x7f"), "\"a\x7f\""},
        {BYTES_INIT("\xc3\xbc"), "\"\xc3\xbc\""},
    };
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        imap_write_astring(&out, cases[i].text, true);
        expect(&out, cases[i].written);
    }
}

static void mailboxes_are_astrings(void **state)
{
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    imap_write_mailbox(&out, BYTES("INBOX"), false);
    expect(&out, "INBOX");
    imap_write_mailbox(&out, BYTES("Entw\xc3\xbcrfe/two words"), false);
    expect(&out, "\"Entw&APw-rfe/two words\"");
    imap_write_mailbox(&out, BYTES("Entw\xc3\xbcrfe"), true);
    expect(&out, "\"Entw\xc3\xbcrfe\"");
    imap_write_mailbox(&out, BYTES("a&b"), false);
    expect(&out, "a&-b");
}

static void literals_have_heads(void **state)
{
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    imap_write_literal_head(&out, 0);
    imap_write_literal8_head(&out, 52428800);
    expect(&out, "{0}\r\n~{52428800}\r\n");
}

static void nul_is_replaced_from_a_place_on(void **state)
{
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    imap_write_without_nul(&out, 0);
    buffer_append(&out, BYTES("xa\0b\0\0c\0"));
    imap_write_without_nul(&out, 3);
    assert_true(bytes_equal(buffer_bytes(&out), BYTES("xa\0b\x80\x80"
                                                      "c\x80")));
    imap_write_without_nul(&out, out.length);
    imap_write_without_nul(&out, 0);
    expect(&out, "xa\x80"
                 "b\x80\x80"
                 "c\x80");
}

static void dates_are_told_in_utc(void **state)
{
    static const struct {
        int64_t time;
        const char *text;
    } cases[] = {
        {0, "\"01-Jan-1970 00:00:00 +0000\""},
        {INT64_C(837596665123456), "\"17-Jul-1996 09:44:25 +0000\""},
        {INT64_C(951782399999999), "\"28-Feb-2000 23:59:59 +0000\""},
        {INT64_C(951782400000000), "\"29-Feb-2000 00:00:00 +0000\""},
        {INT64_C(-1), "\"31-Dec-1969 23:59:59 +0000\""},
        {INT64_MIN, "\"01-Jan-1900 00:00:00 +0000\""},
        {INT64_MAX, "\"31-Dec-9999 23:59:59 +0000\""},
    };
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        imap_write_date(&out, cases[i].time);
        expect(&out, cases[i].text);
    }
}

static void flags_have_names(void **state)
{
    static const struct bytes keywords[] = {BYTES_INIT("$Forwarded"), BYTES_INIT(""),
                                            BYTES_INIT("work")};
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    (void)state;
    imap_write_flags(&out, 0, false, keywords, 3);
    expect(&out, "()");
    imap_write_flags(&out, 1, false, keywords, 3);
    expect(&out, "(\\Seen)");
    imap_write_flags(&out, 31, true, keywords, 3);
    expect(&out, "(\\Seen \\Answered \\Flagged \\Deleted \\Draft \\Recent)");
    imap_write_flags(&out, 2 | 7 << 8, true, keywords, 3);
    expect(&out, "(\\Answered \\Recent $Forwarded work)");
    imap_write_flags(&out, 2 << 8, false, keywords, 3);
    expect(&out, "()");
    imap_write_flags(&out, (uint64_t)1 << 61 | 4 << 8, false, keywords, 3);
    expect(&out, "(work)");
    imap_write_flags(&out, (uint64_t)1 << 8, false, NULL, 0);
    expect(&out, "()");
}

static void object_ids_go_both_ways(void **state)
{
    static const struct bytes broken[] = {
        BYTES_INIT(""),
        BYTES_INIT("M"),
        BYTES_INIT("M123"),
        BYTES_INIT("F0123456789abcdef"),
        BYTES_INIT("M0123456789abcdeF"),
        BYTES_INIT("M0123456789abcdeg"),
        BYTES_INIT("M0123456789abcdef0"),
        BYTES_INIT("Mf123456789abcdef"),
    };
    AUTO(buffer)
    out = BUFFER(OUT_MAX);
    int64_t id = 7;
    (void)state;
    imap_write_object_id(&out, 'M', INT64_C(0x0123456789abcdef));
    assert_true(imap_object_id_read(buffer_bytes(&out), 'M', &id));
    assert_true(id == INT64_C(0x0123456789abcdef));
    expect(&out, "M0123456789abcdef");
    imap_write_object_id(&out, 'F', 0);
    expect(&out, "F0000000000000000");
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_false(imap_object_id_read(broken[i], 'M', &id));
    assert_true(id == INT64_C(0x0123456789abcdef));
}

static void a_full_buffer_fails_and_stays_sound(void **state)
{
    (void)state;
    for (size_t limit = 0; limit < 40; limit++) {
        AUTO(buffer)
        out = BUFFER(limit);
        imap_write_number(&out, 12345);
        imap_write_string(&out, BYTES("a\"b"), true);
        imap_write_string(&out, BYTES("a\0b"), true);
        imap_write_flags(&out, 31, true, NULL, 0);
        imap_write_date(&out, 0);
        imap_write_object_id(&out, 'M', 1);
        assert_true(buffer_is_failed(&out));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(strings_are_quoted_or_literals),
        cmocka_unit_test(long_strings_are_literals),
        cmocka_unit_test(astrings_are_atoms_where_they_can_be),
        cmocka_unit_test(mailboxes_are_astrings),
        cmocka_unit_test(literals_have_heads),
        cmocka_unit_test(nul_is_replaced_from_a_place_on),
        cmocka_unit_test(dates_are_told_in_utc),
        cmocka_unit_test(flags_have_names),
        cmocka_unit_test(object_ids_go_both_ways),
        cmocka_unit_test(a_full_buffer_fails_and_stays_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
