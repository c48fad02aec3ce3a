/* What sessions share among themselves, behind one lock that is held for moments only. */
#include "session/session_services.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct loop_routes {
    const struct loop *loop;
    struct route_memory *routes;
};

struct session_shared {
    pthread_mutex_t lock; /* of the limits and the paces */
    struct session_limits limits;
    struct log_pace paces[SESSION_TROUBLE_COUNT];
    unsigned loop_count;
    struct loop_routes loops[]; /* never changes */
};

bool session_services_open(struct session_services *services, struct loop_group *group,
                           const struct session_limits *limits, struct fault *fault)
{
    unsigned count = loop_group_count(group);
    struct session_shared *shared = calloc(1, sizeof(*shared) + count * sizeof(shared->loops[0]));
    if (shared == NULL)
        return fault_set_memory(fault);
    pthread_mutex_init(&shared->lock, NULL);
    services->shared = shared;
    for (unsigned i = 0; i < count; i++) {
        shared->loops[i].loop = loop_group_at(group, i);
        shared->loops[i].routes = route_memory_new(fault);
        shared->loop_count = i + 1;
        if (shared->loops[i].routes == NULL) {
            session_services_close(services);
            return false;
        }
    }
    session_services_change_limits(services, limits == NULL ? &(struct session_limits){0} : limits);
    return true;
}

void session_services_close(struct session_services *services)
{
    struct session_shared *shared = services->shared;
    if (shared == NULL)
        return;
    for (unsigned i = 0; i < shared->loop_count; i++)
        route_memory_free(shared->loops[i].routes);
    pthread_mutex_destroy(&shared->lock);
    free(shared);
    services->shared = NULL;
}

void session_services_change_limits(struct session_services *services,
                                    const struct session_limits *limits)
{
    struct session_shared *shared = services->shared;
    pthread_mutex_lock(&shared->lock);
    shared->limits = *limits;
    if (shared->limits.hops == 0)
        shared->limits.hops = SESSION_HOPS_MAX;
    pthread_mutex_unlock(&shared->lock);
}

struct session_limits session_services_limits(struct session_services *services)
{
    struct session_shared *shared = services->shared;
    pthread_mutex_lock(&shared->lock);
    struct session_limits limits = shared->limits;
    pthread_mutex_unlock(&shared->lock);
    return limits;
}

struct route_memory *session_services_routes(struct session_services *services,
                                             const struct loop *loop)
{
    struct session_shared *shared = services->shared;
    unsigned i = 0;
    while (shared->loops[i].loop != loop) {
        i++;
        assert(i < shared->loop_count);
    }
    return shared->loops[i].routes;
}

void *session_services_open_reader(void *store)
{
    return store_reader_open(store, NULL);
}

void session_services_close_reader(void *reader)
{
    store_reader_close(reader);
}

void session_services_tell_trouble(struct session_services *services, enum session_trouble trouble,
                                   int64_t session, const struct fault *fault, int64_t now)
{
    static const char *const events[] = {
        [SESSION_TROUBLE_READ] = "store.read-failed",
        [SESSION_TROUBLE_WRITE] = "store.write-failed",
        [SESSION_TROUBLE_DRAFT] = "store.draft-failed",
        [SESSION_TROUBLE_MEMORY] = "session.no-memory",
    };
    struct session_shared *shared = services->shared;
    uint64_t left_out = 0;
    pthread_mutex_lock(&shared->lock);
    bool may = log_pace_allows(&shared->paces[trouble], now, SESSION_FAULT_PACE, &left_out);
    pthread_mutex_unlock(&shared->lock);
    if (!may)
        return;
    struct log_line line;
    log_begin(&line, services->log, LOG_LEVEL_ERROR, events[trouble]);
    log_id(&line, "session", session);
    log_fault(&line, fault);
    if (left_out > 0)
        log_number(&line, "left_out", (int64_t)left_out);
    log_end(&line);
}

/* ---- who a session serves ---- */

/* The /24 of an IPv4 address. */
static void write_prefix4(const unsigned char address[4], char *text, size_t size)
{
    snprintf(text, size, "%u.%u.%u.0/24", address[0], address[1], address[2]);
}

/* The /48 of an IPv6 address, or the /24 of the IPv4 address mapped into it. */
static void write_prefix6(const struct in6_addr *address, char *text, size_t size)
{
    if (IN6_IS_ADDR_V4MAPPED(address)) {
        write_prefix4(&address->s6_addr[12], text, size);
        return;
    }
    struct in6_addr network = {0};
    memcpy(network.s6_addr, address->s6_addr, 6);
    char shown[INET6_ADDRSTRLEN] = "";
    inet_ntop(AF_INET6, &network, shown, sizeof(shown));
    snprintf(text, size, "%s/48", shown);
}

static void write_prefix(const struct sockaddr_storage *address, char *text, size_t size)
{
    text[0] = '\0';
    if (address->ss_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, address, sizeof(ipv4));
        write_prefix4((const unsigned char *)&ipv4.sin_addr, text, size);
    } else if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, address, sizeof(ipv6));
        write_prefix6(&ipv6.sin6_addr, text, size);
    }
}

void session_identity_init(struct session_identity *identity, struct session_services *services,
                           const char *protocol, struct connection *connection,
                           const struct connection_peer *peer)
{
    identity->id = store_id_make(services->store);
    identity->protocol = protocol;
    identity->loop = connection_loop(connection);
    memcpy(identity->peer, peer->text, sizeof(identity->peer));
    write_prefix(&peer->address, identity->prefix, sizeof(identity->prefix));
}

void session_identity_log(const struct session_identity *identity,
                          struct session_services *services, enum log_level level,
                          const char *event, struct log_line *line)
{
    char name[64];
    snprintf(name, sizeof(name), "%s.%s", identity->protocol, event);
    log_begin(line, services->log, level, name);
    log_id(line, "session", identity->id);
}
