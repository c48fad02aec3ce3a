/* Removing messages within a job: rows, counters, the log, and bodies that nobody uses any more. */
#ifndef STORE_STORE_REMOVING_H
#define STORE_STORE_REMOVING_H

#include "store/store_ranges.h"
#include "store/store_step.h"

/* Removes what is there in these ranges, or of it what is \Deleted, and adds the UIDs to `removed`
   (whose ranges hold no other messages). The mailbox's row is the caller's: store_step_end, where
   something was removed. */
bool store_removing_run(struct db *db, struct store_step *step,
                        const struct store_uid_range *ranges, size_t count, bool is_deleted_only,
                        struct store_ranges *removed, struct fault *fault);

#endif
