/* Many small messages at once, whole. */
#include "store/store_maildrop.h"

#include "base/buffer.h"
#include "db/db.h"
#include "store/store_inside.h"

/* The last UID of those that fit: PostgreSQL would send all that the statement names, and not only
   what is taken of it. */
static bool find_last(struct db *db, int64_t mailbox, uint32_t uid, size_t count, size_t room,
                      uint32_t *last, struct fault *fault)
{
    static const struct db_statement list = {
        "SELECT uid, size FROM message WHERE mailbox = $1 AND uid >= $2 ORDER BY uid LIMIT $3",
        NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &list,
                  DB_VALUES(db_number(mailbox), db_number(uid), db_number((int64_t)count)), &rows,
                  fault))
        return false;
    *last = 0;
    while (db_rows_next(&rows) && (uint64_t)db_rows_number(&rows, 1) <= room) {
        room -= (size_t)db_rows_number(&rows, 1);
        *last = (uint32_t)db_rows_number(&rows, 0);
    }
    return db_rows_finish(&rows, fault);
}

/* Columns: uid, size, size of the body, prefix, data. False: it does not fit. */
static bool take_message(const struct db_rows *rows, struct buffer *out, uint32_t *uid,
                         size_t *length)
{
    uint64_t size = (uint64_t)db_rows_number(rows, 1);
    if (size > buffer_room(out) || db_rows_number(rows, 2) > STORE_PART_SIZE)
        return false;
    char *place = buffer_reserve(out, (size_t)size);
    struct bytes prefix = db_rows_bytes(rows, 3);
    struct bytes data = db_rows_bytes(rows, 4);
    if (place == NULL || prefix.length + data.length != size)
        return false;
    if (prefix.length > 0)
        memcpy(place, prefix.data, prefix.length);
    if (data.length > 0)
        memcpy(place + prefix.length, data.data, data.length);
    buffer_commit(out, (size_t)size);
    *uid = (uint32_t)db_rows_number(rows, 0);
    *length = (size_t)size;
    return true;
}

bool store_messages_read(struct db *db, int64_t mailbox, uint32_t uid, struct buffer *out,
                         uint32_t *uids, size_t *lengths, size_t *count, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT m.uid, m.size, b.size, p.prefix, b.data FROM message m "
        "JOIN message_prefix p ON p.body = m.body AND p.number = m.prefix_number "
        "JOIN body b ON b.id = m.body "
        "WHERE m.mailbox = $1 AND m.uid BETWEEN $2 AND $3 ORDER BY m.uid LIMIT $4",
        NULL};
    uint32_t last = UINT32_MAX;
    if (db_kind(db) == DB_POSTGRES &&
        !find_last(db, mailbox, uid, *count, buffer_room(out), &last, fault))
        return false;
    size_t before = out->length;
    size_t taken = 0;
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &read,
                  DB_VALUES(db_number(mailbox), db_number(uid), db_number(last),
                            db_number((int64_t)*count)),
                  &rows, fault))
        return false;
    while (taken < *count && db_rows_next(&rows) &&
           take_message(&rows, out, &uids[taken], &lengths[taken]))
        taken++;
    if (!db_rows_finish(&rows, fault) || buffer_is_failed(out)) {
        if (buffer_is_failed(out))
            return fault_set_memory(fault);
        buffer_truncate(out, before);
        return false;
    }
    *count = taken;
    return true;
}
