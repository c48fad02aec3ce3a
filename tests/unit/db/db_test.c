/* Connections: statements, rows, transactions, on SQLite. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/db.h"

struct place {
    char directory[32];
    char file[64];
};

static struct db *open_new(struct place *place)
{
    struct fault fault = {0};
    *place = (struct place){.directory = "/tmp/db_test.XXXXXX"};
    assert_non_null(mkdtemp(place->directory));
    snprintf(place->file, sizeof(place->file), "%s/store", place->directory);
    struct db_options options = {.place = place->file, .writes = true, .creates = true};
    struct db *db = db_open(&options, &fault);
    if (db == NULL)
        fail_msg("%s", fault.message);
    return db;
}

static void test_open_and_write(void **state)
{
    (void)state;
    static const struct db_statement insert = {
        "INSERT INTO domain(id, name, created) VALUES($1, $2, $3)", NULL};
    static const struct db_statement find = {"SELECT id, name FROM domain WHERE name = $1", NULL};
    struct place place;
    struct fault fault = {0};
    struct db *db = open_new(&place);
    assert_true(db_begin(db, DB_WRITE, &fault));
    assert_true(db_execute(db, &insert,
                           DB_VALUES(db_number(1), db_string("example.org"), db_number(0)), NULL,
                           &fault));
    assert_true(db_commit(db, NULL, &fault));
    assert_false(db_execute(db, &insert,
                            DB_VALUES(db_number(2), db_string("example.org"), db_number(0)), NULL,
                            &fault));
    assert_int_equal(fault.kind, FAULT_DENIED);
    bool is_found;
    AUTO(db_rows)
    rows = {0};
    assert_true(
        db_query_one(db, &find, DB_VALUES(db_string("example.org")), &rows, &is_found, &fault));
    assert_true(is_found);
    assert_int_equal(db_rows_number(&rows, 0), 1);
    db_rows_clear(&rows);
    db_close(db);
}

static void set_number(struct db *db, int64_t number)
{
    static const struct db_statement set = {
        "INSERT INTO setting(name, value) VALUES('number', $1) "
        "ON CONFLICT(name) DO UPDATE SET value = EXCLUDED.value",
        NULL};
    assert_true(db_begin(db, DB_WRITE, NULL));
    assert_true(db_execute(db, &set, DB_VALUES(db_number(number)), NULL, NULL));
    assert_true(db_commit(db, NULL, NULL));
}

/* Else nobody would know when it is time to copy it, and it would grow for ever. */
static void the_log_is_counted_and_begins_anew(void **state)
{
    (void)state;
    struct place place;
    struct db *db = open_new(&place);
    set_number(db, 1);
    uint64_t first = db_log_pages(db);
    assert_true(first > 0);
    set_number(db, 2);
    assert_true(db_log_pages(db) > first);
    uint64_t left;
    assert_true(db_checkpoint(db, &left, NULL));
    assert_int_equal(left, 0);
    set_number(db, 3);
    assert_true(db_log_pages(db) <= first);
    db_close(db);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_open_and_write),
    cmocka_unit_test(the_log_is_counted_and_begins_anew),
};

UNIT_MAIN(tests)
