/* Commands of IMAP in words, as talks expect them. */
#include "talk_imap_command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A word that is being put together; cut when it is too long. */
struct word {
    char text[2048];
    size_t length;
};

static void add(struct word *word, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct word *word, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (word->length < sizeof word->text - 1)
        word->length += (size_t)vsnprintf(word->text + word->length,
                                          sizeof word->text - word->length, format, arguments);
    va_end(arguments);
}

static void add_separator(struct word *word)
{
    if (word->length > 0 && strchr("([", word->text[word->length - 1]) == NULL)
        add(word, ",");
}

/* Those bits of the set whose names are given. */
static void add_set(struct word *word, unsigned set, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((set >> i & 1) != 0) {
            add_separator(word);
            add(word, "%s", names[i]);
        }
    }
}

static void add_text(struct word *word, struct bytes bytes)
{
    for (size_t i = 0; i < bytes.length; i++) {
        unsigned char c = (unsigned char)bytes.data[i];
        if (c < ' ' || c == 127)
            add(word, "<%02x>", c);
        else
            add(word, "%c", c);
    }
}

static void add_number(struct talk_event *event, const char *key, unsigned long long number)
{
    struct word word = {0};
    add(&word, "%llu", number);
    talk_event_add(event, key, word.text);
}

void talk_imap_command_add_bytes(struct talk_event *event, const char *key, struct bytes bytes)
{
    struct word word = {0};
    add_text(&word, bytes);
    talk_event_add(event, key, word.text);
}

/* ---- sets and flags ---- */

static void add_end(struct word *word, uint32_t number)
{
    if (number == IMAP_SEQUENCE_STAR)
        add(word, "*");
    else
        add(word, "%u", number);
}

static void add_sequence(struct word *word, const struct imap_sequence *sequence)
{
    if (sequence->is_saved)
        add(word, "$");
    for (size_t i = 0; i < sequence->count; i++) {
        add(word, "%s", i > 0 ? "," : "");
        add_end(word, sequence->ranges[i].first);
        if (sequence->ranges[i].first != sequence->ranges[i].last) {
            add(word, ":");
            add_end(word, sequence->ranges[i].last);
        }
    }
}

static void tell_sequence(struct talk_event *event, const char *key,
                          const struct imap_sequence *sequence)
{
    struct word word = {0};
    add_sequence(&word, sequence);
    talk_event_add(event, key, word.text);
}

static const char *const flag_names[] = {"\\Seen", "\\Answered", "\\Flagged", "\\Deleted",
                                         "\\Draft"};

void talk_imap_command_add_flags(struct talk_event *event, const struct imap_flags *flags)
{
    struct word word = {0};
    add(&word, "(");
    add_set(&word, flags->system, flag_names, 5);
    for (size_t i = 0; i < flags->keyword_count; i++) {
        add_separator(&word);
        add_text(&word, flags->keywords[i]);
    }
    add(&word, ")");
    talk_event_add(event, "flags", word.text);
}

/* ---- FETCH ---- */

static void add_section(struct word *word, const struct imap_section *section)
{
    static const char *const names[] = {
        [IMAP_SECTION_ALL] = "",
        [IMAP_SECTION_HEADER] = "HEADER",
        [IMAP_SECTION_FIELDS] = "HEADER.FIELDS",
        [IMAP_SECTION_FIELDS_NOT] = "HEADER.FIELDS.NOT",
        [IMAP_SECTION_TEXT] = "TEXT",
        [IMAP_SECTION_MIME] = "MIME",
    };
    for (size_t i = 0; i < section->depth; i++)
        add(word, "%s%u", i > 0 ? "." : "", section->path[i]);
    add(word, "%s%s", section->depth > 0 && section->kind != IMAP_SECTION_ALL ? "." : "",
        names[section->kind]);
    for (size_t i = 0; i < section->field_count; i++) {
        add(word, "%s", i == 0 ? "(" : ",");
        add_text(word, section->fields[i]);
    }
    add(word, "%s", section->field_count > 0 ? ")" : "");
}

static void add_item(struct word *word, const struct imap_fetch_item *item)
{
    static const char *const names[] = {
        [IMAP_FETCH_FLAGS] = "FLAGS",
        [IMAP_FETCH_UID] = "UID",
        [IMAP_FETCH_INTERNALDATE] = "INTERNALDATE",
        [IMAP_FETCH_SIZE] = "RFC822.SIZE",
        [IMAP_FETCH_ENVELOPE] = "ENVELOPE",
        [IMAP_FETCH_BODY] = "BODY",
        [IMAP_FETCH_BODYSTRUCTURE] = "BODYSTRUCTURE",
        [IMAP_FETCH_MODSEQ] = "MODSEQ",
        [IMAP_FETCH_SECTION] = "BODY",
        [IMAP_FETCH_RFC822] = "RFC822",
        [IMAP_FETCH_RFC822_HEADER] = "RFC822.HEADER",
        [IMAP_FETCH_RFC822_TEXT] = "RFC822.TEXT",
        [IMAP_FETCH_BINARY] = "BINARY",
        [IMAP_FETCH_BINARY_SIZE] = "BINARY.SIZE",
        [IMAP_FETCH_PREVIEW] = "PREVIEW",
        [IMAP_FETCH_SAVEDATE] = "SAVEDATE",
        [IMAP_FETCH_EMAILID] = "EMAILID",
        [IMAP_FETCH_THREADID] = "THREADID",
    };
    bool has_section = item->kind == IMAP_FETCH_SECTION || item->kind == IMAP_FETCH_BINARY;
    add(word, "%s%s", names[item->kind], has_section && item->is_peek ? ".PEEK" : "");
    if (has_section || item->kind == IMAP_FETCH_BINARY_SIZE) {
        add(word, "[");
        add_section(word, &item->section);
        add(word, "]");
    }
    if (item->is_partial)
        add(word, "<%llu.%u>", (unsigned long long)item->offset, item->count);
    if (item->is_lazy)
        add(word, "(LAZY)");
}

static void tell_fetch(struct talk_event *event, const struct imap_fetch *fetch)
{
    struct word items = {0};
    add(&items, "(");
    for (size_t i = 0; i < fetch->item_count; i++) {
        add(&items, "%s", i > 0 ? "," : "");
        add_item(&items, &fetch->items[i]);
    }
    add(&items, ")");
    tell_sequence(event, "", &fetch->sequence);
    talk_event_add(event, "", items.text);
    if (fetch->has_changed_since)
        add_number(event, "changed-since", fetch->changed_since);
    if (fetch->wants_vanished)
        talk_event_add(event, "vanished", "yes");
}

/* ---- SEARCH, SORT, THREAD ---- */

static const char *const key_names[] = {
    [IMAP_SEARCH_AND] = "AND",
    [IMAP_SEARCH_OR] = "OR",
    [IMAP_SEARCH_NOT] = "NOT",
    [IMAP_SEARCH_ALL] = "ALL",
    [IMAP_SEARCH_FLAGS] = "FLAGS",
    [IMAP_SEARCH_NO_FLAGS] = "NO-FLAGS",
    [IMAP_SEARCH_KEYWORD] = "KEYWORD",
    [IMAP_SEARCH_NO_KEYWORD] = "NO-KEYWORD",
    [IMAP_SEARCH_RECENT] = "RECENT",
    [IMAP_SEARCH_NEW] = "NEW",
    [IMAP_SEARCH_OLD] = "OLD",
    [IMAP_SEARCH_SEQUENCE] = "SEQUENCE",
    [IMAP_SEARCH_UIDS] = "UIDS",
    [IMAP_SEARCH_FROM] = "FROM",
    [IMAP_SEARCH_TO] = "TO",
    [IMAP_SEARCH_CC] = "CC",
    [IMAP_SEARCH_BCC] = "BCC",
    [IMAP_SEARCH_SUBJECT] = "SUBJECT",
    [IMAP_SEARCH_HEADER] = "HEADER",
    [IMAP_SEARCH_BODY] = "BODY",
    [IMAP_SEARCH_TEXT] = "TEXT",
    [IMAP_SEARCH_LARGER] = "LARGER",
    [IMAP_SEARCH_SMALLER] = "SMALLER",
    [IMAP_SEARCH_BEFORE] = "BEFORE",
    [IMAP_SEARCH_ON] = "ON",
    [IMAP_SEARCH_SINCE] = "SINCE",
    [IMAP_SEARCH_SENTBEFORE] = "SENTBEFORE",
    [IMAP_SEARCH_SENTON] = "SENTON",
    [IMAP_SEARCH_SENTSINCE] = "SENTSINCE",
    [IMAP_SEARCH_SAVEDBEFORE] = "SAVEDBEFORE",
    [IMAP_SEARCH_SAVEDON] = "SAVEDON",
    [IMAP_SEARCH_SAVEDSINCE] = "SAVEDSINCE",
    [IMAP_SEARCH_SAVEDATESUPPORTED] = "SAVEDATESUPPORTED",
    [IMAP_SEARCH_OLDER] = "OLDER",
    [IMAP_SEARCH_YOUNGER] = "YOUNGER",
    [IMAP_SEARCH_MODSEQ] = "MODSEQ",
    [IMAP_SEARCH_EMAILID] = "EMAILID",
    [IMAP_SEARCH_THREADID] = "THREADID",
};

/* FROM:ann, LARGER:100, SEQUENCE:1:3. */
static void add_key_head(struct word *word, const struct imap_search_key *key)
{
    add(word, "%s", key_names[key->kind]);
    if (key->kind == IMAP_SEARCH_FLAGS || key->kind == IMAP_SEARCH_NO_FLAGS) {
        add(word, "(");
        add_set(word, key->flags, flag_names, 5);
        add(word, ")");
    }
    if (key->name.length > 0) {
        add(word, ":");
        add_text(word, key->name);
    }
    if (key->text.data != NULL) {
        add(word, ":");
        add_text(word, key->text);
    }
    if (key->sequence.count > 0 || key->sequence.is_saved) {
        add(word, ":");
        add_sequence(word, &key->sequence);
    }
    if (key->number > 0)
        add(word, ":%llu", (unsigned long long)key->number);
    if (key->day != 0)
        add(word, ":day%d", (int)key->day);
}

static void add_key(struct word *word, const struct imap_search_key *key)
{
    add_key_head(word, key);
    if (key->children == NULL)
        return;
    add(word, "(");
    for (const struct imap_search_key *child = key->children; child != NULL; child = child->next) {
        add(word, "%s", child == key->children ? "" : ",");
        add_key(word, child);
    }
    add(word, ")");
}

static void tell_sort(struct talk_event *event, const struct imap_search *search)
{
    static const char *const names[] = {"ARRIVAL", "CC", "DATE",        "FROM",     "SIZE",
                                        "SUBJECT", "TO", "DISPLAYFROM", "DISPLAYTO"};
    struct word word = {0};
    for (size_t i = 0; i < search->sort_count; i++)
        add(&word, "%s%s%s", i > 0 ? "," : "", search->sort[i].is_reverse ? "-" : "",
            names[search->sort[i].key]);
    talk_event_add(event, "by", word.text);
}

static void tell_search(struct talk_event *event, const struct imap_command *command)
{
    static const char *const returns[] = {"MIN", "MAX", "ALL", "COUNT", "SAVE"};
    const struct imap_search *search = &command->search;
    struct word keys = {0};
    struct word wanted = {0};
    if (search->root != NULL)
        add_key(&keys, search->root);
    talk_event_add(event, "", keys.text);
    if (search->has_return) {
        add_set(&wanted, search->returns, returns, 5);
        talk_event_add(event, "return", wanted.text);
    }
    if (search->charset.data != NULL)
        talk_imap_command_add_bytes(event, "charset", search->charset);
    if (command->verb == IMAP_SORT)
        tell_sort(event, search);
    if (command->verb == IMAP_THREAD)
        talk_event_add(event, "algorithm",
                       search->algorithm == IMAP_THREAD_REFERENCES ? "REFERENCES"
                                                                   : "ORDEREDSUBJECT");
}

/* ---- mailboxes ---- */

static const char *const status_names[] = {
    "MESSAGES", "RECENT",        "UIDNEXT",     "UIDVALIDITY", "UNSEEN",         "DELETED",
    "SIZE",     "HIGHESTMODSEQ", "APPENDLIMIT", "MAILBOXID",   "DELETED-STORAGE"};

static void tell_status(struct talk_event *event, unsigned items)
{
    struct word word = {0};
    add_set(&word, items, status_names, 11);
    talk_event_add(event, "items", word.text);
}

static void tell_select(struct talk_event *event, const struct imap_command *command)
{
    const struct imap_select *select = &command->select;
    if (select->has_condstore)
        talk_event_add(event, "condstore", "yes");
    if (!select->has_qresync)
        return;
    add_number(event, "uidvalidity", select->uidvalidity);
    add_number(event, "modseq", select->modseq);
    tell_sequence(event, "known", &select->known_uids);
    tell_sequence(event, "numbers", &select->match_numbers);
    tell_sequence(event, "uids", &select->match_uids);
}

static void tell_list(struct talk_event *event, const struct imap_list *list)
{
    static const char *const selects[] = {"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"};
    static const char *const returns[] = {"SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "STATUS"};
    struct word patterns = {0};
    struct word selected = {0};
    struct word returned = {0};
    for (size_t i = 0; i < list->pattern_count; i++) {
        add(&patterns, "%s", i > 0 ? "," : "");
        add_text(&patterns, list->patterns[i]);
    }
    add_set(&selected, list->selects, selects, 4);
    add_set(&returned, list->returns, returns, 4);
    talk_imap_command_add_bytes(event, "reference", list->reference);
    talk_event_add(event, "patterns", patterns.text);
    talk_event_add(event, "extended", list->is_extended ? "yes" : "no");
    talk_event_add(event, "select", selected.text);
    talk_event_add(event, "return", returned.text);
    if (list->status != 0)
        tell_status(event, list->status);
}

static void tell_store(struct talk_event *event, const struct imap_store *store)
{
    static const char *const modes[] = {"set", "add", "remove"};
    tell_sequence(event, "", &store->sequence);
    talk_event_add(event, "", modes[store->mode]);
    talk_imap_command_add_flags(event, &store->flags);
    talk_event_add(event, "silent", store->is_silent ? "yes" : "no");
    if (store->has_unchanged_since)
        add_number(event, "unchanged-since", store->unchanged_since);
}

/* ---- all of them ---- */

static void tell_rest(struct talk_event *event, const struct imap_command *command)
{
    switch (command->verb) {
    case IMAP_SELECT:
    case IMAP_EXAMINE:
        tell_select(event, command);
        break;
    case IMAP_CREATE:
        add_number(event, "use", command->use);
        break;
    case IMAP_LIST:
    case IMAP_LSUB:
        tell_list(event, &command->list);
        break;
    case IMAP_STATUS:
        tell_status(event, command->status);
        break;
    case IMAP_FETCH:
        tell_fetch(event, &command->fetch);
        break;
    case IMAP_SEARCH:
    case IMAP_SORT:
    case IMAP_THREAD:
        tell_search(event, command);
        break;
    case IMAP_STORE:
        tell_store(event, &command->store);
        break;
    case IMAP_COPY:
    case IMAP_MOVE:
        tell_sequence(event, "", &command->sequence);
        break;
    case IMAP_EXPUNGE:
        if (command->is_uid)
            tell_sequence(event, "", &command->sequence);
        break;
    case IMAP_GETQUOTA:
    case IMAP_SETQUOTA:
        talk_imap_command_add_bytes(event, "root", command->root);
        break;
    default:
        break;
    }
}

void talk_imap_command_describe(struct talk_event *event, const struct imap_command *command)
{
    talk_event_add(event, "", imap_verb_name(command->verb));
    if (command->is_uid)
        talk_event_add(event, "", "uid");
    tell_rest(event, command);
    if (command->mailbox.data != NULL)
        talk_imap_command_add_bytes(event, "mailbox", command->mailbox);
    if (command->new_name.data != NULL)
        talk_imap_command_add_bytes(event, "new-name", command->new_name);
}
