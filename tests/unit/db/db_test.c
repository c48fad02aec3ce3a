/* Connections: statements, rows, transactions, on SQLite. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/db.h"

static void test_open_and_write(void **state)
{
    (void)state;
    static const struct db_statement insert = {
        "INSERT INTO domain(id, name, created) VALUES($1, $2, $3)", NULL};
    static const struct db_statement find = {"SELECT id, name FROM domain WHERE name = $1", NULL};
    char directory[] = "/tmp/db_test.XXXXXX";
    assert_non_null(mkdtemp(directory));
    char place[64];
    snprintf(place, sizeof(place), "%s/store", directory);
    struct fault fault = {0};
    struct db_options options = {.place = place, .writes = true, .creates = true};
    struct db *db = db_open(&options, &fault);
    if (db == NULL)
        fail_msg("%s", fault.message);
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

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_open_and_write),
};

UNIT_MAIN(tests)
