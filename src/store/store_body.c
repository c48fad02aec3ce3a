/* Bodies: one row for what is short, and parts for what is not. */
#include "store/store_body.h"

#include <stdlib.h>

#include "store/store_draft_inside.h"
#include "store/store_inside.h"

/* One body on its way into the store. */
struct writing {
    struct db *db;
    int64_t id;
    const struct store_draft *draft;
    const struct message_parsed *parsed;
    int64_t created;
};

static bool write_first(const struct writing *writing, struct bytes data, struct fault *fault)
{
    static const struct db_statement body = {
        "INSERT INTO body(id, size, created, data) VALUES($1, $2, $3, $4)", NULL};
    static const struct db_statement meta = {
        "INSERT INTO body_meta(body, lines, sent, header, envelope, structure) "
        "VALUES($1, $2, $3, $4, $5, $6)",
        NULL};
    const struct message_parsed *parsed = writing->parsed;
    return db_send(writing->db, &body,
                   DB_VALUES(db_number(writing->id),
                             db_number((int64_t)store_draft_size(writing->draft)),
                             db_number(writing->created), db_bytes(data)),
                   fault) &&
           db_send(writing->db, &meta,
                   DB_VALUES(db_number(writing->id), db_number((int64_t)parsed->lines),
                             db_number(parsed->sent), db_bytes(parsed->header),
                             db_bytes(parsed->envelope), db_bytes(parsed->structure)),
                   fault);
}

static bool write_part(const struct writing *writing, int64_t number, struct bytes data,
                       struct fault *fault)
{
    static const struct db_statement part = {
        "INSERT INTO body_part(body, number, data) VALUES($1, $2, $3)", NULL};
    return db_send(writing->db, &part,
                   DB_VALUES(db_number(writing->id), db_number(number), db_bytes(data)), fault);
}

/* What does not lie in memory in one piece goes through a buffer of one part. */
static bool write_parts(const struct writing *writing, char *memory, struct fault *fault)
{
    uint64_t size = store_draft_size(writing->draft);
    uint64_t offset = 0;
    int64_t number = 0;
    do {
        size_t count;
        if (!store_draft_read(writing->draft, offset, memory, STORE_PART_SIZE, &count, fault))
            return false;
        struct bytes data = bytes_of(memory, count);
        if (!(number == 0 ? write_first(writing, data, fault)
                          : write_part(writing, number, data, fault)))
            return false;
        offset += count;
        number++;
    } while (offset < size);
    return true;
}

bool store_body_write(struct db *db, int64_t id, const struct store_draft *draft,
                      const struct message_parsed *parsed, int64_t created, struct fault *fault)
{
    struct writing writing = {db, id, draft, parsed, created};
    struct bytes whole = store_draft_memory(draft);
    if (whole.length > 0 && whole.length <= STORE_PART_SIZE)
        return write_first(&writing, whole, fault);
    char *memory = malloc(STORE_PART_SIZE);
    if (memory == NULL)
        return fault_set_memory(fault);
    bool is_done = write_parts(&writing, memory, fault);
    free(memory);
    return is_done;
}

size_t store_body_weigh(const struct store_draft *draft, const struct message_parsed *parsed)
{
    return (size_t)store_draft_size(draft) + parsed->header.length + parsed->envelope.length +
           parsed->structure.length;
}

/* What of the range lies in one part; *got is how much. */
static bool read_part(struct db *db, int64_t id, uint64_t offset, size_t size, struct buffer *out,
                      size_t *got, bool *is_found, struct fault *fault)
{
    static const struct db_statement first = {
        "SELECT substr(data, $2, $3) FROM body WHERE id = $1",
        "SELECT substr(data, $2::int, $3::int) FROM body WHERE id = $1"};
    static const struct db_statement other = {
        "SELECT substr(data, $2, $3) FROM body_part WHERE body = $1 AND number = $4",
        "SELECT substr(data, $2::int, $3::int) FROM body_part WHERE body = $1 AND number = $4"};
    uint64_t number = offset / STORE_PART_SIZE;
    uint64_t from = offset % STORE_PART_SIZE;
    if (size > STORE_PART_SIZE - from)
        size = (size_t)(STORE_PART_SIZE - from);
    const struct db_value values[] = {db_number(id), db_number((int64_t)from + 1),
                                      db_number((int64_t)size), db_number((int64_t)number)};
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, number == 0 ? &first : &other, values, number == 0 ? 3 : 4, &rows,
                      is_found, fault))
        return false;
    if (!*is_found)
        return true;
    struct bytes data = db_rows_bytes(&rows, 0);
    if (data.length != size)
        return fault_set(fault, FAULT_TEMPORARY, "body %lld is shorter than it should be",
                         (long long)id);
    buffer_append(out, data);
    *got = size;
    return !buffer_is_failed(out) || fault_set_memory(fault);
}

bool store_body_read(struct db *db, int64_t id, uint64_t offset, size_t size, struct buffer *out,
                     bool *is_found, struct fault *fault)
{
    *is_found = true;
    while (size > 0) {
        size_t got;
        if (!read_part(db, id, offset, size, out, &got, is_found, fault))
            return false;
        if (!*is_found)
            return true;
        offset += got;
        size -= got;
    }
    return true;
}

/* On PostgreSQL two removals at the same time would each see the other's use and leave the body
   behind; whoever comes second waits for the lock, and sees then what the first has done. */
bool store_body_remove_unused(struct db *db, struct bytes ids, struct fault *fault)
{
    static const struct db_statement lock = {
        "SELECT 1 WHERE $1 = ''", "SELECT id FROM body WHERE id = ANY(('{' || $1 || '}')::bigint[])"
                                  " ORDER BY id FOR UPDATE"};
    static const struct db_statement unused = {
        "DELETE FROM body WHERE id IN (SELECT value FROM json_each('[' || $1 || ']')) "
        "AND NOT EXISTS (SELECT 1 FROM message_prefix p WHERE p.body = body.id) "
        "AND NOT EXISTS (SELECT 1 FROM outbound_message o WHERE o.id = body.id)",
        "DELETE FROM body WHERE id = ANY(('{' || $1 || '}')::bigint[]) "
        "AND NOT EXISTS (SELECT 1 FROM message_prefix p WHERE p.body = body.id) "
        "AND NOT EXISTS (SELECT 1 FROM outbound_message o WHERE o.id = body.id)"};
    if (db_kind(db) == DB_POSTGRES && !db_send(db, &lock, DB_VALUES(db_text(ids)), fault))
        return false;
    return db_send(db, &unused, DB_VALUES(db_text(ids)), fault);
}
