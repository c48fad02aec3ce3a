/* The queue as a whole in simulated days: a far world of routes that are good, slow, dead or moody,
 * a store that is an array, and the plan, the times between tries and the judge of replies between
 * them, driven as the runner drives them. Whatever the world does, every recipient ends exactly
 * once, in time, and nobody waits for another's troubles. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery/queue_plan.h"
#include "delivery/reply_judge.h"
#include "delivery/retry.h"
#include "delivery/time_heap.h"

#define MILLISECOND INT64_C(1000)
#define SECOND      (1000 * MILLISECOND)
#define MINUTE      (60 * SECOND)
#define HOUR        (60 * MINUTE)
#define DAY         (24 * HOUR)
/* Mon, 23 Nov 2026 17:48:08 UTC */
#define THEN INT64_C(1795456088000000)

enum {
    ROUTES = 60,
    MESSAGES = 1200,
    MAILING = 600, /* of them, all at once and of one account */
    RECIPIENTS_MAX = 4,
    ACCOUNTS = 6,
    CONNECTIONS = 40, /* of all routes */
    ROUTE_CONNECTIONS = 8,
    RATE = 5,  /* letters a minute of routes that have such a rule */
    AHEAD = 3, /* letters that a connection takes at once */
    MAILER = 100
};

static const int64_t SWEEP_PACE = 10 * MINUTE;
static const int64_t KEPT_TIME = 5 * SECOND;
static const int64_t PATIENCE = 30 * SECOND;

enum mood {
    GOOD,
    SLOW,        /* 20 seconds a letter */
    GREYLISTING, /* each recipient is taken five minutes behind its first try */
    DEAD,
    AWAY,    /* dead for its first hours */
    CROWDED, /* takes two connections */
    PICKY,   /* takes some recipients, refuses some, puts off some for hours */
    FULL,    /* puts all off for ever */
    DROPS,   /* ends connections in the middle of a letter, now and then */
    TIRED,   /* says 421 behind each third letter of a connection */
    CLOSED,  /* refuses in its greeting, for good */
    RATED,   /* has a rule */
    MOODS
};

struct world_route {
    enum mood mood;
    int64_t back; /* AWAY: until then it is dead */
    int open;
    int64_t given[RATE]; /* RATED: when the last letters were given, in turn */
    size_t given_count;
    struct queue_plan_state state; /* as the store has it */
};

enum fate {
    WAITS = 0,
    DELIVERED,
    RETURNED
};

struct recipient {
    int route;
    enum fate fate;
    int64_t due;
    unsigned attempts;
    int warned;
    bool is_in_hand;
    int64_t first_attempt;
};

struct message {
    int64_t account;
    int64_t created;
    size_t first; /* recipient */
    size_t count;
};

enum connection_state {
    CONNECTS,
    SENDS,
    KEPT
};

struct connection {
    struct time_heap_node node; /* when something happens to it */
    struct connection *next, *previous;
    enum connection_state state;
    struct queue_plan_route *route;
    int world;
    bool is_dead;    /* nobody answers */
    bool is_refused; /* 421 in the greeting */
    int64_t letters[AHEAD];
    size_t letter_count;
    unsigned given;
};

struct model {
    uint32_t seed;
    int64_t now;
    struct world_route world[ROUTES];
    struct message messages[MESSAGES + 1]; /* their number is the id */
    struct recipient recipients[MESSAGES * RECIPIENTS_MAX];
    size_t recipient_count;
    size_t arrived; /* messages */
    size_t open_count;
    struct queue_plan *plan;
    struct time_heap events;
    struct connection *connections;
    int64_t next_sweep;
    int open;
    struct retry_times times;
    size_t tries;
    int64_t longest_wait; /* of a letter to a good route, for its first try */
};

static uint32_t draw(struct model *model, uint32_t most)
{
    model->seed = model->seed * 1664525u + 1013904223u;
    return (uint32_t)((uint64_t)(model->seed >> 4) * most >> 28);
}

static uint32_t draw_word(struct model *model)
{
    return draw(model, 1u << 16) << 16 | draw(model, 1u << 16);
}

static const char *name_of(int route, char name[32])
{
    snprintf(name, 32, "route%d.example", route);
    return name;
}

static int number_of(const struct queue_plan_route *route)
{
    struct bytes name = queue_plan_route_name(route);
    return atoi(name.data + 5);
}

static bool is_dead(const struct model *model, int route)
{
    const struct world_route *world = &model->world[route];
    return world->mood == DEAD || (world->mood == AWAY && model->now < world->back);
}

/* ---- the store ---- */

static void plan_letter(struct model *model, int route, int64_t message, int64_t due)
{
    char name[32];
    assert_true(queue_plan_add(model->plan, bytes_from_string(name_of(route, name)),
                               model->messages[message].account, message, due, NULL));
}

/* Each route and time of the message once. */
static void plan_message(struct model *model, int64_t message)
{
    const struct recipient *recipients = &model->recipients[model->messages[message].first];
    for (size_t i = 0; i < model->messages[message].count; i++) {
        bool is_planned = recipients[i].fate != WAITS;
        for (size_t j = 0; j < i; j++)
            is_planned |= recipients[j].fate == WAITS &&
                          recipients[j].route == recipients[i].route &&
                          recipients[j].due == recipients[i].due;
        if (!is_planned)
            plan_letter(model, recipients[i].route, message, recipients[i].due);
    }
}

static void arrive(struct model *model)
{
    int64_t message = (int64_t)++model->arrived;
    struct message *new = &model->messages[message];
    for (size_t i = 0; i < new->count; i++)
        model->recipients[new->first + i].due = model->now;
    plan_message(model, message);
}

static void set_fate(struct model *model, struct recipient *recipient,
                     const struct message *message, enum fate fate)
{
    assert_int_equal(recipient->fate, WAITS);
    recipient->fate = fate;
    model->open_count--;
    /* Warned of if it was late, and that once. */
    assert_true(recipient->warned <= 1);
    if (model->now > message->created + retry_warning(&model->times) + SWEEP_PACE)
        assert_int_equal(recipient->warned, 1);
}

static void warn_if_late(struct model *model, struct recipient *recipient,
                         const struct message *message)
{
    if (recipient->warned > 0 || !retry_is_late(&model->times, message->created, model->now))
        return;
    assert_true(model->now >= message->created + 4 * HOUR);
    recipient->warned++;
}

/* What waits too long for its route goes back too. */
static void sweep(struct model *model)
{
    for (size_t i = 1; i <= model->arrived; i++) {
        struct message *message = &model->messages[i];
        for (size_t j = 0; j < message->count; j++) {
            struct recipient *recipient = &model->recipients[message->first + j];
            if (recipient->fate != WAITS || recipient->is_in_hand)
                continue;
            warn_if_late(model, recipient, message);
            if (retry_is_over(&model->times, message->created, model->now))
                set_fate(model, recipient, message, RETURNED);
            else
                /* It was looked at, and is not older than a sweep's pace past its end. */
                assert_true(model->now < retry_end(&model->times, message->created));
        }
    }
    model->next_sweep = model->now + SWEEP_PACE;
}

/* ---- the far world ---- */

static struct ph_reply say(int code, unsigned subject, unsigned detail, const char *text)
{
    return (struct ph_reply){
        .code = code,
        .enhanced = {(unsigned short)(code / 100), (unsigned short)subject, (unsigned short)detail},
        .text = text,
        .text_length = strlen(text)};
}

static struct ph_reply reply_picky(const struct model *model, const struct recipient *recipient)
{
    switch ((recipient - model->recipients) % 3) {
    case 0:
        return say(550, 1, 1, "No such user");
    case 1:
        if (model->now < recipient->first_attempt + 3 * HOUR)
            return say(452, 2, 2, "Over quota");
        break;
    }
    return say(250, 1, 5, "Ok");
}

static struct ph_reply reply_to(struct model *model, const struct connection *connection,
                                const struct recipient *recipient)
{
    switch (model->world[connection->world].mood) {
    case GREYLISTING:
        if (model->now < recipient->first_attempt + 5 * MINUTE)
            return say(450, 7, 1, "Greylisted");
        break;
    case PICKY:
        return reply_picky(model, recipient);
    case FULL:
        return say(451, 3, 0, "Try again later");
    case DROPS:
        if (draw(model, 10) == 0)
            return (struct ph_reply){0};
        break;
    case TIRED:
        if (connection->given % 3 == 0)
            return say(421, 7, 0, "Enough for now");
        break;
    default:
        break;
    }
    return say(250, 1, 5, "Ok");
}

/* ---- connections, as the runner keeps them ---- */

static void end_connection(struct model *model, struct connection *connection,
                           enum queue_plan_outcome outcome)
{
    struct world_route *world = &model->world[connection->world];
    char name[32];
    for (size_t i = 0; i < connection->letter_count; i++)
        queue_plan_letter_ended(model->plan, connection->route, connection->letters[i], model->now);
    if (connection->state == KEPT)
        queue_plan_connection_set_kept(model->plan, connection->route, false);
    queue_plan_connection_ended(model->plan, connection->route, outcome, model->now,
                                draw_word(model));
    world->state =
        queue_plan_state_of(model->plan, bytes_from_string(name_of(connection->world, name)));
    world->open--;
    model->open--;
    if (time_heap_has(&connection->node))
        time_heap_remove(&model->events, &connection->node);
    if (connection->previous != NULL)
        connection->previous->next = connection->next;
    else
        model->connections = connection->next;
    if (connection->next != NULL)
        connection->next->previous = connection->previous;
    free(connection);
}

static void wait_for(struct model *model, struct connection *connection, int64_t time)
{
    time_heap_put(&model->events, &connection->node, model->now + time);
}

static struct connection *find_kept(const struct model *model, int route)
{
    struct connection *connection = model->connections;
    while (connection != NULL && (connection->state != KEPT || connection->world != route))
        connection = connection->next;
    return connection;
}

static void note_rate(struct model *model, struct world_route *world)
{
    int64_t *slot = &world->given[world->given_count % RATE];
    if (world->given_count++ >= RATE)
        assert_true(model->now - *slot >= MINUTE);
    *slot = model->now;
}

/* The recipients of the letter that are due: false: there are none. */
static bool take_in_hand(struct model *model, int route, int64_t id)
{
    struct message *message = &model->messages[id];
    size_t count = 0;
    for (size_t i = 0; i < message->count; i++) {
        struct recipient *recipient = &model->recipients[message->first + i];
        if (recipient->route != route || recipient->fate != WAITS || recipient->due > model->now)
            continue;
        assert_false(recipient->is_in_hand);
        recipient->is_in_hand = true;
        count++;
    }
    return count > 0;
}

static void note_wait(struct model *model, int route, int64_t id)
{
    const struct message *message = &model->messages[id];
    int64_t wait = model->now - message->created;
    bool is_first = model->recipients[message->first].attempts == 0;
    if (model->world[route].mood == GOOD && is_first && message->account != MAILER &&
        wait > model->longest_wait)
        model->longest_wait = wait;
}

static void go_on(struct model *model, struct connection *connection)
{
    struct world_route *world = &model->world[connection->world];
    int64_t id, later;
    while (connection->letter_count < AHEAD &&
           queue_plan_next_letter(model->plan, connection->route, model->now, &id, &later)) {
        if (world->mood == RATED)
            note_rate(model, world);
        if (!take_in_hand(model, connection->world, id)) {
            queue_plan_letter_ended(model->plan, connection->route, id, 0);
            continue;
        }
        note_wait(model, connection->world, id);
        connection->letters[connection->letter_count++] = id;
    }
    if (connection->letter_count > 0) {
        connection->state = SENDS;
        wait_for(model, connection, world->mood == SLOW ? 20 * SECOND : 50 * MILLISECOND);
    } else if (find_kept(model, connection->world) == NULL) {
        connection->state = KEPT;
        queue_plan_connection_set_kept(model->plan, connection->route, true);
        wait_for(model, connection, KEPT_TIME);
    } else {
        end_connection(model, connection, QUEUE_PLAN_GOOD);
    }
}

static void open_connection(struct model *model, struct queue_plan_route *route)
{
    int number = number_of(route);
    struct world_route *world = &model->world[number];
    struct connection *kept = find_kept(model, number);
    queue_plan_route_limit(route, ROUTE_CONNECTIONS, world->mood == RATED ? RATE : 0);
    if (kept != NULL) {
        queue_plan_connection_ended(model->plan, route, QUEUE_PLAN_GOOD, model->now, 0);
        queue_plan_connection_set_kept(model->plan, route, false);
        time_heap_remove(&model->events, &kept->node);
        kept->state = SENDS;
        go_on(model, kept);
        return;
    }
    struct connection *connection = calloc(1, sizeof(*connection));
    assert_non_null(connection);
    connection->route = route;
    connection->world = number;
    connection->is_dead = is_dead(model, number);
    world->open++;
    model->open++;
    assert_true(world->open <= ROUTE_CONNECTIONS);
    assert_true(model->open <= CONNECTIONS);
    connection->is_refused = world->mood == CROWDED && world->open > 2;
    connection->next = model->connections;
    if (connection->next != NULL)
        connection->next->previous = connection;
    model->connections = connection;
    wait_for(model, connection, connection->is_dead ? PATIENCE : 100 * MILLISECOND);
}

static void hear_greeting(struct model *model, struct connection *connection)
{
    enum reply_judge_phase phase = connection->is_dead ? REPLY_JUDGE_CONNECT : REPLY_JUDGE_GREETING;
    struct ph_reply reply = {0};
    if (connection->is_refused)
        reply = say(421, 3, 2, "Too many connections");
    else if (!connection->is_dead)
        reply = model->world[connection->world].mood == CLOSED
                    ? say(554, 7, 1, "We do not want you")
                    : say(220, 0, 0, "Hello");
    struct reply_judge_verdict verdict = reply_judge(phase, &reply);
    /* Refused for good: its letters go back, which is the work of this connection. */
    if (verdict.is_good || verdict.is_permanent)
        go_on(model, connection);
    else
        end_connection(model, connection, verdict.is_busy ? QUEUE_PLAN_BUSY : QUEUE_PLAN_BAD);
}

/* False: this connection is of no more use. */
static bool judge_recipient(struct model *model, struct connection *connection,
                            const struct message *message, struct recipient *recipient,
                            uint32_t random, bool *is_taken, bool *is_busy)
{
    bool is_closed = model->world[connection->world].mood == CLOSED;
    if (recipient->attempts++ == 0)
        recipient->first_attempt = model->now;
    recipient->is_in_hand = false;
    model->tries++;
    struct ph_reply reply =
        is_closed ? say(554, 7, 1, "We do not want you") : reply_to(model, connection, recipient);
    enum reply_judge_phase phase = is_closed         ? REPLY_JUDGE_GREETING
                                   : reply.code == 0 ? REPLY_JUDGE_LOST
                                                     : REPLY_JUDGE_RECIPIENT;
    struct reply_judge_verdict verdict = reply_judge(phase, &reply);
    *is_busy |= verdict.is_busy;
    if (verdict.is_good) {
        *is_taken = true;
        set_fate(model, recipient, message, DELIVERED);
        return true;
    }
    warn_if_late(model, recipient, message);
    if (verdict.is_permanent || retry_is_over(&model->times, message->created, model->now))
        set_fate(model, recipient, message, RETURNED);
    else
        recipient->due =
            retry_next(&model->times, message->created, model->now, recipient->attempts, random);
    return is_closed || verdict.scope == REPLY_JUDGE_OF_RECIPIENT;
}

/* What still waits for this route, at each of its times. */
static void plan_rest(struct model *model, struct connection *connection, int64_t id)
{
    const struct message *message = &model->messages[id];
    int64_t first = 0;
    for (size_t i = 0; i < message->count; i++) {
        const struct recipient *recipient = &model->recipients[message->first + i];
        if (recipient->route == connection->world && recipient->fate == WAITS &&
            (first == 0 || recipient->due < first))
            first = recipient->due;
    }
    for (size_t i = 0; i < message->count; i++) {
        const struct recipient *recipient = &model->recipients[message->first + i];
        if (recipient->route == connection->world && recipient->fate == WAITS &&
            recipient->due != first)
            plan_letter(model, connection->world, id, recipient->due);
    }
    queue_plan_letter_ended(model->plan, connection->route, id, first);
}

static void hear_letter(struct model *model, struct connection *connection)
{
    int64_t id = connection->letters[0];
    struct message *message = &model->messages[id];
    bool is_taken = false, is_busy = false, is_useful = true;
    uint32_t random = draw_word(model);
    connection->given++;
    for (size_t i = 0; i < message->count; i++) {
        struct recipient *recipient = &model->recipients[message->first + i];
        if (recipient->route == connection->world && recipient->is_in_hand)
            is_useful &=
                judge_recipient(model, connection, message, recipient, random, &is_taken, &is_busy);
    }
    connection->letter_count--;
    memmove(&connection->letters[0], &connection->letters[1],
            connection->letter_count * sizeof(connection->letters[0]));
    if (is_taken)
        queue_plan_route_went_well(model->plan, connection->route, model->now);
    plan_rest(model, connection, id);
    if (is_useful) {
        go_on(model, connection);
        return;
    }
    for (size_t i = 0; i < connection->letter_count; i++) {
        struct message *other = &model->messages[connection->letters[i]];
        for (size_t j = 0; j < other->count; j++)
            if (model->recipients[other->first + j].route == connection->world)
                model->recipients[other->first + j].is_in_hand = false;
    }
    end_connection(model, connection, is_busy ? QUEUE_PLAN_BUSY : QUEUE_PLAN_GOOD);
}

static void happen(struct model *model, struct connection *connection)
{
    time_heap_remove(&model->events, &connection->node);
    switch (connection->state) {
    case CONNECTS:
        hear_greeting(model, connection);
        break;
    case SENDS:
        hear_letter(model, connection);
        break;
    case KEPT:
        end_connection(model, connection, QUEUE_PLAN_GOOD);
        break;
    }
}

/* ---- a world's course ---- */

static void make_world(struct model *model)
{
    for (int i = 0; i < ROUTES; i++) {
        model->world[i].mood = (enum mood)(i % MOODS);
        model->world[i].back = THEN + (1 + draw(model, 72)) * HOUR;
    }
}

static int compare_times(const void *left, const void *right)
{
    const struct message *a = left, *b = right;
    return a->created < b->created ? -1 : a->created > b->created;
}

static void make_messages(struct model *model)
{
    for (size_t i = 1; i <= MESSAGES; i++) {
        struct message *message = &model->messages[i];
        bool is_mailing = i <= MAILING;
        message->account = is_mailing ? MAILER : draw(model, ACCOUNTS);
        message->created =
            THEN + (is_mailing ? HOUR : (int64_t)draw(model, 2 * 24 * 3600) * SECOND);
    }
    qsort(&model->messages[1], MESSAGES, sizeof(model->messages[0]), compare_times);
    for (size_t i = 1; i <= MESSAGES; i++) {
        struct message *message = &model->messages[i];
        message->first = model->recipient_count;
        message->count = 1 + draw(model, RECIPIENTS_MAX);
        int route = (int)draw(model, ROUTES);
        for (size_t j = 0; j < message->count; j++) {
            /* Half of them share the route of the one before. */
            if (draw(model, 2) == 0)
                route = (int)draw(model, ROUTES);
            model->recipients[model->recipient_count++].route = route;
        }
    }
    model->open_count = model->recipient_count;
}

static void open_plan(struct model *model)
{
    model->plan = queue_plan_new(&(struct queue_plan_limits){.connections = CONNECTIONS}, NULL);
    assert_non_null(model->plan);
}

/* The node dies with all that was under way, and begins again with what the store has. */
static void restart(struct model *model)
{
    char name[32];
    queue_plan_free(model->plan);
    while (model->connections != NULL) {
        struct connection *connection = model->connections;
        model->connections = connection->next;
        free(connection);
    }
    model->events = (struct time_heap){0};
    model->open = 0;
    for (size_t i = 0; i < model->recipient_count; i++)
        model->recipients[i].is_in_hand = false;
    open_plan(model);
    for (int i = 0; i < ROUTES; i++) {
        model->world[i].open = 0;
        model->world[i].given_count = 0; /* nobody counts over a restart */
        if (model->world[i].state.failures > 0)
            assert_true(queue_plan_set_state(model->plan, bytes_from_string(name_of(i, name)),
                                             &model->world[i].state, NULL));
    }
    for (size_t i = 1; i <= model->arrived; i++)
        plan_message(model, (int64_t)i);
}

/* A person changed the queue: it is read again, while letters are in hand. */
static void read_again(struct model *model)
{
    queue_plan_empty(model->plan);
    for (size_t i = 1; i <= model->arrived; i++)
        plan_message(model, (int64_t)i);
}

static int64_t least(int64_t left, int64_t right)
{
    return left < right ? left : right;
}

static int64_t find_next(const struct model *model)
{
    int64_t next = model->next_sweep;
    if (model->events.first != NULL)
        next = least(next, model->events.first->time);
    if (model->arrived < MESSAGES)
        next = least(next, model->messages[model->arrived + 1].created);
    return least(next, queue_plan_next_time(model->plan, model->now));
}

static void step(struct model *model)
{
    int64_t next = find_next(model);
    assert_true(next >= model->now);
    model->now = next;
    while (model->arrived < MESSAGES && model->messages[model->arrived + 1].created <= model->now)
        arrive(model);
    while (model->events.first != NULL && model->events.first->time <= model->now)
        happen(model, (struct connection *)((char *)model->events.first -
                                            offsetof(struct connection, node)));
    if (model->next_sweep <= model->now)
        sweep(model);
    struct queue_plan_route *route;
    while ((route = queue_plan_next_route(model->plan, model->now)) != NULL)
        open_connection(model, route);
}

static void assert_ends(const struct model *model)
{
    size_t delivered[MOODS] = {0}, returned[MOODS] = {0};
    for (size_t i = 0; i < model->recipient_count; i++) {
        const struct recipient *recipient = &model->recipients[i];
        enum mood mood = model->world[recipient->route].mood;
        if (recipient->fate == DELIVERED)
            delivered[mood]++;
        else
            returned[mood]++;
    }
    for (int mood = 0; mood < MOODS; mood++) {
        bool never = mood == DEAD || mood == FULL || mood == CLOSED;
        if (never)
            assert_int_equal(delivered[mood], 0);
        else
            assert_true(delivered[mood] > 0);
        if (!never && mood != PICKY)
            assert_int_equal(returned[mood], 0);
        else
            assert_true(returned[mood] > 0);
    }
}

static void play(uint32_t seed, int64_t restart_pace)
{
    struct model *model = calloc(1, sizeof(*model));
    assert_non_null(model);
    model->seed = seed;
    model->now = THEN;
    model->next_sweep = THEN + SWEEP_PACE;
    make_world(model);
    make_messages(model);
    open_plan(model);
    int64_t next_restart = THEN + restart_pace;
    size_t steps = 0;
    while (model->open_count > 0) {
        step(model);
        /* All is over a sweep's pace behind the last letter's end. */
        assert_true(model->now <= THEN + 7 * DAY + 2 * SWEEP_PACE);
        /* Nothing goes round in circles. */
        assert_true(++steps < 2000000);
        if (model->now < next_restart)
            continue;
        if (draw(model, 2) == 0)
            restart(model);
        else
            read_again(model);
        next_restart += restart_pace;
    }
    assert_ends(model);
    /* The mailing, dead and slow routes, few connections: a letter to a good route leaves soon. */
    assert_true(model->longest_wait < MINUTE);
    /* A recipient is not tried much more often than its times say. */
    assert_true(model->tries < model->recipient_count * 40);
    while (model->connections != NULL)
        end_connection(model, model->connections, QUEUE_PLAN_GOOD);
    queue_plan_free(model->plan);
    free(model);
}

static void every_recipient_ends_once(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++)
        play(seed, 100 * DAY);
}

static void and_so_it_does_when_the_node_dies(void **state)
{
    (void)state;
    play(101, 3 * HOUR);
    play(102, 20 * MINUTE);
    play(103, 7 * HOUR);
    play(104, 11 * MINUTE);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_recipient_ends_once),
    cmocka_unit_test(and_so_it_does_when_the_node_dies),
};

UNIT_MAIN(tests)
