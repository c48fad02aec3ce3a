/* A mailbox's row before and after a job. */
#include "store/store_step.h"

bool store_step_begin(struct db *db, int64_t mailbox, struct store_step *step, bool *is_found,
                      struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT account, is_selectable, uidvalidity, uidnext, modseq, changed_floor, "
        "vanished_floor, deleted FROM mailbox WHERE id = $1",
        "SELECT account, is_selectable, uidvalidity, uidnext, modseq, changed_floor, "
        "vanished_floor, deleted FROM mailbox WHERE id = $1 FOR UPDATE"};
    AUTO(db_rows)
    rows = {0};
    *step = (struct store_step){.mailbox = mailbox};
    if (!db_query_one(db, &find, DB_VALUES(db_number(mailbox)), &rows, is_found, fault))
        return false;
    if (*is_found) {
        step->account = db_rows_number(&rows, 0);
        step->is_selectable = db_rows_number(&rows, 1) != 0;
        step->uidvalidity = (uint32_t)db_rows_number(&rows, 2);
        step->uidnext = db_rows_number(&rows, 3);
        step->modseq = db_rows_number(&rows, 4) + 1;
        step->changed_floor = db_rows_number(&rows, 5);
        step->vanished_floor = db_rows_number(&rows, 6);
        step->deleted_before = db_rows_number(&rows, 7);
    }
    return db_rows_finish(&rows, fault);
}

bool store_step_end(struct db *db, const struct store_step *step, struct fault *fault)
{
    static const struct db_statement update = {
        "UPDATE mailbox SET modseq = $2, uidnext = $3, changed_floor = $4, vanished_floor = $5, "
        "messages = messages + $6, bytes = bytes + $7, unseen = unseen + $8, "
        "deleted = deleted + $9 WHERE id = $1",
        NULL};
    return db_send(db, &update,
                   DB_VALUES(db_number(step->mailbox), db_number(step->modseq),
                             db_number(step->uidnext), db_number(step->changed_floor),
                             db_number(step->vanished_floor), db_number(step->messages),
                             db_number(step->bytes), db_number(step->unseen),
                             db_number(step->deleted)),
                   fault);
}

bool store_step_account(struct db *db, int64_t account, int64_t messages, int64_t bytes,
                        struct fault *fault)
{
    static const struct db_statement add = {
        "UPDATE account SET used_bytes = used_bytes + $2, used_messages = used_messages + $3 "
        "WHERE id = $1 AND (quota_bytes = 0 OR used_bytes + $2 <= quota_bytes) "
        "AND (quota_messages = 0 OR used_messages + $3 <= quota_messages)",
        NULL};
    static const struct db_statement take = {
        "UPDATE account SET used_bytes = used_bytes + $2, used_messages = used_messages + $3 "
        "WHERE id = $1",
        NULL};
    uint64_t changed;
    if (messages == 0)
        return true;
    if (messages < 0)
        return db_send(db, &take,
                       DB_VALUES(db_number(account), db_number(bytes), db_number(messages)), fault);
    if (!db_execute(db, &add, DB_VALUES(db_number(account), db_number(bytes), db_number(messages)),
                    &changed, fault))
        return false;
    return changed == 1 || fault_set(fault, FAULT_LIMIT, "the account is over its quota");
}
