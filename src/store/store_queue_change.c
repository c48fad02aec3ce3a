/* What a person does to recipients in the queue, a slice at a time. */
#include "store/store_outbound_inside.h"
#include "store/store_queue_inside.h"

enum {
    SLICE_MAX = 1000,             /* recipients changed at once at most */
    LIST_TEXT_MAX = 32 * 1024,    /* bytes of the numbers of their messages */
    ROUTES_TEXT_MAX = 1024 * 1024 /* of the names of their routes */
};

/* Those that are to be changed, in order. */
struct slice {
    int64_t messages[SLICE_MAX];
    int64_t numbers[SLICE_MAX];
    size_t count;
    struct buffer ids; /* of their messages: "1,2,3" */
    struct buffer routes;
    size_t route_ends[SLICE_MAX];
    size_t route_count;
};

static bool is_last_route(const struct slice *slice, struct bytes route)
{
    if (slice->route_count == 0)
        return false;
    size_t start = slice->route_count > 1 ? slice->route_ends[slice->route_count - 2] : 0;
    return bytes_equal(bytes_skip(buffer_bytes(&slice->routes), start), route);
}

static void take(struct slice *slice, const struct db_rows *rows)
{
    int64_t message = db_rows_number(rows, 0);
    struct bytes route = db_rows_bytes(rows, 2);
    if (slice->count == 0 || slice->messages[slice->count - 1] != message) {
        if (slice->count > 0)
            buffer_append_char(&slice->ids, ',');
        buffer_append_unsigned(&slice->ids, (uint64_t)message);
    }
    if (!is_last_route(slice, route)) {
        buffer_append(&slice->routes, route);
        slice->route_ends[slice->route_count++] = slice->routes.length;
    }
    slice->messages[slice->count] = message;
    slice->numbers[slice->count++] = db_rows_number(rows, 1);
}

static bool find(struct db *db, const struct store_queue_values *values, struct slice *slice,
                 struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT r.message, r.number, r.route FROM outbound_recipient r "
        "CROSS JOIN outbound_message m WHERE " STORE_QUEUE_WHERE,
        NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &statement, values->values, STORE_QUEUE_PARAMETERS, &rows, fault))
        return false;
    while (slice->count < SLICE_MAX && db_rows_next(&rows))
        take(slice, &rows);
    if (buffer_is_failed(&slice->ids) || buffer_is_failed(&slice->routes))
        return fault_set_memory(fault);
    return db_rows_finish(&rows, fault);
}

/* In one order for everybody who changes recipients (store_jobs.c). */
static bool lock(struct db *db, const struct slice *slice, struct fault *fault)
{
    static const struct db_statement statement = {
        "SELECT 1 WHERE $1 = ''", "SELECT id FROM outbound_message WHERE "
                                  "id = ANY(('{' || $1 || '}')::bigint[]) ORDER BY id FOR UPDATE"};
    return db_kind(db) == DB_SQLITE ||
           db_send(db, &statement, DB_VALUES(db_text(buffer_bytes(&slice->ids))), fault);
}

/* ---- the deeds ---- */

static bool change_row(struct db *db, enum store_queue_deed deed, int64_t message, int64_t number,
                       int64_t now, struct fault *fault)
{
    static const struct db_statement retry = {
        "UPDATE outbound_recipient SET due = $3 WHERE message = $1 AND number = $2 AND state = 0",
        NULL};
    static const struct db_statement hold = {
        "UPDATE outbound_recipient SET state = 1 WHERE message = $1 AND number = $2", NULL};
    static const struct db_statement release = {
        "UPDATE outbound_recipient SET state = 0 WHERE message = $1 AND number = $2", NULL};
    static const struct db_statement remove = {
        "DELETE FROM outbound_recipient WHERE message = $1 AND number = $2", NULL};
    const struct db_value values[] = {db_number(message), db_number(number), db_number(now)};
    switch (deed) {
    case STORE_QUEUE_RETRY:
        return db_send(db, &retry, values, 3, fault);
    case STORE_QUEUE_HOLD:
        return db_send(db, &hold, values, 2, fault);
    case STORE_QUEUE_RELEASE:
        return db_send(db, &release, values, 2, fault);
    case STORE_QUEUE_REMOVE:
        break;
    }
    return db_send(db, &remove, values, 2, fault);
}

/* Whose last recipient was removed goes as well. */
static bool clear_messages(struct db *db, const struct slice *slice, struct fault *fault)
{
    for (size_t i = 0; i < slice->count; i++)
        if ((i == 0 || slice->messages[i] != slice->messages[i - 1]) &&
            !store_outbound_clear(db, slice->messages[i], fault))
            return false;
    return true;
}

static bool wake_routes(struct db *db, const struct slice *slice, struct fault *fault)
{
    static const struct db_statement wake = {"DELETE FROM outbound_route WHERE route = $1", NULL};
    size_t start = 0;
    for (size_t i = 0; i < slice->route_count; i++) {
        struct bytes route =
            bytes_slice(buffer_bytes(&slice->routes), start, slice->route_ends[i] - start);
        if (!db_send(db, &wake, DB_VALUES(db_text(route)), fault))
            return false;
        start = slice->route_ends[i];
    }
    return true;
}

static bool change_slice(struct db *db, enum store_queue_deed deed, const struct slice *slice,
                         int64_t now, struct fault *fault)
{
    if (!lock(db, slice, fault))
        return false;
    for (size_t i = 0; i < slice->count; i++)
        if (!change_row(db, deed, slice->messages[i], slice->numbers[i], now, fault))
            return false;
    return (deed != STORE_QUEUE_REMOVE || clear_messages(db, slice, fault)) &&
           (deed != STORE_QUEUE_RETRY || wake_routes(db, slice, fault)) &&
           store_outbound_nudge_raise(db, fault);
}

/* What is already as the deed would have it stays out. */
static int state_of(enum store_queue_deed deed)
{
    switch (deed) {
    case STORE_QUEUE_RETRY:
    case STORE_QUEUE_HOLD:
        return STORE_OUTBOUND_WAITS;
    case STORE_QUEUE_RELEASE:
        return STORE_OUTBOUND_HELD;
    case STORE_QUEUE_REMOVE:
        break;
    }
    return -1;
}

static bool change(struct db *db, enum store_queue_deed deed,
                   const struct store_queue_values *values, int64_t now, struct slice *slice,
                   struct fault *fault)
{
    return find(db, values, slice, fault) &&
           (slice->count == 0 || change_slice(db, deed, slice, now, fault));
}

bool store_queue_change(struct db *db, enum store_queue_deed deed,
                        const struct store_queue_filter *filter, int64_t now,
                        int64_t *after_message, int64_t *after_number, size_t most, size_t *count,
                        struct fault *fault)
{
    struct slice slice = {.ids = BUFFER(LIST_TEXT_MAX), .routes = BUFFER(ROUTES_TEXT_MAX)};
    AUTO(store_queue_values)
    values = {0};
    if (!store_queue_values_fill(&values, filter, state_of(deed), *after_message, *after_number,
                                 most < SLICE_MAX ? most : SLICE_MAX, fault))
        return false;
    bool is_done = change(db, deed, &values, now, &slice, fault);
    buffer_clear(&slice.ids);
    buffer_clear(&slice.routes);
    if (!is_done)
        return false;
    *count = slice.count;
    if (slice.count > 0) {
        *after_message = slice.messages[slice.count - 1];
        *after_number = slice.numbers[slice.count - 1];
    }
    return true;
}
