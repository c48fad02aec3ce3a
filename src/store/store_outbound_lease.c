/* Who works on the queue of a store that many share: runners, of which each process has its own and
 * those of others that died. The database's clock counts. */
#include "store/store_inside.h"
#include "store/store_outbound_inside.h"

enum {
    WEIGHT_OF_LEASE = 256 /* bytes that it writes, about */
};

#define NOW "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"

int64_t store_outbound_lease_runner(struct store *store)
{
    return atomic_load(&store->outbound_runner);
}

static struct store_outbound_lease *lease_of(struct store_job *job)
{
    return (struct store_outbound_lease *)job;
}

/* *is_alive: the runner that new messages are given is still ours. */
static bool renew(struct db *db, const struct store_outbound_lease *lease, int64_t runner,
                  bool *is_alive, struct fault *fault)
{
    static const struct db_statement renew = {"SELECT $1", "UPDATE outbound_runner SET seen = " NOW
                                                           " WHERE process = $1"};
    static const struct db_statement look = {
        "SELECT $1, $2", "SELECT 1 FROM outbound_runner WHERE id = $1 AND process = $2"};
    AUTO(db_rows)
    rows = {0};
    struct db_value self = db_number(store_self(lease->store));
    return db_send(db, &renew, DB_VALUES(self), fault) &&
           db_query_one(db, &look, DB_VALUES(db_number(runner), self), &rows, is_alive, fault) &&
           db_rows_finish(&rows, fault);
}

/* A process begins, or begins anew: what it put into the queue before it knew that it was taken for
   dead is told to whoever has it now. */
static bool begin(struct db *db, struct store_outbound_lease *lease, struct fault *fault)
{
    static const struct db_statement add = {
        "SELECT $1, $2", "INSERT INTO outbound_runner(id, process, seen) VALUES($1, $2, " NOW ")"};
    return db_send(db, &add,
                   DB_VALUES(db_number(lease->runner), db_number(store_self(lease->store))),
                   fault) &&
           (!lease->is_lost || store_outbound_nudge_raise(db, fault));
}

/* Runners that were not seen for a lease, unless their process is writing right now. */
static bool take_over(struct db *db, const struct store_outbound_lease *lease, uint64_t *taken,
                      struct fault *fault)
{
    static const struct db_statement take = {
        "SELECT $1, $2", "UPDATE outbound_runner SET process = $1, seen = " NOW
                         " WHERE process <> $1 AND CASE WHEN seen < " NOW
                         " - $2 THEN pg_try_advisory_xact_lock(process) ELSE false END"};
    return db_execute(db, &take,
                      DB_VALUES(db_number(store_self(lease->store)),
                                db_number((int64_t)STORE_OUTBOUND_LEASE_MILLISECONDS * 1000)),
                      taken, fault);
}

/* The owners of all messages, without looking at all messages. */
#define OWNERS                                                                                     \
    "WITH RECURSIVE owners(owner) AS ((SELECT owner FROM outbound_message ORDER BY owner LIMIT "   \
    "1) UNION ALL SELECT (SELECT m.owner FROM outbound_message m WHERE m.owner > o.owner ORDER "   \
    "BY m.owner LIMIT 1) FROM owners o WHERE o.owner IS NOT NULL) "

/* What belongs to nobody: of a runner that is no more, or put in by a process without runner. */
static bool adopt(struct db *db, const struct store_outbound_lease *lease, uint64_t *adopted,
                  struct fault *fault)
{
    static const struct db_statement take_runners = {
        "SELECT $1",
        OWNERS "INSERT INTO outbound_runner(id, process, seen) SELECT o.owner, $1, " NOW
               " FROM owners o WHERE o.owner <> 0 AND NOT EXISTS (SELECT 1 FROM outbound_runner w "
               "WHERE w.id = o.owner) ON CONFLICT(id) DO NOTHING"};
    static const struct db_statement take_messages = {
        "SELECT $1", "UPDATE outbound_message SET owner = $1 WHERE owner = 0"};
    uint64_t runners;
    uint64_t messages;
    if (!db_execute(db, &take_runners, DB_VALUES(db_number(store_self(lease->store))), &runners,
                    fault) ||
        !db_execute(db, &take_messages, DB_VALUES(db_number(lease->runner)), &messages, fault))
        return false;
    *adopted = runners + (messages > 0);
    return true;
}

static bool forget_empty(struct db *db, const struct store_outbound_lease *lease,
                         struct fault *fault)
{
    static const struct db_statement forget = {
        "SELECT $1, $2", "DELETE FROM outbound_runner w WHERE w.process = $1 AND w.id <> $2 "
                         "AND NOT EXISTS (SELECT 1 FROM outbound_message m WHERE m.owner = w.id)"};
    return db_send(db, &forget,
                   DB_VALUES(db_number(store_self(lease->store)), db_number(lease->runner)), fault);
}

static bool leave(struct db *db, const struct store_outbound_lease *lease, struct fault *fault)
{
    static const struct db_statement leave = {
        "SELECT $1", "UPDATE outbound_runner SET seen = 0 WHERE process = $1"};
    return db_send(db, &leave, DB_VALUES(db_number(store_self(lease->store))), fault);
}

static bool stay(struct db *db, struct store_outbound_lease *lease, struct fault *fault)
{
    int64_t runner = store_outbound_lease_runner(lease->store);
    bool is_alive = false;
    uint64_t taken;
    uint64_t adopted;
    if (runner != 0 && !renew(db, lease, runner, &is_alive, fault))
        return false;
    lease->is_lost = runner != 0 && !is_alive;
    if (is_alive)
        lease->runner = runner;
    if ((!is_alive && !begin(db, lease, fault)) || !take_over(db, lease, &taken, fault) ||
        !adopt(db, lease, &adopted, fault) || !forget_empty(db, lease, fault))
        return false;
    lease->taken = (size_t)(taken + adopted);
    return true;
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_outbound_lease *lease = lease_of(job);
    lease->is_lost = false;
    lease->taken = 0;
    if (!store_is_shared(lease->store))
        return true;
    if (lease->is_leaving)
        return leave(db, lease, fault);
    lease->runner = store_id_make(lease->store);
    return stay(db, lease, fault);
}

static void tell(struct store_job *job, struct store *store)
{
    const struct store_outbound_lease *lease = lease_of(job);
    if (!lease->is_leaving)
        atomic_store(&store->outbound_runner, lease->runner);
}

void store_outbound_lease_submit(struct store_outbound_lease *lease)
{
    struct store_job *job = &lease->job;
    job->run = run;
    job->tell = tell;
    job->weight = WEIGHT_OF_LEASE;
    lease->runner = 0;
    /* From here on others may come to be those who work on it. */
    if (lease->is_leaving)
        atomic_store(&lease->store->outbound_runner, 0);
    store_submit(lease->store, job);
}
