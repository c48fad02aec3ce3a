/* EXPUNGE, UID EXPUNGE and CLOSE (RFC 9051 6.4.1, 6.4.3, 6.4.9; RFC 7162 3.2.7 to 3.2.9). */
#include <stdlib.h>

#include "imap/imap_write.h"
#include "session/imap_messages_inside.h"

/* Adds what is \Deleted from *uid on of these numbers, until there are IMAP_MESSAGES_EXPUNGE_SLICE.
 */
static size_t gather(struct imap_messages *messages, struct imap_range numbers, size_t gathered)
{
    const struct imap_view *view = imap_messages_view(messages);
    size_t from = imap_view_find(view, messages->next_uid);
    size_t at = numbers.first - 1 > from ? numbers.first - 1 : from;
    size_t follower = SIZE_MAX; /* the index that would continue the last range */
    for (; at < numbers.last && gathered < IMAP_MESSAGES_EXPUNGE_SLICE; at++) {
        const struct imap_view_message *message = &view->messages[at];
        messages->next_uid = message->uid + 1;
        if ((message->flags & (STORE_FLAG_DELETED | IMAP_VIEW_GONE)) != STORE_FLAG_DELETED)
            continue;
        if (at != follower)
            messages->ranges[messages->range_count++].first = message->uid;
        messages->ranges[messages->range_count - 1].last = message->uid;
        follower = at + 1;
        gathered++;
    }
    return gathered;
}

/* False: nothing is left to remove. */
static bool take_slice(struct imap_messages *messages)
{
    const struct imap_view *view = imap_messages_view(messages);
    size_t gathered = 0;
    messages->range_count = 0;
    if (!messages->command->is_uid && view->count > 0) {
        /* Those that the client was not told of are among them: it asked for all. */
        gathered = gather(messages, (struct imap_range){1, (uint32_t)view->count}, 0);
    }
    for (size_t i = 0; messages->command->is_uid && i < messages->number_count; i++)
        gathered = gather(messages, messages->numbers[i], gathered);
    return gathered > 0;
}

/* RFC 7162 3.2.7, and not for CLOSE (3.2.8). What is not in step yet is told before the response,
   and has a higher modseq: the client asks for it again at worst. */
static enum imap_progress finish(struct imap_messages *messages, struct imap_result *result)
{
    unsigned enabled = imap_server_enabled(messages->context->engine);
    imap_result_set(result, IMAP_OK, NULL, "Completed");
    if (messages->verb == IMAP_CLOSE || !messages->has_removed ||
        (enabled & IMAP_ENABLED_CONDSTORE) == 0)
        return IMAP_DONE;
    buffer_append_string(&result->code, "HIGHESTMODSEQ ");
    imap_write_number(&result->code, imap_messages_view(messages)->modseq);
    return IMAP_DONE;
}

static enum imap_progress submit_next(struct imap_messages *messages, struct imap_result *result)
{
    if (!take_slice(messages))
        return finish(messages, result);
    store_expunge_clear(&messages->expunge);
    messages->expunge = (struct store_expunge){
        .store = messages->services->store,
        .mailbox = imap_selection_mailbox(messages->context->selection),
        .ranges = messages->ranges,
        .range_count = messages->range_count,
    };
    imap_messages_lend(messages);
    store_expunge_submit(&messages->expunge);
    return IMAP_WAITS;
}

static enum imap_progress begin_removing(struct imap_messages *messages, struct imap_result *result)
{
    if (messages->command->is_uid &&
        !imap_messages_resolve(messages, &messages->command->sequence, result))
        return IMAP_DONE;
    messages->ranges = calloc(IMAP_MESSAGES_EXPUNGE_SLICE, sizeof *messages->ranges);
    if (messages->ranges == NULL) {
        struct fault fault;
        fault_set_memory(&fault);
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_MEMORY, &fault);
    }
    return submit_next(messages, result);
}

/* Somebody else may have set \Deleted. */
static enum imap_progress begin(struct imap_messages *messages, struct imap_result *result)
{
    struct imap_selection *selection = messages->context->selection;
    if (imap_selection_is_read_only(selection))
        return messages->verb == IMAP_CLOSE ? finish(messages, result)
                                            : imap_messages_refuse_read_only(result);
    if (!imap_selection_is_loaded(selection))
        return finish(messages, result);
    messages->step = IMAP_MESSAGES_SYNCS;
    if (imap_selection_is_behind(selection) &&
        imap_selection_sync(selection) == IMAP_SELECTION_WAITS)
        return IMAP_WAITS;
    return begin_removing(messages, result);
}

static enum imap_progress hear_synced(struct imap_messages *messages, struct imap_result *result)
{
    struct imap_selection *selection = messages->context->selection;
    switch (imap_selection_status(selection)) {
    case IMAP_SELECTION_WAITS:
        return IMAP_WAITS;
    case IMAP_SELECTION_FAILED:
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_READ,
                                 imap_selection_fault(selection));
    case IMAP_SELECTION_NONE:
    case IMAP_SELECTION_GONE:
        return imap_result_set(result, IMAP_NO, "NONEXISTENT", "The mailbox was removed");
    case IMAP_SELECTION_READY:
        break;
    }
    return begin_removing(messages, result);
}

static enum imap_progress hear(struct imap_messages *messages, struct imap_result *result)
{
    const struct store_expunge *expunge = &messages->expunge;
    struct imap_view *view = imap_messages_view(messages);
    if (!expunge->job.is_done)
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_WRITE,
                                 &expunge->job.fault);
    if (expunge->modseq != 0) {
        messages->has_removed = true;
        imap_view_remove(view, expunge->removed, expunge->removed_count, expunge->modseq);
        if (view->modseq == expunge->modseq)
            imap_selection_saw(messages->context->selection, expunge->modseq);
    }
    return submit_next(messages, result);
}

enum imap_progress imap_messages_expunge(struct imap_messages *messages, struct imap_result *result)
{
    switch (messages->step) {
    case IMAP_MESSAGES_BEGINS:
        return begin(messages, result);
    case IMAP_MESSAGES_SYNCS:
        return hear_synced(messages, result);
    case IMAP_MESSAGES_FINDS:
    case IMAP_MESSAGES_WRITES:
        break;
    }
    return hear(messages, result);
}
