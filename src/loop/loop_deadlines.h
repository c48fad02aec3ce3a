/* When whom to wake: a heap of deadlines. A deadline that moves back costs nothing until the old
 * one has come, so that a busy connection may move its own with every byte. */
#ifndef LOOP_LOOP_DEADLINES_H
#define LOOP_LOOP_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in what is to be woken; zero at the start. */
struct loop_deadline {
    int64_t wanted; /* 0 = never */
    int64_t kept;   /* the key in the heap; never later than wanted */
    size_t place;   /* in the heap, from 1; 0 = not there */
};

struct loop_deadlines {
    struct loop_deadline **heap;
    size_t count;
    size_t capacity;
};

/* Makes room for `count` deadlines, so that setting one never fails. False: out of memory. */
bool loop_deadlines_reserve(struct loop_deadlines *deadlines, size_t count);
void loop_deadlines_clear(struct loop_deadlines *deadlines);

/* when: 0 = never. */
void loop_deadlines_set(struct loop_deadlines *deadlines, struct loop_deadline *deadline,
                        int64_t when);

/* Takes it out of the heap. */
void loop_deadlines_remove(struct loop_deadlines *deadlines, struct loop_deadline *deadline);

/* Takes out and returns one that is due; NULL: none is. */
struct loop_deadline *loop_deadlines_take(struct loop_deadlines *deadlines, int64_t now);

/* When to look again at the latest; 0 = never. */
int64_t loop_deadlines_next(const struct loop_deadlines *deadlines);

#endif
