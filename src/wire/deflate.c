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

bool deflate_expand(struct deflate *layer, struct bytes in, size_t *used, struct buffer *out,
                    bool *has_more, struct fault *fault)
{
    z_stream *stream = &layer->unpacking;
    char *room = layer->has_ended ? NULL : buffer_reserve(out, DEFLATE_INFLATED_MAX);
    if (room == NULL)
        return layer->has_ended ? fault_set(fault, FAULT_SYNTAX, "bytes behind the stream's end")
                                : fault_set_memory(fault);
    give_input(stream, in);
    uInt given = stream->avail_in;
    stream->next_out = (Bytef *)room;
    stream->avail_out = DEFLATE_INFLATED_MAX;
    int result = inflate(stream, Z_SYNC_FLUSH);
    if (result == Z_MEM_ERROR)
        return fault_set_memory(fault);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR)
        return fault_set(fault, FAULT_SYNTAX, "not a compressed stream");
    layer->has_ended = result == Z_STREAM_END;
    buffer_commit(out, DEFLATE_INFLATED_MAX - stream->avail_out);
    *used = given - stream->avail_in;
    *has_more = stream->avail_out == 0 && !layer->has_ended;
    return true;
}
