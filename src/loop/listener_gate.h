/* The inside of the gate that listener.h declares: connections counted in all, by address and by
 * prefix. From any thread. */
#ifndef LOOP_LISTENER_GATE_H
#define LOOP_LISTENER_GATE_H

#include <sys/socket.h>

#include "loop/listener.h"

struct gate_source;

/* What a connection that was let in gives back when it leaves. Zero: it was not. */
struct listener_gate_place {
    struct listener_gate *gate;
    struct gate_source *address; /* NULL for Unix sockets */
    struct gate_source *prefix;
};

/* False: *why says what is too much. */
bool listener_gate_enter(struct listener_gate *gate, const struct sockaddr_storage *address,
                         struct listener_gate_place *place, enum listener_refusal *why);

/* The connection no longer counts for its address and its prefix. */
void listener_gate_trust(struct listener_gate_place *place);

/* The place is zero again. */
void listener_gate_leave(struct listener_gate_place *place);

#endif
