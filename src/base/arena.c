/* Blocks in a chain; the newest one gives. */
#include "base/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"

/* What a block holds unless a larger piece is asked for: a page with the allocator's own part. */
enum {
    BLOCK_SIZE = 4000
};

struct arena_block {
    struct arena_block *older;
    size_t size;
    size_t used;
    alignas(max_align_t) char memory[];
};

void arena_init(struct arena *arena, size_t limit)
{
    *arena = ARENA(limit);
}

static void wipe_block(const struct arena *arena, struct arena_block *block)
{
    if (arena->is_secret)
        secret_wipe(block->memory, block->used);
}

static void free_blocks(const struct arena *arena, struct arena_block *block)
{
    while (block != NULL) {
        struct arena_block *older = block->older;
        wipe_block(arena, block);
        free(block);
        block = older;
    }
}

void arena_clear(struct arena *arena)
{
    if (arena == NULL)
        return;
    free_blocks(arena, arena->blocks);
    *arena = (struct arena){.limit = arena->limit, .is_secret = arena->is_secret};
}

void arena_reset(struct arena *arena)
{
    arena->used = 0;
    struct arena_block *newest = arena->blocks;
    if (newest == NULL)
        return;
    free_blocks(arena, newest->older);
    wipe_block(arena, newest);
    newest->older = NULL;
    newest->used = 0;
    /* A block made for one large piece is not worth keeping. */
    if (newest->size > BLOCK_SIZE) {
        free(newest);
        arena->blocks = NULL;
    }
}

static bool add_block(struct arena *arena, size_t size)
{
    if (size < BLOCK_SIZE)
        size = BLOCK_SIZE;
    struct arena_block *block = malloc(sizeof *block + size);
    if (block == NULL)
        return false;
    block->older = arena->blocks;
    block->size = size;
    block->used = 0;
    arena->blocks = block;
    return true;
}

void *arena_allocate(struct arena *arena, size_t size)
{
    const size_t grain = alignof(max_align_t);
    if (size > SIZE_MAX - sizeof(struct arena_block) - grain)
        return NULL;
    size_t rounded = (size + grain - 1) / grain * grain;
    if (rounded == 0)
        rounded = grain;
    if (rounded > arena->limit - arena->used)
        return NULL;
    struct arena_block *block = arena->blocks;
    if ((block == NULL || rounded > block->size - block->used) && !add_block(arena, rounded))
        return NULL;
    block = arena->blocks;
    void *piece = block->memory + block->used;
    block->used += rounded;
    arena->used += rounded;
    return memset(piece, 0, rounded);
}

void *arena_allocate_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total))
        return NULL;
    return arena_allocate(arena, total);
}

char *arena_copy_string(struct arena *arena, struct bytes bytes)
{
    if (bytes.length == SIZE_MAX)
        return NULL;
    char *copy = arena_allocate(arena, bytes.length + 1);
    if (copy != NULL && bytes.length > 0)
        memcpy(copy, bytes.data, bytes.length);
    return copy;
}
