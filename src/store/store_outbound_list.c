/* All that waits, for a runner that begins: in the order of the primary key, whole messages at a
 * time. */
#include "store/store_outbound_inside.h"

enum {
    COLUMN_MESSAGE,
    COLUMN_DUE,
    COLUMN_ROUTE,
    COLUMN_ACCOUNT
};

/* PostgreSQL gives all rows of an answer at once: they are read in pages of whole messages, the
   boundaries of which are found by the key alone. SQLite gives rows as they are asked for. */
static bool find_boundary(struct store_outbound_list *list, int64_t after, struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT message FROM outbound_recipient WHERE message > $1 ORDER BY message, number "
        "LIMIT 1 OFFSET $2",
        NULL};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    list->boundary = INT64_MAX;
    if (db_kind(list->db) == DB_SQLITE)
        return true;
    if (!db_query_one(list->db, &find,
                      DB_VALUES(db_number(after), db_number((int64_t)list->rows_max)), &rows,
                      &is_found, fault))
        return false;
    if (is_found)
        list->boundary = db_rows_number(&rows, 0);
    return db_rows_finish(&rows, fault);
}

static bool open_page(struct store_outbound_list *list, int64_t after, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT r.message, r.due, r.route, m.account FROM outbound_recipient r "
        "CROSS JOIN outbound_message m WHERE m.id = r.message AND r.message > $1 "
        "AND r.message <= $2 AND r.state = 0 AND $3 > 0 ORDER BY r.message, r.number",
        "SELECT r.message, r.due, r.route, m.account FROM outbound_recipient r "
        "JOIN outbound_message m ON m.id = r.message WHERE r.message > $1 AND r.message <= $2 "
        "AND m.id > $1 AND m.id <= $2 AND r.state = 0 AND " STORE_OUTBOUND_OURS(
            "$3") " ORDER BY r.message, r.number"};
    return find_boundary(list, after, fault) &&
           db_query(list->db, &read,
                    DB_VALUES(db_number(after), db_number(list->boundary), db_number(list->self)),
                    &list->rows, fault);
}

bool store_outbound_list_open(struct store_outbound_list *list, struct store *store, struct db *db,
                              int64_t after_message, size_t rows_max, struct fault *fault)
{
    list->db = db;
    list->self = store_self(store);
    list->rows_max = rows_max;
    list->row_count = 0;
    list->message = 0;
    list->is_over = false;
    list->is_failed = false;
    buffer_init(&list->route, STORE_OUTBOUND_ROUTE_MAX);
    return open_page(list, after_message, fault);
}

/* The next row, of this page or of those that follow: they may be all of others. */
static bool next_row(struct store_outbound_list *list)
{
    while (!db_rows_next(&list->rows)) {
        list->is_failed = !db_rows_finish(&list->rows, &list->fault);
        list->is_over = !list->is_failed && list->boundary == INT64_MAX;
        if (list->is_failed || list->is_over || list->row_count >= list->rows_max)
            return false;
        list->is_failed = !open_page(list, list->boundary, &list->fault);
        if (list->is_failed)
            return false;
    }
    return true;
}

/* The row says no more than the one before. */
static bool is_same(const struct store_outbound_list *list)
{
    return db_rows_number(&list->rows, COLUMN_MESSAGE) == list->message &&
           db_rows_number(&list->rows, COLUMN_DUE) == list->due &&
           bytes_equal(db_rows_bytes(&list->rows, COLUMN_ROUTE), buffer_bytes(&list->route));
}

static void remember(struct store_outbound_list *list, const struct store_outbound_entry *entry)
{
    list->message = entry->message;
    list->due = entry->due;
    buffer_reset(&list->route);
    buffer_append(&list->route, entry->route);
    /* Without memory to compare with it comes twice. */
    if (buffer_is_failed(&list->route))
        list->message = 0;
}

bool store_outbound_list_next(struct store_outbound_list *list, struct store_outbound_entry *entry)
{
    do {
        if (!next_row(list))
            return false;
        /* A message that was begun is read to its end. */
        if (list->row_count >= list->rows_max &&
            db_rows_number(&list->rows, COLUMN_MESSAGE) != list->last_message)
            return false;
        list->last_message = db_rows_number(&list->rows, COLUMN_MESSAGE);
        list->row_count++;
    } while (is_same(list));
    *entry = (struct store_outbound_entry){
        .message = db_rows_number(&list->rows, COLUMN_MESSAGE),
        .account = db_rows_number(&list->rows, COLUMN_ACCOUNT),
        .due = db_rows_number(&list->rows, COLUMN_DUE),
        .route = db_rows_bytes(&list->rows, COLUMN_ROUTE),
    };
    remember(list, entry);
    return true;
}

bool store_outbound_list_finish(struct store_outbound_list *list, struct fault *fault)
{
    if (list->is_failed && fault != NULL)
        *fault = list->fault;
    return !list->is_failed && db_rows_finish(&list->rows, fault);
}

void store_outbound_list_clear(struct store_outbound_list *list)
{
    db_rows_clear(&list->rows);
    buffer_clear(&list->route);
}
