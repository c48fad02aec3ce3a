/* Claiming a number for ids: a lock on a byte of a file, or a row that is renewed. */
#include "store/store_node.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/random.h"
#include "store/store_inside.h"

enum {
    RENEW_SECONDS = 60,
    NAME_SIZE = 128,
    /* Where the bytes begin that stand for numbers; what lies before is for other locks. */
    LOCK_START = 1024 * 1024,
    PLACE_MAX = 8 * 1024
};

/* A number that was not renewed for so long is free: ten renewals failed. */
static const int64_t stale_microseconds = INT64_C(600) * 1000 * 1000;

struct store_node {
    struct store *store;
    int lock; /* SQLite: the file whose byte is locked; -1 = none */
    /* Of PostgreSQL. */
    bool has_thread;
    int64_t number;
    char name[NAME_SIZE]; /* of this program, as no other has it */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t has_changed;
    bool is_stopping;
};

/* ---- SQLite: all programs are on one machine ---- */

/* Locks of an open file, not of a process, so that two stores in one process differ as well. */
static bool lock_byte(struct store_node *node, struct fault *fault)
{
    uint16_t drawn;
    if (!random_fill(&drawn, sizeof(drawn), fault))
        return false;
    for (int i = 0; i < STORE_NODES_MAX; i++) {
        int64_t number = (drawn + i) % STORE_NODES_MAX;
        struct flock wanted = {.l_type = F_WRLCK,
                               .l_whence = SEEK_SET,
                               .l_start = LOCK_START + (off_t)number,
                               .l_len = 1};
        if (fcntl(node->lock, F_OFD_SETLK, &wanted) == 0) {
            store_set_node(node->store, number);
            return true;
        }
        if (errno != EAGAIN && errno != EACCES)
            return fault_set_system(fault, FAULT_TEMPORARY, errno, "cannot lock %.150s.lock",
                                    node->store->place);
    }
    return fault_set(fault, FAULT_TEMPORARY, "more than %d programs have %.150s open",
                     STORE_NODES_MAX, node->store->place);
}

static bool claim_by_lock(struct store_node *node, struct fault *fault)
{
    AUTO(buffer)
    path = BUFFER(PLACE_MAX);
    buffer_append_format(&path, "%s.lock", node->store->place);
    const char *name = buffer_string(&path);
    if (name == NULL)
        return fault_set_memory(fault);
    node->lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
    if (node->lock < 0)
        return fault_set_system(fault, FAULT_TEMPORARY, errno, "cannot open %.150s", name);
    return lock_byte(node, fault);
}

/* ---- PostgreSQL: the server's clock counts, not that of each machine ---- */

#define NOW "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"

/* The row is still this program's. */
static bool renew(const struct store_node *node, struct db *db, bool *is_ours, struct fault *fault)
{
    static const struct db_statement update = {"SELECT 1", "UPDATE node SET seen = " NOW
                                                           " WHERE id = $1 AND name = $2"};
    uint64_t changed;
    if (!db_execute(db, &update, DB_VALUES(db_number(node->number), db_string(node->name)),
                    &changed, fault))
        return false;
    *is_ours = changed == 1;
    return true;
}

/* The one that nobody had for the longest time: ids of who had it last are long past. */
static bool claim_row(struct store_node *node, struct db *db, struct fault *fault)
{
    static const struct db_statement lock = {"SELECT 1", "LOCK TABLE node IN EXCLUSIVE MODE"};
    static const struct db_statement claim = {
        "SELECT 1", "INSERT INTO node(id, name, seen, version) SELECT n, $1, " NOW ", $2 "
                    "FROM generate_series(0, $3 - 1) n LEFT JOIN node o ON o.id = n "
                    "WHERE o.id IS NULL OR o.name = '' OR o.seen < " NOW " - $4 "
                    "ORDER BY COALESCE(o.seen, 0), n LIMIT 1 "
                    "ON CONFLICT (id) DO UPDATE SET name = excluded.name, seen = excluded.seen, "
                    "version = excluded.version RETURNING id"};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_execute(db, &lock, DB_NO_VALUES, NULL, fault) ||
        !db_query_one(db, &claim,
                      DB_VALUES(db_string(node->name), db_string(POSTHORN_VERSION),
                                db_number(STORE_NODES_MAX), db_number(stale_microseconds)),
                      &rows, &is_found, fault))
        return false;
    if (!is_found)
        return fault_set(fault, FAULT_TEMPORARY, "more than %d programs work on the store",
                         STORE_NODES_MAX);
    node->number = db_rows_number(&rows, 0);
    return true;
}

struct node_job {
    struct store_job job;
    struct store_node *node;
};

static bool run_claim(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_node *node = ((struct node_job *)job)->node;
    bool is_ours = false;
    if (node->has_thread && !renew(node, db, &is_ours, fault))
        return false;
    return is_ours || claim_row(node, db, fault);
}

static bool run_release(struct store_job *job, struct db *db, struct fault *fault)
{
    static const struct db_statement release = {
        "SELECT 1", "UPDATE node SET name = '' WHERE id = $1 AND name = $2"};
    const struct store_node *node = ((struct node_job *)job)->node;
    return db_execute(db, &release, DB_VALUES(db_number(node->number), db_string(node->name)), NULL,
                      fault);
}

bool store_node_renew(struct store_node *node, struct fault *fault)
{
    struct node_job job = {.job.run = run_claim, .node = node};
    if (!store_run(node->store, &job.job, fault))
        return false;
    store_set_node(node->store, node->number);
    return true;
}

static bool wait_for_next(struct store_node *node)
{
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    next.tv_sec += RENEW_SECONDS;
    pthread_mutex_lock(&node->mutex);
    int error = 0;
    while (!node->is_stopping && error == 0)
        error = pthread_cond_timedwait(&node->has_changed, &node->mutex, &next);
    bool goes_on = !node->is_stopping;
    pthread_mutex_unlock(&node->mutex);
    return goes_on;
}

static void *keep(void *argument)
{
    struct store_node *node = argument;
    /* What fails is tried again; until then the number is still this program's for a while. */
    while (wait_for_next(node))
        store_node_renew(node, NULL);
    return NULL;
}

static void make_condition(struct store_node *node)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&node->has_changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&node->mutex, NULL);
}

static bool claim_by_row(struct store_node *node, struct fault *fault)
{
    char host[64] = "";
    uint64_t drawn;
    gethostname(host, sizeof(host) - 1);
    if (!random_fill(&drawn, sizeof(drawn), fault))
        return false;
    snprintf(node->name, sizeof(node->name), "%s/%ld/%016llx", host, (long)getpid(),
             (unsigned long long)drawn);
    if (!store_node_renew(node, fault))
        return false;
    make_condition(node);
    int error = pthread_create(&node->thread, NULL, keep, node);
    node->has_thread = error == 0;
    if (node->has_thread)
        return true;
    pthread_cond_destroy(&node->has_changed);
    pthread_mutex_destroy(&node->mutex);
    return fault_set_system(fault, FAULT_TEMPORARY, error, "cannot start a thread");
}

/* ---- both ---- */

struct store_node *store_node_start(struct store *store, struct fault *fault)
{
    struct store_node *node = calloc(1, sizeof(*node));
    if (node == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    node->store = store;
    node->lock = -1;
    /* Nobody else opens a store in memory. */
    bool is_done = store->own_directory != NULL ||
                   (db_place_kind(store->place) == DB_POSTGRES ? claim_by_row(node, fault)
                                                               : claim_by_lock(node, fault));
    if (is_done)
        return node;
    store_node_stop(node);
    return NULL;
}

static void stop_thread(struct store_node *node)
{
    struct node_job job = {.job.run = run_release, .node = node};
    pthread_mutex_lock(&node->mutex);
    node->is_stopping = true;
    pthread_cond_signal(&node->has_changed);
    pthread_mutex_unlock(&node->mutex);
    pthread_join(node->thread, NULL);
    pthread_cond_destroy(&node->has_changed);
    pthread_mutex_destroy(&node->mutex);
    store_run(node->store, &job.job, NULL);
}

void store_node_stop(struct store_node *node)
{
    if (node == NULL)
        return;
    if (node->has_thread)
        stop_thread(node);
    if (node->lock >= 0)
        close(node->lock);
    free(node);
}
