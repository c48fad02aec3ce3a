/* A letter as a transaction of the engine, and the engine's replies as results of its recipients.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "delivery/outbound_session_inside.h"
#include "mail/address.h"
#include "smtp/smtp_command.h"

/* ---- refusing ---- */

static void refuse(struct outbound_refusal *refusal, int code, const char *enhanced,
                   const char *format, ...) __attribute__((format(printf, 4, 5)));

static void refuse(struct outbound_refusal *refusal, int code, const char *enhanced,
                   const char *format, ...)
{
    va_list arguments;
    *refusal = (struct outbound_refusal){.code = code, .enhanced = enhanced};
    va_start(arguments, format);
    vsnprintf(refusal->text, sizeof refusal->text, format, arguments);
    va_end(arguments);
}

static void refuse_for_memory(struct outbound_refusal *refusal)
{
    refuse(refusal, 451, "4.3.0", "out of memory");
}

void outbound_session_letter_refuse(const struct ph_error *error, struct outbound_refusal *refusal)
{
    switch (error->kind) {
    case PH_ERROR_DISCONNECTED:
    case PH_ERROR_LIMIT:
        refuse(refusal, 0, "", "%s", error->message);
        break;
    case PH_ERROR_MEMORY:
        refuse_for_memory(refusal);
        break;
    case PH_ERROR_TOO_LARGE:
        refuse(refusal, 552, "5.3.4", "%s", error->message);
        break;
    default:
        refuse(refusal, 554, "5.6.0", "%s", error->message);
    }
}

static bool has(const struct ph_capabilities *known, enum ph_capability capability)
{
    return (known->set & (unsigned)capability) != 0;
}

static bool has_utf8_local_part(struct bytes address)
{
    size_t at = address.length;
    while (at > 0 && address.data[at - 1] != '@')
        at--;
    return !bytes_is_ascii(bytes_slice(address, 0, at));
}

/* The body has bytes beyond ASCII, whatever was said of it. */
static bool is_8bit(const struct outbound_letter *letter)
{
    return !letter->is_downgraded &&
           (letter->letter->body_kind == STORE_BODY_8BIT || !bytes_is_ascii(letter->first));
}

static bool is_binary(const struct outbound_letter *letter)
{
    return !letter->is_downgraded && letter->letter->body_kind == STORE_BODY_BINARY;
}

/* What the far end cannot take of the message itself, whoever its recipients are. */
static bool is_takeable(const struct ph_capabilities *known, const struct outbound_letter *letter,
                        struct outbound_refusal *refusal)
{
    if (has(known, PH_CAPABILITY_SIZE) && known->size_limit != 0 &&
        letter->size > known->size_limit) {
        /* RFC 1870 6.2. */
        refuse(refusal, 552, "5.3.4", "The message has %llu bytes, and the host takes %llu at most",
               (unsigned long long)letter->size, (unsigned long long)known->size_limit);
        return false;
    }
    if (has_utf8_local_part(letter->letter->sender) && !has(known, PH_CAPABILITY_SMTPUTF8)) {
        /* RFC 6531 3.2. */
        refuse(refusal, 550, "5.6.7",
               "The sender's address needs SMTPUTF8, which the host does not offer");
        return false;
    }
    if (letter->letter->is_utf8 && !letter->is_downgraded && !has(known, PH_CAPABILITY_SMTPUTF8)) {
        refuse(refusal, 550, "5.6.7", "The message needs SMTPUTF8, which the host does not offer");
        refusal->needs_downgrade = true;
        return false;
    }
    if (is_binary(letter) &&
        !(has(known, PH_CAPABILITY_BINARYMIME) && has(known, PH_CAPABILITY_CHUNKING))) {
        /* RFC 3030 3. */
        refuse(refusal, 554, "5.6.1",
               "The message needs BINARYMIME and CHUNKING, which the host does not offer");
        refusal->needs_downgrade = true;
        return false;
    }
    if (!is_binary(letter) && is_8bit(letter) && !has(known, PH_CAPABILITY_8BITMIME)) {
        /* RFC 6152 3. */
        refuse(refusal, 554, "5.6.1", "The message needs 8BITMIME, which the host does not offer");
        refusal->needs_downgrade = true;
        return false;
    }
    return true;
}

/* ---- results ---- */

/* What a reply says goes to the store and to reports: what is no UTF-8 becomes "?". */
static void keep_text(char *to, size_t size, struct bytes text)
{
    size_t length = 0;
    while (text.length > 0) {
        struct bytes rest = text;
        uint32_t code_point;
        bool is_valid = utf8_next(&rest, &code_point);
        size_t width = is_valid ? text.length - rest.length : 1;
        if (length + width >= size)
            break;
        if (is_valid)
            memcpy(to + length, text.data, width);
        else
            to[length] = '?';
        length += width;
        text = bytes_skip(text, width);
    }
    to[length] = '\0';
}

static void set_result(struct outbound_recipient_result *result, enum reply_judge_phase phase,
                       const struct ph_reply *reply)
{
    result->phase = phase;
    result->code = reply->code;
    result->enhanced[0] = '\0';
    if (reply->enhanced[0] != 0)
        snprintf(result->enhanced, sizeof result->enhanced, "%u.%u.%u", reply->enhanced[0] % 10U,
                 reply->enhanced[1] % 1000U, reply->enhanced[2] % 1000U);
    keep_text(result->text, sizeof result->text, bytes_of(reply->text, reply->text_length));
    result->is_accepted = phase == REPLY_JUDGE_MESSAGE && reply->code / 100 == 2;
}

static struct outbound_recipient_result *result_at(const struct outbound_session_transit *transit,
                                                   size_t index)
{
    return &transit->letter->results[transit->places[index]];
}

/* For all that have no reply that stands. */
static void set_open_results(const struct outbound_session_transit *transit,
                             enum reply_judge_phase phase, const struct ph_reply *reply)
{
    for (size_t i = 0; i < transit->transaction.recipient_count; i++) {
        struct outbound_recipient_result *result = result_at(transit, i);
        if (result->code == 0)
            set_result(result, phase, reply);
    }
}

static void hear_recipient(const struct outbound_session_transit *transit,
                           const struct ph_event *event)
{
    struct outbound_recipient_result *result = result_at(transit, event->index);
    /* Of one that was taken the reply to the message decides. */
    if (event->reply.code / 100 != 2 && result->code == 0)
        set_result(result, REPLY_JUDGE_RECIPIENT, &event->reply);
}

static void hear_done(struct outbound_session_transit *transit, const struct ph_event *event)
{
    const struct ph_error *error = event->error;
    struct ph_reply reply = {
        .code = 0, .text = error->message, .text_length = strlen(error->message)};
    transit->is_ended = true;
    transit->letter->dropped = event->dropped;
    if (error->kind == PH_OK)
        return;
    if (error->kind == PH_ERROR_DATA_REFUSED && error->reply_code != 0) {
        reply = (struct ph_reply){.code = error->reply_code,
                                  .text = error->reply_text,
                                  .text_length = strlen(error->reply_text)};
        memcpy(reply.enhanced, error->reply_enhanced, sizeof reply.enhanced);
        set_open_results(transit, REPLY_JUDGE_MESSAGE, &reply);
    } else {
        set_open_results(transit, REPLY_JUDGE_LOST, &reply);
    }
}

void outbound_session_letter_hear(struct outbound_session_transit *transit,
                                  const struct ph_event *event)
{
    switch (event->kind) {
    case PH_EVENT_SENDER:
        if (event->reply.code / 100 != 2)
            set_open_results(transit, REPLY_JUDGE_SENDER, &event->reply);
        break;
    case PH_EVENT_RECIPIENT:
        hear_recipient(transit, event);
        break;
    case PH_EVENT_FINAL:
        set_open_results(transit, REPLY_JUDGE_MESSAGE, &event->reply);
        break;
    case PH_EVENT_DONE:
        hear_done(transit, event);
        break;
    default:
        break;
    }
}

/* ---- building ---- */

static char *take_string(char **memory, struct bytes text)
{
    char *string = *memory;
    if (text.length > 0)
        memcpy(string, text.data, text.length);
    string[text.length] = '\0';
    *memory += text.length + 1;
    return string;
}

static size_t count_text(const struct store_outbound_letter *letter)
{
    size_t size = letter->sender.length + letter->envelope_id.length + 2;
    for (size_t i = 0; i < letter->recipient_count; i++)
        size += letter->recipients[i].address.length +
                letter->recipients[i].original_recipient.length + sizeof "ORCPT=" + 2;
    return size;
}

/* A recipient that cannot be told to the far end. False: it can. */
static bool is_left_out(const struct ph_capabilities *known, const struct outbound_letter *letter,
                        size_t index, size_t taken)
{
    struct bytes address = letter->letter->recipients[index].address;
    struct outbound_recipient_result *result = &letter->results[index];
    struct ph_reply reply = {.code = 0};
    AUTO(buffer)
    wire = BUFFER(PH_ADDRESS_MAX);
    struct fault fault;
    bool needs_utf8 = false;
    if (!address_is_bare_postmaster(address) &&
        !address_write_wire(address, &wire, &needs_utf8, &fault))
        reply = (struct ph_reply){.code = 553, .enhanced = {5, 1, 3}, .text = fault.message};
    else if (needs_utf8 && !has(known, PH_CAPABILITY_SMTPUTF8))
        reply = (struct ph_reply){
            .code = 550,
            .enhanced = {5, 6, 7},
            .text = "The recipient's address needs SMTPUTF8, which the host does not offer"};
    else if (known->recipients_max != 0 && taken >= known->recipients_max)
        /* RFC 9422 3, and RFC 5321 4.5.3.1.10. */
        reply = (struct ph_reply){.code = 452,
                                  .enhanced = {4, 5, 3},
                                  .text = "The host takes no more recipients at a time"};
    if (reply.code == 0)
        return false;
    reply.text_length = strlen(reply.text);
    set_result(result, REPLY_JUDGE_RECIPIENT, &reply);
    return true;
}

/* What can be said of a recipient's first address: the engine writes it anew from its plain form.
 */
static void add_original(struct ph_recipient *to, const struct ph_capabilities *known,
                         struct bytes original, char **memory)
{
    struct bytes type;
    struct bytes text;
    AUTO(buffer)
    line = BUFFER(PH_ENGINE_COMMAND_MAX);
    struct fault fault;
    if (!bytes_split(original, ';', &type, &text))
        return;
    if (bytes_equal_ignoring_case(type, BYTES("rfc822")) ||
        bytes_equal_ignoring_case(type, BYTES("utf-8"))) {
        struct smtp_command_recipient trial = {.address = BYTES("a@b"),
                                               .original_recipient = take_string(memory, text)};
        /* One that is too long, written anew, is worth no letter. */
        if (smtp_command_rcpt(&line, &trial, &fault))
            to->original_recipient = trial.original_recipient;
        return;
    }
    /* RFC 3461 4.2: of other types the text is passed on, where it is its own xtext. */
    char *parameter = *memory;
    take_string(memory, BYTES("ORCPT="));
    (*memory)--;
    take_string(memory, original);
    if (has(known, PH_CAPABILITY_DSN) && bytes_find_char(original, '+') == BYTES_NOT_FOUND &&
        bytes_find_char(original, '=') == BYTES_NOT_FOUND &&
        smtp_command_check_parameters(parameter, &fault))
        to->parameters = parameter;
}

static void add_envelope_id(struct ph_transaction *transaction, struct bytes id, char **memory)
{
    AUTO(buffer)
    line = BUFFER(PH_ENGINE_COMMAND_MAX);
    struct fault fault;
    struct smtp_command_mail trial = {.envelope_id = take_string(memory, id)};
    if (id.length > 0 && smtp_command_mail(&line, &trial, &fault))
        transaction->envelope_id = trial.envelope_id;
}

static void add_recipients(struct outbound_session_transit *transit,
                           const struct ph_capabilities *known, char **memory)
{
    const struct store_outbound_letter *stored = transit->letter->letter;
    size_t count = 0;
    for (size_t i = 0; i < stored->recipient_count; i++) {
        const struct store_outbound_recipient *recipient = &stored->recipients[i];
        if (is_left_out(known, transit->letter, i, count))
            continue;
        struct ph_recipient *to = &transit->recipients[count];
        transit->places[count++] = (uint32_t)i;
        *to = (struct ph_recipient){.address = take_string(memory, recipient->address),
                                    .notify = recipient->notify};
        add_original(to, known, recipient->original_recipient, memory);
    }
    transit->transaction.recipients = transit->recipients;
    transit->transaction.recipient_count = count;
}

static void set_body(struct outbound_session_transit *transit)
{
    const struct outbound_letter *letter = transit->letter;
    struct ph_body *body = &transit->transaction.body;
    body->content = is_binary(letter) ? PH_CONTENT_BINARY
                    : is_8bit(letter) ? PH_CONTENT_8BIT
                                      : PH_CONTENT_7BIT;
    if (letter->first.length >= letter->size) {
        body->kind = PH_BODY_MEMORY;
        body->data = letter->first.data;
        body->length = letter->first.length;
    } else {
        body->kind = PH_BODY_CALLBACK;
        body->size = letter->size;
    }
}

static struct outbound_session_transit *make(struct outbound_letter *letter, char **memory)
{
    const struct store_outbound_letter *stored = letter->letter;
    size_t count = stored->recipient_count;
    struct outbound_session_transit *transit =
        malloc(sizeof *transit + count * (sizeof transit->recipients[0] + sizeof(uint32_t)) +
               count_text(stored));
    if (transit == NULL)
        return NULL;
    *transit = (struct outbound_session_transit){.letter = letter};
    transit->places = (uint32_t *)(void *)(transit->recipients + count);
    *memory = (char *)(transit->places + count);
    return transit;
}

static void fill(struct outbound_session_transit *transit, const struct ph_capabilities *known,
                 char *memory)
{
    const struct store_outbound_letter *stored = transit->letter->letter;
    struct ph_transaction *transaction = &transit->transaction;
    transaction->sender = take_string(&memory, stored->sender);
    add_envelope_id(transaction, stored->envelope_id, &memory);
    transaction->return_content = (enum ph_return_content)stored->return_content;
    transaction->utf8_headers = stored->is_utf8 && !transit->letter->is_downgraded;
    set_body(transit);
    for (size_t i = 0; i < stored->recipient_count; i++)
        transit->letter->results[i] = (struct outbound_recipient_result){.phase = REPLY_JUDGE_LOST};
    add_recipients(transit, known, &memory);
}

/* Nobody of its recipients can be told: as the first of them. */
static void refuse_for_recipients(const struct outbound_letter *letter,
                                  struct outbound_refusal *refusal)
{
    const struct outbound_recipient_result *first = &letter->results[0];
    refuse(refusal, first->code, first->code == 550 ? "5.6.7" : "5.1.3", "%.200s", first->text);
}

struct outbound_session_transit *outbound_session_letter_new(const struct ph_capabilities *known,
                                                             struct outbound_letter *letter,
                                                             struct outbound_refusal *refusal)
{
    char *memory;
    assert(letter->letter->recipient_count > 0);
    if (!is_takeable(known, letter, refusal))
        return NULL;
    struct outbound_session_transit *transit = make(letter, &memory);
    if (transit == NULL) {
        refuse_for_memory(refusal);
        return NULL;
    }
    fill(transit, known, memory);
    if (transit->transaction.recipient_count > 0)
        return transit;
    refuse_for_recipients(letter, refusal);
    outbound_session_letter_free(transit);
    return NULL;
}

void outbound_session_letter_free(struct outbound_session_transit *transit)
{
    free(transit);
}
