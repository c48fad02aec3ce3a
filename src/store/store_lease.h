/* Who has a maildrop open, where several servers work on one store (store_is_shared). A lease ends
 * by time: what a server held that died is free again by itself. Until it ends it is its owner's,
 * and afterwards too, as long as nobody else took it. */
#ifndef STORE_STORE_LEASE_H
#define STORE_STORE_LEASE_H

#include "store/store_jobs.h"

enum {
    STORE_LEASE_MILLISECONDS = 90 * 1000 /* from each taking and renewing */
};

struct store_lease {
    int64_t mailbox;
    int64_t owner; /* the process: store_self */
    int64_t id;    /* made for each taking: store_id_make */
};

/* Within a job that runs; `now` is in microseconds since 1970. *is_taken: it was free, had ended,
   or belonged to an earlier taking of the same owner, whom it does not belong to any more. */
bool store_lease_take(struct db *db, const struct store_lease *lease, int64_t now, bool *is_taken,
                      struct fault *fault);

/* The same for one that was taken. *is_held: nobody else took it meanwhile. */
bool store_lease_renew(struct db *db, const struct store_lease *lease, int64_t now, bool *is_held,
                       struct fault *fault);

/* Gives it back, if it is still the taker's; what somebody else took stays. */
bool store_lease_release(struct db *db, const struct store_lease *lease, bool *was_held,
                         struct fault *fault);

enum store_lease_deed {
    STORE_LEASE_TAKE = 0,
    STORE_LEASE_RENEW,
    STORE_LEASE_RELEASE
};

/* One of the three as a job. */
struct store_lease_job {
    struct store_job job; /* set by store_lease_submit, but for done */
    struct store *store;
    enum store_lease_deed deed;
    struct store_lease lease;
    int64_t now;  /* not for release */
    bool is_held; /* the answer: is_taken, is_held, was_held */
};
void store_lease_submit(struct store_lease_job *job);

#endif
