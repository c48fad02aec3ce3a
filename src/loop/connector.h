/* Opens a connection to somebody: connects without blocking, and then carries bytes between the
 * socket and a speaker as for an accepted connection, with TLS as the client's side. */
#ifndef LOOP_CONNECTOR_H
#define LOOP_CONNECTOR_H

#include "loop/connection.h"
#include "net/net_address.h"
#include "net/net_tls.h"

/* What is known when it ends; filled before the engine's `end` is called. */
struct connector_trouble {
    enum connector_step {
        CONNECTOR_CONNECTS = 0, /* the peer was not reached */
        CONNECTOR_HANDSHAKES,   /* TLS did not come about; FAULT_DENIED = its certificate */
        CONNECTOR_IS_OPEN
    } step;
    struct fault fault; /* FAULT_NONE: an orderly end */
};

/* Everything is borrowed for the call but what is said otherwise. */
struct connector_plan {
    struct net_address address;
    const struct net_address *source; /* to bind to (its port 0 = any); NULL = the system chooses */
    int64_t patience;                 /* milliseconds for connecting */
    struct net_tls_context *tls;      /* held; NULL = TLS is not to be had */
    bool is_implicit;                 /* TLS from the first byte */
    const char *tls_name;             /* for SNI and the certificate; copied */
    const struct engine_face *face;
    void *engine;                      /* hears of its end exactly once if this succeeds */
    struct connector_trouble *trouble; /* stays until the engine's end */
    struct connection_patience connection;
};

/* On the loop's thread. The engine's face is called only later, not within this call: when the
   connection stands (and with is_implicit, TLS), `output` and all else as for any connection;
   ENGINE_WANTS_TLS begins the handshake as client. The engine is fed also while output of its own
   still waits. *connection (for connection_resume and what follows) is good until the engine's end.
   False: fault (no descriptor, no memory, the loop ends). */
bool connector_open(struct loop *loop, const struct connector_plan *plan,
                    struct connection **connection, struct fault *fault);

/* Ends it at once, whatever waits: the engine hears its end (ENGINE_END_CLOSED) within this call.
   Not from inside a call of the face, and not behind the engine's end. */
void connector_close(struct connection *connection);

/* Facts of a connection that stands under TLS: its certificate was verified. */
bool connector_is_verified(const struct connection *connection);

/* Our own address of it, numeric, for logs and for EHLO when there is no name. */
bool connector_local(const struct connection *connection, struct net_address *address);

#endif
