/* Forgiving takes over a field's value. */
#include "mail/mail_token.h"

#include "mail/message_header.h"

/* ALPHA, DIGIT, what RFC 5322 3.2.3 adds, and RFC 6532 3.2. */
#define ATOM_CHARACTERS                                                                            \
    ['0' ... '9'] = true, ['A' ... 'Z'] = true,                                                    \
             ['a' ... 'z'] = true, ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true,         \
             ['&'] = true, ['\''] = true, ['*'] = true, ['+'] = true, ['-'] = true, ['^'] = true,  \
             ['_'] = true, ['`'] = true, ['{'] = true, ['|'] = true, ['}'] = true, ['~'] = true,   \
             [128 ... 255] = true

const struct scan_class mail_token_atom_characters = {
    .has = {ATOM_CHARACTERS, ['/'] = true, ['='] = true, ['?'] = true}};

/* "/", "=" and "?" are specials in MIME, the dot is not (RFC 2045 5.1). */
static const struct scan_class mime_characters = {.has = {ATOM_CHARACTERS, ['.'] = true}};

static const struct scan_class atom_or_dot_characters = {
    .has = {ATOM_CHARACTERS, ['/'] = true, ['='] = true, ['?'] = true, ['.'] = true}};

static const struct scan_class blanks = {
    .has = {[' '] = true, ['\t'] = true, ['\r'] = true, ['\n'] = true}};

static bool is_at(const struct mail_token *token, const struct scan_class *class)
{
    int c = scan_peek(&token->scan);
    return c >= 0 && class->has[c];
}

bool mail_token_is_at_word(const struct mail_token *token)
{
    return scan_peek(&token->scan) == '"' || is_at(token, &atom_or_dot_characters);
}

static void put_comment(struct mail_token *token, const char *start, const char *end)
{
    if (token->comment != NULL)
        message_header_append(bytes_of(start, (size_t)(end - start)), token->comment);
}

/* RFC 5322 3.2.2; nested ones by a counter. False: it is not closed. */
static bool skip_comment(struct mail_token *token)
{
    struct scan *scan = &token->scan;
    size_t depth = 1;
    scan_take(scan);
    if (token->comment != NULL)
        buffer_reset(token->comment);
    const char *start = scan->position;
    for (;;) {
        int c = scan_take(scan);
        if (c < 0)
            return false;
        if (c == '(')
            depth++;
        if (c == ')' && --depth == 0) {
            put_comment(token, start, scan->position - 1);
            return true;
        }
        if (c == '\\') {
            put_comment(token, start, scan->position - 1);
            start = scan->position;
            if (scan_take(scan) < 0)
                return false;
        }
    }
}

enum mail_token_result mail_token_skip_blanks(struct mail_token *token)
{
    for (;;) {
        scan_take_while(&token->scan, &blanks);
        int c = scan_peek(&token->scan);
        if (c < 0)
            return MAIL_TOKEN_END;
        if (c != '(')
            return MAIL_TOKEN_MORE;
        if (!skip_comment(token))
            return MAIL_TOKEN_BROKEN;
    }
}

enum mail_token_result mail_token_take_atom(struct mail_token *token, struct buffer *out)
{
    if (!is_at(token, &mail_token_atom_characters))
        return MAIL_TOKEN_BROKEN;
    buffer_append(out, scan_take_while(&token->scan, &mail_token_atom_characters));
    return mail_token_skip_blanks(token);
}

enum mail_token_result mail_token_take_local_part(struct mail_token *token, struct buffer *out)
{
    if (scan_peek(&token->scan) == '"')
        return mail_token_take_quoted(token, out);
    if (!is_at(token, &atom_or_dot_characters))
        return MAIL_TOKEN_BROKEN;
    for (;;) {
        struct bytes run = scan_take_while(&token->scan, &atom_or_dot_characters);
        buffer_append(out, run);
        int c = scan_peek(&token->scan);
        enum mail_token_result result = mail_token_skip_blanks(token);
        if (result == MAIL_TOKEN_MORE && scan_peek(&token->scan) == '.')
            continue;
        /* A dot at the end stands before "@", or before another word of a name, or is broken. */
        bool is_dot_last = run.data[run.length - 1] == '.' && c >= 0 && c != '@';
        return is_dot_last && !mail_token_is_at_word(token) ? MAIL_TOKEN_BROKEN : result;
    }
}

/* RFC 5322 4.4: blanks may stand around the dots; they are left out. */
static enum mail_token_result take_dot_atom(struct mail_token *token, struct buffer *out)
{
    for (;;) {
        enum mail_token_result result = mail_token_take_atom(token, out);
        if (result != MAIL_TOKEN_MORE || !scan_take_char(&token->scan, '.'))
            return result;
        buffer_append_char(out, '.');
        /* A dot at the end makes it broken, whether blanks follow or nothing. */
        if (mail_token_skip_blanks(token) != MAIL_TOKEN_MORE)
            return MAIL_TOKEN_BROKEN;
    }
}

enum mail_token_result mail_token_take_mime_token(struct mail_token *token, struct buffer *out)
{
    buffer_append(out, scan_take_while(&token->scan, &mime_characters));
    return mail_token_skip_blanks(token);
}

enum mail_token_result mail_token_take_quoted(struct mail_token *token, struct buffer *out)
{
    struct scan *scan = &token->scan;
    scan_take(scan);
    const char *start = scan->position;
    for (;;) {
        const char *end = scan->position;
        int c = scan_take(scan);
        if (c != '"' && c != '\\' && c != '\n' && c >= 0)
            continue;
        /* A fold comes off, the blanks behind it stay (RFC 5322 2.2.3). */
        if (c == '\n' && end > start && end[-1] == '\r')
            end--;
        if (c >= 0)
            message_header_append(bytes_of(start, (size_t)(end - start)), out);
        if (c == '"')
            return mail_token_skip_blanks(token);
        start = scan->position;
        if (c < 0 || (c == '\\' && scan_take(scan) < 0))
            return MAIL_TOKEN_BROKEN;
    }
}

enum mail_token_result mail_token_take_phrase(struct mail_token *token, struct buffer *out)
{
    if (scan_is_at_end(&token->scan))
        return MAIL_TOKEN_END;
    if (scan_peek(&token->scan) == '.')
        return MAIL_TOKEN_BROKEN;
    for (;;) {
        enum mail_token_result result;
        if (scan_peek(&token->scan) == '"') {
            result = mail_token_take_quoted(token, out);
        } else {
            buffer_append(out, scan_take_while(&token->scan, &atom_or_dot_characters));
            result = mail_token_skip_blanks(token);
        }
        if (result != MAIL_TOKEN_MORE)
            return result;
        if (!mail_token_is_at_word(token))
            return result;
        buffer_append_char(out, ' ');
    }
}

static enum mail_token_result take_literal(struct mail_token *token, struct buffer *out)
{
    const char *start = token->scan.position;
    for (;;) {
        int c = scan_take(&token->scan);
        if (c == '\\')
            c = scan_take(&token->scan) < 0 ? -1 : 0;
        bool is_first = token->scan.position == start + 1;
        if (c < 0 || (c == '[' && !is_first))
            return MAIL_TOKEN_BROKEN;
        if (c == ']') {
            message_header_unfold(bytes_of(start, (size_t)(token->scan.position - start)), out);
            return mail_token_skip_blanks(token);
        }
    }
}

enum mail_token_result mail_token_take_domain(struct mail_token *token, struct buffer *out)
{
    scan_take(&token->scan);
    if (mail_token_skip_blanks(token) != MAIL_TOKEN_MORE)
        return MAIL_TOKEN_BROKEN;
    if (scan_peek(&token->scan) == '[')
        return take_literal(token, out);
    return take_dot_atom(token, out);
}
