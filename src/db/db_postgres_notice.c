/* What other connections say by NOTIFY. */
#include <poll.h>

#include "db/db_postgres.h"

static void hear_all(PGconn *connection, void (*hear)(void *context, struct bytes notice),
                     void *context)
{
    PGnotify *notice;
    while ((notice = PQnotifies(connection)) != NULL) {
        hear(context, bytes_from_string(notice->extra));
        PQfreemem(notice);
    }
}

static bool listen_again(struct db *db, const struct db_statement *listen, struct fault *fault)
{
    struct db_postgres *postgres = (struct db_postgres *)db;
    /* A connection that was made anew says so by not listening (db_postgres_connect). */
    if (!db_execute(db, listen, DB_NO_VALUES, NULL, fault))
        return false;
    postgres->is_listening = true;
    return true;
}

bool db_postgres_notice_wait(struct db *db, const struct db_statement *listen, int wake,
                             int milliseconds, void (*hear)(void *context, struct bytes notice),
                             void *context, bool *was_deaf, struct fault *fault)
{
    struct db_postgres *postgres = (struct db_postgres *)db;
    *was_deaf = !postgres->is_listening;
    if (*was_deaf) {
        if (!listen_again(db, listen, fault))
            return false;
        /* Whoever listens from now on has something to do first. */
        milliseconds = 0;
    }
    /* Some may have come with the answer to a statement. */
    hear_all(postgres->connection, hear, context);
    struct pollfd looks[] = {{.fd = PQsocket(postgres->connection), .events = POLLIN},
                             {.fd = wake, .events = POLLIN}};
    if (poll(looks, sizeof(looks) / sizeof(looks[0]), milliseconds) <= 0 || looks[0].revents == 0)
        return true;
    if (PQconsumeInput(postgres->connection) != 1 ||
        PQstatus(postgres->connection) != CONNECTION_OK) {
        postgres->is_listening = false;
        db->is_lost = true;
        return db_postgres_connect_fault(postgres, NULL, fault);
    }
    hear_all(postgres->connection, hear, context);
    return true;
}
