/* Is this the password? Judged by the credentials of an account: verifiers, imported hashes, app
 * passwords. What was proved right a short while ago is known without the rounds. */
#ifndef AUTH_AUTH_PASSWORD_H
#define AUTH_AUTH_PASSWORD_H

#include "auth/auth_memory.h"
#include "sasl/sasl_verifier.h"
#include "store/store_accounts.h"

/* Of the credentials, does one fit? With none at all, `pretended` is gone through, so that the
   answer takes its time. now: monotonic milliseconds. */
bool auth_password_check(struct auth_memory *memory, const struct store_credential *credentials,
                         size_t count, const struct sasl_verifier *pretended, struct bytes password,
                         uint64_t now);

/* May this be the data of a STORE_CREDENTIAL_CRYPT: does crypt(3) know its method? */
bool auth_password_is_crypt(struct bytes hash);

#endif
