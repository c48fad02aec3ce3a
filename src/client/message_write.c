/* The header section of a message as it is sent, and which UTF-8 it needs. */
#include "client/message.h"

#include "base/auto.h"
#include "base/utf8.h"
#include "mail/encoded_word.h"
#include "mail/header.h"
#include "mail/header_writer.h"

static void write_words(struct header_writer *writer, struct bytes text)
{
    struct bytes word;
    while (text.length > 0) {
        bytes_split(text, ' ', &word, &text);
        header_writer_word(writer, BYTES(" "), word);
    }
}

static bool write_field(const struct message_field *field, struct buffer *out, bool allow_utf8,
                        struct fault *fault)
{
    enum message_field_kind kind = field->rule != NULL ? field->rule->kind : MESSAGE_FIELD_TEXT;
    struct header_writer writer;
    header_writer_begin(&writer, out, buffer_bytes(&field->name));
    if (kind == MESSAGE_FIELD_TEXT)
        encoded_word_write_text(&writer, buffer_bytes(&field->text), allow_utf8);
    else if (kind != MESSAGE_FIELD_ADDRESSES && kind != MESSAGE_FIELD_ADDRESS)
        write_words(&writer, buffer_bytes(&field->text));
    else if (!address_list_write(&field->addresses, &writer, allow_utf8, fault))
        return false;
    return header_writer_end(&writer, fault);
}

/* Fields with a rule in the order of the rules, the others behind them as they were given. */
static bool write_given(const struct ph_message *message, struct buffer *out, bool allow_utf8,
                        struct fault *fault)
{
    for (size_t i = 0; i <= message_field_rule_count; i++) {
        const struct message_field_rule *rule =
            i < message_field_rule_count ? &message_field_rules[i] : NULL;
        if (rule != NULL && rule->is_hidden)
            continue;
        for (size_t j = 0; j < message->field_count; j++) {
            if (message->fields[j].rule == rule &&
                !write_field(&message->fields[j], out, allow_utf8, fault))
                return false;
        }
    }
    return true;
}

/* ---- an existing message's own fields ---- */

static bool is_left_out(const struct ph_message *message, struct bytes name)
{
    const struct message_field_rule *rule = message_field_rule_find(name);
    return (rule != NULL && rule->is_hidden) || message_field_is_removed(message, name);
}

static bool has_addresses(const struct message_field_rule *rule)
{
    return rule != NULL &&
           (rule->kind == MESSAGE_FIELD_ADDRESSES || rule->kind == MESSAGE_FIELD_ADDRESS);
}

/* Where UTF-8 headers cannot go, a field that has them is written anew with encoded words. False,
   with nothing written: it has to stay as it is, because it is no UTF-8 or has a structure that
   encoded words would break. *needs_utf8: it has an address that only UTF-8 can show. */
static bool write_downgraded(const struct header_field *own, struct buffer *out, bool *needs_utf8)
{
    AUTO(buffer)
    value = BUFFER(PH_MESSAGE_HEADER_MAX);
    AUTO(address_list)
    list = ADDRESS_LIST;
    const struct message_field_rule *rule = message_field_rule_find(own->name);
    struct header_writer writer;
    header_unfold(own->value, &value);
    if (buffer_is_failed(&value))
        buffer_fail(out);
    if (!message_text_is_valid(buffer_bytes(&value)) ||
        bytes_starts_with_ignoring_case(own->name, BYTES("Content-")) ||
        (rule != NULL && !has_addresses(rule) && rule->kind != MESSAGE_FIELD_TEXT))
        return false;
    size_t length = out->length;
    header_writer_begin(&writer, out, own->name);
    if (!has_addresses(rule)) {
        encoded_word_write_text(&writer, buffer_bytes(&value), false);
    } else if (!address_list_parse(&list, buffer_bytes(&value), NULL) ||
               address_list_needs_utf8(&list) || !address_list_write(&list, &writer, false, NULL)) {
        *needs_utf8 |= address_list_needs_utf8(&list);
        buffer_truncate(out, length);
        return false;
    }
    return header_writer_end(&writer, NULL);
}

static bool write_own(const struct ph_message *message, struct buffer *out, bool allow_utf8,
                      struct fault *fault)
{
    struct bytes rest = message->section;
    struct header_field own;
    bool needs_utf8 = false;
    while (header_next(&rest, &own)) {
        if (is_left_out(message, own.name))
            continue;
        if (allow_utf8 || bytes_is_ascii(own.raw) || own.name.length == 0 ||
            !write_downgraded(&own, out, &needs_utf8))
            header_append_lines(own.raw, out);
    }
    return !needs_utf8 || fault_set(fault, FAULT_DENIED,
                                    "an address in the header can go only where SMTPUTF8 is "
                                    "offered");
}

bool message_write_fields(const struct ph_message *message, struct buffer *out, bool allow_utf8,
                          struct fault *fault)
{
    return write_given(message, out, allow_utf8, fault) &&
           write_own(message, out, allow_utf8, fault);
}

bool message_write_needs_utf8(const struct ph_message *message)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct message_field *field = &message->fields[i];
        if (has_addresses(field->rule) && !field->rule->is_hidden &&
            address_list_needs_utf8(&field->addresses))
            return true;
    }
    struct bytes rest = message->section;
    struct header_field own;
    bool needs_utf8 = false;
    while (header_next(&rest, &own)) {
        AUTO(buffer)
        scratch = BUFFER(4 * (size_t)PH_MESSAGE_HEADER_MAX);
        if (!bytes_is_ascii(own.raw) && has_addresses(message_field_rule_find(own.name)) &&
            !is_left_out(message, own.name))
            write_downgraded(&own, &scratch, &needs_utf8);
    }
    return needs_utf8;
}
