/* STORE (RFC 9051 6.4.6, RFC 7162 3.1.3): so many messages at a time that others may write between.
 */
#include "imap/imap_write.h"
#include "session/imap_messages_inside.h"

_Static_assert((int)IMAP_STORE_SET == (int)STORE_FLAGS_SET &&
                   (int)IMAP_STORE_ADD == (int)STORE_FLAGS_ADD &&
                   (int)IMAP_STORE_REMOVE == (int)STORE_FLAGS_REMOVE,
               "one is given for the other");
_Static_assert((int)IMAP_FLAG_SEEN == (int)STORE_FLAG_SEEN &&
                   (int)IMAP_FLAG_DRAFT == (int)STORE_FLAG_DRAFT,
               "one is given for the other");

/* ---- [MODIFIED] ---- */

static void end_modified_range(struct imap_messages *messages)
{
    struct buffer *code = &messages->code;
    if (messages->modified_first == 0)
        return;
    buffer_append_string(code, code->length == 0 ? "MODIFIED " : ",");
    imap_write_number(code, messages->modified_first);
    if (messages->modified_last > messages->modified_first) {
        buffer_append_char(code, ':');
        imap_write_number(code, messages->modified_last);
    }
    messages->modified_first = 0;
}

static void add_modified(struct imap_messages *messages, uint32_t number)
{
    if (messages->modified_first != 0 && messages->modified_last + 1 == number) {
        messages->modified_last = number;
        return;
    }
    end_modified_range(messages);
    messages->modified_first = messages->modified_last = number;
}

/* Numbers or UIDs, as the command has named them. */
static void gather_modified(struct imap_messages *messages)
{
    const struct imap_view *view = imap_messages_view(messages);
    const struct store_flag_change *change = &messages->change;
    for (size_t i = 0; i < change->refused_count; i++) {
        const struct store_uid_range *range = &change->refused[i];
        for (size_t at = imap_view_find(view, range->first);
             at < view->told && view->messages[at].uid <= range->last; at++)
            if ((view->messages[at].flags & IMAP_VIEW_GONE) == 0)
                add_modified(messages,
                             messages->command->is_uid ? view->messages[at].uid : (uint32_t)at + 1);
    }
}

/* ---- slices ---- */

static enum imap_progress finish(struct imap_messages *messages, struct imap_result *result)
{
    end_modified_range(messages);
    /* RFC 2180 4.2.2, RFC 5530 3: nothing of what the client believes to be there is. */
    if (!messages->has_found && messages->number_count > 0 && !messages->command->is_uid &&
        !messages->command->store.is_silent)
        return imap_result_set(result, IMAP_NO, "EXPUNGEISSUED",
                               "The messages are no longer there");
    if (messages->code.length == 0)
        return imap_result_set(result, IMAP_OK, NULL, "STORE completed");
    imap_result_set(result, IMAP_OK, NULL, "Some messages were changed by others before");
    buffer_append(&result->code, buffer_bytes(&messages->code));
    return IMAP_DONE;
}

static enum imap_progress submit_next(struct imap_messages *messages, struct imap_result *result)
{
    const struct imap_store *store = &messages->command->store;
    do {
        if (!imap_messages_take_slice(messages, IMAP_MESSAGES_STORE_SLICE))
            return finish(messages, result);
        if (!imap_messages_find_uids(messages, messages->slice, messages->slice_count, result))
            return IMAP_DONE;
    } while (messages->range_count == 0);
    store_flag_change_clear(&messages->change);
    messages->change = (struct store_flag_change){
        .store = messages->services->store,
        .mailbox = imap_selection_mailbox(messages->context->selection),
        .ranges = messages->ranges,
        .range_count = messages->range_count,
        .mode = (enum store_flag_mode)store->mode,
        .flags = store->flags.system,
        .keywords = messages->keywords,
        .keyword_count = store->flags.keyword_count,
        .unchanged_since = store->has_unchanged_since ? store->unchanged_since : UINT64_MAX,
    };
    imap_messages_lend(messages);
    store_flag_change_submit(&messages->change);
    return IMAP_WAITS;
}

/* The engine takes the command back before a job that was abandoned is done. */
static bool copy_keywords(struct imap_messages *messages)
{
    const struct imap_flags *flags = &messages->command->store.flags;
    struct arena *arena = &messages->arena;
    struct bytes *copies = arena_allocate_array(arena, flags->keyword_count, sizeof *copies);
    if (copies == NULL)
        return false;
    for (size_t i = 0; i < flags->keyword_count; i++) {
        struct bytes keyword = flags->keywords[i];
        copies[i] = bytes_of(arena_copy_string(arena, keyword), keyword.length);
        if (copies[i].data == NULL)
            return false;
    }
    messages->keywords = copies;
    return true;
}

static enum imap_progress begin(struct imap_messages *messages, struct imap_result *result)
{
    if (imap_selection_is_read_only(messages->context->selection))
        return imap_messages_refuse_read_only(result);
    if (!imap_messages_resolve(messages, &messages->command->store.sequence, result))
        return IMAP_DONE;
    if (!imap_messages_make_slice(messages) || !copy_keywords(messages)) {
        struct fault fault;
        fault_set_memory(&fault);
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_MEMORY, &fault);
    }
    return submit_next(messages, result);
}

/* ---- what the job did ---- */

static enum imap_progress hear(struct imap_messages *messages, struct imap_result *result)
{
    const struct store_flag_change *change = &messages->change;
    struct imap_view *view = imap_messages_view(messages);
    struct fault fault = {0};
    if (!change->job.is_done && change->job.fault.kind == FAULT_LIMIT)
        return imap_result_set(result, IMAP_NO, "LIMIT", "The mailbox has no room for a keyword");
    if (!change->job.is_done)
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_WRITE,
                                 &change->job.fault);
    /* Names that cannot be taken in come with the flags of the next reading. */
    if (change->has_new_keywords && !imap_view_set_keywords(view, &change->all_keywords, &fault))
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_MEMORY, &fault);
    imap_view_set_flags(view, messages->slice, messages->slice_count, (int)change->mode,
                        change->bits, change->modseq, messages->command->store.is_silent,
                        change->refused, change->refused_count);
    if (change->modseq != 0 && view->modseq == change->modseq)
        imap_selection_saw(messages->context->selection, change->modseq);
    messages->has_found = messages->has_found || change->found > 0;
    gather_modified(messages);
    return submit_next(messages, result);
}

enum imap_progress imap_messages_store(struct imap_messages *messages, struct imap_result *result)
{
    return messages->step == IMAP_MESSAGES_WRITES ? hear(messages, result)
                                                  : begin(messages, result);
}
