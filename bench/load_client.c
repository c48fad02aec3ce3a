/* The connections of the loaders. */
#include "load_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

void load_client_fail(const char *what, const char *answer)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
            answer != NULL ? answer : strerror(errno));
    exit(1);
}

double load_client_now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void *load_client_allocate(size_t size)
{
    void *memory = calloc(1, size);
    if (memory == NULL)
        load_client_fail("memory", NULL);
    return memory;
}

void load_client_init(struct load_client *client)
{
    *client = (struct load_client){.descriptor = -1};
    client->input = load_client_allocate(LOAD_CLIENT_INPUT);
}

void load_client_clear(struct load_client *client)
{
    free(client->input);
}

void load_client_open(struct load_client *client, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    client->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (client->descriptor < 0 ||
        connect(client->descriptor, (struct sockaddr *)&address, sizeof address) != 0)
        load_client_fail("connect", NULL);
    setsockopt(client->descriptor, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    client->start = client->end = 0;
}

void load_client_close(struct load_client *client)
{
    close(client->descriptor);
    client->descriptor = -1;
}

void load_client_say(struct load_client *client, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t count = send(client->descriptor, data, length, MSG_NOSIGNAL);
        if (count < 0)
            load_client_fail("send", NULL);
        data += count;
        length -= (size_t)count;
    }
}

void load_client_say_string(struct load_client *client, const char *text)
{
    load_client_say(client, text, strlen(text));
}

void load_client_read(struct load_client *client)
{
    if (client->start > 0) {
        memmove(client->input, client->input + client->start, client->end - client->start);
        client->end -= client->start;
        client->start = 0;
    }
    ssize_t count =
        recv(client->descriptor, client->input + client->end, LOAD_CLIENT_INPUT - client->end, 0);
    if (count <= 0)
        load_client_fail("the server went away", count == 0 ? "end of input" : NULL);
    client->end += (size_t)count;
}

char *load_client_hear_line(struct load_client *client)
{
    size_t looked = 0;
    for (;;) {
        char *line = client->input + client->start;
        char *end = memchr(line + looked, '\n', client->end - client->start - looked);
        if (end != NULL) {
            client->start = (size_t)(end + 1 - client->input);
            end[end > line && end[-1] == '\r' ? -1 : 0] = '\0';
            return line;
        }
        looked = client->end - client->start;
        load_client_read(client);
    }
}

void load_client_skip(struct load_client *client, size_t count)
{
    for (;;) {
        size_t here = client->end - client->start;
        if (here >= count)
            break;
        count -= here;
        client->start = client->end = 0;
        load_client_read(client);
    }
    client->start += count;
}

bool load_client_is_answered(struct load_client *client, int seconds)
{
    struct timeval patience = {.tv_sec = seconds};
    struct timeval for_ever = {0};
    char first;
    setsockopt(client->descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool is_here = recv(client->descriptor, &first, 1, MSG_PEEK) == 1;
    setsockopt(client->descriptor, SOL_SOCKET, SO_RCVTIMEO, &for_ever, sizeof for_ever);
    return is_here;
}

static int compare(const void *left, const void *right)
{
    double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

void load_client_print(double *durations, size_t count, double seconds)
{
    qsort(durations, count, sizeof *durations, compare);
    printf("{\"count\": %zu, \"seconds\": %.6f, \"rate\": %.1f, \"median_ms\": %.3f, \"p99_ms\": "
           "%.3f, \"most_ms\": %.3f, \"least_ms\": %.3f}\n",
           count, seconds, (double)count / seconds, durations[count / 2] * 1e3,
           durations[(size_t)((double)(count - 1) * 0.99)] * 1e3, durations[count - 1] * 1e3,
           durations[0] * 1e3);
}
