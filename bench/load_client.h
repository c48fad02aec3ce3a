/* One connection of a load: a blocking socket and what was read of it. Knows no library, so that it
 * costs the same whoever is served. What goes wrong ends the program. */
#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

enum {
    LOAD_CLIENT_INPUT = 1024 * 1024
};

struct load_client {
    int descriptor;
    char *input;
    size_t start, end; /* what was read and not looked at */
};

/* `answer` is what the server said; NULL: errno tells. */
_Noreturn void load_client_fail(const char *what, const char *answer);

/* Seconds. */
double load_client_now(void);

/* Memory, or the end. */
void *load_client_allocate(size_t size);

void load_client_init(struct load_client *client);
void load_client_clear(struct load_client *client);

/* To a port of 127.0.0.1; forgets what was read before. */
void load_client_open(struct load_client *client, int port);
void load_client_close(struct load_client *client);

void load_client_say(struct load_client *client, const char *data, size_t length);
void load_client_say_string(struct load_client *client, const char *text);

/* More bytes behind those that wait. */
void load_client_read(struct load_client *client);

/* The next line without its end, NUL behind; until the next call. */
char *load_client_hear_line(struct load_client *client);

/* Reads over so many bytes. */
void load_client_skip(struct load_client *client, size_t count);

/* The first byte is there within the time. */
bool load_client_is_answered(struct load_client *client, int seconds);

/* Sorts the durations (in seconds) and prints one line of JSON about them and the whole. */
void load_client_print(double *durations, size_t count, double seconds);

#endif
