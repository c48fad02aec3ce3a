/* COMPRESS=DEFLATE (RFC 4978): the layer between what carries the bytes and the engine. */
#include "session/imap_session_inside.h"

#include <stdlib.h>

enum {
    LAYER_IN_MAX = DEFLATE_INFLATED_MAX, /* plain bytes that wait for the engine */
    LAYER_OUT_MAX = 64 * 1024 * 1024     /* compressed bytes of one output; a bound, never met */
};

void imap_session_compress_free(struct imap_session_layer *layer)
{
    if (layer == NULL)
        return;
    deflate_free(layer->deflate);
    buffer_clear(&layer->in);
    buffer_clear(&layer->out);
    free(layer);
}

bool imap_session_compress(struct imap_session *session, int64_t now)
{
    struct fault fault;
    struct imap_session_layer *layer = calloc(1, sizeof *layer);
    if (layer != NULL) {
        layer->in = BUFFER(LAYER_IN_MAX);
        layer->out = BUFFER(LAYER_OUT_MAX);
        layer->deflate = deflate_new(&fault);
    }
    if (layer == NULL || layer->deflate == NULL) {
        imap_session_compress_free(layer);
        imap_server_fail(session->engine, "out of memory");
        return false;
    }
    session->layer = layer;
    imap_server_compressed(session->engine, now);
    return true;
}

static void begin_turn(struct imap_session_layer *layer, int64_t now)
{
    if (layer->turn == now)
        return;
    layer->turn = now;
    layer->made = 0;
    layer->packed = 0;
}

/* ---- in ---- */

/* False: enough for this turn; the rest comes by tick. */
static bool has_turn(struct imap_session_layer *layer, int64_t now)
{
    begin_turn(layer, now);
    layer->is_paused = layer->made >= IMAP_SESSION_LAYER_TURN;
    return !layer->is_paused;
}

/* Makes plain bytes where none wait; false: there are none. */
static bool expand(struct imap_session *session, struct bytes in, size_t *used, int64_t now)
{
    struct imap_session_layer *layer = session->layer;
    struct fault fault;
    *used = 0;
    if (layer->in.length > 0)
        return true;
    if ((in.length == 0 && !layer->has_more) || !has_turn(layer, now))
        return false;
    buffer_clear(&layer->in);
    if (!deflate_expand(layer->deflate, in, used, &layer->in, &layer->has_more, &fault)) {
        imap_server_fail(session->engine, fault.kind == FAULT_SYNTAX
                                              ? "the client's bytes are no deflate"
                                              : "out of memory");
        return false;
    }
    layer->made += layer->in.length;
    return layer->in.length > 0;
}

bool imap_session_compress_feed_engine(struct imap_session *session, int64_t now)
{
    struct imap_session_layer *layer = session->layer;
    size_t used = 0;
    /* All events are heard: what they pointed to can go. */
    buffer_consume(&layer->in, layer->taken);
    layer->taken = 0;
    if (layer->in.length == 0)
        buffer_clear(&layer->in);
    if (!expand(session, BYTES(""), &used, now))
        return false;
    layer->taken = imap_server_feed(session->engine, buffer_bytes(&layer->in), now);
    return layer->taken > 0;
}

size_t imap_session_compress_feed(struct imap_session *session, struct bytes in, int64_t now)
{
    size_t taken = 0;
    for (;;) {
        size_t used = 0;
        bool has_plain = expand(session, bytes_skip(in, taken), &used, now);
        taken += used;
        size_t before = session->layer->in.length;
        imap_session_go_on(session, now);
        bool has_moved = used > 0 || session->layer->in.length < before;
        if (!has_moved || !has_plain || taken == in.length)
            return taken;
    }
}

/* ---- out ---- */

struct bytes imap_session_compress_output(struct imap_session *session, int64_t now)
{
    struct imap_session_layer *layer = session->layer;
    struct bytes plain = imap_server_output(session->engine);
    struct fault fault;
    if (layer->out.length > 0)
        return buffer_bytes(&layer->out);
    buffer_clear(&layer->out);
    begin_turn(layer, now);
    layer->is_output_paused = plain.length > 0 && layer->packed >= IMAP_SESSION_LAYER_TURN;
    plain = bytes_slice(plain, 0, IMAP_SESSION_LAYER_TURN - layer->packed);
    if (plain.length == 0)
        return buffer_bytes(&layer->out);
    if (!deflate_compress(layer->deflate, plain, &layer->out, &fault)) {
        buffer_clear(&layer->out);
        imap_server_fail(session->engine, "out of memory");
        return buffer_bytes(&layer->out);
    }
    layer->packed += plain.length;
    imap_server_sent(session->engine, plain.length, now);
    return buffer_bytes(&layer->out);
}
