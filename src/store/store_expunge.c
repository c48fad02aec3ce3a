/* EXPUNGE: removing what is \Deleted. */
#include <stdlib.h>

#include "store/store_change.h"
#include "store/store_news.h"
#include "store/store_removing.h"

enum {
    WEIGHT_OF_RANGE = 1024 /* bytes that its removal writes, about */
};

static bool expunge_all(struct store_expunge *expunge, struct db *db, struct store_ranges *removed,
                        struct fault *fault)
{
    struct store_step step;
    bool is_found;
    if (!store_step_begin(db, expunge->mailbox, &step, &is_found, fault))
        return false;
    if (!is_found || step.deleted_before == 0)
        return true;
    if (!store_removing_run(db, &step, expunge->ranges, expunge->range_count, true, removed, fault))
        return false;
    if (removed->count == 0)
        return true;
    expunge->modseq = (uint64_t)step.modseq;
    return store_step_end(db, &step, fault);
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_expunge *expunge = (struct store_expunge *)job;
    struct store_ranges removed = {0};
    store_expunge_clear(expunge);
    expunge->modseq = 0;
    if (!expunge_all(expunge, db, &removed, fault)) {
        store_ranges_clear(&removed);
        return false;
    }
    expunge->removed = removed.items;
    expunge->removed_count = removed.count;
    return true;
}

static void tell(struct store_job *job, struct store *store)
{
    const struct store_expunge *expunge = (const struct store_expunge *)job;
    if (expunge->modseq > 0)
        store_news_publish(store, &(struct store_news){.kind = STORE_NEWS_CHANGED,
                                                       .mailbox = expunge->mailbox,
                                                       .modseq = expunge->modseq});
}

void store_expunge_submit(struct store_expunge *expunge)
{
    struct store_job *job = &expunge->job;
    job->run = run;
    job->tell = tell;
    job->weight = expunge->range_count * WEIGHT_OF_RANGE;
    job->mailboxes = &expunge->mailbox;
    job->mailbox_count = 1;
    job->mailbox_stride = 0;
    store_submit(expunge->store, job);
}

void store_expunge_clear(struct store_expunge *expunge)
{
    free(expunge->removed);
    expunge->removed = NULL;
    expunge->removed_count = 0;
}
