/* Loops, their threads, and the tasks posted to them. */
#include "loop/loop.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "loop/connection.h"
#include "loop/loop_inside.h"

struct loop_group {
    struct loop *loops;
    unsigned count;   /* loops that were opened */
    unsigned running; /* threads that were started */
};

/* ---- tasks ---- */

void loop_post(struct loop *loop, struct loop_task *task)
{
    struct loop_task *last = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do
        task->next = last;
    while (!atomic_compare_exchange_weak_explicit(&loop->posted, &last, task, memory_order_acq_rel,
                                                  memory_order_relaxed));
    /* Whoever finds tasks before its own knows that the loop has been woken for those. */
    if (last == NULL)
        uv_async_send(&loop->wakeup);
}

static void run_tasks(struct loop *loop)
{
    struct loop_task *last = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acq_rel);
    struct loop_task *first = NULL;
    while (last != NULL) {
        struct loop_task *before = last->next;
        last->next = first;
        first = last;
        last = before;
    }
    while (first != NULL) {
        struct loop_task *next = first->next;
        first->run(first);
        first = next;
    }
}

static void hear_wakeup(uv_async_t *wakeup)
{
    run_tasks(wakeup->data);
}

/* ---- members and their deadlines ---- */

static void hear_timer(uv_timer_t *timer);

static void set_timer(struct loop *loop)
{
    int64_t next = loop_deadlines_next(&loop->deadlines);
    if (loop->kill_at != 0 && (next == 0 || loop->kill_at < next))
        next = loop->kill_at;
    if (next == 0 || (loop->timer_at != 0 && loop->timer_at <= next))
        return;
    int64_t now = loop_now(loop);
    /* Never 0: a timer that starts itself again with 0 keeps libuv from ever polling. */
    int64_t wait = next <= now ? 1 : next - now;
    loop->timer_at = now + wait;
    uv_timer_start(&loop->timer, hear_timer, (uint64_t)wait, 0);
}

static void kill_members(struct loop *loop)
{
    while (loop->members != NULL)
        loop->members->face->kill(loop->members, loop_now(loop));
}

static void hear_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    int64_t now = loop_now(loop);
    loop->timer_at = 0;
    /* Those who ask to be woken at once wait for the next turn. */
    for (size_t left = loop->deadlines.count; left > 0; left--) {
        struct loop_deadline *due = loop_deadlines_take(&loop->deadlines, now);
        if (due == NULL)
            break;
        struct loop_member *member = (struct loop_member *)due;
        member->face->wake(member, now);
    }
    if (loop->kill_at != 0 && now >= loop->kill_at) {
        loop->kill_at = 0;
        kill_members(loop);
    }
    set_timer(loop);
}

bool loop_member_add(struct loop *loop, struct loop_member *member,
                     const struct loop_member_face *face)
{
    if (!loop_deadlines_reserve(&loop->deadlines, loop->member_count + 1))
        return false;
    *member = (struct loop_member){.face = face, .loop = loop, .next = loop->members};
    if (loop->members != NULL)
        loop->members->previous = member;
    loop->members = member;
    loop->member_count++;
    return true;
}

void loop_member_remove(struct loop_member *member)
{
    struct loop *loop = member->loop;
    loop_deadlines_remove(&loop->deadlines, &member->deadline);
    if (member->previous != NULL)
        member->previous->next = member->next;
    else
        loop->members = member->next;
    if (member->next != NULL)
        member->next->previous = member->previous;
    loop->member_count--;
    if (loop->is_stopping && loop->member_count == 0)
        uv_stop(&loop->uv);
}

void loop_member_wake_at(struct loop_member *member, int64_t when)
{
    loop_deadlines_set(&member->loop->deadlines, &member->deadline, when);
    set_timer(member->loop);
}

int64_t loop_now(const struct loop *loop)
{
    return (int64_t)uv_now(&loop->uv);
}

/* ---- one loop ---- */

static bool open_loop(struct loop *loop, struct fault *fault)
{
    loop->buffer = malloc(CONNECTION_READ_SIZE);
    if (loop->buffer == NULL)
        return fault_set_memory(fault);
    int error = uv_loop_init(&loop->uv);
    if (error == 0) {
        error = uv_async_init(&loop->uv, &loop->wakeup, hear_wakeup);
        if (error != 0)
            uv_loop_close(&loop->uv);
    }
    if (error != 0) {
        free(loop->buffer);
        return fault_set_system(fault, FAULT_TEMPORARY, -error, "an event loop cannot be made");
    }
    uv_timer_init(&loop->uv, &loop->timer);
    loop->wakeup.data = loop;
    loop->timer.data = loop;
    return true;
}

/* What the last jobs had to say comes when the thread is no more. */
static void settle(struct loop *loop)
{
    while (atomic_load_explicit(&loop->posted, memory_order_acquire) != NULL)
        run_tasks(loop);
}

static void close_loop(struct loop *loop)
{
    settle(loop);
    kill_members(loop);
    uv_close((uv_handle_t *)&loop->wakeup, NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    while (uv_run(&loop->uv, UV_RUN_DEFAULT) != 0)
        ;
    int error = uv_loop_close(&loop->uv);
    assert(error == 0);
    (void)error;
    loop_deadlines_clear(&loop->deadlines);
    free(loop->buffer);
}

static void run_loop(void *argument)
{
    struct loop *loop = argument;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

static void stop_loop(struct loop_task *task)
{
    struct loop *loop = (struct loop *)(void *)((char *)task - offsetof(struct loop, stop_task));
    int64_t now = loop_now(loop);
    loop->is_stopping = true;
    struct loop_member *next;
    for (struct loop_member *member = loop->members; member != NULL; member = next) {
        next = member->next;
        member->face->stop(member, now);
    }
    if (loop->member_count == 0) {
        uv_stop(&loop->uv);
        return;
    }
    loop->kill_at = now + (loop->grace < 1 ? 1 : loop->grace);
    set_timer(loop);
}

/* ---- the group ---- */

struct loop_group *loop_group_new(unsigned count, struct fault *fault)
{
    assert(count > 0);
    struct loop_group *group = calloc(1, sizeof *group);
    if (group != NULL)
        group->loops = calloc(count, sizeof(struct loop));
    if (group == NULL || group->loops == NULL) {
        free(group);
        fault_set_memory(fault);
        return NULL;
    }
    for (; group->count < count; group->count++) {
        if (!open_loop(&group->loops[group->count], fault)) {
            loop_group_free(group);
            return NULL;
        }
    }
    return group;
}

bool loop_group_start(struct loop_group *group, struct fault *fault)
{
    /* Signals are for the thread that the program began with. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    while (error == 0 && group->running < group->count) {
        struct loop *loop = &group->loops[group->running];
        error = uv_thread_create(&loop->thread, run_loop, loop);
        if (error == 0)
            group->running++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        return true;
    loop_group_stop(group, 0);
    return fault_set_system(fault, FAULT_TEMPORARY, -error, "a thread cannot be started");
}

void loop_group_stop(struct loop_group *group, int64_t grace)
{
    for (unsigned i = 0; i < group->running; i++) {
        struct loop *loop = &group->loops[i];
        loop->grace = grace;
        loop->stop_task.run = stop_loop;
        loop_post(loop, &loop->stop_task);
    }
    for (unsigned i = 0; i < group->running; i++)
        uv_thread_join(&group->loops[i].thread);
    group->running = 0;
    /* Those that never ran have listeners to let go. */
    for (unsigned i = 0; i < group->count; i++) {
        group->loops[i].is_stopping = true;
        kill_members(&group->loops[i]);
    }
}

void loop_group_settle(struct loop_group *group)
{
    for (unsigned i = 0; group != NULL && i < group->count; i++)
        settle(&group->loops[i]);
}

void loop_group_free(struct loop_group *group)
{
    if (group == NULL)
        return;
    for (unsigned i = 0; i < group->count; i++)
        close_loop(&group->loops[i]);
    free(group->loops);
    free(group);
}

unsigned loop_group_count(const struct loop_group *group)
{
    return group->count;
}

struct loop *loop_group_at(struct loop_group *group, unsigned index)
{
    assert(index < group->count);
    return &group->loops[index];
}
