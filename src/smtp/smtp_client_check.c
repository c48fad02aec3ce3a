/* A transaction is judged whole before a byte of it goes out: its values, and what it asks of the
 * server. */
#include "smtp/smtp_client_inside.h"

#include <stdlib.h>

#include "mail/address.h"
#include "smtp/smtp_error.h"

/* The wire's form of an address, in client->scratch. */
static bool write_address(struct smtp_client *client, struct bytes text, bool is_sender,
                          bool *needs_utf8, struct fault *fault)
{
    buffer_reset(&client->scratch);
    if (text.length > PH_ADDRESS_MAX)
        return fault_set(fault, FAULT_LIMIT, "it is longer than %d bytes", PH_ADDRESS_MAX);
    if (text.length == 0 && is_sender)
        return true;
    if (!is_sender && address_is_bare_postmaster(text)) {
        buffer_append(&client->scratch, text);
        return true;
    }
    bool has_utf8_local_part = false;
    if (!address_write_wire(text, &client->scratch, &has_utf8_local_part, fault) ||
        !smtp_command_check_path(buffer_bytes(&client->scratch), fault))
        return false;
    *needs_utf8 |= has_utf8_local_part;
    return true;
}

bool smtp_client_check_address(struct smtp_client *client, const char *address, bool is_sender,
                               bool *needs_utf8, struct ph_error *error)
{
    const char *what = is_sender ? "sender" : "recipient";
    const char *verb = is_sender ? "MAIL" : "RCPT";
    struct fault fault;
    if (address == NULL)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, verb, "the %s is missing%s", what,
                              is_sender ? ": say \"\" for the null sender" : "");
    if (!write_address(client, bytes_from_string(address), is_sender, needs_utf8, &fault))
        return smtp_error_from_fault(error, PH_ERROR_ARGUMENT, verb, &fault,
                                     "the %s \"%.120s\" is no address", what, address);
    return !buffer_is_failed(&client->scratch) || smtp_error_memory(error);
}

static const struct {
    enum ph_extension extension;
    enum ph_capability capability;
    const char *name;
} extensions[] = {
    {PH_EXTENSION_8BITMIME, PH_CAPABILITY_8BITMIME, "8BITMIME"},
    {PH_EXTENSION_SMTPUTF8, PH_CAPABILITY_SMTPUTF8, "SMTPUTF8"},
    {PH_EXTENSION_DSN, PH_CAPABILITY_DSN, "DSN"},
    {PH_EXTENSION_REQUIRETLS, PH_CAPABILITY_REQUIRETLS, "REQUIRETLS"},
    {PH_EXTENSION_DELIVERBY, PH_CAPABILITY_DELIVERBY, "DELIVERBY"},
    {PH_EXTENSION_FUTURERELEASE, PH_CAPABILITY_FUTURERELEASE, "FUTURERELEASE"},
    {PH_EXTENSION_MT_PRIORITY, PH_CAPABILITY_MT_PRIORITY, "MT-PRIORITY"},
    {PH_EXTENSION_BINARYMIME, PH_CAPABILITY_BINARYMIME, "BINARYMIME"},
    {PH_EXTENSION_SIZE, PH_CAPABILITY_SIZE, "SIZE"},
};

/* What this transaction would use: a set of enum ph_extension; what it cannot do without is added
 * to *demands. */
static unsigned collect_wishes(const struct ph_transaction *given, bool needs_utf8, bool has_8bit,
                               unsigned *demands)
{
    unsigned wishes = *demands;
    if (has_8bit)
        wishes |= PH_EXTENSION_8BITMIME;
    if (needs_utf8 || given->utf8_headers)
        wishes |= *demands |= PH_EXTENSION_SMTPUTF8;
    if (given->require_tls)
        wishes |= *demands |= PH_EXTENSION_REQUIRETLS;
    if (given->body.content == PH_CONTENT_BINARY)
        wishes |= *demands |= PH_EXTENSION_BINARYMIME;
    if (given->return_content != PH_RETURN_DEFAULT || given->envelope_id != NULL)
        wishes |= PH_EXTENSION_DSN;
    for (size_t i = 0; i < given->recipient_count; i++) {
        if (given->recipients[i].notify != 0 || given->recipients[i].original_recipient != NULL)
            wishes |= PH_EXTENSION_DSN;
    }
    if (given->deliver_by_seconds != 0)
        wishes |= PH_EXTENSION_DELIVERBY;
    if (given->hold_for_seconds != 0 || given->hold_until != NULL)
        wishes |= PH_EXTENSION_FUTURERELEASE;
    if (given->has_priority)
        wishes |= PH_EXTENSION_MT_PRIORITY;
    return wishes;
}

/* What the server offers, but not as far as this transaction would have it. */
static unsigned find_out_of_range(const struct smtp_client *client,
                                  const struct ph_transaction *given)
{
    const struct ph_capabilities *known = &client->capability.known;
    unsigned out_of_range = 0;
    /* RFC 2852 4: with R the server would refuse a time below its least. */
    if (given->deliver_by_mode == 'R' && given->deliver_by_seconds > 0 &&
        given->deliver_by_seconds < known->deliver_by_min)
        out_of_range |= PH_EXTENSION_DELIVERBY;
    if (known->hold_for_max != 0 && given->hold_for_seconds > known->hold_for_max)
        out_of_range |= PH_EXTENSION_FUTURERELEASE;
    /* RFC 8689 4.1: only over a connection that is encrypted. */
    if (!client->is_encrypted)
        out_of_range |= PH_EXTENSION_REQUIRETLS;
    /* RFC 3030 3: a binary body cannot go by DATA. */
    if (client->has_chunking_off || !smtp_client_has(client, PH_CAPABILITY_CHUNKING))
        out_of_range |= PH_EXTENSION_BINARYMIME;
    return out_of_range;
}

/* Of the wishes what the server offers goes to *granted; what it does not is dropped, or an error
 * when demanded. */
static bool weigh(const struct smtp_client *client, const struct ph_transaction *given,
                  unsigned wishes, unsigned demands, unsigned *granted, struct ph_error *error)
{
    unsigned out_of_range = find_out_of_range(client, given);
    *granted = 0;
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        unsigned bit = extensions[i].extension;
        bool is_offered = smtp_client_has(client, extensions[i].capability);
        if ((wishes & bit) == 0)
            continue;
        if (is_offered && (out_of_range & bit) == 0)
            *granted |= bit;
        else if ((demands & bit) != 0)
            return smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, "MAIL",
                                  "the message needs %s, which the server does not offer%s",
                                  extensions[i].name,
                                  is_offered ? " under these circumstances" : "");
    }
    return true;
}

static bool check_size(const struct smtp_client *client, struct smtp_transaction *transaction,
                       struct ph_error *error)
{
    const struct ph_body *body = &transaction->given->body;
    uint64_t size = body->kind == PH_BODY_MEMORY ? body->length : body->size;
    uint64_t limit = client->capability.known.size_limit;
    if (!smtp_client_has(client, PH_CAPABILITY_SIZE))
        return true;
    /* RFC 1870 6.1: an estimate will do, so that a body with other line ends need not be counted
     * twice. */
    transaction->mail.has_size = size > 0 || body->kind == PH_BODY_MEMORY;
    transaction->mail.size = size;
    if (limit != 0 && size > limit)
        return smtp_error_set(error, PH_ERROR_TOO_LARGE, "MAIL",
                              "the message has %llu bytes, the server takes %llu",
                              (unsigned long long)size, (unsigned long long)limit);
    return true;
}

/* Memory can be looked at before anything is sent; of other bodies only their walk tells. */
static bool check_line_ends(const struct ph_body *body, struct ph_error *error)
{
    if (body->kind != PH_BODY_MEMORY || body->line_ends != PH_LINE_ENDS_REFUSE ||
        body->content == PH_CONTENT_BINARY)
        return true;
    struct dot dot = {.is_stuffing = false};
    char insertion;
    size_t position = dot_next(&dot, bytes_of(body->data, body->length), &insertion);
    if (insertion == 0 && dot.place != DOT_AFTER_CR)
        return true;
    return smtp_error_set(error, PH_ERROR_BODY, "DATA",
                          "the message has a CR or LF that stands alone at byte %zu", position);
}

static bool check_counts(const struct smtp_client *client, const struct ph_transaction *given,
                         struct ph_error *error)
{
    const struct ph_capabilities *known = &client->capability.known;
    if (given->recipient_count == 0 || given->recipients == NULL)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "RCPT", "there is no recipient");
    if (given->recipient_count > PH_RECIPIENTS_MAX)
        return smtp_error_set(error, PH_ERROR_LIMIT, "RCPT",
                              "%zu recipients are more than %d: send in parts",
                              given->recipient_count, PH_RECIPIENTS_MAX);
    /* RFC 9422 3. */
    if (known->recipients_max != 0 && given->recipient_count > known->recipients_max)
        return smtp_error_set(error, PH_ERROR_LIMIT, "RCPT",
                              "the server takes %llu recipients at a time, not %zu: send in parts",
                              (unsigned long long)known->recipients_max, given->recipient_count);
    if (known->messages_max != 0 && client->message_count >= known->messages_max)
        return smtp_error_set(error, PH_ERROR_LIMIT, "MAIL",
                              "the server takes %llu messages on one connection: connect again",
                              (unsigned long long)known->messages_max);
    return true;
}

static bool check_addresses(struct smtp_client *client, const struct ph_transaction *given,
                            bool *needs_utf8, struct ph_error *error)
{
    if (!smtp_client_check_address(client, given->sender, true, needs_utf8, error))
        return false;
    for (size_t i = 0; i < given->recipient_count; i++) {
        if (!smtp_client_check_address(client, given->recipients[i].address, false, needs_utf8,
                                       error))
            return false;
    }
    return true;
}

static bool has_parameters(const char *parameters)
{
    return parameters != NULL && *parameters != '\0';
}

/* Raw parameters are demanded, so they need a server that knows of parameters at all. */
static bool check_raw_parameters(const struct smtp_client *client,
                                 const struct ph_transaction *given, struct ph_error *error)
{
    bool has_any = has_parameters(given->parameters);
    for (size_t i = 0; i < given->recipient_count; i++)
        has_any |= has_parameters(given->recipients[i].parameters);
    if (has_any && !client->capability.known.is_extended)
        return smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, "MAIL",
                              "parameters need a server that took EHLO");
    return true;
}

static void fill_mail(const struct smtp_client *client, struct smtp_transaction *transaction,
                      unsigned granted)
{
    const struct ph_transaction *given = transaction->given;
    struct smtp_command_mail *mail = &transaction->mail;
    if ((granted & PH_EXTENSION_8BITMIME) != 0)
        mail->body = PH_CONTENT_8BIT;
    if ((granted & PH_EXTENSION_BINARYMIME) != 0)
        mail->body = PH_CONTENT_BINARY;
    mail->is_utf8 = (granted & PH_EXTENSION_SMTPUTF8) != 0;
    mail->require_tls = (granted & PH_EXTENSION_REQUIRETLS) != 0;
    transaction->has_dsn = (granted & PH_EXTENSION_DSN) != 0;
    if (transaction->has_dsn) {
        mail->return_content = given->return_content;
        mail->envelope_id = given->envelope_id;
    }
    if ((granted & PH_EXTENSION_DELIVERBY) != 0 && given->deliver_by_seconds != 0) {
        mail->deliver_by_seconds = given->deliver_by_seconds;
        mail->deliver_by_mode = given->deliver_by_mode == 0 ? 'N' : given->deliver_by_mode;
        mail->deliver_by_trace = given->deliver_by_trace;
    }
    if ((granted & PH_EXTENSION_FUTURERELEASE) != 0) {
        mail->hold_for_seconds = given->hold_for_seconds;
        mail->hold_until = given->hold_until;
    }
    if ((granted & PH_EXTENSION_MT_PRIORITY) != 0) {
        mail->has_priority = given->has_priority;
        mail->priority = given->priority;
    }
    if (smtp_client_has(client, PH_CAPABILITY_AUTH))
        mail->authenticated_sender = given->authenticated_sender;
    mail->parameters = given->parameters;
}

/* Builds the commands that have more than an address once, into operation->line: what the encoder
 * refuses is refused here. */
static bool try_commands(struct smtp_client *client, struct smtp_operation *operation,
                         struct ph_error *error)
{
    struct fault fault;
    bool needs_utf8 = false;
    const struct smtp_transaction *transaction = &operation->transaction;
    struct smtp_command_mail mail = transaction->mail;
    if (!smtp_client_check_address(client, transaction->given->sender, true, &needs_utf8, error))
        return false;
    mail.sender = buffer_bytes(&client->scratch);
    if (!smtp_command_mail(&operation->line, &mail, &fault))
        return smtp_error_from_fault(error, PH_ERROR_ARGUMENT, "MAIL", &fault,
                                     "the message cannot be announced");
    for (size_t i = 0; i < transaction->recipient_count; i++) {
        const struct ph_recipient *given = &transaction->given->recipients[i];
        if (given->notify == 0 && given->original_recipient == NULL && given->parameters == NULL)
            continue;
        if (!smtp_client_check_address(client, given->address, false, &needs_utf8, error))
            return false;
        struct smtp_command_recipient recipient = {
            .address = buffer_bytes(&client->scratch),
            .notify = given->notify,
            .original_recipient = given->original_recipient,
            .parameters = given->parameters,
        };
        buffer_reset(&operation->line);
        if (!smtp_command_rcpt(&operation->line, &recipient, &fault))
            return smtp_error_from_fault(error, PH_ERROR_ARGUMENT, "RCPT", &fault,
                                         "the recipient %.120s cannot be announced",
                                         given->address);
    }
    return !buffer_is_failed(&operation->line) || smtp_error_memory(error);
}

static bool is_8bit(const struct ph_body *body)
{
    switch (body->content) {
    case PH_CONTENT_UNKNOWN:
        return body->kind != PH_BODY_MEMORY ||
               dot_has_high_bytes(bytes_of(body->data, body->length));
    case PH_CONTENT_8BIT:
        return true;
    case PH_CONTENT_7BIT:
    case PH_CONTENT_BINARY:
        break;
    }
    return false;
}

static bool prepare_accepted_set(struct smtp_transaction *transaction, struct ph_error *error)
{
    size_t size = transaction->recipient_count / 8 + 1;
    if (transaction->accepted_set_size < size) {
        unsigned char *set = realloc(transaction->accepted_set, size);
        if (set == NULL)
            return smtp_error_memory(error);
        transaction->accepted_set = set;
        transaction->accepted_set_size = size;
    }
    memset(transaction->accepted_set, 0, size);
    return true;
}

/* What a hello or STARTTLS before it in the list will change cannot be judged by (RFC 3207 4.2). */
static bool is_server_known(const struct smtp_client *client)
{
    for (const struct smtp_operation *operation = client->first; operation != NULL;
         operation = operation->next) {
        if (operation->kind == PH_OPERATION_HELLO || operation->kind == PH_OPERATION_STARTTLS)
            return false;
    }
    return client->is_greeted;
}

bool smtp_client_check_transaction(struct smtp_client *client, struct smtp_operation *operation,
                                   struct ph_error *error)
{
    struct smtp_transaction *transaction = &operation->transaction;
    const struct ph_transaction *given = transaction->given;
    if (!is_server_known(client))
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "MAIL",
                              "say hello first: nothing is known of the server");
    bool needs_utf8 = false;
    if (!check_counts(client, given, error) ||
        !check_addresses(client, given, &needs_utf8, error) ||
        !check_line_ends(&given->body, error) || !check_raw_parameters(client, given, error))
        return false;
    unsigned demands = given->demands;
    bool has_8bit = is_8bit(&given->body);
    unsigned wishes = collect_wishes(given, needs_utf8, has_8bit, &demands);
    unsigned granted;
    if (!weigh(client, given, wishes, demands, &granted, error))
        return false;
    transaction->dropped = wishes & ~granted;
    transaction->recipient_count = given->recipient_count;
    fill_mail(client, transaction, granted);
    /* 8BITMIME that is demanded for a body that has no need of it is an offer not taken up. */
    if (!has_8bit && transaction->mail.body == PH_CONTENT_8BIT)
        transaction->mail.body = PH_CONTENT_UNKNOWN;
    if (!check_size(client, transaction, error) || !try_commands(client, operation, error))
        return false;
    if (client->is_lmtp && !prepare_accepted_set(transaction, error))
        return false;
    bool may_chunk = smtp_client_has(client, PH_CAPABILITY_CHUNKING) && !client->has_chunking_off;
    /* An LMTP server is near, so that BDAT saves nothing there. */
    transaction->uses_bdat =
        given->body.content == PH_CONTENT_BINARY || (may_chunk && !client->is_lmtp);
    smtp_client_body_begin(transaction);
    return true;
}
