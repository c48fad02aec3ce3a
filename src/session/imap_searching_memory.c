/* A table and a list under a mutex. */
#include "session/imap_searching_memory.h"

#include <pthread.h>
#include <stdlib.h>

/* Out of memory while an entry goes in is told, not the end of the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

struct name {
    int64_t mailbox;
    int64_t key;
};

struct imap_searching_memory_entry {
    struct name name;
    struct imap_column *column;
    unsigned holders;
    bool is_kept; /* in the table and in the list */
    UT_hash_handle hh;
    struct imap_searching_memory_entry *prev;
    struct imap_searching_memory_entry *next;
};

struct imap_searching_memory {
    pthread_mutex_t mutex;
    size_t limit;
    size_t size;
    struct imap_searching_memory_entry *table;
    struct imap_searching_memory_entry *list; /* what was used last is last */
};

struct imap_searching_memory *imap_searching_memory_new(size_t limit, struct fault *fault)
{
    struct imap_searching_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    memory->limit = limit;
    pthread_mutex_init(&memory->mutex, NULL);
    return memory;
}

static size_t size_of(const struct imap_searching_memory_entry *entry)
{
    return sizeof *entry + entry->column->size;
}

static void free_if_unused(struct imap_searching_memory_entry *entry)
{
    if (entry->is_kept || entry->holders > 0)
        return;
    imap_column_free(entry->column);
    free(entry);
}

static void forget(struct imap_searching_memory *memory, struct imap_searching_memory_entry *entry)
{
    HASH_DEL(memory->table, entry);
    DL_DELETE(memory->list, entry);
    memory->size -= size_of(entry);
    entry->is_kept = false;
    free_if_unused(entry);
}

static void keep(struct imap_searching_memory *memory, struct imap_searching_memory_entry *entry)
{
    HASH_ADD(hh, memory->table, name, sizeof entry->name, entry);
    /* uthash leaves the table out of an entry that it could not add. */
    entry->is_kept = entry->hh.tbl != NULL;
    if (!entry->is_kept)
        return;
    DL_APPEND(memory->list, entry);
    memory->size += size_of(entry);
}

void imap_searching_memory_free(struct imap_searching_memory *memory)
{
    if (memory == NULL)
        return;
    while (memory->list != NULL) {
        assert(memory->list->holders == 0);
        forget(memory, memory->list);
    }
    pthread_mutex_destroy(&memory->mutex);
    free(memory);
}

static struct imap_searching_memory_entry *find(struct imap_searching_memory *memory,
                                                int64_t mailbox, unsigned key)
{
    struct name name = {mailbox, key};
    struct imap_searching_memory_entry *entry = NULL;
    HASH_FIND(hh, memory->table, &name, sizeof name, entry);
    return entry;
}

bool imap_searching_memory_take(struct imap_searching_memory *memory, int64_t mailbox, unsigned key,
                                struct imap_searching_memory_column *held)
{
    pthread_mutex_lock(&memory->mutex);
    struct imap_searching_memory_entry *entry = find(memory, mailbox, key);
    if (entry != NULL) {
        entry->holders++;
        DL_DELETE(memory->list, entry);
        DL_APPEND(memory->list, entry);
        *held = (struct imap_searching_memory_column){entry->column, entry};
    }
    pthread_mutex_unlock(&memory->mutex);
    return entry != NULL;
}

bool imap_searching_memory_put(struct imap_searching_memory *memory, int64_t mailbox, unsigned key,
                               struct imap_searching_memory_column *held)
{
    struct imap_searching_memory_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return false;
    entry->name = (struct name){mailbox, key};
    entry->column = held->column;
    entry->holders = 1;
    held->entry = entry;
    pthread_mutex_lock(&memory->mutex);
    struct imap_searching_memory_entry *before = find(memory, mailbox, key);
    if (before != NULL)
        forget(memory, before);
    if (size_of(entry) <= memory->limit) {
        while (memory->size > memory->limit - size_of(entry))
            forget(memory, memory->list);
        keep(memory, entry);
    }
    pthread_mutex_unlock(&memory->mutex);
    return true;
}

void imap_searching_memory_give_back(struct imap_searching_memory *memory,
                                     struct imap_searching_memory_column *held)
{
    if (held->entry != NULL) {
        pthread_mutex_lock(&memory->mutex);
        held->entry->holders--;
        free_if_unused(held->entry);
        pthread_mutex_unlock(&memory->mutex);
    }
    *held = (struct imap_searching_memory_column){0};
}

size_t imap_searching_memory_size(struct imap_searching_memory *memory, size_t *count)
{
    pthread_mutex_lock(&memory->mutex);
    size_t size = memory->size;
    *count = HASH_COUNT(memory->table);
    pthread_mutex_unlock(&memory->mutex);
    return size;
}
