/* Opening and closing the store, its readers and its ids. */
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "db/db_migrate.h"
#include "store/store_inside.h"
#include "store/store_news_inside.h"
#include "store/store_node.h"

enum {
    WRITERS_DEFAULT = 4, /* connections to PostgreSQL that write */
    WRITERS_MAX = 64,
    /* For rows that other batches hold: they may be many, and each as slow as the disk. Deadlocks
       are found much sooner. */
    WRITER_WAIT_MILLISECONDS = 60 * 1000
};

/* An id, from the highest bit: 41 of milliseconds since 2024 (until 2093), 10 of a number that
   each program claims, 12 that count within the millisecond. */
enum {
    ID_COUNT_BITS = 12,
    ID_NODE_BITS = 10
};
static const int64_t id_epoch_milliseconds = 1704067200000;

static const char place_in_memory[] = ":memory:";

/* A store that is gone when it is closed lies in files all the same: threads share it, a large one
   needs no memory, and everything works as it does in earnest. */
static bool make_own_directory(struct store *store, struct fault *fault)
{
    const char *parent = getenv("TMPDIR");
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s/posthorn-XXXXXX",
             parent == NULL || *parent == '\0' ? "/tmp" : parent);
    if (mkdtemp(path) == NULL)
        return fault_set_system(fault, FAULT_TEMPORARY, errno, "%.150s", path);
    store->own_directory = strdup(path);
    if (store->own_directory == NULL || asprintf(&store->place, "%s/store", path) < 0) {
        store->place = NULL;
        rmdir(path);
        return fault_set_memory(fault);
    }
    return true;
}

static void remove_own_directory(const char *path)
{
    DIR *directory = opendir(path);
    if (directory == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(directory)) != NULL)
        unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    rmdir(path);
}

static bool set_places(struct store *store, const struct store_options *options,
                       struct fault *fault)
{
    const char *drafts = options->draft_directory;
    if (drafts == NULL)
        drafts = getenv("TMPDIR");
    if (drafts == NULL || *drafts == '\0')
        drafts = "/var/tmp";
    store->draft_directory = strdup(drafts);
    if (strcmp(options->place, place_in_memory) == 0)
        return store->draft_directory == NULL ? fault_set_memory(fault)
                                              : make_own_directory(store, fault);
    store->place = strdup(options->place);
    if (store->place == NULL || store->draft_directory == NULL)
        return fault_set_memory(fault);
    return true;
}

/* Ids go on behind those that are there, even where the clock was set back, or begins in 1970. */
static bool begin_ids(struct store *store, struct fault *fault)
{
    static const struct db_statement find = {"SELECT COALESCE(MAX(id), 0) FROM body", NULL};
    struct db *reader = store_reader_open(store, fault);
    if (reader == NULL)
        return false;
    bool is_found = false;
    AUTO(db_rows)
    rows = {0};
    bool is_done = db_query_one(reader, &find, DB_NO_VALUES, &rows, &is_found, fault);
    if (is_found)
        atomic_store(&store->last_id, db_rows_number(&rows, 0));
    db_rows_clear(&rows);
    store_reader_close(reader);
    if (!is_done)
        return false;
    store->claim = store_node_start(store, fault);
    if (store->claim == NULL)
        return false;
    store->self = store_id_make(store);
    return true;
}

static bool start_jobs(struct store *store, const struct store_options *options,
                       struct fault *fault)
{
    bool is_in_memory = store->own_directory != NULL;
    store->news_poll = options->news_poll == 0 ? STORE_NEWS_POLL : options->news_poll;
    struct db_options db_options = {.place = store->place,
                                    .writes = true,
                                    .creates = options->creates || is_in_memory,
                                    .is_volatile = is_in_memory};
    unsigned writers = options->writers == 0 ? WRITERS_DEFAULT : options->writers;
    if (writers > WRITERS_MAX)
        writers = WRITERS_MAX;
    if (db_place_kind(store->place) == DB_SQLITE)
        writers = 1;
    else
        db_options.wait_milliseconds = WRITER_WAIT_MILLISECONDS;
    store->jobs = store_jobs_start(store, &db_options, writers, fault);
    return store->jobs != NULL;
}

struct store *store_open(const struct store_options *options, struct fault *fault)
{
    struct store *store = calloc(1, sizeof(*store));
    if (store == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    pthread_mutex_init(&store->outbound_mutex, NULL);
    store->news = store_news_room_new(fault);
    if (store->news == NULL || !set_places(store, options, fault) ||
        !start_jobs(store, options, fault) || !begin_ids(store, fault)) {
        store_close(store);
        return NULL;
    }
    return store;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    store_node_stop(store->claim);
    store_jobs_stop(store->jobs);
    store_news_stop(store);
    store_news_room_free(store->news);
    pthread_mutex_destroy(&store->outbound_mutex);
    if (store->own_directory != NULL)
        remove_own_directory(store->own_directory);
    free(store->own_directory);
    free(store->draft_directory);
    free(store->place);
    free(store);
}

struct db *store_reader_open(struct store *store, struct fault *fault)
{
    struct db_options options = {.place = store->place,
                                 .is_volatile = store->own_directory != NULL};
    return db_open(&options, fault);
}

void store_reader_close(struct db *reader)
{
    db_close(reader);
}

bool store_migrate(const char *place, bool is_dry, void (*tell)(void *context, const char *line),
                   void *context, int *from, int *to, struct fault *fault)
{
    struct db_options options = {.place = place, .writes = true, .creates = !is_dry};
    struct db *db = db_migrate_open(&options, fault);
    if (db == NULL)
        return false;
    bool is_done = db_migrate_run(db, is_dry, tell, context, from, to, fault);
    db_close(db);
    return is_done;
}

bool store_is_shared(const struct store *store)
{
    return db_place_kind(store->place) == DB_POSTGRES;
}

int64_t store_self(const struct store *store)
{
    return store->self;
}

void store_set_node(struct store *store, int64_t number)
{
    atomic_store(&store->node, number << ID_COUNT_BITS);
}

int64_t store_id_make(struct store *store)
{
    const int64_t count_mask = (1 << ID_COUNT_BITS) - 1;
    const int64_t node_mask = ((1 << ID_NODE_BITS) - 1) << ID_COUNT_BITS;
    int64_t last = atomic_load(&store->last_id);
    int64_t next;
    do {
        int64_t node = atomic_load(&store->node);
        int64_t now = clock_wall_microseconds() / 1000 - id_epoch_milliseconds;
        int64_t last_time = last >> (ID_NODE_BITS + ID_COUNT_BITS);
        /* Within the millisecond, or when the clock went back, it counts on; past the last number
           of a millisecond, or with another node's number, it takes the next one's. */
        if (now > last_time)
            next = now << (ID_NODE_BITS + ID_COUNT_BITS) | node;
        else if ((last & node_mask) == node && (last & count_mask) < count_mask)
            next = last + 1;
        else
            next = (last_time + 1) << (ID_NODE_BITS + ID_COUNT_BITS) | node;
    } while (!atomic_compare_exchange_weak(&store->last_id, &last, next));
    return next;
}

int64_t store_id_of_time(int64_t time)
{
    int64_t milliseconds = time / 1000 - id_epoch_milliseconds;
    return milliseconds <= 0 ? 0 : milliseconds << (ID_NODE_BITS + ID_COUNT_BITS);
}

void store_submit(struct store *store, struct store_job *job)
{
    store_jobs_submit(store->jobs, job);
}

/* ---- waiting for a job ---- */

/* Stands in the queue for a job whose `done` is not to be called. */
struct waiter {
    struct store_job job;
    struct store_job *real;
    pthread_mutex_t mutex;
    pthread_cond_t is_over;
    bool has_ended;
};

static bool run_real(struct store_job *job, struct db *db, struct fault *fault)
{
    struct waiter *waiter = (struct waiter *)job;
    return waiter->real->run(waiter->real, db, fault);
}

static void tell_real(struct store_job *job, struct store *store)
{
    struct waiter *waiter = (struct waiter *)job;
    waiter->real->is_done = true;
    waiter->real->tell(waiter->real, store);
}

static void wake_waiter(struct store_job *job)
{
    struct waiter *waiter = (struct waiter *)job;
    pthread_mutex_lock(&waiter->mutex);
    waiter->has_ended = true;
    pthread_cond_signal(&waiter->is_over);
    pthread_mutex_unlock(&waiter->mutex);
}

bool store_run(struct store *store, struct store_job *job, struct fault *fault)
{
    struct waiter waiter = {.job = *job, .real = job};
    waiter.job.run = run_real;
    waiter.job.done = wake_waiter;
    if (job->tell != NULL)
        waiter.job.tell = tell_real;
    pthread_mutex_init(&waiter.mutex, NULL);
    pthread_cond_init(&waiter.is_over, NULL);
    store_jobs_submit(store->jobs, &waiter.job);
    pthread_mutex_lock(&waiter.mutex);
    while (!waiter.has_ended)
        pthread_cond_wait(&waiter.is_over, &waiter.mutex);
    pthread_mutex_unlock(&waiter.mutex);
    pthread_cond_destroy(&waiter.is_over);
    pthread_mutex_destroy(&waiter.mutex);
    job->is_done = waiter.job.is_done;
    job->fault = waiter.job.fault;
    if (!job->is_done && fault != NULL)
        *fault = job->fault;
    return job->is_done;
}
