/* STORE (RFC 9051 6.4.6, RFC 7162 3.1.3): so many messages at a time that others may write between.
 */
#include <stdlib.h>

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

/* A job for what is in `ranges`. */
static enum imap_progress submit(struct imap_messages *messages, uint64_t unchanged_since)
{
    const struct imap_store *store = &messages->command->store;
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
        .unchanged_since = unchanged_since,
    };
    imap_messages_lend(messages);
    store_flag_change_submit(&messages->change);
    return IMAP_WAITS;
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
    return submit(messages, store->has_unchanged_since ? store->unchanged_since : UINT64_MAX);
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

/* ---- once more ---- */

/* A message has one modseq for all of its flags. Where the client has only missed changes of others
   than it names, it has seen all that it asks about, and is not refused (RFC 7162 3.1.12): what it
   knew is kept, what is so now is read, and the rest is tried again against that. */

static void add_modified_at(struct imap_messages *messages, size_t at)
{
    const struct imap_view *view = imap_messages_view(messages);
    add_modified(messages, messages->command->is_uid ? view->messages[at].uid : (uint32_t)at + 1);
}

/* Of what was refused. False: memory. */
static bool keep_known(struct imap_messages *messages)
{
    const struct imap_view *view = imap_messages_view(messages);
    const struct store_flag_change *change = &messages->change;
    size_t most = 0;
    for (size_t i = 0; i < change->refused_count; i++)
        most += change->refused[i].last - change->refused[i].first + (size_t)1;
    if (most > view->told)
        most = view->told;
    messages->known = malloc((most + 1) * sizeof *messages->known);
    if (messages->known == NULL)
        return false;
    messages->known_count = 0;
    for (size_t i = 0; i < change->refused_count; i++)
        for (size_t at = imap_view_find(view, change->refused[i].first);
             at < view->told && view->messages[at].uid <= change->refused[i].last; at++) {
            const struct imap_view_message *message = &view->messages[at];
            if ((message->flags & IMAP_VIEW_GONE) != 0)
                continue;
            if (imap_view_modseq_of(view, message) > messages->command->store.unchanged_since)
                add_modified_at(messages, at);
            else
                messages->known[messages->known_count++] =
                    (struct imap_messages_known){message->uid, message->flags};
        }
    return true;
}

/* Those whose flags that the command names are as they were; where that is not known, none. False:
   memory. */
static bool choose_again(struct imap_messages *messages, bool is_known)
{
    const struct imap_view *view = imap_messages_view(messages);
    messages->again_count = 0;
    messages->again = malloc((messages->known_count + 1) * sizeof *messages->again);
    if (messages->again == NULL)
        return false;
    for (size_t i = 0; i < messages->known_count; i++) {
        const struct imap_messages_known *known = &messages->known[i];
        size_t at = imap_view_find(view, known->uid);
        uint32_t number = (uint32_t)at + 1;
        if (at >= view->told || view->messages[at].uid != known->uid ||
            (view->messages[at].flags & IMAP_VIEW_GONE) != 0)
            continue;
        struct imap_range *last =
            messages->again_count == 0 ? NULL : &messages->again[messages->again_count - 1];
        if (!is_known || ((view->messages[at].flags ^ known->flags) & messages->change.bits) != 0)
            add_modified_at(messages, at);
        else if (last != NULL && last->last + 1 == number)
            last->last = number;
        else
            messages->again[messages->again_count++] = (struct imap_range){number, number};
    }
    return true;
}

static enum imap_progress hear_synced(struct imap_messages *messages, struct imap_result *result)
{
    struct imap_selection *selection = messages->context->selection;
    enum imap_selection_status status = imap_selection_status(selection);
    struct fault fault;
    if (status == IMAP_SELECTION_WAITS)
        return IMAP_WAITS;
    if (status == IMAP_SELECTION_GONE || status == IMAP_SELECTION_NONE)
        return imap_result_set(result, IMAP_NO, "NONEXISTENT", "The mailbox was removed");
    bool is_chosen = choose_again(messages, status == IMAP_SELECTION_READY);
    free(messages->known);
    messages->known = NULL;
    if (!is_chosen) {
        fault_set_memory(&fault);
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_MEMORY, &fault);
    }
    if (messages->again_count > 0) {
        if (!imap_messages_find_uids(messages, messages->again, messages->again_count, result))
            return IMAP_DONE;
        return submit(messages, imap_messages_view(messages)->modseq);
    }
    free(messages->again);
    messages->again = NULL;
    return submit_next(messages, result);
}

static enum imap_progress try_again(struct imap_messages *messages, struct imap_result *result)
{
    struct imap_selection *selection = messages->context->selection;
    if (!keep_known(messages)) {
        struct fault fault;
        fault_set_memory(&fault);
        return imap_result_fault(result, messages->context, SESSION_TROUBLE_MEMORY, &fault);
    }
    messages->step = IMAP_MESSAGES_SYNCS;
    return imap_selection_sync(selection) == IMAP_SELECTION_WAITS ? IMAP_WAITS
                                                                  : hear_synced(messages, result);
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
    bool is_again = messages->again != NULL;
    imap_view_set_flags(view, is_again ? messages->again : messages->slice,
                        is_again ? messages->again_count : messages->slice_count, (int)change->mode,
                        change->bits, change->modseq, messages->command->store.is_silent,
                        change->refused, change->refused_count);
    if (change->modseq != 0 && view->modseq == change->modseq)
        imap_selection_saw(messages->context->selection, change->modseq);
    messages->has_found = messages->has_found || change->found > 0;
    /* A whole set of flags means all of them. */
    if (change->refused_count > 0 && !is_again && change->mode != STORE_FLAGS_SET)
        return try_again(messages, result);
    gather_modified(messages);
    free(messages->again);
    messages->again = NULL;
    return submit_next(messages, result);
}

enum imap_progress imap_messages_store(struct imap_messages *messages, struct imap_result *result)
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
