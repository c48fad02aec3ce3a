/* The server's side of one SCRAM exchange (RFC 5802, RFC 7677): two messages are heard, two are
 * said. */
#ifndef SASL_SASL_SERVER_SCRAM_H
#define SASL_SASL_SERVER_SCRAM_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"
#include "sasl/sasl_scram_keys.h"
#include "sasl/sasl_verifier.h"

/* How the connection stands to channel binding (RFC 5802 6). */
struct sasl_server_scram_place {
    bool is_bound;       /* the mechanism is a -PLUS one */
    bool offers_binding; /* -PLUS was offered: a client that could bind has to */
    struct bytes binding_name;
    struct bytes binding; /* both borrowed for the exchange */
};

struct sasl_server_scram {
    const struct sasl_scram_digest *digest;
    struct sasl_server_scram_place place;
    struct buffer gs2_header;
    struct buffer first_bare;   /* client-first-message-bare */
    struct buffer nonce;        /* the client's and ours */
    struct buffer server_first; /* as it was sent */
    struct sasl_verifier verifier;
    bool is_real; /* the user exists */
};

/* nonce: ours, NULL = random; given by tests. */
bool sasl_server_scram_init(struct sasl_server_scram *scram, const struct sasl_scram_digest *digest,
                            const struct sasl_server_scram_place *place, const char *nonce,
                            struct fault *fault);
void sasl_server_scram_clear(struct sasl_server_scram *scram); /* wipes */

enum sasl_server_scram_verdict {
    SASL_SERVER_SCRAM_GOOD = 0,
    SASL_SERVER_SCRAM_WRONG, /* the proof, the binding, or a flag that shows that our offer was
                                changed on its way */
    SASL_SERVER_SCRAM_BROKEN
};

/* Hears client-first-message; appends user and identity as the client names them. */
enum sasl_server_scram_verdict sasl_server_scram_hear_first(struct sasl_server_scram *scram,
                                                            struct bytes message,
                                                            struct buffer *user,
                                                            struct buffer *authorization);

/* Appends server-first-message. */
void sasl_server_scram_say_first(struct sasl_server_scram *scram,
                                 const struct sasl_verifier *verifier, bool is_real,
                                 struct buffer *out);

/* Hears client-final-message; when it is good, appends server-final-message. */
enum sasl_server_scram_verdict sasl_server_scram_hear_final(struct sasl_server_scram *scram,
                                                            struct bytes message,
                                                            struct buffer *out);

#endif
