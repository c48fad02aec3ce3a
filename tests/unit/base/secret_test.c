/* Secrets: wiped, and compared whole. */
#include "base/secret.h"

#include "unit.h"

static void wiping(void **state)
{
    (void)state;
    char password[] = "secret";
    secret_wipe(password, sizeof password);
    assert_memory_equal(password, "\0\0\0\0\0\0\0", sizeof password);
    secret_wipe(NULL, 0);
}

static void equality(void **state)
{
    (void)state;
    assert_true(secret_equal(BYTES("secret"), BYTES("secret")));
    assert_true(secret_equal(BYTES(""), bytes_of(NULL, 0)));
    assert_false(secret_equal(BYTES("secret"), BYTES("secre")));
    assert_false(secret_equal(BYTES("secret"), BYTES("Secret")));
    assert_false(secret_equal(BYTES("secret"), BYTES("secres")));
    assert_false(secret_equal(BYTES("\x80"), BYTES("\0")));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(wiping),
    cmocka_unit_test(equality),
};

UNIT_MAIN(tests)
