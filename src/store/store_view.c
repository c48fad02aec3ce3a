/* The messages of a mailbox as a session keeps them in memory. */
#include "store/store_view.h"

#include <stdlib.h>

#include "db/db.h"

bool store_view_read(struct db *db, int64_t mailbox, uint32_t uid,
                     struct store_view_message *messages, size_t *count, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT uid, flags, modseq FROM message WHERE mailbox = $1 AND uid >= $2 "
        "ORDER BY uid LIMIT $3",
        NULL};
    size_t most = *count < STORE_VIEW_ROWS ? *count : STORE_VIEW_ROWS;
    size_t used = 0;
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &read,
                  DB_VALUES(db_number(mailbox), db_number(uid), db_number((int64_t)most)), &rows,
                  fault))
        return false;
    while (used < most && db_rows_next(&rows))
        messages[used++] = (struct store_view_message){
            .uid = (uint32_t)db_rows_number(&rows, 0),
            .flags = (uint64_t)db_rows_number(&rows, 1),
            .modseq = (uint64_t)db_rows_number(&rows, 2),
        };
    if (!db_rows_finish(&rows, fault))
        return false;
    *count = used;
    return true;
}

/* ---- \Recent ---- */

struct raising {
    struct store_job job; /* first */
    int64_t mailbox;
    uint32_t uid;
};

static bool raise_recent(struct store_job *job, struct db *db, struct fault *fault)
{
    static const struct db_statement raise = {
        "UPDATE mailbox SET recent = $2 WHERE id = $1 AND recent < $2", NULL};
    const struct raising *raising = (const struct raising *)job;
    return db_send(db, &raise, DB_VALUES(db_number(raising->mailbox), db_number(raising->uid)),
                   fault);
}

static void forget(struct store_job *job)
{
    free(job);
}

void store_view_raise_recent(struct store *store, int64_t mailbox, uint32_t uid)
{
    struct raising *raising = calloc(1, sizeof(*raising));
    /* Then somebody else is told of them as \Recent once more. */
    if (raising == NULL)
        return;
    raising->mailbox = mailbox;
    raising->uid = uid;
    raising->job = (struct store_job){
        .run = raise_recent,
        .done = forget,
        .mailboxes = &raising->mailbox,
        .mailbox_count = 1,
    };
    store_submit(store, &raising->job);
}
