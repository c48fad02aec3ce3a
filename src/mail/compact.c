/* Numbers and strings of the compact forms. */
#include "mail/compact.h"

enum {
    GROUP_BITS = 7,
    MORE = 0x80
};

void compact_put_number(struct buffer *out, uint64_t number)
{
    char *end = buffer_reserve(out, COMPACT_NUMBER_MAX);
    if (end == NULL)
        return;
    size_t count = 0;
    while (number >= MORE) {
        end[count++] = (char)(number | MORE);
        number >>= GROUP_BITS;
    }
    end[count++] = (char)number;
    buffer_commit(out, count);
}

void compact_put_string(struct buffer *out, struct bytes string)
{
    if (string.data == NULL) {
        compact_put_number(out, 0);
        return;
    }
    compact_put_number(out, (uint64_t)string.length + 1);
    buffer_append(out, string);
}

bool compact_take_byte(struct bytes *rest, unsigned *byte)
{
    if (rest->length == 0)
        return false;
    *byte = (unsigned char)rest->data[0];
    *rest = bytes_skip(*rest, 1);
    return true;
}

bool compact_take_number(struct bytes *rest, uint64_t *number)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < COMPACT_NUMBER_MAX && i < rest->length; i++) {
        uint64_t group = (unsigned char)rest->data[i];
        unsigned shift = i * GROUP_BITS;
        /* The tenth group has one bit left. */
        if (shift + GROUP_BITS > 64 && group > 1)
            return false;
        value |= (group & (MORE - 1)) << shift;
        if (group < MORE) {
            *number = value;
            *rest = bytes_skip(*rest, i + 1);
            return true;
        }
    }
    return false;
}

bool compact_take_bytes(struct bytes *rest, uint64_t length, struct bytes *taken)
{
    if (length > rest->length)
        return false;
    *taken = bytes_slice(*rest, 0, (size_t)length);
    *rest = bytes_skip(*rest, (size_t)length);
    return true;
}

bool compact_take_string(struct bytes *rest, struct bytes *string)
{
    uint64_t length;
    if (!compact_take_number(rest, &length))
        return false;
    if (length == 0) {
        *string = (struct bytes){NULL, 0};
        return true;
    }
    return compact_take_bytes(rest, length - 1, string);
}
