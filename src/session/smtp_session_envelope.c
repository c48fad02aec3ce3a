/* MAIL and RCPT: whether the sender may be said, and where a recipient leads. */
#include <stdlib.h>

#include "base/clock.h"
#include "delivery/relay.h"
#include "session/session_dev.h"
#include "session/smtp_session_inside.h"
#include "session/smtp_session_tight.h"

/* ---- the message in hand ---- */

void smtp_session_envelope_free(struct smtp_session_message *message)
{
    if (message == NULL)
        return;
    smtp_session_body_drop(message);
    route_answer_clear(&message->lookup.answer);
    arena_clear(&message->arena);
    free(message);
}

void smtp_session_envelope_drop(struct smtp_session *session)
{
    smtp_session_envelope_free(session->message);
    session->message = NULL;
}

/* *copy is the arena's. False: it is used up, or no memory. */
static bool copy_bytes(struct arena *arena, struct bytes bytes, struct bytes *copy)
{
    char *text = arena_copy_string(arena, bytes);
    *copy = bytes_of(text, bytes.length);
    return text != NULL;
}

static struct smtp_session_message *new_message(struct smtp_session *session,
                                                const struct smtp_server_event *event)
{
    struct smtp_session_message *message = calloc(1, sizeof(*message));
    if (message == NULL)
        return NULL;
    message->session = session;
    message->size = event->has_size ? event->size : 0;
    message->body = event->body;
    message->is_utf8 = event->is_utf8;
    message->return_content = event->return_content;
    /* Who forwards by an alias from outside is counted as nobody. */
    if (session->account != 0 && session->service->kind == SMTP_SESSION_SUBMISSION)
        message->sending_limits = session->sending_limits;
    arena_init(&message->arena, SMTP_SESSION_ARENA_MAX);
    if (!copy_bytes(&message->arena, event->address, &message->sender) ||
        !copy_bytes(&message->arena, event->envelope_id, &message->envelope_id)) {
        smtp_session_envelope_free(message);
        return NULL;
    }
    return message;
}

static void answer_no_memory(struct smtp_session *session, int64_t now)
{
    struct fault fault = {0};
    fault_set_memory(&fault);
    session_services_tell_trouble(session->services, SESSION_TROUBLE_MEMORY, session->identity.id,
                                  &fault, now);
    smtp_session_answer(session, 452, "4.3.1", "No memory for this now, try again later", now);
}

static void answer_no_store(struct smtp_session *session, const struct fault *fault, int64_t now)
{
    session_services_tell_trouble(session->services, SESSION_TROUBLE_READ, session->identity.id,
                                  fault, now);
    smtp_session_answer(session, 451, "4.3.0", "The store cannot be read now, try again later",
                        now);
}

static void log_refused(const struct smtp_session *session, const char *event, const char *key,
                        struct bytes address, int code, const char *enhanced)
{
    struct log_line line;
    session_identity_log(&session->identity, session->services, LOG_LEVEL_INFO, event, &line);
    log_text(&line, key, address);
    log_number(&line, "code", code);
    log_string(&line, "enhanced", enhanced);
    log_string(&line, "peer", session->identity.peer);
    log_end(&line);
}

static void submit_lookup(struct smtp_session *session,
                          void (*run)(struct worker_job *job, void *context),
                          void (*done)(struct loop_task *task))
{
    struct smtp_session_lookup *lookup = &session->message->lookup;
    lookup->session = session;
    lookup->job =
        (struct worker_job){.run = run, .done = {.run = done}, .loop = session->identity.loop};
    session->busy = SMTP_SESSION_LOOKS_UP;
    worker_submit(session->services->workers, &lookup->job);
}

static struct smtp_session_lookup *lookup_of(struct loop_task *task)
{
    return (struct smtp_session_lookup *)((char *)task -
                                          offsetof(struct smtp_session_lookup, job.done));
}

/* ---- MAIL ---- */

static void answer_mail(struct smtp_session *session, bool is_allowed, int64_t now)
{
    if (is_allowed) {
        smtp_session_answer(session, 250, "2.1.0", "Sender ok", now);
        return;
    }
    /* RFC 6409 6.1 */
    log_refused(session, "sender-refused", "sender", session->message->sender, 550, "5.7.1");
    smtp_session_envelope_drop(session);
    smtp_session_answer(session, 550, "5.7.1", "This sender address is not yours", now);
}

/* Does the account, which may have been disabled or removed since its login, own the sender? The
   null sender is everybody's who may log in. */
static bool find_owner(struct db *reader, const struct route_question *question, bool *is_owned,
                       struct fault *fault)
{
    struct address address;
    struct store_account account;
    bool is_found;
    if (!bytes_is_empty(question->address))
        return address_parse(question->address, &address, fault) &&
               store_account_owns(reader, question->account, &address, is_owned, fault);
    if (!store_account_get(reader, question->account, &account, &is_found, fault))
        return false;
    *is_owned = is_found && !account.is_disabled;
    return true;
}

/* A worker's. */
static void look_up_owner(struct worker_job *job, void *context)
{
    struct smtp_session_lookup *lookup = (struct smtp_session_lookup *)job;
    if (context == NULL) {
        lookup->is_done = fault_set(&lookup->fault, FAULT_TEMPORARY, "no reader of the store");
        return;
    }
    lookup->is_done =
        find_owner(context, &lookup->question, &lookup->is_owned, &lookup->fault) &&
        store_sending_read(context, lookup->question.account, clock_wall_microseconds(),
                           &lookup->sending, &lookup->fault);
}

static void owner_found(struct loop_task *task)
{
    struct smtp_session_lookup *lookup = lookup_of(task);
    struct smtp_session *session = lookup->session;
    if (!smtp_session_is_back(session))
        return;
    int64_t now = loop_now(session->identity.loop);
    if (!lookup->is_done) {
        struct fault fault = lookup->fault;
        smtp_session_envelope_drop(session);
        answer_no_store(session, &fault, now);
    } else {
        session->message->sending = lookup->sending;
        answer_mail(session, lookup->is_owned, now);
    }
    smtp_session_go_on(session, now);
}

/* A submission may say a sender of its own only, or none, as notifications of receipt must
   (RFC 8098 3); others have nobody's name to say, and say what they like. */
static bool is_sender_free(const struct smtp_session *session)
{
    return session->service->kind != SMTP_SESSION_SUBMISSION || session->services->is_dev;
}

void smtp_session_envelope_hear_mail(struct smtp_session *session,
                                     const struct smtp_server_event *event, int64_t now)
{
    smtp_session_envelope_drop(session);
    session->message = new_message(session, event);
    if (session->message == NULL) {
        answer_no_memory(session, now);
        return;
    }
    if (is_sender_free(session)) {
        answer_mail(session, true, now);
        return;
    }
    session->message->lookup.question =
        (struct route_question){.address = session->message->sender, .account = session->account};
    submit_lookup(session, look_up_owner, owner_found);
}

/* ---- RCPT ---- */

/* Where a far copy goes, and by which way. */
static bool copy_far(const struct smtp_session *session, const struct address *address,
                     struct smtp_session_target *target)
{
    struct smtp_session_message *message = session->message;
    AUTO(buffer)
    text = BUFFER(ADDRESS_TEXT_MAX);
    AUTO(buffer)
    route = BUFFER(RELAY_ROUTE_MAX);
    address_print(address, &text);
    return !buffer_is_failed(&text) &&
           relay_route(session->services->relays, message->sender, address, &route, NULL) &&
           copy_bytes(&message->arena, buffer_bytes(&text), &target->far) &&
           copy_bytes(&message->arena, buffer_bytes(&route), &target->route);
}

static bool copy_targets(const struct smtp_session *session,
                         struct smtp_session_recipient *recipient,
                         const struct store_targets *targets)
{
    struct smtp_session_message *message = session->message;
    recipient->targets =
        arena_allocate_array(&message->arena, targets->count, sizeof(*recipient->targets));
    if (recipient->targets == NULL)
        return false;
    recipient->target_count = targets->count;
    for (size_t i = 0; i < targets->count; i++) {
        recipient->targets[i] = (struct smtp_session_target){.account = targets->items[i].account,
                                                             .mailbox = targets->items[i].mailbox};
        if (targets->items[i].account == 0 &&
            !copy_far(session, &targets->items[i].far, &recipient->targets[i]))
            return false;
    }
    return true;
}

static size_t count_far(const struct store_targets *targets)
{
    size_t count = 0;
    for (size_t i = 0; i < targets->count; i++)
        count += targets->items[i].account == 0;
    return count;
}

/* So much more would be past what the account may send in an hour. The commit counts again. */
static bool is_over_sending_limit(const struct smtp_session_message *message, size_t more)
{
    const struct store_sending_limits *limits = &message->sending_limits;
    return more > 0 &&
           ((limits->messages > 0 && message->sending.messages >= limits->messages) ||
            (limits->recipients > 0 &&
             message->sending.recipients + message->far_count + more > limits->recipients));
}

static void take_recipient(struct smtp_session *session, struct smtp_session_recipient *recipient,
                           const struct store_targets *targets, int64_t now)
{
    struct smtp_session_message *message = session->message;
    if (message->target_count + targets->count > SMTP_SESSION_MAILBOXES_MAX) {
        smtp_session_answer(session, 452, "4.5.3", "Too many mailboxes for one message", now);
        return;
    }
    size_t far_count = count_far(targets);
    if (is_over_sending_limit(message, far_count)) {
        log_refused(session, "sending-limit", "recipient", recipient->address, 452, "4.7.1");
        smtp_session_answer(session, 452, "4.7.1", SMTP_SESSION_SENDING_TEXT, now);
        return;
    }
    if (!copy_targets(session, recipient, targets)) {
        answer_no_memory(session, now);
        return;
    }
    if (message->last == NULL)
        message->first = recipient;
    else
        message->last->next = recipient;
    message->last = recipient;
    message->recipient_count++;
    message->target_count += targets->count;
    message->far_count += far_count;
    const struct route_words *words = route_words_of(ROUTE_TAKEN);
    smtp_session_answer(session, words->code, words->enhanced, words->text, now);
}

/* A mailbox that had no room for what others were to have too. What SIZE= announces is compared,
   and in LMTP each recipient hears its own answer. */
static bool is_tight(const struct smtp_session *session, const struct store_targets *targets)
{
    int64_t now = loop_now(session->identity.loop);
    if (session->message->size > 0 || smtp_session_is_lmtp(session))
        return false;
    for (size_t i = 0; i < targets->count; i++)
        if (targets->items[i].account != 0 &&
            smtp_session_tight_has(session_services_tight(session->services),
                                   targets->items[i].mailbox, now))
            return true;
    return false;
}

/* RFC 5321 4.5.3.1.10: behind this 452 the sender brings the message once more for whom it was said
   of. False: it was said. */
static bool may_share(struct smtp_session *session, const struct smtp_session_recipient *recipient,
                      const struct store_targets *targets, int64_t now)
{
    struct smtp_session_message *message = session->message;
    bool has_others = message->recipient_count > 0;
    bool wants_all = is_tight(session, targets);
    if (!has_others)
        message->is_tight = wants_all;
    if (!has_others || (!wants_all && !message->is_tight))
        return true;
    log_refused(session, "recipient-apart", "recipient", recipient->address, 452, "4.5.3");
    smtp_session_answer(session, 452, "4.5.3", "One recipient has little room: send this one apart",
                        now);
    return false;
}

static void answer_rcpt(struct smtp_session *session, struct smtp_session_recipient *recipient,
                        const struct route_answer *answer, int64_t now)
{
    enum route_verdict verdict = answer->verdict;
    if (verdict == ROUTE_TAKEN && !route_has_room(answer, session->message->size))
        verdict = ROUTE_FULL;
    if (verdict == ROUTE_TAKEN) {
        if (may_share(session, recipient, &answer->targets, now))
            take_recipient(session, recipient, &answer->targets, now);
        return;
    }
    const struct route_words *words = route_words_of(verdict);
    log_refused(session, "recipient-refused", "recipient", recipient->address, words->code,
                words->enhanced);
    smtp_session_answer(session, words->code, words->enhanced, words->text, now);
}

/* A worker's. */
static void look_up_route(struct worker_job *job, void *context)
{
    struct smtp_session_lookup *lookup = (struct smtp_session_lookup *)job;
    struct session_services *services = lookup->session->services;
    if (context == NULL) {
        lookup->is_done = fault_set(&lookup->fault, FAULT_TEMPORARY, "no reader of the store");
        return;
    }
    lookup->is_done = services->is_dev
                          ? session_dev_route(services, context, &lookup->question, &lookup->answer,
                                              &lookup->fault)
                          : route_find(context, &lookup->question, &lookup->answer, &lookup->fault);
}

static void route_found(struct loop_task *task)
{
    struct smtp_session_lookup *lookup = lookup_of(task);
    struct smtp_session *session = lookup->session;
    if (!smtp_session_is_back(session))
        return;
    int64_t now = loop_now(session->identity.loop);
    if (lookup->is_done) {
        route_memory_keep(session_services_routes(session->services, session->identity.loop),
                          &lookup->question, &lookup->answer, now);
        answer_rcpt(session, lookup->recipient, &lookup->answer, now);
    } else {
        answer_no_store(session, &lookup->fault, now);
    }
    route_answer_clear(&lookup->answer);
    smtp_session_go_on(session, now);
}

static struct smtp_session_recipient *new_recipient(struct smtp_session_message *message,
                                                    const struct smtp_server_event *event)
{
    struct smtp_session_recipient *recipient = arena_allocate(&message->arena, sizeof(*recipient));
    if (recipient == NULL || !copy_bytes(&message->arena, event->address, &recipient->address) ||
        !copy_bytes(&message->arena, event->original_recipient, &recipient->original_recipient))
        return NULL;
    recipient->notify = event->notify;
    return recipient;
}

void smtp_session_envelope_hear_rcpt(struct smtp_session *session,
                                     const struct smtp_server_event *event, int64_t now)
{
    struct smtp_session_message *message = session->message;
    struct smtp_session_recipient *recipient =
        message == NULL ? NULL : new_recipient(message, event);
    if (recipient == NULL) {
        answer_no_memory(session, now);
        return;
    }
    struct route_question question = {.address = recipient->address, .account = session->account};
    const struct route_answer *known;
    if (route_memory_find(session_services_routes(session->services, session->identity.loop),
                          &question, now, &known)) {
        answer_rcpt(session, recipient, known, now);
        return;
    }
    message->lookup.recipient = recipient;
    message->lookup.question = question;
    submit_lookup(session, look_up_route, route_found);
}
