/* Which messages went: from the log, or from what is still there. */
#include <stdlib.h>

#include "store/store_ranges.h"

void store_vanished_clear(struct store_vanished *vanished)
{
    free(vanished->ranges);
    *vanished = (struct store_vanished){0};
}

struct gathering {
    const struct store_uid_range *within;
    size_t within_count;
    struct store_ranges ranges;
};

static bool gather(struct gathering *gathering, uint32_t first, uint32_t last, struct fault *fault)
{
    if (gathering->within_count == 0)
        return store_ranges_add(&gathering->ranges, first, last, fault);
    return store_ranges_add_within(&gathering->ranges, first, last, gathering->within,
                                   gathering->within_count, fault);
}

static bool read_log(struct db *db, int64_t mailbox, uint64_t since, struct gathering *gathering,
                     struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT uid, uid_last FROM vanished WHERE mailbox = $1 AND modseq > $2", NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &read, DB_VALUES(db_number(mailbox), db_number((int64_t)since)), &rows,
                  fault))
        return false;
    while (db_rows_next(&rows))
        if (!gather(gathering, (uint32_t)db_rows_number(&rows, 0),
                    (uint32_t)db_rows_number(&rows, 1), fault))
            return false;
    return db_rows_finish(&rows, fault);
}

/* From *uid on; *uid is then where to go on. */
static bool read_some_gaps(struct db *db, int64_t mailbox, int64_t *uid, size_t *count,
                           struct gathering *gathering, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT uid FROM message WHERE mailbox = $1 AND uid >= $2 ORDER BY uid LIMIT $3", NULL};
    AUTO(db_rows)
    rows = {0};
    *count = 0;
    if (!db_query(db, &read,
                  DB_VALUES(db_number(mailbox), db_number(*uid), db_number(STORE_VIEW_ROWS)), &rows,
                  fault))
        return false;
    while (db_rows_next(&rows)) {
        int64_t found = db_rows_number(&rows, 0);
        if (found > *uid && !gather(gathering, (uint32_t)*uid, (uint32_t)(found - 1), fault))
            return false;
        *uid = found + 1;
        ++*count;
    }
    return db_rows_finish(&rows, fault);
}

/* All UIDs below uidnext that no message has. */
static bool read_gaps(struct db *db, int64_t mailbox, int64_t uidnext, struct gathering *gathering,
                      struct fault *fault)
{
    int64_t uid = 1;
    size_t count;
    do {
        if (!read_some_gaps(db, mailbox, &uid, &count, gathering, fault))
            return false;
    } while (count == STORE_VIEW_ROWS);
    return uid >= uidnext || gather(gathering, (uint32_t)uid, (uint32_t)(uidnext - 1), fault);
}

static bool read_mailbox(struct db *db, int64_t mailbox, int64_t *floor, int64_t *uidnext,
                         struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT vanished_floor, uidnext FROM mailbox WHERE id = $1", NULL};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &find, DB_VALUES(db_number(mailbox)), &rows, &is_found, fault))
        return false;
    if (!is_found)
        return fault_set(fault, FAULT_PERMANENT, "the mailbox is no longer there");
    *floor = db_rows_number(&rows, 0);
    *uidnext = db_rows_number(&rows, 1);
    return true;
}

bool store_vanished_read(struct db *db, int64_t mailbox, uint64_t since,
                         const struct store_uid_range *within, size_t within_count,
                         struct store_vanished *vanished, struct fault *fault)
{
    struct gathering gathering = {.within = within, .within_count = within_count};
    int64_t floor;
    int64_t uidnext;
    if (!read_mailbox(db, mailbox, &floor, &uidnext, fault))
        return false;
    bool is_whole = since >= (uint64_t)floor;
    if (!(is_whole ? read_log(db, mailbox, since, &gathering, fault)
                   : read_gaps(db, mailbox, uidnext, &gathering, fault))) {
        store_ranges_clear(&gathering.ranges);
        return false;
    }
    store_ranges_join(&gathering.ranges);
    *vanished = (struct store_vanished){gathering.ranges.items, gathering.ranges.count, is_whole};
    return true;
}
