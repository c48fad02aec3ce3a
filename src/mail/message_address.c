/* Reading addresses forgivingly, by recursive descent with one step back. */
#include "mail/message_address.h"

#include "mail/compact.h"
#include "mail/mail_token.h"
#include "mail/message_envelope.h"
#include "mail/message_header.h"

enum part {
    NAME,
    ROUTE,
    MAILBOX,
    HOST,
    PART_COUNT
};

/* One address while it is read: its parts lie in `text` one behind the other. */
struct address_state {
    struct message_address_reader *reader;
    struct mail_token token;
    struct buffer *out;
    size_t start[PART_COUNT];
    size_t length[PART_COUNT];
    bool is_there[PART_COUNT];
};

static void forget(struct address_state *state)
{
    buffer_reset(&state->reader->text);
    for (unsigned i = 0; i < PART_COUNT; i++)
        state->is_there[i] = false;
}

/* What was appended to the text since `start` is this part. */
static void keep(struct address_state *state, enum part part, size_t start)
{
    state->start[part] = start;
    state->length[part] = state->reader->text.length - start;
    state->is_there[part] = true;
}

static void keep_word(struct address_state *state, enum part part, struct bytes word)
{
    size_t start = state->reader->text.length;
    buffer_append(&state->reader->text, word);
    keep(state, part, start);
}

static struct bytes part_of(const struct address_state *state, enum part part)
{
    return bytes_slice(buffer_bytes(&state->reader->text), state->start[part], state->length[part]);
}

static void put_part(struct address_state *state, enum part part)
{
    struct bytes text = {NULL, 0};
    if (state->is_there[part])
        text = part_of(state, part);
    if (part == NAME && text.length > 0) {
        struct buffer *condensed = &state->reader->comment;
        buffer_reset(condensed);
        message_header_condense(text, condensed);
        text = buffer_bytes(condensed);
    }
    compact_put_string(state->out, text);
}

static void put_item(struct address_state *state)
{
    if (state->reader->room > 0) {
        state->reader->room--;
        buffer_append_char(state->out, 1);
        for (unsigned i = 0; i < PART_COUNT; i++)
            put_part(state, (enum part)i);
    }
    forget(state);
}

static int peek(const struct address_state *state)
{
    return scan_peek(&state->token.scan);
}

static enum mail_token_result take_local_part(struct address_state *state)
{
    struct buffer *text = &state->reader->text;
    size_t start = text->length;
    enum mail_token_result result = mail_token_take_local_part(&state->token, text);
    if (result == MAIL_TOKEN_BROKEN)
        buffer_truncate(text, start);
    else
        keep(state, MAILBOX, start);
    return result;
}

static enum mail_token_result take_host(struct address_state *state)
{
    struct buffer *text = &state->reader->text;
    size_t start = text->length;
    enum mail_token_result result = mail_token_take_domain(&state->token, text);
    if (result == MAIL_TOKEN_BROKEN)
        buffer_truncate(text, start);
    else
        keep(state, HOST, start);
    return result;
}

/* RFC 5322 4.4: "@a,@b:" before the local part. False: it is none; what could be taken is. */
static bool take_domains(struct address_state *state, struct buffer *text)
{
    size_t start = text->length;
    while (peek(state) == '@') {
        if (text->length > start)
            buffer_append_char(text, ',');
        buffer_append_char(text, '@');
        if (mail_token_take_domain(&state->token, text) != MAIL_TOKEN_MORE)
            return false;
        while (peek(state) == ',') {
            scan_take(&state->token.scan);
            if (mail_token_skip_blanks(&state->token) != MAIL_TOKEN_MORE)
                return false;
        }
    }
    return scan_take_char(&state->token.scan, ':');
}

static void take_route(struct address_state *state)
{
    struct buffer *text = &state->reader->text;
    size_t start = text->length;
    if (take_domains(state, text)) {
        keep(state, ROUTE, start);
    } else {
        buffer_truncate(text, start);
        keep_word(state, ROUTE, BYTES(MESSAGE_ENVELOPE_INVALID_ROUTE));
    }
}

/* What is between "<" and ">". False: it is not what it should be. */
static bool take_inside(struct address_state *state)
{
    if (mail_token_skip_blanks(&state->token) != MAIL_TOKEN_MORE)
        return false;
    if (peek(state) == '@') {
        take_route(state);
        if (mail_token_skip_blanks(&state->token) != MAIL_TOKEN_MORE)
            return false;
    }
    if (peek(state) == '>')
        return true;
    return take_local_part(state) == MAIL_TOKEN_MORE &&
           (peek(state) != '@' || take_host(state) == MAIL_TOKEN_MORE);
}

static bool take_angle(struct address_state *state)
{
    return scan_take_char(&state->token.scan, '<') && take_inside(state) &&
           scan_take_char(&state->token.scan, '>') &&
           mail_token_skip_blanks(&state->token) != MAIL_TOKEN_BROKEN;
}

/* [phrase] "<" ... ">". */
static enum mail_token_result take_named(struct address_state *state)
{
    if (mail_token_take_phrase(&state->token, &state->reader->text) != MAIL_TOKEN_MORE ||
        peek(state) != '<')
        return MAIL_TOKEN_BROKEN;
    if (state->reader->text.length > 0)
        keep(state, NAME, 0);
    if (!take_angle(state))
        keep_word(state, HOST, BYTES(MESSAGE_ENVELOPE_SYNTAX_ERROR));
    return scan_is_at_end(&state->token.scan) ? MAIL_TOKEN_END : MAIL_TOKEN_MORE;
}

/* Words where an address should be, of which the first has been taken, are the name of somebody who
   has none. */
static enum mail_token_result take_words(struct address_state *state, bool is_quoted)
{
    struct buffer *text = &state->reader->text;
    enum mail_token_result result = MAIL_TOKEN_MORE;
    size_t count = 1;
    while (result == MAIL_TOKEN_MORE && mail_token_is_at_word(&state->token)) {
        size_t before = text->length;
        buffer_append_char(text, ' ');
        result = mail_token_take_local_part(&state->token, text);
        /* A quote that is not closed may have given something all the same. */
        if (text->length == before + 1)
            buffer_truncate(text, before);
        else
            count++;
    }
    if (count > 1 || is_quoted) {
        keep(state, NAME, 0);
        state->is_there[MAILBOX] = false;
    }
    return result;
}

/* local@host, whose name old programs put into a comment behind it. */
static enum mail_token_result take_bare(struct address_state *state)
{
    struct buffer *comment = &state->reader->comment;
    buffer_reset(comment);
    state->token.comment = comment;
    bool is_quoted = peek(state) == '"';
    enum mail_token_result result = take_local_part(state);
    if (peek(state) == '@') {
        enum mail_token_result of_host = take_host(state);
        if (of_host != MAIL_TOKEN_MORE)
            result = of_host;
    } else if (result != MAIL_TOKEN_BROKEN && comment->length == 0 &&
               (is_quoted || mail_token_is_at_word(&state->token))) {
        result = take_words(state, is_quoted);
    }
    state->token.comment = NULL;
    if (comment->length > 0 && !state->is_there[NAME])
        keep_word(state, NAME, buffer_bytes(comment));
    return result;
}

static void put_mailbox(struct address_state *state)
{
    if (!state->is_there[MAILBOX])
        keep_word(state, MAILBOX, BYTES(MESSAGE_ENVELOPE_MISSING_MAILBOX));
    if (!state->is_there[HOST])
        keep_word(state, HOST, BYTES(MESSAGE_ENVELOPE_MISSING_HOST));
    put_item(state);
}

static enum mail_token_result take_mailbox(struct address_state *state)
{
    struct scan start = state->token.scan;
    enum mail_token_result result = take_named(state);
    if (result == MAIL_TOKEN_BROKEN) {
        state->token.scan = start;
        forget(state);
        result = take_bare(state);
    }
    put_mailbox(state);
    return result;
}

/* Up to what is no member. A broken one does not end the group while a comma follows. */
static enum mail_token_result take_members(struct address_state *state)
{
    for (;;) {
        enum mail_token_result result = take_mailbox(state);
        if (!scan_take_char(&state->token.scan, ','))
            return result == MAIL_TOKEN_MORE ? MAIL_TOKEN_MORE : MAIL_TOKEN_BROKEN;
        if (mail_token_skip_blanks(&state->token) != MAIL_TOKEN_MORE)
            return MAIL_TOKEN_BROKEN;
    }
}

/* phrase ":" [members] ";" as the group's name, its members, and an item of nothing. Behind the
   colon it is a group, whatever follows. */
static enum mail_token_result take_group(struct address_state *state)
{
    if (mail_token_take_phrase(&state->token, &state->reader->text) != MAIL_TOKEN_MORE ||
        !scan_take_char(&state->token.scan, ':'))
        return MAIL_TOKEN_BROKEN;
    keep(state, MAILBOX, 0);
    put_item(state);
    enum mail_token_result result = mail_token_skip_blanks(&state->token);
    if (result == MAIL_TOKEN_MORE && peek(state) != ';')
        result = take_members(state);
    if (result != MAIL_TOKEN_BROKEN) {
        if (scan_take_char(&state->token.scan, ';'))
            result = mail_token_skip_blanks(&state->token);
        else
            result = MAIL_TOKEN_BROKEN;
    }
    put_item(state);
    return result == MAIL_TOKEN_END ? MAIL_TOKEN_END : MAIL_TOKEN_MORE;
}

void message_address_read(struct message_address_reader *reader, struct bytes value,
                          struct buffer *out)
{
    struct address_state state = {.reader = reader, .token = {.scan = scan_of(value)}, .out = out};
    forget(&state);
    if (mail_token_skip_blanks(&state.token) != MAIL_TOKEN_MORE)
        return;
    while (reader->room > 0) {
        struct scan start = state.token.scan;
        enum mail_token_result result = take_group(&state);
        if (result == MAIL_TOKEN_BROKEN) {
            state.token.scan = start;
            forget(&state);
            result = take_mailbox(&state);
        }
        if (result == MAIL_TOKEN_END || !scan_take_char(&state.token.scan, ','))
            return;
        result = mail_token_skip_blanks(&state.token);
        if (result == MAIL_TOKEN_BROKEN)
            put_mailbox(&state);
        if (result != MAIL_TOKEN_MORE)
            return;
    }
}
