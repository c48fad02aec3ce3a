/* Numbers and strings of the compact forms, whole and damaged. */
#include "mail/compact.h"

#include "base/auto.h"
#include "unit.h"

static void numbers(void **state)
{
    (void)state;
    static const uint64_t values[] = {0, 1, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        AUTO(buffer)
        out = BUFFER(100);
        uint64_t value;
        compact_put_number(&out, values[i]);
        struct bytes rest = buffer_bytes(&out);
        assert_true(compact_take_number(&rest, &value));
        assert_true(value == values[i]);
        assert_int_equal(rest.length, 0);
        for (size_t cut = 0; cut < out.length; cut++) {
            rest = bytes_slice(buffer_bytes(&out), 0, cut);
            assert_false(compact_take_number(&rest, &value));
        }
    }
}

static void too_large(void **state)
{
    (void)state;
    uint64_t value;
    struct bytes rest = BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02");
    assert_false(compact_take_number(&rest, &value));
    rest = BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    assert_false(compact_take_number(&rest, &value));
}

static void strings(void **state)
{
    (void)state;
    AUTO(buffer)
    out = BUFFER(100);
    struct bytes string;
    compact_put_string(&out, (struct bytes){NULL, 0});
    compact_put_string(&out, BYTES(""));
    compact_put_string(&out, BYTES("abc"));
    struct bytes rest = buffer_bytes(&out);
    assert_true(compact_take_string(&rest, &string));
    assert_null(string.data);
    assert_true(compact_take_string(&rest, &string));
    assert_non_null(string.data);
    assert_int_equal(string.length, 0);
    struct bytes last = rest;
    assert_true(compact_take_string(&rest, &string));
    assert_bytes(string, "abc");
    assert_false(compact_take_string(&rest, &string));
    last.length--;
    assert_false(compact_take_string(&last, &string));
    rest = BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
    assert_false(compact_take_string(&rest, &string));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),
        cmocka_unit_test(too_large),
        cmocka_unit_test(strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
