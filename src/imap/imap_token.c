/* Small takes over the text of a command; nothing is copied but strings with escapes and names that
   are written otherwise inside. */
#include "imap/imap_token.h"

#include <string.h>

#include "base/utf8.h"
#include "imap/imap_date.h"
#include "imap/imap_mailbox_name.h"

/* RFC 9051 9, atom-specials: "(" ")" "{" SP CTL "%" "*" DQUOTE "\" "]" are not in an atom. */
#define ATOM_CHARS                                                                                 \
    ['!'] = true, ['#'] = true, ['$'] = true, ['&'] = true, ['\''] = true, ['+' ... '['] = true,   \
    ['^' ... 'z'] = true, ['|' ... '~'] = true

const struct scan_class imap_token_atom = {.has = {ATOM_CHARS}};
const struct scan_class imap_token_astring = {.has = {ATOM_CHARS, [']'] = true}};
const struct scan_class imap_token_word = {.has = {['0' ... '9'] = true,
                                                   ['A' ... 'Z'] = true,
                                                   ['a' ... 'z'] = true,
                                                   ['.'] = true,
                                                   ['-'] = true}};
static const struct scan_class pattern_chars = {
    .has = {ATOM_CHARS, [']'] = true, ['*'] = true, ['%'] = true}};
static const struct scan_class sequence_chars = {
    .has = {['0' ... '9'] = true, ['*'] = true, [':'] = true, [','] = true, ['$'] = true}};
/* TEXT-CHAR without quoted-specials. */
static const struct scan_class quoted_chars = {.has = {[1 ... 9] = true,
                                                       [11 ... 12] = true,
                                                       [14 ... 33] = true,
                                                       [35 ... 91] = true,
                                                       [93 ... 255] = true}};

bool imap_token_begin(struct imap_tokens *tokens, struct bytes text)
{
    tokens->scan = scan_of(text);
    return !bytes_has_char(text, '\0') || imap_token_refuse(tokens, FAULT_SYNTAX, "there is a NUL");
}

/* ---- What is wrong ---- */

/* The client's own text as a message may show it. */
static void copy_shown(struct bytes text, char shown[IMAP_TOKEN_SHOWN_MAX + 1])
{
    size_t length = text.length < IMAP_TOKEN_SHOWN_MAX ? text.length : IMAP_TOKEN_SHOWN_MAX;
    for (size_t i = 0; i < length; i++) {
        char c = text.data[i];
        shown[i] = c >= 32 && c < 127 && c != '"' && c != '\\' ? c : '?';
    }
    shown[length] = '\0';
}

bool imap_token_refuse(struct imap_tokens *tokens, enum fault_kind kind, const char *what)
{
    return fault_set(tokens->fault, kind, "%s: %s", tokens->verb, what);
}

bool imap_token_refuse_word(struct imap_tokens *tokens, const char *what, struct bytes word)
{
    char shown[IMAP_TOKEN_SHOWN_MAX + 1];
    if (tokens->is_secret)
        return imap_token_refuse(tokens, FAULT_SYNTAX, what);
    copy_shown(word, shown);
    return fault_set(tokens->fault, FAULT_SYNTAX, "%s: %s \"%s\"", tokens->verb, what, shown);
}

bool imap_token_expected(struct imap_tokens *tokens, const char *what)
{
    char shown[IMAP_TOKEN_SHOWN_MAX + 1];
    if (tokens->is_secret)
        return fault_set(tokens->fault, FAULT_SYNTAX, "%s: %s expected", tokens->verb, what);
    if (scan_is_at_end(&tokens->scan))
        return fault_set(tokens->fault, FAULT_SYNTAX, "%s: %s expected at the end", tokens->verb,
                         what);
    copy_shown(scan_rest(&tokens->scan), shown);
    return fault_set(tokens->fault, FAULT_SYNTAX, "%s: %s expected at \"%s\"", tokens->verb, what,
                     shown);
}

void *imap_token_allocate(struct imap_tokens *tokens, size_t count, size_t size)
{
    void *piece = arena_allocate_array(tokens->arena, count, size);
    if (piece == NULL && count * size > tokens->arena->limit - tokens->arena->used)
        imap_token_refuse(tokens, FAULT_LIMIT, "the command is too large");
    else if (piece == NULL)
        fault_set_memory(tokens->fault);
    return piece;
}

void *imap_token_copy(struct imap_tokens *tokens, const void *from, size_t count, size_t size)
{
    void *piece = imap_token_allocate(tokens, count, size);
    if (piece != NULL && count > 0)
        memcpy(piece, from, count * size);
    return piece;
}

/* A fault of another room becomes one of this command. */
static bool refuse_for(struct imap_tokens *tokens, const struct fault *fault)
{
    if (fault->kind == FAULT_TEMPORARY)
        return fault_set_memory(tokens->fault);
    return imap_token_refuse(tokens, fault->kind, fault->message);
}

/* ---- Between tokens ---- */

bool imap_token_take_blank(struct imap_tokens *tokens)
{
    return imap_token_try_char(tokens, ' ') || imap_token_expected(tokens, "blank");
}

bool imap_token_take_open(struct imap_tokens *tokens)
{
    return imap_token_try_char(tokens, '(') || imap_token_expected(tokens, "(");
}

bool imap_token_take_close(struct imap_tokens *tokens)
{
    return imap_token_try_char(tokens, ')') || imap_token_expected(tokens, ")");
}

bool imap_token_take_more(struct imap_tokens *tokens, bool *has_more)
{
    *has_more = imap_token_try_char(tokens, ' ');
    return *has_more || imap_token_try_char(tokens, ')') ||
           imap_token_expected(tokens, "blank or )");
}

bool imap_token_is_at_end(struct imap_tokens *tokens)
{
    struct scan rest = tokens->scan;
    while (scan_take_char(&rest, ' '))
        continue;
    if (scan_is_at_end(&rest))
        tokens->scan = rest;
    return scan_is_at_end(&rest);
}

bool imap_token_take_end(struct imap_tokens *tokens)
{
    return imap_token_is_at_end(tokens) || imap_token_expected(tokens, "end");
}

/* ---- Words ---- */

bool imap_token_find(struct bytes word, const struct imap_token_name *names, size_t count,
                     unsigned *value)
{
    if (word.length == 0)
        return false;
    char first = bytes_upper_char(word.data[0]);
    for (size_t i = 0; i < count; i++) {
        if (names[i].name.length == word.length && names[i].name.data[0] == first &&
            bytes_equal_ignoring_case(names[i].name, word)) {
            *value = names[i].value;
            return true;
        }
    }
    return false;
}

bool imap_token_take_name(struct imap_tokens *tokens, const char *what,
                          const struct imap_token_name *names, size_t count, unsigned *value)
{
    char unknown[64] = "unknown ";
    struct bytes word = scan_take_while(&tokens->scan, &imap_token_word);
    if (word.length == 0)
        return imap_token_expected(tokens, what);
    if (imap_token_find(word, names, count, value))
        return true;
    strncat(unknown, what, sizeof unknown - sizeof "unknown ");
    return imap_token_refuse_word(tokens, unknown, word);
}

bool imap_token_try_name(struct imap_tokens *tokens, struct bytes name)
{
    struct scan ahead = tokens->scan;
    struct bytes word = scan_take_while(&ahead, &imap_token_word);
    if (!bytes_equal_ignoring_case(word, name))
        return false;
    tokens->scan = ahead;
    return true;
}

bool imap_token_take_atom(struct imap_tokens *tokens, const char *what, struct bytes *atom)
{
    *atom = scan_take_while(&tokens->scan, &imap_token_atom);
    return atom->length > 0 || imap_token_expected(tokens, what);
}

/* ---- Strings ---- */

static bool check_text(struct imap_tokens *tokens, struct bytes text)
{
    return tokens->is_any_text || utf8_is_valid(text) ||
           imap_token_refuse(tokens, FAULT_SYNTAX, "a string is not UTF-8");
}

/* The string goes on at its first escape; what stood before it is `head`. */
static bool take_escaped(struct imap_tokens *tokens, struct bytes head, struct bytes *string)
{
    struct scan ahead = tokens->scan;
    size_t most = head.length;
    for (;;) {
        most += scan_take_while(&ahead, &quoted_chars).length;
        if (!scan_take_char(&ahead, '\\'))
            break;
        if (scan_peek(&ahead) != '"' && scan_peek(&ahead) != '\\')
            return imap_token_refuse(tokens, FAULT_SYNTAX,
                                     "in a quoted string \\ stands before \" or \\ only");
        scan_take(&ahead);
        most++;
    }
    char *copy = imap_token_allocate(tokens, most, 1);
    if (copy == NULL)
        return false;
    if (head.length > 0)
        memcpy(copy, head.data, head.length);
    size_t length = head.length;
    while (length < most) {
        scan_take_char(&tokens->scan, '\\');
        copy[length++] = (char)scan_take(&tokens->scan);
    }
    *string = bytes_of(copy, length);
    return true;
}

/* Behind the first quote. */
static bool take_quoted(struct imap_tokens *tokens, struct bytes *string)
{
    struct bytes text = scan_take_while(&tokens->scan, &quoted_chars);
    if (imap_token_peek(tokens) == '\\' && !take_escaped(tokens, text, &text))
        return false;
    if (!imap_token_try_char(tokens, '"'))
        return scan_is_at_end(&tokens->scan)
                   ? imap_token_refuse(tokens, FAULT_SYNTAX, "a quoted string has no end")
                   : imap_token_refuse(tokens, FAULT_SYNTAX,
                                       "a line end stands in a quoted string");
    *string = text;
    return check_text(tokens, text);
}

/* A line end within a literal is CRLF. */
static bool has_bare_line_end(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] == '\r') {
            if (i + 1 == text.length || text.data[i + 1] != '\n')
                return true;
            i++;
        } else if (text.data[i] == '\n') {
            return true;
        }
    }
    return false;
}

/* Behind the "{". */
static bool take_literal(struct imap_tokens *tokens, struct bytes *string)
{
    uint64_t size;
    if (!scan_take_number(&tokens->scan, UINT32_MAX, &size))
        return imap_token_expected(tokens, "size of a literal");
    scan_take_char(&tokens->scan, '+');
    if (!scan_take_literal(&tokens->scan, BYTES("}\r\n")) ||
        !scan_take_count(&tokens->scan, (size_t)size, string))
        return imap_token_refuse(tokens, FAULT_SYNTAX, "a literal is not whole");
    if (has_bare_line_end(*string))
        return imap_token_refuse(tokens, FAULT_SYNTAX, "there is a bare CR or LF in a literal");
    return check_text(tokens, *string);
}

bool imap_token_take_string(struct imap_tokens *tokens, const char *what, struct bytes *string)
{
    if (imap_token_try_char(tokens, '"'))
        return take_quoted(tokens, string);
    if (imap_token_try_char(tokens, '{'))
        return take_literal(tokens, string);
    return imap_token_expected(tokens, what);
}

static bool take_string_or(struct imap_tokens *tokens, const char *what,
                           const struct scan_class *class, struct bytes *string)
{
    *string = scan_take_while(&tokens->scan, class);
    return string->length > 0 || imap_token_take_string(tokens, what, string);
}

bool imap_token_take_astring(struct imap_tokens *tokens, const char *what, struct bytes *string)
{
    return take_string_or(tokens, what, &imap_token_astring, string);
}

bool imap_token_take_nstring(struct imap_tokens *tokens, const char *what, struct bytes *string)
{
    if (!imap_token_try_name(tokens, BYTES("NIL")))
        return imap_token_take_string(tokens, what, string);
    *string = (struct bytes){NULL, 0};
    return true;
}

static bool is_plain_char(unsigned char c)
{
    return c >= 32 && c < 127 && c != '&';
}

/* Stands inside as it stands on the wire. */
static bool is_plain_name(struct bytes wire)
{
    if (wire.length > IMAP_MAILBOX_NAME_MAX ||
        bytes_starts_with_ignoring_case(wire, BYTES("INBOX")))
        return false;
    for (size_t i = 0; i < wire.length; i++) {
        if (!is_plain_char((unsigned char)wire.data[i]))
            return false;
    }
    return true;
}

static bool decode_name(struct imap_tokens *tokens, struct bytes wire, struct bytes *name)
{
    *name = wire;
    if (is_plain_name(wire))
        return true;
    /* Three digits of base64 become three bytes at most, and the arena counts. */
    AUTO(buffer)
    decoded = BUFFER(2 * wire.length + 8);
    struct fault fault;
    if (!imap_mailbox_name_decode(wire, tokens->is_utf8, &decoded, &fault))
        return refuse_for(tokens, &fault);
    if (buffer_is_failed(&decoded))
        return fault_set_memory(tokens->fault);
    const char *copy = imap_token_copy(tokens, buffer_bytes(&decoded).data, decoded.length, 1);
    *name = bytes_of(copy, decoded.length);
    return copy != NULL;
}

bool imap_token_take_mailbox(struct imap_tokens *tokens, struct bytes *name)
{
    struct bytes wire;
    return imap_token_take_astring(tokens, "mailbox", &wire) && decode_name(tokens, wire, name);
}

bool imap_token_take_mailbox_as_supplied(struct imap_tokens *tokens, struct bytes *name,
                                         struct bytes *supplied)
{
    const struct bytes inbox = BYTES("INBOX");
    struct bytes wire;
    if (!imap_token_take_astring(tokens, "mailbox", &wire) || !decode_name(tokens, wire, name))
        return false;
    *supplied = BYTES("");
    /* Other forms of a name than this one are refused. */
    if (!bytes_starts_with(*name, inbox) || bytes_starts_with(wire, inbox))
        return true;
    char *copy = imap_token_copy(tokens, name->data, name->length, 1);
    if (copy == NULL)
        return false;
    memcpy(copy, wire.data, inbox.length);
    *supplied = bytes_of(copy, name->length);
    return true;
}

bool imap_token_take_pattern(struct imap_tokens *tokens, struct bytes *pattern)
{
    struct bytes wire;
    return take_string_or(tokens, "pattern", &pattern_chars, &wire) &&
           decode_name(tokens, wire, pattern);
}

/* ---- Numbers ---- */

bool imap_token_take_number(struct imap_tokens *tokens, const char *what, uint64_t least,
                            uint64_t most, uint64_t *number)
{
    struct bytes digits = scan_take_while(&tokens->scan, &scan_digits);
    struct scan scan = scan_of(digits);
    if (digits.length == 0)
        return imap_token_expected(tokens, what);
    if (!scan_take_number(&scan, most, number) || *number < least)
        return imap_token_refuse_word(tokens, "a number out of range:", digits);
    return true;
}

bool imap_token_take_sequence(struct imap_tokens *tokens, struct imap_sequence *sequence)
{
    struct fault fault;
    struct bytes text = scan_take_while(&tokens->scan, &sequence_chars);
    if (text.length == 0)
        return imap_token_expected(tokens, "set of numbers");
    if (imap_sequence_parse(text, tokens->arena, sequence, &fault))
        return true;
    return fault.kind == FAULT_SYNTAX
               ? imap_token_refuse_word(tokens, "not a set of numbers:", text)
               : refuse_for(tokens, &fault);
}

bool imap_token_take_modseq(struct imap_tokens *tokens, uint64_t *modseq)
{
    return imap_token_take_number(tokens, "mod-sequence", 0, INT64_MAX, modseq);
}

bool imap_token_take_date(struct imap_tokens *tokens, int32_t *day)
{
    return imap_date_take(&tokens->scan, day) ||
           imap_token_expected(tokens, "date such as 1-Feb-1994");
}

bool imap_token_take_date_time(struct imap_tokens *tokens, int64_t *microseconds)
{
    return imap_date_take_time(&tokens->scan, microseconds) ||
           imap_token_expected(tokens, "date such as \"17-Jul-1996 02:44:25 -0700\"");
}
