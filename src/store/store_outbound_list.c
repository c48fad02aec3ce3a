/* All that waits, for a runner that begins: in the order of the primary key, whole messages at a
 * time. */
#include "store/store_outbound_inside.h"

enum {
    COLUMN_MESSAGE,
    COLUMN_DUE,
    COLUMN_ROUTE,
    COLUMN_ACCOUNT
};

bool store_outbound_list_open(struct store_outbound_list *list, struct store *store, struct db *db,
                              int64_t after_message, size_t rows_max, struct fault *fault)
{
    /* SQLite gives rows as they are asked for; PostgreSQL all at once. */
    static const struct db_statement read = {
        "SELECT r.message, r.due, r.route, m.account FROM outbound_recipient r "
        "CROSS JOIN outbound_message m WHERE m.id = r.message AND r.message > $1 AND r.state = 0 "
        "AND $2 > 0 AND $3 > 0 ORDER BY r.message, r.number",
        "SELECT message, due, route, account FROM (SELECT r.message, r.number, r.due, r.route, "
        "m.account FROM outbound_recipient r JOIN outbound_message m ON m.id = r.message "
        "WHERE r.message > $1 AND r.state = 0 AND " STORE_OUTBOUND_OURS(
            "$2") " ORDER BY r.message FETCH FIRST $3 ROWS WITH TIES) s ORDER BY message, number"};
    list->rows_max = rows_max;
    list->row_count = 0;
    list->message = 0;
    list->is_over = false;
    buffer_init(&list->route, STORE_OUTBOUND_ROUTE_MAX);
    return db_query(db, &read,
                    DB_VALUES(db_number(after_message), db_number(store_self(store)),
                              db_number((int64_t)rows_max)),
                    &list->rows, fault);
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
        if (!db_rows_next(&list->rows)) {
            list->is_over = list->row_count < list->rows_max;
            return false;
        }
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
    bool is_done = db_rows_finish(&list->rows, fault);
    list->is_over = list->is_over && is_done;
    return is_done;
}

void store_outbound_list_clear(struct store_outbound_list *list)
{
    db_rows_clear(&list->rows);
    buffer_clear(&list->route);
}
