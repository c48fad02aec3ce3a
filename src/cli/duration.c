/* Reads and writes spans of time. */
#include "cli/duration.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/scan.h"

enum {
    MINUTE = 60,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
    WEEK = 7 * DAY
};

static const int64_t longest = INT64_C(100) * 366 * DAY;

static const struct unit {
    char letter;
    int64_t seconds;
} units[] = {{'w', WEEK}, {'d', DAY}, {'h', HOUR}, {'m', MINUTE}, {'s', 1}};

enum {
    UNIT_COUNT = sizeof(units) / sizeof(units[0])
};

/* A unit from `first` on; UNIT_COUNT: there is none. */
static size_t take_unit(struct scan *scan, size_t first)
{
    size_t i = first;
    while (i < UNIT_COUNT && !scan_take_char(scan, units[i].letter))
        i++;
    return i;
}

bool duration_parse(const char *text, int64_t *seconds)
{
    struct scan scan = scan_of(bytes_from_string(text));
    int64_t total = 0;
    size_t next = 0;
    do {
        uint64_t count;
        if (!scan_take_number(&scan, (uint64_t)longest, &count))
            return false;
        size_t unit = take_unit(&scan, next);
        if (unit == UNIT_COUNT || (int64_t)count > (longest - total) / units[unit].seconds)
            return false;
        total += (int64_t)count * units[unit].seconds;
        next = unit + 1;
    } while (!scan_is_at_end(&scan));
    *seconds = total;
    return true;
}

const char *duration_print(int64_t seconds, char text[DURATION_TEXT_SIZE])
{
    size_t unit = 1;
    while (unit + 1 < UNIT_COUNT && seconds < 2 * units[unit].seconds)
        unit++;
    snprintf(text, DURATION_TEXT_SIZE, "%" PRId64 "%c", seconds / units[unit].seconds,
             units[unit].letter);
    return text;
}
