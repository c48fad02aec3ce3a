/* A watch of the account in the room of news (store/store_news.h). */
#include "session/session_presence.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "store/store_news.h"

struct session_presence {
    struct store_watch watch; /* first */
    struct store *store;
    struct loop *loop;
    struct loop_task heard;
    struct loop_task *gone; /* NULL: the session has ended */
    atomic_bool is_posted;  /* `heard` is on its way to the loop, or was there */
    bool has_come;
};

/* On a thread of the store. */
static void hear(struct store_watch *watch, const struct store_news *news)
{
    struct session_presence *presence = (struct session_presence *)watch;
    if (news->kind == STORE_NEWS_GONE && !atomic_exchange(&presence->is_posted, true))
        loop_post(presence->loop, &presence->heard);
}

static void come_to_loop(struct loop_task *task)
{
    struct session_presence *presence =
        (struct session_presence *)((char *)task - offsetof(struct session_presence, heard));
    presence->has_come = true;
    if (presence->gone == NULL)
        free(presence);
    else
        presence->gone->run(presence->gone);
}

struct session_presence *session_presence_begin(struct session_services *services,
                                                const struct session_identity *identity,
                                                int64_t account, unsigned most,
                                                struct loop_task *gone, struct fault *fault)
{
    struct session_presence *presence = calloc(1, sizeof *presence);
    if (presence == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    presence->watch = (struct store_watch){.mailbox = account, .most = most, .hear = hear};
    presence->store = services->store;
    presence->loop = identity->loop;
    presence->heard.run = come_to_loop;
    presence->gone = gone;
    if (store_news_watch_begin(services->store, &presence->watch, fault))
        return presence;
    free(presence);
    return NULL;
}

void session_presence_end(struct session_presence *presence)
{
    if (presence == NULL)
        return;
    store_news_watch_end(presence->store, &presence->watch);
    presence->gone = NULL;
    /* What was posted comes back and frees it. */
    if (presence->has_come || !atomic_load(&presence->is_posted))
        free(presence);
}
