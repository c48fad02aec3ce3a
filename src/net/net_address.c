/* Numeric addresses to and from text. */
#include "net/net_address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static bool parse_zone(const char *zone, uint32_t *index)
{
    *index = if_nametoindex(zone);
    if (*index != 0)
        return true;
    char *end;
    unsigned long number = strtoul(zone, &end, 10);
    *index = (uint32_t)number;
    return *zone >= '0' && *zone <= '9' && *end == '\0' && number <= UINT32_MAX;
}

static bool parse_ipv6(const char *text, unsigned port, struct net_address *address)
{
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    char digits[INET6_ADDRSTRLEN];
    size_t length = strcspn(text, "%");
    if (length >= sizeof digits)
        return false;
    memcpy(digits, text, length);
    digits[length] = '\0';
    if (inet_pton(AF_INET6, digits, &ipv6.sin6_addr) != 1)
        return false;
    if (text[length] == '%' && !parse_zone(text + length + 1, &ipv6.sin6_scope_id))
        return false;
    memcpy(&address->storage, &ipv6, sizeof ipv6);
    address->length = sizeof ipv6;
    return true;
}

bool net_address_parse(const char *text, unsigned port, struct net_address *address)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    if (inet_pton(AF_INET, text, &ipv4.sin_addr) != 1)
        return parse_ipv6(text, port, address);
    memcpy(&address->storage, &ipv4, sizeof ipv4);
    address->length = sizeof ipv4;
    return true;
}

/* The numeric form without port; false for other families. */
static bool format_host(const struct net_address *address, char *text, socklen_t size,
                        unsigned *port)
{
    if (address->storage.ss_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, &address->storage, sizeof ipv4);
        *port = ntohs(ipv4.sin_port);
        return inet_ntop(AF_INET, &ipv4.sin_addr, text, size) != NULL;
    }
    if (address->storage.ss_family == AF_INET6) {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, &address->storage, sizeof ipv6);
        *port = ntohs(ipv6.sin6_port);
        return inet_ntop(AF_INET6, &ipv6.sin6_addr, text, size) != NULL;
    }
    return false;
}

static void format_path(const struct net_address *address, char *text, size_t size)
{
    struct sockaddr_un path;
    size_t start = offsetof(struct sockaddr_un, sun_path);
    size_t length = address->length > start ? address->length - start : 0;
    memcpy(&path, &address->storage, sizeof path);
    length = strnlen(path.sun_path, length);
    if (address->storage.ss_family == AF_UNIX && length > 0)
        snprintf(text, size, "%.*s", (int)length, path.sun_path);
    else
        snprintf(text, size, "a socket");
}

void net_address_format(const struct net_address *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    unsigned port;
    if (!format_host(address, host, sizeof host, &port))
        format_path(address, text, size);
    else
        snprintf(text, size, strchr(host, ':') == NULL ? "%s:%u" : "[%s]:%u", host, port);
}

bool net_address_format_literal(const struct net_address *address, char *text, size_t size)
{
    char host[INET6_ADDRSTRLEN];
    unsigned port;
    if (!format_host(address, host, sizeof host, &port))
        return false;
    int length = snprintf(text, size, strchr(host, ':') == NULL ? "[%s]" : "[IPv6:%s]", host);
    return length > 0 && (size_t)length < size;
}
