/* Fields as setters give them: checked, understood, kept as values until they are written. */
#include "client/message.h"

#include <stdlib.h>

#include "base/auto.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/message_id.h"
#include "smtp/smtp_error.h"

const struct message_field_rule message_field_rules[] = {
    {"Resent-Date", MESSAGE_FIELD_DATE, false},
    {"Resent-From", MESSAGE_FIELD_ADDRESSES, false},
    {"Resent-Sender", MESSAGE_FIELD_ADDRESS, false},
    {"Resent-To", MESSAGE_FIELD_ADDRESSES, false},
    {"Resent-Cc", MESSAGE_FIELD_ADDRESSES, false},
    {"Resent-Bcc", MESSAGE_FIELD_ADDRESSES, true},
    {"Resent-Message-ID", MESSAGE_FIELD_ID, false},
    {"Date", MESSAGE_FIELD_DATE, false},
    {"From", MESSAGE_FIELD_ADDRESSES, false},
    {"Sender", MESSAGE_FIELD_ADDRESS, false},
    {"Reply-To", MESSAGE_FIELD_ADDRESSES, false},
    {"To", MESSAGE_FIELD_ADDRESSES, false},
    {"Cc", MESSAGE_FIELD_ADDRESSES, false},
    {"Bcc", MESSAGE_FIELD_ADDRESSES, true},
    {"Subject", MESSAGE_FIELD_TEXT, false},
    {"Message-ID", MESSAGE_FIELD_ID, false},
    {"In-Reply-To", MESSAGE_FIELD_IDS, false},
    {"References", MESSAGE_FIELD_IDS, false},
    {"Disposition-Notification-To", MESSAGE_FIELD_ADDRESSES, false},
};
const size_t message_field_rule_count = sizeof message_field_rules / sizeof *message_field_rules;

const struct message_field_rule *message_field_rule_find(struct bytes name)
{
    for (size_t i = 0; i < message_field_rule_count; i++) {
        if (bytes_equal_ignoring_case(name, bytes_from_string(message_field_rules[i].name)))
            return &message_field_rules[i];
    }
    return NULL;
}

/* ---- the row of fields ---- */

void message_field_clear(struct message_field *field)
{
    buffer_clear(&field->name);
    address_list_clear(&field->addresses);
    buffer_clear(&field->text);
}

struct message_field *message_field_find(const struct ph_message *message, struct bytes name)
{
    for (size_t i = 0; i < message->field_count; i++) {
        if (bytes_equal_ignoring_case(buffer_bytes(&message->fields[i].name), name))
            return &message->fields[i];
    }
    return NULL;
}

bool message_field_is_removed(const struct ph_message *message, struct bytes name)
{
    struct bytes rest = buffer_bytes(&message->removed);
    struct bytes removed;
    while (rest.length > 0) {
        bytes_split(rest, '\n', &removed, &rest);
        if (bytes_equal_ignoring_case(removed, name))
            return true;
    }
    return false;
}

/* An existing message's own fields of that name are left out from now on. */
static bool hide_own(struct ph_message *message, struct bytes name, struct ph_error *error)
{
    if (!message->is_existing || message_field_is_removed(message, name))
        return true;
    char *end = buffer_reserve(&message->removed, name.length + 1);
    if (end == NULL)
        return smtp_error_memory(error);
    memcpy(end, name.data, name.length);
    end[name.length] = '\n';
    buffer_commit(&message->removed, name.length + 1);
    return true;
}

static void drop_given(struct ph_message *message, struct bytes name)
{
    size_t kept = 0;
    for (size_t i = 0; i < message->field_count; i++) {
        struct message_field *field = &message->fields[i];
        if (bytes_equal_ignoring_case(buffer_bytes(&field->name), name)) {
            message->header_size -= field->size;
            message->address_count -= field->addresses.mailbox_count;
            message_field_clear(field);
        } else {
            message->fields[kept++] = *field;
        }
    }
    message->field_count = kept;
}

bool message_field_remove(struct ph_message *message, struct bytes name, struct ph_error *error)
{
    if (!header_name_is_valid(name))
        return message_refuse_argument(error, "a field's name is printable ASCII without a colon");
    if (!hide_own(message, name, error))
        return false;
    drop_given(message, name);
    return true;
}

static bool has_room_for_field(struct ph_message *message, struct ph_error *error)
{
    if (message->field_count >= PH_MESSAGE_FIELDS_MAX)
        return smtp_error_set(error, PH_ERROR_LIMIT, "",
                              "the message has more than %d header fields", PH_MESSAGE_FIELDS_MAX);
    if (message->field_count < message->field_capacity)
        return true;
    size_t capacity = message->field_capacity == 0 ? 8 : message->field_capacity * 2;
    void *fields = realloc(message->fields, capacity * sizeof *message->fields);
    if (fields == NULL)
        return smtp_error_memory(error);
    message->fields = fields;
    message->field_capacity = capacity;
    return true;
}

static bool has_room_for_size(const struct ph_message *message, size_t size, struct ph_error *error)
{
    if (size > PH_MESSAGE_HEADER_MAX || message->header_size > PH_MESSAGE_HEADER_MAX - size)
        return smtp_error_set(error, PH_ERROR_LIMIT, "",
                              "the header of the message is longer than %d bytes",
                              PH_MESSAGE_HEADER_MAX);
    return true;
}

static void init_field(struct message_field *field, const struct message_field_rule *rule,
                       struct bytes name)
{
    *field = (struct message_field){
        .rule = rule,
        .name = BUFFER(MESSAGE_NAME_MAX),
        .addresses = ADDRESS_LIST,
        .text = BUFFER(PH_MESSAGE_HEADER_MAX),
    };
    buffer_append(&field->name, rule != NULL ? bytes_from_string(rule->name) : name);
}

/* Takes a field that is made into the message; on failure it is cleared. */
static bool take_field(struct ph_message *message, struct message_field *field, bool is_set,
                       struct ph_error *error)
{
    struct bytes name = buffer_bytes(&field->name);
    /* What is to be replaced makes no difference but for a message at its limit. */
    bool is_taken = buffer_is_failed(&field->name) || buffer_is_failed(&field->text)
                        ? smtp_error_memory(error)
                        : has_room_for_size(message, field->size, error) &&
                              has_room_for_field(message, error) &&
                              (!is_set || hide_own(message, name, error));
    if (!is_taken) {
        message_field_clear(field);
        return false;
    }
    if (is_set)
        drop_given(message, name);
    message->header_size += field->size;
    message->address_count += field->addresses.mailbox_count;
    message->fields[message->field_count++] = *field;
    return true;
}

/* ---- addresses ---- */

static size_t size_of_addresses(const struct address_list *list)
{
    size_t size = list->names.length;
    for (size_t i = 0; i < list->count; i++)
        size +=
            list->items[i].address.local_part_length + list->items[i].address.domain_length + 6u;
    return size;
}

/* Behind those that the field has. */
static bool append_addresses(struct ph_message *message, struct message_field *field,
                             const struct address_list *addresses, size_t size,
                             struct ph_error *error)
{
    struct fault fault;
    if (!has_room_for_size(message, size, error))
        return false;
    if (!address_list_append(&field->addresses, addresses, &fault))
        return message_refuse(error, &fault, "the address cannot be added");
    field->size += size;
    message->header_size += size;
    message->address_count += addresses->mailbox_count;
    return true;
}

bool message_field_put_addresses(struct ph_message *message, struct bytes name,
                                 const struct address_list *addresses, bool is_set,
                                 struct ph_error *error)
{
    const struct message_field_rule *rule = message_field_rule_find(name);
    if (addresses->count == 0)
        return message_refuse_argument(error, "%s needs an address", rule->name);
    if (rule->kind == MESSAGE_FIELD_ADDRESS) {
        if (addresses->count != 1 || addresses->items[0].kind != ADDRESS_LIST_MAILBOX)
            return message_refuse_argument(error, "%s is one address", rule->name);
        is_set = true;
    }
    if (message->address_count + addresses->mailbox_count > PH_MESSAGE_ADDRESSES_MAX)
        return smtp_error_set(error, PH_ERROR_LIMIT, "", "the message has more than %d addresses",
                              PH_MESSAGE_ADDRESSES_MAX);
    /* What is never sent is no part of the header's size. */
    size_t size = rule->is_hidden ? 0 : size_of_addresses(addresses);
    struct message_field *present = message_field_find(message, name);
    if (present != NULL && !is_set)
        return append_addresses(message, present, addresses, size, error);
    struct message_field field;
    struct fault fault;
    init_field(&field, rule, name);
    field.size = size;
    if (!address_list_append(&field.addresses, addresses, &fault)) {
        message_field_clear(&field);
        return message_refuse(error, &fault, "the address cannot be added");
    }
    return take_field(message, &field, true, error);
}

static bool put_address_text(struct ph_message *message, const struct message_field_rule *rule,
                             struct bytes value, bool is_set, struct ph_error *error)
{
    AUTO(address_list)
    list = ADDRESS_LIST;
    struct fault fault;
    if (!address_list_parse(&list, value, &fault))
        return message_refuse(error, &fault, rule->name);
    return message_field_put_addresses(message, bytes_from_string(rule->name), &list, is_set,
                                       error);
}

/* ---- dates and ids, in their normal forms ---- */

static bool write_date(struct bytes value, struct buffer *out)
{
    int64_t seconds;
    int offset;
    return date_parse(value, &seconds, &offset) && date_write(out, seconds, offset, NULL);
}

static bool write_id(struct bytes value, struct buffer *out)
{
    value = bytes_trim(value);
    bool has_brackets = value.length > 0 && value.data[0] == '<';
    if (!has_brackets)
        buffer_append_char(out, '<');
    buffer_append(out, value);
    if (!has_brackets)
        buffer_append_char(out, '>');
    return buffer_is_failed(out) || message_id_is_valid(buffer_bytes(out));
}

static bool write_ids(struct bytes value, struct buffer *out)
{
    struct bytes id;
    while (message_id_take(&value, &id)) {
        if (out->length > 0)
            buffer_append_char(out, ' ');
        buffer_append(out, id);
    }
    return value.length == 0 && (out->length > 0 || buffer_is_failed(out));
}

static bool write_value(const struct message_field_rule *rule, struct bytes value,
                        struct buffer *out, struct ph_error *error)
{
    enum message_field_kind kind = rule != NULL ? rule->kind : MESSAGE_FIELD_TEXT;
    if (kind == MESSAGE_FIELD_DATE && !write_date(value, out))
        return message_refuse_argument(
            error, "%s is of the form \"Mon, 23 Nov 2026 17:48:08 +0100\"", rule->name);
    if (kind == MESSAGE_FIELD_ID && !write_id(value, out))
        return message_refuse_argument(error, "%s is of the form <left@right>", rule->name);
    if (kind == MESSAGE_FIELD_IDS && !write_ids(value, out))
        return message_refuse_argument(error, "%s is a list of <left@right>", rule->name);
    if (kind == MESSAGE_FIELD_TEXT)
        buffer_append(out, value);
    return true;
}

bool message_field_put(struct ph_message *message, struct bytes name, struct bytes value,
                       bool is_set, struct ph_error *error)
{
    if (!header_name_is_valid(name) || name.length > MESSAGE_NAME_MAX)
        return message_refuse_argument(
            error, "a field's name is at most %d characters of printable ASCII without a colon",
            MESSAGE_NAME_MAX);
    if (!message_text_is_valid(value))
        return message_refuse_argument(
            error, "the value of %.*s is not UTF-8 or holds a line end or control character",
            BYTES_FORMAT(name));
    if (!message->is_existing && (bytes_equal_ignoring_case(name, BYTES("MIME-Version")) ||
                                  bytes_starts_with_ignoring_case(name, BYTES("Content-"))))
        return message_refuse_argument(error, "%.*s is made by the parts of the message",
                                       BYTES_FORMAT(name));
    if (!has_room_for_size(message, value.length, error))
        return false;
    const struct message_field_rule *rule = message_field_rule_find(name);
    if (rule != NULL &&
        (rule->kind == MESSAGE_FIELD_ADDRESSES || rule->kind == MESSAGE_FIELD_ADDRESS))
        return put_address_text(message, rule, value, is_set, error);
    struct message_field field;
    init_field(&field, rule, name);
    field.size = name.length + value.length + 4;
    if (!write_value(rule, value, &field.text, error)) {
        message_field_clear(&field);
        return false;
    }
    /* Fields with a rule stand once. */
    return take_field(message, &field, is_set || rule != NULL, error);
}

/* ---- what is made when missing ---- */

static bool put_date(struct ph_message *message, struct ph_error *error)
{
    AUTO(buffer)
    text = BUFFER(64);
    struct fault fault;
    if (!date_write(&text, clock_wall_microseconds() / 1000000, 0, &fault))
        return message_refuse(error, &fault, "Date");
    if (buffer_is_failed(&text))
        return smtp_error_memory(error);
    return message_field_put(message, BYTES("Date"), buffer_bytes(&text), true, error);
}

static bool put_id(struct ph_message *message, struct ph_error *error)
{
    AUTO(buffer)
    text = BUFFER(MESSAGE_ID_MAX);
    AUTO(address_list)
    from = ADDRESS_LIST;
    struct fault fault;
    struct bytes domain = buffer_bytes(&message->id_domain);
    if (domain.length == 0) {
        if (!message_collect(message, BYTES("From"), &from, error))
            return false;
        const struct address *first = address_list_first(&from);
        if (first == NULL)
            return message_refuse_argument(error, "the message has no From address");
        domain = address_domain(first);
    }
    if (!message_id_make(domain, &text, &fault))
        return message_refuse(error, &fault, "no message id could be made");
    if (buffer_is_failed(&text))
        return smtp_error_memory(error);
    return message_field_put(message, BYTES("Message-ID"), buffer_bytes(&text), true, error);
}

bool message_field_complete(struct ph_message *message, struct ph_error *error)
{
    return (ph_message_has_header(message, "Date") || put_date(message, error)) &&
           (ph_message_has_header(message, "Message-ID") || put_id(message, error));
}
