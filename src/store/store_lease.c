/* A row a mailbox, which the database keeps from being had twice. */
#include "store/store_lease.h"

#include "db/db.h"

enum {
    MICROSECONDS = 1000,  /* in a millisecond */
    WEIGHT_OF_LEASE = 128 /* bytes that a deed writes, about */
};

static int64_t end_of(int64_t now)
{
    return now + (int64_t)STORE_LEASE_MILLISECONDS * MICROSECONDS;
}

bool store_lease_take(struct db *db, const struct store_lease *lease, int64_t now, bool *is_taken,
                      struct fault *fault)
{
    /* Jobs of one owner may overtake each other: an earlier taking never ends a later one. */
    static const struct db_statement take = {
        "INSERT INTO maildrop_lease(mailbox, owner, id, until) VALUES($1, $2, $3, $4) "
        "ON CONFLICT(mailbox) DO UPDATE SET owner = excluded.owner, id = excluded.id, "
        "until = excluded.until WHERE maildrop_lease.until <= $5 "
        "OR (maildrop_lease.owner = excluded.owner AND maildrop_lease.id <= excluded.id)",
        NULL};
    uint64_t changed;
    if (!db_execute(db, &take,
                    DB_VALUES(db_number(lease->mailbox), db_number(lease->owner),
                              db_number(lease->id), db_number(end_of(now)), db_number(now)),
                    &changed, fault))
        return false;
    *is_taken = changed > 0;
    return true;
}

bool store_lease_renew(struct db *db, const struct store_lease *lease, int64_t now, bool *is_held,
                       struct fault *fault)
{
    static const struct db_statement renew = {
        "UPDATE maildrop_lease SET until = $4 WHERE mailbox = $1 AND owner = $2 AND id = $3", NULL};
    uint64_t changed;
    if (!db_execute(db, &renew,
                    DB_VALUES(db_number(lease->mailbox), db_number(lease->owner),
                              db_number(lease->id), db_number(end_of(now))),
                    &changed, fault))
        return false;
    *is_held = changed > 0;
    return true;
}

bool store_lease_release(struct db *db, const struct store_lease *lease, bool *was_held,
                         struct fault *fault)
{
    static const struct db_statement release = {
        "DELETE FROM maildrop_lease WHERE mailbox = $1 AND owner = $2 AND id = $3", NULL};
    uint64_t changed;
    if (!db_execute(
            db, &release,
            DB_VALUES(db_number(lease->mailbox), db_number(lease->owner), db_number(lease->id)),
            &changed, fault))
        return false;
    *was_held = changed > 0;
    return true;
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_lease_job *wanted = (struct store_lease_job *)job;
    switch (wanted->deed) {
    case STORE_LEASE_TAKE:
        return store_lease_take(db, &wanted->lease, wanted->now, &wanted->is_held, fault);
    case STORE_LEASE_RENEW:
        return store_lease_renew(db, &wanted->lease, wanted->now, &wanted->is_held, fault);
    case STORE_LEASE_RELEASE:
        break;
    }
    return store_lease_release(db, &wanted->lease, &wanted->is_held, fault);
}

void store_lease_submit(struct store_lease_job *wanted)
{
    struct store_job *job = &wanted->job;
    job->run = run;
    job->weight = WEIGHT_OF_LEASE;
    /* Also where the mailbox itself stays as it is: so batches meet the leases in one order. */
    job->mailboxes = &wanted->lease.mailbox;
    job->mailbox_count = 1;
    job->mailbox_stride = 0;
    store_submit(wanted->store, job);
}
