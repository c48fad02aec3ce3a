/* An IMAP session of the server: takes what the engine asks for to the services and brings the
 * answers back; keeps the selected mailbox in step with the store. */
#ifndef SESSION_IMAP_SESSION_H
#define SESSION_IMAP_SESSION_H

#include "loop/listener.h"
#include "session/session_services.h"

/* What a listener offers: the context of imap_session_listener_face, borrowed for as long as there
 * are connections. */
struct imap_session_service {
    struct session_services *services;
    enum listener_tls tls;
    bool allows_clear; /* logins without TLS */
};

/* For struct listener_service. */
extern const struct listener_face imap_session_listener_face;

#endif
