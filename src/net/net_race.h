/* Happy eyeballs: connecting to several addresses of one host, of which the first that answers is
 * taken (RFC 8305). */
#ifndef NET_NET_RACE_H
#define NET_NET_RACE_H

#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "net/net_address.h"

struct net_race_options {
    const struct net_address *source; /* address to bind to; or NULL */
    int64_t attempt_delay; /* milliseconds before the next address is tried beside the last */
    int64_t deadline;
    int wake_descriptor;
};

/* Puts the families in turn, that of the first address first (RFC 8305 4); within a family the
 * order stays. */
void net_race_interleave(struct net_address *addresses, size_t count);

/* Tries the addresses (at most NET_ADDRESSES_MAX) in their order. Returns a connected non-blocking
 * socket, or -1 with fault. */
int net_race_run(const struct net_address *addresses, size_t count,
                 const struct net_race_options *options, struct fault *fault);

#endif
