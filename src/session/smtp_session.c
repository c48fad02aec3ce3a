/* The face that the connection sees: bytes and times for the engine, its events for the siblings
 * of this file, which answer at once or when a job is back. */
#include "session/smtp_session.h"

#include <stdlib.h>

#include "session/smtp_session_inside.h"

static void free_session(struct smtp_session *session)
{
    smtp_session_envelope_free(session->message);
    smtp_server_free(session->server);
    session_login_free(session->login);
    free(session->tls);
    free(session->mechanisms);
    free(session->hello);
    free(session->login_name);
    free(session);
}

/* ---- events ---- */

void smtp_session_answer(struct smtp_session *session, int code, const char *enhanced,
                         const char *text, int64_t now)
{
    struct smtp_server_reply reply = {.code = code, .enhanced = enhanced, .text = text};
    smtp_server_answer(session->server, &reply, now);
}

static void hear_hello(struct smtp_session *session, const struct smtp_server_event *event)
{
    free(session->hello);
    session->hello = strndup(event->name.data == NULL ? "" : event->name.data,
                             event->name.length < SMTP_SESSION_HELLO_MAX ? event->name.length
                                                                         : SMTP_SESSION_HELLO_MAX);
    session->is_extended = event->is_extended;
}

static void hear_event(struct smtp_session *session, const struct smtp_server_event *event,
                       int64_t now)
{
    switch (event->kind) {
    case SMTP_SERVER_HELLO:
        hear_hello(session, event);
        return;
    case SMTP_SERVER_TLS_WANTED:
        session->wants_tls = true;
        return;
    case SMTP_SERVER_AUTH:
        smtp_session_auth_begin(session, event, now);
        return;
    case SMTP_SERVER_AUTH_RESPONSE:
        smtp_session_auth_respond(session, event, now);
        return;
    case SMTP_SERVER_MAIL:
        smtp_session_envelope_hear_mail(session, event, now);
        return;
    case SMTP_SERVER_RCPT:
        smtp_session_envelope_hear_rcpt(session, event, now);
        return;
    case SMTP_SERVER_BODY:
        smtp_session_body_hear(session, event->piece, now);
        return;
    case SMTP_SERVER_END:
        smtp_session_delivery_begin(session, now);
        return;
    case SMTP_SERVER_REFUSED_BODY:
    case SMTP_SERVER_RESET:
        smtp_session_envelope_drop(session);
        return;
    case SMTP_SERVER_CLOSED:
        session->reason = event->reason;
        return;
    }
}

void smtp_session_hear(struct smtp_session *session, int64_t now)
{
    struct smtp_server_event event;
    while (smtp_server_next(session->server, &event))
        hear_event(session, &event, now);
}

bool smtp_session_is_back(struct smtp_session *session)
{
    session->busy = SMTP_SESSION_FREE;
    if (session->connection != NULL)
        return true;
    free_session(session);
    return false;
}

void smtp_session_go_on(struct smtp_session *session, int64_t now)
{
    smtp_session_hear(session, now);
    connection_resume(session->connection);
}

/* ---- the face ---- */

static bool is_waiting(const struct smtp_session *session)
{
    return session->busy != SMTP_SESSION_FREE || smtp_server_is_answer_owed(session->server);
}

static size_t feed(void *engine, struct bytes in, int64_t now)
{
    struct smtp_session *session = engine;
    size_t used = 0;
    while (used < in.length && !is_waiting(session) && !session->wants_tls) {
        size_t taken = smtp_server_feed(session->server, bytes_skip(in, used), now);
        smtp_session_hear(session, now);
        /* What a slice borrowed from `in` is in the draft now. */
        smtp_session_body_spill_if_full(session);
        if (taken == 0)
            break;
        used += taken;
    }
    return used;
}

static enum engine_wish wish(const void *engine)
{
    const struct smtp_session *session = engine;
    if (session->is_broken)
        return ENGINE_WANTS_CLOSE;
    if (is_waiting(session))
        return ENGINE_WAITS;
    if (smtp_server_is_closed(session->server))
        return ENGINE_WANTS_CLOSE;
    if (session->wants_tls)
        return ENGINE_WANTS_TLS;
    return smtp_server_wants_input(session->server) ? ENGINE_WANTS_INPUT : ENGINE_WAITS;
}

static struct bytes output(void *engine, int64_t now)
{
    (void)now;
    const struct smtp_session *session = engine;
    return smtp_server_output(session->server);
}

static void sent(void *engine, size_t count, int64_t now)
{
    struct smtp_session *session = engine;
    smtp_server_sent(session->server, count, now);
}

static bool has_logins(const struct smtp_session *session)
{
    const struct smtp_session_service *service = session->service;
    return service->kind == SMTP_SESSION_SUBMISSION ||
           (service->kind == SMTP_SESSION_OUTSIDE && service->offers_logins);
}

/* What AUTH offers now; false: out of memory. */
static bool make_mechanisms(struct smtp_session *session)
{
    free(session->mechanisms);
    bool are_offered =
        has_logins(session) && (session->tls != NULL || session->service->allows_clear);
    session->mechanisms = are_offered ? session_tls_mechanisms(session->services, session->tls,
                                                               session->service->allows_clear)
                                      : strdup("");
    return session->mechanisms != NULL;
}

static void tls_started(void *engine, const struct engine_tls *facts, int64_t now)
{
    struct smtp_session *session = engine;
    session->wants_tls = false;
    /* RFC 3207 4.2: what was said in clear is forgotten. */
    free(session->hello);
    session->hello = NULL;
    smtp_session_envelope_drop(session);
    smtp_session_auth_forget(session);
    free(session->tls);
    session->tls = session_tls_new(facts);
    if (session->tls == NULL || !make_mechanisms(session)) {
        session->is_broken = true;
        return;
    }
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "tls", &line);
    log_string(&line, "version", session->tls->version);
    log_string(&line, "cipher", session->tls->cipher);
    log_end(&line);
    smtp_server_tls_started(session->server, session->mechanisms, now);
    smtp_session_hear(session, now);
}

static int64_t deadline(const void *engine)
{
    const struct smtp_session *session = engine;
    if (session->busy != SMTP_SESSION_FREE || session->is_broken)
        return ENGINE_NEVER;
    if (session->login != NULL && smtp_server_is_answer_owed(session->server))
        return session_login_deadline(session->login);
    return smtp_server_deadline(session->server);
}

static void tick(void *engine, int64_t now)
{
    struct smtp_session *session = engine;
    if (session->busy != SMTP_SESSION_FREE || session->is_broken)
        return;
    if (session->login != NULL && smtp_server_is_answer_owed(session->server))
        smtp_session_auth_answer(session, session_login_tick(session->login, now), now);
    else
        smtp_server_tick(session->server, now);
    smtp_session_hear(session, now);
}

static void stop(void *engine, int64_t now)
{
    struct smtp_session *session = engine;
    smtp_server_stop(session->server, now);
    smtp_session_hear(session, now);
}

static void log_closed(const struct smtp_session *session, enum engine_end how)
{
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "closed", &line);
    log_string(&line, "reason", session_identity_reason(how, session->reason));
    log_number(&line, "kept", (int64_t)session->kept);
    log_end(&line);
}

static void end(void *engine, enum engine_end how, int64_t now)
{
    (void)now;
    struct smtp_session *session = engine;
    log_closed(session, how);
    session->connection = NULL;
    session_login_free(session->login);
    session->login = NULL;
    if (session->busy == SMTP_SESSION_FREE) {
        free_session(session);
        return;
    }
    smtp_server_free(session->server);
    session->server = NULL;
    if (session->busy != SMTP_SESSION_LOOKS_UP)
        smtp_session_body_abandon(session->message);
}

/* ---- birth ---- */

static const char *protocol_of(enum smtp_session_kind kind)
{
    static const char *const names[] = {
        [SMTP_SESSION_OUTSIDE] = "smtp",
        [SMTP_SESSION_SUBMISSION] = "submission",
        [SMTP_SESSION_LMTP] = "lmtp",
    };
    return names[kind];
}

static struct smtp_server *new_server(struct smtp_session *session, int64_t now,
                                      struct fault *fault)
{
    const struct smtp_session_service *service = session->service;
    struct session_limits limits = session_services_limits(session->services);
    session->hops = limits.hops;
    session->sending_limits = limits.sending;
    struct smtp_server_options options = {
        .name = session->services->name,
        .peer = session->identity.peer,
        .is_lmtp = service->kind == SMTP_SESSION_LMTP,
        .is_submission = service->kind == SMTP_SESSION_SUBMISSION,
        .has_tls_at_hand = service->tls == LISTENER_STARTTLS,
        .needs_tls = service->needs_tls && service->tls != LISTENER_CLEAR,
        .is_implicit_tls = service->tls == LISTENER_IMPLICIT,
        .mechanisms = session->mechanisms,
        .limits = service->kind == SMTP_SESSION_LMTP         ? limits.lmtp
                  : service->kind == SMTP_SESSION_SUBMISSION ? limits.submission
                                                             : limits.outside,
    };
    return smtp_server_new(&options, now, fault);
}

static void *open_session(void *context, struct connection *connection,
                          const struct connection_peer *peer, int64_t now)
{
    const struct smtp_session_service *service = context;
    struct smtp_session *session = calloc(1, sizeof(*session));
    struct fault fault = {0};
    if (session == NULL) {
        fault_set_memory(&fault);
        session_services_tell_trouble(service->services, SESSION_TROUBLE_MEMORY, 0, &fault, now);
        return NULL;
    }
    session->service = service;
    session->services = service->services;
    session->connection = connection;
    session->login_told.run = smtp_session_auth_told;
    session_identity_init(&session->identity, session->services, protocol_of(service->kind),
                          connection, peer);
    if (!make_mechanisms(session))
        fault_set_memory(&fault);
    else
        session->server = new_server(session, now, &fault);
    if (session->server == NULL) {
        session_services_tell_trouble(session->services, SESSION_TROUBLE_MEMORY,
                                      session->identity.id, &fault, now);
        free_session(session);
        return NULL;
    }
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "connected", &line);
    log_string(&line, "peer", peer->text);
    log_number(&line, "port", peer->port);
    log_number(&line, "local_port", peer->local_port);
    log_end(&line);
    return session;
}

static struct bytes refuse(void *context, enum listener_refusal why)
{
    (void)context;
    switch (why) {
    case LISTENER_TOO_MANY:
        return BYTES("421 4.3.2 Too many connections, try again later\r\n");
    case LISTENER_TOO_MANY_FROM_ADDRESS:
        return BYTES("421 4.7.0 Too many connections from your address\r\n");
    case LISTENER_TOO_MANY_FROM_PREFIX:
        return BYTES("421 4.7.0 Too many connections from your network\r\n");
    }
    return BYTES("421 4.3.2 Try again later\r\n");
}

static const struct engine_face face = {
    .feed = feed,
    .wish = wish,
    .output = output,
    .sent = sent,
    .tls_started = tls_started,
    .deadline = deadline,
    .tick = tick,
    .stop = stop,
    .end = end,
};

const struct listener_face smtp_session_listener_face = {
    .open = open_session,
    .engine = &face,
    .refuse = refuse,
};
