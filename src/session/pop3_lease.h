/* The lease of a maildrop that a session has open, where other servers work on the same store:
 * taken, renewed as long as the session lives, given back by a job that nobody waits for. Within
 * the process pop3_locks.h comes first. Loop's thread only. */
#ifndef SESSION_POP3_LEASE_H
#define SESSION_POP3_LEASE_H

#include "session/session_identity.h"
#include "store/store_lease.h"

enum {
    POP3_LEASE_RENEWAL = STORE_LEASE_MILLISECONDS / 3, /* milliseconds between two renewals */
    POP3_LEASE_RETRY = 10 * 1000                       /* after one that could not be written */
};

enum pop3_lease_status {
    POP3_LEASE_WAITS = 0,
    POP3_LEASE_HELD,
    POP3_LEASE_REFUSED, /* another server has it */
    POP3_LEASE_LOST,    /* it was held, and another server has it now */
    POP3_LEASE_FAILED   /* the store does not write; it was logged */
};

struct pop3_lease;

/* Begins to take it. `told` is embedded in the owner: its run is called when the status has
 * changed, from outside any call of this room; it may free the lease. Services and identity are
 * borrowed, the identity for the call only. NULL: out of memory. */
struct pop3_lease *pop3_lease_new(struct session_services *services,
                                  const struct session_identity *identity, int64_t mailbox,
                                  struct loop_task *told, struct fault *fault);

/* Gives it back, if it is held or may be. At any time before the store is closed; accepts NULL. */
void pop3_lease_free(struct pop3_lease *lease);

/* The same where it is no longer to be given back: with the removal it was, or its time will end
 * it.
 */
void pop3_lease_forget(struct pop3_lease *lease);

enum pop3_lease_status pop3_lease_status(const struct pop3_lease *lease);

/* For the removal; borrowed until the lease is freed. */
const struct store_lease *pop3_lease_terms(const struct pop3_lease *lease);

/* When pop3_lease_tick must be called at the latest; ENGINE_NEVER = not at all. */
int64_t pop3_lease_deadline(const struct pop3_lease *lease);
void pop3_lease_tick(struct pop3_lease *lease, int64_t now);

#endif
