/* A command as one line of text, so that tests can say what they expect and compare two readings.
 */
#ifndef IMAP_COMMAND_PRINT_H
#define IMAP_COMMAND_PRINT_H

#include "imap/imap_command.h"

static inline void print_text(struct buffer *out, const char *before, struct bytes text)
{
    buffer_append_string(out, before);
    if (text.data == NULL) {
        buffer_append_string(out, "nil");
        return;
    }
    buffer_append_char(out, '\'');
    buffer_append(out, text);
    buffer_append_char(out, '\'');
}

static inline void print_number(struct buffer *out, const char *before, uint64_t number)
{
    buffer_append_string(out, before);
    buffer_append_unsigned(out, number);
}

static inline void print_end(struct buffer *out, uint32_t number)
{
    if (number == IMAP_SEQUENCE_STAR)
        buffer_append_char(out, '*');
    else
        buffer_append_unsigned(out, number);
}

static inline void print_sequence(struct buffer *out, const char *before,
                                  const struct imap_sequence *sequence)
{
    buffer_append_string(out, before);
    if (sequence->is_saved)
        buffer_append_char(out, '$');
    for (size_t i = 0; i < sequence->count; i++) {
        if (i > 0)
            buffer_append_char(out, ',');
        print_end(out, sequence->ranges[i].first);
        if (sequence->ranges[i].last != sequence->ranges[i].first) {
            buffer_append_char(out, ':');
            print_end(out, sequence->ranges[i].last);
        }
    }
}

static inline void print_flags(struct buffer *out, const struct imap_flags *flags)
{
    print_number(out, " flags ", flags->system);
    for (size_t i = 0; i < flags->keyword_count; i++)
        print_text(out, " ", flags->keywords[i]);
}

static inline void print_section(struct buffer *out, const struct imap_section *section)
{
    static const char *const kinds[] = {
        [IMAP_SECTION_ALL] = "",           [IMAP_SECTION_HEADER] = " header",
        [IMAP_SECTION_FIELDS] = " fields", [IMAP_SECTION_FIELDS_NOT] = " fields-not",
        [IMAP_SECTION_TEXT] = " text",     [IMAP_SECTION_MIME] = " mime"};
    buffer_append_char(out, '[');
    for (size_t i = 0; i < section->depth; i++)
        print_number(out, i > 0 ? "." : "", section->path[i]);
    buffer_append_string(out, kinds[section->kind]);
    for (size_t i = 0; i < section->field_count; i++)
        print_text(out, " ", section->fields[i]);
    buffer_append_char(out, ']');
}

static inline void print_fetch(struct buffer *out, const struct imap_fetch *fetch)
{
    static const char *const kinds[] = {
        "flags",     "uid",         "internaldate", "size",     "envelope",      "body",
        "structure", "modseq",      "section",      "rfc822",   "rfc822.header", "rfc822.text",
        "binary",    "binary.size", "preview",      "savedate", "emailid",       "threadid"};
    print_sequence(out, " ", &fetch->sequence);
    for (size_t i = 0; i < fetch->item_count; i++) {
        const struct imap_fetch_item *item = &fetch->items[i];
        buffer_append_char(out, ' ');
        buffer_append_string(out, kinds[item->kind]);
        if (item->kind == IMAP_FETCH_SECTION || item->kind == IMAP_FETCH_BINARY ||
            item->kind == IMAP_FETCH_BINARY_SIZE)
            print_section(out, &item->section);
        if (item->is_partial) {
            print_number(out, "<", item->offset);
            print_number(out, ".", item->count);
            buffer_append_char(out, '>');
        }
        buffer_append_string(out, item->is_peek ? " peek" : "");
        buffer_append_string(out, item->is_lazy ? " lazy" : "");
    }
    if (fetch->has_changed_since)
        print_number(out, " since ", fetch->changed_since);
    buffer_append_string(out, fetch->wants_vanished ? " vanished" : "");
}

static inline void print_one_key(struct buffer *out, const struct imap_search_key *key)
{
    static const char *const kinds[] = {
        "and",      "or",          "not",         "all",     "has",        "lacks",
        "keyword",  "no-keyword",  "recent",      "new",     "old",        "numbers",
        "uids",     "from",        "to",          "cc",      "bcc",        "subject",
        "header",   "body",        "text",        "larger",  "smaller",    "before",
        "on",       "since",       "sent-before", "sent-on", "sent-since", "saved-before",
        "saved-on", "saved-since", "saved?",      "older",   "younger",    "modseq",
        "emailid",  "threadid"};
    buffer_append_string(out, kinds[key->kind]);
    if (key->flags != 0)
        print_number(out, " ", key->flags);
    if (key->kind == IMAP_SEARCH_SEQUENCE || key->kind == IMAP_SEARCH_UIDS)
        print_sequence(out, " ", &key->sequence);
    if (key->name.data != NULL)
        print_text(out, " ", key->name);
    if (key->text.data != NULL)
        print_text(out, " ", key->text);
    if (key->number != 0)
        print_number(out, " ", key->number);
    if (key->day != 0)
        buffer_append_format(out, " day %d", (int)key->day);
}

/* The tree is as deep as the header promises, which is not very: no recursion of ours may hide it.
 */
enum {
    PRINT_DEPTH_MAX = 512
};

static inline size_t print_key(struct buffer *out, const struct imap_search_key *root)
{
    const struct imap_search_key *open[PRINT_DEPTH_MAX];
    size_t depth = 0;
    size_t deepest = 0;
    const struct imap_search_key *key = root;
    while (key != NULL) {
        print_one_key(out, key);
        if (key->children != NULL) {
            assert(depth < PRINT_DEPTH_MAX);
            open[depth++] = key;
            deepest = depth > deepest ? depth : deepest;
            buffer_append_char(out, '(');
            key = key->children;
            continue;
        }
        while (key->next == NULL && depth > 0) {
            key = open[--depth];
            buffer_append_char(out, ')');
        }
        key = depth > 0 ? key->next : NULL;
        if (key != NULL)
            buffer_append_string(out, ", ");
    }
    return deepest;
}

static inline void print_search(struct buffer *out, const struct imap_search *search)
{
    if (search->has_return)
        print_number(out, " return ", search->returns);
    if (search->charset.data != NULL)
        print_text(out, " charset ", search->charset);
    for (size_t i = 0; i < search->sort_count; i++) {
        print_number(out, " by ", search->sort[i].key);
        buffer_append_string(out, search->sort[i].is_reverse ? " reverse" : "");
    }
    if (search->algorithm != 0)
        print_number(out, " algorithm ", search->algorithm);
    buffer_append_string(out, search->has_modseq ? " modseq " : " ");
    print_key(out, search->root);
}

static inline void print_list(struct buffer *out, const struct imap_list *list)
{
    buffer_append_string(out, list->is_extended ? " extended" : "");
    if (list->selects != 0)
        print_number(out, " selects ", list->selects);
    print_text(out, " ", list->reference);
    for (size_t i = 0; i < list->pattern_count; i++)
        print_text(out, " ", list->patterns[i]);
    if (list->returns != 0)
        print_number(out, " returns ", list->returns);
    if (list->status != 0)
        print_number(out, " status ", list->status);
}

static inline void print_select(struct buffer *out, const struct imap_select *select)
{
    buffer_append_string(out, select->has_condstore ? " condstore" : "");
    if (!select->has_qresync)
        return;
    print_number(out, " qresync ", select->uidvalidity);
    print_number(out, " ", select->modseq);
    print_sequence(out, " known ", &select->known_uids);
    print_sequence(out, " numbers ", &select->match_numbers);
    print_sequence(out, " uids ", &select->match_uids);
}

static inline void print_store(struct buffer *out, const struct imap_store *store)
{
    static const char *const modes[] = {" set", " add", " remove"};
    print_sequence(out, " ", &store->sequence);
    buffer_append_string(out, modes[store->mode]);
    buffer_append_string(out, store->is_silent ? " silent" : "");
    print_flags(out, &store->flags);
    if (store->has_unchanged_since)
        print_number(out, " since ", store->unchanged_since);
}

static inline void print_arguments(struct buffer *out, const struct imap_command *command)
{
    switch (command->verb) {
    case IMAP_LOGIN:
        print_text(out, " ", command->login.user);
        print_text(out, " ", command->login.password);
        break;
    case IMAP_AUTHENTICATE:
        print_text(out, " ", command->authenticate.mechanism);
        print_text(out, " ", command->authenticate.response);
        break;
    case IMAP_SELECT:
    case IMAP_EXAMINE:
        print_select(out, &command->select);
        break;
    case IMAP_CREATE:
        print_number(out, " ", command->use);
        break;
    case IMAP_LIST:
    case IMAP_LSUB:
        print_list(out, &command->list);
        break;
    case IMAP_STATUS:
        print_number(out, " ", command->status);
        break;
    case IMAP_FETCH:
        print_fetch(out, &command->fetch);
        break;
    case IMAP_SEARCH:
    case IMAP_SORT:
    case IMAP_THREAD:
        print_search(out, &command->search);
        break;
    case IMAP_STORE:
        print_store(out, &command->store);
        break;
    case IMAP_COPY:
    case IMAP_MOVE:
    case IMAP_EXPUNGE:
        print_sequence(out, " ", &command->sequence);
        break;
    case IMAP_ID:
        for (size_t i = 0; i < command->id.count; i++) {
            print_text(out, " ", command->id.fields[i].name);
            print_text(out, "=", command->id.fields[i].value);
        }
        break;
    case IMAP_ENABLE:
        print_number(out, " ", command->enable);
        break;
    case IMAP_GETQUOTA:
    case IMAP_SETQUOTA:
        print_text(out, " ", command->root);
        break;
    default:
        break;
    }
}

static inline void print_command(struct buffer *out, const struct imap_command *command)
{
    buffer_append(out, command->tag);
    buffer_append_string(out, command->is_uid ? " uid " : " ");
    buffer_append_string(out, imap_verb_name(command->verb));
    if (command->mailbox.data != NULL)
        print_text(out, " ", command->mailbox);
    if (command->new_name.data != NULL)
        print_text(out, " ", command->new_name);
    print_arguments(out, command);
}

#endif
