/* What is kept, for how long, and what goes first. */
#include "session/imap_searching_memory.h"

#include <stdlib.h>

#include "failing_allocation.h"
#include "unit.h"

enum {
    COUNT = 100,
    KEY = 3,
    ROOM = 3, /* columns that fit */
    TOO_MANY = 2 * ROOM * COUNT
};

static struct imap_column *make_column(uint32_t count)
{
    struct imap_column_draft draft = IMAP_COLUMN_DRAFT(IMAP_COLUMN_TEXTS, 1024 * 1024);
    struct fault fault;
    for (uint32_t uid = 1; uid <= count; uid++) {
        assert_true(imap_column_draft_begin(&draft, uid));
        assert_true(imap_column_draft_add_number(&draft, uid));
    }
    struct imap_column *column = imap_column_join(NULL, &draft, &fault);
    assert_non_null(column);
    imap_column_draft_clear(&draft);
    return column;
}

/* Bytes that such a column takes in it. */
static size_t size_of(uint32_t count)
{
    struct fault fault;
    size_t columns;
    struct imap_searching_memory *memory = imap_searching_memory_new(SIZE_MAX, &fault);
    struct imap_searching_memory_column held = {.column = make_column(count)};
    assert_true(imap_searching_memory_put(memory, 1, KEY, &held));
    imap_searching_memory_give_back(memory, &held);
    size_t size = imap_searching_memory_size(memory, &columns);
    assert_int_equal(columns, 1);
    imap_searching_memory_free(memory);
    return size;
}

/* Room for ROOM columns of COUNT messages. */
static int set_up(void **state)
{
    struct fault fault;
    *state = imap_searching_memory_new(ROOM * size_of(COUNT), &fault);
    return *state == NULL;
}

static int tear_down(void **state)
{
    imap_searching_memory_free(*state);
    return 0;
}

static struct imap_searching_memory_column hold(struct imap_searching_memory *memory,
                                                int64_t mailbox, uint32_t count)
{
    struct imap_searching_memory_column held = {.column = make_column(count)};
    assert_true(imap_searching_memory_put(memory, mailbox, KEY, &held));
    return held;
}

static void put(struct imap_searching_memory *memory, int64_t mailbox, uint32_t count)
{
    struct imap_searching_memory_column held = hold(memory, mailbox, count);
    imap_searching_memory_give_back(memory, &held);
    assert_null(held.column);
}

/* How many messages the column that is kept has; 0 = there is none. */
static size_t kept(struct imap_searching_memory *memory, int64_t mailbox)
{
    struct imap_searching_memory_column held;
    if (!imap_searching_memory_take(memory, mailbox, KEY, &held))
        return 0;
    size_t count = held.column->count;
    imap_searching_memory_give_back(memory, &held);
    return count;
}

static void check_size(struct imap_searching_memory *memory, size_t size, size_t count)
{
    size_t columns;
    assert_int_equal(imap_searching_memory_size(memory, &columns), size);
    assert_int_equal(columns, count);
}

static void names(void **state)
{
    struct imap_searching_memory_column held;
    put(*state, 7, 10);
    assert_int_equal(kept(*state, 7), 10);
    assert_int_equal(kept(*state, 8), 0);
    assert_false(imap_searching_memory_take(*state, 7, KEY + 1, &held));
    put(*state, 7, 11);
    assert_int_equal(kept(*state, 7), 11);
    check_size(*state, size_of(11), 1);
    held = (struct imap_searching_memory_column){0};
    imap_searching_memory_give_back(*state, &held);
}

/* What is held stays as it was, whatever comes in its place. */
static void held_ones_stay(void **state)
{
    struct imap_searching_memory_column first = hold(*state, 7, 10);
    struct imap_searching_memory_column again;
    assert_true(imap_searching_memory_take(*state, 7, KEY, &again));
    assert_ptr_equal(again.column, first.column);
    put(*state, 7, 20);
    assert_int_equal(first.column->count, 10);
    assert_int_equal(first.column->uids[9], 10);
    imap_searching_memory_give_back(*state, &first);
    assert_int_equal(again.column->uids[9], 10);
    imap_searching_memory_give_back(*state, &again);
    assert_int_equal(kept(*state, 7), 20);
}

static void least_recently_used_goes(void **state)
{
    for (int64_t mailbox = 1; mailbox <= ROOM; mailbox++)
        put(*state, mailbox, COUNT);
    check_size(*state, ROOM * size_of(COUNT), ROOM);
    assert_int_equal(kept(*state, 1), COUNT);
    put(*state, ROOM + 1, COUNT);
    check_size(*state, ROOM * size_of(COUNT), ROOM);
    assert_int_equal(kept(*state, 2), 0);
    assert_int_equal(kept(*state, 1), COUNT);
    assert_int_equal(kept(*state, 3), COUNT);
    /* As many go as are needed. */
    put(*state, 9, 2 * COUNT);
    assert_int_equal(kept(*state, ROOM + 1), 0);
    assert_int_equal(kept(*state, 1), 0);
    assert_int_equal(kept(*state, 3), COUNT);
    assert_int_equal(kept(*state, 9), 2 * COUNT);
}

/* It serves who made it, and drives nobody out. */
static void too_large(void **state)
{
    put(*state, 1, COUNT);
    struct imap_searching_memory_column held = hold(*state, 2, TOO_MANY);
    assert_int_equal(held.column->count, TOO_MANY);
    imap_searching_memory_give_back(*state, &held);
    assert_int_equal(kept(*state, 2), 0);
    assert_int_equal(kept(*state, 1), COUNT);
    /* What it is in place of is older, and less. */
    put(*state, 1, TOO_MANY);
    check_size(*state, 0, 0);
}

static void out_of_memory(void **state)
{
    bool was_refused = true;
    for (size_t n = 0; was_refused; n++) {
        struct imap_searching_memory_column held = {.column = make_column(COUNT)};
        failing_allocation_start(n);
        bool is_put = imap_searching_memory_put(*state, 1, KEY, &held);
        was_refused = failing_allocation_stop();
        assert_true(is_put || was_refused);
        if (is_put) {
            assert_int_equal(held.column->count, COUNT);
            imap_searching_memory_give_back(*state, &held);
        } else {
            imap_column_free(held.column);
        }
    }
    assert_int_equal(kept(*state, 1), COUNT);
    /* Taking asks for nothing. */
    struct imap_searching_memory_column held;
    failing_allocation_start(0);
    bool is_taken = imap_searching_memory_take(*state, 1, KEY, &held);
    assert_false(failing_allocation_stop());
    assert_true(is_taken);
    imap_searching_memory_give_back(*state, &held);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(names),     TEST(held_ones_stay), TEST(least_recently_used_goes),
        TEST(too_large), TEST(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
