/* Keeps replies for those who asked for a result. */
#include "client/client_result.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

struct ph_result_memory {
    struct arena arena;
    const char *text; /* the newest: neighbours mostly say the same */
    size_t text_length;
};

void client_result_clear(struct ph_result *result)
{
    if (result->memory != NULL)
        arena_clear(&result->memory->arena);
    free(result->memory);
    *result = (struct ph_result){0};
}

bool client_result_begin(struct ph_result *result, const struct ph_transaction *transaction)
{
    struct ph_result_memory *memory = result->memory;
    if (memory == NULL) {
        memory = calloc(1, sizeof *memory);
        if (memory == NULL)
            return false;
        arena_init(&memory->arena, CLIENT_RESULT_MEMORY_MAX);
    } else {
        arena_reset(&memory->arena);
        memory->text = NULL;
        memory->text_length = 0;
    }
    *result = (struct ph_result){.memory = memory};
    size_t count = transaction->recipient_count;
    /* A count that is out of bounds is the engine's to refuse. */
    if (count == 0 || count > PH_RECIPIENTS_MAX)
        return true;
    result->recipients = arena_allocate_array(&memory->arena, count, sizeof *result->recipients);
    if (result->recipients == NULL)
        return false;
    result->recipient_count = count;
    return true;
}

/* A text that finds no room is left out: code and enhanced code say the most. */
static void keep(struct ph_result *result, const struct ph_reply *from, struct ph_reply *to)
{
    struct ph_result_memory *memory = result->memory;
    size_t length = from->text_length;
    if (length > CLIENT_RESULT_TEXT_MAX)
        length = CLIENT_RESULT_TEXT_MAX;
    if (memory->text == NULL || memory->text_length != length ||
        memcmp(memory->text, from->text, length) != 0) {
        memory->text = arena_copy_string(&memory->arena, (struct bytes){from->text, length});
        memory->text_length = length;
    }
    *to = *from;
    to->text = memory->text == NULL ? "" : memory->text;
    to->text_length = memory->text == NULL ? 0 : length;
}

static bool is_positive(const struct ph_reply *reply)
{
    return reply->code / 100 == 2;
}

void client_result_hear(struct ph_result *result, bool lmtp, const struct ph_event *event)
{
    struct ph_recipient_result *recipient =
        event->index < result->recipient_count ? &result->recipients[event->index] : NULL;
    if (event->reply.code == 0)
        return;
    switch (event->kind) {
    case PH_EVENT_RECIPIENT:
        if (recipient != NULL)
            keep(result, &event->reply, &recipient->reply);
        break;
    case PH_EVENT_FINAL:
        keep(result, &event->reply, &result->reply);
        if (!lmtp || recipient == NULL)
            break;
        /* RFC 2033 4.2: each recipient has a verdict of its own. */
        keep(result, &event->reply, &recipient->reply);
        recipient->is_accepted = is_positive(&event->reply);
        recipient->fate = recipient->is_accepted ? PH_ACCEPTED : PH_NOT_SENT;
        result->accepted_count += recipient->is_accepted;
        break;
    default:
        break;
    }
}

/* SMTP: one verdict for all whom RCPT let in. */
static void share_verdict(struct ph_result *result, enum ph_fate fate)
{
    for (size_t i = 0; i < result->recipient_count; i++) {
        struct ph_recipient_result *recipient = &result->recipients[i];
        if (!is_positive(&recipient->reply))
            continue;
        recipient->fate = fate;
        recipient->is_accepted = fate == PH_ACCEPTED;
        result->accepted_count += recipient->is_accepted;
    }
}

/* LMTP: whoever was let in and heard no verdict of his own shares the fate of the whole. */
static void settle_unheard(struct ph_result *result, enum ph_fate fate)
{
    for (size_t i = 0; i < result->recipient_count; i++) {
        struct ph_recipient_result *recipient = &result->recipients[i];
        if (is_positive(&recipient->reply) && !recipient->is_accepted)
            recipient->fate = fate;
    }
}

void client_result_finish(struct ph_result *result, bool lmtp, const struct ph_event *event,
                          const struct ph_error *error)
{
    result->fate = event->fate;
    result->dropped = event->dropped;
    result->error = *error;
    if (lmtp)
        settle_unheard(result, event->fate);
    else
        share_verdict(result, event->fate);
}

void client_result_refuse(struct ph_result *result, const struct ph_error *error)
{
    result->error = *error;
    result->fate = error->fate;
}
