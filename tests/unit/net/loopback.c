/* Sockets of which only the kernel knows. */
#include "net/loopback.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

enum {
    TRIES_MAX = 100, /* at a port that is free in both families */
};

static unsigned port_of(const struct net_address *address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    memcpy(&ipv4, &address->storage, sizeof ipv4);
    memcpy(&ipv6, &address->storage, sizeof ipv6);
    return ntohs(address->storage.ss_family == AF_INET ? ipv4.sin_port : ipv6.sin6_port);
}

/* With a backlog of 0 Linux keeps one connection, and lets the requests of others fall (listen(2)).
 */
static void fill(struct loopback *loopback)
{
    assert_int_equal(listen(loopback->descriptor, 0), 0);
    loopback->filler = socket(loopback->address.storage.ss_family, SOCK_STREAM, 0);
    assert_int_equal(connect(loopback->filler, (struct sockaddr *)&loopback->address.storage,
                             loopback->address.length),
                     0);
    struct pollfd taken = {.fd = loopback->descriptor, .events = POLLIN};
    assert_int_equal(poll(&taken, 1, -1), 1);
}

/* False: somebody has the port. */
static bool take_port(struct loopback *loopback, int family, unsigned port)
{
    *loopback = (struct loopback){.filler = -1};
    assert_true(
        net_address_parse(family == AF_INET ? "127.0.0.1" : "::1", port, &loopback->address));
    loopback->descriptor = socket(family, SOCK_STREAM, 0);
    if (bind(loopback->descriptor, (struct sockaddr *)&loopback->address.storage,
             loopback->address.length) != 0) {
        assert_int_equal(errno, EADDRINUSE);
        close(loopback->descriptor);
        return false;
    }
    assert_int_equal(getsockname(loopback->descriptor,
                                 (struct sockaddr *)&loopback->address.storage,
                                 &loopback->address.length),
                     0);
    loopback->port = port_of(&loopback->address);
    return true;
}

static void behave(struct loopback *loopback, enum loopback_manner manner)
{
    if (manner == LOOPBACK_LISTENING)
        assert_int_equal(listen(loopback->descriptor, 8), 0);
    else if (manner == LOOPBACK_SILENT)
        fill(loopback);
}

struct loopback loopback_open(int family, enum loopback_manner manner)
{
    struct loopback loopback;
    assert_true(take_port(&loopback, family, 0));
    behave(&loopback, manner);
    return loopback;
}

void loopback_open_both(struct loopback *ipv6, enum loopback_manner ipv6_manner,
                        struct loopback *ipv4, enum loopback_manner ipv4_manner)
{
    assert_true(take_port(ipv6, AF_INET6, 0));
    for (int tries = 1; !take_port(ipv4, AF_INET, ipv6->port); tries++) {
        assert_true(tries < TRIES_MAX);
        close(ipv6->descriptor);
        assert_true(take_port(ipv6, AF_INET6, 0));
    }
    behave(ipv6, ipv6_manner);
    behave(ipv4, ipv4_manner);
}

void loopback_close(struct loopback *loopback)
{
    close(loopback->descriptor);
    if (loopback->filler >= 0)
        close(loopback->filler);
}

unsigned loopback_peer_port(int descriptor)
{
    struct net_address address = {.length = sizeof address.storage};
    assert_int_equal(getpeername(descriptor, (struct sockaddr *)&address.storage, &address.length),
                     0);
    return port_of(&address);
}
