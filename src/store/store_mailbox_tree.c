/* The tree of an account's mailboxes: walking down a name, making levels, pruning them. */
#include <assert.h>

#include "base/clock.h"
#include "store/store_mailboxes_inside.h"

enum {
    MICROSECONDS = 1000 * 1000 /* of a second */
};

struct bytes store_mailbox_tree_name(struct bytes name)
{
    return name.length > 1 && bytes_ends_with(name, BYTES("/"))
               ? bytes_slice(name, 0, name.length - 1)
               : name;
}

bool store_mailbox_tree_is_name(struct bytes name)
{
    return name.length > 0 && name.data[0] != '/' && !bytes_ends_with(name, BYTES("/")) &&
           bytes_find(name, BYTES("//")) == BYTES_NOT_FOUND;
}

/* ---- down ---- */

bool store_mailbox_tree_walk(struct db *db, int64_t account, struct bytes name,
                             struct store_mailbox_path *path, struct fault *fault)
{
    *path = (struct store_mailbox_path){.missing = name};
    while (path->missing.length > 0) {
        struct bytes level;
        struct bytes rest;
        bool is_found;
        int64_t parent = path->mailbox.id;
        bytes_split(path->missing, '/', &level, &rest);
        if (!store_mailbox_tree_level(db, account, parent, level, &path->mailbox, &is_found, fault))
            return false;
        if (!is_found)
            return true;
        path->parent = parent;
        path->missing = rest;
    }
    return true;
}

/* ---- making ---- */

bool store_mailbox_tree_uidvalidity(struct db *db, int64_t account, int64_t *uidvalidity,
                                    struct fault *fault)
{
    /* Seconds, so that an account that was removed and made again begins above its past. */
    static const struct db_statement next = {
        "UPDATE account SET uidvalidity = CASE WHEN uidvalidity < $2 THEN $2 "
        "ELSE uidvalidity + 1 END WHERE id = $1 RETURNING uidvalidity",
        NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(
            db, &next,
            DB_VALUES(db_number(account), db_number(clock_wall_microseconds() / MICROSECONDS)),
            &rows, &is_found, fault))
        return false;
    if (!is_found)
        return fault_set(fault, FAULT_PERMANENT, "the account is no longer there");
    *uidvalidity = db_rows_number(&rows, 0);
    return db_rows_finish(&rows, fault);
}

bool store_mailbox_tree_add(struct store *store, struct db *db,
                            const struct store_mailbox_level *level, int64_t *id,
                            struct fault *fault)
{
    static const struct db_statement insert = {
        "INSERT INTO mailbox(id, account, parent, name, role, is_selectable, uidvalidity) "
        "VALUES($1, $2, $3, $4, $5, $6, $7)",
        NULL};
    int64_t uidvalidity;
    int64_t made = store_id_make(store);
    if (!store_mailbox_tree_uidvalidity(db, level->account, &uidvalidity, fault) ||
        !db_send(db, &insert,
                 DB_VALUES(db_number(made), db_number(level->account), db_number(level->parent),
                           db_text(level->name), db_number(level->role),
                           db_number(level->is_selectable), db_number(uidvalidity)),
                 fault))
        return false;
    *id = made;
    return true;
}

static bool count_mailboxes(struct db *db, int64_t account, int64_t *count, struct fault *fault)
{
    static const struct db_statement read = {"SELECT COUNT(*) FROM mailbox WHERE account = $1",
                                             NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(db, &read, DB_VALUES(db_number(account)), &rows, &is_found, fault))
        return false;
    *count = db_rows_number(&rows, 0);
    return true;
}

static int64_t count_levels(struct bytes name)
{
    struct bytes level;
    int64_t levels = 1;
    while (bytes_split(name, '/', &level, &name))
        levels++;
    return levels;
}

bool store_mailbox_tree_make(struct store *store, struct db *db, int64_t account,
                             const struct store_mailbox_path *path, enum store_role role,
                             int64_t *id, bool *is_full, struct fault *fault)
{
    struct store_mailbox_level level = {
        .account = account, .parent = path->mailbox.id, .is_selectable = true};
    struct bytes rest = path->missing;
    int64_t count;
    assert(rest.length > 0);
    if (!count_mailboxes(db, account, &count, fault))
        return false;
    *is_full = count + count_levels(rest) > STORE_MAILBOXES_MAX;
    if (*is_full)
        return true;
    bool has_more;
    do {
        has_more = bytes_split(rest, '/', &level.name, &rest);
        level.role = has_more ? STORE_ROLE_NONE : role;
        if (!store_mailbox_tree_add(store, db, &level, &level.parent, fault))
            return false;
    } while (has_more);
    *id = level.parent;
    return true;
}

/* ---- pruning ---- */

bool store_mailbox_tree_has_children(struct db *db, int64_t account, int64_t id, bool *has_children,
                                     struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT 1 FROM mailbox WHERE account = $1 AND parent = $2 LIMIT 1", NULL};
    AUTO(db_rows)
    rows = {0};
    return db_query_one(db, &find, DB_VALUES(db_number(account), db_number(id)), &rows,
                        has_children, fault);
}

/* *id becomes the parent's, or 0 where nothing was removed. */
static bool prune_one(struct db *db, int64_t account, int64_t *id, struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM mailbox WHERE id = $1 AND account = $2 AND is_selectable = 0 "
        "AND NOT EXISTS (SELECT 1 FROM mailbox c WHERE c.account = $2 AND c.parent = $1) "
        "RETURNING parent",
        NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(db, &remove, DB_VALUES(db_number(*id), db_number(account)), &rows, &is_found,
                      fault))
        return false;
    *id = is_found ? db_rows_number(&rows, 0) : 0;
    return db_rows_finish(&rows, fault);
}

bool store_mailbox_tree_prune(struct db *db, int64_t account, int64_t id, struct fault *fault)
{
    while (id != 0)
        if (!prune_one(db, account, &id, fault))
            return false;
    return true;
}
