/* Starting and stopping NSD for tests. */
#include "net/name_server.h"

#include <fcntl.h>
#include <glob.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "unit.h"

enum {
    PATH_SIZE = 256,
    SETTINGS_MAX = 8 * 1024,
    START_TRIES_MAX = 3000, /* of 10 ms */
    TRY_MILLISECONDS = 10
};

static struct {
    char root[PATH_SIZE]; /* where script/lab has unpacked NSD and its libraries */
    char directory[PATH_SIZE];
    char place[sizeof "127.0.0.1@65535"];
    unsigned port;
    pid_t process;
} server;

static void find_root(void)
{
    const char *lab = getenv("POSTHORN_LAB");
    if (lab != NULL)
        snprintf(server.root, sizeof server.root, "%s/root", lab);
    else
        snprintf(server.root, sizeof server.root, "%s/build/lab/root", getenv("POSTHORN_SOURCE"));
    char program[2 * PATH_SIZE];
    snprintf(program, sizeof program, "%s/usr/sbin/nsd", server.root);
    if (access(program, X_OK) != 0)
        fail_msg("%s is not there: script/lab unpacks it", program);
}

/* The first name that fits, below the root. */
static void find(char path[PATH_SIZE], const char *pattern)
{
    char whole[2 * PATH_SIZE];
    glob_t found;
    snprintf(whole, sizeof whole, "%s/%s", server.root, pattern);
    if (glob(whole, 0, NULL, &found) != 0)
        fail_msg("there is no %s", whole);
    assert_true(snprintf(path, PATH_SIZE, "%s", found.gl_pathv[0]) < PATH_SIZE);
    globfree(&found);
}

/* A port that nobody has, neither by UDP nor by TCP. */
static unsigned choose_port(void)
{
    for (;;) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t length = sizeof address;
        int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(tcp, (struct sockaddr *)&address, sizeof address), 0);
        assert_int_equal(getsockname(tcp, (struct sockaddr *)&address, &length), 0);
        int taken = bind(udp, (struct sockaddr *)&address, sizeof address);
        close(tcp);
        close(udp);
        if (taken == 0)
            return ntohs(address.sin_port);
    }
}

static void write_settings(const char *const zones[][2])
{
    AUTO(buffer)
    text = BUFFER(SETTINGS_MAX);
    const char *directory = server.directory;
    buffer_append_format(
        &text,
        "server:\n  ip-address: %s\n  username: \"\"\n  zonesdir: \"\"\n"
        "  database: \"\"\n  server-count: 1\n  rrl-ratelimit: 0\n  pidfile: \"%s/pid\"\n"
        "  xfrdfile: \"%s/xfrd\"\n  xfrdir: \"%s\"\n  zonelistfile: \"%s/list\"\n"
        "  logfile: \"%s/log\"\nremote-control:\n  control-enable: no\n",
        server.place, directory, directory, directory, directory, directory);
    for (size_t i = 0; zones[i][0] != NULL; i++)
        buffer_append_format(&text, "zone:\n  name: \"%s\"\n  zonefile: \"%s/%s\"\n", zones[i][0],
                             getenv("POSTHORN_SOURCE"), zones[i][1]);
    assert_false(buffer_is_failed(&text));
    char path[2 * PATH_SIZE];
    snprintf(path, sizeof path, "%s/nsd.conf", directory);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(buffer_bytes(&text).data, 1, text.length, file), text.length);
    assert_int_equal(fclose(file), 0);
}

static void run_server(void)
{
    char loader[PATH_SIZE];
    char libraries[PATH_SIZE];
    char program[2 * PATH_SIZE];
    char settings[2 * PATH_SIZE];
    find(loader, "lib*/ld-linux*");
    find(libraries, "usr/lib/*/libevent-2*");
    *strrchr(libraries, '/') = '\0';
    snprintf(program, sizeof program, "%s/usr/sbin/nsd", server.root);
    snprintf(settings, sizeof settings, "%s/nsd.conf", server.directory);
    server.process = fork();
    if (server.process != 0)
        return;
    /* The test may die before it stops the server. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    execl(loader, loader, "--library-path", libraries, program, "-d", "-c", settings, (char *)NULL);
    _exit(127);
}

/* Once it takes connections it has its UDP port too: questions wait there until it reads them. */
static void wait_until_it_listens(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)server.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    for (int i = 0; i < START_TRIES_MAX; i++) {
        int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        int error = connect(descriptor, (struct sockaddr *)&address, sizeof address);
        close(descriptor);
        if (error == 0)
            return;
        if (waitpid(server.process, NULL, WNOHANG) != 0)
            fail_msg("NSD ended at once: see %s/log", server.directory);
        poll(NULL, 0, TRY_MILLISECONDS);
    }
    fail_msg("NSD does not listen: see %s/log", server.directory);
}

void name_server_start(const char *const zones[][2])
{
    find_root();
    snprintf(server.directory, sizeof server.directory, "/tmp/posthorn-names-XXXXXX");
    assert_non_null(mkdtemp(server.directory));
    server.port = choose_port();
    snprintf(server.place, sizeof server.place, "127.0.0.1@%u", server.port);
    write_settings(zones);
    run_server();
    wait_until_it_listens();
}

void name_server_stop(void)
{
    kill(server.process, SIGTERM);
    waitpid(server.process, NULL, 0);
    char command[2 * PATH_SIZE];
    snprintf(command, sizeof command, "rm -rf '%s'", server.directory);
    assert_int_equal(system(command), 0);
}

const char *name_server_place(void)
{
    return server.place;
}
