/* One statement for each combination of what is asked for, so that nothing is read beside it: the
 * rows of messages in the order of their key, and those of their bodies looked up by theirs. */
#include "store/store_fetch.h"

#include "store/store_delivery.h"

enum column {
    COLUMN_UID,
    COLUMN_FLAGS,
    COLUMN_MODSEQ,
    COLUMN_BODY,
    COLUMN_RECEIVED,
    COLUMN_SAVED,
    COLUMN_SIZE,
    COLUMN_PREFIX_SIZE,
    COLUMN_SENT,
    COLUMN_ENVELOPE,
    COLUMN_STRUCTURE,
    COLUMN_HEADER,
    COLUMN_PREFIX,
    COLUMN_DATA
};

/* What stands around the message's own columns. */
enum reach {
    REACH_MESSAGE,
    REACH_PREFIX,
    REACH_DATA, /* and the prefix */
    REACH_COUNT
};

enum {
    META = STORE_FETCH_ENVELOPE | STORE_FETCH_STRUCTURE | STORE_FETCH_HEADER
};

#define MESSAGE_COLUMNS                                                                            \
    "SELECT m.uid, m.flags, m.modseq, m.body, m.received, m.saved, m.size, m.prefix_size, "
#define NO_META    "NULL, NULL, NULL, NULL, "
#define NO_META_OF ""
#define META_OF    "JOIN body_meta e ON e.body = m.body "
#define PREFIX_OF  "JOIN message_prefix p ON p.body = m.body AND p.number = m.prefix_number "
#define DATA_OF    "JOIN body b ON b.id = m.body "
#define RANGE      "WHERE m.mailbox = $1 AND m.uid BETWEEN $2 AND $3 ORDER BY m.uid LIMIT $4"

/* With these columns of body_meta, for every reach. */
#define STATEMENTS(columns, from)                                                                  \
    {                                                                                              \
        [REACH_MESSAGE] = {MESSAGE_COLUMNS columns "NULL, NULL FROM message m " from RANGE, NULL}, \
        [REACH_PREFIX] = {MESSAGE_COLUMNS columns                                                  \
                          "p.prefix, NULL FROM message m " from PREFIX_OF RANGE,                   \
                          NULL},                                                                   \
        [REACH_DATA] = {MESSAGE_COLUMNS columns                                                    \
                        "p.prefix, b.data FROM message m " from PREFIX_OF DATA_OF RANGE,           \
                        NULL},                                                                     \
    }

/* By the bits of META. */
static const struct db_statement statements[META + 1][REACH_COUNT] = {
    STATEMENTS(NO_META, NO_META_OF),
    STATEMENTS("e.sent, e.envelope, NULL, NULL, ", META_OF),
    STATEMENTS("e.sent, NULL, e.structure, NULL, ", META_OF),
    STATEMENTS("e.sent, e.envelope, e.structure, NULL, ", META_OF),
    STATEMENTS("e.sent, NULL, NULL, e.header, ", META_OF),
    STATEMENTS("e.sent, e.envelope, NULL, e.header, ", META_OF),
    STATEMENTS("e.sent, NULL, e.structure, e.header, ", META_OF),
    STATEMENTS("e.sent, e.envelope, e.structure, e.header, ", META_OF),
};

bool store_fetch_open(struct store_fetch *fetch, struct db *db, int64_t mailbox, uint32_t first,
                      uint32_t last, size_t count, unsigned wants, struct fault *fault)
{
    if ((wants & (STORE_FETCH_HEADER | STORE_FETCH_NO_PREFIX)) == STORE_FETCH_HEADER)
        wants |= STORE_FETCH_PREFIX;
    enum reach reach = (wants & STORE_FETCH_DATA) != 0     ? REACH_DATA
                       : (wants & STORE_FETCH_PREFIX) != 0 ? REACH_PREFIX
                                                           : REACH_MESSAGE;
    fetch->wants = wants;
    return db_query(
        db, &statements[wants & META][reach],
        DB_VALUES(db_number(mailbox), db_number(first), db_number(last), db_number((int64_t)count)),
        &fetch->rows, fault);
}

static struct bytes bytes_where(const struct store_fetch *fetch, unsigned want, enum column column)
{
    return (fetch->wants & want) != 0 ? db_rows_bytes(&fetch->rows, (int)column) : BYTES("");
}

bool store_fetch_next(struct store_fetch *fetch, struct store_fetched *message)
{
    const struct db_rows *rows = &fetch->rows;
    if (!db_rows_next(&fetch->rows))
        return false;
    *message = (struct store_fetched){
        .uid = (uint32_t)db_rows_number(rows, COLUMN_UID),
        .flags = store_flags_told(db_rows_number(rows, COLUMN_FLAGS)),
        .modseq = (uint64_t)db_rows_number(rows, COLUMN_MODSEQ),
        .body = db_rows_number(rows, COLUMN_BODY),
        .received = db_rows_number(rows, COLUMN_RECEIVED),
        .saved = db_rows_number(rows, COLUMN_SAVED),
        .size = (uint64_t)db_rows_number(rows, COLUMN_SIZE),
        .prefix_size = (uint64_t)db_rows_number(rows, COLUMN_PREFIX_SIZE),
        .sent = (fetch->wants & META) != 0 ? db_rows_number(rows, COLUMN_SENT) : 0,
        .prefix = bytes_where(fetch, STORE_FETCH_PREFIX | STORE_FETCH_DATA, COLUMN_PREFIX),
        .header = bytes_where(fetch, STORE_FETCH_HEADER, COLUMN_HEADER),
        .envelope = bytes_where(fetch, STORE_FETCH_ENVELOPE, COLUMN_ENVELOPE),
        .structure = bytes_where(fetch, STORE_FETCH_STRUCTURE, COLUMN_STRUCTURE),
        .data = bytes_where(fetch, STORE_FETCH_DATA, COLUMN_DATA),
    };
    return true;
}

bool store_fetch_finish(struct store_fetch *fetch, struct fault *fault)
{
    return db_rows_finish(&fetch->rows, fault);
}

void store_fetch_clear(struct store_fetch *fetch)
{
    db_rows_clear(&fetch->rows);
}
