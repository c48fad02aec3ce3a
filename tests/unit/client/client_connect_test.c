/* A session's connections: places, greetings, names, verbs, quitting, and what is known meanwhile.
 */
#include <posthorn/posthorn.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client/scripted_server.h"
#include "unit.h"

static struct ph_smtp *make(const struct ph_smtp_options *options)
{
    struct ph_error error;
    struct ph_smtp *smtp = ph_smtp_new(options, &error);
    assert_non_null(smtp);
    return smtp;
}

static void assert_connected(struct ph_smtp *smtp, const char *address)
{
    struct ph_error error = {0};
    if (!ph_smtp_connect(smtp, address, 0, &error))
        fail_msg("%s", error.message);
    assert_true(ph_smtp_is_connected(smtp));
}

/* ---- places ---- */

static void connects_to(enum scripted_place place, const char *hello)
{
    char script[256];
    snprintf(script, sizeof script,
             "S: 220 mx.test ready\n"
             "C: EHLO %s\n"
             "S: 250 mx.test\n"
             "C: QUIT\n"
             "S: 221 2.0.0 bye\n"
             "E:\n",
             hello);
    struct scripted_server *server = scripted_server_start(place, script);
    struct ph_smtp *smtp = make(NULL);
    struct ph_error error;
    if (place == SCRIPTED_PAIR)
        assert_true(ph_smtp_connect_take_descriptor(smtp, scripted_server_take_descriptor(server),
                                                    "localhost", &error));
    else
        assert_connected(smtp, scripted_server_address(server));
    assert_int_equal(ph_smtp_reply(smtp)->code, 220);
    assert_string_equal(ph_smtp_reply(smtp)->text, "mx.test ready");
    assert_int_equal(ph_smtp_ehlo(smtp, NULL, &error), 250);
    assert_int_equal(ph_smtp_quit(smtp, &error), 221);
    assert_string_equal(ph_smtp_reply(smtp)->text, "bye");
    assert_false(ph_smtp_is_connected(smtp));
    assert_int_equal(ph_smtp_quit(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

/* A machine whose name has a dot says that name, any other its address. */
static const char *expected_hello(const char *literal)
{
    static char name[256];
    if (gethostname(name, sizeof name) == 0 && strchr(name, '.') != NULL)
        return name;
    return literal;
}

static void connects_by_ipv4(void **state)
{
    (void)state;
    connects_to(SCRIPTED_LOOPBACK, expected_hello("\\[127.0.0.1\\]"));
}

static void connects_by_ipv6(void **state)
{
    (void)state;
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    if (probe < 0 && errno == EAFNOSUPPORT)
        return; /* a kernel without IPv6 has no address to connect to */
    close(probe);
    connects_to(SCRIPTED_LOOPBACK_V6, expected_hello("\\[IPv6:::1\\]"));
}

static void connects_by_path(void **state)
{
    (void)state;
    connects_to(SCRIPTED_PATH, expected_hello("\\[127.0.0.1\\]"));
}

static void takes_a_descriptor(void **state)
{
    (void)state;
    connects_to(SCRIPTED_PAIR, expected_hello("\\[127.0.0.1\\]"));
}

static void takes_host_and_port_from_options(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "E:\n");
    unsigned port = (unsigned)atoi(strchr(scripted_server_address(server), ':') + 1);
    struct ph_smtp_options options = {.host = "127.0.0.1", .port = port};
    struct ph_smtp *smtp = make(&options);
    assert_connected(smtp, NULL);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void prefers_the_port_that_is_given(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "E:\n");
    unsigned port = (unsigned)atoi(strchr(scripted_server_address(server), ':') + 1);
    struct ph_smtp *smtp = make(NULL);
    struct ph_error error;
    assert_true(ph_smtp_connect(smtp, "127.0.0.1:1", port, &error));
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void says_the_name_it_is_told(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                 "C: EHLO client.example\n"
                                                 "S: 250 mx\n"
                                                 "C: HELO other.example\n"
                                                 "S: 250 mx\n"
                                                 "E:\n");
    struct ph_smtp_options options = {.local_hostname = "client.example"};
    struct ph_smtp *smtp = make(&options);
    assert_connected(smtp, scripted_server_address(server));
    assert_int_equal(ph_smtp_ehlo(smtp, NULL, NULL), 250);
    assert_int_equal(ph_smtp_helo(smtp, "other.example", NULL), 250);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void says_its_name_in_ascii(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                 "C: EHLO xn--bcher-kva.example\n"
                                                 "S: 250 mx\n"
                                                 "E:\n");
    struct ph_smtp_options options = {
        .local_hostname = "b\xc3\xbc"
                          "cher.example",
        .tls.server_name = "b\xc3\xbc"
                           "cher.example",
    };
    struct ph_smtp *smtp = make(&options);
    assert_string_equal(ph_smtp_local_hostname(smtp), "xn--bcher-kva.example");
    assert_connected(smtp, scripted_server_address(server));
    assert_int_equal(ph_smtp_ehlo(smtp, NULL, NULL), 250);
    assert_string_equal(ph_smtp_local_hostname(smtp), "xn--bcher-kva.example");
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void tells_what_it_is_connected_by(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: EHLO *\n"
                                                                              "S: 502 what\n"
                                                                              "C: HELO *\n"
                                                                              "S: 250 mx says hi\n"
                                                                              "C: NOOP\n"
                                                                              "S: 250 ok\n"
                                                                              "C: HELO b.example\n"
                                                                              "S: 550 no\n"
                                                                              "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_int_equal(ph_smtp_descriptor(smtp), -1);
    assert_string_equal(ph_smtp_local_hostname(smtp), "");
    assert_string_equal(ph_smtp_hello_text(smtp), "");
    assert_connected(smtp, scripted_server_address(server));
    int type = 0;
    socklen_t length = sizeof type;
    assert_int_equal(getsockopt(ph_smtp_descriptor(smtp), SOL_SOCKET, SO_TYPE, &type, &length), 0);
    assert_int_equal(type, SOCK_STREAM);
    assert_string_equal(ph_smtp_local_hostname(smtp), expected_hello("[127.0.0.1]"));
    assert_true(ph_smtp_ehlo_or_helo_if_needed(smtp, NULL));
    assert_int_equal(ph_smtp_noop(smtp, NULL), 250);
    assert_string_equal(ph_smtp_hello_text(smtp), "mx says hi");
    assert_int_equal(ph_smtp_helo(smtp, "b.example", NULL), 550);
    assert_string_equal(ph_smtp_hello_text(smtp), "");
    ph_smtp_close(smtp);
    assert_int_equal(ph_smtp_descriptor(smtp), -1);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void connects_again_and_forgets(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 one\n"
                                                                              "C: EHLO *\n"
                                                                              "S: 250-mx\n"
                                                                              "S: 250 SIZE 1000\n"
                                                                              "E:\n"
                                                                              "A:\n"
                                                                              "S: 220 two\n"
                                                                              "C: EHLO *\n"
                                                                              "S: 250 mx\n"
                                                                              "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    assert_int_equal(ph_smtp_ehlo(smtp, NULL, NULL), 250);
    assert_true(ph_smtp_has_extn(smtp, "size"));
    assert_string_equal(ph_smtp_extension(smtp, "SIZE"), "1000");
    assert_int_equal(ph_smtp_esmtp_features(smtp)->size_limit, 1000);
    ph_smtp_close(smtp);
    assert_false(ph_smtp_has_extn(smtp, "size"));
    assert_string_equal(ph_smtp_esmtp_features(smtp)->text, "");
    assert_connected(smtp, scripted_server_address(server));
    assert_true(ph_smtp_ehlo_or_helo_if_needed(smtp, NULL));
    assert_true(ph_smtp_ehlo_or_helo_if_needed(smtp, NULL));
    assert_false(ph_smtp_has_extn(smtp, "size"));
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

/* ---- what goes wrong ---- */

static void reports_a_greeting_that_refuses(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 554 5.7.1 go away\n");
    struct ph_smtp *smtp = make(NULL);
    struct ph_error error;
    assert_false(ph_smtp_connect(smtp, scripted_server_address(server), 0, &error));
    assert_int_equal(error.kind, PH_ERROR_CONNECT);
    assert_int_equal(error.reply_code, 554);
    assert_int_equal(error.reply_enhanced[1], 7);
    assert_string_equal(error.reply_text, "go away");
    assert_false(error.retry);
    assert_false(ph_smtp_is_connected(smtp));
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void reports_that_nobody_listens(void **state)
{
    (void)state;
    struct ph_smtp *smtp = make(NULL);
    struct ph_error error;
    /* Port 1 of the loopback: nobody's, on a machine fit for tests. */
    assert_false(ph_smtp_connect(smtp, "127.0.0.1:1", 0, &error));
    assert_int_equal(error.kind, PH_ERROR_CONNECT);
    assert_int_equal(error.system_error, ECONNREFUSED);
    assert_true(error.retry);
    assert_string_equal(error.verb, "connect");
    ph_smtp_free(smtp);
}

static void refuses_hosts_that_are_none(void **state)
{
    (void)state;
    struct ph_smtp *smtp = make(NULL);
    struct ph_error error;
    static const char *const hosts[] = {"", "a b", "host:port", "[::1", "host:99999", "a\r\nb"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        assert_false(ph_smtp_connect(smtp, hosts[i], 0, &error));
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    }
    assert_false(ph_smtp_connect(smtp, "127.0.0.1", 65536, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    ph_smtp_free(smtp);
}

static void refuses_options_that_cannot_be(void **state)
{
    (void)state;
    const struct ph_smtp_options wrong[] = {
        {.port = 65536},
        {.source_port = 65536},
        {.local_hostname = "a b"},
        {.local_hostname = "a\r\nMAIL FROM:<x@y>"},
        {.local_hostname = "b\xc3.example"},
        {.tls.server_name = ""},
        {.tls.server_name = ".mx.example"},
        {.tls.server_name = "mx example"},
        {.tls.server_name = "mx.example:25"},
        {.tls.server_name = "/run/socket"},
        {.tls.mode = (enum ph_tls_mode)17},
        {.proxy.kind = PH_PROXY_SOCKS5},
        {.proxy.kind = (enum ph_proxy_kind)5, .proxy.address = "x"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct ph_error error;
        assert_null(ph_smtp_new(&wrong[i], &error));
        assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    }
    struct ph_smtp_options options = {.tls.ca_file = "/nonexistent/ca.pem"};
    struct ph_error error;
    assert_null(ph_smtp_new(&options, &error));
    assert_int_equal(error.kind, PH_ERROR_TLS);
}

static void refuses_descriptors_that_are_none(void **state)
{
    (void)state;
    struct ph_smtp *smtp = make(NULL);
    struct ph_error error;
    assert_false(ph_smtp_connect_take_descriptor(smtp, -1, NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_ARGUMENT);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_false(ph_smtp_connect_take_descriptor(smtp, pipes[0], NULL, &error));
    /* It was taken over, so it is closed. */
    assert_int_equal(read(pipes[0], &error, 1), -1);
    close(pipes[1]);
    ph_smtp_free(smtp);
}

static void needs_a_connection(void **state)
{
    (void)state;
    struct ph_smtp *smtp = make(NULL);
    struct ph_error error = {0};
    assert_int_equal(ph_smtp_noop(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    assert_int_equal(ph_smtp_getreply(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    assert_false(ph_smtp_starttls(smtp, &error));
    assert_false(ph_smtp_login(smtp, "u", "p", &error));
    assert_false(ph_smtp_putcmd(smtp, "NOOP", NULL, &error));
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    assert_int_equal(ph_smtp_reply(smtp)->code, 0);
    assert_false(ph_smtp_has_extn(smtp, "SIZE"));
    ph_smtp_free(smtp);
    ph_smtp_free(NULL);
}

static void hears_that_the_server_left(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: NOOP\n"
                                                                              "X:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error;
    assert_int_equal(ph_smtp_noop(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    assert_true(error.retry);
    assert_false(ph_smtp_is_connected(smtp));
    assert_int_equal(ph_smtp_noop(smtp, &error), -1);
    assert_int_equal(error.kind, PH_ERROR_DISCONNECTED);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

/* ---- proxies ---- */

static void connects_through_a_proxy(const char *dialogue, enum ph_proxy_kind kind,
                                     enum ph_error_kind expected)
{
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, dialogue);
    struct ph_smtp_options options = {
        .host = "localhost",
        .proxy = {.kind = kind, .address = scripted_server_address(server)},
    };
    struct ph_smtp *smtp = make(&options);
    struct ph_error error = {0};
    bool is_connected = ph_smtp_connect(smtp, NULL, 2525, &error);
    if (error.kind != expected)
        fail_msg("%s: %s", ph_error_kind_name(error.kind), error.message);
    assert_int_equal(is_connected, expected == PH_OK);
    /* What lies behind a proxy is not this machine, whatever its name: no login in clear. */
    if (is_connected) {
        assert_false(ph_smtp_login(smtp, "bob", "secret", &error));
        assert_int_equal(error.kind, PH_ERROR_TLS);
    }
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void connects_through_proxies(void **state)
{
    (void)state;
    connects_through_a_proxy("C: CONNECT localhost:2525 HTTP/1.1\n"
                             "C: Host: localhost:2525\n"
                             "C:\n"
                             "s: HTTP/1.1 200 go\\r\\n\\r\\n\n"
                             "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\nE:\n",
                             PH_PROXY_HTTP, PH_OK);
    connects_through_a_proxy("G:\ns: HTTP/1.1 403 no\\r\\n\\r\\n\nE:\n", PH_PROXY_HTTP,
                             PH_ERROR_PROXY);
    connects_through_a_proxy("B: 3\ns: \\x05\\x00\n"
                             "B: 16\ns: \\x05\\x00\\x00\\x01\\x7f\\x00\\x00\\x01\\x09\\xdd\n"
                             "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 AUTH PLAIN\nE:\n",
                             PH_PROXY_SOCKS5, PH_OK);
    connects_through_a_proxy("G:\ns: SSH-2.0-no\\r\\n\nE:\n", PH_PROXY_SOCKS5, PH_ERROR_PROXY);
}

/* ---- verbs ---- */

static void says_every_verb(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                 "C: NOOP\n"
                                                 "S: 250 ok\n"
                                                 "C: RSET\n"
                                                 "S: 250 ok\n"
                                                 "C: HELP\n"
                                                 "S: 214-one\n"
                                                 "S: 214 two\n"
                                                 "C: HELP MAIL\n"
                                                 "S: 214 about MAIL\n"
                                                 "C: VRFY bob\n"
                                                 "S: 252 perhaps\n"
                                                 "C: VRFY bob@x.example\n"
                                                 "S: 550 no\n"
                                                 "C: EXPN staff\n"
                                                 "S: 250-a@x.example\n"
                                                 "S: 250 b@x.example\n"
                                                 "C: XYZZY twice\n"
                                                 "S: 500 what\n"
                                                 "C: HELO me.example\n"
                                                 "S: 250 hello\n"
                                                 "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error = {0};
    assert_int_equal(ph_smtp_noop(smtp, &error), 250);
    assert_int_equal(ph_smtp_rset(smtp, &error), 250);
    assert_int_equal(ph_smtp_help(smtp, NULL, &error), 214);
    assert_string_equal(ph_smtp_reply(smtp)->text, "one\ntwo");
    assert_int_equal(ph_smtp_help(smtp, "MAIL", &error), 214);
    assert_int_equal(ph_smtp_verify(smtp, "bob", &error), 252);
    assert_int_equal(ph_smtp_vrfy(smtp, "bob@x.example", &error), 550);
    assert_int_equal(ph_smtp_expn(smtp, "staff", &error), 250);
    assert_int_equal(ph_smtp_docmd(smtp, "XYZZY", "twice", &error), 500);
    assert_int_equal(ph_smtp_helo(smtp, "me.example", &error), 250);
    assert_int_equal(error.kind, PH_OK);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void falls_back_to_helo(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\n"
                                                                              "C: EHLO *\n"
                                                                              "S: 502 what\n"
                                                                              "C: HELO *\n"
                                                                              "S: 250 hello\n"
                                                                              "C: EHLO *\n"
                                                                              "S: 502 what\n"
                                                                              "E:\n");
    struct ph_smtp *smtp = make(NULL);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error = {0};
    assert_true(ph_smtp_ehlo_or_helo_if_needed(smtp, &error));
    assert_false(ph_smtp_esmtp_features(smtp)->is_extended);
    assert_int_equal(ph_smtp_ehlo(smtp, NULL, &error), 502);
    assert_int_equal(error.kind, PH_ERROR_HELO);
    assert_int_equal(error.reply_code, 502);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void speaks_lmtp(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(SCRIPTED_PATH, "S: 220 hi\n"
                                                                          "C: LHLO *\n"
                                                                          "S: 250 mx\n"
                                                                          "C: LHLO again.example\n"
                                                                          "S: 250 mx\n"
                                                                          "E:\n");
    struct ph_smtp_options options = {.lmtp = true};
    struct ph_smtp *smtp = make(&options);
    assert_connected(smtp, scripted_server_address(server));
    struct ph_error error = {0};
    assert_true(ph_smtp_ehlo_or_helo_if_needed(smtp, &error));
    assert_int_equal(ph_smtp_lhlo(smtp, "again.example", &error), 250);
    ph_smtp_free(smtp);
    scripted_server_finish(server);
}

static void knows_its_version(void **state)
{
    (void)state;
    assert_string_equal(ph_version(), PH_VERSION);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(connects_by_ipv4),
    cmocka_unit_test(connects_by_ipv6),
    cmocka_unit_test(connects_by_path),
    cmocka_unit_test(takes_a_descriptor),
    cmocka_unit_test(takes_host_and_port_from_options),
    cmocka_unit_test(prefers_the_port_that_is_given),
    cmocka_unit_test(says_the_name_it_is_told),
    cmocka_unit_test(says_its_name_in_ascii),
    cmocka_unit_test(tells_what_it_is_connected_by),
    cmocka_unit_test(connects_again_and_forgets),
    cmocka_unit_test(reports_a_greeting_that_refuses),
    cmocka_unit_test(reports_that_nobody_listens),
    cmocka_unit_test(refuses_hosts_that_are_none),
    cmocka_unit_test(refuses_options_that_cannot_be),
    cmocka_unit_test(refuses_descriptors_that_are_none),
    cmocka_unit_test(needs_a_connection),
    cmocka_unit_test(hears_that_the_server_left),
    cmocka_unit_test(connects_through_proxies),
    cmocka_unit_test(says_every_verb),
    cmocka_unit_test(falls_back_to_helo),
    cmocka_unit_test(speaks_lmtp),
    cmocka_unit_test(knows_its_version),
};

UNIT_MAIN(tests)
