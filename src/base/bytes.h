/* A borrowed look at bytes: where they start and how many they are. Never owns, never ends in NUL.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* data may be NULL only when length is 0. */
struct bytes {
    const char *data;
    size_t length;
};

/* What the find functions give when there is nothing to find. */
#define BYTES_NOT_FOUND ((size_t)-1)

/* The bytes of a string literal; usable as an expression and with BYTES_INIT in static tables. */
#define BYTES(literal) ((struct bytes){"" literal, sizeof(literal) - 1})
#define BYTES_INIT(literal)                                                                        \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }

/* For printf's "%.*s": BYTES_FORMAT(value) gives the two arguments. Only for short bytes. */
#define BYTES_FORMAT(value) (int)(value).length, (value).data

static inline struct bytes bytes_of(const void *data, size_t length)
{
    return (struct bytes){(const char *)data, length};
}

/* NULL is taken as the empty string. */
static inline struct bytes bytes_from_string(const char *string)
{
    return (struct bytes){string, string == NULL ? 0 : strlen(string)};
}

static inline bool bytes_is_empty(struct bytes bytes)
{
    return bytes.length == 0;
}

/* ASCII only: the locale has no say, and bytes above 127 stay as they are. */
static inline char bytes_lower_char(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char bytes_upper_char(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

/* The value of a hexadecimal digit in either case; -1 for anything else, the end of a scan among
 * it.
 */
static inline int bytes_hex_value(int c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static inline bool bytes_equal(struct bytes left, struct bytes right)
{
    return left.length == right.length &&
           (left.length == 0 || memcmp(left.data, right.data, left.length) == 0);
}

/* Case is ignored for ASCII letters only. */
bool bytes_equal_ignoring_case(struct bytes left, struct bytes right);

/* As memcmp, a prefix before the longer: negative, 0 or positive. */
int bytes_compare(struct bytes left, struct bytes right);

bool bytes_starts_with(struct bytes bytes, struct bytes start);
bool bytes_starts_with_ignoring_case(struct bytes bytes, struct bytes start);
bool bytes_ends_with(struct bytes bytes, struct bytes end);
bool bytes_ends_with_ignoring_case(struct bytes bytes, struct bytes end);

/* The bytes without the first `count`; count may not exceed the length. */
static inline struct bytes bytes_skip(struct bytes bytes, size_t count)
{
    assert(count <= bytes.length);
    return count == 0 ? bytes : (struct bytes){bytes.data + count, bytes.length - count};
}

/* At most `length` bytes from `start` on; what lies behind the end is left out. */
static inline struct bytes bytes_slice(struct bytes bytes, size_t start, size_t length)
{
    if (start > bytes.length)
        start = bytes.length;
    struct bytes rest = bytes_skip(bytes, start);
    if (length < rest.length)
        rest.length = length;
    return rest;
}

/* The index of the first (last) occurrence, or BYTES_NOT_FOUND. */
static inline size_t bytes_find_char(struct bytes bytes, char c)
{
    const char *found =
        bytes.length == 0 ? NULL : (const char *)memchr(bytes.data, c, bytes.length);
    return found == NULL ? BYTES_NOT_FOUND : (size_t)(found - bytes.data);
}

size_t bytes_find_last_char(struct bytes bytes, char c);

/* An empty `wanted` is found at 0. */
size_t bytes_find(struct bytes bytes, struct bytes wanted);

static inline bool bytes_has_char(struct bytes bytes, char c)
{
    return bytes_find_char(bytes, c) != BYTES_NOT_FOUND;
}

/* Without spaces and tabs, CR and LF at both ends (at the front, at the end). */
struct bytes bytes_trim(struct bytes bytes);
struct bytes bytes_trim_start(struct bytes bytes);
struct bytes bytes_trim_end(struct bytes bytes);

/* Cuts at the first `separator`: *head is what stands before it, *rest what stands behind.
   Without a separator *head is everything, *rest empty, and the answer false. */
bool bytes_split(struct bytes bytes, char separator, struct bytes *head, struct bytes *rest);

/* Every byte is below 128. */
bool bytes_is_ascii(struct bytes bytes);

/* There is a byte that ends a line or a C string: CR, LF or NUL. */
bool bytes_has_line_break_or_nul(struct bytes bytes);

/* There is an ASCII control character: below the blank, or DEL. */
bool bytes_has_control(struct bytes bytes);

#endif
