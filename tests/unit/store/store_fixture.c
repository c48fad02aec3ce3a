/* Opening a store for a test, and the usual things to put into it. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../db/postgres_cluster.h"
#include "store/store_accounts.h"

enum {
    DRAFT_PIECE = 64 * 1024
};

void store_fixture_open(struct store_fixture *fixture)
{
    struct fault fault = {0};
    struct store_options options = {
        .place = fixture->place, .draft_directory = fixture->directory, .creates = true};
    fixture->store = store_open(&options, &fault);
    if (fixture->store == NULL)
        fail_msg("%s", fault.message);
    fixture->reader = store_reader_open(fixture->store, &fault);
    if (fixture->reader == NULL)
        fail_msg("%s", fault.message);
}

void store_fixture_close(struct store_fixture *fixture)
{
    store_reader_close(fixture->reader);
    store_close(fixture->store);
    fixture->reader = NULL;
    fixture->store = NULL;
}

struct account_job {
    struct store_job job;
    struct store *store;
    const char *login;
    int64_t id;
};

static bool add_account(struct store_job *job, struct db *db, struct fault *fault)
{
    struct account_job *account = (struct account_job *)job;
    return store_account_add(account->store, db, bytes_from_string(account->login), &account->id,
                             fault);
}

struct domain_job {
    struct store_job job;
    struct store *store;
};

static bool add_domain(struct store_job *job, struct db *db, struct fault *fault)
{
    struct domain_job *domain = (struct domain_job *)job;
    return store_domain_add(db, store_id_make(domain->store), BYTES("example.org"), fault);
}

void store_fixture_add_account(struct store_fixture *fixture, const char *login, int64_t *account,
                               int64_t *inbox)
{
    struct fault fault = {0};
    struct account_job job = {.job.run = add_account, .store = fixture->store, .login = login};
    if (!store_run(fixture->store, &job.job, &fault))
        fail_msg("%s", fault.message);
    struct store_account found;
    bool is_found;
    assert_true(store_account_get(fixture->reader, job.id, &found, &is_found, &fault));
    assert_true(is_found);
    *account = found.id;
    *inbox = found.inbox;
}

static int set_up(void **state, enum db_kind kind)
{
    struct store_fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    fixture->kind = kind;
    strcpy(fixture->directory, "/tmp/posthorn-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    if (kind == DB_POSTGRES)
        postgres_cluster_make_database(fixture->place, sizeof(fixture->place));
    else
        snprintf(fixture->place, sizeof(fixture->place), "%s/store", fixture->directory);
    store_fixture_open(fixture);
    struct fault fault = {0};
    struct domain_job domain = {.job.run = add_domain, .store = fixture->store};
    if (!store_run(fixture->store, &domain.job, &fault))
        fail_msg("%s", fault.message);
    store_fixture_add_account(fixture, "ann@example.org", &fixture->account, &fixture->inbox);
    return 0;
}

int store_fixture_set_up_sqlite(void **state)
{
    return set_up(state, DB_SQLITE);
}

int store_fixture_set_up_postgres(void **state)
{
    return set_up(state, DB_POSTGRES);
}

int store_fixture_tear_down(void **state)
{
    struct store_fixture *fixture = *state;
    store_fixture_close(fixture);
    static const char *const names[] = {"store", "store-wal", "store-shm", "store.lock"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", fixture->directory, names[i]);
        unlink(path);
    }
    /* Nothing else may have been left behind. */
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture);
    return 0;
}

int store_fixture_end(void **state)
{
    (void)state;
    postgres_cluster_stop();
    return 0;
}

struct statement_job {
    struct store_job job;
    const struct db_statement *statement;
    const struct db_value *values;
    size_t count;
};

static bool execute(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct statement_job *wanted = (const struct statement_job *)job;
    return db_execute(db, wanted->statement, wanted->values, wanted->count, NULL, fault);
}

void store_fixture_execute(struct store_fixture *fixture, const struct db_statement *statement,
                           const struct db_value *values, size_t count)
{
    struct fault fault = {0};
    struct statement_job job = {
        .job.run = execute, .statement = statement, .values = values, .count = count};
    if (!store_run(fixture->store, &job.job, &fault))
        fail_msg("%s", fault.message);
}

int64_t store_fixture_number(struct store_fixture *fixture, const struct db_statement *statement,
                             const struct db_value *values, size_t count)
{
    struct fault fault = {0};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(fixture->reader, statement, values, count, &rows, &is_found, &fault))
        fail_msg("%s", fault.message);
    assert_true(is_found);
    return db_rows_number(&rows, 0);
}

/* ---- letters ---- */

static void append_all(struct store_draft *draft, struct bytes text)
{
    struct fault fault = {0};
    while (text.length > 0) {
        struct bytes piece = bytes_slice(text, 0, DRAFT_PIECE);
        if (store_draft_is_full(draft))
            assert_true(store_draft_spill(draft, &fault));
        assert_true(store_draft_append(draft, piece, &fault));
        text = bytes_skip(text, piece.length);
    }
}

void store_fixture_letter(struct store_fixture *fixture, struct store_fixture_letter *letter,
                          struct bytes text)
{
    struct fault fault = {0};
    *letter = (struct store_fixture_letter){
        .parsed = {.header = bytes_slice(text, 0, 1000),
                   .envelope = BYTES("envelope"),
                   .structure = BYTES("structure"),
                   .size = text.length,
                   .lines = 3,
                   .sent = 1000000},
        .local = {.account = fixture->account,
                  .mailbox = fixture->inbox,
                  .prefix = BYTES("Return-Path: <bob@example.net>\r\n")},
        .delivery = {.store = fixture->store,
                     .id = store_id_make(fixture->store),
                     .received = 2000000,
                     .local_count = 1,
                     .sender = BYTES("bob@example.net")},
    };
    letter->delivery.draft = store_draft_new(fixture->store, &fault);
    assert_non_null(letter->delivery.draft);
    append_all(letter->delivery.draft, text);
    letter->delivery.parsed = &letter->parsed;
    letter->delivery.locals = &letter->local;
}

void store_fixture_letter_clear(struct store_fixture_letter *letter)
{
    store_draft_free(letter->delivery.draft);
    letter->delivery.draft = NULL;
}

/* The caller's `done` has no context of its own, so one wait at a time. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t has_ended = PTHREAD_COND_INITIALIZER;
static bool is_over;

static void tell_end(struct store_job *job)
{
    (void)job;
    pthread_mutex_lock(&mutex);
    is_over = true;
    pthread_cond_signal(&has_ended);
    pthread_mutex_unlock(&mutex);
}

bool store_fixture_deliver(struct store_delivery *delivery)
{
    is_over = false;
    delivery->job.done = tell_end;
    store_delivery_submit(delivery);
    pthread_mutex_lock(&mutex);
    while (!is_over)
        pthread_cond_wait(&has_ended, &mutex);
    pthread_mutex_unlock(&mutex);
    return delivery->job.is_done;
}

uint32_t store_fixture_put(struct store_fixture *fixture, struct bytes text)
{
    struct store_fixture_letter letter;
    store_fixture_letter(fixture, &letter, text);
    if (!store_fixture_deliver(&letter.delivery))
        fail_msg("%s", letter.delivery.job.fault.message);
    store_fixture_letter_clear(&letter);
    return (uint32_t)letter.local.uid;
}
