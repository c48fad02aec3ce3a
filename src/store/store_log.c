/* Writing what changed and what went, and forgetting it in time. */
#include "store/store_log.h"

static const int64_t day = (int64_t)24 * 60 * 60 * 1000 * 1000; /* microseconds */

enum {
    OLD_AT_ONCE = 1000 /* ranges that are looked at when the oldest is too old */
};

/* ---- what changed ---- */

/* The modseq of the range that is the first beyond the newest `kept`; 0 = there are not so many. */
static bool find_surplus(struct db *db, const struct db_statement *find, int64_t mailbox,
                         int64_t kept, int64_t *modseq, struct fault *fault)
{
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, find, DB_VALUES(db_number(mailbox), db_number(kept)), &rows, &is_found,
                      fault))
        return false;
    *modseq = is_found ? db_rows_number(&rows, 0) : 0;
    return db_rows_finish(&rows, fault);
}

static bool forget_changed(struct db *db, struct store_step *step, struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT modseq FROM changed WHERE mailbox = $1 ORDER BY modseq DESC LIMIT 1 OFFSET $2",
        NULL};
    static const struct db_statement forget = {
        "DELETE FROM changed WHERE mailbox = $1 AND modseq <= $2", NULL};
    int64_t surplus;
    if (!find_surplus(db, &find, step->mailbox, STORE_LOG_CHANGED_MAX, &surplus, fault))
        return false;
    int64_t floor = step->modseq - STORE_CHANGED_KEPT;
    if (surplus > floor)
        floor = surplus;
    if (floor <= step->changed_floor)
        return true;
    step->changed_floor = floor;
    return db_send(db, &forget, DB_VALUES(db_number(step->mailbox), db_number(floor)), fault);
}

bool store_log_changed(struct db *db, struct store_step *step, struct store_ranges *ranges,
                       struct fault *fault)
{
    static const struct db_statement add = {
        "INSERT INTO changed(mailbox, modseq, uid, uid_last) VALUES($1, $2, $3, $4)",
        "INSERT INTO changed(mailbox, modseq, uid, uid_last) "
        "SELECT $1, $2, r.lo, r.hi FROM unnest($3::bigint[], $4::bigint[]) r(lo, hi)"};
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    size_t count = ranges->count;
    store_ranges_widen(ranges, STORE_LOG_RUNS_MAX);
    store_ranges_walk_begin(&walk, db, ranges->items, ranges->count);
    for (;;) {
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            break;
        if (!db_send(
                db, &add,
                DB_VALUES(db_number(step->mailbox), db_number(step->modseq), walk.first, walk.last),
                fault))
            return false;
    }
    if (step->modseq % STORE_LOG_LOOK_EVERY != 0 && count < STORE_LOG_LOOK_EVERY)
        return true;
    return forget_changed(db, step, fault);
}

/* ---- what vanished ---- */

/* The highest modseq of those at the old end that are too old. */
static bool find_old(struct db *db, const struct store_step *step, int64_t before, int64_t *modseq,
                     struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT modseq, removed FROM vanished WHERE mailbox = $1 ORDER BY modseq LIMIT $2", NULL};
    AUTO(db_rows)
    rows = {0};
    *modseq = 0;
    if (!db_query(db, &find, DB_VALUES(db_number(step->mailbox), db_number(OLD_AT_ONCE)), &rows,
                  fault))
        return false;
    while (db_rows_next(&rows) && db_rows_number(&rows, 1) < before)
        *modseq = db_rows_number(&rows, 0);
    return db_rows_finish(&rows, fault);
}

static bool forget_vanished(struct db *db, struct store_step *step, int64_t now,
                            struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT modseq FROM vanished WHERE mailbox = $1 ORDER BY modseq DESC LIMIT 1 OFFSET $2",
        NULL};
    static const struct db_statement forget = {
        "DELETE FROM vanished WHERE mailbox = $1 AND modseq <= $2", NULL};
    int64_t surplus;
    int64_t old;
    if (!find_surplus(db, &find, step->mailbox, STORE_VANISHED_RANGES_MAX, &surplus, fault) ||
        !find_old(db, step, now - STORE_VANISHED_KEPT_DAYS * day, &old, fault))
        return false;
    int64_t floor = surplus > old ? surplus : old;
    if (floor <= step->vanished_floor)
        return true;
    step->vanished_floor = floor;
    return db_send(db, &forget, DB_VALUES(db_number(step->mailbox), db_number(floor)), fault);
}

bool store_log_vanished(struct db *db, struct store_step *step, const struct store_ranges *ranges,
                        int64_t now, struct fault *fault)
{
    static const struct db_statement add = {
        "INSERT INTO vanished(mailbox, modseq, removed, uid, uid_last) VALUES($1, $2, $3, $4, $5)",
        "INSERT INTO vanished(mailbox, modseq, removed, uid, uid_last) "
        "SELECT $1, $2, $3, r.lo, r.hi FROM unnest($4::bigint[], $5::bigint[]) r(lo, hi)"};
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    store_ranges_walk_begin(&walk, db, ranges->items, ranges->count);
    for (;;) {
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            break;
        if (!db_send(db, &add,
                     DB_VALUES(db_number(step->mailbox), db_number(step->modseq), db_number(now),
                               walk.first, walk.last),
                     fault))
            return false;
    }
    if (step->modseq % STORE_LOG_LOOK_EVERY != 0 && ranges->count < STORE_LOG_LOOK_EVERY)
        return true;
    return forget_vanished(db, step, now, fault);
}
