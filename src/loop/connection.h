/* One accepted connection: carries bytes between a socket, in clear or under TLS, and an engine. An
 * idle connection holds no buffers: bytes are read into the loop's own, and only what the engine
 * does not take is kept. */
#ifndef LOOP_CONNECTION_H
#define LOOP_CONNECTION_H

#include <sys/socket.h>

#include "loop/loop.h"
#include "wire/engine.h"

enum {
    CONNECTION_READ_SIZE = 64 * 1024, /* bytes of a read at most, and of input that waits */
    CONNECTION_TEXT_SIZE = 64
};

/* How long a peer may take, in milliseconds. */
struct connection_patience {
    int64_t handshake; /* for TLS to stand */
    int64_t stall;     /* to read something of what waits for it (RFC 5321 4.5.3.2) */
    int64_t close;     /* to read the last output of a connection that is to be closed */
    int64_t linger;    /* to close its side after we closed ours */
};
#define CONNECTION_PATIENCE                                                                        \
    ((struct connection_patience){                                                                 \
        .handshake = 60 * 1000, .stall = 300 * 1000, .close = 10 * 1000, .linger = 5 * 1000})

struct connection;

/* Who is there. */
struct connection_peer {
    struct sockaddr_storage address;  /* AF_UNIX for a Unix socket */
    char text[CONNECTION_TEXT_SIZE];  /* "192.0.2.1", "2001:db8::1", "local" */
    unsigned port;                    /* 0 for a Unix socket */
    char local[CONNECTION_TEXT_SIZE]; /* our own address */
    unsigned local_port;
};

/* The loop that the connection lives on. */
struct loop *connection_loop(const struct connection *connection);

/* The engine has something to say or a new wish, and was not just called by the connection: a job
   has come back. Loop's thread only; not from inside a call of the face. The engine may have heard
   its end when this returns. */
void connection_resume(struct connection *connection);

/* The peer has said who it is, and is counted by that: no longer by its address and network (many
   people may share them), only among all connections. Loop's thread only. */
void connection_trust(struct connection *connection);

#endif
