/* Resolve, connect, and pass through the proxy. */
#include "net/net_connect.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/net_race.h"
#include "net/net_resolver.h"

enum {
    SOCKS_PORT = 1080,
    HTTP_PROXY_PORT = 8080,
};

static bool make_path_address(const char *path, struct net_address *address, struct fault *fault)
{
    struct sockaddr_un unix_address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof unix_address.sun_path)
        return fault_set(fault, FAULT_SYNTAX, "the path of a socket has at most %zu bytes",
                         sizeof unix_address.sun_path - 1);
    memcpy(unix_address.sun_path, path, length + 1);
    memcpy(&address->storage, &unix_address, sizeof unix_address);
    address->length = sizeof unix_address;
    return true;
}

static bool find_addresses(const struct net_target *target,
                           const struct net_connect_options *options,
                           struct net_address addresses[NET_ADDRESSES_MAX], size_t *count,
                           struct fault *fault)
{
    if (target->is_path) {
        *count = 1;
        return make_path_address(target->host, &addresses[0], fault);
    }
    if (!net_resolver_resolve(target->host, target->port, options->wake_descriptor,
                              options->deadline, addresses, count, fault))
        return false;
    net_race_interleave(addresses, *count);
    return true;
}

/* A source has a family, and no address of another can be reached from it. */
static size_t keep_family(struct net_address *addresses, size_t count, sa_family_t family)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (addresses[i].storage.ss_family == family)
            addresses[kept++] = addresses[i];
    }
    return kept;
}

static bool apply_source(const struct net_connect_options *options, struct net_address *addresses,
                         size_t *count, struct net_address *source, struct fault *fault)
{
    const char *text = options->source_address;
    if (text == NULL)
        text = addresses[0].storage.ss_family == AF_INET ? "0.0.0.0" : "::";
    if (!net_address_parse(text, options->source_port, source))
        return fault_set(fault, FAULT_SYNTAX, "the source \"%.100s\" is no numeric address", text);
    *count = keep_family(addresses, *count, source->storage.ss_family);
    return *count > 0 ||
           fault_set(fault, FAULT_PERMANENT,
                     "the host has no address of the family of the source %.100s", text);
}

static int connect_direct(const struct net_target *target,
                          const struct net_connect_options *options, enum net_connect_phase *phase,
                          struct fault *fault)
{
    struct net_address addresses[NET_ADDRESSES_MAX];
    size_t count;
    *phase = NET_CONNECT_RESOLVE;
    if (!find_addresses(target, options, addresses, &count, fault))
        return -1;
    *phase = NET_CONNECT_CONNECT;
    struct net_address source;
    bool has_source =
        !target->is_path && (options->source_address != NULL || options->source_port != 0);
    if (has_source && !apply_source(options, addresses, &count, &source, fault))
        return -1;
    const struct net_race_options race = {
        .source = has_source ? &source : NULL,
        .attempt_delay = NET_ATTEMPT_DELAY_MS,
        .deadline = options->deadline,
        .wake_descriptor = options->wake_descriptor,
    };
    int descriptor = net_race_run(addresses, count, &race, fault);
    int on = 1;
    if (descriptor >= 0)
        setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

static int connect_through(const struct net_proxy *proxy, const struct net_target *target,
                           const struct net_connect_options *options, enum net_connect_phase *phase,
                           struct fault *fault)
{
    struct net_target proxy_target;
    unsigned port = proxy->kind == NET_PROXY_SOCKS5 ? SOCKS_PORT : HTTP_PROXY_PORT;
    struct fault cause;
    enum net_connect_phase proxy_phase;
    *phase = NET_CONNECT_PROXY;
    if (!net_target_parse(proxy->address, port, &proxy_target, fault))
        return -1;
    int descriptor = connect_direct(&proxy_target, options, &proxy_phase, &cause);
    if (descriptor < 0) {
        fault_set(fault, cause.kind, "no way to the proxy: %.200s", cause.message);
        if (fault != NULL)
            fault->system_error = cause.system_error;
        return -1;
    }
    if (net_proxy_open(descriptor, proxy, target, options->wake_descriptor, options->deadline,
                       fault))
        return descriptor;
    close(descriptor);
    return -1;
}

int net_connect(const struct net_target *target, const struct net_connect_options *options,
                enum net_connect_phase *phase, struct fault *fault)
{
    const struct net_proxy *proxy = options->proxy;
    if (proxy == NULL || proxy->kind == NET_PROXY_NONE)
        return connect_direct(target, options, phase, fault);
    return connect_through(proxy, target, options, phase, fault);
}
