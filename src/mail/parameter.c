/* Writing parameters. */
#include "mail/parameter.h"

#include "base/auto.h"
#include "base/scan.h"
#include "base/utf8.h"

enum {
    /* Octets of a value that still fits a line behind its name; longer ones go in pieces. */
    VALUE_MAX = 60,
    PIECE_MAX = 48,
    QUOTED_VALUE_MAX = 4096
};

static const struct scan_class token_characters = {
    .has = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true, ['!'] = true,
            ['#'] = true,         ['$'] = true,         ['%'] = true,         ['&'] = true,
            ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true,
            ['.'] = true,         ['^'] = true,         ['_'] = true,         ['`'] = true,
            ['{'] = true,         ['|'] = true,         ['}'] = true,         ['~'] = true}};

/* attribute-char of RFC 2231 7: a token without "*", "'" and "%". */
static bool is_attribute_character(unsigned char c)
{
    return token_characters.has[c] && c != '*' && c != '\'' && c != '%';
}

bool parameter_is_token(struct bytes text)
{
    struct scan scan = scan_of(text);
    scan_take_while(&scan, &token_characters);
    return text.length > 0 && scan_is_at_end(&scan);
}

static void append_quoted(struct bytes value, struct buffer *out)
{
    buffer_append_char(out, '"');
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] == '"' || value.data[i] == '\\')
            buffer_append_char(out, '\\');
        buffer_append_char(out, value.data[i]);
    }
    buffer_append_char(out, '"');
}

static void append_percent(struct bytes value, struct buffer *out)
{
    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (is_attribute_character(c))
            buffer_append_char(out, (char)c);
        else
            buffer_append_format(out, "%%%02X", c);
    }
}

static void put(struct header_writer *writer, struct buffer *word)
{
    if (buffer_is_failed(word))
        buffer_fail(writer->out);
    buffer_append_char(writer->out, ';');
    header_writer_word(writer, BYTES(" "), buffer_bytes(word));
    buffer_reset(word);
}

/* As many whole characters as a piece may have. */
static struct bytes take_piece(struct bytes *rest)
{
    struct bytes all = *rest;
    size_t width = 0;
    size_t taken = 0;
    while (rest->length > 0) {
        struct bytes before = *rest;
        uint32_t c;
        if (!utf8_next(rest, &c))
            *rest = bytes_skip(*rest, 1);
        size_t size = before.length - rest->length;
        width += size == 1 && is_attribute_character((unsigned char)before.data[0]) ? 1 : 3 * size;
        if (width > PIECE_MAX && taken > 0) {
            *rest = before;
            break;
        }
        taken += size;
    }
    return bytes_slice(all, 0, taken);
}

static void write_extended(struct header_writer *writer, struct bytes name, struct bytes value)
{
    AUTO(buffer)
    word = BUFFER(HEADER_LINE_MAX);
    struct bytes rest = value;
    const char *charset = utf8_is_valid(value) ? "UTF-8''" : "unknown-8bit''";
    struct bytes piece = take_piece(&rest);
    if (rest.length == 0) {
        buffer_append(&word, name);
        buffer_append_format(&word, "*=%s", charset);
        append_percent(piece, &word);
        put(writer, &word);
        return;
    }
    for (unsigned number = 0; piece.length > 0; number++) {
        buffer_append(&word, name);
        buffer_append_format(&word, "*%u*=%s", number, number == 0 ? charset : "");
        append_percent(piece, &word);
        put(writer, &word);
        piece = take_piece(&rest);
    }
}

void parameter_write(struct header_writer *writer, struct bytes name, struct bytes value)
{
    AUTO(buffer)
    word = BUFFER(QUOTED_VALUE_MAX);
    /* "=?" could be taken for an encoded word, which has no place here. */
    if (value.length > VALUE_MAX || !bytes_is_ascii(value) ||
        bytes_find(value, BYTES("=?")) != BYTES_NOT_FOUND) {
        write_extended(writer, name, value);
        return;
    }
    buffer_append(&word, name);
    buffer_append_char(&word, '=');
    if (parameter_is_token(value))
        buffer_append(&word, value);
    else
        append_quoted(value, &word);
    put(writer, &word);
}

static void skip_blanks(struct scan *scan)
{
    scan_take_while(scan, &scan_blanks);
}

static bool take_value(struct scan *scan, struct buffer *value)
{
    if (!scan_take_char(scan, '"')) {
        struct bytes token = scan_take_while(scan, &token_characters);
        buffer_append(value, token);
        return token.length > 0;
    }
    for (;;) {
        int c = scan_take(scan);
        if (c == '"')
            return true;
        if (c == '\\')
            c = scan_take(scan);
        if ((c < 32 && c != '\t') || c == 127)
            return false;
        buffer_append_char(value, (char)c);
    }
}

static bool write_given_parameters(struct header_writer *writer, struct scan *scan)
{
    for (;;) {
        skip_blanks(scan);
        if (scan_is_at_end(scan))
            return true;
        if (!scan_take_char(scan, ';'))
            return false;
        skip_blanks(scan);
        if (scan_is_at_end(scan))
            return true;
        struct bytes name = scan_take_while(scan, &token_characters);
        AUTO(buffer)
        value = BUFFER(QUOTED_VALUE_MAX);
        if (name.length == 0 || name.length > VALUE_MAX || !scan_take_char(scan, '=') ||
            !take_value(scan, &value))
            return false;
        if (buffer_is_failed(&value))
            buffer_fail(writer->out);
        parameter_write(writer, name, buffer_bytes(&value));
    }
}

bool parameter_write_content_type(struct header_writer *writer, struct bytes text,
                                  struct fault *fault)
{
    struct scan scan = scan_of(bytes_trim(text));
    const char *start = scan.position;
    struct bytes type = scan_take_while(&scan, &token_characters);
    bool has_slash = scan_take_char(&scan, '/');
    struct bytes subtype = scan_take_while(&scan, &token_characters);
    struct bytes both = bytes_of(start, type.length + 1 + subtype.length);
    if (type.length > 0 && has_slash && subtype.length > 0 && both.length <= VALUE_MAX * 4) {
        header_writer_word(writer, BYTES(" "), both);
        if (write_given_parameters(writer, &scan))
            return true;
    }
    return fault_set(fault, FAULT_SYNTAX, "a content type is of the form type/subtype; name=value");
}
