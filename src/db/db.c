/* What both drivers share: opening, and the way from the door to the driver. */
#include "db/db.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "db/db_driver.h"
#include "db/db_migrate.h"

enum db_kind db_place_kind(const char *place)
{
    bool is_postgres = strncmp(place, "postgresql://", 13) == 0 ||
                       strncmp(place, "postgres://", 11) == 0 ||
                       (strchr(place, '=') != NULL && place[0] != '/' && place[0] != '.');
    return is_postgres ? DB_POSTGRES : DB_SQLITE;
}

struct db *db_migrate_open(const struct db_options *options, struct fault *fault)
{
    bool is_postgres = db_place_kind(options->place) == DB_POSTGRES;
    struct db *db = is_postgres ? db_postgres_new(fault) : db_sqlite_new(fault);
    if (db == NULL)
        return NULL;
    db->options = *options;
    if (db->options.wait_milliseconds == 0)
        db->options.wait_milliseconds = DB_WAIT_MILLISECONDS;
    db->place = strdup(options->place);
    db->options.place = db->place;
    if (db->place == NULL) {
        fault_set_memory(fault);
        db_close(db);
        return NULL;
    }
    if (!db->driver->show_place(db, fault) || !db->driver->connect(db, fault)) {
        db_close(db);
        return NULL;
    }
    return db;
}

/* What may be done about a schema of that version when a store is opened. */
static bool judge_version(struct db *db, int version, struct fault *fault)
{
    int newest = db_migrate_newest();
    if (version == newest)
        return true;
    if (version > newest)
        return fault_set(fault, FAULT_PERMANENT,
                         "the store has schema version %d, this program knows %d only: "
                         "it was used by a newer posthorn",
                         version, newest);
    if (db->options.creates && (version == 0 || db_kind(db) == DB_SQLITE))
        return db_migrate_run(db, false, NULL, NULL, NULL, NULL, fault);
    if (version == 0)
        return fault_set(fault, FAULT_PERMANENT, "there is no store yet at %s", db->shown);
    return fault_set(fault, FAULT_PERMANENT,
                     "the store has schema version %d, this program needs %d: run `posthorn store "
                     "migrate`",
                     version, newest);
}

struct db *db_open(const struct db_options *options, struct fault *fault)
{
    struct db *db = db_migrate_open(options, fault);
    if (db == NULL)
        return NULL;
    int version;
    if (!db_migrate_read(db, &version, fault) || !judge_version(db, version, fault)) {
        db_close(db);
        return NULL;
    }
    /* Once the store is there, its disappearance is a fault and not a wish for a new one: mail to
       an empty store would be refused for good. */
    db->options.creates = false;
    db->is_ready = true;
    return db;
}

void db_close(struct db *db)
{
    if (db == NULL)
        return;
    free(db->place);
    db->driver->free(db);
}

enum db_kind db_kind(const struct db *db)
{
    return db->driver->kind;
}

bool db_execute(struct db *db, const struct db_statement *statement, const struct db_value *values,
                size_t count, uint64_t *changed, struct fault *fault)
{
    return db->driver->execute(db, statement, values, count, changed, fault);
}

bool db_send(struct db *db, const struct db_statement *statement, const struct db_value *values,
             size_t count, struct fault *fault)
{
    return db->driver->send(db, statement, values, count, fault);
}

bool db_query(struct db *db, const struct db_statement *statement, const struct db_value *values,
              size_t count, struct db_rows *rows, struct fault *fault)
{
    db_rows_clear(rows);
    return db->driver->query(db, statement, values, count, rows, fault);
}

bool db_rows_next(struct db_rows *rows)
{
    return rows->db != NULL && !rows->is_failed && rows->db->driver->rows_next(rows);
}

bool db_rows_finish(struct db_rows *rows, struct fault *fault)
{
    bool is_failed = rows->is_failed;
    if (is_failed && fault != NULL)
        *fault = rows->fault;
    db_rows_clear(rows);
    return !is_failed;
}

void db_rows_clear(struct db_rows *rows)
{
    if (rows->db != NULL)
        rows->db->driver->rows_clear(rows);
    rows->db = NULL;
    rows->handle = NULL;
    rows->is_failed = false;
}

bool db_query_one(struct db *db, const struct db_statement *statement,
                  const struct db_value *values, size_t count, struct db_rows *rows, bool *is_found,
                  struct fault *fault)
{
    if (!db_query(db, statement, values, count, rows, fault))
        return false;
    if (db_rows_next(rows)) {
        *is_found = true;
        return true;
    }
    if (!db_rows_finish(rows, fault))
        return false;
    *is_found = false;
    return true;
}

int64_t db_rows_number(const struct db_rows *rows, int column)
{
    return rows->db->driver->rows_number(rows, column);
}

struct bytes db_rows_bytes(const struct db_rows *rows, int column)
{
    return rows->db->driver->rows_bytes(rows, column);
}

bool db_rows_is_null(const struct db_rows *rows, int column)
{
    return rows->db->driver->rows_is_null(rows, column);
}

bool db_begin(struct db *db, enum db_transaction kind, struct fault *fault)
{
    return db->driver->begin(db, kind, fault);
}

bool db_commit(struct db *db, bool *is_unknown, struct fault *fault)
{
    bool is_unknown_inside = false;
    bool is_done = db->driver->commit(db, &is_unknown_inside, fault);
    if (is_unknown != NULL)
        *is_unknown = is_unknown_inside;
    return is_done;
}

bool db_commit_find_out(struct db *db, bool *is_done, struct fault *fault)
{
    return db->driver->commit_find_out(db, is_done, fault);
}

void db_rollback(struct db *db)
{
    db->driver->rollback(db);
}

bool db_savepoint(struct db *db, struct fault *fault)
{
    return db->driver->savepoint(db, fault);
}

bool db_savepoint_release(struct db *db, struct fault *fault)
{
    return db->driver->savepoint_release(db, fault);
}

bool db_savepoint_undo(struct db *db, struct fault *fault)
{
    return db->driver->savepoint_undo(db, fault);
}

bool db_is_lost(const struct db *db)
{
    return db->is_lost;
}

bool db_checkpoint(struct db *db, uint64_t *left, struct fault *fault)
{
    return db->driver->checkpoint(db, left, fault);
}

uint64_t db_log_pages(const struct db *db)
{
    return db->driver->log_pages(db);
}

bool db_wait_for_notices(struct db *db, const struct db_statement *listen, int wake,
                         int milliseconds, void (*hear)(void *context, struct bytes notice),
                         void *context, bool *was_deaf, struct fault *fault)
{
    struct pollfd look = {.fd = wake, .events = POLLIN};
    if (db->driver->wait_for_notices != NULL)
        return db->driver->wait_for_notices(db, listen, wake, milliseconds, hear, context, was_deaf,
                                            fault);
    *was_deaf = false;
    poll(&look, 1, milliseconds);
    return true;
}

bool db_check(struct db *db, void (*tell)(void *context, const char *sentence), void *context,
              struct fault *fault)
{
    return db->driver->check(db, tell, context, fault);
}
