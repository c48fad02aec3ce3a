/* Which messages have waited for long. */
#include "store/store_outbound_inside.h"

bool store_outbound_old(struct store *store, struct db *db, int64_t after, int64_t before,
                        bool is_unwarned, int64_t *messages, size_t most, size_t *count,
                        struct fault *fault)
{
#define OLD                                                                                        \
    "SELECT m.id FROM outbound_message m WHERE m.id > $1 AND m.id < $2 AND EXISTS (SELECT 1 "      \
    "FROM outbound_recipient r WHERE r.message = m.id AND r.state = 0 "                            \
    "AND (r.is_warned = 0 OR $3 = 0)) AND "
    static const struct db_statement find = {
        OLD "$4 > 0 ORDER BY m.id LIMIT $5",
        OLD STORE_OUTBOUND_OURS("$4") " ORDER BY m.id LIMIT $5"};
    size_t found = 0;
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &find,
                  DB_VALUES(db_number(after), db_number(before), db_number(is_unwarned),
                            db_number(store_self(store)), db_number((int64_t)most)),
                  &rows, fault))
        return false;
    while (found < most && db_rows_next(&rows))
        messages[found++] = db_rows_number(&rows, 0);
    if (!db_rows_finish(&rows, fault))
        return false;
    *count = found;
    return true;
}
