/* Columns that are as wide as their widest cell. */
#include "cli/table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "cli/report.h"

enum {
    GAP = 2,        /* blanks between columns */
    CELL_MAX = 1024 /* bytes of a formatted cell; a longer one is cut */
};

void table_clear(struct table *table)
{
    if (table == NULL)
        return;
    for (size_t i = 0; i < table->cell_count; i++)
        free(table->cells[i]);
    free(table->cells);
    table->cells = NULL;
    table->cell_count = 0;
    table->capacity = 0;
}

void table_add(struct table *table, const char *text)
{
    if (table->is_failed)
        return;
    if (table->cell_count == table->capacity) {
        size_t capacity = table->capacity == 0 ? 64 : 2 * table->capacity;
        char **cells = realloc(table->cells, capacity * sizeof(*cells));
        if (cells == NULL) {
            table->is_failed = true;
            return;
        }
        table->cells = cells;
        table->capacity = capacity;
    }
    char *copy = strdup(text);
    if (copy == NULL) {
        table->is_failed = true;
        return;
    }
    table->cells[table->cell_count++] = copy;
}

void table_add_format(struct table *table, const char *format, ...)
{
    char text[CELL_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    table_add(table, text);
}

/* In code points: near enough to cells of a terminal for names and numbers. */
static size_t width_of(const char *text)
{
    struct bytes rest = bytes_from_string(text);
    size_t width = 0;
    while (rest.length > 0) {
        uint32_t code_point;
        if (!utf8_next(&rest, &code_point))
            rest = bytes_skip(rest, 1);
        width++;
    }
    return width;
}

static void print_row(const struct table *table, const size_t *widths, const char *const *cells,
                      FILE *file)
{
    for (size_t i = 0; i < table->column_count; i++) {
        int padding = (int)(widths[i] - width_of(cells[i]));
        bool is_last = i + 1 == table->column_count;
        bool is_number = (table->numbers >> i & 1U) != 0;
        if (is_number)
            fprintf(file, "%*s", padding, "");
        report_write_safely(file, cells[i], strlen(cells[i]));
        if (!is_last)
            fprintf(file, "%*s", (is_number ? 0 : padding) + GAP, "");
    }
}

bool table_print(const struct table *table, FILE *file)
{
    size_t widths[TABLE_COLUMNS_MAX];
    size_t columns = table->column_count;
    assert(columns <= TABLE_COLUMNS_MAX);
    if (table->is_failed)
        return false;
    if (table->cell_count == 0)
        return true;
    for (size_t i = 0; i < columns; i++)
        widths[i] = width_of(table->headings[i]);
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t width = width_of(table->cells[i]);
        if (width > widths[i % columns])
            widths[i % columns] = width;
    }
    bool has_colours = report_has_colours(file);
    fputs(has_colours ? "\033[2m" : "", file);
    print_row(table, widths, table->headings, file);
    fputs(has_colours ? "\033[0m\n" : "\n", file);
    for (size_t i = 0; i + columns <= table->cell_count; i += columns) {
        print_row(table, widths, (const char *const *)table->cells + i, file);
        fputc('\n', file);
    }
    return true;
}
