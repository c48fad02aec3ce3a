/* A descriptor that a loop looks at for somebody who reads it himself. */
#ifndef LOOP_WATCHER_H
#define LOOP_WATCHER_H

#include "loop/loop.h"

struct loop_watcher;

/* Runs the task on the loop's thread whenever the descriptor can be read. Loop's thread only. The
   descriptor and the task are borrowed. The loop does not end before its watchers are freed, or its
   grace is over. NULL: fault. */
struct loop_watcher *watcher_new(struct loop *loop, int descriptor, struct loop_task *task,
                                 struct fault *fault);
void watcher_free(struct loop_watcher *watcher); /* accepts NULL; before the descriptor is closed */

#endif
