/* The inside of a listener, for the one who binds it and the one who accepts. */
#ifndef LOOP_LISTENER_INSIDE_H
#define LOOP_LISTENER_INSIDE_H

#include <pthread.h>
#include <sys/types.h>
#include <uv.h>

#include "loop/listener.h"
#include "loop/loop_inside.h"

enum {
    LISTENER_PLACE_SIZE = 160, /* "unix:" and a socket's path, or an address and a port */
    LISTENER_BACKLOG = 1024,   /* connections that wait to be accepted; the kernel may allow less */
    LISTENER_TURN = 32,        /* connections accepted in one turn of the loop */
    LISTENER_PAUSE_MS = 100,   /* before accept is tried again when descriptors or memory are out */
};

struct listener {
    struct loop_member member; /* first */
    uv_poll_t *poll;           /* of its own, as the loop gives it back later; NULL = not served */
    int descriptor;
    int reserve; /* given up for a moment to turn connections away when descriptors are out */
    char place[LISTENER_PLACE_SIZE];
    unsigned port;
    const char *path; /* in place; NULL unless it is a Unix socket */
    dev_t device;     /* of the socket's file */
    ino_t inode;
    struct loop_group *group;
    unsigned turn;         /* the loop that had the last connection */
    pthread_mutex_t mutex; /* for service.context */
    struct listener_service service;
    struct connection_patience patience;
};

#endif
