/* The compact form of body structures: writer and reader. */
#include "mail/message_structure.h"

#include "mail/compact.h"

enum {
    LENGTH_SIZE = 4
};

void message_structure_begin(struct buffer *out)
{
    buffer_append_char(out, MESSAGE_STRUCTURE_VERSION);
}

static void put_length(char *place, size_t length)
{
    for (unsigned i = 0; i < LENGTH_SIZE; i++)
        place[i] = (char)(length >> (8 * i));
}

size_t message_structure_open_part(struct buffer *out, const struct message_structure_part *part,
                                   struct bytes details)
{
    size_t start = out->length;
    char length[LENGTH_SIZE] = {0};
    buffer_append(out, bytes_of(length, sizeof length));
    buffer_append_char(out, (char)part->kind);
    compact_put_number(out, part->header_start);
    compact_put_number(out, part->body_start - part->header_start);
    compact_put_number(out, part->body_size);
    compact_put_number(out, part->lines);
    buffer_append(out, details);
    if (part->kind == MESSAGE_STRUCTURE_MESSAGE)
        compact_put_string(out, part->envelope);
    return start;
}

void message_structure_write_details(struct buffer *out, const struct message_structure_part *part)
{
    compact_put_string(out, part->type);
    compact_put_string(out, part->subtype);
    compact_put_string(out, part->parameters);
    compact_put_string(out, part->id);
    compact_put_string(out, part->description);
    compact_put_string(out, part->encoding);
    compact_put_string(out, part->md5);
    compact_put_string(out, part->disposition);
    compact_put_string(out, part->disposition_parameters);
    compact_put_string(out, part->languages);
    compact_put_string(out, part->location);
}

void message_structure_close_part(struct buffer *out, size_t start)
{
    size_t length = out->length - start - LENGTH_SIZE;
    if (buffer_is_failed(out))
        return;
    if (length > UINT32_MAX)
        buffer_fail(out);
    else
        put_length(out->memory + out->start + start, length);
}

static bool take_part(struct bytes *rest, struct bytes *content)
{
    struct bytes place;
    uint32_t length = 0;
    if (!compact_take_bytes(rest, LENGTH_SIZE, &place))
        return false;
    for (unsigned i = 0; i < LENGTH_SIZE; i++)
        length |= (uint32_t)(unsigned char)place.data[i] << (8 * i);
    return compact_take_bytes(rest, length, content);
}

static bool take_details(struct bytes *rest, struct message_structure_part *part)
{
    return compact_take_string(rest, &part->type) && compact_take_string(rest, &part->subtype) &&
           compact_take_string(rest, &part->parameters) && compact_take_string(rest, &part->id) &&
           compact_take_string(rest, &part->description) &&
           compact_take_string(rest, &part->encoding) && compact_take_string(rest, &part->md5) &&
           compact_take_string(rest, &part->disposition) &&
           compact_take_string(rest, &part->disposition_parameters) &&
           compact_take_string(rest, &part->languages) &&
           compact_take_string(rest, &part->location);
}

static bool lists_are_sound(const struct message_structure_part *part)
{
    struct bytes parameters = part->parameters;
    struct bytes more_parameters = part->disposition_parameters;
    struct bytes languages = part->languages;
    struct bytes name;
    struct bytes value;
    while (message_structure_next_parameter(&parameters, &name, &value)) {
    }
    while (message_structure_next_parameter(&more_parameters, &name, &value)) {
    }
    while (message_structure_next_language(&languages, &name)) {
    }
    return parameters.length == 0 && more_parameters.length == 0 && languages.length == 0;
}

static bool take_numbers(struct bytes *rest, struct message_structure_part *part)
{
    unsigned kind;
    uint64_t header_size;
    uint64_t end;
    if (!compact_take_byte(rest, &kind) || kind > MESSAGE_STRUCTURE_MESSAGE ||
        !compact_take_number(rest, &part->header_start) ||
        !compact_take_number(rest, &header_size) || !compact_take_number(rest, &part->body_size) ||
        !compact_take_number(rest, &part->lines))
        return false;
    part->kind = (enum message_structure_kind)kind;
    return !__builtin_add_overflow(part->header_start, header_size, &part->body_start) &&
           !__builtin_add_overflow(part->body_start, part->body_size, &end) && end <= INT64_MAX;
}

bool message_structure_next_part(struct bytes *parts, struct message_structure_part *part,
                                 struct fault *fault)
{
    struct bytes rest = *parts;
    struct bytes content;
    struct message_structure_part found = {.envelope = {NULL, 0}};
    if (!take_part(&rest, &content) || !take_numbers(&content, &found) ||
        !take_details(&content, &found) || !lists_are_sound(&found) ||
        (found.kind == MESSAGE_STRUCTURE_MESSAGE &&
         (!compact_take_string(&content, &found.envelope) || content.length == 0)) ||
        (found.kind <= MESSAGE_STRUCTURE_TEXT && content.length > 0))
        return fault_set(fault, FAULT_PERMANENT, "a stored body structure is damaged");
    found.parts = content;
    *part = found;
    *parts = rest;
    return true;
}

bool message_structure_read(struct bytes compact, struct message_structure_part *message,
                            struct fault *fault)
{
    struct message_structure_part found;
    unsigned version;
    if (!compact_take_byte(&compact, &version) || version != MESSAGE_STRUCTURE_VERSION)
        return fault_set(fault, FAULT_PERMANENT, "a stored body structure is damaged");
    if (!message_structure_next_part(&compact, &found, fault))
        return false;
    if (compact.length > 0)
        return fault_set(fault, FAULT_PERMANENT, "a stored body structure is damaged");
    *message = found;
    return true;
}

bool message_structure_next_parameter(struct bytes *parameters, struct bytes *name,
                                      struct bytes *value)
{
    struct bytes rest = *parameters;
    struct bytes found;
    struct bytes behind;
    if (rest.length == 0 || !compact_take_string(&rest, &found) || found.data == NULL ||
        !compact_take_string(&rest, &behind) || behind.data == NULL)
        return false;
    *name = found;
    *value = behind;
    *parameters = rest;
    return true;
}

bool message_structure_next_language(struct bytes *languages, struct bytes *language)
{
    struct bytes rest = *languages;
    struct bytes found;
    if (rest.length == 0 || !compact_take_string(&rest, &found) || found.data == NULL)
        return false;
    *language = found;
    *languages = rest;
    return true;
}

/* The `number`th part of a multipart, without a look at what is in those before it. */
static bool find_in_multipart(struct bytes parts, uint32_t number,
                              struct message_structure_part *part, bool *is_found,
                              struct fault *fault)
{
    struct bytes content;
    for (uint32_t i = 1; i < number; i++) {
        if (parts.length == 0)
            break;
        if (!take_part(&parts, &content))
            return fault_set(fault, FAULT_PERMANENT, "a stored body structure is damaged");
    }
    *is_found = number > 0 && parts.length > 0;
    return !*is_found || message_structure_next_part(&parts, part, fault);
}

/* A multipart has one part at least (RFC 2046 5.1.1, RFC 9051 9: body-type-mpart): one that has
   none is told as if it had an empty text. */
static struct message_structure_part empty_part_of(const struct message_structure_part *multipart)
{
    uint64_t end = multipart->body_start + multipart->body_size;
    return (struct message_structure_part){
        .kind = MESSAGE_STRUCTURE_TEXT, .header_start = end, .body_start = end};
}

bool message_structure_find(struct bytes compact, const uint32_t *path, size_t count,
                            struct message_structure_part *part, bool *is_found,
                            struct fault *fault)
{
    struct message_structure_part at;
    bool is_message = true; /* `at` is a whole message, whose parts are counted from 1 */
    if (!message_structure_read(compact, &at, fault))
        return false;
    *is_found = true;
    for (size_t i = 0; i < count && *is_found; i++) {
        if (!is_message && at.kind == MESSAGE_STRUCTURE_MESSAGE) {
            struct bytes parts = at.parts;
            if (!message_structure_next_part(&parts, &at, fault))
                return false;
            is_message = true;
        }
        if (at.kind == MESSAGE_STRUCTURE_MULTIPART && at.parts.length == 0) {
            *is_found = path[i] == 1;
            at = empty_part_of(&at);
        } else if (at.kind == MESSAGE_STRUCTURE_MULTIPART) {
            if (!find_in_multipart(at.parts, path[i], &at, is_found, fault))
                return false;
        } else {
            *is_found = is_message && path[i] == 1;
        }
        is_message = false;
    }
    if (*is_found)
        *part = at;
    return true;
}
