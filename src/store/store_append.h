/* APPEND: messages that a client brings, kept all or none. */
#ifndef STORE_STORE_APPEND_H
#define STORE_STORE_APPEND_H

#include "store/store_change.h"
#include "store/store_delivery.h"

struct store_append_message {
    struct store_draft *draft;
    const struct message_parsed *parsed;
    uint32_t flags;
    const struct bytes *keywords;
    size_t keyword_count;
    int64_t received; /* the internal date, microseconds since 1970, UTC */
};

/* Filled by the caller, borrowed until job.done. */
struct store_append {
    struct store_job job; /* set by store_append_submit, but for done */
    struct store *store;
    int64_t account;
    struct bytes name; /* of the mailbox, if `mailbox` is to be found by it; else empty */
    int64_t mailbox;   /* filled where it was found */
    const struct store_append_message *messages;
    size_t count;
    int64_t now; /* SAVEDATE */
    /* The answer. FAULT_LIMIT: over quota ([OVERQUOTA]), or no more keywords or UIDs;
       FAULT_PERMANENT: the mailbox is gone. */
    bool is_over_quota;
    bool is_missing; /* nothing of this name: nothing was kept */
    uint32_t uidvalidity;
    uint32_t first_uid; /* the others follow one by one */
    uint64_t modseq;
    uint64_t flags; /* of the last message, as they stand in message.flags */
    bool has_new_keywords;
};
void store_append_submit(struct store_append *append);

#endif
