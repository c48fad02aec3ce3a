/* What the sources of news share: what is heard in this process, and what goes between nodes. */
#ifndef STORE_STORE_NEWS_INSIDE_H
#define STORE_STORE_NEWS_INSIDE_H

#include "store/store_news.h"

struct store_newsroom;

struct store_newsroom *store_news_room_new(struct fault *fault);
void store_news_room_free(struct store_newsroom *room); /* nobody watches any more; accepts NULL */

/* Those who look in this process; nobody else hears of it. */
void store_news_tell_here(struct store *store, const struct store_news *news);

/* The mailboxes and accounts that somebody looks at, in any order; to be freed. NULL: no memory. */
int64_t *store_news_list_watched(struct store *store, size_t *count);

/* Ends what goes between nodes; before the jobs' thread is gone nobody may publish any more. */
void store_news_stop(struct store *store);

#endif
