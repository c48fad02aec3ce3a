/* Many changes on their way at the same time, over several writers where there are: copies and
 * moves both ways, removals and new messages. Nothing is lost, doubled or left behind. */
#include "store_change_fixture.h"

#include <pthread.h>
#include <stdlib.h>

enum {
    THREADS = 6,
    ROUNDS = 25,
    MESSAGES = 12,
    MAILBOXES = 3
};

#define LETTER "From: bob@example.net\r\nSubject: hello\r\n\r\nHello, Ann.\r\n"

struct racer {
    struct store_fixture *fixture;
    const int64_t *mailboxes;
    unsigned number;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t has_ended;
    bool is_over;
    struct store_copy copy;
    struct store_expunge expunge;
    struct store_flag_change change;
    int64_t copied;  /* messages */
    int64_t removed; /* ranges of them */
    bool is_failed;
};

/* Each has its own way to wait, as they wait at the same time. */
static void end(struct racer *racer, const struct store_job *job)
{
    pthread_mutex_lock(&racer->mutex);
    racer->is_over = true;
    if (!job->is_done) {
        print_error("%s\n", job->fault.message);
        racer->is_failed = true;
    }
    pthread_cond_signal(&racer->has_ended);
    pthread_mutex_unlock(&racer->mutex);
}

static void end_copy(struct store_job *job)
{
    end((struct racer *)((char *)job - offsetof(struct racer, copy)), job);
}

static void end_expunge(struct store_job *job)
{
    end((struct racer *)((char *)job - offsetof(struct racer, expunge)), job);
}

static void end_change(struct store_job *job)
{
    end((struct racer *)((char *)job - offsetof(struct racer, change)), job);
}

static void await(struct racer *racer)
{
    pthread_mutex_lock(&racer->mutex);
    while (!racer->is_over)
        pthread_cond_wait(&racer->has_ended, &racer->mutex);
    racer->is_over = false;
    pthread_mutex_unlock(&racer->mutex);
}

static void copy(struct racer *racer, size_t from, size_t to, uint32_t first, bool is_move)
{
    struct store_uid_range range = {first, first + 2};
    racer->copy = (struct store_copy){
        .job.done = end_copy,
        .store = racer->fixture->store,
        .account = racer->fixture->account,
        .mailbox = racer->mailboxes[from],
        .ranges = &range,
        .range_count = 1,
        .target = racer->mailboxes[to],
        .is_move = is_move,
        .now = 1,
    };
    store_copy_submit(&racer->copy);
    await(racer);
    racer->copied += is_move ? 0 : racer->copy.count;
    store_copy_clear(&racer->copy);
}

static void mark(struct racer *racer, size_t at, uint32_t first)
{
    struct store_uid_range range = {first, first + 1};
    racer->change = (struct store_flag_change){
        .job.done = end_change,
        .store = racer->fixture->store,
        .mailbox = racer->mailboxes[at],
        .ranges = &range,
        .range_count = 1,
        .mode = STORE_FLAGS_ADD,
        .flags = STORE_FLAG_DELETED,
        .unchanged_since = UINT64_MAX,
    };
    store_flag_change_submit(&racer->change);
    await(racer);
    store_flag_change_clear(&racer->change);
}

static void expunge(struct racer *racer, size_t at)
{
    struct store_uid_range range = {1, UINT32_MAX};
    racer->expunge = (struct store_expunge){
        .job.done = end_expunge,
        .store = racer->fixture->store,
        .mailbox = racer->mailboxes[at],
        .ranges = &range,
        .range_count = 1,
    };
    store_expunge_submit(&racer->expunge);
    await(racer);
    racer->removed += (int64_t)racer->expunge.removed_count;
    store_expunge_clear(&racer->expunge);
}

static void *race(void *argument)
{
    struct racer *racer = argument;
    for (unsigned i = 0; i < ROUNDS; i++) {
        size_t from = (racer->number + i) % MAILBOXES;
        size_t to = (racer->number * 2 + i + 1) % MAILBOXES;
        uint32_t first = 1 + (racer->number * 7 + i * 5) % (3 * MESSAGES);
        copy(racer, from, to, first, i % 3 == 0);
        mark(racer, to, first + 1);
        expunge(racer, i % 2 == 0 ? from : to);
    }
    return NULL;
}

static void changes_at_the_same_time(void **state)
{
    struct store_fixture *fixture = *state;
    const int64_t mailboxes[MAILBOXES] = {
        fixture->inbox, store_change_fixture_mailbox(fixture, STORE_ROLE_TRASH),
        store_change_fixture_mailbox(fixture, STORE_ROLE_ARCHIVE)};
    static const struct db_statement unused = {"SELECT COUNT(*) FROM body b WHERE NOT EXISTS "
                                               "(SELECT 1 FROM message m WHERE m.body = b.id)",
                                               NULL};
    struct racer *racers = calloc(THREADS, sizeof(*racers));
    assert_non_null(racers);
    for (size_t i = 0; i < MAILBOXES; i++)
        for (int j = 0; j < MESSAGES; j++)
            store_change_fixture_put(fixture, mailboxes[i], LETTER, 0, NULL);
    for (unsigned i = 0; i < THREADS; i++) {
        struct racer *racer = &racers[i];
        racer->fixture = fixture;
        racer->mailboxes = mailboxes;
        racer->number = i;
        pthread_mutex_init(&racer->mutex, NULL);
        pthread_cond_init(&racer->has_ended, NULL);
        assert_int_equal(pthread_create(&racer->thread, NULL, race, racer), 0);
    }
    int64_t copied = 0;
    int64_t removed = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
        assert_false(racers[i].is_failed);
        copied += racers[i].copied;
        removed += racers[i].removed;
        pthread_mutex_destroy(&racers[i].mutex);
        pthread_cond_destroy(&racers[i].has_ended);
    }
    free(racers);
    assert_true(copied > 0 && removed > 0);
    /* A body whose last copies went at the same time is not left behind. */
    assert_int_equal(store_fixture_number(fixture, &unused, DB_NO_VALUES), 0);
    store_change_fixture_assert_sound(fixture);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(changes_at_the_same_time),
};

STORE_MAIN(tests)
