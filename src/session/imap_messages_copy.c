/* COPY and MOVE (RFC 9051 6.4.7, 6.4.8; RFC 4315, RFC 6851): a worker finds the target. COPY is one
 * job that does all or nothing, whatever its size; MOVE goes by so many messages at a time that
 * others may write between. */
#include "base/clock.h"
#include "imap/imap_write.h"
#include "session/imap_messages_inside.h"

/* ---- the target ---- */

static void find(struct worker_job *job, void *context)
{
    struct imap_messages *messages =
        (struct imap_messages *)((char *)job - offsetof(struct imap_messages, find));
    if (context == NULL)
        fault_set(&messages->fault, FAULT_TEMPORARY, "the store cannot be reached");
    else
        store_mailbox_find(context, messages->account, messages->target, false, &messages->found,
                           &messages->is_found, &messages->fault);
}

/* RFC 9051 6.4.9: a set of UIDs that fits no message is not an error, nor is a "$" that is empty.
   Numbers are of messages that the client believes to be there (RFC 2180 4.4.1, RFC 5530 3). */
static enum imap_progress finish_nothing(const struct imap_messages *messages,
                                         struct imap_result *result)
{
    return messages->command->is_uid || messages->number_count == 0
               ? imap_result_set(result, IMAP_OK, NULL, "There are no such messages")
               : imap_result_set(result, IMAP_NO, "EXPUNGEISSUED",
                                 "The messages are no longer there");
}

static enum imap_progress begin(struct imap_messages *messages, struct imap_result *result)
{
    struct bytes name = messages->command->mailbox;
    if (messages->verb == IMAP_MOVE && imap_selection_is_read_only(messages->context->selection))
        return imap_messages_refuse_read_only(result);
    if (!imap_messages_resolve(messages, &messages->command->sequence, result) ||
        !imap_messages_find_uids(messages, messages->numbers, messages->number_count, result))
        return IMAP_DONE;
    if (messages->range_count == 0)
        return finish_nothing(messages, result);
    if (messages->verb == IMAP_MOVE && !imap_messages_make_slice(messages)) {
        struct fault fault;
        fault_set_memory(&fault);
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_MEMORY, &fault);
    }
    messages->target = bytes_of(arena_copy_string(&messages->arena, name), name.length);
    if (messages->target.data == NULL) {
        struct fault fault;
        fault_set_memory(&fault);
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_MEMORY, &fault);
    }
    imap_messages_ask_worker(messages, find);
    return IMAP_WAITS;
}

static enum imap_progress refuse_target(struct imap_result *result)
{
    /* RFC 9051 6.4.7: it could be made. */
    return imap_result_set(result, IMAP_NO, "TRYCREATE", "There is no such mailbox");
}

/* ---- what was done ---- */

static void write_range(struct buffer *out, uint32_t first, uint32_t last)
{
    imap_write_number(out, first);
    if (last == first)
        return;
    buffer_append_char(out, ':');
    imap_write_number(out, last);
}

/* RFC 4315 3. False: it would be longer than a code may be, and is left out. */
static bool write_code(const struct store_copy *copy, struct buffer *out)
{
    buffer_append_string(out, "COPYUID ");
    imap_write_number(out, copy->uidvalidity);
    for (size_t i = 0; i < copy->copied_count; i++) {
        buffer_append_char(out, i == 0 ? ' ' : ',');
        write_range(out, copy->copied[i].first, copy->copied[i].last);
    }
    buffer_append_char(out, ' ');
    write_range(out, copy->first_uid, copy->first_uid + copy->count - 1);
    return !buffer_is_failed(out);
}

static enum imap_progress finish_copy(const struct store_copy *copy, struct imap_result *result)
{
    imap_result_set(result, IMAP_OK, NULL, "COPY completed");
    if (!write_code(copy, &result->code))
        buffer_reset(&result->code);
    return IMAP_DONE;
}

/* Tells what one job has moved. */
static void take_moved(struct imap_messages *messages)
{
    const struct store_copy *copy = &messages->copy;
    struct imap_view *view = imap_messages_view(messages);
    struct buffer *out = imap_server_text(messages->context->engine);
    if (copy->count == 0)
        return;
    messages->has_found = true;
    /* RFC 6851 4.3: before the messages are told as removed. */
    buffer_reset(&messages->code);
    if (write_code(copy, &messages->code)) {
        buffer_append_string(out, "* OK [");
        buffer_append(out, buffer_bytes(&messages->code));
        buffer_append_string(out, "] Moved\r\n");
    }
    /* In the same mailbox the copies are new, which only a reading brings. */
    bool is_same = copy->target == copy->mailbox;
    imap_view_remove(view, copy->copied, copy->copied_count, is_same ? 0 : copy->modseq);
    if (!is_same && view->modseq == copy->modseq)
        imap_selection_saw(messages->context->selection, copy->modseq);
}

static enum imap_progress finish_move(struct imap_messages *messages, struct imap_result *result)
{
    if (!messages->has_found)
        return finish_nothing(messages, result);
    imap_result_set(result, IMAP_OK, NULL, "MOVE completed");
    /* RFC 7162 3.2.7 in the case of MOVE (RFC 9051 6.4.8 behaves as EXPUNGE). */
    if ((imap_server_enabled(messages->context->engine) & IMAP_ENABLED_CONDSTORE) != 0) {
        buffer_append_string(&result->code, "HIGHESTMODSEQ ");
        imap_write_number(&result->code, imap_messages_view(messages)->modseq);
    }
    return IMAP_DONE;
}

/* ---- jobs ---- */

/* All that COPY names, the next slice of MOVE. */
static enum imap_progress submit_next(struct imap_messages *messages, struct imap_result *result)
{
    messages->range_count = messages->verb == IMAP_MOVE ? 0 : messages->range_count;
    while (messages->range_count == 0) {
        if (!imap_messages_take_slice(messages, IMAP_MESSAGES_MOVE_SLICE))
            return finish_move(messages, result);
        if (!imap_messages_find_uids(messages, messages->slice, messages->slice_count, result))
            return IMAP_DONE;
    }
    store_copy_clear(&messages->copy);
    messages->copy = (struct store_copy){
        .store = messages->services->store,
        .account = messages->account,
        .mailbox = imap_selection_mailbox(messages->context->selection),
        .ranges = messages->ranges,
        .range_count = messages->range_count,
        .target = messages->found.id,
        .is_move = messages->verb == IMAP_MOVE,
        .now = clock_wall_microseconds(),
    };
    imap_messages_lend(messages);
    store_copy_submit(&messages->copy);
    return IMAP_WAITS;
}

static enum imap_progress hear_found(struct imap_messages *messages, struct imap_result *result)
{
    if (messages->fault.kind != FAULT_NONE)
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_READ, &messages->fault);
    if (!messages->is_found || !messages->found.is_selectable)
        return refuse_target(result);
    return submit_next(messages, result);
}

static enum imap_progress hear(struct imap_messages *messages, struct imap_result *result)
{
    const struct store_copy *copy = &messages->copy;
    if (copy->job.is_done && copy->is_move) {
        take_moved(messages);
        return submit_next(messages, result);
    }
    if (copy->job.is_done)
        return copy->count == 0 ? finish_nothing(messages, result) : finish_copy(copy, result);
    /* RFC 5530 3 */
    if (copy->job.fault.kind == FAULT_LIMIT)
        return imap_result_set(result, IMAP_NO, "OVERQUOTA", "There is no room for the copies");
    if (copy->job.fault.kind == FAULT_PERMANENT)
        return refuse_target(result);
    return imap_result_fault(result, messages->context, SESSION_TROUBLE_WRITE, &copy->job.fault);
}

enum imap_progress imap_messages_copy(struct imap_messages *messages, struct imap_result *result)
{
    switch (messages->step) {
    case IMAP_MESSAGES_BEGINS:
        return begin(messages, result);
    case IMAP_MESSAGES_FINDS:
        return hear_found(messages, result);
    case IMAP_MESSAGES_SYNCS:
    case IMAP_MESSAGES_WRITES:
        break;
    }
    return hear(messages, result);
}
