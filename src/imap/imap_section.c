/* Where a section lies in a message, out of its compact structure; header subsets; the names of
 * sections in answers. */
#include "imap/imap_section.h"

#include "imap/imap_write.h"
#include "mail/message_header.h"
#include "mail/message_structure.h"
#include "mail/transfer_decoder.h"

static bool damaged(struct fault *fault)
{
    return fault_set(fault, FAULT_PERMANENT, "a stored body structure is damaged");
}

static bool is_of_header(enum imap_section_kind kind)
{
    return kind == IMAP_SECTION_HEADER || kind == IMAP_SECTION_FIELDS ||
           kind == IMAP_SECTION_FIELDS_NOT;
}

/* Of the whole message. */
static bool find_in_message(const struct imap_section_message *message,
                            const struct imap_section *section, struct imap_section_place *place,
                            struct fault *fault)
{
    uint64_t header;
    if (__builtin_add_overflow(message->prefix_size, message->header_size, &header) ||
        header > message->size)
        return damaged(fault);
    place->is_found = section->kind != IMAP_SECTION_MIME;
    if (is_of_header(section->kind)) {
        place->size = header;
    } else if (section->kind == IMAP_SECTION_TEXT) {
        place->start = header;
        place->size = message->size - header;
    } else {
        place->size = message->size;
    }
    return true;
}

/* A range of the body. */
static bool set_place(const struct imap_section_message *message, uint64_t start, uint64_t size,
                      struct imap_section_place *place, struct fault *fault)
{
    uint64_t from;
    uint64_t end;
    if (__builtin_add_overflow(message->prefix_size, start, &from) ||
        __builtin_add_overflow(from, size, &end) || end > message->size)
        return damaged(fault);
    place->is_found = true;
    place->start = from;
    place->size = size;
    return true;
}

/* [path.MIME]; the message itself, which is its own part 1 when it is no multipart, has the prefix
   in its header. */
static bool find_mime(const struct imap_section_message *message,
                      const struct message_structure_part *part, struct imap_section_place *place,
                      struct fault *fault)
{
    uint64_t size = part->body_start - part->header_start;
    if (!set_place(message, part->header_start, size, place, fault))
        return false;
    if (part->header_start == 0) {
        place->start = 0;
        place->size += message->prefix_size;
    }
    return true;
}

/* [path.HEADER] and [path.TEXT]: of the message within a part, which it may not have (RFC 9051
   6.4.5.1). */
static bool find_in_inner(const struct imap_section_message *message,
                          const struct imap_section *section,
                          const struct message_structure_part *part,
                          struct imap_section_place *place, struct fault *fault)
{
    struct bytes parts = part->parts;
    struct message_structure_part inner;
    if (part->kind != MESSAGE_STRUCTURE_MESSAGE)
        return true;
    if (!message_structure_next_part(&parts, &inner, fault))
        return false;
    if (section->kind == IMAP_SECTION_TEXT)
        return set_place(message, inner.body_start, inner.body_size, place, fault);
    return set_place(message, inner.header_start, inner.body_start - inner.header_start, place,
                     fault);
}

static bool find_in_part(const struct imap_section_message *message,
                         const struct imap_section *section,
                         const struct message_structure_part *part,
                         struct imap_section_place *place, struct fault *fault)
{
    switch (section->kind) {
    case IMAP_SECTION_ALL:
        return set_place(message, part->body_start, part->body_size, place, fault);
    case IMAP_SECTION_MIME:
        return find_mime(message, part, place, fault);
    default:
        return find_in_inner(message, section, part, place, fault);
    }
}

/* RFC 3516 4.2; parts that have parts in them are not encoded (RFC 2045 6.4). */
static void find_encoding(const struct message_structure_part *part,
                          struct imap_section_place *place)
{
    if (part->kind == MESSAGE_STRUCTURE_MULTIPART || part->kind == MESSAGE_STRUCTURE_MESSAGE)
        return;
    enum transfer_encoding encoding = TRANSFER_AS_IS;
    place->is_encoding_unknown = !transfer_decoder_named(part->encoding, &encoding);
    if (encoding == TRANSFER_QUOTED_PRINTABLE || encoding == TRANSFER_BASE64)
        place->encoding = encoding;
}

bool imap_section_find(const struct imap_section_message *message,
                       const struct imap_section *section, bool is_binary,
                       struct imap_section_place *place, struct fault *fault)
{
    struct imap_section_place found = {.encoding = TRANSFER_AS_IS};
    found.is_filtered =
        section->kind == IMAP_SECTION_FIELDS || section->kind == IMAP_SECTION_FIELDS_NOT;
    if (section->depth == 0) {
        if (!find_in_message(message, section, &found, fault))
            return false;
    } else {
        struct message_structure_part part;
        bool is_found;
        if (!message_structure_find(message->structure, section->path, section->depth, &part,
                                    &is_found, fault) ||
            (is_found && !find_in_part(message, section, &part, &found, fault)))
            return false;
        if (found.is_found && is_binary)
            find_encoding(&part, &found);
    }
    *place = found;
    return true;
}

/* ---- header subsets ---- */

static bool is_named(const struct imap_section *section, struct bytes name)
{
    for (size_t i = 0; i < section->field_count; i++) {
        if (bytes_equal_ignoring_case(section->fields[i], name))
            return true;
    }
    return false;
}

void imap_section_filter(const struct imap_section *section, struct bytes header,
                         struct buffer *out)
{
    bool wants_named = section->kind == IMAP_SECTION_FIELDS;
    struct message_header_field field;
    struct bytes rest = header;
    /* Fields that are kept one after another are appended at once. */
    const char *kept = header.data;
    const char *end = header.data;
    while (message_header_next(&rest, &field)) {
        if (is_named(section, field.name) != wants_named) {
            buffer_append(out, bytes_of(kept, (size_t)(end - kept)));
            kept = rest.data;
        }
        end = rest.data;
    }
    buffer_append(out, bytes_of(kept, (size_t)(end - kept)));
    /* RFC 9051 6.4.5.1: the empty line stays, where there is one. */
    buffer_append(out, rest);
}

/* ---- names ---- */

static void write_path(const struct imap_section *section, struct buffer *out)
{
    for (size_t i = 0; i < section->depth; i++) {
        if (i > 0)
            buffer_append_char(out, '.');
        imap_write_number(out, section->path[i]);
    }
}

static void write_fields(const struct imap_section *section, struct buffer *out)
{
    buffer_append(out, BYTES(" ("));
    for (size_t i = 0; i < section->field_count; i++) {
        if (i > 0)
            buffer_append_char(out, ' ');
        imap_write_astring(out, section->fields[i], false);
    }
    buffer_append_char(out, ')');
}

static void write_section(const struct imap_section *section, struct buffer *out)
{
    static const struct bytes words[] = {
        [IMAP_SECTION_ALL] = BYTES_INIT(""),
        [IMAP_SECTION_HEADER] = BYTES_INIT("HEADER"),
        [IMAP_SECTION_FIELDS] = BYTES_INIT("HEADER.FIELDS"),
        [IMAP_SECTION_FIELDS_NOT] = BYTES_INIT("HEADER.FIELDS.NOT"),
        [IMAP_SECTION_TEXT] = BYTES_INIT("TEXT"),
        [IMAP_SECTION_MIME] = BYTES_INIT("MIME"),
    };
    buffer_append_char(out, '[');
    write_path(section, out);
    if (section->depth > 0 && section->kind != IMAP_SECTION_ALL)
        buffer_append_char(out, '.');
    buffer_append(out, words[section->kind]);
    if (section->kind == IMAP_SECTION_FIELDS || section->kind == IMAP_SECTION_FIELDS_NOT)
        write_fields(section, out);
    buffer_append_char(out, ']');
}

void imap_section_write_name(const struct imap_fetch_item *item, struct buffer *out)
{
    switch (item->kind) {
    case IMAP_FETCH_RFC822:
        buffer_append(out, BYTES("RFC822"));
        return;
    case IMAP_FETCH_RFC822_HEADER:
        buffer_append(out, BYTES("RFC822.HEADER"));
        return;
    case IMAP_FETCH_RFC822_TEXT:
        buffer_append(out, BYTES("RFC822.TEXT"));
        return;
    case IMAP_FETCH_BINARY:
        buffer_append(out, BYTES("BINARY"));
        break;
    case IMAP_FETCH_BINARY_SIZE:
        buffer_append(out, BYTES("BINARY.SIZE"));
        break;
    default:
        buffer_append(out, BYTES("BODY"));
        break;
    }
    write_section(&item->section, out);
    if (item->is_partial) {
        buffer_append_char(out, '<');
        imap_write_number(out, item->offset);
        buffer_append_char(out, '>');
    }
}
