/* From a name to a connected socket: resolving, happy eyeballs (RFC 8305), Unix sockets, source address, SOCKS5 (RFC 1928,
 * 1929) and HTTP CONNECT proxies. Blocks, but never past the deadline and never after another thread woke it. */
#ifndef NET_NET_CONNECT_H
#define NET_NET_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fault.h"

enum {
    NET_HOST_MAX = 255,        /* bytes of a host name (RFC 1035 2.3.4) */
    NET_ADDRESSES_MAX = 32,    /* addresses of one name that are tried */
    NET_ATTEMPT_DELAY_MS = 250, /* RFC 8305 5: before the next address is tried beside the last */
    NET_PROXY_REPLY_MAX = 8192  /* bytes of an HTTP proxy's answer */
};

/* Where to, taken apart from "host", "host:port", "[v6]", "[v6]:port" or "/path/of/socket". */
struct net_target {
    char host[NET_HOST_MAX + 1]; /* A-labels; address literals without brackets; or the path */
    unsigned port;
    bool is_path;
};

/* Parses text; a port in it wins over port. Internationalised names become A-labels (libidn2). */
bool net_target_parse(const char *text, unsigned port, struct net_target *target, struct fault *fault);

/* True for localhost, *.localhost, 127.0.0.0/8, ::1 and Unix sockets. */
bool net_target_is_loopback(const struct net_target *target);

enum net_proxy_kind { NET_PROXY_NONE = 0, NET_PROXY_SOCKS5, NET_PROXY_HTTP };

struct net_proxy {
    enum net_proxy_kind kind;
    const char *address;  /* as net_target_parse takes it; default port 1080 or 8080 */
    const char *user;     /* or NULL */
    const char *password; /* or NULL */
};

struct net_connect_options {
    const char *source_address;  /* numeric address to bind to; or NULL */
    unsigned source_port;        /* 0 = any */
    const struct net_proxy *proxy; /* or NULL: direct. The proxy resolves the name */
    int64_t deadline;            /* clock_monotonic_ms */
    int wake_descriptor;         /* readable = give up (system_error ECANCELED); -1 = none */
};

enum net_connect_phase { NET_CONNECT_RESOLVE = 0, NET_CONNECT_CONNECT, NET_CONNECT_PROXY };

/* Connects. Returns a non-blocking socket with TCP_NODELAY, closed by whoever gets it; -1 with fault, and *phase says
 * where it failed. ETIMEDOUT and ECANCELED stand in fault->system_error. */
int net_connect(const struct net_target *target, const struct net_connect_options *options,
                enum net_connect_phase *phase, struct fault *fault);

#endif
