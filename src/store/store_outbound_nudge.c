/* A number that tells of changes that the server did not make itself. */
#include "store/store_outbound_inside.h"

#define NAME "queue.nudge"

bool store_outbound_nudge_read(struct db *db, int64_t *nudge, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM setting WHERE name = '" NAME "'",
        "SELECT convert_from(value, 'UTF8')::bigint FROM setting WHERE name = '" NAME "'"};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(db, &read, DB_NO_VALUES, &rows, &is_found, fault))
        return false;
    *nudge = is_found ? db_rows_number(&rows, 0) : 0;
    return true;
}

bool store_outbound_nudge_raise(struct db *db, struct fault *fault)
{
    static const struct db_statement raise = {
        "INSERT INTO setting(name, value) VALUES('" NAME "', CAST('1' AS BLOB)) "
        "ON CONFLICT(name) DO UPDATE SET value = CAST(CAST(CAST(CAST(setting.value AS TEXT) "
        "AS INTEGER) + 1 AS TEXT) AS BLOB)",
        "INSERT INTO setting(name, value) VALUES('" NAME "', convert_to('1', 'UTF8')) "
        "ON CONFLICT(name) DO UPDATE SET value = "
        "convert_to((convert_from(setting.value, 'UTF8')::bigint + 1)::text, 'UTF8')"};
    return db_send(db, &raise, DB_NO_VALUES, fault);
}
