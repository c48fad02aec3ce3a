/* A connection as the blocking session sees it: a socket, perhaps with TLS on it. Nothing here
 * blocks but net_stream_wait, and that ends at a deadline or when another thread wakes it. No
 * signals (MSG_NOSIGNAL), no globals. */
#ifndef NET_NET_STREAM_H
#define NET_NET_STREAM_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/fault.h"
#include "net/net_result.h"
#include "net/net_tls.h"

struct net_stream;

/* Takes a connected stream socket (becomes non-blocking, TCP_NODELAY); closed by net_stream_close.
 * NULL: fault, and the descriptor stays the caller's. */
struct net_stream *net_stream_take(int descriptor, struct fault *fault);

/* Closes at once: close_notify is tried without waiting. NULL is allowed. */
void net_stream_close(struct net_stream *stream);

/* Starts TLS as a client; then net_stream_handshake until NET_DONE. name: host the user gave, for
 * SNI and the certificate (an IP address literal is checked against iPAddress SANs). The context is
 * borrowed. */
bool net_stream_start_tls(struct net_stream *stream, struct net_tls_context *context,
                          const char *name, struct fault *fault);

/* FAULT_DENIED = the certificate was refused, the words say why; other kinds: TLS itself failed. */
enum net_result net_stream_handshake(struct net_stream *stream, struct fault *fault);

/* The TLS session under the stream; NULL without TLS. */
const struct net_tls *net_stream_tls(const struct net_stream *stream);

enum net_result net_stream_read(struct net_stream *stream, char *buffer, size_t size, size_t *count,
                                struct fault *fault);

/* Writes the slices, as many as go at once: one sendmsg without TLS; with TLS small slices are
 * gathered into full records. After NET_AGAIN, and after less than everything, the next call must
 * begin with the bytes that are left. */
enum net_result net_stream_write(struct net_stream *stream, const struct iovec *slices,
                                 size_t slice_count, size_t *count, struct fault *fault);

enum net_ready {
    NET_READY_READ = 1,
    NET_READY_WRITE = 2,
    NET_READY_WOKEN = 4
};

/* Waits until one of wanted (a set) is ready (or TLS needs the other direction first),
 * wake_descriptor (-1 = none) becomes readable, or deadline (clock_monotonic_ms; INT64_MAX = never)
 * passes. Returns the set of what is ready, 0 at the deadline, -1 with fault. */
int net_stream_wait(struct net_stream *stream, int wanted, int wake_descriptor, int64_t deadline,
                    struct fault *fault);

/* True when the idle peer has neither sent a byte nor closed: what a pool asks before it hands a
 * connection out. */
bool net_stream_is_quiet(struct net_stream *stream);

/* The local address as an SMTP address literal, "[127.0.0.1]" or "[IPv6:::1]" (RFC 5321 4.1.3);
 * false for other families. */
bool net_stream_local_literal(const struct net_stream *stream, char *text, size_t size);

/* "192.0.2.1:587" or the socket's path, for transcripts. */
void net_stream_peer_name(const struct net_stream *stream, char *text, size_t size);

#endif
