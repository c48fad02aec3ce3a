/* Reports of success: who asked for one (NOTIFY=SUCCESS) of a recipient who is served here hears it
 * in the same transaction (RFC 3461 5.2.3, 5.2.7). Of far recipients the queue tells. */
#include "session/smtp_session_inside.h"
#include "smtp/smtp_parameter.h"

/* False: not to be told here. */
static bool find_action(const struct smtp_session_message *message,
                        const struct smtp_session_recipient *recipient, enum report_action *action)
{
    bool is_local = recipient->target_count == 1 && recipient->targets[0].account != 0;
    if (!is_local && recipient->target_count < 2)
        return false;
    if (message->is_kept && !smtp_session_delivery_is_kept(message, recipient))
        return false;
    *action = is_local ? REPORT_DELIVERED : REPORT_EXPANDED;
    return delivery_report_is_wanted(message->sender, recipient->notify, *action);
}

/* What xtext says, in the arena. */
static bool decode(struct arena *arena, struct bytes text, struct bytes *decoded)
{
    AUTO(buffer)
    scratch = BUFFER(SMTP_PARAMETER_ORIGINAL_RECIPIENT_MAX);
    if (!smtp_parameter_decode(text, &scratch))
        buffer_reset(&scratch);
    const char *copy = arena_copy_string(arena, buffer_bytes(&scratch));
    *decoded = bytes_of(copy, scratch.length);
    return copy != NULL;
}

/* *count of them; *recipients are the arena's. */
static bool list_recipients(struct smtp_session_message *message,
                            struct report_recipient **recipients, size_t *count)
{
    *count = 0;
    *recipients = NULL;
    enum report_action action;
    for (const struct smtp_session_recipient *recipient = message->first; recipient != NULL;
         recipient = recipient->next) {
        if (!find_action(message, recipient, &action) || *count == REPORT_RECIPIENTS_MAX)
            continue;
        if (*recipients == NULL)
            *recipients = arena_allocate_array(&message->arena,
                                               message->recipient_count < REPORT_RECIPIENTS_MAX
                                                   ? message->recipient_count
                                                   : REPORT_RECIPIENTS_MAX,
                                               sizeof(**recipients));
        if (*recipients == NULL)
            return false;
        struct report_recipient *told = &(*recipients)[(*count)++];
        *told = (struct report_recipient){.action = action,
                                          .address = recipient->address,
                                          .status = BYTES("2.1.5"),
                                          .last_attempt = message->delivery.received};
        if (!decode(&message->arena, recipient->original_recipient, &told->original_recipient))
            return false;
    }
    return true;
}

/* A worker's. */
static void run(struct worker_job *job, void *context)
{
    struct smtp_session_message *message =
        (struct smtp_session_message *)((char *)job -
                                        offsetof(struct smtp_session_message, reporting));
    const struct session_services *services = message->session->services;
    if (context == NULL) {
        fault_set(&message->report_fault, FAULT_TEMPORARY, "no reader of the store");
    } else {
        const struct report_mail_place place = {
            .store = services->store, .reader = context, .relays = services->relays};
        message->report_mail = report_mail_new(&place, &message->report, &message->report_fault);
    }
    smtp_session_body_return(message);
}

/* Nobody is there who could hear it: that holds up no message. */
static void log_lost(const struct smtp_session *session, const char *reason)
{
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "report-lost",
                         &line);
    log_text(&line, "sender", session->message->sender);
    log_string(&line, "reason", reason);
    log_end(&line);
}

/* ---- behind the message ---- */

static void answer(struct smtp_session *session)
{
    int64_t now = loop_now(session->identity.loop);
    smtp_session_delivery_answer(session, now);
    smtp_session_go_on(session, now);
}

static void reported(struct loop_task *task)
{
    struct smtp_session_message *message =
        (struct smtp_session_message *)((char *)task -
                                        offsetof(struct smtp_session_message, reported));
    struct smtp_session *session = message->session;
    if (!smtp_session_is_back(session))
        return;
    const struct store_job *job = &message->report_alone.job;
    if (!job->is_done)
        session_services_tell_trouble(session->services, SESSION_TROUBLE_WRITE,
                                      session->identity.id, &job->fault,
                                      loop_now(session->identity.loop));
    answer(session);
}

/* On a thread of the store. */
static void committed(struct store_job *job)
{
    struct smtp_session_message *message =
        (struct smtp_session_message *)((char *)job -
                                        offsetof(struct smtp_session_message, report_alone.job));
    smtp_session_body_return(message);
    loop_post(message->session->identity.loop, &message->reported);
}

/* The message itself is kept: whatever becomes of the report, it is answered so. */
static void submit_alone(struct smtp_session *session)
{
    struct smtp_session_message *message = session->message;
    const struct store_delivery *report =
        message->report_mail == NULL ? NULL : report_mail_delivery(message->report_mail);
    if (report == NULL) {
        answer(session);
        return;
    }
    message->report_alone = *report;
    message->report_alone.is_report = true;
    message->report_alone.job.done = committed;
    message->reported.run = reported;
    session->busy = SMTP_SESSION_DELIVERS;
    smtp_session_body_lend(message);
    store_delivery_submit(&message->report_alone);
}

/* ---- the report ---- */

static void written(struct loop_task *task)
{
    struct smtp_session_message *message =
        (struct smtp_session_message *)((char *)task -
                                        offsetof(struct smtp_session_message, reporting.done));
    struct smtp_session *session = message->session;
    if (!smtp_session_is_back(session))
        return;
    const struct report_mail *mail = message->report_mail;
    if (mail != NULL && report_mail_objection(mail) != NULL)
        log_lost(session, report_mail_objection(mail));
    int64_t now = loop_now(session->identity.loop);
    if (message->report_fault.kind != FAULT_NONE)
        session_services_tell_trouble(session->services, SESSION_TROUBLE_READ, session->identity.id,
                                      &message->report_fault, now);
    if (message->is_kept) {
        submit_alone(session);
        return;
    }
    smtp_session_delivery_go_on(session, &message->report_fault, now);
    if (session->busy == SMTP_SESSION_FREE)
        smtp_session_go_on(session, now);
}

bool smtp_session_report_begin(struct smtp_session *session, struct fault *fault)
{
    struct smtp_session_message *message = session->message;
    struct report_recipient *recipients;
    struct bytes envelope_id;
    size_t count;
    fault_clear(fault);
    fault_clear(&message->report_fault);
    if (!list_recipients(message, &recipients, &count) ||
        !decode(&message->arena, message->envelope_id, &envelope_id))
        return fault_set_memory(fault);
    if (count == 0)
        return false;
    message->report = (struct report){.reporter = session->services->name,
                                      .now = message->delivery.received,
                                      .arrived = message->delivery.received,
                                      .sender = message->sender,
                                      .envelope_id = envelope_id,
                                      .is_utf8 = message->is_utf8,
                                      .content = message->parsed.header,
                                      .is_content_whole = true,
                                      .recipients = recipients,
                                      .recipient_count = count};
    message->reporting =
        (struct worker_job){.run = run, .done = {.run = written}, .loop = session->identity.loop};
    session->busy = SMTP_SESSION_DELIVERS;
    smtp_session_body_lend(message);
    worker_submit(session->services->workers, &message->reporting);
    return true;
}

bool smtp_session_report_begin_again(struct smtp_session *session)
{
    struct smtp_session_message *message = session->message;
    struct fault fault = {0};
    message->is_kept = true;
    report_mail_free(message->report_mail);
    message->report_mail = NULL;
    return smtp_session_report_begin(session, &fault);
}
