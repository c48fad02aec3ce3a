/* The far end of the queue's benchmark: takes whatever is sent on any address of the loopback
 * network, on thousands of connections at once, and counts. Every reply may take a time.
 *
 *   far_sink PORT [DELAY]     milliseconds before each reply
 *
 * "COUNT" is answered with the messages that were taken since the start, and the most connections
 * that were open at a time. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    INPUT_SIZE = 64 * 1024,

    OUTPUT_SIZE = 8 * 1024,
    EVENTS = 256
};

struct connection {
    int descriptor;
    bool is_in_body;
    bool is_quitting;
    bool is_waiting;  /* its reply is on its way */
    unsigned matched; /* of CRLF "." CRLF */
    size_t length;
    size_t output_length;
    uint64_t due;
    struct connection *next; /* those that wait, in the order of their time */
    char output[OUTPUT_SIZE];
    char input[INPUT_SIZE];
};

static struct {
    int epoll;
    int listener;
    uint64_t delay;
    uint64_t messages;
    unsigned open;
    unsigned most;
    struct connection *first, **end;
} sink;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void drop(struct connection *connection)
{
    close(connection->descriptor);
    sink.open--;
    free(connection);
}

static void say(struct connection *connection, const char *text)
{
    size_t length = strlen(text);
    if (connection->output_length + length <= OUTPUT_SIZE) {
        memcpy(connection->output + connection->output_length, text, length);
        connection->output_length += length;
    }
}

/* One command line, without its end. */
static void hear(struct connection *connection, const char *line, size_t length)
{
    char count[64];
    if (length >= 4 && strncasecmp(line, "EHLO", 4) == 0) {
        say(connection, "250-sink\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n"
                        "250 ENHANCEDSTATUSCODES\r\n");
    } else if (length >= 4 && strncasecmp(line, "DATA", 4) == 0) {
        connection->is_in_body = true;
        connection->matched = 2; /* a dot may be the first line */
        say(connection, "354 go on\r\n");
    } else if (length >= 4 && strncasecmp(line, "QUIT", 4) == 0) {
        connection->is_quitting = true;
        say(connection, "221 2.0.0 bye\r\n");
    } else if (length >= 5 && strncasecmp(line, "COUNT", 5) == 0) {
        snprintf(count, sizeof count, "250 %llu %u\r\n", (unsigned long long)sink.messages,
                 sink.most);
        say(connection, count);
    } else {
        say(connection, "250 2.0.0 ok\r\n");
    }
}

/* Looks for the end of the body; returns the bytes that belong to it. */
static size_t read_body(struct connection *connection, const char *data, size_t length)
{
    static const char end[] = "\r\n.\r\n";
    for (size_t i = 0; i < length; i++) {
        if (data[i] == end[connection->matched])
            connection->matched++;
        else
            connection->matched = data[i] == '\r' ? 1 : 0;
        if (connection->matched == 5) {
            connection->is_in_body = false;
            sink.messages++;
            say(connection, "250 2.0.0 taken\r\n");
            return i + 1;
        }
    }
    return length;
}

static bool flush(struct connection *connection)
{
    if (connection->output_length > 0 && send(connection->descriptor, connection->output,
                                              connection->output_length, MSG_NOSIGNAL) < 0)
        return false;
    connection->output_length = 0;
    return !connection->is_quitting;
}

static void watch(struct connection *connection, uint32_t events, int how)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};
    if (epoll_ctl(sink.epoll, how, connection->descriptor, &event) != 0)
        fail("epoll_ctl");
}

static void wait_with_reply(struct connection *connection)
{
    connection->is_waiting = true;
    connection->due = now() + sink.delay;
    connection->next = NULL;
    *sink.end = connection;
    sink.end = &connection->next;
    watch(connection, 0, EPOLL_CTL_MOD);
}

/* Takes from the input what can be taken now. False: the connection is to go. */
static bool work(struct connection *connection)
{
    size_t start = 0;
    while (start < connection->length && !connection->is_quitting) {
        const char *data = connection->input + start;
        size_t rest = connection->length - start;
        size_t said = connection->output_length;
        if (connection->is_in_body) {
            start += read_body(connection, data, rest);
        } else {
            const char *newline = memchr(data, '\n', rest);
            if (newline == NULL)
                break;
            hear(connection, data, (size_t)(newline - data));
            start += (size_t)(newline - data) + 1;
        }
        if (sink.delay > 0 && connection->output_length > said) {
            memmove(connection->input, connection->input + start, connection->length - start);
            connection->length -= start;
            wait_with_reply(connection);
            return true;
        }
    }
    memmove(connection->input, connection->input + start, connection->length - start);
    connection->length -= start;
    return flush(connection) && connection->length < INPUT_SIZE;
}

static void hear_input(struct connection *connection)
{
    ssize_t count = recv(connection->descriptor, connection->input + connection->length,
                         INPUT_SIZE - connection->length, 0);
    if (count < 0 && errno == EAGAIN)
        return;
    if (count <= 0) {
        if (!connection->is_waiting)
            drop(connection);
        return;
    }
    connection->length += (size_t)count;
    if (!work(connection))
        drop(connection);
}

static void take_connection(void)
{
    int descriptor;
    while ((descriptor = accept4(sink.listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int yes = 1;
        struct connection *connection = malloc(sizeof *connection);
        if (connection == NULL)
            fail("malloc");
        memset(connection, 0, offsetof(struct connection, output));
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        connection->descriptor = descriptor;
        sink.open++;
        if (sink.open > sink.most)
            sink.most = sink.open;
        watch(connection, EPOLLIN, EPOLL_CTL_ADD);
        say(connection, "220 sink\r\n");
        if (sink.delay > 0)
            wait_with_reply(connection);
        else if (!flush(connection))
            drop(connection);
    }
}

/* Replies whose time has come. Returns how long the next one has. */
static int reply(void)
{
    while (sink.first != NULL) {
        struct connection *connection = sink.first;
        uint64_t time = now();
        if (connection->due > time)
            return (int)(connection->due - time);
        sink.first = connection->next;
        if (sink.first == NULL)
            sink.end = &sink.first;
        connection->is_waiting = false;
        watch(connection, EPOLLIN, EPOLL_CTL_MOD);
        if (!flush(connection) || !work(connection))
            drop(connection);
    }
    return -1;
}

static void listen_on(unsigned short port)
{
    int yes = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_ANY)};
    sink.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(sink.listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(sink.listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(sink.listener, 4096) != 0)
        fail("listen");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(sink.epoll, EPOLL_CTL_ADD, sink.listener, &event);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: far_sink PORT [DELAY]\n");
        return 64;
    }
    struct rlimit files = {20000, 20000};
    setrlimit(RLIMIT_NOFILE, &files);
    sink.end = &sink.first;
    sink.delay = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;
    sink.epoll = epoll_create1(0);
    listen_on((unsigned short)atoi(argv[1]));
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(sink.epoll, events, EVENTS, reply());
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                take_connection();
            else
                hear_input(events[i].data.ptr);
        }
    }
}
