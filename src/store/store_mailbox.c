/* Reading mailboxes: all of an account with their whole names, or one by its name. */
#include "store/store_mailboxes.h"

#include <stdlib.h>

#include "db/db.h"
#include "store/store_delivery.h"
#include "store/store_mailboxes_inside.h"

enum {
    /* Bytes of all whole names of an account: far more than is allowed to be made. */
    NAMES_MAX = 2 * STORE_MAILBOXES_MAX * STORE_MAILBOX_NAME_MAX,
    LEVELS_MAX = STORE_MAILBOX_NAME_MAX /* of a name; what is deeper goes round */
};

#define COLUMNS                                                                                    \
    "id, role, is_selectable, uidvalidity, uidnext, modseq, recent, messages, unseen, deleted, "   \
    "bytes"

static void take_row(const struct db_rows *rows, struct store_mailbox *mailbox)
{
    mailbox->id = db_rows_number(rows, 0);
    mailbox->role = (enum store_role)db_rows_number(rows, 1);
    mailbox->is_selectable = db_rows_number(rows, 2) != 0;
    mailbox->uidvalidity = (uint32_t)db_rows_number(rows, 3);
    /* It may be one more than a UID can be: then the mailbox is full. */
    int64_t uidnext = db_rows_number(rows, 4);
    mailbox->uidnext = uidnext > UINT32_MAX ? UINT32_MAX : (uint32_t)uidnext;
    mailbox->modseq = (uint64_t)db_rows_number(rows, 5);
    int64_t recent = db_rows_number(rows, 6);
    mailbox->recent = recent > UINT32_MAX ? UINT32_MAX : (uint32_t)recent;
    mailbox->messages = (uint64_t)db_rows_number(rows, 7);
    mailbox->unseen = (uint64_t)db_rows_number(rows, 8);
    mailbox->deleted = (uint64_t)db_rows_number(rows, 9);
    mailbox->bytes = (uint64_t)db_rows_number(rows, 10);
}

/* ---- all ---- */

/* A mailbox while the list is made. */
struct node {
    struct store_mailbox mailbox;
    int64_t parent;
    size_t above; /* index of the parent; SIZE_MAX = none */
    size_t level; /* where its own name stands in `levels` */
    size_t level_length;
    size_t name; /* where its whole name stands in the list's names */
    bool is_named;
};

struct tree {
    struct node *nodes; /* by id */
    size_t count;
    size_t capacity;
    struct buffer levels;
};

static void tree_clear(struct tree *tree)
{
    free(tree->nodes);
    buffer_clear(&tree->levels);
}

static struct node *add_node(struct tree *tree, struct fault *fault)
{
    if (tree->count == tree->capacity) {
        size_t capacity = tree->capacity == 0 ? 16 : tree->capacity * 2;
        struct node *nodes = realloc(tree->nodes, capacity * sizeof(*nodes));
        if (nodes == NULL) {
            fault_set_memory(fault);
            return NULL;
        }
        tree->nodes = nodes;
        tree->capacity = capacity;
    }
    struct node *node = &tree->nodes[tree->count++];
    *node = (struct node){.above = SIZE_MAX};
    return node;
}

static bool read_nodes(struct db *db, int64_t account, struct tree *tree, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT " COLUMNS ", parent, name FROM mailbox WHERE account = $1 ORDER BY id", NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &read, DB_VALUES(db_number(account)), &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        struct node *node = add_node(tree, fault);
        if (node == NULL)
            return false;
        struct bytes level = db_rows_bytes(&rows, 12);
        take_row(&rows, &node->mailbox);
        node->parent = db_rows_number(&rows, 11);
        node->level = tree->levels.length;
        node->level_length = level.length;
        buffer_append(&tree->levels, level);
    }
    return db_rows_finish(&rows, fault) &&
           (!buffer_is_failed(&tree->levels) || fault_set_memory(fault));
}

static size_t find_node(const struct tree *tree, int64_t id)
{
    size_t low = 0;
    size_t high = tree->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (tree->nodes[middle].mailbox.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < tree->count && tree->nodes[low].mailbox.id == id ? low : SIZE_MAX;
}

static void link_nodes(struct tree *tree)
{
    for (size_t i = 0; i < tree->count; i++) {
        struct node *node = &tree->nodes[i];
        node->above = node->parent == 0 ? SIZE_MAX : find_node(tree, node->parent);
        if (node->above != SIZE_MAX)
            tree->nodes[node->above].mailbox.has_children = true;
    }
}

/* Writes the whole name, from the top down. What hangs on nothing, or on itself, gets none: `store
   check` tells of it. */
static void name_node(struct tree *tree, struct node *node, struct buffer *names)
{
    const struct node *path[LEVELS_MAX];
    size_t depth = 0;
    for (const struct node *at = node; depth < LEVELS_MAX; at = &tree->nodes[at->above]) {
        path[depth++] = at;
        if (at->above == SIZE_MAX)
            break;
    }
    const struct node *top = path[depth - 1];
    if (top->parent != 0)
        return;
    node->is_named = true;
    node->name = names->length;
    while (depth > 0) {
        const struct node *level = path[--depth];
        buffer_append(names,
                      bytes_slice(buffer_bytes(&tree->levels), level->level, level->level_length));
        if (depth > 0)
            buffer_append_char(names, '/');
    }
    node->mailbox.name.length = names->length - node->name;
}

/* The names have come to rest. */
static bool take_items(const struct tree *tree, struct store_mailbox_list *list,
                       struct fault *fault)
{
    list->items = calloc(tree->count + 1, sizeof(*list->items));
    if (list->items == NULL)
        return fault_set_memory(fault);
    for (size_t i = 0; i < tree->count; i++) {
        const struct node *node = &tree->nodes[i];
        if (!node->is_named)
            continue;
        struct store_mailbox *mailbox = &list->items[list->count++];
        *mailbox = node->mailbox;
        mailbox->name = bytes_slice(buffer_bytes(&list->names), node->name, mailbox->name.length);
    }
    return true;
}

static int compare_names(const void *left, const void *right)
{
    const struct store_mailbox *a = left;
    const struct store_mailbox *b = right;
    bool is_inbox = bytes_equal(a->name, BYTES("INBOX"));
    if (is_inbox != bytes_equal(b->name, BYTES("INBOX")))
        return is_inbox ? -1 : 1;
    return bytes_compare(a->name, b->name);
}

static bool read_mailboxes(struct db *db, int64_t account, struct store_mailbox_list *list,
                           struct fault *fault)
{
    AUTO(tree)
    tree = {.levels = BUFFER(NAMES_MAX)};
    if (!read_nodes(db, account, &tree, fault))
        return false;
    link_nodes(&tree);
    for (size_t i = 0; i < tree.count; i++)
        name_node(&tree, &tree.nodes[i], &list->names);
    if (buffer_is_failed(&list->names))
        return fault_set_memory(fault);
    if (!take_items(&tree, list, fault))
        return false;
    qsort(list->items, list->count, sizeof(*list->items), compare_names);
    return true;
}

/* ---- subscriptions ---- */

static bool read_subscriptions(struct db *db, int64_t account, struct buffer *names, size_t *count,
                               struct fault *fault)
{
    static const struct db_statement read = {"SELECT name FROM subscription WHERE account = $1",
                                             NULL};
    AUTO(db_rows)
    rows = {0};
    *count = 0;
    if (!db_query(db, &read, DB_VALUES(db_number(account)), &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        buffer_append(names, db_rows_bytes(&rows, 0));
        buffer_append_char(names, '\0');
        (*count)++;
    }
    return db_rows_finish(&rows, fault) && (!buffer_is_failed(names) || fault_set_memory(fault));
}

const struct store_mailbox *store_mailbox_list_find(const struct store_mailbox_list *list,
                                                    struct bytes name)
{
    struct store_mailbox wanted = {.name = name};
    return list->count == 0
               ? NULL
               : bsearch(&wanted, list->items, list->count, sizeof(*list->items), compare_names);
}

/* Marks those that are there, and appends the others, whose names go behind those of `list`. */
static bool take_subscriptions(struct store_mailbox_list *list, struct bytes names, size_t count,
                               struct fault *fault)
{
    struct store_mailbox *items =
        realloc(list->items, (list->count + count + 1) * sizeof(*list->items));
    if (items == NULL)
        return fault_set_memory(fault);
    list->items = items;
    size_t mailboxes = list->count;
    size_t others = mailboxes;
    struct bytes name;
    while (bytes_split(names, '\0', &name, &names)) {
        struct store_mailbox_list known = {.items = items, .count = mailboxes};
        const struct store_mailbox *found = store_mailbox_list_find(&known, name);
        if (found != NULL)
            items[found - items].is_subscribed = true;
        else
            items[others++] = (struct store_mailbox){.name = name, .is_subscribed = true};
    }
    list->count = others;
    qsort(items, others, sizeof(*items), compare_names);
    return true;
}

/* The names of mailboxes and the others are put into one piece of memory. */
static bool join_names(struct store_mailbox_list *list, struct bytes subscribed,
                       struct fault *fault)
{
    AUTO(buffer)
    joined = BUFFER(2 * (size_t)NAMES_MAX);
    buffer_append(&joined, buffer_bytes(&list->names));
    buffer_append(&joined, subscribed);
    if (buffer_is_failed(&joined))
        return fault_set_memory(fault);
    const char *old = buffer_bytes(&list->names).data;
    const char *new = buffer_bytes(&joined).data;
    for (size_t i = 0; i < list->count; i++)
        list->items[i].name.data = new + (list->items[i].name.data - old);
    struct buffer names = list->names;
    list->names = joined;
    joined = names;
    return true;
}

static bool read_all(struct db *db, int64_t account, struct store_mailbox_list *list,
                     struct fault *fault)
{
    AUTO(buffer)
    subscribed = BUFFER(NAMES_MAX);
    size_t count;
    if (!read_mailboxes(db, account, list, fault) ||
        !read_subscriptions(db, account, &subscribed, &count, fault))
        return false;
    size_t start = list->names.length;
    if (!join_names(list, buffer_bytes(&subscribed), fault))
        return false;
    return take_subscriptions(list, bytes_skip(buffer_bytes(&list->names), start), count, fault);
}

bool store_mailbox_list_read(struct db *db, int64_t account, struct store_mailbox_list *list,
                             struct fault *fault)
{
    struct store_mailbox_list made = {.names = BUFFER(NAMES_MAX)};
    if (!read_all(db, account, &made, fault)) {
        store_mailbox_list_clear(&made);
        return false;
    }
    *list = made;
    return true;
}

static void set_deleted_bytes(struct store_mailbox_list *list, int64_t mailbox, uint64_t bytes)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].id == mailbox)
            list->items[i].deleted_bytes = bytes;
}

bool store_mailbox_list_add_deleted(struct db *db, int64_t account, struct store_mailbox_list *list,
                                    struct fault *fault)
{
    /* Few mailboxes have any. */
    static const struct db_statement add = {
        "SELECT m.mailbox, SUM(m.size) FROM mailbox b JOIN message m ON m.mailbox = b.id "
        "WHERE b.account = $1 AND b.deleted > 0 AND (m.flags & $2) <> 0 GROUP BY m.mailbox",
        NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &add, DB_VALUES(db_number(account), db_number(STORE_FLAG_DELETED)), &rows,
                  fault))
        return false;
    while (db_rows_next(&rows))
        set_deleted_bytes(list, db_rows_number(&rows, 0), (uint64_t)db_rows_number(&rows, 1));
    return db_rows_finish(&rows, fault);
}

void store_mailbox_list_clear(struct store_mailbox_list *list)
{
    if (list == NULL)
        return;
    free(list->items);
    list->items = NULL;
    list->count = 0;
    buffer_clear(&list->names);
}

/* ---- one ---- */

bool store_mailbox_tree_level(struct db *db, int64_t account, int64_t parent, struct bytes level,
                              struct store_mailbox *mailbox, bool *is_found, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT " COLUMNS " FROM mailbox WHERE account = $1 AND parent = $2 AND name = $3", NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &read, DB_VALUES(db_number(account), db_number(parent), db_text(level)),
                      &rows, is_found, fault))
        return false;
    if (*is_found)
        take_row(&rows, mailbox);
    return true;
}

static bool read_deleted_bytes(struct db *db, struct store_mailbox *mailbox, struct fault *fault)
{
    static const struct db_statement add = {
        "SELECT COALESCE(SUM(size), 0) FROM message WHERE mailbox = $1 AND (flags & $2) <> 0",
        NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (mailbox->deleted == 0)
        return true;
    if (!db_query_one(db, &add, DB_VALUES(db_number(mailbox->id), db_number(STORE_FLAG_DELETED)),
                      &rows, &is_found, fault))
        return false;
    mailbox->deleted_bytes = (uint64_t)db_rows_number(&rows, 0);
    return true;
}

bool store_mailbox_find(struct db *db, int64_t account, struct bytes name, bool wants_deleted_bytes,
                        struct store_mailbox *mailbox, bool *is_found, struct fault *fault)
{
    struct store_mailbox found = {0};
    struct bytes level;
    struct bytes rest = name;
    bool is_there;
    bool has_more;
    do {
        has_more = bytes_split(rest, '/', &level, &rest);
        if (!store_mailbox_tree_level(db, account, found.id, level, &found, &is_there, fault))
            return false;
    } while (is_there && has_more);
    if (is_there) {
        if (wants_deleted_bytes && !read_deleted_bytes(db, &found, fault))
            return false;
        found.name = name;
        *mailbox = found;
    }
    *is_found = is_there;
    return true;
}
