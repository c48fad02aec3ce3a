/* The engine, the server around it, and its clients. */
#include "loop/echo_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buffer.h"
#include "net/net_certificate_make.h"
#include "net/net_tls_server.h"
#include "unit.h"

enum {
    PATIENCE_SECONDS = 30,
    SLICE = 50000,
    LINE_LIMIT = 1000
};

struct echo_server {
    struct echo_options options;
    struct loop_group *group;
    struct worker_pool *pool;
    struct listener_gate *gate;
    struct listener *listener;
    struct net_tls_context *context;
    bool is_stopped;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct echo_report report;
    unsigned released;
};

/* ---- the engine ---- */

struct echo {
    struct echo_server *server;
    struct connection *connection;
    struct buffer line;
    struct buffer output;
    size_t big_left;
    char next_digit;
    bool is_big;
    bool is_waiting;
    bool is_held;
    bool is_ended;
    bool wants_tls;
    bool wants_close;
    int64_t deadline;
    struct worker_job job;
};

static void count_up(struct echo_server *server, unsigned *counter)
{
    pthread_mutex_lock(&server->mutex);
    ++*counter;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

static void free_echo(struct echo *echo)
{
    struct echo_server *server = echo->server;
    buffer_clear(&echo->line);
    buffer_clear(&echo->output);
    free(echo);
    count_up(server, &server->report.freed);
}

static void run_job(struct worker_job *job, void *context)
{
    struct echo *echo = (struct echo *)(void *)((char *)job - offsetof(struct echo, job));
    struct echo_server *server = echo->server;
    assert(context == server);
    count_up(server, &server->report.jobs_run);
    pthread_mutex_lock(&server->mutex);
    while (echo->is_held && server->released == 0)
        pthread_cond_wait(&server->changed, &server->mutex);
    if (echo->is_held)
        server->released--;
    pthread_mutex_unlock(&server->mutex);
}

static void hear_done(struct loop_task *task)
{
    struct echo *echo = (struct echo *)(void *)((char *)task - offsetof(struct echo, job.done));
    if (echo->is_ended) {
        free_echo(echo);
        return;
    }
    echo->is_waiting = false;
    buffer_append_string(&echo->output, "waited\n");
    connection_resume(echo->connection);
}

static void submit(struct echo *echo, bool is_held)
{
    echo->is_waiting = true;
    echo->is_held = is_held;
    echo->job.run = run_job;
    echo->job.done.run = hear_done;
    echo->job.loop = connection_loop(echo->connection);
    worker_submit(echo->server->pool, &echo->job);
}

static void hear_line(struct echo *echo, const char *line, int64_t now)
{
    count_up(echo->server, &echo->server->report.lines);
    if (strcmp(line, "wait") == 0 || strcmp(line, "hold") == 0) {
        submit(echo, line[0] == 'h');
    } else if (strncmp(line, "big ", 4) == 0 || strncmp(line, "bigquit ", 8) == 0) {
        echo->is_big = true;
        echo->wants_close = line[3] == 'q';
        echo->big_left = strtoul(strchr(line, ' '), NULL, 10);
        echo->next_digit = '0';
    } else if (strcmp(line, "tls") == 0) {
        buffer_append_string(&echo->output, "go\n");
        echo->wants_tls = true;
    } else if (strncmp(line, "tick ", 5) == 0) {
        echo->deadline = now + strtol(line + 5, NULL, 10);
    } else if (strcmp(line, "quit") == 0) {
        buffer_append_string(&echo->output, "bye\n");
        echo->wants_close = true;
    } else {
        buffer_append_format(&echo->output, "= %s\n", line);
    }
}

static enum engine_wish echo_wish(const void *engine)
{
    const struct echo *echo = engine;
    assert(!echo->is_ended);
    if (echo->is_waiting || (echo->is_big && !echo->wants_close))
        return ENGINE_WAITS;
    if (echo->wants_tls)
        return ENGINE_WANTS_TLS;
    return echo->wants_close ? ENGINE_WANTS_CLOSE : ENGINE_WANTS_INPUT;
}

static size_t echo_feed(void *engine, struct bytes in, int64_t now)
{
    struct echo *echo = engine;
    size_t taken = 0;
    while (taken < in.length && echo_wish(echo) == ENGINE_WANTS_INPUT) {
        char c = in.data[taken++];
        if (c != '\n') {
            buffer_append_char(&echo->line, c);
            continue;
        }
        const char *line = buffer_string(&echo->line);
        assert(line != NULL);
        hear_line(echo, line, now);
        buffer_reset(&echo->line);
    }
    return taken;
}

static struct bytes echo_output(void *engine, int64_t now)
{
    (void)now;
    struct echo *echo = engine;
    assert(!echo->is_ended);
    if (echo->output.length == 0 && echo->is_big) {
        size_t slice = echo->big_left < SLICE ? echo->big_left : SLICE;
        for (size_t i = 0; i < slice; i++) {
            buffer_append_char(&echo->output, echo->next_digit);
            echo->next_digit = echo->next_digit == '9' ? '0' : (char)(echo->next_digit + 1);
        }
        echo->big_left -= slice;
        if (echo->big_left == 0) {
            buffer_append_char(&echo->output, '\n');
            echo->is_big = false;
        }
    }
    return buffer_bytes(&echo->output);
}

static void echo_sent(void *engine, size_t count, int64_t now)
{
    (void)now;
    struct echo *echo = engine;
    buffer_consume(&echo->output, count);
    if (echo->output.length == 0)
        buffer_clear(&echo->output);
    count_up(echo->server, &echo->server->report.writes);
}

static void echo_tls_started(void *engine, const struct engine_tls *facts, int64_t now)
{
    (void)now;
    struct echo *echo = engine;
    struct echo_server *server = echo->server;
    echo->wants_tls = false;
    pthread_mutex_lock(&server->mutex);
    server->report.tls = *facts;
    snprintf(server->report.tls_version, sizeof server->report.tls_version, "%s", facts->version);
    snprintf(server->report.binding_name, sizeof server->report.binding_name, "%s",
             facts->binding_name == NULL ? "" : facts->binding_name);
    pthread_mutex_unlock(&server->mutex);
    count_up(server, &server->report.started_tls);
}

static int64_t echo_deadline(const void *engine)
{
    return ((const struct echo *)engine)->deadline;
}

static void echo_tick(void *engine, int64_t now)
{
    struct echo *echo = engine;
    assert(echo->deadline != 0 && now >= echo->deadline);
    echo->deadline = 0;
    buffer_append_string(&echo->output, "tick\n");
}

static void echo_stop(void *engine, int64_t now)
{
    (void)now;
    struct echo *echo = engine;
    echo->wants_close = true;
    buffer_append_string(&echo->output, "stopped\n");
}

static void echo_end(void *engine, enum engine_end how, int64_t now)
{
    (void)now;
    struct echo *echo = engine;
    struct echo_server *server = echo->server;
    assert(!echo->is_ended);
    echo->is_ended = true;
    if (!echo->is_waiting)
        free_echo(echo);
    count_up(server, &server->report.ended[how]);
}

static const struct engine_face echo_face = {
    .feed = echo_feed,
    .wish = echo_wish,
    .output = echo_output,
    .sent = echo_sent,
    .tls_started = echo_tls_started,
    .deadline = echo_deadline,
    .tick = echo_tick,
    .stop = echo_stop,
    .end = echo_end,
};

/* ---- the server ---- */

static void *open_echo(void *context, struct connection *connection,
                       const struct connection_peer *peer, int64_t now)
{
    (void)now;
    struct echo_server *server = context;
    pthread_mutex_lock(&server->mutex);
    memcpy(server->report.last_peer, peer->text, sizeof peer->text);
    pthread_mutex_unlock(&server->mutex);
    if (server->options.opens_nothing) {
        count_up(server, &server->report.opened);
        return NULL;
    }
    struct echo *echo = calloc(1, sizeof *echo);
    if (echo == NULL)
        return NULL;
    echo->server = server;
    echo->connection = connection;
    echo->line = BUFFER(LINE_LIMIT);
    echo->output = BUFFER(16 * 1024 * 1024);
    buffer_append_string(&echo->output, "hello\n");
    count_up(server, &server->report.opened);
    return echo;
}

static struct bytes refuse(void *context, enum listener_refusal why)
{
    (void)context;
    static const struct bytes lines[] = {BYTES_INIT("too many\n"),
                                         BYTES_INIT("too many from address\n"),
                                         BYTES_INIT("too many from prefix\n")};
    return lines[why];
}

static const struct listener_face listener_face = {open_echo, &echo_face, refuse};

static void *open_context(void *argument)
{
    return argument;
}

static struct net_tls_context *make_context(void)
{
    char file[] = "/tmp/posthorn-loop-XXXXXX";
    int descriptor = mkstemp(file);
    assert_true(descriptor >= 0);
    close(descriptor);
    struct fault fault = {0};
    assert_true(net_certificate_make("mx.example", file, NULL, &fault));
    struct net_tls_identity identity = {.certificate_file = file};
    struct net_tls_context *context = net_tls_server_context_new(&identity, 1, &fault);
    assert_string_equal(fault.message, "");
    unlink(file);
    return context;
}

struct echo_server *echo_server_start(const struct echo_options *options)
{
    struct echo_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    struct fault fault = {0};
    server->options = *options;
    pthread_mutex_init(&server->mutex, NULL);
    pthread_cond_init(&server->changed, NULL);
    server->listener =
        listener_bind(options->place == NULL ? "127.0.0.1:0" : options->place, &fault);
    assert_string_equal(fault.message, "");
    server->group = loop_group_new(options->loops == 0 ? 1 : options->loops, &fault);
    assert_non_null(server->group);
    server->pool = worker_pool_new(
        &(struct worker_options){.count = 2, .open = open_context, .argument = server}, &fault);
    assert_non_null(server->pool);
    struct listener_limits limits = options->limits;
    if (limits.by_address == 0)
        limits.by_address = limits.by_prefix = 10000;
    server->gate = listener_gate_new(&limits, &fault);
    if (options->tls != LISTENER_CLEAR)
        server->context = make_context();
    struct listener_service service = {
        .tls = options->tls,
        .context = server->context,
        .gate = server->gate,
        .face = &listener_face,
        .face_context = server,
        .patience = options->patience,
    };
    assert_true(listener_serve(server->listener, server->group, &service, &fault));
    assert_true(loop_group_start(server->group, &fault));
    return server;
}

void echo_server_stop(struct echo_server *server, int64_t grace)
{
    loop_group_stop(server->group, grace);
    server->is_stopped = true;
}

void echo_server_free(struct echo_server *server)
{
    if (!server->is_stopped)
        echo_server_stop(server, 0);
    listener_close(server->listener);
    worker_pool_free(server->pool);
    loop_group_free(server->group);
    listener_gate_free(server->gate);
    net_tls_context_free(server->context);
    /* Every engine has heard its end once, and has freed itself. */
    unsigned ended = 0;
    for (size_t i = 0; i < 5; i++)
        ended += server->report.ended[i];
    if (!server->options.opens_nothing) {
        assert_int_equal(server->report.opened, ended);
        assert_int_equal(server->report.opened, server->report.freed);
    }
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->mutex);
    free(server);
}

struct listener *echo_server_listener(struct echo_server *server)
{
    return server->listener;
}

struct errand {
    struct loop_task task;
    struct echo_server *server;
    void (*run)(void *argument);
    void *argument;
    bool is_done;
};

static void run_errand(struct loop_task *task)
{
    struct errand *errand = (struct errand *)(void *)task;
    errand->run(errand->argument);
    pthread_mutex_lock(&errand->server->mutex);
    errand->is_done = true;
    pthread_cond_broadcast(&errand->server->changed);
    pthread_mutex_unlock(&errand->server->mutex);
}

void echo_server_run(struct echo_server *server, void (*run)(void *argument), void *argument)
{
    struct errand errand = {{.run = run_errand}, server, run, argument, false};
    loop_post(loop_group_at(server->group, 0), &errand.task);
    pthread_mutex_lock(&server->mutex);
    while (!errand.is_done)
        pthread_cond_wait(&server->changed, &server->mutex);
    pthread_mutex_unlock(&server->mutex);
}

void echo_server_release(struct echo_server *server, unsigned count)
{
    pthread_mutex_lock(&server->mutex);
    server->released += count;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->mutex);
}

struct echo_report echo_server_report(struct echo_server *server)
{
    pthread_mutex_lock(&server->mutex);
    struct echo_report report = server->report;
    pthread_mutex_unlock(&server->mutex);
    return report;
}

void echo_server_wait_for(struct echo_server *server, size_t offset, unsigned value,
                          const char *name)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE_SECONDS;
    const unsigned *counter = (const unsigned *)(void *)((char *)&server->report + offset);
    int error = 0;
    pthread_mutex_lock(&server->mutex);
    while (*counter < value && error == 0)
        error = pthread_cond_timedwait(&server->changed, &server->mutex, &end);
    unsigned reached = *counter;
    pthread_mutex_unlock(&server->mutex);
    if (reached < value)
        fail_msg("%s is still %u and not %u", name, reached, value);
}

/* ---- clients ---- */

static void set_patience(int descriptor)
{
    struct timeval patience = {.tv_sec = PATIENCE_SECONDS};
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
}

int echo_connect(struct echo_server *server)
{
    const char *place = listener_place(server->listener);
    bool is_unix = strncmp(place, "unix:", 5) == 0;
    int descriptor = socket(is_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(descriptor >= 0);
    set_patience(descriptor);
    if (is_unix) {
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        snprintf(address.sun_path, sizeof address.sun_path, "%s", place + 5);
        assert_return_code(connect(descriptor, (const struct sockaddr *)&address, sizeof address),
                           errno);
    } else {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons((uint16_t)listener_port(server->listener)),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        assert_return_code(connect(descriptor, (const struct sockaddr *)&address, sizeof address),
                           errno);
    }
    return descriptor;
}

void echo_send(int descriptor, const char *text)
{
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t count = send(descriptor, text, length, MSG_NOSIGNAL);
        assert_true(count > 0);
        text += count;
        length -= (size_t)count;
    }
}

void echo_expect(int descriptor, const char *text)
{
    char got[4096];
    size_t length = 0;
    size_t wanted = strlen(text);
    assert_true(wanted < sizeof got);
    while (length < wanted) {
        ssize_t count = recv(descriptor, got + length, wanted - length, 0);
        if (count <= 0)
            fail_msg("\"%s\" was expected, but after \"%.*s\" came %s", text, (int)length, got,
                     count == 0 ? "the end" : strerror(errno));
        length += (size_t)count;
    }
    got[length] = '\0';
    assert_string_equal(got, text);
}

void echo_expect_end(int descriptor)
{
    char byte;
    ssize_t count = recv(descriptor, &byte, 1, 0);
    if (count < 0)
        fail_msg("the end was expected, but it was %s", strerror(errno));
    assert_int_equal(count, 0);
}

void echo_reset(int descriptor)
{
    struct linger none = {.l_onoff = 1};
    setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &none, sizeof none);
    close(descriptor);
}

struct echo_tls echo_tls_open(int descriptor, size_t left, int version, SSL_SESSION *session)
{
    struct echo_tls tls = {.descriptor = descriptor, .left = left};
    tls.context = SSL_CTX_new(TLS_client_method());
    if (version != 0)
        SSL_CTX_set_max_proto_version(tls.context, version);
    tls.ssl = SSL_new(tls.context);
    assert_non_null(tls.ssl);
    if (session != NULL)
        SSL_set_session(tls.ssl, session);
    tls.in = BIO_new(BIO_s_mem());
    tls.out = BIO_new(BIO_s_mem());
    SSL_set_bio(tls.ssl, tls.in, tls.out);
    SSL_set_connect_state(tls.ssl);
    return tls;
}

/* Sends what TLS has made, as far as it may; false: it was cut here. */
static bool flush(struct echo_tls *tls)
{
    char piece[16384];
    int length;
    while ((length = BIO_read(tls->out, piece, sizeof piece)) > 0) {
        size_t count = (size_t)length < tls->left ? (size_t)length : tls->left;
        if (tls->left != SIZE_MAX)
            tls->left -= count;
        size_t sent = 0;
        while (sent < count) {
            ssize_t part = send(tls->descriptor, piece + sent, count - sent, MSG_NOSIGNAL);
            if (part <= 0)
                return false;
            sent += (size_t)part;
        }
        if (count < (size_t)length) {
            shutdown(tls->descriptor, SHUT_WR);
            return false;
        }
    }
    return true;
}

static bool fill(struct echo_tls *tls)
{
    char piece[16384];
    ssize_t count = recv(tls->descriptor, piece, sizeof piece, 0);
    if (count <= 0)
        return false;
    BIO_write(tls->in, piece, (int)count);
    return true;
}

bool echo_tls_handshake(struct echo_tls *tls)
{
    for (;;) {
        int result = SSL_do_handshake(tls->ssl);
        if (!flush(tls))
            return false;
        if (result == 1)
            return true;
        if (SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ || !fill(tls))
            return false;
    }
}

bool echo_tls_send(struct echo_tls *tls, const char *text)
{
    assert_int_equal(SSL_write(tls->ssl, text, (int)strlen(text)), (int)strlen(text));
    return flush(tls);
}

bool echo_tls_expect(struct echo_tls *tls, const char *text)
{
    char got[4096];
    size_t length = 0;
    size_t wanted = strlen(text);
    assert_true(wanted < sizeof got);
    while (length < wanted) {
        int count = SSL_read(tls->ssl, got + length, (int)(wanted - length));
        if (count > 0)
            length += (size_t)count;
        else if (SSL_get_error(tls->ssl, count) != SSL_ERROR_WANT_READ || !fill(tls))
            return false;
    }
    got[length] = '\0';
    assert_string_equal(got, text);
    return true;
}

void echo_tls_notify(struct echo_tls *tls)
{
    SSL_shutdown(tls->ssl);
    flush(tls);
}

int echo_tls_end(struct echo_tls *tls)
{
    char byte;
    for (;;) {
        int count = SSL_read(tls->ssl, &byte, 1);
        assert_true(count <= 0);
        int error = SSL_get_error(tls->ssl, count);
        if (error != SSL_ERROR_WANT_READ || !fill(tls))
            return error;
    }
}

void echo_tls_close(struct echo_tls *tls)
{
    SSL_free(tls->ssl);
    SSL_CTX_free(tls->context);
    close(tls->descriptor);
}
