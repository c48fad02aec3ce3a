/* Random bytes: all of them are filled. */
#include "base/random.h"

#include "unit.h"

/* Each of many bytes takes a value other than 0 within a few rounds: the chance that an honest one
   does not is 2 to the -128. */
static void everything_is_filled(void **state)
{
    (void)state;
    static unsigned char seen[1000];
    for (int round = 0; round < 16; round++) {
        unsigned char bytes[sizeof seen];
        memset(bytes, 0, sizeof bytes);
        struct fault fault = {0};
        assert_true(random_fill(bytes, sizeof bytes, &fault));
        for (size_t i = 0; i < sizeof bytes; i++)
            seen[i] = (unsigned char)(seen[i] | bytes[i]);
    }
    for (size_t i = 0; i < sizeof seen; i++)
        assert_int_not_equal(seen[i], 0);
    assert_true(random_fill(NULL, 0, NULL));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(everything_is_filled),
};

UNIT_MAIN(tests)
