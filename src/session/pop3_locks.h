/* Which mailboxes are open in POP3 sessions of this process: one session a mailbox (RFC 1939 4).
 * What other processes have is pop3_lease.h's. Thread-safe. */
#ifndef SESSION_POP3_LOCKS_H
#define SESSION_POP3_LOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

struct pop3_locks;

/* NULL: out of memory. */
struct pop3_locks *pop3_locks_new(struct fault *fault);
/* When no session is left. Accepts NULL. */
void pop3_locks_free(struct pop3_locks *locks);

enum pop3_locks_outcome {
    POP3_LOCKS_TAKEN = 0, /* it is the caller's, until pop3_locks_give */
    POP3_LOCKS_IN_USE,
    POP3_LOCKS_NO_MEMORY
};
enum pop3_locks_outcome pop3_locks_take(struct pop3_locks *locks, int64_t mailbox);
void pop3_locks_give(struct pop3_locks *locks, int64_t mailbox);

#endif
