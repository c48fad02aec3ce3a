/* Making and reading message ids. */
#include "mail/message_id.h"

#include "base/random.h"
#include "base/utf8.h"
#include "mail/domain.h"

bool message_id_make(struct bytes domain, struct buffer *out, struct fault *fault)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char random[16];
    char left[2 * sizeof random];
    if (!random_fill(random, sizeof random, fault))
        return false;
    for (size_t i = 0; i < sizeof random; i++) {
        left[2 * i] = digits[random[i] >> 4];
        left[2 * i + 1] = digits[random[i] & 15];
    }
    size_t length = out->length;
    buffer_append_char(out, '<');
    buffer_append(out, bytes_of(left, sizeof left));
    buffer_append_char(out, '@');
    if (!domain_write_ascii(domain, out, fault)) {
        buffer_truncate(out, length);
        return false;
    }
    buffer_append_char(out, '>');
    return true;
}

bool message_id_take(struct bytes *rest, struct bytes *id)
{
    struct bytes ahead = *rest;
    while (ahead.length > 0 &&
           (ahead.data[0] == ' ' || ahead.data[0] == '\t' || ahead.data[0] == ','))
        ahead = bytes_skip(ahead, 1);
    *rest = ahead;
    size_t end = bytes_find_char(ahead, '>');
    if (ahead.length == 0 || ahead.data[0] != '<' || end == BYTES_NOT_FOUND || end < 2 ||
        end >= MESSAGE_ID_MAX)
        return false;
    struct bytes inside = bytes_slice(ahead, 1, end - 1);
    while (inside.length > 0) {
        uint32_t c;
        if (!utf8_next(&inside, &c) || c <= 32 || c == '<' || (c >= 127 && c < 0xA0))
            return false;
    }
    *id = bytes_slice(ahead, 0, end + 1);
    *rest = bytes_skip(ahead, end + 1);
    return true;
}

bool message_id_is_valid(struct bytes id)
{
    struct bytes rest = id;
    struct bytes taken;
    struct bytes left;
    struct bytes right;
    return message_id_take(&rest, &taken) && taken.length == id.length &&
           bytes_split(bytes_slice(id, 1, id.length - 2), '@', &left, &right) && left.length > 0 &&
           right.length > 0;
}
