/* What one sender has waiting for one route: a heap of letters in an array of 16 bytes each. */
#include "delivery/queue_plan_inside.h"

#include <stdlib.h>

static struct queue_plan_sender *make_sender(struct queue_plan *plan, int64_t account,
                                             struct fault *fault)
{
    struct queue_plan_sender *sender = NULL;
    HASH_FIND(hh, plan->senders, &account, sizeof(account), sender);
    if (sender != NULL)
        return sender;
    sender = calloc(1, sizeof(*sender));
    if (sender == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    sender->account = account;
    HASH_ADD(hh, plan->senders, account, sizeof(account), sender);
    if (sender->is_lost) {
        free(sender);
        fault_set_memory(fault);
        return NULL;
    }
    return sender;
}

static void free_sender_without_flows(struct queue_plan *plan, struct queue_plan_sender *sender)
{
    if (sender->flow_count > 0)
        return;
    HASH_DEL(plan->senders, sender);
    free(sender);
}

struct queue_plan_flow *queue_plan_flow_make(struct queue_plan *plan,
                                             struct queue_plan_route *route, int64_t account,
                                             struct fault *fault)
{
    struct queue_plan_sender *sender = make_sender(plan, account, fault);
    if (sender == NULL)
        return NULL;
    struct queue_plan_flow_key key = {.route = route, .sender = sender};
    struct queue_plan_flow *flow = NULL;
    HASH_FIND(hh, plan->flows, &key, sizeof(key), flow);
    if (flow != NULL)
        return flow;
    flow = calloc(1, sizeof(*flow));
    if (flow != NULL) {
        flow->key = key;
        flow->letters = &flow->single;
        flow->capacity = 1;
        HASH_ADD(hh, plan->flows, key, sizeof(key), flow);
    }
    if (flow == NULL || flow->is_lost) {
        free(flow);
        free_sender_without_flows(plan, sender);
        fault_set_memory(fault);
        return NULL;
    }
    sender->flow_count++;
    route->flow_count++;
    return flow;
}

static void free_flow(struct queue_plan *plan, struct queue_plan_flow *flow)
{
    struct queue_plan_route *route = flow->key.route;
    struct queue_plan_sender *sender = flow->key.sender;
    if (route->listed == sender)
        queue_plan_route_unlist(plan, route);
    HASH_DEL(plan->flows, flow);
    route->flow_count--;
    sender->flow_count--;
    free_sender_without_flows(plan, sender);
    if (flow->letters != &flow->single)
        free(flow->letters);
    free(flow);
}

bool queue_plan_flow_reserve(struct queue_plan_flow *flow, struct fault *fault)
{
    if (flow->count + flow->in_hand < flow->capacity)
        return true;
    /* By a half: doubling would waste up to as much as is needed. */
    uint32_t capacity = flow->capacity + flow->capacity / 2 + 2;
    bool is_single = flow->letters == &flow->single;
    struct queue_plan_letter *letters =
        realloc(is_single ? NULL : flow->letters, capacity * sizeof(*letters));
    if (letters == NULL)
        return fault_set_memory(fault);
    if (is_single)
        letters[0] = flow->single;
    flow->letters = letters;
    flow->capacity = capacity;
    return true;
}

static bool is_before(const struct queue_plan_letter *left, const struct queue_plan_letter *right)
{
    return left->due != right->due ? left->due < right->due : left->message < right->message;
}

void queue_plan_flow_put(struct queue_plan_flow *flow, int64_t message, int64_t due)
{
    assert(flow->count < flow->capacity);
    struct queue_plan_letter letter = {.due = due, .message = message};
    size_t at = flow->count++;
    while (at > 0 && is_before(&letter, &flow->letters[(at - 1) / 2])) {
        flow->letters[at] = flow->letters[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    flow->letters[at] = letter;
}

struct queue_plan_letter queue_plan_flow_take(struct queue_plan_flow *flow)
{
    assert(flow->count > 0);
    struct queue_plan_letter *letters = flow->letters;
    struct queue_plan_letter first = letters[0];
    struct queue_plan_letter last = letters[--flow->count];
    size_t at = 0;
    for (;;) {
        size_t below = 2 * at + 1;
        if (below >= flow->count)
            break;
        if (below + 1 < flow->count && is_before(&letters[below + 1], &letters[below]))
            below++;
        if (!is_before(&letters[below], &last))
            break;
        letters[at] = letters[below];
        at = below;
    }
    letters[at] = last;
    return first;
}

/* Below what is not due nothing is. The walk goes down by levels of the heap: those of a level that
   are due are not in one piece, so it goes from each to the next in the order of a walk in depth.
 */
size_t queue_plan_flow_due(const struct queue_plan_flow *flow, int64_t now, size_t most)
{
    size_t count = 0;
    size_t at = 0;
    while (count < most) {
        bool is_due = at < flow->count && flow->letters[at].due <= now;
        if (is_due) {
            count++;
            at = 2 * at + 1;
            continue;
        }
        /* Up as long as it is a right child, then to the one on the right. */
        while (at > 0 && at % 2 == 0)
            at = (at - 1) / 2;
        if (at == 0)
            break;
        at++;
    }
    return count;
}

static void set_ready(struct queue_plan_flow *flow, bool is_ready)
{
    struct queue_plan_route *route = flow->key.route;
    if (flow->is_ready == is_ready)
        return;
    flow->is_ready = is_ready;
    if (is_ready)
        DL_APPEND(route->ready, flow);
    else
        DL_DELETE(route->ready, flow);
}

void queue_plan_flow_place(struct queue_plan *plan, struct queue_plan_flow *flow)
{
    struct queue_plan_route *route = flow->key.route;
    if (time_heap_has(&flow->waiting))
        time_heap_remove(&route->waiting, &flow->waiting);
    bool is_ready = flow->count > 0 && flow->letters[0].due <= plan->now;
    set_ready(flow, is_ready);
    if (flow->count > 0 && !is_ready)
        time_heap_put(&route->waiting, &flow->waiting, flow->letters[0].due);
    if (flow->count == 0 && flow->in_hand == 0)
        free_flow(plan, flow);
}

void queue_plan_flow_clear(struct queue_plan *plan, struct queue_plan_flow *flow)
{
    plan->letter_count -= flow->count;
    flow->count = 0;
    queue_plan_flow_place(plan, flow);
}
