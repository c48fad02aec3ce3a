/* Logging in: USER and PASS, AUTH (RFC 5034), STLS (RFC 2595), UTF8 (RFC 6856), and what CAPA
 * tells of it. */
#include "base/base64.h"
#include "base/scan.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "pop3/pop3_server_inside.h"

/* ---- what may be used now ---- */

static bool allows_passwords(const struct pop3_server *server)
{
    return server->is_encrypted || server->options.allows_clear;
}

static bool offers_tls(const struct pop3_server *server)
{
    return server->options.has_tls_at_hand && !server->is_encrypted;
}

static struct bytes offered_mechanisms(const struct pop3_server *server)
{
    return bytes_from_string(server->options.mechanisms);
}

static bool is_offered(const struct pop3_server *server, struct bytes mechanism)
{
    struct bytes rest = offered_mechanisms(server);
    while (rest.length > 0) {
        struct bytes name;
        bytes_split(rest, ' ', &name, &rest);
        if (name.length > 0 && bytes_equal_ignoring_case(name, mechanism))
            return true;
    }
    return false;
}

void pop3_server_login_forget(struct pop3_server *server)
{
    server->is_in_exchange = false;
    buffer_clear(&server->user);
    buffer_clear(&server->secret);
}

/* ---- CAPA ---- */

/* RFC 2449 5: what AUTHORIZATION has is told in both states, but for STLS (RFC 2595 4). */
void pop3_server_login_capa(struct pop3_server *server,
                            const struct pop3_server_arguments *arguments)
{
    (void)arguments;
    pop3_server_say(server, "+OK Capability list follows");
    pop3_server_say(server, "TOP");
    pop3_server_say(server, "UIDL");
    pop3_server_say(server, "RESP-CODES");
    pop3_server_say(server, "AUTH-RESP-CODE");
    pop3_server_say(server, "PIPELINING");
    pop3_server_say(server, "EXPIRE NEVER");
    pop3_server_say(server, allows_passwords(server) ? "UTF8 USER" : "UTF8");
    if (allows_passwords(server))
        pop3_server_say(server, "USER");
    if (offered_mechanisms(server).length > 0) {
        buffer_append_string(&server->output, "SASL ");
        pop3_server_say(server, server->options.mechanisms);
    }
    if (server->state == POP3_SERVER_AUTHORIZATION) {
        if (offers_tls(server) && !server->is_utf8)
            pop3_server_say(server, "STLS");
    } else if (server->options.version != NULL) {
        /* RFC 2449 6.9: who attacks need not know before. */
        buffer_append_format(&server->output, "IMPLEMENTATION Posthorn-%.100s\r\n",
                             server->options.version);
    }
    pop3_server_say(server, ".");
}

/* ---- STLS and UTF8 ---- */

void pop3_server_login_stls(struct pop3_server *server,
                            const struct pop3_server_arguments *arguments)
{
    (void)arguments;
    if (!offers_tls(server)) {
        pop3_server_complain(server,
                             server->is_encrypted ? "TLS stands already" : "There is no TLS here");
        return;
    }
    /* RFC 6856 2.1: not behind UTF8. */
    if (server->is_utf8) {
        pop3_server_complain(server, "STLS comes before UTF8");
        return;
    }
    pop3_server_say(server, "+OK Begin TLS");
    server->is_tls_agreed = true;
    pop3_server_raise(server, POP3_SERVER_TLS_WANTED);
}

void pop3_server_login_utf8(struct pop3_server *server,
                            const struct pop3_server_arguments *arguments)
{
    (void)arguments;
    server->is_utf8 = true;
    pop3_server_say(server, "+OK UTF8 it is");
}

/* ---- USER and PASS ---- */

/* False: why not was said. */
static bool may_pass(struct pop3_server *server, struct bytes text)
{
    if (!allows_passwords(server)) {
        pop3_server_complain(server, offers_tls(server) ? "No password in clear: say STLS first"
                                                        : "No password in clear");
        return false;
    }
    /* RFC 6856 2.2: other bytes above 127 are refused. */
    if (!utf8_is_valid(text)) {
        pop3_server_complain(server, "That is not UTF-8");
        return false;
    }
    return true;
}

void pop3_server_login_user(struct pop3_server *server,
                            const struct pop3_server_arguments *arguments)
{
    if (!may_pass(server, arguments->text))
        return;
    buffer_reset(&server->user);
    buffer_append(&server->user, arguments->text);
    /* RFC 1939 7: whether there is such a user is not told. */
    pop3_server_say(server, "+OK Now the password");
}

void pop3_server_login_pass(struct pop3_server *server,
                            const struct pop3_server_arguments *arguments)
{
    if (!may_pass(server, arguments->text))
        return;
    if (server->user.length == 0) {
        pop3_server_complain(server, "Say USER first");
        return;
    }
    buffer_reset(&server->secret);
    buffer_append(&server->secret, arguments->text);
    server->owed = POP3_SERVER_OWES_LOGIN;
    struct pop3_server_event *event = pop3_server_raise(server, POP3_SERVER_LOGIN);
    event->user = buffer_bytes(&server->user);
    event->password = buffer_bytes(&server->secret);
}

/* ---- AUTH ---- */

static void list_mechanisms(struct pop3_server *server)
{
    struct bytes rest = offered_mechanisms(server);
    pop3_server_say(server, "+OK Mechanisms follow");
    while (rest.length > 0) {
        struct bytes name;
        bytes_split(rest, ' ', &name, &rest);
        if (name.length > 0) {
            buffer_append(&server->output, name);
            buffer_append_string(&server->output, "\r\n");
        }
    }
    pop3_server_say(server, ".");
}

/* RFC 5034 4: "=" is a response of no bytes; the initial one only, for an empty line is that
   already. */
static bool decode(struct pop3_server *server, struct bytes text, bool is_initial)
{
    buffer_reset(&server->secret);
    if (is_initial && bytes_equal(text, BYTES("=")))
        return true;
    return base64_decode(text, &server->secret);
}

static void tell_response(struct pop3_server *server, enum pop3_server_event_kind kind,
                          bool has_response)
{
    server->owed = POP3_SERVER_OWES_LOGIN;
    server->is_in_exchange = false;
    struct pop3_server_event *event = pop3_server_raise(server, kind);
    event->mechanism = bytes_from_string(server->mechanism);
    if (has_response)
        event->response = buffer_bytes(&server->secret);
}

void pop3_server_login_auth(struct pop3_server *server,
                            const struct pop3_server_arguments *arguments)
{
    struct bytes mechanism = arguments->text;
    if (mechanism.length == 0) {
        list_mechanisms(server);
        return;
    }
    if (mechanism.length > POP3_SERVER_MECHANISM_MAX || !is_offered(server, mechanism)) {
        pop3_server_complain(server, offers_tls(server) && !allows_passwords(server)
                                         ? "No such mechanism here; say STLS first"
                                         : "No such mechanism here");
        return;
    }
    bool has_response = arguments->rest.data != NULL;
    if (has_response && !decode(server, arguments->rest, true)) {
        pop3_server_complain(server, "The initial response is not base64");
        return;
    }
    buffer_clear(&server->user);
    for (size_t i = 0; i < mechanism.length; i++)
        server->mechanism[i] = bytes_upper_char(mechanism.data[i]);
    server->mechanism[mechanism.length] = '\0';
    tell_response(server, POP3_SERVER_AUTH, has_response);
}

void pop3_server_login_break(struct pop3_server *server, const char *text)
{
    pop3_server_login_forget(server);
    pop3_server_complain(server, text);
    struct pop3_server_event *event = pop3_server_raise(server, POP3_SERVER_AUTH_RESPONSE);
    event->mechanism = bytes_from_string(server->mechanism);
}

void pop3_server_login_respond(struct pop3_server *server, struct bytes line)
{
    if (bytes_equal(line, BYTES("*")))
        pop3_server_login_break(server, "As you wish");
    else if (!decode(server, line, false))
        pop3_server_login_break(server, "The response is not base64");
    else
        tell_response(server, POP3_SERVER_AUTH_RESPONSE, true);
}
