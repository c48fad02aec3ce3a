/* zlib's streams behind two calls. */
#include "wire/deflate.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum {
    WINDOW_BITS = -15, /* raw: no header, no checksum (RFC 4978 3) */
    MEMORY_LEVEL = 8,
    OUTPUT_STEP = 4096, /* bytes that are made room for at a time */
    INPUT_STEP = 1 << 30
};

struct deflate {
    z_stream packing;
    z_stream unpacking;
    bool has_ended; /* the other side closed its stream: there can be no more */
};

struct deflate *deflate_new(struct fault *fault)
{
    struct deflate *layer = calloc(1, sizeof *layer);
    if (layer == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    if (deflateInit2(&layer->packing, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(layer);
        fault_set_memory(fault);
        return NULL;
    }
    if (inflateInit2(&layer->unpacking, WINDOW_BITS) != Z_OK) {
        deflateEnd(&layer->packing);
        free(layer);
        fault_set_memory(fault);
        return NULL;
    }
    return layer;
}

void deflate_free(struct deflate *layer)
{
    if (layer == NULL)
        return;
    deflateEnd(&layer->packing);
    inflateEnd(&layer->unpacking);
    free(layer);
}

/* zlib takes pointers that are not const and counts of 32 bits. */
static void give_input(z_stream *stream, struct bytes in)
{
    stream->next_in = (Bytef *)(uintptr_t)in.data;
    stream->avail_in = (uInt)(in.length < INPUT_STEP ? in.length : INPUT_STEP);
}

bool deflate_compress(struct deflate *layer, struct bytes in, struct buffer *out,
                      struct fault *fault)
{
    z_stream *stream = &layer->packing;
    while (in.length > 0) {
        give_input(stream, in);
        in = bytes_skip(in, stream->avail_in);
        /* RFC 4978 3: what was said must be readable at once. */
        int flush = in.length == 0 ? Z_SYNC_FLUSH : Z_NO_FLUSH;
        do {
            char *room = buffer_reserve(out, OUTPUT_STEP);
            if (room == NULL)
                return fault_set_memory(fault);
            stream->next_out = (Bytef *)room;
            stream->avail_out = OUTPUT_STEP;
            deflate(stream, flush);
            buffer_commit(out, OUTPUT_STEP - stream->avail_out);
        } while (stream->avail_out == 0);
    }
    return true;
}

/* One step of room is filled; what came of it, or Z_MEM_ERROR. */
static int inflate_step(z_stream *stream, struct buffer *out)
{
    char *room = buffer_reserve(out, OUTPUT_STEP);
    if (room == NULL)
        return Z_MEM_ERROR;
    stream->next_out = (Bytef *)room;
    stream->avail_out = OUTPUT_STEP;
    int result = inflate(stream, Z_SYNC_FLUSH);
    buffer_commit(out, OUTPUT_STEP - stream->avail_out);
    return result;
}

bool deflate_expand(struct deflate *layer, struct bytes in, size_t *used, struct buffer *out,
                    bool *has_more, struct fault *fault)
{
    z_stream *stream = &layer->unpacking;
    size_t length = out->length;
    int result;
    if (layer->has_ended)
        return fault_set(fault, FAULT_SYNTAX, "bytes behind the stream's end");
    give_input(stream, in);
    uInt given = stream->avail_in;
    do {
        result = inflate_step(stream, out);
    } while (result == Z_OK && stream->avail_out == 0 &&
             out->length - length + OUTPUT_STEP <= DEFLATE_INFLATED_MAX);
    if (result == Z_MEM_ERROR)
        return fault_set_memory(fault);
    /* Z_BUF_ERROR: there was nothing to do. */
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return fault_set(fault, FAULT_SYNTAX, "not a compressed stream");
    layer->has_ended = result == Z_STREAM_END;
    *used = given - stream->avail_in;
    *has_more = stream->avail_out == 0 && !layer->has_ended;
    return true;
}
