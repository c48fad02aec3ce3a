/* Streams without TLS on socket pairs and loopback connections. */
#include "net/net_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "failing_allocation.h"
#include "unit.h"

/* A stream and the other end of its socket. */
struct pair {
    struct net_stream *stream;
    int peer;
};

static struct pair open_pair(void)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct pair pair = {.stream = net_stream_take(ends[0], NULL), .peer = ends[1]};
    assert_non_null(pair.stream);
    return pair;
}

static void close_pair(struct pair *pair)
{
    net_stream_close(pair->stream);
    if (pair->peer >= 0)
        close(pair->peer);
}

static void close_peer(struct pair *pair)
{
    close(pair->peer);
    pair->peer = -1;
}

static void refuses_what_is_no_stream_socket(void **state)
{
    (void)state;
    struct fault fault = {0};
    int ends[2];
    assert_null(net_stream_take(-1, &fault));
    assert_int_equal(fault.system_error, EBADF);
    assert_int_equal(pipe(ends), 0);
    assert_null(net_stream_take(ends[0], &fault));
    assert_int_equal(fault.system_error, ENOTSOCK);
    /* It stays the caller's. */
    assert_int_equal(close(ends[0]), 0);
    close(ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
    assert_null(net_stream_take(ends[0], &fault));
    assert_int_equal(fault.kind, FAULT_PERMANENT);
    close(ends[0]);
    close(ends[1]);
}

static void survives_a_failing_allocation(void **state)
{
    (void)state;
    int ends[2];
    struct fault fault = {0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    failing_allocation_start(0);
    struct net_stream *stream = net_stream_take(ends[0], &fault);
    assert_true(failing_allocation_stop());
    assert_null(stream);
    assert_int_equal(fault.system_error, ENOMEM);
    close(ends[0]);
    close(ends[1]);
}

static void reads_and_tells_the_end(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    char memory[16];
    size_t count = 0;
    assert_int_equal(net_stream_read(pair.stream, memory, sizeof memory, &count, NULL), NET_AGAIN);
    assert_int_equal(write(pair.peer, "220 hello", 9), 9);
    assert_int_equal(net_stream_read(pair.stream, memory, 4, &count, NULL), NET_DONE);
    assert_bytes(bytes_of(memory, count), "220 ");
    assert_int_equal(net_stream_read(pair.stream, memory, sizeof memory, &count, NULL), NET_DONE);
    assert_bytes(bytes_of(memory, count), "hello");
    close_peer(&pair);
    assert_int_equal(net_stream_read(pair.stream, memory, sizeof memory, &count, NULL), NET_END);
    close_pair(&pair);
}

static void writes_slices_in_one_call(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    char first[] = "MAIL ";
    char second[] = "FROM";
    struct iovec slices[3] = {{first, 5}, {NULL, 0}, {second, 4}};
    char memory[16];
    size_t count = 0;
    assert_int_equal(net_stream_write(pair.stream, slices, 3, &count, NULL), NET_DONE);
    assert_int_equal(count, 9);
    assert_int_equal(read(pair.peer, memory, sizeof memory), 9);
    assert_memory_equal(memory, "MAIL FROM", 9);
    close_pair(&pair);
}

static void writes_more_slices_than_the_kernel_takes(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    static struct iovec slices[3000];
    static char memory[3000];
    char byte = 'x';
    for (size_t i = 0; i < 3000; i++)
        slices[i] = (struct iovec){&byte, 1};
    size_t total = 0;
    while (total < 3000) {
        size_t count = 0;
        assert_int_equal(net_stream_write(pair.stream, slices + total, 3000 - total, &count, NULL),
                         NET_DONE);
        assert_true(count > 0);
        assert_int_equal(read(pair.peer, memory, sizeof memory), (ssize_t)count);
        total += count;
    }
    close_pair(&pair);
}

static void tells_a_full_socket_and_a_broken_one(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    static char block[65536];
    struct iovec slice = {block, sizeof block};
    size_t count = 0;
    enum net_result result;
    while ((result = net_stream_write(pair.stream, &slice, 1, &count, NULL)) == NET_DONE)
        assert_true(count > 0);
    assert_int_equal(result, NET_AGAIN);
    int64_t now = (int64_t)clock_monotonic_milliseconds();
    assert_int_equal(net_stream_wait(pair.stream, NET_READY_WRITE, -1, now, NULL), 0);
    /* No SIGPIPE: it would end the test here. */
    close_peer(&pair);
    struct fault fault = {0};
    assert_int_equal(net_stream_write(pair.stream, &slice, 1, &count, &fault), NET_FAILED);
    assert_int_equal(fault.system_error, EPIPE);
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
    close_pair(&pair);
}

static void waits_for_what_is_wanted(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    const int both = NET_READY_READ | NET_READY_WRITE;
    assert_int_equal(net_stream_wait(pair.stream, both, -1, INT64_MAX, NULL), NET_READY_WRITE);
    assert_int_equal(write(pair.peer, "x", 1), 1);
    assert_int_equal(net_stream_wait(pair.stream, both, -1, INT64_MAX, NULL), both);
    assert_int_equal(net_stream_wait(pair.stream, NET_READY_READ, -1, 0, NULL), NET_READY_READ);
    close_peer(&pair);
    assert_int_equal(net_stream_wait(pair.stream, both, -1, INT64_MAX, NULL), both);
    close_pair(&pair);
}

static void waits_until_the_deadline(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    int64_t deadline = (int64_t)clock_monotonic_milliseconds() + 30;
    assert_int_equal(net_stream_wait(pair.stream, NET_READY_READ, -1, deadline, NULL), 0);
    assert_true((int64_t)clock_monotonic_milliseconds() >= deadline);
    close_pair(&pair);
}

static void wakes(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    int wake[2];
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(net_stream_wait(pair.stream, NET_READY_WRITE, wake[0], INT64_MAX, NULL),
                     NET_READY_WRITE);
    assert_int_equal(write(wake[1], "x", 1), 1);
    assert_int_equal(net_stream_wait(pair.stream, NET_READY_READ, wake[0], INT64_MAX, NULL),
                     NET_READY_WOKEN);
    assert_int_equal(net_stream_wait(pair.stream, NET_READY_WRITE, wake[0], INT64_MAX, NULL),
                     NET_READY_WRITE | NET_READY_WOKEN);
    close(wake[0]);
    close(wake[1]);
    close_pair(&pair);
}

static void hear_alarm(int number)
{
    (void)number;
}

static void sleeps_on_through_signals(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    struct sigaction action = {.sa_handler = hear_alarm};
    struct sigaction before;
    const struct itimerval often = {{0, 5000}, {0, 5000}};
    const struct itimerval never = {{0, 0}, {0, 0}};
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    int64_t deadline = (int64_t)clock_monotonic_milliseconds() + 50;
    assert_int_equal(net_stream_wait(pair.stream, NET_READY_READ, -1, deadline, NULL), 0);
    assert_true((int64_t)clock_monotonic_milliseconds() >= deadline);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    close_pair(&pair);
}

static void knows_whether_the_peer_is_quiet(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    assert_true(net_stream_is_quiet(pair.stream));
    assert_int_equal(write(pair.peer, "421 idle\r\n", 10), 10);
    assert_false(net_stream_is_quiet(pair.stream));
    close_pair(&pair);
    pair = open_pair();
    close_peer(&pair);
    assert_false(net_stream_is_quiet(pair.stream));
    close_pair(&pair);
}

static void tells_addresses(void **state)
{
    (void)state;
    static const struct {
        int family;
        const char *literal;
    } rows[] = {{AF_INET, "[127.0.0.1]"}, {AF_INET6, "[IPv6:::1]"}};
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_in ipv4 = {.sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
        struct sockaddr *address =
            rows[i].family == AF_INET ? (struct sockaddr *)&ipv4 : (struct sockaddr *)&ipv6;
        socklen_t length = rows[i].family == AF_INET ? sizeof ipv4 : sizeof ipv6;
        int listener = socket(rows[i].family, SOCK_STREAM, 0);
        assert_int_equal(bind(listener, address, length), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, address, &length), 0);
        int descriptor = socket(rows[i].family, SOCK_STREAM, 0);
        assert_int_equal(connect(descriptor, address, length), 0);
        struct net_stream *stream = net_stream_take(descriptor, NULL);

        char text[64];
        char expected[64];
        unsigned port = ntohs(rows[i].family == AF_INET ? ipv4.sin_port : ipv6.sin6_port);
        snprintf(expected, sizeof expected, i == 0 ? "127.0.0.1:%u" : "[::1]:%u", port);
        assert_true(net_stream_local_literal(stream, text, sizeof text));
        assert_string_equal(text, rows[i].literal);
        assert_false(net_stream_local_literal(stream, text, strlen(rows[i].literal)));
        net_stream_peer_name(stream, text, sizeof text);
        assert_string_equal(text, expected);

        int on = 0;
        socklen_t on_length = sizeof on;
        assert_int_equal(getsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, &on_length), 0);
        assert_int_not_equal(on, 0);
        assert_true((fcntl(descriptor, F_GETFL) & O_NONBLOCK) != 0);
        net_stream_close(stream);
        close(listener);
    }
}

static void has_no_literal_for_a_unix_socket(void **state)
{
    (void)state;
    struct pair pair = open_pair();
    char text[64];
    assert_false(net_stream_local_literal(pair.stream, text, sizeof text));
    net_stream_peer_name(pair.stream, text, sizeof text);
    assert_string_equal(text, "a socket");
    assert_null(net_stream_tls(pair.stream));
    struct fault fault = {0};
    assert_int_equal(net_stream_handshake(pair.stream, &fault), NET_FAILED);
    assert_int_equal(fault.kind, FAULT_BUG);
    close_pair(&pair);
    net_stream_close(NULL);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(refuses_what_is_no_stream_socket),
    cmocka_unit_test(survives_a_failing_allocation),
    cmocka_unit_test(reads_and_tells_the_end),
    cmocka_unit_test(writes_slices_in_one_call),
    cmocka_unit_test(writes_more_slices_than_the_kernel_takes),
    cmocka_unit_test(tells_a_full_socket_and_a_broken_one),
    cmocka_unit_test(waits_for_what_is_wanted),
    cmocka_unit_test(waits_until_the_deadline),
    cmocka_unit_test(wakes),
    cmocka_unit_test(sleeps_on_through_signals),
    cmocka_unit_test(knows_whether_the_peer_is_quiet),
    cmocka_unit_test(tells_addresses),
    cmocka_unit_test(has_no_literal_for_a_unix_socket),
};

UNIT_MAIN(tests)
