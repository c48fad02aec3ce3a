/* The end of an account: its mail, a slice at a time, then itself. */
#include "store/store_accounts_inside.h"
#include "store/store_maildrop.h"

enum {
    SLICE_MESSAGES = 256 /* removed at once: what the writer does between two looks around */
};

/* The first messages of the account, all of one mailbox. */
static bool read_slice(struct db *db, int64_t account, size_t most, int64_t *mailbox,
                       uint32_t *uids, size_t *count, struct fault *fault)
{
    static const struct db_statement find_mailbox = {
        "SELECT b.id FROM mailbox b WHERE b.account = $1 "
        "AND EXISTS (SELECT 1 FROM message m WHERE m.mailbox = b.id) ORDER BY b.id LIMIT 1",
        NULL};
    static const struct db_statement read_uids = {
        "SELECT uid FROM message WHERE mailbox = $1 ORDER BY uid LIMIT $2", NULL};
    AUTO(db_rows)
    first = {0};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    size_t found = 0;
    if (!db_query_one(db, &find_mailbox, DB_VALUES(db_number(account)), &first, &is_found, fault))
        return false;
    *mailbox = is_found ? db_rows_number(&first, 0) : 0;
    db_rows_clear(&first);
    if (is_found) {
        if (!db_query(db, &read_uids, DB_VALUES(db_number(*mailbox), db_number((int64_t)most)),
                      &rows, fault))
            return false;
        while (found < most && db_rows_next(&rows))
            uids[found++] = (uint32_t)db_rows_number(&rows, 0);
        if (!db_rows_finish(&rows, fault))
            return false;
    }
    *count = found;
    return true;
}

/* Account, then mailboxes in order, as all writers do. What is being delivered is then either
   removed as well or finds no account; no mailbox is made meanwhile. SQLite has one writer. */
static bool lock(struct db *db, int64_t account, struct fault *fault)
{
    static const struct db_statement lock_account = {
        "SELECT 1", "SELECT id FROM account WHERE id = $1 FOR UPDATE"};
    static const struct db_statement lock_mailboxes = {
        "SELECT 1", "SELECT id FROM mailbox WHERE account = $1 ORDER BY id FOR UPDATE"};
    return db_kind(db) == DB_SQLITE ||
           (db_send(db, &lock_account, DB_VALUES(db_number(account)), fault) &&
            db_send(db, &lock_mailboxes, DB_VALUES(db_number(account)), fault));
}

static bool remove_slice(struct db *db, int64_t account, size_t most, size_t *count,
                         struct fault *fault)
{
    uint32_t uids[SLICE_MESSAGES];
    int64_t mailbox;
    return read_slice(db, account, most < SLICE_MESSAGES ? most : SLICE_MESSAGES, &mailbox, uids,
                      count, fault) &&
           store_removal_run(db, mailbox, uids, *count, fault);
}

bool store_account_remove_some(struct db *db, struct bytes login, size_t most, size_t *count,
                               struct fault *fault)
{
    struct store_account account;
    size_t removed = 0;
    size_t slice = 0;
    if (!store_account_require(db, login, &account, fault) || !lock(db, account.id, fault))
        return false;
    do {
        if (!remove_slice(db, account.id, most - removed, &slice, fault))
            return false;
        removed += slice;
    } while (slice > 0 && removed < most);
    *count = removed;
    return true;
}

static bool remove_mail(struct db *db, int64_t account, struct fault *fault)
{
    static const struct db_statement remove_vanished = {
        "DELETE FROM vanished WHERE mailbox IN (SELECT id FROM mailbox WHERE account = $1)", NULL};
    static const struct db_statement remove_changed = {
        "DELETE FROM changed WHERE mailbox IN (SELECT id FROM mailbox WHERE account = $1)", NULL};
    static const struct db_statement remove_mailboxes = {"DELETE FROM mailbox WHERE account = $1",
                                                         NULL};
    size_t count;
    do {
        if (!remove_slice(db, account, SLICE_MESSAGES, &count, fault))
            return false;
    } while (count > 0);
    return db_execute(db, &remove_vanished, DB_VALUES(db_number(account)), NULL, fault) &&
           db_execute(db, &remove_changed, DB_VALUES(db_number(account)), NULL, fault) &&
           db_execute(db, &remove_mailboxes, DB_VALUES(db_number(account)), NULL, fault);
}

/* What leads to the account leads nowhere from now on, also with a detail behind the name, unless
   somebody has just this address. */
static bool remove_from_aliases(struct db *db, struct bytes login, struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM address WHERE target = $1 OR (SUBSTR(target, 1, LENGTH($2)) = $2 "
        "AND SUBSTR(target, LENGTH(target) - LENGTH($3) + 1) = $3 "
        "AND NOT EXISTS (SELECT 1 FROM account a WHERE a.login = target))",
        NULL};
    AUTO(buffer)
    start = BUFFER(STORE_LOGIN_MAX + 1);
    size_t at = bytes_find_last_char(login, '@');
    assert(at != BYTES_NOT_FOUND);
    buffer_append(&start, bytes_slice(login, 0, at));
    buffer_append_char(&start, '+');
    if (buffer_is_failed(&start))
        return fault_set_memory(fault);
    return db_execute(
        db, &remove,
        DB_VALUES(db_text(login), db_text(buffer_bytes(&start)), db_text(bytes_skip(login, at))),
        NULL, fault);
}

bool store_account_remove(struct db *db, struct bytes login, struct fault *fault)
{
    static const struct db_statement remove_addresses = {"DELETE FROM address WHERE account = $1",
                                                         NULL};
    static const struct db_statement remove_credentials = {
        "DELETE FROM credential WHERE account = $1", NULL};
    static const struct db_statement remove_account = {"DELETE FROM account WHERE id = $1", NULL};
    struct store_account account;
    if (!store_account_require(db, login, &account, fault))
        return false;
    return lock(db, account.id, fault) && remove_mail(db, account.id, fault) &&
           remove_from_aliases(db, bytes_from_string(account.login), fault) &&
           db_execute(db, &remove_addresses, DB_VALUES(db_number(account.id)), NULL, fault) &&
           db_execute(db, &remove_credentials, DB_VALUES(db_number(account.id)), NULL, fault) &&
           db_execute(db, &remove_account, DB_VALUES(db_number(account.id)), NULL, fault);
}
