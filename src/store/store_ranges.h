/* Ranges of UIDs that grow while they are gathered, and the way through them that a statement
 * takes: on SQLite one range at a time, on PostgreSQL many, as each statement costs a way to the
 * server. */
#ifndef STORE_STORE_RANGES_H
#define STORE_STORE_RANGES_H

#include "base/buffer.h"
#include "db/db.h"
#include "store/store_view.h"

enum {
    STORE_WALK_RANGES_MAX = 1000,    /* of one statement */
    STORE_WALK_TEXT_MAX = 64 * 1024, /* bytes of one list of numbers in it */
    STORE_WALK_UIDS_MAX = 20 * 1000, /* that a step with several ranges may name */
    STORE_WALK_ROWS = 10000,         /* that a statement which reads gives at most */
    STORE_WALK_SPARSE = 8            /* UIDs that SQLite looks at for one that is wanted, at most */
};

/* Zero at the start. */
struct store_ranges {
    struct store_uid_range *items;
    size_t count;
    size_t capacity;
};
void store_ranges_clear(struct store_ranges *ranges);

/* Behind all others; a range that begins right behind the last one grows it. */
bool store_ranges_add(struct store_ranges *ranges, uint32_t first, uint32_t last,
                      struct fault *fault);

/* Puts ranges that were added in any order in order, and joins those that meet. */
void store_ranges_join(struct store_ranges *ranges);

/* Makes them `most` at most by taking in what lies between some of them. */
void store_ranges_widen(struct store_ranges *ranges, size_t most);

/* Adds what of `first` to `last` lies in `within` (in order). */
bool store_ranges_add_within(struct store_ranges *ranges, uint32_t first, uint32_t last,
                             const struct store_uid_range *within, size_t within_count,
                             struct fault *fault);

/* A way through ranges that are in order. `first` and `last` are parameters 2 and 3 of a statement
   whose first is the mailbox: a number each on SQLite, on PostgreSQL two arrays as text. */
struct store_ranges_walk {
    struct db_value first;
    struct db_value last;
    const struct store_uid_range *ranges; /* those of this step, as the caller gave them */
    size_t count;

    const struct store_uid_range *left; /* the others are the walk's own */
    size_t left_count;
    bool is_reading;
    bool is_in_lists;
    size_t at;     /* the range of the last UID that was asked for */
    uint32_t from; /* UIDs below it are behind us */
    struct buffer firsts;
    struct buffer lasts;
};
void store_ranges_walk_clear(struct store_ranges_walk *walk);
/* For a statement that changes all that lies in the ranges. */
void store_ranges_walk_begin(struct store_ranges_walk *walk, const struct db *db,
                             const struct store_uid_range *ranges, size_t count);
/* For one that reads messages in order, STORE_WALK_ROWS at most. It may also give what lies between
   ranges: store_ranges_walk_has tells. */
void store_ranges_walk_begin_reading(struct store_ranges_walk *walk, const struct db *db,
                                     const struct store_uid_range *ranges, size_t count);
/* The next ranges. *is_end: there are none. False: memory. */
bool store_ranges_walk_next(struct store_ranges_walk *walk, bool *is_end, struct fault *fault);
/* Is it in a range of this step? UIDs are asked for in order. *is_other: in another than the UID
   before. */
bool store_ranges_walk_has(struct store_ranges_walk *walk, uint32_t uid, bool *is_other);
/* The statement gave only what lies up to `uid`: the next step begins behind it. */
void store_ranges_walk_return(struct store_ranges_walk *walk, uint32_t uid);

/* How PostgreSQL finds the messages of a step: by the index, once for each range. Left to itself
   the planner compares every message with every range when it does not know the table yet. */
#define STORE_WALK_RANGES "unnest($2::bigint[], $3::bigint[]) r(lo, hi)"
#define STORE_WALK_MESSAGES(columns)                                                               \
    "CROSS JOIN LATERAL (SELECT " columns " FROM message x WHERE x.mailbox = $1 "                  \
    "AND x.uid BETWEEN r.lo AND r.hi OFFSET 0) "
/* The same for reading: no more of each range than are wanted in all. */
#define STORE_WALK_READ(columns, condition, limit)                                                 \
    "SELECT m.* FROM " STORE_WALK_RANGES " CROSS JOIN LATERAL (SELECT " columns                    \
    " FROM message x WHERE x.mailbox = $1 AND x.uid BETWEEN r.lo AND r.hi" condition               \
    " ORDER BY x.uid LIMIT " limit ") m ORDER BY m.uid LIMIT " limit
/* Where they lie: nobody moves them while the mailbox's row is locked. */
#define STORE_WALK_PLACES STORE_WALK_MESSAGES("x.ctid AS place") "f "

#endif
