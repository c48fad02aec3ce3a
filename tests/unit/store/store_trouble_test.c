/* The store when memory, disk or connection fail at the worst moment, and who removes beside
 * others. */
#include "store_fixture.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer_thief.h"
#include "failing_allocation.h"
#include "store/store_accounts.h"
#include "store/store_check.h"
#include "store/store_maildrop.h"

#define LETTER "From: bob@example.net\r\n\r\nHello.\r\n"

static bool deliver(struct store_fixture *fixture, struct fault *fault)
{
    struct store_fixture_letter letter;
    store_fixture_letter(fixture, &letter, BYTES(LETTER));
    bool is_done = store_fixture_deliver(&letter.delivery);
    *fault = letter.delivery.job.fault;
    store_fixture_letter_clear(&letter);
    return is_done;
}

static int64_t count_rows(struct store_fixture *fixture, const char *sql)
{
    struct db_statement count = {sql, NULL};
    struct fault fault = {0};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    struct db *reader = store_reader_open(fixture->store, &fault);
    if (reader == NULL || !db_query_one(reader, &count, DB_NO_VALUES, &rows, &is_found, &fault))
        fail_msg("%s", fault.message);
    int64_t number = db_rows_number(&rows, 0);
    db_rows_clear(&rows);
    store_reader_close(reader);
    return number;
}

static int64_t count_messages(struct store_fixture *fixture)
{
    return count_rows(fixture, "SELECT COUNT(*) FROM message");
}

/* ---- a COMMIT whose answer is lost ---- */

static void go_through_thief(struct store_fixture *fixture, struct answer_thief **thief)
{
    char through[256];
    store_fixture_close(fixture);
    *thief = answer_thief_start(fixture->place, fixture->directory, through, sizeof(through));
    snprintf(fixture->place, sizeof(fixture->place), "%s", through);
    store_fixture_open(fixture);
}

static void come_from_thief(struct store_fixture *fixture, struct answer_thief *thief)
{
    store_fixture_close(fixture);
    answer_thief_stop(thief);
}

static void a_lost_answer_is_looked_up(void **state)
{
    struct store_fixture *fixture = *state;
    struct answer_thief *thief;
    struct fault fault = {0};
    go_through_thief(fixture, &thief);
    assert_true(deliver(fixture, &fault));
    /* Done, and nobody heard of it: it is neither refused, which would double it, nor written
       twice. */
    for (int i = 0; i < 8; i++) {
        answer_thief_arm(thief, ANSWER_THIEF_AFTER);
        assert_true(deliver(fixture, &fault));
        assert_true(answer_thief_has_struck(thief));
        assert_int_equal(count_messages(fixture), 2 + i);
    }
    come_from_thief(fixture, thief);
}

static void a_commit_that_never_arrived_is_not_done(void **state)
{
    struct store_fixture *fixture = *state;
    struct answer_thief *thief;
    struct fault fault = {0};
    go_through_thief(fixture, &thief);
    /* Each writer has prepared its COMMIT once. */
    for (int i = 0; i < 20; i++)
        assert_true(deliver(fixture, &fault));
    answer_thief_arm(thief, ANSWER_THIEF_BEFORE);
    bool is_done = deliver(fixture, &fault);
    assert_true(answer_thief_has_struck(thief));
    assert_false(is_done);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_int_equal(count_messages(fixture), 20);
    assert_true(deliver(fixture, &fault));
    assert_int_equal(count_messages(fixture), 21);
    come_from_thief(fixture, thief);
}

/* ---- SQLite on a disk that does not synchronise ---- */

static _Atomic int failing_syncs;
static sqlite3_vfs *real_vfs;

struct file {
    sqlite3_file base;
    bool is_log;
    int (*sync)(sqlite3_file *file, int flags);
    sqlite3_io_methods methods;
};

/* Behind the driver's own file: which of them is the log, and how it is synchronised. */
static struct file *file_of(sqlite3_file *file)
{
    return (struct file *)((char *)file + real_vfs->szOsFile);
}

static int sync_or_fail(sqlite3_file *file, int flags)
{
    if (file_of(file)->is_log && atomic_load(&failing_syncs) > 0) {
        atomic_fetch_sub(&failing_syncs, 1);
        return SQLITE_IOERR_FSYNC;
    }
    return file_of(file)->sync(file, flags);
}

static int open_file(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags,
                     int *out_flags)
{
    (void)vfs;
    int code = real_vfs->xOpen(real_vfs, name, file, flags, out_flags);
    if (code != SQLITE_OK || file->pMethods == NULL)
        return code;
    struct file *more = file_of(file);
    more->is_log = (flags & SQLITE_OPEN_WAL) != 0;
    more->sync = file->pMethods->xSync;
    more->methods = *file->pMethods;
    more->methods.xSync = sync_or_fail;
    file->pMethods = &more->methods;
    return code;
}

static int set_up_bad_disk(void **state)
{
    static sqlite3_vfs vfs;
    real_vfs = sqlite3_vfs_find(NULL);
    vfs = *real_vfs;
    vfs.zName = "bad disk";
    vfs.szOsFile += (int)sizeof(struct file);
    vfs.xOpen = open_file;
    assert_int_equal(sqlite3_vfs_register(&vfs, 1), SQLITE_OK);
    return store_fixture_set_up_sqlite(state);
}

static int tear_down_bad_disk(void **state)
{
    int code = store_fixture_tear_down(state);
    sqlite3_vfs_register(real_vfs, 1);
    return code;
}

static void copy_file(const char *from, const char *to)
{
    char data[4096];
    ssize_t size;
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(in >= 0 && out >= 0);
    while ((size = read(in, data, sizeof(data))) > 0)
        assert_int_equal(write(out, data, (size_t)size), size);
    close(in);
    close(out);
}

/* What whoever comes after a crash finds: file and log, but not the index in memory. */
static int64_t count_after_crash(struct store_fixture *fixture)
{
    static const struct db_statement count = {"SELECT COUNT(*) FROM message", NULL};
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct fault fault = {0};
    char from[300];
    char to[300];
    bool is_found;
    for (int i = 0; i < 2; i++) {
        snprintf(from, sizeof(from), "%s%s", fixture->place, ends[i]);
        snprintf(to, sizeof(to), "%s/copy%s", fixture->directory, ends[i]);
        copy_file(from, to);
    }
    snprintf(to, sizeof(to), "%s/copy", fixture->directory);
    struct db_options options = {.place = to, .writes = true};
    struct db *db = db_open(&options, &fault);
    if (db == NULL)
        fail_msg("%s", fault.message);
    AUTO(db_rows)
    rows = {0};
    assert_true(db_query_one(db, &count, DB_NO_VALUES, &rows, &is_found, &fault));
    int64_t number = db_rows_number(&rows, 0);
    db_rows_clear(&rows);
    db_close(db);
    for (int i = 0; i < 3; i++) {
        snprintf(to, sizeof(to), "%s/copy%s", fixture->directory, ends[i]);
        unlink(to);
    }
    return number;
}

static void what_was_not_synchronised_does_not_come_back(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    assert_true(deliver(fixture, &fault));
    assert_int_equal(count_after_crash(fixture), 1);
    atomic_store(&failing_syncs, 100);
    assert_false(deliver(fixture, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_true(atomic_load(&failing_syncs) < 100);
    atomic_store(&failing_syncs, 0);
    assert_int_equal(count_after_crash(fixture), 1);
    assert_int_equal(count_messages(fixture), 1);
    assert_true(deliver(fixture, &fault));
    assert_int_equal(count_after_crash(fixture), 2);
}

static void one_failure_is_overcome(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    atomic_store(&failing_syncs, 1);
    assert_true(deliver(fixture, &fault));
    assert_int_equal(atomic_load(&failing_syncs), 0);
    assert_int_equal(count_messages(fixture), 1);
    assert_int_equal(count_after_crash(fixture), 1);
}

/* ---- memory ---- */

enum {
    ALLOCATIONS_MAX = 300
};

struct poor_job {
    struct store_job job;
    struct store_fixture *fixture;
    size_t allocations;
    uint32_t uid;
    bool has_refused;
    bool is_over;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_ended = PTHREAD_COND_INITIALIZER;

/* On the writer's thread: from here to the end of the transaction allocations fail. */
static bool remove_poorly(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct poor_job *poor = (const struct poor_job *)job;
    failing_allocation_start(poor->allocations);
    return store_setting_put(db, "poor", BYTES("x"), fault) &&
           store_removal_run(db, poor->fixture->inbox, &poor->uid, 1, fault);
}

static void end_poorly(struct store_job *job)
{
    struct poor_job *poor = (struct poor_job *)job;
    bool has_refused = failing_allocation_stop();
    pthread_mutex_lock(&mutex);
    poor->has_refused = has_refused;
    poor->is_over = true;
    pthread_cond_signal(&has_ended);
    pthread_mutex_unlock(&mutex);
}

static void memory_may_fail_while_writing(void **state)
{
    struct store_fixture *fixture = *state;
    bool has_refused = true;
    size_t i = 0;
    for (; has_refused && i < ALLOCATIONS_MAX; i++) {
        struct poor_job poor = {.job = {.run = remove_poorly, .done = end_poorly},
                                .fixture = fixture,
                                .allocations = i,
                                .uid = store_fixture_put(fixture, BYTES(LETTER))};
        store_submit(fixture->store, &poor.job);
        pthread_mutex_lock(&mutex);
        while (!poor.is_over)
            pthread_cond_wait(&has_ended, &mutex);
        pthread_mutex_unlock(&mutex);
        has_refused = poor.has_refused;
        if (!poor.job.is_done && !has_refused)
            fail_msg("%s", poor.job.fault.message);
        if (!poor.job.is_done)
            assert_int_equal(poor.job.fault.kind, FAULT_TEMPORARY);
        static const struct db_statement find = {
            "SELECT COUNT(*) FROM message WHERE mailbox = $1 AND uid = $2", NULL};
        assert_int_equal(
            store_fixture_number(fixture, &find,
                                 DB_VALUES(db_number(fixture->inbox), db_number(poor.uid))),
            !poor.job.is_done);
    }
    assert_false(has_refused);
    assert_true(i > 1);
}

/* ---- removing ---- */

static void tell_problem(void *context, const char *sentence)
{
    (void)context;
    /* What the fixture's letters are made of is no parsed message. */
    if (strstr(sentence, "belongs to no message") != NULL ||
        strstr(sentence, "counted are") != NULL)
        fail_msg("%s", sentence);
}

static void assert_nothing_is_left(struct store_fixture *fixture)
{
    struct fault fault = {0};
    uint64_t problems;
    assert_true(store_check(fixture->reader, tell_problem, NULL, &problems, &fault));
}

static void end_removal(struct store_job *job)
{
    (void)job;
    pthread_mutex_lock(&mutex);
    pthread_cond_signal(&has_ended);
    pthread_mutex_unlock(&mutex);
}

static void a_removal_is_submitted(void **state)
{
    struct store_fixture *fixture = *state;
    for (int i = 0; i < 3; i++)
        store_fixture_put(fixture, BYTES(LETTER));
    static const uint32_t uids[] = {1, 3, 77};
    struct store_removal removal = {.job.done = end_removal,
                                    .store = fixture->store,
                                    .mailbox = fixture->inbox,
                                    .uids = uids,
                                    .count = 3};
    pthread_mutex_lock(&mutex);
    store_removal_submit(&removal);
    pthread_cond_wait(&has_ended, &mutex);
    pthread_mutex_unlock(&mutex);
    assert_true(removal.job.is_done);
    assert_int_equal(count_messages(fixture), 1);
    assert_int_equal(count_rows(fixture, "SELECT COUNT(*) FROM body"), 1);
    assert_int_equal(count_rows(fixture, "SELECT COUNT(*) FROM vanished"), 2);
    assert_nothing_is_left(fixture);
}

enum {
    PEOPLE = 4,
    LETTERS = 60
};

struct person {
    struct store_job job;
    struct store_fixture *fixture;
    char login[32];
    struct store_delivery_local local;
    pthread_t thread;
};

static bool remove_person(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct person *person = (const struct person *)job;
    return store_account_remove(db, bytes_from_string(person->login), fault);
}

static void *remove_in_thread(void *argument)
{
    struct person *person = argument;
    struct fault fault = {0};
    if (!store_run(person->fixture->store, &person->job, &fault))
        fprintf(stderr, "# %s\n", fault.message);
    return NULL;
}

static void deliver_to_all(struct store_fixture *fixture, struct person *people, int count)
{
    struct store_delivery_local locals[PEOPLE];
    struct store_fixture_letter letter;
    store_fixture_letter(fixture, &letter, BYTES(LETTER));
    for (int i = 0; i < count; i++)
        locals[i] = people[i].local;
    letter.delivery.locals = locals;
    letter.delivery.local_count = (size_t)count;
    if (!store_fixture_deliver(&letter.delivery))
        fail_msg("%s", letter.delivery.job.fault.message);
    store_fixture_letter_clear(&letter);
}

/* All have the same bodies; who removes last removes them, and nobody before. */
static void accounts_that_share_bodies_are_removed_at_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct person people[PEOPLE] = {0};
    for (int i = 0; i < PEOPLE; i++) {
        people[i].fixture = fixture;
        people[i].job.run = remove_person;
        people[i].local.prefix = BYTES("X: y\r\n");
        snprintf(people[i].login, sizeof(people[i].login), "person%d@example.org", i);
        store_fixture_add_account(fixture, people[i].login, &people[i].local.account,
                                  &people[i].local.mailbox);
    }
    for (int i = 0; i < LETTERS; i++)
        deliver_to_all(fixture, people, PEOPLE);
    assert_int_equal(count_rows(fixture, "SELECT COUNT(*) FROM body"), LETTERS);
    for (int i = 1; i < PEOPLE; i++)
        assert_int_equal(pthread_create(&people[i].thread, NULL, remove_in_thread, &people[i]), 0);
    for (int i = 1; i < PEOPLE; i++) {
        pthread_join(people[i].thread, NULL);
        assert_true(people[i].job.is_done);
    }
    /* One has them still. */
    assert_int_equal(count_rows(fixture, "SELECT COUNT(*) FROM body"), LETTERS);
    assert_int_equal(count_messages(fixture), LETTERS);
    assert_nothing_is_left(fixture);
    remove_in_thread(&people[0]);
    assert_true(people[0].job.is_done);
    assert_int_equal(count_rows(fixture, "SELECT COUNT(*) FROM body"), 0);
    assert_nothing_is_left(fixture);
}

static void the_last_accounts_leave_no_body(void **state)
{
    struct store_fixture *fixture = *state;
    struct person people[PEOPLE] = {0};
    for (int i = 0; i < PEOPLE; i++) {
        people[i].fixture = fixture;
        people[i].job.run = remove_person;
        snprintf(people[i].login, sizeof(people[i].login), "person%d@example.org", i);
        store_fixture_add_account(fixture, people[i].login, &people[i].local.account,
                                  &people[i].local.mailbox);
    }
    for (int i = 0; i < LETTERS; i++)
        deliver_to_all(fixture, people, PEOPLE);
    for (int i = 0; i < PEOPLE; i++)
        assert_int_equal(pthread_create(&people[i].thread, NULL, remove_in_thread, &people[i]), 0);
    for (int i = 0; i < PEOPLE; i++) {
        pthread_join(people[i].thread, NULL);
        assert_true(people[i].job.is_done);
    }
    assert_int_equal(count_rows(fixture, "SELECT COUNT(*) FROM body"), 0);
    assert_nothing_is_left(fixture);
}

#define BAD_DISK(test) cmocka_unit_test_setup_teardown(test, set_up_bad_disk, tear_down_bad_disk)
#define ONLY_POSTGRES(test)                                                                        \
    cmocka_unit_test_setup_teardown(test, store_fixture_set_up_postgres, store_fixture_tear_down)

static const struct CMUnitTest tests[] = {
    ONLY_POSTGRES(a_lost_answer_is_looked_up),
    ONLY_POSTGRES(a_commit_that_never_arrived_is_not_done),
    BAD_DISK(what_was_not_synchronised_does_not_come_back),
    BAD_DISK(one_failure_is_overcome),
    STORE_TEST(memory_may_fail_while_writing),
    STORE_TEST(a_removal_is_submitted),
    STORE_TEST(accounts_that_share_bodies_are_removed_at_once),
    STORE_TEST(the_last_accounts_leave_no_body),
};

STORE_MAIN(tests)
