/* The maildrop of a POP3 session: locked, listed, and at the end rid of what was deleted. It may
 * outlive its session: what a worker or the store still has in hand is given back, and the lock
 * with it, when it comes back. Loop's thread only. */
#ifndef SESSION_POP3_MAILDROP_H
#define SESSION_POP3_MAILDROP_H

#include "session/pop3_locks.h"
#include "session/session_identity.h"

enum pop3_maildrop_status {
    POP3_MAILDROP_WAITS = 0,
    POP3_MAILDROP_OPEN,
    POP3_MAILDROP_LOST,    /* it was open, and another server has it now */
    POP3_MAILDROP_IN_USE,  /* -ERR [IN-USE] */
    POP3_MAILDROP_REMOVED, /* and no longer locked */
    POP3_MAILDROP_FAILED   /* -ERR [SYS/TEMP]; it was logged */
};

struct pop3_maildrop;

/* Locks the mailbox, against other servers too where the store is shared, and reads the list of its
 * messages. `told` is embedded in the session: its run is called on the loop's thread, from outside
 * any call of the session's face, when the status has changed. Services, locks and identity are
 * borrowed, the identity until pop3_maildrop_free. NULL: out of memory. */
struct pop3_maildrop *pop3_maildrop_new(struct session_services *services, struct pop3_locks *locks,
                                        const struct session_identity *identity, int64_t mailbox,
                                        struct loop_task *told, struct fault *fault);

/* At any time; accepts NULL. `told` is not called any more. A removal that was begun is finished.
 */
void pop3_maildrop_free(struct pop3_maildrop *maildrop);

enum pop3_maildrop_status pop3_maildrop_status(const struct pop3_maildrop *maildrop);

int64_t pop3_maildrop_mailbox(const struct pop3_maildrop *maildrop);

/* What the engine is given; while it is open. */
const struct pop3_server_maildrop *pop3_maildrop_list(const struct pop3_maildrop *maildrop);

/* Removes what the engine has marked, in one job, then gives the lock back; nothing, where another
 * server has it. What it answers comes by `told` as well when it is POP3_MAILDROP_WAITS. */
enum pop3_maildrop_status pop3_maildrop_remove(struct pop3_maildrop *maildrop,
                                               const struct pop3_server *engine);

/* When pop3_maildrop_tick must be called at the latest; ENGINE_NEVER = not at all. */
int64_t pop3_maildrop_deadline(const struct pop3_maildrop *maildrop);
void pop3_maildrop_tick(struct pop3_maildrop *maildrop, int64_t now);

#endif
