/* Drafts in memory and on disk. */
#include "store_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failing_allocation.h"

enum {
    PIECE = 64 * 1024,
    ALLOCATIONS_MAX = 50
};

/* Whether the file system knows files without a name; 0 = it does. */
static int nameless_error;
static int nameless_refused;

/* Stands before that of the C library. */
int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    unsigned mode = (flags & (O_CREAT | __O_TMPFILE)) != 0 ? va_arg(arguments, unsigned) : 0;
    va_end(arguments);
    if (nameless_error != 0 && (flags & O_TMPFILE) == O_TMPFILE) {
        nameless_refused++;
        errno = nameless_error;
        return -1;
    }
    return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static int set_up(void **state)
{
    struct fault fault = {0};
    struct store_options options = {.place = ":memory:"};
    *state = store_open(&options, &fault);
    if (*state == NULL)
        fail_msg("%s", fault.message);
    return 0;
}

static int tear_down(void **state)
{
    store_close(*state);
    return 0;
}

static struct store_draft *make(struct store *store)
{
    struct fault fault = {0};
    struct store_draft *draft = store_draft_new(store, &fault);
    assert_non_null(draft);
    return draft;
}

static void append(struct store_draft *draft, struct bytes piece)
{
    struct fault fault = {0};
    if (!store_draft_append(draft, piece, &fault))
        fail_msg("%s", fault.message);
}

static void assert_read(const struct store_draft *draft, uint64_t offset, size_t size,
                        const char *expected)
{
    struct fault fault = {0};
    char memory[64];
    size_t count;
    assert_true(size <= sizeof(memory));
    assert_true(store_draft_read(draft, offset, memory, size, &count, &fault));
    assert_int_equal(count, strlen(expected));
    assert_memory_equal(memory, expected, count);
}

static void front_file_and_memory_are_one(void **state)
{
    struct fault fault = {0};
    struct store_draft *draft = make(*state);
    append(draft, BYTES("file1"));
    assert_true(store_draft_spill(draft, &fault));
    append(draft, BYTES("file2"));
    assert_true(store_draft_spill(draft, &fault));
    append(draft, BYTES("memory"));
    assert_int_equal(store_draft_size(draft), 16);
    assert_true(store_draft_put_front(draft, BYTES("front"), &fault));
    assert_int_equal(store_draft_size(draft), 21);
    assert_read(draft, 0, 64, "frontfile1file2memory");
    assert_read(draft, 0, 5, "front");
    assert_read(draft, 3, 4, "ntfi");
    assert_read(draft, 5, 10, "file1file2");
    assert_read(draft, 14, 3, "2me");
    assert_read(draft, 20, 9, "y");
    assert_read(draft, 21, 9, "");
    assert_read(draft, 99, 9, "");
    assert_read(draft, 2, 0, "");
    store_draft_free(draft);
}

static void memory_of_one_draft_is_bounded(void **state)
{
    static char piece[PIECE];
    struct fault fault = {0};
    struct store_draft *draft = make(*state);
    for (int i = 0; i < 3; i++) {
        assert_false(store_draft_is_full(draft));
        append(draft, bytes_of(piece, PIECE));
    }
    append(draft, bytes_of(piece, 1));
    assert_true(store_draft_is_full(draft));
    assert_true(store_draft_spill(draft, &fault));
    assert_false(store_draft_is_full(draft));
    assert_int_equal(store_draft_size(draft), 3 * PIECE + 1);
    store_draft_free(draft);
}

static void memory_of_all_drafts_is_bounded(void **state)
{
    static char piece[PIECE];
    enum {
        COUNT = STORE_DRAFTS_MEMORY_MAX / PIECE
    };
    static struct store_draft *drafts[COUNT];
    struct fault fault = {0};
    struct store_draft *last = make(*state);
    append(last, bytes_of(piece, STORE_DRAFT_MEMORY_LEAST));
    assert_false(store_draft_is_full(last));
    for (int i = 0; i < COUNT; i++) {
        drafts[i] = make(*state);
        append(drafts[i], bytes_of(piece, PIECE));
    }
    assert_true(store_draft_is_full(last));
    assert_true(store_draft_is_full(drafts[0]));
    /* A little is always allowed, so that small messages never touch the disk. */
    struct store_draft *small = make(*state);
    append(small, bytes_of(piece, STORE_DRAFT_MEMORY_LEAST - 1));
    assert_false(store_draft_is_full(small));
    store_draft_free(small);
    assert_true(store_draft_spill(drafts[0], &fault));
    assert_true(store_draft_spill(drafts[1], &fault));
    assert_false(store_draft_is_full(last));
    for (int i = 0; i < COUNT; i++)
        store_draft_free(drafts[i]);
    store_draft_free(last);
}

static void no_place_for_a_draft_is_a_temporary_fault(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct store_options options = {.place = ":memory:", .draft_directory = "/nowhere/at/all"};
    struct store *store = store_open(&options, &fault);
    assert_non_null(store);
    struct store_draft *draft = make(store);
    append(draft, BYTES("x"));
    assert_false(store_draft_spill(draft, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    /* Nothing was lost by it. */
    assert_read(draft, 0, 9, "x");
    store_draft_free(draft);
    store_close(store);
}

static int count_files(const char *path)
{
    int count = 0;
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void a_file_system_without_nameless_files_will_do(void **state)
{
    (void)state;
    static const int errors[] = {EOPNOTSUPP, EISDIR, EINVAL};
    char directory[] = "/tmp/posthorn-drafts-XXXXXX";
    struct fault fault = {0};
    assert_non_null(mkdtemp(directory));
    struct store_options options = {.place = ":memory:", .draft_directory = directory};
    struct store *store = store_open(&options, &fault);
    assert_non_null(store);
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        struct store_draft *draft = make(store);
        append(draft, BYTES("hello"));
        nameless_refused = 0;
        nameless_error = errors[i];
        bool is_written = store_draft_spill(draft, &fault);
        nameless_error = 0;
        assert_true(is_written);
        assert_int_equal(nameless_refused, 1);
        /* "." and ".." only. */
        assert_int_equal(count_files(directory), 2);
        assert_read(draft, 0, 9, "hello");
        store_draft_free(draft);
    }
    /* Another error is one. */
    struct store_draft *draft = make(store);
    append(draft, BYTES("hello"));
    nameless_error = ENOSPC;
    bool is_written = store_draft_spill(draft, &fault);
    nameless_error = 0;
    assert_false(is_written);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    assert_int_equal(fault.system_error, ENOSPC);
    store_draft_free(draft);
    store_close(store);
    assert_int_equal(rmdir(directory), 0);
}

static void a_full_disk_is_a_temporary_fault(void **state)
{
    struct fault fault = {0};
    struct rlimit limit;
    struct store_draft *draft = make(*state);
    append(draft, BYTES("hello"));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    struct rlimit low = {.rlim_cur = 2, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    bool is_written = store_draft_spill(draft, &fault);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_false(is_written);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    /* A part was written; nothing is there twice when it is tried again. */
    assert_true(store_draft_spill(draft, &fault));
    assert_read(draft, 0, 9, "hello");
    store_draft_free(draft);
}

static void every_allocation_may_fail(void **state)
{
    static char piece[PIECE];
    bool has_refused = true;
    for (size_t i = 0; has_refused && i < ALLOCATIONS_MAX; i++) {
        struct fault fault = {0};
        failing_allocation_start(i);
        struct store_draft *draft = store_draft_new(*state, &fault);
        bool is_good = draft != NULL && store_draft_append(draft, BYTES("x"), &fault) &&
                       store_draft_append(draft, bytes_of(piece, PIECE), &fault) &&
                       store_draft_put_front(draft, BYTES("y"), &fault);
        has_refused = failing_allocation_stop();
        assert_true(is_good != has_refused);
        assert_true(is_good || fault.kind == FAULT_TEMPORARY);
        if (draft != NULL) {
            /* What could not be appended may be appended again. */
            uint64_t size = store_draft_size(draft);
            append(draft, BYTES("z"));
            assert_int_equal(store_draft_size(draft), size + 1);
        }
        store_draft_free(draft);
    }
    assert_false(has_refused);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    WITH_STORE(front_file_and_memory_are_one),
    WITH_STORE(memory_of_one_draft_is_bounded),
    WITH_STORE(memory_of_all_drafts_is_bounded),
    cmocka_unit_test(no_place_for_a_draft_is_a_temporary_fault),
    cmocka_unit_test(a_file_system_without_nameless_files_will_do),
    WITH_STORE(a_full_disk_is_a_temporary_fault),
    WITH_STORE(every_allocation_may_fail),
};

UNIT_MAIN(tests)
