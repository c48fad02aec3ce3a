/* The row of a mailbox in a job that changes its messages: locked, it gives the job its modseq and
 * UIDs, and takes what the counters change by. */
#ifndef STORE_STORE_STEP_H
#define STORE_STORE_STEP_H

#include "db/db.h"
#include "store/store_delivery.h"

#define STORE_UIDNEXT_MAX ((int64_t)UINT32_MAX + 1)

struct store_step {
    int64_t mailbox;
    int64_t account;
    bool is_selectable;
    uint32_t uidvalidity;
    int64_t uidnext; /* raised by whoever adds messages */
    int64_t modseq;  /* of what this job changes: one more than that of the mailbox */
    int64_t changed_floor;
    int64_t vanished_floor;
    int64_t deleted_before; /* how many messages have \Deleted */
    /* What the job adds, or takes away. */
    int64_t messages;
    int64_t bytes;
    int64_t unseen;
    int64_t deleted;
};

/* Locks the row. Nothing is written until store_step_end: a job that changes nothing leaves it
   out, and the modseq is not used. */
bool store_step_begin(struct db *db, int64_t mailbox, struct store_step *step, bool *is_found,
                      struct fault *fault);

/* Counts `count` messages of these flags; negative for those that go. */
static inline void store_step_count(struct store_step *step, int64_t flags, int64_t size,
                                    int64_t count)
{
    step->messages += count;
    step->bytes += count * size;
    step->unseen += (flags & STORE_FLAG_SEEN) == 0 ? count : 0;
    step->deleted += (flags & STORE_FLAG_DELETED) != 0 ? count : 0;
}

bool store_step_end(struct db *db, const struct store_step *step, struct fault *fault);

/* Counts in the account, which may be more than its quota only when messages go. FAULT_LIMIT: over
   quota. */
bool store_step_account(struct db *db, int64_t account, int64_t messages, int64_t bytes,
                        struct fault *fault);

#endif
