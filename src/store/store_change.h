/* What IMAP does to messages: flags, copying, moving, removing, each one job. UIDs come as ranges;
 * those that are no longer there are left out silently, but for what the answers say. */
#ifndef STORE_STORE_CHANGE_H
#define STORE_STORE_CHANGE_H

#include "store/store_view.h"

enum store_flag_mode {
    STORE_FLAGS_SET = 0,
    STORE_FLAGS_ADD,
    STORE_FLAGS_REMOVE
};

/* Filled by the caller, borrowed until job.done; so are all below. */
struct store_flag_change {
    struct store_job job; /* set by the submit function, but for done; so are all below */
    struct store *store;
    int64_t mailbox;
    const struct store_uid_range *ranges; /* in order */
    size_t range_count;
    enum store_flag_mode mode;
    uint32_t flags;               /* enum store_flag */
    const struct bytes *keywords; /* names; those that are missing are made (not for REMOVE) */
    size_t keyword_count;
    uint64_t unchanged_since; /* UINT64_MAX = whatever it is (RFC 7162 3.1.3) */
    /* The answer, when job.is_done. FAULT_LIMIT: no more keywords. */
    uint64_t bits;   /* flags and keywords as they stand in message.flags */
    uint64_t modseq; /* of those that changed; the mailbox's own before it was modseq - 1. 0 =
                        nothing changed */
    uint64_t found;  /* messages that were there */
    bool has_new_keywords;
    struct store_keywords all_keywords; /* then: as they stand now; freed by _clear */
    struct store_uid_range *refused;    /* changed since: [MODIFIED]; freed by _clear */
    size_t refused_count;
};
void store_flag_change_submit(struct store_flag_change *change);
void store_flag_change_clear(struct store_flag_change *change);

/* COPY, MOVE. All or nothing. */
struct store_copy {
    struct store_job job;
    struct store *store;
    int64_t account; /* of both mailboxes */
    int64_t mailbox;
    const struct store_uid_range *ranges;
    size_t range_count;
    int64_t target; /* may be the same mailbox */
    bool is_move;
    int64_t now; /* microseconds since 1970: SAVEDATE */
    /* The answer. FAULT_LIMIT: over quota; FAULT_PERMANENT: the target is gone. */
    uint32_t uidvalidity;           /* of the target */
    struct store_uid_range *copied; /* what was there, in order; freed by _clear */
    size_t copied_count;
    uint32_t first_uid; /* of the first copy; the others follow one by one */
    uint32_t count;
    uint64_t modseq;        /* MOVE: of the removal in the source; 0 = nothing was there */
    uint64_t target_modseq; /* of the copies; 0 = there are none */
    uint64_t flags;         /* of the last one, as they stood in the source */
    bool has_new_keywords;  /* in the target */
    int64_t mailboxes[2];   /* the job's own */
};
void store_copy_submit(struct store_copy *copy);
void store_copy_clear(struct store_copy *copy);

/* EXPUNGE. */
struct store_expunge {
    struct store_job job;
    struct store *store;
    int64_t mailbox;
    const struct store_uid_range *ranges; /* only those of them that are \Deleted */
    size_t range_count;
    /* The answer. */
    struct store_uid_range *removed; /* in order; freed by _clear */
    size_t removed_count;
    uint64_t modseq; /* 0 = nothing was removed */
};
void store_expunge_submit(struct store_expunge *expunge);
void store_expunge_clear(struct store_expunge *expunge);

#endif
