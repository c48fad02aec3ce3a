/* Whether everything in the store agrees with everything else. */
#ifndef STORE_STORE_CHECK_H
#define STORE_STORE_CHECK_H

#include "store/store.h"

/* A sentence for people about one thing that is wrong. */
typedef void store_check_tell(void *context, const char *sentence);

/* Counters, quotas used, UIDs, modseqs, keywords, the tree of mailboxes, subscriptions, bodies
   without message and messages without body, parts and sizes, structure and header against the body
   parsed anew, addresses, leases, the driver's own check. *problems is how many were told. False:
   the check itself could not be done. */
bool store_check(struct db *db, store_check_tell *tell, void *context, uint64_t *problems,
                 struct fault *fault);

#endif
