/* The engine's frame: birth and death, bytes in and out, events, time, and the list of operations.
 */
#include "smtp/smtp_client.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"
#include "mail/domain.h"
#include "smtp/smtp_client_inside.h"
#include "smtp/smtp_error.h"

enum {
    SECOND = 1000, /* milliseconds */
    MINUTE = 60 * SECOND
};

static const struct ph_error no_error = {.kind = PH_OK};

/* ---- birth and death ---- */

static int64_t or_default(int64_t timeout, int64_t otherwise)
{
    return timeout > 0 ? timeout : otherwise;
}

/* RFC 5321 4.5.3.2. */
static struct ph_timeouts fill_timeouts(const struct ph_timeouts *given)
{
    return (struct ph_timeouts){
        .greeting = or_default(given->greeting, 5 * MINUTE),
        .command = or_default(given->command, 5 * MINUTE),
        .data_start = or_default(given->data_start, 2 * MINUTE),
        .data_block = or_default(given->data_block, 3 * MINUTE),
        .data_end = or_default(given->data_end, 10 * MINUTE),
    };
}

/* The name for EHLO as it goes on the wire. */
static bool set_hello_name(char *to, const char *name, struct ph_error *error)
{
    struct fault fault;
    AUTO(buffer)
    wire = BUFFER(SMTP_CLIENT_NAME_MAX);
    if (name == NULL)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "EHLO",
                              "hello_name is missing: give a domain or an address literal");
    if (!domain_write_ascii(bytes_from_string(name), &wire, &fault))
        return smtp_error_from_fault(
            error, PH_ERROR_ARGUMENT, "EHLO", &fault,
            "\"%.80s\" is neither a domain nor an address literal to say hello with", name);
    if (buffer_is_failed(&wire))
        return smtp_error_memory(error);
    struct bytes text = buffer_bytes(&wire);
    if (!domain_is_hello_name(text))
        return smtp_error_set(
            error, PH_ERROR_ARGUMENT, "EHLO",
            "\"%.80s\" is neither a domain nor an address literal to say hello with", name);
    memcpy(to, text.data, text.length);
    to[text.length] = '\0';
    return true;
}

static void set_options(struct smtp_client *client, const struct ph_engine_options *options)
{
    if (options->server_name != NULL)
        snprintf(client->server_name, sizeof client->server_name, "%s", options->server_name);
    client->server_port = options->server_port;
    client->is_lmtp = options->lmtp;
    client->is_encrypted = options->is_encrypted;
    client->has_pipelining_off = options->no_pipelining;
    client->has_chunking_off = options->no_chunking;
    client->has_bodies_in_flight = options->bodies_in_flight;
    client->timeouts = fill_timeouts(&options->timeouts);
    client->trace = options->trace;
    client->trace_context = options->trace_context;
}

struct smtp_client *smtp_client_new(const struct ph_engine_options *options, int64_t now,
                                    struct ph_error *error)
{
    struct smtp_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        smtp_error_memory(error);
        return NULL;
    }
    set_options(client, options);
    client->now = now;
    smtp_capability_init(&client->capability);
    smtp_reply_init(&client->reply);
    outbox_init(&client->outbox);
    buffer_init_secret(&client->scratch, PH_ENGINE_LINE_MAX + PH_ENGINE_COMMAND_MAX);
    struct smtp_operation *greeting = NULL;
    if (set_hello_name(client->hello_name, options->hello_name, error))
        greeting = smtp_client_make_operation(client, PH_OPERATION_GREETING, error);
    if (greeting == NULL) {
        smtp_client_free(client);
        return NULL;
    }
    smtp_client_queue(client, greeting, now);
    return client;
}

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

void smtp_client_free(struct smtp_client *client)
{
    if (client == NULL)
        return;
    free_operations(client->first);
    free_operations(client->spare);
    smtp_capability_clear(&client->capability);
    smtp_reply_clear(&client->reply);
    outbox_clear(&client->outbox);
    buffer_clear(&client->scratch);
    secret_wipe(client->binding, sizeof client->binding);
    free(client);
}

/* ---- transcript ---- */

void smtp_client_set_trace(struct smtp_client *client, ph_trace *trace, void *trace_context)
{
    client->trace = trace;
    client->trace_context = trace_context;
}

void smtp_client_trace(struct smtp_client *client, enum ph_trace_kind kind, struct bytes text)
{
    if (client->trace == NULL)
        return;
    buffer_reset(&client->scratch);
    buffer_append(&client->scratch, text);
    const char *string = buffer_string(&client->scratch);
    /* A line is lost from the transcript rather than the session for want of memory. */
    if (string != NULL)
        client->trace(client->trace_context, kind, string, client->scratch.length);
    buffer_reset(&client->scratch);
}

void smtp_client_end_line(struct smtp_client *client, size_t start, size_t shown)
{
    struct buffer *text = &client->outbox.text;
    if (client->trace != NULL && !buffer_is_failed(text)) {
        struct bytes line = bytes_trim_end(bytes_skip(buffer_bytes(text), start));
        bool has_secret = shown < line.length;
        line = bytes_slice(line, 0, shown);
        buffer_reset(&client->scratch);
        buffer_append(&client->scratch, line);
        if (has_secret)
            buffer_append(&client->scratch, BYTES("****"));
        const char *string = buffer_string(&client->scratch);
        if (string != NULL)
            client->trace(client->trace_context, PH_TRACE_SENT, string, client->scratch.length);
        buffer_reset(&client->scratch);
    }
    outbox_end_text(&client->outbox);
}

/* A challenge may hold what the client must keep to itself (RFC 4954 4: the text of a 334). */
static void trace_reply_line(struct smtp_client *client)
{
    if (client->trace == NULL)
        return;
    struct bytes line = smtp_reply_line(&client->reply);
    if (bytes_starts_with(line, BYTES("334")) && line.length > 4)
        smtp_client_trace(client, PH_TRACE_RECEIVED, BYTES("334 ****"));
    else
        smtp_client_trace(client, PH_TRACE_RECEIVED, line);
}

/* ---- operations ---- */

struct smtp_operation *smtp_client_make_operation(struct smtp_client *client,
                                                  enum ph_operation kind, struct ph_error *error)
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

void smtp_client_drop_operation(struct smtp_client *client, struct smtp_operation *operation)
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
    smtp_client_pump(client);
}

/* Takes the first operation out of the list. */
static void remove_first(struct smtp_client *client)
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
    smtp_client_drop_operation(client, operation);
}

void smtp_client_end_operation(struct smtp_operation *operation, bool has_reply)
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
            smtp_client_issue_rset(client, operation);
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

void smtp_client_pump(struct smtp_client *client)
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

void smtp_client_await(struct smtp_client *client, struct smtp_operation *operation,
                       enum smtp_awaited what, size_t index)
{
    assert(client->pending_count < PH_ENGINE_PENDING_MAX);
    if (client->pending_count == 0)
        client->progress_at = client->now;
    size_t at = (client->pending_first + client->pending_count++) % PH_ENGINE_PENDING_MAX;
    client->pending[at] = (struct smtp_pending){what, operation, index, client->outbox.queued};
    operation->pending++;
}

void smtp_client_issue_rset(struct smtp_client *client, struct smtp_operation *operation)
{
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    buffer_append(text, BYTES("RSET\r\n"));
    smtp_client_end_line(client, start, SIZE_MAX);
    smtp_client_await(client, operation, SMTP_AWAITED_RSET, 0);
    client->needs_rset = false;
    client->has_envelope = false;
}

/* ---- failure ---- */

void smtp_client_fail(struct smtp_client *client, const struct ph_error *failure)
{
    if (client->is_closed)
        return;
    /* What became of each message is a question of what was taken: answered before the outbox is
     * emptied. */
    for (struct smtp_operation *operation = client->first; operation != NULL;
         operation = operation->next) {
        if (operation->kind == PH_OPERATION_TRANSACTION && !operation->is_ended)
            operation->transaction.fate = smtp_client_transaction_fate(client, operation);
    }
    client->failure = *failure;
    client->is_closed = true;
    client->issuing = NULL;
    client->pending_count = 0;
    client->wants_tls = false;
    client->is_waiting_for_tls = false;
    outbox_drop(&client->outbox);
}

void smtp_client_fail_memory(struct smtp_client *client)
{
    struct ph_error error;
    smtp_error_memory(&error);
    smtp_client_fail(client, &error);
}

/* What the first operation is about, for the sentence. */
static const char *name_operation(const struct smtp_operation *operation)
{
    if (operation == NULL)
        return "nothing was asked";
    switch (operation->kind) {
    case PH_OPERATION_GREETING:
        return "waiting for the greeting";
    case PH_OPERATION_HELLO:
        return "saying hello";
    case PH_OPERATION_STARTTLS:
        return "starting TLS";
    case PH_OPERATION_LOGIN:
        return "logging in";
    case PH_OPERATION_COMMAND:
        return operation->is_expect_only ? "waiting for a reply" : "waiting for a command's reply";
    case PH_OPERATION_TRANSACTION:
        return "sending a message";
    case PH_OPERATION_QUIT:
        return "saying goodbye";
    }
    return "";
}

/* The command whose reply is due, for the error. */
static const char *present_verb(const struct smtp_client *client)
{
    if (client->pending_count == 0)
        return client->first == NULL ? "" : client->first->verb;
    const struct smtp_pending *pending = &client->pending[client->pending_first];
    switch (pending->what) {
    case SMTP_AWAITED_RSET:
        return "RSET";
    case SMTP_AWAITED_MAIL:
        return "MAIL";
    case SMTP_AWAITED_RCPT:
        return "RCPT";
    case SMTP_AWAITED_DATA:
    case SMTP_AWAITED_LONE_DOT:
        return "DATA";
    case SMTP_AWAITED_BDAT:
        return "BDAT";
    case SMTP_AWAITED_FINAL:
        return pending->operation->transaction.uses_bdat ? "BDAT" : "DATA";
    default:
        return pending->operation->verb;
    }
}

void smtp_client_end_of_input(struct smtp_client *client, int system_error, int64_t now)
{
    client->now = now;
    struct ph_error error;
    const char *place = name_operation(client->first);
    if (system_error != 0) {
        char text[128];
        /* strerror is not for threads; the GNU form gives the text whatever happens. */
        smtp_error_set(&error, PH_ERROR_DISCONNECTED, present_verb(client),
                       "the connection broke while %s: %s", place,
                       strerror_r(system_error, text, sizeof text));
        error.system_error = system_error;
    } else {
        smtp_error_set(&error, PH_ERROR_DISCONNECTED, present_verb(client),
                       "the server closed the connection while %s", place);
    }
    smtp_client_fail(client, &error);
}

void smtp_client_tick(struct smtp_client *client, int64_t now)
{
    client->now = now;
    if (client->is_closed || now < smtp_client_deadline(client))
        return;
    struct ph_error error;
    smtp_error_set(&error, PH_ERROR_TIMEOUT, present_verb(client),
                   "the server took too long while %s", name_operation(client->first));
    smtp_client_fail(client, &error);
}

/* ---- bytes in ---- */

static void break_protocol(struct smtp_client *client, const struct fault *fault)
{
    struct ph_error error;
    smtp_error_from_fault(&error, PH_ERROR_PROTOCOL, present_verb(client), fault,
                          "the server broke the protocol while %s", name_operation(client->first));
    smtp_client_fail(client, &error);
}

/* RFC 5321 3.8: after a 421 the server closes, whatever it was asked. */
static void fail_by_reply(struct smtp_client *client, const struct ph_reply *reply)
{
    struct ph_error error;
    smtp_error_from_reply(&error, PH_ERROR_DISCONNECTED, present_verb(client), reply,
                          "the server is closing the connection");
    smtp_client_fail(client, &error);
}

static void hear_unsolicited(struct smtp_client *client, const struct ph_reply *reply)
{
    if (smtp_client_transaction_interrupt(client, reply))
        return;
    if (reply->code == 421) {
        fail_by_reply(client, reply);
        return;
    }
    struct fault fault;
    fault_set(&fault, FAULT_SYNTAX, "a reply came that nothing called for: %d %.80s", reply->code,
              reply->text);
    break_protocol(client, &fault);
}

/* Where a 3yz means something; elsewhere the server speaks of another command than we do. */
static bool may_be_intermediate(const struct smtp_pending *pending)
{
    switch (pending->what) {
    case SMTP_AWAITED_AUTH:
    case SMTP_AWAITED_AUTH_CANCEL:
    case SMTP_AWAITED_COMMAND:
    case SMTP_AWAITED_DATA:
        return true;
    default:
        return false;
    }
}

/* A reply that is there before what it answers has gone out. Elsewhere that changes nothing; but
 * TLS would begin behind our own words, and a message would be done with while its bytes are still
 * to be written. */
static bool is_too_early(const struct smtp_client *client, const struct smtp_pending *pending)
{
    switch (pending->what) {
    case SMTP_AWAITED_STARTTLS:
    case SMTP_AWAITED_BDAT:
    case SMTP_AWAITED_FINAL:
        return client->outbox.taken < pending->command;
    default:
        return false;
    }
}

/* A refusal may come early (the message is too large, for one): it counts, but what is left of the
 * message cannot be said to anybody. */
static void fail_early(struct smtp_client *client, const struct ph_reply *reply)
{
    struct ph_error error;
    if (reply->code / 100 == 2) {
        smtp_error_from_reply(&error, PH_ERROR_PROTOCOL, present_verb(client), reply,
                              "the server agreed to what it has not had yet");
        error.retry = false;
    } else {
        smtp_error_from_reply(&error, PH_ERROR_DISCONNECTED, present_verb(client), reply,
                              "the server refused a message before it had all of it");
    }
    smtp_client_fail(client, &error);
}

static void hand_to_owner(struct smtp_client *client, const struct smtp_pending *pending,
                          const struct ph_reply *reply)
{
    switch (pending->operation->kind) {
    case PH_OPERATION_TRANSACTION:
        smtp_client_transaction_hear(client, pending, reply);
        break;
    case PH_OPERATION_LOGIN:
        smtp_client_login_hear(client, pending, reply);
        break;
    default:
        smtp_client_simple_hear(client, pending, reply);
        break;
    }
}

static void hear(struct smtp_client *client)
{
    struct ph_reply reply = smtp_reply_value(&client->reply);
    client->progress_at = client->now;
    if (client->pending_count == 0) {
        hear_unsolicited(client, &reply);
        return;
    }
    struct smtp_pending pending = client->pending[client->pending_first];
    if (reply.code / 100 == 3 && !may_be_intermediate(&pending)) {
        struct fault fault;
        fault_set(&fault, FAULT_SYNTAX, "%d is no answer to %s", reply.code, present_verb(client));
        break_protocol(client, &fault);
        return;
    }
    bool is_early = is_too_early(client, &pending);
    if (is_early && reply.code / 100 == 2) {
        fail_early(client, &reply);
        return;
    }
    /* LMTP gives a reply for each accepted recipient: the entry stays until the last (RFC
     * 2033 4.2). */
    struct smtp_transaction *transaction = &pending.operation->transaction;
    if (pending.what != SMTP_AWAITED_FINAL || !client->is_lmtp ||
        transaction->finals_heard + 1 >= transaction->accepted) {
        client->pending_first = (client->pending_first + 1) % PH_ENGINE_PENDING_MAX;
        client->pending_count--;
        pending.operation->pending--;
    }
    if (pending.what != SMTP_AWAITED_RSET)
        hand_to_owner(client, &pending, &reply);
    if (reply.code == 421)
        fail_by_reply(client, &reply);
    else if (is_early)
        fail_early(client, &reply);
}

static bool has_news(const struct smtp_client *client)
{
    return client->has_event || (client->first != NULL && client->first->is_ended);
}

size_t smtp_client_feed(struct smtp_client *client, const char *data, size_t length, int64_t now)
{
    struct bytes rest = bytes_of(data, length);
    client->now = now;
    while (rest.length > 0 && !client->is_closed && !has_news(client)) {
        struct fault fault;
        if (client->is_waiting_for_tls) {
            /* RFC 3207 4: nothing may come between the 220 and the handshake. Whoever sent it wants
             * it taken for what comes out of TLS. */
            fault_set(&fault, FAULT_DENIED, "bytes came behind the reply to STARTTLS, in clear");
            break_protocol(client, &fault);
            break;
        }
        enum smtp_reply_status status = smtp_reply_read(&client->reply, &rest, &fault);
        if (status == SMTP_REPLY_BROKEN) {
            if (fault.kind == FAULT_TEMPORARY)
                smtp_client_fail_memory(client);
            else
                break_protocol(client, &fault);
        }
        if (status == SMTP_REPLY_LINE || status == SMTP_REPLY_DONE)
            trace_reply_line(client);
        if (status == SMTP_REPLY_DONE) {
            hear(client);
            smtp_client_pump(client);
        }
    }
    return length - rest.length;
}

/* ---- events ---- */

void smtp_client_tell(struct smtp_client *client, enum ph_event_kind kind,
                      const struct smtp_operation *operation, size_t index,
                      const struct ph_reply *reply)
{
    assert(!client->has_event);
    client->has_event = true;
    client->event = (struct ph_event){
        .kind = kind,
        .operation = operation->kind,
        .transaction = operation->transaction.given,
        .index = index,
        .reply = *reply,
    };
}

/* The error of an operation that the end of the connection ended. */
static void adopt_failure(const struct smtp_client *client, struct smtp_operation *operation)
{
    if (operation->is_ended)
        return;
    if (!operation->has_error) {
        operation->has_error = true;
        operation->error = client->failure;
    }
    operation->is_ended = true;
    if (operation->kind == PH_OPERATION_TRANSACTION && operation->transaction.fate == PH_MAYBE_SENT)
        operation->error.retry = false;
    operation->error.fate = operation->transaction.fate;
}

/* PH_EVENT_DONE of the first operation, which leaves the list. Its memory is not used again before
 * the next call that makes an operation, so that the error can be lent. */
static void tell_done(struct smtp_client *client, struct ph_event *event)
{
    struct smtp_operation *operation = client->first;
    adopt_failure(client, operation);
    *event = (struct ph_event){
        .kind = PH_EVENT_DONE,
        .operation = operation->kind,
        .transaction = operation->transaction.given,
        .fate = operation->transaction.fate,
        .dropped = operation->transaction.dropped,
        .error = operation->has_error ? &operation->error : &no_error,
        .is_closed = client->is_closed,
    };
    if (operation->has_reply)
        event->reply = smtp_reply_value(&client->reply);
    remove_first(client);
}

/* The operation whose body is asked for: the one that is being issued. */
static bool wants_piece(const struct smtp_client *client)
{
    return client->issuing != NULL && client->issuing->transaction.body.wants_piece;
}

bool smtp_client_next(struct smtp_client *client, struct ph_event *event)
{
    if (client->has_event) {
        *event = client->event;
        client->has_event = false;
        return true;
    }
    if (client->first != NULL && (client->first->is_ended || client->is_closed)) {
        tell_done(client, event);
        return true;
    }
    smtp_client_pump(client);
    if (client->first != NULL && (client->first->is_ended || client->is_closed)) {
        tell_done(client, event);
        return true;
    }
    if (client->wants_tls) {
        client->wants_tls = false;
        *event = (struct ph_event){.kind = PH_EVENT_TLS_WANTED, .operation = PH_OPERATION_STARTTLS};
        return true;
    }
    if (wants_piece(client)) {
        struct smtp_transaction *transaction = &client->issuing->transaction;
        transaction->body.wants_piece = false;
        transaction->body.is_asked = true;
        *event = (struct ph_event){.kind = PH_EVENT_BODY_WANTED,
                                   .operation = PH_OPERATION_TRANSACTION,
                                   .transaction = transaction->given};
        return true;
    }
    return false;
}

/* ---- bytes out ---- */

size_t smtp_client_output(struct smtp_client *client, struct iovec *slices, size_t count)
{
    return outbox_show(&client->outbox, slices, count);
}

void smtp_client_sent(struct smtp_client *client, size_t count, int64_t now)
{
    client->now = now;
    if (count == 0 || client->is_closed)
        return;
    outbox_take(&client->outbox, count);
    client->progress_at = now;
    smtp_client_pump(client);
}

/* ---- time ---- */

static int64_t timeout_for(const struct smtp_client *client)
{
    if (client->outbox.taken < client->body_end)
        return client->timeouts.data_block;
    if (client->pending_count == 0)
        return client->timeouts.command;
    switch (client->pending[client->pending_first].what) {
    case SMTP_AWAITED_GREETING:
        return client->timeouts.greeting;
    case SMTP_AWAITED_DATA:
        return client->timeouts.data_start;
    case SMTP_AWAITED_FINAL:
    case SMTP_AWAITED_BDAT:
        return client->timeouts.data_end;
    default:
        return client->timeouts.command;
    }
}

int64_t smtp_client_deadline(const struct smtp_client *client)
{
    if (client->is_closed || client->is_waiting_for_tls ||
        (client->pending_count == 0 && outbox_is_empty(&client->outbox)))
        return INT64_MAX;
    int64_t timeout = timeout_for(client);
    return client->progress_at > INT64_MAX - timeout ? INT64_MAX : client->progress_at + timeout;
}

/* ---- what is known ---- */

const struct ph_capabilities *smtp_client_capabilities(const struct smtp_client *client)
{
    return &client->capability.known;
}

const char *smtp_client_extension(const struct smtp_client *client, const char *keyword)
{
    return smtp_capability_find(&client->capability, keyword);
}

bool smtp_client_is_idle(const struct smtp_client *client)
{
    return client->first == NULL && !client->has_event && outbox_is_empty(&client->outbox);
}

bool smtp_client_is_closed(const struct smtp_client *client)
{
    return client->is_closed;
}

/* ---- operations that the host asks for ---- */

bool smtp_client_hello(struct smtp_client *client, enum ph_hello which, const char *name,
                       int64_t now, struct ph_error *error)
{
    char wire[SMTP_CLIENT_NAME_MAX + 1];
    if (which != PH_HELLO_AUTOMATIC && (which == PH_HELLO_LHLO) != client->is_lmtp)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "",
                              client->is_lmtp ? "LMTP says LHLO, not EHLO or HELO"
                                              : "LHLO is for LMTP");
    if (name == NULL)
        memcpy(wire, client->hello_name, sizeof wire);
    else if (!set_hello_name(wire, name, error))
        return false;
    struct smtp_operation *operation =
        smtp_client_make_operation(client, PH_OPERATION_HELLO, error);
    if (operation == NULL)
        return false;
    buffer_append_string(&operation->line, wire);
    if (buffer_is_failed(&operation->line)) {
        smtp_client_drop_operation(client, operation);
        return smtp_error_memory(error);
    }
    operation->hello = which;
    snprintf(operation->verb, sizeof operation->verb, "%s",
             client->is_lmtp          ? "LHLO"
             : which == PH_HELLO_HELO ? "HELO"
                                      : "EHLO");
    smtp_client_queue(client, operation, now);
    return true;
}

bool smtp_client_starttls(struct smtp_client *client, int64_t now, struct ph_error *error)
{
    if (client->is_encrypted)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "STARTTLS",
                              "the connection is encrypted already");
    struct smtp_operation *operation =
        smtp_client_make_operation(client, PH_OPERATION_STARTTLS, error);
    if (operation == NULL)
        return false;
    if (!smtp_client_has(client, PH_CAPABILITY_STARTTLS)) {
        smtp_client_drop_operation(client, operation);
        return smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, "STARTTLS",
                              "the server does not offer STARTTLS");
    }
    snprintf(operation->verb, sizeof operation->verb, "STARTTLS");
    smtp_client_queue(client, operation, now);
    return true;
}

static void copy_facts(struct smtp_client *client, const struct ph_tls_facts *facts)
{
    client->has_facts = facts != NULL;
    if (facts == NULL)
        return;
    client->facts = (struct ph_tls_facts){.has_client_certificate = facts->has_client_certificate};
    if (facts->binding_name == NULL || facts->binding_length > sizeof client->binding)
        return;
    snprintf(client->binding_name, sizeof client->binding_name, "%s", facts->binding_name);
    memcpy(client->binding, facts->binding, facts->binding_length);
    client->facts.binding_name = client->binding_name;
    client->facts.binding = client->binding;
    client->facts.binding_length = facts->binding_length;
}

void smtp_client_tls_started(struct smtp_client *client, const struct ph_tls_facts *facts,
                             int64_t now)
{
    client->now = now;
    client->progress_at = now;
    if (client->is_closed)
        return;
    copy_facts(client, facts);
    client->is_encrypted = true;
    if (!client->is_waiting_for_tls)
        return;
    /* RFC 3207 4.2: whatever was learned in clear is forgotten. */
    client->is_waiting_for_tls = false;
    client->wants_tls = false;
    client->is_greeted = false;
    client->needs_rset = false;
    client->has_envelope = false;
    smtp_capability_reset(&client->capability);
    smtp_reply_reset(&client->reply);
    smtp_client_end_operation(client->first, false);
}

bool smtp_client_login(struct smtp_client *client, const struct ph_login *login, int64_t now,
                       struct ph_error *error)
{
    struct smtp_operation *operation =
        smtp_client_make_operation(client, PH_OPERATION_LOGIN, error);
    if (operation == NULL)
        return false;
    if (!smtp_client_has(client, PH_CAPABILITY_AUTH)) {
        smtp_client_drop_operation(client, operation);
        return smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, "AUTH",
                              client->is_encrypted
                                  ? "the server does not offer AUTH"
                                  : "the server does not offer AUTH; many do only after STARTTLS");
    }
    operation->login.given = login;
    snprintf(operation->verb, sizeof operation->verb, "AUTH");
    smtp_client_queue(client, operation, now);
    return true;
}

bool smtp_client_send(struct smtp_client *client, const struct ph_transaction *transaction,
                      int64_t now, struct ph_error *error)
{
    struct smtp_operation *operation =
        smtp_client_make_operation(client, PH_OPERATION_TRANSACTION, error);
    if (operation == NULL)
        return false;
    operation->transaction.given = transaction;
    if (!smtp_client_check_transaction(client, &operation->transaction, error)) {
        smtp_client_drop_operation(client, operation);
        return false;
    }
    snprintf(operation->verb, sizeof operation->verb, "MAIL");
    client->message_count++;
    smtp_client_queue(client, operation, now);
    return true;
}

bool smtp_client_data(struct smtp_client *client, const struct ph_transaction *transaction,
                      int64_t now, struct ph_error *error)
{
    struct smtp_operation *operation =
        smtp_client_make_operation(client, PH_OPERATION_TRANSACTION, error);
    if (operation == NULL)
        return false;
    operation->transaction.given = transaction;
    operation->transaction.is_data_only = true;
    operation->transaction.phase = SMTP_PHASE_DATA;
    smtp_client_body_begin(&operation->transaction);
    snprintf(operation->verb, sizeof operation->verb, "DATA");
    smtp_client_queue(client, operation, now);
    return true;
}

/* Queues the command that stands in operation->line. */
static bool queue_command(struct smtp_client *client, struct smtp_operation *operation,
                          bool is_encoded, const struct fault *fault, int64_t now,
                          struct ph_error *error)
{
    if (!is_encoded || buffer_is_failed(&operation->line)) {
        bool is_memory = buffer_is_failed(&operation->line);
        smtp_client_drop_operation(client, operation);
        if (is_memory)
            return smtp_error_memory(error);
        return smtp_error_from_fault(error, PH_ERROR_ARGUMENT, "", fault,
                                     "the command cannot be sent");
    }
    struct bytes verb;
    struct bytes rest;
    bytes_split(bytes_trim_end(buffer_bytes(&operation->line)), ' ', &verb, &rest);
    if (!client->is_in_challenge)
        snprintf(operation->verb, sizeof operation->verb, "%.*s", BYTES_FORMAT(verb));
    smtp_client_queue(client, operation, now);
    return true;
}

bool smtp_client_command(struct smtp_client *client, const char *verb, const char *argument,
                         int64_t now, struct ph_error *error)
{
    struct smtp_operation *operation =
        smtp_client_make_operation(client, PH_OPERATION_COMMAND, error);
    if (operation == NULL)
        return false;
    struct fault fault;
    bool is_encoded = smtp_command_plain(&operation->line, verb, argument, &fault);
    return queue_command(client, operation, is_encoded, &fault, now, error);
}

/* What parameters and UTF-8 in a command of its own ask of the server. */
static bool check_extras(struct smtp_client *client, const char *parameters, bool needs_utf8,
                         const char *verb, struct ph_error *error)
{
    if (parameters != NULL && *parameters != '\0' && !client->capability.known.is_extended)
        return smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, verb,
                              "parameters need a server that took EHLO");
    if (needs_utf8 && !smtp_client_has(client, PH_CAPABILITY_SMTPUTF8))
        return smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, verb,
                              "the address needs SMTPUTF8, which the server does not offer");
    return true;
}

bool smtp_client_mail(struct smtp_client *client, const char *sender, const char *parameters,
                      int64_t now, struct ph_error *error)
{
    bool needs_utf8 = false;
    if (!smtp_client_check_address(client, sender, true, &needs_utf8, error) ||
        !check_extras(client, parameters, needs_utf8, "MAIL", error))
        return false;
    struct smtp_operation *operation =
        smtp_client_make_operation(client, PH_OPERATION_COMMAND, error);
    if (operation == NULL)
        return false;
    /* A caller who says SMTPUTF8 in the parameters need not hear it twice. */
    bool says_utf8 = parameters != NULL && strcasestr(parameters, "SMTPUTF8") != NULL;
    struct smtp_command_mail mail = {.sender = buffer_bytes(&client->scratch),
                                     .is_utf8 = needs_utf8 && !says_utf8,
                                     .parameters = parameters};
    struct fault fault;
    bool is_encoded = smtp_command_mail(&operation->line, &mail, &fault);
    return queue_command(client, operation, is_encoded, &fault, now, error);
}

bool smtp_client_rcpt(struct smtp_client *client, const char *recipient, const char *parameters,
                      int64_t now, struct ph_error *error)
{
    bool needs_utf8 = false;
    if (!smtp_client_check_address(client, recipient, false, &needs_utf8, error) ||
        !check_extras(client, parameters, needs_utf8, "RCPT", error))
        return false;
    struct smtp_operation *operation =
        smtp_client_make_operation(client, PH_OPERATION_COMMAND, error);
    if (operation == NULL)
        return false;
    struct smtp_command_recipient fields = {.address = buffer_bytes(&client->scratch),
                                            .parameters = parameters};
    struct fault fault;
    bool is_encoded = smtp_command_rcpt(&operation->line, &fields, &fault);
    return queue_command(client, operation, is_encoded, &fault, now, error);
}

bool smtp_client_raw(struct smtp_client *client, const char *data, size_t length, int64_t now,
                     struct ph_error *error)
{
    client->now = now;
    if (client->is_closed || client->issuing != NULL)
        return smtp_error_set(
            error, client->is_closed ? PH_ERROR_DISCONNECTED : PH_ERROR_ARGUMENT, "",
            client->is_closed ? "there is no connection"
                              : "raw bytes must wait until what was asked is sent");
    if (length > buffer_room(&client->outbox.text))
        return smtp_error_set(error, PH_ERROR_LIMIT, "", "more than %d bytes wait to be written",
                              OUTBOX_TEXT_MAX);
    if (outbox_is_empty(&client->outbox) && client->pending_count == 0)
        client->progress_at = now;
    struct buffer *text = outbox_begin_text(&client->outbox);
    buffer_append(text, bytes_of(data, length));
    outbox_end_text(&client->outbox);
    if (buffer_is_failed(text)) {
        smtp_client_fail_memory(client);
        return smtp_error_memory(error);
    }
    return true;
}

bool smtp_client_expect(struct smtp_client *client, int64_t now, struct ph_error *error)
{
    struct smtp_operation *operation =
        smtp_client_make_operation(client, PH_OPERATION_COMMAND, error);
    if (operation == NULL)
        return false;
    operation->is_expect_only = true;
    smtp_client_queue(client, operation, now);
    return true;
}

bool smtp_client_quit(struct smtp_client *client, int64_t now, struct ph_error *error)
{
    struct smtp_operation *operation = smtp_client_make_operation(client, PH_OPERATION_QUIT, error);
    if (operation == NULL)
        return false;
    snprintf(operation->verb, sizeof operation->verb, "QUIT");
    smtp_client_queue(client, operation, now);
    return true;
}
