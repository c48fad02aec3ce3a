/* A ring: such mailboxes are few, and looking at all is cheaper than a reading of the store. */
#include "session/smtp_session_tight.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct entry {
    int64_t mailbox;
    int64_t until;
};

struct smtp_session_tight {
    pthread_mutex_t lock; /* of all but count */
    atomic_size_t count;  /* how many were ever added, SMTP_SESSION_TIGHT_MAX at most: 0 = none */
    size_t next;
    struct entry entries[SMTP_SESSION_TIGHT_MAX];
};

struct smtp_session_tight *smtp_session_tight_new(struct fault *fault)
{
    struct smtp_session_tight *tight = calloc(1, sizeof(*tight));
    if (tight == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    pthread_mutex_init(&tight->lock, NULL);
    return tight;
}

void smtp_session_tight_free(struct smtp_session_tight *tight)
{
    if (tight == NULL)
        return;
    pthread_mutex_destroy(&tight->lock);
    free(tight);
}

static struct entry *find(struct smtp_session_tight *tight, int64_t mailbox)
{
    size_t count = atomic_load(&tight->count);
    for (size_t i = 0; i < count; i++)
        if (tight->entries[i].mailbox == mailbox)
            return &tight->entries[i];
    return NULL;
}

void smtp_session_tight_add(struct smtp_session_tight *tight, int64_t mailbox, int64_t now)
{
    pthread_mutex_lock(&tight->lock);
    struct entry *entry = find(tight, mailbox);
    if (entry == NULL) {
        entry = &tight->entries[tight->next];
        tight->next = (tight->next + 1) % SMTP_SESSION_TIGHT_MAX;
        if (atomic_load(&tight->count) < SMTP_SESSION_TIGHT_MAX)
            atomic_fetch_add(&tight->count, 1);
    }
    *entry = (struct entry){mailbox, now + SMTP_SESSION_TIGHT_TIME};
    pthread_mutex_unlock(&tight->lock);
}

bool smtp_session_tight_has(struct smtp_session_tight *tight, int64_t mailbox, int64_t now)
{
    if (atomic_load(&tight->count) == 0)
        return false;
    pthread_mutex_lock(&tight->lock);
    const struct entry *entry = find(tight, mailbox);
    bool is_there = entry != NULL && entry->until > now;
    pthread_mutex_unlock(&tight->lock);
    return is_there;
}
