/* The heap of deadlines against a plain search. */
#include "loop/loop_deadlines.h"

#include <stdlib.h>

#include "failing_allocation.h"
#include "unit.h"

enum {
    COUNT = 300,
    STEPS = 20000
};

static void earliest_comes_first(void **state)
{
    (void)state;
    struct loop_deadlines deadlines = {0};
    assert_true(loop_deadlines_reserve(&deadlines, 3));
    struct loop_deadline late = {0};
    struct loop_deadline early = {0};
    struct loop_deadline never = {0};
    loop_deadlines_set(&deadlines, &late, 20);
    loop_deadlines_set(&deadlines, &never, 5);
    loop_deadlines_set(&deadlines, &early, 10);
    loop_deadlines_set(&deadlines, &never, 0);
    assert_null(loop_deadlines_take(&deadlines, 4));
    assert_null(loop_deadlines_take(&deadlines, 9));
    assert_int_equal(loop_deadlines_next(&deadlines), 10);
    assert_ptr_equal(loop_deadlines_take(&deadlines, 30), &early);
    assert_ptr_equal(loop_deadlines_take(&deadlines, 30), &late);
    assert_null(loop_deadlines_take(&deadlines, 30));
    assert_int_equal(loop_deadlines_next(&deadlines), 0);
    loop_deadlines_clear(&deadlines);
}

static void moving_back_costs_a_look(void **state)
{
    (void)state;
    struct loop_deadlines deadlines = {0};
    assert_true(loop_deadlines_reserve(&deadlines, 1));
    struct loop_deadline one = {0};
    loop_deadlines_set(&deadlines, &one, 10);
    loop_deadlines_set(&deadlines, &one, 50);
    assert_int_equal(loop_deadlines_next(&deadlines), 10);
    assert_null(loop_deadlines_take(&deadlines, 20));
    assert_int_equal(loop_deadlines_next(&deadlines), 50);
    loop_deadlines_set(&deadlines, &one, 30);
    assert_ptr_equal(loop_deadlines_take(&deadlines, 30), &one);
    loop_deadlines_remove(&deadlines, &one);
    loop_deadlines_clear(&deadlines);
}

/* Checks that what is due is taken, and nothing else. */
static void take_all(struct loop_deadlines *deadlines, struct loop_deadline *all, int64_t now)
{
    struct loop_deadline *due;
    while ((due = loop_deadlines_take(deadlines, now)) != NULL) {
        assert_true(due->wanted != 0 && due->wanted <= now);
        due->wanted = 0;
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_true(all[i].wanted == 0 || all[i].wanted > now);
}

static void any_order_of_steps(void **state)
{
    (void)state;
    struct loop_deadlines deadlines = {0};
    assert_true(loop_deadlines_reserve(&deadlines, COUNT));
    static struct loop_deadline all[COUNT];
    uint32_t random = 1;
    int64_t now = 1;
    for (size_t i = 0; i < STEPS; i++) {
        random = random * 1664525 + 1013904223;
        struct loop_deadline *one = &all[(random >> 8) % COUNT];
        switch (random >> 28) {
        case 0:
            loop_deadlines_remove(&deadlines, one);
            one->wanted = 0;
            break;
        case 1:
            loop_deadlines_set(&deadlines, one, 0);
            break;
        case 2:
            now += random % 50;
            take_all(&deadlines, all, now);
            break;
        default:
            loop_deadlines_set(&deadlines, one, now + 1 + (random >> 4) % 1000);
        }
    }
    loop_deadlines_clear(&deadlines);
}

static void memory_may_fail(void **state)
{
    (void)state;
    struct loop_deadlines deadlines = {0};
    failing_allocation_start(0);
    bool is_reserved = loop_deadlines_reserve(&deadlines, 10);
    assert_true(failing_allocation_stop());
    assert_false(is_reserved);
    loop_deadlines_clear(&deadlines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(earliest_comes_first),
        cmocka_unit_test(moving_back_costs_a_look),
        cmocka_unit_test(any_order_of_steps),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
