/* What the sources of the PostgreSQL driver share. */
#ifndef DB_DB_POSTGRES_H
#define DB_DB_POSTGRES_H

/* Out of memory is a fault to tell, not the end of the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "db/db_driver.h"
#include "db/db_postgres_library.h"

enum {
    DB_POSTGRES_NAME_SIZE = 24 /* of a prepared statement */
};

struct db_postgres_prepared {
    const struct db_statement *statement;
    char name[DB_POSTGRES_NAME_SIZE];
    UT_hash_handle hh;
};

struct db_postgres {
    struct db base;
    PGconn *connection;
    struct db_postgres_prepared *prepared;
    unsigned prepared_count;
    unsigned pending; /* statements that were sent and whose results were not read */
    /* Names the transactions of this connection in commit_mark. */
    int64_t mark;
    int64_t transaction_number;
    bool is_listening;
};

/* Names database and host of the place, and nothing else of it: a password may stand there, or a
   part of it by mistake where something else is expected. */
bool db_postgres_place_show(struct db *db, struct fault *fault);

/* Connects and makes sure that what is written there stays written. */
bool db_postgres_connect(struct db *db, struct fault *fault);
void db_postgres_connect_end(struct db_postgres *postgres);

/* The fault of a result, or of the connection when result is NULL. */
bool db_postgres_connect_fault(struct db_postgres *postgres, const PGresult *result,
                               struct fault *fault);

/* db_postgres_notice.c: what others say. */
bool db_postgres_notice_wait(struct db *db, const struct db_statement *listen, int wake,
                             int milliseconds, void (*hear)(void *context, struct bytes notice),
                             void *context, bool *was_deaf, struct fault *fault);

/* Reads a column in binary form; numbers of every size, sums among them. */
int64_t db_postgres_connect_number(const PGresult *result, int row, int column);

#endif
