/* From a name to a connected socket: resolving, happy eyeballs (RFC 8305), Unix sockets, source
 * address, SOCKS5 (RFC 1928, 1929) and HTTP CONNECT proxies. Blocks, but never past the deadline
 * and never after another thread woke it. */
#ifndef NET_NET_CONNECT_H
#define NET_NET_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"
#include "net/net_proxy.h"
#include "net/net_target.h"

enum {
    NET_ATTEMPT_DELAY_MS = 250, /* RFC 8305 5: before the next address is tried beside the last */
};

struct net_connect_options {
    const char *source_address; /* numeric address to bind to, with which only targets of its family
                                   are tried; or NULL */
    unsigned source_port;       /* 0 = any */
    const struct net_proxy *proxy; /* or NULL: direct. The proxy resolves the name */
    int64_t deadline;              /* clock_monotonic_milliseconds; INT64_MAX = never */
    int wake_descriptor;           /* readable = give up (system_error ECANCELED); -1 = none */
};

enum net_connect_phase {
    NET_CONNECT_RESOLVE = 0,
    NET_CONNECT_CONNECT,
    NET_CONNECT_PROXY
};

/* Connects. Returns a non-blocking socket with TCP_NODELAY, closed by whoever gets it; -1 with
 * fault, and *phase says where it failed. ETIMEDOUT and ECANCELED stand in fault->system_error. */
int net_connect(const struct net_target *target, const struct net_connect_options *options,
                enum net_connect_phase *phase, struct fault *fault);

#endif
