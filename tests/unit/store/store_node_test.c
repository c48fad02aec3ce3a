/* Ids of several programs on one store, and coming to a schema. */
#include "store_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../db/postgres_cluster.h"
#include "store/store_inside.h"
#include "store/store_node.h"

enum {
    STORES = 5
};

static struct store *open_another(struct store_fixture *fixture)
{
    struct fault fault = {0};
    struct store_options options = {.place = fixture->place, .writers = 1};
    struct store *store = store_open(&options, &fault);
    if (store == NULL)
        fail_msg("%s", fault.message);
    return store;
}

static void programs_have_numbers_of_their_own(void **state)
{
    struct store_fixture *fixture = *state;
    struct store *stores[STORES];
    for (int i = 0; i < STORES; i++) {
        stores[i] = open_another(fixture);
        assert_int_not_equal(stores[i]->node, fixture->store->node);
        for (int j = 0; j < i; j++)
            assert_int_not_equal(stores[i]->node, stores[j]->node);
    }
    for (int i = 0; i < STORES; i++)
        store_close(stores[i]);
}

static void ids_go_on_where_the_clock_went_back(void **state)
{
    struct store_fixture *fixture = *state;
    /* A message of the year 2093. */
    static const int64_t late = INT64_MAX - 100000000;
    static const struct db_statement insert = {
        "INSERT INTO body(id, size, created, data) VALUES($1, 0, 0, $2)", NULL};
    store_fixture_execute(fixture, &insert, DB_VALUES(db_number(late), db_bytes(BYTES(""))));
    struct store *other = open_another(fixture);
    struct store *another = open_another(fixture);
    int64_t id = store_id_make(other);
    int64_t more = store_id_make(another);
    assert_true(id > late && more > late && id != more);
    assert_int_equal(id & 0x3ff000, other->node);
    assert_int_equal(more & 0x3ff000, another->node);
    store_close(other);
    store_close(another);
}

static void a_key_that_is_taken_is_a_temporary_fault(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_fixture_letter first;
    struct store_fixture_letter second;
    store_fixture_letter(fixture, &first, BYTES("Subject: 1\r\n\r\n"));
    store_fixture_letter(fixture, &second, BYTES("Subject: 2\r\n\r\n"));
    second.delivery.id = first.delivery.id;
    assert_true(store_fixture_deliver(&first.delivery));
    assert_false(store_fixture_deliver(&second.delivery));
    assert_int_equal(second.delivery.job.fault.kind, FAULT_TEMPORARY);
    store_fixture_letter_clear(&first);
    store_fixture_letter_clear(&second);
}

/* ---- PostgreSQL: rows that are renewed ---- */

static int64_t number_of(const struct store *store)
{
    return store->node >> 12;
}

static void a_number_that_nobody_renews_is_taken_over(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement fill = {
        "SELECT 1", "INSERT INTO node(id, name, seen, version) SELECT n, 'other', $1, '0' "
                    "FROM generate_series(0, 1023) n ON CONFLICT (id) DO NOTHING"};
    static const struct db_statement age = {"UPDATE node SET seen = 1 WHERE id = $1", NULL};
    static const struct db_statement seen = {"SELECT seen FROM node WHERE id = $1", NULL};
    struct fault fault = {0};
    int64_t ours = number_of(fixture->store);
    int64_t now = store_fixture_number(fixture, &seen, DB_VALUES(db_number(ours)));
    assert_true(now > INT64_C(1600000000000000));
    store_fixture_execute(fixture, &fill, DB_VALUES(db_number(now)));
    struct store_options options = {.place = fixture->place, .writers = 1};
    assert_null(store_open(&options, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    store_fixture_execute(fixture, &age, DB_VALUES(db_number(ours == 7 ? 8 : 7)));
    struct store *other = open_another(fixture);
    assert_int_equal(number_of(other), ours == 7 ? 8 : 7);
    assert_true(store_fixture_number(fixture, &seen, DB_VALUES(db_number(number_of(other)))) >=
                now);
    store_close(other);
    /* Given back, it is free at once. */
    other = open_another(fixture);
    assert_int_equal(number_of(other), ours == 7 ? 8 : 7);
    store_close(other);
}

static void who_lost_its_number_claims_another(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement age = {"UPDATE node SET seen = 1 WHERE id = $1", NULL};
    static const struct db_statement take = {"UPDATE node SET name = 'other' WHERE id = $1", NULL};
    static const struct db_statement seen = {"SELECT seen FROM node WHERE id = $1", NULL};
    struct fault fault = {0};
    int64_t ours = number_of(fixture->store);
    int64_t before = store_id_make(fixture->store);
    store_fixture_execute(fixture, &age, DB_VALUES(db_number(ours)));
    assert_true(store_node_renew(fixture->store->claim, &fault));
    assert_int_equal(number_of(fixture->store), ours);
    assert_true(store_fixture_number(fixture, &seen, DB_VALUES(db_number(ours))) > 1);
    store_fixture_execute(fixture, &take, DB_VALUES(db_number(ours)));
    assert_true(store_node_renew(fixture->store->claim, &fault));
    assert_int_not_equal(number_of(fixture->store), ours);
    int64_t after = store_id_make(fixture->store);
    assert_true(after > before);
    assert_int_equal(after & 0x3ff000, fixture->store->node);
}

/* ---- migrating ---- */

static void count_step(void *context, const char *line)
{
    assert_non_null(strstr(line, "schema version"));
    ++*(int *)context;
}

static void migrating_makes_a_store_once(const char *place)
{
    struct fault fault = {0};
    int steps = 0;
    int from = -1;
    int to = -1;
    if (!store_migrate(place, false, count_step, &steps, &from, &to, &fault))
        fail_msg("%s", fault.message);
    assert_int_equal(from, 0);
    assert_true(to >= 1);
    assert_int_equal(steps, to);
    int newest = to;
    steps = 0;
    assert_true(store_migrate(place, true, count_step, &steps, &from, &to, &fault));
    assert_int_equal(from, newest);
    assert_int_equal(to, newest);
    assert_true(store_migrate(place, false, count_step, &steps, &from, &to, &fault));
    assert_int_equal(from, newest);
    assert_int_equal(steps, 0);
    struct store_options options = {.place = place};
    struct store *store = store_open(&options, &fault);
    if (store == NULL)
        fail_msg("%s", fault.message);
    store_close(store);
}

static void postgres_is_migrated_from_nothing(void **state)
{
    (void)state;
    char place[256];
    struct fault fault = {0};
    int steps = 0;
    int from = -1;
    int to = -1;
    postgres_cluster_make_database(place, sizeof(place));
    struct store_options options = {.place = place};
    assert_null(store_open(&options, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    for (int i = 0; i < 2; i++) {
        steps = 0;
        assert_true(store_migrate(place, true, count_step, &steps, &from, &to, &fault));
        assert_int_equal(from, 0);
        assert_int_equal(steps, to);
    }
    migrating_makes_a_store_once(place);
}

static void sqlite_is_migrated_from_nothing(void **state)
{
    struct store_fixture *fixture = *state;
    char place[256];
    struct fault fault = {0};
    int from = -1;
    int to = -1;
    store_fixture_close(fixture);
    assert_int_equal(remove(fixture->place), 0);
    snprintf(place, sizeof(place), "%s", fixture->place);
    assert_false(store_migrate(place, true, NULL, NULL, &from, &to, &fault));
    migrating_makes_a_store_once(place);
    store_fixture_open(fixture);
}

#define ONLY_SQLITE(test)                                                                          \
    cmocka_unit_test_setup_teardown(test, store_fixture_set_up_sqlite, store_fixture_tear_down)
#define ONLY_POSTGRES(test)                                                                        \
    cmocka_unit_test_setup_teardown(test, store_fixture_set_up_postgres, store_fixture_tear_down)

static const struct CMUnitTest tests[] = {
    STORE_TEST(programs_have_numbers_of_their_own),
    STORE_TEST(ids_go_on_where_the_clock_went_back),
    STORE_TEST(a_key_that_is_taken_is_a_temporary_fault),
    ONLY_POSTGRES(a_number_that_nobody_renews_is_taken_over),
    ONLY_POSTGRES(who_lost_its_number_claims_another),
    ONLY_SQLITE(sqlite_is_migrated_from_nothing),
    cmocka_unit_test(postgres_is_migrated_from_nothing),
};

STORE_MAIN(tests)
