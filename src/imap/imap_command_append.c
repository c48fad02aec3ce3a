/* APPEND up to the bytes of a message: RFC 9051 6.3.12, RFC 3502 (several), RFC 7888 (literals). */
#include "imap/imap_command_inside.h"

/* RFC 9051 9: "{10}", "{10+}", "~{10}", "~{10+}". */
static bool take_literal_head(struct imap_tokens *tokens, struct imap_append *append)
{
    append->is_binary = imap_token_try_char(tokens, '~');
    if (!imap_token_try_char(tokens, '{'))
        return imap_token_expected(tokens, "literal");
    if (!imap_token_take_number(tokens, "size of a literal", 0, INT64_MAX, &append->size))
        return false;
    imap_token_try_char(tokens, '+');
    return (imap_token_try_char(tokens, '}') || imap_token_expected(tokens, "}")) &&
           (scan_is_at_end(&tokens->scan) || imap_token_expected(tokens, "end"));
}

static bool read_message(struct imap_tokens *tokens, struct imap_append *append)
{
    if (!imap_token_take_blank(tokens))
        return false;
    if (imap_token_peek(tokens) == '(' &&
        (!imap_command_store_flags(tokens, false, &append->flags) ||
         !imap_token_take_blank(tokens)))
        return false;
    if (imap_token_peek(tokens) == '"') {
        append->has_date = true;
        if (!imap_token_take_date_time(tokens, &append->date) || !imap_token_take_blank(tokens))
            return false;
    }
    struct scan ahead = tokens->scan;
    struct bytes word = scan_take_while(&ahead, &imap_token_word);
    /* RFC 4469, RFC 6855: neither is offered. */
    if (word.length > 0)
        return imap_token_refuse_word(tokens, "not offered:", word);
    return take_literal_head(tokens, append);
}

bool imap_command_append_head(struct imap_tokens *tokens, bool is_first,
                              struct imap_command *command, struct imap_append *append)
{
    struct bytes mailbox = command->mailbox;
    struct imap_append read = {0};
    if (is_first) {
        imap_token_try_char(tokens, ' ');
        if (!imap_token_take_mailbox(tokens, &mailbox))
            return false;
    }
    if (!read_message(tokens, &read))
        return false;
    command->mailbox = mailbox;
    *append = read;
    return true;
}
