/* Reading ahead for POP3 sessions, and what their parts do without memory. */
#include "session/pop3_reading.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "failing_allocation.h"
#include "session/pop3_locks.h"
#include "session/pop3_maildrop.h"
#include "session/session_letters.h"

static void hear_nothing(struct loop_task *task)
{
    (void)task;
    abort();
}

static void parts_tell_when_memory_runs_out(void **state)
{
    struct house *house = *state;
    struct fault fault = {0};
    struct loop_task told = {.run = hear_nothing};
    struct session_identity identity = {.loop = loop_group_at(house->loops, 0), .protocol = "pop3"};
    const struct pop3_server_message message = {.size = 1, .uid = 1};
    const struct pop3_server_maildrop list = {.messages = &message, .count = 1};
    for (size_t count = 0; count < 2; count++) {
        failing_allocation_start(count);
        struct pop3_maildrop *maildrop =
            pop3_maildrop_new(&house->services, house->locks, &identity, 5, &told, &fault);
        assert_true(failing_allocation_stop());
        assert_null(maildrop);
        assert_int_equal(fault.kind, FAULT_TEMPORARY);
    }
    assert_int_equal(pop3_locks_take(house->locks, 5), POP3_LOCKS_TAKEN);
    failing_allocation_start(0);
    struct pop3_reading *reading =
        pop3_reading_new(&house->services, &identity, 5, &list, &told, &fault);
    assert_true(failing_allocation_stop());
    assert_null(reading);
    reading = pop3_reading_new(&house->services, &identity, 5, &list, &told, &fault);
    failing_allocation_start(0);
    enum pop3_reading_status status = pop3_reading_begin(reading, 0, false, 1);
    assert_true(failing_allocation_stop());
    assert_int_equal(status, POP3_READING_FAILED);
    assert_int_equal(pop3_reading_deadline(reading), 0);
    pop3_reading_free(reading);
}

/* Stands for a session; its calls are made from here while the loop has nothing else to do. */
struct reader {
    struct loop_task told; /* first */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned count;
};

static void count_told(struct loop_task *task)
{
    struct reader *reader = (struct reader *)task;
    pthread_mutex_lock(&reader->mutex);
    reader->count++;
    pthread_cond_signal(&reader->changed);
    pthread_mutex_unlock(&reader->mutex);
}

static void wait_for_told(struct reader *reader, unsigned count)
{
    pthread_mutex_lock(&reader->mutex);
    while (reader->count < count)
        pthread_cond_wait(&reader->changed, &reader->mutex);
    pthread_mutex_unlock(&reader->mutex);
}

static void reads_ahead_and_gives_back(void **state)
{
    struct house *house = *state;
    for (int i = 0; i < 5; i++)
        letters_put_one(house, "x\r\n");
    struct reader reader = {.told = {.run = count_told},
                            .mutex = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    struct session_identity identity = {.loop = loop_group_at(house->loops, 0), .protocol = "pop3"};
    const uint64_t size = strlen(letters_prefix) + 3;
    const struct pop3_server_message messages[] = {
        {size, 1}, {size, 2}, {size, 3}, {size, 4}, {size, 5}};
    const struct pop3_server_maildrop list = {.messages = messages, .count = 5};
    struct pop3_reading *reading = pop3_reading_new(
        &house->services, &identity, letters_ann(house).inbox, &list, &reader.told, NULL);
    assert_int_equal(pop3_reading_begin(reading, 0, false, 1), POP3_READING_WAITS);
    wait_for_told(&reader, 1);
    assert_int_equal(pop3_reading_status(reading), POP3_READING_PIECE);
    assert_int_equal(pop3_reading_piece(reading).length, size);
    assert_true(pop3_reading_is_at_end(reading));
    pop3_reading_used(reading);
    /* The next is there already, and one behind a hole as well. */
    assert_int_equal(pop3_reading_begin(reading, 1, false, 1), POP3_READING_PIECE);
    pop3_reading_used(reading);
    assert_int_equal(pop3_reading_begin(reading, 3, true, 1), POP3_READING_PIECE);
    pop3_reading_used(reading);
    /* Nobody asks for a while. */
    int64_t deadline = pop3_reading_deadline(reading);
    assert_int_equal(deadline, 1 + POP3_READING_KEPT);
    pop3_reading_tick(reading, deadline - 1);
    assert_int_equal(pop3_reading_deadline(reading), deadline);
    pop3_reading_tick(reading, deadline);
    assert_int_equal(pop3_reading_deadline(reading), 0);
    assert_int_equal(pop3_reading_begin(reading, 4, false, deadline), POP3_READING_WAITS);
    wait_for_told(&reader, 2);
    assert_int_equal(pop3_reading_status(reading), POP3_READING_PIECE);
    pop3_reading_used(reading);
    /* The last of them: nothing is kept. */
    assert_int_equal(pop3_reading_deadline(reading), 0);
    pop3_reading_free(reading);
}

/* It fits into what is read ahead, but not into one piece. */
static void large_behind_small_comes_in_pieces(void **state)
{
    enum {
        LARGE = POP3_READING_SLICE + 1000
    };
    static char large[LARGE + 1];
    struct house *house = *state;
    memset(large, 'x', LARGE);
    for (size_t i = 76; i + 1 < LARGE; i += 78)
        memcpy(large + i, "\r\n", 2);
    memcpy(large + LARGE - 2, "\r\n", 2);
    letters_put_one(house, "x\r\n");
    letters_put_one(house, "x\r\n");
    letters_put_one(house, large);
    struct reader reader = {.told = {.run = count_told},
                            .mutex = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    struct session_identity identity = {.loop = loop_group_at(house->loops, 0), .protocol = "pop3"};
    const uint64_t prefix = strlen(letters_prefix);
    const struct pop3_server_message messages[] = {
        {prefix + 3, 1}, {prefix + 3, 2}, {prefix + LARGE, 3}};
    const struct pop3_server_maildrop list = {.messages = messages, .count = 3};
    struct pop3_reading *reading = pop3_reading_new(
        &house->services, &identity, letters_ann(house).inbox, &list, &reader.told, NULL);
    /* Beginning with the second, so that the next is asked for in order. */
    pop3_reading_begin(reading, 1, false, 1);
    wait_for_told(&reader, 1);
    pop3_reading_used(reading);
    pop3_reading_begin(reading, 0, false, 1);
    wait_for_told(&reader, 2);
    pop3_reading_tick(reading, pop3_reading_deadline(reading));
    assert_int_equal(pop3_reading_begin(reading, 1, false, 1), POP3_READING_WAITS);
    wait_for_told(&reader, 3);
    pop3_reading_used(reading);
    assert_int_equal(pop3_reading_begin(reading, 2, false, 1), POP3_READING_WAITS);
    wait_for_told(&reader, 4);
    assert_int_equal(pop3_reading_piece(reading).length, POP3_READING_SLICE);
    assert_false(pop3_reading_is_at_end(reading));
    pop3_reading_used(reading);
    assert_int_equal(pop3_reading_next(reading, 1), POP3_READING_WAITS);
    wait_for_told(&reader, 5);
    assert_int_equal(pop3_reading_piece(reading).length, prefix + LARGE - POP3_READING_SLICE);
    assert_true(pop3_reading_is_at_end(reading));
    pop3_reading_used(reading);
    pop3_reading_free(reading);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

static const struct CMUnitTest tests[] = {
    HOUSE_TEST(parts_tell_when_memory_runs_out),
    HOUSE_TEST(reads_ahead_and_gives_back),
    HOUSE_TEST(large_behind_small_comes_in_pieces),
};

UNIT_MAIN(tests)
