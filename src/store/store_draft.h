/* A message on its way in: in memory first, then in a temporary file that has no name. Used by one
 * thread at a time. */
#ifndef STORE_STORE_DRAFT_H
#define STORE_STORE_DRAFT_H

#include <stdint.h>

#include "base/bytes.h"
#include "store/store.h"

enum {
    STORE_DRAFT_MEMORY_MAX = 256 * 1024,        /* bytes of one draft in memory */
    STORE_DRAFT_MEMORY_LEAST = 8 * 1024,        /* the same while the memory of all is used up */
    STORE_DRAFTS_MEMORY_MAX = 64 * 1024 * 1024, /* bytes of all drafts of a store in memory */
    STORE_DRAFT_NOTES_LEAST = 64 * 1024,        /* of notes that a draft may have in any case */
    STORE_DRAFTS_NOTES_MAX = 64 * 1024 * 1024   /* bytes of the notes about all drafts of a store */
};

struct store_draft;

/* NULL: fault. */
struct store_draft *store_draft_new(struct store *store, struct fault *fault);
void store_draft_free(struct store_draft *draft); /* accepts NULL */

/* Appends to the memory of the draft; never touches a disk. After it store_draft_is_full says
   whether the memory must be written out before the next append. Takes any piece up to 64 KiB. */
bool store_draft_append(struct store_draft *draft, struct bytes piece, struct fault *fault);
bool store_draft_is_full(const struct store_draft *draft);

/* How many bytes of notes, such as what its headers say, its owner now keeps in memory about it.
   FAULT_TEMPORARY: all drafts together have too many of them, and this one more than a few. */
bool store_draft_note(struct store_draft *draft, size_t size, struct fault *fault);

/* Writes the memory out to the file: for workers. FAULT_TEMPORARY: the disk is full. */
bool store_draft_spill(struct store_draft *draft, struct fault *fault);

/* Header fields to stand in front of all that was appended (CRLF ends included). Once. */
bool store_draft_put_front(struct store_draft *draft, struct bytes fields, struct fault *fault);

/* Bytes in all, the front included. */
uint64_t store_draft_size(const struct store_draft *draft);

/* Copies up to `size` bytes from `offset` on into memory; *count is fewer only at the end. */
bool store_draft_read(const struct store_draft *draft, uint64_t offset, char *memory, size_t size,
                      size_t *count, struct fault *fault);

#endif
