/* Text lies in one buffer in the order in which it goes out, so a slice of text needs its length
 * only. */
#include "wire/outbox.h"

#include <stdlib.h>

void outbox_init(struct outbox *outbox)
{
    *outbox = (struct outbox){.text = SECRET_BUFFER(OUTBOX_TEXT_MAX)};
}

void outbox_clear(struct outbox *outbox)
{
    if (outbox == NULL)
        return;
    buffer_clear(&outbox->text);
    free(outbox->slices);
    outbox->slices = NULL;
    outbox->capacity = outbox->first = outbox->count = 0;
}

static struct outbox_slice *slice_at(struct outbox *outbox, size_t index)
{
    return &outbox->slices[(outbox->first + index) % outbox->capacity];
}

static bool grow(struct outbox *outbox)
{
    size_t capacity = outbox->capacity == 0 ? OUTBOX_SLICES_KEPT : 2 * outbox->capacity;
    assert(capacity <= OUTBOX_SLICES_MAX);
    struct outbox_slice *slices = malloc(capacity * sizeof *slices);
    if (slices == NULL)
        return false;
    for (size_t i = 0; i < outbox->count; i++)
        slices[i] = *slice_at(outbox, i);
    free(outbox->slices);
    outbox->slices = slices;
    outbox->capacity = capacity;
    outbox->first = 0;
    return true;
}

/* A connection that has nothing to say costs little. */
static void shrink(struct outbox *outbox)
{
    buffer_shrink(&outbox->text, OUTBOX_TEXT_KEPT);
    if (outbox->capacity > OUTBOX_SLICES_KEPT) {
        free(outbox->slices);
        outbox->slices = NULL;
        outbox->capacity = outbox->first = 0;
    }
}

static void append_slice(struct outbox *outbox, const char *data, size_t length)
{
    if (length == 0)
        return;
    outbox->queued += length;
    if (data == NULL && outbox->count > 0) {
        struct outbox_slice *last = slice_at(outbox, outbox->count - 1);
        if (last->data == NULL) {
            last->length += length;
            return;
        }
    }
    if (outbox->count == outbox->capacity && !grow(outbox)) {
        buffer_fail(&outbox->text);
        return;
    }
    *slice_at(outbox, outbox->count++) = (struct outbox_slice){data, length};
}

struct buffer *outbox_begin_text(struct outbox *outbox)
{
    return &outbox->text;
}

void outbox_end_text(struct outbox *outbox)
{
    append_slice(outbox, NULL, outbox->text.length - outbox->text_in_slices);
    outbox->text_in_slices = outbox->text.length;
}

void outbox_append_body(struct outbox *outbox, struct bytes run)
{
    if (run.length > OUTBOX_COPY_MAX) {
        append_slice(outbox, run.data, run.length);
        return;
    }
    buffer_append(&outbox->text, run);
    outbox_end_text(outbox);
}

size_t outbox_show(const struct outbox *outbox, struct iovec *slices, size_t count)
{
    const char *text = buffer_bytes(&outbox->text).data;
    if (count > outbox->count)
        count = outbox->count;
    for (size_t i = 0; i < count; i++) {
        const struct outbox_slice *slice = &outbox->slices[(outbox->first + i) % outbox->capacity];
        const char *data = slice->data;
        if (data == NULL) {
            data = text;
            text += slice->length;
        }
        /* writev only reads; struct iovec has no const. */
        slices[i] = (struct iovec){(void *)(uintptr_t)data, slice->length};
    }
    return count;
}

void outbox_take(struct outbox *outbox, size_t count)
{
    outbox->taken += count;
    while (count > 0) {
        assert(outbox->count > 0);
        struct outbox_slice *first = slice_at(outbox, 0);
        size_t part = count < first->length ? count : first->length;
        if (first->data == NULL) {
            buffer_consume(&outbox->text, part);
            outbox->text_in_slices -= part;
        } else {
            first->data += part;
        }
        first->length -= part;
        count -= part;
        if (first->length == 0) {
            outbox->first = (outbox->first + 1) % outbox->capacity;
            outbox->count--;
        }
    }
    if (outbox->count == 0)
        shrink(outbox);
}

void outbox_drop(struct outbox *outbox)
{
    buffer_clear(&outbox->text);
    outbox->text_in_slices = 0;
    outbox->count = 0;
    shrink(outbox);
}
