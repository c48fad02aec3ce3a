/* RENAME: what is below a mailbox goes with it; of INBOX only the messages go. */
#include "base/clock.h"
#include "store/store_mailboxes_inside.h"

/* ---- the messages of INBOX (RFC 9051 6.3.6) ---- */

struct move {
    int64_t account;
    int64_t inbox;
    int64_t target;
};

/* Each UID that goes, in ranges, under the modseq that INBOX has now. */
static bool log_vanished(struct db *db, const struct move *move, struct fault *fault)
{
    static const struct db_statement vanish = {
        "INSERT INTO vanished(mailbox, modseq, uid, uid_last, removed) "
        "SELECT $1, (SELECT modseq FROM mailbox WHERE id = $1), MIN(uid), MAX(uid), $2 "
        "FROM (SELECT uid, uid - ROW_NUMBER() OVER (ORDER BY uid) AS island FROM message "
        "WHERE mailbox = $1) numbered GROUP BY island",
        NULL};
    return db_send(db, &vanish,
                   DB_VALUES(db_number(move->inbox), db_number(clock_wall_microseconds())), fault);
}

/* They keep their order and get UIDs from 1 on. */
static bool move_rows(struct db *db, const struct move *move, struct fault *fault)
{
    static const struct db_statement messages = {
        "INSERT INTO message(mailbox, uid, body, flags, modseq, received, saved, size, "
        "prefix_size, prefix_number) SELECT $2, ROW_NUMBER() OVER (ORDER BY uid), body, flags, 1, "
        "received, saved, size, prefix_size, prefix_number FROM message WHERE mailbox = $1",
        NULL};
    static const struct db_statement remove = {"DELETE FROM message WHERE mailbox = $1", NULL};
    static const struct db_statement keywords = {
        "INSERT INTO keyword(mailbox, bit, name) SELECT $2, bit, name FROM keyword "
        "WHERE mailbox = $1",
        NULL};
    struct db_value ids[] = {db_number(move->inbox), db_number(move->target)};
    return db_send(db, &messages, ids, 2, fault) && db_send(db, &remove, ids, 1, fault) &&
           db_send(db, &keywords, ids, 2, fault);
}

static bool move_counters(struct db *db, const struct move *move, struct fault *fault)
{
    static const struct db_statement take = {
        "UPDATE mailbox SET uidnext = 1 + (SELECT messages FROM mailbox WHERE id = $1), "
        "messages = (SELECT messages FROM mailbox WHERE id = $1), "
        "unseen = (SELECT unseen FROM mailbox WHERE id = $1), "
        "deleted = (SELECT deleted FROM mailbox WHERE id = $1), "
        "bytes = (SELECT bytes FROM mailbox WHERE id = $1) WHERE id = $2",
        NULL};
    static const struct db_statement give = {
        "UPDATE mailbox SET messages = 0, unseen = 0, deleted = 0, bytes = 0 WHERE id = $1", NULL};
    struct db_value ids[] = {db_number(move->inbox), db_number(move->target)};
    return db_send(db, &take, ids, 2, fault) && db_send(db, &give, ids, 1, fault);
}

static bool move_messages(struct db *db, const struct move *move, struct fault *fault)
{
    static const struct db_statement count = {
        "UPDATE mailbox SET modseq = modseq + 1 WHERE id = $1", NULL};
    struct db_value inbox = db_number(move->inbox);
    return db_send(db, &count, &inbox, 1, fault) && log_vanished(db, move, fault) &&
           move_rows(db, move, fault) && move_counters(db, move, fault);
}

static bool rename_inbox(struct store_mailbox_change *change, struct db *db, int64_t inbox,
                         const struct store_mailbox_path *to, struct fault *fault)
{
    struct move move = {.account = change->account, .inbox = inbox};
    bool is_full;
    if (!store_mailbox_tree_make(change->store, db, change->account, to, STORE_ROLE_NONE,
                                 &move.target, &is_full, fault))
        return false;
    if (is_full) {
        change->outcome = STORE_MAILBOX_TOO_MANY;
        return true;
    }
    change->changed = inbox;
    return move_messages(db, &move, fault);
}

/* ---- all others ---- */

/* Whether the names below would become too long. */
static bool measure_below(const struct store_mailbox_change *change, struct db *db,
                          struct bytes old, struct bytes new, bool *is_too_long,
                          struct fault *fault)
{
    AUTO(store_mailbox_list)
    list = {0};
    *is_too_long = false;
    if (new.length <= old.length)
        return true;
    if (!store_mailbox_list_read(db, change->account, &list, fault))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        struct bytes name = list.items[i].name;
        if (list.items[i].id != 0 && bytes_starts_with(name, old) && name.length > old.length &&
            name.data[old.length] == '/' &&
            name.length - old.length + new.length > STORE_MAILBOX_NAME_MAX)
            *is_too_long = true;
    }
    return true;
}

/* The parent of the new name, made where it is missing. */
static bool make_parent(const struct store_mailbox_change *change, struct db *db,
                        const struct store_mailbox_path *to, int64_t *parent, struct bytes *last,
                        bool *is_full, struct fault *fault)
{
    size_t at = bytes_find_last_char(to->missing, '/');
    *is_full = false;
    *last = at == BYTES_NOT_FOUND ? to->missing : bytes_skip(to->missing, at + 1);
    *parent = to->mailbox.id;
    if (at == BYTES_NOT_FOUND)
        return true;
    struct store_mailbox_path above = {.mailbox = to->mailbox,
                                       .missing = bytes_slice(to->missing, 0, at)};
    return store_mailbox_tree_make(change->store, db, change->account, &above, STORE_ROLE_NONE,
                                   parent, is_full, fault);
}

static bool set_place(struct db *db, int64_t id, int64_t parent, struct bytes name,
                      struct fault *fault)
{
    static const struct db_statement update = {
        "UPDATE mailbox SET parent = $2, name = $3 WHERE id = $1", NULL};
    return db_send(db, &update, DB_VALUES(db_number(id), db_number(parent), db_text(name)), fault);
}

static bool rename_mailbox(struct store_mailbox_change *change, struct db *db,
                           const struct store_mailbox_path *from,
                           const struct store_mailbox_path *to, struct fault *fault)
{
    int64_t parent;
    struct bytes last;
    bool is_full;
    if (!make_parent(change, db, to, &parent, &last, &is_full, fault))
        return false;
    if (is_full) {
        change->outcome = STORE_MAILBOX_TOO_MANY;
        return true;
    }
    return set_place(db, from->mailbox.id, parent, last, fault) &&
           store_mailbox_tree_prune(db, change->account, from->parent, fault);
}

static bool is_below(struct bytes name, struct bytes above)
{
    return name.length > above.length && bytes_starts_with(name, above) &&
           name.data[above.length] == '/';
}

bool store_mailbox_rename_run(struct store_mailbox_change *change, struct db *db,
                              struct fault *fault)
{
    struct bytes old = store_mailbox_tree_name(change->name);
    struct bytes new = store_mailbox_tree_name(change->new_name);
    struct store_mailbox_path from;
    struct store_mailbox_path to;
    bool is_inbox = bytes_equal(old, BYTES("INBOX"));
    bool cannot_be_so_long = new.length > STORE_MAILBOX_NAME_MAX;
    if (!store_mailbox_tree_walk(db, change->account, old, &from, fault) ||
        !store_mailbox_tree_walk(db, change->account, new, &to, fault))
        return false;
    if (!cannot_be_so_long && !is_inbox &&
        !measure_below(change, db, old, new, &cannot_be_so_long, fault))
        return false;
    if (old.length == 0 || from.missing.length > 0)
        change->outcome = STORE_MAILBOX_NONEXISTENT;
    else if (!store_mailbox_tree_is_name(new))
        change->outcome = STORE_MAILBOX_CANNOT;
    else if (to.missing.length == 0)
        change->outcome = STORE_MAILBOX_EXISTS;
    else if (is_below(new, old) && !is_inbox)
        change->outcome = STORE_MAILBOX_CANNOT;
    else if (cannot_be_so_long)
        change->outcome = STORE_MAILBOX_TOO_MANY;
    if (change->outcome != STORE_MAILBOX_DONE)
        return true;
    return is_inbox ? rename_inbox(change, db, from.mailbox.id, &to, fault)
                    : rename_mailbox(change, db, &from, &to, fault);
}
