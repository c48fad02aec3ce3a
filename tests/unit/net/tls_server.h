/* A TLS server on one end of a socket pair, on a thread of its own. */
#ifndef TLS_SERVER_H
#define TLS_SERVER_H

#include <stddef.h>

#include "net/authority.h"

struct tls_server_options {
    const struct identity *identity;
    const struct identity
        *client_authority; /* asks the client for a certificate signed by it; or NULL */
    int version;           /* TLS1_2_VERSION: that alone; 0 = the newest */
};

/* What the server saw. */
struct tls_server_report {
    bool is_up; /* the handshake was done */
    bool has_client_certificate;
    char name[256];             /* server name indication; "" = none */
    unsigned char exporter[32]; /* EXPORTER-Channel-Binding, with TLS 1.3 */
    unsigned char finished[64]; /* the client's Finished, with TLS 1.2 */
    size_t finished_length;
};

struct tls_server;

/* Starts the server and sets *descriptor to the client's end of the pair, which is the caller's.
 * The server sends back what it reads until it reads one of these bytes: '!' it ends with
 * close_notify; '?' it closes without. */
struct tls_server *tls_server_start(const struct tls_server_options *options, int *descriptor);

/* Waits for the server's end, which comes when the client's end is closed or one of the bytes was
 * read. */
struct tls_server_report tls_server_finish(struct tls_server *server);

#endif
