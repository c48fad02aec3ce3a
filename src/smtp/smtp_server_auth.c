/* AUTH of the server engine (RFC 4954): base64 and the order of things; who may log in is for the
 * host to say. */
#include "base/base64.h"
#include "base/scan.h"
#include "smtp/smtp_server_inside.h"

const char *smtp_server_auth_mechanisms(const struct smtp_server *server)
{
    const char *mechanisms = server->is_tls ? server->mechanisms : server->options.mechanisms;
    return mechanisms == NULL ? "" : mechanisms;
}

/* RFC 4954 4: not in a transaction (the table sees to that), not twice, not where it is not
   offered. */
static const struct smtp_server_reply *check_auth(const struct smtp_server *server)
{
    static const struct smtp_server_reply twice = {503, "5.5.1", "Logged in already"};
    static const struct smtp_server_reply tls = {530, "5.7.0", "Say STARTTLS first"};
    static const struct smtp_server_reply encryption = {538, "5.7.11", "Logins need STARTTLS"};
    static const struct smtp_server_reply nothing = {502, "5.5.1", "AUTH is not offered"};
    if (server->is_authenticated)
        return &twice;
    if (server->options.needs_tls && !server->is_tls)
        return &tls;
    if (*smtp_server_auth_mechanisms(server) != '\0')
        return NULL;
    return server->options.has_tls_at_hand && !server->is_tls ? &encryption : &nothing;
}

static bool is_offered(const struct smtp_server *server, struct bytes mechanism)
{
    struct bytes rest = bytes_from_string(smtp_server_auth_mechanisms(server));
    struct bytes name;
    while (rest.length > 0) {
        bytes_split(rest, ' ', &name, &rest);
        if (bytes_equal_ignoring_case(name, mechanism))
            return true;
    }
    return false;
}

/* Leaves the decoded text in server->response; false: it is no base64, or memory ran out. */
static bool decode(struct smtp_server *server, struct bytes text)
{
    if (!base64_decode(text, &server->response))
        return false;
    if (buffer_is_failed(&server->response)) {
        smtp_server_close_for_memory(server);
        return false;
    }
    return true;
}

void smtp_server_auth_hear(struct smtp_server *server, struct bytes argument, int64_t now)
{
    static const struct smtp_server_reply unknown = {504, "5.5.4", "The mechanism is not offered"};
    static const struct smtp_server_reply broken = {501, "5.5.2", "The response is not base64"};
    const struct smtp_server_reply *refusal = check_auth(server);
    struct bytes name;
    struct bytes initial;
    struct bytes response = {NULL, 0};
    bytes_split(argument, ' ', &name, &initial);
    initial = bytes_trim_start(initial);
    if (refusal == NULL && (name.length > sizeof server->mechanism || !is_offered(server, name)))
        refusal = &unknown;
    if (refusal == NULL && initial.length > 0) {
        /* RFC 4954 4: "=" is the response of no bytes. */
        if (!bytes_equal(initial, BYTES("=")) && !decode(server, initial))
            refusal = &broken;
        response = buffer_bytes(&server->response);
    }
    if (refusal != NULL) {
        smtp_server_reply_refuse(server, refusal, now);
        return;
    }
    for (size_t i = 0; i < name.length; i++)
        server->mechanism[i] = bytes_upper_char(name.data[i]);
    server->event = (struct smtp_server_event){
        .mechanism = bytes_of(server->mechanism, name.length), .response = response};
    smtp_server_ask(server, SMTP_SERVER_AUTH, SMTP_SERVER_OWED_AUTH, now);
}

/* The exchange is over before its end. */
static void give_up(struct smtp_server *server, const struct smtp_server_reply *reply, int64_t now)
{
    smtp_server_enter(server, SMTP_SERVER_STATE_COMMAND, now);
    server->is_login_final = false;
    server->event = (struct smtp_server_event){.response = {NULL, 0}};
    smtp_server_tell(server, SMTP_SERVER_AUTH_RESPONSE);
    smtp_server_reply_refuse(server, reply, now);
}

void smtp_server_auth_succeed(struct smtp_server *server, int64_t now)
{
    server->is_login_final = false;
    server->is_authenticated = true;
    smtp_server_enter(server, SMTP_SERVER_STATE_COMMAND, now);
    smtp_server_reply_say(server, 235, "2.7.0", "Logged in");
}

void smtp_server_auth_hear_response(struct smtp_server *server, struct bytes line, bool is_too_long,
                                    int64_t now)
{
    static const struct smtp_server_reply too_long = {500, "5.5.6", "The response is too long"};
    static const struct smtp_server_reply cancelled = {501, "5.7.0", "The login is cancelled"};
    static const struct smtp_server_reply broken = {501, "5.5.2", "The response is not base64"};
    static const struct smtp_server_reply needless = {501, "5.5.2", "No response was awaited"};
    if (is_too_long) {
        give_up(server, &too_long, now);
    } else if (bytes_equal(line, BYTES("*"))) {
        give_up(server, &cancelled, now);
    } else if (server->is_login_final) {
        if (line.length > 0)
            give_up(server, &needless, now);
        else
            smtp_server_auth_succeed(server, now);
    } else if (!decode(server, line)) {
        give_up(server, &broken, now);
    } else {
        server->event = (struct smtp_server_event){.response = buffer_bytes(&server->response)};
        smtp_server_ask(server, SMTP_SERVER_AUTH_RESPONSE, SMTP_SERVER_OWED_AUTH, now);
    }
}

void smtp_server_auth_count_failure(struct smtp_server *server, int64_t now)
{
    if (++server->auth_failures >= server->options.limits.auth_failures)
        smtp_server_close(server, "4.7.0", "Too many failed logins", "too many failed logins");
    else
        smtp_server_count_error(server, now);
}
