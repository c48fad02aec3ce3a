/* The takes that are too long to be inline, and the classes that everybody needs. */
#include "base/scan.h"

const struct scan_class scan_digits = {.has = {['0' ... '9'] = true}};
const struct scan_class scan_letters = {.has = {['A' ... 'Z'] = true, ['a' ... 'z'] = true}};
const struct scan_class scan_letters_and_digits = {
    .has = {['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true}};
const struct scan_class scan_blanks = {.has = {[' '] = true, ['\t'] = true}};
const struct scan_class scan_printable = {.has = {['!' ... '~'] = true}};

bool scan_take_literal(struct scan *scan, struct bytes literal)
{
    if (!bytes_starts_with(scan_rest(scan), literal))
        return false;
    scan->position += literal.length;
    return true;
}

bool scan_take_literal_ignoring_case(struct scan *scan, struct bytes literal)
{
    if (!bytes_starts_with_ignoring_case(scan_rest(scan), literal))
        return false;
    scan->position += literal.length;
    return true;
}

struct bytes scan_take_while(struct scan *scan, const struct scan_class *class)
{
    const char *start = scan->position;
    while (!scan_is_at_end(scan) && class->has[(unsigned char)*scan->position])
        scan->position++;
    return bytes_of(start, scan->position == start ? 0 : (size_t)(scan->position - start));
}

struct bytes scan_take_until_char(struct scan *scan, char stop)
{
    struct bytes taken = scan_rest(scan);
    size_t index = bytes_find_char(taken, stop);
    if (index != BYTES_NOT_FOUND)
        taken.length = index;
    if (taken.length > 0)
        scan->position += taken.length;
    return taken;
}

bool scan_take_count(struct scan *scan, size_t count, struct bytes *taken)
{
    struct bytes rest = scan_rest(scan);
    if (rest.length < count)
        return false;
    *taken = bytes_slice(rest, 0, count);
    if (count > 0)
        scan->position += count;
    return true;
}

bool scan_take_number(struct scan *scan, uint64_t limit, uint64_t *number)
{
    struct scan ahead = *scan;
    struct bytes digits = scan_take_while(&ahead, &scan_digits);
    if (digits.length == 0)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < digits.length; i++) {
        uint64_t digit = (uint64_t)(digits.data[i] - '0');
        if (value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
        if (value > limit)
            return false;
    }
    *scan = ahead;
    *number = value;
    return true;
}
