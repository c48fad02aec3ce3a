/* The inside of a loop, for those who live on it: connections and listeners. All but loop_load is
 * for the loop's own thread, or for the time before it started. */
#ifndef LOOP_LOOP_INSIDE_H
#define LOOP_LOOP_INSIDE_H

#include <stdatomic.h>
#include <uv.h>

#include "loop/loop.h"
#include "loop/loop_deadlines.h"

struct loop_member;

/* What a loop asks of those who live on it. */
struct loop_member_face {
    void (*wake)(struct loop_member *member, int64_t now); /* its deadline has come */
    void (*stop)(struct loop_member *member, int64_t now); /* to go when it can */
    void (*kill)(struct loop_member *member, int64_t now); /* to go now */
};

/* Embedded, first of all, in what lives on a loop; the loop ends when the last has gone. */
struct loop_member {
    struct loop_deadline deadline; /* first, so that it leads to the member */
    const struct loop_member_face *face;
    struct loop *loop;
    struct loop_member *previous;
    struct loop_member *next;
};

struct loop {
    uv_loop_t uv;
    uv_async_t wakeup;
    uv_timer_t timer;
    int64_t timer_at; /* 0 = not started */
    uv_thread_t thread;
    _Atomic(struct loop_task *) posted; /* the last posted first */
    struct loop_member *members;
    size_t member_count;
    struct loop_deadlines deadlines;
    char *buffer; /* CONNECTION_READ_SIZE bytes, for the one who reads */
    atomic_size_t load;
    bool is_stopping;
    int64_t kill_at; /* when the grace is over; 0 = not stopping */
    struct loop_task stop_task;
    int64_t grace;
};

/* False: out of memory. */
bool loop_member_add(struct loop *loop, struct loop_member *member,
                     const struct loop_member_face *face);
void loop_member_remove(struct loop_member *member);

/* Wakes the member at that time, not before the loop's next turn; 0 = never. */
void loop_member_wake_at(struct loop_member *member, int64_t when);

#endif
