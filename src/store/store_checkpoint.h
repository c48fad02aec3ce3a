/* Copies SQLite's write-ahead log into the file, on a thread of its own, so that the writer need
 * not wait for it. */
#ifndef STORE_STORE_CHECKPOINT_H
#define STORE_STORE_CHECKPOINT_H

#include "db/db.h"

struct store_checkpoint;

/* NULL: fault. */
struct store_checkpoint *store_checkpoint_start(const struct db_options *options,
                                                struct fault *fault);
void store_checkpoint_stop(struct store_checkpoint *checkpoint); /* accepts NULL */

/* There is enough to copy. Never blocks. */
void store_checkpoint_wake(struct store_checkpoint *checkpoint);

#endif
