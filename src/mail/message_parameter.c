/* Reading parameters; those that RFC 2231 cut into pieces come last, put together again. */
#include "mail/message_parameter.h"

#include <stdio.h>
#include <stdlib.h>

#include "mail/compact.h"
#include "mail/message_parser.h"

/* A piece of a continued or encoded parameter: "name*1*=value". */
struct piece {
    size_t name_start; /* in the text of the pieces */
    size_t name_length;
    size_t value_start;
    size_t value_length;
    uint32_t number;
    uint32_t order; /* as it was met */
    bool is_encoded;
};

struct piece_list {
    struct piece pieces[MESSAGE_PARAMETERS_MAX];
    const char *text;
    size_t count;
};

static struct bytes name_of(const struct piece_list *list, const struct piece *piece)
{
    return bytes_of(list->text + piece->name_start, piece->name_length);
}

static struct bytes value_of(const struct piece_list *list, const struct piece *piece)
{
    return bytes_of(list->text + piece->value_start, piece->value_length);
}

/* ";" name "=" value, both appended to *text, the value from *value_start on. False: broken. */
static bool take_parameter(struct mail_token *token, struct buffer *text, size_t *value_start)
{
    struct scan *scan = &token->scan;
    if (!scan_take_char(scan, ';') || mail_token_skip_blanks(token) != MAIL_TOKEN_MORE ||
        mail_token_take_mime_token(token, text) != MAIL_TOKEN_MORE || !scan_take_char(scan, '='))
        return false;
    *value_start = text->length;
    enum mail_token_result result = mail_token_skip_blanks(token);
    if (result != MAIL_TOKEN_MORE)
        return result == MAIL_TOKEN_END;
    if (scan_peek(scan) == '"')
        return mail_token_take_quoted(token, text) != MAIL_TOKEN_BROKEN;
    if (scan_peek(scan) != '=')
        return mail_token_take_mime_token(token, text) != MAIL_TOKEN_BROKEN;
    /* An encoded word without quotes around it: name==?utf-8?q?...?= */
    static const struct scan_class stops = {
        .has = {[';'] = true, [' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true}};
    while (!scan_is_at_end(scan) && !stops.has[(unsigned char)*scan->position])
        buffer_append_char(text, (char)scan_take(scan));
    return true;
}

/* name "*" [number] ["*"] (RFC 2231 3, 4). False: a name like any other. */
static bool read_name(struct bytes name, struct piece *piece)
{
    size_t star = bytes_find_char(name, '*');
    if (star == BYTES_NOT_FOUND)
        return false;
    struct scan scan = scan_of(bytes_skip(name, star));
    uint64_t number = 0;
    piece->name_length = star;
    if (scan_rest(&scan).length > 1) {
        scan_take(&scan);
        struct scan before = scan;
        if (!scan_take_number(&scan, MESSAGE_PARAMETERS_MAX, &number) &&
            scan_take_while(&before, &scan_digits).length > 0)
            return false;
    }
    piece->number = (uint32_t)number;
    piece->is_encoded = scan_take_char(&scan, '*');
    return scan_is_at_end(&scan);
}

static int compare_pieces(const void *left, const void *right, void *context)
{
    const struct piece_list *list = context;
    const struct piece *a = left;
    const struct piece *b = right;
    struct bytes a_name = name_of(list, a);
    struct bytes b_name = name_of(list, b);
    size_t shared = a_name.length < b_name.length ? a_name.length : b_name.length;
    for (size_t i = 0; i < shared; i++) {
        int difference = (unsigned char)bytes_lower_char(a_name.data[i]) -
                         (unsigned char)bytes_lower_char(b_name.data[i]);
        if (difference != 0)
            return difference;
    }
    if (a_name.length != b_name.length)
        return a_name.length < b_name.length ? -1 : 1;
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

static void put_name(struct bytes name, const char *behind, struct buffer *out)
{
    struct bytes tail = bytes_from_string(behind);
    compact_put_number(out, (uint64_t)name.length + tail.length + 1);
    buffer_append(out, name);
    buffer_append(out, tail);
}

/* A plain piece among encoded ones (RFC 2231 4.1): a "%" in it must not be taken for an escape. */
static void put_escaped(struct bytes value, struct buffer *out)
{
    struct bytes head;
    while (bytes_split(value, '%', &head, &value)) {
        buffer_append(out, head);
        buffer_append_string(out, "%25");
    }
    buffer_append(out, head);
}

static void put_joined(const struct piece_list *list, size_t first, size_t end,
                       struct buffer *scratch, struct buffer *out)
{
    bool is_encoded = false;
    for (size_t i = first; i < end; i++)
        is_encoded = is_encoded || list->pieces[i].is_encoded;
    buffer_reset(scratch);
    if (is_encoded && !list->pieces[first].is_encoded)
        buffer_append_string(scratch, "''");
    for (size_t i = first; i < end; i++) {
        struct bytes value = value_of(list, &list->pieces[i]);
        if (is_encoded && !list->pieces[i].is_encoded)
            put_escaped(value, scratch);
        else
            buffer_append(scratch, value);
    }
    put_name(name_of(list, &list->pieces[first]), is_encoded ? "*" : "", out);
    compact_put_string(out, buffer_bytes(scratch));
}

static void put_single(const struct piece_list *list, const struct piece *piece, struct buffer *out)
{
    char behind[16];
    snprintf(behind, sizeof behind, piece->is_encoded ? "*%u*" : "*%u", piece->number);
    put_name(name_of(list, piece), behind, out);
    compact_put_string(out, value_of(list, piece));
}

/* The pieces of one name: joined when all are there, else as they came. */
static void put_pieces(struct piece_list *list, struct buffer *scratch, struct buffer *out)
{
    qsort_r(list->pieces, list->count, sizeof *list->pieces, compare_pieces, list);
    for (size_t first = 0; first < list->count;) {
        size_t end = first;
        bool is_whole = true;
        while (end < list->count && bytes_equal_ignoring_case(name_of(list, &list->pieces[first]),
                                                              name_of(list, &list->pieces[end]))) {
            is_whole = is_whole && list->pieces[end].number == end - first;
            end++;
        }
        for (size_t i = first; i < end && !is_whole; i++)
            put_single(list, &list->pieces[i], out);
        if (is_whole)
            put_joined(list, first, end, scratch, out);
        first = end;
    }
}

void message_parameter_read(struct mail_token *token, struct buffer *scratch, struct buffer *out)
{
    struct piece_list list;
    AUTO(buffer)
    text = BUFFER(MESSAGE_HEADER_MAX);
    list.count = 0;
    for (size_t taken = 0; taken < MESSAGE_PARAMETERS_MAX && !scan_is_at_end(&token->scan);) {
        size_t start = text.length;
        size_t value_start = start;
        if (!take_parameter(token, &text, &value_start)) {
            buffer_truncate(&text, start);
            scan_take(&token->scan);
            continue;
        }
        taken++;
        struct bytes all = buffer_bytes(&text);
        struct bytes name = bytes_slice(all, start, value_start - start);
        struct piece piece = {.name_start = start,
                              .value_start = value_start,
                              .value_length = text.length - value_start,
                              .order = (uint32_t)taken};
        if (read_name(name, &piece)) {
            list.pieces[list.count++] = piece;
            continue;
        }
        compact_put_string(out, name);
        compact_put_string(out, bytes_skip(all, value_start));
        buffer_truncate(&text, start);
    }
    list.text = buffer_bytes(&text).data;
    if (list.count > 0)
        put_pieces(&list, scratch, out);
    if (buffer_is_failed(&text) || buffer_is_failed(scratch))
        buffer_fail(out);
}
