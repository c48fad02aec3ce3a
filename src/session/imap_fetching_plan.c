/* Copies the items of a FETCH and says what has to be read for them. */
#include "session/imap_fetching_plan.h"

#include "imap/imap_section.h"
#include "store/store_fetch.h"

/* Names of items that have no section, with the blank behind them. */
static const struct bytes names[] = {
    [IMAP_FETCH_FLAGS] = BYTES_INIT("FLAGS "),
    [IMAP_FETCH_UID] = BYTES_INIT("UID "),
    [IMAP_FETCH_INTERNALDATE] = BYTES_INIT("INTERNALDATE "),
    [IMAP_FETCH_SIZE] = BYTES_INIT("RFC822.SIZE "),
    [IMAP_FETCH_ENVELOPE] = BYTES_INIT("ENVELOPE "),
    [IMAP_FETCH_BODY] = BYTES_INIT("BODY "),
    [IMAP_FETCH_BODYSTRUCTURE] = BYTES_INIT("BODYSTRUCTURE "),
    [IMAP_FETCH_MODSEQ] = BYTES_INIT("MODSEQ "),
    [IMAP_FETCH_PREVIEW] = BYTES_INIT("PREVIEW "),
    [IMAP_FETCH_SAVEDATE] = BYTES_INIT("SAVEDATE "),
    [IMAP_FETCH_EMAILID] = BYTES_INIT("EMAILID "),
    [IMAP_FETCH_THREADID] = BYTES_INIT("THREADID "),
};

/* What of a message a section lies in. */
static unsigned section_wants(const struct imap_section *section)
{
    if (section->depth > 0 || section->kind == IMAP_SECTION_TEXT)
        return STORE_FETCH_STRUCTURE | STORE_FETCH_DATA;
    return section->kind == IMAP_SECTION_ALL ? STORE_FETCH_DATA : STORE_FETCH_HEADER;
}

static unsigned item_wants(const struct imap_fetching_item *item)
{
    switch (item->kind) {
    case IMAP_FETCH_ENVELOPE:
        return STORE_FETCH_ENVELOPE;
    case IMAP_FETCH_BODY:
    case IMAP_FETCH_BODYSTRUCTURE:
        return STORE_FETCH_STRUCTURE;
    case IMAP_FETCH_SECTION:
    case IMAP_FETCH_BINARY:
        return section_wants(&item->section);
    case IMAP_FETCH_BINARY_SIZE:
        return STORE_FETCH_STRUCTURE | STORE_FETCH_DATA;
    case IMAP_FETCH_PREVIEW:
        return STORE_FETCH_STRUCTURE | STORE_FETCH_DATA;
    default:
        return 0;
    }
}

static bool is_of_view(enum imap_fetch_kind kind)
{
    return kind == IMAP_FETCH_FLAGS || kind == IMAP_FETCH_UID || kind == IMAP_FETCH_MODSEQ ||
           kind == IMAP_FETCH_THREADID;
}

/* RFC 9051 6.4.5: what sets \Seen where it is no peek. */
static bool is_of_content(enum imap_fetch_kind kind)
{
    return kind == IMAP_FETCH_SECTION || kind == IMAP_FETCH_RFC822 ||
           kind == IMAP_FETCH_RFC822_TEXT || kind == IMAP_FETCH_BINARY;
}

static bool copy_bytes(struct arena *arena, struct bytes from, struct bytes *to)
{
    const char *copy = arena_copy_string(arena, from);
    *to = bytes_of(copy, from.length);
    return copy != NULL;
}

static bool copy_section(struct arena *arena, const struct imap_section *from,
                         struct imap_section *to)
{
    uint32_t *path = arena_allocate_array(arena, from->depth, sizeof *path);
    struct bytes *fields = arena_allocate_array(arena, from->field_count, sizeof *fields);
    if (path == NULL || fields == NULL)
        return false;
    if (from->depth > 0)
        memcpy(path, from->path, from->depth * sizeof *path);
    for (size_t i = 0; i < from->field_count; i++)
        if (!copy_bytes(arena, from->fields[i], &fields[i]))
            return false;
    *to = (struct imap_section){from->kind, path, from->depth, fields, from->field_count};
    return true;
}

static bool has_section(enum imap_fetch_kind kind)
{
    return kind == IMAP_FETCH_SECTION || kind == IMAP_FETCH_BINARY ||
           kind == IMAP_FETCH_BINARY_SIZE || kind == IMAP_FETCH_RFC822 ||
           kind == IMAP_FETCH_RFC822_HEADER || kind == IMAP_FETCH_RFC822_TEXT;
}

static bool copy_name(struct arena *arena, const struct imap_fetch_item *from, struct bytes *name)
{
    AUTO(buffer)
    text = BUFFER(IMAP_FETCHING_PLAN_MAX);
    if (!has_section(from->kind)) {
        *name = names[from->kind];
        return true;
    }
    imap_section_write_name(from, &text);
    buffer_append_char(&text, ' ');
    return !buffer_is_failed(&text) && copy_bytes(arena, buffer_bytes(&text), name);
}

/* RFC 3501 6.4.5: RFC822, RFC822.HEADER and RFC822.TEXT are sections under other names. */
static void make_section(struct imap_fetching_item *item)
{
    if (item->kind == IMAP_FETCH_RFC822_HEADER)
        item->section.kind = IMAP_SECTION_HEADER;
    else if (item->kind == IMAP_FETCH_RFC822_TEXT)
        item->section.kind = IMAP_SECTION_TEXT;
    else if (item->kind != IMAP_FETCH_RFC822)
        return;
    item->kind = IMAP_FETCH_SECTION;
}

static bool copy_item(struct imap_fetching_plan *plan, const struct imap_fetch_item *from,
                      struct imap_fetching_item *to)
{
    *to = (struct imap_fetching_item){.kind = from->kind,
                                      .is_partial = from->is_partial,
                                      .offset = from->offset,
                                      .count = from->count};
    if (!copy_name(&plan->arena, from, &to->name) ||
        (has_section(from->kind) && !copy_section(&plan->arena, &from->section, &to->section)))
        return false;
    make_section(to);
    plan->wants |= item_wants(to);
    plan->is_of_view = plan->is_of_view && is_of_view(to->kind);
    plan->has_flags = plan->has_flags || to->kind == IMAP_FETCH_FLAGS;
    plan->sets_seen = plan->sets_seen || (is_of_content(from->kind) && !from->is_peek);
    return true;
}

bool imap_fetching_plan_init(struct imap_fetching_plan *plan, const struct imap_fetch *fetch,
                             bool is_rev2, struct fault *fault)
{
    *plan = (struct imap_fetching_plan){.arena = ARENA(IMAP_FETCHING_PLAN_MAX),
                                        .count = fetch->item_count,
                                        .is_of_view = true,
                                        .is_utf8 = is_rev2,
                                        .has_recent = !is_rev2};
    plan->items = arena_allocate_array(&plan->arena, plan->count, sizeof *plan->items);
    bool is_done = plan->items != NULL;
    for (size_t i = 0; is_done && i < plan->count; i++)
        is_done = copy_item(plan, &fetch->items[i], &plan->items[i]);
    if (is_done)
        return true;
    imap_fetching_plan_clear(plan);
    return fault_set_memory(fault);
}

void imap_fetching_plan_clear(struct imap_fetching_plan *plan)
{
    arena_clear(&plan->arena);
}
