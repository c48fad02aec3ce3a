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

/* family: AF_INET or AF_INET6. port 0: any. Fails the test when it cannot be done. */
struct loopback loopback_open(int family, unsigned port, enum loopback_manner manner);
void loopback_close(struct loopback *loopback);

/* The port that the connected descriptor leads to. */
unsigned loopback_peer_port(int descriptor);

#endif
