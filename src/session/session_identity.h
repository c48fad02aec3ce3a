/* Who a session is and whom it serves. */
#ifndef SESSION_SESSION_IDENTITY_H
#define SESSION_SESSION_IDENTITY_H

#include "session/session_services.h"

/* For logs and throttling. Embedded in the session. */
struct session_identity {
    int64_t id;
    const char *protocol; /* "smtp", "submission", "lmtp", "pop3", "imap"; static */
    struct loop *loop;
    char peer[CONNECTION_TEXT_SIZE];   /* "192.0.2.1" */
    char prefix[CONNECTION_TEXT_SIZE]; /* "192.0.2.0/24", "2001:db8:1::/48", "" for a Unix socket */
};

/* Makes an id and copies what it needs of the peer. */
void session_identity_init(struct session_identity *identity, struct session_services *services,
                           const char *protocol, struct connection *connection,
                           const struct connection_peer *peer);

/* Begins a log line with session=, and the protocol in front of the event's name:
 * "smtp.connected" for "connected". */
void session_identity_log(const struct session_identity *identity,
                          struct session_services *services, enum log_level level,
                          const char *event, struct log_line *line);

/* Why a connection ended, for its last log line: what the engine gave as the reason of a close, or
 * what befell it. Static. */
const char *session_identity_reason(enum engine_end how, const char *reason);

#endif
