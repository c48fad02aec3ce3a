/* The programs in examples/ do what they are there to show. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/scripted_server.h"
#include "unit.h"

#define SEND_ONE                                                                                   \
    "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING\n"                                         \
    "C: MAIL FROM:<ann@x.example>*\nC: RCPT TO:<bob@x.example>\nC: DATA\n"                         \
    "S: 250 ok\nS: 250 ok\nS: 354 go\nD:\nS: 250 queued\n"

/* Runs an example of the build with these arguments and returns its exit status. */
static int run(const char *name, const char *const *arguments)
{
    char path[1000];
    const char *build = getenv("POSTHORN_BUILD");
    assert_non_null(build);
    snprintf(path, sizeof path, "%s/examples/%s", build, name);
    const char *argv[10] = {path};
    for (size_t i = 0; arguments[i] != NULL; i++)
        argv[i + 1] = arguments[i];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* Standard output is this test's TAP. */
        dup2(STDERR_FILENO, STDOUT_FILENO);
        execv(path, (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void split(const struct scripted_server *server, char *host, const char **port)
{
    strcpy(host, scripted_server_address(server));
    char *colon = strrchr(host, ':');
    *colon = '\0';
    *port = colon + 1;
}

static void engine_sends(const char *name, const char *words)
{
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, SEND_ONE "C: QUIT\nS: 221 bye\nE:\n");
    char host[128];
    const char *port;
    split(server, host, &port);
    const char *const arguments[] = {host, port, "ann@x.example", "bob@x.example", NULL};
    assert_int_equal(run(name, arguments), 0);
    size_t length;
    char *body = scripted_server_finish_body(server, &length);
    assert_non_null(strstr(body, words));
    free(body);
}

static void sends_by_poll(void **state)
{
    (void)state;
    engine_sends("engine_poll", "Hello from poll(2).\r\n");
}

static void sends_by_libuv(void **state)
{
    (void)state;
    engine_sends("engine_uv", "Hello from libuv.\r\n");
}

static void tells_that_the_server_is_lost(void **state)
{
    (void)state;
    static const char *const names[] = {"engine_poll", "engine_uv"};
    for (size_t i = 0; i < 2; i++) {
        struct scripted_server *server =
            scripted_server_start(SCRIPTED_LOOPBACK, "S: 220 hi\nC: EHLO *\nX:\n");
        char host[128];
        const char *port;
        split(server, host, &port);
        const char *const arguments[] = {host, port, "ann@x.example", "bob@x.example", NULL};
        assert_int_equal(run(names[i], arguments), 1);
        scripted_server_finish(server);
    }
}

static void sends_a_message(void **state)
{
    (void)state;
    struct scripted_server *server =
        scripted_server_start(SCRIPTED_LOOPBACK, SEND_ONE "C: QUIT\nS: 221 bye\nE:\n");
    const char *const arguments[] = {scripted_server_address(server), "ann@x.example",
                                     scripted_server_ca_file(), "bob@x.example", NULL};
    assert_int_equal(run("send_message", arguments), 0);
    size_t length;
    char *body = scripted_server_finish_body(server, &length);
    assert_non_null(strstr(body, "multipart/mixed"));
    assert_non_null(strstr(body, "ca.pem"));
    free(body);
}

/* The letter wants a certificate that it knows: this one it must refuse. */
static void letter_trusts_nobody_unknown(void **state)
{
    (void)state;
    struct scripted_server *server = scripted_server_start(
        SCRIPTED_LOOPBACK,
        "S: 220 hi\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\nF:\n");
    const char *const arguments[] = {
        scripted_server_address(server), "ann", "secret", "ann@x.example", "bob@x.example", NULL};
    assert_int_equal(run("letter", arguments), 1);
    scripted_server_finish(server);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sends_by_poll),
    cmocka_unit_test(sends_by_libuv),
    cmocka_unit_test(tells_that_the_server_is_lost),
    cmocka_unit_test(sends_a_message),
    cmocka_unit_test(letter_trusts_nobody_unknown),
};

UNIT_MAIN(tests)
