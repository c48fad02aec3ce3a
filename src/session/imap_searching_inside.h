/* What the sources of imap_searching share. */
#ifndef SESSION_IMAP_SEARCHING_INSIDE_H
#define SESSION_IMAP_SEARCHING_INSIDE_H

#include "session/imap_searching.h"
#include "session/imap_searching_slice.h"

/* What is being done. */
enum imap_searching_stage {
    IMAP_SEARCHING_STARTS = 0,
    IMAP_SEARCHING_LOOKS,  /* for messages that fit */
    IMAP_SEARCHING_ORDERS, /* a worker sorts */
    IMAP_SEARCHING_ANSWERS
};

struct imap_searching {
    struct loop_task again; /* first; what the loop does itself it does in steps */
    bool is_posted;
    bool is_freed;
    struct loop *loop;
    struct imap_context *context;
    const struct imap_command *command;
    enum imap_searching_stage stage;
    unsigned returns; /* enum imap_search_return; 0 = an answer of the old kind */

    struct imap_searching_program *program; /* for the loop's part */
    struct imap_searching_slice *slice;     /* NULL: the view knows all that is asked */

    /* The candidates are the indexes from `front` to below `back`. */
    size_t front;
    size_t back;
    bool is_backward;     /* the last that fits is looked for: from the back on */
    size_t backward_size; /* candidates of the last slice from there */
    bool is_slice_out;    /* its candidates are not yet taken */

    /* What fits: message numbers in order. */
    struct imap_range *hits;
    size_t hit_count;
    size_t hit_capacity;
    uint64_t found;
    uint64_t highest_modseq;

    /* How much of the answer is written. */
    bool has_begun;
    size_t at_hit;
    uint32_t at_number;
    size_t at_byte; /* SORT, THREAD */
    struct imap_sequence_writer writer;
};

/* imap_searching_answer.c */

/* Writes untagged responses as far as there is room. False: not yet all. */
bool imap_searching_answer_write(struct imap_searching *searching);
/* SEARCHRES (RFC 5182): what "$" stands for from now on. False: memory. */
bool imap_searching_answer_save(struct imap_searching *searching, struct fault *fault);

#endif
