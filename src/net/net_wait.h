/* Waiting for descriptors with a deadline and a descriptor that wakes. */
#ifndef NET_NET_WAIT_H
#define NET_NET_WAIT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"

/* poll(2) that no signal interrupts, until deadline (clock_monotonic_milliseconds; INT64_MAX =
 * never). Returns how many are ready, 0 at the deadline, -1 with fault. Looks at least once, also
 * when the deadline is past. */
int net_wait_poll(struct pollfd *polled, size_t count, int64_t deadline, struct fault *fault);

/* Waits for one descriptor. True: it is ready. False: ETIMEDOUT or, as wake_descriptor (-1 = none)
 * was readable, ECANCELED in fault->system_error, or another failure. */
bool net_wait_for(int descriptor, short events, int wake_descriptor, int64_t deadline,
                  struct fault *fault);

/* The fault of a wait that was woken, or whose deadline passed. Each returns false. */
bool net_wait_set_cancelled(struct fault *fault);
bool net_wait_set_timed_out(struct fault *fault);

#endif
