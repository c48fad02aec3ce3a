/* What a session remembers of its TLS: for trace fields, and for logins that are bound to it. */
#ifndef SESSION_SESSION_TLS_H
#define SESSION_SESSION_TLS_H

#include "sasl/sasl_server.h"
#include "session/session_services.h"
#include "wire/engine.h"

enum {
    SESSION_TLS_VERSION_SIZE = 16,
    SESSION_TLS_CIPHER_SIZE = 64,
    SESSION_TLS_BINDING_NAME_SIZE = 16
};

/* A copy of what TLS is about, kept for the session's time. */
struct session_tls {
    char version[SESSION_TLS_VERSION_SIZE];
    char cipher[SESSION_TLS_CIPHER_SIZE];
    char binding_name[SESSION_TLS_BINDING_NAME_SIZE]; /* "" = none */
    unsigned char binding[ENGINE_BINDING_MAX];
    size_t binding_length;
};

/* NULL: out of memory. Given back with free(). */
struct session_tls *session_tls_new(const struct engine_tls *facts);

/* What SASL wants to know of the connection; borrowed from `tls` (NULL = in clear). */
struct sasl_server_place session_tls_place(const struct session_services *services,
                                           const struct session_tls *tls, bool allows_clear);

/* The mechanisms to offer there, separated by blanks, "" for none; to be given back with free().
 * NULL: out of memory. */
char *session_tls_mechanisms(const struct session_services *services, const struct session_tls *tls,
                             bool allows_clear);

#endif
