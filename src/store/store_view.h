/* A mailbox as an IMAP session sees it: UIDs, flags and modseqs, and what changed since. */
#ifndef STORE_STORE_VIEW_H
#define STORE_STORE_VIEW_H

#include "store/store_mailboxes.h"

enum {
    STORE_VIEW_ROWS = 10000,           /* read at once at most */
    STORE_CHANGED_KEPT = 1000,         /* modseqs of flag changes that are remembered */
    STORE_VANISHED_KEPT_DAYS = 60,     /* that removals are remembered for QRESYNC */
    STORE_VANISHED_RANGES_MAX = 100000 /* of one mailbox; older ones are forgotten first */
};

struct store_uid_range {
    uint32_t first;
    uint32_t last;
};

struct store_view_message {
    uint32_t uid;
    uint64_t flags; /* enum store_flag and keyword bits */
    uint64_t modseq;
};

/* Messages from `uid` on, in their order, at most *count of them: *count is then how many there
   were. All reads of one answer are put between db_begin(DB_READ) and db_rollback by the caller. */
bool store_view_read(struct db *db, int64_t mailbox, uint32_t uid,
                     struct store_view_message *messages, size_t *count, struct fault *fault);

/* How many messages have this UID or a higher one; takes time in proportion. */
bool store_view_count(struct db *db, int64_t mailbox, uint32_t from, uint64_t *count,
                      struct fault *fault);

/* Ranges of UIDs that are not in the mailbox any more and went after modseq `since`, in order and
   joined; only UIDs of `within` (count 0 = all). *is_whole is false when the log does not reach
   back that far: then it is every UID below uidnext that is not there (RFC 7162 3.2.10.1 allows
   it). */
struct store_vanished {
    struct store_uid_range *ranges;
    size_t count;
    bool is_whole;
};
void store_vanished_clear(struct store_vanished *vanished);
bool store_vanished_read(struct db *db, int64_t mailbox, uint64_t since,
                         const struct store_uid_range *within, size_t within_count,
                         struct store_vanished *vanished, struct fault *fault);

/* All that happened after modseq `since` to a session that knew the messages below `uidnext`. */
struct store_changes {
    bool is_gone;  /* the mailbox was removed */
    bool is_whole; /* false: the log does not reach back; read the mailbox anew. The lists are then
                      empty */
    struct store_mailbox mailbox;        /* as it stands now; without a name */
    struct store_view_message *messages; /* changed and new ones, by UID */
    size_t count;
    struct store_vanished vanished;
    struct store_keywords keywords;
};
void store_changes_clear(struct store_changes *changes);
/* One consistent state: makes its own read transaction. */
bool store_changes_read(struct db *db, int64_t mailbox, uint64_t since, uint32_t uidnext,
                        struct store_changes *changes, struct fault *fault);

/* Raises mailbox.recent to `uid`: nobody else is told of messages below it as \Recent. Not waited
   for; owns itself and is freed when done. */
void store_view_raise_recent(struct store *store, int64_t mailbox, uint32_t uid);

#endif
