/* A server that answers lines, on loops and workers of its own, with clients to talk to it.
 *
 * "wait"       a job on a worker, then "waited"
 * "hold"       the same, but the job ends only with echo_server_release
 * "big N"      N bytes "0123456789..." in slices, then an end of line
 * "tls"        "go", then the handshake
 * "tick N"     "tick" after N milliseconds
 * "quit"       "bye", then the end
 * "bigquit N"  as big, but wishes the end at once
 * other lines  "= " and the line
 * The first words are "hello". */
#ifndef LOOP_ECHO_SERVER_H
#define LOOP_ECHO_SERVER_H

#include <openssl/ssl.h>

#include "loop/listener.h"
#include "loop/worker.h"

struct echo_options {
    unsigned loops; /* 0 = 1 */
    enum listener_tls tls;
    const char *place;             /* NULL = a port of 127.0.0.1 */
    struct listener_limits limits; /* by_address 0 = 10000 for both */
    const struct connection_patience *patience;
    bool opens_nothing; /* open gives NULL */
};

/* What happened so far. */
struct echo_report {
    unsigned opened;
    unsigned ended[5]; /* by enum engine_end */
    unsigned freed;
    unsigned lines;
    unsigned writes; /* calls of sent */
    unsigned started_tls;
    unsigned jobs_run;
    char last_peer[CONNECTION_TEXT_SIZE];
    struct engine_tls tls; /* the last; strings are not kept */
    char tls_version[16];
    char binding_name[16];
};

struct echo_server;

struct echo_server *echo_server_start(const struct echo_options *options);
void echo_server_stop(struct echo_server *server,
                      int64_t grace);              /* loops; jobs that are held go on */
void echo_server_free(struct echo_server *server); /* stops, too */
struct listener *echo_server_listener(struct echo_server *server);

/* Runs the function on the server's first loop and waits until it is done. */
void echo_server_run(struct echo_server *server, void (*run)(void *argument), void *argument);

/* Lets as many jobs end that are held, or will be. */
void echo_server_release(struct echo_server *server, unsigned count);

struct echo_report echo_server_report(struct echo_server *server);

/* Waits until the counter, a field of the report, has come that far; fails the test when it takes
 * too long. */
#define echo_server_wait(server, counter, value)                                                   \
    echo_server_wait_for((server), offsetof(struct echo_report, counter), (value), #counter)
void echo_server_wait_for(struct echo_server *server, size_t offset, unsigned value,
                          const char *name);

/* ---- clients ---- */

/* A connected socket that gives up after a while, so that a test fails and does not hang. */
int echo_connect(struct echo_server *server);
void echo_send(int descriptor, const char *text);
/* Reads exactly that text. */
void echo_expect(int descriptor, const char *text);
/* Reads the end. */
void echo_expect_end(int descriptor);
void echo_reset(int descriptor); /* closes with RST */

/* TLS over the socket; what goes out can be cut. */
struct echo_tls {
    SSL_CTX *context;
    SSL *ssl;
    BIO *in;  /* what came from the server */
    BIO *out; /* what goes there */
    int descriptor;
    size_t left; /* bytes that may still be sent; SIZE_MAX = all */
    bool is_over;
};
/* session: to be resumed; or NULL. version: 0 = the newest. */
struct echo_tls echo_tls_open(int descriptor, size_t left, int version, SSL_SESSION *session);
bool echo_tls_handshake(struct echo_tls *tls); /* false: the server or the cut ended it */
bool echo_tls_send(struct echo_tls *tls, const char *text);
bool echo_tls_expect(struct echo_tls *tls, const char *text); /* false: it ended before */
void echo_tls_notify(struct echo_tls *tls);                   /* close_notify */
/* Reads on: SSL_ERROR_ZERO_RETURN for close_notify. */
int echo_tls_end(struct echo_tls *tls);
void echo_tls_close(struct echo_tls *tls);

#endif
