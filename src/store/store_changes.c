/* What a session that looks on has missed, as one state of the store. */
#include <stdlib.h>

#include "store/store_delivery.h"
#include "store/store_ranges.h"

enum {
    FIRST_CAPACITY = 16
};

void store_changes_clear(struct store_changes *changes)
{
    free(changes->messages);
    store_vanished_clear(&changes->vanished);
    store_keywords_clear(&changes->keywords);
    *changes = (struct store_changes){0};
}

/* One reading. */
struct reading {
    struct db *db;
    int64_t mailbox;
    uint64_t since;
    uint32_t uidnext;
    int64_t changed_floor;
    int64_t vanished_floor;
    struct store_ranges ranges; /* whose flags changed */
    size_t capacity;            /* of changes->messages */
    struct store_changes *changes;
};

static bool read_mailbox(struct reading *reading, struct fault *fault)
{
    static const struct db_statement find = {
        "SELECT changed_floor, vanished_floor, role, is_selectable, uidvalidity, uidnext, modseq, "
        "recent, messages, unseen, deleted, bytes FROM mailbox WHERE id = $1",
        NULL};
    struct store_changes *changes = reading->changes;
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    if (!db_query_one(reading->db, &find, DB_VALUES(db_number(reading->mailbox)), &rows, &is_found,
                      fault))
        return false;
    changes->is_gone = !is_found || db_rows_number(&rows, 3) == 0;
    if (!is_found)
        return true;
    reading->changed_floor = db_rows_number(&rows, 0);
    reading->vanished_floor = db_rows_number(&rows, 1);
    changes->mailbox = (struct store_mailbox){
        .id = reading->mailbox,
        .role = (enum store_role)db_rows_number(&rows, 2),
        .is_selectable = db_rows_number(&rows, 3) != 0,
        .uidvalidity = (uint32_t)db_rows_number(&rows, 4),
        .uidnext = (uint32_t)db_rows_number(&rows, 5),
        .modseq = (uint64_t)db_rows_number(&rows, 6),
        .recent = (uint32_t)db_rows_number(&rows, 7),
        .messages = (uint64_t)db_rows_number(&rows, 8),
        .unseen = (uint64_t)db_rows_number(&rows, 9),
        .deleted = (uint64_t)db_rows_number(&rows, 10),
        .bytes = (uint64_t)db_rows_number(&rows, 11),
    };
    return true;
}

static bool read_ranges(struct reading *reading, struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT uid, uid_last FROM changed WHERE mailbox = $1 AND modseq > $2", NULL};
    AUTO(db_rows)
    rows = {0};
    if (!db_query(reading->db, &read,
                  DB_VALUES(db_number(reading->mailbox), db_number((int64_t)reading->since)), &rows,
                  fault))
        return false;
    while (db_rows_next(&rows)) {
        int64_t first = db_rows_number(&rows, 0);
        int64_t last = db_rows_number(&rows, 1);
        /* The new ones are read in any case. */
        if (last >= reading->uidnext)
            last = (int64_t)reading->uidnext - 1;
        if (first <= last &&
            !store_ranges_add(&reading->ranges, (uint32_t)first, (uint32_t)last, fault))
            return false;
    }
    if (!db_rows_finish(&rows, fault))
        return false;
    store_ranges_join(&reading->ranges);
    return true;
}

static bool add_message(struct reading *reading, const struct db_rows *rows, struct fault *fault)
{
    struct store_changes *changes = reading->changes;
    if (changes->count == reading->capacity) {
        size_t wanted = reading->capacity == 0 ? FIRST_CAPACITY : reading->capacity * 2;
        void *grown = reallocarray(changes->messages, wanted, sizeof(*changes->messages));
        if (grown == NULL)
            return fault_set_memory(fault);
        changes->messages = grown;
        reading->capacity = wanted;
    }
    changes->messages[changes->count++] = (struct store_view_message){
        .uid = (uint32_t)db_rows_number(rows, 0),
        .flags = store_flags_told(db_rows_number(rows, 1)),
        .modseq = (uint64_t)db_rows_number(rows, 2),
    };
    return true;
}

/* Those of one step; *count is how many there were. */
static bool read_step(struct reading *reading, const struct store_ranges_walk *walk, size_t *count,
                      struct fault *fault)
{
    static const struct db_statement read = {
        "SELECT uid, flags, modseq FROM message WHERE mailbox = $1 AND uid BETWEEN $2 AND $3 "
        "AND modseq > $4 ORDER BY uid LIMIT $5",
        STORE_WALK_READ("x.uid, x.flags, x.modseq", " AND x.modseq > $4", "$5")};
    AUTO(db_rows)
    rows = {0};
    *count = 0;
    if (!db_query(reading->db, &read,
                  DB_VALUES(db_number(reading->mailbox), walk->first, walk->last,
                            db_number((int64_t)reading->since), db_number(STORE_WALK_ROWS)),
                  &rows, fault))
        return false;
    while (db_rows_next(&rows)) {
        if (!add_message(reading, &rows, fault))
            return false;
        ++*count;
    }
    return db_rows_finish(&rows, fault);
}

static bool read_messages(struct reading *reading, struct fault *fault)
{
    const struct store_changes *changes = reading->changes;
    bool is_end;
    AUTO(store_ranges_walk)
    walk = {0};
    /* What is new stands behind all that was known. */
    if (changes->mailbox.uidnext > reading->uidnext &&
        !store_ranges_add(&reading->ranges, reading->uidnext, changes->mailbox.uidnext - 1, fault))
        return false;
    store_ranges_walk_begin_reading(&walk, reading->db, reading->ranges.items,
                                    reading->ranges.count);
    for (;;) {
        size_t count;
        if (!store_ranges_walk_next(&walk, &is_end, fault))
            return false;
        if (is_end)
            return true;
        if (!read_step(reading, &walk, &count, fault))
            return false;
        if (count == STORE_WALK_ROWS)
            store_ranges_walk_return(&walk, changes->messages[changes->count - 1].uid);
    }
}

static bool read_all(struct reading *reading, struct fault *fault)
{
    struct store_changes *changes = reading->changes;
    if (!read_mailbox(reading, fault))
        return false;
    if (changes->is_gone)
        return true;
    changes->is_whole = reading->since >= (uint64_t)reading->changed_floor &&
                        reading->since >= (uint64_t)reading->vanished_floor;
    if (!store_keywords_read(reading->db, reading->mailbox, &changes->keywords, fault))
        return false;
    if (!changes->is_whole)
        return true;
    changes->vanished.is_whole = true;
    if (changes->mailbox.modseq <= reading->since)
        return true;
    return read_ranges(reading, fault) && read_messages(reading, fault) &&
           store_vanished_read(reading->db, reading->mailbox, reading->since, NULL, 0,
                               &changes->vanished, fault);
}

bool store_changes_read(struct db *db, int64_t mailbox, uint64_t since, uint32_t uidnext,
                        struct store_changes *changes, struct fault *fault)
{
    struct store_changes found = {0};
    struct reading reading = {
        .db = db,
        .mailbox = mailbox,
        .since = since,
        .uidnext = uidnext,
        .changes = &found,
    };
    if (!db_begin(db, DB_READ, fault))
        return false;
    bool is_done = read_all(&reading, fault);
    db_rollback(db);
    store_ranges_clear(&reading.ranges);
    if (!is_done) {
        store_changes_clear(&found);
        return false;
    }
    *changes = found;
    return true;
}
