/* One connection: bytes go to the engine, its events to the services, their answers back. One
 * command is in hand at a time; while something is awaited for it nothing is taken. */
#include "session/imap_session_inside.h"

#include <stdlib.h>

void imap_session_refuse_memory(struct imap_session *session, const struct fault *fault,
                                int64_t now)
{
    session_services_tell_trouble(session->services, SESSION_TROUBLE_MEMORY, session->identity.id,
                                  fault, now);
    imap_server_finish(session->engine, IMAP_NO, BYTES("UNAVAILABLE"), "Try again later", now);
}

/* ---- events ---- */

static void hear_event(struct imap_session *session, const struct imap_server_event *event,
                       int64_t now)
{
    switch (event->kind) {
    case IMAP_SERVER_TLS_WANTED:
    case IMAP_SERVER_COMPRESS:
        return;
    case IMAP_SERVER_LOGIN:
        imap_session_auth_begin_login(session, event, now);
        return;
    case IMAP_SERVER_AUTH:
        imap_session_auth_begin(session, event, now);
        return;
    case IMAP_SERVER_AUTH_RESPONSE:
        imap_session_auth_respond(session, event->response, now);
        return;
    case IMAP_SERVER_COMMAND:
        imap_session_command_begin(session, event->command, now);
        return;
    case IMAP_SERVER_APPEND:
        imap_session_append_begin(session, event, now);
        return;
    case IMAP_SERVER_APPEND_PIECE:
        imap_session_append_piece(session, event->piece, false, now);
        return;
    case IMAP_SERVER_APPEND_END:
        imap_session_append_piece(session, BYTES(""), true, now);
        return;
    case IMAP_SERVER_APPEND_DONE:
        imap_session_append_finish(session, now);
        return;
    case IMAP_SERVER_APPEND_BROKEN:
        imap_session_command_drop(session);
        return;
    case IMAP_SERVER_IDLE:
        imap_session_idle_begin(session, now);
        return;
    case IMAP_SERVER_IDLE_DONE:
        imap_session_idle_end(session, now);
        return;
    case IMAP_SERVER_CLOSED:
        session->reason = event->reason;
        return;
    }
}

void imap_session_go_on(struct imap_session *session, int64_t now)
{
    struct imap_server_event event;
    while (!session->is_waiting) {
        if (session->step != IMAP_SESSION_RESTS) {
            if (!imap_session_command_step(session, now))
                return;
        } else if (session->has_idle_news && !imap_server_is_full(session->engine)) {
            imap_session_idle_go_on(session, now);
        } else if (imap_server_next(session->engine, &event)) {
            hear_event(session, &event, now);
        } else if (session->layer == NULL || !imap_session_compress_feed_engine(session, now)) {
            return;
        }
    }
}

/* ---- what comes back ---- */

static void told(struct loop_task *task)
{
    struct imap_session *session =
        (struct imap_session *)((char *)task - offsetof(struct imap_session, told));
    session->is_waiting = false;
    imap_session_go_on(session, loop_now(session->identity.loop));
    connection_resume(session->connection);
}

static void hear_news(struct loop_task *task)
{
    struct imap_session *session =
        (struct imap_session *)((char *)task - offsetof(struct imap_session, news));
    session->has_idle_news = session->is_idling;
    imap_session_go_on(session, loop_now(session->identity.loop));
    connection_resume(session->connection);
}

/* ---- the face ---- */

static size_t feed(void *engine, struct bytes in, int64_t now)
{
    struct imap_session *session = engine;
    if (session->layer != NULL)
        return imap_session_compress_feed(session, in, now);
    size_t taken = 0;
    for (;;) {
        size_t count = imap_server_feed(session->engine, bytes_skip(in, taken), now);
        taken += count;
        imap_session_go_on(session, now);
        if (count == 0 || taken == in.length)
            return taken;
    }
}

static enum engine_wish wish(const void *engine)
{
    const struct imap_session *session = engine;
    if (session->layer != NULL && session->layer->is_output_paused)
        return ENGINE_WAITS;
    if (imap_server_is_closed(session->engine))
        return ENGINE_WANTS_CLOSE;
    if (imap_server_wants_tls(session->engine))
        return ENGINE_WANTS_TLS;
    return session->is_waiting || session->step != IMAP_SESSION_RESTS ||
                   (session->layer != NULL && session->layer->is_paused) ||
                   imap_server_is_answer_owed(session->engine) ||
                   imap_server_wants_compression(session->engine)
               ? ENGINE_WAITS
               : ENGINE_WANTS_INPUT;
}

static struct bytes output(void *engine, int64_t now)
{
    struct imap_session *session = engine;
    return session->layer == NULL ? imap_server_output(session->engine)
                                  : imap_session_compress_output(session, now);
}

static void sent(void *engine, size_t count, int64_t now)
{
    struct imap_session *session = engine;
    session->sent += count;
    if (session->layer != NULL)
        buffer_consume(&session->layer->out, count);
    else
        imap_server_sent(session->engine, count, now);
    if (session->layer == NULL && imap_server_wants_compression(session->engine) &&
        imap_server_output(session->engine).length == 0)
        imap_session_compress(session, now);
    imap_session_go_on(session, now);
}

static void tls_started(void *engine, const struct engine_tls *facts, int64_t now)
{
    struct imap_session *session = engine;
    char *before = session->mechanisms;
    session->tls = session_tls_new(facts);
    session->mechanisms = NULL;
    if (session->tls != NULL)
        session->mechanisms =
            session_tls_mechanisms(session->services, session->tls, session->service->allows_clear);
    if (session->mechanisms == NULL)
        imap_server_fail(session->engine, "out of memory");
    else
        imap_server_tls_started(session->engine, session->mechanisms, now);
    free(before);
    imap_session_go_on(session, now);
}

static int64_t earlier(int64_t left, int64_t right)
{
    if (left == ENGINE_NEVER || right == ENGINE_NEVER)
        return left == ENGINE_NEVER ? right : left;
    return left < right ? left : right;
}

enum {
    LONG_AGO = 1 /* a time that has passed */
};

static int64_t deadline(const void *engine)
{
    const struct imap_session *session = engine;
    int64_t next = imap_server_deadline(session->engine);
    if (session->layer != NULL && (session->layer->is_paused || session->layer->is_output_paused))
        return LONG_AGO;
    if (session->login != NULL && imap_server_is_answer_owed(session->engine))
        next = earlier(next, session_login_deadline(session->login));
    return next;
}

static void tick(void *engine, int64_t now)
{
    struct imap_session *session = engine;
    imap_server_tick(session->engine, now);
    if (session->layer != NULL)
        session->layer->is_paused = session->layer->is_output_paused = false;
    if (session->login != NULL && imap_server_is_answer_owed(session->engine))
        imap_session_auth_tick(session, now);
    imap_session_go_on(session, now);
}

static void stop(void *engine, int64_t now)
{
    struct imap_session *session = engine;
    imap_server_stop(session->engine, now);
    imap_session_go_on(session, now);
}

static void free_session(struct imap_session *session)
{
    session_login_free(session->login);
    session_presence_end(session->presence);
    imap_session_command_drop(session);
    imap_selection_free(session->context.selection);
    /* Behind those who borrow the command in hand. */
    imap_server_free(session->engine);
    imap_session_compress_free(session->layer);
    buffer_clear(&session->result.code);
    free(session->account);
    free(session->tls);
    free(session->mechanisms);
    free(session);
}

static void end(void *engine, enum engine_end how, int64_t now)
{
    struct imap_session *session = engine;
    struct log_line line;
    (void)now;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "closed", &line);
    log_string(&line, "reason", session_identity_reason(how, session->reason));
    if (session->context.selection != NULL &&
        imap_selection_mailbox(session->context.selection) != 0)
        log_id(&line, "mailbox", imap_selection_mailbox(session->context.selection));
    log_number(&line, "commands", (int64_t)session->commands);
    log_number(&line, "sent", (int64_t)session->sent);
    log_end(&line);
    free_session(session);
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

/* ---- the listener's part ---- */

static void log_connected(struct imap_session *session)
{
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "connected", &line);
    log_string(&line, "peer", session->identity.peer);
    log_end(&line);
}

static void *open_session(void *context, struct connection *connection,
                          const struct connection_peer *peer, int64_t now)
{
    const struct imap_session_service *service = context;
    struct imap_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->service = service;
    session->services = service->services;
    session->connection = connection;
    session->login_told.run = imap_session_auth_told;
    session->account_gone.run = imap_session_auth_gone;
    session->told.run = told;
    session->news.run = hear_news;
    session->result = IMAP_RESULT;
    session_identity_init(&session->identity, service->services, "imap", connection, peer);
    session->mechanisms = session_tls_mechanisms(service->services, NULL, service->allows_clear);
    const struct imap_server_options options = {
        .name = service->services->name,
        .version = service->services->version,
        .has_tls_at_hand = service->tls == LISTENER_STARTTLS,
        .is_implicit_tls = service->tls == LISTENER_IMPLICIT,
        .allows_clear = service->allows_clear,
        .mechanisms = session->mechanisms,
        .limits = session_services_limits(service->services).imap,
    };
    session->engine = session->mechanisms == NULL ? NULL : imap_server_new(&options, now, NULL);
    if (session->engine == NULL) {
        free_session(session);
        return NULL;
    }
    session->context = (struct imap_context){.services = session->services,
                                             .identity = &session->identity,
                                             .engine = session->engine,
                                             .told = &session->told};
    log_connected(session);
    return session;
}

static struct bytes refuse(void *context, enum listener_refusal why)
{
    (void)context;
    return why == LISTENER_TOO_MANY
               ? BYTES("* BYE [UNAVAILABLE] Too many connections\r\n")
               : BYTES("* BYE [LIMIT] Too many connections from your network\r\n");
}

const struct listener_face imap_session_listener_face = {
    .open = open_session,
    .engine = &face,
    .refuse = refuse,
};
