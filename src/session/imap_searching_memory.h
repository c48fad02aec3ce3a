/* What was made for SORT and THREAD and is kept for the next who ask: columns of mailboxes, shared
 * by all sessions. A message never changes and its UID is never used again, so nothing of it can
 * become wrong: what is new is read and joined, what is gone is not asked for. Bounded in bytes;
 * what was not used for the longest time goes first. From any thread, for a moment only. */
#ifndef SESSION_IMAP_SEARCHING_MEMORY_H
#define SESSION_IMAP_SEARCHING_MEMORY_H

#include "imap/imap_column.h"

enum {
    IMAP_SEARCHING_MEMORY_MAX = 256 * 1024 * 1024 /* bytes of all columns that are kept */
};

struct imap_searching_memory;

/* NULL: out of memory. */
struct imap_searching_memory *imap_searching_memory_new(size_t limit, struct fault *fault);
/* When nothing of it is held any more. Accepts NULL. */
void imap_searching_memory_free(struct imap_searching_memory *memory);

/* A column that somebody holds; it stays as it is until it is given back. */
struct imap_searching_memory_column {
    struct imap_column *column;
    struct imap_searching_memory_entry *entry;
};

/* False: there is none. */
bool imap_searching_memory_take(struct imap_searching_memory *memory, int64_t mailbox, unsigned key,
                                struct imap_searching_memory_column *held);
/* Keeps held->column, filled by the caller, in place of what was kept so far; it becomes the
   memory's and is held as if it had been taken. One that is larger than the limit is kept only as
   long as it is held. False: out of memory, it is still the caller's. */
bool imap_searching_memory_put(struct imap_searching_memory *memory, int64_t mailbox, unsigned key,
                               struct imap_searching_memory_column *held);
/* Accepts one that is zero; it is zero then. */
void imap_searching_memory_give_back(struct imap_searching_memory *memory,
                                     struct imap_searching_memory_column *held);

/* Bytes of what is kept, and how many columns that are. */
size_t imap_searching_memory_size(struct imap_searching_memory *memory, size_t *count);

#endif
