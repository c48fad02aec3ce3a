/* Messages on their way out: into a transaction's body, a callback, or memory. */
#include "client/message.h"

#include <stdlib.h>

#include "base/auto.h"
#include "mail/header.h"
#include "smtp/smtp_error.h"

enum {
    WRITE_SIZE = 65536 /* bytes of a piece given to a sink */
};

/* What a rendering came to. */
struct outcome {
    bool uses_utf8;
    bool is_7bit;
};

static bool refuse(struct ph_error *error, const struct fault *fault)
{
    if (fault->kind == FAULT_DENIED)
        return smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, "", "%s", fault->message);
    return message_refuse(error, fault, "the message cannot be rendered");
}

/* RFC 5322 3.6.2: more than one author needs one sender. */
static bool has_author(struct ph_message *message, struct ph_error *error)
{
    const struct message_field *from = message_field_find(message, BYTES("From"));
    if (from == NULL || from->addresses.mailbox_count == 0)
        return message_refuse_argument(error, "the message has no From address");
    if (from->addresses.mailbox_count > 1 && message_field_find(message, BYTES("Sender")) == NULL)
        return message_refuse_argument(error,
                                       "a message with several From addresses needs a Sender");
    return true;
}

/* Something given for the header goes beyond ASCII. */
static bool has_utf8_fields(const struct ph_message *message)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct message_field *field = &message->fields[i];
        bool is_hidden = field->rule != NULL && field->rule->is_hidden;
        if (!is_hidden && (!bytes_is_ascii(buffer_bytes(&field->text)) ||
                           !address_list_is_ascii(&field->addresses)))
            return true;
    }
    return false;
}

static bool compose_new(struct ph_message *message, const struct ph_rendering *rendering,
                        struct outcome *outcome, struct ph_error *error)
{
    struct compose *composition = &message->composition;
    struct fault fault;
    if (!has_author(message, error) || !message_field_complete(message, error))
        return false;
    bool needs_utf8 = message_write_needs_utf8(message);
    if (needs_utf8 && !rendering->utf8)
        return smtp_error_set(error, PH_ERROR_NOT_SUPPORTED, "",
                              "an address of the message needs SMTPUTF8, which is not offered");
    outcome->uses_utf8 =
        needs_utf8 || (rendering->utf8 && rendering->prefer_utf8 && has_utf8_fields(message));
    if (!message_write_fields(message, &composition->text, outcome->uses_utf8, &fault) ||
        !message_tree_write(message, rendering->eight_bit, &outcome->is_7bit, &fault))
        return refuse(error, &fault);
    outcome->is_7bit &= !outcome->uses_utf8;
    return true;
}

/* UTF-8 headers go as they are only where they must or may: asking for SMTPUTF8 narrows the way
   that the message can take behind the first server too. */
static bool compose_existing(struct ph_message *message, const struct ph_rendering *rendering,
                             struct outcome *outcome, struct ph_error *error)
{
    struct compose *composition = &message->composition;
    struct fault fault;
    bool allow_utf8 =
        rendering->utf8 && (rendering->prefer_utf8 || message_write_needs_utf8(message));
    if (!message_source_rewind(&message->body, &fault) ||
        !message_write_fields(message, &composition->text, allow_utf8, &fault))
        return refuse(error, &fault);
    outcome->uses_utf8 = allow_utf8 && !bytes_is_ascii(buffer_bytes(&composition->text));
    outcome->is_7bit = false;
    buffer_append_string(&composition->text, "\r\n");
    struct compose_source body = message_source_for_composition(&message->body);
    return compose_add_source(composition, &body, TRANSFER_AS_IS, &fault) || refuse(error, &fault);
}

static bool compose(struct ph_message *message, const struct ph_rendering *rendering,
                    struct outcome *outcome, struct ph_error *error)
{
    static const struct ph_rendering plain;
    struct fault fault;
    if (rendering == NULL)
        rendering = &plain;
    compose_clear(&message->composition);
    bool is_composed = message->is_existing ? compose_existing(message, rendering, outcome, error)
                                            : compose_new(message, rendering, outcome, error);
    if (is_composed && !compose_finish(&message->composition, &fault))
        is_composed = refuse(error, &fault);
    if (!is_composed)
        compose_clear(&message->composition);
    return is_composed;
}

/* Nothing is added to, left out of, or changed in an existing message in memory: its bytes can be
   sent from where they lie. */
static bool is_untouched(const struct ph_message *message)
{
    size_t rest = message->whole.length - message->body.memory.length;
    if (message->whole.length == 0 || message->field_count > 0 || message->removed.length > 0 ||
        message->section.length == 0 || message->section.data != message->whole.data ||
        !bytes_is_ascii(message->section) || rest == message->section.length)
        return false;
    struct header_field own;
    return !header_find(message->section, BYTES("Bcc"), &own) &&
           !header_find(message->section, BYTES("Resent-Bcc"), &own);
}

bool ph_message_needs_utf8(const struct ph_message *message)
{
    return message_write_needs_utf8(message);
}

static ssize_t read_composition(void *composition, char *buffer, size_t size)
{
    return compose_read(composition, buffer, size);
}

bool ph_message_body(struct ph_message *message, const struct ph_rendering *rendering,
                     struct ph_body *body, bool *utf8_headers, struct ph_error *error)
{
    struct outcome outcome = {.uses_utf8 = false};
    if (is_untouched(message)) {
        *body = (struct ph_body){
            .kind = PH_BODY_MEMORY, .data = message->whole.data, .length = message->whole.length};
    } else {
        uint64_t size;
        if (!compose(message, rendering, &outcome, error))
            return false;
        *body = (struct ph_body){
            .kind = PH_BODY_CALLBACK,
            .content = outcome.is_7bit        ? PH_CONTENT_7BIT
                       : message->is_existing ? PH_CONTENT_UNKNOWN
                                              : PH_CONTENT_8BIT,
            .read = read_composition,
            .context = &message->composition,
            .size = compose_size(&message->composition, &size) ? size : 0,
        };
    }
    if (utf8_headers != NULL)
        *utf8_headers = outcome.uses_utf8;
    return true;
}

bool ph_message_write(struct ph_message *message, const struct ph_rendering *rendering,
                      ph_message_sink *sink, void *context, struct ph_error *error)
{
    struct outcome outcome;
    if (!compose(message, rendering, &outcome, error))
        return false;
    char *piece = malloc(WRITE_SIZE);
    if (piece == NULL)
        return smtp_error_memory(error);
    ssize_t count;
    bool is_taken = true;
    do {
        count = compose_read(&message->composition, piece, WRITE_SIZE);
        is_taken = count <= 0 || sink(context, piece, (size_t)count);
    } while (count > 0 && is_taken);
    free(piece);
    if (count < 0)
        return smtp_error_set(error, PH_ERROR_BODY, "",
                              "a part of the message cannot be read to its end");
    return is_taken || smtp_error_set(error, PH_ERROR_BODY, "", "the writing was stopped");
}

static bool append_piece(void *context, const char *piece, size_t length)
{
    struct buffer *out = context;
    buffer_append(out, bytes_of(piece, length));
    return !buffer_is_failed(out);
}

bool ph_message_to_memory(struct ph_message *message, const struct ph_rendering *rendering,
                          char **data, size_t *length, struct ph_error *error)
{
    AUTO(buffer)
    out = BUFFER(SIZE_MAX / 4);
    if (!ph_message_write(message, rendering, append_piece, &out, error))
        return buffer_is_failed(&out) ? smtp_error_memory(error) : false;
    char *copy = malloc(out.length + 1);
    if (copy == NULL)
        return smtp_error_memory(error);
    memcpy(copy, buffer_bytes(&out).data, out.length);
    copy[out.length] = '\0';
    *data = copy;
    *length = out.length;
    return true;
}
