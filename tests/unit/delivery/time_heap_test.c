/* The heap against a plain search for the least. */
#include "unit.h"

#include "delivery/time_heap.h"

enum {
    NODES = 300,
    STEPS = 20000
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static void assert_least_first(const struct time_heap *heap, const struct time_heap_node *nodes)
{
    const struct time_heap_node *least = NULL;
    for (size_t i = 0; i < NODES; i++)
        if (time_heap_has(&nodes[i]) && (least == NULL || nodes[i].time < least->time))
            least = &nodes[i];
    assert_int_equal(heap->first == NULL, least == NULL);
    if (least != NULL)
        assert_int_equal(heap->first->time, least->time);
}

static void the_earliest_is_first(void **state)
{
    (void)state;
    static struct time_heap_node nodes[NODES];
    struct time_heap heap = {0};
    uint32_t seed = 7;
    for (size_t step = 0; step < STEPS; step++) {
        struct time_heap_node *node = &nodes[next_random(&seed) % NODES];
        /* Times that are often equal, and runs in which the first goes again and again. */
        if (step / 1000 % 2 == 1 && heap.first != NULL && next_random(&seed) % 2 == 0)
            node = heap.first;
        if (time_heap_has(node))
            time_heap_remove(&heap, node);
        else
            time_heap_put(&heap, node, next_random(&seed) % 50);
        assert_least_first(&heap, nodes);
    }
    int64_t last = 0;
    while (heap.first != NULL) {
        assert_true(heap.first->time >= last);
        last = heap.first->time;
        time_heap_remove(&heap, heap.first);
    }
    for (size_t i = 0; i < NODES; i++)
        assert_false(time_heap_has(&nodes[i]));
}

static void many_in_any_order(void **state)
{
    (void)state;
    enum {
        COUNT = 100000
    };
    struct time_heap_node *nodes = test_calloc(COUNT, sizeof(*nodes));
    struct time_heap heap = {0};
    for (size_t i = 0; i < COUNT; i++)
        time_heap_put(&heap, &nodes[i], (int64_t)(i * 7919 % COUNT));
    for (int64_t i = 0; i < COUNT; i++) {
        assert_int_equal(heap.first->time, i);
        time_heap_remove(&heap, heap.first);
    }
    test_free(nodes);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_earliest_is_first),
    cmocka_unit_test(many_in_any_order),
};

UNIT_MAIN(tests)
