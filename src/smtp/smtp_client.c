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
        greeting = smtp_client_queue_make(client, PH_OPERATION_GREETING, error);
    if (greeting == NULL) {
        smtp_client_free(client);
        return NULL;
    }
    smtp_client_queue(client, greeting, now);
    if (!client->is_closed)
        return client;
    smtp_error_memory(error);
    smtp_client_free(client);
    return NULL;
}

void smtp_client_free(struct smtp_client *client)
{
    if (client == NULL)
        return;
    smtp_client_queue_clear(client);
    smtp_capability_clear(&client->capability);
    smtp_reply_clear(&client->reply);
    outbox_clear(&client->outbox);
    buffer_clear(&client->scratch);
    free(client->pending);
    secret_wipe(client->binding, sizeof client->binding);
    free(client);
}

void smtp_client_set_trace(struct smtp_client *client, ph_trace *trace, void *trace_context)
{
    client->trace = trace;
    client->trace_context = trace_context;
}

/* ---- the end, and time ---- */

void smtp_client_end_of_input(struct smtp_client *client, int system_error, int64_t now)
{
    client->now = now;
    struct ph_error error;
    const char *place = smtp_client_fail_place(client);
    if (system_error != 0) {
        char text[128];
        /* strerror is not for threads; the GNU form gives the text whatever happens. */
        smtp_error_set(&error, PH_ERROR_DISCONNECTED, smtp_client_fail_verb(client),
                       "the connection broke while %s: %s", place,
                       strerror_r(system_error, text, sizeof text));
        error.system_error = system_error;
    } else {
        smtp_error_set(&error, PH_ERROR_DISCONNECTED, smtp_client_fail_verb(client),
                       "the server closed the connection %swhile %s",
                       smtp_reply_is_begun(&client->reply) ? "in the middle of a reply, " : "",
                       place);
    }
    smtp_client_fail(client, &error);
}

void smtp_client_tick(struct smtp_client *client, int64_t now)
{
    client->now = now;
    if (client->is_closed || now < smtp_client_deadline(client))
        return;
    struct ph_error error;
    smtp_error_set(&error, PH_ERROR_TIMEOUT, smtp_client_fail_verb(client),
                   "the server took too long while %s", smtp_client_fail_place(client));
    smtp_client_fail(client, &error);
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
    smtp_client_queue_remove_first(client);
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
    smtp_client_queue_pump(client);
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
    smtp_client_queue_pump(client);
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
    struct smtp_operation *operation = smtp_client_queue_make(client, PH_OPERATION_HELLO, error);
    if (operation == NULL)
        return false;
    buffer_append_string(&operation->line, wire);
    if (buffer_is_failed(&operation->line)) {
        smtp_client_queue_drop(client, operation);
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
    struct smtp_operation *operation = smtp_client_queue_make(client, PH_OPERATION_STARTTLS, error);
    if (operation == NULL)
        return false;
    if (!smtp_client_has(client, PH_CAPABILITY_STARTTLS)) {
        smtp_client_queue_drop(client, operation);
        return smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, "STARTTLS",
                              "the server does not offer STARTTLS");
    }
    snprintf(operation->verb, sizeof operation->verb, "STARTTLS");
    smtp_client_queue(client, operation, now);
    return true;
}

bool smtp_client_login(struct smtp_client *client, const struct ph_login *login, int64_t now,
                       struct ph_error *error)
{
    struct smtp_operation *operation = smtp_client_queue_make(client, PH_OPERATION_LOGIN, error);
    if (operation == NULL)
        return false;
    if (!smtp_client_has(client, PH_CAPABILITY_AUTH)) {
        smtp_client_queue_drop(client, operation);
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
        smtp_client_queue_make(client, PH_OPERATION_TRANSACTION, error);
    if (operation == NULL)
        return false;
    operation->transaction.given = transaction;
    if (!smtp_client_check_transaction(client, operation, error)) {
        smtp_client_queue_drop(client, operation);
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
        smtp_client_queue_make(client, PH_OPERATION_TRANSACTION, error);
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
        smtp_client_queue_drop(client, operation);
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
    struct smtp_operation *operation = smtp_client_queue_make(client, PH_OPERATION_COMMAND, error);
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

static bool has_parameter(const char *parameters, struct bytes wanted)
{
    struct bytes rest = bytes_from_string(parameters);
    while (rest.length > 0) {
        struct bytes parameter;
        bytes_split(rest, ' ', &parameter, &rest);
        if (bytes_equal_ignoring_case(parameter, wanted))
            return true;
    }
    return false;
}

bool smtp_client_mail(struct smtp_client *client, const char *sender, const char *parameters,
                      int64_t now, struct ph_error *error)
{
    bool needs_utf8 = false;
    if (!smtp_client_check_address(client, sender, true, &needs_utf8, error) ||
        !check_extras(client, parameters, needs_utf8, "MAIL", error))
        return false;
    struct smtp_operation *operation = smtp_client_queue_make(client, PH_OPERATION_COMMAND, error);
    if (operation == NULL)
        return false;
    /* A caller who says SMTPUTF8 in the parameters need not hear it twice. */
    bool says_utf8 = has_parameter(parameters, BYTES("SMTPUTF8"));
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
    struct smtp_operation *operation = smtp_client_queue_make(client, PH_OPERATION_COMMAND, error);
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
    /* Between the 220 and the handshake nothing may go out in clear (RFC 3207 4). */
    if (client->is_closed || client->issuing != NULL || client->is_waiting_for_tls)
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
    struct smtp_operation *operation = smtp_client_queue_make(client, PH_OPERATION_COMMAND, error);
    if (operation == NULL)
        return false;
    operation->is_expect_only = true;
    smtp_client_queue(client, operation, now);
    return true;
}

bool smtp_client_quit(struct smtp_client *client, int64_t now, struct ph_error *error)
{
    struct smtp_operation *operation = smtp_client_queue_make(client, PH_OPERATION_QUIT, error);
    if (operation == NULL)
        return false;
    snprintf(operation->verb, sizeof operation->verb, "QUIT");
    smtp_client_queue(client, operation, now);
    return true;
}
