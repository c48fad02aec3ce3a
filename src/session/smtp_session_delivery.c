/* Behind the body: the last looks at the message, the one job that keeps it, the answers. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "session/smtp_session_inside.h"
#include "session/smtp_session_tight.h"
#include "smtp/smtp_parameter.h"

/* An answer of the host, to the message or to one of its recipients. */
struct verdict {
    int code;
    const char *enhanced;
    const char *text;
};

static const struct verdict over_sending_limit = {452, "4.7.1", SMTP_SESSION_SENDING_TEXT};
static const struct verdict no_store = {451, "4.3.0",
                                        "The message cannot be kept now, try again later"};

/* ---- answers ---- */

static void answer(struct smtp_session *session, const struct verdict *verdict, int64_t now)
{
    smtp_session_answer(session, verdict->code, verdict->enhanced, verdict->text, now);
}

/* The same answer for the message, which with LMTP is owed for each recipient (RFC 2033 4.2); the
   message is done with. */
static void answer_all(struct smtp_session *session, const struct verdict *verdict, int64_t now)
{
    size_t count = smtp_session_is_lmtp(session) ? session->message->recipient_count : 1;
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "message-refused",
                         &line);
    log_text(&line, "sender", session->message->sender);
    log_number(&line, "code", verdict->code);
    log_string(&line, "enhanced", verdict->enhanced);
    log_string(&line, "reason", verdict->text);
    log_end(&line);
    smtp_session_envelope_drop(session);
    for (size_t i = 0; i < count; i++)
        answer(session, verdict, now);
}

static struct verdict verdict_of_fault(const struct fault *fault)
{
    if (fault->kind == FAULT_LIMIT)
        return (struct verdict){552, "5.3.4", "The message is more than fits here"};
    return no_store;
}

/* Of a copy that was not kept. With other recipients beside it the whole may be tried again: who is
   in the way then hears it at RCPT. */
static struct verdict verdict_of_outcome(enum store_delivery_outcome outcome, bool is_alone)
{
    switch (outcome) {
    case STORE_DELIVERY_OVER_QUOTA_BYTES:
    case STORE_DELIVERY_OVER_QUOTA_MESSAGES:
        if (is_alone)
            return (struct verdict){552, "5.2.2", "The mailbox has no room for the message"};
        return (struct verdict){452, "4.2.2", "The mailbox of a recipient has no room now"};
    case STORE_DELIVERY_NO_MAILBOX:
        if (is_alone)
            return (struct verdict){550, "5.1.1", "The mailbox has been removed"};
        return (struct verdict){451, "4.2.1", "The mailbox of a recipient has been removed"};
    case STORE_DELIVERY_KEPT:
        break;
    }
    return no_store;
}

/* ---- the outcome ---- */

static int compare_locals(const void *left, const void *right)
{
    int64_t a = ((const struct store_delivery_local *)left)->mailbox;
    int64_t b = ((const struct store_delivery_local *)right)->mailbox;
    return (a > b) - (a < b);
}

static enum store_delivery_outcome outcome_of(const struct smtp_session_message *message,
                                              const struct smtp_session_target *target)
{
    struct store_delivery_local wanted = {.mailbox = target->mailbox};
    const struct store_delivery_local *found =
        bsearch(&wanted, message->delivery.locals, message->delivery.local_count, sizeof(wanted),
                compare_locals);
    return found == NULL ? STORE_DELIVERY_NO_MAILBOX : found->outcome;
}

bool smtp_session_delivery_is_kept(const struct smtp_session_message *message,
                                   const struct smtp_session_recipient *recipient)
{
    for (size_t i = 0; i < recipient->target_count; i++)
        if (recipient->targets[i].account != 0 &&
            outcome_of(message, &recipient->targets[i]) != STORE_DELIVERY_KEPT)
            return false;
    return true;
}

/* LMTP: one recipient may lead to several mailboxes. Good when all of them have it. When some have
   and some have not, the refusal is final: another try would bring those that have it a second
   copy, and silence would lose the message for the others. */
static struct verdict verdict_of_recipient(const struct smtp_session_message *message,
                                           const struct smtp_session_recipient *recipient,
                                           const struct verdict *kept)
{
    struct verdict verdict = *kept;
    for (size_t i = 0; i < recipient->target_count; i++) {
        if (recipient->targets[i].account == 0)
            continue; /* what goes on is kept with the job */
        enum store_delivery_outcome outcome = outcome_of(message, &recipient->targets[i]);
        if (outcome != STORE_DELIVERY_KEPT)
            verdict = verdict_of_outcome(outcome, true);
    }
    return verdict;
}

/* SMTP: what stood in the way of all. */
static struct verdict verdict_of_job(const struct smtp_session_message *message)
{
    const struct store_delivery *delivery = &message->delivery;
    bool is_alone = message->recipient_count == 1;
    if (delivery->is_over_sending_limit)
        return over_sending_limit;
    if (delivery->job.fault.kind == FAULT_LIMIT || delivery->job.fault.kind == FAULT_PERMANENT)
        for (size_t i = 0; i < delivery->local_count; i++)
            if (delivery->locals[i].outcome != STORE_DELIVERY_KEPT)
                return verdict_of_outcome(delivery->locals[i].outcome, is_alone);
    return verdict_of_fault(&delivery->job.fault);
}

static bool is_fault_of_mailboxes(const struct smtp_session_message *message)
{
    const struct store_delivery *delivery = &message->delivery;
    if (delivery->is_over_sending_limit)
        return false;
    if (delivery->job.fault.kind != FAULT_LIMIT && delivery->job.fault.kind != FAULT_PERMANENT)
        return false;
    for (size_t i = 0; i < delivery->local_count; i++)
        if (delivery->locals[i].outcome != STORE_DELIVERY_KEPT)
            return true;
    return false;
}

static void log_kept(const struct smtp_session *session, const struct smtp_session_message *message)
{
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, "kept", &line);
    log_id(&line, "message", message->delivery.id);
    log_text(&line, "sender", message->sender);
    log_number(&line, "recipients", (int64_t)message->recipient_count);
    log_number(&line, "mailboxes", (int64_t)message->delivery.local_count);
    if (message->delivery.far_count > 0)
        log_number(&line, "far", (int64_t)message->delivery.far_count);
    log_number(&line, "size", (int64_t)message->parsed.size);
    if (session->login_name != NULL)
        log_string(&line, "user", session->login_name);
    if (session->connection == NULL)
        log_string(&line, "note", "the peer had gone and may send it again");
    log_end(&line);
}

static void answer_recipients(struct smtp_session *session, const struct verdict *kept, int64_t now)
{
    /* The answers may make the engine end the transaction: it is ours until the last was given. */
    struct smtp_session_message *message = session->message;
    session->message = NULL;
    for (const struct smtp_session_recipient *recipient = message->first; recipient != NULL;
         recipient = recipient->next) {
        struct verdict verdict = verdict_of_recipient(message, recipient, kept);
        answer(session, &verdict, now);
    }
    smtp_session_envelope_free(message);
}

static void answer_kept(struct smtp_session *session, int64_t now)
{
    char text[64];
    snprintf(text, sizeof(text), "Kept as %016" PRIx64, (uint64_t)session->message->delivery.id);
    const struct verdict kept = {250, "2.0.0", text};
    if (smtp_session_is_lmtp(session)) {
        answer_recipients(session, &kept, now);
        return;
    }
    smtp_session_envelope_drop(session);
    answer(session, &kept, now);
}

static void remember_tight(const struct smtp_session *session,
                           const struct smtp_session_message *message, int64_t now)
{
    const struct store_delivery *delivery = &message->delivery;
    for (size_t i = 0; i < delivery->local_count; i++) {
        enum store_delivery_outcome outcome = delivery->locals[i].outcome;
        if (outcome == STORE_DELIVERY_OVER_QUOTA_BYTES ||
            outcome == STORE_DELIVERY_OVER_QUOTA_MESSAGES)
            smtp_session_tight_add(session_services_tight(session->services),
                                   delivery->locals[i].mailbox, now);
    }
}

void smtp_session_delivery_answer(struct smtp_session *session, int64_t now)
{
    struct smtp_session_message *message = session->message;
    if (message->delivery.job.is_done) {
        answer_kept(session, now);
        return;
    }
    if (is_fault_of_mailboxes(message) && smtp_session_is_lmtp(session)) {
        answer_recipients(session, &no_store, now);
        return;
    }
    if (!is_fault_of_mailboxes(message) && !message->delivery.is_over_sending_limit)
        session_services_tell_trouble(session->services, SESSION_TROUBLE_WRITE,
                                      session->identity.id, &message->delivery.job.fault, now);
    if (is_fault_of_mailboxes(message) && message->recipient_count > 1)
        remember_tight(session, message, now);
    struct verdict verdict = verdict_of_job(message);
    answer_all(session, &verdict, now);
}

/* On the session's loop. */
static void delivered(struct loop_task *task)
{
    struct smtp_session_message *message =
        (struct smtp_session_message *)((char *)task -
                                        offsetof(struct smtp_session_message, delivered));
    struct smtp_session *session = message->session;
    if (message->delivery.job.is_done) {
        log_kept(session, message);
        session->kept++;
    }
    if (!smtp_session_is_back(session))
        return;
    const struct store_delivery *delivery = &message->delivery;
    bool lacks_report =
        delivery->job.is_done && delivery->report != NULL && !delivery->is_report_kept;
    if (lacks_report && smtp_session_report_begin_again(session))
        return;
    int64_t now = loop_now(session->identity.loop);
    smtp_session_delivery_answer(session, now);
    smtp_session_go_on(session, now);
}

/* On a thread of the store. */
static void committed(struct store_job *job)
{
    struct smtp_session_message *message =
        (struct smtp_session_message *)((char *)job -
                                        offsetof(struct smtp_session_message, delivery.job));
    smtp_session_body_return(message);
    loop_post(message->session->identity.loop, &message->delivered);
}

/* ---- the job ---- */

static struct trace_header trace_of(const struct smtp_session *session)
{
    const struct smtp_session_message *message = session->message;
    return (struct trace_header){
        .hello = bytes_from_string(session->hello == NULL ? "" : session->hello),
        .peer = session->identity.peer,
        .name = session->services->name,
        .is_extended = session->is_extended,
        .is_lmtp = smtp_session_is_lmtp(session),
        .is_encrypted = session->tls != NULL,
        .is_authenticated = session->account != 0,
        .is_utf8 = message->is_utf8,
        .tls_version = session->tls == NULL ? NULL : session->tls->version,
        .tls_cipher = session->tls == NULL ? NULL : session->tls->cipher,
        .id = message->delivery.id,
        .received = message->delivery.received,
        .sender = message->sender,
    };
}

/* The fields of one recipient's copies; shared by all mailboxes that it leads to. */
static bool make_prefix(struct smtp_session_message *message, const struct trace_header *trace,
                        const struct smtp_session_recipient *recipient, struct buffer *scratch,
                        struct bytes *prefix)
{
    buffer_reset(scratch);
    trace_header_local(trace, recipient->address, message->recipient_count == 1, scratch);
    if (buffer_is_failed(scratch))
        return false;
    const char *text = arena_copy_string(&message->arena, buffer_bytes(scratch));
    *prefix = bytes_of(text, scratch->length);
    return text != NULL;
}

/* Two recipients may lead to one mailbox, which gets one copy. Answers how many are left, in the
   order of the mailboxes. */
static size_t leave_out_doubles(struct store_delivery_local *locals, size_t count)
{
    qsort(locals, count, sizeof(*locals), compare_locals);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || locals[kept - 1].mailbox != locals[i].mailbox)
            locals[kept++] = locals[i];
    return kept;
}

static bool make_locals(struct smtp_session *session)
{
    struct smtp_session_message *message = session->message;
    struct store_delivery *delivery = &message->delivery;
    delivery->locals =
        arena_allocate_array(&message->arena, message->target_count, sizeof(*delivery->locals));
    if (delivery->locals == NULL)
        return false;
    struct trace_header trace = trace_of(session);
    AUTO(buffer)
    scratch = BUFFER(TRACE_HEADER_MAX);
    size_t count = 0;
    for (const struct smtp_session_recipient *recipient = message->first; recipient != NULL;
         recipient = recipient->next) {
        struct bytes prefix;
        if (!make_prefix(message, &trace, recipient, &scratch, &prefix))
            return false;
        for (size_t i = 0; i < recipient->target_count; i++)
            if (recipient->targets[i].account != 0)
                delivery->locals[count++] =
                    (struct store_delivery_local){.account = recipient->targets[i].account,
                                                  .mailbox = recipient->targets[i].mailbox,
                                                  .prefix = prefix};
    }
    delivery->local_count = leave_out_doubles(delivery->locals, count);
    return true;
}

/* What xtext says, in the arena; empty when it says nothing that could be said again. */
static bool decode(struct arena *arena, struct bytes text, struct buffer *scratch,
                   struct bytes *decoded)
{
    buffer_reset(scratch);
    if (!smtp_parameter_decode(text, scratch))
        buffer_reset(scratch);
    const char *copy = arena_copy_string(arena, buffer_bytes(scratch));
    *decoded = bytes_of(copy, scratch->length);
    return copy != NULL;
}

/* RFC 3461 5.2.7.2: a forwarded recipient is known to its sender by the name that he wrote. */
static bool make_original_recipient(struct smtp_session_message *message,
                                    const struct smtp_session_recipient *recipient,
                                    const struct smtp_session_target *target,
                                    struct buffer *scratch, struct bytes *original)
{
    if (!bytes_is_empty(recipient->original_recipient) ||
        bytes_equal(recipient->address, target->far))
        return decode(&message->arena, recipient->original_recipient, scratch, original);
    buffer_reset(scratch);
    buffer_append(scratch, bytes_is_ascii(recipient->address) ? BYTES("rfc822;") : BYTES("utf-8;"));
    buffer_append(scratch, recipient->address);
    const char *copy = arena_copy_string(&message->arena, buffer_bytes(scratch));
    *original = bytes_of(copy, scratch->length);
    return copy != NULL;
}

/* RFC 3461 5.2.7.3 (c): of an alias with several members it is told here that it was expanded, and
   no member tells of success. */
static unsigned notify_of(const struct smtp_session_recipient *recipient)
{
    if (recipient->target_count == 1 || (recipient->notify & PH_NOTIFY_SUCCESS) == 0)
        return recipient->notify;
    unsigned rest = recipient->notify & ~(unsigned)PH_NOTIFY_SUCCESS;
    return rest == 0 ? PH_NOTIFY_NEVER : rest;
}

static int compare_fars(const void *left, const void *right)
{
    return bytes_compare(((const struct store_delivery_far *)left)->recipient,
                         ((const struct store_delivery_far *)right)->recipient);
}

/* A far address that several recipients lead to gets one copy. */
static size_t leave_out_far_doubles(struct store_delivery_far *fars, size_t count)
{
    qsort(fars, count, sizeof(*fars), compare_fars);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || !bytes_equal(fars[kept - 1].recipient, fars[i].recipient))
            fars[kept++] = fars[i];
    return kept;
}

static bool list_fars(struct smtp_session_message *message, struct buffer *scratch)
{
    struct store_delivery *delivery = &message->delivery;
    size_t count = 0;
    for (const struct smtp_session_recipient *recipient = message->first; recipient != NULL;
         recipient = recipient->next) {
        for (size_t i = 0; i < recipient->target_count; i++) {
            const struct smtp_session_target *target = &recipient->targets[i];
            if (target->account != 0)
                continue;
            struct store_delivery_far *far = &delivery->fars[count++];
            *far = (struct store_delivery_far){
                .recipient = target->far, .route = target->route, .notify = notify_of(recipient)};
            if (!make_original_recipient(message, recipient, target, scratch,
                                         &far->original_recipient))
                return false;
        }
    }
    delivery->far_count = leave_out_far_doubles(delivery->fars, count);
    return true;
}

static enum store_body_kind body_kind_of(const struct smtp_session_message *message)
{
    if (message->body == SMTP_SERVER_BINARY)
        return STORE_BODY_BINARY;
    return message->parsed.has_8bit ? STORE_BODY_8BIT : STORE_BODY_7BIT;
}

static bool make_fars(struct smtp_session *session)
{
    struct smtp_session_message *message = session->message;
    struct store_delivery *delivery = &message->delivery;
    if (message->far_count == 0)
        return true;
    AUTO(buffer)
    scratch = BUFFER(TRACE_HEADER_MAX);
    delivery->fars =
        arena_allocate_array(&message->arena, message->far_count, sizeof(*delivery->fars));
    if (delivery->fars == NULL || !list_fars(message, &scratch) ||
        !decode(&message->arena, message->envelope_id, &scratch, &delivery->envelope_id))
        return false;
    struct trace_header trace = trace_of(session);
    buffer_reset(&scratch);
    trace_header_received(
        &trace, message->recipient_count == 1 ? message->first->address : BYTES(""), &scratch);
    const char *prefix = arena_copy_string(&message->arena, buffer_bytes(&scratch));
    delivery->far_prefix = bytes_of(prefix, scratch.length);
    delivery->body_kind = body_kind_of(message);
    delivery->is_utf8 = message->is_utf8;
    if (message->sending_limits.messages > 0 || message->sending_limits.recipients > 0)
        delivery->sending_limits = &message->sending_limits;
    return prefix != NULL && !buffer_is_failed(&scratch);
}

/* RFC 6409 8.1, 8.2: a submission gets the Date and the Message-ID that it lacks. */
static bool complete(struct smtp_session *session, struct fault *fault)
{
    struct smtp_session_message *message = session->message;
    struct message_parsed seen = {0};
    message_parser_peek(message->parser, &seen);
    if (session->service->kind != SMTP_SESSION_SUBMISSION || (seen.has_date && seen.has_message_id))
        return true;
    struct trace_header trace = trace_of(session);
    AUTO(buffer)
    fields = BUFFER(TRACE_HEADER_MAX);
    return trace_header_missing(&trace, !seen.has_date, !seen.has_message_id, &fields, fault) &&
           message_parser_add_front(message->parser, buffer_bytes(&fields), fault) &&
           store_draft_put_front(message->draft, buffer_bytes(&fields), fault);
}

static bool prepare(struct smtp_session *session, struct fault *fault)
{
    struct smtp_session_message *message = session->message;
    struct store_delivery *delivery = &message->delivery;
    delivery->store = session->services->store;
    delivery->id = store_id_make(delivery->store);
    delivery->received = clock_wall_microseconds();
    if (!complete(session, fault) ||
        !message_parser_finish(message->parser, &message->parsed, fault))
        return false;
    if (!make_locals(session) || !make_fars(session))
        return fault_set_memory(fault);
    delivery->draft = message->draft;
    delivery->parsed = &message->parsed;
    delivery->sender = message->sender;
    delivery->return_content = message->return_content;
    delivery->account = session->account;
    delivery->is_all_or_nothing = !smtp_session_is_lmtp(session);
    delivery->job.done = committed;
    message->delivered.run = delivered;
    return true;
}

/* What no message may be. */
static const struct verdict *find_objection(const struct smtp_session *session)
{
    static const struct verdict loops = {554, "5.4.6",
                                         "Too many hops: the message goes in circles"};
    static const struct verdict has_nul = {554, "5.6.0", "A NUL byte is no text"};
    const struct smtp_session_message *message = session->message;
    struct message_parsed seen = {0};
    message_parser_peek(message->parser, &seen);
    if (seen.received_count > session->hops)
        return &loops; /* RFC 5321 6.3 */
    if (seen.has_nul && message->body != SMTP_SERVER_BINARY)
        return &has_nul; /* RFC 5321 4.5.2, RFC 3030 3 */
    return NULL;
}

/* Puts the report beside the message that it is about; alone where that is kept already. */
static bool attach_report(struct smtp_session_message *message)
{
    struct store_delivery *delivery = &message->delivery;
    struct store_delivery *report = report_mail_delivery(message->report_mail);
    if (report == NULL)
        return true;
    delivery->mailboxes = arena_allocate_array(
        &message->arena, delivery->local_count + report->local_count, sizeof(*delivery->mailboxes));
    delivery->report = report;
    return delivery->mailboxes != NULL;
}

static void submit(struct smtp_session *session)
{
    session->busy = SMTP_SESSION_DELIVERS;
    smtp_session_body_lend(session->message);
    store_delivery_submit(&session->message->delivery);
}

void smtp_session_delivery_go_on(struct smtp_session *session, const struct fault *fault,
                                 int64_t now)
{
    struct smtp_session_message *message = session->message;
    struct fault why = *fault;
    if (why.kind == FAULT_NONE && message->report_mail != NULL && !attach_report(message))
        fault_set_memory(&why);
    if (why.kind == FAULT_NONE) {
        submit(session);
        return;
    }
    /* Without the report that was asked for it is not kept: the sender comes again. */
    session_services_tell_trouble(session->services, SESSION_TROUBLE_MEMORY, session->identity.id,
                                  &why, now);
    answer_all(session, &no_store, now);
}

void smtp_session_delivery_begin(struct smtp_session *session, int64_t now)
{
    struct smtp_session_message *message = session->message;
    struct fault fault = {0};
    /* A body without a byte told nothing, and is kept all the same. */
    smtp_session_body_hear(session, BYTES(""), now);
    if (message->fault.kind != FAULT_NONE) {
        struct verdict verdict = verdict_of_fault(&message->fault);
        answer_all(session, &verdict, now);
        return;
    }
    const struct verdict *objection = find_objection(session);
    if (objection != NULL) {
        answer_all(session, objection, now);
        return;
    }
    if (!prepare(session, &fault)) {
        session_services_tell_trouble(session->services, SESSION_TROUBLE_MEMORY,
                                      session->identity.id, &fault, now);
        answer_all(session, &no_store, now);
        return;
    }
    if (!smtp_session_report_begin(session, &fault))
        smtp_session_delivery_go_on(session, &fault, now);
}
