/* AUTH (RFC 4954): which mechanism, the exchange line by line, and what a refusal means. Success is
 * 235 alone, and only when the mechanism agrees; an exchange that went wrong is cancelled by "*".
 */
#include "smtp/smtp_client_inside.h"

#include <errno.h>

#include "base/base64.h"
#include "smtp/smtp_error.h"

void smtp_client_login_clear(struct smtp_login *login)
{
    sasl_client_free(login->client);
    *login = (struct smtp_login){.given = NULL};
}

static struct smtp_login *login_of(struct smtp_operation *operation)
{
    return &operation->login;
}

static void fail_operation(struct smtp_operation *operation, enum ph_error_kind kind,
                           const struct fault *fault, const char *sentence)
{
    if (!operation->has_error)
        smtp_error_from_fault(&operation->error, kind, "AUTH", fault, "%s", sentence);
    operation->has_error = true;
    smtp_client_queue_end(operation, false);
}

/* One line of the exchange; of what stands behind `shown` bytes the transcript has stars only. */
static void say(struct smtp_client *client, struct smtp_operation *operation, size_t start,
                size_t shown, enum smtp_awaited what)
{
    struct buffer *text = &client->outbox.text;
    buffer_append(text, BYTES("\r\n"));
    smtp_client_trace_line(client, start, shown);
    smtp_client_queue_await(client, operation, what, 0);
}

static void cancel(struct smtp_client *client, struct smtp_operation *operation,
                   const struct fault *fault)
{
    if (!operation->has_error)
        smtp_error_from_fault(&operation->error, PH_ERROR_AUTHENTICATION, "AUTH", fault,
                              "the login by %s was given up", login_of(operation)->mechanism);
    operation->has_error = true;
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    buffer_append_char(text, '*');
    say(client, operation, start, SIZE_MAX, SMTP_AWAITED_AUTH_CANCEL);
}

/* The mechanism's next words, decoded. */
static bool make_response(struct smtp_operation *operation, struct bytes challenge,
                          struct buffer *response, struct fault *fault)
{
    if (!sasl_client_step(operation->login.client, challenge, response, fault))
        return buffer_is_failed(response) ? fault_set_memory(fault) : false;
    return !buffer_is_failed(response) || fault_set_memory(fault);
}

/* RFC 4954 4: an initial response goes with the command where every server can take the line; else
 * it waits for an empty challenge. "=" is the empty one. */
static bool begin_exchange(struct smtp_client *client, struct smtp_operation *operation,
                           struct fault *fault)
{
    struct smtp_login *login = login_of(operation);
    struct bytes mechanism = bytes_from_string(login->mechanism);
    AUTO(buffer)
    response = SECRET_BUFFER(SASL_RESPONSE_MAX);
    login->challenge_count = 0;
    login->client = sasl_client_new(login->mechanism, login->given, &login->place, fault);
    if (login->client == NULL)
        return false;
    bool has_response = sasl_client_speaks_first(login->client);
    size_t room = SMTP_CLIENT_INITIAL_RESPONSE_LINE - (sizeof "AUTH " - 1) - (sizeof " \r\n" - 1);
    login->is_waiting_to_speak = has_response && login->given->no_initial_response;
    if (has_response && !login->is_waiting_to_speak) {
        if (!make_response(operation, (struct bytes){NULL, 0}, &response, fault))
            return false;
        if (mechanism.length + base64_encoded_length(response.length) > room) {
            /* The step is taken again when the server asks: a mechanism is begun anew for that. */
            sasl_client_free(login->client);
            login->client = sasl_client_new(login->mechanism, login->given, &login->place, fault);
            if (login->client == NULL)
                return false;
            login->is_waiting_to_speak = true;
        }
    }
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    buffer_append(text, BYTES("AUTH "));
    buffer_append(text, mechanism);
    size_t shown = SIZE_MAX;
    if (has_response && !login->is_waiting_to_speak) {
        buffer_append_char(text, ' ');
        shown = text->length - start;
        if (response.length == 0)
            buffer_append_char(text, '=');
        else
            base64_encode(buffer_bytes(&response), text);
    }
    say(client, operation, start, shown, SMTP_AWAITED_AUTH);
    return true;
}

/* Tries the next mechanism; false: none is left, fault says why. */
static bool try_next(struct smtp_client *client, struct smtp_operation *operation,
                     const char *refused, struct fault *fault)
{
    struct smtp_login *login = login_of(operation);
    do {
        sasl_client_free(login->client);
        login->client = NULL;
        login->mechanism = sasl_client_choose(&login->attempts, login->given, &login->place,
                                              client->capability.known.mechanisms, fault);
        if (login->mechanism == NULL)
            return false;
        if (refused != NULL && !sasl_client_may_fall_back(refused, login->mechanism, &login->place))
            continue;
        if (begin_exchange(client, operation, fault))
            return true;
        if (fault->kind == FAULT_TEMPORARY)
            return false;
    } while (true);
}

void smtp_client_login_issue(struct smtp_client *client, struct smtp_operation *operation)
{
    struct smtp_login *login = login_of(operation);
    struct fault fault;
    login->place = (struct sasl_place){
        .service = client->is_lmtp ? "lmtp" : "smtp",
        .host = client->server_name[0] == '\0' ? NULL : client->server_name,
        .port = client->server_port,
        .is_encrypted = client->is_encrypted,
        .facts = client->has_facts ? &client->facts : NULL,
        .offered = client->capability.known.mechanisms,
    };
    if (!try_next(client, operation, NULL, &fault))
        /* What is denied before a byte went out would have gone in clear. */
        fail_operation(operation,
                       fault.kind == FAULT_DENIED ? PH_ERROR_TLS : PH_ERROR_AUTHENTICATION, &fault,
                       "no way to log in");
}

/* ---- hearing ---- */

/* RFC 4954 4: the text of a 334 is base64, or nothing. */
static bool decode_challenge(const struct ph_reply *reply, struct buffer *challenge,
                             struct fault *fault)
{
    if (!base64_decode(bytes_of(reply->text, reply->text_length), challenge))
        return fault_set(fault, FAULT_SYNTAX, "the server's challenge is not base64");
    return !buffer_is_failed(challenge) || fault_set_memory(fault);
}

static bool answer(struct smtp_client *client, struct smtp_operation *operation,
                   const struct ph_reply *reply, struct fault *fault)
{
    struct smtp_login *login = login_of(operation);
    AUTO(buffer)
    challenge = SECRET_BUFFER(SASL_CHALLENGE_MAX);
    AUTO(buffer)
    response = SECRET_BUFFER(SASL_RESPONSE_MAX);
    if (++login->challenge_count > PH_ENGINE_CHALLENGES_MAX)
        return fault_set(fault, FAULT_LIMIT, "the server asked more than %d times",
                         PH_ENGINE_CHALLENGES_MAX);
    if (!decode_challenge(reply, &challenge, fault))
        return false;
    /* The first challenge to a mechanism that speaks first only means: speak. */
    struct bytes asked =
        login->is_waiting_to_speak ? (struct bytes){NULL, 0} : buffer_bytes(&challenge);
    login->is_waiting_to_speak = false;
    if (!make_response(operation, asked, &response, fault))
        return false;
    struct buffer *text = outbox_begin_text(&client->outbox);
    size_t start = text->length;
    base64_encode(buffer_bytes(&response), text);
    say(client, operation, start, response.length == 0 ? SIZE_MAX : 0, SMTP_AWAITED_AUTH);
    return true;
}

static void hear_success(struct smtp_client *client, struct smtp_operation *operation)
{
    struct fault fault;
    if (sasl_client_finish(operation->login.client, &fault)) {
        operation->has_error = false;
        smtp_client_queue_end(operation, true);
        return;
    }
    /* RFC 5802 5: it let us in without proof that it knows the password. Whoever it is, nothing
     * more is said to it. */
    struct ph_error failure;
    operation->has_error = false;
    fail_operation(operation, PH_ERROR_AUTHENTICATION, &fault,
                   "the server did not prove who it is");
    failure = operation->error;
    failure.kind = PH_ERROR_DISCONNECTED;
    smtp_client_fail(client, &failure);
}

static void hear_refusal(struct smtp_client *client, struct smtp_operation *operation,
                         const struct ph_reply *reply)
{
    struct smtp_login *login = login_of(operation);
    const char *refused = login->mechanism;
    struct fault fault = {.kind = FAULT_NONE};
    const char *reason = login->client == NULL ? "" : sasl_client_reason(login->client);
    operation->has_error = true;
    smtp_error_from_reply(&operation->error, PH_ERROR_AUTHENTICATION, "AUTH", reply,
                          "the server refused the login by %s%s%s", refused,
                          *reason == '\0' ? "" : ", saying ", reason);
    /* 503 is about the state, not the mechanism (RFC 4954 4); 4yz will be said to every mechanism.
     */
    if (reply->code == 535)
        sasl_client_note_refusal(&login->attempts, login->given, refused);
    bool may_try_next = reply->code / 100 == 5 && reply->code != 503;
    if (may_try_next && try_next(client, operation, refused, &fault)) {
        operation->has_error = false;
        return;
    }
    if (fault.system_error == ENOMEM)
        smtp_error_memory(&operation->error);
    smtp_client_queue_end(operation, login->client != NULL);
}

void smtp_client_login_hear(struct smtp_client *client, const struct smtp_pending *pending,
                            const struct ph_reply *reply)
{
    struct smtp_operation *operation = pending->operation;
    struct fault fault;
    if (pending->what == SMTP_AWAITED_AUTH_CANCEL) {
        smtp_client_queue_end(operation, false);
        return;
    }
    if (reply->code == 334) {
        if (answer(client, operation, reply, &fault))
            return;
        if (fault.system_error == ENOMEM)
            smtp_client_fail_memory(client);
        else
            cancel(client, operation, &fault);
        return;
    }
    if (reply->code == 235) {
        hear_success(client, operation);
        return;
    }
    if (reply->code / 100 == 4 || reply->code / 100 == 5) {
        hear_refusal(client, operation, reply);
        return;
    }
    fault_set(&fault, FAULT_SYNTAX, "%d is no answer to AUTH", reply->code);
    fail_operation(operation, PH_ERROR_AUTHENTICATION, &fault, "the server broke the protocol");
    operation->error.kind = PH_ERROR_PROTOCOL;
    struct ph_error failure = operation->error;
    smtp_client_fail(client, &failure);
}
