/* Alarms are members of their loop that have nothing but a deadline. */
#include "loop/alarm.h"

#include <stdlib.h>

#include "loop/loop_inside.h"

struct loop_alarm {
    struct loop_member member; /* first */
    struct loop_task *task;
    bool is_stopping;
    bool is_gone; /* the loop has ended */
};

static struct loop_alarm *alarm_of(struct loop_member *member)
{
    return (struct loop_alarm *)member;
}

static void wake(struct loop_member *member, int64_t now)
{
    struct loop_alarm *alarm = alarm_of(member);
    (void)now;
    alarm->task->run(alarm->task);
}

/* Rings in the next turn: whoever hears it may free other members. */
static void stop(struct loop_member *member, int64_t now)
{
    alarm_of(member)->is_stopping = true;
    loop_member_wake_at(member, now);
}

static void end_now(struct loop_member *member, int64_t now)
{
    (void)now;
    alarm_of(member)->is_gone = true;
    loop_member_remove(member);
}

static const struct loop_member_face member_face = {wake, stop, end_now};

struct loop_alarm *alarm_new(struct loop *loop, struct loop_task *task, struct fault *fault)
{
    struct loop_alarm *alarm = calloc(1, sizeof *alarm);
    if (alarm == NULL || !loop_member_add(loop, &alarm->member, &member_face)) {
        free(alarm);
        fault_set_memory(fault);
        return NULL;
    }
    alarm->task = task;
    if (loop->is_stopping)
        stop(&alarm->member, loop_now(loop));
    return alarm;
}

void alarm_free(struct loop_alarm *alarm)
{
    if (alarm == NULL)
        return;
    if (!alarm->is_gone)
        loop_member_remove(&alarm->member);
    free(alarm);
}

void alarm_set(struct loop_alarm *alarm, int64_t when)
{
    if (!alarm->is_stopping && !alarm->is_gone)
        loop_member_wake_at(&alarm->member, when);
}

bool alarm_is_stopping(const struct loop_alarm *alarm)
{
    return alarm->is_stopping || alarm->is_gone;
}
