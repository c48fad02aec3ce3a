/* The client's side of SASL (RFC 4422): which mechanism to take, and the steps of one exchange.
 * SCRAM, OAUTHBEARER, XOAUTH2 and a mechanism of the user's own are done here, GNU SASL does the
 * others and SASLprep. Knows no SMTP and no base64: whoever calls moves the bytes. */
#ifndef SASL_SASL_CLIENT_H
#define SASL_SASL_CLIENT_H

#include <posthorn/protocol.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

/* What the choice and the exchange need to know of the place. Borrowed as long as the exchange
 * lives. */
struct sasl_place {
    const char *service;              /* "smtp" */
    const char *host;                 /* name of the server, or NULL */
    unsigned port;                    /* 0 = not known */
    bool is_encrypted;                /* TLS stands */
    const struct ph_tls_facts *facts; /* NULL without TLS */
    const char *offered; /* the mechanisms of the server, as sasl_client_choose takes them: SCRAM
                            without -PLUS tells by them whether the server binds channels at all
                            (RFC 5802 6). NULL: not known, and a stripped -PLUS goes unnoticed */
};

enum {
    SASL_MECHANISMS_MAX = 32,  /* mechanisms looked at in one offer */
    SASL_NAME_MAX = 1024,      /* bytes of a user name, and of an identity to act as */
    SASL_SECRET_MAX = 61440,   /* bytes of a password, and of a token: with all around them they fit
                                  in a response */
    SASL_RESPONSE_MAX = 65536, /* bytes of one response before base64: OAuth tokens are long */
    SASL_CHALLENGE_MAX = 65536, /* bytes of one decoded challenge */
};

/* Mechanisms already tried in one login. Zero at the start. */
struct sasl_attempts {
    unsigned tried; /* the library's own bits */
    unsigned refusals;
};

/* The next mechanism to try: the strongest that the server offers, the login can serve, the place
 * allows (no secret in clear or to a server that nobody verified, -PLUS only with a channel
 * binding) and attempts has not seen; notes it in attempts. NULL = none (left): fault says why in
 * words for people (denied: it would go in clear; permanent: nothing in common). The name is static
 * or the login's own. offered: upper case, separated by spaces. */
const char *sasl_client_choose(struct sasl_attempts *attempts, const struct ph_login *login,
                               const struct sasl_place *place, const char *offered,
                               struct fault *fault);

/* True when, after mechanism was refused, trying another gives nothing more away to this peer than
 * was given already (a refusal of SCRAM may be a wrong password or an attack: PLAIN and LOGIN
 * follow only under TLS with a server that was verified). */
bool sasl_client_may_fall_back(const char *refused, const char *next,
                               const struct sasl_place *place);

/* The server refused the credentials themselves by mechanism (535): where it has seen the secret,
 * or this is the second time, mechanisms that would only bring the same secret again are passed
 * over from now on, as each counts as a failed login and may lock the account. A list of the user's
 * own is tried to its end.
 */
void sasl_client_note_refusal(struct sasl_attempts *attempts, const struct ph_login *login,
                              const char *mechanism);

struct sasl_client;

/* Begins an exchange. login and place are borrowed until sasl_client_free. NULL: fault. */
struct sasl_client *sasl_client_new(const char *mechanism, const struct ph_login *login,
                                    const struct sasl_place *place, struct fault *fault);

/* Ends it and wipes what it kept. NULL is allowed. */
void sasl_client_free(struct sasl_client *client);

/* True when the client speaks first, so that an initial response can go with the command (RFC 4422
 * 3). Where it does not go with the command, the first challenge is given to sasl_client_step,
 * which then does not look at its content. */
bool sasl_client_speaks_first(const struct sasl_client *client);

/* Takes one decoded challenge (challenge.data NULL: none yet, the initial response is asked for)
 * and appends the response to response, which is a wiping buffer. False: the challenge is wrong or
 * the server did not prove itself; cancel. */
bool sasl_client_step(struct sasl_client *client, struct bytes challenge, struct buffer *response,
                      struct fault *fault);

/* Why the server refuses, where it says so within the exchange, as OAuth servers do in JSON (RFC
 * 7628 3.2.2): printable, cut, "" for none. Lives as long as the client. */
const char *sasl_client_reason(const struct sasl_client *client);

/* The server said success (235), with no further challenge: false when the mechanism was not
 * finished, so that the server has not proved what it must (RFC 5802 5: the server signature). */
bool sasl_client_finish(struct sasl_client *client, struct fault *fault);

#endif
