/* The dialogue of an outbound session: what the engine tells, and what is said next. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "delivery/outbound_session_inside.h"

size_t outbound_session_dialogue_unfinished(const struct outbound_session *session)
{
    size_t count = 0;
    for (size_t i = 0; i < session->transit_count; i++)
        count += !session->transits[i]->is_ended;
    return count;
}

bool outbound_session_dialogue_is_used_up(const struct outbound_session *session)
{
    uint64_t most = smtp_client_capabilities(session->client)->messages_max;
    return most != 0 && session->letter_count >= most;
}

/* ---- trouble ---- */

static enum reply_judge_phase phase_of(enum outbound_session_step step)
{
    switch (step) {
    case OUTBOUND_SESSION_GREETS:
        return REPLY_JUDGE_GREETING;
    case OUTBOUND_SESSION_SAYS_HELLO:
        return REPLY_JUDGE_HELLO;
    case OUTBOUND_SESSION_STARTS_TLS:
        return REPLY_JUDGE_TLS;
    case OUTBOUND_SESSION_LOGS_IN:
        return REPLY_JUDGE_LOGIN;
    case OUTBOUND_SESSION_IS_READY:
        break;
    }
    return REPLY_JUDGE_LOST;
}

/* What came first is why; the rest follows from it. */
static struct outbound_session_trouble *note_trouble(struct outbound_session *session,
                                                     enum reply_judge_phase phase, const char *text)
{
    struct outbound_session_trouble *trouble = &session->trouble;
    if (trouble->is_noted)
        return NULL;
    *trouble = (struct outbound_session_trouble){
        .is_noted = true, .is_ours = session->is_ours, .phase = phase};
    snprintf(trouble->text, sizeof trouble->text, "%s", text);
    session->is_tls_failure = phase == REPLY_JUDGE_TLS;
    return trouble;
}

static void note_error(struct outbound_session *session, const struct ph_error *error)
{
    struct outbound_session_trouble *trouble =
        note_trouble(session, phase_of(session->step), error->message);
    if (trouble == NULL)
        return;
    trouble->code = error->reply_code;
    memcpy(trouble->enhanced, error->reply_enhanced, sizeof trouble->enhanced);
    memcpy(trouble->reply_text, error->reply_text, sizeof trouble->reply_text);
}

/* ---- the dialogue ---- */

static void say_goodbye(struct outbound_session *session)
{
    int64_t now = loop_now(session->loop);
    if (session->is_quitting)
        return;
    session->is_quitting = true;
    if (!smtp_client_quit(session->client, now, NULL))
        session->wants_close = true;
    if (outbound_session_dialogue_unfinished(session) == 0)
        session->quit_by = now + OUTBOUND_SESSION_QUIT_PATIENCE;
}

/* It goes on no further, for a reason of the engine or of ours. */
static void give_up(struct outbound_session *session, const struct ph_error *error)
{
    note_error(session, error);
    say_goodbye(session);
}

static void give_up_saying(struct outbound_session *session, enum reply_judge_phase phase,
                           const char *text)
{
    note_trouble(session, phase, text);
    say_goodbye(session);
}

static void say_hello(struct outbound_session *session, enum outbound_session_step step)
{
    struct ph_error error;
    session->step = step;
    if (!smtp_client_hello(session->client, PH_HELLO_AUTOMATIC, NULL, loop_now(session->loop),
                           &error))
        give_up(session, &error);
}

static void become_ready(struct outbound_session *session)
{
    session->step = OUTBOUND_SESSION_IS_READY;
    session->has_ready = true;
}

static bool is_loopback(const struct net_address *address)
{
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    memcpy(&ipv4, &address->storage, sizeof ipv4);
    memcpy(&ipv6, &address->storage, sizeof ipv6);
    switch (address->storage.ss_family) {
    case AF_INET:
        return ntohl(ipv4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    case AF_INET6:
        return IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
    default:
        return address->storage.ss_family == AF_UNIX;
    }
}

static void log_in(struct outbound_session *session)
{
    const struct relay *relay = session->plan->relay;
    struct ph_error error;
    session->step = OUTBOUND_SESSION_LOGS_IN;
    bool is_near = is_loopback(&session->plan->place->address);
    if (session->tls_version[0] == '\0' && !is_near) {
        give_up_saying(session, REPLY_JUDGE_LOGIN, "a login would go in clear, without TLS");
        return;
    }
    session->login = (struct ph_login){
        .user = relay->user, .password = relay->password, .allow_cleartext = is_near};
    if (!smtp_client_login(session->client, &session->login, loop_now(session->loop), &error))
        give_up(session, &error);
}

static void go_on_without_tls(struct outbound_session *session)
{
    if (session->plan->relay->user != NULL)
        log_in(session);
    else
        become_ready(session);
}

static bool may_be_clear(const struct outbound_session *session)
{
    enum relay_tls tls = session->plan->relay->tls;
    return tls == RELAY_TLS_OPPORTUNISTIC || tls == RELAY_TLS_NONE;
}

/* TLS was asked for and refused, or is not there at all. */
static void miss_tls(struct outbound_session *session, const struct ph_error *error)
{
    if (may_be_clear(session))
        go_on_without_tls(session);
    else
        give_up(session, error);
}

static bool wants_starttls(const struct outbound_session *session)
{
    enum relay_tls tls = session->plan->relay->tls;
    return session->tls_version[0] == '\0' && tls != RELAY_TLS_NONE &&
           !(session->plan->is_clear && may_be_clear(session));
}

static void hear_hello(struct outbound_session *session)
{
    struct ph_error error;
    if (!wants_starttls(session)) {
        go_on_without_tls(session);
        return;
    }
    session->step = OUTBOUND_SESSION_STARTS_TLS;
    if (!smtp_client_starttls(session->client, loop_now(session->loop), &error))
        miss_tls(session, &error);
}

static void hear_refusal(struct outbound_session *session, const struct ph_event *event)
{
    if (event->operation == PH_OPERATION_STARTTLS && !event->is_closed)
        miss_tls(session, event->error);
    else if (event->operation != PH_OPERATION_QUIT)
        give_up(session, event->error);
}

static void hear_done(struct outbound_session *session, const struct ph_event *event)
{
    if (event->error->kind != PH_OK) {
        hear_refusal(session, event);
        return;
    }
    if (session->is_quitting)
        return;
    switch (event->operation) {
    case PH_OPERATION_GREETING:
    case PH_OPERATION_STARTTLS:
        say_hello(session, OUTBOUND_SESSION_SAYS_HELLO);
        break;
    case PH_OPERATION_HELLO:
        hear_hello(session);
        break;
    case PH_OPERATION_LOGIN:
        become_ready(session);
        break;
    default:
        break;
    }
}

/* ---- letters ---- */

static void hear_letter_ended(struct outbound_session *session, const struct ph_event *event)
{
    /* A body that we cannot read is nobody's fault there. */
    if (event->is_closed && event->error->kind == PH_ERROR_BODY)
        session->is_ours = true;
    if (event->is_closed && event->error->kind != PH_OK)
        note_error(session, event->error);
    if (outbound_session_dialogue_unfinished(session) > 0)
        return;
    if (session->is_quitting)
        session->quit_by = loop_now(session->loop) + OUTBOUND_SESSION_QUIT_PATIENCE;
    else if (outbound_session_dialogue_is_used_up(session))
        say_goodbye(session);
}

/* What is at hand of the body goes at once; the rest is asked for. */
static void supply_body(struct outbound_session *session, struct outbound_session_transit *transit)
{
    struct bytes first = transit->letter->first;
    if (transit->given > 0 || first.length == 0) {
        transit->wants_body = true;
        return;
    }
    transit->given = first.length;
    smtp_client_body(session->client, first.data, first.length, false, loop_now(session->loop));
}

static void hear_letter(struct outbound_session *session, const struct ph_event *event)
{
    struct outbound_session_transit *transit =
        (struct outbound_session_transit *)(uintptr_t)event->transaction;
    if (event->kind == PH_EVENT_BODY_WANTED) {
        supply_body(session, transit);
        return;
    }
    outbound_session_letter_hear(transit, event);
    if (event->kind == PH_EVENT_DONE) {
        transit->wants_body = false;
        hear_letter_ended(session, event);
    }
}

/* Hears all that the engine has to tell. */
void outbound_session_dialogue_hear(struct outbound_session *session)
{
    struct ph_event event;
    while (smtp_client_next(session->client, &event)) {
        if (event.kind == PH_EVENT_TLS_WANTED)
            session->wants_tls = true;
        else if (event.operation == PH_OPERATION_TRANSACTION)
            hear_letter(session, &event);
        else if (event.kind == PH_EVENT_DONE)
            hear_done(session, &event);
    }
}

static void note_lost_connection(struct outbound_session *session)
{
    const struct connector_trouble *connector = &session->connector;
    if (connector->fault.kind == FAULT_NONE)
        return;
    if (connector->step == CONNECTOR_CONNECTS)
        note_trouble(session, REPLY_JUDGE_CONNECT, connector->fault.message);
    else if (connector->step == CONNECTOR_HANDSHAKES)
        note_trouble(session, REPLY_JUDGE_TLS, connector->fault.message);
}

void outbound_session_dialogue_end(struct outbound_session *session, enum engine_end how,
                                   int64_t now)
{
    bool was_idle = session->letter_count > 0 && outbound_session_dialogue_unfinished(session) == 0;
    session->is_ours |=
        how == ENGINE_END_STOP ||
        (session->is_quitting && outbound_session_dialogue_unfinished(session) == 0);
    if (session->is_ours)
        note_trouble(session, phase_of(session->step), "we closed the connection");
    else
        note_lost_connection(session);
    smtp_client_end_of_input(
        session->client, session->is_ours ? ECANCELED : session->connector.fault.system_error, now);
    outbound_session_dialogue_hear(session);
    session->is_ended = true;
    session->is_orderly = session->trouble.is_noted ? session->trouble.is_ours : was_idle;
    note_trouble(session, phase_of(session->step), "the host closed the connection");
}

/* Nothing is lost with a session that is not ready: it need not end in words. */
void outbound_session_dialogue_quit(struct outbound_session *session)
{
    if (session->step == OUTBOUND_SESSION_IS_READY) {
        say_goodbye(session);
    } else {
        session->is_quitting = true;
        session->wants_close = true;
    }
    outbound_session_dialogue_hear(session);
}
