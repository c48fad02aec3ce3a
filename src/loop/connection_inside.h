/* The inside of a connection, for those who make it (listener, connector) and for what carries its
 * bytes. */
#ifndef LOOP_CONNECTION_INSIDE_H
#define LOOP_CONNECTION_INSIDE_H

#include <uv.h>

#include "base/buffer.h"
#include "loop/connection.h"
#include "loop/connector.h"
#include "loop/listener_gate.h"
#include "loop/loop_inside.h"
#include "net/net_tls.h"

enum {
    CONNECTION_LINGER_SIZE = 256 * 1024, /* bytes that a peer may send after we closed our side */
};

enum connection_phase {
    CONNECTION_NEW = 0,   /* on its way to its loop */
    CONNECTION_CONNECTS,  /* the peer has not answered yet */
    CONNECTION_HANDSHAKE, /* TLS is being started */
    CONNECTION_OPEN,
    CONNECTION_LINGERS, /* closed for the engine; waits for the peer to close, too */
    CONNECTION_GONE
};

struct connection {
    struct loop_member member; /* first */
    uv_poll_t poll;
    int descriptor;
    enum connection_phase phase;
    int watched; /* UV_READABLE..., as poll was started with */
    bool is_implicit;
    bool is_input_over;   /* FIN or close_notify */
    bool is_output_stuck; /* the socket takes no more */
    bool is_read_pending; /* TLS holds bytes that poll does not know of */
    bool is_read_paused;  /* the engine waits, and there is something to read */
    bool is_peer_quiet;   /* the engine waits, and the peer has ended its side */
    bool is_closing;      /* the engine wishes it, and the last output is on its way */
    struct connection_patience patience;
    int64_t limit; /* ours for the phase; 0 = none */
    const struct engine_face *engine_face;
    void *engine; /* NULL: there is none, or it has heard its end */
    struct net_tls *tls;
    struct net_tls_context *context;
    struct bytes input; /* read and not taken; in the loop's buffer or in kept */
    struct buffer kept; /* what the engine left; no memory while there is none */
    size_t lingered;
    /* Of those that we opened. */
    struct connector_trouble *trouble; /* NULL: it was accepted */
    char *tls_name;                    /* NULL = none */
    /* Of those that were accepted. */
    struct listener_gate_place place;
    struct loop_task start; /* the way to the loop */
    const struct listener_face *face;
    void *face_context;
    struct sockaddr_storage *address; /* of the peer; NULL once the engine stands */
};

static inline bool connection_is_client(const struct connection *connection)
{
    return connection->trouble != NULL;
}

/* Where to tell what went wrong; NULL: nobody asks, or nobody does any more. */
static inline struct fault *connection_fault(const struct connection *connection)
{
    return connection->trouble != NULL && connection->engine != NULL ? &connection->trouble->fault
                                                                     : NULL;
}

static inline void connection_note_step(const struct connection *connection,
                                        enum connector_step step)
{
    if (connection->trouble != NULL)
        connection->trouble->step = step;
}

/* ---- birth: connection.c ---- */

/* Bare, and unknown to its loop. NULL: out of memory, the descriptor stays the caller's. */
struct connection *connection_new(struct loop *loop, int descriptor,
                                  const struct connection_patience *patience);
void connection_free(struct connection *connection); /* accepts NULL; only before it has joined */

/* Lives on its loop from now on, whose thread this must be. False: it and its descriptor are gone;
 * so is what it held. */
bool connection_join(struct connection *connection);

/* connect(2) is on its way. */
void connection_await_connect(struct connection *connection, int64_t patience);

/* The engine stands and so does the connection: begins with TLS or with bytes. It may be gone
 * afterwards. */
void connection_begin(struct connection *connection);

/* The engine hears its end, if there is one, and the connection is no more. */
void connection_lose(struct connection *connection, enum engine_end how);

/* ---- its life: connection.c ---- */

/* Ends our side, then waits for the peer to end its own. */
void connection_finish(struct connection *connection, enum engine_end how);

/* Before the loop goes on to others: what this connection waits for. */
void connection_settle(struct connection *connection);

/* Carries bytes both ways, from what TLS holds on. The connection may be gone afterwards. */
void connection_go_on(struct connection *connection);

/* ---- TLS: connection_tls.c ---- */

void connection_tls_start(struct connection *connection);
void connection_tls_go_on(struct connection *connection);

/* ---- made by the listener: connection_accept.c ---- */

struct connection_plan {
    int descriptor; /* becomes the connection's */
    const struct sockaddr_storage *address;
    struct listener_gate_place place; /* becomes the connection's */
    const struct listener_face *face;
    void *face_context;
    struct net_tls_context *context; /* becomes the connection's; NULL = no TLS */
    bool is_implicit;
    bool is_here; /* the caller is the loop's thread */
    struct connection_patience patience;
};

/* An IPv4 address in IPv6's clothes (RFC 4291 2.5.5.2) becomes what it is. */
void connection_accept_address(struct sockaddr_storage *address);

/* From any thread. False: out of memory, and everything stays the caller's. */
bool connection_accept(struct loop *loop, const struct connection_plan *plan);

/* ---- carrying bytes: connection_stream.c ---- */

/* Reads what there is, once, and appends it to connection->input. */
enum net_result connection_stream_read(struct connection *connection);

/* Puts what is left of the input where it stays until the next turn. False: out of memory, or more
 * than may wait. */
bool connection_stream_keep(struct connection *connection);

/* Writes what goes at once. is_more_to_come: a little more output will follow soon. */
enum net_result connection_stream_write(struct connection *connection, const struct iovec *slices,
                                        size_t slice_count, bool is_more_to_come, size_t *count);

/* What poll must wait for before reading, or writing, goes on. */
int connection_stream_read_events(const struct connection *connection);
int connection_stream_write_events(const struct connection *connection);

#endif
