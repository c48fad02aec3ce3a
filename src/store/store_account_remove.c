/* The end of an account: its mail, a slice at a time, then itself. */
#include "store/store_accounts_inside.h"

enum {
    SLICE_MESSAGES = 256, /* whose bodies are looked after at once */
    MAILBOXES_MAX = 64    /* read at once; there may be more */
};

/* Reads up to `size` numbers that the statement gives for `key`. */
static bool read_numbers(struct db *db, const struct db_statement *statement,
                         const struct db_value *values, size_t value_count, int64_t *numbers,
                         size_t size, size_t *count, struct fault *fault)
{
    AUTO(db_rows)
    rows = {0};
    size_t found = 0;
    if (!db_query(db, statement, values, value_count, &rows, fault))
        return false;
    while (found < size && db_rows_next(&rows))
        numbers[found++] = db_rows_number(&rows, 0);
    if (!db_rows_finish(&rows, fault))
        return false;
    *count = found;
    return true;
}

/* A body goes with the last message that has it, unless it is on its way to somebody far. */
static bool remove_body(struct db *db, int64_t body, struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM body WHERE id = $1 "
        "AND NOT EXISTS (SELECT 1 FROM message_prefix p WHERE p.body = $1) "
        "AND NOT EXISTS (SELECT 1 FROM outbound_message o WHERE o.body = $1)",
        NULL};
    return db_execute(db, &remove, DB_VALUES(db_number(body)), NULL, fault);
}

/* Removes the first messages of the mailbox; *count is how many there were. */
static bool remove_slice(struct db *db, int64_t mailbox, size_t *count, struct fault *fault)
{
    static const struct db_statement read_bodies = {
        "SELECT body, uid FROM message WHERE mailbox = $1 ORDER BY uid LIMIT $2", NULL};
    static const struct db_statement remove_prefixes = {
        "DELETE FROM message_prefix WHERE mailbox = $1 AND body = $2", NULL};
    static const struct db_statement remove_messages = {
        "DELETE FROM message WHERE mailbox = $1 AND uid IN "
        "(SELECT uid FROM message WHERE mailbox = $1 ORDER BY uid LIMIT $2)",
        NULL};
    int64_t bodies[SLICE_MESSAGES];
    if (!read_numbers(db, &read_bodies, DB_VALUES(db_number(mailbox), db_number(SLICE_MESSAGES)),
                      bodies, SLICE_MESSAGES, count, fault))
        return false;
    if (*count == 0)
        return true;
    if (!db_execute(db, &remove_messages, DB_VALUES(db_number(mailbox), db_number((int64_t)*count)),
                    NULL, fault))
        return false;
    for (size_t i = 0; i < *count; i++) {
        if (!db_execute(db, &remove_prefixes, DB_VALUES(db_number(mailbox), db_number(bodies[i])),
                        NULL, fault) ||
            !remove_body(db, bodies[i], fault))
            return false;
    }
    return true;
}

static bool remove_mailbox(struct db *db, int64_t mailbox, struct fault *fault)
{
    static const struct db_statement remove_vanished = {"DELETE FROM vanished WHERE mailbox = $1",
                                                        NULL};
    static const struct db_statement remove = {"DELETE FROM mailbox WHERE id = $1", NULL};
    size_t count;
    do {
        if (!remove_slice(db, mailbox, &count, fault))
            return false;
    } while (count > 0);
    return db_execute(db, &remove_vanished, DB_VALUES(db_number(mailbox)), NULL, fault) &&
           db_execute(db, &remove, DB_VALUES(db_number(mailbox)), NULL, fault);
}

/* Locks the mailboxes first, so that what is being delivered is either removed as well or finds no
   mailbox. */
static bool remove_mailboxes(struct db *db, int64_t account, struct fault *fault)
{
    static const struct db_statement lock = {
        "UPDATE mailbox SET modseq = modseq + 1 WHERE account = $1", NULL};
    static const struct db_statement read = {
        "SELECT id FROM mailbox WHERE account = $1 ORDER BY id LIMIT $2", NULL};
    int64_t mailboxes[MAILBOXES_MAX];
    size_t count;
    if (!db_execute(db, &lock, DB_VALUES(db_number(account)), NULL, fault))
        return false;
    do {
        if (!read_numbers(db, &read, DB_VALUES(db_number(account), db_number(MAILBOXES_MAX)),
                          mailboxes, MAILBOXES_MAX, &count, fault))
            return false;
        for (size_t i = 0; i < count; i++) {
            if (!remove_mailbox(db, mailboxes[i], fault))
                return false;
        }
    } while (count > 0);
    return true;
}

bool store_account_remove(struct db *db, struct bytes login, struct fault *fault)
{
    static const struct db_statement remove_aliases = {"DELETE FROM address WHERE target = $1",
                                                       NULL};
    static const struct db_statement remove_addresses = {"DELETE FROM address WHERE account = $1",
                                                         NULL};
    static const struct db_statement remove_credentials = {
        "DELETE FROM credential WHERE account = $1", NULL};
    static const struct db_statement remove_account = {"DELETE FROM account WHERE id = $1", NULL};
    struct store_account account;
    if (!store_account_require(db, login, &account, fault))
        return false;
    return remove_mailboxes(db, account.id, fault) &&
           db_execute(db, &remove_aliases, DB_VALUES(db_string(account.login)), NULL, fault) &&
           db_execute(db, &remove_addresses, DB_VALUES(db_number(account.id)), NULL, fault) &&
           db_execute(db, &remove_credentials, DB_VALUES(db_number(account.id)), NULL, fault) &&
           db_execute(db, &remove_account, DB_VALUES(db_number(account.id)), NULL, fault);
}
