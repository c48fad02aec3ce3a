/* Bytes that grow up to a limit set at birth. Appending never needs a check: over the limit or out
   of memory the buffer fails, stays failed, and is asked once at the end. */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/auto.h"
#include "base/bytes.h"

/* Read length freely; everything else is for buffer.c and the inline functions here. */
struct buffer {
    char *memory;
    size_t start; /* where the content begins in memory: what was consumed lies before it */
    size_t length;
    size_t capacity;
    size_t limit; /* the content never grows longer than this */
    bool is_failed;
    bool is_secret;
};

/* A buffer at its declaration; the secret one wipes every byte that it gives back. */
#define BUFFER(most)        ((struct buffer){.limit = (most)})
#define SECRET_BUFFER(most) ((struct buffer){.limit = (most), .is_secret = true})

void buffer_init(struct buffer *buffer, size_t limit);
void buffer_init_secret(struct buffer *buffer, size_t limit);

/* Gives the memory back; the buffer is then empty and sound, with the same limit. Accepts NULL. */
void buffer_clear(struct buffer *buffer);

/* Empties the buffer and forgets a failure, but keeps the memory for the next use. */
void buffer_reset(struct buffer *buffer);

/* Gives the memory of an empty, sound buffer back where it is more than `kept` bytes. */
void buffer_shrink(struct buffer *buffer, size_t kept);

/* An append was refused since the last reset: the content is not what was meant. */
static inline bool buffer_is_failed(const struct buffer *buffer)
{
    return buffer->is_failed;
}

/* Marks the buffer failed, for a writer that finds that it cannot go on. */
static inline void buffer_fail(struct buffer *buffer)
{
    buffer->is_failed = true;
}

/* The content; valid until the buffer is next changed. */
static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
    return (struct bytes){buffer->memory == NULL ? "" : buffer->memory + buffer->start,
                          buffer->length};
}

/* How much may still be appended before the limit is met. */
static inline size_t buffer_room(const struct buffer *buffer)
{
    return buffer->is_failed ? 0 : buffer->limit - buffer->length;
}

/* What buffer_reserve does when there is no room yet, or the buffer has failed. */
char *buffer_make_room(struct buffer *buffer, size_t size);

/* Room for `size` more bytes at the end of the content, to be written in place and then committed;
   NULL when the buffer has failed or fails now. Valid until the buffer is next changed. */
static inline char *buffer_reserve(struct buffer *buffer, size_t size)
{
    size_t used = buffer->start + buffer->length;
    if (!buffer->is_failed && size <= buffer->limit - buffer->length && used < buffer->capacity &&
        size <= buffer->capacity - used)
        return buffer->memory + used;
    return buffer_make_room(buffer, size);
}

/* Makes the first `count` bytes of what was reserved content. */
static inline void buffer_commit(struct buffer *buffer, size_t count)
{
    assert(count <= buffer->capacity - buffer->start - buffer->length);
    buffer->length += count;
}

/* Each append happens whole or not at all. */
static inline void buffer_append(struct buffer *buffer, struct bytes bytes)
{
    char *end = buffer_reserve(buffer, bytes.length);
    if (end != NULL && bytes.length > 0) {
        memcpy(end, bytes.data, bytes.length);
        buffer->length += bytes.length;
    }
}

static inline void buffer_append_char(struct buffer *buffer, char c)
{
    char *end = buffer_reserve(buffer, 1);
    if (end != NULL) {
        *end = c;
        buffer->length++;
    }
}

static inline void buffer_append_string(struct buffer *buffer, const char *string)
{
    buffer_append(buffer, bytes_from_string(string));
}

/* In decimal digits. */
void buffer_append_unsigned(struct buffer *buffer, uint64_t value);

void buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_append_format_list(struct buffer *buffer, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

/* Takes `count` bytes, at most all, from the front of the content. */
void buffer_consume(struct buffer *buffer, size_t count);

/* Shortens the content to its first `length` bytes; a shorter content stays as it is. */
void buffer_truncate(struct buffer *buffer, size_t length);

/* The content with a NUL behind it (which is not content and needs no room under the limit);
   NULL when the buffer has failed or memory ran out. Valid until the buffer is next changed. */
const char *buffer_string(struct buffer *buffer);

#endif
