/* STORE (RFC 9051 6.4.6, RFC 7162 3.1.3), and lists of flags. */
#include "imap/imap_command_inside.h"

static bool take_system_flag(struct imap_tokens *tokens, struct imap_flags *flags)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("SEEN"), IMAP_FLAG_SEEN},       {BYTES_INIT("ANSWERED"), IMAP_FLAG_ANSWERED},
        {BYTES_INIT("FLAGGED"), IMAP_FLAG_FLAGGED}, {BYTES_INIT("DELETED"), IMAP_FLAG_DELETED},
        {BYTES_INIT("DRAFT"), IMAP_FLAG_DRAFT},
    };
    struct bytes word;
    unsigned value;
    if (!imap_token_take_atom(tokens, "flag", &word))
        return false;
    /* RFC 3501 2.3.2: nobody but the server gives \Recent. */
    if (bytes_equal_ignoring_case(word, BYTES("RECENT")))
        return imap_token_refuse(tokens, FAULT_SYNTAX, "\\Recent cannot be changed");
    if (!imap_token_find(word, names, sizeof names / sizeof *names, &value))
        return imap_token_refuse_word(tokens, "unknown system flag", word);
    flags->system |= value;
    return true;
}

static bool has_keyword(const struct bytes *keywords, size_t count, struct bytes keyword)
{
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_ignoring_case(keywords[i], keyword))
            return true;
    }
    return false;
}

static bool take_flag(struct imap_tokens *tokens, struct bytes *keywords, struct imap_flags *flags)
{
    struct bytes keyword;
    if (imap_token_try_char(tokens, '\\'))
        return take_system_flag(tokens, flags);
    if (!imap_token_take_atom(tokens, "flag", &keyword))
        return false;
    if (keyword.length > IMAP_COMMAND_KEYWORD_LENGTH_MAX)
        return imap_token_refuse(tokens, FAULT_LIMIT, "a keyword is too long");
    if (has_keyword(keywords, flags->keyword_count, keyword))
        return true;
    if (flags->keyword_count == IMAP_COMMAND_KEYWORDS_MAX)
        return imap_token_refuse(tokens, FAULT_LIMIT, "too many keywords");
    keywords[flags->keyword_count++] = keyword;
    return true;
}

static bool has_next(struct imap_tokens *tokens, bool is_bare, bool *has_more)
{
    if (!is_bare)
        return imap_token_take_more(tokens, has_more);
    *has_more = !imap_token_is_at_end(tokens);
    return !*has_more || imap_token_take_blank(tokens);
}

bool imap_command_store_flags(struct imap_tokens *tokens, bool is_bare, struct imap_flags *flags)
{
    struct bytes keywords[IMAP_COMMAND_KEYWORDS_MAX];
    struct imap_flags read = {0};
    if (!is_bare && !imap_token_take_open(tokens))
        return false;
    bool has_more = is_bare || !imap_token_try_char(tokens, ')');
    while (has_more) {
        if (!take_flag(tokens, keywords, &read) || !has_next(tokens, is_bare, &has_more))
            return false;
    }
    read.keywords = imap_token_copy(tokens, keywords, read.keyword_count, sizeof *keywords);
    *flags = read;
    return read.keywords != NULL;
}

/* Between blanks: "(UNCHANGEDSINCE 12)". */
static bool read_modifier(struct imap_tokens *tokens, struct imap_store *store)
{
    if (!imap_token_take_open(tokens))
        return false;
    if (!imap_token_try_name(tokens, BYTES("UNCHANGEDSINCE")))
        return imap_token_expected(tokens, "UNCHANGEDSINCE");
    store->has_unchanged_since = true;
    return imap_token_take_blank(tokens) &&
           imap_token_take_modseq(tokens, &store->unchanged_since) &&
           imap_token_take_close(tokens) && imap_token_take_blank(tokens);
}

bool imap_command_store(struct imap_tokens *tokens, struct imap_command *command)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("FLAGS"), false},
        {BYTES_INIT("FLAGS.SILENT"), true},
    };
    struct imap_store *store = &command->store;
    unsigned is_silent;
    if (!imap_token_take_sequence(tokens, &store->sequence) || !imap_token_take_blank(tokens))
        return false;
    if (imap_token_peek(tokens) == '(' && !read_modifier(tokens, store))
        return false;
    if (imap_token_try_char(tokens, '+'))
        store->mode = IMAP_STORE_ADD;
    else if (imap_token_try_char(tokens, '-'))
        store->mode = IMAP_STORE_REMOVE;
    if (!imap_token_take_name(tokens, "item", names, sizeof names / sizeof *names, &is_silent) ||
        !imap_token_take_blank(tokens))
        return false;
    store->is_silent = is_silent != 0;
    return imap_command_store_flags(tokens, imap_token_peek(tokens) != '(', &store->flags);
}
