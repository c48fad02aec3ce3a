/* What a job writes into the logs of a mailbox: whose flags changed, and which UIDs went. Both are
 * ranges of UIDs by modseq; what is old is forgotten, and a floor in the mailbox's row tells up to
 * where. */
#ifndef STORE_STORE_LOG_H
#define STORE_STORE_LOG_H

#include "store/store_ranges.h"
#include "store/store_step.h"

enum {
    STORE_LOG_RUNS_MAX = 1000,         /* of one change of flags; more become fewer and wider */
    STORE_LOG_CHANGED_MAX = 20 * 1000, /* ranges of one mailbox that tell of changed flags */
    STORE_LOG_LOOK_EVERY = 64          /* modseqs between two looks at how much there is */
};

/* Flags of the messages in these ranges have step->modseq now. Widens them where they are many. */
bool store_log_changed(struct db *db, struct store_step *step, struct store_ranges *ranges,
                       struct fault *fault);

/* There are no messages any more in these ranges. `now`: microseconds since 1970. */
bool store_log_vanished(struct db *db, struct store_step *step, const struct store_ranges *ranges,
                        int64_t now, struct fault *fault);

#endif
