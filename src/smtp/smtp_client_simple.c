/* The operations of one command and one reply: greeting, EHLO with its way back to HELO, STARTTLS,
 * commands, QUIT. */
#include "smtp/smtp_client_inside.h"

#include <stdio.h>

#include "smtp/smtp_error.h"

static void say(struct smtp_client *client, struct smtp_operation *operation, const char *verb,
                struct bytes argument, enum smtp_awaited what)
{
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    buffer_append_string(text, verb);
    if (argument.length > 0) {
        buffer_append_char(text, ' ');
        buffer_append(text, argument);
    }
    buffer_append(text, BYTES("\r\n"));
    smtp_client_trace_line(client, start, SIZE_MAX);
    smtp_client_queue_await(client, operation, what, 0);
}

static void issue_hello(struct smtp_client *client, struct smtp_operation *operation)
{
    smtp_capability_reset(&client->capability);
    client->is_greeted = false;
    /* RFC 5321 4.1.4: EHLO resets as RSET does. */
    client->needs_rset = false;
    client->has_envelope = false;
    say(client, operation, operation->verb, buffer_bytes(&operation->line),
        operation->hello == PH_HELLO_HELO ? SMTP_AWAITED_HELO : SMTP_AWAITED_EHLO);
}

static bool is_verb(const struct smtp_operation *operation, const char *verb)
{
    return bytes_equal_ignoring_case(bytes_from_string(operation->verb), bytes_from_string(verb));
}

/* How much of a command may be shown: of AUTH the mechanism, of an answer to a challenge nothing.
 */
static size_t count_shown(const struct smtp_client *client, const struct smtp_operation *operation)
{
    if (client->is_in_challenge)
        return 0;
    if (!is_verb(operation, "AUTH"))
        return SIZE_MAX;
    struct bytes line = buffer_bytes(&operation->line);
    struct bytes arguments = bytes_slice(line, sizeof "AUTH ", line.length);
    size_t end = bytes_find_char(arguments, ' ');
    return end == BYTES_NOT_FOUND ? SIZE_MAX : sizeof "AUTH " + end + 1;
}

static void issue_command(struct smtp_client *client, struct smtp_operation *operation)
{
    if (!operation->is_expect_only) {
        struct buffer *text = outbox_begin_text(&client->outbox);
        size_t start = text->length;
        size_t shown = count_shown(client, operation);
        /* What was queued for a verb turns out to be an answer: it stays out of errors, too. */
        if (client->is_in_challenge)
            operation->verb[0] = '\0';
        buffer_append(text, buffer_bytes(&operation->line));
        smtp_client_trace_line(client, start, shown);
    }
    smtp_client_queue_await(client, operation, SMTP_AWAITED_COMMAND, 0);
}

void smtp_client_simple_issue(struct smtp_client *client, struct smtp_operation *operation)
{
    switch (operation->kind) {
    case PH_OPERATION_GREETING:
        smtp_client_queue_await(client, operation, SMTP_AWAITED_GREETING, 0);
        break;
    case PH_OPERATION_HELLO:
        issue_hello(client, operation);
        break;
    case PH_OPERATION_STARTTLS:
        say(client, operation, "STARTTLS", BYTES(""), SMTP_AWAITED_STARTTLS);
        break;
    case PH_OPERATION_QUIT:
        say(client, operation, "QUIT", BYTES(""), SMTP_AWAITED_QUIT);
        break;
    default:
        issue_command(client, operation);
        break;
    }
}

/* Ends the operation with a refusal. */
static void refuse(struct smtp_operation *operation, enum ph_error_kind kind,
                   const struct ph_reply *reply, const char *sentence)
{
    operation->has_error = true;
    smtp_error_from_reply(&operation->error, kind, operation->verb, reply, "%s", sentence);
    smtp_client_queue_end(operation, true);
}

static void hear_greeting(struct smtp_client *client, struct smtp_operation *operation,
                          const struct ph_reply *reply)
{
    if (reply->code == 220) {
        smtp_client_queue_end(operation, true);
        return;
    }
    refuse(operation, PH_ERROR_CONNECT, reply, "the server greeted with a refusal");
    struct ph_error failure = operation->error;
    failure.kind = PH_ERROR_DISCONNECTED;
    smtp_client_fail(client, &failure);
}

static void hear_hello(struct smtp_client *client, struct smtp_operation *operation,
                       bool is_extended, const struct ph_reply *reply)
{
    if (reply->code / 100 == 2) {
        if (is_extended &&
            !smtp_capability_read(&client->capability, bytes_of(reply->text, reply->text_length))) {
            smtp_client_fail_memory(client);
            return;
        }
        client->is_greeted = true;
        smtp_client_queue_end(operation, true);
        return;
    }
    /* RFC 5321 3.2: a server that does not know EHLO may know HELO. LMTP has no other word (RFC
     * 2033 4.1). */
    if (is_extended && operation->hello == PH_HELLO_AUTOMATIC && !client->is_lmtp &&
        reply->code / 100 == 5) {
        snprintf(operation->verb, sizeof operation->verb, "HELO");
        say(client, operation, "HELO", buffer_bytes(&operation->line), SMTP_AWAITED_HELO);
        return;
    }
    if (reply->code != 421)
        refuse(operation, PH_ERROR_HELO, reply, "the server refused the hello");
}

static void hear_starttls(struct smtp_client *client, struct smtp_operation *operation,
                          const struct ph_reply *reply)
{
    if (reply->code == 220) {
        client->wants_tls = true;
        client->is_waiting_for_tls = true;
        return;
    }
    if (reply->code != 421)
        refuse(operation, reply->code < 400 ? PH_ERROR_TLS : PH_ERROR_RESPONSE, reply,
               "the server refused to start TLS");
}

/* The envelope that a caller builds command by command, as far as others must know of it. */
static void note_envelope(struct smtp_client *client, const struct smtp_operation *operation,
                          int code)
{
    bool is_accepted = code / 100 == 2;
    client->is_in_challenge = code == 334;
    if (is_verb(operation, "MAIL") && is_accepted) {
        client->has_envelope = true;
        client->envelope_accepted = 0;
    } else if (is_verb(operation, "RCPT") && is_accepted) {
        client->envelope_accepted++;
    } else if (is_accepted && (is_verb(operation, "RSET") || is_verb(operation, "EHLO") ||
                               is_verb(operation, "HELO") || is_verb(operation, "LHLO"))) {
        client->has_envelope = false;
        client->envelope_accepted = 0;
        client->needs_rset = false;
    }
}

static void hear_quit(struct smtp_client *client, struct smtp_operation *operation)
{
    struct ph_error failure;
    smtp_client_queue_end(operation, true);
    smtp_error_set(&failure, PH_ERROR_DISCONNECTED, "QUIT", "the session was ended by QUIT");
    smtp_client_fail(client, &failure);
}

void smtp_client_simple_hear(struct smtp_client *client, const struct smtp_pending *pending,
                             const struct ph_reply *reply)
{
    struct smtp_operation *operation = pending->operation;
    switch (pending->what) {
    case SMTP_AWAITED_GREETING:
        hear_greeting(client, operation, reply);
        break;
    case SMTP_AWAITED_EHLO:
        hear_hello(client, operation, true, reply);
        break;
    case SMTP_AWAITED_HELO:
        hear_hello(client, operation, false, reply);
        break;
    case SMTP_AWAITED_STARTTLS:
        hear_starttls(client, operation, reply);
        break;
    case SMTP_AWAITED_QUIT:
        hear_quit(client, operation);
        break;
    default:
        note_envelope(client, operation, reply->code);
        smtp_client_queue_end(operation, true);
        break;
    }
}
