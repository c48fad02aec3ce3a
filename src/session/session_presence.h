/* That somebody is logged in: counted by account, and ended when the account is removed or
 * disabled, wherever that was done. It may outlive its session for a moment. Loop's thread only. */
#ifndef SESSION_SESSION_PRESENCE_H
#define SESSION_SESSION_PRESENCE_H

#include "session/session_identity.h"

struct session_presence;

/* `gone` is embedded in the session: its run is called at most once, from outside any call of the
 * face, when the account is no more. `most`: sessions that the account may have on this
 * server with this one, 0 = any number; past it FAULT_LIMIT. NULL: fault. */
struct session_presence *session_presence_begin(struct session_services *services,
                                                const struct session_identity *identity,
                                                int64_t account, unsigned most,
                                                struct loop_task *gone, struct fault *fault);

/* At any time before the store is closed; accepts NULL. `gone` is not run any more. */
void session_presence_end(struct session_presence *presence);

#endif
