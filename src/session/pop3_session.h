/* A POP3 session of the server: takes what the engine asks for to the services (logins, the store)
 * and brings the answers back. */
#ifndef SESSION_POP3_SESSION_H
#define SESSION_POP3_SESSION_H

#include "loop/listener.h"
#include "session/pop3_locks.h"
#include "session/session_services.h"

/* What a listener offers: the context of pop3_session_listener_face, borrowed for as long as there
 * are connections. */
struct pop3_session_service {
    struct session_services *services;
    struct pop3_locks *locks; /* one for all listeners of the process */
    enum listener_tls tls;
    bool allows_clear; /* logins without TLS, USER and PLAIN among them */
};

/* For struct listener_service. */
extern const struct listener_face pop3_session_listener_face;

#endif
