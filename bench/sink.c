/* A fast SMTP server that accepts and forgets: counts flights, plays a round trip time. */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sink_scan.h"

/* Fits in the second level cache; a body is discarded in pieces of this size. */
#define INPUT_SIZE ((size_t)256 * 1024)
/* More than 5000 pipelined recipients answered at once. */
#define OUTPUT_SIZE      ((size_t)256 * 1024)
#define CONNECTION_LIMIT 64
/* Batches of replies that may be on their simulated way at one time. */
#define BATCH_LIMIT 4096

enum phase {
    PHASE_COMMAND,
    PHASE_DATA_START,
    PHASE_DATA,
    PHASE_CHUNK
};

/* Replies up to the byte `end` of the output leave at `due`. */
struct batch {
    uint64_t due;
    size_t end;
    bool has_final;
};

struct connection {
    int fd;
    enum phase phase;
    bool is_last_chunk;
    bool is_quitting;
    uint64_t chunk_left;
    char *input;
    size_t input_length;
    char *output;
    size_t output_length;
    size_t output_sent;
    struct batch batches[BATCH_LIMIT];
    size_t batch_first;
    size_t batch_count;
    bool final_pending;

    /* A flight ends when the server speaks for the first time since the client did. */
    bool client_spoke;
    uint64_t flights;
    uint64_t flights_at_last_final;
    uint64_t opened;
    uint64_t last_final;
    uint64_t messages;
    uint64_t recipients;
    uint64_t bytes;
    uint64_t reads;
};

struct sink {
    int listener;
    uint64_t round_trip;
    char ehlo[1024];
    struct connection *connections[CONNECTION_LIMIT];
    size_t count;
};

static void die(const char *what)
{
    fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_nanoseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void reply(struct connection *c, const char *text, size_t length)
{
    if (length > OUTPUT_SIZE - c->output_length) {
        fprintf(stderr, "sink: the client does not read its replies\n");
        exit(1);
    }
    memcpy(c->output + c->output_length, text, length);
    c->output_length += length;
}

#define REPLY(c, text) reply(c, text, sizeof text - 1)

static void message_end(struct connection *c)
{
    REPLY(c, "250 2.0.0 Kept\r\n");
    c->messages++;
    c->final_pending = true;
    c->phase = PHASE_COMMAND;
}

static void chunk_end(struct connection *c)
{
    if (c->is_last_chunk) {
        message_end(c);
        return;
    }
    REPLY(c, "250 2.0.0 Chunk\r\n");
    c->phase = PHASE_COMMAND;
}

static bool is_verb(const char *line, size_t length, const char *verb)
{
    size_t n = strlen(verb);
    return length >= n && strncasecmp(line, verb, n) == 0;
}

static void bdat(struct connection *c, const char *line, size_t length)
{
    uint64_t size = 0;
    size_t i = 5;
    while (i < length && line[i] >= '0' && line[i] <= '9')
        size = size * 10 + (uint64_t)(line[i++] - '0');
    while (i < length && line[i] == ' ')
        i++;
    c->is_last_chunk = is_verb(line + i, length - i, "LAST");
    c->chunk_left = size;
    c->phase = PHASE_CHUNK;
    if (size == 0)
        chunk_end(c);
}

static void command(const struct sink *sink, struct connection *c, const char *line, size_t length)
{
    if (is_verb(line, length, "RCPT")) {
        c->recipients++;
        REPLY(c, "250 2.1.5 Ok\r\n");
    } else if (is_verb(line, length, "MAIL")) {
        REPLY(c, "250 2.1.0 Ok\r\n");
    } else if (is_verb(line, length, "DATA")) {
        REPLY(c, "354 Go ahead\r\n");
        c->phase = PHASE_DATA_START;
    } else if (is_verb(line, length, "BDAT ")) {
        bdat(c, line, length);
    } else if (is_verb(line, length, "EHLO")) {
        reply(c, sink->ehlo, strlen(sink->ehlo));
    } else if (is_verb(line, length, "QUIT")) {
        REPLY(c, "221 2.0.0 Bye\r\n");
        c->is_quitting = true;
    } else if (is_verb(line, length, "HELO") || is_verb(line, length, "RSET") ||
               is_verb(line, length, "NOOP")) {
        REPLY(c, "250 2.0.0 Ok\r\n");
    } else {
        REPLY(c, "500 5.5.1 Unknown\r\n");
    }
}

/* Eats what it can of the input; returns the number of bytes taken, 0 = more is needed. */
static size_t eat(const struct sink *sink, struct connection *c, const char *p, size_t n)
{
    switch (c->phase) {
    case PHASE_COMMAND: {
        const char *end = memchr(p, '\n', n);
        if (end == NULL)
            return 0;
        size_t length = (size_t)(end - p);
        command(sink, c, p, length > 0 && p[length - 1] == '\r' ? length - 1 : length);
        return length + 1;
    }
    case PHASE_DATA_START:
        if (n < 3)
            return 0;
        if (memcmp(p, ".\r\n", 3) == 0) {
            message_end(c);
            return 3;
        }
        c->phase = PHASE_DATA;
        /* fall through */
    case PHASE_DATA: {
        size_t taken;
        bool found = sink_scan_data_end(p, n, &taken);
        c->bytes += taken;
        if (found) {
            c->bytes -= 3; /* the lone dot and its line end are not the message */
            message_end(c);
        }
        return taken;
    }
    case PHASE_CHUNK: {
        size_t taken = n < c->chunk_left ? n : (size_t)c->chunk_left;
        c->bytes += taken;
        c->chunk_left -= taken;
        if (c->chunk_left == 0)
            chunk_end(c);
        return taken;
    }
    }
    return 0;
}

static void batch_add(const struct sink *sink, struct connection *c)
{
    size_t start = c->batch_count > 0 ? c->batches[c->batch_count - 1].end : 0;
    if (c->output_length == start)
        return;
    if (c->batch_count == BATCH_LIMIT) {
        fprintf(stderr, "sink: too many replies on their way\n");
        exit(1);
    }
    c->batches[c->batch_count++] = (struct batch){
        .due = sink->round_trip > 0 ? now_nanoseconds() + sink->round_trip : 0,
        .end = c->output_length,
        .has_final = c->final_pending,
    };
    c->final_pending = false;
}

/* Sends the replies whose time has come; false = the connection is over. */
static bool speak(struct connection *c)
{
    while (c->batch_first < c->batch_count) {
        struct batch *b = &c->batches[c->batch_first];
        uint64_t now = now_nanoseconds();
        if (b->due > now)
            return true;
        ssize_t n = send(c->fd, c->output + c->output_sent, b->end - c->output_sent,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (c->client_spoke)
            c->flights++;
        c->client_spoke = false;
        c->output_sent += (size_t)n;
        if (c->output_sent < b->end)
            return true;
        if (b->has_final) {
            c->flights_at_last_final = c->flights;
            c->last_final = now;
        }
        c->batch_first++;
    }
    c->output_length = c->output_sent = c->batch_first = c->batch_count = 0;
    return !c->is_quitting;
}

/* Reads once and takes in all of it; false = the client has gone. */
static bool hear(const struct sink *sink, struct connection *c)
{
    ssize_t got =
        recv(c->fd, c->input + c->input_length, INPUT_SIZE - c->input_length, MSG_DONTWAIT);
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    if (got == 0)
        return false;
    c->reads++;
    c->client_spoke = true;
    c->input_length += (size_t)got;
    size_t at = 0;
    while (at < c->input_length && !c->is_quitting) {
        size_t taken = eat(sink, c, c->input + at, c->input_length - at);
        if (taken == 0)
            break;
        at += taken;
    }
    c->input_length -= at;
    memmove(c->input, c->input + at, c->input_length);
    if (c->input_length == INPUT_SIZE) {
        fprintf(stderr, "sink: a command line without end\n");
        exit(1);
    }
    batch_add(sink, c);
    return true;
}

static void connection_open(struct sink *sink)
{
    int fd = accept4(sink->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL || sink->count == CONNECTION_LIMIT)
        die("too many connections");
    c->fd = fd;
    c->input = malloc(INPUT_SIZE);
    c->output = malloc(OUTPUT_SIZE);
    if (c->input == NULL || c->output == NULL)
        die("memory");
    c->client_spoke = true; /* connecting is speaking: the greeting ends the first flight */
    c->opened = now_nanoseconds();
    REPLY(c, "220 sink.example ESMTP\r\n");
    batch_add(sink, c);
    sink->connections[sink->count++] = c;
    speak(c);
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void connection_close(struct sink *sink, size_t index)
{
    struct connection *c = sink->connections[index];
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t span = c->last_final > c->opened ? c->last_final - c->opened : 0;
    printf("{\"flights\": %lu, \"flights_with_quit\": %lu, \"messages\": %lu, "
           "\"recipients\": %lu, \"bytes\": %lu, \"reads\": %lu, \"seconds\": %.6f, "
           "\"sink_cpu\": %.6f}\n",
           c->flights_at_last_final, c->flights, c->messages, c->recipients, c->bytes, c->reads,
           (double)span / 1e9, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    fflush(stdout);
    close(c->fd);
    free(c->input);
    free(c->output);
    free(c);
    sink->connections[index] = sink->connections[--sink->count];
}

static bool timeout_until_due(const struct sink *sink, struct timespec *timeout)
{
    uint64_t first = UINT64_MAX;
    for (size_t i = 0; i < sink->count; i++) {
        const struct connection *c = sink->connections[i];
        if (c->batch_first < c->batch_count && c->batches[c->batch_first].due < first)
            first = c->batches[c->batch_first].due;
    }
    if (first == UINT64_MAX)
        return false;
    uint64_t now = now_nanoseconds();
    uint64_t left = first > now ? first - now : 0;
    timeout->tv_sec = (time_t)(left / 1000000000u);
    timeout->tv_nsec = (long)(left % 1000000000u);
    return true;
}

/*
 * Runs until standard input ends, so that it never outlives who started it, and the last connection
 * is reported.
 */
static void run(struct sink *sink)
{
    struct pollfd polls[CONNECTION_LIMIT + 2];
    int control = STDIN_FILENO;
    while (control >= 0 || sink->count > 0) {
        polls[0] = (struct pollfd){.fd = control, .events = POLLIN};
        polls[1] = (struct pollfd){.fd = sink->listener, .events = POLLIN};
        size_t count = sink->count;
        for (size_t i = 0; i < count; i++) {
            const struct connection *c = sink->connections[i];
            bool wants_write = c->batch_count > 0 && sink->round_trip == 0;
            polls[i + 2] = (struct pollfd){.fd = c->fd,
                                           .events = (short)(POLLIN | (wants_write ? POLLOUT : 0))};
        }
        struct timespec timeout;
        bool is_timed = sink->round_trip > 0 && timeout_until_due(sink, &timeout);
        if (ppoll(polls, count + 2, is_timed ? &timeout : NULL, NULL) < 0 && errno != EINTR)
            die("poll");
        if (polls[0].revents != 0)
            control = -1; /* poll passes over a negative descriptor */
        for (size_t i = count; i-- > 0;) {
            struct connection *c = sink->connections[i];
            bool is_open = true;
            if (polls[i + 2].revents & (POLLIN | POLLHUP | POLLERR))
                is_open = hear(sink, c);
            if (is_open)
                is_open = speak(c);
            if (!is_open)
                connection_close(sink, i);
        }
        if (polls[1].revents & POLLIN)
            connection_open(sink);
    }
}

static void ehlo_compose(struct sink *sink, char *offers)
{
    size_t at = (size_t)snprintf(sink->ehlo, sizeof sink->ehlo, "250-sink.example\r\n");
    for (char *word = strtok(offers, ","); word != NULL; word = strtok(NULL, ","))
        at += (size_t)snprintf(sink->ehlo + at, sizeof sink->ehlo - at, "250-%s\r\n", word);
    snprintf(sink->ehlo + at, sizeof sink->ehlo - at, "250 HELP\r\n");
}

static void listen_on(struct sink *sink, uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int on = 1;
    sink->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(sink->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sink->listener < 0 || bind(sink->listener, (struct sockaddr *)&address, length) != 0 ||
        listen(sink->listener, 128) != 0 ||
        getsockname(sink->listener, (struct sockaddr *)&address, &length) != 0)
        die("listen");
    printf("{\"port\": %u}\n", ntohs(address.sin_port));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"rtt", required_argument, NULL, 'r'},
        {"offer", required_argument, NULL, 'o'},
        {0},
    };
    static struct sink sink;
    char nothing[] = "";
    char *offers = nothing;
    uint16_t port = 0;
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'p') {
            port = (uint16_t)strtoul(optarg, NULL, 10);
        } else if (option == 'r') {
            sink.round_trip = (uint64_t)(strtod(optarg, NULL) * 1e6);
        } else if (option == 'o') {
            offers = optarg;
        } else {
            fprintf(stderr,
                    "usage: sink [--port N] [--rtt MILLISECONDS] [--offer A,B,\"SIZE 0\"]\n");
            return 2;
        }
    }
    ehlo_compose(&sink, offers);
    listen_on(&sink, port);
    run(&sink);
    return 0;
}
