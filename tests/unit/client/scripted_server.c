/* Plays scripts over a blocking socket, with a time limit that only a broken test meets. */
#include "client/scripted_server.h"

#include <arpa/inet.h>
#include <fnmatch.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "client/scripted_certificate.h"
#include "unit.h"

enum {
    LINE_SIZE = 16384,
    ASIDE_MAX = 64,
    ENDLESS_MAX = 32 * 1024 * 1024,
    PATIENCE_S = 20 /* for one read or write of the server */
};

struct scripted_server {
    enum scripted_place place;
    char address[128];
    char directory[64];
    int listener;
    int connection;
    int aside[ASIDE_MAX];
    size_t aside_count;
    int pair;        /* the client's end, until it is taken */
    size_t may_send; /* bytes, when is_limited */
    bool is_limited;
    bool breaks_at_limit;
    bool is_over; /* the limit was met */
    SSL_CTX *tls_context;
    SSL *tls;
    const char *script;
    char input[LINE_SIZE];
    size_t input_length;
    char *body;
    size_t body_length;
    sem_t may_go_on;
    sem_t has_come;
    pthread_t thread;
    bool is_joined;
    char failure[1024]; /* empty = none */
};

const char *scripted_server_ca_file(void)
{
    return scripted_certificate_all()->ca_file;
}

const char *scripted_server_certificate_file(void)
{
    return scripted_certificate_all()->certificate_file;
}

const char *scripted_server_fingerprint(void)
{
    return scripted_certificate_all()->fingerprint;
}

/* ---- bytes ---- */

static bool stop(struct scripted_server *server, const char *step, const char *why)
{
    if (server->failure[0] == '\0' && !server->is_over)
        snprintf(server->failure, sizeof server->failure, "step \"%.200s\": %.700s", step, why);
    return false;
}

static ssize_t receive(struct scripted_server *server, char *buffer, size_t size)
{
    if (server->tls != NULL)
        return SSL_read(server->tls, buffer, (int)size);
    return recv(server->connection, buffer, size, 0);
}

static bool fill_input(struct scripted_server *server)
{
    size_t room = sizeof server->input - server->input_length;
    if (room == 0)
        return false;
    ssize_t got = receive(server, server->input + server->input_length, room);
    if (got <= 0)
        return false;
    server->input_length += (size_t)got;
    return true;
}

static void consume(struct scripted_server *server, size_t count)
{
    server->input_length -= count;
    memmove(server->input, server->input + count, server->input_length);
}

static bool put(struct scripted_server *server, const char *data, size_t length)
{
    if (length == 0)
        return true;
    if (server->tls != NULL)
        return SSL_write(server->tls, data, (int)length) == (int)length;
    return send(server->connection, data, length, MSG_NOSIGNAL) == (ssize_t)length;
}

static bool send_bytes(struct scripted_server *server, const char *data, size_t length)
{
    if (!server->is_limited || length <= server->may_send) {
        server->may_send -= server->is_limited ? length : 0;
        return put(server, data, length);
    }
    put(server, data, server->may_send);
    server->is_over = true;
    return false;
}

/* ---- steps ---- */

static char unescape(const char **c)
{
    if (**c == 'x' && (*c)[1] != '\0' && (*c)[2] != '\0') {
        char digits[3] = {(*c)[1], (*c)[2], '\0'};
        *c += 2;
        return (char)strtol(digits, NULL, 16);
    }
    return **c == 'r' ? '\r' : **c == 'n' ? '\n' : **c;
}

static bool send_escaped(struct scripted_server *server, const char *text)
{
    char out[LINE_SIZE];
    size_t length = 0;
    for (const char *c = text; *c != '\0' && length < sizeof out; c++) {
        if (*c == '\\' && c[1] != '\0') {
            c++;
            out[length++] = unescape(&c);
        } else {
            out[length++] = *c;
        }
    }
    return send_bytes(server, out, length);
}

static bool send_line(struct scripted_server *server, const char *text)
{
    char out[LINE_SIZE];
    int length = snprintf(out, sizeof out, "%s\r\n", text);
    return send_bytes(server, out, (size_t)length);
}

static bool send_without_end(struct scripted_server *server, const char *text)
{
    for (size_t sent = 0; sent < ENDLESS_MAX; sent += strlen(text))
        if (!send_escaped(server, text))
            return true;
    return stop(server, text, "the client takes everything");
}

static bool await_line(struct scripted_server *server, const char *glob)
{
    const char *end;
    while ((end = memchr(server->input, '\n', server->input_length)) == NULL)
        if (!fill_input(server))
            return stop(server, glob, "the client said nothing more");
    size_t length = (size_t)(end - server->input) + 1;
    char line[LINE_SIZE];
    if (length < 2 || server->input[length - 2] != '\r')
        return stop(server, glob, "the line does not end in CRLF");
    memcpy(line, server->input, length - 2);
    line[length - 2] = '\0';
    consume(server, length);
    return fnmatch(glob, line, 0) == 0 || stop(server, glob, line);
}

static void keep_body(struct scripted_server *server, const char *data, size_t length)
{
    /* The allocations of the code under test may be failing: the server's must not. */
    char *body = realloc(server->body, server->body_length + length + 1);
    if (body == NULL)
        abort();
    memcpy(body + server->body_length, data, length);
    server->body = body;
    server->body_length += length;
    body[server->body_length] = '\0';
}

/* How far the input goes up to the lone dot that ends the body, that line included; 0 = it is not
 * there yet. */
static size_t find_end(const struct scripted_server *server, bool is_at_start)
{
    if (is_at_start && server->input_length >= 3 && memcmp(server->input, ".\r\n", 3) == 0)
        return 3;
    const char *end = memmem(server->input, server->input_length, "\r\n.\r\n", 5);
    return end == NULL ? 0 : (size_t)(end - server->input) + 5;
}

/* The body as it went over the wire, without the lone dot. A long one passes through piece by
 * piece. */
static bool take_body(struct scripted_server *server)
{
    bool is_at_start = true;
    size_t end;
    while ((end = find_end(server, is_at_start)) == 0) {
        if (server->input_length > LINE_SIZE / 2) {
            size_t passing = server->input_length - 4;
            keep_body(server, server->input, passing);
            consume(server, passing);
            is_at_start = false;
        }
        if (!fill_input(server))
            return stop(server, "D:", "the body does not end");
    }
    keep_body(server, server->input, end - 3);
    consume(server, end);
    return true;
}

static bool take_bytes(struct scripted_server *server, const char *number)
{
    size_t wanted = strtoul(number, NULL, 10);
    while (wanted > 0) {
        if (server->input_length == 0 && !fill_input(server))
            return stop(server, number, "fewer bytes came");
        size_t take = server->input_length < wanted ? server->input_length : wanted;
        keep_body(server, server->input, take);
        consume(server, take);
        wanted -= take;
    }
    return true;
}

static bool await_end(struct scripted_server *server)
{
    if (server->input_length > 0 || fill_input(server))
        return stop(server, "E:", "the client said more");
    return true;
}

static bool start_tls(struct scripted_server *server)
{
    server->tls = SSL_new(server->tls_context);
    SSL_set_fd(server->tls, server->connection);
    if (SSL_accept(server->tls) == 1)
        return true;
    SSL_free(server->tls);
    server->tls = NULL;
    return stop(server, "T:", "no TLS");
}

/* With TLS 1.3 a client refuses after the server is done. */
static bool fail_tls(struct scripted_server *server)
{
    char byte;
    server->tls = SSL_new(server->tls_context);
    SSL_set_fd(server->tls, server->connection);
    if (SSL_accept(server->tls) == 1 && SSL_read(server->tls, &byte, 1) > 0)
        return stop(server, "F:", "the client goes on");
    return true;
}

static void close_connection(struct scripted_server *server)
{
    if (server->tls != NULL) {
        SSL_shutdown(server->tls);
        SSL_free(server->tls);
        server->tls = NULL;
    }
    if (server->connection >= 0)
        close(server->connection);
    server->connection = -1;
    server->input_length = 0;
}

static bool break_connection(struct scripted_server *server)
{
    struct linger linger = {.l_onoff = 1};
    setsockopt(server->connection, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    if (server->tls != NULL)
        SSL_set_quiet_shutdown(server->tls, 1);
    close_connection(server);
    return true;
}

static void be_patient(int descriptor)
{
    struct timeval limit = {.tv_sec = PATIENCE_S};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    /* Each line goes at once; a Unix socket knows no such option and needs none. */
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool take_connection(struct scripted_server *server)
{
    close_connection(server);
    server->connection = accept(server->listener, NULL, NULL);
    if (server->connection < 0)
        return stop(server, "A:", "nobody connected");
    be_patient(server->connection);
    return true;
}

static bool take_another(struct scripted_server *server)
{
    if (server->aside_count == ASIDE_MAX)
        return stop(server, "N:", "too many");
    server->aside[server->aside_count++] = server->connection;
    server->connection = -1;
    return take_connection(server);
}

static bool play_step(struct scripted_server *server, char kind, const char *rest)
{
    switch (kind) {
    case 'S':
        return send_line(server, rest) || stop(server, rest, "cannot send");
    case 's':
        return send_escaped(server, rest) || stop(server, rest, "cannot send");
    case 'O':
        return send_without_end(server, rest);
    case 'P':
        return send_line(server, rest) || true;
    case 'L':
    case 'M':
        server->is_limited = true;
        server->breaks_at_limit = kind == 'M';
        server->may_send = strtoul(rest, NULL, 10);
        return true;
    case 'C':
        return await_line(server, rest);
    case 'G':
        fill_input(server);
        server->input_length = 0;
        return true;
    case 'D':
        return take_body(server);
    case 'B':
        return take_bytes(server, rest);
    case 'Q':
        SSL_CTX_load_verify_file(server->tls_context, scripted_server_ca_file());
        SSL_CTX_set_verify(server->tls_context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                           NULL);
        return true;
    case 'T':
        return start_tls(server);
    case 'F':
        return fail_tls(server);
    case 'E':
        return await_end(server);
    case 'W':
        return sem_wait(&server->may_go_on) == 0;
    case 'K':
        return sem_post(&server->has_come) == 0;
    case 'H':
        if (server->tls != NULL)
            SSL_set_quiet_shutdown(server->tls, 1);
        close_connection(server);
        return true;
    case 'X':
        close_connection(server);
        return true;
    case 'R':
        return break_connection(server);
    case 'A':
        return take_connection(server);
    case 'N':
        return take_another(server);
    default:
        return stop(server, rest, "unknown step");
    }
}

static void *play(void *argument)
{
    struct scripted_server *server = argument;
    /* OpenSSL writes without MSG_NOSIGNAL. In this thread only: the library must never raise it. */
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    if (server->place != SCRIPTED_PAIR && !take_connection(server))
        return NULL;
    const char *step = server->script;
    while (*step != '\0') {
        size_t length = strcspn(step, "\n");
        char text[LINE_SIZE];
        snprintf(text, sizeof text, "%.*s", (int)length, step);
        const char *rest = length > 3 ? text + 3 : "";
        if (!play_step(server, text[0], rest))
            break;
        step += length + (step[length] == '\n');
    }
    if (server->is_over && server->breaks_at_limit)
        break_connection(server);
    close_connection(server);
    for (size_t i = 0; i < server->aside_count; i++)
        close(server->aside[i]);
    return NULL;
}

/* ---- birth ---- */

static void listen_on(struct scripted_server *server, const struct sockaddr *address,
                      socklen_t length)
{
    server->listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server->listener < 0 || bind(server->listener, address, length) != 0 ||
        listen(server->listener, 16) != 0)
        abort();
    be_patient(server->listener);
}

static unsigned port_of(int listener)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getsockname(listener, (struct sockaddr *)&address, &length) != 0)
        abort();
    return address.ss_family == AF_INET ? ntohs(((struct sockaddr_in *)&address)->sin_port)
                                        : ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
}

static void open_place(struct scripted_server *server)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    int pair[2];
    switch (server->place) {
    case SCRIPTED_LOOPBACK:
        listen_on(server, (struct sockaddr *)&v4, sizeof v4);
        snprintf(server->address, sizeof server->address, "127.0.0.1:%u",
                 port_of(server->listener));
        break;
    case SCRIPTED_LOOPBACK_V6:
        listen_on(server, (struct sockaddr *)&v6, sizeof v6);
        snprintf(server->address, sizeof server->address, "[::1]:%u", port_of(server->listener));
        break;
    case SCRIPTED_PATH:
        strcpy(server->directory, "/tmp/posthorn-test-XXXXXX");
        if (mkdtemp(server->directory) == NULL)
            abort();
        snprintf(server->address, sizeof server->address, "%s/socket", server->directory);
        strcpy(path.sun_path, server->address);
        listen_on(server, (struct sockaddr *)&path, sizeof path);
        break;
    case SCRIPTED_PAIR:
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
            abort();
        server->connection = pair[0];
        server->pair = pair[1];
        be_patient(server->connection);
        break;
    }
}

struct scripted_server *scripted_server_start_tls(enum scripted_place place,
                                                  enum scripted_certificate certificate,
                                                  const char *script)
{
    const struct scripted_certificates *made = scripted_certificate_all();
    struct scripted_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        abort();
    server->place = place;
    server->script = script;
    server->listener = server->connection = server->pair = -1;
    server->tls_context = SSL_CTX_new(TLS_server_method());
    if (SSL_CTX_use_certificate(server->tls_context, made->certificates[certificate]) != 1 ||
        SSL_CTX_use_PrivateKey(server->tls_context, made->keys[certificate]) != 1)
        abort();
    sem_init(&server->may_go_on, 0, 0);
    sem_init(&server->has_come, 0, 0);
    open_place(server);
    if (pthread_create(&server->thread, NULL, play, server) != 0)
        abort();
    return server;
}

struct scripted_server *scripted_server_start(enum scripted_place place, const char *script)
{
    return scripted_server_start_tls(place, SCRIPTED_GOOD, script);
}

const char *scripted_server_address(const struct scripted_server *server)
{
    return server->address;
}

int scripted_server_take_descriptor(struct scripted_server *server)
{
    int descriptor = server->pair;
    server->pair = -1;
    return descriptor;
}

void scripted_server_go_on(struct scripted_server *server)
{
    sem_post(&server->may_go_on);
}

void scripted_server_await(struct scripted_server *server)
{
    while (sem_wait(&server->has_come) != 0)
        ;
}

/* ---- end ---- */

char *scripted_server_finish_body(struct scripted_server *server, size_t *length)
{
    if (!server->is_joined)
        pthread_join(server->thread, NULL);
    char failure[sizeof server->failure];
    strcpy(failure, server->failure);
    char *body = server->body == NULL ? strdup("") : server->body;
    *length = server->body_length;
    if (server->listener >= 0)
        close(server->listener);
    if (server->pair >= 0)
        close(server->pair);
    if (server->place == SCRIPTED_PATH) {
        unlink(server->address);
        rmdir(server->directory);
    }
    SSL_CTX_free(server->tls_context);
    sem_destroy(&server->may_go_on);
    sem_destroy(&server->has_come);
    free(server);
    if (failure[0] != '\0') {
        free(body);
        fail_msg("%s", failure);
    }
    return body;
}

void scripted_server_finish_early(struct scripted_server *server)
{
    /* Wakes a server that still waits for a connection. */
    if (server->listener >= 0)
        shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    server->failure[0] = '\0';
    server->is_joined = true;
    scripted_server_finish(server);
}

void scripted_server_finish(struct scripted_server *server)
{
    size_t length;
    free(scripted_server_finish_body(server, &length));
}
