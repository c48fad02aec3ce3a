/* A reader that walks over bytes in small takes. A take that does not fit leaves the place as it
   was, so that the next alternative can be tried. */
#ifndef BASE_SCAN_H
#define BASE_SCAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct scan {
    const char *position;
    const char *end;
};

/* A set of bytes, made as a table: `static const struct scan_class hex = {.has = {['0' ... '9'] =
   true}};` */
struct scan_class {
    bool has[256];
};

extern const struct scan_class scan_digits;
extern const struct scan_class scan_letters;
extern const struct scan_class scan_letters_and_digits;
extern const struct scan_class scan_blanks;    /* space and tab */
extern const struct scan_class scan_printable; /* 33 to 126 */

static inline struct scan scan_of(struct bytes bytes)
{
    return (struct scan){bytes.data, bytes.length == 0 ? bytes.data : bytes.data + bytes.length};
}

static inline bool scan_is_at_end(const struct scan *scan)
{
    return scan->position == scan->end;
}

/* What has not been taken yet. */
static inline struct bytes scan_rest(const struct scan *scan)
{
    return (struct bytes){scan->position,
                          scan_is_at_end(scan) ? 0 : (size_t)(scan->end - scan->position)};
}

/* The next byte as 0 to 255, or -1 at the end. */
static inline int scan_peek(const struct scan *scan)
{
    return scan_is_at_end(scan) ? -1 : (unsigned char)*scan->position;
}

/* Takes the next byte, whatever it is; -1 at the end. */
static inline int scan_take(struct scan *scan)
{
    return scan_is_at_end(scan) ? -1 : (unsigned char)*scan->position++;
}

/* Takes exactly this byte (these bytes). */
static inline bool scan_take_char(struct scan *scan, char c)
{
    if (scan_is_at_end(scan) || *scan->position != c)
        return false;
    scan->position++;
    return true;
}

bool scan_take_literal(struct scan *scan, struct bytes literal);
bool scan_take_literal_ignoring_case(struct scan *scan, struct bytes literal);

/* Takes as many bytes of the class as there are, perhaps none. */
struct bytes scan_take_while(struct scan *scan, const struct scan_class *class);

/* Takes everything before the first `stop`, which stays; everything when there is none. */
struct bytes scan_take_until_char(struct scan *scan, char stop);

/* Takes exactly `count` bytes; false when there are fewer. */
bool scan_take_count(struct scan *scan, size_t count, struct bytes *taken);

/* Takes a decimal number of at most `limit`; all its digits belong to it. False when there is no
   digit or the number is larger. */
bool scan_take_number(struct scan *scan, uint64_t limit, uint64_t *number);

#endif
