/* LIST and LSUB: which names are answered, and their lines (RFC 9051 6.3.9, RFC 3501 6.3.9,
 * RFC 5258, RFC 6154). */
#include <stdlib.h>

#include "imap/imap_mailbox_name.h"
#include "imap/imap_write.h"
#include "session/imap_mailboxes_inside.h"

/* ---- choosing ---- */

/* RFC 3501 6.3.9: levels above are named by LSUB for "%" only. */
static bool has_percent(const struct imap_mailboxes *mailboxes)
{
    for (size_t i = 0; i < mailboxes->pattern_count; i++)
        if (memchr(mailboxes->patterns[i].data, '%', mailboxes->patterns[i].length) != NULL)
            return true;
    return false;
}

/* A pattern stands behind the reference: "a/" and "%" are "a/%". */
static bool join_patterns(struct imap_mailboxes *mailboxes)
{
    const struct imap_list *list = &mailboxes->command->list;
    struct bytes *patterns =
        arena_allocate_array(&mailboxes->arena, list->pattern_count, sizeof *patterns);
    for (size_t i = 0; patterns != NULL && i < list->pattern_count; i++) {
        struct bytes pattern = list->patterns[i];
        char *joined =
            arena_allocate(&mailboxes->arena, list->reference.length + pattern.length + 1);
        if (joined == NULL)
            return false;
        if (list->reference.length > 0)
            memcpy(joined, list->reference.data, list->reference.length);
        if (pattern.length > 0)
            memcpy(joined + list->reference.length, pattern.data, pattern.length);
        patterns[i] = bytes_of(joined, list->reference.length + pattern.length);
    }
    mailboxes->patterns = patterns;
    mailboxes->pattern_count = list->pattern_count;
    return patterns != NULL;
}

bool imap_mailboxes_list_prepare(struct imap_mailboxes *mailboxes, struct fault *fault)
{
    if (!join_patterns(mailboxes))
        return fault_set_memory(fault);
    if (mailboxes->verb == IMAP_LIST)
        mailboxes->selects = mailboxes->command->list.selects;
    else
        mailboxes->selects =
            IMAP_LIST_SUBSCRIBED | (has_percent(mailboxes) ? IMAP_LIST_RECURSIVEMATCH : 0U);
    return true;
}

struct choice {
    struct imap_mailboxes *mailboxes;
    unsigned selects;
    struct bytes *above; /* names that are no mailboxes and have one below that is selected */
    size_t above_count;
    size_t above_capacity;
};

static bool fits(const struct choice *choice, struct bytes name)
{
    const struct imap_mailboxes *mailboxes = choice->mailboxes;
    for (size_t i = 0; i < mailboxes->pattern_count; i++)
        if (imap_mailbox_name_fits(mailboxes->patterns[i], name))
            return true;
    return false;
}

static bool is_selected(const struct choice *choice, const struct store_mailbox *item)
{
    if ((choice->selects & IMAP_LIST_SUBSCRIBED) != 0 && !item->is_subscribed)
        return false;
    if ((choice->selects & IMAP_LIST_SPECIAL_USE) != 0 && item->role <= STORE_ROLE_INBOX)
        return false;
    /* A name that is only subscribed to is no mailbox (RFC 9051 6.3.9.1). */
    return item->id != 0 || (choice->selects & IMAP_LIST_SUBSCRIBED) != 0;
}

static bool add_above(struct choice *choice, struct bytes name)
{
    if (choice->above_count == choice->above_capacity) {
        size_t wanted = choice->above_capacity == 0 ? 64 : choice->above_capacity * 2;
        void *grown = reallocarray(choice->above, wanted, sizeof *choice->above);
        if (grown == NULL)
            return false;
        choice->above = grown;
        choice->above_capacity = wanted;
    }
    choice->above[choice->above_count++] = name;
    return true;
}

/* Marks the levels above a mailbox that is selected; it is hidden when no pattern fits it. */
static bool mark_above(struct choice *choice, struct bytes name, bool is_hidden)
{
    const struct store_mailbox_list *list = &choice->mailboxes->list;
    for (size_t end = name.length; end > 0; end--) {
        if (name.data[end - 1] != '/')
            continue;
        struct bytes level = bytes_slice(name, 0, end - 1);
        const struct store_mailbox *item = store_mailbox_list_find(list, level);
        if (item != NULL) {
            struct imap_mailboxes_line *line = &choice->mailboxes->lines[item - list->items];
            line->has_selected_below = true;
            line->has_hidden_below = line->has_hidden_below || is_hidden;
        } else if (is_hidden && fits(choice, level) && !add_above(choice, level)) {
            return false;
        }
    }
    return true;
}

static bool mark_all_above(struct choice *choice)
{
    const struct store_mailbox_list *list = &choice->mailboxes->list;
    for (size_t i = 0; i < list->count; i++) {
        const struct store_mailbox *item = &list->items[i];
        if (is_selected(choice, item) && !mark_above(choice, item->name, !fits(choice, item->name)))
            return false;
    }
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const struct bytes *a = left;
    const struct bytes *b = right;
    return bytes_compare(*a, *b);
}

/* Keeps the lines that are answered, behind them the levels that are no mailboxes. */
static bool keep_lines(struct choice *choice)
{
    struct imap_mailboxes *mailboxes = choice->mailboxes;
    const struct store_mailbox_list *list = &mailboxes->list;
    struct imap_mailboxes_line *lines = mailboxes->lines;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct imap_mailboxes_line line = lines[i];
        line.item = &list->items[i];
        line.name = line.item->name;
        /* RFC 9051 6.3.9.3: what is not meant itself only for the sake of what is not listed. */
        if ((is_selected(choice, line.item) || line.has_hidden_below) && fits(choice, line.name))
            lines[kept++] = line;
    }
    mailboxes->line_count = kept;
    if (choice->above_count == 0)
        return true;
    qsort(choice->above, choice->above_count, sizeof *choice->above, compare_names);
    struct imap_mailboxes_line *all = arena_allocate_array(
        &mailboxes->arena, kept + choice->above_count, sizeof *mailboxes->lines);
    if (all == NULL)
        return false;
    memcpy(all, lines, kept * sizeof *lines);
    for (size_t i = 0; i < choice->above_count; i++)
        if (i == 0 || !bytes_equal(choice->above[i], choice->above[i - 1]))
            all[kept++] = (struct imap_mailboxes_line){NULL, choice->above[i], true, true};
    mailboxes->lines = all;
    mailboxes->line_count = kept;
    return true;
}

bool imap_mailboxes_list_choose(struct imap_mailboxes *mailboxes, struct fault *fault)
{
    struct choice choice = {
        .mailboxes = mailboxes,
        .selects = mailboxes->selects,
    };
    mailboxes->lines = arena_allocate_array(&mailboxes->arena, mailboxes->list.count + 1,
                                            sizeof *mailboxes->lines);
    bool is_done = mailboxes->lines != NULL &&
                   ((choice.selects & IMAP_LIST_RECURSIVEMATCH) == 0 || mark_all_above(&choice)) &&
                   keep_lines(&choice);
    free(choice.above);
    return is_done || fault_set_memory(fault);
}

/* ---- lines ---- */

static const char *const uses[] = {[STORE_ROLE_DRAFTS] = "\\Drafts",
                                   [STORE_ROLE_SENT] = "\\Sent",
                                   [STORE_ROLE_JUNK] = "\\Junk",
                                   [STORE_ROLE_TRASH] = "\\Trash",
                                   [STORE_ROLE_ARCHIVE] = "\\Archive"};

static void write_attribute(struct buffer *out, const char *attribute)
{
    if (buffer_bytes(out).data[out->length - 1] != '(')
        buffer_append_char(out, ' ');
    buffer_append_string(out, attribute);
}

static void write_attributes(const struct imap_mailboxes *mailboxes,
                             const struct imap_mailboxes_line *line, struct buffer *out)
{
    const struct imap_list *list = &mailboxes->command->list;
    const struct store_mailbox *item = line->item;
    bool is_lsub = mailboxes->verb == IMAP_LSUB;
    bool exists = item != NULL && item->id != 0;
    if (is_lsub) {
        /* RFC 3501 6.3.9: a level above one that is subscribed to. */
        if (item == NULL || !item->is_subscribed || (exists && !item->is_selectable))
            write_attribute(out, "\\Noselect");
        return;
    }
    if (!exists)
        write_attribute(out, "\\NonExistent");
    else if (!item->is_selectable)
        write_attribute(out, "\\Noselect");
    if (item != NULL && item->is_subscribed &&
        ((list->returns & IMAP_LIST_RETURN_SUBSCRIBED) != 0 ||
         (list->selects & IMAP_LIST_SUBSCRIBED) != 0))
        write_attribute(out, "\\Subscribed");
    if (item == NULL || item->has_children)
        write_attribute(out, "\\HasChildren");
    else
        write_attribute(out, "\\HasNoChildren");
    if (item != NULL && item->role > STORE_ROLE_INBOX &&
        (size_t)item->role < sizeof(uses) / sizeof(uses[0]))
        write_attribute(out, uses[item->role]);
}

void imap_mailboxes_list_write(const struct imap_mailboxes *mailboxes,
                               const struct imap_mailboxes_line *line, struct buffer *out)
{
    const struct imap_list *list = &mailboxes->command->list;
    bool is_rev2 = imap_context_is_rev2(mailboxes->context);
    bool is_lsub = mailboxes->verb == IMAP_LSUB;
    buffer_append_string(out, is_lsub ? "* LSUB (" : "* LIST (");
    write_attributes(mailboxes, line, out);
    buffer_append_string(out, ") \"/\" ");
    imap_write_mailbox(out, line->name, is_rev2);
    /* RFC 9051 6.3.9.6: the criteria that something below has met. */
    if (!is_lsub && line->has_selected_below && (list->selects & IMAP_LIST_SUBSCRIBED) != 0)
        buffer_append_string(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    buffer_append_string(out, "\r\n");
    /* RFC 5819 2: nothing is said of what cannot be selected, nor of what is only above others
       that were meant. */
    bool is_meant = (list->selects & IMAP_LIST_SUBSCRIBED) == 0 ||
                    (line->item != NULL && line->item->is_subscribed);
    if ((list->returns & IMAP_LIST_RETURN_STATUS) != 0 && is_meant && line->item != NULL &&
        line->item->id != 0 && line->item->is_selectable)
        imap_mailboxes_write_status(mailboxes, line->item, line->name, list->status, out);
}
