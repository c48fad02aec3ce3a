/* The inside of a TLS context, for sessions. */
#ifndef NET_NET_TLS_CONTEXT_H
#define NET_NET_TLS_CONTEXT_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/net_certificate.h"
#include "net/net_tls.h"

struct net_tls_context {
    atomic_uint holders;
    SSL_CTX *openssl;
    BIO_METHOD *bio_method;
    SSL_CTX **named; /* a server's further identities, taken when a client asks for their name */
    size_t named_count;
    unsigned char pins[NET_TLS_PINS_MAX][NET_CERTIFICATE_DIGEST_SIZE];
    size_t pin_count;
    bool no_verification;
};

/* What the context's callbacks note in the session they are called for; it is the SSL object's app
 * data. */
struct net_tls_verdict {
    bool is_certificate_shown; /* ours, as the server asked for it */
    bool is_refused;
    char explanation[NET_CERTIFICATE_EXPLANATION_SIZE];
};

/* Loads a certificate chain and its key (NULL = in the same file) from PEM files. */
bool net_tls_context_load_identity(SSL_CTX *openssl, const char *certificate_file,
                                   const char *key_file, const char *key_password,
                                   struct fault *fault);

/* The certificate must have the name of the host. */
bool net_tls_context_wants_name(const struct net_tls_context *context);

#endif
