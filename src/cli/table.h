/* Lists for people: rows under headings, in columns. On a terminal the headings are dim; else the
 * text is the same without it. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#include "base/auto.h"
#include "base/bytes.h"

enum {
    TABLE_COLUMNS_MAX = 10
};

struct table {
    const char *const *headings; /* one a column */
    size_t column_count;
    char **cells; /* row by row */
    size_t cell_count;
    size_t capacity;
    bool is_failed; /* out of memory: cells are missing */
    /* A bit a column whose cells are numbers and stand to the right. */
    unsigned numbers;
};

#define TABLE(array, number_columns)                                                               \
    ((struct table){.headings = (array),                                                           \
                    .column_count = sizeof(array) / sizeof((array)[0]),                            \
                    .numbers = (number_columns)})

/* Accepts NULL. */
void table_clear(struct table *table);

/* The next cell, of the row that is not full yet; the text is copied. */
void table_add(struct table *table, const char *text);
void table_add_format(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes it all; an empty table is nothing, not even headings. False: memory ran out. */
bool table_print(const struct table *table, FILE *file);

#endif
