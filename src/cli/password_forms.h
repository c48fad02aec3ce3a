/* What is kept of a password: verifiers, never the password. */
#ifndef CLI_PASSWORD_FORMS_H
#define CLI_PASSWORD_FORMS_H

#include "store/store_accounts.h"

struct password_forms {
    char scram_sha_256[STORE_VERIFIER_MAX + 1];
    char scram_sha_1[STORE_VERIFIER_MAX + 1]; /* empty: not wanted */
};

/* Takes the time of the rounds: before a job, not in it. FAULT_SYNTAX: no password may be so. */
bool password_forms_make(struct bytes password, bool wants_sha_1, struct password_forms *forms,
                         struct fault *fault);

/* In a job: these are all that the account's own password is from now on; app passwords stay. */
bool password_forms_put(struct store *store, struct db *db, int64_t account,
                        const struct password_forms *forms, struct fault *fault);

#endif
