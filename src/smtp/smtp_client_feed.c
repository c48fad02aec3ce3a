/* Bytes in: replies are read one at a time, and each is handed to the operation that it belongs to.
 */
#include "smtp/smtp_client.h"

#include "smtp/smtp_client_inside.h"
#include "smtp/smtp_error.h"

/* A challenge may hold what the client must keep to itself (RFC 4954 4: the text of a 334). */
static void trace_reply_line(struct smtp_client *client)
{
    if (client->trace == NULL)
        return;
    struct bytes line = smtp_reply_line(&client->reply);
    if (bytes_starts_with(line, BYTES("334")) && line.length > 4)
        smtp_client_trace(client, PH_TRACE_RECEIVED, BYTES("334 ****"));
    else
        smtp_client_trace(client, PH_TRACE_RECEIVED, line);
}

static void hear_unsolicited(struct smtp_client *client, const struct ph_reply *reply)
{
    if (smtp_client_transaction_interrupt(client, reply))
        return;
    if (reply->code == 421) {
        smtp_client_fail_by_reply(client, reply);
        return;
    }
    struct fault fault;
    fault_set(&fault, FAULT_SYNTAX, "a reply came that nothing called for: %d %.80s", reply->code,
              reply->text);
    smtp_client_fail_protocol(client, &fault);
}

/* Where a 3yz means something; elsewhere the server speaks of another command than we do. */
static bool may_be_intermediate(const struct smtp_pending *pending)
{
    switch (pending->what) {
    case SMTP_AWAITED_AUTH:
    case SMTP_AWAITED_AUTH_CANCEL:
    case SMTP_AWAITED_COMMAND:
    case SMTP_AWAITED_DATA:
        return true;
    default:
        return false;
    }
}

/* A reply that is there before what it answers has gone out. Elsewhere that changes nothing; but
 * TLS would begin behind our own words, and a message would be done with while its bytes are still
 * to be written. */
static bool is_too_early(const struct smtp_client *client, const struct smtp_pending *pending)
{
    switch (pending->what) {
    case SMTP_AWAITED_STARTTLS:
    case SMTP_AWAITED_BDAT:
    case SMTP_AWAITED_FINAL:
        return client->outbox.taken < pending->command;
    default:
        return false;
    }
}

static void hand_to_owner(struct smtp_client *client, const struct smtp_pending *pending,
                          const struct ph_reply *reply)
{
    switch (pending->operation->kind) {
    case PH_OPERATION_TRANSACTION:
        smtp_client_transaction_hear(client, pending, reply);
        break;
    case PH_OPERATION_LOGIN:
        smtp_client_login_hear(client, pending, reply);
        break;
    default:
        smtp_client_simple_hear(client, pending, reply);
        break;
    }
}

static void hear(struct smtp_client *client)
{
    struct ph_reply reply = smtp_reply_value(&client->reply);
    client->progress_at = client->now;
    if (client->pending_count == 0) {
        hear_unsolicited(client, &reply);
        return;
    }
    struct smtp_pending pending = client->pending[client->pending_first];
    if (reply.code / 100 == 3 && !may_be_intermediate(&pending)) {
        struct fault fault;
        fault_set(&fault, FAULT_SYNTAX, "%d is no answer to %s", reply.code,
                  smtp_client_fail_verb(client));
        smtp_client_fail_protocol(client, &fault);
        return;
    }
    bool is_early = is_too_early(client, &pending);
    if (is_early && reply.code / 100 == 2) {
        smtp_client_fail_early(client, &reply);
        return;
    }
    /* LMTP gives a reply for each accepted recipient: the entry stays until the last (RFC
     * 2033 4.2). */
    struct smtp_transaction *transaction = &pending.operation->transaction;
    if (pending.what != SMTP_AWAITED_FINAL || !client->is_lmtp ||
        transaction->finals_heard + 1 >= transaction->accepted) {
        smtp_client_queue_take_pending(client);
        pending.operation->pending--;
    }
    bool is_rset = pending.what == SMTP_AWAITED_RSET;
    if (is_rset)
        transaction->is_behind_rset = false;
    else
        hand_to_owner(client, &pending, &reply);
    if (reply.code == 421)
        smtp_client_fail_by_reply(client, &reply);
    else if (is_rset && reply.code / 100 != 2)
        smtp_client_fail_by_rset(client, &reply);
    else if (is_early)
        smtp_client_fail_early(client, &reply);
}

static bool has_news(const struct smtp_client *client)
{
    return client->has_event || (client->first != NULL && client->first->is_ended);
}

size_t smtp_client_feed(struct smtp_client *client, const char *data, size_t length, int64_t now)
{
    struct bytes rest = bytes_of(data, length);
    client->now = now;
    while (rest.length > 0 && !client->is_closed && !has_news(client)) {
        struct fault fault;
        if (client->is_waiting_for_tls) {
            /* RFC 3207 4: nothing may come between the 220 and the handshake. Whoever sent it wants
             * it taken for what comes out of TLS. */
            fault_set(&fault, FAULT_DENIED, "bytes came behind the reply to STARTTLS, in clear");
            smtp_client_fail_protocol(client, &fault);
            break;
        }
        enum smtp_reply_status status = smtp_reply_read(&client->reply, &rest, &fault);
        if (status == SMTP_REPLY_BROKEN) {
            if (fault.kind == FAULT_TEMPORARY)
                smtp_client_fail_memory(client);
            else
                smtp_client_fail_protocol(client, &fault);
        }
        if (status == SMTP_REPLY_LINE || status == SMTP_REPLY_DONE)
            trace_reply_line(client);
        if (status == SMTP_REPLY_DONE) {
            hear(client);
            smtp_client_queue_pump(client);
        }
    }
    return length - rest.length;
}
