/* The worker's part: level after level, only for those whose answer is not known yet. */
#include "session/imap_searching_slice.h"

#include <stdlib.h>

enum {
    /* Messages that are nobody's business between two candidates, which it is cheaper to read over
       than to begin anew behind them. */
    GAP_MAX = 16,
    /* Messages asked for at once: on PostgreSQL they cross the wire together. */
    RUN_MAX = IMAP_SEARCHING_SLICE_MESSAGES,
    RUN_HEADERS_MAX = 1000,
    RUN_DATA_MAX = 64,
    /* Bytes of a SORT or THREAD answer: every message of the largest view, by its UID. */
    ANSWER_MAX = INT32_MAX
};

struct imap_searching_slice *imap_searching_slice_new(const struct imap_context *context,
                                                      struct imap_searching_program *program,
                                                      struct imap_searching_kept *kept,
                                                      struct fault *fault)
{
    struct imap_searching_slice *slice = calloc(1, sizeof *slice);
    struct imap_searching_candidate *candidates =
        calloc(IMAP_SEARCHING_SLICE_MESSAGES, sizeof *candidates);
    if (slice == NULL || candidates == NULL) {
        free(slice);
        free(candidates);
        fault_set_memory(fault);
        return NULL;
    }
    slice->candidates = candidates;
    slice->services = context->services;
    slice->loop = context->identity->loop;
    slice->told = context->told;
    slice->mailbox = imap_selection_mailbox(context->selection);
    slice->program = program;
    slice->kept = kept;
    buffer_init(&slice->answer, ANSWER_MAX);
    return slice;
}

static void free_now(struct imap_searching_slice *slice)
{
    imap_searching_program_free(slice->program);
    imap_searching_kept_free(slice->kept);
    buffer_clear(&slice->answer);
    free(slice->candidates);
    free(slice);
}

void imap_searching_slice_free(struct imap_searching_slice *slice)
{
    if (slice == NULL)
        return;
    slice->told = NULL;
    if (!slice->is_working)
        free_now(slice);
}

void imap_searching_slice_begin(struct imap_searching_slice *slice)
{
    slice->count = 0;
    slice->level = IMAP_SEARCHING_ROW;
    slice->position = 0;
    slice->has_kept = false;
    slice->is_done = false;
}

void imap_searching_slice_add(struct imap_searching_slice *slice,
                              const struct imap_searching_candidate *candidate)
{
    assert(slice->count < IMAP_SEARCHING_SLICE_MESSAGES);
    slice->candidates[slice->count++] = *candidate;
}

/* ---- on the worker ---- */

/* What is done with the messages on one way through the slice. */
struct pass {
    struct imap_searching_slice *slice;
    struct imap_searching_reader reader;
    enum imap_searching_answer looks_at; /* candidates with this answer */
    bool keeps;                          /* the answer stands; what SORT or THREAD needs is kept */
    bool has_begun;                      /* the transaction */
    unsigned wants;
};

static size_t run_max(unsigned wants)
{
    if ((wants & STORE_FETCH_DATA) != 0)
        return RUN_DATA_MAX;
    return (wants & STORE_FETCH_HEADER) != 0 ? RUN_HEADERS_MAX : RUN_MAX;
}

/* The end of the candidates that are read together from `first` on. */
static size_t find_run(const struct pass *pass, size_t first)
{
    const struct imap_searching_slice *slice = pass->slice;
    const struct imap_searching_candidate *candidates = slice->candidates;
    size_t most = run_max(pass->wants);
    size_t last = first;
    for (size_t i = first + 1; i < slice->count; i++) {
        if (candidates[i].number - candidates[first].number >= most ||
            candidates[i].number - candidates[last].number > GAP_MAX)
            break;
        if (candidates[i].answer == pass->looks_at)
            last = i;
    }
    return last + 1;
}

static void look_at(struct pass *pass, struct imap_searching_candidate *candidate,
                    const struct store_fetched *message)
{
    struct imap_searching_slice *slice = pass->slice;
    if (pass->keeps) {
        imap_searching_kept_read(slice->kept, message, &pass->reader.fault);
        pass->reader.bytes += message->header.length + message->envelope.length;
    } else {
        candidate->answer =
            imap_searching_match(slice->program, slice->level, candidate, &pass->reader, message);
    }
}

/* When something is to be read at all. */
static bool begin(struct pass *pass)
{
    if (!pass->has_begun && pass->reader.db == NULL)
        return fault_set(&pass->reader.fault, FAULT_TEMPORARY, "the store cannot be reached");
    if (!pass->has_begun && !db_begin(pass->reader.db, DB_READ, &pass->reader.fault))
        return false;
    pass->has_begun = true;
    return true;
}

static bool read_run(struct pass *pass, size_t first, size_t end)
{
    struct imap_searching_slice *slice = pass->slice;
    struct imap_searching_candidate *candidate = &slice->candidates[first];
    struct imap_searching_candidate *behind = &slice->candidates[end];
    AUTO(store_fetch)
    fetch = {0};
    struct store_fetched message;
    size_t most = behind[-1].number - candidate->number + 1;
    if (!begin(pass) || !store_fetch_open(&fetch, pass->reader.db, slice->mailbox, candidate->uid,
                                          behind[-1].uid, most, pass->wants, &pass->reader.fault))
        return false;
    while (pass->reader.fault.kind == FAULT_NONE && store_fetch_next(&fetch, &message)) {
        /* Those that are left out are no longer there. */
        for (; candidate < behind && candidate->uid < message.uid; candidate++) {
            if (candidate->answer == pass->looks_at)
                candidate->answer = IMAP_SEARCHING_NO;
        }
        if (candidate < behind && candidate->uid == message.uid) {
            if (candidate->answer == pass->looks_at)
                look_at(pass, candidate, &message);
            candidate++;
        }
    }
    if (pass->reader.fault.kind != FAULT_NONE || !store_fetch_finish(&fetch, &pass->reader.fault))
        return false;
    for (; candidate < behind; candidate++) {
        if (candidate->answer == pass->looks_at)
            candidate->answer = IMAP_SEARCHING_NO;
    }
    return true;
}

/* Goes through the slice from where it stands. False: something went wrong, or enough was read for
   now. */
static bool go_through(struct pass *pass)
{
    struct imap_searching_slice *slice = pass->slice;
    while (slice->position < slice->count) {
        if (slice->candidates[slice->position].answer != pass->looks_at) {
            slice->position++;
            continue;
        }
        if (pass->reader.bytes >= IMAP_SEARCHING_SLICE_BYTES)
            return false;
        size_t end = find_run(pass, slice->position);
        if (!read_run(pass, slice->position, end))
            return false;
        slice->position = end;
    }
    slice->position = 0;
    return true;
}

/* All that fit; what is still YES then is to be read. */
static bool keep(struct imap_searching_slice *slice, struct fault *fault)
{
    for (size_t i = 0; !slice->has_kept && i < slice->count; i++) {
        struct imap_searching_candidate *candidate = &slice->candidates[i];
        bool is_known;
        if (candidate->answer != IMAP_SEARCHING_YES)
            continue;
        if (!imap_searching_kept_add(slice->kept, candidate, &is_known, fault))
            return false;
        if (is_known)
            candidate->answer = IMAP_SEARCHING_NO;
    }
    slice->has_kept = true;
    return true;
}

static void look(struct imap_searching_slice *slice, struct db *db)
{
    const struct imap_searching_program *program = slice->program;
    struct pass pass = {.slice = slice, .looks_at = IMAP_SEARCHING_UNKNOWN};
    bool is_through = true;
    imap_searching_match_reader_init(&pass.reader, db, slice->mailbox);
    for (; is_through && slice->level < IMAP_SEARCHING_LEVELS; slice->level++) {
        if (!program->has_level[slice->level])
            continue;
        pass.wants = program->wants[slice->level];
        is_through = go_through(&pass);
        if (!is_through)
            break;
    }
    if (is_through && slice->kept != NULL) {
        pass.looks_at = IMAP_SEARCHING_YES;
        pass.keeps = true;
        pass.wants = imap_searching_kept_wants(slice->kept);
        is_through = keep(slice, &pass.reader.fault) && go_through(&pass);
    }
    slice->is_done = is_through;
    slice->fault = pass.reader.fault;
    imap_searching_match_reader_clear(&pass.reader);
    if (pass.has_begun)
        db_rollback(db);
}

static void work(struct worker_job *job, void *context)
{
    struct imap_searching_slice *slice = (struct imap_searching_slice *)job;
    struct db *db = context;
    if (slice->is_finishing) {
        slice->is_done = imap_searching_kept_finish(slice->kept, &slice->answer, &slice->fault);
        return;
    }
    look(slice, db);
}

/* ---- on the loop ---- */

static void come_back(struct loop_task *task)
{
    struct imap_searching_slice *slice =
        (struct imap_searching_slice *)((char *)task -
                                        offsetof(struct imap_searching_slice, job.done));
    slice->is_working = false;
    if (slice->told == NULL)
        free_now(slice);
    else
        slice->told->run(slice->told);
}

void imap_searching_slice_finish(struct imap_searching_slice *slice)
{
    slice->is_finishing = true;
    slice->is_done = false;
    imap_searching_slice_submit(slice);
}

void imap_searching_slice_submit(struct imap_searching_slice *slice)
{
    assert(!slice->is_working);
    slice->is_working = true;
    fault_clear(&slice->fault);
    slice->job = (struct worker_job){.run = work, .done = {.run = come_back}, .loop = slice->loop};
    worker_submit(slice->services->workers, &slice->job);
}
