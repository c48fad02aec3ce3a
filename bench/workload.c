/* What every benchmark client is asked to do, and how it reports what that cost. */
#include "workload.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE_SIZE ((size_t)4096)

void workload_fail(const struct workload *w, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", w->program);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(1);
}

static void body_open(struct workload *w)
{
    struct stat about;
    w->body_fd = open(w->body_path, O_RDONLY | O_CLOEXEC);
    if (w->body_fd < 0 || fstat(w->body_fd, &about) != 0)
        workload_fail(w, "%s: %s", w->body_path, strerror(errno));
    w->body_size = (size_t)about.st_size;
    if (w->body_size <= WORKLOAD_MEMORY_LIMIT)
        w->body = workload_body_load(w);
}

void workload_open(struct workload *w, int argc, char **argv)
{
    memset(w, 0, sizeof *w);
    w->program = argv[0];
    if (argc != 7 && argc != 8)
        workload_fail(w, "usage: HOST PORT MESSAGES RECIPIENTS BODY-FILE data|bdat [VARIANT]");
    w->host = argv[1];
    w->port_text = argv[2];
    w->port = (uint16_t)strtoul(argv[2], NULL, 10);
    w->messages = (unsigned)strtoul(argv[3], NULL, 10);
    w->recipient_count = (unsigned)strtoul(argv[4], NULL, 10);
    w->body_path = argv[5];
    w->wants_bdat = strcmp(argv[6], "bdat") == 0;
    w->variant = argc == 8 ? argv[7] : "";
    w->recipients = calloc(w->recipient_count + 1, sizeof *w->recipients);
    if (w->recipients == NULL)
        workload_fail(w, "out of memory");
    for (unsigned i = 0; i < w->recipient_count; i++)
        if (asprintf(&w->recipients[i], "recipient%u@sink.example", i) < 0)
            workload_fail(w, "out of memory");
    body_open(w);
}

char *workload_buffer_new(const struct workload *w, size_t size)
{
    char *buffer = aligned_alloc(PAGE_SIZE, (size / PAGE_SIZE + 1) * PAGE_SIZE);
    if (buffer == NULL)
        workload_fail(w, "out of memory");
    return buffer;
}

char *workload_body_load(const struct workload *w)
{
    char *body = workload_buffer_new(w, w->body_size + 1);
    size_t at = 0;
    while (at < w->body_size) {
        ssize_t n = pread(w->body_fd, body + at, w->body_size - at, (off_t)at);
        if (n <= 0)
            workload_fail(w, "%s: cannot be read", w->body_path);
        at += (size_t)n;
    }
    body[at] = '\0';
    return body;
}

size_t workload_body_read(const struct workload *w, size_t offset, char *to, size_t size)
{
    size_t left = w->body_size - offset;
    size_t count = size < left ? size : left;
    if (w->body != NULL) {
        memcpy(to, w->body + offset, count);
        return count;
    }
    ssize_t n = pread(w->body_fd, to, count, (off_t)offset);
    if (n < 0)
        workload_fail(w, "%s: %s", w->body_path, strerror(errno));
    return (size_t)n;
}

static double monotonic_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double seconds(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

/*
 * ru_maxrss outlives exec, so a small program started by a large one would report the size of
 * its parent. The high-water mark of the address space is its own.
 */
static long peak_kib(void)
{
    char line[256];
    long kib = 0;
    FILE *status = fopen("/proc/self/status", "re");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "VmHWM: %ld", &kib) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return kib;
}

void workload_start(struct workload *w)
{
    getrusage(RUSAGE_SELF, &w->usage_at_start);
    w->time_at_start = monotonic_seconds();
}

static void print(const struct workload *w, double user, double system, double wall, long kib)
{
    double user_before = seconds(w->usage_at_start.ru_utime);
    double system_before = seconds(w->usage_at_start.ru_stime);
    printf("{\"user\": %.6f, \"system\": %.6f, \"wall\": %.6f, \"peak_kib\": %ld, "
           "\"startup_cpu\": %.6f}\n",
           user, system, wall, kib, user_before + system_before);
}

void workload_report(const struct workload *w)
{
    double wall = monotonic_seconds() - w->time_at_start;
    struct rusage now;
    getrusage(RUSAGE_SELF, &now);
    print(w, seconds(now.ru_utime) - seconds(w->usage_at_start.ru_utime),
          seconds(now.ru_stime) - seconds(w->usage_at_start.ru_stime), wall, peak_kib());
}

void workload_report_children(const struct workload *w)
{
    double wall = monotonic_seconds() - w->time_at_start;
    struct rusage now;
    getrusage(RUSAGE_CHILDREN, &now);
    print(w, seconds(now.ru_utime), seconds(now.ru_stime), wall, now.ru_maxrss);
}
