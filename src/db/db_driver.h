/* What a driver is, behind db.h: SQLite's and PostgreSQL's. */
#ifndef DB_DB_DRIVER_H
#define DB_DB_DRIVER_H

#include "db/db.h"

enum {
    DB_SHOWN_SIZE = 160 /* of a place as people are told it */
};

/* The head of each driver's own connection. */
struct db {
    const struct db_driver *driver;
    struct db_options options; /* place is a copy of its own */
    char *place;
    char shown[DB_SHOWN_SIZE]; /* the place for messages: without a password */
    bool is_in_transaction;
    bool is_lost;
    bool is_ready; /* the schema is as the program wants it */
};

/* All that differs between the databases. Nothing is called with rows of NULL. */
struct db_driver {
    enum db_kind kind;
    void (*free)(struct db *db);
    /* Writes db->shown. FAULT_PERMANENT: nobody can make sense of the place. */
    bool (*show_place)(struct db *db, struct fault *fault);
    /* Connects, or connects anew after a loss. */
    bool (*connect)(struct db *db, struct fault *fault);
    bool (*query)(struct db *db, const struct db_statement *statement,
                  const struct db_value *values, size_t count, struct db_rows *rows,
                  struct fault *fault);
    bool (*execute)(struct db *db, const struct db_statement *statement,
                    const struct db_value *values, size_t count, uint64_t *changed,
                    struct fault *fault);
    bool (*send)(struct db *db, const struct db_statement *statement, const struct db_value *values,
                 size_t count, struct fault *fault);
    bool (*rows_next)(struct db_rows *rows);
    void (*rows_clear)(struct db_rows *rows);
    int64_t (*rows_number)(const struct db_rows *rows, int column);
    struct bytes (*rows_bytes)(const struct db_rows *rows, int column);
    bool (*rows_is_null)(const struct db_rows *rows, int column);
    bool (*begin)(struct db *db, enum db_transaction kind, struct fault *fault);
    bool (*commit)(struct db *db, bool *is_unknown, struct fault *fault);
    bool (*commit_find_out)(struct db *db, bool *is_done, struct fault *fault);
    void (*rollback)(struct db *db);
    bool (*savepoint)(struct db *db, struct fault *fault);
    bool (*savepoint_release)(struct db *db, struct fault *fault);
    bool (*savepoint_undo)(struct db *db, struct fault *fault);
    /* Runs several statements without parameters, for the schema. */
    bool (*run_script)(struct db *db, const char *sql, struct fault *fault);
    /* Whether anything is there, and whether it is ours. */
    bool (*identify)(struct db *db, bool *is_empty, bool *is_store, struct fault *fault);
    /* Within a transaction: nobody else migrates until its end. */
    bool (*lock_schema)(struct db *db, struct fault *fault);
    bool (*checkpoint)(struct db *db, uint64_t *left, struct fault *fault);
    uint64_t (*log_pages)(const struct db *db);
    bool (*wait_for_notices)(struct db *db, const struct db_statement *listen, int wake,
                             int milliseconds, void (*hear)(void *context, struct bytes notice),
                             void *context, bool *was_deaf, struct fault *fault); /* or NULL */
    bool (*check)(struct db *db, void (*tell)(void *context, const char *sentence), void *context,
                  struct fault *fault);
};

/* A connection that is not connected yet. NULL: fault. */
struct db *db_sqlite_new(struct fault *fault);
struct db *db_postgres_new(struct fault *fault);

#endif
