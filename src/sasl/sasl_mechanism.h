/* What the client's mechanisms are like, the strongest first. */
#ifndef SASL_SASL_MECHANISM_H
#define SASL_SASL_MECHANISM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum sasl_family {
    SASL_FAMILY_EXTERNAL = 0, /* RFC 4422 appendix A */
    SASL_FAMILY_SCRAM_PLUS,   /* RFC 5802, RFC 7677, with channel binding */
    SASL_FAMILY_SCRAM,
    SASL_FAMILY_OAUTHBEARER, /* RFC 7628 */
    SASL_FAMILY_XOAUTH2,
    SASL_FAMILY_PLAIN, /* RFC 4616 */
    SASL_FAMILY_LOGIN,
    SASL_FAMILY_CRAM_MD5, /* RFC 2195 */
};

struct sasl_mechanism {
    const char *name;
    enum sasl_family family;
    const char *digest;            /* SCRAM: as OpenSSL calls it */
    bool speaks_first;             /* the client does */
    bool needs_password;           /* and a user */
    bool needs_token;              /* an access token */
    bool shows_secret;             /* whoever reads along, or plays the server, has it */
    bool carries_authorization_id; /* can act as somebody else than who logs in */
};

/* By rank, 0 being the strongest; NULL behind the last. */
const struct sasl_mechanism *sasl_mechanism_at(size_t rank);

/* By name, in any case; NULL when the library does not know it. */
const struct sasl_mechanism *sasl_mechanism_find(struct bytes name);

/* Takes the next name off a list separated by spaces; false at its end. */
bool sasl_mechanism_next_name(struct bytes *list, struct bytes *name);

#endif
