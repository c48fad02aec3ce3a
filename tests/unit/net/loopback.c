/* Sockets of which only the kernel knows. */
#include "net/loopback.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "unit.h"

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

struct loopback loopback_open(int family, unsigned port, enum loopback_manner manner)
{
    struct loopback loopback = {.filler = -1};
    assert_true(
        net_address_parse(family == AF_INET ? "127.0.0.1" : "::1", port, &loopback.address));
    loopback.descriptor = socket(family, SOCK_STREAM, 0);
    int on = 1;
    setsockopt(loopback.descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    assert_int_equal(bind(loopback.descriptor, (struct sockaddr *)&loopback.address.storage,
                          loopback.address.length),
                     0);
    assert_int_equal(getsockname(loopback.descriptor, (struct sockaddr *)&loopback.address.storage,
                                 &loopback.address.length),
                     0);
    loopback.port = port_of(&loopback.address);
    if (manner == LOOPBACK_LISTENING)
        assert_int_equal(listen(loopback.descriptor, 8), 0);
    else if (manner == LOOPBACK_SILENT)
        fill(&loopback);
    return loopback;
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
