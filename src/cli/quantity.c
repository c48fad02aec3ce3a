/* Reads and writes quantities with units. */
#include "cli/quantity.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "base/scan.h"

static const char units[] = "KMGTPE";

/* The power of 1024 behind a number; false: there is something else. */
static bool take_unit(struct scan *scan, unsigned *power)
{
    *power = 0;
    for (unsigned i = 0; units[i] != '\0' && *power == 0; i++) {
        if (scan_take_literal_ignoring_case(scan, bytes_of(&units[i], 1)))
            *power = i + 1;
    }
    if (*power > 0)
        scan_take_literal_ignoring_case(scan, BYTES("i"));
    scan_take_literal_ignoring_case(scan, BYTES("b"));
    return scan_is_at_end(scan);
}

bool quantity_parse(const char *text, int64_t *quantity)
{
    struct scan scan = scan_of(bytes_from_string(text));
    uint64_t whole;
    uint64_t fraction = 0;
    uint64_t divisor = 1;
    unsigned power;
    if (strcasecmp(text, "none") == 0) {
        *quantity = 0;
        return true;
    }
    if (!scan_take_number(&scan, INT64_MAX, &whole))
        return false;
    if (scan_take_char(&scan, '.')) {
        struct bytes digits = scan_take_while(&scan, &scan_digits);
        if (digits.length == 0 || digits.length > 3)
            return false;
        for (size_t i = 0; i < digits.length; i++) {
            fraction = fraction * 10 + (uint64_t)(digits.data[i] - '0');
            divisor *= 10;
        }
    }
    if (!take_unit(&scan, &power) || (power == 0 && divisor > 1))
        return false;
    if (whole > (uint64_t)INT64_MAX >> (10 * power))
        return false;
    uint64_t unit = (uint64_t)1 << (10 * power);
    uint64_t value = whole * unit + unit / divisor * fraction + unit % divisor * fraction / divisor;
    if (value > INT64_MAX)
        return false;
    *quantity = (int64_t)value;
    return true;
}

const char *quantity_print(int64_t size, char text[QUANTITY_TEXT_SIZE])
{
    if (size < 1024) {
        snprintf(text, QUANTITY_TEXT_SIZE, "%" PRId64, size);
        return text;
    }
    /* In tenths, so that 1.5K is said without floating point; cut, never rounded up. */
    uint64_t whole = (uint64_t)size;
    uint64_t below = 0;
    size_t unit = 0;
    for (;; unit++) {
        below = whole % 1024;
        whole /= 1024;
        if (whole < 1024)
            break;
    }
    uint64_t tenth = below * 10 / 1024;
    if (tenth == 0 || whole >= 100)
        snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 "%c", whole, units[unit]);
    else
        snprintf(text, QUANTITY_TEXT_SIZE, "%" PRIu64 ".%" PRIu64 "%c", whole, tenth, units[unit]);
    return text;
}
