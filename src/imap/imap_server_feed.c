/* Cuts commands and their literals out of the stream: RFC 9051 4.3, RFC 7888. */
#include "base/scan.h"
#include "imap/imap_server_inside.h"

/* ---- limits ---- */

static bool is_early(const struct imap_server *server)
{
    return server->state == IMAP_SERVER_NOT_AUTHENTICATED;
}

/* How many more bytes of the line fit. */
static size_t line_room(const struct imap_server *server)
{
    if (server->taking == IMAP_SERVER_TAKES_IDLE)
        return SIZE_MAX;
    if (server->taking == IMAP_SERVER_TAKES_RESPONSE)
        return IMAP_SERVER_RESPONSE_MAX - server->line.length;
    if (is_early(server))
        return IMAP_SERVER_LINE_EARLY_MAX - server->line.length;
    return IMAP_SERVER_LINE_MAX - (server->line.length - server->literal_bytes);
}

static bool is_literal_too_big(const struct imap_server *server,
                               const struct imap_server_literal *literal)
{
    if (is_early(server))
        /* RFC 7888 5: LITERAL-, as long as nobody knows who it is. */
        return literal->size > IMAP_SERVER_LINE_EARLY_MAX - server->line.length ||
               (!literal->is_waiting && literal->size > IMAP_SERVER_LITERAL_PLUS_MAX);
    return literal->size > IMAP_SERVER_LITERAL_MAX ||
           literal->size > IMAP_SERVER_LITERALS_MAX - server->literal_bytes;
}

static uint64_t drop_limit(const struct imap_server *server)
{
    return is_early(server) ? IMAP_SERVER_DROP_EARLY_MAX
                            : server->options.limits.append_size + IMAP_SERVER_DROP_MAX;
}

static bool is_counted_out(struct imap_server *server)
{
    if (!is_early(server) || ++server->commands <= server->options.limits.commands_early)
        return false;
    imap_server_end_with_bye(server, NULL, "Too many commands", "too many commands");
    return true;
}

/* ---- commands that are refused ---- */

static void end_drop(struct imap_server *server)
{
    enum imap_status status = server->deferred_status;
    buffer_append(&server->output, buffer_bytes(&server->deferred));
    if (buffer_is_failed(&server->deferred))
        buffer_fail(&server->output);
    imap_server_forget_command(server);
    if (status == IMAP_BAD)
        imap_server_count_error(server);
}

static void check_drop(struct imap_server *server, uint64_t count)
{
    if (count <= drop_limit(server) - server->dropped) {
        server->dropped += count;
        return;
    }
    end_drop(server);
    imap_server_end_with_bye(server, "TOOBIG", "That is too much", "too much of a refused command");
}

void imap_server_feed_drop_rest(struct imap_server *server,
                                const struct imap_server_literal *literal)
{
    buffer_reset(&server->line);
    if (literal == NULL || literal->is_waiting) {
        end_drop(server);
        return;
    }
    server->literal_left = literal->size;
    check_drop(server, literal->size);
}

void imap_server_feed_refuse(struct imap_server *server, enum imap_status status, const char *code,
                             const char *text)
{
    server->is_dropping = true;
    server->deferred_status = status;
    server->taking = IMAP_SERVER_TAKES_COMMAND;
    imap_server_append_response(server, &server->deferred, status, bytes_from_string(code), text);
    if (server->is_appending) {
        server->is_appending = false;
        imap_server_raise(server, IMAP_SERVER_APPEND_BROKEN);
    }
}

void imap_server_feed_refuse_fault(struct imap_server *server, const struct fault *fault)
{
    switch (fault->kind) {
    case FAULT_SYNTAX:
        imap_server_feed_refuse(server, IMAP_BAD, NULL, fault->message);
        break;
    case FAULT_DENIED:
        imap_server_feed_refuse(server, IMAP_NO, "CANNOT", fault->message);
        break;
    case FAULT_LIMIT:
        imap_server_feed_refuse(server, IMAP_NO, "LIMIT", fault->message);
        break;
    default:
        imap_server_feed_refuse(server, IMAP_NO, "UNAVAILABLE", "Out of memory");
        break;
    }
}

/* ---- lines ---- */

/* RFC 7888 3: whatever the line is, "{10+}" at its end announces bytes that belong to it. */
static bool find_literal(struct bytes line, struct imap_server_literal *literal)
{
    size_t start = bytes_find_last_char(line, '{');
    if (start == BYTES_NOT_FOUND || !bytes_ends_with(line, BYTES("}")))
        return false;
    struct scan scan = scan_of(bytes_slice(line, start + 1, line.length - start - 2));
    bool has_number = scan_take_number(&scan, UINT64_MAX - 1, &literal->size);
    if (!has_number) {
        struct bytes digits = scan_take_while(&scan, &scan_digits);
        literal->size = UINT64_MAX;
        has_number = digits.length > 0;
    }
    literal->is_waiting = !scan_take_char(&scan, '+');
    return has_number && scan_is_at_end(&scan);
}

/* The command's line ends in the head of a literal. */
static void hear_literal(struct imap_server *server, const struct imap_server_literal *literal,
                         struct bytes text)
{
    if (!imap_server_command_identify(server))
        return;
    if (server->verb == IMAP_APPEND && !imap_server_append_is_name(server, text)) {
        imap_server_append_hear(server, text, literal);
        return;
    }
    if (server->literal_count >= IMAP_SERVER_LITERAL_COUNT_MAX) {
        imap_server_feed_refuse(server, IMAP_BAD, NULL, "Too many literals");
        return;
    }
    if (is_literal_too_big(server, literal)) {
        imap_server_feed_refuse(server, IMAP_BAD, "TOOBIG", "The literal is too big");
        return;
    }
    if (literal->is_waiting)
        imap_server_say(server, "+ Go ahead");
    server->literal_count++;
    server->literal_left = literal->size;
    server->literal_bytes += literal->size;
    server->tail = server->line.length + literal->size;
}

static void hear_command_line(struct imap_server *server, struct bytes text)
{
    struct imap_server_literal literal;
    bool has_literal = find_literal(bytes_skip(text, server->tail), &literal);
    if (has_literal)
        hear_literal(server, &literal, text);
    else if (server->is_appending)
        imap_server_append_hear(server, text, NULL);
    else if (imap_server_command_identify(server))
        imap_server_command_hear(server, text);
    if (server->is_dropping)
        imap_server_feed_drop_rest(server, has_literal ? &literal : NULL);
}

static void hear_idle_line(struct imap_server *server, struct bytes text)
{
    server->is_idle_broken = !bytes_equal_ignoring_case(text, BYTES("DONE"));
    server->taking = IMAP_SERVER_TAKES_COMMAND;
    buffer_reset(&server->line);
    server->owed = IMAP_SERVER_OWES_FINISH;
    imap_server_raise(server, IMAP_SERVER_IDLE_DONE);
}

/* A line that cannot be right, whatever it says. */
static void hear_bad_line(struct imap_server *server, const char *text)
{
    switch (server->taking) {
    case IMAP_SERVER_TAKES_RESPONSE:
        imap_server_login_break(server, text);
        break;
    case IMAP_SERVER_TAKES_LAST:
        imap_server_login_respond_last(server, BYTES("?"));
        break;
    case IMAP_SERVER_TAKES_IDLE:
        hear_idle_line(server, BYTES("?"));
        break;
    default:
        /* For its tag; that it may be wrong as well is no matter. */
        if (imap_server_command_identify(server))
            imap_server_feed_refuse(server, IMAP_BAD, NULL, text);
        break;
    }
}

/* `text` is without CRLF. */
static void hear_line(struct imap_server *server, struct bytes text)
{
    switch (server->taking) {
    case IMAP_SERVER_TAKES_RESPONSE:
        imap_server_login_respond(server, text);
        if (server->is_dropping)
            imap_server_feed_drop_rest(server, NULL);
        break;
    case IMAP_SERVER_TAKES_LAST:
        imap_server_login_respond_last(server, text);
        break;
    case IMAP_SERVER_TAKES_IDLE:
        hear_idle_line(server, text);
        break;
    default:
        hear_command_line(server, text);
        break;
    }
}

/* The line is whole, and not over the limit. */
static void end_line(struct imap_server *server)
{
    struct bytes text = buffer_bytes(&server->line);
    if (is_counted_out(server))
        return;
    text.length--;
    /* RFC 9051 2.2: only CRLF ends a line. */
    if (text.length > server->tail && text.data[text.length - 1] == '\r') {
        text.length--;
        hear_line(server, text);
        return;
    }
    hear_bad_line(server, "A line must end with CRLF");
    if (server->is_dropping)
        imap_server_feed_drop_rest(server, NULL);
}

/* A line of a refused command: only its end matters, for a literal may follow. */
static void drop_line(struct imap_server *server, struct bytes piece, bool has_end)
{
    struct imap_server_literal literal;
    size_t skipped = piece.length > IMAP_SERVER_TAIL_MAX ? piece.length - IMAP_SERVER_TAIL_MAX : 0;
    buffer_append(&server->line, bytes_skip(piece, skipped));
    if (server->line.length > IMAP_SERVER_TAIL_MAX)
        buffer_consume(&server->line, server->line.length - IMAP_SERVER_TAIL_MAX);
    check_drop(server, piece.length);
    if (!has_end || server->state == IMAP_SERVER_ENDED || is_counted_out(server))
        return;
    struct bytes text = buffer_bytes(&server->line);
    bool has_literal = bytes_ends_with(text, BYTES("\r\n")) &&
                       find_literal(bytes_slice(text, 0, text.length - 2), &literal);
    imap_server_feed_drop_rest(server, has_literal ? &literal : NULL);
}

static void refuse_long_line(struct imap_server *server, struct bytes piece)
{
    server->dropped = server->line.length - server->tail;
    buffer_append(&server->line, bytes_slice(piece, 0, line_room(server)));
    hear_bad_line(server, "The line is too long");
    buffer_reset(&server->line);
    server->tail = 0;
}

/* In IDLE only one word can be right: of what is longer no more is kept than shows it. */
static struct bytes keep_of(const struct imap_server *server, struct bytes piece)
{
    return server->taking == IMAP_SERVER_TAKES_IDLE
               ? bytes_slice(piece, 0, IMAP_SERVER_TAIL_MAX - server->line.length)
               : piece;
}

/* Takes up to the end of a line. */
static size_t take_line(struct imap_server *server, struct bytes in, int64_t now)
{
    size_t end = bytes_find_char(in, '\n');
    bool has_end = end != BYTES_NOT_FOUND;
    struct bytes piece = bytes_slice(in, 0, has_end ? end + 1 : in.length);
    if (has_end)
        server->heard = now;
    if (!server->is_dropping && piece.length > line_room(server))
        refuse_long_line(server, piece);
    if (server->is_dropping) {
        drop_line(server, piece, has_end);
    } else if (server->state != IMAP_SERVER_ENDED) {
        buffer_append(&server->line, keep_of(server, piece));
        if (has_end && !buffer_is_failed(&server->line))
            end_line(server);
    }
    return piece.length;
}

static size_t take_literal(struct imap_server *server, struct bytes in, int64_t now)
{
    struct bytes piece =
        bytes_slice(in, 0, server->literal_left < in.length ? server->literal_left : in.length);
    server->literal_left -= piece.length;
    if (server->is_dropping)
        return piece.length;
    if (!is_early(server))
        server->heard = now;
    if (server->taking == IMAP_SERVER_TAKES_MESSAGE)
        imap_server_append_take(server, piece);
    else
        buffer_append(&server->line, piece);
    return piece.length;
}

static bool can_take(const struct imap_server *server)
{
    return (server->state & (IMAP_SERVER_NOT_AUTHENTICATED | IMAP_SERVER_AUTHENTICATED |
                             IMAP_SERVER_SELECTED)) != 0 &&
           server->owed == IMAP_SERVER_OWES_NOTHING && !server->has_event &&
           !server->is_tls_agreed && !server->is_compress_agreed && !imap_server_is_full(server);
}

size_t imap_server_feed(struct imap_server *server, struct bytes in, int64_t now)
{
    size_t taken = 0;
    while (taken < in.length && can_take(server)) {
        struct bytes rest = bytes_skip(in, taken);
        taken += server->literal_left > 0 ? take_literal(server, rest, now)
                                          : take_line(server, rest, now);
        imap_server_settle(server);
    }
    /* RFC 9051 6.2.1: what was sent in clear behind STARTTLS has no meaning afterwards. */
    return server->is_tls_agreed ? in.length : taken;
}
