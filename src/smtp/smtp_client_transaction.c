/* A transaction on the wire: MAIL, all RCPT and DATA (or BDAT with the body) in one group where the
 * server pipelines (RFC 2920), one command at a time where it does not; and what each reply means
 * for it. */
#include "smtp/smtp_client_inside.h"

#include "smtp/smtp_error.h"

enum {
    /* Replies that a transaction may still call for behind its recipients: DATA or BDAT, the
     * verdict, a lone dot. */
    REPLIES_SPARE = 8,
    /* With more recipients than fit, the next group goes out when this many replies are missing. */
    WINDOW_LOW = PH_ENGINE_PENDING_MAX / 2
};

/* ---- issuing ---- */

bool smtp_client_transaction_may_ride(const struct smtp_client *client,
                                      const struct smtp_operation *operation)
{
    const struct smtp_operation *before = operation->previous;
    if (before == NULL || operation->kind != PH_OPERATION_TRANSACTION ||
        before->kind != PH_OPERATION_TRANSACTION || operation->transaction.is_data_only ||
        before->transaction.is_data_only || !smtp_client_is_pipelining(client))
        return false;
    if (before->transaction.phase != SMTP_PHASE_VERDICT ||
        !smtp_client_queue_has_room(client, REPLIES_SPARE) || outbox_is_full(&client->outbox))
        return false;
    /* RFC 2920 3.1 lets the end of a body stand at the beginning of a group. RFC 3030 is silent on
     * what follows BDAT LAST, so that is the caller's choice. */
    return !before->transaction.uses_bdat || client->has_bodies_in_flight;
}

static void issue_rset(struct smtp_client *client, struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    bool is_behind_body =
        operation->previous != NULL && operation->previous->kind == PH_OPERATION_TRANSACTION;
    /* RFC 3030 2: after a BDAT that failed only RSET helps. RFC 5321 4.1.1.4 clears the buffers
     * after DATA too, but there are servers that keep the envelope of a message that they refused
     * at its end. Whether it was refused is not known yet. */
    bool is_owed = client->needs_rset || client->has_envelope;
    if (is_owed || is_behind_body) {
        smtp_client_queue_rset(client, operation);
        /* Nothing else stops a body by BDAT where RSET is refused. Whoever wants bodies in flight
         * takes that upon himself, as long as nothing was refused. */
        transaction->is_behind_rset = is_owed || !client->has_bodies_in_flight;
    }
    operation->is_begun = true;
    transaction->phase = SMTP_PHASE_MAIL;
}

/* What was judged can be written: where it cannot, the caller changed it meanwhile, or memory ran
 * out. */
static void stop_command(struct smtp_client *client, struct smtp_operation *operation,
                         const struct ph_error *error)
{
    if (error->kind == PH_ERROR_MEMORY) {
        buffer_fail(&client->outbox.text);
        return;
    }
    operation->error = *error;
    operation->has_error = true;
    smtp_client_transaction_give_up(client, operation);
}

static void stop_encoding(struct smtp_client *client, struct smtp_operation *operation,
                          const char *verb, const struct fault *fault)
{
    struct ph_error error;
    outbox_end_text(&client->outbox);
    smtp_error_from_fault(&error, PH_ERROR_ARGUMENT, verb, fault, "the command cannot be sent");
    stop_command(client, operation, &error);
}

static void end_command(struct smtp_client *client, struct smtp_operation *operation, size_t start,
                        enum smtp_awaited what, size_t index)
{
    smtp_client_trace_line(client, start, SIZE_MAX);
    smtp_client_queue_await(client, operation, what, index);
}

static void issue_mail(struct smtp_client *client, struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    struct smtp_command_mail mail = transaction->mail;
    struct ph_error error;
    struct fault fault;
    bool needs_utf8 = false;
    if (!smtp_client_check_address(client, transaction->given->sender, true, &needs_utf8, &error)) {
        stop_command(client, operation, &error);
        return;
    }
    mail.sender = buffer_bytes(&client->scratch);
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    if (!smtp_command_mail(text, &mail, &fault)) {
        stop_encoding(client, operation, "MAIL", &fault);
        return;
    }
    end_command(client, operation, start, SMTP_AWAITED_MAIL, 0);
    transaction->phase = SMTP_PHASE_RCPT;
}

static void issue_rcpt(struct smtp_client *client, struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    const struct ph_recipient *given = &transaction->given->recipients[transaction->issued];
    struct ph_error error;
    struct fault fault;
    bool needs_utf8 = false;
    if (!smtp_client_check_address(client, given->address, false, &needs_utf8, &error)) {
        stop_command(client, operation, &error);
        return;
    }
    struct smtp_command_recipient recipient = {
        .address = buffer_bytes(&client->scratch),
        .notify = transaction->has_dsn ? given->notify : 0,
        .original_recipient = transaction->has_dsn ? given->original_recipient : NULL,
        .parameters = given->parameters,
    };
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    if (!smtp_command_rcpt(text, &recipient, &fault)) {
        stop_encoding(client, operation, "RCPT", &fault);
        return;
    }
    end_command(client, operation, start, SMTP_AWAITED_RCPT, transaction->issued);
    transaction->issued++;
}

/* One full group at a time, so that replies do not draw out commands one by one. */
static bool has_room_for_rcpt(const struct smtp_client *client,
                              struct smtp_transaction *transaction)
{
    if (!smtp_client_queue_has_room(client, REPLIES_SPARE)) {
        transaction->is_group_full = true;
        return false;
    }
    if (outbox_is_full(&client->outbox) ||
        (transaction->is_group_full && client->pending_count >= WINDOW_LOW))
        return false;
    transaction->is_group_full = false;
    return true;
}

static void issue_data(struct smtp_client *client, struct smtp_operation *operation)
{
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    buffer_append(text, BYTES("DATA\r\n"));
    smtp_client_trace_line(client, start, SIZE_MAX);
    smtp_client_queue_await(client, operation, SMTP_AWAITED_DATA, 0);
    operation->transaction.phase = SMTP_PHASE_DATA_REPLY;
}

/* One step; false = nothing can be done until something comes. */
static bool step(struct smtp_client *client, struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    switch (transaction->phase) {
    case SMTP_PHASE_RSET:
        issue_rset(client, operation);
        return true;
    case SMTP_PHASE_MAIL:
        issue_mail(client, operation);
        return true;
    case SMTP_PHASE_RCPT:
        if (transaction->issued == transaction->recipient_count) {
            transaction->phase = transaction->uses_bdat ? SMTP_PHASE_BODY : SMTP_PHASE_DATA;
            return true;
        }
        if (!has_room_for_rcpt(client, transaction))
            return false;
        issue_rcpt(client, operation);
        return true;
    case SMTP_PHASE_DATA:
        if (!smtp_client_queue_has_room(client, 1))
            return false;
        operation->is_begun = true;
        issue_data(client, operation);
        return true;
    case SMTP_PHASE_BODY: {
        enum smtp_body_progress progress = smtp_client_body_issue(client, operation);
        if (progress == SMTP_BODY_ENDED)
            transaction->phase = SMTP_PHASE_VERDICT;
        return progress != SMTP_BODY_WAITS;
    }
    default:
        return false;
    }
}

bool smtp_client_transaction_issue(struct smtp_client *client, struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    while (!client->is_closed && transaction->phase != SMTP_PHASE_VERDICT &&
           transaction->phase != SMTP_PHASE_GIVEN_UP) {
        if (operation->pending > 0 && !smtp_client_is_pipelining(client))
            return false;
        if (buffer_is_failed(&client->outbox.text) || !step(client, operation))
            return transaction->phase == SMTP_PHASE_GIVEN_UP;
    }
    return true;
}

/* ---- ending ---- */

/* The next command must be RSET, unless it is on its way already: before the next transaction in
 * flight. */
static void owe_rset(struct smtp_client *client, const struct smtp_operation *operation)
{
    const struct smtp_transaction *transaction = &operation->transaction;
    if (transaction->is_sender_refused && transaction->accepted == 0 && !transaction->uses_bdat)
        return;
    if (operation->next == NULL || !operation->next->is_begun)
        client->needs_rset = true;
}

static void end(struct smtp_operation *operation, bool has_reply)
{
    operation->error.fate = operation->transaction.fate;
    smtp_client_queue_end(operation, has_reply);
}

void smtp_client_transaction_give_up(struct smtp_client *client, struct smtp_operation *operation)
{
    struct smtp_transaction *transaction = &operation->transaction;
    transaction->phase = SMTP_PHASE_GIVEN_UP;
    if (operation->is_begun)
        owe_rset(client, operation);
    if (operation->pending == 0)
        end(operation, false);
}

/* It is refused: what is not out yet stays here. What is out is answered first. */
static void refuse(struct smtp_client *client, struct smtp_operation *operation)
{
    enum smtp_phase phase = operation->transaction.phase;
    if (phase != SMTP_PHASE_DATA_REPLY && phase != SMTP_PHASE_VERDICT &&
        phase != SMTP_PHASE_GIVEN_UP)
        smtp_client_transaction_give_up(client, operation);
}

static void set_error(struct smtp_operation *operation, enum ph_error_kind kind, const char *verb,
                      const struct ph_reply *reply, const char *sentence, const char *address)
{
    if (operation->has_error)
        return;
    operation->has_error = true;
    smtp_error_from_reply(&operation->error, kind, verb, reply, "%s%s%.200s%s", sentence,
                          address == NULL ? "" : " <", address == NULL ? "" : address,
                          address == NULL ? "" : ">");
}

static bool is_refused(const struct smtp_operation *operation)
{
    const struct smtp_transaction *transaction = &operation->transaction;
    return operation->has_error || (!transaction->is_data_only && transaction->accepted == 0);
}

/* ---- hearing ---- */

static bool is_positive(const struct ph_reply *reply)
{
    return reply->code / 100 == 2;
}

static void hear_mail(struct smtp_client *client, struct smtp_operation *operation,
                      const struct ph_reply *reply)
{
    smtp_client_tell(client, PH_EVENT_SENDER, operation, 0, reply);
    if (is_positive(reply))
        return;
    operation->transaction.is_sender_refused = true;
    set_error(operation, PH_ERROR_SENDER_REFUSED, "MAIL", reply, "the server refused the sender",
              operation->transaction.given->sender);
    refuse(client, operation);
}

static void hear_rcpt(struct smtp_client *client, struct smtp_operation *operation, size_t index,
                      const struct ph_reply *reply)
{
    struct smtp_transaction *transaction = &operation->transaction;
    smtp_client_tell(client, PH_EVENT_RECIPIENT, operation, index, reply);
    transaction->answered++;
    if (is_positive(reply)) {
        transaction->accepted++;
        if (client->is_lmtp)
            transaction->accepted_set[index / 8] |= (unsigned char)(1U << index % 8);
        return;
    }
    transaction->has_temporary_refusal |= reply->code < 500;
    if (transaction->accepted > 0 || transaction->answered < transaction->recipient_count)
        return;
    bool is_news = !operation->has_error;
    set_error(operation, PH_ERROR_RECIPIENTS_REFUSED, "RCPT", reply,
              transaction->recipient_count == 1
                  ? "the server refused the recipient"
                  : "the server refused every recipient, the last being",
              transaction->given->recipients[index].address);
    if (is_news)
        operation->error.retry = transaction->has_temporary_refusal;
    refuse(client, operation);
}

static void break_protocol(struct smtp_client *client, const struct ph_reply *reply)
{
    struct ph_error error;
    smtp_error_from_reply(&error, PH_ERROR_PROTOCOL, "DATA", reply,
                          "the server broke the protocol: this is no answer to DATA");
    error.retry = false;
    smtp_client_fail(client, &error);
}

static void issue_lone_dot(struct smtp_client *client, struct smtp_operation *operation)
{
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    buffer_append(text, BYTES(".\r\n"));
    smtp_client_trace_line(client, start, SIZE_MAX);
    smtp_client_queue_await(client, operation, SMTP_AWAITED_LONE_DOT, 0);
    operation->transaction.phase = SMTP_PHASE_GIVEN_UP;
}

static void hear_data(struct smtp_client *client, struct smtp_operation *operation,
                      const struct ph_reply *reply)
{
    struct smtp_transaction *transaction = &operation->transaction;
    if (is_positive(reply)) {
        break_protocol(client, reply);
        return;
    }
    if (reply->code / 100 == 3 && is_refused(operation)) {
        /* RFC 2920 3.1: DATA may be taken though no recipient was. */
        issue_lone_dot(client, operation);
        return;
    }
    if (reply->code / 100 == 3) {
        transaction->phase = SMTP_PHASE_BODY;
        if (transaction->is_data_only) {
            transaction->accepted = client->envelope_accepted;
            client->has_envelope = false;
        }
        return;
    }
    bool is_the_cause = !operation->has_error;
    set_error(operation, PH_ERROR_DATA_REFUSED, "DATA", reply,
              "the server refused to take the message", NULL);
    transaction->phase = SMTP_PHASE_GIVEN_UP;
    owe_rset(client, operation);
    end(operation, is_the_cause);
}

static void hear_bdat(struct smtp_client *client, struct smtp_operation *operation,
                      const struct ph_reply *reply)
{
    if (is_positive(reply))
        return;
    set_error(operation, PH_ERROR_DATA_REFUSED, "BDAT", reply, "the server refused the message",
              NULL);
    refuse(client, operation);
}

/* The accepted recipient whose final reply is next (RFC 2033 4.2: in the order of RCPT). */
static size_t next_accepted(struct smtp_transaction *transaction)
{
    if (transaction->is_data_only)
        return transaction->finals_heard;
    size_t index = transaction->final_index;
    while (index < transaction->recipient_count &&
           (transaction->accepted_set[index / 8] >> index % 8 & 1) == 0)
        index++;
    transaction->final_index = index + 1;
    return index;
}

static const char *final_verb(const struct smtp_transaction *transaction)
{
    return transaction->uses_bdat ? "BDAT" : "DATA";
}

static void hear_final_lmtp(struct smtp_client *client, struct smtp_operation *operation,
                            const struct ph_reply *reply)
{
    struct smtp_transaction *transaction = &operation->transaction;
    smtp_client_tell(client, PH_EVENT_FINAL, operation, next_accepted(transaction), reply);
    transaction->finals_heard++;
    if (is_positive(reply))
        transaction->finals_accepted++;
    transaction->has_temporary_refusal |= reply->code / 100 == 4;
    if (transaction->finals_heard < transaction->accepted)
        return;
    transaction->has_verdict = true;
    if (transaction->finals_accepted > 0) {
        transaction->fate = PH_ACCEPTED;
    } else {
        set_error(operation, PH_ERROR_DATA_REFUSED, final_verb(transaction), reply,
                  "the server refused the message for every recipient", NULL);
        operation->error.retry = transaction->has_temporary_refusal;
    }
    end(operation, true);
}

static void hear_final(struct smtp_client *client, struct smtp_operation *operation,
                       const struct ph_reply *reply)
{
    struct smtp_transaction *transaction = &operation->transaction;
    if (is_refused(operation)) {
        transaction->has_verdict = true;
        owe_rset(client, operation);
        end(operation, false);
        return;
    }
    if (client->is_lmtp) {
        hear_final_lmtp(client, operation, reply);
        return;
    }
    smtp_client_tell(client, PH_EVENT_FINAL, operation, 0, reply);
    transaction->has_verdict = true;
    if (is_positive(reply)) {
        transaction->fate = PH_ACCEPTED;
    } else {
        set_error(operation, PH_ERROR_DATA_REFUSED, final_verb(transaction), reply,
                  "the server refused the message", NULL);
        owe_rset(client, operation);
    }
    end(operation, true);
}

void smtp_client_transaction_hear(struct smtp_client *client, const struct smtp_pending *pending,
                                  const struct ph_reply *reply)
{
    struct smtp_operation *operation = pending->operation;
    switch (pending->what) {
    case SMTP_AWAITED_MAIL:
        hear_mail(client, operation, reply);
        break;
    case SMTP_AWAITED_RCPT:
        hear_rcpt(client, operation, pending->index, reply);
        break;
    case SMTP_AWAITED_DATA:
        hear_data(client, operation, reply);
        break;
    case SMTP_AWAITED_BDAT:
        hear_bdat(client, operation, reply);
        break;
    case SMTP_AWAITED_FINAL:
        hear_final(client, operation, reply);
        break;
    default:
        break;
    }
    if (operation->transaction.phase == SMTP_PHASE_GIVEN_UP && operation->pending == 0 &&
        !operation->is_ended)
        end(operation, false);
}

bool smtp_client_transaction_interrupt(struct smtp_client *client, const struct ph_reply *reply)
{
    struct smtp_operation *operation = client->first;
    if (operation == NULL || operation->kind != PH_OPERATION_TRANSACTION ||
        operation->transaction.phase != SMTP_PHASE_BODY || operation->is_ended ||
        reply->code < 400 || reply->code == 421)
        return false;
    smtp_client_tell(client, PH_EVENT_FINAL, operation, 0, reply);
    operation->transaction.has_verdict = true;
    set_error(operation, PH_ERROR_DATA_REFUSED, "DATA", reply, "the server refused the message",
              NULL);
    end(operation, true);
    struct ph_error failure;
    smtp_error_from_reply(&failure, PH_ERROR_DISCONNECTED, "DATA", reply,
                          "the server refused a message before it had all of it");
    smtp_client_fail(client, &failure);
    return true;
}

enum ph_fate smtp_client_transaction_fate(const struct smtp_client *client,
                                          const struct smtp_operation *operation)
{
    const struct smtp_transaction *transaction = &operation->transaction;
    if (transaction->has_verdict || operation->has_error || transaction->end == 0 ||
        client->outbox.taken < transaction->end)
        return transaction->finals_accepted > 0 ? PH_ACCEPTED : PH_NOT_SENT;
    bool may_be_refused = !transaction->is_data_only && transaction->accepted == 0 &&
                          transaction->answered == transaction->recipient_count;
    return may_be_refused ? PH_NOT_SENT : PH_MAYBE_SENT;
}
