/* A mailbox as POP3 sees it: a list of messages that does not change, their bytes by range, and
 * deletions all at once. */
#ifndef STORE_STORE_MAILDROP_H
#define STORE_STORE_MAILDROP_H

#include "base/buffer.h"
#include "store/store_jobs.h"

enum {
    STORE_MAILDROP_MAX = 10 * 1000 * 1000 /* messages of one maildrop */
};

struct store_maildrop_message {
    uint32_t uid;
    uint64_t size; /* prefix and body, as RETR sends it, without dot-stuffing */
};

struct store_maildrop {
    int64_t mailbox;
    uint32_t uidvalidity;
    struct store_maildrop_message *messages; /* by uid */
    size_t count;
    uint64_t size;
};
void store_maildrop_clear(struct store_maildrop *maildrop);

/* Reads the list; touches no body. */
bool store_maildrop_read(struct db *db, int64_t mailbox, struct store_maildrop *maildrop,
                         struct fault *fault);

/* Number and size only, from the mailbox's counters. */
bool store_maildrop_count(struct db *db, int64_t mailbox, uint64_t *count, uint64_t *size,
                          struct fault *fault);

/* Appends up to `size` bytes of the message from `offset` on: prefix first, then the body. *is_gone
   = it is no longer there (removed by somebody else). */
bool store_message_read(struct db *db, int64_t mailbox, uint32_t uid, uint64_t offset, size_t size,
                        struct buffer *out, bool *is_gone, struct fault *fault);

/* Whole small messages in one go, for readers that fetch one after another: from uid on, appends
   message after message while they fit into what buffer_room leaves and into *count; lengths[i] is
   that of the i-th, uids[i] its uid. *count is then how many there were. A message of more than
   256 KiB ends the run: it is for store_message_read. */
bool store_messages_read(struct db *db, int64_t mailbox, uint32_t uid, struct buffer *out,
                         uint32_t *uids, size_t *lengths, size_t *count, struct fault *fault);

/* The same within a job that runs: removes those of the UIDs (ascending) that are still there. */
bool store_removal_run(struct db *db, int64_t mailbox, const uint32_t *uids, size_t count,
                       struct fault *fault);

struct store_lease;

/* Removes messages, in one job: all that are still there. Counters, modseq, vanished log and the
   bodies that nobody uses any more are seen to. */
struct store_removal {
    struct store_job job; /* set by store_removal_submit, but for done */
    struct store *store;
    int64_t mailbox;
    const uint32_t *uids; /* ascending, borrowed until job.done */
    size_t count;
    /* Given back in the same transaction; when somebody else has it, nothing is removed. Borrowed
       like the UIDs; NULL = none. */
    const struct store_lease *lease;
    /* The answer. */
    bool is_lost;    /* somebody else had it */
    uint64_t modseq; /* of the removal; 0 = nothing was there */
};
void store_removal_submit(struct store_removal *removal);

#endif
