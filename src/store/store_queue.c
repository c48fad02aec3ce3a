/* What is in the queue, and how much. */
#include "store/store_queue_inside.h"

enum item_column {
    ITEM_MESSAGE,
    ITEM_NUMBER,
    ITEM_ACCOUNT,
    ITEM_CREATED,
    ITEM_SIZE,
    ITEM_SENDER,
    ITEM_ENVELOPE_ID,
    ITEM_RECIPIENT,
    ITEM_ORIGINAL,
    ITEM_ROUTE,
    ITEM_STATE,
    ITEM_ATTEMPTS,
    ITEM_DUE,
    ITEM_IS_WARNED,
    ITEM_ATTEMPT,
    ITEM_CODE,
    ITEM_ENHANCED,
    ITEM_TEXT,
    ITEM_HOST,
    ITEM_RESTING,
    ITEM_ROUTE_CODE,
    ITEM_ROUTE_TEXT,
    ITEM_ROUTE_FAILED
};

static void take_item(const struct db_rows *rows, struct store_queue_item *item)
{
    *item = (struct store_queue_item){
        .message = db_rows_number(rows, ITEM_MESSAGE),
        .number = (uint32_t)db_rows_number(rows, ITEM_NUMBER),
        .account = db_rows_number(rows, ITEM_ACCOUNT),
        .created = db_rows_number(rows, ITEM_CREATED),
        .size = (uint64_t)db_rows_number(rows, ITEM_SIZE),
        .sender = db_rows_bytes(rows, ITEM_SENDER),
        .envelope_id = db_rows_bytes(rows, ITEM_ENVELOPE_ID),
        .recipient = db_rows_bytes(rows, ITEM_RECIPIENT),
        .original_recipient = db_rows_bytes(rows, ITEM_ORIGINAL),
        .route = db_rows_bytes(rows, ITEM_ROUTE),
        .state = (enum store_outbound_state)db_rows_number(rows, ITEM_STATE),
        .attempts = (unsigned)db_rows_number(rows, ITEM_ATTEMPTS),
        .due = db_rows_number(rows, ITEM_DUE),
        .is_warned = db_rows_number(rows, ITEM_IS_WARNED) != 0,
        .last_attempt = db_rows_number(rows, ITEM_ATTEMPT),
        .last_code = (int)db_rows_number(rows, ITEM_CODE),
        .last_enhanced = db_rows_bytes(rows, ITEM_ENHANCED),
        .last_text = db_rows_bytes(rows, ITEM_TEXT),
        .last_host = db_rows_bytes(rows, ITEM_HOST),
    };
    /* What keeps a route from being tried keeps its recipients from it. */
    if (db_rows_number(rows, ITEM_RESTING) > item->due)
        item->due = db_rows_number(rows, ITEM_RESTING);
    if (item->last_code == 0 && bytes_is_empty(item->last_text)) {
        item->last_code = (int)db_rows_number(rows, ITEM_ROUTE_CODE);
        item->last_text = db_rows_bytes(rows, ITEM_ROUTE_TEXT);
        item->last_attempt = db_rows_number(rows, ITEM_ROUTE_FAILED);
    }
}

static bool list(struct db *db, const struct store_queue_values *values,
                 store_each_queue_item *each, void *context, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT r.message, r.number, m.account, m.created, LENGTH(m.prefix) + b.size, m.sender, "
        "m.envelope_id, r.recipient, r.original_recipient, r.route, r.state, r.attempts, r.due, "
        "r.is_warned, r.last_attempt, r.last_code, r.last_enhanced, r.last_text, r.last_host, "
        "o.resting_until, o.code, o.reason, o.failed FROM outbound_recipient r "
        "CROSS JOIN outbound_message m CROSS JOIN body b "
        "LEFT JOIN outbound_route o ON o.route = r.route WHERE b.id = m.id AND " STORE_QUEUE_WHERE,
        NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &statement, values->values, STORE_QUEUE_PARAMETERS, &rows, fault))
        return false;
    struct store_queue_item item;
    bool goes_on = true;
    while (goes_on && db_rows_next(&rows)) {
        take_item(&rows, &item);
        goes_on = each(context, &item);
    }
    return db_rows_finish(&rows, fault);
}

bool store_queue_list(struct db *db, const struct store_queue_filter *filter, int64_t after_message,
                      int64_t after_number, size_t most, store_each_queue_item *each, void *context,
                      struct fault *fault)
{
    AUTO(store_queue_values)
    values = {0};
    return store_queue_values_fill(&values, filter, -1, after_message, after_number, most, fault) &&
           list(db, &values, each, context, fault);
}

/* ---- how much ---- */

/* Both read the index by route alone, in its order. */
static bool count_recipients(struct db *db, int64_t now, struct store_queue_stats *stats,
                             struct fault *fault)
{
    static const struct db_statement count = {
        "SELECT CAST(COALESCE(SUM(c), 0) AS BIGINT), CAST(COALESCE(SUM(w), 0) AS BIGINT), "
        "CAST(COALESCE(SUM(d), 0) AS BIGINT), CAST(COALESCE(SUM(t), 0) AS BIGINT), COUNT(*) FROM "
        "(SELECT COUNT(*) AS c, SUM(CASE WHEN state = 0 THEN 1 ELSE 0 END) AS w, "
        "SUM(CASE WHEN state = 0 AND due <= $1 THEN 1 ELSE 0 END) AS d, "
        "SUM(CASE WHEN attempts > 0 THEN 1 ELSE 0 END) AS t "
        "FROM outbound_recipient GROUP BY route) s",
        NULL};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &count, DB_VALUES(db_number(now)), &rows, &is_found, fault))
        return false;
    stats->recipients = (uint64_t)db_rows_number(&rows, 0);
    stats->waiting = (uint64_t)db_rows_number(&rows, 1);
    stats->held = stats->recipients - stats->waiting;
    stats->due = (uint64_t)db_rows_number(&rows, 2);
    stats->tried = (uint64_t)db_rows_number(&rows, 3);
    stats->routes = (uint64_t)db_rows_number(&rows, 4);
    return db_rows_finish(&rows, fault);
}

static bool count_messages(struct db *db, struct store_queue_stats *stats, struct fault *fault)
{
    static const struct db_statement count = {
        "SELECT COUNT(*), COALESCE((SELECT created FROM outbound_message ORDER BY id LIMIT 1), 0) "
        "FROM outbound_message",
        NULL};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &count, DB_NO_VALUES, &rows, &is_found, fault))
        return false;
    stats->messages = (uint64_t)db_rows_number(&rows, 0);
    stats->oldest = db_rows_number(&rows, 1);
    return db_rows_finish(&rows, fault);
}

bool store_queue_stats(struct db *db, int64_t now, struct store_queue_stats *stats,
                       struct fault *fault)
{
    struct store_queue_stats counted = {0};
    if (!count_recipients(db, now, &counted, fault) || !count_messages(db, &counted, fault))
        return false;
    *stats = counted;
    return true;
}

bool store_queue_routes(struct db *db, size_t most, store_each_queue_route *each, void *context,
                        struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT s.route, s.waiting, s.c - s.waiting, COALESCE(s.due, 0), "
        "COALESCE(o.resting_until, 0), COALESCE(o.failures, 0), COALESCE(o.code, 0), "
        "COALESCE(o.reason, '') FROM (SELECT route, COUNT(*) AS c, "
        "SUM(CASE WHEN state = 0 THEN 1 ELSE 0 END) AS waiting, "
        "MIN(CASE WHEN state = 0 THEN due END) AS due FROM outbound_recipient GROUP BY route) s "
        "LEFT JOIN outbound_route o ON o.route = s.route ORDER BY s.c DESC, s.route LIMIT $1",
        NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &statement, DB_VALUES(db_number((int64_t)most)), &rows, fault))
        return false;
    bool goes_on = true;
    while (goes_on && db_rows_next(&rows)) {
        struct store_queue_route route = {
            .route = db_rows_bytes(&rows, 0),
            .waiting = (uint64_t)db_rows_number(&rows, 1),
            .held = (uint64_t)db_rows_number(&rows, 2),
            .next_due = db_rows_number(&rows, 3),
            .resting_until = db_rows_number(&rows, 4),
            .failures = (unsigned)db_rows_number(&rows, 5),
            .last_code = (int)db_rows_number(&rows, 6),
            .last_text = db_rows_bytes(&rows, 7),
        };
        goes_on = each(context, &route);
    }
    return db_rows_finish(&rows, fault);
}
