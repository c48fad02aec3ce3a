/* The list of operations: how one is made, issued, ended, and used again. */
#include "smtp/smtp_client_inside.h"

#include <stdlib.h>
#include <strings.h>

#include "smtp/smtp_error.h"

static void free_operation(struct smtp_operation *operation)
{
    buffer_clear(&operation->line);
    smtp_client_login_clear(&operation->login);
    free(operation->transaction.accepted_set);
    free(operation);
}

static void free_operations(struct smtp_operation *operation)
{
    while (operation != NULL) {
        struct smtp_operation *next = operation->next;
        free_operation(operation);
        operation = next;
    }
}

void smtp_client_queue_clear(struct smtp_client *client)
{
    free_operations(client->first);
    free_operations(client->spare);
}

struct smtp_operation *smtp_client_queue_make(struct smtp_client *client, enum ph_operation kind,
                                              struct ph_error *error)
{
    if (client->is_closed) {
        if (error != NULL) {
            *error = client->failure;
            error->kind = PH_ERROR_DISCONNECTED;
            error->fate = PH_NOT_SENT;
            error->retry = true;
        }
        return NULL;
    }
    if (client->operation_count >= PH_ENGINE_TRANSACTIONS_MAX) {
        smtp_error_set(error, PH_ERROR_LIMIT, "",
                       "%d operations wait in the engine already: pull events first",
                       PH_ENGINE_TRANSACTIONS_MAX);
        return NULL;
    }
    struct smtp_operation *operation = client->spare;
    if (operation != NULL) {
        client->spare = operation->next;
        operation->next = NULL;
    } else {
        operation = calloc(1, sizeof *operation);
        if (operation == NULL) {
            smtp_error_memory(error);
            return NULL;
        }
        buffer_init_secret(&operation->line, PH_ENGINE_COMMAND_MAX);
    }
    operation->kind = kind;
    return operation;
}

/* Ready for its next use, with the memory that it has. */
static void reset_operation(struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    unsigned char *accepted_set = transaction->accepted_set;
    size_t accepted_set_size = transaction->accepted_set_size;
    smtp_client_login_clear(&operation->login);
    buffer_reset(&operation->line);
    *transaction = (struct smtp_transaction){.accepted_set = accepted_set,
                                             .accepted_set_size = accepted_set_size};
    operation->next = NULL;
    operation->previous = NULL;
    operation->is_begun = false;
    operation->is_ended = false;
    operation->has_reply = false;
    operation->has_error = false;
    operation->pending = 0;
    operation->hello = PH_HELLO_AUTOMATIC;
    operation->is_expect_only = false;
    operation->verb[0] = '\0';
}

void smtp_client_queue_drop(struct smtp_client *client, struct smtp_operation *operation)
{
    reset_operation(operation);
    operation->next = client->spare;
    client->spare = operation;
}

void smtp_client_queue(struct smtp_client *client, struct smtp_operation *operation, int64_t now)
{
    client->now = now;
    operation->previous = client->last;
    if (client->last != NULL)
        client->last->next = operation;
    else
        client->first = operation;
    client->last = operation;
    client->operation_count++;
    if (client->issuing == NULL)
        client->issuing = operation;
    smtp_client_queue_pump(client);
}

void smtp_client_queue_remove_first(struct smtp_client *client)
{
    struct smtp_operation *operation = client->first;
    client->first = operation->next;
    if (client->first != NULL)
        client->first->previous = NULL;
    else
        client->last = NULL;
    if (client->issuing == operation)
        client->issuing = operation->next;
    client->operation_count--;
    smtp_client_queue_drop(client, operation);
}

void smtp_client_queue_end(struct smtp_operation *operation, bool has_reply)
{
    operation->is_ended = true;
    operation->has_reply = has_reply;
}

static bool may_begin(const struct smtp_client *client, const struct smtp_operation *operation)
{
    return operation->is_begun || operation == client->first ||
           smtp_client_transaction_may_ride(client, operation);
}

/* A command that itself ends what RSET would end, or needs no clean state, is not preceded by it.
 */
static bool wants_clean_state(const struct smtp_operation *operation)
{
    return operation->kind != PH_OPERATION_HELLO && operation->kind != PH_OPERATION_QUIT &&
           !operation->is_expect_only && strcasecmp(operation->verb, "RSET") != 0 &&
           strcasecmp(operation->verb, "QUIT") != 0;
}

/* Returns true when nothing is left to issue. */
static bool issue(struct smtp_client *client, struct smtp_operation *operation)
{
    if (operation->is_ended)
        return true;
    if (operation->kind == PH_OPERATION_TRANSACTION)
        return smtp_client_transaction_issue(client, operation);
    if (!operation->is_begun) {
        if (client->needs_rset && wants_clean_state(operation))
            smtp_client_queue_rset(client, operation);
        operation->is_begun = true;
    }
    if (operation->pending > 0 && !smtp_client_is_pipelining(client))
        return false;
    if (operation->kind == PH_OPERATION_LOGIN)
        smtp_client_login_issue(client, operation);
    else
        smtp_client_simple_issue(client, operation);
    return true;
}

void smtp_client_queue_pump(struct smtp_client *client)
{
    while (!client->is_closed && client->issuing != NULL && may_begin(client, client->issuing)) {
        struct smtp_operation *operation = client->issuing;
        if (!issue(client, operation) || client->is_closed)
            break;
        client->issuing = operation->next;
    }
    if (!client->is_closed && buffer_is_failed(&client->outbox.text))
        smtp_client_fail_memory(client);
}

static bool grow_pending(struct smtp_client *client)
{
    size_t capacity =
        client->pending_capacity == 0 ? SMTP_CLIENT_PENDING_KEPT : 2 * client->pending_capacity;
    struct smtp_pending *pending = malloc(capacity * sizeof *pending);
    if (pending == NULL)
        return false;
    for (size_t i = 0; i < client->pending_count; i++)
        pending[i] = client->pending[(client->pending_first + i) % client->pending_capacity];
    free(client->pending);
    client->pending = pending;
    client->pending_capacity = capacity;
    client->pending_first = 0;
    return true;
}

void smtp_client_queue_take_pending(struct smtp_client *client)
{
    client->pending_first = (client->pending_first + 1) % client->pending_capacity;
    client->pending_count--;
    if (client->pending_count > 0 || client->pending_capacity <= SMTP_CLIENT_PENDING_KEPT)
        return;
    free(client->pending);
    client->pending = NULL;
    client->pending_capacity = client->pending_first = 0;
}

void smtp_client_queue_await(struct smtp_client *client, struct smtp_operation *operation,
                             enum smtp_awaited what, size_t index)
{
    assert(client->pending_count < PH_ENGINE_PENDING_MAX);
    if (client->pending_count == client->pending_capacity && !grow_pending(client)) {
        buffer_fail(&client->outbox.text);
        return;
    }
    if (client->pending_count == 0)
        client->progress_at = client->now;
    size_t at = (client->pending_first + client->pending_count++) % client->pending_capacity;
    client->pending[at] = (struct smtp_pending){what, operation, index, client->outbox.queued};
    operation->pending++;
}

void smtp_client_queue_rset(struct smtp_client *client, struct smtp_operation *operation)
{
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    buffer_append(text, BYTES("RSET\r\n"));
    smtp_client_trace_line(client, start, SIZE_MAX);
    smtp_client_queue_await(client, operation, SMTP_AWAITED_RSET, 0);
    client->needs_rset = false;
    client->has_envelope = false;
}
