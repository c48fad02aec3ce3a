/* The course of a SEARCH, SORT or THREAD: candidates out of the view, slices to a worker, what fits
 * gathered. */
#include "session/imap_searching_inside.h"

#include <stdlib.h>

#include "base/clock.h"

enum {
    STEP = 50000,      /* messages of the view that the loop goes through at once */
    BACKWARD_MIN = 256 /* candidates of the first slice from the back */
};

static void come_again(struct loop_task *task)
{
    struct imap_searching *searching = (struct imap_searching *)task;
    searching->is_posted = false;
    if (searching->is_freed)
        free(searching);
    else
        searching->context->told->run(searching->context->told);
}

struct imap_searching *imap_searching_new(struct imap_context *context,
                                          const struct imap_command *command, struct fault *fault)
{
    struct imap_searching *searching = calloc(1, sizeof *searching);
    if (searching == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    searching->again.run = come_again;
    searching->loop = context->identity->loop;
    searching->context = context;
    searching->command = command;
    return searching;
}

void imap_searching_free(struct imap_searching *searching)
{
    if (searching == NULL)
        return;
    imap_searching_slice_free(searching->slice);
    imap_searching_program_free(searching->program);
    free(searching->hits);
    searching->is_freed = true;
    if (!searching->is_posted)
        free(searching);
}

/* ---- what fits ---- */

static bool add_hit(struct imap_searching *searching,
                    const struct imap_searching_candidate *candidate, struct fault *fault)
{
    if (candidate->modseq > searching->highest_modseq)
        searching->highest_modseq = candidate->modseq;
    searching->found++;
    if (searching->hit_count > 0 &&
        searching->hits[searching->hit_count - 1].last + 1 == candidate->number) {
        searching->hits[searching->hit_count - 1].last++;
        return true;
    }
    if (searching->hit_count == searching->hit_capacity) {
        size_t capacity = searching->hit_capacity == 0 ? 64 : 2 * searching->hit_capacity;
        struct imap_range *larger = realloc(searching->hits, capacity * sizeof *larger);
        if (larger == NULL)
            return fault_set_memory(fault);
        searching->hits = larger;
        searching->hit_capacity = capacity;
    }
    searching->hits[searching->hit_count++] =
        (struct imap_range){candidate->number, candidate->number};
    return true;
}

/* RFC 9051 6.4.4: who asks only for the first or the last need not wait for the others. */
static bool wants_ends_only(const struct imap_searching *searching)
{
    unsigned ends = IMAP_RETURN_MIN | IMAP_RETURN_MAX;
    return (searching->returns & ends) != 0 &&
           (searching->returns & ~(ends | IMAP_RETURN_SAVE)) == 0;
}

/* After a hit at one end: the other, or nothing more. */
static void turn(struct imap_searching *searching)
{
    if (!searching->is_backward && (searching->returns & IMAP_RETURN_MAX) != 0)
        searching->is_backward = true;
    else
        searching->back = searching->front;
}

static bool take_candidates(struct imap_searching *searching,
                            const struct imap_searching_candidate *candidates, size_t count,
                            struct fault *fault)
{
    bool ends_only = wants_ends_only(searching);
    const struct imap_searching_candidate *last = NULL;
    for (size_t i = 0; i < count; i++) {
        if (candidates[i].answer != IMAP_SEARCHING_YES)
            continue;
        last = &candidates[i];
        if (ends_only && searching->is_backward)
            continue;
        if (!add_hit(searching, last, fault))
            return false;
        if (ends_only) {
            searching->front = last->number; /* the index behind it */
            break;
        }
    }
    if (!ends_only || last == NULL)
        return true;
    if (searching->is_backward && !add_hit(searching, last, fault))
        return false;
    turn(searching);
    return true;
}

/* ---- candidates ---- */

static bool look_at(struct imap_searching *searching, const struct imap_view *view, size_t index,
                    struct imap_searching_candidate *candidate)
{
    const struct imap_view_message *message = &view->messages[index];
    /* RFC 9051 7.5.1: it has a number until the client is told, but nothing else. */
    if ((message->flags & IMAP_VIEW_GONE) != 0)
        return false;
    *candidate = (struct imap_searching_candidate){.number = (uint32_t)index + 1,
                                                   .uid = message->uid,
                                                   .flags = message->flags,
                                                   .modseq = imap_view_modseq_of(view, message)};
    candidate->answer = imap_searching_match_view(searching->program, candidate);
    return candidate->answer != IMAP_SEARCHING_NO;
}

/* Where the view knows everything: a step of it. */
static bool step_through(struct imap_searching *searching, struct fault *fault)
{
    const struct imap_view *view = imap_selection_view(searching->context->selection);
    struct imap_searching_candidate candidate;
    for (size_t i = 0; i < STEP && searching->front < searching->back; i++) {
        size_t index = searching->is_backward ? --searching->back : searching->front++;
        if (look_at(searching, view, index, &candidate) &&
            !take_candidates(searching, &candidate, 1, fault))
            return false;
    }
    return true;
}

/* The next candidates for the worker; none are left when it is empty. */
static void fill_slice(struct imap_searching *searching)
{
    const struct imap_view *view = imap_selection_view(searching->context->selection);
    struct imap_searching_candidate candidate;
    size_t steps = 0;
    imap_searching_slice_begin(searching->slice);
    while (searching->front < searching->back &&
           searching->slice->count < IMAP_SEARCHING_SLICE_MESSAGES && steps++ < STEP) {
        if (look_at(searching, view, searching->front++, &candidate))
            imap_searching_slice_add(searching->slice, &candidate);
    }
}

/* The same from the back, a little at first: the last message is likely to be found there. */
static void fill_slice_backward(struct imap_searching *searching)
{
    size_t front = searching->front;
    size_t back = searching->back;
    size_t size = 2 * searching->backward_size;
    if (size < BACKWARD_MIN)
        size = BACKWARD_MIN;
    if (size > IMAP_SEARCHING_SLICE_MESSAGES)
        size = IMAP_SEARCHING_SLICE_MESSAGES;
    searching->backward_size = size;
    size_t start = back - front > size ? back - size : front;
    searching->front = start;
    fill_slice(searching);
    searching->front = front;
    searching->back = start;
}

static bool is_to_be_read(const struct imap_searching_slice *slice)
{
    for (size_t i = 0; i < slice->count; i++) {
        if (slice->candidates[i].answer == IMAP_SEARCHING_UNKNOWN)
            return true;
    }
    return slice->kept != NULL && slice->count > 0;
}

/* ---- the start ---- */

static unsigned find_returns(const struct imap_searching *searching)
{
    const struct imap_search *search = &searching->command->search;
    if (searching->command->verb != IMAP_SEARCH)
        return 0;
    if (search->has_return)
        return search->returns != 0 ? search->returns : IMAP_RETURN_ALL;
    return imap_context_is_rev2(searching->context) ? IMAP_RETURN_ALL : 0;
}

static bool needs_worker(const struct imap_searching *searching)
{
    if (searching->command->verb != IMAP_SEARCH)
        return true;
    for (unsigned level = IMAP_SEARCHING_ROW; level < IMAP_SEARCHING_LEVELS; level++) {
        if (searching->program->has_level[level])
            return true;
    }
    return false;
}

/* The slice has a program of its own: needles have memory of their own, and the worker's is not the
   loop's. */
static bool make_slice(struct imap_searching *searching, int64_t now, struct fault *fault)
{
    struct imap_selection *selection = searching->context->selection;
    struct imap_searching_kept *kept = NULL;
    struct imap_searching_program *program =
        imap_searching_program_new(selection, &searching->command->search, now, fault);
    if (program == NULL)
        return false;
    if (searching->command->verb != IMAP_SEARCH)
        kept = imap_searching_kept_new(
            searching->command, session_services_orders(searching->context->services),
            imap_selection_mailbox(selection), imap_selection_view(selection)->count, fault);
    if (searching->command->verb == IMAP_SEARCH || kept != NULL)
        searching->slice = imap_searching_slice_new(searching->context, program, kept, fault);
    if (searching->slice != NULL)
        return true;
    imap_searching_program_free(program);
    imap_searching_kept_free(kept);
    return false;
}

static bool start(struct imap_searching *searching, bool *is_charset, struct fault *fault)
{
    struct imap_selection *selection = searching->context->selection;
    int64_t now = clock_wall_microseconds();
    *is_charset = false;
    searching->program =
        imap_searching_program_new(selection, &searching->command->search, now, fault);
    if (searching->program == NULL) {
        *is_charset = fault->kind == FAULT_DENIED;
        return false;
    }
    if (needs_worker(searching) && !make_slice(searching, now, fault))
        return false;
    searching->returns = find_returns(searching);
    searching->is_backward =
        wants_ends_only(searching) && (searching->returns & IMAP_RETURN_MIN) == 0;
    searching->back = imap_selection_view(selection)->told;
    searching->stage = IMAP_SEARCHING_LOOKS;
    return true;
}

/* ---- the course ---- */

static enum imap_progress wait_for_loop(struct imap_searching *searching)
{
    searching->is_posted = true;
    loop_post(searching->loop, &searching->again);
    return IMAP_WAITS;
}

/* The next candidates: to the worker where something must be read of them. */
static bool send_slice(struct imap_searching *searching, enum imap_progress *progress,
                       struct fault *fault)
{
    struct imap_searching_slice *slice = searching->slice;
    if (searching->is_backward)
        fill_slice_backward(searching);
    else
        fill_slice(searching);
    if (is_to_be_read(slice)) {
        searching->is_slice_out = true;
        imap_searching_slice_submit(slice);
        *progress = IMAP_WAITS;
        return true;
    }
    if (!take_candidates(searching, slice->candidates, slice->count, fault))
        return false;
    *progress = searching->front < searching->back ? wait_for_loop(searching) : IMAP_DONE;
    return true;
}

/* IMAP_DONE: all candidates were looked at. */
static bool look_with_worker(struct imap_searching *searching, enum imap_progress *progress,
                             struct fault *fault)
{
    struct imap_searching_slice *slice = searching->slice;
    *progress = IMAP_WAITS;
    if (searching->is_slice_out) {
        if (slice->fault.kind != FAULT_NONE) {
            *fault = slice->fault;
            return false;
        }
        if (!slice->is_done) {
            imap_searching_slice_submit(slice);
            return true;
        }
        searching->is_slice_out = false;
        if (slice->kept == NULL &&
            !take_candidates(searching, slice->candidates, slice->count, fault))
            return false;
    }
    if (searching->front < searching->back)
        return send_slice(searching, progress, fault);
    *progress = IMAP_DONE;
    return true;
}

static bool look(struct imap_searching *searching, enum imap_progress *progress,
                 struct fault *fault)
{
    if (searching->slice != NULL)
        return look_with_worker(searching, progress, fault);
    if (!step_through(searching, fault))
        return false;
    *progress = searching->front < searching->back ? wait_for_loop(searching) : IMAP_DONE;
    return true;
}

static bool begin_answer(struct imap_searching *searching, struct fault *fault)
{
    searching->stage = IMAP_SEARCHING_ANSWERS;
    return (searching->returns & IMAP_RETURN_SAVE) == 0 ||
           imap_searching_answer_save(searching, fault);
}

/* What is ready goes on at once, up to the answer. */
static bool go_on(struct imap_searching *searching, enum imap_progress *progress,
                  struct fault *fault)
{
    *progress = IMAP_WAITS;
    if (searching->is_posted || (searching->slice != NULL && searching->slice->is_working))
        return true;
    if (searching->stage == IMAP_SEARCHING_LOOKS) {
        if (!look(searching, progress, fault))
            return false;
        if (*progress != IMAP_DONE)
            return true;
        if (searching->slice != NULL && searching->slice->kept != NULL) {
            searching->stage = IMAP_SEARCHING_ORDERS;
            imap_searching_slice_finish(searching->slice);
            *progress = IMAP_WAITS;
            return true;
        }
        return begin_answer(searching, fault);
    }
    if (searching->slice->fault.kind != FAULT_NONE) {
        *fault = searching->slice->fault;
        return false;
    }
    *progress = IMAP_DONE;
    return begin_answer(searching, fault);
}

static enum imap_progress refuse_charset(struct imap_result *result)
{
    imap_result_set(result, IMAP_NO, "BADCHARSET (", "This charset is not known here");
    const char *name;
    for (size_t i = 0; (name = message_text_charset(i)) != NULL; i++) {
        if (i > 0)
            buffer_append_char(&result->code, ' ');
        buffer_append_string(&result->code, name);
    }
    buffer_append_char(&result->code, ')');
    return IMAP_DONE;
}

/* RFC 5182 2.1: what fails leaves nothing behind. */
static enum imap_progress fail(struct imap_searching *searching, struct imap_result *result,
                               const struct fault *fault, bool is_charset)
{
    if (is_charset)
        refuse_charset(result);
    else
        imap_result_fault(result, searching->context, SESSION_TROUBLE_READ, fault);
    if (result->status == IMAP_NO && (searching->command->search.returns & IMAP_RETURN_SAVE) != 0)
        imap_selection_save(searching->context->selection, NULL, 0);
    return IMAP_DONE;
}

enum imap_progress imap_searching_go_on(struct imap_searching *searching,
                                        struct imap_result *result, int64_t now)
{
    struct fault fault;
    bool is_charset;
    (void)now;
    if (searching->stage == IMAP_SEARCHING_STARTS && !start(searching, &is_charset, &fault))
        return fail(searching, result, &fault, is_charset);
    if (searching->stage != IMAP_SEARCHING_ANSWERS) {
        enum imap_progress progress;
        if (!go_on(searching, &progress, &fault))
            return fail(searching, result, &fault, false);
        if (progress != IMAP_DONE)
            return progress;
    }
    if (!imap_searching_answer_write(searching))
        return IMAP_FULL;
    return imap_result_set(result, IMAP_OK, NULL, "Completed");
}
