/* Texts of far ends, as both databases take them. */
#include <string.h>

#include "base/utf8.h"
#include "store/store_outbound_inside.h"

struct bytes store_outbound_text(struct bytes text, char place[STORE_OUTBOUND_TEXT_MAX])
{
    size_t length = 0;
    while (text.length > 0 && length < STORE_OUTBOUND_TEXT_MAX) {
        struct bytes rest = text;
        uint32_t code_point;
        bool is_valid = utf8_next(&rest, &code_point) && code_point != 0;
        size_t width = is_valid ? text.length - rest.length : 1;
        if (length + width > STORE_OUTBOUND_TEXT_MAX)
            break;
        if (is_valid)
            memcpy(place + length, text.data, width);
        else
            place[length] = '?';
        length += width;
        text = bytes_skip(text, width);
    }
    return bytes_of(place, length);
}
