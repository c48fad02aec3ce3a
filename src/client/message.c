/* What all files of messages use. */
#include "client/message.h"

#include "base/auto.h"
#include "base/utf8.h"
#include "mail/header.h"
#include "smtp/smtp_error.h"

void message_part_clear(struct message_part *part)
{
    message_source_clear(&part->source);
    buffer_clear(&part->filename);
    buffer_clear(&part->content_type);
    buffer_clear(&part->content_id);
    buffer_clear(&part->description);
}

bool message_refuse(struct ph_error *error, const struct fault *fault, const char *what)
{
    enum ph_error_kind kind = fault->kind == FAULT_LIMIT    ? PH_ERROR_LIMIT
                              : fault->kind == FAULT_SYNTAX ? PH_ERROR_ARGUMENT
                                                            : PH_ERROR_BODY;
    return smtp_error_from_fault(error, kind, "", fault, "%s", what);
}

bool message_refuse_argument(struct ph_error *error, const char *format, ...)
{
    struct fault fault;
    va_list arguments;
    va_start(arguments, format);
    fault_set_list(&fault, FAULT_SYNTAX, format, arguments);
    va_end(arguments);
    return smtp_error_set(error, PH_ERROR_ARGUMENT, "", "%s", fault.message);
}

bool message_text_is_valid(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 32 && c != '\t') || c == 127)
            return false;
    }
    return utf8_is_valid(text);
}

/* The addresses of one field of an existing message. */
static bool collect_own(struct bytes name, struct bytes value, struct address_list *list,
                        struct ph_error *error)
{
    AUTO(buffer)
    text = BUFFER(PH_MESSAGE_HEADER_MAX);
    struct fault fault;
    header_unfold(value, &text);
    if (buffer_is_failed(&text))
        return smtp_error_memory(error);
    if (address_list_parse(list, buffer_bytes(&text), &fault))
        return true;
    char what[MESSAGE_NAME_MAX + 1] = "";
    memcpy(what, name.data, name.length <= MESSAGE_NAME_MAX ? name.length : 0);
    return message_refuse(error, &fault, what);
}

bool message_collect(const struct ph_message *message, struct bytes name, struct address_list *list,
                     struct ph_error *error)
{
    const struct message_field *given = message_field_find(message, name);
    struct fault fault;
    if (given != NULL && !address_list_append(list, &given->addresses, &fault))
        return message_refuse(error, &fault, "the addresses cannot be kept");
    if (message_field_is_removed(message, name))
        return true;
    struct bytes rest = message->section;
    struct header_field own;
    while (header_next(&rest, &own)) {
        if (bytes_equal_ignoring_case(own.name, name) &&
            !collect_own(own.name, own.value, list, error))
            return false;
    }
    return true;
}
