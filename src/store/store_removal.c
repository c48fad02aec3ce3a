/* Removing messages: rows, counters, what vanished, and bodies that nobody uses any more. */
#include "store/store_maildrop.h"

#include "base/buffer.h"
#include "db/db.h"
#include "store/store_delivery.h"
#include "store/store_lease.h"

enum {
    MESSAGES_AT_ONCE = 500,    /* removed by one statement */
    LIST_TEXT_MAX = 32 * 1024, /* bytes of their numbers, and of those of their bodies */
    WEIGHT_OF_MESSAGE = 512    /* bytes that a removal writes, about */
};

/* What is removed, and what it adds up to. */
struct removed {
    int64_t mailbox;
    int64_t account;
    int64_t modseq;
    int64_t messages;
    int64_t bytes;
    int64_t unseen;
    int64_t deleted;
};

/* Locks the mailbox and gives this removal its modseq (RFC 7162 3.2). */
static bool begin_removal(struct db *db, struct removed *removed, bool *is_found,
                          struct fault *fault)
{
    static const struct db_statement count = {
        "UPDATE mailbox SET modseq = modseq + 1 WHERE id = $1 RETURNING account, modseq", NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &count, DB_VALUES(db_number(removed->mailbox)), &rows, is_found, fault))
        return false;
    if (*is_found) {
        removed->account = db_rows_number(&rows, 0);
        removed->modseq = db_rows_number(&rows, 1);
    }
    return db_rows_finish(&rows, fault);
}

static void write_number(struct buffer *list, int64_t number)
{
    buffer_append_format(list, "%s%lld", list->length == 0 ? "" : ",", (long long)number);
}

/* What hangs on the message rows, while they are still there to be asked. */
static bool delete_around(struct db *db, const struct removed *removed, struct bytes uids,
                          struct fault *fault)
{
    static const struct db_statement prefixes = {
        "DELETE FROM message_prefix WHERE (body, mailbox, uid) IN (SELECT body, mailbox, uid FROM "
        "message WHERE mailbox = $1 AND uid IN (SELECT value FROM json_each('[' || $2 || ']')))",
        "DELETE FROM message_prefix p USING message m WHERE p.body = m.body AND p.mailbox = $1 "
        "AND p.uid = m.uid AND m.mailbox = $1 AND m.uid = ANY(('{' || $2 || '}')::bigint[])"};
    static const struct db_statement vanish = {
        "INSERT INTO vanished(mailbox, modseq, uid, uid_last, removed) SELECT mailbox, $3, uid, uid, 0 FROM message "
        "WHERE mailbox = $1 AND uid IN (SELECT value FROM json_each('[' || $2 || ']'))",
        "INSERT INTO vanished(mailbox, modseq, uid, uid_last, removed) SELECT mailbox, $3, uid, uid, 0 FROM message "
        "WHERE mailbox = $1 AND uid = ANY(('{' || $2 || '}')::bigint[])"};
    return db_send(db, &prefixes, DB_VALUES(db_number(removed->mailbox), db_text(uids)), fault) &&
           db_send(
               db, &vanish,
               DB_VALUES(db_number(removed->mailbox), db_text(uids), db_number(removed->modseq)),
               fault);
}

/* Appends the bodies that may now be without a message to `bodies`. */
static bool delete_messages(struct db *db, struct removed *removed, struct bytes uids,
                            struct buffer *bodies, struct fault *fault)
{
    static const struct db_statement delete = {
        "DELETE FROM message WHERE mailbox = $1 AND uid IN "
        "(SELECT value FROM json_each('[' || $2 || ']')) RETURNING body, size, flags",
        "DELETE FROM message WHERE mailbox = $1 AND uid = ANY(('{' || $2 || '}')::bigint[]) "
        "RETURNING body, size, flags"};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &delete, DB_VALUES(db_number(removed->mailbox), db_text(uids)), &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        int64_t flags = db_rows_number(&rows, 2);
        write_number(bodies, db_rows_number(&rows, 0));
        removed->messages++;
        removed->bytes += db_rows_number(&rows, 1);
        removed->unseen += (flags & STORE_FLAG_SEEN) == 0;
        removed->deleted += (flags & STORE_FLAG_DELETED) != 0;
    }
    if (!db_rows_finish(&rows, fault))
        return false;
    return !buffer_is_failed(bodies) || fault_set_memory(fault);
}

/* On PostgreSQL two removals at the same time would each see the other's copy and leave the body
   behind; whoever comes second waits for the lock, and sees then what the first has done. */
static bool delete_bodies(struct db *db, struct bytes bodies, struct fault *fault)
{
    static const struct db_statement lock = {
        "SELECT 1 WHERE $1 = ''", "SELECT id FROM body WHERE id = ANY(('{' || $1 || '}')::bigint[])"
                                  " ORDER BY id FOR UPDATE"};
    static const struct db_statement unused = {
        "DELETE FROM body WHERE id IN (SELECT value FROM json_each('[' || $1 || ']')) "
        "AND NOT EXISTS (SELECT 1 FROM message_prefix p WHERE p.body = body.id) "
        "AND NOT EXISTS (SELECT 1 FROM outbound_message o WHERE o.body = body.id)",
        "DELETE FROM body WHERE id = ANY(('{' || $1 || '}')::bigint[]) "
        "AND NOT EXISTS (SELECT 1 FROM message_prefix p WHERE p.body = body.id) "
        "AND NOT EXISTS (SELECT 1 FROM outbound_message o WHERE o.body = body.id)"};
    if (db_kind(db) == DB_POSTGRES && !db_send(db, &lock, DB_VALUES(db_text(bodies)), fault))
        return false;
    return db_send(db, &unused, DB_VALUES(db_text(bodies)), fault);
}

static bool remove_some(struct db *db, struct removed *removed, const uint32_t *uids, size_t count,
                        struct fault *fault)
{
    AUTO(buffer)
    list = BUFFER(LIST_TEXT_MAX);
    AUTO(buffer)
    bodies = BUFFER(LIST_TEXT_MAX);
    for (size_t i = 0; i < count; i++)
        write_number(&list, uids[i]);
    if (buffer_is_failed(&list))
        return fault_set_memory(fault);
    return delete_around(db, removed, buffer_bytes(&list), fault) &&
           delete_messages(db, removed, buffer_bytes(&list), &bodies, fault) &&
           delete_bodies(db, buffer_bytes(&bodies), fault);
}

static bool end_removal(struct db *db, const struct removed *removed, struct fault *fault)
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
                   DB_VALUES(db_number(removed->mailbox), db_number(removed->messages),
                             db_number(removed->bytes), db_number(removed->unseen),
                             db_number(removed->deleted)),
                   fault) &&
           db_send(db, &in_account,
                   DB_VALUES(db_number(removed->account), db_number(removed->messages),
                             db_number(removed->bytes)),
                   fault);
}

bool store_removal_run(struct db *db, int64_t mailbox, const uint32_t *uids, size_t count,
                       struct fault *fault)
{
    struct removed removed = {.mailbox = mailbox};
    bool is_found;
    if (count == 0)
        return true;
    if (!begin_removal(db, &removed, &is_found, fault))
        return false;
    if (!is_found)
        return true;
    while (count > 0) {
        size_t some = count < MESSAGES_AT_ONCE ? count : MESSAGES_AT_ONCE;
        if (!remove_some(db, &removed, uids, some, fault))
            return false;
        uids += some;
        count -= some;
    }
    return end_removal(db, &removed, fault);
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_removal *removal = (struct store_removal *)job;
    bool was_held = true;
    if (removal->lease != NULL && !store_lease_release(db, removal->lease, &was_held, fault))
        return false;
    removal->is_lost = !was_held;
    if (removal->is_lost)
        return true;
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
