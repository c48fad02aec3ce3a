/* Decoding by the table of well-formed sequences in RFC 3629 section 4. */
#include "base/utf8.h"

#include <assert.h>

static bool is_continuation(struct bytes bytes, size_t index)
{
    return ((unsigned char)bytes.data[index] & 0xC0) == 0x80;
}

bool utf8_next(struct bytes *rest, uint32_t *code_point)
{
    if (rest->length == 0)
        return false;
    unsigned char first = (unsigned char)rest->data[0];
    size_t size;
    uint32_t value;
    uint32_t smallest; /* what a shorter sequence could say as well is refused */
    if (first < 0x80) {
        size = 1, value = first, smallest = 0;
    } else if ((first & 0xE0) == 0xC0) {
        size = 2, value = first & 0x1F, smallest = 0x80;
    } else if ((first & 0xF0) == 0xE0) {
        size = 3, value = first & 0x0F, smallest = 0x800;
    } else if ((first & 0xF8) == 0xF0) {
        size = 4, value = first & 0x07, smallest = 0x10000;
    } else {
        return false;
    }
    if (rest->length < size)
        return false;
    for (size_t i = 1; i < size; i++) {
        if (!is_continuation(*rest, i))
            return false;
        value = value << 6 | ((unsigned char)rest->data[i] & 0x3F);
    }
    if (value < smallest || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return false;
    *rest = bytes_skip(*rest, size);
    *code_point = value;
    return true;
}

bool utf8_is_valid(struct bytes bytes)
{
    while (bytes.length > 0) {
        /* Most of what is asked is ASCII. */
        if (bytes.length >= 8 && bytes_is_ascii(bytes_slice(bytes, 0, 8))) {
            bytes = bytes_skip(bytes, 8);
            continue;
        }
        uint32_t code_point;
        if (!utf8_next(&bytes, &code_point))
            return false;
    }
    return true;
}

static char continuation(uint32_t code_point, unsigned shift)
{
    return (char)(0x80 | (code_point >> shift & 0x3F));
}

void utf8_append(struct buffer *buffer, uint32_t code_point)
{
    assert(code_point <= 0x10FFFF && (code_point < 0xD800 || code_point > 0xDFFF));
    char sequence[4];
    size_t size = 0;
    if (code_point < 0x80) {
        sequence[size++] = (char)code_point;
    } else if (code_point < 0x800) {
        sequence[size++] = (char)(0xC0 | code_point >> 6);
        sequence[size++] = continuation(code_point, 0);
    } else if (code_point < 0x10000) {
        sequence[size++] = (char)(0xE0 | code_point >> 12);
        sequence[size++] = continuation(code_point, 6);
        sequence[size++] = continuation(code_point, 0);
    } else {
        sequence[size++] = (char)(0xF0 | code_point >> 18);
        sequence[size++] = continuation(code_point, 12);
        sequence[size++] = continuation(code_point, 6);
        sequence[size++] = continuation(code_point, 0);
    }
    buffer_append(buffer, bytes_of(sequence, size));
}
