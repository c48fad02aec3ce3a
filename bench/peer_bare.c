/*
 * Benchmark client: no library but a bare loop that pipelines all it may and parses nothing but
 * reply codes. What it costs is the floor under every client on this machine.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "workload.h"

#define REPLY_SIZE ((size_t)64 * 1024)
#define PIECE      ((size_t)64 * 1024)

struct client {
    const struct workload *workload;
    int fd;
    char *out; /* what is to be written in one piece */
    size_t length;
    char replies[REPLY_SIZE];
    size_t reply_length;
};

static void flush(struct client *c)
{
    for (size_t at = 0; at < c->length;) {
        ssize_t n = send(c->fd, c->out + at, c->length - at, MSG_NOSIGNAL);
        if (n <= 0)
            workload_fail(c->workload, "connection lost");
        at += (size_t)n;
    }
    c->length = 0;
}

/* Reads `count` whole replies, none of which may be a refusal. */
static void replies_read(struct client *c, unsigned count)
{
    while (count > 0) {
        char *end;
        while (count > 0 && (end = memchr(c->replies, '\n', c->reply_length)) != NULL) {
            if (c->replies[0] > '3')
                workload_fail(c->workload, "refused: %.60s", c->replies);
            count -= c->replies[3] != '-';
            c->reply_length -= (size_t)(end + 1 - c->replies);
            memmove(c->replies, end + 1, c->reply_length);
        }
        if (count == 0)
            return;
        ssize_t n = recv(c->fd, c->replies + c->reply_length, REPLY_SIZE - c->reply_length, 0);
        if (n <= 0)
            workload_fail(c->workload, "connection lost");
        c->reply_length += (size_t)n;
    }
}

static void envelope_write(struct client *c)
{
    const struct workload *w = c->workload;
    c->length += (size_t)sprintf(c->out + c->length, "MAIL FROM:<%s>\r\n", WORKLOAD_SENDER);
    for (unsigned i = 0; i < w->recipient_count; i++)
        c->length += (size_t)sprintf(c->out + c->length, "RCPT TO:<%s>\r\n", w->recipients[i]);
    c->length += (size_t)sprintf(c->out + c->length, "DATA\r\n");
}

/* Doubles dots at line starts (RFC 5321 4.5.2). */
static void body_stuff(struct client *c, const char *from, size_t length, char before)
{
    const char *end = from + length, *start = from, *dot = from;
    while ((dot = memchr(dot, '.', (size_t)(end - dot))) != NULL) {
        if ((dot == from ? before : dot[-1]) == '\n') {
            memcpy(c->out + c->length, start, (size_t)(dot - start));
            c->length += (size_t)(dot - start);
            c->out[c->length++] = '.';
            start = dot;
        }
        dot++;
    }
    memcpy(c->out + c->length, start, (size_t)(end - start));
    c->length += (size_t)(end - start);
}

static void body_write(struct client *c, char *piece)
{
    const struct workload *w = c->workload;
    char before = '\n';
    if (w->body != NULL) {
        body_stuff(c, w->body, w->body_size, before);
    } else {
        size_t n;
        for (size_t at = 0; (n = workload_body_read(w, at, piece, PIECE)) > 0; at += n) {
            body_stuff(c, piece, n, before);
            before = piece[n - 1];
            flush(c);
        }
    }
    memcpy(c->out + c->length, ".\r\n", 3);
    c->length += 3;
}

static void connect_and_greet(struct client *c)
{
    const struct workload *w = c->workload;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(w->port)};
    int on = 1;
    inet_pton(AF_INET, w->host, &address.sin_addr);
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&address, sizeof address) != 0)
        workload_fail(w, "cannot connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    replies_read(c, 1);
    c->length = (size_t)sprintf(c->out, "EHLO %s\r\n", WORKLOAD_CLIENT_NAME);
    flush(c);
    replies_read(c, 1);
}

int main(int argc, char **argv)
{
    struct workload w;
    workload_open(&w, argc, argv);
    if (w.wants_bdat)
        workload_fail(&w, "the bare loop has no BDAT");

    workload_start(&w);
    struct client *c = calloc(1, sizeof *c);
    size_t body_room = 2 * (w.body != NULL ? w.body_size : PIECE);
    char *piece = workload_buffer_new(&w, PIECE);
    if (c == NULL)
        workload_fail(&w, "out of memory");
    c->out = workload_buffer_new(&w, body_room + REPLY_SIZE);
    c->workload = &w;
    connect_and_greet(c);
    envelope_write(c);
    for (unsigned i = 0; i < w.messages; i++) {
        flush(c);
        replies_read(c, w.recipient_count + 2 + (i > 0));
        body_write(c, piece);
        if (i + 1 < w.messages)
            envelope_write(c);
    }
    flush(c);
    replies_read(c, 1);
    c->length = (size_t)sprintf(c->out, "QUIT\r\n");
    flush(c);
    replies_read(c, 1);
    close(c->fd);
    free(c->out);
    free(c);
    free(piece);
    workload_report(&w);
    return 0;
}
