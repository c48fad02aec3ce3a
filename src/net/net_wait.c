/* poll(2) with a deadline. */
#include "net/net_wait.h"

#include <errno.h>
#include <limits.h>

#include "base/clock.h"

static int milliseconds_left(int64_t deadline)
{
    if (deadline == INT64_MAX)
        return -1;
    int64_t now = (int64_t)clock_monotonic_milliseconds();
    if (deadline <= now)
        return 0;
    return deadline - now > INT_MAX ? INT_MAX : (int)(deadline - now);
}

int net_wait_poll(struct pollfd *polled, size_t count, int64_t deadline, struct fault *fault)
{
    for (;;) {
        int timeout = milliseconds_left(deadline);
        int ready = poll(polled, (nfds_t)count, timeout);
        if (ready > 0 || (ready == 0 && milliseconds_left(deadline) == 0))
            return ready;
        if (ready < 0 && errno != EINTR) {
            fault_set_system(fault, FAULT_TEMPORARY, errno, "poll failed");
            return -1;
        }
    }
}

bool net_wait_set_cancelled(struct fault *fault)
{
    return fault_set_system(fault, FAULT_TEMPORARY, ECANCELED, "given up on request");
}

bool net_wait_set_timed_out(struct fault *fault)
{
    return fault_set_system(fault, FAULT_TEMPORARY, ETIMEDOUT, "there was no answer in time");
}

bool net_wait_for(int descriptor, short events, int wake_descriptor, int64_t deadline,
                  struct fault *fault)
{
    struct pollfd polled[2] = {{.fd = descriptor, .events = events},
                               {.fd = wake_descriptor, .events = POLLIN}};
    int ready = net_wait_poll(polled, 2, deadline, fault);
    if (ready < 0)
        return false;
    if (polled[1].revents != 0)
        return net_wait_set_cancelled(fault);
    return ready > 0 || net_wait_set_timed_out(fault);
}
