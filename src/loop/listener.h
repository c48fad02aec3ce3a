/* Ports that connections come in by. The sockets are bound first, while the program may still be
 * root; the loops take them over later. */
#ifndef LOOP_LISTENER_H
#define LOOP_LISTENER_H

#include "base/bytes.h"
#include "base/fault.h"
#include "loop/connection.h"
#include "loop/loop.h"
#include "net/net_tls.h"

enum listener_tls {
    LISTENER_CLEAR = 0, /* no TLS at all */
    LISTENER_STARTTLS,  /* when the engine wishes it */
    LISTENER_IMPLICIT   /* from the first byte (RFC 8314) */
};

/* Why a connection is not served. */
enum listener_refusal {
    LISTENER_TOO_MANY = 0, /* connections in all, or descriptors */
    LISTENER_TOO_MANY_FROM_ADDRESS,
    LISTENER_TOO_MANY_FROM_PREFIX
};

/* What a listener asks of whom it serves; called on the loop of the connection. */
struct listener_face {
    /* A new connection: its engine, or NULL to close it at once. It lives until engine_face.end. */
    void *(*open)(void *context, struct connection *connection, const struct connection_peer *peer,
                  int64_t now);
    const struct engine_face *engine;
    /* The line that a connection is turned away with, before it is closed; static. */
    struct bytes (*refuse)(void *context, enum listener_refusal why);
};

/* Counts connections of all listeners that share it, by address and by prefix (/24, /48). */
struct listener_limits {
    unsigned all;        /* 0 = as many as the descriptor limit allows */
    unsigned by_address; /* 30; 0 = no limit. Unix sockets are not counted by address */
    unsigned by_prefix;  /* 100; 0 = no limit */
};
struct listener_gate;
struct listener_gate *listener_gate_new(const struct listener_limits *limits, struct fault *fault);
void listener_gate_free(struct listener_gate *gate); /* accepts NULL */
void listener_gate_change(struct listener_gate *gate, const struct listener_limits *limits);

struct listener;

/* "127.0.0.1:2525", "[::1]:2525", "*:25" (both families), "unix:/run/posthorn/lmtp". Bound and
   listening, but nothing is accepted yet; a Unix socket is open to all. NULL: fault. Not while
   other threads make files. A listener that serves is closed after loop_group_stop. */
struct listener *listener_bind(const char *place, struct fault *fault);
void listener_close(struct listener *listener); /* accepts NULL; removes a Unix socket's file */

/* Where it listens: "127.0.0.1:2525", with the port that the system chose for port 0. */
const char *listener_place(const struct listener *listener);

/* The port; 0 for a Unix socket. */
unsigned listener_port(const struct listener *listener);

struct listener_service {
    enum listener_tls tls;
    struct net_tls_context *context; /* net_tls_server_context_new; NULL with LISTENER_CLEAR. Held,
                                        so that the caller may free its own */
    struct listener_gate *gate;
    const struct listener_face *face;
    void *face_context;
    const struct connection_patience *patience; /* NULL = CONNECTION_PATIENCE; copied */
};

/* Accepts from now on, spread over the group's loops. Before loop_group_start. */
bool listener_serve(struct listener *listener, struct loop_group *group,
                    const struct listener_service *service, struct fault *fault);

/* New certificate for the connections to come: from any thread. The context is held, as that of the
   service was; the old one is given back when its last connection has ended. */
void listener_change_tls(struct listener *listener, struct net_tls_context *context);

#endif
