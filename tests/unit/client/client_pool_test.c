/* The pool: who gets which connection, and never a dead one. */
#include <posthorn/posthorn.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "client/client_talk.h"
#include "failing_allocation.h"
#include "unit.h"

#define HELLO "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\n"
#define PROOF "C: RSET\nS: 250 ok\n"
#define BYE   "C: QUIT\nE:\n"

static struct ph_smtp *get(struct ph_pool *pool, const struct scripted_server *server,
                           const struct ph_login *login)
{
    struct ph_smtp_options options = {.host = scripted_server_address(server)};
    struct ph_error error = {0};
    struct ph_smtp *smtp = ph_pool_get(pool, &options, login, &error);
    if (smtp == NULL)
        fail_msg("%s", error.message);
    return smtp;
}

static void hands_a_connection_on(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, HELLO PROOF "C: NOOP\nS: 250 ok\n" PROOF BYE);
    struct ph_pool *pool = ph_pool_new(0, 0, NULL);
    struct ph_smtp *first = get(pool, server, NULL);
    ph_pool_put(pool, first);
    struct ph_smtp *second = get(pool, server, NULL);
    assert_ptr_equal(first, second);
    assert_int_equal(ph_smtp_noop(second, NULL), 250);
    ph_pool_put(pool, second);
    ph_pool_put(pool, get(pool, server, NULL));
    ph_pool_free(pool);
    scripted_server_finish(server);
    ph_pool_free(NULL);
    ph_pool_put(pool, NULL);
}

static void replaces_a_connection_that_died(void **state)
{
    (void)state;
    /* The peer closed; said 421 and closed; refuses the proof; closes on it. */
    static const char *const deaths[] = {
        "K:\nX:\nK:\n",
        "K:\nS: 421 bye\nX:\nK:\n",
        "K:\nK:\nC: RSET\nS: 421 bye\nX:\n",
        "K:\nK:\nC: RSET\nX:\n",
    };
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++) {
        char script[500];
        snprintf(script, sizeof script, "%s%sA:\n%sC: NOOP\nS: 250 ok\n%s", HELLO, deaths[i], HELLO,
                 BYE);
        struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, script);
        struct ph_pool *pool = ph_pool_new(0, 0, NULL);
        ph_pool_put(pool, get(pool, server, NULL));
        scripted_server_await(server);
        scripted_server_await(server);
        struct ph_smtp *smtp = get(pool, server, NULL);
        assert_int_equal(ph_smtp_noop(smtp, NULL), 250);
        ph_pool_put(pool, smtp);
        ph_pool_free(pool);
        scripted_server_finish(server);
    }
}

/* ---- the key ---- */

/* Gets a second connection beside one that idles in the pool; they must be two when the wishes
 * differ. */
static void assert_apart(struct ph_pool *pool, const struct ph_smtp_options *options,
                         const struct ph_login *login, const struct ph_smtp **others, size_t count)
{
    struct ph_error error = {0};
    struct ph_smtp *smtp = ph_pool_get(pool, options, login, &error);
    if (smtp == NULL)
        fail_msg("%s", error.message);
    for (size_t i = 0; i < count; i++)
        assert_ptr_not_equal(smtp, others[i]);
    others[count] = smtp;
    ph_pool_put(pool, smtp);
}

static void keeps_apart_what_differs(void **state)
{
    (void)state;
    enum {
        COUNT = 16
    };
    char script[4000] = HELLO;
    for (int i = 1; i < COUNT; i++)
        strcat(script, "N:\n" HELLO);
    strcat(script, "W:\n");
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, script);
    const char *const pins[] = {scripted_server_fingerprint(), NULL};
    struct ph_smtp_options options[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        options[i] = (struct ph_smtp_options){.host = scripted_server_address(server)};
    char host[100];
    snprintf(host, sizeof host, "localhost%s", strchr(scripted_server_address(server), ':'));
    options[1].local_hostname = "me.example";
    options[2].source_address = "127.0.0.1";
    options[3].tls.mode = PH_TLS_OPPORTUNISTIC;
    options[4].tls.no_verification = true;
    options[5].tls.ca_file = scripted_server_ca_file();
    options[6].tls.fingerprints = pins;
    options[7].tls.server_name = "mx.test";
    options[8].timeouts.command = 10000;
    options[9].no_pipelining = true;
    options[10].no_chunking = true;
    options[11].bodies_in_flight = true;
    options[12].port = 26;
    options[13].progress_context = options;
    options[14].tls.key_password = "x";
    options[15].host = host;
    const struct ph_smtp *others[COUNT] = {0};
    struct ph_pool *pool = ph_pool_new(COUNT, 0, NULL);
    for (size_t i = 0; i < COUNT; i++)
        assert_apart(pool, &options[i], NULL, others, i);
    scripted_server_go_on(server);
    ph_pool_free(pool);
    scripted_server_finish(server);
}

static void keeps_apart_who_is_logged_in(void **state)
{
    (void)state;
    const struct ph_login logins[] = {
        {.user = "bob", .password = "secret"},
        {.user = "bob", .password = "other"},
        {.user = "ann", .password = "secret"},
        {.user = "bob", .password = "secret", .authorization_id = "ann"},
        {.user = "bob", .password = "secret", .mechanisms = "PLAIN"},
    };
    enum {
        COUNT = sizeof logins / sizeof *logins
    };
    char script[2000] = HELLO;
    for (int i = 0; i < COUNT; i++)
        strcat(script, "N:\n" HELLO "C: AUTH PLAIN *\nS: 235 ok\n");
    strcat(script, "W:\n");
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, script);
    const struct ph_smtp_options options = {.host = scripted_server_address(server)};
    const struct ph_smtp *others[COUNT + 1] = {0};
    struct ph_pool *pool = ph_pool_new(COUNT + 1, 0, NULL);
    assert_apart(pool, &options, NULL, others, 0);
    for (size_t i = 0; i < COUNT; i++)
        assert_apart(pool, &options, &logins[i], others, i + 1);
    scripted_server_go_on(server);
    ph_pool_free(pool);
    scripted_server_finish(server);
}

/* ---- who may come back ---- */

static void log_in_by_oneself(struct ph_smtp *smtp)
{
    assert_true(ph_smtp_login(smtp, "bob", "secret", NULL));
}

static void speak_raw(struct ph_smtp *smtp)
{
    assert_true(ph_smtp_send_raw(smtp, "AUTH PLAIN x\r\n", 14, NULL));
    assert_int_equal(ph_smtp_getreply(smtp, NULL), 235);
}

static void close_it(struct ph_smtp *smtp)
{
    ph_smtp_close(smtp);
}

static void cancel_it(struct ph_smtp *smtp)
{
    ph_smtp_cancel(smtp);
}

static void takes_back_only_what_it_gave(void **state)
{
    (void)state;
    const struct {
        const char *script;
        void (*spoil)(struct ph_smtp *);
    } cases[] = {
        {"C: AUTH PLAIN *\nS: 235 ok\nE:\n", log_in_by_oneself},
        {"C: AUTH PLAIN *\nS: 235 ok\nE:\n", speak_raw},
        {"E:\n", close_it},
        {"E:\n", cancel_it},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char script[500];
        snprintf(script, sizeof script, "%s%sA:\n%s%s", HELLO, cases[i].script, HELLO, BYE);
        struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, script);
        struct ph_pool *pool = ph_pool_new(0, 0, NULL);
        struct ph_smtp *smtp = get(pool, server, NULL);
        cases[i].spoil(smtp);
        ph_pool_put(pool, smtp);
        ph_pool_put(pool, get(pool, server, NULL));
        ph_pool_free(pool);
        scripted_server_finish(server);
    }
}

static void keeps_no_more_than_it_may(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, HELLO "N:\n" HELLO "K:\n" PROOF BYE);
    struct ph_pool *pool = ph_pool_new(1, 0, NULL);
    struct ph_smtp *first = get(pool, server, NULL);
    struct ph_smtp *second = get(pool, server, NULL);
    assert_ptr_not_equal(first, second);
    ph_pool_put(pool, first);
    ph_pool_put(pool, second);
    assert_ptr_equal(get(pool, server, NULL), second);
    ph_pool_put(pool, second);
    ph_pool_free(pool);
    scripted_server_finish(server);
}

static void lets_go_of_what_idled_too_long(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, HELLO "C: QUIT\nE:\nA:\n" HELLO BYE);
    struct ph_pool *pool = ph_pool_new(0, 1, NULL);
    ph_pool_put(pool, get(pool, server, NULL));
    uint64_t given = clock_monotonic_milliseconds();
    while (clock_monotonic_milliseconds() < given + 2)
        sched_yield();
    ph_pool_put(pool, get(pool, server, NULL));
    ph_pool_free(pool);
    scripted_server_finish(server);
}

static void says_why_there_is_none(void **state)
{
    (void)state;
    struct ph_error error = {0};
    assert_null(ph_pool_new(1000000, 0, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    struct ph_pool *pool = ph_pool_new(0, 0, NULL);
    const struct ph_smtp_options options = {.host = "127.0.0.1:1"};
    assert_null(ph_pool_get(pool, &options, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_CONNECT);
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, HELLO "C: AUTH PLAIN *\nS: 535 no\nE:\n");
    const struct ph_smtp_options there = {.host = scripted_server_address(server)};
    const struct ph_login login = {.user = "bob", .password = "x", .mechanisms = "PLAIN"};
    assert_null(ph_pool_get(pool, &there, &login, &error));
    assert_int_equal(error.kind, PH_ERROR_AUTHENTICATION);
    ph_pool_free(pool);
    scripted_server_finish(server);
}

/* ---- threads ---- */

struct worker {
    struct ph_pool *pool;
    const char *address;
    size_t count;
};

static void *borrow_and_return(void *context)
{
    struct worker *worker = context;
    const struct ph_smtp_options options = {.host = worker->address};
    for (int i = 0; i < 10; i++) {
        struct ph_smtp *smtp = ph_pool_get(worker->pool, &options, NULL, NULL);
        if (smtp != NULL && ph_smtp_noop(smtp, NULL) == 250)
            worker->count++;
        ph_pool_put(worker->pool, smtp);
    }
    return NULL;
}

static void serves_threads(void **state)
{
    (void)state;
    /* Each thread has a server of its own: what they share is the pool. */
    char script[2000] = HELLO "C: NOOP\nS: 250 ok\n";
    for (int i = 1; i < 10; i++)
        strcat(script, PROOF "C: NOOP\nS: 250 ok\n");
    strcat(script, BYE);
    enum {
        THREADS = 4
    };
    struct ph_pool *pool = ph_pool_new(THREADS, 0, NULL);
    struct scripted_server *servers[THREADS];
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        servers[i] = scripted_server_start(SCRIPTED_LOOPBACK, script);
        workers[i] = (struct worker){.pool = pool, .address = scripted_server_address(servers[i])};
        assert_int_equal(pthread_create(&threads[i], NULL, borrow_and_return, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].count, 10);
    }
    ph_pool_free(pool);
    for (size_t i = 0; i < THREADS; i++)
        scripted_server_finish(servers[i]);
}

static void runs_out_of_memory_cleanly(void **state)
{
    (void)state;
    for (size_t n = 0; n < 10; n++) {
        struct ph_error error = {0};
        failing_allocation_start(n);
        struct ph_pool *pool = ph_pool_new(0, 0, &error);
        bool has_refused = failing_allocation_stop();
        assert_int_equal(pool == NULL, has_refused);
        if (has_refused)
            assert_int_equal(error.kind, PH_ERROR_MEMORY);
        ph_pool_free(pool);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(hands_a_connection_on),
    cmocka_unit_test(replaces_a_connection_that_died),
    cmocka_unit_test(keeps_apart_what_differs),
    cmocka_unit_test(keeps_apart_who_is_logged_in),
    cmocka_unit_test(takes_back_only_what_it_gave),
    cmocka_unit_test(keeps_no_more_than_it_may),
    cmocka_unit_test(lets_go_of_what_idled_too_long),
    cmocka_unit_test(says_why_there_is_none),
    cmocka_unit_test(serves_threads),
    cmocka_unit_test(runs_out_of_memory_cleanly),
};

UNIT_MAIN(tests)
