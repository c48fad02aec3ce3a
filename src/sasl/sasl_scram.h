/* The client's side of SCRAM (RFC 5802, RFC 7677). Done here and not by GNU SASL: its client cannot
 * say the "y" with which RFC 5802 6 uncovers a stripped -PLUS, and takes whatever number of rounds
 * the server asks for. */
#ifndef SASL_SASL_SCRAM_H
#define SASL_SASL_SCRAM_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    SASL_SCRAM_ROUNDS_MIN =
        4096, /* RFC 7677 4: fewer make the password cheap to guess from what is sent */
    SASL_SCRAM_ROUNDS_MAX = 1000000, /* a second of arithmetic; more is an attack on the client */
    SASL_SCRAM_SALT_MAX = 1024,      /* bytes */
    SASL_SCRAM_MESSAGE_MAX = 8192,   /* bytes of any message of the exchange */
};

/* How the client stands to channel binding (RFC 5802 7, gs2-cbind-flag). */
enum sasl_scram_binding {
    SASL_SCRAM_UNBOUND = 0,   /* "n": it does not bind */
    SASL_SCRAM_SERVER_CANNOT, /* "y": it could, but the server does not offer it */
    SASL_SCRAM_BOUND,         /* "p": it does */
};

/* Borrowed for the call of sasl_scram_new. */
struct sasl_scram_login {
    const char *digest; /* as OpenSSL calls it: "SHA256" */
    const char *user;
    const char *password;
    const char *authorization_id; /* or NULL */
    enum sasl_scram_binding binding;
    const char *binding_name;  /* SASL_SCRAM_BOUND: "tls-exporter" */
    struct bytes binding_data; /* SASL_SCRAM_BOUND */
    const char *nonce;         /* NULL = random, as it must be; given by tests */
};

struct sasl_scram;

/* NULL: fault. */
struct sasl_scram *sasl_scram_new(const struct sasl_scram_login *login, struct fault *fault);

/* Wipes and frees. NULL is allowed. */
void sasl_scram_free(struct sasl_scram *scram);

/* Appends the answer to what the server said last; at first the message is not looked at. False:
 * the server is wrong, or has not proved that it knows the password (FAULT_DENIED). */
bool sasl_scram_step(struct sasl_scram *scram, struct bytes message, struct buffer *response,
                     struct fault *fault);

/* The server has proved that it knows the password. */
bool sasl_scram_is_finished(const struct sasl_scram *scram);

#endif
