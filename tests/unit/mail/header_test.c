/* Raw header sections, good and bad. */
#include "mail/header.h"

#include "base/auto.h"
#include "unit.h"

static void fields_one_by_one(void **state)
{
    (void)state;
    struct bytes rest =
        BYTES("From: a@b\r\nTo: c@d,\r\n\te@f\r\nX-Empty:\r\nOld \t: x\r\nno field\r\n"
              " at all\r\nLast: y");
    struct header_field field;
    assert_true(header_next(&rest, &field));
    assert_bytes(field.name, "From");
    assert_bytes(field.value, " a@b");
    assert_bytes(field.raw, "From: a@b\r\n");
    assert_true(header_next(&rest, &field));
    assert_bytes(field.name, "To");
    assert_bytes(field.value, " c@d,\r\n\te@f");
    assert_bytes(field.raw, "To: c@d,\r\n\te@f\r\n");
    assert_true(header_next(&rest, &field));
    assert_bytes(field.name, "X-Empty");
    assert_bytes(field.value, "");
    /* RFC 5322 4.5: blanks before the colon */
    assert_true(header_next(&rest, &field));
    assert_bytes(field.name, "Old");
    assert_bytes(field.value, " x");
    assert_true(header_next(&rest, &field));
    assert_bytes(field.name, "");
    assert_bytes(field.raw, "no field\r\n at all\r\n");
    assert_true(header_next(&rest, &field));
    assert_bytes(field.name, "Last");
    assert_bytes(field.value, " y");
    assert_false(header_next(&rest, &field));
    assert_int_equal(rest.length, 0);
}

/* What becomes a line on its way out is a line here: a Bcc behind a bare CR is a Bcc. */
static void every_line_end(void **state)
{
    (void)state;
    struct bytes rest = BYTES("A: 1\nB: 2\rBcc: 3\r\nC: 4\r\r\nD: 5");
    static const char *const names[] = {"A", "B", "Bcc", "C"};
    struct header_field field;
    for (size_t i = 0; i < 4; i++) {
        assert_true(header_next(&rest, &field));
        assert_true(bytes_equal(field.name, bytes_from_string(names[i])));
        assert_int_equal(field.value.length, 2);
    }
    /* "\r\r\n" is a line and an empty one. */
    assert_false(header_next(&rest, &field));
    assert_bytes(rest, "\r\nD: 5");
}

static void names_that_fields_can_have(void **state)
{
    (void)state;
    assert_true(header_name_is_valid(BYTES("X-Any!#$%&'*+-.^_`|~0")));
    static const char *const invalid[] = {"", "a b", "a:", "a\t", "a\r\nb", "\xc3\xa4", "a\177"};
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        assert_false(header_name_is_valid(bytes_from_string(invalid[i])));
}

struct split_case {
    const char *message;
    const char *section;
    const char *body;
};

static void sections_and_bodies(void **state)
{
    (void)state;
    static const struct split_case cases[] = {
        {"A: b\r\n\r\nbody\r\n", "A: b\r\n", "body\r\n"},
        {"A: b\n\nbody\n\nmore", "A: b\n", "body\n\nmore"},
        {"A: b\r\rbody", "A: b\r", "body"},
        {"A: b\n c\n\n", "A: b\n c\n", ""},
        {"A: b", "A: b", ""},
        {"A: b\n", "A: b\n", ""},
        {"\nbody", "", "body"},
        {"no header\nat: all\n", "", "no header\nat: all\n"},
        {" starts with a blank: x\n", "", " starts with a blank: x\n"},
        {"A: b\nbroken\nBcc: c\n\nbody", "A: b\nbroken\nBcc: c\n", "body"},
        {"", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes message = bytes_from_string(cases[i].message);
        struct bytes section;
        struct bytes body;
        assert_true(header_split(message, true, &section, &body));
        assert_true(bytes_equal(section, bytes_from_string(cases[i].section)));
        assert_true(bytes_equal(body, bytes_from_string(cases[i].body)));
        /* In pieces: once it says yes, more does not change the answer. */
        for (size_t length = 0; length < message.length; length++) {
            struct bytes early;
            if (!header_split(bytes_slice(message, 0, length), false, &early, &body))
                continue;
            assert_true(bytes_equal(early, section));
        }
    }
}

static void a_field_by_its_name(void **state)
{
    (void)state;
    struct header_field field;
    struct bytes section = BYTES("A: 1\r\nSubject: x\r\nSUBJECT: y\r\n");
    assert_true(header_find(section, BYTES("subject"), &field));
    assert_bytes(field.value, " x");
    assert_false(header_find(section, BYTES("Subj"), &field));
}

static void unfolding(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(100);
    header_unfold(BYTES(" a,\r\n\tb,\n c,\r d \r\n"), &out);
    assert_bytes(buffer_bytes(&out), "a,\tb, c, d");
    buffer_reset(&out);
    header_append_lines(BYTES("a\nb\rc\r\nd"), &out);
    assert_bytes(buffer_bytes(&out), "a\r\nb\r\nc\r\nd\r\n");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(fields_one_by_one),   cmocka_unit_test(every_line_end),
    cmocka_unit_test(sections_and_bodies), cmocka_unit_test(names_that_fields_can_have),
    cmocka_unit_test(a_field_by_its_name), cmocka_unit_test(unfolding),
};

UNIT_MAIN(tests)
