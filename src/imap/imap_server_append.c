/* APPEND and MULTIAPPEND (RFC 3502): messages pass through, however large they are. */
#include "imap/imap_server_inside.h"

bool imap_server_append_is_name(const struct imap_server *server, struct bytes text)
{
    struct bytes tag;
    enum imap_verb verb;
    bool is_uid;
    struct bytes rest;
    if (server->is_appending || server->tail > 0)
        return false;
    return imap_command_read_verb(text, &tag, &verb, &is_uid, &rest, NULL) &&
           bytes_trim_start(rest).length > 0 && *bytes_trim_start(rest).data == '{';
}

/* The text behind the verb, or behind the last message, where it does not move any more. */
static bool keep_text(struct imap_server *server, struct bytes text, struct bytes *kept,
                      struct fault *fault)
{
    struct bytes tag;
    enum imap_verb verb;
    bool is_uid;
    if (!server->is_appending)
        imap_command_read_verb(text, &tag, &verb, &is_uid, &text, NULL);
    if (text.length > server->arena.limit - server->arena.used)
        return fault_set(fault, FAULT_LIMIT, "The command is too long");
    const char *copy = arena_copy_string(&server->arena, text);
    if (copy == NULL)
        return fault_set_memory(fault);
    *kept = bytes_of(copy, text.length);
    return true;
}

static void announce(struct imap_server *server, const struct imap_server_literal *literal)
{
    if (literal->size == 0) {
        /* RFC 3502 6.3.11: that is how a client breaks it off. */
        imap_server_feed_refuse(server, IMAP_NO, NULL, "A message of no bytes");
    } else if (literal->size > server->options.limits.append_size) {
        imap_server_feed_refuse(server, IMAP_NO, "TOOBIG", "The message is too big");
    } else if (server->append_index >= IMAP_SERVER_APPEND_COUNT_MAX) {
        imap_server_feed_refuse(server, IMAP_NO, "LIMIT", "Too many messages at once");
    } else {
        server->literal = *literal;
        server->owed = IMAP_SERVER_OWES_APPEND;
        server->append.size = literal->size;
        server->append.is_waiting = literal->is_waiting;
        struct imap_server_event *event = imap_server_raise(server, IMAP_SERVER_APPEND);
        event->command = &server->command;
        event->append = &server->append;
        event->index = server->append_index++;
    }
}

void imap_server_append_hear(struct imap_server *server, struct bytes text,
                             const struct imap_server_literal *literal)
{
    const struct imap_command_mode mode = {.enabled = server->enabled};
    struct fault fault = {0};
    bool is_first = server->append_index == 0;
    bool is_end = false;
    if (is_first)
        memset(&server->command, 0, sizeof server->command);
    if (!keep_text(server, text, &text, &fault)) {
        imap_server_feed_refuse_fault(server, &fault);
        return;
    }
    memset(&server->append, 0, sizeof server->append);
    if (!imap_command_parse_append(text, is_first, &mode, &server->arena, &server->command,
                                   &server->append, &is_end, &fault)) {
        imap_server_feed_refuse_fault(server, &fault);
    } else if (!is_end && literal != NULL) {
        announce(server, literal);
    } else if (is_end && !is_first) {
        server->owed = IMAP_SERVER_OWES_FINISH;
        imap_server_raise(server, IMAP_SERVER_APPEND_DONE)->command = &server->command;
    } else {
        imap_server_feed_refuse(server, IMAP_BAD, NULL, "APPEND wants a message");
    }
}

void imap_server_append_go(struct imap_server *server, int64_t now)
{
    if (server->owed != IMAP_SERVER_OWES_APPEND)
        return;
    server->heard = now;
    server->owed = IMAP_SERVER_OWES_NOTHING;
    server->is_appending = true;
    if (server->literal.is_waiting)
        imap_server_say(server, "+ Go ahead");
    server->taking = IMAP_SERVER_TAKES_MESSAGE;
    server->literal_left = server->literal.size;
    server->tail = 0;
    server->literal_bytes = 0;
    server->literal_count = 0;
    buffer_reset(&server->line);
    imap_server_settle(server);
}

void imap_server_append_take(struct imap_server *server, struct bytes piece)
{
    /* RFC 9051 4.3: NUL is for a literal8. */
    if (!server->append.is_binary && bytes_has_char(piece, '\0')) {
        imap_server_feed_refuse(server, IMAP_BAD, NULL, "NUL is for a literal8 only");
        return;
    }
    imap_server_raise(server, IMAP_SERVER_APPEND_PIECE)->piece = piece;
}

void imap_server_append_go_on(struct imap_server *server)
{
    if (server->taking != IMAP_SERVER_TAKES_MESSAGE || server->literal_left > 0 ||
        server->event.kind != IMAP_SERVER_APPEND_PIECE)
        return;
    server->taking = IMAP_SERVER_TAKES_COMMAND;
    imap_server_raise(server, IMAP_SERVER_APPEND_END);
}
