/* What the files of the plan share. A flow is what one sender has waiting for one route. Flows of a
 * route with something due take turns in a ring; the others wait in a heap. A route that may open a
 * connection is listed with the sender whose turn it is there, and senders take turns in a ring: so
 * neither a route nor a sender with much waiting holds up another. A route that may open one later
 * is in a heap by that time. Nothing is ever looked for by walking over all. */
#ifndef DELIVERY_QUEUE_PLAN_INSIDE_H
#define DELIVERY_QUEUE_PLAN_INSIDE_H

#include "delivery/queue_plan.h"
#include "delivery/time_heap.h"

/* An allocation that fails must come back as a table without the entry, not as exit(). */
#define HASH_NONFATAL_OOM                 1
#define uthash_nonfatal_oom(lost_element) ((lost_element)->is_lost = true)
#include <uthash.h>
#include <utlist.h>

enum queue_plan_standing {
    QUEUE_PLAN_WELL = 0,
    QUEUE_PLAN_UNKNOWN,
    QUEUE_PLAN_IN_TROUBLE,
    QUEUE_PLAN_STANDINGS
};

struct queue_plan_letter {
    int64_t due;
    int64_t message;
};

struct queue_plan_sender {
    UT_hash_handle hh;
    int64_t account;
    uint32_t flow_count;
    bool is_lost;
    struct queue_plan_sender_turn {
        struct queue_plan_sender *next, *prev; /* in queue_plan.turns of the standing */
        struct queue_plan_route *routes;       /* listed here; none: it is not in the ring */
    } turns[QUEUE_PLAN_STANDINGS];
};

struct queue_plan_flow {
    UT_hash_handle hh;
    struct queue_plan_flow_key {
        struct queue_plan_route *route;
        struct queue_plan_sender *sender;
    } key;
    struct time_heap_node waiting;       /* in queue_plan_route.waiting, unless it is ready */
    struct queue_plan_flow *next, *prev; /* in queue_plan_route.ready */
    /* A heap by due and message: the first is the next. There is always room for `count` and
       `in_hand` together, so that what was taken can be put back. */
    struct queue_plan_letter *letters;
    struct queue_plan_letter single; /* where `letters` points while one is enough */
    uint32_t count;
    uint32_t capacity;
    uint32_t in_hand;
    bool is_ready;
    bool is_lost;
};

/* A letter in hand. */
struct queue_plan_hand {
    UT_hash_handle hh;
    struct queue_plan_hand_key {
        struct queue_plan_route *route;
        int64_t message;
    } key;
    struct queue_plan_flow *flow;
    int64_t again; /* it was added again meanwhile, for this time; 0 = no */
    bool is_lost;
};

struct queue_plan_route {
    UT_hash_handle hh;
    struct time_heap_node waking;         /* in queue_plan.waking */
    struct queue_plan_route *next, *prev; /* in the list of `listed`, or in queue_plan.idle */
    struct queue_plan_sender *listed;     /* with whom it may open a connection; NULL = it may not
                                           */
    struct queue_plan_flow *ready;        /* something is due; the first has its turn */
    struct time_heap waiting;             /* the other flows, by their first letter */
    int64_t resting_until;                /* no new connection before */
    int64_t next_letter;                  /* none before: the minute's share */
    int64_t went_well;                    /* when it last did */
    uint32_t flow_count;                  /* those with letters in hand among them */
    uint32_t connections;
    uint32_t kept; /* connections among them that have nothing to do */
    uint32_t in_hand;
    uint32_t window;
    uint32_t limit; /* of its rule; 0 = not told yet */
    uint32_t grown; /* letters towards the next growth of the window */
    uint32_t letters_minute;
    uint32_t failures; /* in a row */
    uint8_t standing;
    bool was_refused; /* the window met its end once */
    bool is_idle;     /* in queue_plan.idle */
    bool is_lost;
    uint16_t name_length;
    char name[];
};

struct queue_plan {
    struct queue_plan_route *routes;
    struct queue_plan_sender *senders;
    struct queue_plan_flow *flows;
    struct queue_plan_hand *hands;
    struct time_heap waking;
    struct queue_plan_sender *turns[QUEUE_PLAN_STANDINGS]; /* rings; the first has its turn */
    struct queue_plan_route *idle; /* nothing to do, remembered; the oldest first */
    size_t idle_count;
    size_t letter_count;
    uint32_t connections_max;
    uint32_t open[QUEUE_PLAN_STANDINGS]; /* connections by the standing of their route */
    uint32_t passed[QUEUE_PLAN_STANDINGS];
    int64_t last_unproven; /* when a route not well last got a connection */
    int64_t now;           /* the last that was told */
    bool takes_newest;
    bool is_cut;
};

/* ---- flows: queue_plan_flow.c ---- */

static inline struct queue_plan_flow *queue_plan_flow_of_node(struct time_heap_node *node)
{
    return (struct queue_plan_flow *)((char *)node - offsetof(struct queue_plan_flow, waiting));
}

struct queue_plan_flow *queue_plan_flow_make(struct queue_plan *plan,
                                             struct queue_plan_route *route, int64_t account,
                                             struct fault *fault);
/* Room for one more letter. */
bool queue_plan_flow_reserve(struct queue_plan_flow *flow, struct fault *fault);
/* There is room. */
void queue_plan_flow_put(struct queue_plan_flow *flow, int64_t message, int64_t due);
/* The first letter, by due. There is one. */
struct queue_plan_letter queue_plan_flow_take(struct queue_plan_flow *flow);
/* How many of its letters are due, counted to `most` at most. */
size_t queue_plan_flow_due(const struct queue_plan_flow *flow, int64_t now, size_t most);
/* Puts it where it belongs behind any change: into the ring (at its end, unless it is there), into
   the heap, or away if it is empty. */
void queue_plan_flow_place(struct queue_plan *plan, struct queue_plan_flow *flow);
/* Forgets its letters, not those in hand. */
void queue_plan_flow_clear(struct queue_plan *plan, struct queue_plan_flow *flow);

/* ---- routes: queue_plan_route.c ---- */

static inline struct queue_plan_route *queue_plan_route_of_node(struct time_heap_node *node)
{
    return (struct queue_plan_route *)((char *)node - offsetof(struct queue_plan_route, waking));
}

struct queue_plan_route *queue_plan_route_make(struct queue_plan *plan, struct bytes name,
                                               struct fault *fault);
struct queue_plan_route *queue_plan_route_find(struct queue_plan *plan, struct bytes name);
void queue_plan_route_free(struct queue_plan *plan, struct queue_plan_route *route);
/* When it may open one more connection: `now` or before it = now; INT64_MAX = only behind a change.
 */
int64_t queue_plan_route_opening(const struct queue_plan_route *route, int64_t now);
/* Flows whose time has come by plan->now take their place in the ring. */
void queue_plan_route_ripen(struct queue_plan *plan, struct queue_plan_route *route);
/* Puts it where it belongs behind any change: to a sender, into the heap, among the idle ones. May
   free it. */
void queue_plan_route_place(struct queue_plan *plan, struct queue_plan_route *route);
/* The oldest ones, when too many are idle. */
void queue_plan_route_forget_idle(struct queue_plan *plan);
/* Off the list of a sender, if it is on one. */
void queue_plan_route_unlist(struct queue_plan *plan, struct queue_plan_route *route);
void queue_plan_route_set_standing(struct queue_plan *plan, struct queue_plan_route *route,
                                   enum queue_plan_standing standing);

/* ---- how wide: queue_plan_window.c ---- */

/* Connections that it may have now. */
uint32_t queue_plan_window_of(const struct queue_plan_route *route);
/* It is well: troubles are forgotten. */
void queue_plan_window_recover(struct queue_plan *plan, struct queue_plan_route *route);
void queue_plan_window_grow(struct queue_plan_route *route);
/* A connection of it has ended, and is no more counted: what that says of the route. */
void queue_plan_window_judge(struct queue_plan *plan, struct queue_plan_route *route,
                             enum queue_plan_outcome outcome, int64_t now, uint32_t random);

#endif
