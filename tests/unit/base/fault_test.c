/* Faults and their messages. */
#include "base/fault.h"

#include <errno.h>
#include <string.h>

#include "unit.h"

static void setting(void **state)
{
    (void)state;
    struct fault fault = {0};
    assert_false(fault_set(&fault, FAULT_LIMIT, "line of %d bytes", 1001));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_int_equal(fault.system_error, 0);
    assert_string_equal(fault.message, "line of 1001 bytes");
    assert_false(fault_set(NULL, FAULT_BUG, "nobody asks"));
    fault_clear(&fault);
    assert_int_equal(fault.kind, FAULT_NONE);
    assert_string_equal(fault.message, "");
}

static void with_the_text_of_the_system(void **state)
{
    (void)state;
    struct fault fault = {0};
    assert_false(fault_set_system(&fault, FAULT_TEMPORARY, ENOENT, "cannot open %s", "x"));
    assert_int_equal(fault.system_error, ENOENT);
    assert_string_equal(fault.message, "cannot open x: No such file or directory");
    assert_false(fault_set_system(NULL, FAULT_BUG, EIO, "nobody asks"));
    assert_false(fault_set_memory(&fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_int_equal(fault.system_error, ENOMEM);
    assert_false(fault_set_memory(NULL));
}

static void a_message_may_quote_itself(void **state)
{
    (void)state;
    struct fault fault = {0};
    fault_set(&fault, FAULT_SYNTAX, "no colon");
    fault_set(&fault, FAULT_PERMANENT, "line 3: %s", fault.message);
    assert_string_equal(fault.message, "line 3: no colon");
}

static void a_long_message_is_cut(void **state)
{
    (void)state;
    struct fault fault = {0};
    fault_set(&fault, FAULT_BUG, "%0300d", 7);
    assert_int_equal(strlen(fault.message), FAULT_MESSAGE_SIZE - 1);
    fault_set_system(&fault, FAULT_BUG, EIO, "%0300d", 7);
    assert_int_equal(strlen(fault.message), FAULT_MESSAGE_SIZE - 1);
}

static void kinds_have_names(void **state)
{
    (void)state;
    assert_string_equal(fault_kind_name(FAULT_NONE), "none");
    assert_string_equal(fault_kind_name(FAULT_TEMPORARY), "temporary");
    assert_string_equal(fault_kind_name(FAULT_PERMANENT), "permanent");
    assert_string_equal(fault_kind_name(FAULT_DENIED), "denied");
    assert_string_equal(fault_kind_name(FAULT_SYNTAX), "syntax");
    assert_string_equal(fault_kind_name(FAULT_LIMIT), "limit");
    assert_string_equal(fault_kind_name(FAULT_BUG), "bug");
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(setting),
    cmocka_unit_test(with_the_text_of_the_system),
    cmocka_unit_test(a_message_may_quote_itself),
    cmocka_unit_test(a_long_message_is_cut),
    cmocka_unit_test(kinds_have_names),
};

UNIT_MAIN(tests)
