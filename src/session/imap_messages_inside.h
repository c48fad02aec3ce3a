/* The inside of the commands that change messages, for its own sources. */
#ifndef SESSION_IMAP_MESSAGES_INSIDE_H
#define SESSION_IMAP_MESSAGES_INSIDE_H

#include "base/arena.h"
#include "session/imap_messages.h"
#include "store/store_change.h"
#include "store/store_delivery.h"

enum {
    IMAP_MESSAGES_ARENA_MAX = 64 * 1024 * 1024, /* "$" may stand for many ranges */
    /* Messages that one job changes, or removes, before others may write. */
    IMAP_MESSAGES_STORE_SLICE = 100 * 1000,
    IMAP_MESSAGES_EXPUNGE_SLICE = 10 * 1000,
    IMAP_MESSAGES_MOVE_SLICE = 20 * 1000
};

/* A message as the client knew it. */
struct imap_messages_known {
    uint32_t uid;
    uint64_t flags;
};

enum imap_messages_step {
    IMAP_MESSAGES_BEGINS = 0,
    IMAP_MESSAGES_SYNCS, /* EXPUNGE: what is \Deleted must be known; STORE: what others changed */
    IMAP_MESSAGES_FINDS, /* COPY, MOVE: the target, by a worker */
    IMAP_MESSAGES_WRITES /* a job is in the hands of the store */
};

struct imap_messages {
    union { /* first */
        struct store_job job;
        struct store_flag_change change;
        struct store_copy copy;
        struct store_expunge expunge;
    };
    struct worker_job find;
    struct loop_task back; /* the job has come back, on the loop */
    struct loop_task *told;
    struct loop *loop;
    struct session_services *services;
    enum imap_verb verb;
    bool is_away;  /* with the store or a worker */
    bool is_freed; /* by the session: it frees itself when it comes back */

    struct imap_context *context; /* these two while it is not freed */
    const struct imap_command *command;
    enum imap_messages_step step;
    struct arena arena;
    struct imap_range *numbers; /* what the command names */
    size_t number_count;
    struct store_uid_range *ranges; /* the job's */
    size_t range_count;

    struct bytes *keywords;   /* STORE: copies, in the arena */
    struct imap_range *slice; /* STORE, MOVE: what the job does of the numbers */
    size_t slice_count;
    size_t next_range;       /* of the numbers, for the next slice */
    struct buffer code;      /* STORE: [MODIFIED] of all slices; without its end */
    uint32_t modified_first; /* a range that is not written yet; 0 = none */
    uint32_t modified_last;
    bool has_found; /* STORE, MOVE: some of the messages were there */

    struct imap_messages_known *known; /* STORE: refused, and perhaps for other flags only */
    size_t known_count;
    struct imap_range *again; /* of these, those that are tried once more; NULL = none are */
    size_t again_count;

    uint32_t next_uid; /* EXPUNGE: UIDs below it are done */
    bool has_removed;

    struct bytes target; /* COPY, MOVE: its name, in the arena */
    int64_t account;
    struct store_mailbox found; /* by the worker */
    bool is_found;
    struct fault fault;
};

static inline struct imap_view *imap_messages_view(const struct imap_messages *messages)
{
    return imap_selection_view(messages->context->selection);
}

/* The job goes to the store next: whoever calls submits it. */
void imap_messages_lend(struct imap_messages *messages);
/* What is in `find` goes to a worker. */
void imap_messages_ask_worker(struct imap_messages *messages,
                              void (*run)(struct worker_job *job, void *context));

/* The numbers that the command names. False: the result is filled. */
bool imap_messages_resolve(struct imap_messages *messages, const struct imap_sequence *sequence,
                           struct imap_result *result);
/* Room for the slices of the numbers. False: memory. */
bool imap_messages_make_slice(struct imap_messages *messages);
/* The next of the numbers, so many at most. False: there are none. */
bool imap_messages_take_slice(struct imap_messages *messages, uint32_t most);
/* The UIDs of numbers, for the job. False: the result is filled. */
bool imap_messages_find_uids(struct imap_messages *messages, const struct imap_range *numbers,
                             size_t count, struct imap_result *result);

enum imap_progress imap_messages_refuse_read_only(struct imap_result *result);

/* imap_messages_store.c, imap_messages_copy.c, imap_messages_expunge.c: the next step. */
enum imap_progress imap_messages_store(struct imap_messages *messages, struct imap_result *result);
enum imap_progress imap_messages_copy(struct imap_messages *messages, struct imap_result *result);
enum imap_progress imap_messages_expunge(struct imap_messages *messages,
                                         struct imap_result *result);

#endif
