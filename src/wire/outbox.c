/* Text lies in one buffer in the order in which it goes out, so a slice of text needs its length
 * only. */
#include "wire/outbox.h"

void outbox_init(struct outbox *outbox)
{
    *outbox = (struct outbox){.text = SECRET_BUFFER(OUTBOX_TEXT_MAX)};
}

void outbox_clear(struct outbox *outbox)
{
    if (outbox != NULL)
        buffer_clear(&outbox->text);
}

static struct outbox_slice *slice_at(struct outbox *outbox, size_t index)
{
    return &outbox->slices[(outbox->first + index) % OUTBOX_SLICES_MAX];
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
    assert(outbox->count < OUTBOX_SLICES_MAX);
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
        const struct outbox_slice *slice = &outbox->slices[(outbox->first + i) % OUTBOX_SLICES_MAX];
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
            outbox->first = (outbox->first + 1) % OUTBOX_SLICES_MAX;
            outbox->count--;
        }
    }
}

void outbox_drop(struct outbox *outbox)
{
    buffer_clear(&outbox->text);
    outbox->text_in_slices = 0;
    outbox->count = 0;
}
