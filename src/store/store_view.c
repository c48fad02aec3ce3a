/* The messages of a mailbox as a session keeps them in memory. */
#include "store/store_view.h"

#include <stdlib.h>

#include "db/db.h"
#include "store/store_delivery.h"
#include "store/store_news.h"

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
            .flags = store_flags_told(db_rows_number(&rows, 1)),
            .modseq = (uint64_t)db_rows_number(&rows, 2),
        };
    if (!db_rows_finish(&rows, fault))
        return false;
    *count = used;
    return true;
}

bool store_view_count(struct db *db, int64_t mailbox, uint32_t from, uint64_t *count,
                      struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT COUNT(*) FROM message WHERE mailbox = $1 AND uid >= $2", NULL};
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(db, &read, DB_VALUES(db_number(mailbox), db_number(from)), &rows, &is_found,
                      fault))
        return false;
    *count = is_found ? (uint64_t)db_rows_number(&rows, 0) : 0;
    return true;
}

/* ---- \Recent ---- */

struct raising {
    struct store_job job; /* first */
    struct store *store;
    struct store_watch watch; /* until it is kept, store_news_recent has it in mind */
    bool is_watching;
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
    struct raising *raising = (struct raising *)job;
    if (raising->is_watching)
        store_news_watch_end(raising->store, &raising->watch);
    free(raising);
}

static void hear_nothing(struct store_watch *watch, const struct store_news *news)
{
    (void)watch;
    (void)news;
}

void store_view_raise_recent(struct store *store, int64_t mailbox, uint32_t uid)
{
    struct raising *raising = calloc(1, sizeof(*raising));
    /* Then somebody else is told of them as \Recent once more. */
    if (raising == NULL)
        return;
    raising->mailbox = mailbox;
    raising->uid = uid;
    raising->store = store;
    raising->watch = (struct store_watch){.mailbox = mailbox, .hear = hear_nothing};
    raising->is_watching = store_news_watch_begin(store, &raising->watch, NULL);
    raising->job = (struct store_job){
        .run = raise_recent,
        .done = forget,
        .mailboxes = &raising->mailbox,
        .mailbox_count = 1,
    };
    store_submit(store, &raising->job);
}
