/* Where to: a host and a port, or the path of a Unix socket. */
#ifndef NET_NET_TARGET_H
#define NET_NET_TARGET_H

#include <stdbool.h>

#include "base/fault.h"

enum {
    NET_HOST_MAX = 255, /* bytes of a host name (RFC 1035 2.3.4), or of a socket's path */
};

/* Taken apart from "host", "host:port", "[v6]", "[v6]:port", a bare IPv6 address or
 * "/path/of/socket". */
struct net_target {
    char host[NET_HOST_MAX + 1]; /* A-labels; address literals without brackets; or the path */
    unsigned port;               /* 0 for a path */
    bool is_path;
};

/* Parses text; a port in it wins over port. Internationalised names become A-labels (libidn2). */
bool net_target_parse(const char *text, unsigned port, struct net_target *target,
                      struct fault *fault);

/* True for localhost, *.localhost, 127.0.0.0/8, ::1 and Unix sockets. */
bool net_target_is_loopback(const struct net_target *target);

/* True for localhost and *.localhost, which no resolver is asked for (RFC 6761 6.3). */
bool net_target_is_localhost_name(const char *host);

#endif
