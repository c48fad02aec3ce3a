/* The compressed layer: what goes in comes out, at once, in whatever pieces it travels. */
#include "wire/deflate.h"

#include <stdlib.h>
#include <string.h>

#include "failing_allocation.h"
#include "unit.h"

enum {
    TEXT_MAX = 4 * 1024 * 1024
};

struct pair {
    struct deflate *here;
    struct deflate *there;
    struct buffer packed;
    struct buffer plain;
};

static int set_up(void **state)
{
    static struct pair pair;
    pair = (struct pair){.here = deflate_new(NULL),
                         .there = deflate_new(NULL),
                         .packed = BUFFER(TEXT_MAX),
                         .plain = BUFFER(TEXT_MAX)};
    *state = &pair;
    return pair.here == NULL || pair.there == NULL;
}

static int tear_down(void **state)
{
    struct pair *pair = *state;
    deflate_free(pair->here);
    deflate_free(pair->there);
    buffer_clear(&pair->packed);
    buffer_clear(&pair->plain);
    return 0;
}

/* Unpacks what is packed so far, in pieces of `step` bytes. */
static void unpack(struct pair *pair, size_t step)
{
    struct bytes rest = buffer_bytes(&pair->packed);
    bool has_more = false;
    while (rest.length > 0 || has_more) {
        struct bytes piece = bytes_slice(rest, 0, step);
        size_t before = pair->plain.length;
        size_t used = 0;
        assert_true(deflate_expand(pair->there, piece, &used, &pair->plain, &has_more, NULL));
        assert_true(used <= piece.length);
        assert_true(pair->plain.length - before <= DEFLATE_INFLATED_MAX);
        assert_true(used > 0 || pair->plain.length > before || !has_more);
        rest = bytes_skip(rest, used);
    }
    buffer_reset(&pair->packed);
}

static void test_each_answer_can_be_read_at_once(void **state)
{
    struct pair *pair = *state;
    static const char *const lines[] = {"* 1 EXISTS\r\n", "a OK Done\r\n", "* 2 EXISTS\r\n", "x"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_true(deflate_compress(pair->here, bytes_from_string(lines[i]), &pair->packed, NULL));
        unpack(pair, 1000);
        assert_int_equal(pair->plain.length, strlen(lines[i]));
        assert_memory_equal(buffer_bytes(&pair->plain).data, lines[i], strlen(lines[i]));
        buffer_reset(&pair->plain);
    }
}

static void test_repeated_text_becomes_small(void **state)
{
    struct pair *pair = *state;
    char text[10000];
    memset(text, 'a', sizeof text);
    assert_true(deflate_compress(pair->here, bytes_of(text, sizeof text), &pair->packed, NULL));
    assert_true(pair->packed.length < 200);
    unpack(pair, 1);
    assert_int_equal(pair->plain.length, sizeof text);
    assert_memory_equal(buffer_bytes(&pair->plain).data, text, sizeof text);
}

/* Bytes without any order, which do not become smaller. */
static void fill(unsigned char *text, size_t length, uint32_t chance)
{
    for (size_t i = 0; i < length; i++) {
        chance = chance * 1664525 + 1013904223;
        text[i] = (unsigned char)(chance >> 24);
    }
}

static void check_round(struct pair *pair, struct bytes text, size_t step)
{
    assert_true(deflate_compress(pair->here, text, &pair->packed, NULL));
    unpack(pair, step);
    assert_int_equal(pair->plain.length, text.length);
    assert_memory_equal(buffer_bytes(&pair->plain).data, text.data, text.length);
    buffer_reset(&pair->plain);
}

static void test_in_pieces_and_whole(void **state)
{
    static unsigned char text[300000];
    fill(text, sizeof text, 7);
    check_round(*state, bytes_of(text, sizeof text), 1);
    check_round(*state, bytes_of(text, sizeof text), 4096);
    check_round(*state, bytes_of(text, sizeof text), SIZE_MAX);
}

/* The flush ends at, before and behind the place where the room for it ends. */
static void test_every_length(void **state)
{
    static unsigned char text[12000];
    fill(text, sizeof text, 1);
    for (size_t length = 1; length < sizeof text; length += length < 4000 || length > 4200 ? 97 : 1)
        check_round(*state, bytes_of(text, length), SIZE_MAX);
}

static void test_nothing_is_nothing(void **state)
{
    struct pair *pair = *state;
    size_t used = 1;
    bool has_more = true;
    assert_true(deflate_compress(pair->here, BYTES(""), &pair->packed, NULL));
    assert_int_equal(pair->packed.length, 0);
    assert_true(deflate_expand(pair->there, BYTES(""), &used, &pair->plain, &has_more, NULL));
    assert_int_equal(used, 0);
    assert_false(has_more);
    assert_int_equal(pair->plain.length, 0);
}

/* A few bytes that would become a gigabyte come in bounded portions. */
static void test_a_bomb_is_taken_in_portions(void **state)
{
    struct pair *pair = *state;
    static char zeros[1024 * 1024];
    for (int i = 0; i < 3; i++)
        assert_true(
            deflate_compress(pair->here, bytes_of(zeros, sizeof zeros), &pair->packed, NULL));
    assert_true(pair->packed.length < 10000);
    size_t used;
    bool has_more;
    assert_true(deflate_expand(pair->there, buffer_bytes(&pair->packed), &used, &pair->plain,
                               &has_more, NULL));
    assert_true(has_more);
    assert_true(used < pair->packed.length);
    assert_int_equal(pair->plain.length, DEFLATE_INFLATED_MAX);
    buffer_consume(&pair->packed, used);
    unpack(pair, SIZE_MAX);
    assert_int_equal(pair->plain.length, 3 * sizeof zeros);
}

static void test_what_is_no_deflate_is_refused(void **state)
{
    struct pair *pair = *state;
    struct fault fault = {0};
    size_t used;
    bool has_more;
    assert_false(deflate_expand(pair->there, BYTES("\xff\xff\xff\xff NOOP"), &used, &pair->plain,
                                &has_more, &fault));
    assert_int_equal(fault.kind, FAULT_SYNTAX);
}

/* RFC 1951 3.2.3: a block can say that it is the last; there is nothing behind it. */
static void test_nothing_stands_behind_the_end(void **state)
{
    struct pair *pair = *state;
    struct fault fault = {0};
    struct bytes last = BYTES("\x01\x02\x00\xfd\xffhi");
    size_t used;
    bool has_more;
    assert_true(deflate_expand(pair->there, last, &used, &pair->plain, &has_more, NULL));
    assert_int_equal(used, last.length);
    assert_false(has_more);
    assert_memory_equal(buffer_bytes(&pair->plain).data, "hi", 2);
    assert_false(deflate_expand(pair->there, last, &used, &pair->plain, &has_more, &fault));
    assert_int_equal(fault.kind, FAULT_SYNTAX);
}

static void test_limits_of_the_buffer(void **state)
{
    struct pair *pair = *state;
    static unsigned char text[100000];
    struct buffer small = BUFFER(1000);
    struct fault fault = {0};
    fill(text, sizeof text, 3);
    assert_false(deflate_compress(pair->here, bytes_of(text, sizeof text), &small, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    buffer_clear(&small);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct fault fault = {0};
    failing_allocation_start(0);
    struct deflate *none = deflate_new(&fault);
    assert_true(failing_allocation_stop());
    assert_null(none);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    deflate_free(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_each_answer_can_be_read_at_once, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_repeated_text_becomes_small, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_in_pieces_and_whole, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_every_length, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_nothing_is_nothing, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_a_bomb_is_taken_in_portions, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_what_is_no_deflate_is_refused, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_nothing_stands_behind_the_end, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_limits_of_the_buffer, set_up, tear_down),
    cmocka_unit_test(test_no_memory),
};

UNIT_MAIN(tests)
