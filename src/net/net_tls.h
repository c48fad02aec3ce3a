/* TLS by OpenSSL: a context holds what is trusted and who we are; a session belongs to one stream.
 * TLS 1.2 at least, SNI always, the certificate checked against the name that the user gave, by
 * subjectAltName only (RFC 9525), unless the policy says not to. */
#ifndef NET_NET_TLS_H
#define NET_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/uio.h>

#include "base/fault.h"
#include "net/net_result.h"

enum {
    NET_TLS_BINDING_MAX = 64,
    NET_TLS_PINS_MAX = 8
};

/* Who is trusted and who we are. Strings are borrowed for the call. Zero: the system's trust store,
 * verified. */
struct net_tls_policy {
    const char *ca_file;             /* PEM bundle instead of the system's; or NULL */
    const char *ca_directory;        /* hashed directory; or NULL */
    const char *certificate_file;    /* client certificate chain, PEM; or NULL */
    const char *key_file;            /* its key, PEM; NULL = in certificate_file */
    const char *key_password;        /* or NULL */
    const char *const *fingerprints; /* SHA-256 of the server's certificate, hex with or without
                                        colons: any one of them is enough, then chain and name are
                                        not asked. NULL-terminated; or NULL */
    bool no_verification;            /* accept any certificate */
};

struct net_tls_context;

/* NULL: fault (a file cannot be read, key and certificate do not match, a fingerprint is no
 * SHA-256). */
struct net_tls_context *net_tls_context_new(const struct net_tls_policy *policy,
                                            struct fault *fault);

/* Contexts are counted: whoever holds one frees it, and the last to do so gives it back. From any
 * thread. Returns the context. */
struct net_tls_context *net_tls_context_hold(struct net_tls_context *context);
void net_tls_context_free(struct net_tls_context *context); /* accepts NULL */

/* A session on a stream; made and owned by net_stream, which alone calls the functions up to the
 * facts. */
struct net_tls;

/* name: for SNI and the certificate; NULL or "" only where the policy does not ask for one. The
 * descriptor is a non-blocking socket; it and the context are borrowed. NULL: fault. */
struct net_tls *net_tls_new(const struct net_tls_context *context, int descriptor, const char *name,
                            struct fault *fault);

/* The server's side of a session, with a context of net_tls_server_context_new. NULL: fault. */
struct net_tls *net_tls_accept(const struct net_tls_context *context, int descriptor,
                               struct fault *fault);

/* Sends close_notify if that goes at once; wipes. NULL is allowed. */
void net_tls_free(struct net_tls *tls);

enum net_result net_tls_handshake(struct net_tls *tls, struct fault *fault);
enum net_result net_tls_read(struct net_tls *tls, char *buffer, size_t size, size_t *count,
                             struct fault *fault);

/* After NET_AGAIN, and after less than everything, the next call must begin with the bytes that are
 * left. */
enum net_result net_tls_write(struct net_tls *tls, const struct iovec *slices, size_t slice_count,
                              size_t *count, struct fault *fault);

/* Sends close_notify. NET_AGAIN: call again when net_tls_write_events says so; NET_FAILED: it
 * cannot be sent any more. */
enum net_result net_tls_notify(struct net_tls *tls);

/* Bytes are at hand that poll does not know of. */
bool net_tls_has_pending(const struct net_tls *tls);

/* NET_AGAIN: the peer has said nothing, save what TLS says for itself. */
enum net_result net_tls_peek(struct net_tls *tls, struct fault *fault);

/* What poll(2) must wait for before reading, or writing, can go on. */
short net_tls_read_events(const struct net_tls *tls);
short net_tls_write_events(const struct net_tls *tls);

/* Facts of a session whose handshake is done. */
const char *net_tls_version(const struct net_tls *tls); /* "TLSv1.3" */
const char *net_tls_cipher(const struct net_tls *tls);
bool net_tls_is_verified(const struct net_tls *tls);
bool net_tls_showed_certificate(
    const struct net_tls *tls); /* the server asked, and we showed ours */

/* Channel binding: tls-exporter with TLS 1.3 (RFC 9266), tls-unique with 1.2 (RFC 5929). Returns
 * the name (static), fills data and *length; NULL when there is none. */
const char *net_tls_channel_binding(const struct net_tls *tls,
                                    unsigned char data[NET_TLS_BINDING_MAX], size_t *length);

/* SHA-256 of the server's certificate as 64 lower-case hex digits and a NUL. */
bool net_tls_fingerprint(const struct net_tls *tls, char text[65]);

#endif
