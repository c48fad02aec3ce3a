/* Workers: order, contexts, the end. */
#include "loop/worker.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "failing_allocation.h"
#include "unit.h"

enum {
    JOBS = 500
};

struct count_job {
    struct worker_job job;
    unsigned number;
    unsigned *last_run;
    unsigned *last_done;
    void *context;
};

static void run_count(struct worker_job *job, void *context)
{
    struct count_job *count = (struct count_job *)(void *)job;
    assert_int_equal(count->number, *count->last_run + 1);
    *count->last_run = count->number;
    count->context = context;
}

static void hear_count(struct loop_task *task)
{
    struct count_job *count =
        (struct count_job *)(void *)((char *)task - offsetof(struct count_job, job.done));
    assert_int_equal(count->number, *count->last_done + 1);
    *count->last_done = count->number;
}

static void first_come_first_served(void **state)
{
    (void)state;
    static struct count_job jobs[JOBS];
    unsigned last_run = 0;
    unsigned last_done = 0;
    struct loop_group *group = loop_group_new(1, NULL);
    assert_true(loop_group_start(group, NULL));
    struct worker_pool *pool = worker_pool_new(&(struct worker_options){.count = 1}, NULL);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] =
            (struct count_job){.number = i + 1, .last_run = &last_run, .last_done = &last_done};
        jobs[i].job.run = run_count;
        jobs[i].job.done.run = hear_count;
        jobs[i].job.loop = loop_group_at(group, 0);
        worker_submit(pool, &jobs[i].job);
    }
    worker_pool_free(pool);
    assert_int_equal(last_run, JOBS);
    loop_group_stop(group, 0);
    assert_int_equal(last_done, JOBS);
    loop_group_free(group);
    worker_pool_free(NULL);
}

/* A context that cannot be opened at first. */
struct store {
    atomic_uint tries;
    atomic_uint opened;
    atomic_uint closed;
    unsigned failures;
};

static void *open_store(void *argument)
{
    struct store *store = argument;
    if (atomic_fetch_add(&store->tries, 1) < store->failures)
        return NULL;
    atomic_fetch_add(&store->opened, 1);
    return store;
}

static void close_store(void *context)
{
    atomic_fetch_add(&((struct store *)context)->closed, 1);
}

static void every_thread_has_its_context(void **state)
{
    (void)state;
    struct store store = {0};
    struct worker_pool *pool = worker_pool_new(
        &(struct worker_options){
            .count = 3, .open = open_store, .close = close_store, .argument = &store},
        NULL);
    worker_pool_free(pool);
    assert_int_equal(atomic_load(&store.opened), 3);
    assert_int_equal(atomic_load(&store.closed), 3);
}

struct wait_job {
    struct worker_job job;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_done;
    void *context;
};

static void run_wait(struct worker_job *job, void *context)
{
    ((struct wait_job *)(void *)job)->context = context;
}

static void hear_wait(struct loop_task *task)
{
    struct wait_job *wait =
        (struct wait_job *)(void *)((char *)task - offsetof(struct wait_job, job.done));
    pthread_mutex_lock(&wait->mutex);
    wait->is_done = true;
    pthread_cond_signal(&wait->changed);
    pthread_mutex_unlock(&wait->mutex);
}

static void *run_one(struct worker_pool *pool, struct loop *loop)
{
    struct wait_job wait = {.job = {.run = run_wait, .done = {.run = hear_wait}, .loop = loop},
                            .mutex = PTHREAD_MUTEX_INITIALIZER,
                            .changed = PTHREAD_COND_INITIALIZER};
    worker_submit(pool, &wait.job);
    pthread_mutex_lock(&wait.mutex);
    while (!wait.is_done)
        pthread_cond_wait(&wait.changed, &wait.mutex);
    pthread_mutex_unlock(&wait.mutex);
    return wait.context;
}

static void context_is_tried_again(void **state)
{
    (void)state;
    struct store store = {.failures = 2};
    struct loop_group *group = loop_group_new(1, NULL);
    assert_true(loop_group_start(group, NULL));
    struct worker_pool *pool = worker_pool_new(
        &(struct worker_options){
            .count = 1, .open = open_store, .close = close_store, .argument = &store},
        NULL);
    uint64_t start = clock_monotonic_milliseconds();
    unsigned jobs = 0;
    while (run_one(pool, loop_group_at(group, 0)) == NULL)
        jobs++;
    /* Once a second: the first try, one in vain, one that succeeds. */
    assert_true(clock_monotonic_milliseconds() - start >= 1000);
    assert_true(jobs > 2);
    assert_int_equal(atomic_load(&store.tries), 3);
    assert_ptr_equal(run_one(pool, loop_group_at(group, 0)), &store);
    worker_pool_free(pool);
    assert_int_equal(atomic_load(&store.closed), 1);
    loop_group_stop(group, 0);
    loop_group_free(group);
}

static void memory_may_fail(void **state)
{
    (void)state;
    struct fault fault = {0};
    failing_allocation_start(0);
    struct worker_pool *pool = worker_pool_new(&(struct worker_options){.count = 1}, &fault);
    assert_true(failing_allocation_stop());
    assert_null(pool);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_come_first_served),
        cmocka_unit_test(every_thread_has_its_context),
        cmocka_unit_test(context_is_tried_again),
        cmocka_unit_test(memory_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
