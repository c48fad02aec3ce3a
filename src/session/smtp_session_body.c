/* The body on its way in: the parser reads along, the draft keeps it, and a worker writes the draft
 * out when its memory is full. */
#include "session/smtp_session_inside.h"

void smtp_session_body_drop(struct smtp_session_message *message)
{
    store_draft_free(message->draft);
    message->draft = NULL;
    message_parser_free(message->parser);
    message->parser = NULL;
    report_mail_free(message->report_mail);
    message->report_mail = NULL;
}

void smtp_session_body_lend(struct smtp_session_message *message)
{
    atomic_store(&message->turn, SMTP_SESSION_BODY_LENT);
}

void smtp_session_body_return(struct smtp_session_message *message)
{
    if (atomic_exchange(&message->turn, SMTP_SESSION_BODY_DONE_WITH) == SMTP_SESSION_BODY_ABANDONED)
        smtp_session_body_drop(message);
}

void smtp_session_body_abandon(struct smtp_session_message *message)
{
    if (atomic_exchange(&message->turn, SMTP_SESSION_BODY_ABANDONED) == SMTP_SESSION_BODY_DONE_WITH)
        smtp_session_body_drop(message);
}

/* The rest of the body is read and forgotten; its end is answered with the fault. */
static void fail_body(struct smtp_session_message *message, const struct fault *fault, int64_t now)
{
    const struct smtp_session *session = message->session;
    smtp_session_body_drop(message);
    message->fault = *fault;
    session_services_tell_trouble(session->services, SESSION_TROUBLE_DRAFT, session->identity.id,
                                  fault, now);
}

static bool append(struct smtp_session_message *message, struct bytes piece, struct fault *fault)
{
    if (message->draft == NULL) {
        message->draft = store_draft_new(message->session->services->store, fault);
        message->parser = message->draft == NULL ? NULL : message_parser_new(fault);
        if (message->parser == NULL)
            return false;
    }
    return message_parser_feed(message->parser, piece, fault) &&
           store_draft_note(message->draft, message_parser_memory(message->parser), fault) &&
           store_draft_append(message->draft, piece, fault);
}

void smtp_session_body_hear(struct smtp_session *session, struct bytes piece, int64_t now)
{
    struct smtp_session_message *message = session->message;
    if (message == NULL || message->fault.kind != FAULT_NONE)
        return;
    struct fault fault = {0};
    if (!append(message, piece, &fault))
        fail_body(message, &fault, now);
}

/* ---- what does not fit into memory ---- */

/* A worker's. */
static void spill(struct worker_job *job, void *context)
{
    (void)context;
    struct smtp_session_message *message =
        (struct smtp_session_message *)((char *)job - offsetof(struct smtp_session_message, spill));
    message->is_spilled = store_draft_spill(message->draft, &message->spill_fault);
    smtp_session_body_return(message);
}

static void spilled(struct loop_task *task)
{
    struct smtp_session_message *message =
        (struct smtp_session_message *)((char *)task -
                                        offsetof(struct smtp_session_message, spill.done));
    struct smtp_session *session = message->session;
    if (!smtp_session_is_back(session))
        return;
    int64_t now = loop_now(session->identity.loop);
    smtp_server_waited(session->server, message->spill_since, now);
    if (!message->is_spilled)
        fail_body(message, &message->spill_fault, now);
    smtp_session_go_on(session, now);
}

void smtp_session_body_spill_if_full(struct smtp_session *session)
{
    struct smtp_session_message *message = session->message;
    if (session->busy != SMTP_SESSION_FREE || message == NULL || message->draft == NULL ||
        !store_draft_is_full(message->draft))
        return;
    message->spill =
        (struct worker_job){.run = spill, .done = {.run = spilled}, .loop = session->identity.loop};
    message->spill_since = loop_now(session->identity.loop);
    session->busy = SMTP_SESSION_SPILLS;
    smtp_session_body_lend(message);
    worker_submit(session->services->workers, &message->spill);
}
