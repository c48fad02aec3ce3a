/* RETR and TOP: a message on its way out, dots stuffed, every line end made CRLF. */
#include <string.h>

#include "pop3/pop3_server_inside.h"

enum {
    RESERVE_SPARE = 512 /* bytes beyond the message's own: reply, insertions, end */
};

static void hear_message(struct pop3_server *server, const struct pop3_server_arguments *arguments,
                         enum pop3_server_event_kind kind)
{
    if (!pop3_server_maildrop_has(server, arguments->number))
        return;
    server->owed = POP3_SERVER_OWES_MESSAGE;
    server->top =
        (struct pop3_server_top){.is_wanted = kind == POP3_SERVER_TOP, .lines = arguments->lines};
    struct pop3_server_event *event = pop3_server_raise(server, kind);
    event->number = arguments->number;
    event->lines = arguments->lines;
}

void pop3_server_message_retr(struct pop3_server *server,
                              const struct pop3_server_arguments *arguments)
{
    hear_message(server, arguments, POP3_SERVER_RETR);
}

void pop3_server_message_top(struct pop3_server *server,
                             const struct pop3_server_arguments *arguments)
{
    hear_message(server, arguments, POP3_SERVER_TOP);
}

void pop3_server_message_begin(struct pop3_server *server, uint64_t size)
{
    server->making = POP3_SERVER_MAKES_MESSAGE;
    server->dot = (struct dot){.is_stuffing = true};
    /* One block instead of many that double; when it cannot be had, appending will tell. Behind
       another reply there will be more of them. */
    uint64_t room = size < POP3_SERVER_OUTPUT_FULL && server->output.length == 0
                        ? size
                        : POP3_SERVER_OUTPUT_FULL;
    buffer_reserve(&server->output, (size_t)room + RESERVE_SPARE);
    /* No count of octets: it is the store's, and line ends that are mended change it. */
    pop3_server_say(server, "+OK The message follows");
}

/* RFC 1939 7: the header, the blank line, so many lines of the body. Looks at what was made, where
   every line ends in CRLF; returns how much of it belongs to the answer, and sets *is_whole when
   nothing more does. */
static size_t find_top_end(struct pop3_server_top *top, struct bytes made, bool *is_whole)
{
    size_t position = 0;
    *is_whole = top->is_in_body && top->lines == 0;
    while (!*is_whole && position < made.length) {
        struct bytes rest = bytes_skip(made, position);
        size_t end = bytes_find_char(rest, '\n');
        if (end == BYTES_NOT_FOUND) {
            /* A CR is the end of the line that is not there yet. */
            top->has_line |= rest.length > 1 || rest.data[0] != '\r';
            return made.length;
        }
        bool is_blank = !top->has_line && end <= 1;
        position += end + 1;
        top->has_line = false;
        if (top->is_in_body)
            top->lines--;
        else
            top->is_in_body = is_blank;
        *is_whole = top->is_in_body && top->lines == 0;
    }
    return position;
}

static void append_stuffed(struct pop3_server *server, struct bytes piece)
{
    struct buffer *out = &server->output;
    while (piece.length > 0) {
        char insertion;
        size_t count = dot_next(&server->dot, piece, &insertion);
        buffer_append(out, bytes_slice(piece, 0, count));
        if (insertion != 0)
            buffer_append_char(out, insertion);
        piece = bytes_skip(piece, count);
    }
}

void pop3_server_message_piece(struct pop3_server *server, struct bytes piece, int64_t now)
{
    assert(piece.length <= POP3_SERVER_PIECE_MAX);
    if (!pop3_server_is_message_open(server))
        return;
    server->heard = now;
    size_t start = server->output.length;
    append_stuffed(server, piece);
    if (server->top.is_wanted && !buffer_is_failed(&server->output)) {
        bool is_whole;
        struct bytes made = bytes_skip(buffer_bytes(&server->output), start);
        buffer_truncate(&server->output, start + find_top_end(&server->top, made, &is_whole));
        if (is_whole) {
            server->dot.place = DOT_LINE_START;
            pop3_server_message_end(server, now);
        }
    }
    pop3_server_settle(server);
}

void pop3_server_message_end(struct pop3_server *server, int64_t now)
{
    if (!pop3_server_is_message_open(server))
        return;
    server->heard = now;
    server->making = POP3_SERVER_MAKES_NOTHING;
    if (!buffer_is_failed(&server->output)) {
        buffer_append(&server->output, dot_finish(&server->dot));
        pop3_server_say(server, ".");
    }
    pop3_server_settle(server);
}
