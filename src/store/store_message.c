/* The bytes of one message, by range. */
#include "store/store_maildrop.h"

#include "base/buffer.h"
#include "db/db.h"
#include "store/store_body.h"

/* What is still to be read: [offset, offset + size) of prefix and body. */
struct range {
    int64_t body;
    int64_t prefix_number;
    uint64_t prefix_size;
    uint64_t offset;
    uint64_t size;
};

static bool find_message(struct db *db, int64_t mailbox, uint32_t uid, struct range *range,
                         bool *is_found, struct fault *fault)
{
    static const struct db_statement find = {"SELECT body, prefix_size, size, prefix_number FROM "
                                             "message WHERE mailbox = $1 AND uid = $2",
                                             NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &find, DB_VALUES(db_number(mailbox), db_number(uid)), &rows, is_found,
                      fault) ||
        !*is_found)
        return !*is_found;
    uint64_t size = (uint64_t)db_rows_number(&rows, 2);
    range->body = db_rows_number(&rows, 0);
    range->prefix_size = (uint64_t)db_rows_number(&rows, 1);
    range->prefix_number = db_rows_number(&rows, 3);
    if (range->offset > size)
        range->offset = size;
    if (range->size > size - range->offset)
        range->size = size - range->offset;
    return true;
}

static bool read_prefix(struct db *db, struct range *range, struct buffer *out, bool *is_found,
                        struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT prefix FROM message_prefix WHERE body = $1 AND number = $2", NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &read, DB_VALUES(db_number(range->body), db_number(range->prefix_number)),
                      &rows, is_found, fault))
        return false;
    if (!*is_found)
        return true;
    struct bytes got =
        bytes_slice(db_rows_bytes(&rows, 0), (size_t)range->offset, (size_t)range->size);
    buffer_append(out, got);
    range->offset += got.length;
    range->size -= got.length;
    return !buffer_is_failed(out) || fault_set_memory(fault);
}

static bool read_range(struct db *db, int64_t mailbox, uint32_t uid, struct range *range,
                       struct buffer *out, bool *is_found, struct fault *fault)
{
    if (!find_message(db, mailbox, uid, range, is_found, fault))
        return false;
    if (*is_found && range->size > 0 && range->offset < range->prefix_size &&
        !read_prefix(db, range, out, is_found, fault))
        return false;
    return !*is_found || range->size == 0 ||
           store_body_read(db, range->body, range->offset - range->prefix_size, (size_t)range->size,
                           out, is_found, fault);
}

bool store_message_read(struct db *db, int64_t mailbox, uint32_t uid, uint64_t offset, size_t size,
                        struct buffer *out, bool *is_gone, struct fault *fault)
{
    struct range range = {.offset = offset, .size = size};
    size_t before = out->length;
    bool is_found = false;
    if (!read_range(db, mailbox, uid, &range, out, &is_found, fault)) {
        if (!buffer_is_failed(out))
            buffer_truncate(out, before);
        return false;
    }
    /* It may have gone between two statements. */
    if (!is_found)
        buffer_truncate(out, before);
    *is_gone = !is_found;
    return true;
}
