/* A store for a test, on either database, with an account in it. Every test of the store runs on
 * both: list it with STORE_TEST. */
#ifndef STORE_FIXTURE_H
#define STORE_FIXTURE_H

#include "unit.h"

#include "db/db.h"
#include "store/store.h"
#include "store/store_delivery.h"
#include "store/store_jobs.h"

struct store_fixture {
    enum db_kind kind;
    char directory[64]; /* the test's own; removed at the end */
    char place[256];
    struct store *store;
    struct db *reader;
    int64_t account; /* ann@example.org, without quota */
    int64_t inbox;
};

/* With store and reader open. */
int store_fixture_set_up_sqlite(void **state);
int store_fixture_set_up_postgres(void **state);
int store_fixture_tear_down(void **state);
int store_fixture_end(void **state); /* of the group */

/* Closes reader and store, and opens them again. */
void store_fixture_close(struct store_fixture *fixture);
void store_fixture_open(struct store_fixture *fixture);

/* Another account with an INBOX. */
void store_fixture_add_account(struct store_fixture *fixture, const char *login, int64_t *account,
                               int64_t *inbox);

/* Runs one statement in a job of its own; fails the test when it fails. */
void store_fixture_execute(struct store_fixture *fixture, const struct db_statement *statement,
                           const struct db_value *values, size_t count);

/* The first column of the first row, read by the fixture's reader. */
int64_t store_fixture_number(struct store_fixture *fixture, const struct db_statement *statement,
                             const struct db_value *values, size_t count);

/* A message on its way in; text is the whole of it. */
struct store_fixture_letter {
    struct store_delivery delivery;
    struct message_parsed parsed;
    struct store_delivery_local local;
};

/* Fills the letter for the fixture's own account; the draft is made. */
void store_fixture_letter(struct store_fixture *fixture, struct store_fixture_letter *letter,
                          struct bytes text);
void store_fixture_letter_clear(struct store_fixture_letter *letter);

/* Submits any delivery and waits; the answer is job.is_done. */
bool store_fixture_deliver(struct store_delivery *delivery);

/* Delivers a text to the fixture's INBOX; gives the UID. */
uint32_t store_fixture_put(struct store_fixture *fixture, struct bytes text);

#define STORE_TEST(test)                                                                           \
    {#test " (SQLite)", test, store_fixture_set_up_sqlite, store_fixture_tear_down, NULL},         \
    {                                                                                              \
#test " (PostgreSQL)", test, store_fixture_set_up_postgres, store_fixture_tear_down, NULL  \
    }

#define STORE_MAIN(tests)                                                                          \
    int main(void)                                                                                 \
    {                                                                                              \
        return cmocka_run_group_tests(tests, NULL, store_fixture_end);                             \
    }

#endif
