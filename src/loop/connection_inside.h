/* The inside of a connection, for the listener that makes it and for what carries its bytes. */
#ifndef LOOP_CONNECTION_INSIDE_H
#define LOOP_CONNECTION_INSIDE_H

#include <uv.h>

#include "base/buffer.h"
#include "loop/connection.h"
#include "loop/listener_gate.h"
#include "loop/loop_inside.h"
#include "net/net_tls.h"

enum {
    CONNECTION_LINGER_SIZE = 256 * 1024, /* bytes that a peer may send after we closed our side */
};

enum connection_phase {
    CONNECTION_NEW = 0,   /* on its way to its loop */
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
    struct listener_gate_place place;
    /* For the way to the loop. */
    struct loop_task start;
    const struct listener_face *face;
    void *face_context;
    struct sockaddr_storage *address; /* of the peer; NULL once the engine stands */
};

/* ---- made by the listener ---- */

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
void connection_undress_address(struct sockaddr_storage *address);

/* From any thread. False: out of memory, and everything stays the caller's. */
bool connection_start(struct loop *loop, const struct connection_plan *plan);

/* ---- carrying bytes: connection_stream.c ---- */

/* Reads what there is, once, and appends it to connection->input. */
enum net_result connection_stream_read(struct connection *connection);

/* Puts what is left of the input where it stays until the next turn. False: out of memory, or more
 * than may wait. */
bool connection_stream_keep(struct connection *connection);

/* Writes what goes at once. is_more_to_come: a little more output will follow soon. */
enum net_result connection_stream_write(struct connection *connection, struct bytes output,
                                        bool is_more_to_come, size_t *count);

/* What poll must wait for before reading, or writing, goes on. */
int connection_stream_read_events(const struct connection *connection);
int connection_stream_write_events(const struct connection *connection);

#endif
