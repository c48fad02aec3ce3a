/* Lines by all three ends, whole and in pieces, and without end. */
#include "mail/text_line.h"

#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "unit.h"

/* The lines of a text that comes in pieces of `size`, each with "|" behind it when it has an end.
 */
static void take_all(struct bytes text, size_t size, struct buffer *out)
{
    bool is_behind_cr = false;
    for (size_t start = 0; start < text.length; start += size) {
        struct bytes piece = bytes_slice(text, start, size);
        struct bytes line;
        bool has_end;
        while (text_line_take(&piece, &line, &has_end, &is_behind_cr)) {
            buffer_append(out, line);
            if (has_end)
                buffer_append_char(out, '|');
        }
        assert_int_equal(piece.length, 0);
    }
}

static void ends(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *lines;
    } cases[] = {
        {"", ""},
        {"a", "a"},
        {"a\nb\r\nc\rd", "a|b|c|d"},
        {"\r\r\n\n\n", "||||"},
        {"\n\r", "||"},
        {"\r\n\r\n", "||"},
        {"a\r\n", "a|"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t size = 1; size < 12; size++) {
            AUTO(buffer)
            out = BUFFER(100);
            take_all(bytes_from_string(cases[i].text), size, &out);
            if (!bytes_equal(buffer_bytes(&out), bytes_from_string(cases[i].lines)))
                fail_msg("case %zu in pieces of %zu: %s", i, size, buffer_string(&out));
        }
    }
}

/* Lines around the size of what is looked through at a time. */
static void long_lines(void **state)
{
    (void)state;
    static const char *const line_ends[] = {"\n", "\r", "\r\n"};
    char text[1000];
    for (size_t length = 250; length < 520; length++) {
        for (size_t i = 0; i < 3; i++) {
            memset(text, 'x', length);
            strcpy(text + length, line_ends[i]);
            strcat(text, "y");
            struct bytes rest = bytes_from_string(text);
            struct bytes line;
            bool has_end;
            bool is_behind_cr = false;
            assert_true(text_line_take(&rest, &line, &has_end, &is_behind_cr));
            assert_int_equal(line.length, length);
            assert_true(has_end);
            assert_bytes(rest, "y");
        }
    }
}

/* A megabyte of line ends of one kind takes no time: the others are not looked for to the end. */
static void many_lines(void **state)
{
    (void)state;
    size_t length = 1 << 20;
    char *text = malloc(length);
    assert_non_null(text);
    for (int i = 0; i < 2; i++) {
        memset(text, "\r\n"[i], length);
        struct bytes rest = bytes_of(text, length);
        struct bytes line;
        bool has_end;
        bool is_behind_cr = false;
        size_t count = 0;
        while (text_line_take(&rest, &line, &has_end, &is_behind_cr))
            count++;
        assert_int_equal(count, length);
    }
    free(text);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(ends),
    cmocka_unit_test(long_lines),
    cmocka_unit_test(many_lines),
};

UNIT_MAIN(tests)
