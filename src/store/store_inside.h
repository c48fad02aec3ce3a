/* What the sources of the store's core share. */
#ifndef STORE_STORE_INSIDE_H
#define STORE_STORE_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>

#include "db/db.h"
#include "store/store_jobs.h"

enum {
    STORE_PART_SIZE = 256 * 1024 /* bytes of a body in one row: what body.data holds at most */
};

struct store_jobs;
struct store_newsroom;
struct store_outbound_watch;

struct store {
    char *place; /* as the driver is to open it */
    char *draft_directory;
    char *own_directory; /* of a store in memory: removed at the end; else NULL */
    struct store_jobs *jobs;
    struct store_newsroom *news;
    _Atomic int64_t last_id;
    _Atomic int64_t node;     /* bits of every id that this process makes */
    struct store_node *claim; /* of those bits */
    int64_t self;
    int64_t news_poll; /* milliseconds between two looks at what is watched */
    _Atomic int64_t draft_memory;
    _Atomic int64_t draft_notes;
    _Atomic int64_t outbound_runner; /* whose is what comes into the queue; 0 = nobody's yet */
    pthread_mutex_t outbound_mutex;  /* also held while the watch hears */
    struct store_outbound_watch *outbound_watch;
};

/* From now on ids have this number, below STORE_NODES_MAX. */
void store_set_node(struct store *store, int64_t number);

/* Starts the writers' threads; NULL: fault. */
struct store_jobs *store_jobs_start(struct store *store, const struct db_options *options,
                                    unsigned writers, struct fault *fault);
/* Finishes what waits. Accepts NULL. */
void store_jobs_stop(struct store_jobs *jobs);
void store_jobs_submit(struct store_jobs *jobs, struct store_job *job);

#endif
