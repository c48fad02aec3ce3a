/* The server's side of TLS: who we are, from PEM files. TLS 1.2 at least, forward secrecy always,
 * no sessions resumed under TLS 1.3. Sessions are made by net_tls_accept and used as those of a
 * client are (net/net_tls.h). */
#ifndef NET_NET_TLS_SERVER_H
#define NET_NET_TLS_SERVER_H

#include "net/net_tls.h"

enum {
    NET_TLS_IDENTITIES_MAX = 64 /* certificates of one server */
};

/* A certificate chain, ours first, and its key, PEM. Strings are borrowed for the call. */
struct net_tls_identity {
    const char *certificate_file;
    const char *key_file; /* NULL = in certificate_file */
};

/* The first identity is shown to whoever asks for no name or for one that nobody here has, the
 * others to clients that ask for a name in their certificate. NULL: fault, with the file's name. */
struct net_tls_context *net_tls_server_context_new(const struct net_tls_identity *identities,
                                                   size_t count, struct fault *fault);

#endif
