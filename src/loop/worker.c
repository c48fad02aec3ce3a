/* A queue of jobs and the threads that take from it. */
#include "loop/worker.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "base/clock.h"

enum {
    OPEN_RETRY_MILLISECONDS = 1000
};

struct worker_pool {
    struct worker_options options;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct worker_job *first;
    struct worker_job **last; /* where the next is hung */
    bool is_ending;
    unsigned count; /* threads that were started */
    pthread_t threads[];
};

/* What one thread has to itself. */
struct worker_context {
    void *opened;
    uint64_t tried_at;
    bool was_tried;
};

static void try_open(const struct worker_pool *pool, struct worker_context *context)
{
    if (context->opened != NULL || pool->options.open == NULL)
        return;
    uint64_t now = clock_monotonic_milliseconds();
    if (context->was_tried && now - context->tried_at < OPEN_RETRY_MILLISECONDS)
        return;
    context->was_tried = true;
    context->tried_at = now;
    context->opened = pool->options.open(pool->options.argument);
}

/* Waits; NULL: the pool ends and nothing is left to do. */
static struct worker_job *take_job(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->first == NULL && !pool->is_ending)
        pthread_cond_wait(&pool->changed, &pool->mutex);
    struct worker_job *job = pool->first;
    if (job != NULL) {
        pool->first = job->next;
        if (pool->first == NULL)
            pool->last = &pool->first;
    }
    pthread_mutex_unlock(&pool->mutex);
    return job;
}

static void *work(void *argument)
{
    struct worker_pool *pool = argument;
    struct worker_context context = {0};
    try_open(pool, &context);
    struct worker_job *job;
    while ((job = take_job(pool)) != NULL) {
        try_open(pool, &context);
        job->run(job, context.opened);
        loop_post(job->loop, &job->done);
    }
    if (context.opened != NULL && pool->options.close != NULL)
        pool->options.close(context.opened);
    return NULL;
}

static int start_threads(struct worker_pool *pool)
{
    /* Signals are for the thread that the program began with. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = 0;
    while (error == 0 && pool->count < pool->options.count) {
        error = pthread_create(&pool->threads[pool->count], NULL, work, pool);
        if (error == 0)
            pool->count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

struct worker_pool *worker_pool_new(const struct worker_options *options, struct fault *fault)
{
    assert(options->count > 0);
    struct worker_pool *pool = calloc(1, sizeof *pool + options->count * sizeof(pthread_t));
    if (pool == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    pool->options = *options;
    pool->last = &pool->first;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->changed, NULL);
    int error = start_threads(pool);
    if (error == 0)
        return pool;
    worker_pool_free(pool);
    fault_set_system(fault, FAULT_TEMPORARY, error, "a thread cannot be started");
    return NULL;
}

void worker_pool_free(struct worker_pool *pool)
{
    if (pool == NULL)
        return;
    pthread_mutex_lock(&pool->mutex);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->changed);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

void worker_submit(struct worker_pool *pool, struct worker_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&pool->mutex);
    assert(!pool->is_ending);
    *pool->last = job;
    pool->last = &job->next;
    pthread_cond_signal(&pool->changed);
    pthread_mutex_unlock(&pool->mutex);
}
