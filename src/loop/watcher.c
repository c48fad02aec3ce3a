/* Watchers are members of their loop, so that it ends neither before them nor with them open. */
#include "loop/watcher.h"

#include <stdlib.h>

#include "loop/loop_inside.h"

struct loop_watcher {
    struct loop_member member; /* first */
    uv_poll_t poll;
    struct loop_task *task;
    bool is_closing;
    bool is_closed; /* the loop has let go of `poll` */
    bool is_freed;  /* by its owner */
};

static void hear_closed(uv_handle_t *handle)
{
    struct loop_watcher *watcher = handle->data;
    watcher->is_closed = true;
    if (watcher->is_freed)
        free(watcher);
}

static void close_watcher(struct loop_watcher *watcher)
{
    if (watcher->is_closing)
        return;
    watcher->is_closing = true;
    loop_member_remove(&watcher->member);
    uv_close((uv_handle_t *)&watcher->poll, hear_closed);
}

static void wake(struct loop_member *member, int64_t now)
{
    (void)member;
    (void)now;
}

/* Its owner lets go of it when it is time. */
static void stop(struct loop_member *member, int64_t now)
{
    (void)member;
    (void)now;
}

static void end_now(struct loop_member *member, int64_t now)
{
    (void)now;
    close_watcher((struct loop_watcher *)member);
}

static const struct loop_member_face member_face = {wake, stop, end_now};

/* Of a broken descriptor, too: whoever reads it finds out. libuv tells that once. */
static void hear_poll(uv_poll_t *poll, int status, int events)
{
    struct loop_watcher *watcher = poll->data;
    (void)status;
    (void)events;
    watcher->task->run(watcher->task);
}

struct loop_watcher *watcher_new(struct loop *loop, int descriptor, struct loop_task *task,
                                 struct fault *fault)
{
    struct loop_watcher *watcher = calloc(1, sizeof *watcher);
    if (watcher == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    watcher->task = task;
    int error = uv_poll_init(&loop->uv, &watcher->poll, descriptor);
    if (error != 0) {
        free(watcher);
        fault_set_system(fault, FAULT_TEMPORARY, -error, "a descriptor cannot be watched");
        return NULL;
    }
    watcher->poll.data = watcher;
    if (!loop_member_add(loop, &watcher->member, &member_face)) {
        watcher->is_closing = watcher->is_freed = true;
        uv_close((uv_handle_t *)&watcher->poll, hear_closed);
        fault_set_memory(fault);
        return NULL;
    }
    uv_poll_start(&watcher->poll, UV_READABLE, hear_poll);
    return watcher;
}

void watcher_free(struct loop_watcher *watcher)
{
    if (watcher == NULL)
        return;
    watcher->is_freed = true;
    if (watcher->is_closed)
        free(watcher);
    else
        close_watcher(watcher);
}
