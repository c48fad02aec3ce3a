/* The one place where a session waits: moves bytes between engine and transport until the engine
 * has something to tell. */
#ifndef CLIENT_CLIENT_LOOP_H
#define CLIENT_CLIENT_LOOP_H

#include "client/client_session.h"

/* The engine's next event; borrowed as ph_engine_next says. Bodies are read and TLS is made here.
   Never waits past a deadline, nor when cancelled: then the operation's end is the event. False:
   the engine has no operation left to end. */
bool client_loop_next(struct ph_smtp *smtp, struct ph_event *event);

/* Runs the one operation that is under way to its end and keeps its reply. Returns the reply's
   code, -1 without one; *error is filled where the operation failed (kind PH_OK where not, so it
   may not be NULL). */
int client_loop_run(struct ph_smtp *smtp, struct ph_error *error);

/* Writes until the engine has nothing more to write; reads nothing. */
bool client_loop_flush(struct ph_smtp *smtp, struct ph_error *error);

/* Gives the engine what was read beyond the replies that were awaited: nobody asked for it, so the
   connection is of no more use. Not while raw bytes may have called for it. */
void client_loop_feed_rest(struct ph_smtp *smtp);

/* Makes TLS on the transport and fills facts, which point into binding. */
bool client_loop_handshake(struct ph_smtp *smtp, struct ph_tls_facts *facts,
                           unsigned char binding[NET_TLS_BINDING_MAX]);

#endif
