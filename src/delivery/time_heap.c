/* A pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986) without recursion. */
#include "delivery/time_heap.h"

#include <assert.h>

/* Two trees become one: the later root goes below the earlier. Either may be NULL. */
static struct time_heap_node *meld(struct time_heap_node *left, struct time_heap_node *right)
{
    if (left == NULL || right == NULL)
        return left == NULL ? right : left;
    if (right->time < left->time) {
        struct time_heap_node *other = left;
        left = right;
        right = other;
    }
    right->next = left->child;
    if (right->next != NULL)
        right->next->previous = right;
    right->previous = left;
    left->child = right;
    return left;
}

/* Trees that stand beside each other become one: in pairs from the left, then the pairs from the
   right, which is what keeps the heap shallow. */
static struct time_heap_node *meld_all(struct time_heap_node *node)
{
    struct time_heap_node *pairs = NULL;
    while (node != NULL) {
        struct time_heap_node *left = node;
        struct time_heap_node *right = left->next;
        node = right == NULL ? NULL : right->next;
        left->next = NULL;
        if (right != NULL)
            right->next = NULL;
        struct time_heap_node *pair = meld(left, right);
        pair->next = pairs;
        pairs = pair;
    }
    struct time_heap_node *whole = NULL;
    while (pairs != NULL) {
        struct time_heap_node *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        whole = meld(whole, pair);
    }
    return whole;
}

static void set_first(struct time_heap *heap, struct time_heap_node *node)
{
    heap->first = node;
    if (node == NULL)
        return;
    node->next = NULL;
    node->previous = node;
}

void time_heap_put(struct time_heap *heap, struct time_heap_node *node, int64_t time)
{
    assert(!time_heap_has(node));
    *node = (struct time_heap_node){.time = time};
    set_first(heap, meld(heap->first, node));
}

void time_heap_remove(struct time_heap *heap, struct time_heap_node *node)
{
    assert(time_heap_has(node));
    struct time_heap_node *below = meld_all(node->child);
    if (heap->first == node) {
        set_first(heap, below);
    } else {
        if (node->previous->child == node)
            node->previous->child = node->next;
        else
            node->previous->next = node->next;
        if (node->next != NULL)
            node->next->previous = node->previous;
        set_first(heap, meld(heap->first, below));
    }
    *node = (struct time_heap_node){.time = node->time};
}
