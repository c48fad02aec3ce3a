/* Places, the gate, new certificates, and running out of descriptors. */
#include "loop/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "failing_allocation.h"
#include "loop/echo_server.h"
#include "loop/listener_gate.h"
#include "net/net_certificate_make.h"
#include "net/net_tls_server.h"
#include "unit.h"

/* ---- places ---- */

static void places_are_bound(void **state)
{
    (void)state;
    static const char *const starts[] = {"127.0.0.1:", "[::1]:", "*:", "0.0.0.0:", "[::]:"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        char place[64];
        snprintf(place, sizeof place, "%s0", starts[i]);
        struct fault fault = {0};
        struct listener *listener = listener_bind(place, &fault);
        assert_string_equal(fault.message, "");
        assert_true(listener_port(listener) > 0);
        snprintf(place, sizeof place, "%s%u", starts[i], listener_port(listener));
        assert_string_equal(listener_place(listener), place);
        /* The port is taken. */
        assert_null(listener_bind(place, &fault));
        assert_int_equal(fault.system_error, EADDRINUSE);
        assert_non_null(strstr(fault.message, place));
        listener_close(listener);
    }
    listener_close(NULL);
}

static void nonsense_is_no_place(void **state)
{
    (void)state;
    static const char *const places[] = {
        "",
        "25",
        "localhost:25",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "::1:25",
        "[::1]",
        "[::1:25",
        "[127.0.0.1]",
        "127.0.0.1:25x",
        "127.0.0.1:+25",
        "[127.0.0.1]:25",
        "*",
        ":25",
        "[]:25",
        "127.0.0.1: 25",
        "[::1]x:25",
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct fault fault = {0};
        if (listener_bind(places[i], &fault) != NULL)
            fail_msg("\"%s\" was taken", places[i]);
        assert_int_equal(fault.kind, FAULT_SYNTAX);
    }
}

static void both_families_are_served(void **state)
{
    (void)state;
    struct echo_server *server = echo_server_start(&(struct echo_options){.place = "*:0"});
    int client = echo_connect(server);
    echo_send(client, "quit\n");
    echo_expect(client, "hello\nbye\n");
    close(client);
    assert_string_equal(echo_server_report(server).last_peer, "127.0.0.1");
    client = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_port =
                                       htons((uint16_t)listener_port(echo_server_listener(server))),
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    assert_return_code(connect(client, (struct sockaddr *)&address, sizeof address), errno);
    echo_send(client, "quit\n");
    echo_expect(client, "hello\nbye\n");
    close(client);
    assert_string_equal(echo_server_report(server).last_peer, "::1");
    echo_server_free(server);
}

static void name_path(char place[64], char **path)
{
    snprintf(place, 64, "unix:/tmp/posthorn-listener-%d.sock", (int)getpid());
    *path = place + 5;
    unlink(*path);
}

static void stale_socket_is_removed(void **state)
{
    (void)state;
    char place[64];
    char *path;
    name_path(place, &path);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int old = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_return_code(bind(old, (struct sockaddr *)&address, sizeof address), errno);
    assert_return_code(listen(old, 1), errno);
    struct fault fault = {0};
    /* Somebody listens. */
    assert_null(listener_bind(place, &fault));
    assert_int_equal(fault.system_error, EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
    /* Nobody does. */
    close(old);
    fault = (struct fault){0};
    struct listener *listener = listener_bind(place, &fault);
    assert_string_equal(fault.message, "");
    assert_string_equal(listener_place(listener), place);
    assert_int_equal(listener_port(listener), 0);
    listener_close(listener);
    assert_int_equal(access(path, F_OK), -1);
}

static void everybody_may_connect_to_a_socket(void **state)
{
    (void)state;
    char place[64];
    char *path;
    name_path(place, &path);
    mode_t before = umask(077);
    struct fault fault = {0};
    struct listener *listener = listener_bind(place, &fault);
    assert_int_equal(umask(before), 077);
    assert_non_null(listener);
    struct stat status;
    assert_return_code(stat(path, &status), errno);
    assert_int_equal(status.st_mode & 0777, 0666);
    listener_close(listener);
}

static void other_files_stay(void **state)
{
    (void)state;
    char place[64];
    char *path;
    name_path(place, &path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    struct fault fault = {0};
    assert_null(listener_bind(place, &fault));
    assert_int_equal(fault.system_error, EADDRINUSE);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    /* One that took the place of ours stays, too. */
    struct listener *listener = listener_bind(place, &fault);
    assert_non_null(listener);
    unlink(path);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    listener_close(listener);
    assert_int_equal(access(path, F_OK), 0);
    unlink(path);
    assert_null(listener_bind("unix:relative", &fault));
    char big[200] = "unix:/";
    memset(big + 6, 'x', 150);
    assert_null(listener_bind(big, &fault));
    assert_int_equal(fault.system_error, ENAMETOOLONG);
}

/* ---- the gate ---- */

static struct sockaddr_storage address_of(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)&storage;
    if (inet_pton(AF_INET, text, &ipv4->sin_addr) == 1)
        ipv4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &ipv6->sin6_addr) == 1)
        ipv6->sin6_family = AF_INET6;
    else
        storage.ss_family = AF_UNIX;
    return storage;
}

static const int is_in = -1;

/* Enters and stays, and says why not. */
static int enter(struct listener_gate *gate, const char *address, struct listener_gate_place *place)
{
    struct sockaddr_storage storage = address_of(address);
    enum listener_refusal why = LISTENER_TOO_MANY;
    return listener_gate_enter(gate, &storage, place, &why) ? is_in : (int)why;
}

static void gate_counts_addresses_and_prefixes(void **state)
{
    (void)state;
    struct listener_limits limits = {.all = 8, .by_address = 2, .by_prefix = 3};
    struct listener_gate *gate = listener_gate_new(&limits, NULL);
    struct listener_gate_place places[16] = {0};
    assert_int_equal(enter(gate, "192.0.2.1", &places[0]), is_in);
    assert_int_equal(enter(gate, "192.0.2.1", &places[1]), is_in);
    assert_int_equal(enter(gate, "192.0.2.1", &places[2]), LISTENER_TOO_MANY_FROM_ADDRESS);
    assert_int_equal(enter(gate, "192.0.2.200", &places[2]), is_in);
    assert_int_equal(enter(gate, "192.0.2.201", &places[3]), LISTENER_TOO_MANY_FROM_PREFIX);
    assert_int_equal(enter(gate, "192.0.3.1", &places[3]), is_in);
    assert_int_equal(enter(gate, "2001:db8:0:1::1", &places[4]), is_in);
    assert_int_equal(enter(gate, "2001:db8:0:1::2", &places[5]), is_in);
    assert_int_equal(enter(gate, "2001:db8:0:ffff::1", &places[6]), is_in);
    assert_int_equal(enter(gate, "2001:db8:0:2::1", &places[7]), LISTENER_TOO_MANY_FROM_PREFIX);
    assert_int_equal(enter(gate, "2001:db8:1:2::1", &places[7]), is_in);
    assert_int_equal(enter(gate, "198.51.100.1", &places[8]), LISTENER_TOO_MANY);
    assert_int_equal(enter(gate, "local", &places[8]), LISTENER_TOO_MANY);
    /* A place that becomes free is free for others. */
    listener_gate_leave(&places[0]);
    listener_gate_leave(&places[0]);
    assert_int_equal(enter(gate, "local", &places[0]), is_in);
    listener_gate_leave(&places[7]);
    assert_int_equal(enter(gate, "192.0.2.201", &places[7]), is_in);
    for (size_t i = 0; i < 16; i++)
        listener_gate_leave(&places[i]);
    listener_gate_free(gate);
    listener_gate_free(NULL);
}

/* Who is known by name makes room for others from there, but not in the whole house. */
static void gate_forgets_where_the_known_come_from(void **state)
{
    (void)state;
    const struct listener_limits limits = {.all = 3, .by_address = 1, .by_prefix = 1};
    struct listener_gate *gate = listener_gate_new(&limits, NULL);
    struct listener_gate_place places[4] = {0};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(enter(gate, "192.0.2.1", &places[i]), is_in);
        if (i < 2) {
            assert_int_equal(enter(gate, "192.0.2.1", &places[3]), LISTENER_TOO_MANY_FROM_ADDRESS);
            assert_int_equal(enter(gate, "192.0.2.2", &places[3]), LISTENER_TOO_MANY_FROM_PREFIX);
        }
        listener_gate_trust(&places[i]);
        listener_gate_trust(&places[i]);
    }
    assert_int_equal(enter(gate, "192.0.2.1", &places[3]), LISTENER_TOO_MANY);
    for (size_t i = 0; i < 3; i++)
        listener_gate_leave(&places[i]);
    listener_gate_trust(&places[3]);
    listener_gate_free(gate);
}

static void gate_changes_its_mind(void **state)
{
    (void)state;
    struct listener_limits limits = {.all = 2, .by_address = 9, .by_prefix = 9};
    struct listener_gate *gate = listener_gate_new(&limits, NULL);
    struct listener_gate_place places[4] = {0};
    assert_int_equal(enter(gate, "192.0.2.1", &places[0]), is_in);
    assert_int_equal(enter(gate, "192.0.2.1", &places[1]), is_in);
    assert_int_equal(enter(gate, "192.0.2.1", &places[2]), LISTENER_TOO_MANY);
    limits.all = 0; /* as many as there are descriptors */
    listener_gate_change(gate, &limits);
    assert_int_equal(enter(gate, "192.0.2.1", &places[2]), is_in);
    limits.by_address = 1;
    listener_gate_change(gate, &limits);
    assert_int_equal(enter(gate, "192.0.2.1", &places[3]), LISTENER_TOO_MANY_FROM_ADDRESS);
    limits.by_address = limits.by_prefix = 0; /* no limit */
    listener_gate_change(gate, &limits);
    assert_int_equal(enter(gate, "192.0.2.1", &places[3]), is_in);
    for (size_t i = 0; i < 4; i++)
        listener_gate_leave(&places[i]);
    listener_gate_free(gate);
}

static void gate_without_memory_lets_nobody_in(void **state)
{
    (void)state;
    struct listener_limits limits = {.all = 9, .by_address = 9, .by_prefix = 9};
    struct listener_gate *gate = listener_gate_new(&limits, NULL);
    bool was_refused = true;
    for (size_t count = 0; was_refused; count++) {
        struct listener_gate_place place = {0};
        failing_allocation_start(count);
        int result = enter(gate, "192.0.2.1", &place);
        was_refused = failing_allocation_stop();
        assert_true((result == is_in) == !was_refused);
        listener_gate_leave(&place);
    }
    listener_gate_free(gate);
}

static void refused_clients_are_told(void **state)
{
    (void)state;
    struct echo_options options = {.limits = {.all = 100, .by_address = 2, .by_prefix = 100}};
    struct echo_server *server = echo_server_start(&options);
    int first = echo_connect(server);
    int second = echo_connect(server);
    echo_expect(first, "hello\n");
    echo_expect(second, "hello\n");
    for (unsigned i = 0; i < 50; i++) {
        int third = echo_connect(server);
        echo_expect(third, "too many from address\n");
        echo_expect_end(third);
        close(third);
    }
    /* Those who are in are served, and their places become free. */
    echo_send(first, "quit\n");
    echo_expect(first, "bye\n");
    echo_expect_end(first);
    close(first);
    echo_server_wait(server, ended[ENGINE_END_CLOSED], 1);
    echo_send(second, "a\n");
    echo_expect(second, "= a\n");
    close(second);
    echo_server_free(server);
}

/* On a port of both families IPv4 addresses are counted as such. */
static void prefixes_are_those_of_the_family(void **state)
{
    (void)state;
    struct echo_options options = {.place = "*:0",
                                   .limits = {.all = 9, .by_address = 1, .by_prefix = 1}};
    struct echo_server *server = echo_server_start(&options);
    int clients[3];
    for (uint32_t i = 0; i < 3; i++) {
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
        struct sockaddr_in source = {.sin_family = AF_INET,
                                     .sin_addr.s_addr =
                                         htonl(INADDR_LOOPBACK + 256 * (i / 2 + 1) + i)};
        struct sockaddr_in target = {
            .sin_family = AF_INET,
            .sin_port = htons((uint16_t)listener_port(echo_server_listener(server))),
            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        assert_return_code(bind(clients[i], (struct sockaddr *)&source, sizeof source), errno);
        assert_return_code(connect(clients[i], (struct sockaddr *)&target, sizeof target), errno);
    }
    echo_expect(clients[0], "hello\n");
    echo_expect(clients[1], "too many from prefix\n");
    echo_expect(clients[2], "hello\n");
    for (size_t i = 0; i < 3; i++)
        close(clients[i]);
    echo_server_free(server);
}

static void tls_ports_refuse_without_a_word(void **state)
{
    (void)state;
    struct echo_options options = {.tls = LISTENER_IMPLICIT,
                                   .limits = {.all = 1, .by_address = 9, .by_prefix = 9}};
    struct echo_server *server = echo_server_start(&options);
    int first = echo_connect(server);
    echo_server_wait(server, opened, 1);
    int second = echo_connect(server);
    echo_expect_end(second);
    close(first);
    close(second);
    echo_server_free(server);
}

/* ---- certificates ---- */

static struct net_tls_context *make_context(const char *host)
{
    char file[] = "/tmp/posthorn-listener-XXXXXX";
    close(mkstemp(file));
    assert_true(net_certificate_make(host, file, NULL, NULL));
    struct net_tls_identity identity = {.certificate_file = file};
    struct net_tls_context *context = net_tls_server_context_new(&identity, 1, NULL);
    assert_non_null(context);
    unlink(file);
    return context;
}

static void expect_host(struct echo_tls *tls, const char *host)
{
    X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    assert_int_equal(X509_check_host(certificate, host, 0, 0, NULL), 1);
}

static void new_connections_get_the_new_certificate(void **state)
{
    (void)state;
    struct echo_server *server =
        echo_server_start(&(struct echo_options){.tls = LISTENER_IMPLICIT});
    struct echo_tls old = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&old));
    expect_host(&old, "mx.example");
    struct net_tls_context *context = make_context("new.example");
    listener_change_tls(echo_server_listener(server), context);
    net_tls_context_free(context);
    struct echo_tls new = echo_tls_open(echo_connect(server), SIZE_MAX, 0, NULL);
    assert_true(echo_tls_handshake(&new));
    expect_host(&new, "new.example");
    /* The older session goes on. */
    assert_true(echo_tls_send(&old, "quit\n"));
    assert_true(echo_tls_expect(&old, "hello\nbye\n"));
    echo_tls_close(&old);
    echo_tls_close(&new);
    echo_server_free(server);
}

/* ---- memory ---- */

struct shortage {
    size_t count;
    bool was_met;
};

static void begin_shortage(void *argument)
{
    failing_allocation_start(((struct shortage *)argument)->count);
}

static void end_shortage(void *argument)
{
    ((struct shortage *)argument)->was_met = failing_allocation_stop();
}

/* Who comes while there is no memory is turned away in some way, who comes later is served. */
static void clients_come_without_memory(void **state)
{
    (void)state;
    for (unsigned is_tls = 0; is_tls < 2; is_tls++) {
        struct echo_server *server = echo_server_start(
            &(struct echo_options){.tls = is_tls ? LISTENER_IMPLICIT : LISTENER_CLEAR});
        struct shortage shortage = {.was_met = true};
        for (; shortage.was_met; shortage.count++) {
            echo_server_run(server, begin_shortage, &shortage);
            int client = echo_connect(server);
            echo_send(client, "x");
            shutdown(client, SHUT_WR);
            char rest[64];
            while (recv(client, rest, sizeof rest, 0) > 0)
                ;
            close(client);
            echo_server_run(server, end_shortage, &shortage);
        }
        assert_true(shortage.count > 3);
        echo_server_free(server);
    }
}

/* ---- descriptors ---- */

enum {
    CLIENTS = 40,
    LEFT = 10
};

static void limit_descriptors(rlim_t count)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = count;
    assert_return_code(setrlimit(RLIMIT_NOFILE, &limit), errno);
}

static void clients_are_told_when_descriptors_are_out(void **state)
{
    (void)state;
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct echo_server *server =
        echo_server_start(&(struct echo_options){.limits = {1000, 1000, 1000}});
    int clients[CLIENTS];
    for (size_t i = 0; i < CLIENTS; i++)
        clients[i] = socket(AF_INET, SOCK_STREAM, 0);
    int highest = dup(0);
    close(highest);
    limit_descriptors((rlim_t)highest + LEFT);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port =
                                      htons((uint16_t)listener_port(echo_server_listener(server))),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < CLIENTS; i++)
        assert_return_code(connect(clients[i], (struct sockaddr *)&address, sizeof address), errno);
    /* They are accepted in their order. */
    for (size_t i = 0; i < LEFT; i++)
        echo_expect(clients[i], "hello\n");
    for (size_t i = LEFT; i < CLIENTS; i++) {
        echo_expect(clients[i], "too many\n");
        echo_expect_end(clients[i]);
    }
    for (size_t i = 0; i < LEFT; i++)
        echo_send(clients[i], "a\n");
    for (size_t i = 0; i < LEFT; i++)
        echo_expect(clients[i], "= a\n");
    assert_return_code(setrlimit(RLIMIT_NOFILE, &before), errno);
    int client = echo_connect(server);
    echo_expect(client, "hello\n");
    close(client);
    for (size_t i = 0; i < CLIENTS; i++)
        close(clients[i]);
    echo_server_free(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_bound),
        cmocka_unit_test(nonsense_is_no_place),
        cmocka_unit_test(both_families_are_served),
        cmocka_unit_test(stale_socket_is_removed),
        cmocka_unit_test(everybody_may_connect_to_a_socket),
        cmocka_unit_test(other_files_stay),
        cmocka_unit_test(gate_counts_addresses_and_prefixes),
        cmocka_unit_test(gate_forgets_where_the_known_come_from),
        cmocka_unit_test(gate_changes_its_mind),
        cmocka_unit_test(gate_without_memory_lets_nobody_in),
        cmocka_unit_test(refused_clients_are_told),
        cmocka_unit_test(prefixes_are_those_of_the_family),
        cmocka_unit_test(tls_ports_refuse_without_a_word),
        cmocka_unit_test(new_connections_get_the_new_certificate),
        cmocka_unit_test(clients_come_without_memory),
        cmocka_unit_test(clients_are_told_when_descriptors_are_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
