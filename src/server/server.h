/* The server: takes a configuration, starts everything that it names, waits for signals, and ends
 * in order. One a process; made on the thread that the program began with, before there is another.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include "server/config.h"

enum {
    SERVER_GRACE = 30 * 1000 /* milliseconds for transactions in hand when the server ends */
};

struct server;

struct server_options {
    struct config *config; /* checked; borrowed for the call */
    bool is_dev;           /* `posthorn dev`: everybody may log in, every address is made */
    /* Domains that are made when the store has not got them; NULL-terminated, or NULL. */
    const char *const *domains;
};

/* Binds, gives up root, opens the store, starts to serve. From here on SIGHUP, SIGTERM and SIGINT
   wait for server_run. NULL: fault, whose message says what to do; if root was given up already the
   process had better end. */
struct server *server_new(const struct server_options *options, struct fault *fault);

/* Serves until SIGTERM or SIGINT, then stops accepting and gives what is in hand SERVER_GRACE; a
   second signal ends the process at once. SIGHUP reads the configuration again. */
void server_run(struct server *server);
void server_free(struct server *server); /* accepts NULL */

/* What is served, for people: the places of a listener's option in their order, NULL behind the
   last, with the ports that the system chose. */
const char *server_place(const struct server *server, enum config_id id, size_t index);
const char *server_store(const struct server *server);
const char *server_host_name(const struct server *server);
/* The certificate's file. */
const char *server_certificate(const struct server *server);

#endif
