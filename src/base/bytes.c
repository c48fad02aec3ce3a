/* The looks at bytes that are too long to be inline. */
#include "base/bytes.h"

#include <stdint.h>

bool bytes_equal_ignoring_case(struct bytes left, struct bytes right)
{
    if (left.length != right.length)
        return false;
    for (size_t i = 0; i < left.length; i++) {
        if (bytes_lower_char(left.data[i]) != bytes_lower_char(right.data[i]))
            return false;
    }
    return true;
}

int bytes_compare(struct bytes left, struct bytes right)
{
    size_t shared = left.length < right.length ? left.length : right.length;
    int order = shared == 0 ? 0 : memcmp(left.data, right.data, shared);
    if (order != 0)
        return order;
    return (left.length > right.length) - (left.length < right.length);
}

bool bytes_starts_with(struct bytes bytes, struct bytes start)
{
    return bytes.length >= start.length && bytes_equal(bytes_slice(bytes, 0, start.length), start);
}

bool bytes_starts_with_ignoring_case(struct bytes bytes, struct bytes start)
{
    return bytes.length >= start.length &&
           bytes_equal_ignoring_case(bytes_slice(bytes, 0, start.length), start);
}

bool bytes_ends_with(struct bytes bytes, struct bytes end)
{
    return bytes.length >= end.length &&
           bytes_equal(bytes_skip(bytes, bytes.length - end.length), end);
}

bool bytes_ends_with_ignoring_case(struct bytes bytes, struct bytes end)
{
    return bytes.length >= end.length &&
           bytes_equal_ignoring_case(bytes_skip(bytes, bytes.length - end.length), end);
}

size_t bytes_find_last_char(struct bytes bytes, char c)
{
    for (size_t i = bytes.length; i > 0; i--) {
        if (bytes.data[i - 1] == c)
            return i - 1;
    }
    return BYTES_NOT_FOUND;
}

size_t bytes_find(struct bytes bytes, struct bytes wanted)
{
    if (wanted.length == 0)
        return 0;
    if (bytes.length < wanted.length)
        return BYTES_NOT_FOUND;
    const char *found = (const char *)memmem(bytes.data, bytes.length, wanted.data, wanted.length);
    return found == NULL ? BYTES_NOT_FOUND : (size_t)(found - bytes.data);
}

static bool is_blank_or_line_end(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct bytes bytes_trim_start(struct bytes bytes)
{
    size_t count = 0;
    while (count < bytes.length && is_blank_or_line_end(bytes.data[count]))
        count++;
    return bytes_skip(bytes, count);
}

struct bytes bytes_trim_end(struct bytes bytes)
{
    while (bytes.length > 0 && is_blank_or_line_end(bytes.data[bytes.length - 1]))
        bytes.length--;
    return bytes;
}

struct bytes bytes_trim(struct bytes bytes)
{
    return bytes_trim_end(bytes_trim_start(bytes));
}

bool bytes_split(struct bytes bytes, char separator, struct bytes *head, struct bytes *rest)
{
    size_t index = bytes_find_char(bytes, separator);
    if (index == BYTES_NOT_FOUND) {
        *head = bytes;
        *rest = bytes_skip(bytes, bytes.length);
        return false;
    }
    *head = bytes_slice(bytes, 0, index);
    *rest = bytes_skip(bytes, index + 1);
    return true;
}

bool bytes_is_ascii(struct bytes bytes)
{
    size_t i = 0;
    for (; i + sizeof(uint64_t) <= bytes.length; i += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, bytes.data + i, sizeof word);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            return false;
    }
    for (; i < bytes.length; i++) {
        if ((bytes.data[i] & 0x80) != 0)
            return false;
    }
    return true;
}

bool bytes_has_line_break_or_nul(struct bytes bytes)
{
    return bytes_has_char(bytes, '\r') || bytes_has_char(bytes, '\n') ||
           bytes_has_char(bytes, '\0');
}

bool bytes_has_control(struct bytes bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        if ((unsigned char)bytes.data[i] < ' ' || bytes.data[i] == 0x7F)
            return true;
    }
    return false;
}
