/* The list of a mailbox as POP3 wants it. */
#include "store/store_maildrop.h"

#include <stdlib.h>

#include "db/db.h"

enum {
    ROWS_AT_ONCE = 10000, /* read by one statement, so that the answer of PostgreSQL stays small */
    FIRST_CAPACITY = 64
};

void store_maildrop_clear(struct store_maildrop *maildrop)
{
    free(maildrop->messages);
    *maildrop = (struct store_maildrop){0};
}

static bool read_mailbox(struct db *db, int64_t mailbox, struct store_maildrop *maildrop,
                         struct fault *fault)
{
    static const struct db_statement find = {"SELECT uidvalidity FROM mailbox WHERE id = $1", NULL};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &find, DB_VALUES(db_number(mailbox)), &rows, &is_found, fault))
        return false;
    if (!is_found)
        return fault_set(fault, FAULT_PERMANENT, "the mailbox is no longer there");
    maildrop->mailbox = mailbox;
    maildrop->uidvalidity = (uint32_t)db_rows_number(&rows, 0);
    return true;
}

static bool add_message(struct store_maildrop *maildrop, size_t *capacity,
                        const struct db_rows *row, struct fault *fault)
{
    if (maildrop->count == STORE_MAILDROP_MAX)
        return fault_set(fault, FAULT_LIMIT, "the mailbox has more than %d messages",
                         STORE_MAILDROP_MAX);
    if (maildrop->count == *capacity) {
        size_t wanted = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
        void *grown =
            reallocarray(maildrop->messages, wanted, sizeof(struct store_maildrop_message));
        if (grown == NULL)
            return fault_set_memory(fault);
        maildrop->messages = grown;
        *capacity = wanted;
    }
    struct store_maildrop_message *message = &maildrop->messages[maildrop->count++];
    message->uid = (uint32_t)db_rows_number(row, 0);
    message->size = (uint64_t)db_rows_number(row, 1);
    maildrop->size += message->size;
    return true;
}

/* Those behind `uid`; *count is how many there were. */
static bool read_some(struct db *db, struct store_maildrop *maildrop, size_t *capacity,
                      uint32_t uid, size_t *count, struct fault *fault)
{
    static const struct db_statement list = {
        "SELECT uid, size FROM message WHERE mailbox = $1 AND uid > $2 ORDER BY uid LIMIT $3",
        NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &list,
                  DB_VALUES(db_number(maildrop->mailbox), db_number(uid), db_number(ROWS_AT_ONCE)),
                  &rows, fault))
        return false;
    *count = 0;
    while (db_rows_next(&rows)) {
        if (!add_message(maildrop, capacity, &rows, fault))
            return false;
        ++*count;
    }
    return db_rows_finish(&rows, fault);
}

static bool read_all(struct db *db, int64_t mailbox, struct store_maildrop *maildrop,
                     struct fault *fault)
{
    size_t capacity = 0;
    size_t count = ROWS_AT_ONCE;
    if (!read_mailbox(db, mailbox, maildrop, fault))
        return false;
    while (count == ROWS_AT_ONCE) {
        uint32_t last = maildrop->count == 0 ? 0 : maildrop->messages[maildrop->count - 1].uid;
        if (!read_some(db, maildrop, &capacity, last, &count, fault))
            return false;
    }
    return true;
}

bool store_maildrop_read(struct db *db, int64_t mailbox, struct store_maildrop *maildrop,
                         struct fault *fault)
{
    struct store_maildrop list = {0};
    if (!read_all(db, mailbox, &list, fault)) {
        store_maildrop_clear(&list);
        return false;
    }
    *maildrop = list;
    return true;
}

bool store_maildrop_count(struct db *db, int64_t mailbox, uint64_t *count, uint64_t *size,
                          struct fault *fault)
{
    static const struct db_statement find = {"SELECT messages, bytes FROM mailbox WHERE id = $1",
                                             NULL};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &find, DB_VALUES(db_number(mailbox)), &rows, &is_found, fault))
        return false;
    if (!is_found)
        return fault_set(fault, FAULT_PERMANENT, "the mailbox is no longer there");
    *count = (uint64_t)db_rows_number(&rows, 0);
    *size = (uint64_t)db_rows_number(&rows, 1);
    return true;
}
