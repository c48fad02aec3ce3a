/* SELECT and EXAMINE with what RFC 7162 adds. */
#include "imap/imap_command_inside.h"

/* RFC 7162 7: sets without "*" and "$". */
static bool take_known(struct imap_tokens *tokens, struct imap_sequence *sequence)
{
    if (!imap_token_take_sequence(tokens, sequence))
        return false;
    bool is_known = !sequence->is_saved;
    for (size_t i = 0; i < sequence->count && is_known; i++)
        is_known = sequence->ranges[i].first != IMAP_SEQUENCE_STAR &&
                   sequence->ranges[i].last != IMAP_SEQUENCE_STAR;
    return is_known ||
           imap_token_refuse(tokens, FAULT_SYNTAX, "QRESYNC takes sets of numbers only");
}

/* "(" known-sequence-set SP known-uid-set ")" */
static bool read_match(struct imap_tokens *tokens, struct imap_select *select)
{
    return imap_token_take_open(tokens) && take_known(tokens, &select->match_numbers) &&
           imap_token_take_blank(tokens) && take_known(tokens, &select->match_uids) &&
           imap_token_take_close(tokens);
}

/* RFC 7162 3.2.5: uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] */
static bool read_qresync(struct imap_tokens *tokens, struct imap_select *select)
{
    uint64_t uidvalidity;
    if (!imap_token_take_blank(tokens) || !imap_token_take_open(tokens) ||
        !imap_token_take_number(tokens, "UIDVALIDITY", 1, UINT32_MAX, &uidvalidity) ||
        !imap_token_take_blank(tokens) || !imap_token_take_modseq(tokens, &select->modseq))
        return false;
    select->uidvalidity = (uint32_t)uidvalidity;
    bool has_more = imap_token_try_char(tokens, ' ');
    if (has_more && imap_token_peek(tokens) != '(') {
        if (!take_known(tokens, &select->known_uids))
            return false;
        has_more = imap_token_try_char(tokens, ' ');
    }
    return (!has_more || read_match(tokens, select)) && imap_token_take_close(tokens);
}

static bool read_parameter(struct imap_tokens *tokens, unsigned enabled, struct imap_select *select)
{
    enum {
        CONDSTORE,
        QRESYNC
    };
    static const struct imap_token_name names[] = {
        {BYTES_INIT("CONDSTORE"), CONDSTORE},
        {BYTES_INIT("QRESYNC"), QRESYNC},
    };
    unsigned name;
    if (!imap_token_take_name(tokens, "parameter", names, sizeof names / sizeof *names, &name))
        return false;
    if (name == CONDSTORE) {
        select->has_condstore = true;
        return true;
    }
    /* RFC 7162 3.2.5: it is BAD before ENABLE QRESYNC. */
    if ((enabled & IMAP_ENABLED_QRESYNC) == 0)
        return imap_token_refuse(tokens, FAULT_SYNTAX, "QRESYNC is not enabled");
    if (select->has_qresync)
        return imap_token_refuse(tokens, FAULT_SYNTAX, "QRESYNC stands twice");
    select->has_qresync = true;
    return read_qresync(tokens, select);
}

bool imap_command_select(struct imap_tokens *tokens, unsigned enabled, struct imap_command *command)
{
    bool has_more = true;
    if (!imap_token_take_mailbox_as_supplied(tokens, &command->mailbox, &command->supplied))
        return false;
    if (imap_token_is_at_end(tokens))
        return true;
    if (!imap_token_take_blank(tokens) || !imap_token_take_open(tokens))
        return false;
    while (has_more) {
        if (!read_parameter(tokens, enabled, &command->select) ||
            !imap_token_take_more(tokens, &has_more))
            return false;
    }
    return true;
}
