/* POP3 on two servers that share one store: what one has, the other tells [IN-USE]. */
#include <stdlib.h>
#include <string.h>

#include "../db/postgres_cluster.h"
#include "db/db.h"
#include "session/pop3_lease.h"
#include "session/session_letters.h"

enum {
    TRIES_MAX = 20000
};

/* Two houses with the same store. */
struct nodes {
    char place[128];
    struct house *here; /* whose clock can be put forward: pass_time */
    struct house *there;
};

/* POP3 sessions to whom more time has passed than has. */
static _Atomic int64_t passed;
static struct engine_face late_engine;
static struct listener_face late_face;

static int64_t late_deadline(const void *engine)
{
    int64_t deadline = pop3_session_listener_face.engine->deadline(engine);
    if (deadline == ENGINE_NEVER)
        return ENGINE_NEVER;
    return deadline > passed ? deadline - passed : 1;
}

static void late_tick(void *engine, int64_t now)
{
    pop3_session_listener_face.engine->tick(engine, now + passed);
}

static void make_late_face(void)
{
    late_engine = *pop3_session_listener_face.engine;
    late_engine.deadline = late_deadline;
    late_engine.tick = late_tick;
    late_face = pop3_session_listener_face;
    late_face.engine = &late_engine;
    passed = 0;
}

static int set_up(void **state)
{
    make_late_face();
    struct nodes *nodes = calloc(1, sizeof(*nodes));
    assert_non_null(nodes);
    postgres_cluster_make_database(nodes->place, sizeof(nodes->place));
    nodes->here = house_open(&(struct house_wish){.place = nodes->place, .pop3 = &late_face});
    nodes->there = house_open(&(struct house_wish){.place = nodes->place, .has_people = true});
    *state = nodes;
    return 0;
}

static int tear_down(void **state)
{
    struct nodes *nodes = *state;
    void *houses[] = {nodes->there, nodes->here};
    house_tear_down(&houses[0]);
    house_tear_down(&houses[1]);
    free(nodes);
    return 0;
}

static int end(void **state)
{
    (void)state;
    postgres_cluster_stop();
    return 0;
}

/* ---- clients ---- */

static const char *try_as_ann(struct caller *caller)
{
    caller_ask(caller, "USER ann@home.example\r\n", "+OK");
    return caller_ask(caller, "PASS secret\r\n", "");
}

static struct caller call_as_ann(struct house *house)
{
    struct caller caller = house_call(house, HOUSE_POP3);
    const char *reply = try_as_ann(&caller);
    if (strncmp(reply, "+OK Welcome", 11) != 0)
        fail_msg("%s", reply);
    return caller;
}

/* What a session leaves to be given back nobody waits for. */
static struct caller call_until_free(struct house *house)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        struct caller caller = house_call(house, HOUSE_POP3);
        const char *reply = try_as_ann(&caller);
        if (reply[0] == '+')
            return caller;
        if (strncmp(reply, "-ERR [IN-USE]", 13) != 0)
            fail_msg("%s", reply);
        caller_hang_up(&caller);
    }
    fail_msg("the mailbox stays in use");
    return (struct caller){.descriptor = -1};
}

static void quit(struct caller *caller)
{
    caller_ask(caller, "QUIT\r\n", "+OK Bye");
    caller_hear_end(caller);
    caller_hang_up(caller);
}

/* As if the clock had gone on: the lease's time is over. */
static void let_lease_end(struct nodes *nodes)
{
    postgres_cluster_run(nodes->place, "UPDATE maildrop_lease SET until = 1");
}

/* ---- tests ---- */

static void one_server_has_the_mailbox(void **state)
{
    struct nodes *nodes = *state;
    struct caller first = call_as_ann(nodes->here);
    struct caller second = house_call(nodes->there, HOUSE_POP3);
    if (strncmp(try_as_ann(&second), "-ERR [IN-USE]", 13) != 0)
        fail_msg("two servers have the mailbox");
    house_wait_for_log(nodes->there, "event=pop3.in-use ");
    /* It is a mailbox that is locked, not all of them. */
    caller_ask(&second, "USER bob@home.example\r\n", "+OK");
    caller_ask(&second, "PASS secret\r\n", "+OK");
    quit(&second);
    quit(&first);
    second = call_until_free(nodes->there);
    caller_reset(&second);
    first = call_until_free(nodes->here);
    quit(&first);
}

/* The removal gives it back: who heard +OK may come again, wherever. */
static void a_removal_gives_it_back_at_once(void **state)
{
    struct nodes *nodes = *state;
    letters_put_one(nodes->here, "1\r\n");
    letters_put_one(nodes->here, "2\r\n");
    struct caller caller = call_as_ann(nodes->here);
    caller_ask(&caller, "DELE 1\r\n", "+OK");
    quit(&caller);
    caller = call_as_ann(nodes->there);
    caller_ask(&caller, "STAT\r\n", "+OK 1 ");
    caller_ask(&caller, "DELE 1\r\n", "+OK");
    quit(&caller);
    assert_int_equal(house_count(nodes->here, "ann@home.example"), 0);
}

static void the_same_server_need_not_wait(void **state)
{
    struct nodes *nodes = *state;
    for (int i = 0; i < 20; i++) {
        struct caller caller = call_as_ann(nodes->here);
        caller_ask(&caller, "QUIT\r\n", "+OK Bye");
        caller_hang_up(&caller);
    }
}

static void whoever_lost_it_deletes_nothing(void **state)
{
    struct nodes *nodes = *state;
    letters_put_one(nodes->here, "1\r\n");
    letters_put_one(nodes->here, "2\r\n");
    struct caller first = call_as_ann(nodes->here);
    caller_ask(&first, "DELE 1\r\n", "+OK");
    let_lease_end(nodes);
    struct caller second = call_as_ann(nodes->there);
    caller_ask(&first, "QUIT\r\n", "-ERR [SYS/TEMP]");
    caller_hear_end(&first);
    caller_hang_up(&first);
    house_wait_for_log(nodes->here, "event=pop3.lease-lost ");
    assert_int_equal(house_count(nodes->here, "ann@home.example"), 2);
    /* And the other keeps it. */
    first = house_call(nodes->here, HOUSE_POP3);
    if (strncmp(try_as_ann(&first), "-ERR [IN-USE]", 13) != 0)
        fail_msg("the lease was taken away");
    caller_hang_up(&first);
    caller_ask(&second, "DELE 2\r\n", "+OK");
    quit(&second);
    assert_int_equal(house_count(nodes->here, "ann@home.example"), 1);
}

static void wait_for_renewal(struct nodes *nodes)
{
    static const struct db_statement find = {"SELECT until FROM maildrop_lease WHERE until > 1",
                                             NULL};
    bool is_found = false;
    for (int i = 0; !is_found && i < TRIES_MAX; i++) {
        AUTO(db_rows)
        rows = {0};
        assert_true(db_query_one(nodes->here->reader, &find, DB_NO_VALUES, &rows, &is_found, NULL));
    }
    assert_true(is_found);
}

/* The session looks at its clock after the next thing that it does. */
static void pass_time(struct caller *caller, int64_t milliseconds)
{
    passed += milliseconds;
    caller_ask(caller, "NOOP\r\n", "+OK");
}

static void whoever_lost_it_hears_so(void **state)
{
    struct nodes *nodes = *state;
    letters_put_one(nodes->here, "1\r\n");
    struct caller first = call_as_ann(nodes->here);
    caller_ask(&first, "DELE 1\r\n", "+OK");
    let_lease_end(nodes);
    struct caller second = call_as_ann(nodes->there);
    pass_time(&first, POP3_LEASE_RENEWAL);
    house_wait_for_log(nodes->here, "event=pop3.lease-lost ");
    caller_ask(&first, "STAT\r\n", "-ERR [SYS/TEMP]");
    caller_hear_end(&first);
    caller_hang_up(&first);
    house_wait_for_log(nodes->here, "taken over");
    quit(&second);
    assert_int_equal(house_count(nodes->here, "ann@home.example"), 1);
}

static void it_is_renewed_while_the_session_lives(void **state)
{
    struct nodes *nodes = *state;
    struct caller first = call_as_ann(nodes->here);
    let_lease_end(nodes);
    pass_time(&first, POP3_LEASE_RENEWAL);
    wait_for_renewal(nodes);
    struct caller second = house_call(nodes->there, HOUSE_POP3);
    if (strncmp(try_as_ann(&second), "-ERR [IN-USE]", 13) != 0)
        fail_msg("it was not renewed");
    caller_hang_up(&second);
    caller_ask(&first, "STAT\r\n", "+OK");
    quit(&first);
}

/* Ended by time, but nobody else came: it is still good. */
static void what_nobody_wanted_is_kept(void **state)
{
    struct nodes *nodes = *state;
    letters_put_one(nodes->here, "1\r\n");
    struct caller caller = call_as_ann(nodes->here);
    caller_ask(&caller, "DELE 1\r\n", "+OK");
    let_lease_end(nodes);
    quit(&caller);
    assert_int_equal(house_count(nodes->here, "ann@home.example"), 0);
}

static void a_server_that_ends_gives_it_back(void **state)
{
    struct nodes *nodes = *state;
    struct caller caller = call_as_ann(nodes->here);
    house_kill(nodes->here);
    caller_hang_up(&caller);
    caller = call_until_free(nodes->there);
    quit(&caller);
}

/* Leaves behind each thing that can be said, with an answer still on its way. */
static void callers_may_leave_at_any_time(void **state)
{
    struct nodes *nodes = *state;
    static const char *const steps[] = {"USER ann@home.example\r\n", "PASS secret\r\n",
                                        "DELE 1\r\n", "QUIT\r\n"};
    for (size_t round = 0; round < 24; round++) {
        struct caller caller = house_call(round % 2 == 0 ? nodes->here : nodes->there, HOUSE_POP3);
        letters_put_one(nodes->here, "x\r\n");
        for (size_t i = 0; i <= round % 4; i++)
            caller_say(&caller, steps[i]);
        caller_reset(&caller);
    }
    struct caller caller = call_until_free(nodes->there);
    quit(&caller);
    caller = call_until_free(nodes->here);
    quit(&caller);
}

#define NODES_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static const struct CMUnitTest tests[] = {
    NODES_TEST(one_server_has_the_mailbox),    NODES_TEST(a_removal_gives_it_back_at_once),
    NODES_TEST(the_same_server_need_not_wait), NODES_TEST(whoever_lost_it_deletes_nothing),
    NODES_TEST(whoever_lost_it_hears_so),      NODES_TEST(it_is_renewed_while_the_session_lives),
    NODES_TEST(what_nobody_wanted_is_kept),    NODES_TEST(a_server_that_ends_gives_it_back),
    NODES_TEST(callers_may_leave_at_any_time),
};

int main(void)
{
    return cmocka_run_group_tests(tests, NULL, end);
}
