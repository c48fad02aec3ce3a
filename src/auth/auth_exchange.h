/* One login, from the mechanism's name to the account: joins SASL with the store's credentials.
 * Every step may read the store and hash for milliseconds: for workers. The answer to an unknown
 * user, a disabled account and a wrong password is the same, and costs the same time. */
#ifndef AUTH_AUTH_EXCHANGE_H
#define AUTH_AUTH_EXCHANGE_H

#include "auth/auth.h"
#include "sasl/sasl_server.h"
#include "store/store_accounts.h"

enum auth_status {
    AUTH_CHALLENGE = 0, /* send the challenge, bring the response */
    AUTH_ACCEPTED,      /* auth_exchange_account says who; the challenge goes with the success */
    AUTH_REFUSED,       /* 535 5.7.8 */
    AUTH_BROKEN,        /* 501 5.5.2: no such message */
    AUTH_UNAVAILABLE    /* 454 4.7.0: the store cannot be read now */
};

struct auth_exchange;

/* NULL: FAULT_SYNTAX, no such mechanism here (504 5.5.4); FAULT_TEMPORARY. */
struct auth_exchange *auth_exchange_new(struct auth *auth, struct bytes mechanism,
                                        const struct sasl_server_place *place, struct fault *fault);

/* A user and a password given plainly (POP3 USER/PASS, IMAP LOGIN); both are copied and wiped. The
   one step takes an empty response. */
struct auth_exchange *auth_exchange_new_plain(struct auth *auth, struct bytes user,
                                              struct bytes password, struct fault *fault);
void auth_exchange_free(struct auth_exchange *exchange); /* wipes; accepts NULL */

/* The next step, with the decoded response (data NULL: none yet). The reader may be NULL: the store
   is away, AUTH_UNAVAILABLE. In a server where everybody may log in (`posthorn dev`) `auth` makes
   the account when it is missing. */
enum auth_status auth_exchange_step(struct auth_exchange *exchange, struct db *reader,
                                    struct bytes response, struct buffer *challenge);

/* Who it is; after AUTH_ACCEPTED. */
const struct store_account *auth_exchange_account(const struct auth_exchange *exchange);

/* The name that was tried, for throttling and logs; "" while none is known. */
struct bytes auth_exchange_user(const struct auth_exchange *exchange);

#endif
