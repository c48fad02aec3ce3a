/* Bearer tokens of OAuth 2.0: OAUTHBEARER (RFC 7628) and the older XOAUTH2. */
#ifndef SASL_SASL_OAUTH_H
#define SASL_SASL_OAUTH_H

#include "base/buffer.h"
#include "base/fault.h"

struct sasl_oauth_login {
    const char *identity; /* whose mailbox; or NULL where the token says it (OAUTHBEARER only) */
    const char *token;
    const char *host; /* or NULL */
    unsigned port;    /* 0 = not known */
};

/* Appends the initial response of OAUTHBEARER (RFC 7628 3.1). False: a value cannot be carried. */
bool sasl_oauth_bearer_response(const struct sasl_oauth_login *login, struct buffer *response,
                                struct fault *fault);

/* Appends the initial response of XOAUTH2. */
bool sasl_oauth_xoauth2_response(const struct sasl_oauth_login *login, struct buffer *response,
                                 struct fault *fault);

#endif
