/* AUTH (RFC 4954): between the engine and session_login. */
#include <stdlib.h>

#include "session/smtp_session_inside.h"

void smtp_session_auth_forget(struct smtp_session *session)
{
    session_login_free(session->login);
    session->login = NULL;
    session->account = 0;
    free(session->login_name);
    session->login_name = NULL;
}

static void end_login(struct smtp_session *session)
{
    session_login_free(session->login);
    session->login = NULL;
}

static void accept_login(struct smtp_session *session, int64_t now)
{
    const struct store_account *account = session_login_account(session->login);
    session->login_name = strdup(account->login);
    if (session->login_name == NULL) {
        smtp_session_answer(session, 454, "4.7.0", "No memory for a login now", now);
        return;
    }
    session->account = account->id;
    smtp_server_authenticated(session->server, session_login_challenge(session->login), now);
}

void smtp_session_auth_answer(struct smtp_session *session, enum session_login_status status,
                              int64_t now)
{
    switch (status) {
    case SESSION_LOGIN_WAITS:
        return;
    case SESSION_LOGIN_CHALLENGE:
        smtp_server_challenge(session->server, session_login_challenge(session->login), now);
        return;
    case SESSION_LOGIN_ACCEPTED:
        accept_login(session, now);
        break;
    case SESSION_LOGIN_REFUSED:
        smtp_session_answer(session, 535, "5.7.8", "User or password is wrong", now);
        break;
    case SESSION_LOGIN_BROKEN:
        smtp_session_answer(session, 501, "5.5.2", "This is no message of the mechanism", now);
        break;
    case SESSION_LOGIN_NO_MECHANISM:
        smtp_session_answer(session, 504, "5.5.4", "There is no such mechanism here", now);
        break;
    case SESSION_LOGIN_UNAVAILABLE:
        smtp_session_answer(session, 454, "4.7.0", "Logins are not possible now, try again later",
                            now);
        break;
    }
    end_login(session);
}

void smtp_session_auth_told(struct loop_task *task)
{
    struct smtp_session *session =
        (struct smtp_session *)((char *)task - offsetof(struct smtp_session, login_told));
    int64_t now = loop_now(session->identity.loop);
    smtp_session_auth_answer(session, session_login_status(session->login), now);
    smtp_session_go_on(session, now);
}

void smtp_session_auth_begin(struct smtp_session *session, const struct smtp_server_event *event,
                             int64_t now)
{
    end_login(session);
    struct fault fault = {0};
    session->login =
        session_login_new(session->services, &session->identity, &session->login_told, &fault);
    if (session->login == NULL) {
        session_services_tell_trouble(session->services, SESSION_TROUBLE_MEMORY,
                                      session->identity.id, &fault, now);
        smtp_session_answer(session, 454, "4.7.0", "No memory for a login now", now);
        return;
    }
    struct sasl_server_place place =
        session_tls_place(session->services, session->tls, session->service->allows_clear);
    smtp_session_auth_answer(
        session,
        session_login_start(session->login, event->mechanism, &place, event->response, now), now);
}

void smtp_session_auth_respond(struct smtp_session *session, const struct smtp_server_event *event,
                               int64_t now)
{
    /* RFC 4954 4: "*" ends the exchange, also when the success was already on its way; the engine
       has said 501. */
    if (event->response.data == NULL || session->login == NULL) {
        smtp_session_auth_forget(session);
        return;
    }
    smtp_session_auth_answer(session, session_login_respond(session->login, event->response, now),
                             now);
}
