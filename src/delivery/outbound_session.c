/* The dialogue of an outbound session, and its events. */
#include "delivery/outbound_session.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "delivery/outbound_session_inside.h"

static void run_task(struct loop_task *task);

/* ---- what is to be told ---- */

static size_t count_unfinished(const struct outbound_session *session)
{
    size_t count = 0;
    for (size_t i = 0; i < session->transit_count; i++)
        count += !session->transits[i]->is_ended;
    return count;
}

/* RFC 9422 3: MAILMAX. */
static bool is_used_up(const struct outbound_session *session)
{
    uint64_t most = smtp_client_capabilities(session->client)->messages_max;
    return most != 0 && session->letter_count >= most;
}

/* More letters than may be in flight would only wait here. */
static size_t capacity(const struct outbound_session *session)
{
    unsigned set = smtp_client_capabilities(session->client)->set;
    if ((set & PH_CAPABILITY_PIPELINING) == 0)
        return 1;
    return (set & PH_CAPABILITY_CHUNKING) == 0 ? 2 : OUTBOUND_SESSION_LETTERS_MAX;
}

static bool has_room(const struct outbound_session *session)
{
    return session->step == OUTBOUND_SESSION_IS_READY && !session->is_quitting &&
           !session->is_ended && !smtp_client_is_closed(session->client) &&
           session->transit_count < capacity(session) && !is_used_up(session);
}

static bool has_news(const struct outbound_session *session)
{
    for (size_t i = 0; i < session->transit_count; i++)
        if (session->transits[i]->is_ended || session->transits[i]->wants_body)
            return true;
    if (session->is_ended)
        return !session->has_told_end;
    return session->has_ready || (session->has_room && has_room(session));
}

static void tell(struct outbound_session *session)
{
    if (session->is_posted || session->is_telling || session->is_freed || !has_news(session))
        return;
    session->is_posted = true;
    loop_post(session->loop, &session->task);
}

/* The engine may have words for the peer. While the owner is being told, once for all that it does.
 */
static void resume(struct outbound_session *session)
{
    session->wants_resume = session->is_telling;
    if (!session->is_telling && session->connection != NULL)
        connection_resume(session->connection);
}

static void run_task(struct loop_task *task)
{
    struct outbound_session *session =
        (struct outbound_session *)(void *)((char *)task - offsetof(struct outbound_session, task));
    session->is_posted = false;
    if (!session->is_freed) {
        session->is_telling = true;
        session->told->run(session->told);
        session->is_telling = false;
    }
    if (session->is_freed) {
        free(session);
        return;
    }
    if (session->wants_resume)
        resume(session);
    tell(session);
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
    *trouble = (struct outbound_session_trouble){.is_noted = true, .phase = phase};
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
    if (count_unfinished(session) == 0)
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
    session->has_room = true;
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
    if (event->is_closed && event->error->kind != PH_OK)
        note_error(session, event->error);
    if (count_unfinished(session) > 0)
        return;
    if (session->is_quitting)
        session->quit_by = loop_now(session->loop) + OUTBOUND_SESSION_QUIT_PATIENCE;
    else if (is_used_up(session))
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
static void hear_events(struct outbound_session *session)
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

/* ---- the face that the connection sees ---- */

static size_t feed(void *engine, struct bytes in, int64_t now)
{
    struct outbound_session *session = engine;
    struct bytes rest = in;
    while (rest.length > 0 && !smtp_client_is_closed(session->client)) {
        size_t taken = smtp_client_feed(session->client, rest.data, rest.length, now);
        rest = bytes_skip(rest, taken);
        hear_events(session);
    }
    tell(session);
    return in.length;
}

static enum engine_wish wish(const void *engine)
{
    const struct outbound_session *session = engine;
    if (session->wants_close || smtp_client_is_closed(session->client))
        return ENGINE_WANTS_CLOSE;
    return session->wants_tls ? ENGINE_WANTS_TLS : ENGINE_WANTS_INPUT;
}

static struct bytes output(void *engine, int64_t now)
{
    struct outbound_session *session = engine;
    struct iovec slice = {0};
    (void)now;
    smtp_client_output(session->client, &slice, 1);
    return bytes_of(slice.iov_base, slice.iov_len);
}

static size_t slices(void *engine, struct iovec *out, size_t count, int64_t now)
{
    struct outbound_session *session = engine;
    (void)now;
    return smtp_client_output(session->client, out, count);
}

static void sent(void *engine, size_t count, int64_t now)
{
    struct outbound_session *session = engine;
    smtp_client_sent(session->client, count, now);
    hear_events(session);
    tell(session);
}

/* A certificate that nobody looked at will do only where the relay's rule says so. */
static bool is_unverified(const struct outbound_session *session)
{
    return session->plan->relay->tls == RELAY_TLS_OPPORTUNISTIC &&
           !connector_is_verified(session->connection);
}

static void tls_started(void *engine, const struct engine_tls *facts, int64_t now)
{
    struct outbound_session *session = engine;
    struct ph_tls_facts told = {.binding_name = facts->binding_name,
                                .binding = facts->binding,
                                .binding_length = facts->binding_length,
                                .is_unverified = is_unverified(session)};
    session->wants_tls = false;
    snprintf(session->tls_version, sizeof session->tls_version, "%s", facts->version);
    smtp_client_tls_started(session->client, &told, now);
    hear_events(session);
    tell(session);
}

static int64_t deadline(const void *engine)
{
    const struct outbound_session *session = engine;
    int64_t when = smtp_client_deadline(session->client);
    if (session->quit_by != 0 && session->quit_by < when)
        when = session->quit_by;
    return when == INT64_MAX ? ENGINE_NEVER : when;
}

static void tick(void *engine, int64_t now)
{
    struct outbound_session *session = engine;
    smtp_client_tick(session->client, now);
    hear_events(session);
    if (session->quit_by != 0 && now >= session->quit_by)
        session->wants_close = true;
    tell(session);
}

/* Nothing is lost with a session that is not ready: it need not end in words. */
static void quit(struct outbound_session *session)
{
    if (session->step == OUTBOUND_SESSION_IS_READY) {
        say_goodbye(session);
    } else {
        session->is_quitting = true;
        session->wants_close = true;
    }
    hear_events(session);
}

static void stop(void *engine, int64_t now)
{
    struct outbound_session *session = engine;
    (void)now;
    quit(session);
    tell(session);
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

static void end(void *engine, enum engine_end how, int64_t now)
{
    struct outbound_session *session = engine;
    bool was_idle = session->step == OUTBOUND_SESSION_IS_READY && count_unfinished(session) == 0;
    session->connection = NULL;
    if (how != ENGINE_END_STOP && !session->is_quitting)
        note_lost_connection(session);
    smtp_client_end_of_input(session->client, session->connector.fault.system_error, now);
    hear_events(session);
    session->is_ended = true;
    session->is_orderly =
        !session->trouble.is_noted && (session->is_quitting || was_idle || how == ENGINE_END_STOP);
    note_trouble(session, phase_of(session->step), "the connection was closed");
    tell(session);
}

static const struct engine_face face = {
    .feed = feed,
    .wish = wish,
    .output = output,
    .slices = slices,
    .sent = sent,
    .tls_started = tls_started,
    .deadline = deadline,
    .tick = tick,
    .stop = stop,
    .end = end,
};

/* ---- birth and death ---- */

static struct smtp_client *make_client(const struct outbound_session *session, struct fault *fault)
{
    const struct outbound_session_plan *plan = session->plan;
    struct ph_error error;
    struct ph_engine_options options = {
        .hello_name = plan->hello_name,
        .server_name = plan->place->name,
        .server_port = plan->relay->port,
        .is_encrypted = plan->relay->is_implicit,
        .bodies_in_flight = true,
        .trace = plan->trace,
        .trace_context = plan->trace_context,
    };
    if (plan->timeouts != NULL)
        options.timeouts = *plan->timeouts;
    struct smtp_client *client = smtp_client_new(&options, loop_now(session->loop), &error);
    if (client == NULL)
        fault_set(fault, error.kind == PH_ERROR_MEMORY ? FAULT_TEMPORARY : FAULT_PERMANENT, "%s",
                  error.message);
    return client;
}

/* The name for SNI and the certificate: of an address literal the address. */
static const char *tls_name(const char *name, char memory[RELAY_HOST_MAX + 1])
{
    static const char ipv6[] = "IPv6:";
    size_t length = strlen(name);
    if (name[0] != '[' || name[length - 1] != ']')
        return name;
    name++;
    length -= 2;
    if (strncasecmp(name, ipv6, sizeof ipv6 - 1) == 0) {
        name += sizeof ipv6 - 1;
        length -= sizeof ipv6 - 1;
    }
    snprintf(memory, RELAY_HOST_MAX + 1, "%.*s", (int)length, name);
    return memory;
}

static bool open_connection(struct outbound_session *session, struct fault *fault)
{
    const struct outbound_session_plan *plan = session->plan;
    char memory[RELAY_HOST_MAX + 1];
    struct connector_plan connector = {
        .address = plan->place->address,
        .source = plan->source,
        .patience = OUTBOUND_SESSION_CONNECT_PATIENCE,
        .tls = plan->tls,
        .is_implicit = plan->relay->is_implicit,
        .tls_name = tls_name(plan->place->name, memory),
        .face = &face,
        .engine = session,
        .trouble = &session->connector,
        .connection = CONNECTION_PATIENCE,
    };
    if (plan->timeouts != NULL && plan->timeouts->connect > 0)
        connector.patience = plan->timeouts->connect;
    if (plan->timeouts != NULL && plan->timeouts->tls > 0)
        connector.connection.handshake = plan->timeouts->tls;
    return connector_open(session->loop, &connector, &session->connection, fault);
}

struct outbound_session *outbound_session_new(struct loop *loop,
                                              const struct outbound_session_plan *plan,
                                              struct loop_task *told, struct fault *fault)
{
    struct outbound_session *session = calloc(1, sizeof *session);
    if (session == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    session->plan = plan;
    session->loop = loop;
    session->told = told;
    session->task.run = run_task;
    session->client = make_client(session, fault);
    if (session->client == NULL || !open_connection(session, fault)) {
        smtp_client_free(session->client);
        free(session);
        return NULL;
    }
    return session;
}

void outbound_session_free(struct outbound_session *session)
{
    if (session == NULL)
        return;
    session->is_freed = true;
    if (session->connection != NULL)
        connector_close(session->connection);
    smtp_client_free(session->client);
    for (size_t i = 0; i < session->transit_count; i++)
        outbound_session_letter_free(session->transits[i]);
    if (!session->is_posted && !session->is_telling)
        free(session);
}

/* ---- the owner's side ---- */

/* The first transit that is_wanted says yes to; NULL. */
static struct outbound_session_transit *take_ended(struct outbound_session *session)
{
    for (size_t i = 0; i < session->transit_count; i++) {
        struct outbound_session_transit *transit = session->transits[i];
        if (!transit->is_ended)
            continue;
        session->transit_count--;
        memmove(session->transits + i, session->transits + i + 1,
                (session->transit_count - i) * sizeof session->transits[0]);
        session->has_room = true;
        return transit;
    }
    return NULL;
}

static struct outbound_session_transit *find_hungry(struct outbound_session *session)
{
    for (size_t i = 0; i < session->transit_count; i++)
        if (session->transits[i]->wants_body)
            return session->transits[i];
    return NULL;
}

static void tell_end(struct outbound_session *session, struct outbound_event *event)
{
    struct outbound_session_trouble *trouble = &session->trouble;
    session->has_told_end = true;
    *event = (struct outbound_event){
        .kind = OUTBOUND_ENDED,
        .phase = trouble->phase,
        .reply = {.code = trouble->code,
                  .text = trouble->reply_text,
                  .text_length = strlen(trouble->reply_text)},
        .text = trouble->text,
        .is_orderly = session->is_orderly,
        .is_tls_failure = session->is_tls_failure,
    };
    memcpy(event->reply.enhanced, trouble->enhanced, sizeof trouble->enhanced);
}

bool outbound_session_next(struct outbound_session *session, struct outbound_event *event)
{
    struct outbound_session_transit *transit = take_ended(session);
    if (transit != NULL) {
        *event = (struct outbound_event){.kind = OUTBOUND_LETTER_ENDED, .letter = transit->letter};
        outbound_session_letter_free(transit);
        return true;
    }
    transit = find_hungry(session);
    if (transit != NULL) {
        transit->wants_body = false;
        *event = (struct outbound_event){
            .kind = OUTBOUND_WANTS_BODY, .letter = transit->letter, .offset = transit->given};
        return true;
    }
    if (session->is_ended) {
        if (session->has_told_end)
            return false;
        tell_end(session, event);
        return true;
    }
    if (session->has_ready) {
        session->has_ready = false;
        *event = (struct outbound_event){.kind = OUTBOUND_READY};
        return true;
    }
    if (session->has_room && has_room(session)) {
        session->has_room = false;
        *event = (struct outbound_event){.kind = OUTBOUND_WANTS_LETTER};
        return true;
    }
    return false;
}

const struct ph_capabilities *outbound_session_capabilities(const struct outbound_session *session)
{
    return smtp_client_capabilities(session->client);
}

const char *outbound_session_tls(const struct outbound_session *session)
{
    return session->tls_version[0] == '\0' ? NULL : session->tls_version;
}

/* All that the owner's call led to. */
static void settle(struct outbound_session *session)
{
    hear_events(session);
    resume(session);
    tell(session);
}

bool outbound_session_send(struct outbound_session *session, struct outbound_letter *letter,
                           struct outbound_refusal *refusal)
{
    struct ph_error error;
    if (!has_room(session)) {
        *refusal = (struct outbound_refusal){.enhanced = "",
                                             .text = "the connection takes no more letters"};
        return false;
    }
    struct outbound_session_transit *transit =
        outbound_session_letter_new(smtp_client_capabilities(session->client), letter, refusal);
    if (transit == NULL)
        return false;
    if (!smtp_client_send(session->client, &transit->transaction, loop_now(session->loop),
                          &error)) {
        outbound_session_letter_refuse(&error, refusal);
        outbound_session_letter_free(transit);
        return false;
    }
    session->transits[session->transit_count++] = transit;
    session->letter_count++;
    session->has_room = true;
    settle(session);
    return true;
}

static struct outbound_session_transit *find_transit(const struct outbound_session *session,
                                                     const struct outbound_letter *letter)
{
    for (size_t i = 0; i < session->transit_count; i++)
        if (session->transits[i]->letter == letter && !session->transits[i]->is_ended)
            return session->transits[i];
    return NULL;
}

void outbound_session_body(struct outbound_session *session, struct outbound_letter *letter,
                           struct bytes piece, bool is_last)
{
    struct outbound_session_transit *transit = find_transit(session, letter);
    if (transit == NULL)
        return;
    transit->given += piece.length;
    smtp_client_body(session->client, piece.data, piece.length, is_last, loop_now(session->loop));
    settle(session);
}

void outbound_session_body_failed(struct outbound_session *session, struct outbound_letter *letter)
{
    if (find_transit(session, letter) == NULL)
        return;
    smtp_client_body_failed(session->client, 0, loop_now(session->loop));
    settle(session);
}

void outbound_session_quit(struct outbound_session *session)
{
    if (session->is_ended || session->is_quitting)
        return;
    if (session->step != OUTBOUND_SESSION_IS_READY) {
        session->is_quitting = true;
        connector_close(session->connection);
        return;
    }
    quit(session);
    settle(session);
}
