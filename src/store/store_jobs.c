/* The writers: threads that take what waits, put it into one transaction and tell the outcome. */
#include "store/store_jobs.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "db/db.h"
#include "store/store_checkpoint.h"
#include "store/store_inside.h"

enum {
    BATCH_TRIES_MAX = 5, /* of a batch that the database wants to have run again */
    /* Until the outcome of a commit is known again after the connection broke. Less than the ten
       minutes that a peer waits for the answer to its message (RFC 5321 4.5.3.2.6). */
    UNKNOWN_MILLISECONDS_MAX = 5 * 60 * 1000,
    UNKNOWN_AT_END_MILLISECONDS_MAX = 10 * 1000, /* the same while the program wants to end */
    UNKNOWN_PAUSE_MILLISECONDS = 200,            /* between two questions */
    /* Each time that SQLite's log has grown by so many pages it is copied into the file beside the
       writing; and where it has so many, the writer sees to the rest itself, as it begins anew only
       when all of it was copied. A log that stays small is written over, which syncs in half the
       time of one that grows. */
    LOG_PAGES_STEP = 1000,
    LOG_PAGES_MAX = 4000,
    LOCK_TEXT_MAX = 1024 * 1024 /* bytes of the mailbox numbers of a batch */
};

struct writer {
    struct store_jobs *jobs;
    struct db *db;
    pthread_t thread;
    uint64_t log_pages; /* of SQLite's log when it was looked after */
};

struct store_jobs {
    struct store *store; /* for those who tell */
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct store_job *first; /* those that wait */
    struct store_job *last;
    size_t waiting_bytes;
    bool is_stopping;
    struct store_checkpoint *checkpoint; /* of SQLite */
    unsigned writer_count;
    struct writer writers[];
};

/* What one transaction takes. */
struct batch {
    struct store_job *jobs[STORE_BATCH_JOBS_MAX];
    size_t count;
    bool is_guarded; /* each job has a savepoint of its own */
};

/* ---- taking ---- */

static struct store_job *take_one(struct store_jobs *jobs)
{
    struct store_job *job = jobs->first;
    jobs->first = job->next;
    if (jobs->first == NULL)
        jobs->last = NULL;
    job->next = NULL;
    jobs->waiting_bytes -= job->weight;
    return job;
}

/* Waits for work. False: there is none and none will come. */
static bool take_batch(struct store_jobs *jobs, struct batch *batch)
{
    size_t weight = 0;
    batch->count = 0;
    batch->is_guarded = false;
    pthread_mutex_lock(&jobs->mutex);
    while (jobs->first == NULL && !jobs->is_stopping)
        pthread_cond_wait(&jobs->has_work, &jobs->mutex);
    while (jobs->first != NULL && batch->count < STORE_BATCH_JOBS_MAX &&
           (batch->count == 0 || weight + jobs->first->weight <= STORE_BATCH_BYTES_MAX)) {
        weight += jobs->first->weight;
        batch->jobs[batch->count++] = take_one(jobs);
    }
    pthread_mutex_unlock(&jobs->mutex);
    return batch->count > 0;
}

void store_jobs_submit(struct store_jobs *jobs, struct store_job *job)
{
    job->is_done = false;
    fault_clear(&job->fault);
    job->next = NULL;
    pthread_mutex_lock(&jobs->mutex);
    bool is_taken =
        !jobs->is_stopping && jobs->waiting_bytes + job->weight <= STORE_WAITING_BYTES_MAX;
    if (is_taken) {
        if (jobs->last == NULL)
            jobs->first = job;
        else
            jobs->last->next = job;
        jobs->last = job;
        jobs->waiting_bytes += job->weight;
        pthread_cond_signal(&jobs->has_work);
    }
    pthread_mutex_unlock(&jobs->mutex);
    if (!is_taken) {
        fault_set(&job->fault, FAULT_TEMPORARY, "too much waits to be written");
        job->done(job);
    }
}

/* ---- one transaction ---- */

static int compare_numbers(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

static int64_t mailbox_at(const struct store_job *job, size_t index)
{
    size_t stride = job->mailbox_stride == 0 ? sizeof(int64_t) : job->mailbox_stride;
    int64_t mailbox;
    memcpy(&mailbox, (const char *)job->mailboxes + index * stride, sizeof(mailbox));
    return mailbox;
}

static int64_t *gather_mailboxes(const struct batch *batch, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < batch->count; i++)
        *count += batch->jobs[i]->mailbox_count;
    int64_t *mailboxes = calloc(*count + 1, sizeof(*mailboxes));
    if (mailboxes == NULL)
        return NULL;
    size_t used = 0;
    for (size_t i = 0; i < batch->count; i++)
        for (size_t j = 0; j < batch->jobs[i]->mailbox_count; j++)
            mailboxes[used++] = mailbox_at(batch->jobs[i], j);
    qsort(mailboxes, *count, sizeof(*mailboxes), compare_numbers);
    return mailboxes;
}

/* Numbers that differ, in order, as the text that the locks take. */
static bool write_numbers(const int64_t *numbers, size_t count, struct buffer *text)
{
    for (size_t i = 0; i < count; i++)
        if (i == 0 || numbers[i] != numbers[i - 1])
            buffer_append_format(text, "%s%lld", i == 0 ? "" : ",", (long long)numbers[i]);
    return !buffer_is_failed(text);
}

/* Where a job wants an account, all accounts of the batch come before any mailbox, in order. */
static bool lock_accounts(struct db *db, const struct batch *batch, struct bytes mailboxes,
                          struct fault *fault)
{
    static const struct db_statement lock = {
        "SELECT 1 WHERE $1 = $2",
        "SELECT id FROM account WHERE id = ANY(ARRAY(SELECT unnest(('{' || $1 || '}')::bigint[]) "
        "UNION SELECT account FROM mailbox WHERE id = ANY(('{' || $2 || '}')::bigint[]))) "
        "ORDER BY id FOR UPDATE"};
    int64_t accounts[STORE_BATCH_JOBS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->jobs[i]->account != 0)
            accounts[count++] = batch->jobs[i]->account;
    if (count == 0)
        return true;
    AUTO(buffer)
    text = BUFFER(LOCK_TEXT_MAX);
    qsort(accounts, count, sizeof(accounts[0]), compare_numbers);
    if (!write_numbers(accounts, count, &text))
        return fault_set_memory(fault);
    return db_send(db, &lock, DB_VALUES(db_text(buffer_bytes(&text)), db_text(mailboxes)), fault);
}

/* A process that was taken for dead may still be writing: whoever takes over its part of the queue
   waits for the lock in which it does (store_outbound_lease.c). Sent, not waited for: the
   statements of the jobs see what was committed before they had their locks. */
static bool lock_outbound(struct db *db, int64_t self, const struct batch *batch,
                          struct fault *fault)
{
    static const struct db_statement lock_process = {"SELECT 1 WHERE $1 = 0",
                                                     "SELECT pg_advisory_xact_lock_shared($1)"};
    static const struct db_statement lock = {
        "SELECT 1 WHERE $1 = ''", "SELECT id FROM outbound_message WHERE "
                                  "id = ANY(('{' || $1 || '}')::bigint[]) ORDER BY id FOR UPDATE"};
    int64_t messages[STORE_BATCH_JOBS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < batch->count; i++)
        if (batch->jobs[i]->outbound != 0)
            messages[count++] = batch->jobs[i]->outbound;
    if (count == 0)
        return true;
    AUTO(buffer)
    text = BUFFER(LOCK_TEXT_MAX);
    qsort(messages, count, sizeof(messages[0]), compare_numbers);
    if (!write_numbers(messages, count, &text))
        return fault_set_memory(fault);
    return db_send(db, &lock_process, DB_VALUES(db_number(self)), fault) &&
           db_send(db, &lock, DB_VALUES(db_text(buffer_bytes(&text))), fault);
}

/* Takes the locks of all rows with counters that the batch will change, in one order for
   everybody: accounts, then mailboxes (PostgreSQL locks the rows of the table that is named first
   before those of the other). SQLite has one writer and needs none. */
static bool lock_mailboxes(struct db *db, const struct batch *batch, struct fault *fault)
{
    static const struct db_statement lock = {
        "SELECT 1 WHERE $1 = ''",
        "SELECT m.id FROM account a JOIN mailbox m ON m.account = a.id "
        "WHERE m.id = ANY(('{' || $1 || '}')::bigint[]) ORDER BY a.id, m.id FOR UPDATE"};
    size_t count;
    int64_t *mailboxes = gather_mailboxes(batch, &count);
    if (mailboxes == NULL)
        return fault_set_memory(fault);
    AUTO(buffer)
    text = BUFFER(LOCK_TEXT_MAX);
    bool is_written = write_numbers(mailboxes, count, &text);
    free(mailboxes);
    if (!is_written)
        return fault_set_memory(fault);
    if (!lock_accounts(db, batch, buffer_bytes(&text), fault))
        return false;
    return count == 0 || db_send(db, &lock, DB_VALUES(db_text(buffer_bytes(&text))), fault);
}

static void soften(struct store_job *job)
{
    if (job->has_own_keys && job->fault.kind == FAULT_DENIED)
        job->fault.kind = FAULT_TEMPORARY;
}

/* The job under its own savepoint. False: the whole transaction is lost, or is to be run again. */
static bool run_guarded(struct db *db, struct store_job *job, struct fault *fault)
{
    if (!db_savepoint(db, fault))
        return false;
    job->is_done = job->run(job, db, &job->fault) && db_savepoint_release(db, &job->fault);
    if (job->is_done)
        return true;
    if (job->fault.system_error == EDEADLK || db_is_lost(db)) {
        *fault = job->fault;
        return false;
    }
    soften(job);
    return db_savepoint_undo(db, fault);
}

/* Savepoints cost, and jobs hardly ever fail: they run without at first, and when one fails all are
   run again with them. */
static bool run_jobs(struct db *db, int64_t self, struct batch *batch, struct fault *fault)
{
    if (db_kind(db) == DB_POSTGRES &&
        (!lock_mailboxes(db, batch, fault) || !lock_outbound(db, self, batch, fault)))
        return false;
    for (size_t i = 0; i < batch->count; i++) {
        struct store_job *job = batch->jobs[i];
        fault_clear(&job->fault);
        if (batch->is_guarded) {
            if (!run_guarded(db, job, fault))
                return false;
            continue;
        }
        job->is_done = job->run(job, db, fault);
        if (!job->is_done)
            return false;
    }
    return true;
}

static void pause_milliseconds(long milliseconds)
{
    struct timespec pause = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* Nobody waits for a database that is not there. */
static void refuse_waiting(struct store_jobs *jobs, const struct fault *fault)
{
    pthread_mutex_lock(&jobs->mutex);
    while (jobs->first != NULL) {
        struct store_job *job = take_one(jobs);
        pthread_mutex_unlock(&jobs->mutex);
        job->fault = *fault;
        job->fault.kind = FAULT_TEMPORARY;
        job->done(job);
        pthread_mutex_lock(&jobs->mutex);
    }
    pthread_mutex_unlock(&jobs->mutex);
}

static bool is_stopping(struct store_jobs *jobs)
{
    pthread_mutex_lock(&jobs->mutex);
    bool is_stopping = jobs->is_stopping;
    pthread_mutex_unlock(&jobs->mutex);
    return is_stopping;
}

/* The connection broke before the answer to COMMIT came. To say "no" to what is there would double
   it, as the peer sends it again; so the question is put to the database until it answers. */
static bool find_out(struct writer *writer, struct fault *fault)
{
    uint64_t start = clock_monotonic_milliseconds();
    uint64_t waited;
    do {
        bool is_done;
        if (db_commit_find_out(writer->db, &is_done, fault))
            return is_done ||
                   fault_set(fault, FAULT_TEMPORARY, "the connection broke before the commit");
        refuse_waiting(writer->jobs, fault);
        pause_milliseconds(UNKNOWN_PAUSE_MILLISECONDS);
        waited = clock_monotonic_milliseconds() - start;
    } while (waited < (is_stopping(writer->jobs) ? UNKNOWN_AT_END_MILLISECONDS_MAX
                                                 : UNKNOWN_MILLISECONDS_MAX));
    return false;
}

/* A job that had the transaction to itself failed, and knows why. */
static bool end_alone(struct store_job *job, const struct fault *fault)
{
    job->is_done = false;
    job->fault = *fault;
    soften(job);
    return true;
}

/* *may_repeat: nothing of it was written, and to run it again may help. */
static bool run_transaction(struct writer *writer, struct batch *batch, bool *may_repeat,
                            struct fault *fault)
{
    struct db *db = writer->db;
    *may_repeat = false;
    if (!db_begin(db, DB_WRITE, fault))
        return false;
    if (!run_jobs(db, store_self(writer->jobs->store), batch, fault)) {
        bool is_of_database = fault->system_error == EDEADLK || db_is_lost(db);
        db_rollback(db);
        if (batch->count == 1 && !is_of_database)
            return end_alone(batch->jobs[0], fault);
        /* A connection that broke is made again by db_begin. */
        *may_repeat = !batch->is_guarded || is_of_database;
        batch->is_guarded = true;
        return false;
    }
    bool is_unknown;
    if (db_commit(db, &is_unknown, fault))
        return true;
    if (is_unknown)
        return find_out(writer, fault);
    /* What was sent without waiting for it comes to light here. */
    *may_repeat = !batch->is_guarded || fault->system_error == EDEADLK;
    batch->is_guarded = true;
    return false;
}

/* What the whole batch failed of, each job failed of. */
static void fail_all(const struct batch *batch, const struct fault *fault)
{
    for (size_t i = 0; i < batch->count; i++) {
        struct store_job *job = batch->jobs[i];
        job->is_done = false;
        job->fault = *fault;
        /* Whatever it is, it is not the fault of this job. */
        job->fault.kind = FAULT_TEMPORARY;
    }
}

static void run_batch(struct writer *writer, struct batch *batch)
{
    struct fault fault = {0};
    bool is_done = false;
    bool may_repeat = true;
    for (int i = 0; i < BATCH_TRIES_MAX && !is_done && may_repeat; i++) {
        fault_clear(&fault);
        is_done = run_transaction(writer, batch, &may_repeat, &fault);
    }
    if (!is_done)
        fail_all(batch, &fault);
    /* Whoever looks on hears what changed before the jobs go back to their owners. */
    for (size_t i = 0; i < batch->count; i++)
        if (batch->jobs[i]->is_done && batch->jobs[i]->tell != NULL)
            batch->jobs[i]->tell(batch->jobs[i], writer->jobs->store);
    for (size_t i = 0; i < batch->count; i++)
        batch->jobs[i]->done(batch->jobs[i]);
}

/* ---- threads ---- */

static void look_after_log(struct writer *writer)
{
    uint64_t pages = db_log_pages(writer->db);
    uint64_t left;
    if (pages < writer->log_pages)
        writer->log_pages = 0;
    if (pages - writer->log_pages < LOG_PAGES_STEP)
        return;
    writer->log_pages = pages;
    if (pages >= LOG_PAGES_MAX)
        db_checkpoint(writer->db, &left, NULL);
    else
        store_checkpoint_wake(writer->jobs->checkpoint);
}

static void *write_batches(void *argument)
{
    struct writer *writer = argument;
    struct batch batch;
    while (take_batch(writer->jobs, &batch)) {
        run_batch(writer, &batch);
        look_after_log(writer);
    }
    return NULL;
}

static bool start_writer(struct store_jobs *jobs, const struct db_options *options,
                         struct fault *fault)
{
    struct writer *writer = &jobs->writers[jobs->writer_count];
    writer->jobs = jobs;
    writer->db = db_open(options, fault);
    if (writer->db == NULL)
        return false;
    int error = pthread_create(&writer->thread, NULL, write_batches, writer);
    if (error != 0) {
        db_close(writer->db);
        return fault_set_system(fault, FAULT_TEMPORARY, error, "cannot start a thread");
    }
    jobs->writer_count++;
    return true;
}

struct store_jobs *store_jobs_start(struct store *store, const struct db_options *options,
                                    unsigned writers, struct fault *fault)
{
    struct store_jobs *jobs = calloc(1, sizeof(*jobs) + writers * sizeof(jobs->writers[0]));
    if (jobs == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    jobs->store = store;
    pthread_mutex_init(&jobs->mutex, NULL);
    pthread_cond_init(&jobs->has_work, NULL);
    for (unsigned i = 0; i < writers; i++) {
        if (!start_writer(jobs, options, fault)) {
            store_jobs_stop(jobs);
            return NULL;
        }
    }
    if (db_place_kind(options->place) == DB_SQLITE) {
        jobs->checkpoint = store_checkpoint_start(options, fault);
        if (jobs->checkpoint == NULL) {
            store_jobs_stop(jobs);
            return NULL;
        }
    }
    return jobs;
}

void store_jobs_stop(struct store_jobs *jobs)
{
    if (jobs == NULL)
        return;
    pthread_mutex_lock(&jobs->mutex);
    jobs->is_stopping = true;
    pthread_cond_broadcast(&jobs->has_work);
    pthread_mutex_unlock(&jobs->mutex);
    for (unsigned i = 0; i < jobs->writer_count; i++) {
        pthread_join(jobs->writers[i].thread, NULL);
        db_close(jobs->writers[i].db);
    }
    store_checkpoint_stop(jobs->checkpoint);
    pthread_cond_destroy(&jobs->has_work);
    pthread_mutex_destroy(&jobs->mutex);
    free(jobs);
}
