/* How a buffer finds its memory, and the appends that are too long to be inline. */
#include "base/buffer.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/secret.h"

/* The first block: most lines and commands fit. */
enum {
    SMALLEST_CAPACITY = 128
};

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = BUFFER(limit);
}

void buffer_init_secret(struct buffer *buffer, size_t limit)
{
    *buffer = SECRET_BUFFER(limit);
}

static void release_memory(struct buffer *buffer)
{
    if (buffer->is_secret && buffer->memory != NULL)
        secret_wipe(buffer->memory, buffer->capacity);
    free(buffer->memory);
}

void buffer_clear(struct buffer *buffer)
{
    if (buffer == NULL)
        return;
    release_memory(buffer);
    *buffer = (struct buffer){.limit = buffer->limit, .is_secret = buffer->is_secret};
}

void buffer_shrink(struct buffer *buffer, size_t kept)
{
    if (buffer->length == 0 && !buffer->is_failed && buffer->capacity > kept)
        buffer_clear(buffer);
}

void buffer_reset(struct buffer *buffer)
{
    if (buffer->is_secret && buffer->memory != NULL)
        secret_wipe(buffer->memory, buffer->capacity);
    buffer->start = 0;
    buffer->length = 0;
    buffer->is_failed = false;
}

/* A new block rather than realloc: realloc would leave a copy of a secret behind, and would copy
   what has been consumed. */
static bool move_to_larger_block(struct buffer *buffer, size_t needed)
{
    size_t capacity = buffer->capacity < SMALLEST_CAPACITY ? SMALLEST_CAPACITY : buffer->capacity;
    while (capacity < needed) {
        if (capacity > SIZE_MAX / 2)
            return false;
        capacity *= 2;
    }
    char *memory = malloc(capacity);
    if (memory == NULL)
        return false;
    if (buffer->length > 0)
        memcpy(memory, buffer->memory + buffer->start, buffer->length);
    release_memory(buffer);
    buffer->memory = memory;
    buffer->capacity = capacity;
    buffer->start = 0;
    return true;
}

/* Makes room behind the content for `size` bytes, whatever the limit says. */
static bool find_room(struct buffer *buffer, size_t size)
{
    size_t needed = buffer->length + size;
    if (needed < size)
        return false;
    if (needed <= buffer->capacity - buffer->start)
        return true;
    /* Moving no more than was consumed keeps the cost of a byte constant. */
    if (needed <= buffer->capacity && buffer->start >= buffer->length) {
        memmove(buffer->memory, buffer->memory + buffer->start, buffer->length);
        buffer->start = 0;
        return true;
    }
    return move_to_larger_block(buffer, buffer->start > 0 ? needed + buffer->length : needed);
}

char *buffer_make_room(struct buffer *buffer, size_t size)
{
    if (buffer->is_failed)
        return NULL;
    if (size > buffer->limit - buffer->length || !find_room(buffer, size > 0 ? size : 1)) {
        buffer->is_failed = true;
        return NULL;
    }
    return buffer->memory + buffer->start + buffer->length;
}

void buffer_append_unsigned(struct buffer *buffer, uint64_t value)
{
    char digits[20];
    size_t first = sizeof digits;
    do {
        digits[--first] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buffer_append(buffer, bytes_of(digits + first, sizeof digits - first));
}

void buffer_append_format_list(struct buffer *buffer, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0) {
        buffer->is_failed = true;
    } else if (buffer_reserve(buffer, (size_t)length) != NULL &&
               /* vsnprintf ends with a NUL, for which the limit need not pay. */
               find_room(buffer, (size_t)length + 1)) {
        vsnprintf(buffer->memory + buffer->start + buffer->length, (size_t)length + 1, format,
                  again);
        buffer->length += (size_t)length;
    } else {
        buffer->is_failed = true;
    }
    va_end(again);
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buffer_append_format_list(buffer, format, arguments);
    va_end(arguments);
}

void buffer_consume(struct buffer *buffer, size_t count)
{
    assert(count <= buffer->length);
    if (buffer->is_secret && count > 0)
        secret_wipe(buffer->memory + buffer->start, count);
    buffer->length -= count;
    buffer->start = buffer->length == 0 ? 0 : buffer->start + count;
}

void buffer_truncate(struct buffer *buffer, size_t length)
{
    if (length >= buffer->length)
        return;
    if (buffer->is_secret)
        secret_wipe(buffer->memory + buffer->start + length, buffer->length - length);
    buffer->length = length;
    if (length == 0)
        buffer->start = 0;
}

const char *buffer_string(struct buffer *buffer)
{
    if (buffer->is_failed || !find_room(buffer, 1))
        return NULL;
    buffer->memory[buffer->start + buffer->length] = '\0';
    return buffer->memory + buffer->start;
}
