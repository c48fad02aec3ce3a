/* The job that sets \Seen; it comes back to the loop although the command may be gone. */
#include "session/imap_fetching_seen.h"

#include <stdlib.h>

#include "store/store_change.h"
#include "store/store_delivery.h"

struct imap_fetching_seen {
    struct store_flag_change change; /* first */
    struct loop_task done;
    struct loop *loop;
    struct loop_task *told; /* NULL: nobody waits any more */
    struct store_uid_range *uids;
    struct imap_range *numbers;
    size_t number_count;
    bool is_done;
};

static void free_now(struct imap_fetching_seen *seen)
{
    store_flag_change_clear(&seen->change);
    free(seen->uids);
    free(seen->numbers);
    free(seen);
}

void imap_fetching_seen_free(struct imap_fetching_seen *seen)
{
    if (seen == NULL)
        return;
    seen->told = NULL;
    if (seen->is_done)
        free_now(seen);
}

/* On the loop's thread. */
static void come_back(struct loop_task *task)
{
    struct imap_fetching_seen *seen =
        (struct imap_fetching_seen *)((char *)task - offsetof(struct imap_fetching_seen, done));
    seen->is_done = true;
    if (seen->told == NULL)
        free_now(seen);
    else
        seen->told->run(seen->told);
}

/* On a thread of the store. */
static void finish(struct store_job *job)
{
    struct imap_fetching_seen *seen = (struct imap_fetching_seen *)job;
    loop_post(seen->loop, &seen->done);
}

static bool add_number(struct imap_fetching_seen *seen, size_t *capacity, uint32_t number,
                       struct fault *fault)
{
    if (seen->number_count > 0 && seen->numbers[seen->number_count - 1].last + 1 == number) {
        seen->numbers[seen->number_count - 1].last = number;
        return true;
    }
    if (seen->number_count == *capacity) {
        size_t wanted = *capacity == 0 ? 8 : *capacity * 2;
        void *grown = reallocarray(seen->numbers, wanted, sizeof *seen->numbers);
        if (grown == NULL)
            return fault_set_memory(fault);
        seen->numbers = grown;
        *capacity = wanted;
    }
    seen->numbers[seen->number_count++] = (struct imap_range){number, number};
    return true;
}

/* Those that lack the flag. */
static bool choose(struct imap_fetching_seen *seen, const struct imap_view *view,
                   const struct imap_range *numbers, size_t count, uint64_t changed_since,
                   struct fault *fault)
{
    size_t capacity = 0;
    for (size_t i = 0; i < count; i++) {
        for (uint32_t number = numbers[i].first; number <= numbers[i].last; number++) {
            const struct imap_view_message *message = &view->messages[number - 1];
            if ((message->flags & (STORE_FLAG_SEEN | IMAP_VIEW_GONE)) == 0 &&
                imap_view_modseq_of(view, message) > changed_since &&
                !add_number(seen, &capacity, number, fault))
                return false;
        }
    }
    return true;
}

static bool prepare(struct imap_fetching_seen *seen, const struct imap_view *view,
                    const struct imap_range *numbers, size_t count, uint64_t changed_since,
                    struct fault *fault)
{
    size_t range_count;
    if (!choose(seen, view, numbers, count, changed_since, fault))
        return false;
    if (seen->number_count == 0)
        return true;
    if (!imap_view_uid_ranges(view, seen->numbers, seen->number_count, &seen->uids, &range_count,
                              fault))
        return false;
    seen->change.ranges = seen->uids;
    seen->change.range_count = range_count;
    return true;
}

bool imap_fetching_seen_begin(struct imap_context *context, const struct imap_range *numbers,
                              size_t count, uint64_t changed_since, struct imap_fetching_seen **out,
                              struct fault *fault)
{
    struct imap_fetching_seen *seen = calloc(1, sizeof *seen);
    if (seen == NULL)
        return fault_set_memory(fault);
    if (!prepare(seen, imap_selection_view(context->selection), numbers, count, changed_since,
                 fault)) {
        free_now(seen);
        return false;
    }
    if (seen->number_count == 0) {
        free_now(seen);
        *out = NULL;
        return true;
    }
    seen->done.run = come_back;
    seen->loop = context->identity->loop;
    seen->told = context->told;
    seen->change.job.done = finish;
    seen->change.store = context->services->store;
    seen->change.mailbox = imap_selection_mailbox(context->selection);
    seen->change.mode = STORE_FLAGS_ADD;
    seen->change.flags = STORE_FLAG_SEEN;
    seen->change.unchanged_since = UINT64_MAX;
    *out = seen;
    store_flag_change_submit(&seen->change);
    return true;
}

bool imap_fetching_seen_is_done(const struct imap_fetching_seen *seen)
{
    return seen->is_done;
}

void imap_fetching_seen_apply(struct imap_fetching_seen *seen, struct imap_context *context,
                              int64_t now)
{
    const struct store_flag_change *change = &seen->change;
    /* What was asked for was given all the same: mail can be read when nothing can be written. */
    if (!change->job.is_done) {
        session_services_tell_trouble(context->services, SESSION_TROUBLE_WRITE,
                                      context->identity->id, &change->job.fault, now);
        imap_view_tell_again(imap_selection_view(context->selection), seen->numbers,
                             seen->number_count);
        return;
    }
    if (change->modseq == 0)
        return;
    imap_view_set_flags(imap_selection_view(context->selection), seen->numbers, seen->number_count,
                        STORE_FLAGS_ADD, change->bits, change->modseq, true, NULL, 0);
    imap_selection_saw(context->selection, change->modseq);
}
