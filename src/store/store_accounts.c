/* The list of accounts. */
#include "store/store_accounts_inside.h"

bool store_accounts_domain(struct db *db, struct bytes domain_or_empty, int64_t *domain,
                           struct fault *fault)
{
    struct store_folded folded;
    if (domain_or_empty.length == 0) {
        *domain = 0;
        return true;
    }
    return store_fold_domain(domain_or_empty, &folded, fault) &&
           store_domain_require(db, store_folded_domain(&folded), domain, fault);
}

bool store_accounts_list(struct db *db, struct bytes domain_or_empty, store_each_account *each,
                         void *context, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT " STORE_ACCOUNT_COLUMNS " FROM account a " STORE_ACCOUNT_INBOX
        " WHERE a.domain = $1 OR $1 = 0 ORDER BY a.login",
        "SELECT " STORE_ACCOUNT_COLUMNS " FROM account a " STORE_ACCOUNT_INBOX
        " WHERE a.domain = $1 OR $1 = 0 ORDER BY a.login COLLATE \"C\""};
    AUTO(db_rows)
    rows = {0};
    int64_t domain;
    if (!store_accounts_domain(db, domain_or_empty, &domain, fault) ||
        !db_query(db, &statement, DB_VALUES(db_number(domain)), &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        struct store_account account;
        store_account_from_row(&rows, &account);
        if (!each(context, &account))
            break;
    }
    return db_rows_finish(&rows, fault);
}
