/* Leases: taken once, renewed, lost by time, gone with their mailbox. */
#include "store_fixture.h"

#include <pthread.h>

#include "store/store_accounts.h"
#include "store/store_lease.h"
#include "store/store_maildrop.h"

enum {
    ONE = 11, /* processes */
    OTHER = 22
};

static const int64_t now = 1000000000;
static const int64_t duration = (int64_t)STORE_LEASE_MILLISECONDS * 1000;

struct asking {
    struct store_job job;
    enum store_lease_deed deed;
    struct store_lease lease;
    int64_t now;
    bool answer;
};

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct asking *asking = (struct asking *)job;
    switch (asking->deed) {
    case STORE_LEASE_TAKE:
        return store_lease_take(db, &asking->lease, asking->now, &asking->answer, fault);
    case STORE_LEASE_RENEW:
        return store_lease_renew(db, &asking->lease, asking->now, &asking->answer, fault);
    case STORE_LEASE_RELEASE:
        break;
    }
    return store_lease_release(db, &asking->lease, &asking->answer, fault);
}

static bool ask(struct store_fixture *fixture, enum store_lease_deed deed,
                const struct store_lease *lease, int64_t time)
{
    struct fault fault = {0};
    struct asking asking = {.job.run = run, .deed = deed, .lease = *lease, .now = time};
    if (!store_run(fixture->store, &asking.job, &fault))
        fail_msg("%s", fault.message);
    return asking.answer;
}

static bool take(struct store_fixture *fixture, const struct store_lease *lease, int64_t time)
{
    return ask(fixture, STORE_LEASE_TAKE, lease, time);
}

static bool renew(struct store_fixture *fixture, const struct store_lease *lease, int64_t time)
{
    return ask(fixture, STORE_LEASE_RENEW, lease, time);
}

static bool release(struct store_fixture *fixture, const struct store_lease *lease)
{
    return ask(fixture, STORE_LEASE_RELEASE, lease, 0);
}

static int64_t count_leases(struct store_fixture *fixture)
{
    static const struct db_statement count = {"SELECT COUNT(*) FROM maildrop_lease", NULL};
    return store_fixture_number(fixture, &count, DB_NO_VALUES);
}

static void only_one_has_it(void **state)
{
    struct store_fixture *fixture = *state;
    const struct store_lease mine = {fixture->inbox, ONE, 1};
    const struct store_lease theirs = {fixture->inbox, OTHER, 2};
    assert_true(take(fixture, &mine, now));
    assert_false(take(fixture, &theirs, now));
    assert_false(take(fixture, &theirs, now + duration - 1));
    assert_false(renew(fixture, &theirs, now));
    assert_false(release(fixture, &theirs));
    assert_true(renew(fixture, &mine, now));
    assert_true(release(fixture, &mine));
    assert_false(renew(fixture, &mine, now));
    assert_true(take(fixture, &theirs, now));
    assert_int_equal(count_leases(fixture), 1);
}

static void another_mailbox_is_another_lease(void **state)
{
    struct store_fixture *fixture = *state;
    int64_t account;
    struct store_lease theirs = {0, OTHER, 2};
    store_fixture_add_account(fixture, "bea@example.org", &account, &theirs.mailbox);
    const struct store_lease mine = {fixture->inbox, ONE, 1};
    assert_true(take(fixture, &mine, now));
    assert_true(take(fixture, &theirs, now));
    assert_true(release(fixture, &mine));
    assert_true(renew(fixture, &theirs, now));
}

static void its_time_ends_it(void **state)
{
    struct store_fixture *fixture = *state;
    const struct store_lease mine = {fixture->inbox, ONE, 1};
    const struct store_lease theirs = {fixture->inbox, OTHER, 2};
    assert_true(take(fixture, &mine, now));
    assert_true(renew(fixture, &mine, now + duration / 3));
    assert_false(take(fixture, &theirs, now + duration));
    /* Ended, but nobody wanted it. */
    assert_true(renew(fixture, &mine, now + 5 * duration));
    assert_false(take(fixture, &theirs, now + 6 * duration - 1));
    assert_true(take(fixture, &theirs, now + 6 * duration));
    assert_false(renew(fixture, &mine, now + 6 * duration));
    assert_false(release(fixture, &mine));
    assert_true(renew(fixture, &theirs, now + 6 * duration));
}

/* Jobs of one process overtake each other on several connections. */
static void the_latest_taking_of_an_owner_counts(void **state)
{
    struct store_fixture *fixture = *state;
    const struct store_lease first = {fixture->inbox, ONE, 1};
    const struct store_lease second = {fixture->inbox, ONE, 2};
    assert_true(take(fixture, &first, now));
    assert_true(take(fixture, &second, now));
    assert_false(take(fixture, &first, now));
    assert_false(renew(fixture, &first, now));
    assert_false(release(fixture, &first));
    assert_true(take(fixture, &second, now));
    assert_true(release(fixture, &second));
}

static bool remove_account(struct store_job *job, struct db *db, struct fault *fault)
{
    (void)job;
    return store_account_remove(db, BYTES("ann@example.org"), fault);
}

static void it_goes_with_its_mailbox(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    const struct store_lease mine = {fixture->inbox, ONE, 1};
    struct store_job removal = {.run = remove_account};
    struct asking asking = {.job.run = run, .deed = STORE_LEASE_TAKE, .lease = mine, .now = now};
    assert_true(take(fixture, &mine, now));
    assert_true(store_run(fixture->store, &removal, &fault));
    assert_int_equal(count_leases(fixture), 0);
    assert_false(renew(fixture, &mine, now));
    assert_false(store_run(fixture->store, &asking.job, &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
}

/* ---- as jobs ---- */

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

static void wait_for_end(void)
{
    pthread_mutex_lock(&mutex);
    while (!is_over)
        pthread_cond_wait(&has_ended, &mutex);
    is_over = false;
    pthread_mutex_unlock(&mutex);
}

static bool submit(struct store *store, enum store_lease_deed deed, const struct store_lease *lease)
{
    struct store_lease_job job = {
        .job = {.done = tell_end}, .store = store, .deed = deed, .lease = *lease, .now = now};
    store_lease_submit(&job);
    wait_for_end();
    if (!job.job.is_done)
        fail_msg("%s", job.job.fault.message);
    return job.is_held;
}

static void jobs_do_the_same(void **state)
{
    struct store_fixture *fixture = *state;
    const struct store_lease mine = {fixture->inbox, store_self(fixture->store), 1};
    const struct store_lease theirs = {fixture->inbox, OTHER, 2};
    assert_true(submit(fixture->store, STORE_LEASE_TAKE, &mine));
    assert_false(submit(fixture->store, STORE_LEASE_TAKE, &theirs));
    assert_true(submit(fixture->store, STORE_LEASE_RENEW, &mine));
    assert_true(submit(fixture->store, STORE_LEASE_RELEASE, &mine));
    assert_false(submit(fixture->store, STORE_LEASE_RELEASE, &mine));
}

static bool remove_under(struct store_fixture *fixture, const struct store_lease *lease)
{
    static const uint32_t uid = 1;
    struct store_removal removal = {.job = {.done = tell_end},
                                    .store = fixture->store,
                                    .mailbox = fixture->inbox,
                                    .uids = &uid,
                                    .count = 1,
                                    .lease = lease};
    store_removal_submit(&removal);
    wait_for_end();
    if (!removal.job.is_done)
        fail_msg("%s", removal.job.fault.message);
    return !removal.is_lost;
}

static void nothing_is_removed_under_a_lost_lease(void **state)
{
    struct store_fixture *fixture = *state;
    const struct store_lease mine = {fixture->inbox, ONE, 1};
    const struct store_lease theirs = {fixture->inbox, OTHER, 2};
    static const struct db_statement count = {"SELECT COUNT(*) FROM message", NULL};
    store_fixture_put(fixture, BYTES("x"));
    assert_true(take(fixture, &mine, now));
    assert_true(take(fixture, &theirs, now + duration));
    assert_false(remove_under(fixture, &mine));
    assert_int_equal(store_fixture_number(fixture, &count, DB_NO_VALUES), 1);
    assert_true(remove_under(fixture, &theirs));
    assert_int_equal(store_fixture_number(fixture, &count, DB_NO_VALUES), 0);
    /* It was given back with it. */
    assert_int_equal(count_leases(fixture), 0);
}

static void only_postgres_is_shared(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    assert_int_equal(store_is_shared(fixture->store), fixture->kind == DB_POSTGRES);
    if (fixture->kind != DB_POSTGRES)
        return;
    struct store_options options = {.place = fixture->place, .draft_directory = fixture->directory};
    struct store *second = store_open(&options, &fault);
    assert_non_null(second);
    assert_true(store_self(second) != store_self(fixture->store));
    const struct store_lease mine = {fixture->inbox, store_self(fixture->store), 1};
    const struct store_lease theirs = {fixture->inbox, store_self(second), 2};
    assert_true(submit(fixture->store, STORE_LEASE_TAKE, &mine));
    assert_false(submit(second, STORE_LEASE_TAKE, &theirs));
    store_close(second);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(only_one_has_it),
    STORE_TEST(another_mailbox_is_another_lease),
    STORE_TEST(its_time_ends_it),
    STORE_TEST(the_latest_taking_of_an_owner_counts),
    STORE_TEST(it_goes_with_its_mailbox),
    STORE_TEST(jobs_do_the_same),
    STORE_TEST(nothing_is_removed_under_a_lost_lease),
    STORE_TEST(only_postgres_is_shared),
};

STORE_MAIN(tests)
