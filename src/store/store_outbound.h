/* Mail for far recipients on its way: what waits, what was tried, who works on it. A row for each
 * recipient; recipients of one message with the same route are tried together. */
#ifndef STORE_STORE_OUTBOUND_H
#define STORE_STORE_OUTBOUND_H

#include "base/arena.h"
#include "db/db.h"
#include "store/store_delivery.h"

enum {
    STORE_OUTBOUND_TEXT_MAX = 512,        /* bytes kept of a reply's text */
    STORE_OUTBOUND_ROUTE_MAX = 1024,      /* of a route's name */
    STORE_OUTBOUND_DATA_MAX = 256 * 1024, /* of a body that comes with the letter */
    STORE_OUTBOUND_RECIPIENTS_MAX = 100,  /* of one letter read at once */
    STORE_OUTBOUND_LEASE_MILLISECONDS =
        60 * 1000 /* a runner that was not seen for so long is dead */
};

enum store_outbound_state {
    STORE_OUTBOUND_WAITS = 0,
    STORE_OUTBOUND_HELD /* by a person; neither tried nor warned of nor returned */
};

/* ---- what waits ---- */

/* The recipients of one message that share route and time. Bytes are borrowed. */
struct store_outbound_entry {
    int64_t message; /* ids are ordered by time: the smaller came first */
    int64_t account; /* who submitted it; 0 = nobody */
    int64_t due;     /* microseconds since 1970 */
    struct bytes route;
};

/* Told of what a commit put into the queue: one watch a store. `hear` is called on a thread of the
   store, must be quick and must not block. */
struct store_outbound_watch {
    void (*hear)(struct store_outbound_watch *watch, const struct store_outbound_entry *entries,
                 size_t count);
};
/* NULL ends it: when it returns `hear` runs no more. */
void store_outbound_watch_set(struct store *store, struct store_outbound_watch *watch);

/* Everything that waits and is this process's (of the runners that it has, all of them on a store
   that nobody shares), by message. Zero at the start: AUTO(store_outbound_list) list = {0}; */
struct store_outbound_list {
    struct db_rows rows;
    bool is_over; /* behind the last entry, once it was read to its end: there are no more */
    struct db *db;
    int64_t self;
    size_t rows_max;
    size_t row_count;
    int64_t boundary;     /* the last message of what is read at once */
    int64_t last_message; /* of the row before */
    /* Of the last entry. */
    int64_t message;
    int64_t due;
    struct buffer route;
    bool is_failed;
    struct fault fault;
};
/* At least `rows_max` rows, as there are so many, and as many more as the last message has: to go
   on, open it again behind the last message. */
bool store_outbound_list_open(struct store_outbound_list *list, struct store *store, struct db *db,
                              int64_t after_message, size_t rows_max, struct fault *fault);
/* Recipients of a message whose route and time are the same as those of the row before are one
   entry. False: over, or something went wrong. */
bool store_outbound_list_next(struct store_outbound_list *list, struct store_outbound_entry *entry);
bool store_outbound_list_finish(struct store_outbound_list *list, struct fault *fault);
void store_outbound_list_clear(struct store_outbound_list *list);

/* ---- one letter, to be tried ---- */

struct store_outbound_recipient {
    uint32_t number;                 /* in its message, from 0 */
    struct bytes address;            /* as RCPT had it */
    struct bytes original_recipient; /* ORCPT: "rfc822;..." decoded; empty = none */
    unsigned notify;                 /* enum ph_notify */
    unsigned attempts;
    bool is_warned;
    int last_code; /* of the last failure; 0 = none yet */
    struct bytes last_enhanced;
    struct bytes last_text;
    struct bytes last_host; /* who said so; empty = ourselves */
    int64_t last_attempt;
};

/* A message with those recipients of it that have the route. In the arena it was read into. */
struct store_outbound_letter {
    int64_t message;
    int64_t body; /* id */
    int64_t account;
    int64_t created;
    struct bytes sender; /* empty = <> */
    struct bytes envelope_id;
    unsigned return_content;
    enum store_body_kind body_kind;
    bool is_utf8;        /* SMTPUTF8 was asked for */
    struct bytes prefix; /* our Received field */
    uint64_t size;       /* prefix and body */
    struct bytes data;   /* the first STORE_OUTBOUND_DATA_MAX bytes of the body, without prefix */
    struct store_outbound_recipient *recipients;
    size_t recipient_count; /* at most STORE_OUTBOUND_RECIPIENTS_MAX: there may be more */
};

enum store_outbound_want {
    STORE_OUTBOUND_WANTS_DATA = 1,
    /* Also those whose time has not come; who has not failed by himself has the failure of his
       route. */
    STORE_OUTBOUND_WANTS_LATER = 2
};

/* For workers. `route` empty: those of all routes. *is_found: there is one that is ours, waits and
   is due at `now`. */
bool store_outbound_read(struct store *store, struct db *db, int64_t message, struct bytes route,
                         int64_t now, unsigned wants, struct arena *arena,
                         struct store_outbound_letter *letter, bool *is_found, struct fault *fault);

/* Appends up to `size` bytes of the body from `offset` on; for workers. *is_gone: it is no more. */
bool store_outbound_body_read(struct db *db, int64_t body, uint64_t offset, size_t size,
                              struct buffer *out, bool *is_gone, struct fault *fault);

/* ---- what became of it ---- */

enum store_outbound_outcome {
    STORE_OUTBOUND_DONE = 0, /* delivered, or returned: the row goes */
    STORE_OUTBOUND_DEFERRED, /* again at `due` */
    STORE_OUTBOUND_REROUTED, /* the same at once by another route; no attempt was made */
    STORE_OUTBOUND_WARNED    /* only this is noted */
};

struct store_outbound_result {
    uint32_t number;
    enum store_outbound_outcome outcome;
    int64_t due;           /* DEFERRED */
    struct bytes route;    /* REROUTED */
    bool is_warned;        /* DEFERRED: the sender is told with this job */
    int code;              /* the reply, 2yz = delivered; 0 = none came */
    struct bytes enhanced; /* "4.7.1", "" = none */
    struct bytes text;     /* the reply's, or our own sentence */
    struct bytes host;
};

/* One job: rows of recipients change or go, with the last one the message and a body that nobody
   else uses; and reports are kept (local mail, or mail for far senders) in the same transaction.
   What is not ours any more, or was removed by a person, is left alone, without fault, but then no
   report is kept either: is_ours tells. Of the others only those that were delivered then go, so
   that a report is made once they were tried again. All borrowed until job.done. */
struct store_outbound_finish {
    struct store_job job; /* set by store_outbound_finish_submit, but for done */
    struct store *store;
    int64_t message;
    int64_t now;
    const struct store_outbound_result *results; /* by number */
    size_t count;
    /* NULL = none; filled as for store_delivery_submit, with job.run and the like left alone.
       Quotas do not hold up a report; a mailbox that is gone loses it: report->locals[].outcome. */
    struct store_delivery *report;
    /* The answer. */
    bool is_ours; /* all rows were there and ours */
};
void store_outbound_finish_submit(struct store_outbound_finish *finish);

/* ---- too old ---- */

/* Messages with a waiting recipient that came after `after` and before `before` (ids; see
   store_id_of_time), oldest first: appends at most `most` to `messages`. With is_unwarned only
   those with a recipient not warned of. */
bool store_outbound_old(struct store *store, struct db *db, int64_t after, int64_t before,
                        bool is_unwarned, int64_t *messages, size_t most, size_t *count,
                        struct fault *fault);

/* ---- routes in trouble ---- */

/* What is known of a route that failed as a whole; rows exist only for those. */
struct store_outbound_route {
    struct bytes route;
    int64_t resting_until; /* microseconds since 1970 */
    unsigned failures;     /* in a row */
    int code;
    struct bytes text;
    int64_t failed; /* when */
};
typedef bool store_each_outbound_route(void *context, const struct store_outbound_route *route);
bool store_outbound_route_list(struct db *db, store_each_outbound_route *each, void *context,
                               struct fault *fault);

/* Writes it, or with failures = 0 forgets it. */
struct store_outbound_route_job {
    struct store_job job; /* set by submit, but for done */
    struct store *store;
    struct store_outbound_route route;
    int64_t forget_before; /* other routes that failed last before it and have no mail are
                              forgotten; 0 = none */
};
void store_outbound_route_submit(struct store_outbound_route_job *job);

/* ---- who works on it ---- */

/* Every row belongs to a runner: that of the process that put it into the queue. A process says by
   this job, every STORE_OUTBOUND_LEASE_MILLISECONDS / 6, that it lives, and takes over the runners
   of processes that have not said so for a lease: their rows are then its own. On a store that
   nobody shares everything is the one process's, and this writes nothing. */
struct store_outbound_lease {
    struct store_job job; /* set by store_outbound_lease_submit, but for done */
    struct store *store;
    int64_t now;
    bool is_leaving; /* gives all back at once: another process may take them */
    /* The answer. */
    bool is_lost;   /* another process took us for dead: begin again with an empty plan */
    size_t taken;   /* runners that were taken over: read the list again */
    int64_t runner; /* the job's own */
};
void store_outbound_lease_submit(struct store_outbound_lease *lease);

/* Counts up whenever a person changed the queue by another process: to be looked at once a second;
   a change means that the list is to be read again. */
bool store_outbound_nudge_read(struct db *db, int64_t *nudge, struct fault *fault);

#endif
