/* Things in the order of their times: a pairing heap that lives within the things themselves, so
 * that putting one in needs no memory and cannot fail. Putting in takes constant time, taking out
 * that of the logarithm, on the average of a row of calls. */
#ifndef DELIVERY_TIME_HEAP_H
#define DELIVERY_TIME_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A member of the thing; all zero = in no heap. Read time freely. */
struct time_heap_node {
    int64_t time;
    struct time_heap_node *child;    /* the first of those below it */
    struct time_heap_node *next;     /* beside it, under the same one */
    struct time_heap_node *previous; /* beside it; of the first child: the one above; of the root:
                                        itself */
};

/* Zero is the empty one. */
struct time_heap {
    struct time_heap_node *first; /* the earliest; NULL = none */
};

static inline bool time_heap_has(const struct time_heap_node *node)
{
    return node->previous != NULL;
}

/* The node is in no heap. */
void time_heap_put(struct time_heap *heap, struct time_heap_node *node, int64_t time);
/* The node is in this heap. */
void time_heap_remove(struct time_heap *heap, struct time_heap_node *node);

#endif
