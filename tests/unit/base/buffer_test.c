/* Buffers: their limit, their failure, their memory. */
#include "base/buffer.h"

#include <stdlib.h>

#include "failing_allocation.h"
#include "unit.h"

static void appending(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(1000);
    assert_bytes(buffer_bytes(&text), "");
    buffer_append(&text, BYTES("MAIL"));
    buffer_append_char(&text, ' ');
    buffer_append_string(&text, "SIZE=");
    buffer_append_unsigned(&text, 0);
    buffer_append_char(&text, ' ');
    buffer_append_unsigned(&text, UINT64_MAX);
    buffer_append_format(&text, " %s%d", "x", -7);
    buffer_append(&text, bytes_of(NULL, 0));
    assert_false(buffer_is_failed(&text));
    assert_bytes(buffer_bytes(&text), "MAIL SIZE=0 18446744073709551615 x-7");
    assert_int_equal(buffer_room(&text), 1000 - text.length);
    assert_string_equal(buffer_string(&text), "MAIL SIZE=0 18446744073709551615 x-7");
}

static void only_empty_buffers_shrink(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(1000);
    buffer_shrink(&text, 0);
    buffer_append(&text, BYTES("MAIL"));
    buffer_shrink(&text, 0);
    assert_bytes(buffer_bytes(&text), "MAIL");
    buffer_consume(&text, 4);
    buffer_shrink(&text, 1000);
    assert_non_null(text.memory);
    buffer_fail(&text);
    buffer_shrink(&text, 0);
    assert_true(buffer_is_failed(&text));
    buffer_reset(&text);
    buffer_shrink(&text, 0);
    assert_null(text.memory);
    assert_int_equal(buffer_room(&text), 1000);
}

static void limit_is_kept_and_failure_stays(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(5);
    buffer_append(&text, BYTES("12345"));
    assert_false(buffer_is_failed(&text));
    assert_string_equal(buffer_string(&text), "12345");
    buffer_append_char(&text, '6');
    assert_true(buffer_is_failed(&text));
    assert_bytes(buffer_bytes(&text), "12345");
    assert_null(buffer_string(&text));
    buffer_consume(&text, 5);
    buffer_append_char(&text, '7');
    assert_true(buffer_is_failed(&text));
    assert_int_equal(buffer_room(&text), 0);
    buffer_reset(&text);
    assert_false(buffer_is_failed(&text));
    buffer_append_format(&text, "%s", "abcde");
    assert_bytes(buffer_bytes(&text), "abcde");
    assert_false(buffer_is_failed(&text));
    buffer_reset(&text);
    buffer_append_format(&text, "%s", "abcdef");
    assert_true(buffer_is_failed(&text));
    assert_bytes(buffer_bytes(&text), "");
    buffer_reset(&text);
    assert_null(buffer_reserve(&text, SIZE_MAX));
    assert_true(buffer_is_failed(&text));
    buffer_reset(&text);
    buffer_fail(&text);
    assert_true(buffer_is_failed(&text));
}

static void an_unlimited_buffer_refuses_what_cannot_be(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(SIZE_MAX);
    buffer_append_char(&text, 'x');
    assert_null(buffer_reserve(&text, SIZE_MAX - 1));
    assert_true(buffer_is_failed(&text));
    assert_bytes(buffer_bytes(&text), "x");
}

static void writing_in_place(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(10);
    char *room = buffer_reserve(&text, 10);
    assert_non_null(room);
    memcpy(room, "0123456789", 10);
    buffer_commit(&text, 4);
    assert_bytes(buffer_bytes(&text), "0123");
    assert_null(buffer_reserve(&text, 7));
    assert_true(buffer_is_failed(&text));
}

static void consuming(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(20);
    buffer_append(&text, BYTES("one two"));
    buffer_consume(&text, 4);
    assert_bytes(buffer_bytes(&text), "two");
    buffer_append(&text, BYTES(" three"));
    buffer_consume(&text, 0);
    assert_bytes(buffer_bytes(&text), "two three");
    buffer_truncate(&text, 100);
    buffer_truncate(&text, 3);
    assert_bytes(buffer_bytes(&text), "two");
    buffer_consume(&text, 3);
    assert_bytes(buffer_bytes(&text), "");
    assert_int_equal(buffer_room(&text), 20);
}

/* Whatever goes in at the back comes out at the front, and the memory stays bounded. */
static void streaming_through_a_small_buffer(void **state)
{
    (void)state;
    enum {
        LIMIT = 300
    };
    AUTO(buffer)
    text = BUFFER(LIMIT);
    unsigned char in = 0;
    unsigned char out = 0;
    unsigned seed = 12345;
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1103515245 + 12345;
        size_t count = seed >> 16 & 0x7F;
        if (count > buffer_room(&text))
            count = buffer_room(&text);
        for (size_t i = 0; i < count; i++)
            buffer_append_char(&text, (char)in++);
        seed = seed * 1103515245 + 12345;
        size_t taken = seed >> 16 & 0x7F;
        if (taken > text.length)
            taken = text.length;
        for (size_t i = 0; i < taken; i++)
            assert_int_equal((unsigned char)buffer_bytes(&text).data[i], out++);
        buffer_consume(&text, taken);
    }
    assert_false(buffer_is_failed(&text));
    assert_true(text.capacity <= 8 * LIMIT);
}

static void running_out_of_memory(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(SIZE_MAX);
    failing_allocation_start(1);
    buffer_append(&text, BYTES("small"));
    for (int i = 0; i < 1000 && !buffer_is_failed(&text); i++)
        buffer_append(&text, BYTES("0123456789"));
    assert_true(failing_allocation_stop());
    assert_true(buffer_is_failed(&text));
    assert_true(bytes_starts_with(buffer_bytes(&text), BYTES("small0123456789")));
    buffer_reset(&text);
    buffer_append(&text, BYTES("again"));
    assert_bytes(buffer_bytes(&text), "again");

    AUTO(buffer)
    formatted = BUFFER(100);
    failing_allocation_start(0);
    buffer_append_format(&formatted, "%d", 1);
    assert_true(failing_allocation_stop());
    assert_true(buffer_is_failed(&formatted));
}

static void secrets_are_wiped(void **state)
{
    (void)state;
    AUTO(buffer)
    text = SECRET_BUFFER(100);
    buffer_append(&text, BYTES("password"));
    char *memory = text.memory;
    buffer_consume(&text, 4);
    assert_memory_equal(memory, "\0\0\0\0word", 8);
    buffer_truncate(&text, 2);
    assert_memory_equal(memory, "\0\0\0\0wo\0\0", 8);
    buffer_reset(&text);
    assert_memory_equal(memory, "\0\0\0\0\0\0\0\0", 8);
}

static void clearing(void **state)
{
    (void)state;
    buffer_clear(NULL);
    struct buffer text;
    buffer_init(&text, 3);
    buffer_append(&text, BYTES("1234"));
    buffer_clear(&text);
    assert_null(text.memory);
    buffer_append(&text, BYTES("123"));
    assert_false(buffer_is_failed(&text));
    buffer_clear(&text);
    buffer_init_secret(&text, 3);
    buffer_append(&text, BYTES("123"));
    buffer_clear(&text);
    assert_true(text.is_secret);
    assert_int_equal(text.limit, 3);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(appending),
    cmocka_unit_test(only_empty_buffers_shrink),
    cmocka_unit_test(limit_is_kept_and_failure_stays),
    cmocka_unit_test(an_unlimited_buffer_refuses_what_cannot_be),
    cmocka_unit_test(writing_in_place),
    cmocka_unit_test(consuming),
    cmocka_unit_test(streaming_through_a_small_buffer),
    cmocka_unit_test(running_out_of_memory),
    cmocka_unit_test(secrets_are_wiped),
    cmocka_unit_test(clearing),
};

UNIT_MAIN(tests)
