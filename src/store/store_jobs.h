/* Writing by group commit: whoever waits when the writer is free goes into one transaction, each
 * under a savepoint of its own, and all are told after the one commit. */
#ifndef STORE_STORE_JOBS_H
#define STORE_STORE_JOBS_H

#include <stddef.h>

#include "store/store.h"

enum {
    STORE_BATCH_JOBS_MAX = 128,                 /* jobs of one transaction */
    STORE_BATCH_BYTES_MAX = 8 * 1024 * 1024,    /* and their weights, but for the first */
    STORE_WAITING_BYTES_MAX = 256 * 1024 * 1024 /* weights of all that wait: past it, temporary */
};

/* Embedded in what is to be written. */
struct store_job {
    /* Writes. Called on a writer's thread, possibly again after a batch was rolled back, so it must
       not change what it reads. False: its own savepoint is undone and `fault` tells why. */
    bool (*run)(struct store_job *job, struct db *db, struct fault *fault);
    /* The outcome is final: is_done says whether it is on stable storage, fault why not. Called on
       a thread of the store, exactly once; must be quick and must not block. */
    void (*done)(struct store_job *job);
    /* May be NULL. The commit was done and this job is part of it: tells who looks on what it
       changed (store/store_news.h). Before `done`, on the same thread. */
    void (*tell)(struct store_job *job, struct store *store);
    size_t weight; /* bytes that it writes, about */
    /* The mailboxes that it will write to, in any order. They are locked in order for all jobs of a
       batch before the first runs, so that batches on several connections never deadlock. */
    const int64_t *mailboxes;
    size_t mailbox_count;
    size_t
        mailbox_stride; /* bytes from one to the next, when they stand in structs; 0 = an array */

    /* The account whose row is locked as well, before all mailboxes: for changes of the tree of its
       mailboxes. 0 = none. */
    int64_t account;

    /* The message of the queue whose row is locked as well, behind all of these: for what changes
       its recipients. 0 = none. */
    int64_t outbound;

    /* Its keys are made here: one that is taken already (FAULT_DENIED) is no answer to whoever
       wants something kept, but temporary. */
    bool has_own_keys;

    bool is_done;
    struct fault fault;
    struct store_job *next; /* the store's own */
};

/* Never blocks. The job belongs to the store until `done`, which may come before this returns. */
void store_submit(struct store *store, struct store_job *job);

/* Submits and waits; `done` is not used. For programs that have time. The answer is is_done. */
bool store_run(struct store *store, struct store_job *job, struct fault *fault);

#endif
