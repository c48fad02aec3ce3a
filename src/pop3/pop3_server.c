/* Birth, lines, limits and the end of a POP3 session. */
#include "pop3/pop3_server.h"

#include <stdlib.h>

#include "base/base64.h"
#include "pop3/pop3_server_inside.h"

enum {
    /* A piece at worst doubles: every byte a bare line end, or a dot at a line's start. */
    OUTPUT_MAX = POP3_SERVER_OUTPUT_FULL + 2 * POP3_SERVER_PIECE_MAX + 16 * 1024
};

/* ---- birth and death ---- */

static void fill_limits(struct pop3_server_limits *limits)
{
    const struct pop3_server_limits defaults = {
        .commands = POP3_SERVER_COMMANDS_MAX,
        .commands_early = POP3_SERVER_COMMANDS_EARLY_MAX,
        .errors = POP3_SERVER_ERRORS_MAX,
        .auth_failures = POP3_SERVER_AUTH_FAILURES_MAX,
        .idle_early = POP3_SERVER_IDLE_EARLY,
        .idle = POP3_SERVER_IDLE,
        .session = POP3_SERVER_SESSION,
    };
    limits->commands = limits->commands > 0 ? limits->commands : defaults.commands;
    limits->commands_early =
        limits->commands_early > 0 ? limits->commands_early : defaults.commands_early;
    limits->errors = limits->errors > 0 ? limits->errors : defaults.errors;
    limits->auth_failures =
        limits->auth_failures > 0 ? limits->auth_failures : defaults.auth_failures;
    limits->idle_early = limits->idle_early > 0 ? limits->idle_early : defaults.idle_early;
    limits->idle = limits->idle > 0 ? limits->idle : defaults.idle;
    limits->session = limits->session > 0 ? limits->session : defaults.session;
}

/* Without "<" and ">": they would promise APOP (RFC 1939 7). */
static void greet(struct pop3_server *server)
{
    server->state = POP3_SERVER_AUTHORIZATION;
    buffer_append_string(&server->output, "+OK ");
    buffer_append(&server->output,
                  bytes_slice(bytes_from_string(server->options.name), 0, POP3_SERVER_TEXT_MAX));
    buffer_append_string(&server->output, " POP3 ready\r\n");
}

struct pop3_server *pop3_server_new(const struct pop3_server_options *options, int64_t now,
                                    struct fault *fault)
{
    struct pop3_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    server->options = *options;
    fill_limits(&server->options.limits);
    server->born = now;
    server->heard = now;
    buffer_init_secret(&server->line, POP3_SERVER_RESPONSE_MAX);
    buffer_init_secret(&server->user, POP3_SERVER_LINE_MAX);
    buffer_init_secret(&server->secret, POP3_SERVER_RESPONSE_MAX);
    buffer_init(&server->output, OUTPUT_MAX);
    server->state = POP3_SERVER_EARLY;
    if (!options->is_implicit_tls)
        greet(server);
    if (buffer_is_failed(&server->output)) {
        pop3_server_free(server);
        fault_set_memory(fault);
        return NULL;
    }
    return server;
}

void pop3_server_free(struct pop3_server *server)
{
    if (server == NULL)
        return;
    buffer_clear(&server->line);
    buffer_clear(&server->user);
    buffer_clear(&server->secret);
    buffer_clear(&server->output);
    free(server->deleted);
    free(server);
}

/* ---- saying and telling ---- */

void pop3_server_say(struct pop3_server *server, const char *text)
{
    buffer_append_string(&server->output, text);
    buffer_append_string(&server->output, "\r\n");
}

void pop3_server_complain(struct pop3_server *server, const char *text)
{
    buffer_append_string(&server->output, "-ERR ");
    pop3_server_say(server, text);
    if (++server->errors >= server->options.limits.errors)
        pop3_server_end(server, "too many errors");
}

void pop3_server_end(struct pop3_server *server, const char *reason)
{
    if (server->state == POP3_SERVER_ENDED)
        return;
    server->state = POP3_SERVER_ENDED;
    server->owed = POP3_SERVER_OWES_NOTHING;
    server->making = POP3_SERVER_MAKES_NOTHING;
    server->is_tls_agreed = false;
    /* Also where only the last words could not be said. */
    server->reason = buffer_is_failed(&server->output) ? "out of memory" : reason;
    buffer_clear(&server->line);
    if (!server->has_event)
        pop3_server_login_forget(server);
}

struct pop3_server_event *pop3_server_raise(struct pop3_server *server,
                                            enum pop3_server_event_kind kind)
{
    server->event = (struct pop3_server_event){.kind = kind, .is_utf8 = server->is_utf8};
    server->has_event = true;
    return &server->event;
}

/* Nothing is in hand: what stop waits for. */
static bool is_at_rest(const struct pop3_server *server)
{
    return server->owed == POP3_SERVER_OWES_NOTHING &&
           server->making == POP3_SERVER_MAKES_NOTHING && !server->has_event;
}

/* At the end of every call: what could not be said ends the session, and so does a wish to stop. */
void pop3_server_settle(struct pop3_server *server)
{
    if (buffer_is_failed(&server->output) || buffer_is_failed(&server->line) ||
        buffer_is_failed(&server->user) || buffer_is_failed(&server->secret)) {
        server->has_event = false;
        pop3_server_end(server, "out of memory");
        return;
    }
    if (!server->is_stopping || server->state == POP3_SERVER_ENDED || !is_at_rest(server))
        return;
    if (server->state != POP3_SERVER_EARLY && !server->is_tls_agreed)
        pop3_server_say(server, "-ERR [SYS/TEMP] The server is going down");
    pop3_server_end(server, "the server stops");
}

bool pop3_server_next(struct pop3_server *server, struct pop3_server_event *event)
{
    if (server->has_event) {
        server->has_event = false;
        *event = server->event;
        return true;
    }
    pop3_server_settle(server);
    if (server->state != POP3_SERVER_ENDED || server->is_end_told)
        return false;
    server->is_end_told = true;
    pop3_server_login_forget(server);
    *event = (struct pop3_server_event){.kind = POP3_SERVER_CLOSED, .reason = server->reason};
    return true;
}

/* ---- lines ---- */

static bool can_take(const struct pop3_server *server)
{
    return (server->state & (POP3_SERVER_AUTHORIZATION | POP3_SERVER_TRANSACTION)) != 0 &&
           is_at_rest(server) && !server->is_tls_agreed &&
           server->output.length < POP3_SERVER_OUTPUT_FULL;
}

static bool is_counted_out(struct pop3_server *server)
{
    const struct pop3_server_limits *limits = &server->options.limits;
    unsigned most =
        server->state == POP3_SERVER_AUTHORIZATION ? limits->commands_early : limits->commands;
    if (++server->commands <= most)
        return false;
    pop3_server_say(server, "-ERR Too many commands");
    pop3_server_end(server, "too many commands");
    return true;
}

static bool is_without_maildrop(struct pop3_server *server)
{
    if (!server->is_lock_lost)
        return false;
    pop3_server_say(server, "-ERR [SYS/TEMP] Another session has taken this mailbox over");
    pop3_server_end(server, "the mailbox was taken over");
    return true;
}

/* A line that cannot be a command, whatever it says. */
static void hear_bad_line(struct pop3_server *server, const char *text)
{
    if (server->is_in_exchange)
        pop3_server_login_break(server, text);
    else
        pop3_server_complain(server, text);
}

/* A line with its LF. */
static void hear_line(struct pop3_server *server, struct bytes line)
{
    if (is_counted_out(server) || is_without_maildrop(server))
        return;
    /* RFC 1939 3: only CRLF ends a command. */
    if (line.length < 2 || line.data[line.length - 2] != '\r') {
        hear_bad_line(server, "A line must end with CRLF");
        return;
    }
    line.length -= 2;
    if (bytes_has_control(line))
        hear_bad_line(server, "A line must not have control characters");
    else if (server->is_in_exchange)
        pop3_server_login_respond(server, line);
    else
        pop3_server_command_hear(server, line);
}

/* A line that is too long is dropped as it comes, and answered when it ends. */
static void drain(struct pop3_server *server, bool has_end)
{
    buffer_clear(&server->line);
    server->is_drained_line = !has_end;
    if (has_end && !is_counted_out(server))
        hear_bad_line(server, "The line is too long");
}

/* Takes up to the end of a line. */
static size_t take_piece(struct pop3_server *server, struct bytes in, int64_t now)
{
    size_t end = bytes_find_char(in, '\n');
    bool has_end = end != BYTES_NOT_FOUND;
    struct bytes piece = bytes_slice(in, 0, has_end ? end + 1 : in.length);
    size_t limit = server->is_in_exchange ? POP3_SERVER_RESPONSE_MAX : POP3_SERVER_LINE_MAX;
    if (has_end)
        server->heard = now;
    if (server->is_drained_line || piece.length > limit - server->line.length) {
        drain(server, has_end);
    } else if (has_end && server->line.length == 0) {
        hear_line(server, piece);
    } else {
        buffer_append(&server->line, piece);
        if (has_end && !buffer_is_failed(&server->line)) {
            hear_line(server, buffer_bytes(&server->line));
            buffer_clear(&server->line);
        }
    }
    return piece.length;
}

size_t pop3_server_feed(struct pop3_server *server, struct bytes in, int64_t now)
{
    size_t taken = 0;
    while (taken < in.length && can_take(server)) {
        taken += take_piece(server, bytes_skip(in, taken), now);
        pop3_server_settle(server);
    }
    /* RFC 2595 4: what was sent in clear behind STLS has no meaning afterwards. */
    return server->is_tls_agreed ? in.length : taken;
}

/* ---- answers of the host ---- */

void pop3_server_challenge(struct pop3_server *server, struct bytes challenge, int64_t now)
{
    if (server->owed != POP3_SERVER_OWES_LOGIN)
        return;
    server->heard = now;
    server->owed = POP3_SERVER_OWES_NOTHING;
    server->is_in_exchange = true;
    buffer_append_string(&server->output, "+ ");
    base64_encode(challenge, &server->output);
    buffer_append_string(&server->output, "\r\n");
    buffer_clear(&server->secret);
    pop3_server_settle(server);
}

/* Words of the host, kept from breaking the line. */
static void say_words(struct pop3_server *server, const char *text)
{
    struct bytes words = bytes_slice(bytes_from_string(text), 0, POP3_SERVER_TEXT_MAX);
    for (size_t i = 0; i < words.length; i++) {
        unsigned char c = (unsigned char)words.data[i];
        buffer_append_char(&server->output, c < ' ' || c > '~' ? ' ' : (char)c);
    }
    buffer_append_string(&server->output, "\r\n");
}

/* RFC 3206: other codes tell that it was not the credentials. */
static bool is_about_credentials(const char *code)
{
    return code == NULL || bytes_equal(bytes_from_string(code), BYTES("AUTH"));
}

void pop3_server_refuse(struct pop3_server *server, const char *code, const char *text, int64_t now)
{
    enum pop3_server_owed owed = server->owed;
    if (owed == POP3_SERVER_OWES_NOTHING)
        return;
    server->heard = now;
    server->owed = POP3_SERVER_OWES_NOTHING;
    buffer_append_string(&server->output, "-ERR ");
    if (code != NULL)
        buffer_append_format(&server->output, "[%.40s] ", code);
    say_words(server, text);
    if (owed == POP3_SERVER_OWES_LOGIN) {
        pop3_server_login_forget(server);
        if (is_about_credentials(code) &&
            ++server->auth_failures >= server->options.limits.auth_failures)
            pop3_server_end(server, "too many failed logins");
    } else if (owed == POP3_SERVER_OWES_UPDATE) {
        /* RFC 1939 6: the connection is closed in any case. */
        pop3_server_end(server, "quit, but not all that was deleted is removed");
    }
    pop3_server_settle(server);
}

void pop3_server_logged_in(struct pop3_server *server, const struct pop3_server_maildrop *maildrop,
                           int64_t now)
{
    if (server->owed != POP3_SERVER_OWES_LOGIN)
        return;
    server->heard = now;
    server->owed = POP3_SERVER_OWES_NOTHING;
    server->state = POP3_SERVER_TRANSACTION;
    pop3_server_login_forget(server);
    pop3_server_maildrop_open(server, maildrop);
    pop3_server_settle(server);
}

void pop3_server_begin_message(struct pop3_server *server, uint64_t size, int64_t now)
{
    if (server->owed != POP3_SERVER_OWES_MESSAGE)
        return;
    server->heard = now;
    server->owed = POP3_SERVER_OWES_NOTHING;
    pop3_server_message_begin(server, size);
    pop3_server_settle(server);
}

bool pop3_server_is_message_open(const struct pop3_server *server)
{
    return server->making == POP3_SERVER_MAKES_MESSAGE;
}

bool pop3_server_wants_piece(const struct pop3_server *server)
{
    return pop3_server_is_message_open(server) && server->output.length < POP3_SERVER_OUTPUT_FULL;
}

bool pop3_server_is_deleted(const struct pop3_server *server, uint32_t number)
{
    return server->deleted != NULL && number < server->maildrop.count &&
           (server->deleted[number / 8] >> number % 8 & 1) != 0;
}

size_t pop3_server_deleted_count(const struct pop3_server *server)
{
    return server->deleted_count;
}

void pop3_server_quit_done(struct pop3_server *server, int64_t now)
{
    if (server->owed != POP3_SERVER_OWES_UPDATE)
        return;
    server->heard = now;
    pop3_server_say(server, "+OK Bye");
    pop3_server_end(server, "quit");
    pop3_server_settle(server);
}

void pop3_server_lock_lost(struct pop3_server *server, int64_t now)
{
    (void)now;
    server->is_lock_lost = true;
}

void pop3_server_tls_started(struct pop3_server *server, const char *mechanisms, int64_t now)
{
    if (server->state != POP3_SERVER_EARLY && !server->is_tls_agreed)
        return;
    server->heard = now;
    server->is_encrypted = true;
    server->is_tls_agreed = false;
    server->options.mechanisms = mechanisms;
    server->is_utf8 = false;
    buffer_clear(&server->line);
    pop3_server_login_forget(server);
    /* RFC 2595 4: no second greeting. */
    if (server->state == POP3_SERVER_EARLY)
        greet(server);
    pop3_server_settle(server);
}

void pop3_server_stop(struct pop3_server *server, int64_t now)
{
    (void)now;
    server->is_stopping = true;
    pop3_server_settle(server);
}

void pop3_server_fail(struct pop3_server *server, const char *reason)
{
    pop3_server_end(server, reason);
}

/* ---- output and time ---- */

struct bytes pop3_server_output(const struct pop3_server *server)
{
    return buffer_bytes(&server->output);
}

void pop3_server_sent(struct pop3_server *server, size_t count, int64_t now)
{
    server->heard = now;
    buffer_consume(&server->output, count);
    if (server->output.length == 0 && !buffer_is_failed(&server->output))
        buffer_clear(&server->output);
    pop3_server_maildrop_go_on(server);
    pop3_server_settle(server);
}

int64_t pop3_server_deadline(const struct pop3_server *server)
{
    const struct pop3_server_limits *limits = &server->options.limits;
    if (server->owed != POP3_SERVER_OWES_NOTHING || server->has_event)
        return 0;
    if (server->state == POP3_SERVER_ENDED)
        return server->output.length == 0 ? 0 : server->heard + limits->idle_early;
    int64_t idle = server->heard +
                   (server->state == POP3_SERVER_TRANSACTION ? limits->idle : limits->idle_early);
    int64_t session = server->born + limits->session;
    return idle < session ? idle : session;
}

/* RFC 1939 3: autologout removes nothing and says nothing. */
void pop3_server_tick(struct pop3_server *server, int64_t now)
{
    int64_t deadline = pop3_server_deadline(server);
    if (deadline == 0 || now < deadline)
        return;
    buffer_clear(&server->output);
    pop3_server_end(server, now >= server->born + server->options.limits.session
                                ? "the session lasted too long"
                                : "idle for too long");
}

bool pop3_server_is_answer_owed(const struct pop3_server *server)
{
    return server->owed != POP3_SERVER_OWES_NOTHING;
}

bool pop3_server_wants_tls(const struct pop3_server *server)
{
    return server->is_tls_agreed;
}

bool pop3_server_is_closed(const struct pop3_server *server)
{
    return server->state == POP3_SERVER_ENDED;
}
