/* What is to be written, in its order: text of our own, and borrowed slices of bodies that are
 * never copied. One run of slices goes to one writev. */
#ifndef WIRE_OUTBOX_H
#define WIRE_OUTBOX_H

#include <stdint.h>
#include <sys/uio.h>

#include "base/buffer.h"
#include "base/bytes.h"

enum {
    OUTBOX_SLICES_MAX = 512,       /* slices that wait at a time */
    OUTBOX_SLICES_KEPT = 16,       /* for which memory stays when nothing waits */
    OUTBOX_COPY_MAX = 256,         /* a run of body up to this is copied: cheaper than a slice */
    OUTBOX_TEXT_KEPT = 1024,       /* bytes of own text for which memory stays */
    OUTBOX_TEXT_FULL = 128 * 1024, /* bytes of own text beyond which outbox_is_full says so */
    OUTBOX_TEXT_MAX = 1024 * 1024, /* bytes of own text at most */
    OUTBOX_SLICES_SPARE = 16       /* slices kept free for what must still follow */
};

/* One run of bytes; data NULL = the next of the text. */
struct outbox_slice {
    const char *data;
    size_t length;
};

/* init, then leave the members alone; queued and taken may be read. */
struct outbox {
    struct buffer text; /* wiped as it goes: secrets pass through */
    size_t text_in_slices;
    struct outbox_slice *slices; /* a ring, made as it is needed */
    size_t capacity;
    size_t first;
    size_t count;
    uint64_t queued; /* bytes ever put in */
    uint64_t taken;  /* bytes ever taken out */
};

void outbox_init(struct outbox *outbox);
void outbox_clear(struct outbox *outbox); /* accepts NULL */

/* Where to append text. Ended by outbox_end_text. Fails as a buffer does; fails also when there is
 * no memory for what else is put in. */
struct buffer *outbox_begin_text(struct outbox *outbox);
void outbox_end_text(struct outbox *outbox);

/* Bytes of a body: borrowed until they are taken, or copied when few. There must be room:
 * outbox_room. */
void outbox_append_body(struct outbox *outbox, struct bytes run);

/* How many more slices fit; each append needs one at most. */
static inline size_t outbox_room(const struct outbox *outbox)
{
    return OUTBOX_SLICES_MAX - outbox->count;
}

/* True when enough waits: whoever can wait waits until some of it is gone. */
static inline bool outbox_is_full(const struct outbox *outbox)
{
    return outbox_room(outbox) <= 2 * OUTBOX_SLICES_SPARE ||
           outbox->text.length >= OUTBOX_TEXT_FULL;
}

static inline bool outbox_is_empty(const struct outbox *outbox)
{
    return outbox->count == 0;
}

/* Fills at most count slices from the front; borrowed until the next change. Returns how many. */
size_t outbox_show(const struct outbox *outbox, struct iovec *slices, size_t count);

/* The first count bytes are gone. */
void outbox_take(struct outbox *outbox, size_t count);

/* Drops everything that waits. */
void outbox_drop(struct outbox *outbox);

#endif
