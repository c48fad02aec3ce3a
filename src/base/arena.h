/* Memory that is given out in small pieces and taken back all at once: one arena per connection,
   one per command. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/auto.h"
#include "base/bytes.h"

struct arena_block;

/* Initialise, then leave the members alone. */
struct arena {
    struct arena_block *blocks; /* the newest first */
    size_t used;                /* given out, rounding included */
    size_t limit;
    bool is_secret;
};

/* An arena at its declaration; the secret one wipes every piece that it takes back. */
#define ARENA(most)        ((struct arena){.limit = (most)})
#define SECRET_ARENA(most) ((struct arena){.limit = (most), .is_secret = true})

/* `limit` is how many bytes may be given out before the next reset. */
void arena_init(struct arena *arena, size_t limit);

/* Gives all memory back to the system. Accepts NULL. */
void arena_clear(struct arena *arena);

/* Takes every piece back but keeps a block for the next use. */
void arena_reset(struct arena *arena);

/* A piece of zeroed memory, aligned for any type, valid until reset or clear; NULL over the limit
   or out of memory. A size of 0 gives a pointer that may not be read. */
void *arena_allocate(struct arena *arena, size_t size);

/* The same for `count` elements of `size` bytes; a product that overflows is over the limit. */
void *arena_allocate_array(struct arena *arena, size_t count, size_t size);

/* A copy with a NUL behind it; NULL as above. */
char *arena_copy_string(struct arena *arena, struct bytes bytes);

#endif
