/* The lease of a maildrop: taken, renewed, lost, given back, by jobs that come back to a loop. The
 * store has one server here: what others do is written beside it. */
#include "session/pop3_lease.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/db.h"
#include "failing_allocation.h"
#include "session/session_letters.h"

/* Stands for a maildrop. */
struct owner {
    struct loop_task told; /* first */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    unsigned count;
};

#define OWNER                                                                                      \
    {                                                                                              \
        .told = {.run = count_told}, .mutex = PTHREAD_MUTEX_INITIALIZER,                           \
        .changed = PTHREAD_COND_INITIALIZER                                                        \
    }

static void count_told(struct loop_task *task)
{
    struct owner *owner = (struct owner *)task;
    pthread_mutex_lock(&owner->mutex);
    owner->count++;
    pthread_cond_signal(&owner->changed);
    pthread_mutex_unlock(&owner->mutex);
}

static void wait_for_told(struct owner *owner, unsigned count)
{
    pthread_mutex_lock(&owner->mutex);
    while (owner->count < count)
        pthread_cond_wait(&owner->changed, &owner->mutex);
    pthread_mutex_unlock(&owner->mutex);
}

struct call {
    struct loop_task task; /* first */
    struct pop3_lease *lease;
    int64_t now; /* ENGINE_NEVER: not a tick, but the end */
    sem_t done;
};

static void run_call(struct loop_task *task)
{
    struct call *call = (struct call *)task;
    if (call->now == ENGINE_NEVER)
        pop3_lease_free(call->lease);
    else
        pop3_lease_tick(call->lease, call->now);
    sem_post(&call->done);
}

/* On the loop, behind all that came back before. */
static void call_on_loop(struct house *house, struct pop3_lease *lease, int64_t now)
{
    struct call call = {.task = {.run = run_call}, .lease = lease, .now = now};
    sem_init(&call.done, 0, 0);
    loop_post(loop_group_at(house->loops, 0), &call.task);
    while (sem_wait(&call.done) != 0)
        ;
    sem_destroy(&call.done);
}

static void tick(struct house *house, struct pop3_lease *lease, int64_t now)
{
    call_on_loop(house, lease, now);
}

static void end(struct house *house, struct pop3_lease *lease)
{
    call_on_loop(house, lease, ENGINE_NEVER);
}

static struct pop3_lease *make_lease(struct house *house, struct owner *owner)
{
    struct session_identity identity = {.loop = loop_group_at(house->loops, 0), .protocol = "pop3"};
    struct fault fault = {0};
    struct pop3_lease *lease =
        pop3_lease_new(&house->services, &identity, letters_ann(house).inbox, &owner->told, &fault);
    assert_non_null(lease);
    return lease;
}

static struct pop3_lease *take_lease(struct house *house, struct owner *owner)
{
    struct pop3_lease *lease = make_lease(house, owner);
    wait_for_told(owner, 1);
    assert_int_equal(pop3_lease_status(lease), POP3_LEASE_HELD);
    return lease;
}

static int64_t number(struct house *house, const char *sql)
{
    /* Statements are remembered by their address, so each text needs its own. */
    struct db_statement statement = {sql, NULL};
    struct db *reader = store_reader_open(house->store, NULL);
    struct db_rows rows = {0};
    bool is_found;
    assert_non_null(reader);
    assert_true(db_query_one(reader, &statement, DB_NO_VALUES, &rows, &is_found, NULL));
    int64_t found = db_rows_number(&rows, 0);
    db_rows_clear(&rows);
    store_reader_close(reader);
    return found;
}

/* Jobs of a store with one writer come one after the other: behind this one all have been written.
 */
static void wait_for_store(struct house *house)
{
    letters_put_one(house, "x\r\n");
}

static int64_t count_leases(struct house *house)
{
    wait_for_store(house);
    return number(house, "SELECT COUNT(*) FROM maildrop_lease");
}

static void take_over(struct house *house)
{
    house_execute(house, "UPDATE maildrop_lease SET owner = 1, id = 1");
}

static void is_taken_and_given_back(void **state)
{
    struct house *house = *state;
    struct owner owner = OWNER;
    struct pop3_lease *lease = take_lease(house, &owner);
    assert_int_equal(pop3_lease_terms(lease)->owner, store_self(house->store));
    assert_int_equal(count_leases(house), 1);
    end(house, lease);
    assert_int_equal(count_leases(house), 0);
}

static void is_refused_while_another_server_has_it(void **state)
{
    struct house *house = *state;
    struct owner first = OWNER;
    struct owner second = OWNER;
    struct pop3_lease *lease = take_lease(house, &first);
    take_over(house);
    struct pop3_lease *refused = make_lease(house, &second);
    wait_for_told(&second, 1);
    assert_int_equal(pop3_lease_status(refused), POP3_LEASE_REFUSED);
    assert_int_equal(pop3_lease_deadline(refused), ENGINE_NEVER);
    end(house, refused);
    end(house, lease);
    /* What is another's is not given back. */
    assert_int_equal(count_leases(house), 1);
}

static void is_renewed_in_time(void **state)
{
    struct house *house = *state;
    struct owner owner = OWNER;
    struct pop3_lease *lease = take_lease(house, &owner);
    int64_t deadline = pop3_lease_deadline(lease);
    assert_true(deadline > 0);
    house_execute(house, "UPDATE maildrop_lease SET until = 5");
    tick(house, lease, deadline - 1);
    wait_for_store(house);
    assert_int_equal(number(house, "SELECT until FROM maildrop_lease"), 5);
    tick(house, lease, deadline);
    wait_for_store(house);
    assert_true(number(house, "SELECT until FROM maildrop_lease ") > 5);
    end(house, lease);
    assert_int_equal(owner.count, 1);
}

static void tells_when_it_is_lost(void **state)
{
    struct house *house = *state;
    struct owner owner = OWNER;
    struct pop3_lease *lease = take_lease(house, &owner);
    take_over(house);
    tick(house, lease, pop3_lease_deadline(lease));
    wait_for_told(&owner, 2);
    assert_int_equal(pop3_lease_status(lease), POP3_LEASE_LOST);
    assert_int_equal(pop3_lease_deadline(lease), ENGINE_NEVER);
    end(house, lease);
    assert_int_equal(count_leases(house), 1);
}

static void a_store_in_trouble_does_not_lose_it(void **state)
{
    struct house *house = *state;
    struct owner owner = OWNER;
    struct owner other = OWNER;
    struct pop3_lease *lease = take_lease(house, &owner);
    house_execute(house, "ALTER TABLE maildrop_lease RENAME TO lease_away");
    tick(house, lease, pop3_lease_deadline(lease));
    house_wait_for_log(house, "event=store.write-failed");
    struct pop3_lease *failed = make_lease(house, &other);
    wait_for_told(&other, 1);
    assert_int_equal(pop3_lease_status(failed), POP3_LEASE_FAILED);
    end(house, failed);
    house_execute(house, "ALTER TABLE lease_away RENAME TO maildrop_lease");
    assert_int_equal(pop3_lease_status(lease), POP3_LEASE_HELD);
    end(house, lease);
    assert_int_equal(count_leases(house), 0);
}

static void may_be_freed_at_any_time(void **state)
{
    struct house *house = *state;
    struct owner owner = OWNER;
    struct sqlite3 *lock = house_lock(house);
    struct pop3_lease *lease = make_lease(house, &owner);
    end(house, lease);
    house_unlock(lock);
    assert_int_equal(count_leases(house), 0);
    lease = take_lease(house, &owner);
    lock = house_lock(house);
    tick(house, lease, pop3_lease_deadline(lease));
    assert_int_equal(pop3_lease_deadline(lease), ENGINE_NEVER);
    end(house, lease);
    house_unlock(lock);
    assert_int_equal(count_leases(house), 0);
    assert_int_equal(owner.count, 1);
    pop3_lease_free(NULL);
    pop3_lease_forget(NULL);
}

static void what_is_forgotten_stays(void **state)
{
    struct house *house = *state;
    struct owner owner = OWNER;
    pop3_lease_forget(take_lease(house, &owner));
    assert_int_equal(count_leases(house), 1);
    /* Its own server may have it again at once. */
    struct owner next = OWNER;
    end(house, take_lease(house, &next));
    assert_int_equal(count_leases(house), 0);
}

static void memory_may_run_out(void **state)
{
    struct house *house = *state;
    struct owner owner = OWNER;
    struct fault fault = {0};
    struct session_identity identity = {.loop = loop_group_at(house->loops, 0), .protocol = "pop3"};
    failing_allocation_start(0);
    struct pop3_lease *lease = pop3_lease_new(&house->services, &identity, 5, &owner.told, &fault);
    assert_true(failing_allocation_stop());
    assert_null(lease);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, house_set_up, house_tear_down)

static const struct CMUnitTest tests[] = {
    HOUSE_TEST(is_taken_and_given_back),
    HOUSE_TEST(is_refused_while_another_server_has_it),
    HOUSE_TEST(is_renewed_in_time),
    HOUSE_TEST(tells_when_it_is_lost),
    HOUSE_TEST(a_store_in_trouble_does_not_lose_it),
    HOUSE_TEST(may_be_freed_at_any_time),
    HOUSE_TEST(what_is_forgotten_stays),
    HOUSE_TEST(memory_may_run_out),
};

UNIT_MAIN(tests)
