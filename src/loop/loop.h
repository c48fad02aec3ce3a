/* Event loops (libuv), one thread each, and tasks that other threads hand to them. */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdint.h>

#include "base/fault.h"

struct loop;
struct loop_group;

/* Something to do on a loop's thread. Embedded in what it is about; the loop keeps no copy. */
struct loop_task {
    void (*run)(struct loop_task *task);
    struct loop_task *next; /* the loop's own */
};

/* `count` loops, whose threads start with loop_group_start. NULL: fault. */
struct loop_group *loop_group_new(unsigned count, struct fault *fault);
bool loop_group_start(struct loop_group *group, struct fault *fault);

/* Tells every connection to end (engine_face.stop), waits until all are gone or `grace`
   milliseconds have passed, ends the loops and joins their threads. */
void loop_group_stop(struct loop_group *group, int64_t grace);

/* Runs the tasks that were posted since the loops ended. The order at the program's end:
   loop_group_stop, worker_pool_free (the last jobs come back), loop_group_settle (they let go of
   what they hold of the store), store_close (its jobs come back), loop_group_free. Accepts NULL. */
void loop_group_settle(struct loop_group *group);

/* Runs what was posted since, and frees. Accepts NULL. */
void loop_group_free(struct loop_group *group);

unsigned loop_group_count(const struct loop_group *group);
struct loop *loop_group_at(struct loop_group *group, unsigned index);

/* Runs the task on the loop's thread, in the order of the calls. From any thread; never blocks. */
void loop_post(struct loop *loop, struct loop_task *task);

/* What the loop thinks the time is: clock_monotonic_milliseconds of this turn. Loop's thread only.
 */
int64_t loop_now(const struct loop *loop);

#endif
