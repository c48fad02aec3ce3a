/* What all sessions share: the store, the workers, who may log in, the log, the limits. One struct,
 * owned by the server and borrowed by every session; the members are set before the first
 * connection and then only read. */
#ifndef SESSION_SESSION_SERVICES_H
#define SESSION_SESSION_SERVICES_H

#include "auth/auth_exchange.h"
#include "auth/auth_throttle.h"
#include "base/log.h"
#include "delivery/relay.h"
#include "delivery/route.h"
#include "loop/connection.h"
#include "imap/imap_server.h"
#include "loop/worker.h"
#include "pop3/pop3_server.h"
#include "smtp/smtp_server.h"
#include "store/store.h"
#include "store/store_sending.h"

enum {
    SESSION_HOPS_MAX = 50,         /* Received fields of a message: more is a loop (RFC 5321 6.3) */
    SESSION_FAULT_PACE = 60 * 1000 /* milliseconds between two log lines of the same trouble */
};

/* What may be changed while the server runs; 0 = the default of each. A connection keeps what stood
 * when it was opened. */
struct session_limits {
    unsigned account_sessions; /* IMAP sessions of one account; 0 = any number */
    struct smtp_server_limits outside;
    struct smtp_server_limits submission;
    struct smtp_server_limits lmtp;
    struct pop3_server_limits pop3;
    struct imap_server_limits imap;
    unsigned hops;                       /* SESSION_HOPS_MAX */
    struct store_sending_limits sending; /* of an account to far recipients, in an hour; 0 = any */
};

struct session_shared;
struct imap_searching_memory;

struct session_services {
    struct store *store;
    struct worker_pool *workers; /* each with a reader: session_services_open_reader */
    struct auth *auth;
    struct auth_throttle *throttle;
    struct log *log;                  /* NULL = none */
    const struct relay_table *relays; /* NULL = all far mail goes by MX */
    const char *name;                 /* of this host */
    const char *version;              /* of this program */
    bool is_dev; /* every address that is asked for is made, and everybody may send in
                    every name */

    struct session_shared *shared; /* by session_services_open */
};

/* Makes what the sessions share among themselves: the limits, a memory of routes for each loop of
 * the group, the paces of the log. `limits` NULL: the defaults. False: fault. */
bool session_services_open(struct session_services *services, struct loop_group *group,
                           const struct session_limits *limits, struct fault *fault);

/* When no session is left. The other members stay the server's. */
void session_services_close(struct session_services *services);

/* For the connections to come; from any thread. */
void session_services_change_limits(struct session_services *services,
                                    const struct session_limits *limits);

/* A copy of what stands now; from any thread. */
struct session_limits session_services_limits(struct session_services *services);

/* Mailboxes in whose way messages stood; from any thread. */
struct smtp_session_tight *session_services_tight(struct session_services *services);

/* The memory of routes of a loop of the group; that loop's thread only. */
struct route_memory *session_services_routes(struct session_services *services,
                                             const struct loop *loop);

/* What SORT and THREAD keep of mailboxes; from any thread. */
struct imap_searching_memory *session_services_orders(struct session_services *services);

/* For struct worker_options: every worker has a reader of the store (struct db *), NULL while none
 * can be had. The argument is the store. */
void *session_services_open_reader(void *store);
void session_services_close_reader(void *reader);

/* What can go wrong a thousand times a second, each with a pace of its own. */
enum session_trouble {
    SESSION_TROUBLE_READ = 0, /* the store cannot be read */
    SESSION_TROUBLE_WRITE,    /* nor written */
    SESSION_TROUBLE_DRAFT,    /* a body cannot be put down */
    SESSION_TROUBLE_MEMORY,
    SESSION_TROUBLE_COUNT
};

/* Logs it, once in SESSION_FAULT_PACE for each kind; from any thread. `session` is its id. */
void session_services_tell_trouble(struct session_services *services, enum session_trouble trouble,
                                   int64_t session, const struct fault *fault, int64_t now);

#endif
