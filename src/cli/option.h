/* Command lines by table: one row an option gives parsing, help, suggestions and shell completion.
 */
#ifndef CLI_OPTION_H
#define CLI_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/fault.h"

/* What a shell may offer as the value. */
enum option_completion {
    OPTION_ANYTHING = 0,
    OPTION_FILE,
    OPTION_DIRECTORY,
    OPTION_WORDS /* those of the row's words */
};

/* One option. A row without id begins a section of the help: its text is the heading. */
struct option_row {
    int id;            /* what option_next tells; 0 only for headings */
    char letter;       /* -x; 0 = none */
    const char *name;  /* --name; NULL = none */
    const char *value; /* what the help calls the value; NULL = the option takes none */
    const char *text;  /* for the help; NULL = not shown there and never suggested */
    enum option_completion completion;
    const char *words;        /* separated by spaces */
    bool is_attached_or_none; /* the value, if any, follows the letter at once: -q or -q30m */
};

/* A row in one line; what may follow the text are designated members. */
#define OPTION_ROW(row_id, row_letter, row_name, row_value, row_text, ...)                         \
    {                                                                                              \
        .id = (row_id), .letter = (row_letter), .name = (row_name), .value = (row_value),          \
        .text = (row_text), __VA_ARGS__                                                            \
    }

struct option_table {
    const struct option_row *rows;
    size_t count;
};

#define OPTION_TABLE(array) ((struct option_table){(array), sizeof(array) / sizeof((array)[0])})

/* A walk over argv[1..]. Options and operands may stand in any order; behind "--" all are operands.
 */
struct option_reader {
    const struct option_table *table;
    int argc;
    char **argv;
    int index;
    const char *letters; /* the rest of a bundle of letters; NULL = none is open */
    bool is_past_end;    /* "--" was met */
};

enum option_kind {
    OPTION_END = 0,
    OPTION_FOUND,   /* id, and value where the row takes one */
    OPTION_OPERAND, /* value is the operand */
    OPTION_BAD      /* the fault tells; reading cannot go on */
};

struct option_match {
    int id;
    const char *value; /* points into argv; NULL when the row takes none or none is attached */
};

/* The walk begins behind argv[0]. */
struct option_reader option_reader_of(const struct option_table *table, int argc, char **argv);

/* The next option or operand. OPTION_BAD: an unknown option (the fault names the nearest known
   one), a missing value, a value where none belongs. */
enum option_kind option_next(struct option_reader *reader, struct option_match *match,
                             struct fault *fault);

/* The word of `candidates` (count of them) that `word` was most likely meant to be; NULL when none
   is near. */
const char *option_nearest(const char *word, const char *const *candidates, size_t count);

/* Writes the rows as the middle part of a help text. */
void option_print_help(const struct option_table *table, FILE *file);

#endif
