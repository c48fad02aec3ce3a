/* One server a store. */
#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/store_lock.h"

static void the_second_is_told_who_has_it(void **state)
{
    char folder[] = "/tmp/posthorn-lock-XXXXXX";
    char place[64], path[72], process[32];
    struct fault fault;
    int first, second;
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(place, sizeof(place), "%s/store.db", folder);
    snprintf(path, sizeof(path), "%s.lock", place);
    snprintf(process, sizeof(process), "(process %ld)", (long)getpid());
    assert_true(store_lock_take(place, &first, &fault));
    assert_true(first >= 0);
    assert_false(store_lock_take(place, &second, &fault));
    assert_int_equal(second, -1);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_int_equal(fault.system_error, EWOULDBLOCK);
    assert_non_null(strstr(fault.message, process));
    assert_non_null(strstr(fault.message, place));
    /* However the first one ends, the next has it, over what the first one left. */
    close(first);
    assert_true(store_lock_take(place, &second, &fault));
    close(second);
    unlink(path);
    rmdir(folder);
}

static void a_store_that_is_no_file_has_none(void **state)
{
    struct fault fault;
    int lock = 7;
    (void)state;
    assert_true(store_lock_take(":memory:", &lock, &fault));
    assert_int_equal(lock, -1);
    assert_true(store_lock_take("postgresql://host/mail", &lock, &fault));
    assert_int_equal(lock, -1);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    struct fault fault;
    int lock;
    (void)state;
    assert_false(store_lock_take("/no/such/folder/store.db", &lock, &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    assert_non_null(strstr(fault.message, "/no/such/folder/store.db.lock"));
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(the_second_is_told_who_has_it),
    cmocka_unit_test(a_store_that_is_no_file_has_none),
    cmocka_unit_test(a_folder_that_is_not_there_is_told),
};

UNIT_MAIN(tests)
