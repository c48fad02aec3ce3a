/* Birth and death of an outbound session, and its owner's side. */
#include "delivery/outbound_session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "delivery/outbound_session_inside.h"

/* ---- what is to be told ---- */

/* More letters than may be in flight would only wait here. */
static size_t window(const struct outbound_session *session)
{
    unsigned set = smtp_client_capabilities(session->client)->set;
    if ((set & PH_CAPABILITY_PIPELINING) == 0)
        return 1;
    return (set & PH_CAPABILITY_CHUNKING) == 0 ? 2 : OUTBOUND_SESSION_WINDOW;
}

static bool takes_letters(const struct outbound_session *session)
{
    return session->step == OUTBOUND_SESSION_IS_READY && !session->is_quitting &&
           !session->is_ended && !smtp_client_is_closed(session->client) &&
           !outbound_session_dialogue_is_used_up(session);
}

static bool wants_letter(const struct outbound_session *session)
{
    return session->transit_count + session->promised < window(session) && takes_letters(session);
}

static bool has_news(const struct outbound_session *session)
{
    for (size_t i = 0; i < session->transit_count; i++)
        if (session->transits[i]->is_ended || session->transits[i]->wants_body)
            return true;
    if (session->is_ended)
        return !session->has_told_end;
    return session->has_ready || wants_letter(session);
}

void outbound_session_tell(struct outbound_session *session)
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
    outbound_session_tell(session);
}

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
        .face = &outbound_session_face,
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
    if (wants_letter(session)) {
        session->promised++;
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
    outbound_session_dialogue_hear(session);
    resume(session);
    outbound_session_tell(session);
}

bool outbound_session_send(struct outbound_session *session, struct outbound_letter *letter,
                           struct outbound_refusal *refusal)
{
    struct ph_error error;
    if (!takes_letters(session) || session->transit_count == OUTBOUND_SESSION_LETTERS_MAX) {
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
    session->promised -= session->promised > 0;
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
    outbound_session_dialogue_quit(session);
    settle(session);
}
