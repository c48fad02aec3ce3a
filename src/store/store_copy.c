/* COPY and MOVE: rows again under new UIDs, or under others; bodies and prefixes stay. */
#include <stdlib.h>

#include "base/clock.h"
#include "store/store_change.h"
#include "store/store_log.h"
#include "store/store_news.h"

enum {
    WEIGHT_OF_RANGE = 1024, /* bytes that copying it writes, about */
    BITS_OF_BIT = 6,        /* a keyword's bit there and here in one number of a list */
    LIST_TEXT_MAX = 64 * 1024
};

/* One run of the job. */
struct copying {
    struct store_copy *copy;
    struct db *db;
    struct store_step source;
    struct store_step target;    /* counts what is added */
    struct store_ranges copied;  /* nothing but what is there */
    struct store_ranges removed; /* MOVE: the same, but no other message lies between */
    int64_t used_flags;          /* that some of them has */
    int64_t keep;                /* flags that mean the same in the target */
    int64_t mapped;              /* those that do not */
    struct buffer map;           /* how: from + to << BITS_OF_BIT, "1,2,3" */
    struct buffer offsets;       /* PostgreSQL: of a step's ranges */
};

/* ---- what is there ---- */

static bool take(struct copying *copying, const struct db_rows *rows, bool is_run,
                 struct fault *fault)
{
    uint32_t uid = (uint32_t)db_rows_number(rows, 0);
    int64_t flags = db_rows_number(rows, 2);
    copying->used_flags |= flags;
    copying->copy->flags = store_flags_told(flags);
    store_step_count(&copying->target, flags, db_rows_number(rows, 1), 1);
    if (!store_ranges_add(&copying->copied, uid, uid, fault))
        return false;
    if (!copying->copy->is_move)
        return true;
    if (!is_run)
        return store_ranges_add(&copying->removed, uid, uid, fault);
    copying->removed.items[copying->removed.count - 1].last = uid;
    return true;
}

static bool look_at_step(struct copying *copying, struct store_ranges_walk *walk,
                         struct fault *fault)
{
    static const struct db_statement look = {
        "SELECT uid, size, flags FROM message WHERE mailbox = $1 AND uid BETWEEN $2 AND $3 "
        "ORDER BY uid LIMIT $4",
        STORE_WALK_READ("x.uid, x.size, x.flags", "", "$4")};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(copying->db, &look,
                  DB_VALUES(db_number(copying->source.mailbox), walk->first, walk->last,
                            db_number(STORE_WALK_ROWS)),
                  &rows, fault))
        return false;
    size_t count = 0;
    uint32_t uid = 0;
    bool is_run = false;
    while (db_rows_next(&rows)) {
        bool is_other;
        uid = (uint32_t)db_rows_number(&rows, 0);
        count++;
        bool is_named = store_ranges_walk_has(walk, uid, &is_other);
        if (is_named && !take(copying, &rows, is_run && !is_other, fault))
            return false;
        is_run = is_named;
    }
    if (count == STORE_WALK_ROWS)
        store_ranges_walk_return(walk, uid);
    return db_rows_finish(&rows, fault);
}

static bool look(struct copying *copying, struct fault *fault)
{
    const struct store_copy *copy = copying->copy;
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    store_ranges_walk_begin_reading(&walk, copying->db, copy->ranges, copy->range_count);
    for (;;) {
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            return true;
        if (!look_at_step(copying, &walk, fault))
            return false;
    }
}

/* ---- keywords ---- */

static bool is_used(const struct copying *copying, size_t index)
{
    return (copying->used_flags >> (STORE_KEYWORD_FIRST + index) & 1) != 0;
}

static void map_bit(struct copying *copying, size_t from, size_t to)
{
    int64_t bit = (int64_t)1 << (STORE_KEYWORD_FIRST + from);
    if (from == to) {
        copying->keep |= bit;
        return;
    }
    copying->mapped |= bit;
    if (copying->map.length > 0)
        buffer_append_char(&copying->map, ',');
    buffer_append_unsigned(&copying->map, (STORE_KEYWORD_FIRST + from) | (STORE_KEYWORD_FIRST + to)
                                                                             << BITS_OF_BIT);
}

/* A flag whose name is not known is not carried over. */
static void map_names(struct copying *copying, const struct store_keywords *here,
                      const struct store_keywords *there)
{
    for (size_t from = 0; from < here->count; from++) {
        if (!is_used(copying, from) || here->names[from].length == 0)
            continue;
        for (size_t to = 0; to < there->count; to++)
            if (bytes_equal_ignoring_case(here->names[from], there->names[to]))
                map_bit(copying, from, to);
    }
}

static bool make_names(struct copying *copying, const struct store_keywords *here,
                       struct fault *fault)
{
    struct bytes names[STORE_KEYWORDS_MAX];
    struct store_keywords there = {0};
    size_t count = 0;
    uint64_t bits;
    for (size_t i = 0; i < here->count; i++)
        if (is_used(copying, i) && here->names[i].length > 0)
            names[count++] = here->names[i];
    if (count == 0)
        return true;
    if (!store_keywords_make(copying->db, copying->copy->target, names, count, &bits,
                             &copying->copy->has_new_keywords, fault) ||
        !store_keywords_read(copying->db, copying->copy->target, &there, fault))
        return false;
    map_names(copying, here, &there);
    store_keywords_clear(&there);
    return !buffer_is_failed(&copying->map) || fault_set_memory(fault);
}

/* The target has names and bits of its own. */
static bool carry_keywords(struct copying *copying, struct fault *fault)
{
    const struct store_copy *copy = copying->copy;
    struct store_keywords here = {0};
    copying->keep = ((int64_t)1 << STORE_KEYWORD_FIRST) - 1;
    if (copy->target == copy->mailbox)
        copying->keep = INT64_MAX;
    if ((copying->used_flags & ~copying->keep) == 0)
        return true;
    if (!store_keywords_read(copying->db, copy->mailbox, &here, fault))
        return false;
    bool is_done = make_names(copying, &here, fault);
    store_keywords_clear(&here);
    return is_done;
}

/* ---- rows ---- */

#define SQLITE_FLAGS                                                                               \
    "(m.flags & $8) | CASE WHEN (m.flags & $9) = 0 THEN 0 ELSE "                                   \
    "(SELECT COALESCE(SUM(1 << (k.value >> 6)), 0) FROM json_each('[' || $10 || ']') k "           \
    "WHERE (m.flags >> (k.value & 63)) & 1 = 1) END"
#define POSTGRES_FLAGS                                                                             \
    "(m.flags & $8) | CASE WHEN (m.flags & $9) = 0 THEN 0 ELSE "                                   \
    "(SELECT CAST(COALESCE(SUM(1::bigint << (k.pair >> 6)::integer), 0) AS BIGINT) "               \
    "FROM unnest(('{' || $10 || '}')::bigint[]) k(pair) "                                          \
    "WHERE (m.flags >> (k.pair & 63)::integer) & 1 = 1) END"
#define POSTGRES_RANGES "unnest($2::bigint[], $3::bigint[], $5::bigint[]) r(lo, hi, distance)"

static bool copy_rows(struct copying *copying, const struct db_value *values, size_t count,
                      struct fault *fault)
{
    static const struct db_statement messages = {
        "INSERT INTO message(mailbox, uid, body, flags, modseq, received, saved, size, "
        "prefix_size, prefix_number) SELECT $4, m.uid + $5, m.body, " SQLITE_FLAGS
        ", $6, m.received, $7, m.size, m.prefix_size, m.prefix_number FROM message m "
        "WHERE m.mailbox = $1 AND m.uid BETWEEN $2 AND $3 ORDER BY m.uid",
        "INSERT INTO message(mailbox, uid, body, flags, modseq, received, saved, size, "
        "prefix_size, prefix_number) SELECT $4, m.uid + r.distance, m.body, " POSTGRES_FLAGS
        ", $6, m.received, $7, m.size, m.prefix_size, m.prefix_number FROM " POSTGRES_RANGES
        " " STORE_WALK_MESSAGES("x.*") "m"};
    /* It is there: the row that would be new only counts. One of them may be that of several. */
    static const struct db_statement prefixes = {
        "INSERT INTO message_prefix(body, number, uses, prefix) "
        "SELECT m.body, m.prefix_number, 1, '' FROM message m "
        "WHERE m.mailbox = $1 AND m.uid BETWEEN $2 AND $3 "
        "ON CONFLICT(body, number) DO UPDATE SET uses = uses + 1",
        "INSERT INTO message_prefix AS p (body, number, uses, prefix) "
        "SELECT m.body, m.prefix_number, COUNT(*), '' FROM " STORE_WALK_RANGES
        " " STORE_WALK_MESSAGES("x.body, x.prefix_number") "m GROUP BY m.body, m.prefix_number "
                                                           "ORDER BY m.body, m.prefix_number "
                                                           "ON CONFLICT(body, number) DO UPDATE "
                                                           "SET uses = p.uses + EXCLUDED.uses"};
    return db_send(copying->db, &prefixes, values, 3, fault) &&
           db_send(copying->db, &messages, values, count, fault);
}

static bool move_rows(struct copying *copying, const struct db_value *values, size_t count,
                      struct fault *fault)
{
    static const struct db_statement messages = {
        "UPDATE message AS m SET mailbox = $4, uid = m.uid + $5, flags = " SQLITE_FLAGS
        ", modseq = $6, saved = $7 WHERE m.mailbox = $1 AND m.uid BETWEEN $2 AND $3",
        "UPDATE message m SET mailbox = $4, uid = m.uid + r.distance, flags = " POSTGRES_FLAGS
        ", modseq = $6, saved = $7 FROM " POSTGRES_RANGES " " STORE_WALK_PLACES
        "WHERE m.ctid = f.place"};
    return db_send(copying->db, &messages, values, count, fault);
}

/* How far the UIDs of a step's ranges are from those of the copies; *uid is the next one's. */
static bool find_distances(struct copying *copying, const struct store_ranges_walk *walk,
                           int64_t *uid, struct db_value *distances, struct fault *fault)
{
    struct buffer *list = &copying->offsets;
    buffer_reset(list);
    for (size_t i = 0; i < walk->count; i++) {
        int64_t distance = *uid - walk->ranges[i].first;
        *uid += (int64_t)walk->ranges[i].last - walk->ranges[i].first + 1;
        if (db_kind(copying->db) == DB_SQLITE) {
            *distances = db_number(distance);
            return true;
        }
        buffer_append_string(list, i == 0 ? "{" : ",");
        if (distance < 0)
            buffer_append_char(list, '-');
        buffer_append_unsigned(list, (uint64_t)(distance < 0 ? -distance : distance));
    }
    buffer_append_char(list, '}');
    *distances = db_text(buffer_bytes(list));
    return !buffer_is_failed(list) || fault_set_memory(fault);
}

static bool write_rows(struct copying *copying, struct fault *fault)
{
    const struct store_copy *copy = copying->copy;
    int64_t uid = copying->target.uidnext;
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    store_ranges_walk_begin(&walk, copying->db, copying->copied.items, copying->copied.count);
    for (;;) {
        struct db_value distances;
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            break;
        if (!find_distances(copying, &walk, &uid, &distances, fault))
            return false;
        const struct db_value values[] = {
            db_number(copy->mailbox),
            walk.first,
            walk.last,
            db_number(copy->target),
            distances,
            db_number(copying->target.modseq),
            db_number(copy->now),
            db_number(copying->keep),
            db_number(copying->mapped),
            db_text(buffer_bytes(&copying->map)),
        };
        size_t count = sizeof(values) / sizeof(values[0]);
        if (!(copy->is_move ? move_rows(copying, values, count, fault)
                            : copy_rows(copying, values, count, fault)))
            return false;
    }
    copying->target.uidnext = uid;
    return true;
}

/* ---- all of it ---- */

static bool begin(struct copying *copying, bool *is_found, struct fault *fault)
{
    const struct store_copy *copy = copying->copy;
    bool has_source;
    if (!store_step_begin(copying->db, copy->target, &copying->target, is_found, fault) ||
        !store_step_begin(copying->db, copy->mailbox, &copying->source, &has_source, fault))
        return false;
    if (!*is_found || !copying->target.is_selectable || copying->target.account != copy->account)
        return fault_set(fault, FAULT_PERMANENT, "the mailbox is no longer there");
    *is_found = has_source && copying->source.account == copy->account;
    return true;
}

/* The source of a MOVE loses what the target gains; they may be the same. */
static bool end_move(struct copying *copying, struct fault *fault)
{
    struct store_step *source = &copying->source;
    struct store_step *target = &copying->target;
    if (source->mailbox == target->mailbox) {
        target->messages = target->bytes = target->unseen = target->deleted = 0;
        source = target;
    } else {
        source->messages = -target->messages;
        source->bytes = -target->bytes;
        source->unseen = -target->unseen;
        source->deleted = -target->deleted;
    }
    copying->copy->modseq = (uint64_t)source->modseq;
    return store_log_vanished(copying->db, source, &copying->removed, clock_wall_microseconds(),
                              fault) &&
           (source == target || store_step_end(copying->db, source, fault)) &&
           store_step_end(copying->db, target, fault);
}

static bool copy_all(struct copying *copying, struct fault *fault)
{
    struct store_copy *copy = copying->copy;
    struct store_step *target = &copying->target;
    bool is_found;
    if (!begin(copying, &is_found, fault))
        return false;
    copy->uidvalidity = target->uidvalidity;
    if (!is_found || !look(copying, fault))
        return !is_found;
    if (target->messages == 0)
        return true;
    if (target->uidnext + target->messages > STORE_UIDNEXT_MAX)
        return fault_set(fault, FAULT_LIMIT, "the mailbox has used up its UIDs");
    if (!copy->is_move &&
        !store_step_account(copying->db, target->account, target->messages, target->bytes, fault))
        return false;
    copy->first_uid = (uint32_t)target->uidnext;
    copy->count = (uint32_t)target->messages;
    copy->target_modseq = (uint64_t)target->modseq;
    if (!carry_keywords(copying, fault) || !write_rows(copying, fault))
        return false;
    return copy->is_move ? end_move(copying, fault) : store_step_end(copying->db, target, fault);
}

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store_copy *copy = (struct store_copy *)job;
    struct copying copying = {
        .copy = copy,
        .db = db,
        .map = BUFFER(LIST_TEXT_MAX),
        .offsets = BUFFER(LIST_TEXT_MAX),
    };
    store_copy_clear(copy);
    copy->first_uid = copy->count = 0;
    copy->modseq = copy->target_modseq = 0;
    copy->has_new_keywords = false;
    bool is_done = copy_all(&copying, fault);
    store_ranges_clear(&copying.removed);
    buffer_clear(&copying.map);
    buffer_clear(&copying.offsets);
    if (!is_done) {
        store_ranges_clear(&copying.copied);
        return false;
    }
    copy->copied = copying.copied.items;
    copy->copied_count = copying.copied.count;
    return true;
}

static void tell(struct store_job *job, struct store *store)
{
    const struct store_copy *copy = (const struct store_copy *)job;
    struct store_news news = {.mailbox = copy->target, .modseq = copy->target_modseq};
    if (copy->count == 0)
        return;
    /* One message without keywords, whose flags are the same everywhere. */
    if (copy->count == 1 && copy->flags >> STORE_KEYWORD_FIRST == 0 &&
        !(copy->is_move && copy->target == copy->mailbox)) {
        news.kind = STORE_NEWS_ADDED;
        news.uid = copy->first_uid;
        news.flags = copy->flags;
    }
    store_news_publish(store, &news);
    if (copy->is_move && copy->target != copy->mailbox)
        store_news_publish(store, &(struct store_news){.kind = STORE_NEWS_CHANGED,
                                                       .mailbox = copy->mailbox,
                                                       .modseq = copy->modseq});
}

void store_copy_submit(struct store_copy *copy)
{
    struct store_job *job = &copy->job;
    copy->mailboxes[0] = copy->mailbox;
    copy->mailboxes[1] = copy->target;
    job->run = run;
    job->tell = tell;
    job->weight = copy->range_count * WEIGHT_OF_RANGE;
    job->mailboxes = copy->mailboxes;
    job->mailbox_count = 2;
    job->mailbox_stride = 0;
    store_submit(copy->store, job);
}

void store_copy_clear(struct store_copy *copy)
{
    free(copy->copied);
    copy->copied = NULL;
    copy->copied_count = 0;
}
