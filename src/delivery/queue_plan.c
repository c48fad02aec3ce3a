/* The plan as a whole: letters come in and go out, and which route is next. */
#include "delivery/queue_plan_inside.h"

#include <stdlib.h>

enum {
    /* A standing that stood behind better ones for so many connections in a row is served once. */
    PASSES_MAX = 15,
    /* How long a connection to a host that is not there stays open: over this time the last free
       ones are handed out to routes that nothing good is known of. */
    PATIENCE_SECONDS = 30
};

static const int64_t SECOND = 1000 * 1000;

struct queue_plan *queue_plan_new(const struct queue_plan_limits *limits, struct fault *fault)
{
    struct queue_plan *plan = calloc(1, sizeof(*plan));
    if (plan == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    plan->connections_max =
        limits->connections == 0 ? QUEUE_PLAN_CONNECTIONS_MAX : limits->connections;
    return plan;
}

static void forget_hand(struct queue_plan *plan, struct queue_plan_hand *hand)
{
    HASH_DEL(plan->hands, hand);
    hand->flow->in_hand--;
    hand->flow->key.route->in_hand--;
    free(hand);
}

void queue_plan_empty(struct queue_plan *plan)
{
    struct queue_plan_hand *hand, *next_hand;
    HASH_ITER(hh, plan->hands, hand, next_hand)
    hand->again = 0;
    struct queue_plan_flow *flow, *next_flow;
    HASH_ITER(hh, plan->flows, flow, next_flow)
    queue_plan_flow_clear(plan, flow);
    struct queue_plan_route *route, *next_route;
    HASH_ITER(hh, plan->routes, route, next_route)
    queue_plan_route_place(plan, route);
    plan->is_cut = false;
}

void queue_plan_free(struct queue_plan *plan)
{
    if (plan == NULL)
        return;
    while (plan->hands != NULL)
        forget_hand(plan, plan->hands);
    while (plan->flows != NULL)
        queue_plan_flow_clear(plan, plan->flows);
    while (plan->routes != NULL)
        queue_plan_route_free(plan, plan->routes);
    free(plan);
}

/* ---- letters ---- */

bool queue_plan_add(struct queue_plan *plan, struct bytes name, int64_t account, int64_t message,
                    int64_t due, struct fault *fault)
{
    if (plan->is_cut || plan->letter_count >= QUEUE_PLAN_LETTERS_MAX) {
        plan->is_cut = true;
        return fault_set(fault, FAULT_LIMIT, "%d letters are planned, the others wait",
                         QUEUE_PLAN_LETTERS_MAX);
    }
    struct queue_plan_route *route = queue_plan_route_make(plan, name, fault);
    if (route == NULL)
        return false;
    struct queue_plan_flow *flow = queue_plan_flow_make(plan, route, account, fault);
    bool has_room = flow != NULL && queue_plan_flow_reserve(flow, fault);
    if (has_room) {
        queue_plan_flow_put(flow, message, due);
        plan->letter_count++;
    }
    if (flow != NULL)
        queue_plan_flow_place(plan, flow);
    queue_plan_route_place(plan, route);
    return has_room;
}

bool queue_plan_is_cut(const struct queue_plan *plan)
{
    return plan->is_cut;
}

size_t queue_plan_count(const struct queue_plan *plan)
{
    return plan->letter_count;
}

static struct queue_plan_hand *find_hand(struct queue_plan *plan, struct queue_plan_route *route,
                                         int64_t message)
{
    struct queue_plan_hand_key key = {.route = route, .message = message};
    struct queue_plan_hand *hand = NULL;
    HASH_FIND(hh, plan->hands, &key, sizeof(key), hand);
    return hand;
}

static bool add_hand(struct queue_plan *plan, struct queue_plan_flow *flow, int64_t message)
{
    struct queue_plan_hand *hand = calloc(1, sizeof(*hand));
    if (hand == NULL)
        return false;
    hand->key = (struct queue_plan_hand_key){.route = flow->key.route, .message = message};
    hand->flow = flow;
    HASH_ADD(hh, plan->hands, key, sizeof(hand->key), hand);
    if (hand->is_lost) {
        free(hand);
        return false;
    }
    flow->in_hand++;
    flow->key.route->in_hand++;
    return true;
}

/* Its first letter goes, and the turn with it. */
static void take_first(struct queue_plan *plan, struct queue_plan_flow *flow)
{
    queue_plan_flow_take(flow);
    plan->letter_count--;
    struct queue_plan_route *route = flow->key.route;
    DL_DELETE(route->ready, flow);
    DL_APPEND(route->ready, flow);
    queue_plan_flow_place(plan, flow);
}

/* False: nothing is due, or no memory. */
static bool take_letter(struct queue_plan *plan, struct queue_plan_route *route, int64_t *message)
{
    while (route->ready != NULL) {
        struct queue_plan_flow *flow = route->ready;
        int64_t first = flow->letters[0].message;
        struct queue_plan_hand *hand = find_hand(plan, route, first);
        if (hand == NULL && !add_hand(plan, flow, first))
            return false;
        if (hand != NULL)
            hand->again = flow->letters[0].due;
        take_first(plan, flow);
        if (hand != NULL)
            continue;
        *message = first;
        return true;
    }
    return false;
}

bool queue_plan_next_letter(struct queue_plan *plan, struct queue_plan_route *route, int64_t now,
                            int64_t *message, int64_t *later)
{
    plan->now = now;
    *later = 0;
    queue_plan_route_ripen(plan, route);
    if (route->ready == NULL)
        return false;
    if (route->next_letter > now) {
        *later = route->next_letter;
        return false;
    }
    bool is_taken = take_letter(plan, route, message);
    if (is_taken && route->letters_minute > 0)
        /* One at a time and evenly: then no minute, wherever it begins, has more. */
        route->next_letter =
            now + (60 * SECOND + route->letters_minute - 1) / route->letters_minute;
    if (!is_taken && route->ready != NULL)
        *later = now + SECOND;
    queue_plan_route_place(plan, route);
    return is_taken;
}

void queue_plan_letter_ended(struct queue_plan *plan, struct queue_plan_route *route,
                             int64_t message, int64_t due)
{
    struct queue_plan_hand *hand = find_hand(plan, route, message);
    assert(hand != NULL);
    struct queue_plan_flow *flow = hand->flow;
    if (due == 0 || (hand->again != 0 && hand->again < due))
        due = hand->again;
    forget_hand(plan, hand);
    if (due != 0) {
        queue_plan_flow_put(flow, message, due);
        plan->letter_count++;
    }
    queue_plan_flow_place(plan, flow);
    queue_plan_route_place(plan, route);
    queue_plan_route_forget_idle(plan);
}

/* ---- connections ---- */

static uint32_t count_open(const struct queue_plan *plan)
{
    return plan->open[QUEUE_PLAN_WELL] + plan->open[QUEUE_PLAN_UNKNOWN] +
           plan->open[QUEUE_PLAN_IN_TROUBLE];
}

/* When a route of this standing may open a connection: INT64_MAX = when another has ended. Those
   not known to be well get half of all at once, the next three eighths evenly over the time in
   which dead ones give theirs back, the last eighth never. */
static int64_t find_time(const struct queue_plan *plan, enum queue_plan_standing standing,
                         int64_t now)
{
    uint32_t most = plan->connections_max;
    uint32_t unproven = plan->open[QUEUE_PLAN_UNKNOWN] + plan->open[QUEUE_PLAN_IN_TROUBLE];
    if (plan->turns[standing] == NULL || count_open(plan) >= most)
        return INT64_MAX;
    if (standing == QUEUE_PLAN_WELL)
        return now;
    if (unproven >= most - most / 8 ||
        (standing == QUEUE_PLAN_IN_TROUBLE && plan->open[standing] >= most / 4 + 1))
        return INT64_MAX;
    if (unproven < (most + 1) / 2)
        return now;
    return plan->last_unproven + PATIENCE_SECONDS * SECOND / (most * 3 / 8 + 1);
}

/* QUEUE_PLAN_STANDINGS: none. */
static unsigned choose_standing(struct queue_plan *plan, int64_t now)
{
    unsigned chosen = QUEUE_PLAN_STANDINGS;
    for (unsigned standing = QUEUE_PLAN_STANDINGS; standing-- > 0;) {
        bool was_passed = chosen != QUEUE_PLAN_STANDINGS && plan->passed[chosen] >= PASSES_MAX;
        if (find_time(plan, standing, now) <= now && !was_passed)
            chosen = standing;
    }
    if (chosen == QUEUE_PLAN_STANDINGS)
        return chosen;
    plan->passed[chosen] = 0;
    for (unsigned standing = chosen + 1; standing < QUEUE_PLAN_STANDINGS; standing++)
        if (find_time(plan, standing, now) <= now)
            plan->passed[standing]++;
    return chosen;
}

/* Of the sender whose turn it is. Of routes that nothing is known of the oldest and the newest in
   turn: where thousands of them turn out to be dead, what came just now does not stand behind them
   all. */
static struct queue_plan_route *choose_route(struct queue_plan *plan, unsigned standing)
{
    struct queue_plan_sender *sender = plan->turns[standing];
    plan->turns[standing] = sender->turns[standing].next;
    struct queue_plan_route *first = sender->turns[standing].routes;
    if (standing == QUEUE_PLAN_WELL)
        return first;
    plan->takes_newest = !plan->takes_newest;
    return plan->takes_newest ? first->prev : first;
}

static void open_connection(struct queue_plan *plan, struct queue_plan_route *route)
{
    route->connections++;
    plan->open[route->standing]++;
    if (route->standing != QUEUE_PLAN_WELL)
        plan->last_unproven = plan->now;
    /* Its next turn comes behind the others. */
    queue_plan_route_unlist(plan, route);
    queue_plan_route_place(plan, route);
}

static void wake_up(struct queue_plan *plan, int64_t now)
{
    plan->now = now;
    if (plan->last_unproven > now)
        plan->last_unproven = now; /* the clock was set back */
    while (plan->waking.first != NULL && plan->waking.first->time <= now) {
        struct queue_plan_route *route = queue_plan_route_of_node(plan->waking.first);
        time_heap_remove(&plan->waking, &route->waking);
        queue_plan_route_place(plan, route);
    }
}

struct queue_plan_route *queue_plan_next_route(struct queue_plan *plan, int64_t now)
{
    wake_up(plan, now);
    for (;;) {
        unsigned standing = choose_standing(plan, now);
        if (standing == QUEUE_PLAN_STANDINGS)
            return NULL;
        struct queue_plan_route *route = choose_route(plan, standing);
        /* Its limit was told only after it was listed, or the clock was set back. */
        if (queue_plan_route_opening(route, now) > now) {
            queue_plan_route_place(plan, route);
            continue;
        }
        open_connection(plan, route);
        return route;
    }
}

void queue_plan_connection_ended(struct queue_plan *plan, struct queue_plan_route *route,
                                 enum queue_plan_outcome outcome, int64_t now, uint32_t random)
{
    assert(route->connections > route->kept);
    plan->now = now;
    route->connections--;
    plan->open[route->standing]--;
    queue_plan_window_judge(plan, route, outcome, now, random);
    queue_plan_route_place(plan, route);
    queue_plan_route_forget_idle(plan);
}

void queue_plan_connection_set_kept(struct queue_plan *plan, struct queue_plan_route *route,
                                    bool is_kept)
{
    assert(is_kept ? route->kept < route->connections : route->kept > 0);
    route->kept = is_kept ? route->kept + 1 : route->kept - 1;
    queue_plan_route_place(plan, route);
}

/* ---- what is known of routes ---- */

struct queue_plan_state queue_plan_state_of(struct queue_plan *plan, struct bytes name)
{
    const struct queue_plan_route *route = queue_plan_route_find(plan, name);
    return route == NULL ? (struct queue_plan_state){0} : queue_plan_route_state(route);
}

bool queue_plan_set_state(struct queue_plan *plan, struct bytes name,
                          const struct queue_plan_state *state, struct fault *fault)
{
    struct queue_plan_route *route = queue_plan_route_make(plan, name, fault);
    if (route == NULL)
        return false;
    route->resting_until = state->resting_until;
    route->failures = state->failures;
    if (state->failures > 0)
        queue_plan_route_set_standing(plan, route, QUEUE_PLAN_IN_TROUBLE);
    queue_plan_route_place(plan, route);
    return true;
}

static void wake_route(struct queue_plan *plan, struct queue_plan_route *route)
{
    route->resting_until = 0;
    queue_plan_route_place(plan, route);
}

void queue_plan_wake(struct queue_plan *plan, struct bytes name)
{
    struct queue_plan_route *route = queue_plan_route_find(plan, name);
    if (route != NULL)
        wake_route(plan, route);
    if (name.length > 0)
        return;
    struct queue_plan_route *next;
    HASH_ITER(hh, plan->routes, route, next)
    wake_route(plan, route);
}

int64_t queue_plan_next_time(const struct queue_plan *plan, int64_t now)
{
    if (count_open(plan) >= plan->connections_max)
        return INT64_MAX;
    int64_t time = plan->waking.first == NULL ? INT64_MAX : plan->waking.first->time;
    for (unsigned standing = 0; standing < QUEUE_PLAN_STANDINGS; standing++) {
        int64_t next = find_time(plan, standing, now);
        if (next < time)
            time = next;
    }
    return time < now ? now : time;
}
