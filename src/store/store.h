/* The store: everything that is kept, in SQLite or in PostgreSQL, behind one door. Opened once a
 * process and used by many threads: each reading thread has a handle of its own, all writing goes
 * through jobs (store_jobs.h). */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdint.h>

#include "base/fault.h"

struct store;
struct db; /* a handle: a reader's, or that of the job that runs; one thread at a time */

struct store_options {
    /* A file for SQLite; "postgresql://..." or "host=... dbname=..." for PostgreSQL; ":memory:" for
       a store that is gone when it is closed. */
    const char *place;
    /* Where drafts that outgrow memory go, unlinked at birth; NULL = $TMPDIR or /var/tmp. */
    const char *draft_directory;
    int64_t news_poll; /* milliseconds; 0 = STORE_NEWS_POLL */
    unsigned writers;  /* PostgreSQL: connections that write; 0 = 4. SQLite has one. */
    /* Create what is missing: the file, the schema; and bring an older SQLite schema up to date. An
       older PostgreSQL schema is migrated by `posthorn store migrate` only. */
    bool creates;
};

/* NULL: fault. FAULT_PERMANENT where a person must do something (newer than the program, must be
   migrated, fsync or synchronous_commit is off), and the message says what. */
struct store *store_open(const struct store_options *options, struct fault *fault);

/* Finishes the jobs in hand. Readers must be closed before. Accepts NULL. */
void store_close(struct store *store);

/* A handle for reading. It sees what was committed when each call began. NULL: fault. After a lost
   connection it comes back by itself; calls fail with FAULT_TEMPORARY meanwhile. */
struct db *store_reader_open(struct store *store, struct fault *fault);
void store_reader_close(struct db *reader); /* accepts NULL */

/* Brings the schema up to date; *from and *to are its versions. Tells each step that it takes to
   `tell` (may be NULL), before it takes it. With is_dry nothing is changed. */
bool store_migrate(const char *place, bool is_dry, void (*tell)(void *context, const char *line),
                   void *context, int *from, int *to, struct fault *fault);

/* Several servers may work on it at the same time, each on a node of its own: PostgreSQL. A file
   has one. */
bool store_is_shared(const struct store *store);

/* Who this process is among those that work on the store: an id made when it was opened. */
int64_t store_self(const struct store *store);

/* A new id: 64 bits, positive, ordered by time, unique over nodes. From any thread. */
int64_t store_id_make(struct store *store);

/* No id that was made before that time (microseconds since 1970) is as large as this; those made
   later are. Clocks of nodes differ. */
int64_t store_id_of_time(int64_t time);

#endif
