/* What the sources of news share: what is heard in this process, and what goes between nodes. */
#ifndef STORE_STORE_NEWS_INSIDE_H
#define STORE_STORE_NEWS_INSIDE_H

#include "store/store_news.h"

struct store_newsroom;

struct store_newsroom *store_newsroom_new(struct fault *fault);
void store_newsroom_free(struct store_newsroom *room); /* nobody watches any more; accepts NULL */

/* Those who look in this process; nobody else hears of it. */
void store_news_tell_here(struct store *store, const struct store_news *news);

#endif
