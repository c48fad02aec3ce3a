/* Removing messages by their UIDs, as POP3 and the end of a mailbox or an account do. */
#include "store/store_maildrop.h"

#include "store/store_lease.h"
#include "store/store_news.h"
#include "store/store_removing.h"

enum {
    WEIGHT_OF_MESSAGE = 512 /* bytes that a removal writes, about */
};

/* *modseq: 0 = nothing was there any more. */
static bool remove_ranges(struct db *db, int64_t mailbox, const struct store_ranges *ranges,
                          uint64_t *modseq, struct fault *fault)
{
    struct store_step step;
    struct store_ranges removed = {0};
    bool is_found;
    *modseq = 0;
    if (!store_step_begin(db, mailbox, &step, &is_found, fault))
        return false;
    if (!is_found)
        return true;
    bool is_done =
        store_removing_run(db, &step, ranges->items, ranges->count, false, &removed, fault);
    bool is_any = removed.count > 0;
    store_ranges_clear(&removed);
    if (!is_done || !is_any)
        return is_done;
    *modseq = (uint64_t)step.modseq;
    return store_step_end(db, &step, fault);
}

static bool remove_uids(struct db *db, int64_t mailbox, const uint32_t *uids, size_t count,
                        uint64_t *modseq, struct fault *fault)
{
    struct store_ranges ranges = {0};
    bool is_done = true;
    for (size_t i = 0; is_done && i < count; i++)
        is_done = store_ranges_add(&ranges, uids[i], uids[i], fault);
    is_done = is_done && remove_ranges(db, mailbox, &ranges, modseq, fault);
    store_ranges_clear(&ranges);
    return is_done;
}

bool store_removal_run(struct db *db, int64_t mailbox, const uint32_t *uids, size_t count,
                       struct fault *fault)
{
    uint64_t modseq;
    return count == 0 || remove_uids(db, mailbox, uids, count, &modseq, fault);
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_removal *removal = (struct store_removal *)job;
    bool was_held = true;
    removal->modseq = 0;
    if (removal->lease != NULL && !store_lease_release(db, removal->lease, &was_held, fault))
        return false;
    removal->is_lost = !was_held;
    if (removal->is_lost || removal->count == 0)
        return true;
    return remove_uids(db, removal->mailbox, removal->uids, removal->count, &removal->modseq,
                       fault);
}

static void tell(struct store_job *job, struct store *store)
{
    const struct store_removal *removal = (const struct store_removal *)job;
    if (removal->modseq > 0)
        store_news_publish(store, &(struct store_news){.kind = STORE_NEWS_CHANGED,
                                                       .mailbox = removal->mailbox,
                                                       .modseq = removal->modseq});
}

void store_removal_submit(struct store_removal *removal)
{
    struct store_job *job = &removal->job;
    job->run = run;
    job->tell = tell;
    job->weight = removal->count * WEIGHT_OF_MESSAGE;
    job->mailboxes = &removal->mailbox;
    job->mailbox_count = 1;
    job->mailbox_stride = 0;
    store_submit(removal->store, job);
}
