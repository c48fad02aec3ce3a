/* The queue of a server: the table of relays, a loop and workers of its own, the runner. */
#ifndef SERVER_SERVER_QUEUE_H
#define SERVER_SERVER_QUEUE_H

#include "base/log.h"
#include "delivery/relay.h"
#include "server/config.h"
#include "server/server_listeners.h"

enum {
    SERVER_QUEUE_SECRETS_MAX = 1024 * 1024, /* bytes of the file of the relays' passwords */
    SERVER_QUEUE_ADDRESSES_MAX = 256,       /* our own, by which we know ourselves */
    SERVER_QUEUE_GRACE = 20 * 1000          /* milliseconds for letters that are under way */
};

struct server_queue;

/* Reads rules and passwords: for root, before it is dropped. NULL: fault, which names the option
   and what to do. */
struct server_queue *server_queue_new(const struct config *config, struct fault *fault);

/* For routes of what comes in; the queue's. */
const struct relay_table *server_queue_relays(const struct server_queue *queue);

struct server_queue_host {
    const struct config *config;
    struct store *store;
    struct log *log;
    const char *name;
    const struct server_listeners *listeners;
    unsigned descriptors; /* that the process may have */
};

/* Begins to send. Borrowed until server_queue_free. */
bool server_queue_start(struct server_queue *queue, const struct server_queue_host *host,
                        struct fault *fault);

/* Ends what is under way, or `grace` milliseconds later cuts it off. Before the store is closed. */
void server_queue_stop(struct server_queue *queue, int64_t grace);

/* Behind store_close. Accepts NULL. */
void server_queue_free(struct server_queue *queue);

#endif
