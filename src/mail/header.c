/* Walks a header section line by line. */
#include "mail/header.h"

#include "base/scan.h"
#include "mail/text_line.h"

static bool take_line(struct bytes *rest, struct bytes *content)
{
    bool has_end;
    bool is_behind_cr = false;
    return text_line_take(rest, content, &has_end, &is_behind_cr);
}

static bool is_continuation(struct bytes rest)
{
    return rest.length > 0 && (rest.data[0] == ' ' || rest.data[0] == '\t');
}

bool header_name_is_valid(struct bytes name)
{
    struct scan scan = scan_of(name);
    scan_take_while(&scan, &scan_printable);
    return name.length > 0 && scan_is_at_end(&scan) && !bytes_has_char(name, ':');
}

/* RFC 5322 4.5: blanks before the colon are an obsolete form that still counts. */
static bool split_first_line(struct bytes line, struct bytes *name, size_t *colon)
{
    *colon = bytes_find_char(line, ':');
    if (*colon == BYTES_NOT_FOUND)
        return false;
    struct bytes found = bytes_slice(line, 0, *colon);
    while (found.length > 0 &&
           (found.data[found.length - 1] == ' ' || found.data[found.length - 1] == '\t'))
        found.length--;
    *name = found;
    return header_name_is_valid(found);
}

bool header_next(struct bytes *rest, struct header_field *field)
{
    struct bytes ahead = *rest;
    struct bytes line;
    if (!take_line(&ahead, &line) || line.length == 0)
        return false;
    struct header_field found = {.name = {"", 0}, .value = {"", 0}};
    size_t colon;
    if (split_first_line(line, &found.name, &colon))
        found.value = bytes_slice(*rest, colon + 1, line.length - colon - 1);
    else
        found.name = BYTES("");
    while (is_continuation(ahead)) {
        take_line(&ahead, &line);
        if (found.name.length > 0)
            found.value.length = (size_t)(line.data + line.length - found.value.data);
    }
    found.raw = bytes_slice(*rest, 0, rest->length - ahead.length);
    *rest = ahead;
    *field = found;
    return true;
}

/* False when the line's end, or whether a CR at the very end has its LF, is not in sight. */
static bool line_is_whole(struct bytes before, struct bytes after)
{
    if (after.length > 0)
        return true;
    char last = before.data[before.length - 1];
    return last == '\n';
}

bool header_split(struct bytes message, bool is_whole, struct bytes *section, struct bytes *body)
{
    struct bytes rest = message;
    bool is_first = true;
    for (;;) {
        struct bytes line_on = rest;
        struct bytes line;
        if (!take_line(&rest, &line)) {
            if (!is_whole)
                return false;
            break;
        }
        if (!is_whole && !line_is_whole(line_on, rest))
            return false;
        struct bytes name;
        size_t colon;
        bool is_no_header = is_first && line.length > 0 && !split_first_line(line, &name, &colon);
        if (line.length == 0 || is_no_header) {
            *section = bytes_slice(message, 0, message.length - line_on.length);
            *body = is_no_header ? line_on : rest;
            return true;
        }
        is_first = false;
    }
    *section = message;
    *body = bytes_skip(message, message.length);
    return true;
}

bool header_find(struct bytes section, struct bytes name, struct header_field *field)
{
    struct header_field found;
    while (header_next(&section, &found)) {
        if (bytes_equal_ignoring_case(found.name, name)) {
            *field = found;
            return true;
        }
    }
    return false;
}

void header_unfold(struct bytes value, struct buffer *out)
{
    value = bytes_trim(value);
    struct bytes line;
    while (take_line(&value, &line))
        buffer_append(out, line);
}

void header_append_lines(struct bytes lines, struct buffer *out)
{
    struct bytes line;
    while (take_line(&lines, &line)) {
        buffer_append(out, line);
        buffer_append_string(out, "\r\n");
    }
}
