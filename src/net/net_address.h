/* Socket addresses as text. */
#ifndef NET_NET_ADDRESS_H
#define NET_NET_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

/* An address of any family. */
struct net_address {
    struct sockaddr_storage storage;
    socklen_t length;
};

/* Parses a numeric IPv4 or IPv6 address, the latter perhaps with a zone ("fe80::1%eth0"); false: it
 * is none. */
bool net_address_parse(const char *text, unsigned port, struct net_address *address);

/* "192.0.2.1:587", "[2001:db8::1]:587", the path of a Unix socket, or "a socket" where there is no
 * name. Cut at size. */
void net_address_format(const struct net_address *address, char *text, size_t size);

/* As an SMTP address literal (RFC 5321 4.1.3); false for families without one, or where size is too
 * small. */
bool net_address_format_literal(const struct net_address *address, char *text, size_t size);

#endif
