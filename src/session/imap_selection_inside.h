/* The inside of a selection, for its own sources. */
#ifndef SESSION_IMAP_SELECTION_INSIDE_H
#define SESSION_IMAP_SELECTION_INSIDE_H

#include <pthread.h>

#include "session/imap_selection.h"
#include "store/store_news.h"

enum {
    IMAP_SELECTION_ADDED_MAX = 4 /* new messages that are taken in without asking the store */
};

/* What a worker is asked for. */
enum imap_selection_work {
    IMAP_SELECTION_OPENS = 0,
    IMAP_SELECTION_LOADS,
    IMAP_SELECTION_SYNCS,
    IMAP_SELECTION_READS_VANISHED
};

/* While is_working the view, `opened` and what follows them belong to the worker. */
struct imap_selection {
    struct worker_job job; /* first */
    struct session_services *services;
    struct loop *loop;
    int64_t session;
    int64_t account;
    struct loop_task *told; /* NULL: the session is gone */
    struct loop_task *news;
    enum imap_selection_work work;
    enum imap_selection_status status;
    bool is_working;
    bool is_read_only;
    bool is_rev2; /* nothing is \Recent */
    bool is_eager;
    bool is_loaded;
    bool is_watching;
    bool is_freed;
    uint32_t recent_from;  /* UIDs from here on were \Recent when it was opened; 0 = none */
    uint64_t recent_count; /* how many, when it was not loaded then */
    uint32_t raised;       /* store_view_raise_recent was called with this */
    char *name;

    struct store_mailbox opened;
    struct imap_view view;
    struct store_changes *changes; /* while work is IMAP_SELECTION_SYNCS */
    struct imap_selection_vanished *vanished;
    struct fault fault;

    struct store_uid_range *saved; /* "$" */
    size_t saved_count;

    struct store_watch watch;
    struct loop_task heard; /* on its way to the loop while is_posted */
    pthread_mutex_t lock;   /* of all that follows */
    uint64_t heard_modseq;
    struct store_news added[IMAP_SELECTION_ADDED_MAX];
    unsigned added_count;
    bool must_read; /* something happened, at a modseq that nobody told */
    bool is_removed;
    bool is_posted;
    bool wants_news;
};

/* The worker's part: imap_selection_read.c. */
void imap_selection_read_work(struct worker_job *job, void *context);

#endif
