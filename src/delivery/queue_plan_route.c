/* Routes: found by name, put where they belong, forgotten when nothing is to be known of them. */
#include "delivery/queue_plan_inside.h"

#include <stdlib.h>

enum {
    IDLE_MAX = 10000 /* routes that are well and have nothing to do, but whose window is known */
};

static const int64_t SECOND = 1000 * 1000;
static const int64_t MINUTE = 60 * 1000 * 1000;

struct bytes queue_plan_route_name(const struct queue_plan_route *route)
{
    return bytes_of(route->name, route->name_length);
}

struct queue_plan_route *queue_plan_route_find(struct queue_plan *plan, struct bytes name)
{
    struct queue_plan_route *route = NULL;
    HASH_FIND(hh, plan->routes, name.data, name.length, route);
    return route;
}

struct queue_plan_route *queue_plan_route_make(struct queue_plan *plan, struct bytes name,
                                               struct fault *fault)
{
    struct queue_plan_route *route = queue_plan_route_find(plan, name);
    if (route != NULL)
        return route;
    if (name.length > UINT16_MAX) {
        fault_set(fault, FAULT_LIMIT, "the name of the route is too long");
        return NULL;
    }
    route = calloc(1, sizeof(*route) + name.length);
    if (route != NULL) {
        route->window = QUEUE_PLAN_WINDOW_FIRST;
        route->standing = QUEUE_PLAN_UNKNOWN;
        route->name_length = (uint16_t)name.length;
        if (name.length > 0)
            memcpy(route->name, name.data, name.length);
        HASH_ADD_KEYPTR(hh, plan->routes, route->name, name.length, route);
    }
    if (route == NULL || route->is_lost) {
        free(route);
        fault_set_memory(fault);
        return NULL;
    }
    return route;
}

static void set_idle(struct queue_plan *plan, struct queue_plan_route *route, bool is_idle)
{
    if (route->is_idle == is_idle)
        return;
    route->is_idle = is_idle;
    if (is_idle) {
        DL_APPEND(plan->idle, route);
        plan->idle_count++;
    } else {
        DL_DELETE(plan->idle, route);
        plan->idle_count--;
    }
}

void queue_plan_route_free(struct queue_plan *plan, struct queue_plan_route *route)
{
    set_idle(plan, route, false);
    if (time_heap_has(&route->waking))
        time_heap_remove(&plan->waking, &route->waking);
    HASH_DEL(plan->routes, route);
    free(route);
}

/* ---- where it stands ---- */

void queue_plan_route_unlist(struct queue_plan *plan, struct queue_plan_route *route)
{
    struct queue_plan_sender *sender = route->listed;
    if (sender == NULL)
        return;
    struct queue_plan_sender_turn *turn = &sender->turns[route->standing];
    DL_DELETE(turn->routes, route);
    route->listed = NULL;
    if (turn->routes == NULL)
        CDL_DELETE2(plan->turns[route->standing], sender, turns[route->standing].prev,
                    turns[route->standing].next);
}

/* Behind all others of the sender, and a sender who has none yet behind all other senders. */
static void list(struct queue_plan *plan, struct queue_plan_route *route,
                 struct queue_plan_sender *sender)
{
    struct queue_plan_sender_turn *turn = &sender->turns[route->standing];
    if (turn->routes == NULL)
        CDL_APPEND2(plan->turns[route->standing], sender, turns[route->standing].prev,
                    turns[route->standing].next);
    DL_APPEND(turn->routes, route);
    route->listed = sender;
}

void queue_plan_route_set_standing(struct queue_plan *plan, struct queue_plan_route *route,
                                   enum queue_plan_standing standing)
{
    if (route->standing == standing)
        return;
    queue_plan_route_unlist(plan, route);
    plan->open[route->standing] -= route->connections;
    plan->open[standing] += route->connections;
    route->standing = (uint8_t)standing;
}

void queue_plan_route_ripen(struct queue_plan *plan, struct queue_plan_route *route)
{
    while (route->waiting.first != NULL && route->waiting.first->time <= plan->now)
        queue_plan_flow_place(plan, queue_plan_flow_of_node(route->waiting.first));
}

static bool has_due(const struct queue_plan_route *route, int64_t now, size_t wanted)
{
    size_t count = 0;
    const struct queue_plan_flow *flow;
    DL_FOREACH(route->ready, flow)
    {
        count += queue_plan_flow_due(flow, now, wanted - count);
        if (count >= wanted)
            return true;
    }
    return false;
}

int64_t queue_plan_route_opening(const struct queue_plan_route *route, int64_t now)
{
    uint32_t used = route->connections - route->kept;
    if (used >= queue_plan_window_of(route))
        return INT64_MAX;
    /* Connections without a letter in hand will ask for one: only what is left over when each has
       one is worth another connection. */
    size_t asking = used > route->in_hand ? used - route->in_hand : 0;
    int64_t time = now;
    if (!has_due(route, now, asking + 1)) {
        if (asking > 0 || route->waiting.first == NULL)
            return INT64_MAX;
        time = route->waiting.first->time;
    }
    if (route->resting_until > time)
        time = route->resting_until;
    if (route->next_letter > time)
        time = route->next_letter;
    return time;
}

static void set_waking(struct queue_plan *plan, struct queue_plan_route *route, int64_t time)
{
    if (time_heap_has(&route->waking)) {
        if (route->waking.time == time)
            return;
        time_heap_remove(&plan->waking, &route->waking);
    }
    if (time != INT64_MAX)
        time_heap_put(&plan->waking, &route->waking, time);
}

/* Without letters and connections. What is known of its troubles is kept until they are old, what
   is known of its window while there is room. */
static void place_idle(struct queue_plan *plan, struct queue_plan_route *route)
{
    int64_t end = route->resting_until + QUEUE_PLAN_REST_LONGEST_SECONDS * SECOND;
    if (route->standing == QUEUE_PLAN_UNKNOWN ||
        (route->standing == QUEUE_PLAN_IN_TROUBLE && end <= plan->now)) {
        queue_plan_route_free(plan, route);
        return;
    }
    bool is_well = route->standing == QUEUE_PLAN_WELL;
    set_waking(plan, route, is_well ? INT64_MAX : end);
    set_idle(plan, route, is_well);
}

void queue_plan_route_forget_idle(struct queue_plan *plan)
{
    while (plan->idle_count > IDLE_MAX)
        queue_plan_route_free(plan, plan->idle);
}

/* A clock that was set back, or a state from one that went wrong, must not let it rest for ever. */
static void bound_rest(struct queue_plan_route *route, int64_t now)
{
    int64_t longest = 2 * QUEUE_PLAN_REST_LONGEST_SECONDS * SECOND;
    if (now > 0 && route->resting_until > now + longest)
        route->resting_until = now + longest;
    if (now > 0 && route->next_letter > now + MINUTE)
        route->next_letter = now + MINUTE;
}

void queue_plan_route_place(struct queue_plan *plan, struct queue_plan_route *route)
{
    bound_rest(route, plan->now);
    queue_plan_route_ripen(plan, route);
    if (route->flow_count == 0 && route->connections == 0) {
        queue_plan_route_unlist(plan, route);
        place_idle(plan, route);
        return;
    }
    set_idle(plan, route, false);
    int64_t opening = queue_plan_route_opening(route, plan->now);
    bool is_open = opening <= plan->now;
    struct queue_plan_sender *sender = is_open ? route->ready->key.sender : NULL;
    if (route->listed != sender) {
        queue_plan_route_unlist(plan, route);
        if (sender != NULL)
            list(plan, route, sender);
    }
    set_waking(plan, route, is_open ? INT64_MAX : opening);
}

/* ---- what the runner tells ---- */

void queue_plan_route_limit(struct queue_plan_route *route, unsigned connections,
                            unsigned letters_minute)
{
    route->limit = connections == 0 ? 1 : connections;
    route->letters_minute = letters_minute;
    if (letters_minute == 0)
        route->next_letter = 0;
}

void queue_plan_route_went_well(struct queue_plan *plan, struct queue_plan_route *route,
                                int64_t now)
{
    plan->now = now;
    route->went_well = now;
    queue_plan_window_recover(plan, route);
    queue_plan_window_grow(route);
    queue_plan_route_place(plan, route);
}

struct queue_plan_state queue_plan_route_state(const struct queue_plan_route *route)
{
    return (struct queue_plan_state){.resting_until = route->resting_until,
                                     .failures = route->failures};
}
