/* The mailboxes of an account: their tree, what they are for, who subscribes to them. Names are
 * whole: UTF-8, levels with "/" between them, INBOX in capitals. */
#ifndef STORE_STORE_MAILBOXES_H
#define STORE_STORE_MAILBOXES_H

#include "base/buffer.h"
#include "store/store_accounts.h"
#include "store/store_jobs.h"

enum {
    STORE_MAILBOXES_MAX = 10000, /* of one account */
    STORE_SUBSCRIPTIONS_MAX = 10000,
    STORE_MAILBOX_NAME_MAX = 1024, /* bytes of a whole name */
    STORE_KEYWORD_FIRST = 8,       /* bit of the first keyword in message.flags */
    STORE_KEYWORDS_MAX = 54,       /* of one mailbox: bits 8 to 61 */
    STORE_KEYWORD_NAME_MAX = 128   /* bytes */
};

struct store_mailbox {
    int64_t id;
    struct bytes name; /* whole; in the list's memory */
    enum store_role role;
    bool is_selectable; /* false: it was removed and has children, or was never more than their
                           parent */
    bool has_children;
    bool is_subscribed;
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint64_t modseq;
    uint32_t recent; /* the first UID that no session was told of as \Recent */
    uint64_t messages;
    uint64_t unseen;
    uint64_t deleted;
    uint64_t bytes;
    uint64_t recent_messages; /* of those from `recent` on; filled by whoever asks */
    uint64_t deleted_bytes;   /* filled by store_mailbox_find only when asked */
};

/* Names that are subscribed to and are no mailbox (RFC 3501 6.3.9) are in it with id 0. */
struct store_mailbox_list {
    struct store_mailbox *items; /* by name, as bytes; INBOX first */
    size_t count;
    struct buffer names;
};
void store_mailbox_list_clear(struct store_mailbox_list *list);

bool store_mailbox_list_read(struct db *db, int64_t account, struct store_mailbox_list *list,
                             struct fault *fault);

/* Fills deleted_bytes of all. */
bool store_mailbox_list_add_deleted(struct db *db, int64_t account, struct store_mailbox_list *list,
                                    struct fault *fault);

/* The one of this name in a list; NULL: there is none. */
const struct store_mailbox *store_mailbox_list_find(const struct store_mailbox_list *list,
                                                    struct bytes name);

/* One of them. `mailbox->name` is borrowed from `name`; is_subscribed and has_children are not
   filled. */
bool store_mailbox_find(struct db *db, int64_t account, struct bytes name, bool wants_deleted_bytes,
                        struct store_mailbox *mailbox, bool *is_found, struct fault *fault);

enum store_mailbox_change_kind {
    STORE_MAILBOX_CREATE = 0, /* with the levels above that are missing; a name that is not
                                 selectable becomes so */
    STORE_MAILBOX_DELETE,     /* with its messages; one with children stays as a level only */
    STORE_MAILBOX_RENAME,     /* with what is below it; INBOX: its messages go to the new one and
                                 INBOX stays (RFC 9051 6.3.6) */
    STORE_MAILBOX_SUBSCRIBE,
    STORE_MAILBOX_UNSUBSCRIBE
};

enum store_mailbox_outcome {
    STORE_MAILBOX_DONE = 0,
    STORE_MAILBOX_EXISTS,       /* [ALREADYEXISTS] */
    STORE_MAILBOX_NONEXISTENT,  /* [NONEXISTENT] */
    STORE_MAILBOX_HAS_CHILDREN, /* [HASCHILDREN]: a level without messages that has children */
    STORE_MAILBOX_CANNOT,       /* [CANNOT]: INBOX removed, a name put below itself */
    STORE_MAILBOX_TOO_MANY,     /* [LIMIT] */
    STORE_MAILBOX_USE_TAKEN     /* [USEATTR]: another mailbox has this role */
};

/* Filled by the caller, borrowed until job.done. */
struct store_mailbox_change {
    struct store_job job; /* set by store_mailbox_change_submit, but for done */
    struct store *store;
    enum store_mailbox_change_kind kind;
    int64_t account;
    struct bytes name;
    struct bytes new_name; /* RENAME */
    enum store_role role;  /* CREATE */
    /* The answer, when job.is_done. */
    enum store_mailbox_outcome outcome;
    int64_t id; /* CREATE: of the mailbox */
    /* The store's own. */
    void (*over)(struct store_job *job); /* done, as the caller set it */
    int64_t changed;                     /* whose watches are to be told; 0 = none's */
    bool is_gone;
    bool has_more; /* the job goes on */
};
void store_mailbox_change_submit(struct store_mailbox_change *change);

/* ---- keywords ---- */

/* The names of a mailbox's keywords by bit; an empty one is free. */
struct store_keywords {
    struct bytes names[STORE_KEYWORDS_MAX];
    size_t count; /* one more than the highest that is used */
    char *memory;
};
void store_keywords_clear(struct store_keywords *keywords);
bool store_keywords_read(struct db *db, int64_t mailbox, struct store_keywords *keywords,
                         struct fault *fault);

/* Inside a job that has the mailbox's row locked: the bits of these names; those that are missing
   are made, taking over bits that no message has when none is free. FAULT_LIMIT: none left.
   *is_changed: a name was made. */
bool store_keywords_make(struct db *db, int64_t mailbox, const struct bytes *names, size_t count,
                         uint64_t *bits, bool *is_changed, struct fault *fault);

/* ---- quota ---- */

struct store_quota {
    int64_t limit_bytes; /* 0 = none */
    int64_t limit_messages;
    int64_t used_bytes;
    int64_t used_messages;
};
bool store_quota_read(struct db *db, int64_t account, struct store_quota *quota,
                      struct fault *fault);

#endif
