/* How an engine ends before its time: what is told to everyone who waits, and in which words. */
#include "smtp/smtp_client_inside.h"

#include "smtp/smtp_error.h"

void smtp_client_fail(struct smtp_client *client, const struct ph_error *failure)
{
    if (client->is_closed)
        return;
    /* What became of each message is a question of what was taken: answered before the outbox is
     * emptied. */
    for (struct smtp_operation *operation = client->first; operation != NULL;
         operation = operation->next) {
        if (operation->kind == PH_OPERATION_TRANSACTION && !operation->is_ended)
            operation->transaction.fate = smtp_client_transaction_fate(client, operation);
    }
    client->failure = *failure;
    client->is_closed = true;
    client->issuing = NULL;
    client->pending_count = 0;
    client->wants_tls = false;
    client->is_waiting_for_tls = false;
    outbox_drop(&client->outbox);
}

void smtp_client_fail_memory(struct smtp_client *client)
{
    struct ph_error error;
    smtp_error_memory(&error);
    smtp_client_fail(client, &error);
}

/* What the first operation is about, for the sentence. */
static const char *name_operation(const struct smtp_operation *operation)
{
    if (operation == NULL)
        return "nothing was asked";
    switch (operation->kind) {
    case PH_OPERATION_GREETING:
        return "waiting for the greeting";
    case PH_OPERATION_HELLO:
        return "saying hello";
    case PH_OPERATION_STARTTLS:
        return "starting TLS";
    case PH_OPERATION_LOGIN:
        return "logging in";
    case PH_OPERATION_COMMAND:
        return operation->is_expect_only ? "waiting for a reply" : "waiting for a command's reply";
    case PH_OPERATION_TRANSACTION:
        return "sending a message";
    case PH_OPERATION_QUIT:
        return "saying goodbye";
    }
    return "";
}

const char *smtp_client_fail_verb(const struct smtp_client *client)
{
    if (client->pending_count == 0)
        return client->first == NULL ? "" : client->first->verb;
    const struct smtp_pending *pending = &client->pending[client->pending_first];
    switch (pending->what) {
    case SMTP_AWAITED_RSET:
        return "RSET";
    case SMTP_AWAITED_MAIL:
        return "MAIL";
    case SMTP_AWAITED_RCPT:
        return "RCPT";
    case SMTP_AWAITED_DATA:
    case SMTP_AWAITED_LONE_DOT:
        return "DATA";
    case SMTP_AWAITED_BDAT:
        return "BDAT";
    case SMTP_AWAITED_FINAL:
        return pending->operation->transaction.uses_bdat ? "BDAT" : "DATA";
    default:
        return pending->operation->verb;
    }
}

void smtp_client_fail_protocol(struct smtp_client *client, const struct fault *fault)
{
    struct ph_error error;
    smtp_error_from_fault(&error, PH_ERROR_PROTOCOL, smtp_client_fail_verb(client), fault,
                          "the server broke the protocol while %s", smtp_client_fail_place(client));
    smtp_client_fail(client, &error);
}

/* Replies come in the order of the commands, so that a server which closes here takes no message
 * whose end was still to be answered. Of LMTP's recipients behind one that was told its verdict
 * nobody knows. */
static void note_no_verdict_follows(struct smtp_client *client)
{
    for (struct smtp_operation *operation = client->first; operation != NULL;
         operation = operation->next) {
        if (operation->transaction.finals_heard == 0)
            operation->transaction.has_verdict = true;
    }
}

/* RFC 5321 3.8: after a 421 the server closes, whatever it was asked. */
void smtp_client_fail_by_reply(struct smtp_client *client, const struct ph_reply *reply)
{
    struct ph_error error;
    note_no_verdict_follows(client);
    smtp_error_from_reply(&error, PH_ERROR_DISCONNECTED, smtp_client_fail_verb(client), reply,
                          "the server is closing the connection");
    smtp_client_fail(client, &error);
}

void smtp_client_fail_by_rset(struct smtp_client *client, const struct ph_reply *reply)
{
    struct ph_error error;
    smtp_error_from_reply(&error, PH_ERROR_DISCONNECTED, "RSET", reply,
                          "the server would not forget the envelope before, so nothing more is "
                          "said to it");
    error.retry = true;
    smtp_client_fail(client, &error);
}

/* A refusal may come early (the message is too large, for one): it counts, but what is left of the
 * message cannot be said to anybody. */
void smtp_client_fail_early(struct smtp_client *client, const struct ph_reply *reply)
{
    struct ph_error error;
    if (reply->code / 100 == 2) {
        smtp_error_from_reply(&error, PH_ERROR_PROTOCOL, smtp_client_fail_verb(client), reply,
                              "the server agreed to what it has not had yet");
        error.retry = false;
    } else {
        smtp_error_from_reply(&error, PH_ERROR_DISCONNECTED, smtp_client_fail_verb(client), reply,
                              "the server refused a message before it had all of it");
    }
    smtp_client_fail(client, &error);
}

const char *smtp_client_fail_place(const struct smtp_client *client)
{
    return name_operation(client->first);
}
