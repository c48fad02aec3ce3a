/* Reading the version of a schema and going from one to the next. */
#include "db/db_migrate.h"

#include <stdio.h>

#include "db/db_driver.h"

enum {
    LINE_SIZE = 200 /* of what is told about a step */
};

int db_migrate_newest(void)
{
    return db_migrate_steps[db_migrate_step_count - 1].version;
}

bool db_migrate_read(struct db *db, int *version, struct fault *fault)
{
    static const struct db_statement read = {"SELECT version FROM schema_version", NULL};
    bool is_empty;
    bool is_store;
    if (!db->driver->identify(db, &is_empty, &is_store, fault))
        return false;
    if (is_empty) {
        *version = 0;
        return true;
    }
    bool is_found = false;
    AUTO(db_rows)
    rows = {0};
    if (is_store && !db_query_one(db, &read, DB_NO_VALUES, &rows, &is_found, fault))
        return false;
    if (!is_found)
        return fault_set(fault, FAULT_PERMANENT, "%s is not a store of posthorn", db->shown);
    *version = (int)db_rows_number(&rows, 0);
    return true;
}

static bool write_version(struct db *db, int from, int to, struct fault *fault)
{
    static const struct db_statement update = {"UPDATE schema_version SET version = $1", NULL};
    static const struct db_statement insert = {"INSERT INTO schema_version(version) VALUES($1)",
                                               NULL};
    return db_execute(db, from == 0 ? &insert : &update, DB_VALUES(db_number(to)), NULL, fault);
}

static bool take_step(struct db *db, const struct db_migrate_step *step, bool is_dry,
                      void (*tell)(void *context, const char *line), void *context,
                      struct fault *fault)
{
    if (tell != NULL) {
        char line[LINE_SIZE];
        snprintf(line, sizeof(line), "schema version %d to %d%s", step->version - 1, step->version,
                 is_dry ? " (not done)" : "");
        tell(context, line);
    }
    if (is_dry)
        return true;
    return db->driver->run_script(
        db, db_kind(db) == DB_SQLITE ? step->sqlite_sql : step->postgres_sql, fault);
}

static bool take_steps(struct db *db, int from, bool is_dry,
                       void (*tell)(void *context, const char *line), void *context,
                       struct fault *fault)
{
    for (size_t i = 0; i < db_migrate_step_count; i++) {
        if (db_migrate_steps[i].version > from &&
            !take_step(db, &db_migrate_steps[i], is_dry, tell, context, fault))
            return false;
    }
    return is_dry || from == db_migrate_newest() ||
           write_version(db, from, db_migrate_newest(), fault);
}

/* Within the transaction, so that two programs that start together do not both make the schema. */
static bool migrate(struct db *db, bool is_dry, void (*tell)(void *context, const char *line),
                    void *context, int *from, struct fault *fault)
{
    if (!db->driver->lock_schema(db, fault) || !db_migrate_read(db, from, fault))
        return false;
    if (*from > db_migrate_newest())
        return fault_set(fault, FAULT_PERMANENT,
                         "the store has schema version %d, this program knows %d only", *from,
                         db_migrate_newest());
    return take_steps(db, *from, is_dry, tell, context, fault);
}

bool db_migrate_run(struct db *db, bool is_dry, void (*tell)(void *context, const char *line),
                    void *context, int *from, int *to, struct fault *fault)
{
    int start;
    if (!db_begin(db, is_dry ? DB_READ : DB_WRITE, fault))
        return false;
    if (!migrate(db, is_dry, tell, context, &start, fault)) {
        db_rollback(db);
        return false;
    }
    if (!db_commit(db, NULL, fault))
        return false;
    if (from != NULL)
        *from = start;
    if (to != NULL)
        *to = db_migrate_newest();
    return true;
}
