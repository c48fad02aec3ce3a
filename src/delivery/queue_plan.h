/* Which letter goes next: all that waits, in memory, by route and sender. Knows no store, no socket
 * and no clock; times are microseconds. A letter here is the recipients of one message that share a
 * route.
 *
 * Within a route senders take turns, so that a mailing of one does not hold up the letter of
 * another. Each route has a window of connections, which grows while they are taken and shrinks
 * when they are refused; a route that fails as a whole rests, longer each time, and is then tried
 * with one connection. Routes that fail may not take up the last connections: those are kept for
 * the others. */
#ifndef DELIVERY_QUEUE_PLAN_H
#define DELIVERY_QUEUE_PLAN_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/fault.h"

enum {
    QUEUE_PLAN_LETTERS_MAX =
        4 * 1000 * 1000,         /* past it the rest stays in the store until there is room */
    QUEUE_PLAN_WINDOW_FIRST = 5, /* connections of a route that nothing is known of */
    QUEUE_PLAN_CONNECTIONS_MAX = 10000, /* of all routes, unless the limits say otherwise */
    QUEUE_PLAN_REST_FIRST_SECONDS = 60,
    QUEUE_PLAN_REST_LONGEST_SECONDS = 3600
};

struct queue_plan_limits {
    unsigned connections; /* of all routes; 0 = QUEUE_PLAN_CONNECTIONS_MAX */
};

struct queue_plan;
struct queue_plan_route;

struct queue_plan *queue_plan_new(const struct queue_plan_limits *limits, struct fault *fault);
void queue_plan_free(struct queue_plan *plan); /* accepts NULL */

/* Forgets all letters that are not in hand; what is known of routes stays. */
void queue_plan_empty(struct queue_plan *plan);

/* A letter. What is in the plan already (same message, route and sender) may come twice: whoever
   takes it finds it done. What is in hand is not given a second time before it has ended. False:
   FAULT_LIMIT (QUEUE_PLAN_LETTERS_MAX: is_cut is then true until the plan is emptied) or no memory.
 */
bool queue_plan_add(struct queue_plan *plan, struct bytes route, int64_t account, int64_t message,
                    int64_t due, struct fault *fault);
bool queue_plan_is_cut(const struct queue_plan *plan);
size_t queue_plan_count(const struct queue_plan *plan); /* letters, without those in hand */

/* ---- connections ---- */

/* The next route that may open one more connection now: has something due, is not resting, and its
   window and the limits allow it. The connection is counted until queue_plan_connection_ended. A
   connection without a letter in hand, unless it is kept, counts as one that will ask for the next:
   none is opened beside it for what it can take. NULL: none now. Routes in good standing come
   first, then those not known, then those in trouble (but one of these at times, whatever the
   others want); within each senders in turn, and the routes of a sender in turn. */
struct queue_plan_route *queue_plan_next_route(struct queue_plan *plan, int64_t now);

/* Its name; borrowed while there is a connection to it. */
struct bytes queue_plan_route_name(const struct queue_plan_route *route);

/* What its rule allows (delivery/relay.h); to be said when a connection was given. */
void queue_plan_route_limit(struct queue_plan_route *route, unsigned connections,
                            unsigned letters_minute);

/* The next letter of the route for a connection, senders in turn; it is then in hand. False:
   nothing is due, or not yet: then *later (if not 0) says when to ask again. What a minute may have
   is spread evenly over it. */
bool queue_plan_next_letter(struct queue_plan *plan, struct queue_plan_route *route, int64_t now,
                            int64_t *message, int64_t *later);

/* The letter is in hand no more. due 0: it is done with; else it waits again (some of its
   recipients were put off). Cannot fail: its place was kept. */
void queue_plan_letter_ended(struct queue_plan *plan, struct queue_plan_route *route,
                             int64_t message, int64_t due);

enum queue_plan_outcome {
    QUEUE_PLAN_GOOD = 0, /* it took letters or refused them one by one: the route is well */
    QUEUE_PLAN_BUSY,     /* it took us less than we wanted: fewer connections, a short rest */
    QUEUE_PLAN_BAD       /* nobody could be reached: the route rests */
};

/* The far end took a letter: the window grows. While a connection lives, once a letter. */
void queue_plan_route_went_well(struct queue_plan *plan, struct queue_plan_route *route,
                                int64_t now);

/* The connection is no more; `route` may be gone behind this call. */
void queue_plan_connection_ended(struct queue_plan *plan, struct queue_plan_route *route,
                                 enum queue_plan_outcome outcome, int64_t now, uint32_t random);

/* The connection found nothing to do and is kept open for what may come; false: it serves again, or
   is about to end. A kept one takes no place in the window and is not expected to ask, so that the
   route is given when something comes: whoever has one then uses it, and ends the new one as good.
 */
void queue_plan_connection_set_kept(struct queue_plan *plan, struct queue_plan_route *route,
                                    bool is_kept);

/* What is known of a route, to be kept (store_outbound_route) and given back at the next start. */
struct queue_plan_state {
    int64_t resting_until;
    unsigned failures; /* in a row; 0 = well */
};
struct queue_plan_state queue_plan_route_state(const struct queue_plan_route *route);
/* The same by name: all zero of a route that nothing is known of. */
struct queue_plan_state queue_plan_state_of(struct queue_plan *plan, struct bytes route);
bool queue_plan_set_state(struct queue_plan *plan, struct bytes route,
                          const struct queue_plan_state *state, struct fault *fault);

/* A person wants this route tried now; empty: all of them. */
void queue_plan_wake(struct queue_plan *plan, struct bytes route);

/* When queue_plan_next_route may have something to give that it has not now; INT64_MAX = only after
   an add or an end. */
int64_t queue_plan_next_time(const struct queue_plan *plan, int64_t now);

#endif
