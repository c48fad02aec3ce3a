/* From a name to addresses by the system's resolver, which blocks for as long as it likes: here it
 * does so on a thread of its own, so that deadlines hold. */
#ifndef NET_NET_RESOLVER_H
#define NET_NET_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/fault.h"
#include "net/net_address.h"

enum {
    NET_ADDRESSES_MAX = 32, /* addresses of one name that are tried */
};

/* Fills addresses, the best first (RFC 6724), and *count, at least 1. Numeric addresses and
 * localhost need no thread. False: fault; ETIMEDOUT and ECANCELED (wake_descriptor was readable) in
 * system_error; the thread then ends when it can. */
bool net_resolver_resolve(const char *host, unsigned port, int wake_descriptor, int64_t deadline,
                          struct net_address addresses[NET_ADDRESSES_MAX], size_t *count,
                          struct fault *fault);

#endif
