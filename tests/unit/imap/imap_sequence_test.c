/* Sets of numbers: what is one, in order, looked up, written. */
#include "imap/imap_sequence.h"

#include <stdio.h>
#include <stdlib.h>

#include "failing_allocation.h"
#include "unit.h"

enum {
    TEXT_MAX = 1024 * 1024,
    ROUNDS = 2000,
    SMALL = 40 /* numbers, so that ranges meet often */
};

static enum fault_kind kind_of(struct bytes text)
{
    AUTO(arena)
    arena = ARENA(TEXT_MAX);
    struct imap_sequence sequence;
    struct fault fault = {0};
    (void)imap_sequence_parse(text, &arena, &sequence, &fault);
    return fault.kind;
}

static void expect_ordered(const char *text, uint32_t largest, const char *expected)
{
    AUTO(arena)
    arena = ARENA(TEXT_MAX);
    AUTO(buffer)
    out = BUFFER(TEXT_MAX);
    struct imap_sequence sequence;
    struct imap_range ranges[16];
    assert_true(imap_sequence_parse(bytes_from_string(text), &arena, &sequence, NULL));
    assert_true(sequence.count <= 16);
    size_t count = imap_sequence_order(sequence.ranges, sequence.count, largest, ranges);
    imap_sequence_write(ranges, count, &out);
    unit_assert_bytes(buffer_bytes(&out), bytes_from_string(expected), __FILE__, __LINE__);
}

static void sets(void **state)
{
    (void)state;
    AUTO(arena)
    arena = ARENA(TEXT_MAX);
    struct imap_sequence sequence;
    assert_true(imap_sequence_parse(BYTES("2,4:7,9,12:*,*:15"), &arena, &sequence, NULL));
    assert_int_equal(sequence.count, 5);
    assert_false(sequence.is_saved);
    assert_int_equal(sequence.ranges[0].first, 2);
    assert_int_equal(sequence.ranges[0].last, 2);
    assert_int_equal(sequence.ranges[1].first, 4);
    assert_int_equal(sequence.ranges[1].last, 7);
    assert_int_equal(sequence.ranges[3].last, IMAP_SEQUENCE_STAR);
    assert_int_equal(sequence.ranges[4].first, IMAP_SEQUENCE_STAR);
    assert_true(imap_sequence_parse(BYTES("4294967295"), &arena, &sequence, NULL));
    assert_int_equal(sequence.ranges[0].first, UINT32_MAX);
    assert_true(imap_sequence_parse(BYTES("$"), &arena, &sequence, NULL));
    assert_true(sequence.is_saved);
    assert_int_equal(sequence.count, 0);
}

static void no_sets(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      "0",     "1:0", "0:*", "1,", ",1", "1,,2",       "1:",
        ":1",    "1:2:3", "a",   "1 2", "-1", "+1", "4294967296", "1:99999999999999999999999",
        "$,1",   "1,$",   "$$",  "1:$", "*:", "**", "1*",         "*1",
        "1\r\n", "1;2"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(kind_of(bytes_from_string(texts[i])), FAULT_SYNTAX);
    assert_int_equal(kind_of(BYTES("1\0")), FAULT_SYNTAX);
}

static void limit(void **state)
{
    (void)state;
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    for (size_t i = 0; i < IMAP_SEQUENCE_RANGES_MAX; i++)
        buffer_append_string(&text, i == 0 ? "1" : ",1");
    assert_int_equal(kind_of(buffer_bytes(&text)), FAULT_NONE);
    buffer_append_string(&text, ",1");
    assert_int_equal(kind_of(buffer_bytes(&text)), FAULT_LIMIT);
}

static void memory(void **state)
{
    (void)state;
    AUTO(arena)
    arena = ARENA(TEXT_MAX);
    struct imap_sequence sequence;
    struct fault fault;
    failing_allocation_start(0);
    bool is_read = imap_sequence_parse(BYTES("1"), &arena, &sequence, &fault);
    assert_true(failing_allocation_stop());
    assert_false(is_read);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
}

static void order(void **state)
{
    (void)state;
    expect_ordered("2,4:7,9,12:*", 15, "2,4:7,9,12:15");
    expect_ordered("7:4", 9, "4:7");
    expect_ordered("1,2,3", 9, "1:3");
    expect_ordered("5:9,1:4", 9, "1:9");
    expect_ordered("1:9,2:3", 9, "1:9");
    expect_ordered("9,1,9,1", 9, "1,9");
    expect_ordered("*", 9, "9");
    expect_ordered("*:*", 9, "9");
    /* RFC 9051 6.4.9: the last one is always among them. */
    expect_ordered("12:*", 9, "9:12");
    expect_ordered("*", 0, "");
    expect_ordered("3,1:*", 0, "3");
    expect_ordered("4294967294,4294967295,1", 9, "1,4294967294:4294967295");
    expect_ordered("4294967295,4294967295:*", UINT32_MAX, "4294967295");
}

static void has(void **state)
{
    (void)state;
    const struct imap_range ranges[] = {{2, 2}, {4, 7}, {9, 9}, {UINT32_MAX, UINT32_MAX}};
    static const uint32_t in[] = {2, 4, 5, 7, 9, UINT32_MAX};
    static const uint32_t out[] = {0, 1, 3, 8, 10, UINT32_MAX - 1};
    for (size_t i = 0; i < sizeof in / sizeof *in; i++) {
        assert_true(imap_sequence_has(ranges, 4, in[i]));
        assert_false(imap_sequence_has(ranges, 4, out[i]));
    }
    assert_false(imap_sequence_has(ranges, 0, 2));
}

static void expect_written(const uint32_t *numbers, size_t count, const char *expected)
{
    AUTO(buffer)
    out = BUFFER(TEXT_MAX);
    struct imap_sequence_writer writer;
    imap_sequence_begin(&writer, &out);
    for (size_t i = 0; i < count; i++)
        imap_sequence_add(&writer, numbers[i]);
    imap_sequence_end(&writer);
    unit_assert_bytes(buffer_bytes(&out), bytes_from_string(expected), __FILE__, __LINE__);
}

static void writer(void **state)
{
    (void)state;
    const uint32_t numbers[] = {1, 2, 3, 5, 7, 8, UINT32_MAX - 1, UINT32_MAX};
    expect_written(numbers, 0, "");
    expect_written(numbers, 1, "1");
    expect_written(numbers, 2, "1:2");
    expect_written(numbers, 4, "1:3,5");
    expect_written(numbers, 8, "1:3,5,7:8,4294967294:4294967295");
}

/* Sets at random against one flag for each number. */
static void model(void **state)
{
    (void)state;
    srand(1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct imap_range ranges[8];
        struct imap_range ordered[8];
        bool is_in[SMALL + 2] = {false};
        size_t count = (size_t)rand() % 9;
        uint32_t largest = 1 + (uint32_t)rand() % SMALL;
        for (size_t i = 0; i < count; i++) {
            uint32_t first = (uint32_t)rand() % (SMALL + 1);
            uint32_t last = rand() % 2 ? first : (uint32_t)rand() % (SMALL + 1);
            ranges[i] = (struct imap_range){first, last};
            first = first == 0 ? largest : first;
            last = last == 0 ? largest : last;
            for (uint32_t n = first < last ? first : last; n <= (first < last ? last : first); n++)
                is_in[n] = true;
        }
        size_t kept = imap_sequence_order(ranges, count, largest, ordered);
        for (size_t i = 1; i < kept; i++)
            assert_true(ordered[i - 1].last + 1 < ordered[i].first);
        AUTO(buffer)
        one = BUFFER(TEXT_MAX);
        AUTO(buffer)
        other = BUFFER(TEXT_MAX);
        struct imap_sequence_writer written;
        imap_sequence_begin(&written, &other);
        for (uint32_t n = 0; n <= SMALL + 1; n++) {
            assert_int_equal(imap_sequence_has(ordered, kept, n), is_in[n]);
            if (is_in[n])
                imap_sequence_add(&written, n);
        }
        imap_sequence_end(&written);
        imap_sequence_write(ordered, kept, &one);
        assert_true(bytes_equal(buffer_bytes(&one), buffer_bytes(&other)));
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sets),   cmocka_unit_test(no_sets), cmocka_unit_test(limit),
    cmocka_unit_test(memory), cmocka_unit_test(order),   cmocka_unit_test(has),
    cmocka_unit_test(writer), cmocka_unit_test(model),
};

UNIT_MAIN(tests)
