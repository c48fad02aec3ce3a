/* The bytes of a body on its way, a piece at a time. */
#include "store/store_body.h"
#include "store/store_outbound_inside.h"

bool store_outbound_body_read(struct db *db, int64_t body, uint64_t offset, size_t size,
                              struct buffer *out, bool *is_gone, struct fault *fault)
{
    static const struct db_statement find = {"SELECT size FROM body WHERE id = $1", NULL};
    AUTO(db_rows)
    rows = {0};
    bool is_found;
    if (!db_query_one(db, &find, DB_VALUES(db_number(body)), &rows, &is_found, fault))
        return false;
    uint64_t whole = is_found ? (uint64_t)db_rows_number(&rows, 0) : 0;
    db_rows_clear(&rows);
    if (offset > whole)
        offset = whole;
    if (size > whole - offset)
        size = (size_t)(whole - offset);
    if (is_found && !store_body_read(db, body, offset, size, out, &is_found, fault))
        return false;
    *is_gone = !is_found;
    return true;
}
