/* SEARCH, SORT and THREAD around their keys: RFC 9051 6.4.4, RFC 4731, RFC 5182, RFC 5256,
   RFC 5957. */
#include "imap/imap_command_inside.h"

/* Behind RETURN. */
static bool read_returns(struct imap_tokens *tokens, struct imap_search *search)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("MIN"), IMAP_RETURN_MIN},   {BYTES_INIT("MAX"), IMAP_RETURN_MAX},
        {BYTES_INIT("ALL"), IMAP_RETURN_ALL},   {BYTES_INIT("COUNT"), IMAP_RETURN_COUNT},
        {BYTES_INIT("SAVE"), IMAP_RETURN_SAVE},
    };
    if (!imap_token_take_blank(tokens) || !imap_token_take_open(tokens))
        return false;
    search->has_return = true;
    bool has_more = !imap_token_try_char(tokens, ')');
    /* RFC 9051 6.4.4: () is the same as (ALL). */
    if (!has_more)
        search->returns = IMAP_RETURN_ALL;
    while (has_more) {
        unsigned option;
        if (!imap_token_take_name(tokens, "return option", names, sizeof names / sizeof *names,
                                  &option) ||
            !imap_token_take_more(tokens, &has_more))
            return false;
        search->returns |= option;
    }
    return imap_token_take_blank(tokens);
}

/* Needles in UTF-8 are checked by the tokenizer, others by who converts them. */
static bool read_charset(struct imap_tokens *tokens, struct imap_search *search)
{
    if (!imap_token_take_astring(tokens, "charset", &search->charset))
        return false;
    tokens->is_any_text = !bytes_equal_ignoring_case(search->charset, BYTES("UTF-8")) &&
                          !bytes_equal_ignoring_case(search->charset, BYTES("US-ASCII"));
    return imap_token_take_blank(tokens);
}

bool imap_command_search(struct imap_tokens *tokens, struct imap_command *command)
{
    struct imap_search *search = &command->search;
    if (imap_token_try_name(tokens, BYTES("RETURN")) && !read_returns(tokens, search))
        return false;
    if (imap_token_try_name(tokens, BYTES("CHARSET")) &&
        (!imap_token_take_blank(tokens) || !read_charset(tokens, search)))
        return false;
    return imap_command_search_key(tokens, search);
}

/* RFC 5256 5, sort-criterion = ["REVERSE" SP] sort-key */
static bool read_criterion(struct imap_tokens *tokens, struct imap_sort_criterion *criterion)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("ARRIVAL"), IMAP_SORT_ARRIVAL},
        {BYTES_INIT("CC"), IMAP_SORT_CC},
        {BYTES_INIT("DATE"), IMAP_SORT_DATE},
        {BYTES_INIT("FROM"), IMAP_SORT_FROM},
        {BYTES_INIT("SIZE"), IMAP_SORT_SIZE},
        {BYTES_INIT("SUBJECT"), IMAP_SORT_SUBJECT},
        {BYTES_INIT("TO"), IMAP_SORT_TO},
        {BYTES_INIT("DISPLAYFROM"), IMAP_SORT_DISPLAYFROM},
        {BYTES_INIT("DISPLAYTO"), IMAP_SORT_DISPLAYTO},
    };
    unsigned key;
    criterion->is_reverse = imap_token_try_name(tokens, BYTES("REVERSE"));
    if (criterion->is_reverse && !imap_token_take_blank(tokens))
        return false;
    if (!imap_token_take_name(tokens, "sort key", names, sizeof names / sizeof *names, &key))
        return false;
    criterion->key = (enum imap_sort_key)key;
    return true;
}

bool imap_command_search_sort(struct imap_tokens *tokens, struct imap_command *command)
{
    struct imap_search *search = &command->search;
    bool has_more = true;
    if (!imap_token_take_open(tokens))
        return false;
    while (has_more) {
        if (search->sort_count == IMAP_COMMAND_SORT_KEYS_MAX)
            return imap_token_refuse(tokens, FAULT_LIMIT, "too many sort keys");
        if (!read_criterion(tokens, &search->sort[search->sort_count++]) ||
            !imap_token_take_more(tokens, &has_more))
            return false;
    }
    return imap_token_take_blank(tokens) && read_charset(tokens, search) &&
           imap_command_search_key(tokens, search);
}

bool imap_command_search_thread(struct imap_tokens *tokens, struct imap_command *command)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("ORDEREDSUBJECT"), IMAP_THREAD_ORDEREDSUBJECT},
        {BYTES_INIT("REFERENCES"), IMAP_THREAD_REFERENCES},
    };
    struct imap_search *search = &command->search;
    unsigned algorithm;
    if (!imap_token_take_name(tokens, "algorithm", names, sizeof names / sizeof *names, &algorithm))
        return false;
    search->algorithm = (enum imap_thread_algorithm)algorithm;
    return imap_token_take_blank(tokens) && read_charset(tokens, search) &&
           imap_command_search_key(tokens, search);
}
