/* The versions of the schema, and how a store comes from one to the next. */
#ifndef DB_DB_MIGRATE_H
#define DB_DB_MIGRATE_H

#include "db/db.h"

/* The SQL that leads from the version before to this one, in both dialects. Made from schema/. */
struct db_migrate_step {
    int version;
    const char *sqlite_sql;
    const char *postgres_sql;
};
extern const struct db_migrate_step db_migrate_steps[];
extern const size_t db_migrate_step_count;

/* The version that this program is made for. */
int db_migrate_newest(void);

/* Which version the store has; 0 = nothing is there yet. FAULT_PERMANENT: it is no store. */
bool db_migrate_read(struct db *db, int *version, struct fault *fault);

/* Brings the store to the newest version, in one transaction. `tell` (may be NULL) hears of each
   step before it is taken; with is_dry nothing is changed. */
bool db_migrate_run(struct db *db, bool is_dry, void (*tell)(void *context, const char *line),
                    void *context, int *from, int *to, struct fault *fault);

/* Opens a store whatever its version, for db_migrate_run. */
struct db *db_migrate_open(const struct db_options *options, struct fault *fault);

#endif
