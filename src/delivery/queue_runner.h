/* Sends what waits for far recipients: takes letters from the plan, finds their hosts, gives them
 * to sessions, writes down what became of them, and reports to senders. Lives on a loop of its own;
 * reads by workers, writes by the store's jobs. */
#ifndef DELIVERY_QUEUE_RUNNER_H
#define DELIVERY_QUEUE_RUNNER_H

#include "base/log.h"
#include "delivery/host_list.h"
#include "delivery/queue_plan.h"
#include "delivery/retry.h"
#include "loop/worker.h"

/* Borrowed as long as the runner lives. */
struct queue_runner_options {
    struct store *store;
    struct loop *loop;
    struct worker_pool *workers; /* each with a reader of the store */
    struct log *log;             /* NULL = none */
    const char *name;            /* ours: in EHLO, in reports */
    const struct relay_table *relays;
    const struct net_dns_options *dns;
    const struct host_list_self *self;
    const struct net_address *sources; /* addresses to send from, the first of each family counts */
    size_t source_count;
    struct net_tls_context *tls;          /* asks for no certificate */
    struct net_tls_context *tls_verified; /* asks for one */
    struct retry_times times;
    struct queue_plan_limits limits;
    unsigned port; /* of hosts found by MX: 25; another for tests and closed networks */
};

struct queue_runner;

/* Before the loop starts. NULL: fault. */
struct queue_runner *queue_runner_new(const struct queue_runner_options *options,
                                      struct fault *fault);
/* Begins, on the loop. From any thread. */
void queue_runner_start(struct queue_runner *runner);
/* When the loop has ended, before the workers do: nothing new is begun. Accepts NULL. */
void queue_runner_end(struct queue_runner *runner);
/* Behind that: jobs of it are still with the store, and come back by the loop. */
bool queue_runner_is_busy(const struct queue_runner *runner);
/* When nothing of it comes back any more, before the store is closed: letters may have drafts
   there. Accepts NULL. */
void queue_runner_free(struct queue_runner *runner);

#endif
