/* What every benchmark client is asked to do, and how it reports what that cost. */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>

#define WORKLOAD_SENDER      "sender@client.example"
#define WORKLOAD_CLIENT_NAME "client.example"

/* A body up to this size is held in memory; a larger one is read from its file while sending. */
#define WORKLOAD_MEMORY_LIMIT ((size_t)1024 * 1024)

struct workload {
    const char *program;
    const char *host;
    const char *port_text;
    uint16_t port;
    unsigned messages;
    char **recipients; /* mailboxes without angle brackets */
    unsigned recipient_count;
    const char *body_path;
    int body_fd;
    const char *body; /* NULL when the body is larger than WORKLOAD_MEMORY_LIMIT */
    size_t body_size;
    bool wants_bdat;
    const char *variant; /* a way of use that the client has besides its first, or "" */
    struct rusage usage_at_start;
    double time_at_start;
};

/*
 * Reads HOST PORT MESSAGES RECIPIENTS BODY-FILE data|bdat [VARIANT]; exits with a message when it
 * cannot.
 */
void workload_open(struct workload *w, int argc, char **argv);

/*
 * Fresh memory on a page boundary: reading a file into memory that begins a few bytes behind one
 * takes some processors twice as long, and malloc's large pieces do just that. To be given to
 * free().
 */
char *workload_buffer_new(const struct workload *w, size_t size);

/* The whole body in fresh memory, for a client that can take it no other way. */
char *workload_body_load(const struct workload *w);

/* Copies up to `size` bytes of the body from `offset` on; returns how many, 0 = the end. */
size_t workload_body_read(const struct workload *w, size_t offset, char *to, size_t size);

/* Starts the clocks: whatever comes before is start-up and not counted. */
void workload_start(struct workload *w);

/* Stops the clocks and prints the JSON line. */
void workload_report(const struct workload *w);

/* The same for work done by child processes that have been waited for. */
void workload_report_children(const struct workload *w);

/* Ends the program: a client that failed has no time. */
_Noreturn void workload_fail(const struct workload *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
