/* Changing flags: what changes is found first, so that rows, modseqs, counters and the log agree;
 * but where a single flag changes the rows are written first, and looked at only if they were not
 * all that was named. */
#include <stdlib.h>

#include "store/store_change.h"
#include "store/store_log.h"
#include "store/store_news.h"

enum {
    WEIGHT_OF_RANGE = 512 /* bytes that a change of flags writes, about */
};

/* One run of the job. */
struct changing {
    struct store_flag_change *change;
    struct db *db;
    struct store_step step;
    int64_t keep; /* new flags: (flags & keep) | add */
    int64_t add;
    bool lacks_keywords; /* no message can have them all */
    bool is_written;     /* what has the modseq of this job was changed by it */
    struct store_ranges changed;
    struct store_ranges refused;
};

/* ---- flags ---- */

static void set_bits(struct changing *changing, uint64_t bits)
{
    struct store_flag_change *change = changing->change;
    change->bits = bits;
    changing->add = STORE_FLAG_KEPT | (change->mode == STORE_FLAGS_REMOVE ? 0 : (int64_t)bits);
    changing->keep = change->mode == STORE_FLAGS_SET      ? 0
                     : change->mode == STORE_FLAGS_REMOVE ? (int64_t)~bits
                                                          : -1;
}

static bool find_keyword(const struct store_keywords *keywords, struct bytes name, uint64_t *bit)
{
    for (size_t i = 0; i < keywords->count; i++) {
        if (bytes_equal_ignoring_case(keywords->names[i], name)) {
            *bit = (uint64_t)1 << (STORE_KEYWORD_FIRST + i);
            return true;
        }
    }
    return false;
}

/* Those that are there; the others are made when some message is to have them. */
static bool find_bits(struct changing *changing, struct fault *fault)
{
    const struct store_flag_change *change = changing->change;
    uint64_t bits = change->flags;
    struct store_keywords keywords = {0};
    if (change->keyword_count > 0 &&
        !store_keywords_read(changing->db, change->mailbox, &keywords, fault))
        return false;
    for (size_t i = 0; i < change->keyword_count; i++) {
        uint64_t bit = 0;
        if (find_keyword(&keywords, change->keywords[i], &bit))
            bits |= bit;
        else
            changing->lacks_keywords = change->mode != STORE_FLAGS_REMOVE;
    }
    store_keywords_clear(&keywords);
    set_bits(changing, bits);
    return true;
}

static bool make_bits(struct changing *changing, struct fault *fault)
{
    struct store_flag_change *change = changing->change;
    uint64_t bits;
    if (!store_keywords_make(changing->db, change->mailbox, change->keywords, change->keyword_count,
                             &bits, &change->has_new_keywords, fault) ||
        !store_keywords_read(changing->db, change->mailbox, &change->all_keywords, fault))
        return false;
    set_bits(changing, bits | change->flags);
    return true;
}

/* ---- what changes ---- */

/* Grows the last of the ranges up to a message that follows those of its range without another
   message between, or begins a new one. */
static bool add_to_run(struct store_ranges *ranges, bool is_run, uint32_t uid, struct fault *fault)
{
    if (!is_run)
        return store_ranges_add(ranges, uid, uid, fault);
    ranges->items[ranges->count - 1].last = uid;
    return true;
}

enum fate {
    FATE_NONE = 0, /* it has these flags already */
    FATE_CHANGED,
    FATE_REFUSED
};

/* As single flags are changed: that of the command was not as it is now. */
static enum fate tell_written(struct changing *changing, int64_t flags, int64_t modseq)
{
    if (modseq != changing->step.modseq)
        return FATE_NONE;
    store_step_count(&changing->step, flags ^ (int64_t)changing->change->flags, 0, -1);
    store_step_count(&changing->step, flags, 0, 1);
    return FATE_CHANGED;
}

static enum fate decide(struct changing *changing, int64_t flags, int64_t modseq)
{
    if (changing->is_written)
        return tell_written(changing, flags, modseq);
    if ((uint64_t)modseq > changing->change->unchanged_since)
        return FATE_REFUSED;
    int64_t changed = (flags & changing->keep) | changing->add;
    if (store_flags_told(changed ^ flags) == 0 && !changing->lacks_keywords)
        return FATE_NONE;
    store_step_count(&changing->step, flags, 0, -1);
    store_step_count(&changing->step, changed, 0, 1);
    return FATE_CHANGED;
}

/* The messages of one step, in order. */
static bool look_at_step(struct changing *changing, struct store_ranges_walk *walk,
                         struct fault *fault)
{
    static const struct db_statement look = {
        "SELECT uid, flags, modseq FROM message WHERE mailbox = $1 AND uid BETWEEN $2 AND $3 "
        "ORDER BY uid LIMIT $4",
        STORE_WALK_READ("x.uid, x.flags, x.modseq", "", "$4")};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(changing->db, &look,
                  DB_VALUES(db_number(changing->step.mailbox), walk->first, walk->last,
                            db_number(STORE_WALK_ROWS)),
                  &rows, fault))
        return false;
    size_t count = 0;
    uint32_t uid = 0;
    enum fate before = FATE_NONE;
    while (db_rows_next(&rows)) {
        bool is_other;
        uid = (uint32_t)db_rows_number(&rows, 0);
        count++;
        bool is_named = store_ranges_walk_has(walk, uid, &is_other);
        changing->change->found += is_named;
        enum fate fate = is_named
                             ? decide(changing, db_rows_number(&rows, 1), db_rows_number(&rows, 2))
                             : FATE_NONE;
        if (fate != FATE_NONE &&
            !add_to_run(fate == FATE_CHANGED ? &changing->changed : &changing->refused,
                        fate == before && !is_other, uid, fault))
            return false;
        before = fate;
    }
    if (count == STORE_WALK_ROWS)
        store_ranges_walk_return(walk, uid);
    return db_rows_finish(&rows, fault);
}

static bool look(struct changing *changing, struct fault *fault)
{
    const struct store_flag_change *change = changing->change;
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    store_ranges_walk_begin_reading(&walk, changing->db, change->ranges, change->range_count);
    for (;;) {
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            return true;
        if (!look_at_step(changing, &walk, fault))
            return false;
    }
}

/* ---- changing ---- */

static uint64_t count_named(const struct store_flag_change *change)
{
    uint64_t count = 0;
    for (size_t i = 0; i < change->range_count; i++)
        count += (uint64_t)change->ranges[i].last - change->ranges[i].first + 1;
    return count;
}

/* Whether a row tells by itself if it changes, and how the counters change with it: one flag of the
   system, whatever the modseq. */
static bool is_simple(const struct store_flag_change *change)
{
    bool is_one = change->flags != 0 && (change->flags & (change->flags - 1)) == 0;
    return is_one && change->mode != STORE_FLAGS_SET && change->keyword_count == 0 &&
           change->unchanged_since == UINT64_MAX;
}

static bool write_simple(struct changing *changing, uint64_t *written, struct fault *fault)
{
    static const struct db_statement write = {
        "UPDATE message SET flags = (flags & $4) | $5, modseq = $6 "
        "WHERE mailbox = $1 AND uid BETWEEN $2 AND $3 AND (flags & $7) = $8",
        "UPDATE message m SET flags = (m.flags & $4) | $5, modseq = $6 FROM " STORE_WALK_RANGES
        " " STORE_WALK_PLACES "WHERE m.ctid = f.place AND (m.flags & $7) = $8"};
    const struct store_flag_change *change = changing->change;
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    *written = 0;
    store_ranges_walk_begin(&walk, changing->db, change->ranges, change->range_count);
    for (;;) {
        uint64_t changed;
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            return true;
        if (!db_execute(changing->db, &write,
                        DB_VALUES(db_number(changing->step.mailbox), walk.first, walk.last,
                                  db_number(changing->keep), db_number(changing->add),
                                  db_number(changing->step.modseq), db_number(change->flags),
                                  db_number(change->mode == STORE_FLAGS_ADD ? 0 : change->flags)),
                        &changed, fault))
            return false;
        *written += changed;
    }
}

/* All that was named is there and has changed. */
static bool take_all(struct changing *changing, uint64_t count, struct fault *fault)
{
    struct store_flag_change *change = changing->change;
    bool is_added = change->mode == STORE_FLAGS_ADD;
    for (size_t i = 0; i < change->range_count; i++)
        if (!store_ranges_add(&changing->changed, change->ranges[i].first, change->ranges[i].last,
                              fault))
            return false;
    store_step_count(&changing->step, is_added ? 0 : change->flags, 0, -(int64_t)count);
    store_step_count(&changing->step, is_added ? change->flags : 0, 0, (int64_t)count);
    change->found = count;
    return true;
}

static bool change_simple(struct changing *changing, struct fault *fault)
{
    uint64_t written;
    changing->is_written = true;
    if (!write_simple(changing, &written, fault))
        return false;
    if (written == count_named(changing->change))
        return take_all(changing, written, fault);
    return look(changing, fault);
}

static bool write_flags(struct changing *changing, struct fault *fault)
{
    /* All messages of these ranges change, so that nothing has to be compared. */
    static const struct db_statement write = {
        "UPDATE message SET flags = (flags & $4) | $5, modseq = $6 "
        "WHERE mailbox = $1 AND uid BETWEEN $2 AND $3",
        "UPDATE message m SET flags = (m.flags & $4) | $5, modseq = $6 FROM " STORE_WALK_RANGES
        " " STORE_WALK_PLACES "WHERE m.ctid = f.place"};
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    store_ranges_walk_begin(&walk, changing->db, changing->changed.items, changing->changed.count);
    for (;;) {
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            return true;
        if (!db_send(changing->db, &write,
                     DB_VALUES(db_number(changing->step.mailbox), walk.first, walk.last,
                               db_number(changing->keep), db_number(changing->add),
                               db_number(changing->step.modseq)),
                     fault))
            return false;
    }
}

static bool change_all(struct changing *changing, struct fault *fault)
{
    struct store_flag_change *change = changing->change;
    bool is_found;
    if (!store_step_begin(changing->db, change->mailbox, &changing->step, &is_found, fault))
        return false;
    /* Nothing is there any more: nothing changes. */
    if (!is_found)
        return true;
    if (!find_bits(changing, fault) ||
        !(is_simple(change) ? change_simple(changing, fault) : look(changing, fault)))
        return false;
    if (changing->changed.count == 0)
        return true;
    change->modseq = (uint64_t)changing->step.modseq;
    if (changing->lacks_keywords && !make_bits(changing, fault))
        return false;
    return (changing->is_written || write_flags(changing, fault)) &&
           store_log_changed(changing->db, &changing->step, &changing->changed, fault) &&
           store_step_end(changing->db, &changing->step, fault);
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_flag_change *change = (struct store_flag_change *)job;
    struct changing changing = {.change = change, .db = db};
    store_flag_change_clear(change);
    change->modseq = 0;
    change->found = 0;
    change->bits = change->flags;
    change->has_new_keywords = false;
    bool is_done = change_all(&changing, fault);
    store_ranges_clear(&changing.changed);
    if (!is_done) {
        store_ranges_clear(&changing.refused);
        return false;
    }
    change->refused = changing.refused.items;
    change->refused_count = changing.refused.count;
    return true;
}

static void tell(struct store_job *job, struct store *store)
{
    const struct store_flag_change *change = (const struct store_flag_change *)job;
    if (change->modseq > 0)
        store_news_publish(store, &(struct store_news){.kind = STORE_NEWS_CHANGED,
                                                       .mailbox = change->mailbox,
                                                       .modseq = change->modseq});
}

void store_flag_change_submit(struct store_flag_change *change)
{
    struct store_job *job = &change->job;
    job->run = run;
    job->tell = tell;
    job->weight = change->range_count * WEIGHT_OF_RANGE;
    job->mailboxes = &change->mailbox;
    job->mailbox_count = 1;
    job->mailbox_stride = 0;
    store_submit(change->store, job);
}

void store_flag_change_clear(struct store_flag_change *change)
{
    store_keywords_clear(&change->all_keywords);
    free(change->refused);
    change->refused = NULL;
    change->refused_count = 0;
}
