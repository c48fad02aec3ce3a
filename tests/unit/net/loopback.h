/* Listeners, dead ports and silent ports on this machine. */
#ifndef LOOPBACK_H
#define LOOPBACK_H

#include "net/net_address.h"

/* A socket on a port of 127.0.0.1 or ::1, and what keeps it the way it is. */
struct loopback {
    int descriptor;
    int filler; /* LOOPBACK_SILENT: the connection that takes the only place */
    struct net_address address;
    unsigned port;
};

enum loopback_manner {
    LOOPBACK_LISTENING = 0, /* connections are taken */
    LOOPBACK_CLOSED,        /* connections are refused; the port stays ours */
    LOOPBACK_SILENT,        /* nobody answers */
};

/* family: AF_INET or AF_INET6. Fails the test when it cannot be done. */
struct loopback loopback_open(int family, enum loopback_manner manner);

/* The same for both families at one port. */
void loopback_open_both(struct loopback *ipv6, enum loopback_manner ipv6_manner,
                        struct loopback *ipv4, enum loopback_manner ipv4_manner);

void loopback_close(struct loopback *loopback);

/* The port that the connected descriptor leads to. */
unsigned loopback_peer_port(int descriptor);

#endif
