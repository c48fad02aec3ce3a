/* Birth, words, time and the end of an IMAP session. */
#include "imap/imap_server.h"

#include <stdlib.h>

#include "imap/imap_server_inside.h"

/* ---- birth and death ---- */

static void fill_limits(struct imap_server_limits *limits)
{
    const struct imap_server_limits defaults = {
        .commands_early = IMAP_SERVER_COMMANDS_EARLY_MAX,
        .errors = IMAP_SERVER_ERRORS_MAX,
        .auth_failures = IMAP_SERVER_AUTH_FAILURES_MAX,
        .append_size = IMAP_SERVER_APPEND_MAX,
        .idle_early = IMAP_SERVER_QUIET_EARLY,
        .idle = IMAP_SERVER_QUIET,
    };
    limits->commands_early =
        limits->commands_early > 0 ? limits->commands_early : defaults.commands_early;
    limits->errors = limits->errors > 0 ? limits->errors : defaults.errors;
    limits->auth_failures =
        limits->auth_failures > 0 ? limits->auth_failures : defaults.auth_failures;
    limits->append_size = limits->append_size > 0 ? limits->append_size : defaults.append_size;
    limits->idle_early = limits->idle_early > 0 ? limits->idle_early : defaults.idle_early;
    limits->idle = limits->idle > 0 ? limits->idle : defaults.idle;
}

static void greet(struct imap_server *server)
{
    server->state = IMAP_SERVER_NOT_AUTHENTICATED;
    buffer_append_string(&server->output, "* OK [CAPABILITY ");
    imap_server_capability_append(server);
    buffer_append_string(&server->output, "] ");
    imap_server_append_words(&server->output, server->options.name);
    imap_server_say(server, " ready");
}

struct imap_server *imap_server_new(const struct imap_server_options *options, int64_t now,
                                    struct fault *fault)
{
    struct imap_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    server->options = *options;
    fill_limits(&server->options.limits);
    server->heard = now;
    buffer_init_secret(&server->line, IMAP_SERVER_RESPONSE_MAX);
    buffer_init_secret(&server->login, IMAP_SERVER_RESPONSE_MAX);
    buffer_init(&server->deferred, IMAP_SERVER_OUTPUT_MAX);
    buffer_init(&server->output, IMAP_SERVER_OUTPUT_MAX);
    server->arena = SECRET_ARENA(IMAP_COMMAND_ARENA_MAX);
    server->state = IMAP_SERVER_EARLY;
    if (!options->is_implicit_tls)
        greet(server);
    if (buffer_is_failed(&server->output)) {
        imap_server_free(server);
        fault_set_memory(fault);
        return NULL;
    }
    return server;
}

void imap_server_free(struct imap_server *server)
{
    if (server == NULL)
        return;
    buffer_clear(&server->line);
    buffer_clear(&server->login);
    buffer_clear(&server->deferred);
    buffer_clear(&server->output);
    arena_clear(&server->arena);
    free(server);
}

/* ---- saying and telling ---- */

void imap_server_append_words(struct buffer *out, const char *text)
{
    struct bytes words = bytes_slice(bytes_from_string(text), 0, IMAP_SERVER_TEXT_MAX);
    for (size_t i = 0; i < words.length; i++) {
        unsigned char c = (unsigned char)words.data[i];
        buffer_append_char(out, c < ' ' || c == 127 ? ' ' : (char)c);
    }
}

void imap_server_append_response(const struct imap_server *server, struct buffer *out,
                                 enum imap_status status, struct bytes code, const char *text)
{
    static const char *const words[] = {
        [IMAP_OK] = " OK ", [IMAP_NO] = " NO ", [IMAP_BAD] = " BAD "};
    if (server->tag_length > 0)
        buffer_append(out, bytes_of(server->tag, server->tag_length));
    else
        buffer_append_char(out, '*');
    buffer_append_string(out, words[status]);
    if (code.length > 0) {
        buffer_append_char(out, '[');
        buffer_append(out, code);
        buffer_append_string(out, "] ");
    }
    imap_server_append_words(out, text);
    buffer_append_string(out, "\r\n");
}

void imap_server_say(struct imap_server *server, const char *line)
{
    buffer_append_string(&server->output, line);
    buffer_append_string(&server->output, "\r\n");
}

void imap_server_say_tagged(struct imap_server *server, enum imap_status status, const char *code,
                            const char *text)
{
    imap_server_append_response(server, &server->output, status, bytes_from_string(code), text);
}

void imap_server_forget_command(struct imap_server *server)
{
    server->taking = IMAP_SERVER_TAKES_COMMAND;
    server->is_identified = false;
    server->is_dropping = false;
    server->is_appending = false;
    server->verb = IMAP_NO_VERB;
    server->tail = 0;
    server->literal_bytes = 0;
    server->literal_left = 0;
    server->literal_count = 0;
    server->dropped = 0;
    server->append_index = 0;
    server->tag_length = 0;
    buffer_reset(&server->line);
    buffer_reset(&server->login);
    buffer_reset(&server->deferred);
    arena_reset(&server->arena);
}

/* While nothing is to be done no memory is held but the engine's own. */
static void give_memory_back(struct imap_server *server)
{
    if (server->output.length > 0 || server->owed != IMAP_SERVER_OWES_NOTHING || server->has_event)
        return;
    buffer_clear(&server->output);
    bool is_idling = server->taking == IMAP_SERVER_TAKES_IDLE;
    if (server->line.length > 0 || (server->is_identified && !is_idling))
        return;
    buffer_clear(&server->line);
    buffer_clear(&server->login);
    buffer_clear(&server->deferred);
    arena_clear(&server->arena);
}

void imap_server_end(struct imap_server *server, const char *reason)
{
    if (server->state == IMAP_SERVER_ENDED)
        return;
    server->state = IMAP_SERVER_ENDED;
    server->owed = IMAP_SERVER_OWES_NOTHING;
    server->is_tls_agreed = false;
    server->is_compress_agreed = false;
    /* Also where only the last words could not be said. */
    server->reason = buffer_is_failed(&server->output) ? "out of memory" : reason;
    if (!server->has_event)
        imap_server_forget_command(server);
}

void imap_server_end_with_bye(struct imap_server *server, const char *code, const char *text,
                              const char *reason)
{
    buffer_append_string(&server->output, "* BYE ");
    if (code != NULL && *code != '\0')
        buffer_append_format(&server->output, "[%s] ", code);
    imap_server_append_words(&server->output, text);
    buffer_append_string(&server->output, "\r\n");
    imap_server_end(server, reason);
}

void imap_server_count_error(struct imap_server *server)
{
    if (++server->errors >= server->options.limits.errors)
        imap_server_end_with_bye(server, NULL, "Too many errors", "too many errors");
}

struct imap_server_event *imap_server_raise(struct imap_server *server,
                                            enum imap_server_event_kind kind)
{
    server->event = (struct imap_server_event){.kind = kind};
    server->has_event = true;
    return &server->event;
}

/* Nothing is in hand: what stop waits for. */
static bool is_at_rest(const struct imap_server *server)
{
    return server->owed == IMAP_SERVER_OWES_NOTHING && !server->has_event && !server->is_appending;
}

/* The client can still read what is said. */
static bool is_listening(const struct imap_server *server)
{
    return server->state != IMAP_SERVER_EARLY && !server->is_tls_agreed &&
           !server->is_compress_agreed;
}

static bool has_failed(const struct imap_server *server)
{
    return buffer_is_failed(&server->output) || buffer_is_failed(&server->line) ||
           buffer_is_failed(&server->login) || buffer_is_failed(&server->deferred);
}

void imap_server_settle(struct imap_server *server)
{
    if (has_failed(server)) {
        server->has_event = false;
        imap_server_end(server, "out of memory");
        return;
    }
    if (!server->is_stopping || server->state == IMAP_SERVER_ENDED || !is_at_rest(server))
        return;
    if (is_listening(server))
        imap_server_end_with_bye(server, server->bye_code, server->bye_text, server->bye_text);
    else
        imap_server_end(server, server->bye_text);
}

bool imap_server_next(struct imap_server *server, struct imap_server_event *event)
{
    if (server->has_event) {
        server->has_event = false;
        *event = server->event;
        imap_server_append_go_on(server);
        return true;
    }
    imap_server_settle(server);
    if (server->state != IMAP_SERVER_ENDED || server->is_end_told)
        return false;
    server->is_end_told = true;
    imap_server_forget_command(server);
    *event = (struct imap_server_event){.kind = IMAP_SERVER_CLOSED, .reason = server->reason};
    return true;
}

/* ---- answers of the host ---- */

/* RFC 9051 6.3.2: a SELECT that fails leaves nothing selected. */
static void change_state(struct imap_server *server, enum imap_status status)
{
    switch (server->verb) {
    case IMAP_SELECT:
    case IMAP_EXAMINE:
        server->state = status == IMAP_OK ? IMAP_SERVER_SELECTED : IMAP_SERVER_AUTHENTICATED;
        break;
    case IMAP_CLOSE:
    case IMAP_UNSELECT:
        if (status == IMAP_OK)
            server->state = IMAP_SERVER_AUTHENTICATED;
        break;
    default:
        break;
    }
}

/* NO to a message that is announced: where the client does not wait it sends it all the same. */
static void refuse_message(struct imap_server *server, enum imap_status status, struct bytes code,
                           const char *text)
{
    server->owed = IMAP_SERVER_OWES_NOTHING;
    server->is_appending = false;
    server->is_dropping = true;
    server->deferred_status = status;
    imap_server_append_response(server, &server->deferred, status, code, text);
    imap_server_feed_drop_rest(server, &server->literal);
}

static void finish_command(struct imap_server *server, enum imap_status status, struct bytes code,
                           const char *text)
{
    server->owed = IMAP_SERVER_OWES_NOTHING;
    if (server->is_idle_broken) {
        server->is_idle_broken = false;
        status = IMAP_BAD;
        code = BYTES("");
        text = "DONE is all that can be said here";
    }
    imap_server_append_response(server, &server->output, status, code, text);
    change_state(server, status);
    imap_server_forget_command(server);
    if (status == IMAP_BAD)
        imap_server_count_error(server);
    else
        server->errors = 0;
}

void imap_server_finish(struct imap_server *server, enum imap_status status, struct bytes code,
                        const char *text, int64_t now)
{
    enum imap_server_owed owed = server->owed;
    if (owed == IMAP_SERVER_OWES_NOTHING)
        return;
    server->heard = now;
    if (owed == IMAP_SERVER_OWES_APPEND) {
        refuse_message(server, status, code, text);
    } else {
        finish_command(server, status, code, text);
        if (owed == IMAP_SERVER_OWES_LOGIN)
            imap_server_login_failed(server, code);
    }
    imap_server_settle(server);
}

struct buffer *imap_server_text(struct imap_server *server)
{
    return &server->output;
}

bool imap_server_is_full(const struct imap_server *server)
{
    return server->output.length >= IMAP_SERVER_OUTPUT_FULL;
}

void imap_server_take_text(struct imap_server *server, struct buffer *text)
{
    if (buffer_is_failed(text)) {
        buffer_fail(&server->output);
        buffer_reset(text);
    } else if (server->output.length > 0 || buffer_is_failed(&server->output) ||
               text->length > server->output.limit || text->is_secret) {
        buffer_append(&server->output, buffer_bytes(text));
        buffer_reset(text);
    } else {
        struct buffer taken = *text;
        size_t limit = text->limit;
        buffer_reset(&server->output);
        *text = server->output;
        text->limit = limit;
        taken.limit = IMAP_SERVER_OUTPUT_MAX;
        server->output = taken;
    }
}

void imap_server_tls_started(struct imap_server *server, const char *mechanisms, int64_t now)
{
    if (server->state != IMAP_SERVER_EARLY && !server->is_tls_agreed)
        return;
    server->heard = now;
    server->is_encrypted = true;
    server->is_tls_agreed = false;
    server->options.mechanisms = mechanisms;
    imap_server_forget_command(server);
    /* RFC 9051 6.2.1: no second greeting. */
    if (server->state == IMAP_SERVER_EARLY)
        greet(server);
    imap_server_settle(server);
}

void imap_server_compressed(struct imap_server *server, int64_t now)
{
    if (!server->is_compress_agreed)
        return;
    server->heard = now;
    server->is_compress_agreed = false;
    server->is_compressed = true;
    imap_server_settle(server);
}

unsigned imap_server_enabled(const struct imap_server *server)
{
    return server->enabled;
}

bool imap_server_is_selected(const struct imap_server *server)
{
    return server->state == IMAP_SERVER_SELECTED;
}

void imap_server_bye(struct imap_server *server, const char *code, const char *text, int64_t now)
{
    (void)now;
    server->is_stopping = true;
    server->bye_code = code;
    server->bye_text = text;
    imap_server_settle(server);
}

void imap_server_stop(struct imap_server *server, int64_t now)
{
    if (!server->is_stopping)
        imap_server_bye(server, NULL, "The server is going down", now);
}

void imap_server_fail(struct imap_server *server, const char *reason)
{
    imap_server_end(server, reason);
}

/* ---- output and time ---- */

struct bytes imap_server_output(const struct imap_server *server)
{
    return buffer_bytes(&server->output);
}

void imap_server_sent(struct imap_server *server, size_t count, int64_t now)
{
    server->heard = now;
    buffer_consume(&server->output, count);
    if (!has_failed(server))
        give_memory_back(server);
    imap_server_settle(server);
}

void imap_server_waited(struct imap_server *server, int64_t since, int64_t now)
{
    server->heard += now - since;
}

/* While the host works the time is its own, unless it waits for a client that does not read. */
int64_t imap_server_deadline(const struct imap_server *server)
{
    const struct imap_server_limits *limits = &server->options.limits;
    bool is_early = (server->state & (IMAP_SERVER_EARLY | IMAP_SERVER_NOT_AUTHENTICATED)) != 0;
    if (server->state == IMAP_SERVER_ENDED)
        return server->output.length == 0 ? 0 : server->heard + limits->idle_early;
    if ((server->owed != IMAP_SERVER_OWES_NOTHING || server->has_event) &&
        !imap_server_is_full(server))
        return 0;
    return server->heard + (is_early ? limits->idle_early : limits->idle);
}

void imap_server_tick(struct imap_server *server, int64_t now)
{
    int64_t deadline = imap_server_deadline(server);
    if (deadline == 0 || now < deadline)
        return;
    bool is_reading = server->output.length == 0 && server->state != IMAP_SERVER_ENDED;
    buffer_clear(&server->output);
    /* RFC 9051 5.4: autologout. Who does not read what was said does not read that either. */
    if (is_reading && is_listening(server))
        imap_server_end_with_bye(server, NULL, "Idle for too long", "idle for too long");
    else
        imap_server_end(server, "idle for too long");
    imap_server_settle(server);
}

bool imap_server_is_answer_owed(const struct imap_server *server)
{
    return server->owed != IMAP_SERVER_OWES_NOTHING;
}

bool imap_server_is_idling(const struct imap_server *server)
{
    return server->taking == IMAP_SERVER_TAKES_IDLE && server->state != IMAP_SERVER_ENDED;
}

bool imap_server_wants_tls(const struct imap_server *server)
{
    return server->is_tls_agreed;
}

bool imap_server_wants_compression(const struct imap_server *server)
{
    return server->is_compress_agreed;
}

bool imap_server_is_closed(const struct imap_server *server)
{
    return server->state == IMAP_SERVER_ENDED;
}
