/* Alarms ring when they are set for, and once more when the loop ends. */
#include "loop/alarm.h"

#include <pthread.h>
#include <stdlib.h>

#include "failing_allocation.h"
#include "unit.h"

struct clock_room {
    struct loop_group *group;
    struct loop_alarm *alarm;
    struct loop_task ring;
    struct loop_task begin;
    int64_t set_at;
    int64_t wanted;
    int64_t rang_at;
    unsigned rings;
    unsigned last_rings; /* while it was stopping */
    bool rings_again;
    bool keeps_alarm;
    bool is_set_within;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

static struct clock_room *room_of_ring(struct loop_task *task)
{
    return (struct clock_room *)(void *)((char *)task - offsetof(struct clock_room, ring));
}

static void hear_ring(struct loop_task *task)
{
    struct clock_room *room = room_of_ring(task);
    struct loop *loop = loop_group_at(room->group, 0);
    assert_false(room->is_set_within);
    pthread_mutex_lock(&room->mutex);
    room->rings++;
    room->rang_at = loop_now(loop);
    pthread_cond_broadcast(&room->changed);
    pthread_mutex_unlock(&room->mutex);
    if (alarm_is_stopping(room->alarm)) {
        room->last_rings++;
        alarm_set(room->alarm, loop_now(loop));
        if (!room->keeps_alarm) {
            alarm_free(room->alarm);
            room->alarm = NULL;
        }
    } else if (room->rings_again && room->rings < 5) {
        alarm_set(room->alarm, loop_now(loop) + 1);
    }
}

static void begin(struct loop_task *task)
{
    struct clock_room *room =
        (struct clock_room *)(void *)((char *)task - offsetof(struct clock_room, begin));
    struct loop *loop = loop_group_at(room->group, 0);
    struct fault fault;
    room->alarm = alarm_new(loop, &room->ring, &fault);
    assert_non_null(room->alarm);
    room->set_at = loop_now(loop);
    room->is_set_within = true;
    /* The last call counts. */
    alarm_set(room->alarm, room->set_at + 100000);
    alarm_set(room->alarm, room->set_at + room->wanted);
    room->is_set_within = false;
}

static void open_room(struct clock_room *room, int64_t wanted)
{
    struct fault fault;
    room->wanted = wanted;
    room->ring.run = hear_ring;
    room->begin.run = begin;
    pthread_mutex_init(&room->mutex, NULL);
    pthread_cond_init(&room->changed, NULL);
    room->group = loop_group_new(1, &fault);
    assert_non_null(room->group);
    assert_true(loop_group_start(room->group, &fault));
    loop_post(loop_group_at(room->group, 0), &room->begin);
}

static void await_rings(struct clock_room *room, unsigned count)
{
    pthread_mutex_lock(&room->mutex);
    while (room->rings < count)
        pthread_cond_wait(&room->changed, &room->mutex);
    pthread_mutex_unlock(&room->mutex);
}

static void close_room(struct clock_room *room)
{
    loop_group_free(room->group);
    pthread_mutex_destroy(&room->mutex);
    pthread_cond_destroy(&room->changed);
}

static void rings_at_its_time(void **state)
{
    (void)state;
    static const int64_t times[] = {20, 0, -1000};
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct clock_room room = {0};
        open_room(&room, times[i]);
        await_rings(&room, 1);
        assert_true(room.rang_at >= room.set_at + times[i]);
        loop_group_stop(room.group, 30000);
        assert_int_equal(room.rings, 2);
        assert_int_equal(room.last_rings, 1);
        close_room(&room);
    }
}

static void rings_as_often_as_it_is_set(void **state)
{
    (void)state;
    struct clock_room room = {.rings_again = true};
    open_room(&room, 1);
    await_rings(&room, 5);
    loop_group_stop(room.group, 30000);
    assert_int_equal(room.rings, 6);
    close_room(&room);
}

/* Whoever never lets go of it holds up the loop no longer than the grace; then nothing rings. */
static void loop_ends_without_its_owner(void **state)
{
    (void)state;
    struct clock_room room = {.keeps_alarm = true};
    open_room(&room, 1);
    await_rings(&room, 1);
    loop_group_stop(room.group, 1);
    assert_true(room.rings <= 2);
    assert_true(alarm_is_stopping(room.alarm));
    alarm_set(room.alarm, 1);
    alarm_free(room.alarm);
    close_room(&room);
}

static void want_of_memory_is_told(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct loop_task task = {0};
    struct loop_group *group = loop_group_new(1, &fault);
    assert_non_null(group);
    for (size_t i = 0;; i++) {
        failing_allocation_start(i);
        struct loop_alarm *alarm = alarm_new(loop_group_at(group, 0), &task, &fault);
        bool has_failed = failing_allocation_stop();
        assert_int_equal(alarm == NULL, has_failed);
        alarm_free(alarm);
        if (!has_failed)
            break;
        assert_int_equal(fault.kind, FAULT_TEMPORARY);
    }
    alarm_free(NULL);
    loop_group_free(group);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_at_its_time),
        cmocka_unit_test(rings_as_often_as_it_is_set),
        cmocka_unit_test(loop_ends_without_its_owner),
        cmocka_unit_test(want_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
