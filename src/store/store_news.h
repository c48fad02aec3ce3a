/* Who hears that a mailbox changed, or that an account is no more: sessions that look at it, in
 * this process at once, on other nodes of the same store by one coalesced notice. */
#ifndef STORE_STORE_NEWS_H
#define STORE_STORE_NEWS_H

#include "store/store_jobs.h"

enum {
    STORE_NEWS_PAUSE = 20,      /* milliseconds that notices to other nodes are gathered */
    STORE_NEWS_POLL = 30 * 1000 /* between two looks at all watched mailboxes, in case a notice
                                   was lost or somebody wrote who gives none */
};

enum store_news_kind {
    STORE_NEWS_CHANGED = 0, /* read what changed: store_changes_read */
    STORE_NEWS_ADDED,       /* one message came, and uid, flags and modseq are all that is new since
                               modseq - 1 */
    STORE_NEWS_GONE         /* the mailbox was removed, the account removed or disabled */
};

struct store_news {
    enum store_news_kind kind;
    int64_t mailbox;
    uint64_t modseq; /* of the mailbox now; 0 = not known */
    uint32_t uid;    /* ADDED */
    uint64_t flags;
};

/* Embedded in whoever looks at a mailbox. */
struct store_watch {
    int64_t
        mailbox;   /* or an account (ids are of one thing only): of it only GONE is to be heeded */
    unsigned most; /* watches of it there may be in this process with this one; 0 = any number */
    /* Called on a thread of the store, right after the commit and before whoever wrote is told; for
       one watch never twice at a time. Must be quick, must not block nor call this room. */
    void (*hear)(struct store_watch *watch, const struct store_news *news);
    struct store_watch *next; /* the store's own */
    struct store_watch *before;
    uint64_t modseq; /* the last that was told */
};

/* From any thread. FAULT_LIMIT: there are `most` of it already; FAULT_TEMPORARY: out of memory. */
bool store_news_watch_begin(struct store *store, struct store_watch *watch, struct fault *fault);
/* When it returns `hear` runs no more and will not be called again. */
void store_news_watch_end(struct store *store, struct store_watch *watch);

/* \Recent is for one session (RFC 3501 2.3.2). Of the UIDs `from` up to, but not, `behind` of a
   mailbox that somebody watches: the first that nobody in this process was told of, `behind` at
   most. is_told: from now on they all are, until the last watch ends. What the store keeps of it
   (store_view_raise_recent) comes later. */
uint32_t store_news_recent(struct store *store, int64_t mailbox, uint32_t from, uint32_t behind,
                           bool is_told);

/* For jobs (store_job.tell): from the writer's thread, once the commit is final. */
void store_news_publish(struct store *store, const struct store_news *news);

#endif
