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
