/* The domains whose mail is kept here. */
#include "base/clock.h"
#include "store/store_accounts_inside.h"

bool store_domain_find(struct db *db, struct bytes name, int64_t *id, struct fault *fault)
{
    static const struct db_statement statement = {"SELECT id FROM domain WHERE name = $1", NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(db, &statement, DB_VALUES(db_text(name)), &rows, &is_found, fault))
        return false;
    *id = is_found ? db_rows_number(&rows, 0) : 0;
    return true;
}

bool store_domain_require(struct db *db, struct bytes name, int64_t *id, struct fault *fault)
{
    int64_t found;
    if (!store_domain_find(db, name, &found, fault))
        return false;
    if (found == 0)
        return fault_set(fault, FAULT_PERMANENT,
                         "there is no domain %.*s here; 'posthorn domain add %.*s' makes it",
                         BYTES_FORMAT(name), BYTES_FORMAT(name));
    *id = found;
    return true;
}

bool store_domain_add(struct db *db, int64_t id, struct bytes name, struct fault *fault)
{
    static const struct db_statement insert = {
        "INSERT INTO domain(id, name, created) VALUES($1, $2, $3)", NULL};
    struct store_folded folded;
    int64_t found;
    if (!store_fold_domain(name, &folded, fault) ||
        !store_domain_find(db, store_folded_domain(&folded), &found, fault))
        return false;
    if (found != 0)
        return fault_set(fault, FAULT_DENIED, "the domain %.*s is there already",
                         BYTES_FORMAT(store_folded_domain(&folded)));
    return db_execute(db, &insert,
                      DB_VALUES(db_number(id), db_text(store_folded_domain(&folded)),
                                db_number(clock_wall_microseconds())),
                      NULL, fault);
}

bool store_domain_remove(struct db *db, struct bytes name, struct fault *fault)
{
    static const struct db_statement first_account = {
        "SELECT login FROM account WHERE domain = $1 ORDER BY login LIMIT 1", NULL};
    static const struct db_statement delete_aliases = {"DELETE FROM address WHERE domain = $1",
                                                       NULL};
    static const struct db_statement delete_domain = {"DELETE FROM domain WHERE id = $1", NULL};
    AUTO(db_rows)
    rows = {0};
    struct store_folded folded;
    int64_t id;
    bool is_found;
    if (!store_fold_domain(name, &folded, fault) ||
        !store_domain_require(db, store_folded_domain(&folded), &id, fault) ||
        !db_query_one(db, &first_account, DB_VALUES(db_number(id)), &rows, &is_found, fault))
        return false;
    if (is_found)
        return fault_set(fault, FAULT_DENIED,
                         "the domain %.*s still has accounts, such as %.*s; remove them first",
                         BYTES_FORMAT(store_folded_domain(&folded)),
                         BYTES_FORMAT(db_rows_bytes(&rows, 0)));
    return db_execute(db, &delete_aliases, DB_VALUES(db_number(id)), NULL, fault) &&
           db_execute(db, &delete_domain, DB_VALUES(db_number(id)), NULL, fault);
}
