/* Connecting by name, with a resolver of the test's own in the place of the system's. */
#include "net/net_connect.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "failing_allocation.h"
#include "net/loopback.h"
#include "net/net_resolver.h"
#include "unit.h"

/* ---- the resolver ---- */

enum {
    FAKE_ADDRESSES_MAX = 40,
};

static sem_t slow_may_go;
static sem_t slow_has_gone;

/* getaddrinfo's answer in one piece. */
struct answer {
    struct addrinfo items[FAKE_ADDRESSES_MAX];
    struct net_address addresses[FAKE_ADDRESSES_MAX];
};

static void put(struct answer *answer, size_t index, const char *address, unsigned port)
{
    assert_true(net_address_parse(address, port, &answer->addresses[index]));
    answer->items[index] = (struct addrinfo){
        .ai_family = answer->addresses[index].storage.ss_family,
        .ai_socktype = SOCK_STREAM,
        .ai_addrlen = answer->addresses[index].length,
        .ai_addr = (struct sockaddr *)&answer->addresses[index].storage,
    };
    if (index > 0)
        answer->items[index - 1].ai_next = &answer->items[index];
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *wanted,
                struct addrinfo **found)
{
    (void)wanted;
    unsigned port = (unsigned)atoi(service);
    if (strcmp(name, "none.example") == 0)
        return EAI_NONAME;
    if (strcmp(name, "later.example") == 0)
        return EAI_AGAIN;
    if (strcmp(name, "broken.example") == 0) {
        errno = EMFILE;
        return EAI_SYSTEM;
    }
    if (strcmp(name, "slow.example") == 0) {
        sem_wait(&slow_may_go);
        sem_post(&slow_has_gone);
        return EAI_NONAME;
    }
    struct answer *answer = calloc(1, sizeof *answer);
    assert_non_null(answer);
    if (strcmp(name, "many.example") == 0) {
        for (size_t i = 0; i < FAKE_ADDRESSES_MAX; i++)
            put(answer, i, "127.0.0.1", port);
    } else if (strcmp(name, "ipv4.example") == 0) {
        put(answer, 0, "127.0.0.1", port);
    } else {
        put(answer, 0, "::1", port);
        put(answer, 1, "127.0.0.1", port);
    }
    *found = answer->items;
    return 0;
}

void freeaddrinfo(struct addrinfo *found)
{
    free(found);
}

/* ---- connecting ---- */

static const struct net_connect_options patient = {.deadline = INT64_MAX, .wake_descriptor = -1};

static struct net_target target_of(const char *text, unsigned port)
{
    struct net_target target;
    assert_true(net_target_parse(text, port, &target, NULL));
    return target;
}

/* The port that was reached. */
static unsigned assert_connects(const char *host, unsigned port,
                                const struct net_connect_options *options)
{
    struct net_target target = target_of(host, port);
    enum net_connect_phase phase;
    struct fault fault = {0};
    int descriptor = net_connect(&target, options, &phase, &fault);
    assert_string_equal(fault.message, "");
    assert_true(descriptor >= 0);
    unsigned reached = loopback_peer_port(descriptor);
    int on = 0;
    socklen_t length = sizeof on;
    assert_int_equal(getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
    assert_int_not_equal(on, 0);
    assert_true((fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
    close(descriptor);
    return reached;
}

static struct fault assert_fails(const char *host, unsigned port,
                                 const struct net_connect_options *options,
                                 enum net_connect_phase expected)
{
    struct net_target target = target_of(host, port);
    enum net_connect_phase phase = NET_CONNECT_PROXY;
    struct fault fault = {0};
    assert_int_equal(net_connect(&target, options, &phase, &fault), -1);
    print_message("# %s\n", fault.message);
    assert_int_equal(phase, expected);
    assert_true(fault.kind != FAULT_NONE);
    return fault;
}

static void connects_by_name_and_by_address(void **state)
{
    (void)state;
    struct loopback listener = loopback_open(AF_INET, LOOPBACK_LISTENING);
    static const char *const hosts[] = {"127.0.0.1",    "localhost",    "mail.localhost",
                                        "both.example", "ipv4.example", "many.example"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
        assert_int_equal(assert_connects(hosts[i], listener.port, &patient), listener.port);
    loopback_close(&listener);
    listener = loopback_open(AF_INET6, LOOPBACK_LISTENING);
    assert_int_equal(assert_connects("::1", listener.port, &patient), listener.port);
    assert_int_equal(assert_connects("both.example", listener.port, &patient), listener.port);
    loopback_close(&listener);
}

static void does_not_wait_for_a_silent_address(void **state)
{
    (void)state;
    struct loopback silent;
    struct loopback live;
    loopback_open_both(&silent, LOOPBACK_SILENT, &live, LOOPBACK_LISTENING);
    assert_int_equal(assert_connects("both.example", live.port, &patient), live.port);
    loopback_close(&silent);
    loopback_close(&live);
}

static void tells_where_it_failed(void **state)
{
    (void)state;
    struct loopback closed = loopback_open(AF_INET, LOOPBACK_CLOSED);
    struct fault fault = assert_fails("none.example", 25, &patient, NET_CONNECT_RESOLVE);
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    assert_non_null(strstr(fault.message, "none.example"));
    fault = assert_fails("later.example", 25, &patient, NET_CONNECT_RESOLVE);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    fault = assert_fails("broken.example", 25, &patient, NET_CONNECT_RESOLVE);
    assert_int_equal(fault.system_error, EMFILE);
    fault = assert_fails("127.0.0.1", closed.port, &patient, NET_CONNECT_CONNECT);
    assert_int_equal(fault.system_error, ECONNREFUSED);
    loopback_close(&closed);
}

static void gives_up_a_slow_lookup(void **state)
{
    (void)state;
    struct net_connect_options options = patient;
    options.deadline = (int64_t)clock_monotonic_milliseconds() + 20;
    struct fault fault = assert_fails("slow.example", 25, &options, NET_CONNECT_RESOLVE);
    assert_int_equal(fault.system_error, ETIMEDOUT);

    int wake[2];
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(write(wake[1], "x", 1), 1);
    options.deadline = INT64_MAX;
    options.wake_descriptor = wake[0];
    fault = assert_fails("slow.example", 25, &options, NET_CONNECT_RESOLVE);
    assert_int_equal(fault.system_error, ECANCELED);
    close(wake[0]);
    close(wake[1]);
    /* The answers come when nobody waits for them any more. */
    for (int i = 0; i < 2; i++)
        sem_post(&slow_may_go);
    for (int i = 0; i < 2; i++)
        sem_wait(&slow_has_gone);
}

static void survives_a_failing_allocation(void **state)
{
    (void)state;
    struct net_target target = target_of("none.example", 25);
    enum net_connect_phase phase;
    struct fault fault = {0};
    failing_allocation_start(0);
    int descriptor = net_connect(&target, &patient, &phase, &fault);
    assert_true(failing_allocation_stop());
    assert_int_equal(descriptor, -1);
    assert_int_equal(fault.system_error, ENOMEM);
}

/* A lookup that is woken while it runs. */
static void *wake_soon(void *argument)
{
    const int *wake = argument;
    sem_post(&slow_may_go);
    assert_int_equal(write(*wake, "x", 1), 1);
    return NULL;
}

static void survives_a_wake_that_races_with_the_answer(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        int wake[2];
        pthread_t thread;
        assert_int_equal(pipe(wake), 0);
        struct net_connect_options options = patient;
        options.wake_descriptor = wake[0];
        assert_int_equal(pthread_create(&thread, NULL, wake_soon, &wake[1]), 0);
        assert_fails("slow.example", 25, &options, NET_CONNECT_RESOLVE);
        sem_wait(&slow_has_gone);
        assert_int_equal(pthread_join(thread, NULL), 0);
        close(wake[0]);
        close(wake[1]);
    }
}

static void connects_to_a_unix_socket(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "/tmp/posthorn-connect-%d", (int)getpid());
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strcpy(name.sun_path, path);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    unlink(path);
    assert_int_equal(bind(listener, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(listen(listener, 1), 0);
    struct net_target target = target_of(path, 0);
    struct net_connect_options options = patient;
    /* A path has no use for a source. */
    options.source_address = "127.0.0.1";
    enum net_connect_phase phase;
    int descriptor = net_connect(&target, &options, &phase, NULL);
    assert_true(descriptor >= 0);
    close(descriptor);
    close(listener);
    unlink(path);
    struct fault fault = assert_fails(path, 0, &patient, NET_CONNECT_CONNECT);
    assert_int_equal(fault.system_error, ENOENT);
    fault = assert_fails("/123456789/123456789/123456789/123456789/123456789/123456789/123456789/"
                         "123456789/123456789/123456789/123456789",
                         0, &patient, NET_CONNECT_RESOLVE);
    assert_int_equal(fault.kind, FAULT_SYNTAX);
}

static void binds_to_a_source(void **state)
{
    (void)state;
    struct loopback listener = loopback_open(AF_INET, LOOPBACK_LISTENING);
    struct loopback reserved = loopback_open(AF_INET, LOOPBACK_CLOSED);
    unsigned source_port = reserved.port;
    loopback_close(&reserved);
    struct net_connect_options options = patient;
    options.source_address = "127.0.0.2";
    options.source_port = source_port;
    struct net_target target = target_of("both.example", listener.port);
    enum net_connect_phase phase;
    struct fault fault = {0};
    int descriptor = net_connect(&target, &options, &phase, &fault);
    assert_string_equal(fault.message, "");
    struct net_address local = {.length = sizeof local.storage};
    char text[64];
    char expected[64];
    assert_int_equal(getsockname(descriptor, (struct sockaddr *)&local.storage, &local.length), 0);
    net_address_format(&local, text, sizeof text);
    snprintf(expected, sizeof expected, "127.0.0.2:%u", source_port);
    assert_string_equal(text, expected);
    close(descriptor);

    options = patient;
    options.source_address = "::1";
    fault = assert_fails("ipv4.example", listener.port, &options, NET_CONNECT_CONNECT);
    assert_non_null(strstr(fault.message, "family"));
    options.source_address = "me.example";
    fault = assert_fails("ipv4.example", listener.port, &options, NET_CONNECT_CONNECT);
    assert_int_equal(fault.kind, FAULT_SYNTAX);
    loopback_close(&listener);
}

/* ---- through a proxy ---- */

/* A SOCKS5 proxy that takes one connection, hears what it must, and speaks on as the server. */
static void *run_proxy(void *argument)
{
    const struct loopback *listener = argument;
    int descriptor = accept(listener->descriptor, NULL, NULL);
    char heard[3 + 5 + 10 + 2];
    static const char answer[] = "\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34"
                                 "220 hello\r\n";
    if (recv(descriptor, heard, 3, MSG_WAITALL) == 3 &&
        send(descriptor, answer, 2, MSG_NOSIGNAL) == 2 &&
        recv(descriptor, heard + 3, sizeof heard - 3, MSG_WAITALL) == sizeof heard - 3)
        send(descriptor, answer + 2, sizeof answer - 3, MSG_NOSIGNAL);
    close(descriptor);
    return NULL;
}

static void connects_through_a_proxy(void **state)
{
    (void)state;
    struct loopback listener = loopback_open(AF_INET, LOOPBACK_LISTENING);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_proxy, &listener), 0);
    char address[32];
    snprintf(address, sizeof address, "localhost:%u", listener.port);
    const struct net_proxy proxy = {.kind = NET_PROXY_SOCKS5, .address = address};
    struct net_connect_options options = patient;
    options.proxy = &proxy;
    /* Only the proxy knows the name: our own resolver would say that there is none. */
    struct net_target target = target_of("mx.example", 25);
    struct fault fault = {0};
    enum net_connect_phase phase;
    int descriptor = net_connect(&target, &options, &phase, &fault);
    assert_string_equal(fault.message, "");
    assert_int_equal(pthread_join(thread, NULL), 0);
    char heard[32] = "";
    assert_int_equal(read(descriptor, heard, sizeof heard), 11);
    assert_string_equal(heard, "220 hello\r\n");
    close(descriptor);
    loopback_close(&listener);
}

static void tells_of_a_proxy_that_is_not_there(void **state)
{
    (void)state;
    struct loopback closed = loopback_open(AF_INET, LOOPBACK_CLOSED);
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", closed.port);
    struct net_proxy proxy = {.kind = NET_PROXY_HTTP, .address = address};
    struct net_connect_options options = patient;
    options.proxy = &proxy;
    struct fault fault = assert_fails("mx.example", 25, &options, NET_CONNECT_PROXY);
    assert_int_equal(fault.system_error, ECONNREFUSED);
    assert_non_null(strstr(fault.message, "proxy"));
    proxy.address = "none.example";
    fault = assert_fails("mx.example", 25, &options, NET_CONNECT_PROXY);
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    proxy.address = "a b";
    fault = assert_fails("mx.example", 25, &options, NET_CONNECT_PROXY);
    assert_int_equal(fault.kind, FAULT_SYNTAX);
    loopback_close(&closed);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(connects_by_name_and_by_address),
    cmocka_unit_test(does_not_wait_for_a_silent_address),
    cmocka_unit_test(tells_where_it_failed),
    cmocka_unit_test(gives_up_a_slow_lookup),
    cmocka_unit_test(survives_a_wake_that_races_with_the_answer),
    cmocka_unit_test(survives_a_failing_allocation),
    cmocka_unit_test(connects_to_a_unix_socket),
    cmocka_unit_test(binds_to_a_source),
    cmocka_unit_test(connects_through_a_proxy),
    cmocka_unit_test(tells_of_a_proxy_that_is_not_there),
};

int main(void)
{
    sem_init(&slow_may_go, 0, 0);
    sem_init(&slow_has_gone, 0, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
