/* What is opened and what is refused, on both databases. */
#include "unit.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/db.h"
#include "postgres_cluster.h"

#define SECRET "Hunter2"

struct fixture {
    char directory[32];
    char place[256];
    bool is_postgres;
};

static int set_up(void **state, bool is_postgres)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    strcpy(fixture->directory, "/tmp/posthorn-db-XXXXXX");
    assert_non_null(mkdtemp(fixture->directory));
    fixture->is_postgres = is_postgres;
    if (is_postgres)
        postgres_cluster_make_database(fixture->place, sizeof(fixture->place));
    else
        snprintf(fixture->place, sizeof(fixture->place), "%s/store", fixture->directory);
    return 0;
}

static int set_up_sqlite(void **state)
{
    return set_up(state, false);
}

static int set_up_postgres(void **state)
{
    return set_up(state, true);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    static const char *const names[] = {"store", "store-wal", "store-shm"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char path[300];
        snprintf(path, sizeof(path), "%s/%s", fixture->directory, names[i]);
        if (unlink(path) != 0)
            rmdir(path);
    }
    assert_int_equal(rmdir(fixture->directory), 0);
    free(fixture);
    return 0;
}

static int end(void **state)
{
    (void)state;
    postgres_cluster_stop();
    return 0;
}

static struct db *open_new(const struct fixture *fixture)
{
    struct fault fault = {0};
    struct db_options options = {.place = fixture->place, .writes = true, .creates = true};
    struct db *db = db_open(&options, &fault);
    if (db == NULL)
        fail_msg("%s", fault.message);
    return db;
}

/* Opening is refused for good, and it is said in these words. */
static void assert_refused(const char *place, bool creates, const char *words)
{
    struct fault fault = {0};
    struct db_options options = {.place = place, .writes = true, .creates = creates};
    assert_null(db_open(&options, &fault));
    if (strstr(fault.message, words) == NULL)
        fail_msg("not \"%s\": %s", words, fault.message);
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    assert_null(strstr(fault.message, SECRET));
}

static void execute(struct db *db, const char *sql)
{
    struct fault fault = {0};
    struct db_statement statement = {sql, NULL};
    if (!db_execute(db, &statement, DB_NO_VALUES, NULL, &fault))
        fail_msg("%s", fault.message);
}

static void a_newer_schema_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    struct db *db = open_new(fixture);
    static const struct db_statement update = {"UPDATE schema_version SET version = 99", NULL};
    assert_true(db_execute(db, &update, DB_NO_VALUES, NULL, NULL));
    db_close(db);
    assert_refused(fixture->place, true, "newer posthorn");
    assert_refused(fixture->place, false, "newer posthorn");
}

static void a_foreign_database_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    if (fixture->is_postgres) {
        postgres_cluster_run(fixture->place, "CREATE TABLE theirs(x BIGINT)");
    } else {
        sqlite3 *handle;
        assert_int_equal(sqlite3_open(fixture->place, &handle), SQLITE_OK);
        assert_int_equal(sqlite3_exec(handle, "CREATE TABLE theirs(x)", NULL, NULL, NULL),
                         SQLITE_OK);
        sqlite3_close(handle);
    }
    assert_refused(fixture->place, true, "is not a store of posthorn");
    assert_refused(fixture->place, false, "is not a store of posthorn");
}

static void what_is_no_database_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    FILE *file = fopen(fixture->place, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("Dear Ann, this is a letter.\n", file);
    assert_int_equal(fclose(file), 0);
    assert_refused(fixture->place, true, "is not a store of posthorn");
}

static void a_directory_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    assert_int_equal(mkdir(fixture->place, S_IRWXU), 0);
    assert_refused(fixture->place, true, "is not a file");
}

static void nothing_is_made_unasked(void **state)
{
    const struct fixture *fixture = *state;
    char place[400];
    snprintf(place, sizeof(place), "%s password=" SECRET, fixture->place);
    assert_refused(place, false, "there is no store yet at PostgreSQL dbname=test_");
}

/* ---- what PostgreSQL is reached by ---- */

static void a_password_is_never_told(void **state)
{
    (void)state;
    static const char *const places[] = {
        "postgresql://ann:pass/" SECRET "@host/mail",
        "postgresql://ann:pass@" SECRET "@host/mail",
        "postgres://ann:pass?" SECRET "@host/mail",
        "host=h password=a " SECRET,
        "host=h password='" SECRET,
        "host=h " SECRET "=a",
        "postgresql://ann:%zz" SECRET "@host/mail",
    };
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        assert_refused(places[i], false, "cannot be read");
}

static void nor_when_nobody_answers(void **state)
{
    const struct fixture *fixture = *state;
    char place[400];
    struct fault fault = {0};
    struct db_options options = {.place = place};
    snprintf(place, sizeof(place), "host=%s dbname=x user=u password=" SECRET, fixture->directory);
    assert_null(db_open(&options, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_null(strstr(fault.message, SECRET));
    snprintf(place, sizeof(place), "postgresql://u:" SECRET "@/x?host=%s", fixture->directory);
    assert_null(db_open(&options, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_null(strstr(fault.message, SECRET));
}

static void a_server_that_loses_mail_is_refused(void **state)
{
    const struct fixture *fixture = *state;
    char place[400];
    snprintf(place, sizeof(place), "%s options='-c synchronous_commit=off'", fixture->place);
    assert_refused(place, true, "synchronous_commit off");
    postgres_cluster_run(fixture->place, "ALTER SYSTEM SET fsync = off");
    postgres_cluster_kill();
    postgres_cluster_revive();
    assert_refused(fixture->place, true, "fsync off");
    postgres_cluster_run(fixture->place, "ALTER SYSTEM RESET fsync");
    postgres_cluster_kill();
    postgres_cluster_revive();
    db_close(open_new(fixture));
}

/* ---- transactions ---- */

static bool put(struct db *db, const char *name, struct fault *fault)
{
    static const struct db_statement insert = {"INSERT INTO setting(name, value) VALUES($1, $2)",
                                               NULL};
    return db_execute(db, &insert, DB_VALUES(db_string(name), db_bytes(BYTES("x"))), NULL, fault);
}

static bool has(struct db *db, const char *name)
{
    static const struct db_statement find = {"SELECT 1 FROM setting WHERE name = $1", NULL};
    bool is_found = false;
    AUTO(db_rows)
    rows = {0};
    assert_true(db_query_one(db, &find, DB_VALUES(db_string(name)), &rows, &is_found, NULL));
    return is_found;
}

static void savepoints_undo_what_follows_them(void **state)
{
    struct fault fault = {0};
    struct db *db = open_new(*state);
    assert_true(db_begin(db, DB_WRITE, &fault));
    assert_true(put(db, "before", &fault));
    assert_true(db_savepoint(db, &fault));
    assert_true(put(db, "undone", &fault));
    assert_true(db_savepoint_undo(db, &fault));
    assert_true(db_savepoint(db, &fault));
    assert_true(put(db, "released", &fault));
    assert_true(db_savepoint_release(db, &fault));
    /* Also after a fault. */
    assert_true(db_savepoint(db, &fault));
    assert_true(put(db, "beside", &fault));
    assert_false(put(db, "before", &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    assert_true(db_savepoint_undo(db, &fault));
    assert_true(put(db, "after", &fault));
    assert_true(db_commit(db, NULL, &fault));
    assert_true(has(db, "before"));
    assert_false(has(db, "undone"));
    assert_true(has(db, "released"));
    assert_false(has(db, "beside"));
    assert_true(has(db, "after"));
    db_close(db);
}

static void a_full_store_is_temporary_and_recovers(void **state)
{
    const struct fixture *fixture = *state;
    static const struct db_statement insert = {
        "INSERT INTO setting(name, value) VALUES($1, zeroblob(40000))", NULL};
    struct fault fault = {0};
    db_close(open_new(fixture));
    struct db_options options = {.place = fixture->place, .writes = true, .size_pages_max = 200};
    struct db *db = db_open(&options, &fault);
    assert_non_null(db);
    char name[16];
    int count = 0;
    bool is_done;
    do {
        snprintf(name, sizeof(name), "n%d", count);
        is_done = db_execute(db, &insert, DB_VALUES(db_string(name)), NULL, &fault);
        count += is_done;
    } while (is_done && count < 200);
    assert_in_range(count, 1, 100);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_int_equal(fault.system_error, ENOSPC);
    assert_true(has(db, "n0"));
    assert_false(has(db, name));
    execute(db, "DELETE FROM setting WHERE name = 'n0'");
    assert_true(db_execute(db, &insert, DB_VALUES(db_string(name)), NULL, &fault));
    db_close(db);
}

/* ---- the two schemas ---- */

static size_t read_lines(struct db *db, const char *sql, char lines[][80], size_t most)
{
    struct fault fault = {0};
    struct db_statement statement = {sql, NULL};
    size_t count = 0;
    AUTO(db_rows)
    rows = {0};
    if (!db_query(db, &statement, DB_NO_VALUES, &rows, &fault))
        fail_msg("%s", fault.message);
    while (count < most && db_rows_next(&rows))
        snprintf(lines[count++], sizeof(lines[0]), "%.*s", BYTES_FORMAT(db_rows_bytes(&rows, 0)));
    db_rows_clear(&rows);
    return count;
}

static void both_schemas_have_the_same_columns(void **state)
{
    struct fixture *postgres = *state;
    struct fixture sqlite = {0};
    static char left[300][80];
    static char right[300][80];
    snprintf(sqlite.place, sizeof(sqlite.place), "%s/store", postgres->directory);
    struct db *db = open_new(&sqlite);
    size_t left_count = read_lines(
        db,
        "SELECT m.name || '.' || t.name || ' ' || CASE t.type WHEN 'INTEGER' THEN 'bigint' "
        "WHEN 'TEXT' THEN 'text' WHEN 'BLOB' THEN 'bytea' ELSE t.type END "
        "FROM sqlite_schema m JOIN pragma_table_info(m.name) t "
        "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite%' ORDER BY 1",
        left, 300);
    db_close(db);
    db = open_new(postgres);
    /* What SQLite has no need of: its commits are never unknown. */
    size_t right_count =
        read_lines(db,
                   "SELECT (table_name || '.' || column_name || ' ' || data_type)::text "
                   "FROM information_schema.columns WHERE table_schema = current_schema() "
                   "AND table_name <> 'commit_mark' ORDER BY 1",
                   right, 300);
    db_close(db);
    for (size_t i = 0; i < left_count && i < right_count; i++)
        assert_string_equal(left[i], right[i]);
    assert_int_equal(left_count, right_count);
    assert_in_range(left_count, 80, 299);
}

#define BOTH(test)                                                                                 \
    {#test " (SQLite)", test, set_up_sqlite, tear_down, NULL},                                     \
    {                                                                                              \
#test " (PostgreSQL)", test, set_up_postgres, tear_down, NULL                              \
    }
#define SQLITE(test)   cmocka_unit_test_setup_teardown(test, set_up_sqlite, tear_down)
#define POSTGRES(test) cmocka_unit_test_setup_teardown(test, set_up_postgres, tear_down)

static const struct CMUnitTest tests[] = {
    BOTH(a_newer_schema_is_refused),
    BOTH(a_foreign_database_is_refused),
    SQLITE(what_is_no_database_is_refused),
    SQLITE(a_directory_is_refused),
    POSTGRES(nothing_is_made_unasked),
    SQLITE(a_password_is_never_told),
    SQLITE(nor_when_nobody_answers),
    POSTGRES(a_server_that_loses_mail_is_refused),
    BOTH(savepoints_undo_what_follows_them),
    SQLITE(a_full_store_is_temporary_and_recovers),
    POSTGRES(both_schemas_have_the_same_columns),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, end);
}
