/* How much an account may keep. */
#include "store/store_accounts_inside.h"
#include "store/store_mailboxes.h"

bool store_quota_set(struct db *db, struct bytes login, int64_t bytes, int64_t messages,
                     struct fault *fault)
{
    static const struct db_statement update = {
        "UPDATE account SET quota_bytes = $2, quota_messages = $3 WHERE id = $1", NULL};
    struct store_account account;
    if (bytes < 0 || messages < 0)
        return fault_set(fault, FAULT_SYNTAX, "a quota is a number from 0, which is none, on");
    return store_account_require(db, login, &account, fault) &&
           db_execute(db, &update,
                      DB_VALUES(db_number(account.id), db_number(bytes), db_number(messages)), NULL,
                      fault);
}

bool store_quota_read(struct db *db, int64_t account, struct store_quota *quota,
                      struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT quota_bytes, quota_messages, used_bytes, used_messages FROM account WHERE id = $1",
        NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(db, &read, DB_VALUES(db_number(account)), &rows, &is_found, fault))
        return false;
    if (!is_found)
        return fault_set(fault, FAULT_PERMANENT, "the account is no longer there");
    *quota = (struct store_quota){.limit_bytes = db_rows_number(&rows, 0),
                                  .limit_messages = db_rows_number(&rows, 1),
                                  .used_bytes = db_rows_number(&rows, 2),
                                  .used_messages = db_rows_number(&rows, 3)};
    return true;
}
