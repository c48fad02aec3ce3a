/* Keeping parts, and writing them as a structure. */
#include "mail/message_outline.h"

#include <stdlib.h>

#include "mail/message_envelope.h"
#include "mail/message_parser.h"

enum {
    FIRST_CAPACITY = 8,
    SCRATCH_MAX = 4 * MESSAGE_HEADER_MAX,
    ARENA_MAX = 16 * MESSAGE_HEADER_MAX,
    DETAILS_ROOM = MESSAGE_OUTLINE_DETAILS_MAX + ARENA_MAX, /* the last header comes on top */
    KEPT_MEMORY = 16 * 1024 /* bytes of a buffer that are kept for the next message */
};

void message_outline_init(struct message_outline *outline)
{
    *outline = (struct message_outline){
        .details = BUFFER(DETAILS_ROOM), .arena = ARENA(ARENA_MAX), .scratch = BUFFER(SCRATCH_MAX)};
}

void message_outline_clear(struct message_outline *outline)
{
    free(outline->parts);
    buffer_clear(&outline->details);
    buffer_clear(&outline->scratch);
    arena_clear(&outline->arena);
    message_outline_init(outline);
}

static void forget(struct buffer *buffer)
{
    if (buffer->capacity > KEPT_MEMORY)
        buffer_clear(buffer);
    buffer_reset(buffer);
}

void message_outline_reset(struct message_outline *outline)
{
    outline->count = 0;
    if (outline->capacity > FIRST_CAPACITY) {
        free(outline->parts);
        outline->parts = NULL;
        outline->capacity = 0;
    }
    forget(&outline->details);
    forget(&outline->scratch);
    arena_reset(&outline->arena);
}

bool message_outline_is_full(const struct message_outline *outline)
{
    return outline->count >= MESSAGE_PARTS_MAX ||
           outline->details.length >= MESSAGE_OUTLINE_DETAILS_MAX;
}

size_t message_outline_memory(const struct message_outline *outline)
{
    return outline->capacity * sizeof *outline->parts + outline->details.capacity +
           outline->scratch.capacity + outline->arena.used;
}

bool message_outline_add(struct message_outline *outline, struct message_place header,
                         unsigned depth)
{
    if (outline->count == outline->capacity) {
        size_t capacity = outline->capacity == 0 ? FIRST_CAPACITY : outline->capacity * 2;
        void *parts = realloc(outline->parts, capacity * sizeof *outline->parts);
        if (parts == NULL)
            return false;
        outline->parts = parts;
        outline->capacity = capacity;
    }
    outline->parts[outline->count++] = (struct message_outline_part){
        .header = header, .body = header, .end = header, .depth = depth};
    return true;
}

static enum message_structure_kind kind_of(const struct message_content *content)
{
    switch (content->kind) {
    case MESSAGE_CONTENT_TEXT:
        return MESSAGE_STRUCTURE_TEXT;
    case MESSAGE_CONTENT_MULTIPART:
        return MESSAGE_STRUCTURE_MULTIPART;
    case MESSAGE_CONTENT_MESSAGE:
        return MESSAGE_STRUCTURE_MESSAGE;
    case MESSAGE_CONTENT_OTHER:
        break;
    }
    return MESSAGE_STRUCTURE_LEAF;
}

bool message_outline_describe(struct message_outline *outline, struct bytes section,
                              struct message_content_place place, bool may_nest,
                              struct bytes *boundary)
{
    struct message_outline_part *part = &outline->parts[outline->count - 1];
    struct message_content content;
    arena_reset(&outline->arena);
    if (!message_content_read(section, place, &outline->arena, &outline->scratch, &content))
        return false;
    part->kind = kind_of(&content);
    part->is_digest = content.is_digest;
    /* What cannot be taken apart must not look as if it had been. */
    bool is_unknown = part->kind == MESSAGE_STRUCTURE_MULTIPART && content.subtype.length == 0;
    if (is_unknown || (!may_nest && part->kind >= MESSAGE_STRUCTURE_MULTIPART)) {
        part->kind = MESSAGE_STRUCTURE_LEAF;
        content.type = BYTES("application");
        content.subtype = BYTES("octet-stream");
        content.boundary = (struct bytes){NULL, 0};
    }
    struct message_structure_part details = {
        .type = content.type,
        .subtype = content.subtype,
        .parameters = content.parameters,
        .id = content.id,
        .description = content.description,
        .encoding = content.encoding,
        .md5 = content.md5,
        .disposition = content.disposition,
        .disposition_parameters = content.disposition_parameters,
        .languages = content.language,
        .location = content.location,
    };
    part->details_start = outline->details.length;
    message_structure_write_details(&outline->details, &details);
    part->details_length = outline->details.length - part->details_start;
    *boundary = content.boundary;
    return !buffer_is_failed(&outline->details);
}

void message_outline_put_envelope(struct message_outline *outline, size_t index,
                                  struct bytes section)
{
    struct message_outline_part *part = &outline->parts[index];
    assert(part->details_start + part->details_length == outline->details.length);
    size_t start = outline->details.length;
    message_envelope_write(section, &outline->details);
    part->envelope_length = outline->details.length - start;
}

static size_t open_part(const struct message_outline *outline, size_t index, uint64_t shift,
                        struct buffer *out)
{
    const struct message_outline_part *part = &outline->parts[index];
    struct bytes all = buffer_bytes(&outline->details);
    struct message_structure_part written = {
        .kind = part->kind,
        .header_start = index == 0 ? 0 : part->header.offset + shift,
        .body_start = part->body.offset + shift,
        .body_size = part->end.offset - part->body.offset,
        .lines = part->end.lines - part->body.lines,
        .envelope =
            bytes_slice(all, part->details_start + part->details_length, part->envelope_length),
    };
    return message_structure_open_part(out, &written,
                                       bytes_slice(all, part->details_start, part->details_length));
}

void message_outline_write(const struct message_outline *outline, uint64_t shift,
                           struct buffer *out)
{
    size_t open[MESSAGE_DEPTH_MAX + 1];
    unsigned depth = 0;
    message_structure_begin(out);
    for (size_t i = 0; i < outline->count; i++) {
        while (depth > outline->parts[i].depth)
            message_structure_close_part(out, open[--depth]);
        open[depth++] = open_part(outline, i, shift, out);
    }
    while (depth > 0)
        message_structure_close_part(out, open[--depth]);
}
