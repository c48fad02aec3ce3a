/* Folding, and what the writer lets go. */
#include "mail/header_writer.h"

#include "base/auto.h"
#include "unit.h"

static void folds_at_78(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(10000);
    struct header_writer writer;
    header_writer_begin(&writer, &out, BYTES("Subject"));
    for (int i = 0; i < 40; i++)
        header_writer_word(&writer, BYTES(" "), BYTES("seven77"));
    assert_true(header_writer_end(&writer, NULL));
    struct bytes rest = buffer_bytes(&out);
    size_t lines = 0;
    while (rest.length > 0) {
        size_t end = bytes_find(rest, BYTES("\r\n"));
        assert_true(end <= HEADER_LINE_WISHED);
        /* None is shorter than it need be. */
        assert_true(end + 8 > HEADER_LINE_WISHED || end + 2 == rest.length);
        assert_true(lines == 0 || rest.data[0] == ' ');
        rest = bytes_skip(rest, end + 2);
        lines++;
    }
    assert_int_equal(lines, 5);
}

static void exactly_78(void **state)
{
    (void)state;
    char word[80];
    memset(word, 'x', sizeof word);
    for (size_t length = 74; length <= 76; length++) {
        AUTO(buffer)
        out = BUFFER(1000);
        struct header_writer writer;
        header_writer_begin(&writer, &out, BYTES("A"));
        header_writer_word(&writer, BYTES(" "), BYTES("b"));
        header_writer_word(&writer, BYTES("\t"), bytes_of(word, length - 2));
        assert_true(header_writer_end(&writer, NULL));
        bool is_folded = bytes_find(buffer_bytes(&out), BYTES("\r\n\t")) != BYTES_NOT_FOUND;
        assert_int_equal(is_folded, length - 2 + 5 > 78);
    }
}

/* A long first word stays on the first line, unless that would be too long for any. */
static void first_words(void **state)
{
    (void)state;
    char word[HEADER_LINE_MAX + 1];
    memset(word, 'x', sizeof word);
    AUTO(buffer)
    out = BUFFER(10000);
    struct header_writer writer;
    header_writer_begin(&writer, &out, BYTES("Name"));
    header_writer_word(&writer, BYTES(" "), bytes_of(word, 500));
    header_writer_word(&writer, BYTES(" "), BYTES("y"));
    assert_true(header_writer_end(&writer, NULL));
    assert_int_equal(bytes_find(buffer_bytes(&out), BYTES("\r\n y")), 506);

    buffer_reset(&out);
    header_writer_begin(&writer, &out, BYTES("Name"));
    header_writer_word(&writer, BYTES(" "), bytes_of(word, HEADER_LINE_MAX - 1));
    assert_true(header_writer_end(&writer, NULL));
    assert_int_equal(bytes_find(buffer_bytes(&out), BYTES("\r\n")), 5);

    buffer_reset(&out);
    buffer_append_string(&out, "Before: x\r\n");
    struct fault fault;
    header_writer_begin(&writer, &out, BYTES("Name"));
    header_writer_word(&writer, BYTES(" "), bytes_of(word, HEADER_LINE_MAX));
    assert_false(header_writer_end(&writer, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_bytes(buffer_bytes(&out), "Before: x\r\n");
}

static void nothing_gets_in(void **state)
{
    (void)state;
    static const struct bytes words[] = {
        BYTES_INIT("a\r\nBcc: x@y"), BYTES_INIT("a\nb"),       BYTES_INIT("a\rb"),
        BYTES_INIT("\r\n"),          BYTES_INIT("a\0b"),       BYTES_INIT("a\r\n"),
        BYTES_INIT("\r\n\r\nbody"),  BYTES_INIT("a\r\n \r\n"),
    };
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        AUTO(buffer)
        out = BUFFER(1000);
        struct header_writer writer;
        struct fault fault;
        header_writer_begin(&writer, &out, BYTES("Subject"));
        header_writer_word(&writer, BYTES(" "), words[i]);
        assert_false(header_writer_end(&writer, &fault));
        assert_int_equal(fault.kind, FAULT_SYNTAX);
        assert_int_equal(out.length, 0);
    }
    static const struct bytes names[] = {BYTES_INIT(""), BYTES_INIT("a b"), BYTES_INIT("a\r\nb"),
                                         BYTES_INIT("\xc3\xa4"), BYTES_INIT("a\0")};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        AUTO(buffer)
        out = BUFFER(1000);
        struct header_writer writer;
        header_writer_begin(&writer, &out, names[i]);
        header_writer_word(&writer, BYTES(" "), BYTES("x"));
        assert_false(header_writer_end(&writer, NULL));
        assert_int_equal(out.length, 0);
    }
}

static void a_failed_buffer_shows(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(10);
    struct header_writer writer;
    struct fault fault;
    header_writer_begin(&writer, &out, BYTES("Subject"));
    header_writer_word(&writer, BYTES(" "), BYTES("too long for it"));
    assert_false(header_writer_end(&writer, &fault));
    assert_int_not_equal(fault.kind, FAULT_NONE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(folds_at_78),           cmocka_unit_test(exactly_78),
    cmocka_unit_test(first_words),           cmocka_unit_test(nothing_gets_in),
    cmocka_unit_test(a_failed_buffer_shows),
};

UNIT_MAIN(tests)
