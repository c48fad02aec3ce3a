/* Connection attempts side by side. */
#include "net/net_race.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/net_resolver.h"
#include "net/net_wait.h"

enum {
    BUSY_DELAY_MS = 20, /* before a Unix socket whose queue is full is asked again */
};

struct race {
    const struct net_race_options *options;
    const struct net_address *addresses;
    size_t count;
    size_t next;        /* address to try next */
    int64_t next_start; /* when */
    struct pollfd
        polled[NET_ADDRESSES_MAX + 1]; /* the running attempts; behind them the wake descriptor */
    const struct net_address *running[NET_ADDRESSES_MAX];
    size_t running_count;
    int error;                         /* the failure that says most */
    const struct net_address *culprit; /* the address that it belongs to */
};

void net_race_interleave(struct net_address *addresses, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        size_t other = i;
        while (other < count &&
               addresses[other].storage.ss_family == addresses[i - 1].storage.ss_family)
            other++;
        if (other == count)
            return;
        struct net_address moved = addresses[other];
        memmove(&addresses[i + 1], &addresses[i], (other - i) * sizeof addresses[0]);
        addresses[i] = moved;
    }
}

/* An address that this machine has no way to says less than one that refused. */
static bool is_about_us(int error)
{
    return error == ENETUNREACH || error == EADDRNOTAVAIL || error == EAFNOSUPPORT ||
           error == EHOSTUNREACH;
}

static void note_failure(struct race *race, int error, const struct net_address *address)
{
    if (race->error == 0 || (is_about_us(race->error) && !is_about_us(error))) {
        race->error = error;
        race->culprit = address;
    }
    race->next_start = INT64_MIN;
}

static bool bind_source(int descriptor, const struct net_address *source)
{
    if (source == NULL)
        return true;
    int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(descriptor, (const struct sockaddr *)&source->storage, source->length) == 0;
}

/* Returns a socket that is connected (*error 0) or about to be (*error EINPROGRESS), or -1 with
 * *error. */
static int start_connecting(const struct net_address *address, const struct net_address *source,
                            int *error)
{
    int descriptor =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        *error = errno;
        return -1;
    }
    *error = 0;
    if (!bind_source(descriptor, source) ||
        connect(descriptor, (const struct sockaddr *)&address->storage, address->length) != 0)
        *error = errno == EINTR ? EINPROGRESS : errno;
    if (*error == 0 || *error == EINPROGRESS)
        return descriptor;
    close(descriptor);
    return -1;
}

/* The socket if it connected at once, else -1. */
static int start_attempt(struct race *race)
{
    const struct net_address *address = &race->addresses[race->next++];
    int error;
    int descriptor = start_connecting(address, race->options->source, &error);
    if (descriptor < 0) {
        note_failure(race, error, address);
        return -1;
    }
    if (error == 0)
        return descriptor;
    race->polled[race->running_count] = (struct pollfd){.fd = descriptor, .events = POLLOUT};
    race->running[race->running_count++] = address;
    race->next_start = (int64_t)clock_monotonic_milliseconds() + race->options->attempt_delay;
    return -1;
}

static void forget_attempt(struct race *race, size_t index)
{
    race->running_count--;
    race->polled[index] = race->polled[race->running_count];
    race->running[index] = race->running[race->running_count];
}

/* The socket of an attempt that succeeded, else -1; those that failed are closed and forgotten. */
static int look_at_attempts(struct race *race)
{
    for (size_t i = race->running_count; i-- > 0;) {
        if (race->polled[i].revents == 0)
            continue;
        int descriptor = race->polled[i].fd;
        int error = 0;
        socklen_t length = sizeof error;
        if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
            error = errno;
        const struct net_address *address = race->running[i];
        forget_attempt(race, i);
        if (error == 0)
            return descriptor;
        close(descriptor);
        note_failure(race, error, address);
    }
    return -1;
}

static void explain(const struct race *race, struct fault *fault)
{
    char text[sizeof(struct sockaddr_un)];
    net_address_format(race->culprit, text, sizeof text);
    if (race->count == 1) {
        fault_set_system(fault, FAULT_TEMPORARY, race->error, "%.108s", text);
        return;
    }
    char message[FAULT_MESSAGE_SIZE];
    snprintf(message, sizeof message, "none of %zu addresses answered; %.64s", race->count, text);
    fault_set_system(fault, FAULT_TEMPORARY, race->error, "%s", message);
}

/* Waits until an attempt has an end, the next may start, or the race is over. *winner: its socket,
 * else -1. */
static bool wait_for_attempts(struct race *race, int *winner, struct fault *fault)
{
    const struct net_race_options *options = race->options;
    int64_t until = options->deadline;
    if (race->next < race->count && race->next_start < until)
        until = race->next_start;
    struct pollfd *wake = &race->polled[race->running_count];
    *wake = (struct pollfd){.fd = options->wake_descriptor, .events = POLLIN};
    int ready = net_wait_poll(race->polled, race->running_count + 1, until, fault);
    if (ready < 0)
        return false;
    if (wake->revents != 0)
        return net_wait_set_cancelled(fault);
    if (ready == 0 && until == options->deadline)
        return net_wait_set_timed_out(fault);
    *winner = look_at_attempts(race);
    return true;
}

static int run(struct race *race, struct fault *fault)
{
    for (;;) {
        int winner = -1;
        bool may_start =
            race->running_count == 0 || (int64_t)clock_monotonic_milliseconds() >= race->next_start;
        if (race->next < race->count && may_start)
            winner = start_attempt(race);
        else if (race->running_count > 0 && !wait_for_attempts(race, &winner, fault))
            return -1;
        if (winner >= 0)
            return winner;
        if (race->running_count == 0 && race->next == race->count) {
            explain(race, fault);
            return -1;
        }
    }
}

/* A Unix socket connects at once, is refused at once, or has a full queue and cannot be waited for.
 */
static int connect_path(const struct net_address *address, const struct net_race_options *options,
                        struct fault *fault)
{
    for (;;) {
        int error;
        int descriptor = start_connecting(address, NULL, &error);
        if (descriptor >= 0)
            return descriptor;
        if (error != EAGAIN) {
            struct race race = {.count = 1, .error = error, .culprit = address};
            explain(&race, fault);
            return -1;
        }
        int64_t again = (int64_t)clock_monotonic_milliseconds() + BUSY_DELAY_MS;
        bool is_last = again >= options->deadline;
        struct pollfd wake = {.fd = options->wake_descriptor, .events = POLLIN};
        int ready = net_wait_poll(&wake, 1, is_last ? options->deadline : again, fault);
        if (ready > 0)
            net_wait_set_cancelled(fault);
        else if (ready == 0 && is_last)
            net_wait_set_timed_out(fault);
        if (ready != 0 || is_last)
            return -1;
    }
}

int net_race_run(const struct net_address *addresses, size_t count,
                 const struct net_race_options *options, struct fault *fault)
{
    if (addresses[0].storage.ss_family == AF_UNIX)
        return connect_path(&addresses[0], options, fault);
    struct race race = {.options = options, .addresses = addresses, .count = count};
    int descriptor = run(&race, fault);
    for (size_t i = 0; i < race.running_count; i++)
        close(race.polled[i].fd);
    return descriptor;
}
