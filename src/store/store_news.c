/* Who looks at which mailbox, and telling them. */
#include "store/store_news.h"

#include <pthread.h>
#include <stdlib.h>

/* Out of memory is a fault to tell, not the end of the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "store/store_inside.h"
#include "store/store_news_inside.h"
#include "store/store_notice.h"

/* A mailbox that somebody looks at. */
struct watched {
    int64_t mailbox;
    uint32_t recent; /* UIDs below it were told as \Recent to somebody here */
    struct store_watch *first;
    unsigned count; /* of them */
    UT_hash_handle hh;
};

struct store_newsroom {
    pthread_mutex_t mutex; /* also held while somebody hears */
    struct watched *mailboxes;
    _Atomic size_t count;        /* of watches: when there is none, publishing is a look at this */
    struct store_notice *notice; /* begun when it is first needed; by the mutex */
};

struct store_newsroom *store_news_room_new(struct fault *fault)
{
    struct store_newsroom *room = calloc(1, sizeof(*room));
    if (room == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    pthread_mutex_init(&room->mutex, NULL);
    return room;
}

void store_news_room_free(struct store_newsroom *room)
{
    if (room == NULL)
        return;
    assert(room->mailboxes == NULL);
    pthread_mutex_destroy(&room->mutex);
    free(room);
}

/* ---- watches ---- */

static struct watched *find_or_add(struct store_newsroom *room, int64_t mailbox)
{
    struct watched *watched;
    HASH_FIND(hh, room->mailboxes, &mailbox, sizeof(mailbox), watched);
    if (watched != NULL)
        return watched;
    watched = calloc(1, sizeof(*watched));
    if (watched == NULL)
        return NULL;
    watched->mailbox = mailbox;
    HASH_ADD(hh, room->mailboxes, mailbox, sizeof(watched->mailbox), watched);
    if (watched->hh.tbl != NULL)
        return watched;
    free(watched);
    return NULL;
}

/* What goes beyond this process needs a thread, which programs that neither watch nor change
   anything do without. */
static struct store_notice *find_notice(struct store *store, struct fault *fault)
{
    struct store_newsroom *room = store->news;
    pthread_mutex_lock(&room->mutex);
    if (room->notice == NULL)
        room->notice = store_notice_start(store, fault);
    struct store_notice *notice = room->notice;
    pthread_mutex_unlock(&room->mutex);
    return notice;
}

bool store_news_watch_begin(struct store *store, struct store_watch *watch, struct fault *fault)
{
    struct store_newsroom *room = store->news;
    if (find_notice(store, fault) == NULL)
        return false;
    watch->modseq = 0;
    watch->before = NULL;
    pthread_mutex_lock(&room->mutex);
    struct watched *watched = find_or_add(room, watch->mailbox);
    bool is_full = watched != NULL && watch->most != 0 && watched->count >= watch->most;
    if (watched != NULL && !is_full) {
        watched->count++;
        watch->next = watched->first;
        if (watch->next != NULL)
            watch->next->before = watch;
        watched->first = watch;
        atomic_fetch_add(&room->count, 1);
    }
    pthread_mutex_unlock(&room->mutex);
    if (is_full)
        return fault_set(fault, FAULT_LIMIT, "there are %u already", watch->most);
    return watched != NULL || fault_set_memory(fault);
}

void store_news_watch_end(struct store *store, struct store_watch *watch)
{
    struct store_newsroom *room = store->news;
    struct watched *watched;
    pthread_mutex_lock(&room->mutex);
    HASH_FIND(hh, room->mailboxes, &watch->mailbox, sizeof(watch->mailbox), watched);
    assert(watched != NULL);
    if (watch->next != NULL)
        watch->next->before = watch->before;
    if (watch->before != NULL)
        watch->before->next = watch->next;
    else
        watched->first = watch->next;
    watched->count--;
    if (watched->first == NULL) {
        HASH_DEL(room->mailboxes, watched);
        free(watched);
    }
    atomic_fetch_sub(&room->count, 1);
    pthread_mutex_unlock(&room->mutex);
}

uint32_t store_news_recent(struct store *store, int64_t mailbox, uint32_t from, uint32_t behind,
                           bool is_told)
{
    struct store_newsroom *room = store->news;
    struct watched *watched;
    pthread_mutex_lock(&room->mutex);
    HASH_FIND(hh, room->mailboxes, &mailbox, sizeof(mailbox), watched);
    if (watched != NULL) {
        if (from < watched->recent)
            from = watched->recent;
        if (is_told && watched->recent < behind)
            watched->recent = behind;
    }
    pthread_mutex_unlock(&room->mutex);
    return from < behind ? from : behind;
}

/* ---- telling ---- */

static void tell_watches(struct store_watch *watch, const struct store_news *news)
{
    for (; watch != NULL; watch = watch->next) {
        /* Commits are told by several writers, and by other nodes once more: whoever heard of a
           later one reads all before it. */
        if (news->kind != STORE_NEWS_GONE && news->modseq != 0) {
            if (news->modseq <= watch->modseq)
                continue;
            watch->modseq = news->modseq;
        }
        watch->hear(watch, news);
    }
}

void store_news_tell_here(struct store *store, const struct store_news *news)
{
    struct store_newsroom *room = store->news;
    struct watched *watched;
    if (atomic_load(&room->count) == 0)
        return;
    pthread_mutex_lock(&room->mutex);
    HASH_FIND(hh, room->mailboxes, &news->mailbox, sizeof(news->mailbox), watched);
    if (watched != NULL)
        tell_watches(watched->first, news);
    pthread_mutex_unlock(&room->mutex);
}

void store_news_publish(struct store *store, const struct store_news *news)
{
    store_news_tell_here(store, news);
    if (!store_is_shared(store))
        return;
    /* Without memory for it the others look by themselves (STORE_NEWS_POLL). */
    struct store_notice *notice = find_notice(store, NULL);
    if (notice != NULL)
        store_notice_add(notice, news);
}

int64_t *store_news_list_watched(struct store *store, size_t *count)
{
    struct store_newsroom *room = store->news;
    struct watched *watched;
    struct watched *next;
    pthread_mutex_lock(&room->mutex);
    int64_t *mailboxes = calloc(HASH_COUNT(room->mailboxes) + 1, sizeof(*mailboxes));
    *count = 0;
    if (mailboxes != NULL)
        HASH_ITER(hh, room->mailboxes, watched, next)
        {
            mailboxes[(*count)++] = watched->mailbox;
        }
    pthread_mutex_unlock(&room->mutex);
    return mailboxes;
}

void store_news_stop(struct store *store)
{
    struct store_newsroom *room = store->news;
    if (room == NULL)
        return;
    store_notice_stop(room->notice);
    room->notice = NULL;
}
