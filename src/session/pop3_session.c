/* One connection: bytes go to the engine, its events to the services, their answers back. At most
 * one thing is on its way at a time: a login, the maildrop, or a part of a message. */
#include "session/pop3_session.h"

#include <stdlib.h>

#include "session/pop3_maildrop.h"
#include "session/pop3_reading.h"
#include "session/session_login.h"
#include "session/session_presence.h"

struct pop3_session {
    const struct pop3_session_service *service;
    struct session_services *services;
    struct connection *connection;
    struct session_identity identity;
    struct pop3_server *engine;
    struct session_tls *tls; /* NULL = in clear */
    char *mechanisms;
    const char *reason; /* why it ended; static */

    struct session_login *login;
    bool is_final_awaited; /* the last word of the mechanism was sent: an empty response comes */
    struct loop_task login_told;

    struct session_presence *presence;
    struct loop_task account_gone;

    struct pop3_maildrop *maildrop;
    struct loop_task maildrop_told;

    struct pop3_reading *reading;
    struct loop_task reading_told;

    size_t messages; /* when it was opened */
    uint64_t retrieved;
    uint64_t topped;
    uint64_t sent; /* bytes */
    size_t removed;
};

static void refuse_memory(struct pop3_session *session, const struct fault *fault, int64_t now)
{
    session_services_tell_trouble(session->services, SESSION_TROUBLE_MEMORY, session->identity.id,
                                  fault, now);
    pop3_server_refuse(session->engine, "SYS/TEMP", "Try again later", now);
}

/* ---- login ---- */

static void end_login(struct pop3_session *session)
{
    session_login_free(session->login);
    session->login = NULL;
    session->is_final_awaited = false;
}

static void log_in_use(const struct pop3_session *session)
{
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "in-use", &line);
    log_id(&line, "mailbox", pop3_maildrop_mailbox(session->maildrop));
    log_end(&line);
}

static void hear_maildrop(struct pop3_session *session, int64_t now)
{
    struct pop3_maildrop *maildrop = session->maildrop;
    switch (pop3_maildrop_status(maildrop)) {
    case POP3_MAILDROP_WAITS:
        return;
    case POP3_MAILDROP_OPEN:
        session->messages = pop3_maildrop_list(maildrop)->count;
        pop3_server_logged_in(session->engine, pop3_maildrop_list(maildrop), now);
        return;
    case POP3_MAILDROP_LOST:
        pop3_server_lock_lost(session->engine, now);
        return;
    case POP3_MAILDROP_IN_USE:
        log_in_use(session);
        pop3_server_refuse(session->engine, "IN-USE", "Another session has this mailbox", now);
        break;
    case POP3_MAILDROP_FAILED:
        pop3_server_refuse(session->engine, "SYS/TEMP", "The mailbox cannot be used now", now);
        break;
    case POP3_MAILDROP_REMOVED:
        session->removed = pop3_server_deleted_count(session->engine);
        pop3_server_quit_done(session->engine, now);
        return;
    }
    /* The engine borrows the list of one that is open until it is freed. */
    if (!pop3_server_is_closed(session->engine)) {
        pop3_maildrop_free(maildrop);
        session->maildrop = NULL;
    }
}

static void open_maildrop(struct pop3_session *session, int64_t now)
{
    struct fault fault;
    int64_t mailbox = session_login_account(session->login)->inbox;
    int64_t account = session_login_account(session->login)->id;
    end_login(session);
    /* Somebody may have logged in before, whose maildrop was in use. */
    session_presence_end(session->presence);
    session->presence = session_presence_begin(session->services, &session->identity, account, 0,
                                               &session->account_gone, &fault);
    if (session->presence == NULL) {
        refuse_memory(session, &fault, now);
        return;
    }
    session->maildrop =
        pop3_maildrop_new(session->services, session->service->locks, &session->identity, mailbox,
                          &session->maildrop_told, &fault);
    if (session->maildrop == NULL)
        refuse_memory(session, &fault, now);
    else
        hear_maildrop(session, now);
}

static void refuse_login(struct pop3_session *session, const char *code, const char *text,
                         int64_t now)
{
    end_login(session);
    pop3_server_refuse(session->engine, code, text, now);
}

static void hear_login(struct pop3_session *session, enum session_login_status status, int64_t now)
{
    switch (status) {
    case SESSION_LOGIN_WAITS:
        return;
    case SESSION_LOGIN_CHALLENGE:
        pop3_server_challenge(session->engine, session_login_challenge(session->login), now);
        return;
    case SESSION_LOGIN_ACCEPTED: {
        /* RFC 5034 4: POP3 has no room for it in the reply of success. */
        struct bytes final = session_login_challenge(session->login);
        if (final.length == 0) {
            open_maildrop(session, now);
            return;
        }
        session->is_final_awaited = true;
        pop3_server_challenge(session->engine, final, now);
        return;
    }
    case SESSION_LOGIN_REFUSED:
        refuse_login(session, "AUTH", "Wrong user or password", now);
        return;
    case SESSION_LOGIN_BROKEN:
        refuse_login(session, NULL, "That is no message of the mechanism", now);
        return;
    case SESSION_LOGIN_NO_MECHANISM:
        refuse_login(session, NULL, "No such mechanism here", now);
        return;
    case SESSION_LOGIN_UNAVAILABLE:
        refuse_login(session, "SYS/TEMP", "Try again later", now);
        return;
    }
}

static bool make_login(struct pop3_session *session, int64_t now)
{
    struct fault fault;
    end_login(session);
    session->login =
        session_login_new(session->services, &session->identity, &session->login_told, &fault);
    if (session->login == NULL)
        refuse_memory(session, &fault, now);
    return session->login != NULL;
}

static void begin_auth(struct pop3_session *session, const struct pop3_server_event *event,
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

static void go_on_with_auth(struct pop3_session *session, struct bytes response, int64_t now)
{
    if (response.data == NULL)
        end_login(session);
    else if (!session->is_final_awaited)
        hear_login(session, session_login_respond(session->login, response, now), now);
    else if (response.length == 0)
        open_maildrop(session, now);
    else
        refuse_login(session, NULL, "An empty response was awaited", now);
}

/* ---- messages ---- */

/* Brings what is in memory to the engine; asks for more only when all that was brought is on its
   way, so that a slow reader holds one slice and no worker. */
static void hear_reading(struct pop3_session *session, int64_t now)
{
    struct pop3_reading *reading = session->reading;
    struct pop3_server *engine = session->engine;
    switch (pop3_reading_status(reading)) {
    case POP3_READING_WAITS:
    case POP3_READING_END:
        return;
    case POP3_READING_GONE:
        if (pop3_server_is_message_open(engine))
            pop3_server_fail(engine, "a message was removed while it was read");
        else
            pop3_server_refuse(engine, NULL, "That message was removed meanwhile", now);
        return;
    case POP3_READING_FAILED:
        if (pop3_server_is_message_open(engine))
            pop3_server_fail(engine, "a message could not be read to its end");
        else
            pop3_server_refuse(engine, "SYS/TEMP", "The message cannot be read now", now);
        return;
    case POP3_READING_PIECE:
        break;
    }
    struct bytes piece = pop3_reading_piece(reading);
    if (!pop3_server_is_message_open(engine))
        pop3_server_begin_message(engine, piece.length, now);
    pop3_server_message_piece(engine, piece, now);
    pop3_reading_used(reading);
}

/* Goes on with an open message; false when that must wait. */
static bool go_on_with_message(struct pop3_session *session, int64_t now)
{
    struct pop3_server *engine = session->engine;
    if (!pop3_server_is_message_open(engine))
        return false;
    if (pop3_reading_is_at_end(session->reading)) {
        pop3_server_message_end(engine, now);
        return true;
    }
    if (pop3_server_output(engine).length > 0 ||
        pop3_reading_status(session->reading) == POP3_READING_WAITS)
        return false;
    pop3_reading_next(session->reading, now);
    hear_reading(session, now);
    return true;
}

static void begin_message(struct pop3_session *session, const struct pop3_server_event *event,
                          int64_t now)
{
    struct fault fault;
    bool is_top = event->kind == POP3_SERVER_TOP;
    if (session->reading == NULL)
        session->reading = pop3_reading_new(
            session->services, &session->identity, pop3_maildrop_mailbox(session->maildrop),
            pop3_maildrop_list(session->maildrop), &session->reading_told, &fault);
    if (session->reading == NULL) {
        refuse_memory(session, &fault, now);
        return;
    }
    session->retrieved += !is_top;
    session->topped += is_top;
    pop3_reading_begin(session->reading, event->number, is_top, now);
    hear_reading(session, now);
}

/* ---- events ---- */

static void hear_event(struct pop3_session *session, const struct pop3_server_event *event,
                       int64_t now)
{
    switch (event->kind) {
    case POP3_SERVER_TLS_WANTED:
        return;
    case POP3_SERVER_LOGIN:
        if (make_login(session, now))
            hear_login(session,
                       session_login_start_plain(session->login, event->user, event->password, now),
                       now);
        return;
    case POP3_SERVER_AUTH:
        begin_auth(session, event, now);
        return;
    case POP3_SERVER_AUTH_RESPONSE:
        go_on_with_auth(session, event->response, now);
        return;
    case POP3_SERVER_RETR:
    case POP3_SERVER_TOP:
        begin_message(session, event, now);
        return;
    case POP3_SERVER_QUIT:
        pop3_maildrop_remove(session->maildrop, session->engine);
        hear_maildrop(session, now);
        return;
    case POP3_SERVER_CLOSED:
        session->reason = event->reason;
        return;
    }
}

/* All that can be done without waiting. */
static void go_on(struct pop3_session *session, int64_t now)
{
    struct pop3_server_event event;
    do {
        while (pop3_server_next(session->engine, &event))
            hear_event(session, &event, now);
    } while (go_on_with_message(session, now));
}

/* ---- what comes back ---- */

static void login_told(struct loop_task *task)
{
    struct pop3_session *session =
        (struct pop3_session *)((char *)task - offsetof(struct pop3_session, login_told));
    int64_t now = loop_now(session->identity.loop);
    hear_login(session, session_login_status(session->login), now);
    go_on(session, now);
    connection_resume(session->connection);
}

static void maildrop_told(struct loop_task *task)
{
    struct pop3_session *session =
        (struct pop3_session *)((char *)task - offsetof(struct pop3_session, maildrop_told));
    int64_t now = loop_now(session->identity.loop);
    hear_maildrop(session, now);
    go_on(session, now);
    connection_resume(session->connection);
}

static void reading_told(struct loop_task *task)
{
    struct pop3_session *session =
        (struct pop3_session *)((char *)task - offsetof(struct pop3_session, reading_told));
    int64_t now = loop_now(session->identity.loop);
    hear_reading(session, now);
    go_on(session, now);
    connection_resume(session->connection);
}

/* Whoever may not read must not read on, not even the message in hand. */
static void account_gone(struct loop_task *task)
{
    struct pop3_session *session =
        (struct pop3_session *)((char *)task - offsetof(struct pop3_session, account_gone));
    pop3_server_fail(session->engine, "the account was removed or disabled");
    go_on(session, loop_now(session->identity.loop));
    connection_resume(session->connection);
}

/* ---- the face ---- */

static size_t feed(void *engine, struct bytes in, int64_t now)
{
    struct pop3_session *session = engine;
    size_t taken = 0;
    for (;;) {
        size_t count = pop3_server_feed(session->engine, bytes_skip(in, taken), now);
        taken += count;
        go_on(session, now);
        if (count == 0 || taken == in.length)
            return taken;
    }
}

static enum engine_wish wish(const void *engine)
{
    const struct pop3_session *session = engine;
    if (pop3_server_is_closed(session->engine))
        return ENGINE_WANTS_CLOSE;
    if (pop3_server_wants_tls(session->engine))
        return ENGINE_WANTS_TLS;
    return pop3_server_is_answer_owed(session->engine) ||
                   pop3_server_is_message_open(session->engine)
               ? ENGINE_WAITS
               : ENGINE_WANTS_INPUT;
}

static struct bytes output(void *engine, int64_t now)
{
    struct pop3_session *session = engine;
    (void)now;
    return pop3_server_output(session->engine);
}

static void sent(void *engine, size_t count, int64_t now)
{
    struct pop3_session *session = engine;
    session->sent += count;
    pop3_server_sent(session->engine, count, now);
    go_on(session, now);
}

static void tls_started(void *engine, const struct engine_tls *facts, int64_t now)
{
    struct pop3_session *session = engine;
    char *before = session->mechanisms;
    session->tls = session_tls_new(facts);
    session->mechanisms = NULL;
    if (session->tls != NULL)
        session->mechanisms =
            session_tls_mechanisms(session->services, session->tls, session->service->allows_clear);
    if (session->mechanisms == NULL)
        pop3_server_fail(session->engine, "out of memory");
    else
        pop3_server_tls_started(session->engine, session->mechanisms, now);
    free(before);
    go_on(session, now);
}

static int64_t earlier(int64_t left, int64_t right)
{
    if (left == ENGINE_NEVER || right == ENGINE_NEVER)
        return left == ENGINE_NEVER ? right : left;
    return left < right ? left : right;
}

static int64_t deadline(const void *engine)
{
    const struct pop3_session *session = engine;
    int64_t next = pop3_server_deadline(session->engine);
    if (session->login != NULL && pop3_server_is_answer_owed(session->engine))
        next = earlier(next, session_login_deadline(session->login));
    if (session->reading != NULL)
        next = earlier(next, pop3_reading_deadline(session->reading));
    if (session->maildrop != NULL)
        next = earlier(next, pop3_maildrop_deadline(session->maildrop));
    return next;
}

static void tick(void *engine, int64_t now)
{
    struct pop3_session *session = engine;
    pop3_server_tick(session->engine, now);
    if (session->reading != NULL)
        pop3_reading_tick(session->reading, now);
    if (session->maildrop != NULL)
        pop3_maildrop_tick(session->maildrop, now);
    if (session->login != NULL && pop3_server_is_answer_owed(session->engine))
        hear_login(session, session_login_tick(session->login, now), now);
    go_on(session, now);
}

static void stop(void *engine, int64_t now)
{
    struct pop3_session *session = engine;
    pop3_server_stop(session->engine, now);
    go_on(session, now);
}

static void free_session(struct pop3_session *session)
{
    session_login_free(session->login);
    session_presence_end(session->presence);
    pop3_reading_free(session->reading);
    /* Before the list of messages that it borrows. */
    pop3_server_free(session->engine);
    pop3_maildrop_free(session->maildrop);
    free(session->tls);
    free(session->mechanisms);
    free(session);
}

static void end(void *engine, enum engine_end how, int64_t now)
{
    struct pop3_session *session = engine;
    struct log_line line;
    (void)now;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "closed", &line);
    log_string(&line, "reason", session_identity_reason(how, session->reason));
    if (session->maildrop != NULL) {
        log_id(&line, "mailbox", pop3_maildrop_mailbox(session->maildrop));
        log_number(&line, "messages", (int64_t)session->messages);
        log_number(&line, "retrieved", (int64_t)session->retrieved);
        log_number(&line, "topped", (int64_t)session->topped);
        log_number(&line, "removed", (int64_t)session->removed);
    }
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

static void log_connected(struct pop3_session *session)
{
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "connected", &line);
    log_string(&line, "peer", session->identity.peer);
    log_end(&line);
}

static void *open_session(void *context, struct connection *connection,
                          const struct connection_peer *peer, int64_t now)
{
    const struct pop3_session_service *service = context;
    struct pop3_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->service = service;
    session->services = service->services;
    session->connection = connection;
    session->login_told.run = login_told;
    session->maildrop_told.run = maildrop_told;
    session->reading_told.run = reading_told;
    session->account_gone.run = account_gone;
    session_identity_init(&session->identity, service->services, "pop3", connection, peer);
    session->mechanisms = session_tls_mechanisms(service->services, NULL, service->allows_clear);
    const struct pop3_server_options options = {
        .name = service->services->name,
        .version = service->services->version,
        .has_tls_at_hand = service->tls == LISTENER_STARTTLS,
        .is_implicit_tls = service->tls == LISTENER_IMPLICIT,
        .allows_clear = service->allows_clear,
        .mechanisms = session->mechanisms,
        .limits = session_services_limits(service->services).pop3,
    };
    session->engine = session->mechanisms == NULL ? NULL : pop3_server_new(&options, now, NULL);
    if (session->engine == NULL) {
        free_session(session);
        return NULL;
    }
    log_connected(session);
    return session;
}

static struct bytes refuse(void *context, enum listener_refusal why)
{
    (void)context;
    return why == LISTENER_TOO_MANY
               ? BYTES("-ERR [SYS/TEMP] Too many connections\r\n")
               : BYTES("-ERR [SYS/TEMP] Too many connections from your network\r\n");
}

const struct listener_face pop3_session_listener_face = {
    .open = open_session,
    .engine = &face,
    .refuse = refuse,
};
