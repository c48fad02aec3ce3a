/* Address lists in 7 bits: names become encoded words, domains A-labels; what is ASCII stays as it
 * is. */
#include "mail/address.h"
#include "mail/encoded_word.h"
#include "mail/message_downgrade_inside.h"

enum {
    TEXT_MAX = 4 * 1024 * 1024
};

enum token_kind {
    TOKEN_END,
    TOKEN_BLANK,
    TOKEN_WORD,
    TOKEN_QUOTED,
    TOKEN_COMMENT,
    TOKEN_ANGLE,
    TOKEN_SEPARATOR /* comma, semicolon or colon */
};

struct token {
    enum token_kind kind;
    struct bytes text; /* all of it, with what encloses it */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The length of what is enclosed; all of it where the end is missing. */
static size_t enclosed_length(struct bytes text, char opening, char closing)
{
    size_t depth = 0;
    bool is_quoted = false;
    for (size_t i = 0; i < text.length; i++) {
        char c = text.data[i];
        if (c == '\\') {
            i++;
        } else if (opening == '<' && c == '"') {
            is_quoted = !is_quoted;
        } else if (is_quoted) {
            continue;
        } else if (c == closing && depth > 0) {
            if (--depth == 0)
                return i + 1;
        } else if (c == opening && (depth == 0 || opening == '(')) {
            depth++;
        }
    }
    return text.length;
}

static size_t quoted_length(struct bytes text)
{
    for (size_t i = 1; i < text.length; i++) {
        if (text.data[i] == '"')
            return i + 1;
        if (text.data[i] == '\\')
            i++;
    }
    return text.length;
}

static struct token take_token(struct bytes *rest)
{
    struct token token = {TOKEN_END, *rest};
    if (rest->length == 0)
        return token;
    size_t length = 0;
    switch (rest->data[0]) {
    case '"':
        token.kind = TOKEN_QUOTED;
        length = quoted_length(*rest);
        break;
    case '(':
        token.kind = TOKEN_COMMENT;
        length = enclosed_length(*rest, '(', ')');
        break;
    case '<':
        token.kind = TOKEN_ANGLE;
        length = enclosed_length(*rest, '<', '>');
        break;
    case ',':
    case ';':
    case ':':
        token.kind = TOKEN_SEPARATOR;
        length = 1;
        break;
    default:
        token.kind = is_blank(rest->data[0]) ? TOKEN_BLANK : TOKEN_WORD;
        while (length < rest->length && is_blank(rest->data[length]) == is_blank(rest->data[0]) &&
               strchr("\"(<,;:", rest->data[length] == 0 ? 'x' : rest->data[length]) == NULL)
            length++;
    }
    token.text.length = length;
    *rest = bytes_skip(*rest, length);
    return token;
}

struct address_writer {
    struct header_writer *header;
    bool is_inner;
    bool is_possible;
    struct fault *fault;
    struct buffer word; /* tokens without blanks between them */
};

static void put_word(struct address_writer *writer)
{
    if (writer->word.length > 0)
        header_writer_word(writer->header, BYTES(" "), buffer_bytes(&writer->word));
    if (buffer_is_failed(&writer->word))
        buffer_fail(writer->header->out);
    buffer_reset(&writer->word);
}

/* What a quoted string or a comment holds, without backslashes. */
static void append_inside(struct bytes text, char end, struct buffer *out)
{
    text = bytes_skip(text, 1);
    if (text.length > 0 && text.data[text.length - 1] == end)
        text.length--;
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '\\' && i + 1 < text.length)
            i++;
        buffer_append_char(out, text.data[i]);
    }
}

/* RFC 2047 5 (2): encoded words within the comment. */
static void put_comment(struct address_writer *writer, struct bytes comment)
{
    AUTO(buffer)
    inside = BUFFER(TEXT_MAX);
    put_word(writer);
    append_inside(comment, ')', &inside);
    header_writer_word(writer->header, BYTES(" "), BYTES("("));
    encoded_word_write(writer->header, BYTES(" "), buffer_bytes(&inside));
    header_writer_word(writer->header, BYTES(" "), BYTES(")"));
    if (buffer_is_failed(&inside))
        buffer_fail(writer->header->out);
}

/* An address beyond ASCII. RFC 6857 3.1.8: where it cannot be said it becomes the name of an empty
   group. */
static bool put_address(struct address_writer *writer, struct bytes text, bool has_angle)
{
    struct address address;
    AUTO(buffer)
    wire = BUFFER(ADDRESS_TEXT_MAX);
    bool needs_utf8 = false;
    if (!address_parse(bytes_trim(text), &address, NULL) ||
        !address_print_wire(&address, &wire, &needs_utf8, NULL)) {
        writer->is_possible = false;
        return !buffer_is_failed(&wire) || fault_set_memory(writer->fault);
    }
    if (needs_utf8 && !writer->is_inner)
        return fault_set(writer->fault, FAULT_PERMANENT,
                         "an address of the header cannot be said in ASCII");
    put_word(writer);
    if (needs_utf8) {
        encoded_word_write(writer->header, BYTES(" "), buffer_bytes(&wire));
        header_writer_word(writer->header, BYTES(" "), BYTES(":;"));
        return true;
    }
    if (has_angle)
        buffer_append_char(&writer->word, '<');
    buffer_append(&writer->word, buffer_bytes(&wire));
    if (has_angle)
        buffer_append_char(&writer->word, '>');
    put_word(writer);
    return true;
}

static bool is_ascii(struct bytes element, bool has_comments)
{
    for (struct token token = take_token(&element); token.kind != TOKEN_END;
         token = take_token(&element))
        if ((has_comments || token.kind != TOKEN_COMMENT) && !bytes_is_ascii(token.text))
            return false;
    return true;
}

/* Tokens as they are, but for comments beyond ASCII. */
static void put_as_it_is(struct address_writer *writer, struct bytes element)
{
    for (struct token token = take_token(&element); token.kind != TOKEN_END;
         token = take_token(&element)) {
        if (token.kind == TOKEN_COMMENT && !bytes_is_ascii(token.text))
            put_comment(writer, token.text);
        else if (token.kind == TOKEN_BLANK)
            put_word(writer);
        else
            buffer_append(&writer->word, token.text);
    }
    put_word(writer);
}

/* Words and quoted strings, beyond ASCII, as one text; comments behind it. */
static void put_phrase(struct address_writer *writer, struct bytes phrase)
{
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    struct bytes rest = phrase;
    for (struct token token = take_token(&rest); token.kind != TOKEN_END;
         token = take_token(&rest)) {
        if (token.kind == TOKEN_QUOTED)
            append_inside(token.text, '"', &text);
        else if (token.kind == TOKEN_BLANK && text.length > 0)
            buffer_append_char(&text, ' ');
        else if (token.kind == TOKEN_WORD && !encoded_word_decode(token.text, &text))
            buffer_append(&text, token.text);
    }
    encoded_word_write(writer->header, BYTES(" "), bytes_trim(buffer_bytes(&text)));
    if (buffer_is_failed(&text))
        buffer_fail(writer->header->out);
    for (struct token token = take_token(&phrase); token.kind != TOKEN_END;
         token = take_token(&phrase))
        if (token.kind == TOKEN_COMMENT)
            put_as_it_is(writer, token.text);
}

static void put_name(struct address_writer *writer, struct bytes phrase)
{
    if (is_ascii(phrase, false))
        put_as_it_is(writer, phrase);
    else
        put_phrase(writer, phrase);
}

/* Where the "<" stands; BYTES_NOT_FOUND: nowhere. */
static size_t find_angle(struct bytes element)
{
    struct bytes rest = element;
    for (struct token token = take_token(&rest); token.kind != TOKEN_END; token = take_token(&rest))
        if (token.kind == TOKEN_ANGLE)
            return (size_t)(token.text.data - element.data);
    return BYTES_NOT_FOUND;
}

/* "name <address> (comment)" */
static bool put_with_angle(struct address_writer *writer, struct bytes element, size_t place)
{
    struct bytes rest = bytes_skip(element, place);
    struct token angle = take_token(&rest);
    put_name(writer, bytes_slice(element, 0, place));
    if (bytes_is_ascii(angle.text)) {
        put_as_it_is(writer, angle.text);
    } else {
        size_t is_closed = bytes_ends_with(angle.text, BYTES(">")) ? 1 : 0;
        struct bytes inside = bytes_slice(angle.text, 1, angle.text.length - 1 - is_closed);
        if (!put_address(writer, inside, true))
            return false;
    }
    if (rest.length > 0)
        put_name(writer, rest);
    return true;
}

/* "address (comment)", or words that are none. */
static bool put_bare(struct address_writer *writer, struct bytes element)
{
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    if (is_ascii(element, false)) {
        put_as_it_is(writer, element);
        return true;
    }
    if (!bytes_has_char(element, '@')) {
        put_phrase(writer, element);
        return true;
    }
    struct bytes rest = element;
    for (struct token token = take_token(&rest); token.kind != TOKEN_END; token = take_token(&rest))
        if (token.kind != TOKEN_BLANK && token.kind != TOKEN_COMMENT)
            buffer_append(&text, token.text);
    if (buffer_is_failed(&text))
        return fault_set_memory(writer->fault);
    if (!put_address(writer, buffer_bytes(&text), false))
        return false;
    for (struct token token = take_token(&element); token.kind != TOKEN_END;
         token = take_token(&element))
        if (token.kind == TOKEN_COMMENT)
            put_as_it_is(writer, token.text);
    return true;
}

/* What stands between two separators; `separator` is the one behind it, or 0. */
static bool put_element(struct address_writer *writer, struct bytes element, char separator)
{
    size_t angle = find_angle(element);
    if (separator == ':' && angle == BYTES_NOT_FOUND)
        put_name(writer, element);
    else if (angle != BYTES_NOT_FOUND ? !put_with_angle(writer, element, angle)
                                      : !put_bare(writer, element))
        return false;
    if (separator != 0)
        buffer_append_char(writer->header->out, separator);
    return true;
}

bool message_downgrade_address_write(struct bytes value, bool is_inner,
                                     struct header_writer *writer, bool *is_possible,
                                     struct fault *fault)
{
    struct address_writer addresses = {.header = writer,
                                       .is_inner = is_inner,
                                       .is_possible = true,
                                       .fault = fault,
                                       .word = BUFFER(TEXT_MAX)};
    bool is_good = true;
    struct bytes element = {value.data, 0};
    while (is_good && value.length > 0) {
        struct token token = take_token(&value);
        if (token.kind != TOKEN_SEPARATOR) {
            element.length += token.text.length;
            continue;
        }
        is_good = put_element(&addresses, element, token.text.data[0]);
        element = (struct bytes){value.data, 0};
    }
    is_good = is_good && put_element(&addresses, element, 0);
    buffer_clear(&addresses.word);
    *is_possible = addresses.is_possible;
    return is_good;
}
