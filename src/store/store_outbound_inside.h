/* What the sources of the queue share. */
#ifndef STORE_STORE_OUTBOUND_INSIDE_H
#define STORE_STORE_OUTBOUND_INSIDE_H

#include "store/store_outbound.h"

/* That message m is this process's, for $p; on a store that nobody shares every message is. */
#define STORE_OUTBOUND_OURS(p)                                                                     \
    "m.owner IN (SELECT w.id FROM outbound_runner w WHERE w.process = " p ")"

/* Whose is what this process puts into the queue; 0 = nobody's, until some runner finds it. */
int64_t store_outbound_lease_runner(struct store *store);

/* Behind the commit: what the delivery put into the queue. */
void store_outbound_watch_tell(struct store *store, const struct store_delivery *delivery);

/* Within a job: counts up what other processes look at. */
bool store_outbound_nudge_raise(struct db *db, struct fault *fault);

/* Within a job, which has the lock of the message's row: when no recipient is left, it goes, and
   its body unless somebody else uses it. */
bool store_outbound_clear(struct db *db, int64_t message, struct fault *fault);

/* What a far end says as it can be kept: no NUL, valid UTF-8, no more than STORE_OUTBOUND_TEXT_MAX
   bytes, which are written to `place`. */
struct bytes store_outbound_text(struct bytes text, char place[STORE_OUTBOUND_TEXT_MAX]);

#endif
