/* One message into the store: body, copies, far recipients, counters. */
#include "store/store_delivery.h"

#include "base/buffer.h"
#include "db/db.h"
#include "store/store_body.h"
#include "store/store_delivery_inside.h"
#include "store/store_news.h"
#include "store/store_outbound_inside.h"

enum {
    ID_TEXT_MAX = 24,
    WEIGHT_OF_ROW = 512 /* bytes that a recipient's rows weigh, besides prefix or addresses */
};

/* ---- a copy for a mailbox ---- */

/* Why a copy could not be counted. */
static bool find_outcome(struct db *db, struct store_delivery_local *local, int64_t size,
                         struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT a.quota_bytes, a.used_bytes FROM account a JOIN mailbox m ON m.account = a.id "
        "WHERE a.id = $1 AND m.id = $2",
        NULL};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &find, DB_VALUES(db_number(local->account), db_number(local->mailbox)),
                      &rows, &is_found, fault))
        return false;
    if (!is_found)
        local->outcome = STORE_DELIVERY_NO_MAILBOX;
    else if (db_rows_number(&rows, 0) > 0 &&
             db_rows_number(&rows, 1) + size > db_rows_number(&rows, 0))
        local->outcome = STORE_DELIVERY_OVER_QUOTA_BYTES;
    else
        local->outcome = STORE_DELIVERY_OVER_QUOTA_MESSAGES;
    return true;
}

/* Within the quota or not at all: the row is locked from here to the commit. */
static bool count_in_account(struct db *db, const struct store_delivery *delivery,
                             const struct store_delivery_local *local, int64_t size,
                             bool *is_counted, struct fault *fault)
{
    static const struct db_statement count = {
        "UPDATE account SET used_bytes = used_bytes + $2, used_messages = used_messages + 1 "
        "WHERE id = $1 AND ($3 = 1 OR ((quota_bytes = 0 OR used_bytes + $2 <= quota_bytes) "
        "AND (quota_messages = 0 OR used_messages < quota_messages)))",
        NULL};
    uint64_t changed;
    if (!db_execute(
            db, &count,
            DB_VALUES(db_number(local->account), db_number(size), db_number(delivery->is_report)),
            &changed, fault))
        return false;
    *is_counted = changed == 1;
    return true;
}

static bool uncount_in_account(struct db *db, int64_t account, int64_t size, struct fault *fault)
{
    static const struct db_statement uncount = {
        "UPDATE account SET used_bytes = used_bytes - $2, used_messages = used_messages - 1 "
        "WHERE id = $1",
        NULL};
    return db_send(db, &uncount, DB_VALUES(db_number(account), db_number(size)), fault);
}

/* Takes the next UID of the mailbox, whose row is locked from here to the commit, so that UIDs
   appear in order (RFC 9051 2.3.1.1). */
static bool count_in_mailbox(struct db *db, struct store_delivery_local *local, int64_t size,
                             bool *is_found, struct fault *fault)
{
    static const struct db_statement count = {
        "UPDATE mailbox SET uidnext = uidnext + 1, modseq = modseq + 1, messages = messages + 1, "
        "unseen = unseen + $3, deleted = deleted + $4, bytes = bytes + $5 "
        "WHERE id = $1 AND account = $2 RETURNING uidnext - 1, modseq",
        NULL};
    int64_t unseen = (local->flags & STORE_FLAG_SEEN) == 0;
    int64_t deleted = (local->flags & STORE_FLAG_DELETED) != 0;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &count,
                      DB_VALUES(db_number(local->mailbox), db_number(local->account),
                                db_number(unseen), db_number(deleted), db_number(size)),
                      &rows, is_found, fault))
        return false;
    if (*is_found) {
        local->uid = db_rows_number(&rows, 0);
        local->modseq = db_rows_number(&rows, 1);
    }
    return db_rows_finish(&rows, fault);
}

/* Which of the prefixes of the body. */
static struct db_value number_of(const struct store_delivery *delivery,
                                 const struct store_delivery_local *local)
{
    return db_number(local - delivery->locals);
}

static bool write_rows(struct db *db, const struct store_delivery *delivery,
                       const struct store_delivery_local *local, int64_t size, struct fault *fault)
{
    static const struct db_statement message = {
        "INSERT INTO message(mailbox, uid, body, flags, modseq, received, size, prefix_size, "
        "prefix_number) VALUES($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        NULL};
    static const struct db_statement prefix = {
        "INSERT INTO message_prefix(body, number, uses, prefix) VALUES($1, $2, 2, $3)", NULL};
    return db_send(db, &message,
                   DB_VALUES(db_number(local->mailbox), db_number(local->uid),
                             db_number(delivery->id), db_number(local->flags | STORE_FLAG_KEPT),
                             db_number(local->modseq), db_number(delivery->received),
                             db_number(size), db_number((int64_t)local->prefix.length),
                             number_of(delivery, local)),
                   fault) &&
           db_send(db, &prefix,
                   DB_VALUES(db_number(delivery->id), number_of(delivery, local),
                             db_bytes(local->prefix)),
                   fault);
}

/* All of it in one statement, as each costs a way to the server and back. */
static bool write_at_once(struct db *db, const struct store_delivery *delivery,
                          struct store_delivery_local *local, int64_t size, bool *is_counted,
                          bool *is_found, struct fault *fault)
{
    static const struct db_statement write = {
        "SELECT 0, NULL, NULL",
        "WITH counted AS (UPDATE account SET used_bytes = used_bytes + $4, "
        "used_messages = used_messages + 1 WHERE id = $2 "
        "AND ($12 = 1 OR ((quota_bytes = 0 OR used_bytes + $4 <= quota_bytes) "
        "AND (quota_messages = 0 OR used_messages < quota_messages))) RETURNING id), "
        "placed AS (UPDATE mailbox SET uidnext = uidnext + 1, modseq = modseq + 1, "
        "messages = messages + 1, unseen = unseen + $5, deleted = deleted + $6, "
        "bytes = bytes + $4 WHERE id = $1 AND account = (SELECT id FROM counted) "
        "RETURNING uidnext - 1 AS uid, modseq), "
        "written AS (INSERT INTO message(mailbox, uid, body, flags, modseq, received, size, "
        "prefix_size, prefix_number) "
        "SELECT $1, uid, $3, $7, modseq, $8, $4, $9, $11 FROM placed), "
        "kept AS (INSERT INTO message_prefix(body, number, uses, prefix) "
        "SELECT $3, $11, 2, $10 FROM placed) "
        "SELECT (SELECT COUNT(*) FROM counted), (SELECT uid FROM placed), "
        "(SELECT modseq FROM placed)"};
    bool has_row;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(
            db, &write,
            DB_VALUES(db_number(local->mailbox), db_number(local->account), db_number(delivery->id),
                      db_number(size), db_number((local->flags & STORE_FLAG_SEEN) == 0),
                      db_number((local->flags & STORE_FLAG_DELETED) != 0),
                      db_number(local->flags | STORE_FLAG_KEPT), db_number(delivery->received),
                      db_number((int64_t)local->prefix.length), db_bytes(local->prefix),
                      number_of(delivery, local), db_number(delivery->is_report)),
            &rows, &has_row, fault))
        return false;
    *is_counted = has_row && db_rows_number(&rows, 0) == 1;
    *is_found = has_row && !db_rows_is_null(&rows, 1);
    if (*is_found) {
        local->uid = db_rows_number(&rows, 1);
        local->modseq = db_rows_number(&rows, 2);
    }
    return true;
}

static bool write_in_steps(struct db *db, const struct store_delivery *delivery,
                           struct store_delivery_local *local, int64_t size, bool *is_counted,
                           bool *is_found, struct fault *fault)
{
    *is_found = false;
    if (!count_in_account(db, delivery, local, size, is_counted, fault))
        return false;
    if (!*is_counted)
        return true;
    if (!count_in_mailbox(db, local, size, is_found, fault))
        return false;
    return !*is_found || write_rows(db, delivery, local, size, fault);
}

static bool write_local(struct db *db, const struct store_delivery *delivery,
                        struct store_delivery_local *local, struct fault *fault)
{
    int64_t size = (int64_t)(store_draft_size(delivery->draft) + local->prefix.length);
    bool is_counted;
    bool is_found;
    local->outcome = STORE_DELIVERY_KEPT;
    bool is_done = db_kind(db) == DB_POSTGRES
                       ? write_at_once(db, delivery, local, size, &is_counted, &is_found, fault)
                       : write_in_steps(db, delivery, local, size, &is_counted, &is_found, fault);
    if (!is_done)
        return false;
    if (!is_counted)
        return find_outcome(db, local, size, fault);
    if (is_found)
        return true;
    local->outcome = STORE_DELIVERY_NO_MAILBOX;
    return uncount_in_account(db, local->account, size, fault);
}

/* ---- far recipients ---- */

static bool write_outbound(struct db *db, const struct store_delivery *delivery,
                           struct fault *fault)
{
    static const struct db_statement message = {
        "INSERT INTO outbound_message(id, account, sender, envelope_id, return_content, body_kind, "
        "is_utf8, prefix, owner, created) VALUES($1, $2, $3, $4, $5, $6, $7, $8, "
        "COALESCE((SELECT id FROM outbound_runner WHERE id = $9 AND process = $11), 0), $10)",
        NULL};
    static const struct db_statement recipient = {
        "INSERT INTO outbound_recipient(message, number, recipient, route, original_recipient, "
        "notify, due) VALUES($1, $2, $3, $4, $5, $6, $7)",
        NULL};
    if (!db_send(db, &message,
                 DB_VALUES(db_number(delivery->id), db_number(delivery->account),
                           db_text(delivery->sender), db_text(delivery->envelope_id),
                           db_number(delivery->return_content), db_number(delivery->body_kind),
                           db_number(delivery->is_utf8), db_bytes(delivery->far_prefix),
                           db_number(store_outbound_lease_runner(delivery->store)),
                           db_number(delivery->received), db_number(store_self(delivery->store))),
                 fault))
        return false;
    for (size_t i = 0; i < delivery->far_count; i++) {
        const struct store_delivery_far *far = &delivery->fars[i];
        if (!db_send(db, &recipient,
                     DB_VALUES(db_number(delivery->id), db_number((int64_t)i),
                               db_text(far->recipient), db_text(far->route),
                               db_text(far->original_recipient), db_number(far->notify),
                               db_number(delivery->received)),
                     fault))
            return false;
    }
    return true;
}

/* ---- the job ---- */

static bool refuse(const struct store_delivery_local *local, struct fault *fault)
{
    switch (local->outcome) {
    case STORE_DELIVERY_OVER_QUOTA_BYTES:
        return fault_set(fault, FAULT_LIMIT, "the mailbox is full");
    case STORE_DELIVERY_OVER_QUOTA_MESSAGES:
        return fault_set(fault, FAULT_LIMIT, "the mailbox has too many messages");
    case STORE_DELIVERY_NO_MAILBOX:
    case STORE_DELIVERY_KEPT:
        break;
    }
    return fault_set(fault, FAULT_PERMANENT, "the mailbox is no longer there");
}

/* *kept: of its mailboxes. *refused: the first that was not served, or NULL. */
static bool write_locals(struct db *db, struct store_delivery *delivery, size_t *kept,
                         const struct store_delivery_local **refused, struct fault *fault)
{
    *kept = 0;
    *refused = NULL;
    for (size_t i = 0; i < delivery->local_count; i++) {
        if (!write_local(db, delivery, &delivery->locals[i], fault))
            return false;
        if (delivery->locals[i].outcome == STORE_DELIVERY_KEPT)
            ++*kept;
        else if (*refused == NULL)
            *refused = &delivery->locals[i];
        if (*refused != NULL && delivery->is_all_or_nothing)
            return refuse(*refused, fault);
    }
    return true;
}

static bool count_sending(struct db *db, struct store_delivery *delivery, struct fault *fault)
{
    struct fault why = {0};
    delivery->is_over_sending_limit = false;
    if (delivery->sending_limits == NULL || delivery->far_count == 0)
        return true;
    if (store_sending_count(db, delivery->account, delivery->received, delivery->far_count,
                            delivery->sending_limits, &why))
        return true;
    delivery->is_over_sending_limit = why.kind == FAULT_LIMIT;
    if (fault != NULL)
        *fault = why;
    return false;
}

static bool write_report(struct db *db, struct store_delivery *delivery, struct fault *fault)
{
    for (size_t i = 0; i < delivery->local_count; i++)
        if (delivery->locals[i].outcome != STORE_DELIVERY_KEPT)
            return true;
    delivery->is_report_kept = store_delivery_write(db, delivery->report, fault);
    return delivery->is_report_kept;
}

static bool write_message(struct db *db, struct store_delivery *delivery, struct fault *fault)
{
    const struct store_delivery_local *refused;
    size_t kept;
    if (!count_sending(db, delivery, fault) ||
        !store_body_write(db, delivery->id, delivery->draft, delivery->parsed, delivery->received,
                          fault) ||
        !write_locals(db, delivery, &kept, &refused, fault))
        return false;
    if (delivery->far_count > 0)
        return write_outbound(db, delivery, fault);
    if (kept > 0 || refused == NULL)
        return true;
    if (!delivery->is_report)
        return refuse(refused, fault);
    AUTO(buffer)
    id = BUFFER(ID_TEXT_MAX);
    buffer_append_unsigned(&id, (uint64_t)delivery->id);
    return buffer_is_failed(&id) ? fault_set_memory(fault)
                                 : store_body_remove_unused(db, buffer_bytes(&id), fault);
}

bool store_delivery_write(struct db *db, struct store_delivery *delivery, struct fault *fault)
{
    delivery->is_report_kept = false;
    return write_message(db, delivery, fault) &&
           (delivery->report == NULL || write_report(db, delivery, fault));
}

void store_delivery_tell(const struct store_delivery *delivery, struct store *store)
{
    for (size_t i = 0; i < delivery->local_count; i++) {
        const struct store_delivery_local *local = &delivery->locals[i];
        if (local->outcome != STORE_DELIVERY_KEPT)
            continue;
        struct store_news news = {.kind = STORE_NEWS_ADDED,
                                  .mailbox = local->mailbox,
                                  .modseq = (uint64_t)local->modseq,
                                  .uid = (uint32_t)local->uid,
                                  .flags = local->flags};
        store_news_publish(store, &news);
    }
    if (delivery->far_count > 0)
        store_outbound_watch_tell(store, delivery);
    if (delivery->is_report_kept)
        store_delivery_tell(delivery->report, store);
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    return store_delivery_write(db, (struct store_delivery *)job, fault);
}

static void tell(struct store_job *job, struct store *store)
{
    store_delivery_tell((const struct store_delivery *)job, store);
}

size_t store_delivery_weigh(const struct store_delivery *delivery)
{
    size_t weight = store_body_weigh(delivery->draft, delivery->parsed);
    for (size_t i = 0; i < delivery->local_count; i++)
        weight += WEIGHT_OF_ROW + delivery->locals[i].prefix.length;
    for (size_t i = 0; i < delivery->far_count; i++)
        weight += WEIGHT_OF_ROW + delivery->fars[i].recipient.length;
    return weight + (delivery->report == NULL ? 0 : store_delivery_weigh(delivery->report));
}

static void list_mailboxes(struct store_delivery *delivery)
{
    const struct store_delivery *report = delivery->report;
    for (size_t i = 0; i < delivery->local_count; i++)
        delivery->mailboxes[i] = delivery->locals[i].mailbox;
    for (size_t i = 0; i < report->local_count; i++)
        delivery->mailboxes[delivery->local_count + i] = report->locals[i].mailbox;
}

void store_delivery_submit(struct store_delivery *delivery)
{
    struct store_job *job = &delivery->job;
    job->run = run;
    job->tell = tell;
    job->weight = store_delivery_weigh(delivery);
    job->mailboxes = delivery->local_count == 0 ? NULL : &delivery->locals[0].mailbox;
    job->mailbox_count = delivery->local_count;
    job->mailbox_stride = sizeof(delivery->locals[0]);
    if (delivery->report != NULL) {
        delivery->report->is_report = true;
        list_mailboxes(delivery);
        job->mailboxes = delivery->mailboxes;
        job->mailbox_count += delivery->report->local_count;
        job->mailbox_stride = 0;
    }
    /* What one account sends is counted by one batch at a time. */
    job->account = delivery->sending_limits != NULL ? delivery->account : 0;
    job->has_own_keys = true;
    store_submit(delivery->store, job);
}
