/* Watchers tell when a descriptor can be read, until they are freed. */
#include "loop/watcher.h"

#include <pthread.h>
#include <unistd.h>

#include "failing_allocation.h"
#include "unit.h"

struct watch_room {
    struct loop_group *group;
    struct loop_watcher *watcher;
    struct loop_task readable;
    struct loop_task errand;
    int pipe[2];
    unsigned told;
    size_t bytes;
    bool is_done;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

static void hear_readable(struct loop_task *task)
{
    struct watch_room *room =
        (struct watch_room *)(void *)((char *)task - offsetof(struct watch_room, readable));
    char bytes[4];
    ssize_t count = read(room->pipe[0], bytes, sizeof bytes);
    pthread_mutex_lock(&room->mutex);
    room->told++;
    room->bytes += count > 0 ? (size_t)count : 0;
    pthread_cond_broadcast(&room->changed);
    pthread_mutex_unlock(&room->mutex);
    if (count == 0) {
        watcher_free(room->watcher);
        room->watcher = NULL;
    }
}

static struct watch_room *room_of_errand(struct loop_task *task)
{
    return (struct watch_room *)(void *)((char *)task - offsetof(struct watch_room, errand));
}

static void tell_done(struct watch_room *room)
{
    pthread_mutex_lock(&room->mutex);
    room->is_done = true;
    pthread_cond_broadcast(&room->changed);
    pthread_mutex_unlock(&room->mutex);
}

static void begin(struct loop_task *task)
{
    struct watch_room *room = room_of_errand(task);
    struct fault fault;
    room->watcher =
        watcher_new(loop_group_at(room->group, 0), room->pipe[0], &room->readable, &fault);
    tell_done(room);
}

static void end(struct loop_task *task)
{
    struct watch_room *room = room_of_errand(task);
    watcher_free(room->watcher);
    room->watcher = NULL;
    tell_done(room);
}

static void run(struct watch_room *room, void (*errand)(struct loop_task *task))
{
    room->is_done = false;
    room->errand.run = errand;
    loop_post(loop_group_at(room->group, 0), &room->errand);
    pthread_mutex_lock(&room->mutex);
    while (!room->is_done)
        pthread_cond_wait(&room->changed, &room->mutex);
    pthread_mutex_unlock(&room->mutex);
}

static void open_room(struct watch_room *room)
{
    struct fault fault;
    room->readable.run = hear_readable;
    assert_int_equal(pipe(room->pipe), 0);
    pthread_mutex_init(&room->mutex, NULL);
    pthread_cond_init(&room->changed, NULL);
    room->group = loop_group_new(1, &fault);
    assert_non_null(room->group);
    assert_true(loop_group_start(room->group, &fault));
    run(room, begin);
    assert_non_null(room->watcher);
}

static void await_bytes(struct watch_room *room, size_t count)
{
    pthread_mutex_lock(&room->mutex);
    while (room->bytes < count)
        pthread_cond_wait(&room->changed, &room->mutex);
    pthread_mutex_unlock(&room->mutex);
}

static void close_room(struct watch_room *room)
{
    loop_group_free(room->group);
    close(room->pipe[0]);
    if (room->pipe[1] >= 0)
        close(room->pipe[1]);
    pthread_mutex_destroy(&room->mutex);
    pthread_cond_destroy(&room->changed);
}

static void tells_as_long_as_there_is_something(void **state)
{
    (void)state;
    struct watch_room room = {0};
    open_room(&room);
    assert_int_equal(write(room.pipe[1], "0123456789", 10), 10);
    await_bytes(&room, 10);
    assert_int_equal(room.told, 3);
    run(&room, end);
    assert_int_equal(write(room.pipe[1], "unread", 6), 6);
    loop_group_stop(room.group, 30000);
    assert_int_equal(room.bytes, 10);
    close_room(&room);
}

/* The end can be read, and the task may free the watcher. */
static void tells_of_the_end(void **state)
{
    (void)state;
    struct watch_room room = {0};
    open_room(&room);
    close(room.pipe[1]);
    room.pipe[1] = -1;
    loop_group_stop(room.group, 30000);
    assert_null(room.watcher);
    close_room(&room);
}

static void loop_ends_without_its_owner(void **state)
{
    (void)state;
    struct watch_room early = {0};
    open_room(&early);
    loop_group_stop(early.group, 1);
    watcher_free(early.watcher);
    close_room(&early);
    struct watch_room late = {0};
    open_room(&late);
    loop_group_stop(late.group, 1);
    close_room(&late);
    watcher_free(late.watcher);
}

static void want_of_memory_is_told(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct loop_task task = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct loop_group *group = loop_group_new(1, &fault);
    assert_non_null(group);
    for (size_t i = 0;; i++) {
        failing_allocation_start(i);
        struct loop_watcher *watcher = watcher_new(loop_group_at(group, 0), ends[0], &task, &fault);
        bool has_failed = failing_allocation_stop();
        assert_int_equal(watcher == NULL, has_failed);
        watcher_free(watcher);
        if (!has_failed)
            break;
        assert_int_equal(fault.kind, FAULT_TEMPORARY);
    }
    watcher_free(NULL);
    assert_null(watcher_new(loop_group_at(group, 0), -1, &task, &fault));
    loop_group_free(group);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_as_long_as_there_is_something),
        cmocka_unit_test(tells_of_the_end),
        cmocka_unit_test(loop_ends_without_its_owner),
        cmocka_unit_test(want_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
