/* A stretch of candidates that a worker looks at: a job of its own, that survives the command it is
 * for. Between two slices, and within one that reads much, the worker is given back. */
#ifndef SESSION_IMAP_SEARCHING_SLICE_H
#define SESSION_IMAP_SEARCHING_SLICE_H

#include "session/imap_searching.h"
#include "session/imap_searching_kept.h"
#include "session/imap_searching_match.h"

struct imap_searching_slice {
    struct worker_job job; /* first */
    struct session_services *services;
    struct loop *loop;
    struct loop_task *told; /* NULL: nobody waits for it any more */
    int64_t mailbox;
    struct imap_searching_program *program;
    struct imap_searching_candidate *candidates;
    size_t count;
    bool is_working;

    /* How far it is. */
    enum imap_searching_level level;
    size_t position; /* of the first candidate that is not yet looked at on this level */
    bool is_done;
    struct imap_searching_kept *kept; /* of those that fit; NULL: SEARCH, which keeps nothing */
    bool has_kept;                    /* all of this slice that fit */
    bool is_finishing;
    struct buffer answer; /* of SORT or THREAD */
    struct fault fault;
};

/* The program becomes the slice's, and so does `kept`. NULL: memory; both are still the caller's.
 */
struct imap_searching_slice *imap_searching_slice_new(const struct imap_context *context,
                                                      struct imap_searching_program *program,
                                                      struct imap_searching_kept *kept,
                                                      struct fault *fault);
/* At any time; accepts NULL. */
void imap_searching_slice_free(struct imap_searching_slice *slice);

/* Forgets the candidates. */
void imap_searching_slice_begin(struct imap_searching_slice *slice);
/* There is room for IMAP_SEARCHING_SLICE_MESSAGES. */
void imap_searching_slice_add(struct imap_searching_slice *slice,
                              const struct imap_searching_candidate *candidate);
/* To a worker: `told` is run when it is back, perhaps before it is_done: then it is submitted
   again. */
void imap_searching_slice_submit(struct imap_searching_slice *slice);
/* The same for what was kept of all slices: the answer is made of it. */
void imap_searching_slice_finish(struct imap_searching_slice *slice);

#endif
