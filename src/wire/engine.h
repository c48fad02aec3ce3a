/* The face that whatever speaks a protocol on a connection shows to what carries its bytes. The
 * carrier (loop/connection.h) knows no protocol, the speaker no socket. All calls come from one
 * thread; times are monotonic milliseconds. */
#ifndef WIRE_ENGINE_H
#define WIRE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include <sys/uio.h>

#include "base/bytes.h"

/* What the speaker wants next. Output that waits is written first, in every case. */
enum engine_wish {
    ENGINE_WANTS_INPUT = 0, /* bytes of the peer */
    ENGINE_WAITS,           /* a job of its own is on its way: nothing is read until it resumes the
                               connection; the peer's going away is still told by end */
    ENGINE_WANTS_TLS,       /* the handshake, on the side that the connection is: what was read and
                               not taken is dropped */
    ENGINE_WANTS_CLOSE      /* to be closed, in order */
};

/* Why there will be nothing more. */
enum engine_end {
    ENGINE_END_CLOSED = 0, /* as the speaker wished */
    ENGINE_END_PEER,       /* the peer ended its side in order: close_notify, or FIN in clear */
    ENGINE_END_LOST,       /* reset, cut (a FIN inside TLS among it), or a broken TLS record */
    ENGINE_END_TLS,        /* the handshake failed */
    ENGINE_END_STOP        /* the server ends */
};

enum {
    ENGINE_BINDING_MAX = 64, /* bytes of a channel binding */
    ENGINE_NEVER = 0         /* a deadline that never comes */
};

/* Facts of a TLS session; strings are borrowed for the call. */
struct engine_tls {
    const char *version; /* "TLSv1.3" */
    const char *cipher;
    const char *binding_name; /* "tls-exporter" (RFC 9266), "tls-unique" (RFC 5929); NULL = none */
    unsigned char binding[ENGINE_BINDING_MAX];
    size_t binding_length;
};

struct engine_face {
    /* Takes bytes from the front of `in` and says how many; fewer than all when it waits, or wants
       TLS or a close. What it left comes again, in front of what was read since. */
    size_t (*feed)(void *engine, struct bytes in, int64_t now);
    enum engine_wish (*wish)(const void *engine);
    /* What is to be written; borrowed until the next call. May make more of it (the next slice of a
       long answer) when there is nothing left. */
    struct bytes (*output)(void *engine, int64_t now);
    /* NULL, or instead of `output`, for who has it in several places: fills at most `count` and
       returns how many. */
    size_t (*slices)(void *engine, struct iovec *slices, size_t count, int64_t now);
    void (*sent)(void *engine, size_t count, int64_t now);
    /* TLS stands: after ENGINE_WANTS_TLS, or first of all on a port of implicit TLS. */
    void (*tls_started)(void *engine, const struct engine_tls *facts, int64_t now);
    /* When `tick` must be called at the latest; ENGINE_NEVER = not at all. */
    int64_t (*deadline)(const void *engine);
    void (*tick)(void *engine, int64_t now);
    /* The server is about to end: say so as soon as the protocol allows (421, BYE) and wish to be
       closed; what is in hand may be finished first. */
    void (*stop)(void *engine, int64_t now);
    /* The last call, exactly once: the connection is no more and must not be touched. The engine
       frees itself, now or when its last job has come back. */
    void (*end)(void *engine, enum engine_end how, int64_t now);
};

#endif
