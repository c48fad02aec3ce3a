/* Errors, warnings and news on standard error, made safe for terminals. */
#include "cli/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/utf8.h"

enum {
    REPORT_LINE_MAX = 4096 /* longer lines are cut */
};

static const char *program_name = "posthorn";

static const char *const escapes[] = {
    [REPORT_PLAIN] = "",          [REPORT_RED] = "\033[31m", [REPORT_GREEN] = "\033[32m",
    [REPORT_YELLOW] = "\033[33m", [REPORT_DIM] = "\033[2m",
};

void report_set_name(const char *name)
{
    program_name = name;
}

bool report_has_colours(FILE *file)
{
    const char *no_color = getenv("NO_COLOR");
    const char *term = getenv("TERM");
    if (no_color != NULL && *no_color != '\0')
        return false;
    if (term == NULL || strcmp(term, "dumb") == 0)
        return false;
    return isatty(fileno(file)) == 1;
}

void report_write_safely(FILE *file, const char *text, size_t length)
{
    struct bytes rest = bytes_of(text, length);
    while (rest.length > 0) {
        const char *start = rest.data;
        uint32_t code_point;
        if (!utf8_next(&rest, &code_point)) {
            fputc('?', file);
            rest = bytes_skip(rest, 1);
        } else if (code_point != '\t' &&
                   (code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0))) {
            fputc('?', file);
        } else {
            fwrite(start, 1, (size_t)(rest.data - start), file);
        }
    }
}

static void write_line(enum report_colour colour, const char *before, const char *format,
                       va_list arguments)
{
    char line[REPORT_LINE_MAX];
    int length = vsnprintf(line, sizeof(line), format, arguments);
    if (length < 0)
        return;
    size_t shown = (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1;
    bool has_colours = colour != REPORT_PLAIN && report_has_colours(stderr);
    if (has_colours)
        fputs(escapes[colour], stderr);
    if (before != NULL)
        fprintf(stderr, "%s: %s", program_name, before);
    report_write_safely(stderr, line, shown);
    fputs(has_colours ? "\033[0m\n" : "\n", stderr);
}

void report_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(REPORT_RED, "", format, arguments);
    va_end(arguments);
}

void report_warning(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(REPORT_YELLOW, "warning: ", format, arguments);
    va_end(arguments);
}

void report_news(enum report_colour colour, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    write_line(colour, NULL, format, arguments);
    va_end(arguments);
}

int report_usage(const char *message)
{
    report_error("%s", message);
    fprintf(stderr, "Try '%s --help'.\n", program_name);
    return EX_USAGE;
}

bool report_flush_output(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return true;
    report_error("cannot write to standard output: %s", strerror(errno));
    return false;
}
