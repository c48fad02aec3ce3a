/* Connections that we open, to the echo server: in clear, under TLS, and to nobody. */
#include "loop/connector.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "failing_allocation.h"
#include "loop/echo_server.h"
#include "unit.h"

enum {
    TEXT_SIZE = 4096
};

/* Says what it is told to say, and keeps what it hears. */
struct caller {
    struct loop_group *group;
    struct loop_task errand;
    struct connector_plan plan;
    struct connector_trouble trouble;
    struct connection *connection;
    const char *tls_at; /* what the peer has said last when TLS is to begin; NULL = not */
    const char *close_at;
    struct iovec rest;
    bool is_opened;
    bool wants_close;
    bool closes_early;
    bool is_verified;
    char heard[TEXT_SIZE];
    size_t heard_length;
    char tls_version[16];
    struct net_address local;
    struct fault fault;
    unsigned ends;
    enum engine_end how;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

static bool has_heard(const struct caller *caller, const char *end)
{
    struct bytes heard = bytes_of(caller->heard, caller->heard_length);
    return end != NULL && bytes_ends_with(heard, bytes_from_string(end));
}

static size_t feed(void *engine, struct bytes in, int64_t now)
{
    struct caller *caller = engine;
    (void)now;
    assert_true(in.length < TEXT_SIZE - caller->heard_length);
    memcpy(caller->heard + caller->heard_length, in.data, in.length);
    caller->heard_length += in.length;
    caller->wants_close |= has_heard(caller, caller->close_at);
    return in.length;
}

static enum engine_wish wish(const void *engine)
{
    const struct caller *caller = engine;
    if (caller->wants_close)
        return ENGINE_WANTS_CLOSE;
    return *caller->tls_version == '\0' && has_heard(caller, caller->tls_at) ? ENGINE_WANTS_TLS
                                                                             : ENGINE_WANTS_INPUT;
}

static struct bytes output(void *engine, int64_t now)
{
    (void)engine;
    (void)now;
    fail();
    return BYTES("");
}

/* In two places. */
static size_t slices(void *engine, struct iovec *out, size_t count, int64_t now)
{
    struct caller *caller = engine;
    (void)now;
    assert_true(count > 1);
    if (caller->rest.iov_len < 2) {
        out[0] = caller->rest;
        return caller->rest.iov_len;
    }
    out[0] = (struct iovec){caller->rest.iov_base, 1};
    out[1] = (struct iovec){(char *)caller->rest.iov_base + 1, caller->rest.iov_len - 1};
    return 2;
}

static void sent(void *engine, size_t count, int64_t now)
{
    struct caller *caller = engine;
    (void)now;
    caller->rest.iov_base = (char *)caller->rest.iov_base + count;
    caller->rest.iov_len -= count;
}

static void tls_started(void *engine, const struct engine_tls *facts, int64_t now)
{
    struct caller *caller = engine;
    (void)now;
    snprintf(caller->tls_version, sizeof caller->tls_version, "%s", facts->version);
    caller->is_verified = connector_is_verified(caller->connection);
    if (caller->tls_at != NULL) {
        caller->rest = (struct iovec){(char *)(uintptr_t) "x\nquit\n", 7};
        caller->close_at = "bye\n";
    }
}

static int64_t deadline(const void *engine)
{
    (void)engine;
    return ENGINE_NEVER;
}

static void tick(void *engine, int64_t now)
{
    (void)engine;
    (void)now;
}

static void stop(void *engine, int64_t now)
{
    struct caller *caller = engine;
    (void)now;
    caller->wants_close = true;
}

static void end(void *engine, enum engine_end how, int64_t now)
{
    struct caller *caller = engine;
    (void)now;
    pthread_mutex_lock(&caller->mutex);
    caller->ends++;
    caller->how = how;
    pthread_cond_broadcast(&caller->changed);
    pthread_mutex_unlock(&caller->mutex);
}

static const struct engine_face face = {.feed = feed,
                                        .wish = wish,
                                        .output = output,
                                        .slices = slices,
                                        .sent = sent,
                                        .tls_started = tls_started,
                                        .deadline = deadline,
                                        .tick = tick,
                                        .stop = stop,
                                        .end = end};

static void open_connection(struct loop_task *task)
{
    struct caller *caller =
        (struct caller *)(void *)((char *)task - offsetof(struct caller, errand));
    bool is_opened = connector_open(loop_group_at(caller->group, 0), &caller->plan,
                                    &caller->connection, &caller->fault);
    if (is_opened)
        assert_true(connector_local(caller->connection, &caller->local));
    if (is_opened && caller->closes_early)
        connector_close(caller->connection);
    pthread_mutex_lock(&caller->mutex);
    caller->is_opened = is_opened;
    caller->ends += !is_opened;
    pthread_cond_broadcast(&caller->changed);
    pthread_mutex_unlock(&caller->mutex);
}

static void call(struct caller *caller, const char *address, unsigned port, const char *words)
{
    caller->rest = (struct iovec){(char *)(uintptr_t)words, strlen(words)};
    caller->plan.face = &face;
    caller->plan.engine = caller;
    caller->plan.trouble = &caller->trouble;
    caller->plan.connection = CONNECTION_PATIENCE;
    if (caller->plan.patience == 0)
        caller->plan.patience = 30000;
    assert_true(net_address_parse(address, port, &caller->plan.address));
    pthread_mutex_init(&caller->mutex, NULL);
    pthread_cond_init(&caller->changed, NULL);
    caller->group = loop_group_new(1, NULL);
    assert_non_null(caller->group);
    assert_true(loop_group_start(caller->group, NULL));
    caller->errand.run = open_connection;
    loop_post(loop_group_at(caller->group, 0), &caller->errand);
}

static void await_end(struct caller *caller)
{
    pthread_mutex_lock(&caller->mutex);
    while (caller->ends == 0)
        pthread_cond_wait(&caller->changed, &caller->mutex);
    pthread_mutex_unlock(&caller->mutex);
    loop_group_stop(caller->group, 30000);
    assert_int_equal(caller->ends, 1);
    loop_group_free(caller->group);
    pthread_mutex_destroy(&caller->mutex);
    pthread_cond_destroy(&caller->changed);
}

static void speaks_in_clear(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    struct net_address source;
    assert_true(net_address_parse("127.0.0.7", 0, &source));
    struct caller caller = {.plan.source = &source, .close_at = "bye\n"};
    call(&caller, "127.0.0.1", listener_port(echo_server_listener(server)), "a\nquit\n");
    await_end(&caller);
    assert_int_equal(caller.how, ENGINE_END_CLOSED);
    assert_int_equal(caller.trouble.step, CONNECTOR_IS_OPEN);
    assert_int_equal(caller.trouble.fault.kind, FAULT_NONE);
    assert_bytes(bytes_of(caller.heard, caller.heard_length), "hello\n= a\nbye\n");
    echo_server_wait(server, opened, 1);
    assert_string_equal(echo_server_report(server).last_peer, "127.0.0.7");
    echo_server_free(server);
}

static void hears_the_end_of_the_peer(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    struct caller caller = {0};
    call(&caller, "127.0.0.1", listener_port(echo_server_listener(server)), "quit\n");
    await_end(&caller);
    assert_int_equal(caller.how, ENGINE_END_PEER);
    assert_int_equal(caller.trouble.fault.kind, FAULT_NONE);
    echo_server_free(server);
}

static struct net_tls_context *make_context(void)
{
    struct net_tls_context *context =
        net_tls_context_new(&(struct net_tls_policy){.no_verification = true}, NULL);
    assert_non_null(context);
    return context;
}

static void starts_tls(void **state)
{
    (void)state;
    static const struct {
        enum listener_tls tls;
        bool is_implicit;
        const char *words;
        const char *tls_at;
        const char *heard;
    } cases[] = {
        {LISTENER_IMPLICIT, true, "x\nquit\n", NULL, "hello\n= x\nbye\n"},
        {LISTENER_STARTTLS, false, "tls\n", "go\n", "hello\ngo\n= x\nbye\n"},
    };
    struct net_tls_context *context = make_context();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct echo_server *server = echo_server_start(&(struct echo_options){.tls = cases[i].tls});
        struct caller caller = {
            .plan = {.tls = context, .tls_name = "echo", .is_implicit = cases[i].is_implicit},
            .tls_at = cases[i].tls_at,
            .close_at = cases[i].tls_at == NULL ? "bye\n" : NULL};
        call(&caller, "127.0.0.1", listener_port(echo_server_listener(server)), cases[i].words);
        await_end(&caller);
        assert_string_equal(caller.tls_version, "TLSv1.3");
        assert_false(caller.is_verified);
        assert_int_equal(caller.trouble.step, CONNECTOR_IS_OPEN);
        caller.heard[caller.heard_length] = '\0';
        assert_string_equal(caller.heard, cases[i].heard);
        echo_server_free(server);
    }
    net_tls_context_free(context);
}

static void handshake_fails_with_a_peer_in_clear(void **state)
{
    (void)state;
    struct net_tls_context *context = make_context();
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    struct caller caller = {.plan = {.tls = context, .tls_name = "echo", .is_implicit = true}};
    call(&caller, "127.0.0.1", listener_port(echo_server_listener(server)), "");
    await_end(&caller);
    assert_int_equal(caller.how, ENGINE_END_TLS);
    assert_int_equal(caller.trouble.step, CONNECTOR_HANDSHAKES);
    assert_int_equal(caller.trouble.fault.kind, FAULT_PERMANENT);
    echo_server_free(server);
    net_tls_context_free(context);
}

/* A port that is bound, where nobody listens. */
static int bind_port(unsigned *port)
{
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof place;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(descriptor, (struct sockaddr *)&place, sizeof place), 0);
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&place, &length), 0);
    *port = ntohs(place.sin_port);
    return descriptor;
}

static void nobody_is_there(void **state)
{
    (void)state;
    unsigned port;
    int descriptor = bind_port(&port);
    struct caller caller = {0};
    call(&caller, "127.0.0.1", port, "");
    await_end(&caller);
    assert_int_equal(caller.how, ENGINE_END_LOST);
    assert_int_equal(caller.trouble.step, CONNECTOR_CONNECTS);
    assert_int_equal(caller.trouble.fault.system_error, ECONNREFUSED);
    close(descriptor);
}

/* What fails at once is told like what fails later. */
static void address_that_cannot_be_used(void **state)
{
    (void)state;
    struct net_address source;
    assert_true(net_address_parse("::1", 0, &source));
    struct caller other_family = {.plan.source = &source};
    call(&other_family, "127.0.0.1", 1, "");
    await_end(&other_family);
    assert_int_equal(other_family.trouble.step, CONNECTOR_CONNECTS);
    assert_int_not_equal(other_family.trouble.fault.system_error, 0);
    struct caller nowhere = {0};
    call(&nowhere, "255.255.255.255", 25, "");
    await_end(&nowhere);
    assert_int_equal(nowhere.trouble.step, CONNECTOR_CONNECTS);
    assert_int_not_equal(nowhere.trouble.fault.system_error, 0);
}

/* The kernel answers no more than fit where nobody accepts. */
static void patience_runs_out(void **state)
{
    (void)state;
    unsigned port;
    int descriptor = bind_port(&port);
    assert_int_equal(listen(descriptor, 0), 0);
    int others[4];
    struct sockaddr_in place = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons((uint16_t)port)};
    for (size_t i = 0; i < 4; i++) {
        others[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        connect(others[i], (struct sockaddr *)&place, sizeof place);
    }
    struct caller caller = {.plan.patience = 50};
    call(&caller, "127.0.0.1", port, "");
    await_end(&caller);
    assert_int_equal(caller.how, ENGINE_END_LOST);
    assert_int_equal(caller.trouble.step, CONNECTOR_CONNECTS);
    assert_int_equal(caller.trouble.fault.system_error, ETIMEDOUT);
    for (size_t i = 0; i < 4; i++)
        close(others[i]);
    close(descriptor);
}

static void owner_closes_at_once(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){0});
    struct caller caller = {.closes_early = true};
    call(&caller, "127.0.0.1", listener_port(echo_server_listener(server)), "a\n");
    await_end(&caller);
    assert_int_equal(caller.how, ENGINE_END_CLOSED);
    echo_server_free(server);
}

static void want_of_memory_is_told(void **state)
{
    (void)state;
    struct fault fault = {0};
    struct net_tls_context *context = make_context();
    unsigned port;
    int descriptor = bind_port(&port);
    struct loop_group *group = loop_group_new(1, &fault);
    assert_non_null(group);
    for (size_t i = 0;; i++) {
        struct caller caller = {.plan = {.face = &face,
                                         .engine = &caller,
                                         .trouble = &caller.trouble,
                                         .tls = context,
                                         .tls_name = "echo",
                                         .patience = 1000,
                                         .connection = CONNECTION_PATIENCE}};
        assert_true(net_address_parse("127.0.0.1", port, &caller.plan.address));
        pthread_mutex_init(&caller.mutex, NULL);
        pthread_cond_init(&caller.changed, NULL);
        failing_allocation_start(i);
        bool is_open =
            connector_open(loop_group_at(group, 0), &caller.plan, &caller.connection, &fault);
        bool has_failed = failing_allocation_stop();
        assert_int_equal(is_open, !has_failed);
        if (is_open)
            connector_close(caller.connection);
        assert_int_equal(caller.ends, is_open);
        pthread_mutex_destroy(&caller.mutex);
        pthread_cond_destroy(&caller.changed);
        if (!has_failed)
            break;
        assert_int_equal(fault.kind, FAULT_TEMPORARY);
    }
    loop_group_free(group);
    close(descriptor);
    net_tls_context_free(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speaks_in_clear),
        cmocka_unit_test(hears_the_end_of_the_peer),
        cmocka_unit_test(starts_tls),
        cmocka_unit_test(handshake_fails_with_a_peer_in_clear),
        cmocka_unit_test(nobody_is_there),
        cmocka_unit_test(address_that_cannot_be_used),
        cmocka_unit_test(patience_runs_out),
        cmocka_unit_test(owner_closes_at_once),
        cmocka_unit_test(want_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
