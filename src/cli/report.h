/* What the program says to people: on standard error, so that standard output holds only what was
 * asked for. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum report_colour {
    REPORT_PLAIN = 0,
    REPORT_RED,
    REPORT_GREEN,
    REPORT_YELLOW,
    REPORT_DIM
};

/* "posthorn: " and a line, or the name that report_set_name gave. The texts of servers may be among
   the arguments: what could disturb a terminal is shown as '?'. */
void report_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void report_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line of plain news. */
void report_news(enum report_colour colour, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The name before errors: "posthorn send". Must be static. */
void report_set_name(const char *name);

/* Says how to learn more behind a usage error, and returns EX_USAGE. */
int report_usage(const char *message);

/* The file is a terminal whose user did not forbid colours (NO_COLOR, TERM=dumb). */
bool report_has_colours(FILE *file);

/* Writes text with every control character, C1 and broken UTF-8 replaced by '?'; tab stays. */
void report_write_safely(FILE *file, const char *text, size_t length);

/* Flushes standard output; false, after an error message, when it could not be written. */
bool report_flush_output(void);

#endif
