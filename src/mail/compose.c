/* Segments and the reader that pulls through them. */
#include "mail/compose.h"

#include <stdlib.h>

void compose_init(struct compose *composition)
{
    *composition = (struct compose){
        .text = BUFFER(COMPOSE_TEXT_MAX),
        .encoded = BUFFER((size_t)COMPOSE_PIECE * TRANSFER_GROWTH_MAX + 2 * TRANSFER_GROWTH_EXTRA),
    };
}

void compose_clear(struct compose *composition)
{
    if (composition == NULL)
        return;
    buffer_clear(&composition->text);
    buffer_clear(&composition->encoded);
    free(composition->segments);
    free(composition->piece);
    compose_init(composition);
}

static struct compose_segment *add_segment(struct compose *composition)
{
    if (composition->count == composition->capacity) {
        size_t capacity = composition->capacity == 0 ? 4 : composition->capacity * 2;
        void *segments = realloc(composition->segments, capacity * sizeof *composition->segments);
        if (segments == NULL)
            return NULL;
        composition->segments = segments;
        composition->capacity = capacity;
    }
    struct compose_segment *segment = &composition->segments[composition->count++];
    *segment = (struct compose_segment){0};
    return segment;
}

/* What was written since the last source becomes a segment. */
static bool end_text(struct compose *composition, struct fault *fault)
{
    if (buffer_is_failed(&composition->text))
        return fault_set(fault, FAULT_LIMIT, "the header is too long or memory ran out");
    size_t length = composition->text.length - composition->text_start;
    if (length == 0)
        return true;
    struct compose_segment *segment = add_segment(composition);
    if (segment == NULL)
        return fault_set_memory(fault);
    segment->is_text = true;
    segment->start = composition->text_start;
    segment->length = length;
    composition->text_start += length;
    return true;
}

bool compose_add_source(struct compose *composition, const struct compose_source *source,
                        enum transfer_encoding encoding, struct fault *fault)
{
    if (!end_text(composition, fault))
        return false;
    struct compose_segment *segment = add_segment(composition);
    if (segment == NULL)
        return fault_set_memory(fault);
    segment->source = *source;
    segment->encoding = encoding;
    return true;
}

bool compose_finish(struct compose *composition, struct fault *fault)
{
    return end_text(composition, fault);
}

static bool segment_size(const struct compose_segment *segment, uint64_t *size)
{
    if (segment->is_text) {
        *size = segment->length;
    } else if (segment->source.read == NULL) {
        *size = transfer_encoding_length(segment->encoding, segment->source.memory);
    } else if (!segment->source.is_size_known) {
        return false;
    } else if (segment->encoding == TRANSFER_BASE64) {
        uint64_t bytes = segment->source.size;
        uint64_t lines = bytes / BASE64_LINE_BYTES + (bytes % BASE64_LINE_BYTES != 0);
        *size = (bytes / 3 + (bytes % 3 != 0)) * 4 + lines * 2;
    } else if (segment->encoding == TRANSFER_AS_IS) {
        *size = segment->source.size;
    } else {
        return false;
    }
    return true;
}

bool compose_size(const struct compose *composition, uint64_t *size)
{
    *size = 0;
    for (size_t i = 0; i < composition->count; i++) {
        uint64_t part;
        if (!segment_size(&composition->segments[i], &part))
            return false;
        *size += part;
    }
    return true;
}

static void next_segment(struct compose *composition)
{
    composition->index++;
    composition->offset = 0;
    composition->is_begun = false;
    composition->is_drained = false;
}

/* Bytes that lie ready in memory as they go out. */
static bool is_plain(const struct compose_segment *segment)
{
    return segment->is_text ||
           (segment->source.read == NULL && segment->encoding == TRANSFER_AS_IS);
}

static size_t read_plain(struct compose *composition, const struct compose_segment *segment,
                         char *out, size_t size)
{
    struct bytes bytes = segment->is_text ? bytes_slice(buffer_bytes(&composition->text),
                                                        segment->start, segment->length)
                                          : segment->source.memory;
    bytes = bytes_slice(bytes, (size_t)composition->offset, size);
    if (bytes.length == 0) {
        next_segment(composition);
        return 0;
    }
    memcpy(out, bytes.data, bytes.length);
    composition->offset += bytes.length;
    return bytes.length;
}

/* Asks a stream for bytes. 0 is its end; -1 also when that is not where it said. */
static ssize_t read_stream(struct compose *composition, const struct compose_source *source,
                           char *out, size_t size)
{
    ssize_t count = source->read(source->context, out, size);
    if (count < 0 || (size_t)count > size)
        return -1;
    composition->offset += (uint64_t)count;
    if (source->is_size_known &&
        (count == 0 ? composition->offset != source->size : composition->offset > source->size))
        return -1;
    return count;
}

/* The next raw bytes of a source. 0 at its end, -1 on failure. */
static ssize_t take_raw(struct compose *composition, const struct compose_source *source,
                        struct bytes *raw)
{
    if (source->read == NULL) {
        *raw = bytes_slice(source->memory, (size_t)composition->offset, COMPOSE_PIECE);
        composition->offset += raw->length;
        return (ssize_t)raw->length;
    }
    if (composition->piece == NULL)
        composition->piece = malloc(COMPOSE_PIECE);
    if (composition->piece == NULL)
        return -1;
    ssize_t count = read_stream(composition, source, composition->piece, COMPOSE_PIECE);
    *raw = bytes_of(composition->piece, count > 0 ? (size_t)count : 0);
    return count;
}

/* Encodes one more piece into `encoded`. False on failure. */
static bool encode_more(struct compose *composition, const struct compose_segment *segment)
{
    if (!composition->is_begun) {
        transfer_encoding_begin(&composition->encoder, segment->encoding);
        composition->is_begun = true;
    }
    struct bytes raw;
    ssize_t count = take_raw(composition, &segment->source, &raw);
    if (count < 0)
        return false;
    buffer_reset(&composition->encoded);
    if (count == 0) {
        transfer_encoding_finish(&composition->encoder, &composition->encoded);
        composition->is_drained = true;
    } else {
        transfer_encoding_feed(&composition->encoder, raw, &composition->encoded);
    }
    return !buffer_is_failed(&composition->encoded);
}

/* -1 on failure; 0 when there is nothing now, which need not be the end. */
static ssize_t read_encoded(struct compose *composition, const struct compose_segment *segment,
                            char *out, size_t size)
{
    if (composition->encoded.length == 0) {
        if (composition->is_drained)
            next_segment(composition);
        else if (!encode_more(composition, segment))
            return -1;
    }
    struct bytes ready = bytes_slice(buffer_bytes(&composition->encoded), 0, size);
    if (ready.length > 0)
        memcpy(out, ready.data, ready.length);
    buffer_consume(&composition->encoded, ready.length);
    return (ssize_t)ready.length;
}

/* One step within the present segment. */
static ssize_t read_some(struct compose *composition, char *out, size_t size)
{
    const struct compose_segment *segment = &composition->segments[composition->index];
    if (is_plain(segment))
        return (ssize_t)read_plain(composition, segment, out, size);
    if (segment->encoding != TRANSFER_AS_IS)
        return read_encoded(composition, segment, out, size);
    ssize_t count = read_stream(composition, &segment->source, out, size);
    if (count == 0)
        next_segment(composition);
    return count;
}

ssize_t compose_read(struct compose *composition, char *out, size_t size)
{
    size_t filled = 0;
    while (filled < size && composition->index < composition->count && !composition->has_failed) {
        ssize_t count = read_some(composition, out + filled, size - filled);
        if (count < 0)
            composition->has_failed = true;
        else
            filled += (size_t)count;
    }
    /* What was read before the failure is of no use to anyone. */
    return composition->has_failed ? -1 : (ssize_t)filled;
}
