/* One letter as a session is to send it. */
#include <string.h>

#include "store/store_outbound_inside.h"

enum recipient_column {
    RECIPIENT_NUMBER,
    RECIPIENT_ADDRESS,
    RECIPIENT_ORIGINAL,
    RECIPIENT_NOTIFY,
    RECIPIENT_ATTEMPTS,
    RECIPIENT_IS_WARNED,
    RECIPIENT_CODE,
    RECIPIENT_ENHANCED,
    RECIPIENT_TEXT,
    RECIPIENT_HOST,
    RECIPIENT_ATTEMPT
};

enum message_column {
    MESSAGE_ACCOUNT,
    MESSAGE_CREATED,
    MESSAGE_SENDER,
    MESSAGE_ENVELOPE_ID,
    MESSAGE_RETURN_CONTENT,
    MESSAGE_BODY_KIND,
    MESSAGE_IS_UTF8,
    MESSAGE_PREFIX,
    MESSAGE_SIZE,
    MESSAGE_DATA
};

/* A letter on its way out of the store. */
struct reading {
    struct db *db;
    struct arena *arena;
    struct store_outbound_letter letter;
    size_t capacity;
    bool is_out_of_memory;
};

static struct bytes keep(struct reading *reading, struct bytes bytes)
{
    if (bytes.length == 0)
        return BYTES("");
    char *place = arena_allocate(reading->arena, bytes.length);
    if (place == NULL) {
        reading->is_out_of_memory = true;
        return BYTES("");
    }
    memcpy(place, bytes.data, bytes.length);
    return bytes_of(place, bytes.length);
}

static bool make_room(struct reading *reading)
{
    struct store_outbound_letter *letter = &reading->letter;
    if (letter->recipient_count < reading->capacity)
        return true;
    size_t wanted = reading->capacity == 0 ? 1 : reading->capacity * 4;
    struct store_outbound_recipient *recipients =
        arena_allocate_array(reading->arena, wanted, sizeof(*recipients));
    if (recipients == NULL)
        return false;
    if (letter->recipient_count > 0)
        memcpy(recipients, letter->recipients, letter->recipient_count * sizeof(*recipients));
    letter->recipients = recipients;
    reading->capacity = wanted;
    return true;
}

static bool take_recipient(struct reading *reading, const struct db_rows *rows)
{
    struct store_outbound_letter *letter = &reading->letter;
    if (!make_room(reading))
        return false;
    letter->recipients[letter->recipient_count++] = (struct store_outbound_recipient){
        .number = (uint32_t)db_rows_number(rows, RECIPIENT_NUMBER),
        .address = keep(reading, db_rows_bytes(rows, RECIPIENT_ADDRESS)),
        .original_recipient = keep(reading, db_rows_bytes(rows, RECIPIENT_ORIGINAL)),
        .notify = (unsigned)db_rows_number(rows, RECIPIENT_NOTIFY),
        .attempts = (unsigned)db_rows_number(rows, RECIPIENT_ATTEMPTS),
        .is_warned = db_rows_number(rows, RECIPIENT_IS_WARNED) != 0,
        .last_code = (int)db_rows_number(rows, RECIPIENT_CODE),
        .last_enhanced = keep(reading, db_rows_bytes(rows, RECIPIENT_ENHANCED)),
        .last_text = keep(reading, db_rows_bytes(rows, RECIPIENT_TEXT)),
        .last_host = keep(reading, db_rows_bytes(rows, RECIPIENT_HOST)),
        .last_attempt = db_rows_number(rows, RECIPIENT_ATTEMPT),
    };
    return !reading->is_out_of_memory;
}

#define RECIPIENT_COLUMNS                                                                          \
    "SELECT r.number, r.recipient, r.original_recipient, r.notify, r.attempts, r.is_warned, "
#define RECIPIENT_WHERE                                                                            \
    "WHERE r.message = $1 AND r.state = 0 AND r.due <= $2 AND ($3 = '' OR r.route = $3) "          \
    "ORDER BY r.message, r.number LIMIT $4"
#define NO_OWN_FAILURE "CASE WHEN r.last_code = 0 AND r.last_text = '' THEN "

static bool read_recipients(struct reading *reading, struct bytes route, int64_t due,
                            struct fault *fault)
{
    static const struct db_statement of_recipients = {
        RECIPIENT_COLUMNS "r.last_code, r.last_enhanced, r.last_text, r.last_host, r.last_attempt "
                          "FROM outbound_recipient r " RECIPIENT_WHERE,
        NULL};
    /* Who is not due waits perhaps for its route alone, and that is then the reason. */
    static const struct db_statement of_routes = {
        RECIPIENT_COLUMNS NO_OWN_FAILURE
        "COALESCE(o.code, 0) ELSE r.last_code END, "
        "r.last_enhanced, " NO_OWN_FAILURE "COALESCE(o.reason, '') ELSE r.last_text END, "
        "r.last_host, " NO_OWN_FAILURE "COALESCE(o.failed, 0) ELSE r.last_attempt END "
        "FROM outbound_recipient r LEFT JOIN outbound_route o "
        "ON o.route = r.route " RECIPIENT_WHERE,
        NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(reading->db, due == INT64_MAX ? &of_routes : &of_recipients,
                  DB_VALUES(db_number(reading->letter.message), db_number(due), db_text(route),
                            db_number(STORE_OUTBOUND_RECIPIENTS_MAX)),
                  &rows, fault))
        return false;
    while (db_rows_next(&rows))
        if (!take_recipient(reading, &rows))
            return fault_set_memory(fault);
    return db_rows_finish(&rows, fault);
}

static void take_message(struct reading *reading, const struct db_rows *rows)
{
    struct store_outbound_letter *letter = &reading->letter;
    letter->body = letter->message;
    letter->account = db_rows_number(rows, MESSAGE_ACCOUNT);
    letter->created = db_rows_number(rows, MESSAGE_CREATED);
    letter->sender = keep(reading, db_rows_bytes(rows, MESSAGE_SENDER));
    letter->envelope_id = keep(reading, db_rows_bytes(rows, MESSAGE_ENVELOPE_ID));
    letter->return_content = (unsigned)db_rows_number(rows, MESSAGE_RETURN_CONTENT);
    letter->body_kind = (enum store_body_kind)db_rows_number(rows, MESSAGE_BODY_KIND);
    letter->is_utf8 = db_rows_number(rows, MESSAGE_IS_UTF8) != 0;
    letter->prefix = keep(reading, db_rows_bytes(rows, MESSAGE_PREFIX));
    letter->size = (uint64_t)db_rows_number(rows, MESSAGE_SIZE) + letter->prefix.length;
    letter->data = keep(reading, db_rows_bytes(rows, MESSAGE_DATA));
}

#define MESSAGE_COLUMNS                                                                            \
    "SELECT m.account, m.created, m.sender, m.envelope_id, m.return_content, m.body_kind, "        \
    "m.is_utf8, m.prefix, b.size, "
#define MESSAGE_FROM " FROM outbound_message m JOIN body b ON b.id = m.id WHERE m.id = $1 "
#define MESSAGE(data)                                                                              \
    {                                                                                              \
        MESSAGE_COLUMNS data MESSAGE_FROM "AND $2 > 0",                                            \
            MESSAGE_COLUMNS data MESSAGE_FROM "AND " STORE_OUTBOUND_OURS("$2")                     \
    }

/* *is_found: it is there, and ours. */
static bool read_message(struct reading *reading, struct store *store, bool wants_data,
                         bool *is_found, struct fault *fault)
{
    static const struct db_statement with_data = MESSAGE("b.data");
    static const struct db_statement without_data = MESSAGE("NULL");
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(reading->db, wants_data ? &with_data : &without_data,
                      DB_VALUES(db_number(reading->letter.message), db_number(store_self(store))),
                      &rows, is_found, fault))
        return false;
    if (*is_found)
        take_message(reading, &rows);
    return !reading->is_out_of_memory || fault_set_memory(fault);
}

bool store_outbound_read(struct store *store, struct db *db, int64_t message, struct bytes route,
                         int64_t now, unsigned wants, struct arena *arena,
                         struct store_outbound_letter *letter, bool *is_found, struct fault *fault)
{
    struct reading reading = {.db = db, .arena = arena, .letter = {.message = message}};
    int64_t due = (wants & STORE_OUTBOUND_WANTS_LATER) != 0 ? INT64_MAX : now;
    bool is_there = false;
    if (!read_recipients(&reading, route, due, fault))
        return false;
    if (reading.letter.recipient_count > 0 &&
        !read_message(&reading, store, (wants & STORE_OUTBOUND_WANTS_DATA) != 0, &is_there, fault))
        return false;
    *is_found = is_there;
    if (is_there)
        *letter = reading.letter;
    return true;
}
