/* One connection to the database, whichever it is: SQLite or PostgreSQL. The only room that knows
 * their libraries. SQL is written once, in what both accept ($1 parameters, RETURNING, ON
 * CONFLICT). A connection is used by one thread at a time. */
#ifndef DB_DB_H
#define DB_DB_H

#include <stdint.h>

#include "base/auto.h"
#include "base/bytes.h"
#include "base/fault.h"

/* Kinds of faults that every function here may give:
     FAULT_TEMPORARY  locked, disk full, lost connection, out of memory, damaged file: mail must not
                      be refused for good because of it. system_error is EDEADLK when the
                      transaction is to be run again, ECONNRESET when the connection is gone.
     FAULT_DENIED     a constraint of the schema forbids it: the key is taken, a reference dangles.
     FAULT_PERMANENT  only from opening: a person must do something.
     FAULT_BUG        the SQL or its parameters are wrong. */

struct db;

enum db_kind {
    DB_SQLITE,
    DB_POSTGRES
};

struct db_options {
    const char *place; /* a file, or "postgresql://..." or "host=... dbname=..." */
    bool writes;
    bool creates;     /* make the file and the schema, migrate SQLite's */
    bool is_volatile; /* SQLite: nobody misses it after a crash: nothing is synchronised */
    unsigned wait_milliseconds; /* for a lock that somebody else holds; 0 = DB_WAIT_MILLISECONDS */
    unsigned size_pages_max;    /* SQLite: no more pages than that; 0 = as the disk allows */
};

enum {
    DB_WAIT_MILLISECONDS = 2000, /* for a lock that somebody else holds */
    DB_PARAMETERS_MAX = 24       /* of one statement */
};

/* What a place is the name of. */
enum db_kind db_place_kind(const char *place);

/* Opens and looks at the schema: one that is newer than the program, not a store, or (PostgreSQL)
   in need of `posthorn store migrate` is FAULT_PERMANENT. NULL: fault. */
struct db *db_open(const struct db_options *options, struct fault *fault);
void db_close(struct db *db); /* accepts NULL; rolls back */
enum db_kind db_kind(const struct db *db);

/* ---- statements ---- */

/* A statement stands as a static const struct; it is prepared once a connection. */
struct db_statement {
    const char *text;
    const char *postgres_text; /* only where it must differ; else NULL */
};

enum db_value_kind {
    DB_NULL = 0,
    DB_NUMBER,
    DB_TEXT,
    DB_BYTES
};

/* A parameter; borrows its bytes for the call. */
struct db_value {
    enum db_value_kind kind;
    int64_t number;
    struct bytes bytes;
};

static inline struct db_value db_null(void)
{
    return (struct db_value){.kind = DB_NULL};
}

static inline struct db_value db_number(int64_t number)
{
    return (struct db_value){.kind = DB_NUMBER, .number = number};
}

static inline struct db_value db_text(struct bytes text)
{
    return (struct db_value){.kind = DB_TEXT, .bytes = text};
}

static inline struct db_value db_string(const char *text)
{
    return (struct db_value){.kind = DB_TEXT, .bytes = bytes_from_string(text)};
}

static inline struct db_value db_bytes(struct bytes bytes)
{
    return (struct db_value){.kind = DB_BYTES, .bytes = bytes};
}

/* The parameters $1, $2... as the two arguments `values` and `count` of what follows. */
#define DB_VALUES(...)                                                                             \
    (const struct db_value[]){__VA_ARGS__},                                                        \
        (sizeof((const struct db_value[]){__VA_ARGS__}) / sizeof(struct db_value))
#define DB_NO_VALUES NULL, 0

/* Runs it and waits; *changed (may be NULL) is how many rows it wrote. */
bool db_execute(struct db *db, const struct db_statement *statement, const struct db_value *values,
                size_t count, uint64_t *changed, struct fault *fault);

/* Runs it within a transaction, perhaps without waiting: what goes wrong is then told by a later
   call, at the latest by db_savepoint_release or db_commit. For rows that are only written. */
bool db_send(struct db *db, const struct db_statement *statement, const struct db_value *values,
             size_t count, struct fault *fault);

/* ---- rows ---- */

/* Zero at the start; leave the members alone. The same statement must not be run again while its
   rows are open; others may. */
struct db_rows {
    struct db *db;
    void *handle;
    int row;
    int count;
    bool is_failed;
    struct fault fault;
};

/* Starts a statement that gives rows: AUTO(db_rows) rows = {0}; */
bool db_query(struct db *db, const struct db_statement *statement, const struct db_value *values,
              size_t count, struct db_rows *rows, struct fault *fault);

/* Goes to the next row, the first at first. False: there is none, or something went wrong. */
bool db_rows_next(struct db_rows *rows);

/* Ends the reading, wherever it stands. False: something went wrong on the way. */
bool db_rows_finish(struct db_rows *rows, struct fault *fault);

/* The same without asking. Accepts what was finished already. */
void db_rows_clear(struct db_rows *rows);

/* Starts a statement and goes to its first row; *is_found says whether there is one. */
bool db_query_one(struct db *db, const struct db_statement *statement,
                  const struct db_value *values, size_t count, struct db_rows *rows, bool *is_found,
                  struct fault *fault);

/* The value of a column, counted from 0; bytes are borrowed until the next row. NULL is 0 or
   empty. */
int64_t db_rows_number(const struct db_rows *rows, int column);
struct bytes db_rows_bytes(const struct db_rows *rows, int column);
bool db_rows_is_null(const struct db_rows *rows, int column);

/* ---- transactions ---- */

enum db_transaction {
    DB_READ, /* all statements see the same state */
    DB_WRITE /* takes the writer's lock of SQLite at once */
};

/* A connection that was lost is made again here (and by a query outside of transactions). */
bool db_begin(struct db *db, enum db_transaction kind, struct fault *fault);

/* False: nothing was written, unless *is_unknown (may be NULL): the connection broke while the
   answer was awaited. The transaction is over in any case. */
bool db_commit(struct db *db, bool *is_unknown, struct fault *fault);
void db_rollback(struct db *db);

/* After an unknown commit: asks the database, over a new connection, what became of it. */
bool db_commit_find_out(struct db *db, bool *is_done, struct fault *fault);

/* One level: what follows can be undone alone. After a fault undo is the only way on. */
bool db_savepoint(struct db *db, struct fault *fault);
bool db_savepoint_release(struct db *db, struct fault *fault);
bool db_savepoint_undo(struct db *db, struct fault *fault);

/* The connection broke, or the file is no longer there: only db_begin and queries outside of
   transactions go on, by making it anew. */
bool db_is_lost(const struct db *db);

/* Copies what is in SQLite's write-ahead log into the file, without holding up anybody; *left is
   how many of its pages still wait. PostgreSQL does this by itself: *left is 0. */
bool db_checkpoint(struct db *db, uint64_t *left, struct fault *fault);

/* Pages in SQLite's write-ahead log after the last commit of this connection. */
uint64_t db_log_pages(const struct db *db);

/* What other connections said by pg_notify on the channel: waits until something was said, `wake`
   (a descriptor) can be read, or the time is over, and calls `hear` for each. *was_deaf: it begins
   to listen with this call, so that something may have been missed before. False: it cannot listen
   now. SQLite knows no notices: only `wake` and the time are waited for. */
bool db_wait_for_notices(struct db *db, const struct db_statement *listen, int wake,
                         int milliseconds, void (*hear)(void *context, struct bytes notice),
                         void *context, bool *was_deaf, struct fault *fault);

/* The driver's own check of its files: calls `tell` with a sentence for each thing that is wrong.
   PostgreSQL has none. */
bool db_check(struct db *db, void (*tell)(void *context, const char *sentence), void *context,
              struct fault *fault);

#endif
