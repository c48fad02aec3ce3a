/* Changing the tree of mailboxes and subscriptions: each change is one job, but for a large mailbox
 * that is removed, whose messages go in one job after another. */
#include <assert.h>

#include "store/store_mailboxes_inside.h"
#include "store/store_maildrop.h"
#include "store/store_news.h"

enum {
    SLICE_MESSAGES = 1000, /* removed by one job, so that others can write in between */
    WEIGHT_OF_CHANGE = 4096
};

/* ---- CREATE ---- */

static bool find_role(struct db *db, int64_t account, enum store_role role, bool *is_taken,
                      struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT 1 FROM mailbox WHERE account = $1 AND role = $2 LIMIT 1", NULL};
    AUTO(db_rows)
    rows = {0};
    *is_taken = false;
    return role == STORE_ROLE_NONE ||
           db_query_one(db, &find, DB_VALUES(db_number(account), db_number(role)), &rows, is_taken,
                        fault);
}

/* What was only a level; nobody has looked at it under this id. */
static bool make_selectable(const struct store_mailbox_change *change, struct db *db, int64_t id,
                            struct fault *fault)
{
    static const struct db_statement update = {
        "UPDATE mailbox SET is_selectable = 1, role = $2, uidvalidity = $3 WHERE id = $1", NULL};
    int64_t uidvalidity;
    return store_mailbox_tree_uidvalidity(db, change->account, &uidvalidity, fault) &&
           db_send(db, &update,
                   DB_VALUES(db_number(id), db_number(change->role), db_number(uidvalidity)),
                   fault);
}

static bool create(struct store_mailbox_change *change, struct db *db, struct fault *fault)
{
    struct store_mailbox_path path;
    bool is_full = false;
    bool is_taken;
    struct bytes name = store_mailbox_tree_name(change->name);
    if (!store_mailbox_tree_is_name(name) || name.length > STORE_MAILBOX_NAME_MAX) {
        change->outcome =
            store_mailbox_tree_is_name(name) ? STORE_MAILBOX_TOO_MANY : STORE_MAILBOX_CANNOT;
        return true;
    }
    if (!store_mailbox_tree_walk(db, change->account, name, &path, fault) ||
        !find_role(db, change->account, change->role, &is_taken, fault))
        return false;
    if (path.missing.length == 0 && path.mailbox.is_selectable) {
        change->outcome = STORE_MAILBOX_EXISTS;
        return true;
    }
    if (is_taken) {
        change->outcome = STORE_MAILBOX_USE_TAKEN;
        return true;
    }
    if (path.missing.length == 0) {
        change->id = path.mailbox.id;
        return make_selectable(change, db, change->id, fault);
    }
    if (!store_mailbox_tree_make(change->store, db, change->account, &path, change->role,
                                 &change->id, &is_full, fault))
        return false;
    if (is_full)
        change->outcome = STORE_MAILBOX_TOO_MANY;
    return true;
}

/* ---- DELETE ---- */

/* *is_empty: none are left. */
static bool remove_messages(struct db *db, int64_t mailbox, bool *is_empty, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT uid FROM message WHERE mailbox = $1 ORDER BY uid LIMIT $2", NULL};
    uint32_t uids[SLICE_MESSAGES];
    size_t count = 0;
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &read, DB_VALUES(db_number(mailbox), db_number(SLICE_MESSAGES)), &rows,
                  fault))
        return false;
    while (count < SLICE_MESSAGES && db_rows_next(&rows))
        uids[count++] = (uint32_t)db_rows_number(&rows, 0);
    *is_empty = count < SLICE_MESSAGES;
    return db_rows_finish(&rows, fault) && store_removal_run(db, mailbox, uids, count, fault);
}

static bool remove_rows(struct db *db, int64_t mailbox, struct fault *fault)
{
    static const struct db_statement vanished = {"DELETE FROM vanished WHERE mailbox = $1", NULL};
    static const struct db_statement changed = {"DELETE FROM changed WHERE mailbox = $1", NULL};
    static const struct db_statement remove = {"DELETE FROM mailbox WHERE id = $1", NULL};
    struct db_value id = db_number(mailbox);
    return db_send(db, &vanished, &id, 1, fault) && db_send(db, &changed, &id, 1, fault) &&
           db_send(db, &remove, &id, 1, fault);
}

/* In the place of what was removed: a level of another id, as that of a mailbox is never used again
   (RFC 8474 4). */
static bool leave_level(const struct store_mailbox_change *change, struct db *db, int64_t old,
                        int64_t parent, struct bytes name, struct fault *fault)
{
    static const struct db_statement move = {
        "UPDATE mailbox SET parent = $3 WHERE account = $1 AND parent = $2", NULL};
    struct store_mailbox_level level = {.account = change->account, .parent = parent, .name = name};
    int64_t id;
    return store_mailbox_tree_add(change->store, db, &level, &id, fault) &&
           db_send(db, &move, DB_VALUES(db_number(change->account), db_number(old), db_number(id)),
                   fault);
}

static struct bytes last_level(struct bytes name)
{
    size_t at = bytes_find_last_char(name, '/');
    return at == BYTES_NOT_FOUND ? name : bytes_skip(name, at + 1);
}

static bool remove_mailbox(struct store_mailbox_change *change, struct db *db, struct bytes name,
                           const struct store_mailbox_path *path, struct fault *fault)
{
    int64_t id = path->mailbox.id;
    bool is_empty;
    bool has_children;
    if (!remove_messages(db, id, &is_empty, fault))
        return false;
    change->changed = id;
    change->has_more = !is_empty;
    if (change->has_more)
        return true;
    change->is_gone = true;
    if (!store_mailbox_tree_has_children(db, change->account, id, &has_children, fault) ||
        !remove_rows(db, id, fault))
        return false;
    return has_children ? leave_level(change, db, id, path->parent, last_level(name), fault)
                        : store_mailbox_tree_prune(db, change->account, path->parent, fault);
}

static bool remove_level(struct store_mailbox_change *change, struct db *db, int64_t id,
                         struct fault *fault)
{
    bool has_children;
    if (!store_mailbox_tree_has_children(db, change->account, id, &has_children, fault))
        return false;
    if (has_children) {
        change->outcome = STORE_MAILBOX_HAS_CHILDREN;
        return true;
    }
    return store_mailbox_tree_prune(db, change->account, id, fault);
}

static bool remove_named(struct store_mailbox_change *change, struct db *db, struct fault *fault)
{
    struct store_mailbox_path path;
    struct bytes name = store_mailbox_tree_name(change->name);
    if (bytes_equal(name, BYTES("INBOX"))) {
        change->outcome = STORE_MAILBOX_CANNOT;
        return true;
    }
    if (!store_mailbox_tree_walk(db, change->account, name, &path, fault))
        return false;
    if (name.length == 0 || path.missing.length > 0) {
        change->outcome = STORE_MAILBOX_NONEXISTENT;
        return true;
    }
    return path.mailbox.is_selectable ? remove_mailbox(change, db, name, &path, fault)
                                      : remove_level(change, db, path.mailbox.id, fault);
}

/* ---- SUBSCRIBE, UNSUBSCRIBE ---- */

static bool count_others(struct db *db, int64_t account, struct bytes name, int64_t *count,
                         struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT COUNT(*) FROM subscription WHERE account = $1 AND name <> $2", NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(db, &read, DB_VALUES(db_number(account), db_text(name)), &rows, &is_found,
                      fault))
        return false;
    *count = db_rows_number(&rows, 0);
    return true;
}

/* To any name: RFC 9051 6.3.7 does not want a mailbox to be there. */
static bool subscribe(struct store_mailbox_change *change, struct db *db, struct fault *fault)
{
    struct bytes name = store_mailbox_tree_name(change->name);
    int64_t count;
    if (name.length == 0) {
        change->outcome = STORE_MAILBOX_CANNOT;
        return true;
    }
    if (!count_others(db, change->account, name, &count, fault))
        return false;
    if (count >= STORE_SUBSCRIPTIONS_MAX || name.length > STORE_MAILBOX_NAME_MAX) {
        change->outcome = STORE_MAILBOX_TOO_MANY;
        return true;
    }
    return store_mailbox_change_subscribe(db, change->account, name, fault);
}

bool store_mailbox_change_subscribe(struct db *db, int64_t account, struct bytes name,
                                    struct fault *fault)
{
    static const struct db_statement insert = {
        "INSERT INTO subscription(account, name) VALUES($1, $2) ON CONFLICT DO NOTHING", NULL};
    return db_send(db, &insert, DB_VALUES(db_number(account), db_text(name)), fault);
}

static bool unsubscribe(const struct store_mailbox_change *change, struct db *db,
                        struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM subscription WHERE account = $1 AND name = $2", NULL};
    return db_send(
        db, &remove,
        DB_VALUES(db_number(change->account), db_text(store_mailbox_tree_name(change->name))),
        fault);
}

/* ---- the job ---- */

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_mailbox_change *change = (struct store_mailbox_change *)job;
    change->outcome = STORE_MAILBOX_DONE;
    change->id = 0;
    change->changed = 0;
    change->is_gone = false;
    change->has_more = false;
    switch (change->kind) {
    case STORE_MAILBOX_CREATE:
        return create(change, db, fault);
    case STORE_MAILBOX_DELETE:
        return remove_named(change, db, fault);
    case STORE_MAILBOX_RENAME:
        return store_mailbox_rename_run(change, db, fault);
    case STORE_MAILBOX_SUBSCRIBE:
        return subscribe(change, db, fault);
    case STORE_MAILBOX_UNSUBSCRIBE:
        return unsubscribe(change, db, fault);
    }
    return fault_set(fault, FAULT_BUG, "no such change of mailboxes");
}

static void tell(struct store_job *job, struct store *store)
{
    const struct store_mailbox_change *change = (const struct store_mailbox_change *)job;
    struct store_news news = {.kind = change->is_gone ? STORE_NEWS_GONE : STORE_NEWS_CHANGED,
                              .mailbox = change->changed};
    if (change->changed != 0)
        store_news_publish(store, &news);
}

static void end_or_go_on(struct store_job *job)
{
    struct store_mailbox_change *change = (struct store_mailbox_change *)job;
    if (job->is_done && change->has_more) {
        store_submit(change->store, job);
        return;
    }
    job->done = change->over;
    job->done(job);
}

void store_mailbox_change_submit(struct store_mailbox_change *change)
{
    struct store_job *job = &change->job;
    change->over = job->done;
    job->run = run;
    job->done = end_or_go_on;
    job->tell = tell;
    job->weight = WEIGHT_OF_CHANGE;
    job->account = change->account;
    job->mailboxes = NULL;
    job->mailbox_count = 0;
    job->mailbox_stride = 0;
    job->has_own_keys = true;
    store_submit(change->store, job);
}
