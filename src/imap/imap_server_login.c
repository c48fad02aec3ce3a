/* Logging in: STARTTLS, LOGIN, AUTHENTICATE with an initial response (RFC 4959). */
#include "base/base64.h"
#include "imap/imap_server_inside.h"

/* ---- what may be used now ---- */

bool imap_server_login_allows_passwords(const struct imap_server *server)
{
    return server->is_encrypted || server->options.allows_clear;
}

bool imap_server_login_offers_tls(const struct imap_server *server)
{
    return server->options.has_tls_at_hand && !server->is_encrypted;
}

static bool is_offered(const struct imap_server *server, struct bytes mechanism)
{
    struct bytes rest = bytes_from_string(server->options.mechanisms);
    while (rest.length > 0) {
        struct bytes name;
        bytes_split(rest, ' ', &name, &rest);
        if (name.length > 0 && bytes_equal_ignoring_case(name, mechanism))
            return true;
    }
    return false;
}

/* ---- STARTTLS ---- */

void imap_server_login_hear_starttls(struct imap_server *server)
{
    if (server->is_encrypted) {
        imap_server_feed_refuse(server, IMAP_BAD, NULL, "TLS stands already");
        return;
    }
    if (!server->options.has_tls_at_hand) {
        imap_server_feed_refuse(server, IMAP_NO, "CANNOT", "There is no TLS here");
        return;
    }
    imap_server_say_tagged(server, IMAP_OK, NULL, "Begin TLS now");
    imap_server_forget_command(server);
    server->is_tls_agreed = true;
    imap_server_raise(server, IMAP_SERVER_TLS_WANTED);
}

/* ---- LOGIN ---- */

void imap_server_login_hear(struct imap_server *server)
{
    server->owed = IMAP_SERVER_OWES_LOGIN;
    struct imap_server_event *event = imap_server_raise(server, IMAP_SERVER_LOGIN);
    event->user = server->command.login.user;
    event->password = server->command.login.password;
}

/* ---- AUTHENTICATE ---- */

static struct imap_server_event *raise_response(struct imap_server *server,
                                                enum imap_server_event_kind kind)
{
    struct imap_server_event *event = imap_server_raise(server, kind);
    event->mechanism = bytes_from_string(server->mechanism);
    return event;
}

void imap_server_login_hear_authenticate(struct imap_server *server)
{
    struct bytes mechanism = server->command.authenticate.mechanism;
    if (mechanism.length > IMAP_SERVER_MECHANISM_MAX || !is_offered(server, mechanism)) {
        bool is_clear = !imap_server_login_allows_passwords(server);
        imap_server_feed_refuse(server, IMAP_NO, is_clear ? "PRIVACYREQUIRED" : "CANNOT",
                                is_clear && imap_server_login_offers_tls(server)
                                    ? "No such mechanism here; say STARTTLS first"
                                    : "No such mechanism here");
        return;
    }
    memcpy(server->mechanism, mechanism.data, mechanism.length);
    server->mechanism[mechanism.length] = '\0';
    server->owed = IMAP_SERVER_OWES_LOGIN;
    raise_response(server, IMAP_SERVER_AUTH)->response = server->command.authenticate.response;
}

void imap_server_login_break(struct imap_server *server, const char *text)
{
    imap_server_feed_refuse(server, IMAP_BAD, NULL, text);
    raise_response(server, IMAP_SERVER_AUTH_RESPONSE);
}

void imap_server_login_respond(struct imap_server *server, struct bytes line)
{
    buffer_reset(&server->login);
    if (bytes_equal(line, BYTES("*"))) {
        imap_server_login_break(server, "As you wish");
        return;
    }
    if (!base64_decode(line, &server->login)) {
        imap_server_login_break(server, "The response is not base64");
        return;
    }
    buffer_reset(&server->line);
    server->taking = IMAP_SERVER_TAKES_COMMAND;
    server->owed = IMAP_SERVER_OWES_LOGIN;
    raise_response(server, IMAP_SERVER_AUTH_RESPONSE)->response = buffer_bytes(&server->login);
}

static void challenge(struct imap_server *server, struct bytes text, enum imap_server_taking taking)
{
    server->owed = IMAP_SERVER_OWES_NOTHING;
    server->taking = taking;
    buffer_append_string(&server->output, "+ ");
    base64_encode(text, &server->output);
    imap_server_say(server, "");
    buffer_reset(&server->line);
    buffer_reset(&server->login);
}

void imap_server_login_challenge(struct imap_server *server, struct bytes text, int64_t now)
{
    if (server->owed != IMAP_SERVER_OWES_LOGIN || server->verb != IMAP_AUTHENTICATE)
        return;
    server->heard = now;
    challenge(server, text, IMAP_SERVER_TAKES_RESPONSE);
    imap_server_settle(server);
}

/* ---- the end of it ---- */

static void let_in(struct imap_server *server)
{
    server->owed = IMAP_SERVER_OWES_NOTHING;
    server->state = IMAP_SERVER_AUTHENTICATED;
    server->errors = 0;
    buffer_append(&server->output, bytes_of(server->tag, server->tag_length));
    buffer_append_string(&server->output, " OK [CAPABILITY ");
    imap_server_capability_append(server);
    imap_server_say(server, "] Logged in");
    imap_server_forget_command(server);
    /* Commands are longer from here on, and no longer secret. */
    buffer_clear(&server->line);
    buffer_init(&server->line, IMAP_SERVER_LINE_MAX + IMAP_SERVER_LITERALS_MAX);
    arena_clear(&server->arena);
    arena_init(&server->arena, IMAP_COMMAND_ARENA_MAX);
}

void imap_server_login_done(struct imap_server *server, struct bytes additional, int64_t now)
{
    if (server->owed != IMAP_SERVER_OWES_LOGIN)
        return;
    server->heard = now;
    if (additional.length > 0 && server->verb == IMAP_AUTHENTICATE)
        challenge(server, additional, IMAP_SERVER_TAKES_LAST);
    else
        let_in(server);
    imap_server_settle(server);
}

/* RFC 9051 6.2.2: OK has no room for data, so that the last of it went as a challenge. */
void imap_server_login_respond_last(struct imap_server *server, struct bytes line)
{
    if (line.length == 0)
        let_in(server);
    else
        imap_server_end_with_bye(server, NULL, "An empty line was expected",
                                 "the exchange was broken off at its end");
}

void imap_server_login_failed(struct imap_server *server, struct bytes code)
{
    if (bytes_equal(code, BYTES("UNAVAILABLE")) ||
        ++server->auth_failures < server->options.limits.auth_failures)
        return;
    imap_server_end_with_bye(server, NULL, "Too many failed logins", "too many failed logins");
}
