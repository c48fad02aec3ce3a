/* Text and borrowed slices in one order. */
#include "wire/outbox.h"

#include <string.h>

#include "failing_allocation.h"
#include "unit.h"

static char body[1000];

static void say(struct outbox *outbox, const char *text)
{
    buffer_append_string(outbox_begin_text(outbox), text);
    outbox_end_text(outbox);
}

static int set_up(void **state)
{
    static struct outbox outbox;
    memset(body, 'b', sizeof body);
    outbox_init(&outbox);
    *state = &outbox;
    return 0;
}

static int tear_down(void **state)
{
    outbox_clear(*state);
    return 0;
}

static void test_text_grows_together(void **state)
{
    struct outbox *outbox = *state;
    struct iovec slices[4];
    assert_true(outbox_is_empty(outbox));
    say(outbox, "MAIL\r\n");
    say(outbox, "RCPT\r\n");
    assert_int_equal(outbox_show(outbox, slices, 4), 1);
    assert_int_equal(slices[0].iov_len, 12);
    assert_memory_equal(slices[0].iov_base, "MAIL\r\nRCPT\r\n", 12);
}

static void test_body_is_borrowed_when_long(void **state)
{
    struct outbox *outbox = *state;
    struct iovec slices[4];
    say(outbox, "DATA\r\n");
    outbox_append_body(outbox, bytes_of(body, sizeof body));
    outbox_append_body(outbox, BYTES("short"));
    say(outbox, ".\r\n");
    assert_int_equal(outbox_show(outbox, slices, 4), 3);
    assert_ptr_equal(slices[1].iov_base, body);
    assert_memory_equal(slices[2].iov_base, "short.\r\n", 8);
    assert_int_equal(outbox_show(outbox, slices, 2), 2);
    assert_int_equal(outbox->queued, 6 + 1000 + 8);
}

static void test_take_in_every_split(void **state)
{
    struct outbox *outbox = *state;
    for (size_t step = 1; step < 40; step++) {
        say(outbox, "0123456789");
        outbox_append_body(outbox, bytes_of(body, 300));
        say(outbox, "abc");
        size_t total = 0;
        while (!outbox_is_empty(outbox)) {
            struct iovec slices[1];
            outbox_show(outbox, slices, 1);
            size_t count = step < slices[0].iov_len ? step : slices[0].iov_len;
            outbox_take(outbox, count);
            total += count;
        }
        assert_int_equal(total, 313);
    }
    assert_int_equal(outbox->taken, outbox->queued);
}

static void test_taken_text_is_wiped(void **state)
{
    struct outbox *outbox = *state;
    struct iovec slices[1];
    say(outbox, "c2VjcmV0\r\nmore");
    outbox_show(outbox, slices, 1);
    const char *memory = slices[0].iov_base;
    outbox_take(outbox, 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(memory[i], 0);
}

static void test_full(void **state)
{
    struct outbox *outbox = *state;
    size_t count = 0;
    while (!outbox_is_full(outbox)) {
        outbox_append_body(outbox, bytes_of(body, 300));
        count++;
    }
    assert_true(count >= 256);
    assert_true(outbox_room(outbox) >= OUTBOX_SLICES_SPARE);
    outbox_drop(outbox);
    assert_true(outbox_is_empty(outbox));
    while (!outbox_is_full(outbox))
        outbox_append_body(outbox, bytes_of(body, 200));
    assert_true(outbox->text.length <= OUTBOX_TEXT_FULL + 200);
}

static void test_out_of_memory(void **state)
{
    struct outbox *outbox = *state;
    failing_allocation_start(0);
    say(outbox, "text");
    assert_true(failing_allocation_stop());
    assert_true(buffer_is_failed(&outbox->text));
    outbox_drop(outbox);
    assert_true(outbox_is_empty(outbox));
}

/* Slices stand in their order while their ring grows, wherever it begins, and go with what they
 * showed. */
static void test_slices_grow_and_go(void **state)
{
    struct outbox *outbox = *state;
    struct iovec slices[OUTBOX_SLICES_MAX];
    outbox_append_body(outbox, bytes_of(body, 300));
    outbox_append_body(outbox, bytes_of(body, 301));
    outbox_take(outbox, 300);
    for (size_t i = 2; i < 100; i++)
        outbox_append_body(outbox, bytes_of(body, 300 + i));
    assert_int_equal(outbox_show(outbox, slices, OUTBOX_SLICES_MAX), 99);
    for (size_t i = 0; i < 99; i++)
        assert_int_equal(slices[i].iov_len, 301 + i);
    failing_allocation_start(0);
    for (size_t i = 0; i < 100; i++)
        outbox_append_body(outbox, bytes_of(body, 300));
    assert_true(failing_allocation_stop());
    assert_true(buffer_is_failed(&outbox->text));
    outbox_drop(outbox);
    assert_false(buffer_is_failed(&outbox->text));
    assert_true(outbox->capacity <= OUTBOX_SLICES_KEPT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(test_text_grows_together, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_body_is_borrowed_when_long, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_take_in_every_split, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_taken_text_is_wiped, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_full, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_slices_grow_and_go, set_up, tear_down),
    cmocka_unit_test_setup_teardown(test_out_of_memory, set_up, tear_down),
};

UNIT_MAIN(tests)
