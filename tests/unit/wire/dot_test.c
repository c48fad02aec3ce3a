/* The dot scanner, both ways, against a walk byte by byte that cannot be wrong. */
#include "wire/dot.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

enum {
    TEXT_MAX = 400,
    RANDOM_TEXTS = 20000
};

typedef size_t next_function(struct dot *dot, struct bytes piece, char *insertion);

struct text {
    char data[4 * TEXT_MAX];
    size_t length;
};

static void append(struct text *text, char c)
{
    text->data[text->length++] = c;
}

/* RFC 5321 2.3.8 and 4.5.2 by the letter. */
static struct text transform_slowly(const char *data, size_t length, bool is_stuffing)
{
    struct text out = {.length = 0};
    bool is_line_start = true;
    for (size_t i = 0; i < length; i++) {
        if (data[i] == '\r' || data[i] == '\n') {
            if (data[i] == '\r' && i + 1 < length && data[i + 1] == '\n')
                i++;
            append(&out, '\r');
            append(&out, '\n');
            is_line_start = true;
            continue;
        }
        if (is_stuffing && is_line_start && data[i] == '.')
            append(&out, '.');
        append(&out, data[i]);
        is_line_start = false;
    }
    if (!is_line_start) {
        append(&out, '\r');
        append(&out, '\n');
    }
    return out;
}

/* The same through the scanner, the text cut into pieces of at most `piece_max` bytes. */
static struct text transform(next_function *next, const char *data, size_t length, bool is_stuffing,
                             size_t piece_max)
{
    struct text out = {.length = 0};
    struct dot dot = {.is_stuffing = is_stuffing};
    for (size_t start = 0; start < length;) {
        size_t size = piece_max == 0 ? length : 1 + (size_t)rand() % piece_max;
        struct bytes piece = bytes_slice(bytes_of(data, length), start, size);
        start += piece.length;
        while (piece.length > 0) {
            char insertion;
            size_t count = next(&dot, piece, &insertion);
            memcpy(out.data + out.length, piece.data, count);
            out.length += count;
            if (insertion != 0)
                append(&out, insertion);
            piece = bytes_skip(piece, count);
        }
    }
    struct bytes finish = dot_finish(&dot);
    memcpy(out.data + out.length, finish.data, finish.length);
    out.length += finish.length;
    return out;
}

static void check(const char *data, size_t length, bool is_stuffing, size_t piece_max)
{
    struct text expected = transform_slowly(data, length, is_stuffing);
    struct text fast = transform(dot_next, data, length, is_stuffing, piece_max);
    struct text portable = transform(dot_next_portable, data, length, is_stuffing, piece_max);
    assert_int_equal(fast.length, expected.length);
    assert_memory_equal(fast.data, expected.data, expected.length);
    assert_int_equal(portable.length, expected.length);
    assert_memory_equal(portable.data, expected.data, expected.length);
}

static void test_random_texts(void **state)
{
    (void)state;
    static const char alphabets[][8] = {"\r\n.", "\r\n..a", "\n.ab", "\r\nabc.", "aaaaa\n."};
    char text[TEXT_MAX];
    srand(7);
    for (unsigned i = 0; i < RANDOM_TEXTS; i++) {
        const char *alphabet = alphabets[(size_t)rand() % 5];
        size_t length = (size_t)rand() % TEXT_MAX;
        for (size_t j = 0; j < length; j++)
            text[j] = alphabet[(size_t)rand() % strlen(alphabet)];
        check(text, length, i % 2 == 0, i % 3 == 0 ? 0 : 1 + (size_t)rand() % 150);
    }
}

static void test_long_clean_text(void **state)
{
    (void)state;
    char text[TEXT_MAX];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : '.';
    text[0] = 'a';
    for (size_t i = 78; i < sizeof text; i += 78)
        text[i] = 'a';
    struct dot dot = {.is_stuffing = true};
    char insertion;
    assert_int_equal(dot_next(&dot, bytes_of(text, 390), &insertion), 390);
    assert_int_equal(insertion, 0);
    assert_bytes(dot_finish(&dot), "");
}

static void test_every_byte_stands_for_itself(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        char text[130];
        memset(text, (int)c, sizeof text);
        check(text, sizeof text, true, 0);
        check(text, 1, true, 0);
    }
}

static void test_empty(void **state)
{
    (void)state;
    struct dot dot = {.is_stuffing = true};
    char insertion = 'x';
    assert_int_equal(dot_next(&dot, BYTES(""), &insertion), 0);
    assert_int_equal(insertion, 0);
    assert_bytes(dot_finish(&dot), "");
}

static void test_high_bytes(void **state)
{
    (void)state;
    char text[200];
    for (size_t at = 0; at < sizeof text; at++) {
        memset(text, 'a', sizeof text);
        assert_false(dot_has_high_bytes(bytes_of(text, sizeof text)));
        text[at] = (char)0x80;
        assert_true(dot_has_high_bytes(bytes_of(text, sizeof text)));
        assert_false(dot_has_high_bytes(bytes_of(text, at)));
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_random_texts),
    cmocka_unit_test(test_long_clean_text),
    cmocka_unit_test(test_every_byte_stands_for_itself),
    cmocka_unit_test(test_empty),
    cmocka_unit_test(test_high_bytes),
};

UNIT_MAIN(tests)
