/* The body on its way in: behind DATA up to CRLF "." CRLF and nothing else (RFC 5321 4.1.1.4), or
 * by BDAT, counted (RFC 3030 2). Its bytes are never copied; the rules of content are kept by
 * looking at them: a CR or LF alone, a NUL, a line too long or too large a message makes it a
 * refused body, which is read to its end. */
#include "smtp/smtp_server_inside.h"
#include "wire/dot.h"

/* ---- refusals ---- */

static const struct smtp_server_reply bare = {550, "5.6.11", "A CR or LF stands alone in the body"};
static const struct smtp_server_reply nul = {550, "5.6.0", "There is a NUL in the body"};
static const struct smtp_server_reply long_line = {500, "5.6.0", "A line of the body is too long"};
static const struct smtp_server_reply too_large = {552, "5.3.4", "The message is too large"};

static void refuse_body(struct smtp_server *server, const struct smtp_server_reply *refusal)
{
    server->refusal = refusal;
    server->event = (struct smtp_server_event){.reason = refusal->text};
    smtp_server_tell(server, SMTP_SERVER_REFUSED_BODY);
}

/* ---- the rules of content ---- */

/* The first byte that makes a line longer than it may be, or BYTES_NOT_FOUND. The run is pure:
   every LF ends a line. Steps from one limit to the next and looks back for the LF that should lie
   between. */
static size_t find_long_line(struct smtp_server *server, struct bytes run)
{
    const size_t longest = SMTP_SERVER_BODY_LINE_MAX + 2;
    struct bytes rest = run;
    while (rest.length > 0) {
        struct bytes window = bytes_slice(rest, 0, longest - server->column);
        const char *end = memrchr(window.data, '\n', window.length);
        if (end != NULL) {
            rest = bytes_skip(rest, (size_t)(end + 1 - rest.data));
            server->column = 0;
        } else if (server->column + window.length >= longest) {
            return run.length - rest.length + window.length - 1;
        } else {
            server->column += window.length;
            rest = bytes_skip(rest, window.length);
        }
    }
    return BYTES_NOT_FOUND;
}

static bool has_room(const struct smtp_server *server, uint64_t count)
{
    uint64_t limit = server->options.limits.size;
    return server->size <= limit && count <= limit - server->size;
}

/* The rule that is broken first counts, so that it does not matter in which pieces a body comes. */
static const struct smtp_server_reply *check_run(struct smtp_server *server, struct bytes run)
{
    const struct smtp_server_reply *refusal = NULL;
    size_t first = BYTES_NOT_FOUND;
    if (!has_room(server, run.length)) {
        first = server->size > server->options.limits.size
                    ? 0
                    : (size_t)(server->options.limits.size - server->size);
        refusal = &too_large;
    }
    server->size += run.length;
    size_t index = bytes_find_char(run, '\0');
    if (index < first) {
        first = index;
        refusal = &nul;
    }
    return find_long_line(server, run) < first ? &long_line : refusal;
}

static void tell_run(struct smtp_server *server, struct bytes run)
{
    if (run.length == 0)
        return;
    server->event = (struct smtp_server_event){.piece = run};
    smtp_server_tell(server, SMTP_SERVER_BODY);
}

/* ---- the end ---- */

static void ask_for_verdict(struct smtp_server *server, int64_t now)
{
    server->answers = server->options.is_lmtp ? server->recipients : 1;
    smtp_server_enter(server, SMTP_SERVER_STATE_COMMAND, now);
    smtp_server_ask(server, SMTP_SERVER_END, SMTP_SERVER_OWED_END, now);
}

/* RFC 2033 4.2: with LMTP a refused body too has as many replies as recipients. */
static void say_refused_body(struct smtp_server *server, int64_t now)
{
    const struct smtp_server_reply *refusal = server->refusal;
    unsigned replies = server->options.is_lmtp ? server->recipients : 1;
    smtp_server_forget_transaction(server);
    for (unsigned i = 0; i < replies; i++)
        smtp_server_reply_say(server, refusal->code, refusal->enhanced, refusal->text);
    smtp_server_enter(server, SMTP_SERVER_STATE_COMMAND, now);
    smtp_server_count_error(server, now);
}

/* ---- the walk over line ends, which the sender's scanner makes ---- */

static struct dot dot_at(enum smtp_server_place place)
{
    return (struct dot){.place = place == SMTP_SERVER_AFTER_CR     ? DOT_AFTER_CR
                                 : place == SMTP_SERVER_LINE_START ? DOT_LINE_START
                                                                   : DOT_IN_LINE};
}

static enum smtp_server_place place_of(const struct dot *dot)
{
    switch (dot->place) {
    case DOT_LINE_START:
        return SMTP_SERVER_LINE_START;
    case DOT_AFTER_CR:
        return SMTP_SERVER_AFTER_CR;
    case DOT_IN_LINE:
        break;
    }
    return SMTP_SERVER_IN_LINE;
}

/* ---- DATA ---- */

void smtp_server_body_begin_data(struct smtp_server *server, int64_t now)
{
    smtp_server_enter(server, SMTP_SERVER_STATE_DATA, now);
}

/* One byte of CRLF "." CRLF, or not; where a line begins with a dot and goes on, the dot goes
   (RFC 5321 4.5.2), so that nothing of it need be kept. True: the body has ended. */
static bool step_place(enum smtp_server_place *place, char c)
{
    static const char end[] = "\r\n.\r\n";
    if (c == end[*place]) {
        if (*place == SMTP_SERVER_AFTER_DOT_CR)
            return true;
        (*place)++;
    } else {
        *place = c == '\r' ? SMTP_SERVER_AFTER_CR : SMTP_SERVER_IN_LINE;
    }
    return false;
}

static void refuse_data(struct smtp_server *server, const struct smtp_server_reply *refusal,
                        int64_t now)
{
    refuse_body(server, refusal);
    smtp_server_enter(server, SMTP_SERVER_STATE_DATA_DROP, now);
}

/* Behind a dot at the start of a line: the end, a bare CR, or content. */
static size_t take_behind_dot(struct smtp_server *server, char c, int64_t now)
{
    if (server->place == SMTP_SERVER_AFTER_DOT) {
        if (c == '\r') {
            server->place = SMTP_SERVER_AFTER_DOT_CR;
            return 1;
        }
        server->place = SMTP_SERVER_IN_LINE;
        return 0;
    }
    if (c == '\n')
        ask_for_verdict(server, now);
    else
        refuse_data(server, &bare, now);
    return c == '\n';
}

size_t smtp_server_body_take_data(struct smtp_server *server, struct bytes in, int64_t now)
{
    if (server->place >= SMTP_SERVER_AFTER_DOT)
        return take_behind_dot(server, in.data[0], now);
    struct dot dot = dot_at(server->place);
    char stop;
    dot.is_stuffing = true;
    struct bytes run = bytes_slice(in, 0, dot_next(&dot, in, &stop));
    const struct smtp_server_reply *refusal = check_run(server, run);
    if (stop == '.') {
        server->place = SMTP_SERVER_AFTER_DOT;
    } else if (stop == 0) {
        server->place = place_of(&dot);
    } else {
        /* Only CRLF ends a line, in whatever disguise (RFC 5321 2.3.8). */
        server->place = stop == '\n' ? SMTP_SERVER_AFTER_CR : SMTP_SERVER_IN_LINE;
        refusal = refusal == NULL ? &bare : refusal;
    }
    if (refusal != NULL)
        refuse_data(server, refusal, now);
    else
        tell_run(server, run);
    return run.length + (stop == '.');
}

size_t smtp_server_body_drop_data(struct smtp_server *server, struct bytes in, int64_t now)
{
    for (size_t i = 0; i < in.length; i++) {
        if (server->place == SMTP_SERVER_IN_LINE) {
            size_t next = bytes_find_char(bytes_skip(in, i), '\r');
            if (next == BYTES_NOT_FOUND)
                return in.length;
            i += next;
        }
        if (step_place(&server->place, in.data[i])) {
            say_refused_body(server, now);
            return i + 1;
        }
    }
    return in.length;
}

/* ---- BDAT ---- */

/* The text ends in a CR: all bytes of the last chunk were seen, or announced to be none. */
static bool is_cut_off(const struct smtp_server *server)
{
    return server->chunk == 0 && server->is_last_chunk && server->body != SMTP_SERVER_BINARY &&
           server->place == SMTP_SERVER_AFTER_CR;
}

/* All bytes of the chunk are there. */
static void end_chunk(struct smtp_server *server, int64_t now)
{
    if (server->is_last_chunk) {
        ask_for_verdict(server, now);
        return;
    }
    smtp_server_reply_say(server, 250, "2.0.0", "The chunk is taken");
    smtp_server_enter(server, SMTP_SERVER_STATE_COMMAND, now);
}

/* All bytes of a refused chunk are gone. */
static void end_dropped_chunk(struct smtp_server *server, int64_t now)
{
    const struct smtp_server_reply *refusal = server->refusal;
    if (server->phase == SMTP_SERVER_PHASE_CHUNKS && server->is_last_chunk) {
        say_refused_body(server, now);
        return;
    }
    smtp_server_enter(server, SMTP_SERVER_STATE_COMMAND, now);
    if (server->phase == SMTP_SERVER_PHASE_CHUNKS) {
        smtp_server_forget_transaction(server);
        server->phase = SMTP_SERVER_PHASE_LOST;
    } else if (server->phase == SMTP_SERVER_PHASE_LOST) {
        /* Chunks that were on their way when one before them was refused are no new error. */
        if (server->is_last_chunk)
            smtp_server_forget_transaction(server);
        smtp_server_reply_say(server, refusal->code, refusal->enhanced, refusal->text);
        return;
    }
    smtp_server_reply_refuse(server, refusal, now);
}

static bool is_far_too_large(const struct smtp_server *server)
{
    return server->chunk / SMTP_SERVER_CHUNK_DROPPED > server->options.limits.size;
}

/* RFC 3030 2: the bytes of a refused chunk are read all the same, and dropped. A body that lacks a
   chunk is refused. */
static void refuse_chunk(struct smtp_server *server, const struct smtp_server_reply *refusal,
                         int64_t now)
{
    if (is_far_too_large(server)) {
        smtp_server_reply_say(server, refusal->code, refusal->enhanced, refusal->text);
        smtp_server_close(server, "4.7.0", "So much is not read away", "a chunk far too large");
        return;
    }
    if (server->phase == SMTP_SERVER_PHASE_CHUNKS)
        refuse_body(server, refusal);
    server->refusal = refusal;
    smtp_server_enter(server, SMTP_SERVER_STATE_CHUNK_DROP, now);
    if (server->chunk == 0)
        end_dropped_chunk(server, now);
}

void smtp_server_body_begin_chunk(struct smtp_server *server,
                                  const struct smtp_server_reply *refusal, int64_t now)
{
    if (server->phase == SMTP_SERVER_PHASE_RCPT)
        server->phase = SMTP_SERVER_PHASE_CHUNKS;
    if (refusal == NULL && !has_room(server, server->chunk))
        refusal = &too_large;
    if (refusal == NULL && is_cut_off(server))
        refusal = &bare;
    if (refusal != NULL) {
        refuse_chunk(server, refusal, now);
        return;
    }
    smtp_server_enter(server, SMTP_SERVER_STATE_CHUNK, now);
    if (server->chunk == 0)
        end_chunk(server, now);
}

/* The same rules as behind DATA, with dots as they are. */
static const struct smtp_server_reply *check_text(struct smtp_server *server, struct bytes run)
{
    struct dot dot = dot_at(server->place);
    char stop;
    size_t pure = dot_next(&dot, run, &stop);
    const struct smtp_server_reply *refusal = check_run(server, bytes_slice(run, 0, pure));
    server->place = place_of(&dot);
    if (refusal == NULL && (stop != 0 || is_cut_off(server)))
        refusal = &bare;
    return refusal;
}

size_t smtp_server_body_take_chunk(struct smtp_server *server, struct bytes in, int64_t now)
{
    struct bytes run = server->chunk < in.length ? bytes_slice(in, 0, (size_t)server->chunk) : in;
    const struct smtp_server_reply *refusal = NULL;
    server->chunk -= run.length;
    if (server->body == SMTP_SERVER_BINARY)
        server->size += run.length;
    else
        refusal = check_text(server, run);
    if (refusal != NULL) {
        refuse_chunk(server, refusal, now);
        return run.length;
    }
    tell_run(server, run);
    if (server->chunk == 0)
        end_chunk(server, now);
    return run.length;
}

size_t smtp_server_body_drop_chunk(struct smtp_server *server, struct bytes in, int64_t now)
{
    size_t count = server->chunk < in.length ? (size_t)server->chunk : in.length;
    server->chunk -= count;
    if (server->chunk == 0)
        end_dropped_chunk(server, now);
    return count;
}
