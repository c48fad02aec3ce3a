/* What the sources of store_check share. */
#ifndef STORE_STORE_CHECK_INSIDE_H
#define STORE_STORE_CHECK_INSIDE_H

#include "db/db.h"
#include "store/store_check.h"

/* One check of a store. */
struct store_checking {
    struct db *db;
    store_check_tell *tell;
    void *context;
    uint64_t problems;
};

/* Counts and tells; a longer sentence is cut. */
void store_check_problem(struct store_checking *checking, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Rules that are one statement each; its rows are sentences. */
bool store_check_rules(struct store_checking *checking, struct fault *fault);

/* Aliases to their ends, credentials by their form. */
bool store_check_addresses(struct store_checking *checking, struct fault *fault);

/* All bodies, whole, and what is kept of their parsing. */
bool store_check_bodies(struct store_checking *checking, struct fault *fault);

#endif
