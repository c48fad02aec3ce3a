/* Walks over a header section as it was stored. */
#include "mail/message_header.h"

/* Takes a line off, *line without its end. */
static void take_line(struct bytes *rest, struct bytes *line)
{
    size_t end = bytes_find_char(*rest, '\n');
    *line = bytes_slice(*rest, 0, end);
    *rest = bytes_skip(*rest, end == BYTES_NOT_FOUND ? rest->length : end + 1);
    if (end != BYTES_NOT_FOUND && line->length > 0 && line->data[line->length - 1] == '\r')
        line->length--;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool message_header_next(struct bytes *rest, struct message_header_field *field)
{
    struct bytes line;
    if (rest->length == 0)
        return false;
    struct bytes ahead = *rest;
    take_line(&ahead, &line);
    if (line.length == 0)
        return false;
    struct bytes name = line;
    size_t colon = bytes_find_char(line, ':');
    struct bytes value = bytes_skip(line, colon == BYTES_NOT_FOUND ? line.length : colon + 1);
    name = bytes_slice(line, 0, colon);
    /* RFC 5322 4.5: blanks before the colon are an obsolete form. */
    while (name.length > 0 && is_blank(name.data[name.length - 1]))
        name.length--;
    while (ahead.length > 0 && is_blank(ahead.data[0])) {
        take_line(&ahead, &line);
        value.length = (size_t)(line.data + line.length - value.data);
    }
    while (value.length > 0 && is_blank(value.data[0]))
        value = bytes_skip(value, 1);
    *field = (struct message_header_field){name, value};
    *rest = ahead;
    return true;
}

void message_header_unfold(struct bytes value, struct buffer *out)
{
    while (value.length > 0) {
        struct bytes line;
        take_line(&value, &line);
        buffer_append(out, line);
    }
}
