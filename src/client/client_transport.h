/* What a session's bytes travel on: a socket of ours, perhaps with TLS, or the four callbacks of
   the user's own transport; the loop sees no difference. */
#ifndef CLIENT_CLIENT_TRANSPORT_H
#define CLIENT_CLIENT_TRANSPORT_H

#include <posthorn/smtp.h>

#include "net/net_stream.h"

/* How long one call into the user's transport waits at most: what ph_smtp_cancel takes to be heard.
 */
enum {
    CLIENT_TRANSPORT_SLICE_MS = 50
};

/* Zero: nothing is open. */
struct client_transport {
    struct net_stream *stream; /* or NULL */
    int descriptor;            /* the stream's, which closes it */
    struct ph_transport own;   /* when has_own */
    bool has_own;
    bool is_encrypted;
    bool is_in_callback;   /* one of own runs */
    int64_t read_patience; /* the user's: how long the next call may wait, milliseconds */
    int64_t write_patience;
};

/* Ends it at once; does nothing when nothing is open. */
void client_transport_close(struct client_transport *transport);

/* As net_stream_read and net_stream_write: never wait, but for the patience that
   client_transport_wait gave to the user's transport. */
enum net_result client_transport_read(struct client_transport *transport, char *buffer, size_t size,
                                      size_t *count, struct fault *fault);
enum net_result client_transport_write(struct client_transport *transport,
                                       const struct iovec *slices, size_t slice_count,
                                       size_t *count, struct fault *fault);

/* Calls the user's start_tls, which there must be: 0, or -1 with errno. */
int client_transport_start_tls(struct client_transport *transport, const char *server_name,
                               struct ph_tls_facts *facts, int64_t timeout);

/* As net_stream_wait. The user's transport cannot wait by itself: the next read or write does. */
int client_transport_wait(struct client_transport *transport, int wanted, int wake_descriptor,
                          int64_t deadline, struct fault *fault);

/* True when an idle peer has neither sent a byte nor closed. Not known of the user's transport:
 * true. */
bool client_transport_is_quiet(struct client_transport *transport);

#endif
