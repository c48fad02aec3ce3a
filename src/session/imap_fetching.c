/* The course of a FETCH on the loop: what the view answers alone is written here, all else by one
 * worker at a time, who is a slice ahead of what is being sent. */
#include "session/imap_fetching.h"

#include <stdlib.h>

#include "imap/imap_write.h"
#include "session/imap_fetching_seen.h"
#include "session/imap_fetching_slice.h"
#include "store/store_delivery.h"

enum {
    VANISHED_LINE = 8000 /* bytes of a VANISHED response, about: there may be several */
};

enum stage {
    STAGE_START = 0,
    STAGE_VANISHED, /* a worker reads what vanished */
    STAGE_MESSAGES,
    STAGE_END
};

struct imap_fetching {
    struct worker_job job;        /* first */
    struct imap_context *context; /* NULL: the command is gone */
    struct session_services *services;
    struct loop *loop;
    const struct imap_fetch *fetch; /* until the command is gone */
    uint64_t changed_since;         /* 0 = of all */
    bool is_uid;
    enum stage stage;
    bool is_working;
    bool is_inside; /* what was sent ends in the middle of a line */
    struct fault fault;

    struct imap_fetching_plan plan;
    struct imap_range *ranges; /* numbers, in the plan's arena */
    size_t range_count;
    size_t range; /* where the next message is */
    uint32_t number;
    bool has_gone;

    struct imap_fetching_slice slice;
    size_t capacity; /* of its slots */

    struct imap_fetching_seen *seen;
    struct store_uid_range *within; /* VANISHED */
    size_t within_count;
    struct store_vanished vanished;
};

/* ---- life ---- */

struct imap_fetching *imap_fetching_new(struct imap_context *context,
                                        const struct imap_command *command, struct fault *fault)
{
    struct imap_fetching *fetching = calloc(1, sizeof *fetching);
    if (fetching == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    if (!imap_fetching_plan_init(&fetching->plan, &command->fetch, imap_context_is_rev2(context),
                                 fault)) {
        free(fetching);
        return NULL;
    }
    fetching->context = context;
    fetching->services = context->services;
    fetching->loop = context->identity->loop;
    fetching->fetch = &command->fetch;
    if (command->fetch.has_changed_since)
        fetching->changed_since = command->fetch.changed_since;
    fetching->is_uid = command->is_uid;
    fetching->slice = (struct imap_fetching_slice){
        .plan = &fetching->plan,
        .size = IMAP_SLICE,
        .mailbox = imap_selection_mailbox(context->selection),
        .scratch = BUFFER(IMAP_FETCHING_TEXT_MAX),
        .decoded = BUFFER(IMAP_FETCHING_TEXT_MAX),
        .text = BUFFER(IMAP_FETCHING_TEXT_MAX),
    };
    return fetching;
}

static void free_now(struct imap_fetching *fetching)
{
    imap_fetching_slice_clear(&fetching->slice);
    imap_fetching_plan_clear(&fetching->plan);
    store_vanished_clear(&fetching->vanished);
    free(fetching->within);
    free(fetching->slice.slots);
    free(fetching);
}

void imap_fetching_free(struct imap_fetching *fetching)
{
    if (fetching == NULL)
        return;
    imap_fetching_seen_free(fetching->seen);
    fetching->seen = NULL;
    fetching->context = NULL;
    if (!fetching->is_working)
        free_now(fetching);
}

/* ---- work ---- */

static void run_slice(struct worker_job *job, void *context)
{
    struct imap_fetching *fetching = (struct imap_fetching *)job;
    if (context == NULL)
        fault_set(&fetching->fault, FAULT_TEMPORARY, "the store cannot be reached");
    else
        imap_fetching_slice_run(&fetching->slice, context, &fetching->fault);
}

static void run_vanished(struct worker_job *job, void *context)
{
    struct imap_fetching *fetching = (struct imap_fetching *)job;
    if (context == NULL)
        fault_set(&fetching->fault, FAULT_TEMPORARY, "the store cannot be reached");
    else
        store_vanished_read(context, fetching->slice.mailbox, fetching->changed_since,
                            fetching->within, fetching->within_count, &fetching->vanished,
                            &fetching->fault);
}

static void come_back(struct loop_task *task)
{
    struct imap_fetching *fetching =
        (struct imap_fetching *)((char *)task - offsetof(struct imap_fetching, job.done));
    fetching->is_working = false;
    if (fetching->context == NULL)
        free_now(fetching);
    else
        fetching->context->told->run(fetching->context->told);
}

static enum imap_progress submit(struct imap_fetching *fetching,
                                 void (*run)(struct worker_job *job, void *context))
{
    fault_clear(&fetching->fault);
    fetching->is_working = true;
    fetching->job =
        (struct worker_job){.run = run, .done = {.run = come_back}, .loop = fetching->loop};
    worker_submit(fetching->services->workers, &fetching->job);
    return IMAP_WAITS;
}

/* ---- messages of the view ---- */

/* The next that is asked for and there. False: there is none. */
static bool next_message(struct imap_fetching *fetching, const struct imap_view *view,
                         struct imap_fetching_slot *slot)
{
    while (fetching->range < fetching->range_count) {
        const struct imap_range *range = &fetching->ranges[fetching->range];
        if (fetching->number < range->first)
            fetching->number = range->first;
        while (fetching->number <= range->last) {
            const struct imap_view_message *message = &view->messages[fetching->number - 1];
            *slot = (struct imap_fetching_slot){fetching->number++, message->uid, message->flags,
                                                imap_view_modseq_of(view, message), false};
            /* RFC 7162 3.1.4.1. */
            if (slot->modseq <= fetching->changed_since)
                continue;
            if ((slot->flags & IMAP_VIEW_GONE) == 0) {
                slot->tells_seen = fetching->seen != NULL && (slot->flags & STORE_FLAG_SEEN) == 0;
                if (slot->tells_seen)
                    slot->flags |= STORE_FLAG_SEEN;
                return true;
            }
            fetching->has_gone = true;
        }
        fetching->range++;
    }
    return false;
}

static size_t count_numbers(const struct imap_fetching *fetching)
{
    size_t count = 0;
    for (size_t i = 0; i < fetching->range_count; i++)
        count += (size_t)fetching->ranges[i].last - fetching->ranges[i].first + 1;
    return count;
}

static bool make_slots(struct imap_fetching *fetching)
{
    size_t count = count_numbers(fetching);
    if (count > IMAP_FETCHING_SLOTS_MAX)
        count = IMAP_FETCHING_SLOTS_MAX;
    fetching->slice.slots = calloc(count > 0 ? count : 1, sizeof *fetching->slice.slots);
    fetching->capacity = count;
    return fetching->slice.slots != NULL || fault_set_memory(&fetching->fault);
}

static void fill_slots(struct imap_fetching *fetching)
{
    struct imap_fetching_slice *slice = &fetching->slice;
    const struct imap_view *view = imap_selection_view(fetching->context->selection);
    slice->count = 0;
    slice->done = 0;
    while (slice->count < fetching->capacity &&
           next_message(fetching, view, &slice->slots[slice->count]))
        slice->count++;
}

/* Names of keywords for a worker, who must not look into the view. */
static bool copy_keywords(struct imap_fetching *fetching)
{
    const struct store_keywords *from =
        &imap_selection_view(fetching->context->selection)->keywords;
    struct arena *arena = &fetching->plan.arena;
    struct bytes *names = arena_allocate_array(arena, from->count, sizeof *names);
    if (names == NULL)
        return fault_set_memory(&fetching->fault);
    for (size_t i = 0; i < from->count; i++) {
        names[i] = bytes_of(arena_copy_string(arena, from->names[i]), from->names[i].length);
        if (names[i].data == NULL)
            return fault_set_memory(&fetching->fault);
    }
    fetching->slice.keywords = names;
    fetching->slice.keyword_count = from->count;
    return true;
}

/* ---- what vanished ---- */

static bool choose_vanished(struct imap_fetching *fetching)
{
    const struct imap_sequence *sequence = &fetching->fetch->sequence;
    const struct imap_view *view = imap_selection_view(fetching->context->selection);
    if (sequence->is_saved)
        return imap_view_uid_ranges(view, fetching->ranges, fetching->range_count,
                                    &fetching->within, &fetching->within_count, &fetching->fault);
    struct imap_range *uids =
        arena_allocate_array(&fetching->plan.arena, sequence->count, sizeof *uids);
    fetching->within = calloc(sequence->count, sizeof *fetching->within);
    if (uids == NULL || fetching->within == NULL)
        return fault_set_memory(&fetching->fault);
    /* "*" takes in those that were the last ones: a client that asks for 1:* asks for all. */
    uint32_t largest = view->uidnext - 1;
    fetching->within_count = imap_sequence_order(sequence->ranges, sequence->count, largest, uids);
    for (size_t i = 0; i < fetching->within_count; i++)
        fetching->within[i] = (struct store_uid_range){uids[i].first, uids[i].last};
    return true;
}

/* The line so far ends where a line has enough. */
static void write_vanished_range(struct buffer *out, size_t *start, uint32_t first, uint32_t last)
{
    if (*start != SIZE_MAX && out->length - *start > VANISHED_LINE) {
        buffer_append(out, BYTES("\r\n"));
        *start = SIZE_MAX;
    }
    if (*start == SIZE_MAX) {
        *start = out->length;
        buffer_append(out, BYTES("* VANISHED (EARLIER) "));
    } else {
        buffer_append_char(out, ',');
    }
    imap_write_number(out, first);
    if (last > first) {
        buffer_append_char(out, ':');
        imap_write_number(out, last);
    }
}

/* RFC 7162 3.2.10.1. Those that still have a number in the view are told as they lose it. */
static void write_vanished(const struct imap_fetching *fetching, struct buffer *out)
{
    const struct imap_view *view = imap_selection_view(fetching->context->selection);
    size_t start = SIZE_MAX;
    for (size_t i = 0; i < fetching->vanished.count; i++) {
        struct store_uid_range range = fetching->vanished.ranges[i];
        uint64_t first = range.first;
        for (size_t at = imap_view_find(view, range.first);
             at < view->told && view->messages[at].uid <= range.last; at++) {
            uint32_t uid = view->messages[at].uid;
            if (first < uid)
                write_vanished_range(out, &start, (uint32_t)first, uid - 1);
            first = (uint64_t)uid + 1;
        }
        if (first <= range.last)
            write_vanished_range(out, &start, (uint32_t)first, range.last);
    }
    if (start != SIZE_MAX)
        buffer_append(out, BYTES("\r\n"));
}

/* ---- the stages ---- */

static enum imap_progress fail(struct imap_fetching *fetching, struct imap_result *result)
{
    fetching->stage = STAGE_END;
    /* The client was told how many bytes there would be: nothing else can be said. */
    if (fetching->is_inside)
        imap_server_fail(fetching->context->engine, "a message could not be read to its end");
    return imap_result_fault(result, fetching->context, SESSION_TROUBLE_READ, &fetching->fault);
}

/* Hands the text over. False: not while so much waits. */
static bool hand_over(struct imap_fetching *fetching)
{
    if (fetching->slice.text.length == 0)
        return true;
    struct imap_server *engine = fetching->context->engine;
    if (imap_server_is_full(engine))
        return false;
    /* Who has read all that there was gets more at once: fewer trips between threads. */
    bool is_quick = imap_server_text(engine)->length == 0;
    if (!is_quick)
        fetching->slice.size = IMAP_SLICE;
    else if (fetching->slice.size < IMAP_FETCHING_SLICE_MAX)
        fetching->slice.size *= 2;
    imap_server_take_text(engine, &fetching->slice.text);
    fetching->is_inside = fetching->slice.rest.is_open;
    return true;
}

/* What the view answers alone, as long as there is room. */
static enum imap_progress write_of_view(struct imap_fetching *fetching, struct imap_result *result)
{
    struct imap_fetching_slice *slice = &fetching->slice;
    const struct imap_view *view = imap_selection_view(fetching->context->selection);
    struct imap_fetching_slot slot;
    bool has_more = true;
    slice->keywords = view->keywords.names;
    slice->keyword_count = view->keywords.count;
    while (hand_over(fetching) && has_more) {
        buffer_reserve(&slice->text, IMAP_SLICE + IMAP_SLICE / 4);
        while (slice->text.length < IMAP_SLICE && !buffer_is_failed(&slice->text) &&
               (has_more = next_message(fetching, view, &slot)))
            imap_fetching_message_write(slice, NULL, &slot, NULL, NULL);
        if (buffer_is_failed(&slice->text)) {
            fault_set_memory(&fetching->fault);
            return fail(fetching, result);
        }
    }
    if (has_more || slice->text.length > 0)
        return IMAP_FULL;
    fetching->stage = STAGE_END;
    return IMAP_DONE;
}

static enum imap_progress go_on_with_messages(struct imap_fetching *fetching,
                                              struct imap_result *result)
{
    struct imap_fetching_slice *slice = &fetching->slice;
    if (fetching->plan.is_of_view)
        return write_of_view(fetching, result);
    if (fetching->fault.kind != FAULT_NONE)
        return fail(fetching, result);
    if (!hand_over(fetching))
        return IMAP_FULL;
    if (slice->done == slice->count)
        fill_slots(fetching);
    if (slice->count > 0)
        return submit(fetching, run_slice);
    fetching->stage = STAGE_END;
    return IMAP_DONE;
}

static bool begin(struct imap_fetching *fetching)
{
    struct imap_context *context = fetching->context;
    if (!imap_selection_resolve(context->selection, &fetching->fetch->sequence, fetching->is_uid,
                                &fetching->plan.arena, &fetching->ranges, &fetching->range_count,
                                &fetching->fault))
        return false;
    if (!fetching->plan.is_of_view &&
        (!make_slots(fetching) ||
         ((fetching->plan.has_flags || fetching->plan.sets_seen) && !copy_keywords(fetching))))
        return false;
    if (fetching->fetch->wants_vanished && !choose_vanished(fetching))
        return false;
    return !fetching->plan.sets_seen || imap_selection_is_read_only(context->selection) ||
           imap_fetching_seen_begin(context, fetching->ranges, fetching->range_count,
                                    fetching->changed_since, &fetching->seen, &fetching->fault);
}

static enum imap_progress start(struct imap_fetching *fetching, struct imap_result *result)
{
    if (!begin(fetching)) {
        fetching->stage = STAGE_END;
        return imap_result_fault(result, fetching->context, SESSION_TROUBLE_MEMORY,
                                 &fetching->fault);
    }
    fetching->stage = STAGE_MESSAGES;
    if (fetching->within_count == 0)
        return go_on_with_messages(fetching, result);
    fetching->stage = STAGE_VANISHED;
    return submit(fetching, run_vanished);
}

static enum imap_progress end(struct imap_fetching *fetching, struct imap_result *result,
                              int64_t now)
{
    struct imap_fetching_slice *slice = &fetching->slice;
    if (fetching->seen != NULL) {
        if (!imap_fetching_seen_is_done(fetching->seen))
            return IMAP_WAITS;
        imap_fetching_seen_apply(fetching->seen, fetching->context, now);
    }
    if (slice->is_damaged) {
        session_services_tell_trouble(fetching->services, SESSION_TROUBLE_READ,
                                      fetching->context->identity->id, &slice->damage, now);
        return imap_result_set(result, IMAP_NO, "CORRUPTION", "Some messages are damaged");
    }
    /* RFC 3516 4.3. */
    if (slice->has_unknown_encoding)
        return imap_result_set(result, IMAP_NO, "UNKNOWN-CTE", "An encoding is not known");
    if (!slice->has_gone && !fetching->has_gone)
        return imap_result_set(result, IMAP_OK, NULL, "Fetch completed");
    /* RFC 2180 4.1; UIDs that are not there are no error (RFC 9051 6.4.9). */
    if (fetching->is_uid || fetching->plan.is_of_view)
        return imap_result_set(result, IMAP_OK, "EXPUNGEISSUED", "Fetch completed");
    return imap_result_set(result, IMAP_NO, "EXPUNGEISSUED", "Some messages are no longer there");
}

enum imap_progress imap_fetching_go_on(struct imap_fetching *fetching, struct imap_result *result,
                                       int64_t now)
{
    enum imap_progress progress = IMAP_WAITS;
    if (fetching->is_working)
        return IMAP_WAITS;
    switch (fetching->stage) {
    case STAGE_START:
        progress = start(fetching, result);
        break;
    case STAGE_VANISHED:
        if (fetching->fault.kind != FAULT_NONE)
            return fail(fetching, result);
        write_vanished(fetching, imap_server_text(fetching->context->engine));
        fetching->stage = STAGE_MESSAGES;
        progress = go_on_with_messages(fetching, result);
        break;
    case STAGE_MESSAGES:
        progress = go_on_with_messages(fetching, result);
        break;
    case STAGE_END:
        break;
    }
    if (fetching->stage != STAGE_END || fetching->fault.kind != FAULT_NONE)
        return progress;
    return end(fetching, result, now);
}
