/* Life of a command that changes messages: what it lends to the store comes back on the loop. */
#include "session/imap_messages_inside.h"

#include <stdlib.h>

/* What a job answered. */
static void clear_job(struct imap_messages *messages)
{
    if (messages->verb == IMAP_STORE)
        store_flag_change_clear(&messages->change);
    else if (messages->verb == IMAP_COPY || messages->verb == IMAP_MOVE)
        store_copy_clear(&messages->copy);
    else
        store_expunge_clear(&messages->expunge);
}

static void free_now(struct imap_messages *messages)
{
    clear_job(messages);
    free(messages->ranges);
    free(messages->known);
    free(messages->again);
    buffer_clear(&messages->code);
    arena_clear(&messages->arena);
    free(messages);
}

static void come_back(struct imap_messages *messages)
{
    messages->is_away = false;
    if (messages->is_freed)
        free_now(messages);
    else
        messages->told->run(messages->told);
}

static void come_back_written(struct loop_task *task)
{
    come_back((struct imap_messages *)((char *)task - offsetof(struct imap_messages, back)));
}

static void come_back_found(struct loop_task *task)
{
    come_back((struct imap_messages *)((char *)task - offsetof(struct imap_messages, find.done)));
}

struct imap_messages *imap_messages_new(struct imap_context *context,
                                        const struct imap_command *command, struct fault *fault)
{
    struct imap_messages *messages = calloc(1, sizeof *messages);
    if (messages == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    messages->context = context;
    messages->command = command;
    messages->verb = command->verb;
    messages->told = context->told;
    messages->loop = context->identity->loop;
    messages->services = context->services;
    messages->account = context->account->id;
    messages->back.run = come_back_written;
    messages->next_uid = 1;
    arena_init(&messages->arena, IMAP_MESSAGES_ARENA_MAX);
    buffer_init(&messages->code, IMAP_CODE_MAX);
    return messages;
}

void imap_messages_free(struct imap_messages *messages)
{
    if (messages == NULL)
        return;
    messages->is_freed = true;
    if (!messages->is_away)
        free_now(messages);
}

/* On a thread of the store. */
static void hear_done(struct store_job *job)
{
    struct imap_messages *messages = (struct imap_messages *)job;
    loop_post(messages->loop, &messages->back);
}

void imap_messages_lend(struct imap_messages *messages)
{
    messages->job.done = hear_done;
    messages->is_away = true;
    messages->step = IMAP_MESSAGES_WRITES;
}

void imap_messages_ask_worker(struct imap_messages *messages,
                              void (*run)(struct worker_job *job, void *context))
{
    messages->find =
        (struct worker_job){.run = run, .done = {.run = come_back_found}, .loop = messages->loop};
    messages->is_away = true;
    messages->step = IMAP_MESSAGES_FINDS;
    worker_submit(messages->services->workers, &messages->find);
}

bool imap_messages_resolve(struct imap_messages *messages, const struct imap_sequence *sequence,
                           struct imap_result *result)
{
    struct fault fault = {0};
    if (imap_selection_resolve(messages->context->selection, sequence, messages->command->is_uid,
                               &messages->arena, &messages->numbers, &messages->number_count,
                               &fault))
        return true;
    if (fault.kind == FAULT_SYNTAX)
        imap_result_set(result, IMAP_BAD, NULL, "No message has this number");
    else
        imap_result_fault(result, messages->context, SESSION_TROUBLE_MEMORY, &fault);
    return false;
}

bool imap_messages_make_slice(struct imap_messages *messages)
{
    /* A slice may begin and end within ranges. */
    messages->slice =
        arena_allocate_array(&messages->arena, messages->number_count + 1, sizeof *messages->slice);
    return messages->slice != NULL;
}

bool imap_messages_take_slice(struct imap_messages *messages, uint32_t most)
{
    uint32_t room = most;
    messages->slice_count = 0;
    while (messages->next_range < messages->number_count && room > 0) {
        struct imap_range *range = &messages->numbers[messages->next_range];
        uint32_t count = range->last - range->first + 1;
        uint32_t taken = count < room ? count : room;
        messages->slice[messages->slice_count++] =
            (struct imap_range){range->first, range->first + taken - 1};
        range->first += taken;
        room -= taken;
        messages->next_range += taken == count;
    }
    return messages->slice_count > 0;
}

bool imap_messages_find_uids(struct imap_messages *messages, const struct imap_range *numbers,
                             size_t count, struct imap_result *result)
{
    struct fault fault = {0};
    free(messages->ranges);
    messages->ranges = NULL;
    messages->range_count = 0;
    if (imap_view_uid_ranges(imap_messages_view(messages), numbers, count, &messages->ranges,
                             &messages->range_count, &fault))
        return true;
    imap_result_fault(result, messages->context, SESSION_TROUBLE_MEMORY, &fault);
    return false;
}

enum imap_progress imap_messages_refuse_read_only(struct imap_result *result)
{
    return imap_result_set(result, IMAP_NO, NULL, "The mailbox is open for reading only");
}

enum imap_progress imap_messages_go_on(struct imap_messages *messages, struct imap_result *result,
                                       int64_t now)
{
    (void)now;
    switch (messages->verb) {
    case IMAP_STORE:
        return imap_messages_store(messages, result);
    case IMAP_COPY:
    case IMAP_MOVE:
        return imap_messages_copy(messages, result);
    default:
        return imap_messages_expunge(messages, result);
    }
}
