/* Sending: one transaction or many, typed or in smtplib's way. */
#include <posthorn/smtp.h>

#include <stdlib.h>
#include <string.h>

#include "client/client_body.h"
#include "client/client_loop.h"
#include "client/client_result.h"
#include "client/client_session.h"
#include "smtp/smtp_error.h"

/* Transactions on their way through the engine. */
struct sending {
    struct ph_smtp *smtp;
    const struct ph_transaction *transactions;
    size_t count;
    struct ph_result *results; /* as many, or NULL */
    struct client_item *items; /* what is in the engine; a free one has no sender */
    size_t item_count;
    size_t next; /* the first that the engine has not seen */
    size_t under_way;
    struct ph_error *error; /* of the first that failed; not NULL */
};

static void begin_sending(struct sending *sending)
{
    sending->error->kind = PH_OK;
    for (size_t i = 0; i < sending->item_count; i++)
        sending->items[i].transaction.sender = NULL;
}

/* Keeps the reason why a transaction failed, and the first one for the caller. */
static void note_failure(struct sending *sending, const struct ph_error *failure)
{
    if (sending->error->kind == PH_OK)
        *sending->error = *failure;
}

/* ---- into the engine ---- */

static struct client_item *free_item(struct sending *sending)
{
    for (size_t i = 0; i < sending->item_count; i++)
        if (sending->items[i].transaction.sender == NULL)
            return &sending->items[i];
    return NULL;
}

static bool is_within_limits(const struct ph_smtp *smtp, struct ph_error *error)
{
    uint64_t most = ph_engine_capabilities(smtp->engine)->messages_max;
    if (most == 0 || smtp->state.transactions < most)
        return true;
    smtp_error_set(error, PH_ERROR_LIMIT, "MAIL",
                   "the server takes %llu messages on a connection and no more: connect again",
                   (unsigned long long)most);
    error->retry = true;
    return false;
}

static bool queue(struct ph_smtp *smtp, const struct ph_transaction *transaction,
                  struct client_item *item, struct ph_error *error)
{
    if (transaction->sender == NULL)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "MAIL", "the message has no sender");
    if (smtp->engine == NULL || ph_engine_is_closed(smtp->engine))
        return smtp_error_set(error, PH_ERROR_DISCONNECTED, "MAIL",
                              "the connection was lost before this message was begun");
    if (!is_within_limits(smtp, error) || !client_body_begin(item, transaction, smtp, error) ||
        !ph_engine_send(smtp->engine, &item->transaction, client_session_now(), error)) {
        item->transaction.sender = NULL;
        return false;
    }
    smtp->state.transactions++;
    return true;
}

static void queue_next(struct sending *sending, struct client_item *item)
{
    size_t index = sending->next++;
    const struct ph_transaction *transaction = &sending->transactions[index];
    struct ph_result *result = sending->results == NULL ? NULL : &sending->results[index];
    struct ph_error failure;
    if (result != NULL && !client_result_begin(result, transaction))
        smtp_error_memory(&failure);
    else if (queue(sending->smtp, transaction, item, &failure)) {
        item->result = result;
        sending->under_way++;
        return;
    }
    if (result != NULL)
        client_result_refuse(result, &failure);
    note_failure(sending, &failure);
}

/* As many as the engine holds, so that it can group them. */
static void fill_engine(struct sending *sending)
{
    struct client_item *item;
    while (sending->next < sending->count && (item = free_item(sending)) != NULL)
        queue_next(sending, item);
}

/* ---- out of the engine ---- */

/* What ended a transaction, in the session's words where the session knows more. */
static void read_failure(struct ph_smtp *smtp, const struct client_item *item,
                         const struct ph_error *from, struct ph_error *failure)
{
    client_session_take_error(smtp, from, failure);
    if (!item->is_cancelled || failure->kind != PH_ERROR_BODY)
        return;
    enum ph_fate fate = failure->fate;
    smtp_error_set(failure, PH_ERROR_CANCELLED, failure->verb,
                   "the progress callback said to stop");
    failure->fate = fate;
}

static void hear_end(struct sending *sending, struct client_item *item,
                     const struct ph_event *event)
{
    struct ph_error failure = {0};
    bool lmtp = sending->smtp->options.lmtp;
    if (event->error->kind != PH_OK) {
        read_failure(sending->smtp, item, event->error, &failure);
        note_failure(sending, &failure);
    }
    if (item->result != NULL)
        client_result_finish(item->result, lmtp, event, &failure);
    item->transaction.sender = NULL;
    sending->under_way--;
}

static void hear(struct sending *sending, const struct ph_event *event)
{
    struct ph_smtp *smtp = sending->smtp;
    if (event->transaction == NULL)
        return;
    /* Replies to single recipients are the result's: the last reply is that of the whole. */
    if (event->reply.code != 0 && event->kind != PH_EVENT_RECIPIENT)
        client_session_keep_reply(smtp, &event->reply);
    struct client_item *item = (struct client_item *)event->transaction;
    if (event->kind == PH_EVENT_DONE)
        hear_end(sending, item, event);
    else if (item->result != NULL)
        client_result_hear(item->result, smtp->options.lmtp, event);
}

/* The engine has nothing more to say although transactions are open: none of them can end any more.
 */
static void give_up(struct sending *sending)
{
    struct ph_error failure;
    smtp_error_set(&failure, PH_ERROR_DISCONNECTED, "", "the connection is lost");
    note_failure(sending, &failure);
    for (size_t i = 0; i < sending->item_count; i++) {
        struct client_item *item = &sending->items[i];
        if (item->transaction.sender != NULL && item->result != NULL)
            client_result_refuse(item->result, &failure);
        item->transaction.sender = NULL;
    }
    sending->smtp->state.piece_owner = NULL;
    sending->smtp->state.hungry = NULL;
    sending->under_way = 0;
}

static bool run(struct sending *sending)
{
    struct ph_event event;
    begin_sending(sending);
    for (fill_engine(sending); sending->under_way > 0; fill_engine(sending)) {
        if (client_loop_next(sending->smtp, &event))
            hear(sending, &event);
        else
            give_up(sending);
    }
    if (ph_engine_is_closed(sending->smtp->engine))
        client_session_drop(sending->smtp);
    client_loop_feed_rest(sending->smtp);
    return sending->error->kind == PH_OK;
}

/* ---- the doors ---- */

void ph_result_clear(struct ph_result *result)
{
    if (result != NULL)
        client_result_clear(result);
}

/* No transaction could begin. */
static bool refuse_all(const struct ph_transaction *transactions, size_t count,
                       struct ph_result *results, const struct ph_error *failure,
                       struct ph_error *error)
{
    for (size_t i = 0; results != NULL && i < count; i++) {
        client_result_begin(&results[i], &transactions[i]);
        client_result_refuse(&results[i], failure);
    }
    if (error != NULL)
        *error = *failure;
    return false;
}

/* The connection is ready for mail; error is not NULL. */
static bool is_ready(struct ph_smtp *smtp, struct ph_error *error)
{
    return client_session_begin_connected(smtp, error) && client_session_prepare(smtp, error);
}

/* The connection is ready. */
static bool send_one(struct ph_smtp *smtp, const struct ph_transaction *transaction,
                     struct ph_result *result, struct ph_error *error)
{
    struct ph_error failure;
    struct client_item item;
    struct sending sending = {
        .smtp = smtp,
        .transactions = transaction,
        .count = 1,
        .results = result,
        .items = &item,
        .item_count = 1,
        .error = &failure,
    };
    if (run(&sending))
        return true;
    if (error != NULL)
        *error = failure;
    return false;
}

bool ph_smtp_send(struct ph_smtp *smtp, const struct ph_transaction *transaction,
                  struct ph_result *result, struct ph_error *error)
{
    struct ph_error failure;
    if (!is_ready(smtp, &failure))
        return refuse_all(transaction, 1, result, &failure, error);
    return send_one(smtp, transaction, result, error);
}

bool ph_smtp_send_all(struct ph_smtp *smtp, const struct ph_transaction *transactions, size_t count,
                      struct ph_result *results, struct ph_error *error)
{
    struct ph_error failure;
    if (!is_ready(smtp, &failure))
        return refuse_all(transactions, count, results, &failure, error);
    struct sending sending = {
        .smtp = smtp,
        .transactions = transactions,
        .count = count,
        .results = results,
        .item_count = count < PH_ENGINE_TRANSACTIONS_MAX ? count : PH_ENGINE_TRANSACTIONS_MAX,
        .error = &failure,
    };
    sending.items = calloc(sending.item_count + 1, sizeof *sending.items);
    if (sending.items == NULL) {
        smtp_error_memory(&failure);
        return refuse_all(transactions, count, results, &failure, error);
    }
    bool is_sent = run(&sending);
    free(sending.items);
    if (!is_sent && error != NULL)
        *error = failure;
    return is_sent;
}

/* Turns addresses into values, in memory that the session keeps for the next call. */
static bool list_recipients(struct ph_smtp *smtp, const char *const *addresses, size_t count,
                            struct ph_transaction *transaction, struct ph_error *error)
{
    /* The list in memory may be that of the very call that a callback calls from. */
    if (!client_session_is_free(smtp, error))
        return false;
    if (count > PH_RECIPIENTS_MAX)
        return smtp_error_set(error, PH_ERROR_LIMIT, "RCPT", "a message has %d recipients at most",
                              PH_RECIPIENTS_MAX);
    if (count > smtp->recipient_capacity) {
        struct ph_recipient *recipients =
            realloc(smtp->recipients, count * sizeof *smtp->recipients);
        if (recipients == NULL)
            return smtp_error_memory(error);
        smtp->recipients = recipients;
        smtp->recipient_capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        smtp->recipients[i] = (struct ph_recipient){.address = addresses[i]};
    transaction->recipients = smtp->recipients;
    transaction->recipient_count = count;
    return true;
}

bool ph_smtp_sendmail(struct ph_smtp *smtp, const char *sender, const char *const *recipients,
                      size_t count, const char *message, size_t length, struct ph_result *result,
                      struct ph_error *error)
{
    struct ph_error failure;
    struct ph_transaction transaction = {
        .sender = sender,
        .body = {.data = message, .length = length},
    };
    if (!list_recipients(smtp, recipients, count, &transaction, &failure))
        return refuse_all(&transaction, 1, result, &failure, error);
    return ph_smtp_send(smtp, &transaction, result, error);
}

/* ---- message objects ---- */

/* What of the envelope is not given is read from the headers. */
static bool address_message(struct ph_smtp *smtp, struct ph_message *message,
                            struct ph_transaction *transaction, struct ph_error *error)
{
    const char *const *recipients;
    size_t count;
    if (transaction->sender == NULL && !ph_message_sender(message, &transaction->sender, error))
        return false;
    if (transaction->recipients != NULL || transaction->recipient_count > 0)
        return true;
    return ph_message_recipients(message, &recipients, &count, error) &&
           list_recipients(smtp, recipients, count, transaction, error);
}

static bool render_message(struct ph_smtp *smtp, struct ph_message *message,
                           struct ph_transaction *transaction, struct ph_error *error)
{
    unsigned offered = ph_engine_capabilities(smtp->engine)->set;
    const struct ph_rendering rendering = {
        .utf8 = offered & PH_CAPABILITY_SMTPUTF8,
        .eight_bit = offered & PH_CAPABILITY_8BITMIME,
    };
    return ph_message_body(message, &rendering, &transaction->body, &transaction->utf8_headers,
                           error);
}

bool ph_smtp_send_message_as(struct ph_smtp *smtp, struct ph_message *message,
                             const struct ph_transaction *wishes, struct ph_result *result,
                             struct ph_error *error)
{
    struct ph_error failure;
    struct ph_transaction transaction = *wishes;
    if (!address_message(smtp, message, &transaction, &failure) || !is_ready(smtp, &failure) ||
        !render_message(smtp, message, &transaction, &failure))
        return refuse_all(&transaction, 1, result, &failure, error);
    return send_one(smtp, &transaction, result, error);
}

bool ph_smtp_send_message(struct ph_smtp *smtp, struct ph_message *message, const char *sender,
                          const char *const *recipients, size_t count, struct ph_result *result,
                          struct ph_error *error)
{
    struct ph_error failure;
    struct ph_transaction wishes = {.sender = sender};
    /* An empty list is a mistake; to take the headers' recipients instead would surprise. */
    if ((recipients == NULL) != (count == 0)) {
        smtp_error_set(&failure, PH_ERROR_ARGUMENT, "RCPT", "the list of recipients is empty");
        return refuse_all(&wishes, 1, result, &failure, error);
    }
    if (recipients != NULL && !list_recipients(smtp, recipients, count, &wishes, &failure))
        return refuse_all(&wishes, 1, result, &failure, error);
    return ph_smtp_send_message_as(smtp, message, &wishes, result, error);
}
