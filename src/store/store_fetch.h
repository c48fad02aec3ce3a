/* Messages of a mailbox read one after another, with as much of each as is asked for. */
#ifndef STORE_STORE_FETCH_H
#define STORE_STORE_FETCH_H

#include "db/db.h"
#include "store/store_view.h"

/* A set. Flags, size and dates come always. */
enum store_fetch_want {
    STORE_FETCH_ENVELOPE = 1,
    STORE_FETCH_STRUCTURE = 2,
    STORE_FETCH_HEADER = 4, /* of the body; and the prefix */
    STORE_FETCH_PREFIX = 8,
    STORE_FETCH_DATA = 16, /* the first STORE_FETCH_DATA_MAX bytes of the body; and the prefix */
    STORE_FETCH_NO_PREFIX = 32 /* with HEADER, for whom that of the body is enough */
};

enum {
    STORE_FETCH_DATA_MAX = 256 * 1024 /* what is behind it is read by store_message_read */
};

/* Borrowed until the next message. */
struct store_fetched {
    uint32_t uid;
    uint64_t flags;
    uint64_t modseq;
    int64_t body;     /* its id: EMAILID */
    int64_t received; /* microseconds since 1970, UTC */
    int64_t saved;
    uint64_t size; /* prefix and body */
    uint64_t prefix_size;
    int64_t sent; /* Date; 0 = none; with ENVELOPE, STRUCTURE or HEADER */
    struct bytes prefix;
    struct bytes header;
    struct bytes envelope;
    struct bytes structure;
    struct bytes data;
};

/* Zero at the start; leave the members alone. */
struct store_fetch {
    struct db_rows rows;
    unsigned wants;
};

/* Starts with those of UIDs first to last, at most `count`: on PostgreSQL all of them cross the
   wire at once, so that with DATA or HEADER it should be few. AUTO(store_fetch) fetch = {0}; */
bool store_fetch_open(struct store_fetch *fetch, struct db *db, int64_t mailbox, uint32_t first,
                      uint32_t last, size_t count, unsigned wants, struct fault *fault);
/* False: there is no more, or something went wrong: store_fetch_finish tells. */
bool store_fetch_next(struct store_fetch *fetch, struct store_fetched *message);
bool store_fetch_finish(struct store_fetch *fetch, struct fault *fault);
void store_fetch_clear(struct store_fetch *fetch);

#endif
