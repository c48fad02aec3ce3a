/* Arenas: alignment, limit, reuse. */
#include "base/arena.h"

#include <stdalign.h>

#include "failing_allocation.h"
#include "unit.h"

static void pieces_are_zeroed_aligned_and_apart(void **state)
{
    (void)state;
    AUTO(arena)
    arena = ARENA(1 << 20);
    unsigned char *pieces[300];
    for (size_t i = 0; i < 300; i++) {
        pieces[i] = arena_allocate(&arena, i);
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        for (size_t j = 0; j < i; j++)
            assert_int_equal(pieces[i][j], 0);
        memset(pieces[i], (int)(i & 0xFF), i);
    }
    for (size_t i = 0; i < 300; i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_equal(pieces[i][j], i & 0xFF);
    }
    void *large = arena_allocate(&arena, 500000);
    assert_non_null(large);
    memset(large, 1, 500000);
}

static void the_limit(void **state)
{
    (void)state;
    AUTO(arena)
    arena = ARENA(160);
    assert_non_null(arena_allocate(&arena, 160));
    assert_null(arena_allocate(&arena, 1));
    arena_reset(&arena);
    assert_null(arena_allocate(&arena, 161));
    assert_null(arena_allocate(&arena, SIZE_MAX));
    assert_null(arena_allocate(&arena, SIZE_MAX - 100));
    assert_null(arena_allocate_array(&arena, SIZE_MAX / 2, 3));
    assert_non_null(arena_allocate_array(&arena, 20, 8));
}

static void used_again_it_is_zeroed_again(void **state)
{
    (void)state;
    AUTO(arena)
    arena = ARENA(1 << 20);
    for (int round = 0; round < 3; round++) {
        unsigned char *piece = arena_allocate(&arena, 1000);
        for (size_t i = 0; i < 1000; i++)
            assert_int_equal(piece[i], 0);
        memset(piece, 0xFF, 1000);
        memset(arena_allocate(&arena, 10000), 0xFF, 10000);
        arena_reset(&arena);
        assert_int_equal(arena.used, 0);
    }
}

static void strings(void **state)
{
    (void)state;
    AUTO(arena)
    arena = ARENA(1000);
    assert_string_equal(arena_copy_string(&arena, BYTES("a b")), "a b");
    assert_string_equal(arena_copy_string(&arena, bytes_of(NULL, 0)), "");
    assert_null(arena_copy_string(&arena, bytes_of("x", SIZE_MAX)));
}

static void a_secret_one_wipes(void **state)
{
    (void)state;
    AUTO(arena)
    arena = SECRET_ARENA(1000);
    char *password = arena_copy_string(&arena, BYTES("swordfish"));
    assert_string_equal(password, "swordfish");
    arena_reset(&arena); /* keeps the block */
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(password[i], 0);
    arena_clear(&arena);
    assert_true(arena.is_secret);
}

static void no_memory(void **state)
{
    (void)state;
    arena_clear(NULL);
    struct arena arena;
    arena_init(&arena, 1 << 20);
    failing_allocation_start(1);
    assert_non_null(arena_allocate(&arena, 10));
    assert_null(arena_allocate(&arena, 100000));
    assert_true(failing_allocation_stop());
    assert_non_null(arena_allocate(&arena, 10));
    arena_clear(&arena);
    assert_non_null(arena_allocate(&arena, 10));
    arena_clear(&arena);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(pieces_are_zeroed_aligned_and_apart),
    cmocka_unit_test(the_limit),
    cmocka_unit_test(used_again_it_is_zeroed_again),
    cmocka_unit_test(strings),
    cmocka_unit_test(a_secret_one_wipes),
    cmocka_unit_test(no_memory),
};

UNIT_MAIN(tests)
