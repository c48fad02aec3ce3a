/* The front door of messages: birth, headers, parts. What lies behind is in message_*.c. */
#include <posthorn/message.h>

#include <stdlib.h>

#include "base/auto.h"
#include "client/message.h"
#include "mail/date.h"
#include "mail/domain.h"
#include "mail/header.h"
#include "mail/transfer_encoding.h"
#include "smtp/smtp_error.h"

struct ph_message *ph_message_new(struct ph_error *error)
{
    struct ph_message *message = calloc(1, sizeof *message);
    if (message == NULL) {
        smtp_error_memory(error);
        return NULL;
    }
    buffer_init(&message->removed, PH_MESSAGE_HEADER_MAX);
    buffer_init(&message->id_domain, DOMAIN_OCTETS_MAX);
    buffer_init(&message->text, 2 * (size_t)PH_MESSAGE_TEXT_MAX + 2);
    buffer_init(&message->html, 2 * (size_t)PH_MESSAGE_TEXT_MAX + 2);
    buffer_init(&message->section_memory, PH_MESSAGE_HEADER_MAX);
    buffer_init(&message->sender, ADDRESS_TEXT_MAX);
    buffer_init(&message->recipient_text,
                (size_t)PH_MESSAGE_ADDRESSES_MAX * (ADDRESS_TEXT_MAX + 1));
    compose_init(&message->composition);
    return message;
}

void ph_message_free(struct ph_message *message)
{
    if (message == NULL)
        return;
    for (size_t i = 0; i < message->field_count; i++)
        message_field_clear(&message->fields[i]);
    free(message->fields);
    for (size_t i = 0; i < message->part_count; i++)
        message_part_clear(&message->parts[i]);
    free(message->parts);
    buffer_clear(&message->removed);
    buffer_clear(&message->id_domain);
    buffer_clear(&message->text);
    buffer_clear(&message->html);
    buffer_clear(&message->section_memory);
    message_source_clear(&message->body);
    buffer_clear(&message->sender);
    buffer_clear(&message->recipient_text);
    free(message->recipients);
    compose_clear(&message->composition);
    free(message);
}

/* ---- addresses ---- */

static const char *const address_field_names[] = {
    [PH_FROM] = "From", [PH_SENDER] = "Sender", [PH_REPLY_TO] = "Reply-To",
    [PH_TO] = "To",     [PH_CC] = "Cc",         [PH_BCC] = "Bcc",
};

static bool field_name(enum ph_address_field field, struct bytes *name, struct ph_error *error)
{
    if ((unsigned)field >= sizeof address_field_names / sizeof *address_field_names)
        return message_refuse_argument(error, "there is no address field %d", (int)field);
    *name = bytes_from_string(address_field_names[field]);
    return true;
}

bool ph_message_add_addresses(struct ph_message *message, enum ph_address_field field,
                              const char *text, struct ph_error *error)
{
    struct bytes name;
    return field_name(field, &name, error) &&
           message_field_put(message, name, bytes_from_string(text), false, error);
}

bool ph_message_add_address(struct ph_message *message, enum ph_address_field field,
                            const char *display_name, const char *address, struct ph_error *error)
{
    struct bytes name;
    struct bytes display = bytes_from_string(display_name);
    struct address mailbox;
    struct fault fault;
    if (!field_name(field, &name, error))
        return false;
    if (!message_text_is_valid(display))
        return message_refuse_argument(
            error, "a display name is UTF-8 without line ends and control characters");
    if (!address_parse(bytes_from_string(address), &mailbox, &fault))
        return message_refuse(error, &fault, address_field_names[field]);
    AUTO(address_list)
    list = ADDRESS_LIST;
    if (!address_list_add(&list, display, &mailbox, &fault))
        return message_refuse(error, &fault, address_field_names[field]);
    return message_field_put_addresses(message, name, &list, false, error);
}

bool ph_message_add_from(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_addresses(message, PH_FROM, text, error);
}

bool ph_message_add_reply_to(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_addresses(message, PH_REPLY_TO, text, error);
}

bool ph_message_add_to(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_addresses(message, PH_TO, text, error);
}

bool ph_message_add_cc(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_addresses(message, PH_CC, text, error);
}

bool ph_message_add_bcc(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_addresses(message, PH_BCC, text, error);
}

bool ph_message_set_sender(struct ph_message *message, const char *text, struct ph_error *error)
{
    return ph_message_add_addresses(message, PH_SENDER, text, error);
}

/* ---- other headers ---- */

bool ph_message_set_header(struct ph_message *message, const char *name, const char *value,
                           struct ph_error *error)
{
    return message_field_put(message, bytes_from_string(name), bytes_from_string(value), true,
                             error);
}

bool ph_message_add_header(struct ph_message *message, const char *name, const char *value,
                           struct ph_error *error)
{
    return message_field_put(message, bytes_from_string(name), bytes_from_string(value), false,
                             error);
}

bool ph_message_set_subject(struct ph_message *message, const char *subject, struct ph_error *error)
{
    return ph_message_set_header(message, "Subject", subject, error);
}

bool ph_message_set_date(struct ph_message *message, int64_t seconds, int offset_minutes,
                         struct ph_error *error)
{
    AUTO(buffer)
    text = BUFFER(64);
    struct fault fault;
    if (!date_write(&text, seconds, offset_minutes, &fault))
        return message_refuse(error, &fault, "Date");
    if (buffer_is_failed(&text))
        return smtp_error_memory(error);
    return message_field_put(message, BYTES("Date"), buffer_bytes(&text), true, error);
}

bool ph_message_set_message_id(struct ph_message *message, const char *id, struct ph_error *error)
{
    return ph_message_set_header(message, "Message-ID", id, error);
}

bool ph_message_set_id_domain(struct ph_message *message, const char *domain,
                              struct ph_error *error)
{
    AUTO(buffer)
    ascii = BUFFER(DOMAIN_OCTETS_MAX);
    struct fault fault;
    if (!domain_write_ascii(bytes_from_string(domain), &ascii, &fault))
        return message_refuse(error, &fault, "the domain for message ids");
    if (buffer_is_failed(&ascii))
        return smtp_error_memory(error);
    struct buffer old = message->id_domain;
    message->id_domain = ascii;
    ascii = old;
    return true;
}

bool ph_message_set_in_reply_to(struct ph_message *message, const char *ids, struct ph_error *error)
{
    return ph_message_set_header(message, "In-Reply-To", ids, error);
}

bool ph_message_set_references(struct ph_message *message, const char *ids, struct ph_error *error)
{
    return ph_message_set_header(message, "References", ids, error);
}

bool ph_message_remove_header(struct ph_message *message, const char *name, struct ph_error *error)
{
    return message_field_remove(message, bytes_from_string(name), error);
}

bool ph_message_has_header(const struct ph_message *message, const char *name)
{
    struct bytes wanted = bytes_from_string(name);
    struct header_field own;
    return message_field_find(message, wanted) != NULL ||
           (header_find(message->section, wanted, &own) &&
            !message_field_is_removed(message, wanted));
}

bool ph_message_complete(struct ph_message *message, struct ph_error *error)
{
    return message_field_complete(message, error);
}
