/* Reading address lists: one loop with a small state, no recursion. */
#include "mail/address_list.h"

#include "base/auto.h"
#include "base/scan.h"
#include "mail/encoded_word.h"

enum token_kind {
    TOKEN_ATOM,
    TOKEN_QUOTED,  /* its content without quotes and backslashes is in parser.content */
    TOKEN_LITERAL, /* "[...]", likewise, with its brackets */
    TOKEN_SPECIAL, /* one of . , : ; < > @ */
    TOKEN_END
};

struct token {
    enum token_kind kind;
    bool is_behind_blank; /* blanks or comments stand before it */
    char special;
    struct bytes text; /* TOKEN_ATOM */
};

/* What is known of the mailbox or group that is being read. */
struct parser {
    struct scan scan;
    struct token token;
    struct buffer content; /* of a quoted string or literal */
    struct buffer name;    /* the words so far, as a display name */
    struct buffer local;   /* the words so far, as a local part */
    bool has_words;
    bool is_local; /* the words could be a local part: alternating with dots */
    bool wants_word;
    bool is_behind_encoded_word;
    bool is_in_group;
};

/* ---- tokens ---- */

/* Bytes of the text that an error shows. */
enum {
    SHOWN_MAX = 40
};

static bool syntax(const struct parser *parser, struct fault *fault, const char *what)
{
    struct scan rest = scan_of(bytes_trim(scan_rest(&parser->scan)));
    /* What does not print would spoil the sentence. */
    struct bytes shown = bytes_slice(scan_take_while(&rest, &scan_printable), 0, SHOWN_MAX);
    if (shown.length == 0)
        return fault_set(fault, FAULT_SYNTAX, "the address list is not valid: %s", what);
    return fault_set(fault, FAULT_SYNTAX, "the address list is not valid: %s before \"%.*s\"", what,
                     BYTES_FORMAT(shown));
}

/* Nested comments by a counter (RFC 5322 3.2.2). */
static bool skip_comment(struct parser *parser, struct fault *fault)
{
    size_t depth = 0;
    do {
        int c = scan_take(&parser->scan);
        if (c == '\\')
            c = scan_take(&parser->scan) < 0 ? -1 : 0;
        if (c < 0)
            return syntax(parser, fault, "a comment does not end");
        depth = c == '(' ? depth + 1 : c == ')' ? depth - 1 : depth;
        if (depth > ADDRESS_LIST_COMMENT_DEPTH_MAX)
            return fault_set(fault, FAULT_LIMIT, "comments are nested deeper than %d",
                             ADDRESS_LIST_COMMENT_DEPTH_MAX);
    } while (depth > 0);
    return true;
}

static bool skip_blanks(struct parser *parser, struct fault *fault)
{
    struct scan *scan = &parser->scan;
    parser->token.is_behind_blank = false;
    for (;;) {
        bool has_blanks = scan_take_while(scan, &scan_blanks).length > 0;
        bool has_comment = scan_peek(scan) == '(';
        if (has_comment && !skip_comment(parser, fault))
            return false;
        if (!has_blanks && !has_comment)
            return true;
        parser->token.is_behind_blank = true;
    }
}

/* Content up to a closing quote or bracket; blanks in a literal mean nothing (RFC 5322 3.4.1). */
static bool take_enclosed(struct parser *parser, char close, struct fault *fault)
{
    buffer_reset(&parser->content);
    scan_take(&parser->scan);
    if (close == ']')
        buffer_append_char(&parser->content, '[');
    for (;;) {
        int c = scan_take(&parser->scan);
        if (c == close)
            break;
        if (c == '\\')
            c = scan_take(&parser->scan);
        if (c < 0 || (close == ']' && c == '['))
            return syntax(parser, fault,
                          close == '"' ? "a quoted string does not end"
                                       : "an address literal does not end");
        if (close == '"' || (c != ' ' && c != '\t'))
            buffer_append_char(&parser->content, (char)c);
    }
    if (close == ']')
        buffer_append_char(&parser->content, ']');
    return !buffer_is_failed(&parser->content) || fault_set_memory(fault);
}

static bool next_token(struct parser *parser, struct fault *fault)
{
    struct scan *scan = &parser->scan;
    struct token *token = &parser->token;
    if (!skip_blanks(parser, fault))
        return false;
    int c = scan_peek(scan);
    if (c < 0) {
        token->kind = TOKEN_END;
        return true;
    }
    if (c == '"') {
        token->kind = TOKEN_QUOTED;
        return take_enclosed(parser, '"', fault);
    }
    if (c == '[') {
        token->kind = TOKEN_LITERAL;
        return take_enclosed(parser, ']', fault);
    }
    token->text = scan_take_while(scan, &address_list_atom_characters);
    if (token->text.length > 0) {
        token->kind = TOKEN_ATOM;
        return true;
    }
    if (c == 0 || strchr(".,:;<>@", c) == NULL)
        return syntax(parser, fault, "a character that may not stand there");
    token->kind = TOKEN_SPECIAL;
    token->special = (char)scan_take(scan);
    return true;
}

static bool is_special(const struct parser *parser, char special)
{
    return parser->token.kind == TOKEN_SPECIAL && parser->token.special == special;
}

static bool is_word(const struct parser *parser)
{
    return parser->token.kind == TOKEN_ATOM || parser->token.kind == TOKEN_QUOTED;
}

/* ---- words, domains ---- */

static void forget_words(struct parser *parser)
{
    buffer_reset(&parser->name);
    buffer_reset(&parser->local);
    parser->has_words = false;
    parser->is_local = true;
    parser->wants_word = true;
    parser->is_behind_encoded_word = false;
}

static bool has_control(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if ((c < 32 && c != '\t') || c == 127)
            return true;
    }
    return false;
}

/* The display name as people read it: blanks between words become one, none between two encoded
   words. An encoded word that hides control characters stays encoded. */
static void add_to_name(struct parser *parser, struct bytes word)
{
    AUTO(buffer)
    decoded = BUFFER(4000);
    bool is_encoded = parser->token.kind == TOKEN_ATOM && encoded_word_decode(word, &decoded) &&
                      !buffer_is_failed(&decoded) && !has_control(buffer_bytes(&decoded));
    if (parser->token.is_behind_blank && parser->has_words &&
        !(is_encoded && parser->is_behind_encoded_word))
        buffer_append_char(&parser->name, ' ');
    buffer_append(&parser->name, is_encoded ? buffer_bytes(&decoded) : word);
    parser->is_behind_encoded_word = is_encoded;
}

/* obs-local-part = word *("." word); obs-phrase has dots too. */
static void add_word(struct parser *parser)
{
    bool is_dot = is_special(parser, '.');
    struct bytes word = is_dot                               ? BYTES(".")
                        : parser->token.kind == TOKEN_QUOTED ? buffer_bytes(&parser->content)
                                                             : parser->token.text;
    add_to_name(parser, word);
    if (is_dot == parser->wants_word)
        parser->is_local = false;
    buffer_append(&parser->local, word);
    parser->wants_word = is_dot;
    parser->has_words = true;
}

static bool take_words(struct parser *parser, struct fault *fault)
{
    forget_words(parser);
    while (is_word(parser) || is_special(parser, '.')) {
        add_word(parser);
        if (!next_token(parser, fault))
            return false;
    }
    return true;
}

/* Behind the "@": dot-atom, obs-domain or domain-literal; leaves the token behind it. */
static bool take_domain(struct parser *parser, struct buffer *domain, struct fault *fault)
{
    if (!next_token(parser, fault))
        return false;
    if (parser->token.kind == TOKEN_LITERAL) {
        buffer_append(domain, buffer_bytes(&parser->content));
        return next_token(parser, fault);
    }
    for (;;) {
        if (parser->token.kind != TOKEN_ATOM)
            return syntax(parser, fault, "a domain is missing");
        buffer_append(domain, parser->token.text);
        if (!next_token(parser, fault))
            return false;
        if (!is_special(parser, '.'))
            return true;
        buffer_append_char(domain, '.');
        if (!next_token(parser, fault))
            return false;
    }
}

/* addr-spec, its words taken already; the token is the "@". */
static bool take_address(struct parser *parser, struct address *address, struct fault *fault)
{
    if (!parser->has_words || !parser->is_local || parser->wants_word)
        return syntax(parser, fault, "an address has no valid local part");
    AUTO(buffer)
    domain = BUFFER(ADDRESS_LIST_TEXT_MAX);
    if (!take_domain(parser, &domain, fault))
        return false;
    if (buffer_is_failed(&parser->local) || buffer_is_failed(&domain))
        return fault_set_memory(fault);
    return address_make(buffer_bytes(&parser->local), buffer_bytes(&domain), address, fault);
}

/* obs-route = obs-domain-list ":" (RFC 5322 4.4); it is read over. */
static bool skip_route(struct parser *parser, struct fault *fault)
{
    while (is_special(parser, '@') || is_special(parser, ',')) {
        if (is_special(parser, ',')) {
            if (!next_token(parser, fault))
                return false;
            continue;
        }
        AUTO(buffer)
        domain = BUFFER(ADDRESS_LIST_TEXT_MAX);
        if (!take_domain(parser, &domain, fault))
            return false;
    }
    if (!is_special(parser, ':'))
        return syntax(parser, fault, "a route does not end");
    return next_token(parser, fault);
}

/* angle-addr; the token is the "<". The display name is kept in *name. */
static bool take_angle(struct parser *parser, struct buffer *name, struct address *address,
                       struct fault *fault)
{
    buffer_append(name, buffer_bytes(&parser->name));
    if (buffer_is_failed(&parser->name) || buffer_is_failed(name))
        return fault_set_memory(fault);
    if (!next_token(parser, fault) || (is_special(parser, '@') && !skip_route(parser, fault)) ||
        !take_words(parser, fault))
        return false;
    if (!is_special(parser, '@'))
        return syntax(parser, fault, "an address has no \"@\"");
    if (!take_address(parser, address, fault))
        return false;
    if (!is_special(parser, '>'))
        return syntax(parser, fault, "a \">\" is missing");
    return next_token(parser, fault);
}

/* ---- the list ---- */

static bool begin_group(struct parser *parser, struct address_list *list, struct fault *fault)
{
    if (parser->is_in_group || !parser->has_words)
        return syntax(parser, fault, "a group is not allowed");
    if (buffer_is_failed(&parser->name))
        return fault_set_memory(fault);
    parser->is_in_group = true;
    return address_list_add_item(list, ADDRESS_LIST_GROUP, buffer_bytes(&parser->name), NULL,
                                 fault) &&
           next_token(parser, fault);
}

static bool end_group(struct parser *parser, struct address_list *list, struct fault *fault)
{
    if (!parser->is_in_group)
        return syntax(parser, fault, "a \";\" ends no group");
    parser->is_in_group = false;
    if (!address_list_add_item(list, ADDRESS_LIST_GROUP_END, BYTES(""), NULL, fault) ||
        !next_token(parser, fault))
        return false;
    if (!is_special(parser, ',') && parser->token.kind != TOKEN_END)
        return syntax(parser, fault, "a comma is missing");
    return true;
}

static bool take_mailbox(struct parser *parser, struct address_list *list, struct fault *fault)
{
    AUTO(buffer)
    name = BUFFER(ADDRESS_LIST_TEXT_MAX);
    struct address address;
    if (is_special(parser, '<')) {
        if (!take_angle(parser, &name, &address, fault))
            return false;
    } else if (is_special(parser, '@')) {
        if (!take_address(parser, &address, fault))
            return false;
    } else {
        return syntax(parser, fault, "an address is missing");
    }
    if (!is_special(parser, ',') && !is_special(parser, ';') && parser->token.kind != TOKEN_END)
        return syntax(parser, fault, "a comma is missing");
    return address_list_add_item(list, ADDRESS_LIST_MAILBOX, buffer_bytes(&name), &address, fault);
}

/* One step: a comma, a group's end, or words and what they turn out to be. RFC 5322 4.4 allows
   empty places between commas. */
static bool take_element(struct parser *parser, struct address_list *list, struct fault *fault)
{
    if (is_special(parser, ','))
        return next_token(parser, fault);
    if (is_special(parser, ';'))
        return end_group(parser, list, fault);
    if (!take_words(parser, fault))
        return false;
    if (is_special(parser, ':'))
        return begin_group(parser, list, fault);
    return take_mailbox(parser, list, fault);
}

static bool parse(struct parser *parser, struct address_list *list, struct fault *fault)
{
    if (!next_token(parser, fault))
        return false;
    while (parser->token.kind != TOKEN_END) {
        if (!take_element(parser, list, fault))
            return false;
    }
    return !parser->is_in_group || syntax(parser, fault, "a group does not end");
}

bool address_list_parse(struct address_list *list, struct bytes text, struct fault *fault)
{
    if (text.length > ADDRESS_LIST_TEXT_MAX)
        return fault_set(fault, FAULT_LIMIT, "the address list is longer than %d bytes",
                         ADDRESS_LIST_TEXT_MAX);
    struct parser parser = {
        .scan = scan_of(text),
        .content = BUFFER(ADDRESS_LIST_TEXT_MAX),
        .name = BUFFER(ADDRESS_LIST_TEXT_MAX),
        .local = BUFFER(ADDRESS_LIST_TEXT_MAX),
    };
    size_t count = list->count;
    size_t mailbox_count = list->mailbox_count;
    size_t names = list->names.length;
    bool is_valid = parse(&parser, list, fault);
    if (!is_valid)
        address_list_shorten(list, count, mailbox_count, names);
    buffer_clear(&parser.content);
    buffer_clear(&parser.name);
    buffer_clear(&parser.local);
    return is_valid;
}
