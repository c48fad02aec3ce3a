/* Group commit: many threads, jobs that fail beside others, and the database in trouble. */
#include "store_fixture.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../db/postgres_cluster.h"
#include "store/store_accounts.h"
#include "store/store_maildrop.h"

#define LETTER "From: bob@example.net\r\n\r\nHello.\r\n"

enum {
    JOBS = 20,
    FAILING = 7,
    THREADS = 4,
    LETTERS_OF_THREAD = 50
};

/* ---- a set of jobs that end together ---- */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_changed = PTHREAD_COND_INITIALIZER;

struct gate {
    bool is_open;
    int waiting;
    int ended;
};
static struct gate gate;

static void open_gate(void)
{
    pthread_mutex_lock(&mutex);
    gate.is_open = true;
    pthread_cond_broadcast(&has_changed);
    pthread_mutex_unlock(&mutex);
}

/* A job that keeps its writer busy, so that others pile up behind it. */
static bool wait_at_gate(struct store_job *job, struct db *db, struct fault *fault)
{
    (void)job;
    (void)db;
    (void)fault;
    pthread_mutex_lock(&mutex);
    gate.waiting++;
    pthread_cond_broadcast(&has_changed);
    while (!gate.is_open)
        pthread_cond_wait(&has_changed, &mutex);
    pthread_mutex_unlock(&mutex);
    return true;
}

static void count_end(struct store_job *job)
{
    (void)job;
    pthread_mutex_lock(&mutex);
    gate.ended++;
    pthread_cond_broadcast(&has_changed);
    pthread_mutex_unlock(&mutex);
}

static void wait_until(const int *counter, int count)
{
    pthread_mutex_lock(&mutex);
    while (*counter < count)
        pthread_cond_wait(&has_changed, &mutex);
    pthread_mutex_unlock(&mutex);
}

/* Occupies all writers of either driver. */
static void block_writers(struct store_fixture *fixture, struct store_job *blockers, int *count)
{
    *count = fixture->kind == DB_SQLITE ? 1 : 4;
    gate = (struct gate){0};
    for (int i = 0; i < *count; i++) {
        blockers[i] = (struct store_job){.run = wait_at_gate, .done = count_end};
        store_submit(fixture->store, &blockers[i]);
        wait_until(&gate.waiting, i + 1);
    }
}

struct setting_job {
    struct store_job job;
    char name[16];
    bool fails;
    bool breaks_a_constraint;
    int runs;
};

static bool put_setting(struct store_job *job, struct db *db, struct fault *fault)
{
    static const struct db_statement again = {"INSERT INTO setting(name, value) VALUES($1, $2)",
                                              NULL};
    struct setting_job *setting = (struct setting_job *)job;
    setting->runs++;
    if (!store_setting_put(db, setting->name, BYTES("x"), fault))
        return false;
    if (setting->breaks_a_constraint)
        return db_send(db, &again, DB_VALUES(db_string(setting->name), db_bytes(BYTES("y"))),
                       fault);
    return !setting->fails || fault_set(fault, FAULT_DENIED, "job %s fails", setting->name);
}

static void a_failing_job_leaves_the_others(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement count = {"SELECT count(*) FROM setting WHERE name LIKE 'job%'",
                                              NULL};
    struct store_job blockers[4];
    struct setting_job jobs[JOBS] = {0};
    int blocker_count;
    block_writers(fixture, blockers, &blocker_count);
    for (int i = 0; i < JOBS; i++) {
        snprintf(jobs[i].name, sizeof(jobs[i].name), "job%d", i);
        jobs[i].job.run = put_setting;
        jobs[i].job.done = count_end;
        jobs[i].fails = i == FAILING;
        jobs[i].breaks_a_constraint = i == FAILING + 1;
        store_submit(fixture->store, &jobs[i].job);
    }
    open_gate();
    wait_until(&gate.ended, JOBS + blocker_count);
    for (int i = 0; i < JOBS; i++) {
        bool is_good = i != FAILING && i != FAILING + 1;
        assert_int_equal(jobs[i].job.is_done, is_good);
        if (!is_good)
            assert_int_equal(jobs[i].job.fault.kind, FAULT_DENIED);
    }
    assert_int_equal(store_fixture_number(fixture, &count, DB_NO_VALUES), JOBS - 2);
    /* Those before it were run again, and yet are there once. */
    if (fixture->kind == DB_SQLITE)
        assert_true(jobs[0].runs >= 2);
}

static void a_job_alone_tells_its_own_fault(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct setting_job job = {.job.run = put_setting, .name = "alone", .fails = true};
    assert_false(store_run(fixture->store, &job.job, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    assert_string_equal(fault.message, "job alone fails");
    assert_false(job.job.is_done);
    job.fails = false;
    assert_true(store_run(fixture->store, &job.job, &fault));
}

static void too_much_that_waits_is_refused(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_job blockers[4];
    int blocker_count;
    block_writers(fixture, blockers, &blocker_count);
    struct setting_job fits = {
        .job = {.run = put_setting, .done = count_end, .weight = STORE_WAITING_BYTES_MAX},
        .name = "fits"};
    struct setting_job over = {.job = {.run = put_setting, .done = count_end, .weight = 1},
                               .name = "over"};
    store_submit(fixture->store, &fits.job);
    store_submit(fixture->store, &over.job);
    assert_int_equal(gate.ended, 1);
    assert_false(over.job.is_done);
    assert_int_equal(over.job.fault.kind, FAULT_TEMPORARY);
    open_gate();
    wait_until(&gate.ended, blocker_count + 2);
    assert_true(fits.job.is_done);
}

/* ---- threads ---- */

static void *deliver_many(void *argument)
{
    struct store_fixture *fixture = argument;
    struct store_fixture_letter letters[LETTERS_OF_THREAD];
    for (int i = 0; i < LETTERS_OF_THREAD; i++) {
        store_fixture_letter(fixture, &letters[i], BYTES(LETTER));
        letters[i].delivery.job.done = count_end;
        store_delivery_submit(&letters[i].delivery);
    }
    wait_until(&gate.ended, THREADS * LETTERS_OF_THREAD);
    for (int i = 0; i < LETTERS_OF_THREAD; i++) {
        assert_true(letters[i].delivery.job.is_done);
        store_fixture_letter_clear(&letters[i]);
    }
    return NULL;
}

static void threads_deliver_into_one_mailbox(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    pthread_t threads[THREADS];
    gate = (struct gate){0};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, deliver_many, fixture), 0);
    /* A reader beside them sees UIDs without gaps, whenever it looks. */
    struct store_maildrop maildrop = {0};
    do {
        store_maildrop_clear(&maildrop);
        assert_true(store_maildrop_read(fixture->reader, fixture->inbox, &maildrop, &fault));
        for (size_t i = 0; i < maildrop.count; i++)
            assert_int_equal(maildrop.messages[i].uid, i + 1);
    } while (maildrop.count < THREADS * LETTERS_OF_THREAD);
    store_maildrop_clear(&maildrop);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

enum {
    IDS_OF_THREAD = 20000
};

struct id_maker {
    struct store *store;
    int64_t ids[IDS_OF_THREAD];
};

static void *make_ids(void *argument)
{
    struct id_maker *maker = argument;
    for (int i = 0; i < IDS_OF_THREAD; i++)
        maker->ids[i] = store_id_make(maker->store);
    return NULL;
}

static int compare_ids(const void *left, const void *right)
{
    const int64_t *a = left;
    const int64_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

static void ids_are_unique_and_in_order(void **state)
{
    struct store_fixture *fixture = *state;
    static struct id_maker makers[2];
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        makers[i].store = fixture->store;
        assert_int_equal(pthread_create(&threads[i], NULL, make_ids, &makers[i]), 0);
    }
    static int64_t all[2 * IDS_OF_THREAD];
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        for (int j = 1; j < IDS_OF_THREAD; j++)
            assert_true(makers[i].ids[j] > makers[i].ids[j - 1]);
        memcpy(all + (size_t)i * IDS_OF_THREAD, makers[i].ids, sizeof(makers[i].ids));
    }
    qsort(all, 2 * (size_t)IDS_OF_THREAD, sizeof(all[0]), compare_ids);
    assert_true(all[0] > 0);
    for (size_t i = 1; i < 2 * (size_t)IDS_OF_THREAD; i++)
        assert_true(all[i] > all[i - 1]);
}

/* ---- trouble ---- */

static bool deliver(struct store_fixture *fixture, struct fault *fault)
{
    struct store_fixture_letter letter;
    store_fixture_letter(fixture, &letter, BYTES(LETTER));
    bool is_done = store_fixture_deliver(&letter.delivery);
    *fault = letter.delivery.job.fault;
    store_fixture_letter_clear(&letter);
    return is_done;
}

static void a_locked_file_is_a_temporary_fault(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct db_options options = {.place = fixture->place, .writes = true};
    struct db *other = db_open(&options, &fault);
    assert_non_null(other);
    assert_true(db_begin(other, DB_WRITE, &fault));
    assert_false(deliver(fixture, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_int_equal(fault.system_error, EBUSY);
    db_close(other);
    assert_true(deliver(fixture, &fault));
}

static void a_file_that_went_is_missed(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    char elsewhere[128];
    uint64_t count;
    uint64_t size;
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", fixture->directory);
    assert_true(deliver(fixture, &fault));
    assert_int_equal(rename(fixture->place, elsewhere), 0);
    assert_false(deliver(fixture, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_false(store_maildrop_count(fixture->reader, fixture->inbox, &count, &size, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    /* No new store was made in its place. */
    struct stat file;
    assert_int_equal(stat(fixture->place, &file), -1);
    assert_int_equal(rename(elsewhere, fixture->place), 0);
    assert_true(deliver(fixture, &fault));
    assert_true(store_maildrop_count(fixture->reader, fixture->inbox, &count, &size, &fault));
    assert_int_equal(count, 2);
}

static void a_full_disk_is_a_temporary_fault(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct rlimit limit;
    struct rlimit low;
    struct stat file;
    char log[300];
    assert_true(deliver(fixture, &fault));
    snprintf(log, sizeof(log), "%s-wal", fixture->place);
    assert_int_equal(stat(log, &file), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    low = limit;
    low.rlim_cur = (rlim_t)file.st_size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    bool is_done = deliver(fixture, &fault);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_false(is_done);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_true(deliver(fixture, &fault));
    uint64_t count;
    uint64_t size;
    assert_true(store_maildrop_count(fixture->reader, fixture->inbox, &count, &size, &fault));
    assert_int_equal(count, 2);
}

static void a_lost_server_comes_back_by_itself(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    uint64_t count;
    uint64_t size;
    assert_true(deliver(fixture, &fault));
    postgres_cluster_kill();
    assert_false(deliver(fixture, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_false(store_maildrop_count(fixture->reader, fixture->inbox, &count, &size, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    postgres_cluster_revive();
    assert_true(deliver(fixture, &fault));
    assert_true(store_maildrop_count(fixture->reader, fixture->inbox, &count, &size, &fault));
    assert_int_equal(count, 2);
    /* Killed and back between two jobs: nobody hears of it. */
    postgres_cluster_kill();
    postgres_cluster_revive();
    assert_true(deliver(fixture, &fault));
    assert_true(store_maildrop_count(fixture->reader, fixture->inbox, &count, &size, &fault));
    assert_int_equal(count, 3);
}

/* Whatever was acknowledged while the server is killed is there once, the rest not at all. */
static void a_server_killed_under_load(void **state)
{
    struct store_fixture *fixture = *state;
    static struct store_fixture_letter letters[200];
    enum {
        COUNT = sizeof(letters) / sizeof(letters[0])
    };
    struct fault fault = {0};
    gate = (struct gate){0};
    for (int i = 0; i < COUNT; i++) {
        store_fixture_letter(fixture, &letters[i], BYTES(LETTER));
        letters[i].delivery.job.done = count_end;
    }
    for (int i = 0; i < COUNT; i++) {
        store_delivery_submit(&letters[i].delivery);
        if (i == COUNT / 2) {
            wait_until(&gate.ended, 1);
            postgres_cluster_kill();
            postgres_cluster_revive();
        }
    }
    wait_until(&gate.ended, COUNT);
    static const struct db_statement find = {
        "SELECT count(*) FROM message WHERE mailbox = $1 AND body = $2", NULL};
    assert_true(deliver(fixture, &fault));
    for (int i = 0; i < COUNT; i++) {
        int64_t found = store_fixture_number(
            fixture, &find,
            DB_VALUES(db_number(fixture->inbox), db_number(letters[i].delivery.id)));
        assert_int_equal(found, letters[i].delivery.job.is_done);
        store_fixture_letter_clear(&letters[i]);
    }
}

static void two_processes_share_a_file(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    enum {
        EACH = 40
    };
    /* What is open does not survive a fork. */
    store_fixture_close(fixture);
    pid_t process = fork();
    store_fixture_open(fixture);
    bool is_good = true;
    for (int i = 0; i < EACH; i++)
        is_good = deliver(fixture, &fault) && is_good;
    if (process == 0) {
        store_fixture_close(fixture);
        _exit(is_good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_int_equal(status, 0);
    assert_true(is_good);
    uint64_t count;
    uint64_t size;
    assert_true(store_maildrop_count(fixture->reader, fixture->inbox, &count, &size, &fault));
    assert_int_equal(count, 2 * EACH);
}

#define ONLY_SQLITE(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, store_fixture_set_up_sqlite, store_fixture_tear_down)
#define ONLY_POSTGRES(test)                                                                        \
    cmocka_unit_test_setup_teardown(test, store_fixture_set_up_postgres, store_fixture_tear_down)

static const struct CMUnitTest tests[] = {
    STORE_TEST(a_failing_job_leaves_the_others), STORE_TEST(a_job_alone_tells_its_own_fault),
    STORE_TEST(too_much_that_waits_is_refused),  STORE_TEST(threads_deliver_into_one_mailbox),
    ONLY_SQLITE(ids_are_unique_and_in_order),    ONLY_SQLITE(a_locked_file_is_a_temporary_fault),
    ONLY_SQLITE(a_file_that_went_is_missed),     ONLY_SQLITE(a_full_disk_is_a_temporary_fault),
    ONLY_SQLITE(two_processes_share_a_file),     ONLY_POSTGRES(a_lost_server_comes_back_by_itself),
    ONLY_POSTGRES(a_server_killed_under_load),
};

STORE_MAIN(tests)
