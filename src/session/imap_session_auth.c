/* LOGIN and AUTHENTICATE. */
#include "session/imap_session_inside.h"

#include <stdlib.h>

void imap_session_auth_end(struct imap_session *session)
{
    session_login_free(session->login);
    session->login = NULL;
}

static void refuse_login(struct imap_session *session, enum imap_status status, struct bytes code,
                         const char *text, int64_t now)
{
    imap_session_auth_end(session);
    imap_server_finish(session->engine, status, code, text, now);
}

/* False: it was refused. */
static bool begin_presence(struct imap_session *session, int64_t now)
{
    struct fault fault;
    session->presence = session_presence_begin(
        session->services, &session->identity, session_login_account(session->login)->id,
        session_services_limits(session->services).account_sessions, &session->account_gone,
        &fault);
    if (session->presence != NULL)
        return true;
    if (fault.kind == FAULT_LIMIT) {
        struct log_line line;
        session_identity_log(&session->identity, session->services, LOG_LEVEL_WARNING,
                             "too-many-sessions", &line);
        log_string(&line, "user", session_login_account(session->login)->login);
        log_end(&line);
        /* RFC 5530 3 */
        refuse_login(session, IMAP_NO, BYTES("LIMIT"), "Too many sessions of this account", now);
    } else {
        imap_session_auth_end(session);
        imap_session_refuse_memory(session, &fault, now);
    }
    return false;
}

static void accept_login(struct imap_session *session, int64_t now)
{
    struct fault fault;
    if (!begin_presence(session, now))
        return;
    connection_trust(session->connection);
    session->account = malloc(sizeof *session->account);
    if (session->account == NULL) {
        fault_set_memory(&fault);
        imap_session_auth_end(session);
        imap_session_refuse_memory(session, &fault, now);
        return;
    }
    *session->account = *session_login_account(session->login);
    session->context.account = session->account;
    imap_server_login_done(session->engine, session_login_challenge(session->login), now);
    imap_session_auth_end(session);
}

static void hear_login(struct imap_session *session, enum session_login_status status, int64_t now)
{
    switch (status) {
    case SESSION_LOGIN_WAITS:
        return;
    case SESSION_LOGIN_CHALLENGE:
        imap_server_login_challenge(session->engine, session_login_challenge(session->login), now);
        return;
    case SESSION_LOGIN_ACCEPTED:
        accept_login(session, now);
        return;
    /* RFC 5530 3. */
    case SESSION_LOGIN_REFUSED:
        refuse_login(session, IMAP_NO, BYTES("AUTHENTICATIONFAILED"), "Wrong user or password",
                     now);
        return;
    case SESSION_LOGIN_BROKEN:
        refuse_login(session, IMAP_BAD, BYTES("CLIENTBUG"), "That is no message of the mechanism",
                     now);
        return;
    case SESSION_LOGIN_NO_MECHANISM:
        refuse_login(session, IMAP_NO, BYTES("CANNOT"), "No such mechanism here", now);
        return;
    case SESSION_LOGIN_UNAVAILABLE:
        refuse_login(session, IMAP_NO, BYTES("UNAVAILABLE"), "Try again later", now);
        return;
    }
}

static bool make_login(struct imap_session *session, int64_t now)
{
    struct fault fault;
    imap_session_auth_end(session);
    session->login =
        session_login_new(session->services, &session->identity, &session->login_told, &fault);
    if (session->login == NULL)
        imap_session_refuse_memory(session, &fault, now);
    return session->login != NULL;
}

void imap_session_auth_begin_login(struct imap_session *session,
                                   const struct imap_server_event *event, int64_t now)
{
    if (make_login(session, now))
        hear_login(session,
                   session_login_start_plain(session->login, event->user, event->password, now),
                   now);
}

void imap_session_auth_begin(struct imap_session *session, const struct imap_server_event *event,
                             int64_t now)
{
    if (!make_login(session, now))
        return;
    struct sasl_server_place place =
        session_tls_place(session->services, session->tls, session->service->allows_clear);
    hear_login(session,
               session_login_start(session->login, event->mechanism, &place, event->response, now),
               now);
}

void imap_session_auth_respond(struct imap_session *session, struct bytes response, int64_t now)
{
    if (response.data == NULL)
        imap_session_auth_end(session);
    else
        hear_login(session, session_login_respond(session->login, response, now), now);
}

void imap_session_auth_tick(struct imap_session *session, int64_t now)
{
    hear_login(session, session_login_tick(session->login, now), now);
}

void imap_session_auth_told(struct loop_task *task)
{
    struct imap_session *session =
        (struct imap_session *)((char *)task - offsetof(struct imap_session, login_told));
    int64_t now = loop_now(session->identity.loop);
    hear_login(session, session_login_status(session->login), now);
    imap_session_go_on(session, now);
    connection_resume(session->connection);
}

void imap_session_auth_gone(struct loop_task *task)
{
    struct imap_session *session =
        (struct imap_session *)((char *)task - offsetof(struct imap_session, account_gone));
    int64_t now = loop_now(session->identity.loop);
    /* RFC 5530 3 */
    imap_server_bye(session->engine, "CONTACTADMIN", "The account was removed or disabled", now);
    imap_session_go_on(session, now);
    connection_resume(session->connection);
}
