/* Passwords that were proved right a short while ago, as keyed digests of them and of the
 * credential as it then was: a changed, revoked or foreign one is not known. Thread-safe. */
#ifndef AUTH_AUTH_MEMORY_H
#define AUTH_AUTH_MEMORY_H

#include "base/bytes.h"
#include "base/fault.h"
#include "store/store_accounts.h"

enum {
    AUTH_MEMORY_ENTRIES = 4096,       /* passwords remembered */
    AUTH_MEMORY_TIME = 10 * 60 * 1000 /* milliseconds for which they are */
};

struct auth_memory;
struct auth_memory *auth_memory_new(struct fault *fault); /* NULL: fault */
void auth_memory_free(struct auth_memory *memory);        /* wipes; accepts NULL */

/* now: monotonic milliseconds. */
bool auth_memory_knows(struct auth_memory *memory, const struct store_credential *credential,
                       struct bytes password, uint64_t now);
void auth_memory_keep(struct auth_memory *memory, const struct store_credential *credential,
                      struct bytes password, uint64_t now);

#endif
