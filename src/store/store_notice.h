/* The thread that carries news beyond what is heard in this process: to and from other nodes of a
 * shared store by notices, and from those who give none by looking at the mailboxes now and then.
 */
#ifndef STORE_STORE_NOTICE_H
#define STORE_STORE_NOTICE_H

#include "store/store_news.h"

enum {
    STORE_NOTICE_SIZE = 7000,        /* bytes of one notice; PostgreSQL takes less than 8000 */
    STORE_NOTICE_WAITING_MAX = 4096, /* mailboxes that wait to be told; past it, all are meant */
    STORE_NOTICE_RETRY = 1000        /* milliseconds after a connection was lost */
};

struct store_notice;

/* The thread opens what it needs of the store by itself. NULL: fault. */
struct store_notice *store_notice_start(struct store *store, struct fault *fault);
/* Sends what waits. Accepts NULL. */
void store_notice_stop(struct store_notice *notice);

/* For the other nodes of a shared store; from any thread, never blocks. */
void store_notice_add(struct store_notice *notice, const struct store_news *news);

#endif
