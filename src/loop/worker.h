/* Threads for what a loop must not do: reading the store, hashing passwords, writing temporary
 * files. */
#ifndef LOOP_WORKER_H
#define LOOP_WORKER_H

#include "base/fault.h"
#include "loop/loop.h"

struct worker_pool;

/* Runs on some worker, then `done` on the loop that it came from. Embedded in what it is about. */
struct worker_job {
    void (*run)(struct worker_job *job, void *context); /* context: the thread's own */
    struct loop_task done;                              /* its run is set by whoever submits */
    struct loop *loop;                                  /* where done runs */
    struct worker_job *next;                            /* the pool's own */
};

struct worker_options {
    unsigned count; /* threads */
    /* What each thread has to itself, made and given back on that thread (a reader of the store).
       open may fail: NULL is then the context of every job until a later try succeeds, which is
       made before each job, once a second at most. */
    void *(*open)(void *argument);
    void (*close)(void *context);
    void *argument;
};

/* NULL: fault. */
struct worker_pool *worker_pool_new(const struct worker_options *options, struct fault *fault);

/* Finishes the jobs that were submitted, and joins the threads. Accepts NULL. */
void worker_pool_free(struct worker_pool *pool);

/* Never blocks. The job is the pool's until its `done` runs. First come, first served. */
void worker_submit(struct worker_pool *pool, struct worker_job *job);

#endif
