/* Removing messages, some hundred at a time. */
#include "store/store_removing.h"

#include "base/clock.h"
#include "store/store_body.h"
#include "store/store_log.h"

enum {
    ROWS_AT_ONCE = 1000, /* messages that are found at most, then removed */
    ROWS_MAX = 2 * ROWS_AT_ONCE,
    LIST_TEXT_MAX = 64 * 1024 /* bytes of the numbers of their bodies, or of their prefixes */
};

/* Of ROWS_MAX messages. */
struct removing {
    struct db *db;
    struct store_step *step;
    bool is_deleted_only;
    struct store_ranges ranges; /* no other message lies in them */
    struct buffer bodies;       /* "1,2,3" */
    struct buffer numbers;      /* of their prefixes, in the same order */
    int64_t body_ids[ROWS_MAX];
    int64_t prefix_numbers[ROWS_MAX];
    size_t count;
};

static void append_number(struct buffer *list, int64_t number)
{
    if (list->length > 0)
        buffer_append_char(list, ',');
    buffer_append_unsigned(list, (uint64_t)number);
}

/* Columns: uid, body, size, flags, prefix_number. is_run: no other message since the last that
 * goes. */
static bool take(struct removing *removing, const struct db_rows *rows, bool is_run,
                 struct fault *fault)
{
    uint32_t uid = (uint32_t)db_rows_number(rows, 0);
    int64_t body = db_rows_number(rows, 1);
    removing->body_ids[removing->count] = body;
    removing->prefix_numbers[removing->count++] = db_rows_number(rows, 4);
    append_number(&removing->bodies, body);
    append_number(&removing->numbers, db_rows_number(rows, 4));
    store_step_count(removing->step, db_rows_number(rows, 3), db_rows_number(rows, 2), -1);
    if (!is_run)
        return store_ranges_add(&removing->ranges, uid, uid, fault);
    removing->ranges.items[removing->ranges.count - 1].last = uid;
    return true;
}

static bool find_some(struct removing *removing, struct store_ranges_walk *walk,
                      struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT uid, body, size, flags, prefix_number FROM message WHERE mailbox = $1 "
        "AND uid BETWEEN $2 AND $3 ORDER BY uid LIMIT $4",
        STORE_WALK_READ("x.uid, x.body, x.size, x.flags, x.prefix_number", "", "$4")};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(removing->db, &find,
                  DB_VALUES(db_number(removing->step->mailbox), walk->first, walk->last,
                            db_number(ROWS_AT_ONCE)),
                  &rows, fault))
        return false;
    size_t count = 0;
    uint32_t uid = 0;
    bool is_run = false;
    while (db_rows_next(&rows)) {
        bool is_other;
        uid = (uint32_t)db_rows_number(&rows, 0);
        count++;
        bool goes =
            store_ranges_walk_has(walk, uid, &is_other) &&
            (!removing->is_deleted_only || (db_rows_number(&rows, 3) & STORE_FLAG_DELETED) != 0);
        if (goes && !take(removing, &rows, is_run && !is_other, fault))
            return false;
        is_run = goes;
    }
    if (count == ROWS_AT_ONCE)
        store_ranges_walk_return(walk, uid);
    return db_rows_finish(&rows, fault);
}

/* ---- rows ---- */

/* Those that nobody else has go, the others lose one user. */
static bool release_one(struct removing *removing, int64_t body, int64_t number,
                        struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM message_prefix WHERE body = $1 AND number = $2 AND uses <= 2", NULL};
    static const struct db_statement uncount = {
        "UPDATE message_prefix SET uses = uses - 1 WHERE body = $1 AND number = $2", NULL};
    const struct db_value values[] = {db_number(body), db_number(number)};
    uint64_t removed;
    return db_execute(removing->db, &remove, values, 2, &removed, fault) &&
           (removed > 0 || db_send(removing->db, &uncount, values, 2, fault));
}

static bool release_prefixes(struct removing *removing, struct fault *fault)
{
    static const struct db_statement all = {
        "SELECT $1, $2",
        "WITH gone AS (SELECT r.body, r.number, COUNT(*) AS uses FROM "
        "unnest(('{' || $1 || '}')::bigint[], ('{' || $2 || '}')::bigint[]) r(body, number) "
        "GROUP BY r.body, r.number), "
        "found AS (SELECT f.place, f.uses - g.uses AS uses FROM gone g CROSS JOIN LATERAL "
        "(SELECT y.ctid AS place, y.uses FROM message_prefix y WHERE y.body = g.body "
        "AND y.number = g.number OFFSET 0) f), "
        "kept AS (UPDATE message_prefix p SET uses = f.uses FROM found f "
        "WHERE p.ctid = f.place AND f.uses > 1) "
        "DELETE FROM message_prefix p USING found f WHERE p.ctid = f.place AND f.uses <= 1"};
    if (db_kind(removing->db) == DB_POSTGRES)
        return db_send(removing->db, &all,
                       DB_VALUES(db_text(buffer_bytes(&removing->bodies)),
                                 db_text(buffer_bytes(&removing->numbers))),
                       fault);
    for (size_t i = 0; i < removing->count; i++)
        if (!release_one(removing, removing->body_ids[i], removing->prefix_numbers[i], fault))
            return false;
    return true;
}

static bool delete_messages(struct removing *removing, struct fault *fault)
{
    static const struct db_statement remove = {
        "DELETE FROM message WHERE mailbox = $1 AND uid BETWEEN $2 AND $3",
        "DELETE FROM message m USING " STORE_WALK_RANGES " " STORE_WALK_PLACES
        "WHERE m.ctid = f.place"};
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    store_ranges_walk_begin(&walk, removing->db, removing->ranges.items, removing->ranges.count);
    for (;;) {
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            return true;
        if (!db_send(removing->db, &remove,
                     DB_VALUES(db_number(removing->step->mailbox), walk.first, walk.last), fault))
            return false;
    }
}

static void begin_anew(struct removing *removing)
{
    removing->count = 0;
    removing->ranges.count = 0;
    buffer_reset(&removing->bodies);
    buffer_reset(&removing->numbers);
}

static bool remove_found(struct removing *removing, struct store_ranges *removed,
                         struct fault *fault)
{
    if (removing->count == 0)
        return true;
    if (buffer_is_failed(&removing->bodies) || buffer_is_failed(&removing->numbers))
        return fault_set_memory(fault);
    for (size_t i = 0; i < removing->ranges.count; i++)
        if (!store_ranges_add(removed, removing->ranges.items[i].first,
                              removing->ranges.items[i].last, fault))
            return false;
    if (!release_prefixes(removing, fault) || !delete_messages(removing, fault) ||
        !store_body_remove_unused(removing->db, buffer_bytes(&removing->bodies), fault))
        return false;
    begin_anew(removing);
    return true;
}

/* ---- all of it ---- */

static bool remove_all(struct removing *removing, const struct store_uid_range *ranges,
                       size_t count, struct store_ranges *removed, struct fault *fault)
{
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    store_ranges_walk_begin_reading(&walk, removing->db, ranges, count);
    for (;;) {
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            return remove_found(removing, removed, fault);
        if (!find_some(removing, &walk, fault))
            return false;
        if (removing->count >= ROWS_AT_ONCE && !remove_found(removing, removed, fault))
            return false;
    }
}

bool store_removing_run(struct db *db, struct store_step *step,
                        const struct store_uid_range *ranges, size_t count, bool is_deleted_only,
                        struct store_ranges *removed, struct fault *fault)
{
    struct removing removing = {
        .db = db,
        .step = step,
        .is_deleted_only = is_deleted_only,
        .bodies = BUFFER(LIST_TEXT_MAX),
        .numbers = BUFFER(LIST_TEXT_MAX),
    };
    bool is_done = remove_all(&removing, ranges, count, removed, fault);
    store_ranges_clear(&removing.ranges);
    buffer_clear(&removing.bodies);
    buffer_clear(&removing.numbers);
    if (!is_done)
        return false;
    return removed->count == 0 ||
           (store_log_vanished(db, step, removed, clock_wall_microseconds(), fault) &&
            store_step_account(db, step->account, step->messages, step->bytes, fault));
}
