/* The selected mailbox of a session: read by workers when it is opened, kept in step with the store
 * by what it hears of it, shown as a view. May outlive its session while a worker is at it. Loop's
 * thread only. */
#ifndef SESSION_IMAP_SELECTION_H
#define SESSION_IMAP_SELECTION_H

#include "session/imap_context.h"
#include "session/imap_view.h"

enum {
    /* Messages up to which the view is read with SELECT; that of a larger mailbox is read when a
       command first needs it, and shows the mailbox as SELECT told it. */
    IMAP_SELECTION_EAGER = 10000
};

enum imap_selection_status {
    IMAP_SELECTION_WAITS = 0, /* for a worker */
    IMAP_SELECTION_READY,     /* what was asked for last is done */
    IMAP_SELECTION_NONE,      /* there is no such mailbox, or it cannot be selected */
    IMAP_SELECTION_GONE,      /* it was removed while it was selected */
    IMAP_SELECTION_FAILED     /* the store cannot be read: imap_selection_fault */
};

/* What vanished, for a client that was away (RFC 7162 3.2.5). */
struct imap_selection_vanished {
    uint64_t since;
    struct store_uid_range *within; /* in order; count 0 = all */
    size_t within_count;
    struct store_vanished vanished; /* the answer; UIDs that the view has are not in it */
};

/* Begins to open: finds the mailbox, begins to hear of it, reads what SELECT tells and the view of
 * a small one, or of any where is_eager. `told` is run when the status has changed; `news` (may be
 * run at any time later) when there is something new in the store. NULL: out of memory. */
struct imap_selection *imap_selection_new(const struct imap_context *context, struct bytes name,
                                          bool is_read_only, bool is_eager, struct loop_task *told,
                                          struct loop_task *news, struct fault *fault);
/* At any time; accepts NULL. Neither task is run any more. */
void imap_selection_free(struct imap_selection *selection);

enum imap_selection_status imap_selection_status(const struct imap_selection *selection);
const struct fault *imap_selection_fault(const struct imap_selection *selection);

/* 0: it is not open yet. */
int64_t imap_selection_mailbox(const struct imap_selection *selection);
bool imap_selection_is_loaded(const struct imap_selection *selection);
bool imap_selection_is_read_only(const struct imap_selection *selection);
/* How many messages are \Recent. */
uint64_t imap_selection_recent(const struct imap_selection *selection);
/* As it stood when it was opened. */
const struct store_mailbox *imap_selection_opened(const struct imap_selection *selection);

/* The view, READY or not loaded: begins to load it, `told` follows. A command that names messages
 * asks for it first. */
enum imap_selection_status imap_selection_load(struct imap_selection *selection);
/* While it is loaded. Owned by the selection; commands of the session change it by imap_view_*. */
struct imap_view *imap_selection_view(struct imap_selection *selection);

/* Begins to read what vanished; `told` follows. `asked` and its `within`, allocated, become the
   selection's, which frees them with itself or when it is asked again. */
enum imap_selection_status imap_selection_read_vanished(struct imap_selection *selection,
                                                        struct imap_selection_vanished *asked);
const struct imap_selection_vanished *
imap_selection_vanished(const struct imap_selection *selection);

/* Whether `news` is to be run; else what is new is only kept in mind. */
void imap_selection_listen(struct imap_selection *selection, bool wants_news);

/* The store has something that the view does not show. */
bool imap_selection_is_behind(const struct imap_selection *selection);
/* Begins to bring the view up to date; READY at once when it is, or when it is not loaded. */
enum imap_selection_status imap_selection_sync(struct imap_selection *selection);

/* The view is up to date with a modseq of our own (imap_view_set_flags and the like have taken it
 * in): what was heard of it is no news. */
void imap_selection_saw(struct imap_selection *selection, uint64_t modseq);

/* The UIDs that SEARCH saved for "$" (RFC 5182): as ranges, in order; count 0 = none. Messages that
 * are gone fall away. The ranges become the selection's. */
void imap_selection_save(struct imap_selection *selection, struct store_uid_range *taken,
                         size_t count);
/* What a sequence of a command means: "$" becomes what was saved; see imap_view_resolve. */
bool imap_selection_resolve(struct imap_selection *selection, const struct imap_sequence *sequence,
                            bool is_uid, struct arena *arena, struct imap_range **numbers,
                            size_t *count, struct fault *fault);

#endif
