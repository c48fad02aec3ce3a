/* LIST and LSUB: RFC 9051 6.3.9, RFC 5258 (selection, patterns, RETURN), RFC 5819 (STATUS), RFC
   6154 (SPECIAL-USE). */
#include "imap/imap_command_inside.h"

bool imap_command_list_status_items(struct imap_tokens *tokens, unsigned *status)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("MESSAGES"), IMAP_STATUS_MESSAGES},
        {BYTES_INIT("RECENT"), IMAP_STATUS_RECENT},
        {BYTES_INIT("UIDNEXT"), IMAP_STATUS_UIDNEXT},
        {BYTES_INIT("UIDVALIDITY"), IMAP_STATUS_UIDVALIDITY},
        {BYTES_INIT("UNSEEN"), IMAP_STATUS_UNSEEN},
        {BYTES_INIT("DELETED"), IMAP_STATUS_DELETED},
        {BYTES_INIT("SIZE"), IMAP_STATUS_SIZE},
        {BYTES_INIT("HIGHESTMODSEQ"), IMAP_STATUS_HIGHESTMODSEQ},
        {BYTES_INIT("APPENDLIMIT"), IMAP_STATUS_APPENDLIMIT},
        {BYTES_INIT("MAILBOXID"), IMAP_STATUS_MAILBOXID},
        {BYTES_INIT("DELETED-STORAGE"), IMAP_STATUS_DELETED_STORAGE},
    };
    bool has_more = true;
    if (!imap_token_take_open(tokens))
        return false;
    while (has_more) {
        unsigned item;
        if (!imap_token_take_name(tokens, "item", names, sizeof names / sizeof *names, &item) ||
            !imap_token_take_more(tokens, &has_more))
            return false;
        *status |= item;
    }
    return true;
}

/* Behind "(". */
static bool read_selects(struct imap_tokens *tokens, struct imap_list *list)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("SUBSCRIBED"), IMAP_LIST_SUBSCRIBED},
        {BYTES_INIT("REMOTE"), IMAP_LIST_REMOTE},
        {BYTES_INIT("RECURSIVEMATCH"), IMAP_LIST_RECURSIVEMATCH},
        {BYTES_INIT("SPECIAL-USE"), IMAP_LIST_SPECIAL_USE},
    };
    list->is_extended = true;
    bool has_more = !imap_token_try_char(tokens, ')');
    while (has_more) {
        unsigned option;
        if (!imap_token_take_name(tokens, "selection option", names, sizeof names / sizeof *names,
                                  &option) ||
            !imap_token_take_more(tokens, &has_more))
            return false;
        list->selects |= option;
    }
    /* RFC 5258 6, list-select-opts: it says how another one selects. */
    if ((list->selects & IMAP_LIST_RECURSIVEMATCH) != 0 &&
        (list->selects & IMAP_LIST_SUBSCRIBED) == 0)
        return imap_token_refuse(tokens, FAULT_SYNTAX, "RECURSIVEMATCH goes with SUBSCRIBED");
    return imap_token_take_blank(tokens);
}

static bool read_patterns(struct imap_tokens *tokens, bool may_be_several, struct imap_list *list)
{
    struct bytes patterns[IMAP_COMMAND_PATTERNS_MAX];
    bool has_more = may_be_several && imap_token_try_char(tokens, '(');
    if (!has_more) {
        if (!imap_token_take_pattern(tokens, &patterns[0]))
            return false;
        list->pattern_count = 1;
    }
    list->is_extended = list->is_extended || has_more;
    while (has_more) {
        if (list->pattern_count == IMAP_COMMAND_PATTERNS_MAX)
            return imap_token_refuse(tokens, FAULT_LIMIT, "too many patterns");
        if (!imap_token_take_pattern(tokens, &patterns[list->pattern_count++]) ||
            !imap_token_take_more(tokens, &has_more))
            return false;
    }
    list->patterns = imap_token_copy(tokens, patterns, list->pattern_count, sizeof *patterns);
    return list->patterns != NULL;
}

static bool read_returns(struct imap_tokens *tokens, struct imap_list *list)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("SUBSCRIBED"), IMAP_LIST_RETURN_SUBSCRIBED},
        {BYTES_INIT("CHILDREN"), IMAP_LIST_RETURN_CHILDREN},
        {BYTES_INIT("SPECIAL-USE"), IMAP_LIST_RETURN_SPECIAL_USE},
        {BYTES_INIT("STATUS"), IMAP_LIST_RETURN_STATUS},
    };
    if (!imap_token_try_name(tokens, BYTES("RETURN")))
        return imap_token_expected(tokens, "RETURN");
    if (!imap_token_take_blank(tokens) || !imap_token_take_open(tokens))
        return false;
    list->is_extended = true;
    bool has_more = !imap_token_try_char(tokens, ')');
    while (has_more) {
        unsigned option;
        if (!imap_token_take_name(tokens, "return option", names, sizeof names / sizeof *names,
                                  &option))
            return false;
        if (option == IMAP_LIST_RETURN_STATUS &&
            (!imap_token_take_blank(tokens) ||
             !imap_command_list_status_items(tokens, &list->status)))
            return false;
        list->returns |= option;
        if (!imap_token_take_more(tokens, &has_more))
            return false;
    }
    return true;
}

bool imap_command_list(struct imap_tokens *tokens, struct imap_command *command)
{
    struct imap_list *list = &command->list;
    bool may_be_extended = command->verb == IMAP_LIST;
    if (may_be_extended && imap_token_try_char(tokens, '(') && !read_selects(tokens, list))
        return false;
    if (!imap_token_take_mailbox(tokens, &list->reference) || !imap_token_take_blank(tokens) ||
        !read_patterns(tokens, may_be_extended, list))
        return false;
    return !may_be_extended || imap_token_is_at_end(tokens) ||
           (imap_token_take_blank(tokens) && read_returns(tokens, list));
}
