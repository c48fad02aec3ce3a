/* Who works on the queue: one process for each message, whoever dies is followed by another, and
 * whoever was taken for dead writes nothing any more. */
#include "store_outbound_fixture.h"

#include <pthread.h>

#include "store/store_queue.h"

static const struct store_outbound_result done = {.code = 250};

/* Another process on the same store. */
static struct store *open_second(struct store_fixture *fixture)
{
    struct fault fault = {0};
    struct store_options options = {.place = fixture->place, .draft_directory = fixture->directory};
    struct store *second = store_open(&options, &fault);
    if (second == NULL)
        fail_msg("%s", fault.message);
    return second;
}

/* Nobody has heard of this process for longer than a lease. */
static void silence(struct store_fixture *fixture, const struct store *store)
{
    static const struct db_statement age = {
        "UPDATE outbound_runner SET seen = seen - $2 WHERE process = $1", NULL};
    store_fixture_execute(
        fixture, &age,
        DB_VALUES(db_number(store_self(store)),
                  db_number((int64_t)STORE_OUTBOUND_LEASE_MILLISECONDS * 1000 + 1000)));
}

static size_t count_listed(struct store_fixture *fixture, struct store *store)
{
    AUTO(buffer)
    text = BUFFER(100000);
    outbound_list(fixture, store, NULL, 0, &text);
    size_t count = 0;
    for (size_t i = 0; i < text.length; i++)
        count += buffer_bytes(&text).data[i] == ';';
    return count;
}

static bool can_read(struct store_fixture *fixture, struct store *store, int64_t message)
{
    struct fault fault = {0};
    struct store_outbound_letter letter;
    bool is_found;
    AUTO(arena)
    arena = ARENA(100000);
    assert_true(store_outbound_read(store, fixture->reader, message, BYTES(""), OUTBOUND_TIME, 0,
                                    &arena, &letter, &is_found, &fault));
    return is_found;
}

static int64_t read_nudge(struct store_fixture *fixture)
{
    struct fault fault = {0};
    int64_t nudge;
    assert_true(store_outbound_nudge_read(fixture->reader, &nudge, &fault));
    return nudge;
}

/* A store that nobody shares needs no runners. */
static void alone_all_is_ours(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t message = outbound_put(fixture, "a@x.org", "x.org");
    struct store_outbound_lease lease = outbound_lease(fixture->store, false);
    assert_false(lease.is_lost);
    assert_int_equal(count_listed(fixture, fixture->store), 1);
    if (fixture->kind == DB_SQLITE) {
        assert_int_equal(lease.taken, 0);
        assert_int_equal(outbound_count(fixture, "runner"), 0);
    } else {
        /* Put in before anybody worked on it: found at the beginning. */
        assert_int_equal(lease.taken, 1);
        assert_int_equal(outbound_count(fixture, "runner"), 1);
    }
    lease = outbound_lease(fixture->store, false);
    assert_false(lease.is_lost);
    assert_int_equal(lease.taken, 0);
    /* A new start has it all. */
    store_fixture_close(fixture);
    store_fixture_open(fixture);
    silence(fixture, fixture->store);
    lease = outbound_lease(fixture->store, false);
    assert_true(can_read(fixture, fixture->store, message) || fixture->kind == DB_POSTGRES);
    outbound_check(fixture);
}

static void each_has_its_own(void **state)
{
    struct store_fixture *fixture = *state;
    if (fixture->kind == DB_SQLITE)
        return;
    struct store *second = open_second(fixture);
    outbound_begin(fixture);
    outbound_lease(second, false);
    int64_t mine = outbound_put(fixture, "a@x.org", "x.org");
    int64_t theirs = outbound_put_by(fixture, second, "b@x.org c@y.org", "x.org y.org");
    assert_int_equal(count_listed(fixture, fixture->store), 1);
    assert_int_equal(count_listed(fixture, second), 2);
    assert_true(can_read(fixture, fixture->store, mine));
    assert_false(can_read(fixture, second, mine));
    assert_false(outbound_finish_one(fixture->store, theirs, &done));
    assert_false(outbound_finish_one(second, mine, &done));
    assert_int_equal(outbound_count(fixture, "recipient"), 3);
    assert_int_equal(outbound_lease(second, false).taken, 0);
    assert_true(outbound_finish_one(second, theirs, &done));
    assert_true(outbound_finish_one(fixture->store, mine, &done));
    assert_int_equal(outbound_count(fixture, "recipient"), 1);
    store_close(second);
}

static void the_dead_are_followed(void **state)
{
    struct store_fixture *fixture = *state;
    if (fixture->kind == DB_SQLITE)
        return;
    struct store *second = open_second(fixture);
    outbound_begin(fixture);
    outbound_lease(second, false);
    int64_t messages[3];
    for (int i = 0; i < 3; i++)
        messages[i] = outbound_put_by(fixture, second, "b@x.org", "x.org");
    assert_int_equal(outbound_lease(fixture->store, false).taken, 0);
    silence(fixture, second);
    assert_int_equal(outbound_lease(fixture->store, false).taken, 1);
    assert_int_equal(count_listed(fixture, fixture->store), 3);
    assert_int_equal(count_listed(fixture, second), 0);
    assert_true(outbound_finish_one(fixture->store, messages[0], &done));
    /* It was not dead after all: it may write nothing of what it had. */
    assert_false(outbound_finish_one(second, messages[1], &done));
    assert_false(can_read(fixture, second, messages[1]));
    assert_int_equal(outbound_count(fixture, "message"), 2);
    int64_t nudge = read_nudge(fixture);
    struct store_outbound_lease lease = outbound_lease(second, false);
    assert_true(lease.is_lost);
    assert_int_equal(lease.taken, 0);
    assert_true(read_nudge(fixture) > nudge);
    assert_false(outbound_lease(second, false).is_lost);
    /* From now on it has what comes. */
    int64_t fresh = outbound_put_by(fixture, second, "b@x.org", "x.org");
    assert_int_equal(count_listed(fixture, second), 1);
    assert_true(outbound_finish_one(second, fresh, &done));
    assert_true(outbound_finish_one(fixture->store, messages[1], &done));
    assert_int_equal(outbound_count(fixture, "runner"), 3);
    assert_true(outbound_finish_one(fixture->store, messages[2], &done));
    /* A runner without messages is forgotten. */
    assert_int_equal(outbound_lease(fixture->store, false).taken, 0);
    assert_int_equal(outbound_count(fixture, "runner"), 2);
    store_close(second);
}

/* What a process put in between its death and learning of it is nobody's, until it is found. */
static void what_comes_late_is_found(void **state)
{
    struct store_fixture *fixture = *state;
    if (fixture->kind == DB_SQLITE)
        return;
    struct store *second = open_second(fixture);
    outbound_begin(fixture);
    outbound_lease(second, false);
    silence(fixture, second);
    assert_int_equal(outbound_lease(fixture->store, false).taken, 1);
    int64_t late = outbound_put_by(fixture, second, "b@x.org", "x.org");
    assert_false(can_read(fixture, second, late));
    assert_false(can_read(fixture, fixture->store, late));
    assert_int_equal(outbound_lease(fixture->store, false).taken, 1);
    assert_true(can_read(fixture, fixture->store, late));
    assert_true(outbound_finish_one(fixture->store, late, &done));
    store_close(second);
}

static void whoever_leaves_gives_back(void **state)
{
    struct store_fixture *fixture = *state;
    if (fixture->kind == DB_SQLITE)
        return;
    struct store *second = open_second(fixture);
    outbound_begin(fixture);
    outbound_lease(second, false);
    int64_t message = outbound_put_by(fixture, second, "b@x.org", "x.org");
    int64_t ended = outbound_put_by(fixture, second, "b@x.org", "x.org");
    outbound_lease(second, true);
    /* What is in hand may still end, as long as nobody else has it. */
    assert_true(outbound_finish_one(second, ended, &done));
    int64_t late = outbound_put_by(fixture, second, "c@x.org", "x.org");
    assert_int_equal(outbound_lease(fixture->store, false).taken, 2);
    assert_false(outbound_finish_one(second, message, &done));
    assert_true(outbound_finish_one(fixture->store, message, &done));
    assert_true(outbound_finish_one(fixture->store, late, &done));
    store_close(second);
    assert_int_equal(outbound_count(fixture, "message"), 0);
}

/* Messages of a runner that has no row, as after the table was lost. */
static void orphans_are_found(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement orphan = {
        "UPDATE outbound_message SET owner = $2 WHERE id = $1", NULL};
    if (fixture->kind == DB_SQLITE)
        return;
    outbound_begin(fixture);
    int64_t messages[6];
    for (int i = 0; i < 6; i++) {
        messages[i] = outbound_put(fixture, "a@x.org", "x.org");
        store_fixture_execute(fixture, &orphan,
                              DB_VALUES(db_number(messages[i]), db_number(i / 2 * 7)));
    }
    assert_int_equal(count_listed(fixture, fixture->store), 0);
    assert_int_equal(outbound_lease(fixture->store, false).taken, 3);
    assert_int_equal(count_listed(fixture, fixture->store), 6);
    assert_int_equal(outbound_lease(fixture->store, false).taken, 0);
    for (int i = 0; i < 6; i++)
        assert_true(outbound_finish_one(fixture->store, messages[i], &done));
    outbound_lease(fixture->store, false);
    assert_int_equal(outbound_count(fixture, "runner"), 1);
}

/* ---- races ---- */

enum {
    RACE_ROUNDS = 20,
    RACE_MESSAGES = 12
};

struct racer {
    struct store *store;
    const int64_t *messages;
    pthread_barrier_t *start;
    unsigned ours;
    bool has_failed;
};

struct waiting {
    pthread_mutex_t mutex;
    pthread_cond_t has_changed;
    size_t ended;
};

struct racing_finish {
    struct store_outbound_finish finish;
    struct waiting *waiting;
};

static void tell_end(struct store_job *job)
{
    struct waiting *waiting = ((struct racing_finish *)job)->waiting;
    pthread_mutex_lock(&waiting->mutex);
    waiting->ended++;
    pthread_cond_signal(&waiting->has_changed);
    pthread_mutex_unlock(&waiting->mutex);
}

/* Ends all messages that it can, while somebody takes over. */
static void *end_all(void *argument)
{
    struct racer *racer = argument;
    struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
    struct racing_finish finishes[RACE_MESSAGES];
    pthread_barrier_wait(racer->start);
    for (int i = 0; i < RACE_MESSAGES; i++) {
        finishes[i] = (struct racing_finish){.finish = {.job = {.done = tell_end},
                                                        .store = racer->store,
                                                        .message = racer->messages[i],
                                                        .results = &done,
                                                        .count = 1},
                                             .waiting = &waiting};
        store_outbound_finish_submit(&finishes[i].finish);
    }
    pthread_mutex_lock(&waiting.mutex);
    while (waiting.ended < RACE_MESSAGES)
        pthread_cond_wait(&waiting.has_changed, &waiting.mutex);
    pthread_mutex_unlock(&waiting.mutex);
    for (int i = 0; i < RACE_MESSAGES; i++) {
        racer->ours += finishes[i].finish.is_ours;
        racer->has_failed = racer->has_failed || !finishes[i].finish.job.is_done;
    }
    return NULL;
}

/* Whatever the order: what the taker lists behind its lease is all that is left, so nothing that
   the other ended is sent again. */
static void a_takeover_meets_ends(void **state)
{
    struct store_fixture *fixture = *state;
    if (fixture->kind == DB_SQLITE)
        return;
    struct store *second = open_second(fixture);
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, 2);
    outbound_begin(fixture);
    for (int round = 0; round < RACE_ROUNDS; round++) {
        int64_t messages[RACE_MESSAGES];
        struct racer racer = {.store = second, .messages = messages, .start = &start};
        pthread_t thread;
        outbound_lease(second, false);
        for (int i = 0; i < RACE_MESSAGES; i++)
            messages[i] = outbound_put_by(fixture, second, "b@x.org", "x.org");
        silence(fixture, second);
        assert_int_equal(pthread_create(&thread, NULL, end_all, &racer), 0);
        pthread_barrier_wait(&start);
        /* Not while the other is writing. */
        while (outbound_lease(fixture->store, false).taken == 0)
            continue;
        size_t listed = count_listed(fixture, fixture->store);
        pthread_join(thread, NULL);
        assert_false(racer.has_failed);
        assert_int_equal(listed + racer.ours, RACE_MESSAGES);
        assert_int_equal(count_listed(fixture, fixture->store), listed);
        for (int i = 0; i < RACE_MESSAGES; i++)
            outbound_finish_one(fixture->store, messages[i], &done);
        assert_int_equal(outbound_count(fixture, "message"), 0);
    }
    pthread_barrier_destroy(&start);
    store_close(second);
}

struct taker {
    struct store_outbound_lease lease;
    struct waiting *waiting;
};

static void tell_taken(struct store_job *job)
{
    struct waiting *waiting = ((struct taker *)job)->waiting;
    pthread_mutex_lock(&waiting->mutex);
    waiting->ended++;
    pthread_cond_signal(&waiting->has_changed);
    pthread_mutex_unlock(&waiting->mutex);
}

/* Two that see the same death: one follows. */
static void one_follows(void **state)
{
    struct store_fixture *fixture = *state;
    if (fixture->kind == DB_SQLITE)
        return;
    for (int round = 0; round < RACE_ROUNDS; round++) {
        struct waiting waiting = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
        struct store *dead = open_second(fixture);
        struct store *heirs[] = {open_second(fixture), open_second(fixture)};
        struct taker takers[2];
        outbound_lease(dead, false);
        outbound_lease(heirs[0], false);
        outbound_lease(heirs[1], false);
        int64_t message = outbound_put_by(fixture, dead, "b@x.org", "x.org");
        silence(fixture, dead);
        for (int i = 0; i < 2; i++) {
            takers[i] = (struct taker){.lease = {.job = {.done = tell_taken}, .store = heirs[i]},
                                       .waiting = &waiting};
            store_outbound_lease_submit(&takers[i].lease);
        }
        pthread_mutex_lock(&waiting.mutex);
        while (waiting.ended < 2)
            pthread_cond_wait(&waiting.has_changed, &waiting.mutex);
        pthread_mutex_unlock(&waiting.mutex);
        assert_true(takers[0].lease.job.is_done && takers[1].lease.job.is_done);
        assert_true(takers[0].lease.taken + takers[1].lease.taken <= 1);
        /* One that could not while the other tried does it in its next round. */
        outbound_lease(heirs[0], false);
        outbound_lease(heirs[1], false);
        assert_true(can_read(fixture, heirs[0], message) != can_read(fixture, heirs[1], message));
        store_close(dead);
        assert_true(outbound_finish_one(heirs[0], message, &done) !=
                    outbound_finish_one(heirs[1], message, &done));
        outbound_lease(heirs[0], true);
        outbound_lease(heirs[1], true);
        store_close(heirs[0]);
        store_close(heirs[1]);
    }
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(alone_all_is_ours),         STORE_TEST(each_has_its_own),
    STORE_TEST(the_dead_are_followed),     STORE_TEST(what_comes_late_is_found),
    STORE_TEST(whoever_leaves_gives_back), STORE_TEST(orphans_are_found),
    STORE_TEST(a_takeover_meets_ends),     STORE_TEST(one_follows),
};

STORE_MAIN(tests)
