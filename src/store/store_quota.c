/* How much an account may keep. */
#include "store/store_accounts_inside.h"

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
