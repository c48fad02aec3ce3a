/* Walks over a header section as it was stored. */
#include "mail/message_header.h"

#include "base/scan.h"

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
    size_t colon = bytes_find_char(line, ':');
    struct bytes name = bytes_slice(line, 0, colon == BYTES_NOT_FOUND ? 0 : colon);
    struct bytes value = bytes_skip(line, colon == BYTES_NOT_FOUND ? 0 : colon + 1);
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
        message_header_append(line, out);
    }
}

void message_header_condense(struct bytes text, struct buffer *out)
{
    static const struct scan_class blanks = {
        .has = {[' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true}};
    struct scan scan = scan_of(text);
    scan_take_while(&scan, &blanks);
    while (!scan_is_at_end(&scan)) {
        const char *start = scan.position;
        while (!scan_is_at_end(&scan) && !blanks.has[(unsigned char)*scan.position])
            scan.position++;
        message_header_append(bytes_of(start, (size_t)(scan.position - start)), out);
        scan_take_while(&scan, &blanks);
        if (!scan_is_at_end(&scan))
            buffer_append_char(out, ' ');
    }
}

void message_header_append(struct bytes bytes, struct buffer *out)
{
    size_t nul = bytes_find_char(bytes, '\0');
    while (nul != BYTES_NOT_FOUND) {
        buffer_append(out, bytes_slice(bytes, 0, nul));
        buffer_append_string(out, "\xef\xbf\xbd");
        bytes = bytes_skip(bytes, nul + 1);
        nul = bytes_find_char(bytes, '\0');
    }
    buffer_append(out, bytes);
}
