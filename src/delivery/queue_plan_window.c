/* How many connections a route may have, and how long one that fails rests. */
#include "delivery/queue_plan_inside.h"

enum {
    /* Behind a refusal while other connections stand, and the first where there is none other. */
    BUSY_REST_SECONDS = 5,
    BUSY_REST_FIRST_SECONDS = 15,
    /* Where the window met its end once it grows by one for so many letters of each connection. */
    CAREFUL_LETTERS = 10,
    /* A route that took a letter so lately, and has other connections, did not go away. */
    WELL_SECONDS = 60,
    REST_JITTER_PERCENT = 20
};

static const int64_t SECOND = 1000 * 1000;

uint32_t queue_plan_window_of(const struct queue_plan_route *route)
{
    if (route->failures > 0)
        return 1;
    uint32_t limit = route->limit == 0 ? QUEUE_PLAN_WINDOW_FIRST : route->limit;
    return route->window < limit ? route->window : limit;
}

void queue_plan_window_grow(struct queue_plan_route *route)
{
    /* What is not used says nothing of how much more would be taken. */
    if (route->connections - route->kept < route->window || route->window >= route->limit)
        return;
    uint32_t needed = route->was_refused ? route->window * CAREFUL_LETTERS : 1;
    if (++route->grown < needed)
        return;
    route->window++;
    route->grown = 0;
}

static void rest(struct queue_plan_route *route, int64_t seconds, int64_t now, uint32_t random)
{
    int64_t time = seconds * SECOND;
    int64_t jitter = (time / 100 * REST_JITTER_PERCENT * (int64_t)(random >> 8)) >> 24;
    int64_t until = now + time + jitter;
    if (until > route->resting_until)
        route->resting_until = until;
}

/* It fails as a whole: once in a rest, however many connections say so. */
static void fail(struct queue_plan *plan, struct queue_plan_route *route, int64_t first,
                 int64_t now, uint32_t random)
{
    if (route->failures > 0 && route->resting_until > now)
        return;
    int64_t seconds = first;
    for (uint32_t i = 0; i < route->failures && seconds < QUEUE_PLAN_REST_LONGEST_SECONDS; i++)
        seconds *= 2;
    if (seconds > QUEUE_PLAN_REST_LONGEST_SECONDS)
        seconds = QUEUE_PLAN_REST_LONGEST_SECONDS;
    route->failures++;
    route->window = 1;
    route->grown = 0;
    rest(route, seconds, now, random);
    queue_plan_route_set_standing(plan, route, QUEUE_PLAN_IN_TROUBLE);
}

/* The others that stand are what it takes. */
static void narrow(struct queue_plan_route *route, int64_t now, uint32_t random)
{
    route->was_refused = true;
    route->grown = 0;
    if (route->connections < route->window)
        route->window = route->connections;
    rest(route, BUSY_REST_SECONDS, now, random);
}

void queue_plan_window_judge(struct queue_plan *plan, struct queue_plan_route *route,
                             enum queue_plan_outcome outcome, int64_t now, uint32_t random)
{
    bool has_others = route->connections > 0 && route->failures == 0;
    switch (outcome) {
    case QUEUE_PLAN_GOOD:
        queue_plan_window_recover(plan, route);
        break;
    case QUEUE_PLAN_BUSY:
        if (has_others)
            narrow(route, now, random);
        else
            fail(plan, route, BUSY_REST_FIRST_SECONDS, now, random);
        break;
    case QUEUE_PLAN_BAD:
        if (has_others && route->went_well > 0 && now - route->went_well < WELL_SECONDS * SECOND)
            narrow(route, now, random);
        else
            fail(plan, route, QUEUE_PLAN_REST_FIRST_SECONDS, now, random);
        break;
    }
}

void queue_plan_window_recover(struct queue_plan *plan, struct queue_plan_route *route)
{
    /* A short rest of a route that is well goes on. */
    if (route->failures > 0)
        route->resting_until = 0;
    route->failures = 0;
    queue_plan_route_set_standing(plan, route, QUEUE_PLAN_WELL);
}
