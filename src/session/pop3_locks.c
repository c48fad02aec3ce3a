/* A set of mailbox ids under a mutex. */
#include "session/pop3_locks.h"

#include <pthread.h>
#include <stdlib.h>

/* Out of memory while an entry goes in is told, not the end of the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

struct lock {
    int64_t mailbox;
    UT_hash_handle hh;
};

struct pop3_locks {
    pthread_mutex_t mutex;
    struct lock *set;
};

struct pop3_locks *pop3_locks_new(struct fault *fault)
{
    struct pop3_locks *locks = calloc(1, sizeof *locks);
    if (locks == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    pthread_mutex_init(&locks->mutex, NULL);
    return locks;
}

void pop3_locks_free(struct pop3_locks *locks)
{
    if (locks == NULL)
        return;
    struct lock *lock;
    struct lock *next;
    HASH_ITER(hh, locks->set, lock, next)
    {
        HASH_DEL(locks->set, lock);
        free(lock);
    }
    pthread_mutex_destroy(&locks->mutex);
    free(locks);
}

static enum pop3_locks_outcome take(struct pop3_locks *locks, int64_t mailbox)
{
    struct lock *lock = NULL;
    HASH_FIND(hh, locks->set, &mailbox, sizeof mailbox, lock);
    if (lock != NULL)
        return POP3_LOCKS_IN_USE;
    lock = calloc(1, sizeof *lock);
    if (lock == NULL)
        return POP3_LOCKS_NO_MEMORY;
    lock->mailbox = mailbox;
    HASH_ADD(hh, locks->set, mailbox, sizeof lock->mailbox, lock);
    /* uthash leaves the table out of an entry that it could not add. */
    if (lock->hh.tbl == NULL) {
        free(lock);
        return POP3_LOCKS_NO_MEMORY;
    }
    return POP3_LOCKS_TAKEN;
}

enum pop3_locks_outcome pop3_locks_take(struct pop3_locks *locks, int64_t mailbox)
{
    pthread_mutex_lock(&locks->mutex);
    enum pop3_locks_outcome outcome = take(locks, mailbox);
    pthread_mutex_unlock(&locks->mutex);
    return outcome;
}

void pop3_locks_give(struct pop3_locks *locks, int64_t mailbox)
{
    struct lock *lock = NULL;
    pthread_mutex_lock(&locks->mutex);
    HASH_FIND(hh, locks->set, &mailbox, sizeof mailbox, lock);
    if (lock != NULL)
        HASH_DEL(locks->set, lock);
    pthread_mutex_unlock(&locks->mutex);
    free(lock);
}
