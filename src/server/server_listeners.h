/* The listeners of a server: which protocol is spoken where, and what a session is told of it. */
#ifndef SERVER_SERVER_LISTENERS_H
#define SERVER_SERVER_LISTENERS_H

#include "loop/listener.h"
#include "server/config.h"
#include "session/pop3_locks.h"
#include "session/session_services.h"

struct server_listeners;

/* Binds every place of the configuration; for low ports, still as root. NULL: fault, which names
   the option and the place, and what to do. */
struct server_listeners *server_listeners_bind(const struct config *config, struct fault *fault);
void server_listeners_close(struct server_listeners *listeners); /* accepts NULL */

/* What all of them need. */
struct server_listeners_host {
    const struct config *config;
    struct session_services *services;
    struct loop_group *loops;
    struct listener_gate *gate;
    struct pop3_locks *locks;
    struct net_tls_context *tls;
    bool is_dev; /* logins in clear, also where other servers come in */
};

bool server_listeners_serve(struct server_listeners *listeners,
                            const struct server_listeners_host *host, struct fault *fault);

/* A new certificate for the connections to come. */
void server_listeners_change_tls(struct server_listeners *listeners, struct net_tls_context *tls);

size_t server_listeners_count(const struct server_listeners *listeners);
const char *server_listeners_place(const struct server_listeners *listeners, size_t index);
enum config_id server_listeners_option(const struct server_listeners *listeners, size_t index);

/* "smtp", "submission", "pop3s"... */
const char *server_listeners_protocol(enum config_id id);

#endif
