/* The configuration's limits in the form that the rooms below know. */
#ifndef SERVER_SERVER_LIMITS_H
#define SERVER_SERVER_LIMITS_H

#include "loop/listener.h"
#include "server/config.h"
#include "session/session_services.h"

void server_limits_of_sessions(const struct config *config, struct session_limits *limits);

/* descriptors: how many may be open, which bounds the connections. */
void server_limits_of_listeners(const struct config *config, unsigned descriptors,
                                struct listener_limits *limits);

/* Threads: what the configuration says, else by the number of processors. */
unsigned server_limits_loops(const struct config *config);
unsigned server_limits_workers(const struct config *config);

#endif
