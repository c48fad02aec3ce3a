/* The server's side of SASL (RFC 4422): PLAIN, LOGIN, SCRAM-SHA-1 and -256 with and without -PLUS.
 * One exchange; what it needs to know of the user is asked for and given. Knows no store, no
 * base64, no password hash: whoever calls moves the bytes and judges passwords. */
#ifndef SASL_SASL_SERVER_H
#define SASL_SASL_SERVER_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "sasl/sasl_verifier.h"

/* Of the connection. */
struct sasl_server_place {
    bool is_encrypted;        /* TLS stands: PLAIN and LOGIN may be used, -PLUS where bound */
    bool allows_clear;        /* PLAIN and LOGIN without TLS as well */
    const char *binding_name; /* NULL = none */
    struct bytes binding;     /* borrowed for the exchange */
    bool wants_password;      /* only PLAIN and LOGIN: for whoever must see it (`posthorn dev`) */
};

/* Appends the mechanisms to offer, strongest first, separated by blanks; nothing when none may be
   used here. */
void sasl_server_offer(const struct sasl_server_place *place, struct buffer *out);

enum sasl_server_status {
    SASL_SERVER_CHALLENGE = 0,  /* send what was appended, bring the response */
    SASL_SERVER_NEEDS_VERIFIER, /* SCRAM: look sasl_server_user up, sasl_server_give_verifier */
    SASL_SERVER_NEEDS_VERDICT,  /* judge user and password, sasl_server_give_verdict */
    SASL_SERVER_ACCEPTED,       /* what was appended goes with the success (empty mostly) */
    SASL_SERVER_REFUSED,        /* wrong user, password, binding */
    SASL_SERVER_BROKEN          /* the client's message is no such: 501 5.5.2 */
};

struct sasl_server;

/* NULL: FAULT_SYNTAX, the mechanism is not offered here; or out of memory. */
struct sasl_server *sasl_server_new(struct bytes mechanism, const struct sasl_server_place *place,
                                    struct fault *fault);
void sasl_server_free(struct sasl_server *server); /* wipes; accepts NULL */

/* The next response of the client; data NULL: it sent no initial response. */
enum sasl_server_status sasl_server_step(struct sasl_server *server, struct bytes response,
                                         struct buffer *challenge);

/* After SASL_SERVER_NEEDS_...: goes on as sasl_server_step does. For a user that does not exist
   give a made-up verifier that is always the same for the same name: the exchange then fails at its
   end, as with a wrong password. */
enum sasl_server_status sasl_server_give_verifier(struct sasl_server *server,
                                                  const struct sasl_verifier *verifier,
                                                  bool is_real, struct buffer *challenge);
enum sasl_server_status sasl_server_give_verdict(struct sasl_server *server, bool is_right);

/* Which verifier SCRAM wants. */
enum sasl_verifier_digest sasl_server_digest(const struct sasl_server *server);

/* Who logs in; prepared by SASLprep. */
struct bytes sasl_server_user(const struct sasl_server *server);

/* The password of PLAIN and LOGIN, only while the verdict is awaited. */
struct bytes sasl_server_password(const struct sasl_server *server);

/* As whom to act (RFC 4616 authzid, SCRAM a=); empty = as the user. */
struct bytes sasl_server_authorization(const struct sasl_server *server);

#endif
