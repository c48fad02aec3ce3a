/* Removing messages: rows, counters, what vanished, and bodies that nobody uses any more. */
#include "store/store_maildrop.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "db/db.h"
#include "store/store_delivery.h"

enum {
    MESSAGES_AT_ONCE = 500,    /* removed by one statement */
    LIST_TEXT_MAX = 32 * 1024, /* bytes of their numbers, and of those of their bodies */
    WEIGHT_OF_MESSAGE = 512    /* bytes that a removal writes, about */
};

/* What one statement removed. */
struct removed {
    int64_t account;
    int64_t modseq;
    int64_t messages;
    int64_t bytes;
    int64_t unseen;
    int64_t deleted;
    size_t count; /* in the lists */
    uint32_t uids[MESSAGES_AT_ONCE];
    int64_t bodies[MESSAGES_AT_ONCE];
};

/* Locks the mailbox and gives this removal its modseq (RFC 7162 3.2). */
static bool begin_removal(struct db *db, int64_t mailbox, struct removed *removed, bool *is_found,
                          struct fault *fault)
{
    static const struct db_statement count = {
        "UPDATE mailbox SET modseq = modseq + 1 WHERE id = $1 RETURNING account, modseq", NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &count, DB_VALUES(db_number(mailbox)), &rows, is_found, fault))
        return false;
    if (*is_found) {
        removed->account = db_rows_number(&rows, 0);
        removed->modseq = db_rows_number(&rows, 1);
    }
    return db_rows_finish(&rows, fault);
}

static bool delete_messages(struct db *db, int64_t mailbox, const uint32_t *uids, size_t count,
                            struct removed *removed, struct fault *fault)
{
    static const struct db_statement delete = {
        "DELETE FROM message WHERE mailbox = $1 AND uid IN "
        "(SELECT value FROM json_each('[' || $2 || ']')) RETURNING uid, body, size, flags",
        "DELETE FROM message WHERE mailbox = $1 AND uid = ANY(('{' || $2 || '}')::bigint[]) "
        "RETURNING uid, body, size, flags"};
    AUTO(buffer)
    text = BUFFER(LIST_TEXT_MAX);
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&text, "%s%u", i == 0 ? "" : ",", uids[i]);
    if (buffer_is_failed(&text))
        return fault_set_memory(fault);
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &delete, DB_VALUES(db_number(mailbox), db_text(buffer_bytes(&text))), &rows,
                  fault))
        return false;
    for (removed->count = 0; removed->count < count && db_rows_next(&rows); removed->count++) {
        int64_t flags = db_rows_number(&rows, 3);
        removed->uids[removed->count] = (uint32_t)db_rows_number(&rows, 0);
        removed->bodies[removed->count] = db_rows_number(&rows, 1);
        removed->bytes += db_rows_number(&rows, 2);
        removed->unseen += (flags & STORE_FLAG_SEEN) == 0;
        removed->deleted += (flags & STORE_FLAG_DELETED) != 0;
    }
    removed->messages += (int64_t)removed->count;
    return db_rows_finish(&rows, fault);
}

/* On PostgreSQL two removals at the same time would each see the other's copy and leave the body
   behind; whoever comes second waits here, and sees what the first has done. */
static bool lock_bodies(struct db *db, const struct removed *removed, struct fault *fault)
{
    static const struct db_statement lock = {
        "SELECT 1 WHERE $1 = ''", "SELECT id FROM body WHERE id = ANY(('{' || $1 || '}')::bigint[])"
                                  " ORDER BY id FOR UPDATE"};
    if (db_kind(db) == DB_SQLITE || removed->count == 0)
        return true;
    AUTO(buffer)
    text = BUFFER(LIST_TEXT_MAX);
    for (size_t i = 0; i < removed->count; i++)
        buffer_append_format(&text, "%s%lld", i == 0 ? "" : ",", (long long)removed->bodies[i]);
    if (buffer_is_failed(&text))
        return fault_set_memory(fault);
    return db_send(db, &lock, DB_VALUES(db_text(buffer_bytes(&text))), fault);
}

static bool delete_one_rest(struct db *db, int64_t mailbox, int64_t modseq, uint32_t uid,
                            int64_t body, struct fault *fault)
{
    static const struct db_statement prefix = {
        "DELETE FROM message_prefix WHERE body = $1 AND mailbox = $2 AND uid = $3", NULL};
    static const struct db_statement vanish = {
        "INSERT INTO vanished(mailbox, modseq, uid) VALUES($1, $2, $3)", NULL};
    static const struct db_statement unused = {
        "DELETE FROM body WHERE id = $1 "
        "AND NOT EXISTS (SELECT 1 FROM message_prefix WHERE body = $1) "
        "AND NOT EXISTS (SELECT 1 FROM outbound_message WHERE body = $1)",
        NULL};
    return db_send(db, &prefix, DB_VALUES(db_number(body), db_number(mailbox), db_number(uid)),
                   fault) &&
           db_send(db, &vanish, DB_VALUES(db_number(mailbox), db_number(modseq), db_number(uid)),
                   fault) &&
           db_send(db, &unused, DB_VALUES(db_number(body)), fault);
}

static bool remove_some(struct db *db, int64_t mailbox, const uint32_t *uids, size_t count,
                        struct removed *removed, struct fault *fault)
{
    if (!delete_messages(db, mailbox, uids, count, removed, fault) ||
        !lock_bodies(db, removed, fault))
        return false;
    for (size_t i = 0; i < removed->count; i++)
        if (!delete_one_rest(db, mailbox, removed->modseq, removed->uids[i], removed->bodies[i],
                             fault))
            return false;
    return true;
}

static bool end_removal(struct db *db, int64_t mailbox, const struct removed *removed,
                        struct fault *fault)
{
    static const struct db_statement in_mailbox = {
        "UPDATE mailbox SET messages = messages - $2, bytes = bytes - $3, unseen = unseen - $4, "
        "deleted = deleted - $5 WHERE id = $1",
        NULL};
    static const struct db_statement in_account = {
        "UPDATE account SET used_messages = used_messages - $2, used_bytes = used_bytes - $3 "
        "WHERE id = $1",
        NULL};
    return db_send(db, &in_mailbox,
                   DB_VALUES(db_number(mailbox), db_number(removed->messages),
                             db_number(removed->bytes), db_number(removed->unseen),
                             db_number(removed->deleted)),
                   fault) &&
           db_send(db, &in_account,
                   DB_VALUES(db_number(removed->account), db_number(removed->messages),
                             db_number(removed->bytes)),
                   fault);
}

static bool remove_all(struct db *db, int64_t mailbox, const uint32_t *uids, size_t count,
                       struct removed *removed, struct fault *fault)
{
    bool is_found;
    if (!begin_removal(db, mailbox, removed, &is_found, fault))
        return false;
    if (!is_found)
        return true;
    while (count > 0) {
        size_t some = count < MESSAGES_AT_ONCE ? count : MESSAGES_AT_ONCE;
        if (!remove_some(db, mailbox, uids, some, removed, fault))
            return false;
        uids += some;
        count -= some;
    }
    return end_removal(db, mailbox, removed, fault);
}

bool store_removal_run(struct db *db, int64_t mailbox, const uint32_t *uids, size_t count,
                       struct fault *fault)
{
    if (count == 0)
        return true;
    struct removed *removed = calloc(1, sizeof(*removed));
    if (removed == NULL)
        return fault_set_memory(fault);
    bool is_done = remove_all(db, mailbox, uids, count, removed, fault);
    free(removed);
    return is_done;
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct store_removal *removal = (const struct store_removal *)job;
    return store_removal_run(db, removal->mailbox, removal->uids, removal->count, fault);
}

void store_removal_submit(struct store_removal *removal)
{
    struct store_job *job = &removal->job;
    job->run = run;
    job->weight = removal->count * WEIGHT_OF_MESSAGE;
    job->mailboxes = &removal->mailbox;
    job->mailbox_count = 1;
    job->mailbox_stride = 0;
    store_submit(removal->store, job);
}
