/* The frame of the SMTP server engine: bytes in, events out, answers, time. What is said and done
 * stands in its siblings. */
#include "smtp/smtp_server.h"

#include <stdlib.h>

#include "smtp/smtp_server_inside.h"

/* ---- birth and death ---- */

static unsigned or_default(unsigned value, unsigned standard)
{
    return value != 0 ? value : standard;
}

static int64_t or_default_time(int64_t value, int64_t standard)
{
    return value != 0 ? value : standard;
}

void smtp_server_set_limits(struct smtp_server *server, const struct smtp_server_limits *limits)
{
    server->options.limits = (struct smtp_server_limits){
        .recipients = or_default(limits->recipients, SMTP_SERVER_RECIPIENTS_MAX),
        .messages = or_default(limits->messages, SMTP_SERVER_MESSAGES_MAX),
        .commands = or_default(limits->commands, SMTP_SERVER_COMMANDS_MAX),
        .errors_soft = or_default(limits->errors_soft, SMTP_SERVER_ERRORS_SOFT),
        .errors = or_default(limits->errors, SMTP_SERVER_ERRORS_MAX),
        .auth_failures = or_default(limits->auth_failures, SMTP_SERVER_AUTH_FAILURES_MAX),
        .size = limits->size != 0 ? limits->size : SMTP_SERVER_SIZE_MAX,
        .idle = or_default_time(limits->idle, SMTP_SERVER_IDLE),
        .session = or_default_time(limits->session, SMTP_SERVER_SESSION),
        .least_rate = or_default(limits->least_rate, SMTP_SERVER_LEAST_RATE),
    };
}

struct smtp_server *smtp_server_new(const struct smtp_server_options *options, int64_t now,
                                    struct fault *fault)
{
    struct smtp_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    server->options = *options;
    smtp_server_set_limits(server, &options->limits);
    server->phase = SMTP_SERVER_PHASE_NEW;
    server->line = SECRET_BUFFER(SMTP_SERVER_RESPONSE_MAX);
    server->response = SECRET_BUFFER(SMTP_SERVER_RESPONSE_MAX);
    server->output = SECRET_BUFFER(SMTP_SERVER_OUTPUT_MAX);
    server->born = server->heard = now;
    if (!options->is_implicit_tls) {
        smtp_server_enter(server, SMTP_SERVER_STATE_COMMAND, now);
        smtp_server_reply_say_greeting(server);
    }
    return server;
}

void smtp_server_free(struct smtp_server *server)
{
    if (server == NULL)
        return;
    buffer_clear(&server->line);
    buffer_clear(&server->response);
    buffer_clear(&server->output);
    free(server->mechanisms);
    free(server);
}

/* ---- states ---- */

static bool is_in_body(const struct smtp_server *server)
{
    return server->state >= SMTP_SERVER_STATE_DATA && server->state <= SMTP_SERVER_STATE_CHUNK_DROP;
}

void smtp_server_enter(struct smtp_server *server, enum smtp_server_state state, int64_t now)
{
    bool was_in_body = is_in_body(server);
    if (server->state == SMTP_SERVER_STATE_CLOSED)
        return;
    server->state = state;
    if (is_in_body(server) && !was_in_body) {
        server->window_start = now;
        server->window_bytes = 0;
    }
}

void smtp_server_forget_transaction(struct smtp_server *server)
{
    if (server->phase != SMTP_SERVER_PHASE_NEW)
        server->phase = SMTP_SERVER_PHASE_READY;
    server->body = SMTP_SERVER_7BIT;
    server->is_utf8 = false;
    server->recipients = 0;
    server->answers = 0;
    server->size = 0;
    server->place = SMTP_SERVER_LINE_START;
    server->column = 0;
    server->refusal = NULL;
}

/* What borrowed from the line and the response is not needed any more. */
static void release_line(struct smtp_server *server)
{
    if (server->is_line_done) {
        buffer_clear(&server->line);
        server->is_line_done = false;
    }
    buffer_clear(&server->response);
}

/* ---- events ---- */

void smtp_server_tell(struct smtp_server *server, enum smtp_server_event_kind kind)
{
    if (server->state == SMTP_SERVER_STATE_CLOSED && kind != SMTP_SERVER_CLOSED)
        return;
    assert(server->queue_count < SMTP_SERVER_EVENTS_MAX);
    unsigned last = (server->queue_first + server->queue_count++) % SMTP_SERVER_EVENTS_MAX;
    server->queue[last] = kind;
}

void smtp_server_ask(struct smtp_server *server, enum smtp_server_event_kind kind,
                     enum smtp_server_owed owed, int64_t now)
{
    if (server->state == SMTP_SERVER_STATE_CLOSED)
        return;
    server->owed = owed;
    server->owed_since = now;
    smtp_server_tell(server, kind);
}

void smtp_server_waited(struct smtp_server *server, int64_t since, int64_t now)
{
    server->born += now - since;
    server->heard = now;
    server->window_start += now - since;
}

void smtp_server_answered(struct smtp_server *server, int64_t now)
{
    server->owed = SMTP_SERVER_OWED_NOTHING;
    smtp_server_waited(server, server->owed_since, now);
    release_line(server);
}

/* Of the events that wait together one at most has contents. */
static bool has_contents(enum smtp_server_event_kind kind)
{
    return kind != SMTP_SERVER_TLS_WANTED && kind != SMTP_SERVER_END && kind != SMTP_SERVER_RESET &&
           kind != SMTP_SERVER_CLOSED;
}

bool smtp_server_next(struct smtp_server *server, struct smtp_server_event *event)
{
    if (server->queue_count == 0)
        return false;
    enum smtp_server_event_kind kind = server->queue[server->queue_first];
    *event = has_contents(kind) ? server->event : (struct smtp_server_event){.kind = kind};
    event->kind = kind;
    if (kind == SMTP_SERVER_CLOSED)
        event->reason = server->closed_reason;
    server->queue_first = (server->queue_first + 1) % SMTP_SERVER_EVENTS_MAX;
    server->queue_count--;
    return true;
}

/* ---- the end ---- */

void smtp_server_close(struct smtp_server *server, const char *enhanced, const char *text,
                       const char *reason)
{
    if (server->state == SMTP_SERVER_STATE_CLOSED)
        return;
    /* While TLS is awaited nobody reads what is said in clear. */
    if (text != NULL && server->state != SMTP_SERVER_STATE_TLS)
        smtp_server_reply_say(server, 421, enhanced, text);
    if (server->state == SMTP_SERVER_STATE_CLOSED)
        return;
    server->state = SMTP_SERVER_STATE_CLOSED;
    server->delayed_until = 0;
    server->closed_reason = reason;
    smtp_server_tell(server, SMTP_SERVER_CLOSED);
}

void smtp_server_close_for_memory(struct smtp_server *server)
{
    bool is_heard = server->state != SMTP_SERVER_STATE_TLS;
    if (server->state == SMTP_SERVER_STATE_CLOSED)
        return;
    smtp_server_close(server, NULL, NULL, "out of memory");
    if (is_heard)
        server->last_words = BYTES("421 4.3.0 There is no memory left, try again later\r\n");
}

void smtp_server_count_error(struct smtp_server *server, int64_t now)
{
    const struct smtp_server_limits *limits = &server->options.limits;
    server->errors++;
    if (server->errors >= limits->errors)
        smtp_server_close(server, "4.7.0", "Too many errors", "too many errors");
    else if (server->errors >= limits->errors_soft && server->state != SMTP_SERVER_STATE_CLOSED)
        server->delayed_until = now + SMTP_SERVER_ERROR_DELAY;
}

/* ---- input ---- */

/* The place behind the CRLF that ends the line, whose beginning may have come before; a bare LF
   never does (RFC 5321 2.3.8). */
static size_t find_line_end(const struct smtp_server *server, struct bytes in)
{
    size_t start = 0;
    for (;;) {
        size_t index = bytes_find_char(bytes_skip(in, start), '\n');
        if (index == BYTES_NOT_FOUND)
            return BYTES_NOT_FOUND;
        index += start;
        if (index > 0 ? in.data[index - 1] == '\r' : server->is_line_after_cr)
            return index + 1;
        start = index + 1;
    }
}

static void hear_line(struct smtp_server *server, struct bytes line, int64_t now)
{
    bool is_too_long = server->is_line_too_long;
    server->line_length = 0;
    server->is_line_too_long = false;
    server->is_line_after_cr = false;
    server->is_line_done = true;
    if (server->state == SMTP_SERVER_STATE_RESPONSE) {
        smtp_server_auth_hear_response(server, line, is_too_long, now);
    } else if (is_too_long) {
        static const struct smtp_server_reply too_long = {500, "5.5.2", "The line is too long"};
        smtp_server_reply_refuse(server, &too_long, now);
    } else {
        smtp_server_command_hear(server, line, now);
    }
    if (server->queue_count == 0)
        release_line(server);
}

static size_t take_line(struct smtp_server *server, struct bytes in, int64_t now)
{
    size_t limit = server->state == SMTP_SERVER_STATE_RESPONSE ? SMTP_SERVER_RESPONSE_MAX
                                                               : SMTP_SERVER_LINE_MAX;
    size_t end = find_line_end(server, in);
    struct bytes line = bytes_slice(in, 0, end == BYTES_NOT_FOUND ? in.length : end);
    size_t count = line.length;
    server->is_line_after_cr = line.data[count - 1] == '\r';
    server->line_length += count;
    if (server->line_length > limit) {
        server->is_line_too_long = true;
        buffer_clear(&server->line);
    }
    /* A line that came whole is heard where it lies. */
    if (!server->is_line_too_long && (end == BYTES_NOT_FOUND || server->line.length > 0)) {
        buffer_append(&server->line, line);
        if (buffer_is_failed(&server->line)) {
            smtp_server_close_for_memory(server);
            return count;
        }
        line = buffer_bytes(&server->line);
    }
    if (end != BYTES_NOT_FOUND) {
        if (!server->is_line_too_long)
            line.length -= 2;
        hear_line(server, line, now);
    }
    return count;
}

static size_t take(struct smtp_server *server, struct bytes in, int64_t now)
{
    switch (server->state) {
    case SMTP_SERVER_STATE_COMMAND:
    case SMTP_SERVER_STATE_RESPONSE:
        return take_line(server, in, now);
    case SMTP_SERVER_STATE_DATA:
        return smtp_server_body_take_data(server, in, now);
    case SMTP_SERVER_STATE_DATA_DROP:
        return smtp_server_body_drop_data(server, in, now);
    case SMTP_SERVER_STATE_CHUNK:
        return smtp_server_body_take_chunk(server, in, now);
    case SMTP_SERVER_STATE_CHUNK_DROP:
        return smtp_server_body_drop_chunk(server, in, now);
    case SMTP_SERVER_STATE_TLS:
    case SMTP_SERVER_STATE_CLOSED:
        break;
    }
    return in.length;
}

static void stop_if_possible(struct smtp_server *server)
{
    if (!server->is_stopping || server->owed != SMTP_SERVER_OWED_NOTHING || is_in_body(server) ||
        server->phase == SMTP_SERVER_PHASE_CHUNKS)
        return;
    smtp_server_close(server, "4.3.2", "The server is being stopped", "the server stops");
}

bool smtp_server_wants_input(const struct smtp_server *server)
{
    return server->owed == SMTP_SERVER_OWED_NOTHING && server->queue_count == 0 &&
           server->delayed_until == 0 && server->output.length < SMTP_SERVER_OUTPUT_FULL &&
           server->state != SMTP_SERVER_STATE_TLS && server->state != SMTP_SERVER_STATE_CLOSED;
}

size_t smtp_server_feed(struct smtp_server *server, struct bytes in, int64_t now)
{
    size_t taken = 0;
    while (taken < in.length && smtp_server_wants_input(server)) {
        bool is_body = is_in_body(server);
        release_line(server);
        size_t count = take(server, bytes_skip(in, taken), now);
        taken += count;
        server->heard = now;
        server->window_bytes += is_body ? count : 0;
        stop_if_possible(server);
    }
    /* RFC 3207 4.2: what was said in clear behind STARTTLS is not heard. */
    if (server->state == SMTP_SERVER_STATE_TLS || server->state == SMTP_SERVER_STATE_CLOSED)
        taken = in.length;
    return taken;
}

/* ---- answers ---- */

static bool is_success(const struct smtp_server_reply *reply)
{
    return reply->code / 100 == 2;
}

/* Takes the verdict on a message; true when it was the last. */
static bool is_verdict_last(struct smtp_server *server, const struct smtp_server_reply *reply,
                            int64_t now)
{
    if (is_success(reply))
        server->errors = 0;
    server->answers--;
    if (server->answers > 0) {
        server->owed = SMTP_SERVER_OWED_END;
        server->owed_since = now;
        return false;
    }
    smtp_server_forget_transaction(server);
    return true;
}

void smtp_server_answer(struct smtp_server *server, const struct smtp_server_reply *reply,
                        int64_t now)
{
    enum smtp_server_owed owed = server->owed;
    bool is_error = reply->code >= 500;
    assert(owed != SMTP_SERVER_OWED_NOTHING);
    smtp_server_answered(server, now);
    smtp_server_reply_say(server, reply->code, reply->enhanced, reply->text);
    switch (owed) {
    case SMTP_SERVER_OWED_MAIL:
        if (is_success(reply))
            server->phase = SMTP_SERVER_PHASE_MAIL;
        else
            smtp_server_forget_transaction(server);
        break;
    case SMTP_SERVER_OWED_RCPT:
        if (is_success(reply)) {
            server->phase = SMTP_SERVER_PHASE_RCPT;
            server->recipients++;
        }
        break;
    case SMTP_SERVER_OWED_END:
        if (!is_verdict_last(server, reply, now))
            return;
        is_error = is_error && !server->options.is_lmtp;
        break;
    case SMTP_SERVER_OWED_AUTH:
        smtp_server_enter(server, SMTP_SERVER_STATE_COMMAND, now);
        break;
    case SMTP_SERVER_OWED_NOTHING:
        break;
    }
    if (reply->code == 421)
        smtp_server_close(server, NULL, NULL, "the host closes");
    else if (owed == SMTP_SERVER_OWED_AUTH && is_error)
        smtp_server_auth_count_failure(server, now);
    else if (is_error)
        smtp_server_count_error(server, now);
    stop_if_possible(server);
}

void smtp_server_challenge(struct smtp_server *server, struct bytes challenge, int64_t now)
{
    assert(server->owed == SMTP_SERVER_OWED_AUTH);
    smtp_server_answered(server, now);
    smtp_server_enter(server, SMTP_SERVER_STATE_RESPONSE, now);
    smtp_server_reply_say_challenge(server, challenge);
}

void smtp_server_authenticated(struct smtp_server *server, struct bytes additional, int64_t now)
{
    assert(server->owed == SMTP_SERVER_OWED_AUTH);
    if (additional.length > 0) {
        server->is_login_final = true;
        smtp_server_challenge(server, additional, now);
        return;
    }
    smtp_server_answered(server, now);
    smtp_server_auth_succeed(server, now);
}

void smtp_server_tls_started(struct smtp_server *server, const char *mechanisms, int64_t now)
{
    assert(server->state == SMTP_SERVER_STATE_TLS || server->state == SMTP_SERVER_STATE_CLOSED);
    if (server->state != SMTP_SERVER_STATE_TLS)
        return;
    bool is_first = server->options.is_implicit_tls && !server->is_tls;
    server->is_tls = true;
    server->is_authenticated = false;
    server->phase = SMTP_SERVER_PHASE_NEW;
    server->heard = now;
    buffer_clear(&server->line);
    smtp_server_forget_transaction(server);
    smtp_server_enter(server, SMTP_SERVER_STATE_COMMAND, now);
    server->mechanisms = strdup(mechanisms == NULL ? "" : mechanisms);
    if (server->mechanisms == NULL)
        smtp_server_close_for_memory(server);
    else if (is_first)
        smtp_server_reply_say_greeting(server);
    stop_if_possible(server);
}

void smtp_server_stop(struct smtp_server *server, int64_t now)
{
    (void)now;
    server->is_stopping = true;
    stop_if_possible(server);
}

/* ---- output ---- */

struct bytes smtp_server_output(const struct smtp_server *server)
{
    if (server->delayed_until != 0)
        return BYTES("");
    return server->output.length > 0 ? buffer_bytes(&server->output) : server->last_words;
}

void smtp_server_sent(struct smtp_server *server, size_t count, int64_t now)
{
    server->heard = now;
    if (server->output.length == 0) {
        server->last_words = bytes_skip(server->last_words, count);
        return;
    }
    buffer_consume(&server->output, count);
    if (server->output.length == 0)
        buffer_clear(&server->output);
}

/* ---- time ---- */

int64_t smtp_server_deadline(const struct smtp_server *server)
{
    const struct smtp_server_limits *limits = &server->options.limits;
    if (server->owed != SMTP_SERVER_OWED_NOTHING || server->state == SMTP_SERVER_STATE_CLOSED)
        return 0;
    int64_t deadline = server->born + limits->session;
    int64_t next = server->heard + limits->idle;
    if (server->delayed_until != 0)
        next = server->delayed_until;
    if (next < deadline)
        deadline = next;
    next = server->window_start + SMTP_SERVER_RATE_WINDOW;
    return is_in_body(server) && next < deadline ? next : deadline;
}

static void end_window(struct smtp_server *server, int64_t now)
{
    uint64_t seconds = (uint64_t)(now - server->window_start) / 1000;
    if (server->window_bytes < seconds * server->options.limits.least_rate)
        smtp_server_close(server, "4.4.2", "The message comes too slowly", "too slow a body");
    server->window_start = now;
    server->window_bytes = 0;
}

void smtp_server_tick(struct smtp_server *server, int64_t now)
{
    const struct smtp_server_limits *limits = &server->options.limits;
    if (server->owed != SMTP_SERVER_OWED_NOTHING || server->state == SMTP_SERVER_STATE_CLOSED)
        return;
    if (now - server->born >= limits->session) {
        smtp_server_close(server, "4.4.2", "The session takes too long", "session time");
    } else if (server->delayed_until != 0) {
        if (now < server->delayed_until)
            return;
        server->delayed_until = 0;
        server->heard = now;
        stop_if_possible(server);
    } else if (now - server->heard >= limits->idle) {
        smtp_server_close(server, "4.4.2", "Nothing came for too long", "idle");
    } else if (is_in_body(server) && now - server->window_start >= SMTP_SERVER_RATE_WINDOW) {
        end_window(server, now);
    }
}

bool smtp_server_is_answer_owed(const struct smtp_server *server)
{
    return server->owed != SMTP_SERVER_OWED_NOTHING;
}

bool smtp_server_is_closed(const struct smtp_server *server)
{
    return server->state == SMTP_SERVER_STATE_CLOSED && server->queue_count == 0;
}
