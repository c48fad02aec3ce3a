/* An SMTP, submission or LMTP session of the server: takes what the engine asks for to the services
 * (logins, routes, the store) and brings the answers back. */
#ifndef SESSION_SMTP_SESSION_H
#define SESSION_SMTP_SESSION_H

#include "loop/listener.h"
#include "session/session_services.h"

enum smtp_session_kind {
    SMTP_SESSION_OUTSIDE = 0, /* port 25: anybody, to addresses here only */
    SMTP_SESSION_SUBMISSION,  /* RFC 6409: who is logged in, in a name of his own */
    SMTP_SESSION_LMTP         /* RFC 2033: an answer for each recipient */
};

/* What a listener offers: the context of smtp_session_listener_face, borrowed for as long as there
 * are connections. */
struct smtp_session_service {
    struct session_services *services;
    enum smtp_session_kind kind;
    enum listener_tls tls;
    bool needs_tls;     /* MAIL and AUTH ask for STARTTLS first */
    bool allows_clear;  /* logins without TLS, PLAIN among them */
    bool offers_logins; /* AUTH; a submission has it in any case, LMTP never */
};

/* For struct listener_service. */
extern const struct listener_face smtp_session_listener_face;

#endif
