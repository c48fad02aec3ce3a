/* Loops: tasks from many threads, the end with and without grace. */
#include "loop/loop.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "failing_allocation.h"
#include "loop/echo_server.h"
#include "unit.h"

enum {
    POSTERS = 4,
    POSTS = 2000,
    LONG = 60 * 1000
};

/* ---- tasks ---- */

struct post {
    struct loop_task task;
    unsigned *last; /* of the same thread */
    unsigned number;
    atomic_uint *total;
};

static void hear_post(struct loop_task *task)
{
    struct post *post = (struct post *)(void *)task;
    assert_int_equal(post->number, *post->last + 1);
    *post->last = post->number;
    atomic_fetch_add(post->total, 1);
}

struct poster {
    struct loop *loop;
    struct post posts[POSTS];
    unsigned last;
};

static void *post_all(void *argument)
{
    struct poster *poster = argument;
    for (unsigned i = 0; i < POSTS; i++)
        loop_post(poster->loop, &poster->posts[i].task);
    return NULL;
}

static void tasks_run_in_their_order(void **state)
{
    (void)state;
    static struct poster posters[POSTERS];
    atomic_uint total = 0;
    struct loop_group *group = loop_group_new(1, NULL);
    assert_int_equal(loop_group_count(group), 1);
    pthread_t threads[POSTERS];
    assert_true(loop_group_start(group, NULL));
    for (size_t i = 0; i < POSTERS; i++) {
        posters[i].loop = loop_group_at(group, 0);
        for (unsigned j = 0; j < POSTS; j++)
            posters[i].posts[j] =
                (struct post){{.run = hear_post}, &posters[i].last, j + 1, &total};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    for (size_t i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    /* Stopping is a task, too: all that were posted before it have run. */
    loop_group_stop(group, 0);
    assert_int_equal(atomic_load(&total), POSTERS * POSTS);
    loop_group_free(group);
}

struct again {
    struct loop_task task;
    struct loop *loop;
    unsigned left;
    int64_t time;
};

static void post_again(struct loop_task *task)
{
    struct again *again = (struct again *)(void *)task;
    again->time = loop_now(again->loop);
    if (again->left-- > 0)
        loop_post(again->loop, task);
}

static void task_may_post_itself(void **state)
{
    (void)state;
    struct loop_group *group = loop_group_new(2, NULL);
    struct again again = {{.run = post_again}, loop_group_at(group, 1), 1000, 0};
    int64_t before = (int64_t)clock_monotonic_milliseconds();
    loop_post(again.loop, &again.task);
    assert_true(loop_group_start(group, NULL));
    loop_group_stop(group, 0);
    loop_group_free(group);
    assert_int_equal(again.left, UINT32_MAX);
    /* The loop's clock is the program's, coarse by a tick of the kernel. */
    assert_true(again.time >= before - 20);
    assert_true(again.time <= (int64_t)clock_monotonic_milliseconds());
}

static void tasks_of_ended_loops_run_at_last(void **state)
{
    (void)state;
    struct loop_group *group = loop_group_new(1, NULL);
    assert_true(loop_group_start(group, NULL));
    loop_group_stop(group, 0);
    unsigned last = 0;
    atomic_uint total = 0;
    struct post post = {{.run = hear_post}, &last, 1, &total};
    loop_post(loop_group_at(group, 0), &post.task);
    assert_int_equal(last, 0);
    loop_group_free(group);
    assert_int_equal(last, 1);
}

static void group_needs_no_start(void **state)
{
    (void)state;
    struct loop_group *group = loop_group_new(3, NULL);
    loop_group_stop(group, LONG);
    loop_group_free(group);
    loop_group_free(loop_group_new(1, NULL));
    loop_group_free(NULL);
}

static void memory_may_fail(void **state)
{
    (void)state;
    bool was_refused = true;
    for (size_t count = 0; was_refused; count++) {
        failing_allocation_start(count);
        struct fault fault = {0};
        struct loop_group *group = loop_group_new(2, &fault);
        was_refused = failing_allocation_stop();
        assert_true((group == NULL) == was_refused);
        assert_int_equal(fault.kind, was_refused ? FAULT_TEMPORARY : FAULT_NONE);
        loop_group_free(group);
    }
}

/* ---- the end ---- */

static void *stop_server(void *argument)
{
    echo_server_stop(argument, LONG);
    return NULL;
}

static pthread_t begin_stop(struct echo_server *server)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_server, server), 0);
    return thread;
}

static void idle_connections_go_in_order(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){.loops = 2});
    int clients[10];
    for (size_t i = 0; i < 10; i++) {
        clients[i] = echo_connect(server);
        echo_expect(clients[i], "hello\n");
    }
    pthread_t stopping = begin_stop(server);
    for (size_t i = 0; i < 10; i++) {
        echo_expect(clients[i], "stopped\n");
        echo_expect_end(clients[i]);
        close(clients[i]);
    }
    pthread_join(stopping, NULL);
    assert_int_equal(echo_server_report(server).ended[ENGINE_END_CLOSED], 10);
    echo_server_free(server);
}

static void what_is_in_hand_is_finished(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){.loops = 2});
    int client = echo_connect(server);
    echo_send(client, "hold\n");
    echo_server_wait(server, jobs_run, 1);
    pthread_t stopping = begin_stop(server);
    echo_expect(client, "hello\nstopped\n");
    echo_server_release(server, 1);
    echo_expect(client, "waited\n");
    echo_expect_end(client);
    close(client);
    pthread_join(stopping, NULL);
    assert_int_equal(echo_server_report(server).ended[ENGINE_END_CLOSED], 1);
    echo_server_free(server);
}

/* Past the grace the engine hears the end, and frees itself when its job is back, though the loops
 * are no more by then. */
static void grace_ends(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){.loops = 2});
    int client = echo_connect(server);
    echo_send(client, "hold\n");
    int reader = echo_connect(server);
    echo_send(reader, "big 50000000\n");
    echo_server_wait(server, jobs_run, 1);
    echo_expect(reader, "hello\n0");
    echo_server_stop(server, 20);
    assert_int_equal(echo_server_report(server).ended[ENGINE_END_STOP], 2);
    assert_int_equal(echo_server_report(server).freed, 1);
    echo_server_release(server, 1);
    echo_server_free(server);
    close(client);
    close(reader);
}

static void handshakes_are_not_finished(void **state)
{
    (void)state;
    struct echo_server *server =
        echo_server_start(&(struct echo_options){.tls = LISTENER_IMPLICIT});
    int client = echo_connect(server);
    echo_server_wait(server, opened, 1);
    echo_server_stop(server, LONG);
    assert_int_equal(echo_server_report(server).ended[ENGINE_END_STOP], 1);
    echo_expect_end(client);
    close(client);
    echo_server_free(server);
}

/* ---- many ---- */

enum {
    CHURNERS = 4,
    CHURNS = 250
};

static void *churn(void *argument)
{
    struct echo_server *server = argument;
    for (unsigned i = 0; i < CHURNS; i++) {
        int client = echo_connect(server);
        switch (i % 5) {
        case 0:
            echo_reset(client);
            continue;
        case 1:
            echo_send(client, "a\nwait\nquit\n");
            echo_expect(client, "hello\n= a\nwaited\nbye\n");
            echo_expect_end(client);
            break;
        case 2:
            echo_send(client, "wait\nbig 100000\n");
            echo_reset(client);
            continue;
        case 3:
            echo_send(client, "a\nwait\n");
            shutdown(client, SHUT_WR);
            echo_expect(client, "hello\n= a\nwaited\n");
            echo_expect_end(client);
            break;
        default:
            echo_send(client, "tick 1\nbig 10");
        }
        close(client);
    }
    return NULL;
}

static void a_thousand_come_and_go(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){.loops = 2});
    pthread_t threads[CHURNERS];
    for (size_t i = 0; i < CHURNERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, churn, server), 0);
    for (size_t i = 0; i < CHURNERS; i++)
        pthread_join(threads[i], NULL);
    echo_server_wait(server, freed, CHURNERS * CHURNS);
    struct echo_report report = echo_server_report(server);
    assert_int_equal(report.opened, CHURNERS * CHURNS);
    assert_int_equal(report.ended[ENGINE_END_CLOSED], CHURNERS * CHURNS / 5);
    echo_server_free(server);
}

/* Connections come while the loops end. */
static void end_in_the_middle(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        struct echo_server *server = echo_server_start(&(struct echo_options){.loops = 2});
        int clients[20];
        for (size_t j = 0; j < 20; j++) {
            clients[j] = echo_connect(server);
            echo_send(clients[j], "wait\na\nbig 100000\n");
        }
        echo_server_stop(server, i % 2);
        echo_server_free(server);
        for (size_t j = 0; j < 20; j++)
            close(clients[j]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_in_their_order),
        cmocka_unit_test(task_may_post_itself),
        cmocka_unit_test(tasks_of_ended_loops_run_at_last),
        cmocka_unit_test(group_needs_no_start),
        cmocka_unit_test(memory_may_fail),
        cmocka_unit_test(idle_connections_go_in_order),
        cmocka_unit_test(what_is_in_hand_is_finished),
        cmocka_unit_test(grace_ends),
        cmocka_unit_test(handshakes_are_not_finished),
        cmocka_unit_test(a_thousand_come_and_go),
        cmocka_unit_test(end_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
