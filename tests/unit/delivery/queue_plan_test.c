/* The plan of the queue: turns, windows, rests, limits; what is much and what is dead holds up
 * nobody.
 */
#include "unit.h"

#include <stdio.h>

#include "delivery/queue_plan_inside.h"
#include "failing_allocation.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
/* Mon, 23 Nov 2026 17:48:08 UTC */
#define THEN INT64_C(1795456088000000)

static struct queue_plan *new_plan(unsigned connections)
{
    struct queue_plan *plan =
        queue_plan_new(&(struct queue_plan_limits){.connections = connections}, NULL);
    assert_non_null(plan);
    return plan;
}

static void add(struct queue_plan *plan, const char *route, int64_t account, int64_t message,
                int64_t due)
{
    assert_true(queue_plan_add(plan, bytes_from_string(route), account, message, due, NULL));
}

/* "dead17.example" */
static void add_numbered(struct queue_plan *plan, const char *stem, int number, int64_t account,
                         int64_t message, int64_t due)
{
    char name[64];
    snprintf(name, sizeof(name), "%s%d.example", stem, number);
    add(plan, name, account, message, due);
}

static struct queue_plan_route *open_route(struct queue_plan *plan, int64_t now)
{
    struct queue_plan_route *route = queue_plan_next_route(plan, now);
    if (route != NULL)
        queue_plan_route_limit(route, 20, 0);
    return route;
}

/* The connection that can be opened now is to this route. */
static struct queue_plan_route *open_named(struct queue_plan *plan, const char *name, int64_t now)
{
    struct queue_plan_route *route = open_route(plan, now);
    assert_non_null(route);
    assert_true(bytes_equal(queue_plan_route_name(route), bytes_from_string(name)));
    return route;
}

/* 0: none. */
static int64_t take(struct queue_plan *plan, struct queue_plan_route *route, int64_t now)
{
    int64_t message = 0, later;
    return queue_plan_next_letter(plan, route, now, &message, &later) ? message : 0;
}

static void end(struct queue_plan *plan, struct queue_plan_route *route,
                enum queue_plan_outcome outcome, int64_t now)
{
    queue_plan_connection_ended(plan, route, outcome, now, 0);
}

/* ---- letters ---- */

static void a_letter_comes_and_goes(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    assert_null(queue_plan_next_route(plan, THEN));
    assert_true(queue_plan_next_time(plan, THEN) == INT64_MAX);
    add(plan, "far.example", 7, 100, THEN);
    assert_int_equal(queue_plan_count(plan), 1);
    struct queue_plan_route *route = open_named(plan, "far.example", THEN);
    /* It will be asked for by this connection: no other is needed. */
    assert_null(queue_plan_next_route(plan, THEN));
    assert_int_equal(take(plan, route, THEN), 100);
    assert_int_equal(queue_plan_count(plan), 0);
    assert_int_equal(take(plan, route, THEN), 0);
    queue_plan_letter_ended(plan, route, 100, 0);
    end(plan, route, QUEUE_PLAN_GOOD, THEN);
    assert_null(queue_plan_next_route(plan, THEN + 100 * HOUR));
    queue_plan_free(plan);
    queue_plan_free(NULL);
}

static void what_is_not_due_waits(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    add(plan, "far.example", 7, 100, THEN + HOUR);
    add(plan, "far.example", 7, 101, THEN + MINUTE);
    add(plan, "far.example", 8, 102, THEN + 2 * MINUTE);
    assert_null(queue_plan_next_route(plan, THEN));
    assert_true(queue_plan_next_time(plan, THEN) == THEN + MINUTE);
    assert_null(queue_plan_next_route(plan, THEN + MINUTE - 1));
    struct queue_plan_route *route = open_named(plan, "far.example", THEN + MINUTE);
    assert_int_equal(take(plan, route, THEN + MINUTE), 101);
    assert_int_equal(take(plan, route, THEN + MINUTE), 0);
    /* A connection that is kept open finds what has become due. */
    assert_int_equal(take(plan, route, THEN + 2 * MINUTE), 102);
    /* Put off: again at its time. */
    queue_plan_letter_ended(plan, route, 101, THEN + 3 * MINUTE);
    queue_plan_letter_ended(plan, route, 102, 0);
    end(plan, route, QUEUE_PLAN_GOOD, THEN + 2 * MINUTE);
    assert_null(queue_plan_next_route(plan, THEN + 2 * MINUTE));
    assert_true(queue_plan_next_time(plan, THEN + 2 * MINUTE) == THEN + 3 * MINUTE);
    route = open_named(plan, "far.example", THEN + 2 * HOUR);
    assert_int_equal(take(plan, route, THEN + 2 * HOUR), 101);
    assert_int_equal(take(plan, route, THEN + 2 * HOUR), 100);
    queue_plan_free(plan);
}

static void letters_go_by_their_time(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 0; i < 1000; i++)
        add(plan, "far.example", 7, i * 7919 % 1000 + 1, THEN + i * 7919 % 1000 / 10);
    struct queue_plan_route *route = open_named(plan, "far.example", THEN + SECOND);
    for (int64_t i = 1; i <= 1000; i++)
        assert_int_equal(take(plan, route, THEN + SECOND), i);
    queue_plan_free(plan);
}

static void what_is_in_hand_is_not_given_twice(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    add(plan, "far.example", 7, 100, THEN);
    struct queue_plan_route *route = open_named(plan, "far.example", THEN);
    assert_int_equal(take(plan, route, THEN), 100);
    /* The list was read again. The same message by another route is another letter. */
    add(plan, "far.example", 7, 100, THEN);
    add(plan, "far.example", 7, 100, THEN + MINUTE);
    add(plan, "near.example", 7, 100, THEN);
    struct queue_plan_route *near = NULL;
    for (struct queue_plan_route *next; (next = open_route(plan, THEN)) != NULL;)
        if (bytes_equal(queue_plan_route_name(next), BYTES("near.example")))
            near = next;
    assert_int_equal(take(plan, near, THEN), 100);
    assert_int_equal(take(plan, route, THEN), 0);
    /* Somebody may have changed it: it is given again once it has ended. */
    queue_plan_letter_ended(plan, route, 100, 0);
    assert_int_equal(take(plan, route, THEN), 100);
    queue_plan_letter_ended(plan, route, 100, 0);
    assert_int_equal(take(plan, route, THEN), 0);
    assert_int_equal(take(plan, route, THEN + MINUTE), 100);
    queue_plan_letter_ended(plan, route, 100, 0);
    queue_plan_letter_ended(plan, near, 100, 0);
    assert_int_equal(queue_plan_count(plan), 0);
    queue_plan_free(plan);
}

/* Whatever was added meanwhile: putting back needs no memory. */
static void what_was_taken_keeps_its_place(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t taken = 1; taken <= 40; taken++) {
        for (int64_t i = 1; i <= taken; i++)
            add(plan, "far.example", 7, i, THEN);
        struct queue_plan_route *route = open_named(plan, "far.example", THEN);
        for (int64_t i = 1; i <= taken; i++)
            assert_int_equal(take(plan, route, THEN), i);
        for (int64_t i = 1; i <= taken; i++)
            add(plan, "far.example", 7, 1000 + i, THEN);
        failing_allocation_start(0);
        for (int64_t i = 1; i <= taken; i++)
            queue_plan_letter_ended(plan, route, i, THEN + i);
        assert_false(failing_allocation_stop());
        assert_int_equal(queue_plan_count(plan), 2 * taken);
        queue_plan_empty(plan);
        end(plan, route, QUEUE_PLAN_GOOD, THEN);
    }
    queue_plan_free(plan);
}

/* Added again for a time before the one that it was put off to: the earlier holds. */
static void the_earlier_time_holds(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    add(plan, "far.example", 7, 100, THEN);
    struct queue_plan_route *route = open_named(plan, "far.example", THEN);
    assert_int_equal(take(plan, route, THEN), 100);
    add(plan, "far.example", 7, 100, THEN);
    assert_int_equal(take(plan, route, THEN), 0);
    queue_plan_letter_ended(plan, route, 100, THEN + HOUR);
    assert_int_equal(take(plan, route, THEN), 100);
    queue_plan_letter_ended(plan, route, 100, THEN + HOUR);
    assert_int_equal(take(plan, route, THEN), 0);
    assert_int_equal(take(plan, route, THEN + HOUR), 100);
    queue_plan_free(plan);
}

static void emptied_it_knows_what_is_in_hand(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= 100; i++) {
        add(plan, "far.example", i % 3, i, THEN);
        add_numbered(plan, "other", (int)i, i % 3, i, THEN + (i % 2) * HOUR);
    }
    struct queue_plan_route *route = NULL;
    while (route == NULL || !bytes_equal(queue_plan_route_name(route), BYTES("far.example")))
        route = open_route(plan, THEN);
    int64_t first = take(plan, route, THEN);
    int64_t second = take(plan, route, THEN);
    assert_true(first != 0 && second != 0);
    queue_plan_empty(plan);
    assert_int_equal(queue_plan_count(plan), 0);
    assert_null(queue_plan_next_route(plan, THEN + 2 * HOUR));
    for (int64_t i = 1; i <= 100; i++)
        add(plan, "far.example", i % 3, i, THEN);
    queue_plan_letter_ended(plan, route, first, 0);
    size_t given = 0;
    for (int64_t message; (message = take(plan, route, THEN)) != 0; given++) {
        assert_true(message != second);
        queue_plan_letter_ended(plan, route, message, 0);
    }
    /* The first had ended, so that it came again; the second has not yet. */
    assert_int_equal(given, 99);
    queue_plan_letter_ended(plan, route, second, 0);
    assert_int_equal(take(plan, route, THEN), second);
    queue_plan_free(plan);
}

static void letters_have_a_limit(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= QUEUE_PLAN_LETTERS_MAX; i++)
        if (!queue_plan_add(plan, BYTES("far.example"), 7, i, THEN, NULL))
            fail();
    assert_false(queue_plan_is_cut(plan));
    struct fault fault = {0};
    assert_false(queue_plan_add(plan, BYTES("far.example"), 7, 1, THEN, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
    assert_true(queue_plan_is_cut(plan));
    struct queue_plan_route *route = open_named(plan, "far.example", THEN);
    assert_int_equal(take(plan, route, THEN), 1);
    /* What is behind the cut is not known: nothing is taken before it is read again from there. */
    assert_false(queue_plan_add(plan, BYTES("far.example"), 7, 1, THEN, &fault));
    queue_plan_empty(plan);
    assert_false(queue_plan_is_cut(plan));
    add(plan, "far.example", 7, 2, THEN);
    queue_plan_free(plan);
}

/* ---- turns ---- */

static void a_mailing_delays_nobody_on_its_route(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= 100000; i++)
        add(plan, "far.example", 7, i, THEN);
    struct queue_plan_route *route = open_named(plan, "far.example", THEN);
    for (int i = 0; i < 10; i++)
        assert_true(take(plan, route, THEN) != 0);
    add(plan, "far.example", 8, 200000, THEN);
    add(plan, "far.example", 9, 200001, THEN);
    int64_t given[4];
    for (int i = 0; i < 4; i++)
        given[i] = take(plan, route, THEN);
    assert_true(given[0] == 200000 || given[1] == 200000 || given[2] == 200000);
    assert_true(given[1] == 200001 || given[2] == 200001 || given[3] == 200001);
    queue_plan_free(plan);
}

/* A mailing to 50,000 domains, and all connections are in use: the next that is free goes to the
   letter of another. */
static void a_mailing_delays_nobody_elsewhere(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(100);
    for (int i = 0; i < 50000; i++)
        add_numbered(plan, "many", i, 7, i + 1, THEN);
    struct queue_plan_route *open[100];
    size_t count = 0;
    while (count < 100 && (open[count] = open_route(plan, THEN)) != NULL)
        count++;
    assert_true(count >= 50);
    add(plan, "single.example", 8, 200000, THEN);
    bool is_given = false;
    for (size_t i = 0; i < 3 && !is_given; i++) {
        assert_true(take(plan, open[i], THEN) != 0);
        end(plan, open[i], QUEUE_PLAN_GOOD, THEN + (int64_t)i);
        struct queue_plan_route *route = open_route(plan, THEN + (int64_t)i);
        is_given =
            route != NULL && bytes_equal(queue_plan_route_name(route), BYTES("single.example"));
    }
    assert_true(is_given);
    queue_plan_free(plan);
}

static void routes_take_turns(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int i = 0; i < 10; i++) {
        add_numbered(plan, "route", i, 7, 1000 + i, THEN);
        struct queue_plan_route *route = open_route(plan, THEN);
        queue_plan_letter_ended(plan, route, take(plan, route, THEN), 0);
        end(plan, route, QUEUE_PLAN_GOOD, THEN);
    }
    for (int64_t i = 1; i <= 300; i++)
        add_numbered(plan, "route", (int)(i % 10), 7, i, THEN);
    for (int round = 0; round < QUEUE_PLAN_WINDOW_FIRST; round++) {
        unsigned seen = 0;
        for (int i = 0; i < 10; i++) {
            struct queue_plan_route *route = open_route(plan, THEN);
            assert_non_null(route);
            seen |= 1u << (queue_plan_route_name(route).data[5] - '0');
            assert_true(take(plan, route, THEN) != 0);
        }
        assert_int_equal(seen, 0x3ff);
    }
    assert_null(open_route(plan, THEN));
    queue_plan_free(plan);
}

/* ---- windows ---- */

static void a_window_grows_as_letters_are_taken(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= 1000; i++)
        add(plan, "far.example", 7, i, THEN);
    struct queue_plan_route *route = NULL, *next;
    size_t open = 0;
    while ((next = open_route(plan, THEN)) != NULL) {
        route = next;
        open++;
    }
    assert_int_equal(open, QUEUE_PLAN_WINDOW_FIRST);
    for (size_t i = 0; i < open; i++)
        assert_true(take(plan, route, THEN) != 0);
    for (size_t i = 0; i < 100; i++) {
        queue_plan_route_went_well(plan, route, THEN);
        while ((next = open_route(plan, THEN)) != NULL) {
            assert_ptr_equal(next, route);
            assert_true(take(plan, route, THEN) != 0);
            open++;
        }
    }
    /* The limit of its rule. */
    assert_int_equal(open, 20);
    queue_plan_free(plan);
}

/* Who has letters in hand is busy; what comes meanwhile is worth a connection of its own. */
static void a_busy_connection_is_not_waited_for(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    add(plan, "far.example", 7, 1, THEN);
    add(plan, "far.example", 7, 2, THEN);
    struct queue_plan_route *route = open_named(plan, "far.example", THEN);
    assert_non_null(open_route(plan, THEN));
    assert_null(open_route(plan, THEN));
    assert_int_equal(take(plan, route, THEN), 1);
    assert_int_equal(take(plan, route, THEN), 2);
    add(plan, "far.example", 7, 3, THEN);
    assert_ptr_equal(open_route(plan, THEN), route);
    assert_null(open_route(plan, THEN));
    queue_plan_free(plan);
}

/* A window that is not filled says nothing of what more would be taken. */
static void a_window_that_is_not_used_does_not_grow(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    add(plan, "far.example", 7, 1, THEN);
    struct queue_plan_route *route = open_named(plan, "far.example", THEN);
    for (int64_t i = 1; i < 100; i++) {
        assert_int_equal(take(plan, route, THEN), i);
        queue_plan_route_went_well(plan, route, THEN);
        queue_plan_letter_ended(plan, route, i, 0);
        add(plan, "far.example", 7, i + 1, THEN);
    }
    for (int64_t i = 200; i < 300; i++)
        add(plan, "far.example", 7, i, THEN);
    size_t open = 1;
    while (open_route(plan, THEN) != NULL)
        open++;
    assert_int_equal(open, QUEUE_PLAN_WINDOW_FIRST);
    queue_plan_free(plan);
}

static void a_limit_holds_from_the_first_connection_on(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= 100; i++)
        add(plan, "far.example", 7, i, THEN);
    struct queue_plan_route *route = queue_plan_next_route(plan, THEN);
    queue_plan_route_limit(route, 1, 0);
    assert_null(queue_plan_next_route(plan, THEN));
    for (int64_t i = 1; i <= 50; i++) {
        assert_int_equal(take(plan, route, THEN), i);
        queue_plan_route_went_well(plan, route, THEN);
        assert_null(queue_plan_next_route(plan, THEN));
    }
    queue_plan_free(plan);
}

/* It takes three: after the refusals it has three, and is asked for a fourth only after a while. */
static void a_route_that_refuses_gets_less(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= 1000; i++)
        add(plan, "far.example", 7, i, THEN);
    struct queue_plan_route *route = NULL;
    for (int i = 0; i < QUEUE_PLAN_WINDOW_FIRST; i++)
        route = open_named(plan, "far.example", THEN);
    for (int i = 0; i < 3; i++)
        assert_true(take(plan, route, THEN) != 0);
    queue_plan_route_went_well(plan, route, THEN);
    end(plan, route, QUEUE_PLAN_BUSY, THEN);
    end(plan, route, QUEUE_PLAN_BUSY, THEN);
    assert_int_equal(queue_plan_route_state(route).failures, 0);
    assert_null(queue_plan_next_route(plan, THEN + HOUR));
    /* One ends in order: it is opened again, but not at once. */
    end(plan, route, QUEUE_PLAN_GOOD, THEN);
    assert_null(queue_plan_next_route(plan, THEN));
    assert_true(queue_plan_next_time(plan, THEN) > THEN);
    assert_ptr_equal(open_route(plan, THEN + MINUTE), route);
    assert_true(take(plan, route, THEN + MINUTE) != 0);
    assert_null(queue_plan_next_route(plan, THEN + MINUTE));
    int letters = 0;
    while (queue_plan_next_route(plan, THEN + MINUTE) == NULL && letters < 1000) {
        queue_plan_route_went_well(plan, route, THEN + MINUTE);
        letters++;
    }
    assert_true(letters >= 20 && letters < 100);
    queue_plan_free(plan);
}

/* What is kept open serves what comes next, also where the window has room for no other. */
static void a_kept_connection_serves_again(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    add(plan, "far.example", 7, 1, THEN);
    struct queue_plan_route *route = queue_plan_next_route(plan, THEN);
    queue_plan_route_limit(route, 1, 0);
    queue_plan_letter_ended(plan, route, take(plan, route, THEN), 0);
    queue_plan_connection_set_kept(plan, route, true);
    assert_null(queue_plan_next_route(plan, THEN));
    assert_true(queue_plan_next_time(plan, THEN) == INT64_MAX);
    add(plan, "far.example", 7, 2, THEN);
    assert_ptr_equal(queue_plan_next_route(plan, THEN), route);
    assert_null(queue_plan_next_route(plan, THEN));
    end(plan, route, QUEUE_PLAN_GOOD, THEN);
    queue_plan_connection_set_kept(plan, route, false);
    assert_null(queue_plan_next_route(plan, THEN));
    assert_int_equal(take(plan, route, THEN), 2);
    queue_plan_letter_ended(plan, route, 2, 0);
    end(plan, route, QUEUE_PLAN_GOOD, THEN);
    queue_plan_free(plan);
}

/* ---- rests ---- */

static void a_dead_route_rests_longer_each_time(void **state)
{
    (void)state;
    static const int64_t seconds[] = {60, 120, 240, 480, 960, 1920, 3600, 3600, 3600};
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= 100; i++)
        add(plan, "far.example", 7, i, THEN);
    int64_t now = THEN;
    for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        struct queue_plan_route *route = NULL, *next;
        size_t open = 0;
        while ((next = open_route(plan, now)) != NULL) {
            route = next;
            open++;
        }
        /* Once it has failed it is tried with one. */
        assert_int_equal(open, i == 0 ? QUEUE_PLAN_WINDOW_FIRST : 1);
        while (open-- > 0)
            end(plan, route, QUEUE_PLAN_BAD, now);
        assert_null(queue_plan_next_route(plan, now));
        assert_true(queue_plan_next_time(plan, now) == now + seconds[i] * SECOND);
        now += seconds[i] * SECOND;
        assert_null(queue_plan_next_route(plan, now - 1));
    }
    struct queue_plan_route *route = open_named(plan, "far.example", now);
    assert_int_equal(queue_plan_route_state(route).failures, 9);
    assert_true(take(plan, route, now) != 0);
    queue_plan_route_went_well(plan, route, now);
    assert_int_equal(queue_plan_route_state(route).failures, 0);
    assert_int_equal(queue_plan_route_state(route).resting_until, 0);
    assert_ptr_equal(open_route(plan, now), route);
    queue_plan_free(plan);
}

static void rests_are_jittered(void **state)
{
    (void)state;
    int64_t most = 0;
    for (uint32_t i = 0; i < 16; i++) {
        struct queue_plan *plan = new_plan(0);
        add(plan, "far.example", 7, 1, THEN);
        queue_plan_connection_ended(plan, open_route(plan, THEN), QUEUE_PLAN_BAD, THEN,
                                    i * 0x11111111u);
        int64_t next = queue_plan_next_time(plan, THEN);
        assert_true(next >= THEN + MINUTE && next <= THEN + MINUTE / 5 * 6);
        assert_true(i == 0 || next > most);
        most = next;
        queue_plan_free(plan);
    }
    assert_true(most > THEN + MINUTE / 20 * 23);
}

static void one_that_is_refused_alone_rests(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    add(plan, "far.example", 7, 1, THEN);
    int64_t last = 0;
    int64_t now = THEN;
    for (int i = 0; i < 20; i++) {
        end(plan, open_named(plan, "far.example", now), QUEUE_PLAN_BUSY, now);
        int64_t wait = queue_plan_next_time(plan, now) - now;
        assert_true(wait >= last && wait >= SECOND && wait <= HOUR);
        last = wait;
        now += wait;
    }
    assert_true(last == HOUR);
    queue_plan_free(plan);
}

/* One host of several is not there: what works goes on working. */
static void one_bad_connection_beside_good_ones(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= 100; i++)
        add(plan, "far.example", 7, i, THEN);
    struct queue_plan_route *route = NULL;
    for (int i = 0; i < 3; i++)
        route = open_named(plan, "far.example", THEN);
    assert_true(take(plan, route, THEN) != 0);
    queue_plan_route_went_well(plan, route, THEN);
    end(plan, route, QUEUE_PLAN_BAD, THEN + SECOND);
    assert_int_equal(queue_plan_route_state(route).failures, 0);
    assert_true(take(plan, route, THEN + SECOND) != 0);
    /* An hour later the others are no proof any more. */
    end(plan, route, QUEUE_PLAN_BAD, THEN + HOUR);
    assert_int_equal(queue_plan_route_state(route).failures, 1);
    queue_plan_free(plan);
}

static void states_are_kept_and_given_back(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    struct queue_plan_state known = {.resting_until = THEN + HOUR, .failures = 6};
    assert_true(queue_plan_set_state(plan, BYTES("far.example"), &known, NULL));
    for (int64_t i = 1; i <= 10; i++)
        add(plan, "far.example", 7, i, THEN);
    assert_null(queue_plan_next_route(plan, THEN));
    assert_true(queue_plan_next_time(plan, THEN) == THEN + HOUR);
    struct queue_plan_route *route = open_named(plan, "far.example", THEN + HOUR);
    struct queue_plan_state found = queue_plan_route_state(route);
    assert_int_equal(found.failures, 6);
    assert_int_equal(found.resting_until, THEN + HOUR);
    assert_null(queue_plan_next_route(plan, THEN + HOUR));
    end(plan, route, QUEUE_PLAN_BAD, THEN + HOUR);
    assert_true(queue_plan_next_time(plan, THEN + HOUR) == THEN + 2 * HOUR);
    queue_plan_free(plan);
}

static void a_person_wakes_routes(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    struct queue_plan_state known = {.resting_until = THEN + HOUR, .failures = 6};
    assert_true(queue_plan_set_state(plan, BYTES("a.example"), &known, NULL));
    assert_true(queue_plan_set_state(plan, BYTES("b.example"), &known, NULL));
    assert_true(queue_plan_set_state(plan, BYTES("c.example"), &known, NULL));
    add(plan, "a.example", 7, 1, THEN);
    add(plan, "b.example", 7, 2, THEN);
    add(plan, "c.example", 7, 3, THEN);
    assert_null(queue_plan_next_route(plan, THEN));
    queue_plan_wake(plan, BYTES("nowhere.example"));
    assert_null(queue_plan_next_route(plan, THEN));
    queue_plan_wake(plan, BYTES("b.example"));
    open_named(plan, "b.example", THEN);
    assert_null(queue_plan_next_route(plan, THEN));
    queue_plan_wake(plan, BYTES(""));
    assert_non_null(open_route(plan, THEN));
    assert_non_null(open_route(plan, THEN));
    assert_null(queue_plan_next_route(plan, THEN));
    queue_plan_free(plan);
}

/* A state written under a clock that went wrong. */
static void no_rest_is_for_ever(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    struct queue_plan_state known = {.resting_until = THEN + 10000 * HOUR, .failures = 3};
    assert_true(queue_plan_set_state(plan, BYTES("far.example"), &known, NULL));
    assert_null(queue_plan_next_route(plan, THEN));
    add(plan, "far.example", 7, 1, THEN);
    assert_null(queue_plan_next_route(plan, THEN));
    assert_true(queue_plan_next_time(plan, THEN) <= THEN + 2 * HOUR);
    open_named(plan, "far.example", THEN + 2 * HOUR);
    queue_plan_free(plan);
}

/* ---- dead routes and live ones ---- */

/* Many turn out to be dead, which takes 30 seconds each; they are all known to be that later. */
static void ten_thousand_dead_routes_delay_nobody(void **state)
{
    (void)state;
    enum {
        DEAD = 10000
    };
    struct queue_plan *plan = new_plan(0);
    for (int i = 0; i < DEAD; i++)
        add_numbered(plan, "dead", i, 7, i + 1, THEN);
    static struct queue_plan_route *open[DEAD];
    size_t count = 0;
    for (struct queue_plan_route *route; (route = open_route(plan, THEN)) != NULL;)
        open[count++] = route;
    /* A letter of the same account to a route that nobody knows: it is there within a second. */
    add(plan, "live.example", 7, 50000, THEN);
    struct queue_plan_route *live = NULL;
    int64_t now = THEN;
    while (live == NULL && now < THEN + SECOND) {
        int64_t next = queue_plan_next_time(plan, now);
        assert_true(next > now && next < INT64_MAX);
        now = next;
        for (struct queue_plan_route *route; (route = open_route(plan, now)) != NULL;) {
            if (bytes_equal(queue_plan_route_name(route), BYTES("live.example")))
                live = route;
            else
                open[count++] = route;
        }
    }
    assert_non_null(live);
    assert_int_equal(take(plan, live, now), 50000);
    queue_plan_route_went_well(plan, live, now);
    queue_plan_letter_ended(plan, live, 50000, 0);
    end(plan, live, QUEUE_PLAN_GOOD, now);
    /* They all fail, and are tried again: one that is well comes at once. */
    for (size_t i = 0; i < count; i++)
        end(plan, open[i], QUEUE_PLAN_BAD, THEN + 30 * SECOND);
    now = THEN + 2 * MINUTE;
    count = 0;
    for (struct queue_plan_route *route; (route = open_route(plan, now)) != NULL;)
        open[count++] = route;
    assert_true(count < QUEUE_PLAN_CONNECTIONS_MAX);
    add(plan, "live.example", 7, 50001, now);
    assert_non_null(open_named(plan, "live.example", now));
    queue_plan_free(plan);
}

/* The same with few connections. */
static void the_last_connections_are_for_routes_that_are_well(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(16);
    add(plan, "live.example", 7, 1, THEN);
    struct queue_plan_route *live = open_named(plan, "live.example", THEN);
    assert_true(take(plan, live, THEN) != 0);
    queue_plan_route_went_well(plan, live, THEN);
    queue_plan_letter_ended(plan, live, 1, 0);
    end(plan, live, QUEUE_PLAN_GOOD, THEN);
    for (int i = 0; i < 1000; i++)
        add_numbered(plan, "dead", i, 7, i + 10, THEN);
    size_t count = 0;
    for (int64_t now = THEN; now < THEN + HOUR; now += SECOND)
        while (open_route(plan, now) != NULL)
            count++;
    assert_int_equal(count, 14);
    add(plan, "live.example", 7, 2, THEN + HOUR);
    open_named(plan, "live.example", THEN + HOUR);
    queue_plan_free(plan);
}

static void nobody_is_starved_by_those_who_are_well(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(4);
    struct queue_plan_state known = {.resting_until = THEN, .failures = 1};
    assert_true(queue_plan_set_state(plan, BYTES("trouble.example"), &known, NULL));
    for (int64_t i = 1; i <= 1000; i++)
        add(plan, "well.example", 7, i, THEN);
    struct queue_plan_route *route = open_named(plan, "well.example", THEN);
    assert_true(take(plan, route, THEN) != 0);
    queue_plan_route_went_well(plan, route, THEN);
    end(plan, route, QUEUE_PLAN_GOOD, THEN);
    add(plan, "trouble.example", 7, 5000, THEN);
    add(plan, "unknown.example", 7, 5001, THEN);
    bool has_trouble = false, has_unknown = false;
    for (int i = 0; i < 100; i++) {
        route = open_route(plan, THEN + i);
        assert_non_null(route);
        char first = queue_plan_route_name(route).data[0];
        has_trouble |= first == 't';
        has_unknown |= first == 'u';
        assert_true(take(plan, route, THEN + i) != 0);
        queue_plan_route_went_well(plan, route, THEN + i);
        end(plan, route, QUEUE_PLAN_GOOD, THEN + i);
    }
    assert_true(has_trouble && has_unknown);
    queue_plan_free(plan);
}

static void all_connections_have_a_limit(void **state)
{
    (void)state;
    for (unsigned most = 1; most <= 40; most++) {
        struct queue_plan *plan = new_plan(most);
        for (int i = 0; i < 1000; i++)
            add_numbered(plan, "route", i / 5, 7, i + 1, THEN);
        struct queue_plan_route *open[40];
        unsigned count = 0;
        int64_t now = THEN;
        /* Those that turn out to be well lift the bound for those that are not known. */
        for (int i = 0; i < 2000 && count < most; i++, now += SECOND) {
            struct queue_plan_route *route = open_route(plan, now);
            if (route == NULL)
                continue;
            open[count++] = route;
            assert_true(take(plan, route, now) != 0);
            queue_plan_route_went_well(plan, route, now);
        }
        assert_int_equal(count, most);
        assert_null(queue_plan_next_route(plan, now));
        assert_true(queue_plan_next_time(plan, now) == INT64_MAX);
        end(plan, open[0], QUEUE_PLAN_GOOD, now);
        assert_non_null(open_route(plan, now));
        assert_null(queue_plan_next_route(plan, now));
        queue_plan_free(plan);
    }
}

/* ---- a minute's share ---- */

static void a_minute_has_its_share(void **state)
{
    (void)state;
    static const unsigned shares[] = {1, 7, 60, 600, 100000};
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        struct queue_plan *plan = new_plan(0);
        for (int64_t letter = 1; letter <= 2000; letter++)
            add(plan, "far.example", letter % 3, letter, THEN);
        struct queue_plan_route *route = queue_plan_next_route(plan, THEN);
        queue_plan_route_limit(route, 20, shares[i]);
        int64_t given[2000];
        unsigned count = 0;
        int64_t now = THEN;
        while (count < 2000) {
            int64_t message, later;
            if (queue_plan_next_letter(plan, route, now, &message, &later)) {
                given[count] = now;
                if (count >= shares[i])
                    assert_true(now - given[count - shares[i]] >= MINUTE);
                count++;
                queue_plan_letter_ended(plan, route, message, 0);
            } else {
                assert_true(later > now);
                /* No other connection gets what this one may not have. */
                assert_true(queue_plan_next_time(plan, now) > now);
                now = later;
            }
        }
        /* And it is used. */
        assert_true(now - THEN <= (2000 / shares[i] + 1) * MINUTE + SECOND);
        queue_plan_free(plan);
    }
}

static void a_route_opens_when_its_share_allows(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= 10; i++)
        add(plan, "far.example", 7, i, THEN);
    struct queue_plan_route *route = queue_plan_next_route(plan, THEN);
    queue_plan_route_limit(route, 20, 2);
    assert_int_equal(take(plan, route, THEN), 1);
    queue_plan_letter_ended(plan, route, 1, 0);
    end(plan, route, QUEUE_PLAN_GOOD, THEN);
    assert_null(queue_plan_next_route(plan, THEN));
    assert_true(queue_plan_next_time(plan, THEN) == THEN + MINUTE / 2);
    assert_ptr_equal(queue_plan_next_route(plan, THEN + MINUTE / 2), route);
    /* The rule is no more. */
    queue_plan_route_limit(route, 20, 0);
    assert_int_equal(take(plan, route, THEN + MINUTE / 2), 2);
    assert_int_equal(take(plan, route, THEN + MINUTE / 2), 3);
    queue_plan_free(plan);
}

/* ---- clocks and memory ---- */

static void a_clock_may_be_set_back(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(4);
    for (int64_t i = 1; i <= 100; i++)
        add_numbered(plan, "route", (int)i, 7, i, THEN - 100 * HOUR);
    int64_t now = THEN;
    int given = 0;
    for (int i = 0; i < 1000 && given < 100; i++, now += 10 * SECOND) {
        if (i == 3)
            now -= 50 * HOUR;
        for (struct queue_plan_route *route; (route = open_route(plan, now)) != NULL;) {
            int64_t message = take(plan, route, now);
            assert_true(message != 0);
            given++;
            queue_plan_letter_ended(plan, route, message, 0);
            end(plan, route, QUEUE_PLAN_GOOD, now);
        }
    }
    assert_int_equal(given, 100);
    queue_plan_free(plan);
}

/* What paces the last connections must not wait for a time that is far away now. */
static void a_clock_set_back_paces_as_before(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(16);
    for (int64_t i = 1; i <= 100; i++)
        add_numbered(plan, "route", (int)i, 7, i, THEN - 100 * HOUR);
    for (int i = 0; i < 8; i++)
        assert_non_null(open_route(plan, THEN));
    assert_null(open_route(plan, THEN));
    assert_null(open_route(plan, THEN - HOUR));
    assert_non_null(open_route(plan, THEN - HOUR + MINUTE));
    queue_plan_free(plan);
}

static size_t count_routes(const struct queue_plan *plan)
{
    return HASH_COUNT(plan->routes);
}

static void routes_with_nothing_to_do_are_forgotten(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int i = 0; i < 30000; i++) {
        add_numbered(plan, "well", i, i, i + 1, THEN);
        struct queue_plan_route *route = open_route(plan, THEN);
        queue_plan_letter_ended(plan, route, take(plan, route, THEN), 0);
        end(plan, route, QUEUE_PLAN_GOOD, THEN);
    }
    assert_true(count_routes(plan) > 1000 && count_routes(plan) <= 10000);
    assert_int_equal(HASH_COUNT(plan->senders), 0);
    assert_int_equal(HASH_COUNT(plan->flows), 0);
    assert_int_equal(HASH_COUNT(plan->hands), 0);
    /* Those in trouble, until their troubles are old. */
    size_t before = count_routes(plan);
    for (int i = 0; i < 1000; i++) {
        add_numbered(plan, "dead", i, i, i + 1, THEN);
        end(plan, open_route(plan, THEN), QUEUE_PLAN_BAD, THEN);
    }
    queue_plan_empty(plan);
    assert_int_equal(count_routes(plan), before + 1000);
    assert_null(queue_plan_next_route(plan, THEN + 10 * MINUTE));
    assert_int_equal(count_routes(plan), before + 1000);
    assert_null(queue_plan_next_route(plan, THEN + 3 * HOUR));
    assert_int_equal(count_routes(plan), before);
    /* Nothing is known of what was never tried. */
    for (int i = 0; i < 1000; i++)
        add_numbered(plan, "new", i, i, i + 1, THEN);
    queue_plan_empty(plan);
    assert_int_equal(count_routes(plan), before);
    queue_plan_free(plan);
}

/* As the structures have it, without what malloc takes for itself. */
static size_t measure(const struct queue_plan *plan)
{
    size_t size = 0;
    for (const struct queue_plan_route *route = plan->routes; route != NULL; route = route->hh.next)
        size += sizeof(*route) + route->name_length;
    for (const struct queue_plan_flow *flow = plan->flows; flow != NULL; flow = flow->hh.next)
        size += sizeof(*flow) +
                (flow->capacity == 1 ? 0 : flow->capacity * sizeof(struct queue_plan_letter));
    size += HASH_OVERHEAD(hh, plan->routes) + HASH_OVERHEAD(hh, plan->flows) +
            HASH_OVERHEAD(hh, plan->senders) +
            HASH_COUNT(plan->senders) * sizeof(struct queue_plan_sender);
    return size;
}

static void a_million_letters_are_small(void **state)
{
    (void)state;
    struct queue_plan *plan = new_plan(0);
    for (int64_t i = 1; i <= 1000 * 1000; i++)
        add_numbered(plan, "route", (int)(i * 7919 % 1000), i % 10, i, THEN);
    assert_true(measure(plan) < 32 * 1024 * 1024);
    queue_plan_free(plan);
}

/* Everything once, with the n-th allocation and all behind it failing. */
static void play_with_little_memory(struct queue_plan *plan, size_t count)
{
    static const struct queue_plan_state known = {.resting_until = THEN, .failures = 1};
    failing_allocation_start(count);
    queue_plan_set_state(plan, BYTES("route1.example"), &known, NULL);
    for (int i = 0; i < 12; i++) {
        char name[32];
        struct fault fault = {0};
        snprintf(name, sizeof(name), "route%d.example", i % 3);
        size_t before = queue_plan_count(plan);
        bool is_added = queue_plan_add(plan, bytes_from_string(name), i % 2, i + 1, THEN, &fault);
        assert_int_equal(queue_plan_count(plan), before + is_added);
        assert_int_equal(fault.kind, is_added ? FAULT_NONE : FAULT_TEMPORARY);
    }
    for (struct queue_plan_route *route; (route = open_route(plan, THEN)) != NULL;) {
        int64_t message, later;
        if (queue_plan_next_letter(plan, route, THEN, &message, &later)) {
            assert_true(failing_allocation_stop() || count > 0);
            failing_allocation_start(0);
            /* Put back without memory. */
            queue_plan_letter_ended(plan, route, message, THEN + HOUR);
        } else {
            assert_true(later > THEN);
        }
        end(plan, route, QUEUE_PLAN_BUSY, THEN);
    }
    failing_allocation_stop();
}

static void memory_may_end_anywhere(void **state)
{
    (void)state;
    failing_allocation_start(0);
    assert_null(queue_plan_new(&(struct queue_plan_limits){0}, NULL));
    assert_true(failing_allocation_stop());
    for (size_t count = 0; count < 60; count++) {
        struct queue_plan *plan = new_plan(0);
        play_with_little_memory(plan, count);
        size_t waiting = queue_plan_count(plan);
        size_t given = 0;
        for (int64_t now = THEN + HOUR; given < waiting && now < THEN + 100 * HOUR; now += HOUR)
            for (struct queue_plan_route *route; (route = open_route(plan, now)) != NULL;) {
                for (int64_t message; (message = take(plan, route, now)) != 0; given++)
                    queue_plan_letter_ended(plan, route, message, 0);
                end(plan, route, QUEUE_PLAN_GOOD, now);
            }
        assert_int_equal(given, waiting);
        assert_int_equal(queue_plan_count(plan), 0);
        queue_plan_free(plan);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_letter_comes_and_goes),
    cmocka_unit_test(what_is_not_due_waits),
    cmocka_unit_test(letters_go_by_their_time),
    cmocka_unit_test(what_is_in_hand_is_not_given_twice),
    cmocka_unit_test(what_was_taken_keeps_its_place),
    cmocka_unit_test(the_earlier_time_holds),
    cmocka_unit_test(emptied_it_knows_what_is_in_hand),
    cmocka_unit_test(letters_have_a_limit),
    cmocka_unit_test(a_mailing_delays_nobody_on_its_route),
    cmocka_unit_test(a_mailing_delays_nobody_elsewhere),
    cmocka_unit_test(routes_take_turns),
    cmocka_unit_test(a_window_grows_as_letters_are_taken),
    cmocka_unit_test(a_busy_connection_is_not_waited_for),
    cmocka_unit_test(a_window_that_is_not_used_does_not_grow),
    cmocka_unit_test(a_limit_holds_from_the_first_connection_on),
    cmocka_unit_test(a_route_that_refuses_gets_less),
    cmocka_unit_test(a_kept_connection_serves_again),
    cmocka_unit_test(a_dead_route_rests_longer_each_time),
    cmocka_unit_test(rests_are_jittered),
    cmocka_unit_test(one_that_is_refused_alone_rests),
    cmocka_unit_test(one_bad_connection_beside_good_ones),
    cmocka_unit_test(states_are_kept_and_given_back),
    cmocka_unit_test(a_person_wakes_routes),
    cmocka_unit_test(no_rest_is_for_ever),
    cmocka_unit_test(ten_thousand_dead_routes_delay_nobody),
    cmocka_unit_test(the_last_connections_are_for_routes_that_are_well),
    cmocka_unit_test(nobody_is_starved_by_those_who_are_well),
    cmocka_unit_test(all_connections_have_a_limit),
    cmocka_unit_test(a_minute_has_its_share),
    cmocka_unit_test(a_route_opens_when_its_share_allows),
    cmocka_unit_test(a_clock_may_be_set_back),
    cmocka_unit_test(a_clock_set_back_paces_as_before),
    cmocka_unit_test(routes_with_nothing_to_do_are_forgotten),
    cmocka_unit_test(a_million_letters_are_small),
    cmocka_unit_test(memory_may_end_anywhere),
};

UNIT_MAIN(tests)
