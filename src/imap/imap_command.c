/* Tag and verb, then what stands behind: the short commands here, families in files of their own.
 */
#include "imap/imap_command.h"

#include <string.h>

#include "imap/imap_command_inside.h"
#include "imap/imap_verb.h"

/* RFC 9051 9, tag: an astring's characters without "+". */
static bool take_tag(struct scan *scan, struct bytes *tag)
{
    struct bytes taken = scan_take_while(scan, &imap_token_astring);
    if (taken.length == 0 || taken.length > IMAP_TAG_MAX || bytes_has_char(taken, '+'))
        return false;
    *tag = taken;
    return true;
}

/* *word is the verb as it was written, behind UID if that was said. */
static bool take_verb(struct scan *scan, struct bytes *word, bool *is_uid)
{
    *is_uid = false;
    *word = scan_take_while(scan, &imap_token_atom);
    if (!bytes_equal_ignoring_case(*word, BYTES("UID")) || !scan_take_char(scan, ' '))
        return word->length > 0;
    *is_uid = true;
    *word = scan_take_while(scan, &imap_token_atom);
    return word->length > 0;
}

bool imap_command_read_verb(struct bytes text, struct bytes *tag, enum imap_verb *verb,
                            bool *is_uid, struct bytes *rest, struct fault *fault)
{
    struct scan scan = scan_of(text);
    struct bytes word;
    *tag = (struct bytes){NULL, 0};
    *verb = IMAP_NO_VERB;
    *is_uid = false;
    if (!take_tag(&scan, tag))
        return fault_set(fault, FAULT_SYNTAX, "a command begins with a tag of at most %d bytes",
                         (int)IMAP_TAG_MAX);
    if (!scan_take_char(&scan, ' ')) {
        if (!scan_is_at_end(&scan) && scan_peek(&scan) != '\r')
            *tag = (struct bytes){NULL, 0};
        return fault_set(fault, FAULT_SYNTAX, "a blank and a command stand behind the tag");
    }
    if (!take_verb(&scan, &word, is_uid))
        return fault_set(fault, FAULT_SYNTAX, "a command stands behind the tag");
    *verb = imap_verb_find(word, *is_uid);
    scan_take_char(&scan, ' ');
    *rest = scan_rest(&scan);
    return true;
}

/* RFC 5161 3.1: words that are not known are passed over. */
static bool read_enable(struct imap_tokens *tokens, struct imap_command *command)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("CONDSTORE"), IMAP_ENABLED_CONDSTORE},
        {BYTES_INIT("QRESYNC"), IMAP_ENABLED_QRESYNC | IMAP_ENABLED_CONDSTORE},
        {BYTES_INIT("IMAP4REV2"), IMAP_ENABLED_REV2},
    };
    do {
        struct bytes word;
        unsigned value;
        if (!imap_token_take_atom(tokens, "capability", &word))
            return false;
        if (imap_token_find(word, names, sizeof names / sizeof *names, &value))
            command->enable |= value;
    } while (!imap_token_is_at_end(tokens) && imap_token_try_char(tokens, ' '));
    return true;
}

/* RFC 6154 3 and 5.3: what may stand behind USE. */
static bool read_use(struct imap_tokens *tokens, unsigned *use)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("DRAFTS"), IMAP_USE_DRAFTS},   {BYTES_INIT("SENT"), IMAP_USE_SENT},
        {BYTES_INIT("JUNK"), IMAP_USE_JUNK},       {BYTES_INIT("TRASH"), IMAP_USE_TRASH},
        {BYTES_INIT("ARCHIVE"), IMAP_USE_ARCHIVE},
    };
    bool has_more = true;
    while (has_more) {
        struct bytes word;
        unsigned value = IMAP_USE_UNKNOWN;
        if (!imap_token_try_char(tokens, '\\'))
            return imap_token_expected(tokens, "special use");
        if (!imap_token_take_atom(tokens, "special use", &word))
            return false;
        (void)imap_token_find(word, names, sizeof names / sizeof *names, &value);
        *use |= value;
        if (!imap_token_take_more(tokens, &has_more))
            return false;
    }
    return true;
}

static bool read_create(struct imap_tokens *tokens, struct imap_command *command)
{
    struct bytes *name = &command->mailbox;
    if (!imap_token_take_mailbox_as_supplied(tokens, name, &command->supplied))
        return false;
    /* RFC 9051 6.3.4: it says that there will be children, and is no part of the name. */
    if (name->length > 1 && name->data[name->length - 1] == '/')
        name->length--;
    if (imap_token_is_at_end(tokens))
        return true;
    if (!imap_token_take_blank(tokens) || !imap_token_take_open(tokens))
        return false;
    if (!imap_token_try_name(tokens, BYTES("USE")))
        return imap_token_expected(tokens, "USE");
    return imap_token_take_blank(tokens) && imap_token_take_open(tokens) &&
           read_use(tokens, &command->use) && imap_token_take_close(tokens);
}

static bool read_rename(struct imap_tokens *tokens, struct imap_command *command)
{
    return imap_token_take_mailbox_as_supplied(tokens, &command->mailbox, &command->supplied) &&
           imap_token_take_blank(tokens) && imap_token_take_mailbox(tokens, &command->new_name);
}

static bool read_status(struct imap_tokens *tokens, struct imap_command *command)
{
    return imap_token_take_mailbox(tokens, &command->mailbox) && imap_token_take_blank(tokens) &&
           imap_command_list_status_items(tokens, &command->status);
}

/* RFC 9208 4.1.1. The limits are checked and forgotten: nobody sets them here. */
static bool read_setquota(struct imap_tokens *tokens, struct imap_command *command)
{
    bool has_more = true;
    if (!imap_token_take_astring(tokens, "quota root", &command->root) ||
        !imap_token_take_blank(tokens) || !imap_token_take_open(tokens))
        return false;
    if (imap_token_try_char(tokens, ')'))
        return true;
    while (has_more) {
        struct bytes resource;
        uint64_t limit;
        if (!imap_token_take_atom(tokens, "resource", &resource) ||
            !imap_token_take_blank(tokens) ||
            !imap_token_take_number(tokens, "limit", 0, INT64_MAX, &limit) ||
            !imap_token_take_more(tokens, &has_more))
            return false;
    }
    return true;
}

static bool read_compress(struct imap_tokens *tokens)
{
    struct bytes word;
    if (!imap_token_take_atom(tokens, "algorithm", &word))
        return false;
    return bytes_equal_ignoring_case(word, BYTES("DEFLATE")) ||
           imap_token_refuse_word(tokens, "unknown algorithm", word);
}

static bool read_copy(struct imap_tokens *tokens, struct imap_command *command)
{
    return imap_token_take_sequence(tokens, &command->sequence) && imap_token_take_blank(tokens) &&
           imap_token_take_mailbox(tokens, &command->mailbox);
}

/* What stands behind verb and blank. */
static bool read_arguments(struct imap_tokens *tokens, unsigned enabled,
                           struct imap_command *command)
{
    switch (command->verb) {
    case IMAP_ID:
        return imap_command_login_id(tokens, command);
    case IMAP_AUTHENTICATE:
        return imap_command_login_authenticate(tokens, command);
    case IMAP_LOGIN:
        return imap_command_login(tokens, command);
    case IMAP_ENABLE:
        return read_enable(tokens, command);
    case IMAP_SELECT:
    case IMAP_EXAMINE:
        return imap_command_select(tokens, enabled, command);
    case IMAP_CREATE:
        return read_create(tokens, command);
    case IMAP_DELETE:
        return imap_token_take_mailbox_as_supplied(tokens, &command->mailbox, &command->supplied);
    case IMAP_SUBSCRIBE:
    case IMAP_UNSUBSCRIBE:
    case IMAP_GETQUOTAROOT:
        return imap_token_take_mailbox(tokens, &command->mailbox);
    case IMAP_RENAME:
        return read_rename(tokens, command);
    case IMAP_LIST:
    case IMAP_LSUB:
        return imap_command_list(tokens, command);
    case IMAP_STATUS:
        return read_status(tokens, command);
    case IMAP_GETQUOTA:
        return imap_token_take_astring(tokens, "quota root", &command->root);
    case IMAP_SETQUOTA:
        return read_setquota(tokens, command);
    case IMAP_COMPRESS:
        return read_compress(tokens);
    case IMAP_EXPUNGE:
        return imap_token_take_sequence(tokens, &command->sequence);
    case IMAP_SEARCH:
        return imap_command_search(tokens, command);
    case IMAP_SORT:
        return imap_command_search_sort(tokens, command);
    case IMAP_THREAD:
        return imap_command_search_thread(tokens, command);
    case IMAP_FETCH:
        return imap_command_fetch(tokens, enabled, command);
    case IMAP_STORE:
        return imap_command_store(tokens, command);
    case IMAP_COPY:
    case IMAP_MOVE:
        return read_copy(tokens, command);
    default:
        return imap_token_refuse(tokens, FAULT_SYNTAX, "not read in this way");
    }
}

static bool has_arguments(const struct imap_command *command)
{
    switch (command->verb) {
    case IMAP_CAPABILITY:
    case IMAP_NOOP:
    case IMAP_LOGOUT:
    case IMAP_STARTTLS:
    case IMAP_NAMESPACE:
    case IMAP_IDLE:
    case IMAP_CHECK:
    case IMAP_CLOSE:
    case IMAP_UNSELECT:
        return false;
    case IMAP_EXPUNGE:
        return command->is_uid;
    default:
        return true;
    }
}

static bool read_command(struct imap_tokens *tokens, unsigned enabled, struct imap_command *command)
{
    struct bytes word;
    if (!take_tag(&tokens->scan, &command->tag) || !imap_token_try_char(tokens, ' '))
        return imap_token_refuse(tokens, FAULT_SYNTAX, "begins with a tag and a blank");
    if (!take_verb(&tokens->scan, &word, &command->is_uid))
        return imap_token_expected(tokens, "command");
    command->verb = imap_verb_find(word, command->is_uid);
    if (command->verb == IMAP_NO_VERB && command->is_uid)
        tokens->verb = "UID";
    if (command->verb == IMAP_NO_VERB)
        return imap_token_refuse_word(tokens, "unknown", word);
    tokens->verb = imap_verb_name(command->verb);
    tokens->is_secret = command->verb == IMAP_LOGIN || command->verb == IMAP_AUTHENTICATE;
    return (!has_arguments(command) ||
            (imap_token_take_blank(tokens) && read_arguments(tokens, enabled, command))) &&
           imap_token_take_end(tokens);
}

bool imap_command_parse(struct bytes text, const struct imap_command_mode *mode,
                        struct arena *arena, struct imap_command *command, struct fault *fault)
{
    struct imap_tokens tokens = {
        .arena = arena,
        .verb = imap_verb_name(IMAP_NO_VERB),
        .fault = fault,
        .is_utf8 = (mode->enabled & IMAP_ENABLED_REV2) != 0,
    };
    struct imap_command read;
    memset(&read, 0, sizeof read);
    if (!imap_token_begin(&tokens, text) || !read_command(&tokens, mode->enabled, &read))
        return false;
    *command = read;
    return true;
}

bool imap_command_parse_append(struct bytes text, bool is_first,
                               const struct imap_command_mode *mode, struct arena *arena,
                               struct imap_command *command, struct imap_append *append,
                               bool *is_end, struct fault *fault)
{
    struct imap_tokens tokens = {
        .arena = arena,
        .verb = imap_verb_name(IMAP_APPEND),
        .fault = fault,
        .is_utf8 = (mode->enabled & IMAP_ENABLED_REV2) != 0,
    };
    *is_end = !is_first && text.length == 0;
    return *is_end || (imap_token_begin(&tokens, text) &&
                       imap_command_append_head(&tokens, is_first, command, append));
}
