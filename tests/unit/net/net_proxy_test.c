/* What is said to proxies, and what is taken of what they say: not one byte more. */
#include "net/net_proxy.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "unit.h"

static const struct net_proxy socks = {.kind = NET_PROXY_SOCKS5};
static const struct net_proxy socks_with_login = {
    .kind = NET_PROXY_SOCKS5, .user = "me", .password = "secret"};
static const struct net_proxy http = {.kind = NET_PROXY_HTTP};
static const struct net_proxy http_with_login = {
    .kind = NET_PROXY_HTTP, .user = "Aladdin", .password = "open sesame"};

static const struct net_target by_name = {.host = "mx.example", .port = 587};
static const struct net_target by_ipv4 = {.host = "192.0.2.1", .port = 25};
static const struct net_target by_ipv6 = {.host = "2001:db8::1", .port = 465};

#define NAME_REQUEST "\x05\x01\x00\x03\x0amx.example\x02\x4b"
#define SOCKS_OK     "\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34"
#define BANNER       "220 mx.example ESMTP\r\n"

/* The proxy has said everything before it is asked. left: what is still there to read afterwards.
 */
struct trial {
    bool is_open;
    struct fault fault;
    char asked[1024];
    size_t asked_length;
    char left[256];
    size_t left_length;
};

static struct trial try_proxy(const struct net_proxy *proxy, const struct net_target *target,
                              struct bytes said)
{
    struct trial trial = {0};
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(write(ends[1], said.data, said.length), (ssize_t)said.length);
    assert_int_equal(shutdown(ends[1], SHUT_WR), 0);
    trial.is_open = net_proxy_open(ends[0], proxy, target, -1, INT64_MAX, &trial.fault);
    ssize_t count = read(ends[1], trial.asked, sizeof trial.asked);
    trial.asked_length = count > 0 ? (size_t)count : 0;
    count = read(ends[0], trial.left, sizeof trial.left);
    trial.left_length = count > 0 ? (size_t)count : 0;
    close(ends[0]);
    close(ends[1]);
    return trial;
}

#define assert_opens(proxy, target, said, asked_)                                                  \
    do {                                                                                           \
        struct trial trial_ = try_proxy(proxy, target, BYTES(said BANNER));                        \
        assert_string_equal(trial_.fault.message, "");                                             \
        assert_true(trial_.is_open);                                                               \
        assert_bytes(bytes_of(trial_.asked, trial_.asked_length), asked_);                         \
        assert_bytes(bytes_of(trial_.left, trial_.left_length), BANNER);                           \
    } while (0)

#define assert_fails(proxy, target, said, kind_, word)                                             \
    do {                                                                                           \
        struct trial trial_ = try_proxy(proxy, target, BYTES(said));                               \
        assert_false(trial_.is_open);                                                              \
        print_message("# %s\n", trial_.fault.message);                                             \
        assert_int_equal(trial_.fault.kind, kind_);                                                \
        assert_non_null(strstr(trial_.fault.message, word));                                       \
    } while (0)

static void opens_through_socks5(void **state)
{
    (void)state;
    assert_opens(&socks, &by_name, "\x05\x00" SOCKS_OK, "\x05\x01\x00" NAME_REQUEST);
    assert_opens(&socks, &by_ipv4, "\x05\x00" SOCKS_OK,
                 "\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x19");
    assert_opens(&socks, &by_ipv6, "\x05\x00" SOCKS_OK,
                 "\x05\x01\x00\x05\x01\x00\x04\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x01\xd1");
    assert_opens(&socks_with_login, &by_name, "\x05\x00" SOCKS_OK, "\x05\x02\x00\x02" NAME_REQUEST);
    assert_opens(&socks_with_login, &by_name, "\x05\x02\x01\x00" SOCKS_OK,
                 "\x05\x02\x00\x02\x01\x02me\x06secret" NAME_REQUEST);
    /* the three kinds of address that the proxy may give */
    assert_opens(&socks, &by_name,
                 "\x05\x00\x05\x00\x00\x03\x03"
                 "abc\x00\x19",
                 "\x05\x01\x00" NAME_REQUEST);
    assert_opens(&socks, &by_name, "\x05\x00\x05\x00\x00\x03\x00\x00\x19",
                 "\x05\x01\x00" NAME_REQUEST);
    assert_opens(&socks, &by_name,
                 "\x05\x00\x05\x00\x00\x04"
                 "0123456789abcdef\x00\x19",
                 "\x05\x01\x00" NAME_REQUEST);
}

static void hears_a_socks5_proxys_no(void **state)
{
    (void)state;
    assert_fails(&socks, &by_name, "\x05\xff", FAULT_DENIED, "a user and a password");
    assert_fails(&socks_with_login, &by_name, "\x05\xff", FAULT_DENIED, "another login");
    assert_fails(&socks_with_login, &by_name, "\x05\x02\x01\x01", FAULT_DENIED, "refuses the user");
    assert_fails(&socks, &by_name, "\x05\x00\x05\x02\x00\x01", FAULT_DENIED, "rules forbid");
    assert_fails(&socks, &by_name, "\x05\x00\x05\x04\x00\x01", FAULT_TEMPORARY,
                 "mx.example port 587: the host is unreachable");
    assert_fails(&socks, &by_name, "\x05\x00\x05\x05\x00\x01", FAULT_TEMPORARY, "refused");
    assert_fails(&socks, &by_name, "\x05\x00\x05\x63\x00\x01", FAULT_TEMPORARY, "no reason");
}

static void refuses_a_socks5_proxy_that_is_none(void **state)
{
    (void)state;
    assert_fails(&socks, &by_name, "HTTP/1.1 400 Bad Request\r\n\r\n", FAULT_SYNTAX, "SOCKS5");
    assert_fails(&socks, &by_name, "\x04\x00", FAULT_SYNTAX, "SOCKS5");
    assert_fails(&socks, &by_name, "\x05\x02", FAULT_SYNTAX, "not offered");
    assert_fails(&socks, &by_name, "\x05\x01", FAULT_SYNTAX, "not offered");
    assert_fails(&socks_with_login, &by_name, "\x05\x02\x05\x00", FAULT_SYNTAX, "RFC 1929");
    assert_fails(&socks, &by_name, "\x05\x00\x04\x00\x00\x01", FAULT_SYNTAX, "SOCKS5");
    assert_fails(&socks, &by_name, "\x05\x00\x05\x00\x01\x01", FAULT_SYNTAX, "SOCKS5");
    assert_fails(&socks, &by_name, "\x05\x00\x05\x00\x00\x02", FAULT_SYNTAX, "SOCKS5");
    /* cut off at every byte */
    static const char whole[] = "\x05\x02\x01\x00\x05\x00\x00\x03\x02"
                                "ab\x00\x19";
    for (size_t length = 0; length < sizeof whole - 1; length++) {
        struct trial trial = try_proxy(&socks_with_login, &by_name, bytes_of(whole, length));
        assert_false(trial.is_open);
        assert_int_equal(trial.fault.kind, FAULT_TEMPORARY);
        assert_non_null(strstr(trial.fault.message, "closed"));
    }
}

static void refuses_logins_that_socks5_cannot_carry(void **state)
{
    (void)state;
    char longer[257];
    memset(longer, 'x', 256);
    longer[256] = '\0';
    struct net_proxy proxy = {.kind = NET_PROXY_SOCKS5, .user = longer, .password = "p"};
    assert_fails(&proxy, &by_name, "\x05\x02\x01\x00" SOCKS_OK, FAULT_SYNTAX, "255");
    proxy = (struct net_proxy){.kind = NET_PROXY_SOCKS5, .user = "u", .password = ""};
    assert_fails(&proxy, &by_name, "\x05\x02\x01\x00" SOCKS_OK, FAULT_SYNTAX, "255");
    longer[255] = '\0';
    proxy = (struct net_proxy){.kind = NET_PROXY_SOCKS5, .user = longer, .password = longer};
    assert_true(try_proxy(&proxy, &by_name, BYTES("\x05\x02\x01\x00" SOCKS_OK)).is_open);
}

static void opens_through_http(void **state)
{
    (void)state;
    assert_opens(&http, &by_name, "HTTP/1.1 200 Connection established\r\n\r\n",
                 "CONNECT mx.example:587 HTTP/1.1\r\nHost: mx.example:587\r\n\r\n");
    assert_opens(&http, &by_ipv6, "HTTP/1.0 200\r\n\r\n",
                 "CONNECT [2001:db8::1]:465 HTTP/1.1\r\nHost: [2001:db8::1]:465\r\n\r\n");
    assert_opens(&http, &by_ipv4, "HTTP/1.1 204 ok\nVia: x\r\n\n",
                 "CONNECT 192.0.2.1:25 HTTP/1.1\r\nHost: 192.0.2.1:25\r\n\r\n");
    assert_opens(&http_with_login, &by_ipv4,
                 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: \x01\r\n\r\n",
                 "CONNECT 192.0.2.1:25 HTTP/1.1\r\nHost: 192.0.2.1:25\r\n"
                 "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
}

static void hears_an_http_proxys_no(void **state)
{
    (void)state;
    assert_fails(&http, &by_name, "HTTP/1.1 407 Who are you\r\n\r\n", FAULT_DENIED,
                 "wants a user and a password");
    assert_fails(&http_with_login, &by_name, "HTTP/1.1 407 Who are you\r\n\r\n", FAULT_DENIED,
                 "refuses the user");
    assert_fails(&http, &by_name, "HTTP/1.1 403 Forbidden\r\n\r\n", FAULT_DENIED, "403 Forbidden");
    assert_fails(&http, &by_name, "HTTP/1.1 502 Bad\tGateway\r\n\r\n", FAULT_TEMPORARY,
                 "mx.example port 587: 502 Bad");
    assert_fails(&http, &by_name, "HTTP/1.1 302 Elsewhere\r\n\r\n", FAULT_TEMPORARY, "302");
    assert_fails(&http, &by_name, "HTTP/1.1 100 Continue\r\n\r\n", FAULT_TEMPORARY, "100");
}

static void refuses_an_http_proxy_that_is_none(void **state)
{
    (void)state;
    assert_fails(&http, &by_name, "220 mx.example ESMTP\r\n\r\n", FAULT_SYNTAX, "HTTP");
    assert_fails(&http, &by_name, "HTTP/2 200\r\n\r\n", FAULT_SYNTAX, "HTTP");
    assert_fails(&http, &by_name, "HTTP/1.1 20\r\n\r\n", FAULT_SYNTAX, "HTTP");
    assert_fails(&http, &by_name, "HTTP/1.1 2000 x\r\n\r\n", FAULT_SYNTAX, "HTTP");
    assert_fails(&http, &by_name, "HTTP/1.1  200 x\r\n\r\n", FAULT_SYNTAX, "HTTP");
    assert_fails(&http, &by_name, "HTTP/1.1 200x\r\n\r\n", FAULT_SYNTAX, "HTTP");
    assert_fails(&http, &by_name, "\r\n\r\n", FAULT_SYNTAX, "HTTP");
    assert_fails(&http, &by_name, "HTTP/1.1 200 OK\r\nX: y\r\n", FAULT_TEMPORARY, "closed");
    assert_fails(&http, &by_name, "", FAULT_TEMPORARY, "closed");
}

static void bounds_an_http_proxys_answer(void **state)
{
    (void)state;
    static char said[NET_PROXY_REPLY_MAX + 1];
    memset(said, 'x', sizeof said);
    memcpy(said, "HTTP/1.1 200 OK\r\nX: ", 20);
    memcpy(said + NET_PROXY_REPLY_MAX - 4, "\r\n\r\n", 4);
    assert_true(try_proxy(&http, &by_name, bytes_of(said, NET_PROXY_REPLY_MAX)).is_open);
    memcpy(said + NET_PROXY_REPLY_MAX - 4, "x\r\n\r\n", 5);
    struct trial trial = try_proxy(&http, &by_name, bytes_of(said, sizeof said));
    assert_false(trial.is_open);
    assert_int_equal(trial.fault.kind, FAULT_LIMIT);
}

static void refuses_logins_that_http_cannot_carry(void **state)
{
    (void)state;
    static const char *const users[] = {"a:b", "a\r\nX: y", "a\x7f"};
    for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
        const struct net_proxy proxy = {.kind = NET_PROXY_HTTP, .user = users[i], .password = "p"};
        assert_fails(&proxy, &by_name, "HTTP/1.1 200 OK\r\n\r\n", FAULT_SYNTAX, "HTTP forbids");
    }
}

static void leads_to_hosts_only(void **state)
{
    (void)state;
    const struct net_target path = {.host = "/run/lmtp", .is_path = true};
    const struct net_target zone = {.host = "fe80::1%1", .port = 25};
    assert_fails(&socks, &path, "", FAULT_PERMANENT, "/run/lmtp");
    assert_fails(&http, &zone, "", FAULT_PERMANENT, "fe80");
}

static void gives_up_in_time_or_when_woken(void **state)
{
    (void)state;
    int ends[2];
    int wake[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    assert_int_equal(pipe(wake), 0);
    const struct net_proxy *const proxies[] = {&socks, &http};
    for (size_t i = 0; i < 2; i++) {
        struct fault fault = {0};
        int64_t now = (int64_t)clock_monotonic_milliseconds();
        assert_false(net_proxy_open(ends[0], proxies[i], &by_name, wake[0], now + 20, &fault));
        assert_int_equal(fault.system_error, ETIMEDOUT);
    }
    assert_int_equal(write(wake[1], "x", 1), 1);
    for (size_t i = 0; i < 2; i++) {
        struct fault fault = {0};
        assert_false(net_proxy_open(ends[0], proxies[i], &by_name, wake[0], INT64_MAX, &fault));
        assert_int_equal(fault.system_error, ECANCELED);
    }
    close(ends[0]);
    close(ends[1]);
    close(wake[0]);
    close(wake[1]);
}

/* Says its answer byte by byte. */
struct dribble {
    int descriptor;
    struct bytes said;
};

static void *run_dribble(void *argument)
{
    const struct dribble *dribble = argument;
    for (size_t i = 0; i < dribble->said.length; i++) {
        if (send(dribble->descriptor, dribble->said.data + i, 1, MSG_NOSIGNAL) != 1)
            break;
    }
    return NULL;
}

static void takes_answers_byte_by_byte(void **state)
{
    (void)state;
    static const struct {
        const struct net_proxy *proxy;
        struct bytes said;
    } rows[] = {
        {&socks_with_login, BYTES_INIT("\x05\x02\x01\x00" SOCKS_OK "2")},
        {&http, BYTES_INIT("HTTP/1.1 200 OK\r\nX: y\r\n\r\n2")},
    };
    for (size_t i = 0; i < 2; i++) {
        int ends[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
        struct dribble dribble = {ends[1], rows[i].said};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, run_dribble, &dribble), 0);
        assert_true(net_proxy_open(ends[0], rows[i].proxy, &by_name, -1, INT64_MAX, NULL));
        assert_int_equal(pthread_join(thread, NULL), 0);
        char byte = 0;
        assert_int_equal(read(ends[0], &byte, 1), 1);
        assert_int_equal(byte, '2');
        close(ends[0]);
        close(ends[1]);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(opens_through_socks5),
    cmocka_unit_test(hears_a_socks5_proxys_no),
    cmocka_unit_test(refuses_a_socks5_proxy_that_is_none),
    cmocka_unit_test(refuses_logins_that_socks5_cannot_carry),
    cmocka_unit_test(opens_through_http),
    cmocka_unit_test(hears_an_http_proxys_no),
    cmocka_unit_test(refuses_an_http_proxy_that_is_none),
    cmocka_unit_test(bounds_an_http_proxys_answer),
    cmocka_unit_test(refuses_logins_that_http_cannot_carry),
    cmocka_unit_test(leads_to_hosts_only),
    cmocka_unit_test(gives_up_in_time_or_when_woken),
    cmocka_unit_test(takes_answers_byte_by_byte),
};

UNIT_MAIN(tests)
