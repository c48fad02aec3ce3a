/* Asking a proxy to connect on: SOCKS5 (RFC 1928, RFC 1929) and HTTP CONNECT (RFC 9110 9.3.6). */
#ifndef NET_NET_PROXY_H
#define NET_NET_PROXY_H

#include <stdint.h>

#include "base/fault.h"
#include "net/net_target.h"

enum {
    NET_PROXY_REPLY_MAX = 8192, /* bytes of an HTTP proxy's answer */
};

enum net_proxy_kind {
    NET_PROXY_NONE = 0,
    NET_PROXY_SOCKS5,
    NET_PROXY_HTTP
};

struct net_proxy {
    enum net_proxy_kind kind;
    const char *address;  /* as net_target_parse takes it; default port 1080 or 8080 */
    const char *user;     /* or NULL */
    const char *password; /* or NULL */
};

/* Speaks to the proxy on the connected non-blocking socket until it is the target's. Not one byte
 * behind the proxy's answer is taken: it is the target's first. False: fault, with ETIMEDOUT or
 * ECANCELED in system_error where it was that. */
bool net_proxy_open(int descriptor, const struct net_proxy *proxy, const struct net_target *target,
                    int wake_descriptor, int64_t deadline, struct fault *fault);

#endif
