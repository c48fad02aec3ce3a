/* Messages that a client brings into a mailbox: one body and one row each, counted all at once. */
#include "store/store_append.h"

#include "store/store_body.h"
#include "store/store_mailboxes.h"
#include "store/store_news.h"
#include "store/store_step.h"

enum {
    WEIGHT_OF_ROW = 512, /* bytes that the rows of a message weigh, besides its body */
    /* However much it is: else many large messages would never be let in. */
    WEIGHT_MAX = STORE_WAITING_BYTES_MAX / 4
};

static bool find_flags(struct db *db, const struct store_append *append,
                       const struct store_append_message *message, uint64_t *flags,
                       bool *has_new_keywords, struct fault *fault)
{
    bool is_changed;
    *flags = message->flags;
    if (message->keyword_count == 0)
        return true;
    uint64_t bits;
    if (!store_keywords_make(db, append->mailbox, message->keywords, message->keyword_count, &bits,
                             &is_changed, fault))
        return false;
    *flags |= bits;
    *has_new_keywords = *has_new_keywords || is_changed;
    return true;
}

static bool write_rows(struct db *db, const struct store_append *append,
                       const struct store_append_message *message, const struct store_step *step,
                       int64_t body, uint64_t flags, struct fault *fault)
{
    static const struct db_statement row = {
        "INSERT INTO message(mailbox, uid, body, flags, modseq, received, saved, size, "
        "prefix_size) VALUES($1, $2, $3, $4, $5, $6, $7, $8, 0)",
        NULL};
    static const struct db_statement prefix = {
        "INSERT INTO message_prefix(body, number, uses, prefix) VALUES($1, 0, 2, $2)", NULL};
    int64_t size = (int64_t)store_draft_size(message->draft);
    return db_send(db, &row,
                   DB_VALUES(db_number(append->mailbox), db_number(step->uidnext), db_number(body),
                             db_number((int64_t)(flags | STORE_FLAG_KEPT)), db_number(step->modseq),
                             db_number(message->received), db_number(append->now), db_number(size)),
                   fault) &&
           db_send(db, &prefix, DB_VALUES(db_number(body), db_bytes(BYTES(""))), fault);
}

static bool write_message(struct db *db, struct store_append *append,
                          const struct store_append_message *message, struct store_step *step,
                          struct fault *fault)
{
    int64_t body = store_id_make(append->store);
    int64_t size = (int64_t)store_draft_size(message->draft);
    uint64_t flags;
    if (!find_flags(db, append, message, &flags, &append->has_new_keywords, fault) ||
        !store_body_write(db, body, message->draft, message->parsed, append->now, fault) ||
        !write_rows(db, append, message, step, body, flags, fault))
        return false;
    append->flags = flags;
    store_step_count(step, (int64_t)flags, size, 1);
    step->uidnext++;
    return true;
}

static bool find_mailbox(struct db *db, struct store_append *append, struct fault *fault)
{
    struct store_mailbox mailbox;
    bool is_found;
    append->is_missing = false;
    if (append->name.length == 0)
        return true;
    if (!store_mailbox_find(db, append->account, append->name, false, &mailbox, &is_found, fault))
        return false;
    append->is_missing = !is_found || !mailbox.is_selectable;
    if (!append->is_missing)
        append->mailbox = mailbox.id;
    return true;
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_append *append = (struct store_append *)job;
    struct store_step step;
    bool is_found;
    append->has_new_keywords = append->is_over_quota = false;
    if (!find_mailbox(db, append, fault))
        return false;
    if (append->is_missing)
        return true;
    if (!store_step_begin(db, append->mailbox, &step, &is_found, fault))
        return false;
    if (!is_found || !step.is_selectable || step.account != append->account)
        return fault_set(fault, FAULT_PERMANENT, "the mailbox is no longer there");
    if (step.uidnext + (int64_t)append->count > STORE_UIDNEXT_MAX)
        return fault_set(fault, FAULT_LIMIT, "the mailbox has used up its UIDs");
    append->uidvalidity = step.uidvalidity;
    append->first_uid = (uint32_t)step.uidnext;
    append->modseq = (uint64_t)step.modseq;
    for (size_t i = 0; i < append->count; i++)
        if (!write_message(db, append, &append->messages[i], &step, fault))
            return false;
    if (!store_step_account(db, step.account, step.messages, step.bytes, fault)) {
        append->is_over_quota = fault->kind == FAULT_LIMIT;
        return false;
    }
    return store_step_end(db, &step, fault);
}

static void tell(struct store_job *job, struct store *store)
{
    const struct store_append *append = (const struct store_append *)job;
    if (append->is_missing)
        return;
    /* A flag whose name is new is understood only by whoever reads the names. */
    bool is_simple = append->count == 1 && !append->has_new_keywords;
    store_news_publish(
        store, &(struct store_news){.kind = is_simple ? STORE_NEWS_ADDED : STORE_NEWS_CHANGED,
                                    .mailbox = append->mailbox,
                                    .modseq = append->modseq,
                                    .uid = append->first_uid,
                                    .flags = append->flags});
}

void store_append_submit(struct store_append *append)
{
    struct store_job *job = &append->job;
    job->run = run;
    job->tell = tell;
    job->weight = 0;
    for (size_t i = 0; i < append->count; i++)
        job->weight +=
            WEIGHT_OF_ROW + store_body_weigh(append->messages[i].draft, append->messages[i].parsed);
    if (job->weight > WEIGHT_MAX)
        job->weight = WEIGHT_MAX;
    job->mailboxes = &append->mailbox;
    job->mailbox_count = append->name.length == 0;
    job->mailbox_stride = 0;
    /* Whoever writes to a mailbox has locked its account as well. */
    job->account = append->name.length == 0 ? 0 : append->account;
    job->has_own_keys = true;
    store_submit(append->store, job);
}
