/* Finding line ends, in time that grows with the line and not with the text. */
#include "mail/text_line.h"

enum {
    /* Bytes looked through for one end before the other is looked for: most lines are shorter. */
    BLOCK = 256
};

/* How many bytes stand before the first CR or LF. */
static size_t length_of_line(struct bytes text)
{
    for (size_t start = 0; start < text.length; start += BLOCK) {
        struct bytes block = bytes_slice(text, start, BLOCK);
        size_t line_feed = bytes_find_char(block, '\n');
        block = bytes_slice(block, 0, line_feed);
        size_t carriage_return = bytes_find_char(block, '\r');
        if (carriage_return != BYTES_NOT_FOUND)
            return start + carriage_return;
        if (line_feed != BYTES_NOT_FOUND)
            return start + line_feed;
    }
    return text.length;
}

bool text_line_take(struct bytes *text, struct bytes *line, bool *has_end, bool *is_behind_cr)
{
    if (*is_behind_cr && text->length > 0) {
        *is_behind_cr = false;
        if (text->data[0] == '\n')
            *text = bytes_skip(*text, 1);
    }
    if (text->length == 0)
        return false;
    *line = bytes_slice(*text, 0, length_of_line(*text));
    struct bytes rest = bytes_skip(*text, line->length);
    *has_end = rest.length > 0;
    if (*has_end) {
        *is_behind_cr = rest.data[0] == '\r';
        rest = bytes_skip(rest, 1);
    }
    if (*is_behind_cr && rest.length > 0) {
        *is_behind_cr = false;
        if (rest.data[0] == '\n')
            rest = bytes_skip(rest, 1);
    }
    *text = rest;
    return true;
}
