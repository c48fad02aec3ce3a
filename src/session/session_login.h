/* One login of a session: SASL or user and password, worked out by workers and slowed down after
 * failures, without ever blocking the loop. It may outlive its session: what a worker still has in
 * hand is freed when it comes back. Loop's thread only. */
#ifndef SESSION_SESSION_LOGIN_H
#define SESSION_SESSION_LOGIN_H

#include "session/session_identity.h"
#include "session/session_tls.h"

enum session_login_status {
    SESSION_LOGIN_WAITS = 0,    /* for a worker, or for time to pass */
    SESSION_LOGIN_CHALLENGE,    /* send session_login_challenge, bring the response */
    SESSION_LOGIN_ACCEPTED,     /* session_login_account; the challenge goes with the success */
    SESSION_LOGIN_REFUSED,      /* 535 5.7.8; -ERR [AUTH] */
    SESSION_LOGIN_BROKEN,       /* 501 5.5.2: the client's message is none */
    SESSION_LOGIN_NO_MECHANISM, /* 504 5.5.4 */
    SESSION_LOGIN_UNAVAILABLE   /* 454 4.7.0; -ERR [SYS/TEMP] */
};

struct session_login;

/* `told` is embedded in the session. Its `run` is called on the loop's thread, from outside any
 * call of the session's face, each time a worker is done: the session asks session_login_status,
 * answers if it is not SESSION_LOGIN_WAITS, and resumes its connection in every case (the deadline
 * may have changed). Services and identity are borrowed until session_login_free; what a worker
 * needs afterwards is copied. NULL: out of memory. */
struct session_login *session_login_new(struct session_services *services,
                                        const struct session_identity *identity,
                                        struct loop_task *told, struct fault *fault);

/* Wipes; accepts NULL. At any time: with a worker at it `told` is not called any more, and the rest
 * is freed when the worker comes back. */
void session_login_free(struct session_login *login);

/* The first step; once for each login. `response` data NULL: no initial response. Everything is
 * copied. What comes back at once is mostly SESSION_LOGIN_WAITS. */
enum session_login_status session_login_start(struct session_login *login, struct bytes mechanism,
                                              const struct sasl_server_place *place,
                                              struct bytes response, int64_t now);
enum session_login_status session_login_start_plain(struct session_login *login, struct bytes user,
                                                    struct bytes password, int64_t now);

/* The response to a challenge. */
enum session_login_status session_login_respond(struct session_login *login, struct bytes response,
                                                int64_t now);

/* When session_login_tick must be called; ENGINE_NEVER = not at all. The session's own deadline is
 * the earlier of the two. */
int64_t session_login_deadline(const struct session_login *login);
enum session_login_status session_login_tick(struct session_login *login, int64_t now);

enum session_login_status session_login_status(const struct session_login *login);

/* Borrowed until the next call. */
struct bytes session_login_challenge(const struct session_login *login);
const struct store_account *session_login_account(const struct session_login *login);

#endif
