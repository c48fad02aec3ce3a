/* Networks as text, and the beginnings of log lines. */
#include "session/session_identity.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>

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

const char *session_identity_reason(enum engine_end how, const char *reason)
{
    static const char *const ends[] = {
        [ENGINE_END_CLOSED] = "closed",
        [ENGINE_END_PEER] = "the peer ended it",
        [ENGINE_END_LOST] = "the connection was lost",
        [ENGINE_END_TLS] = "the TLS handshake failed",
        [ENGINE_END_STOP] = "the server ends",
    };
    return how == ENGINE_END_CLOSED && reason != NULL ? reason : ends[how];
}
