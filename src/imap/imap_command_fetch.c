/* FETCH: RFC 9051 6.4.5, RFC 3501 6.4.5, RFC 3516 (BINARY), RFC 7162 (modifiers), RFC 8970
   (PREVIEW), RFC 8474 (ids), RFC 8514 (SAVEDATE). */
#include "imap/imap_command_inside.h"

enum word {
    WORD_FLAGS = IMAP_FETCH_FLAGS, /* the items without a section have their kind's number */
    WORD_BODY = IMAP_FETCH_BODY,   /* with a section or without */
    WORD_BODY_PEEK = 100,
    WORD_BINARY,
    WORD_BINARY_PEEK,
    WORD_BINARY_SIZE
};

static const struct imap_token_name words[] = {
    {BYTES_INIT("FLAGS"), WORD_FLAGS},
    {BYTES_INIT("UID"), IMAP_FETCH_UID},
    {BYTES_INIT("INTERNALDATE"), IMAP_FETCH_INTERNALDATE},
    {BYTES_INIT("RFC822.SIZE"), IMAP_FETCH_SIZE},
    {BYTES_INIT("ENVELOPE"), IMAP_FETCH_ENVELOPE},
    {BYTES_INIT("BODY"), WORD_BODY},
    {BYTES_INIT("BODY.PEEK"), WORD_BODY_PEEK},
    {BYTES_INIT("BODYSTRUCTURE"), IMAP_FETCH_BODYSTRUCTURE},
    {BYTES_INIT("MODSEQ"), IMAP_FETCH_MODSEQ},
    {BYTES_INIT("RFC822"), IMAP_FETCH_RFC822},
    {BYTES_INIT("RFC822.HEADER"), IMAP_FETCH_RFC822_HEADER},
    {BYTES_INIT("RFC822.TEXT"), IMAP_FETCH_RFC822_TEXT},
    {BYTES_INIT("BINARY"), WORD_BINARY},
    {BYTES_INIT("BINARY.PEEK"), WORD_BINARY_PEEK},
    {BYTES_INIT("BINARY.SIZE"), WORD_BINARY_SIZE},
    {BYTES_INIT("PREVIEW"), IMAP_FETCH_PREVIEW},
    {BYTES_INIT("SAVEDATE"), IMAP_FETCH_SAVEDATE},
    {BYTES_INIT("EMAILID"), IMAP_FETCH_EMAILID},
    {BYTES_INIT("THREADID"), IMAP_FETCH_THREADID},
};

/* The items as they gather. */
struct items {
    struct imap_fetch_item list[IMAP_COMMAND_FETCH_ITEMS_MAX + 2]; /* and UID, MODSEQ */
    size_t count;
    uint32_t known; /* kinds that stand there, but for sections */
};

static bool is_section(enum imap_fetch_kind kind)
{
    return kind == IMAP_FETCH_SECTION || kind == IMAP_FETCH_BINARY ||
           kind == IMAP_FETCH_BINARY_SIZE;
}

static void add_kind(struct items *items, enum imap_fetch_kind kind)
{
    if ((items->known & 1U << kind) != 0)
        return;
    items->known |= 1U << kind;
    items->list[items->count++] = (struct imap_fetch_item){.kind = kind};
}

static bool add_item(struct imap_tokens *tokens, struct items *items,
                     const struct imap_fetch_item *item)
{
    if (!is_section(item->kind) && (items->known & 1U << item->kind) != 0)
        return true;
    if (items->count == IMAP_COMMAND_FETCH_ITEMS_MAX)
        return imap_token_refuse(tokens, FAULT_LIMIT, "too many items");
    if (!is_section(item->kind))
        items->known |= 1U << item->kind;
    items->list[items->count++] = *item;
    return true;
}

/* ---- Sections ---- */

/* RFC 9051 9, section-part: numbers with dots between them. What follows the last dot, if it is no
   number, is the section's text. */
static bool read_path(struct imap_tokens *tokens, struct imap_section *section, bool *has_text)
{
    uint32_t path[IMAP_COMMAND_SECTION_DEPTH_MAX];
    *has_text = true;
    for (;;) {
        int c = imap_token_peek(tokens);
        uint64_t number;
        if (c < '0' || c > '9')
            break;
        if (!imap_token_take_number(tokens, "part", 1, UINT32_MAX, &number))
            return false;
        if (section->depth == IMAP_COMMAND_SECTION_DEPTH_MAX)
            return imap_token_refuse(tokens, FAULT_LIMIT, "a part is too deep");
        path[section->depth++] = (uint32_t)number;
        *has_text = imap_token_try_char(tokens, '.');
        if (!*has_text)
            break;
    }
    section->path = imap_token_copy(tokens, path, section->depth, sizeof *path);
    return section->path != NULL;
}

static bool read_fields(struct imap_tokens *tokens, struct imap_section *section)
{
    struct bytes fields[IMAP_COMMAND_HEADER_NAMES_MAX];
    bool has_more = true;
    if (!imap_token_take_blank(tokens) || !imap_token_take_open(tokens))
        return false;
    while (has_more) {
        if (section->field_count == IMAP_COMMAND_HEADER_NAMES_MAX)
            return imap_token_refuse(tokens, FAULT_LIMIT, "too many header fields");
        if (!imap_token_take_astring(tokens, "header field", &fields[section->field_count++]) ||
            !imap_token_take_more(tokens, &has_more))
            return false;
    }
    section->fields = imap_token_copy(tokens, fields, section->field_count, sizeof *fields);
    return section->fields != NULL;
}

static bool read_section_text(struct imap_tokens *tokens, struct imap_section *section)
{
    static const struct imap_token_name names[] = {
        {BYTES_INIT("HEADER"), IMAP_SECTION_HEADER},
        {BYTES_INIT("HEADER.FIELDS"), IMAP_SECTION_FIELDS},
        {BYTES_INIT("HEADER.FIELDS.NOT"), IMAP_SECTION_FIELDS_NOT},
        {BYTES_INIT("TEXT"), IMAP_SECTION_TEXT},
        {BYTES_INIT("MIME"), IMAP_SECTION_MIME},
    };
    unsigned kind;
    if (!imap_token_take_name(tokens, "section", names, sizeof names / sizeof *names, &kind))
        return false;
    section->kind = (enum imap_section_kind)kind;
    /* RFC 9051 6.4.5: the message as a whole has no MIME header. */
    if (kind == IMAP_SECTION_MIME && section->depth == 0)
        return imap_token_refuse(tokens, FAULT_SYNTAX, "MIME stands behind a part's number");
    return (kind != IMAP_SECTION_FIELDS && kind != IMAP_SECTION_FIELDS_NOT) ||
           read_fields(tokens, section);
}

static bool read_section(struct imap_tokens *tokens, struct imap_fetch_item *item)
{
    bool has_text;
    if (!imap_token_try_char(tokens, '['))
        return imap_token_expected(tokens, "[");
    if (!read_path(tokens, &item->section, &has_text))
        return false;
    bool is_empty = item->section.depth == 0 && imap_token_peek(tokens) == ']';
    if (has_text && !is_empty) {
        if (item->kind != IMAP_FETCH_SECTION)
            return imap_token_refuse(tokens, FAULT_SYNTAX, "BINARY takes a part's number only");
        if (!read_section_text(tokens, &item->section))
            return false;
    }
    return imap_token_try_char(tokens, ']') || imap_token_expected(tokens, "]");
}

/* RFC 9051 9, partial. More than can be there is as good as all. */
static bool read_partial(struct imap_tokens *tokens, struct imap_fetch_item *item)
{
    uint64_t count;
    if (!imap_token_try_char(tokens, '<'))
        return true;
    item->is_partial = true;
    if (!imap_token_take_number(tokens, "offset", 0, INT64_MAX, &item->offset))
        return false;
    if (!imap_token_try_char(tokens, '.'))
        return imap_token_expected(tokens, ".");
    if (!imap_token_take_number(tokens, "count", 1, INT64_MAX, &count))
        return false;
    item->count = count < UINT32_MAX ? (uint32_t)count : UINT32_MAX;
    return imap_token_try_char(tokens, '>') || imap_token_expected(tokens, ">");
}

/* ---- Items ---- */

/* RFC 8970 6: "PREVIEW (LAZY)". */
static bool read_preview(struct imap_tokens *tokens, struct items *items,
                         struct imap_fetch_item *item)
{
    struct scan ahead = tokens->scan;
    if (scan_take_literal_ignoring_case(&ahead, BYTES(" (LAZY)"))) {
        tokens->scan = ahead;
        item->is_lazy = true;
    }
    /* Asked for both ways, it is not lazy. */
    for (size_t i = 0; i < items->count && !item->is_lazy; i++) {
        if (items->list[i].kind == IMAP_FETCH_PREVIEW)
            items->list[i].is_lazy = false;
    }
    return add_item(tokens, items, item);
}

static bool read_item(struct imap_tokens *tokens, unsigned word, struct items *items)
{
    struct imap_fetch_item item = {.kind = IMAP_FETCH_SECTION};
    switch (word) {
    case WORD_BODY:
        if (imap_token_peek(tokens) != '[') {
            item.kind = IMAP_FETCH_BODY;
            return add_item(tokens, items, &item);
        }
        break;
    case WORD_BODY_PEEK:
        item.is_peek = true;
        break;
    case WORD_BINARY:
    case WORD_BINARY_PEEK:
        item.kind = IMAP_FETCH_BINARY;
        item.is_peek = word == WORD_BINARY_PEEK;
        break;
    case WORD_BINARY_SIZE:
        item.kind = IMAP_FETCH_BINARY_SIZE;
        item.is_peek = true;
        break;
    case IMAP_FETCH_PREVIEW:
        item.kind = IMAP_FETCH_PREVIEW;
        return read_preview(tokens, items, &item);
    default:
        item.kind = (enum imap_fetch_kind)word;
        return add_item(tokens, items, &item);
    }
    return read_section(tokens, &item) &&
           (item.kind == IMAP_FETCH_BINARY_SIZE || read_partial(tokens, &item)) &&
           add_item(tokens, items, &item);
}

static bool read_next(struct imap_tokens *tokens, struct items *items)
{
    unsigned word;
    return imap_token_take_name(tokens, "item", words, sizeof words / sizeof *words, &word) &&
           read_item(tokens, word, items);
}

/* RFC 9051 6.4.5: they stand alone. */
static bool try_macro(struct imap_tokens *tokens, struct items *items)
{
    bool is_all = imap_token_try_name(tokens, BYTES("ALL"));
    bool is_full = !is_all && imap_token_try_name(tokens, BYTES("FULL"));
    if (!is_all && !is_full && !imap_token_try_name(tokens, BYTES("FAST")))
        return false;
    add_kind(items, IMAP_FETCH_FLAGS);
    add_kind(items, IMAP_FETCH_INTERNALDATE);
    add_kind(items, IMAP_FETCH_SIZE);
    if (is_all || is_full)
        add_kind(items, IMAP_FETCH_ENVELOPE);
    if (is_full)
        add_kind(items, IMAP_FETCH_BODY);
    return true;
}

static bool read_items(struct imap_tokens *tokens, struct items *items)
{
    bool has_more = true;
    if (try_macro(tokens, items))
        return true;
    if (!imap_token_try_char(tokens, '('))
        return read_next(tokens, items);
    while (has_more) {
        if (!read_next(tokens, items) || !imap_token_take_more(tokens, &has_more))
            return false;
    }
    return true;
}

static bool read_modifier(struct imap_tokens *tokens, struct imap_fetch *fetch)
{
    enum {
        CHANGEDSINCE,
        VANISHED
    };
    static const struct imap_token_name names[] = {
        {BYTES_INIT("CHANGEDSINCE"), CHANGEDSINCE},
        {BYTES_INIT("VANISHED"), VANISHED},
    };
    unsigned name;
    if (!imap_token_take_name(tokens, "modifier", names, sizeof names / sizeof *names, &name))
        return false;
    if (name == VANISHED) {
        fetch->wants_vanished = true;
        return true;
    }
    fetch->has_changed_since = true;
    return imap_token_take_blank(tokens) && imap_token_take_modseq(tokens, &fetch->changed_since);
}

static bool read_modifiers(struct imap_tokens *tokens, unsigned enabled,
                           struct imap_command *command)
{
    struct imap_fetch *fetch = &command->fetch;
    bool has_more = true;
    if (!imap_token_take_blank(tokens) || !imap_token_take_open(tokens))
        return false;
    while (has_more) {
        if (!read_modifier(tokens, fetch) || !imap_token_take_more(tokens, &has_more))
            return false;
    }
    /* RFC 7162 3.2.6. */
    if (fetch->wants_vanished && (enabled & IMAP_ENABLED_QRESYNC) == 0)
        return imap_token_refuse(tokens, FAULT_SYNTAX, "QRESYNC is not enabled");
    if (fetch->wants_vanished && (!fetch->has_changed_since || !command->is_uid))
        return imap_token_refuse(tokens, FAULT_SYNTAX,
                                 "VANISHED goes with CHANGEDSINCE in UID FETCH");
    return true;
}

bool imap_command_fetch(struct imap_tokens *tokens, unsigned enabled, struct imap_command *command)
{
    struct imap_fetch *fetch = &command->fetch;
    struct items items;
    items.count = 0;
    items.known = 0;
    if (!imap_token_take_sequence(tokens, &fetch->sequence) || !imap_token_take_blank(tokens) ||
        !read_items(tokens, &items))
        return false;
    if (!imap_token_is_at_end(tokens) && !read_modifiers(tokens, enabled, command))
        return false;
    if (command->is_uid)
        add_kind(&items, IMAP_FETCH_UID);
    if (fetch->has_changed_since)
        add_kind(&items, IMAP_FETCH_MODSEQ);
    fetch->items = imap_token_copy(tokens, items.list, items.count, sizeof *items.list);
    fetch->item_count = items.count;
    return fetch->items != NULL;
}
