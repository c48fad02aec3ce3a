/* A time on a loop at which a task runs. */
#ifndef LOOP_ALARM_H
#define LOOP_ALARM_H

#include "loop/loop.h"

struct loop_alarm;

/* On the loop's thread, all of them. `task` is run on the loop each time that it rings, never from
   within a call of this room; borrowed. When the loop is told to stop it rings once more, and rings
   no more afterwards: alarm_is_stopping tells. NULL: fault. */
struct loop_alarm *alarm_new(struct loop *loop, struct loop_task *task, struct fault *fault);
/* Accepts NULL. The loop does not end before its alarms are freed, or its grace is over. */
void alarm_free(struct loop_alarm *alarm);

/* Rings once at `when` (loop_now's milliseconds; what is past rings in the next turn); 0 = not. The
   last call counts. */
void alarm_set(struct loop_alarm *alarm, int64_t when);

bool alarm_is_stopping(const struct loop_alarm *alarm);

#endif
