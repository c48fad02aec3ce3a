/* What every unit test includes: cmocka with the headers it wants before it, and asserts on bytes.
 */
#ifndef UNIT_H
#define UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"

/* A program has one group; its exit status says whether it passed. */
#define UNIT_MAIN(tests)                                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        return cmocka_run_group_tests(tests, NULL, NULL);                                          \
    }

/* Fails with both values shown unless the bytes are exactly the string. */
#define assert_bytes(bytes, string) unit_assert_bytes((bytes), BYTES(string), __FILE__, __LINE__)

static inline void unit_assert_bytes(struct bytes actual, struct bytes expected, const char *file,
                                     int line)
{
    if (bytes_equal(actual, expected))
        return;
    print_error("\"%.*s\" != \"%.*s\"\n", BYTES_FORMAT(actual), BYTES_FORMAT(expected));
    _fail(file, line);
}

#endif
