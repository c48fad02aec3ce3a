/* Settings of the store itself. */
#include "store/store_accounts_inside.h"

bool store_setting_get(struct db *db, const char *name, struct buffer *value, struct fault *fault)
{
    static const struct db_statement statement = {"SELECT value FROM setting WHERE name = $1",
                                                  NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(db, &statement, DB_VALUES(db_string(name)), &rows, &is_found, fault))
        return false;
    if (is_found)
        buffer_append(value, db_rows_bytes(&rows, 0));
    return true;
}

bool store_setting_put(struct db *db, const char *name, struct bytes value, struct fault *fault)
{
    static const struct db_statement statement = {
        "INSERT INTO setting(name, value) VALUES($1, $2) "
        "ON CONFLICT(name) DO UPDATE SET value = excluded.value",
        NULL};
    return db_execute(db, &statement, DB_VALUES(db_string(name), db_bytes(value)), NULL, fault);
}
