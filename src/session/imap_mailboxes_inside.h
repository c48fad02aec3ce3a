/* The inside of the commands on mailboxes, for its own sources. */
#ifndef SESSION_IMAP_MAILBOXES_INSIDE_H
#define SESSION_IMAP_MAILBOXES_INSIDE_H

#include "base/arena.h"
#include "session/imap_mailboxes.h"
#include "store/store_mailboxes.h"

enum {
    IMAP_MAILBOXES_ARENA_MAX = 64 * 1024 * 1024 /* names that LIST makes beside those there are */
};

enum imap_mailboxes_step {
    IMAP_MAILBOXES_BEGINS = 0,
    IMAP_MAILBOXES_READS,  /* a worker reads */
    IMAP_MAILBOXES_WRITES, /* a job is in the hands of the store */
    IMAP_MAILBOXES_LISTS   /* lines go out */
};

/* What LIST answers: an item of the list, or a level above one that is subscribed to (item NULL).
 */
struct imap_mailboxes_line {
    const struct store_mailbox *item;
    struct bytes name;
    bool has_selected_below; /* RFC 5258 4: CHILDINFO */
    bool has_hidden_below;   /* such a one that no pattern fits */
};

struct imap_mailboxes {
    union { /* first */
        struct store_job job;
        struct store_mailbox_change change;
    };
    struct worker_job read;
    struct loop_task back; /* the job has come back, on the loop */
    struct loop_task *told;
    struct loop *loop;
    struct session_services *services;
    enum imap_verb verb;
    bool is_away;  /* with the store or a worker */
    bool is_freed; /* by the session: it frees itself when it comes back */

    struct imap_context *context; /* these two while it is not freed */
    const struct imap_command *command;
    enum imap_mailboxes_step step;
    struct arena arena;
    int64_t account;
    struct bytes name; /* these two are copies in the arena */
    struct bytes new_name;
    bool wants_deleted_bytes;
    bool wants_recent;

    struct store_mailbox found; /* by the worker */
    bool is_found;
    struct store_quota quota;
    struct store_mailbox_list list;
    struct fault fault;

    struct bytes *patterns; /* LIST, LSUB; in the arena, with the reference */
    size_t pattern_count;
    unsigned selects;
    struct imap_mailboxes_line *lines; /* by the worker; in the arena */
    size_t line_count;
    size_t next;
};

/* Keeps of the command what choosing needs. False: memory. */
bool imap_mailboxes_list_prepare(struct imap_mailboxes *mailboxes, struct fault *fault);
/* Chooses what LIST and LSUB answer; a worker does it, many names and long patterns take their
   time. False: memory. */
bool imap_mailboxes_list_choose(struct imap_mailboxes *mailboxes, struct fault *fault);
/* Writes a line of it, and the STATUS behind it. */
void imap_mailboxes_list_write(const struct imap_mailboxes *mailboxes,
                               const struct imap_mailboxes_line *line, struct buffer *out);

/* "* STATUS name (...)" with its end. */
void imap_mailboxes_write_status(const struct imap_mailboxes *mailboxes,
                                 const struct store_mailbox *mailbox, struct bytes name,
                                 unsigned items, struct buffer *out);

#endif
