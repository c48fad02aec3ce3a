/* What is answered from the list of messages: STAT, LIST, UIDL, DELE, RSET. */
#include <stdlib.h>

#include "pop3/pop3_server_inside.h"

enum {
    UIDL_LENGTH = 17 /* "<8 digits>.<8 digits>" (RFC 1939 7: 1 to 70 printable characters) */
};

/* ---- who is there ---- */

bool pop3_server_maildrop_has(struct pop3_server *server, uint32_t number)
{
    if (number >= server->maildrop.count) {
        pop3_server_say(server, "-ERR There is no such message");
        return false;
    }
    if (pop3_server_is_deleted(server, number)) {
        pop3_server_say(server, "-ERR That message is deleted");
        return false;
    }
    return true;
}

static void append_count_and_size(struct pop3_server *server)
{
    buffer_append_unsigned(&server->output, server->maildrop.count - server->deleted_count);
    buffer_append_string(&server->output, " messages (");
    buffer_append_unsigned(&server->output, server->maildrop.size - server->deleted_size);
    buffer_append_string(&server->output, " octets)\r\n");
}

void pop3_server_maildrop_open(struct pop3_server *server,
                               const struct pop3_server_maildrop *maildrop)
{
    server->maildrop = *maildrop;
    buffer_append_string(&server->output, "+OK Welcome: ");
    append_count_and_size(server);
}

void pop3_server_maildrop_stat(struct pop3_server *server,
                               const struct pop3_server_arguments *arguments)
{
    (void)arguments;
    buffer_append_string(&server->output, "+OK ");
    buffer_append_unsigned(&server->output, server->maildrop.count - server->deleted_count);
    buffer_append_char(&server->output, ' ');
    buffer_append_unsigned(&server->output, server->maildrop.size - server->deleted_size);
    buffer_append_string(&server->output, "\r\n");
}

/* ---- lists ---- */

static void append_uidl(struct buffer *out, uint32_t uidvalidity, uint32_t uid)
{
    static const char digits[] = "0123456789abcdef";
    char text[UIDL_LENGTH];
    for (unsigned i = 0; i < 8; i++) {
        text[i] = digits[uidvalidity >> (28 - 4 * i) & 15];
        text[9 + i] = digits[uid >> (28 - 4 * i) & 15];
    }
    text[8] = '.';
    buffer_append(out, bytes_of(text, sizeof text));
}

/* "1 120" or "1 0000002a.00000007". */
static void append_line(struct pop3_server *server, uint32_t number, bool is_uidl)
{
    const struct pop3_server_message *message = &server->maildrop.messages[number];
    buffer_append_unsigned(&server->output, (uint64_t)number + 1);
    buffer_append_char(&server->output, ' ');
    if (is_uidl)
        append_uidl(&server->output, server->maildrop.uidvalidity, message->uid);
    else
        buffer_append_unsigned(&server->output, message->size);
    buffer_append_string(&server->output, "\r\n");
}

void pop3_server_maildrop_go_on(struct pop3_server *server)
{
    bool is_uidl = server->making == POP3_SERVER_MAKES_UIDL;
    if (!is_uidl && server->making != POP3_SERVER_MAKES_LIST)
        return;
    while (server->next_message < server->maildrop.count) {
        if (server->output.length >= POP3_SERVER_OUTPUT_FULL || buffer_is_failed(&server->output))
            return;
        uint32_t number = server->next_message++;
        if (!pop3_server_is_deleted(server, number))
            append_line(server, number, is_uidl);
    }
    pop3_server_say(server, ".");
    server->making = POP3_SERVER_MAKES_NOTHING;
}

static void hear_list(struct pop3_server *server, const struct pop3_server_arguments *arguments,
                      enum pop3_server_making making)
{
    if (arguments->has_number) {
        if (!pop3_server_maildrop_has(server, arguments->number))
            return;
        buffer_append_string(&server->output, "+OK ");
        append_line(server, arguments->number, making == POP3_SERVER_MAKES_UIDL);
        return;
    }
    buffer_append_string(&server->output, "+OK ");
    append_count_and_size(server);
    server->making = making;
    server->next_message = 0;
    pop3_server_maildrop_go_on(server);
}

void pop3_server_maildrop_list(struct pop3_server *server,
                               const struct pop3_server_arguments *arguments)
{
    hear_list(server, arguments, POP3_SERVER_MAKES_LIST);
}

void pop3_server_maildrop_uidl(struct pop3_server *server,
                               const struct pop3_server_arguments *arguments)
{
    hear_list(server, arguments, POP3_SERVER_MAKES_UIDL);
}

/* ---- deleting ---- */

void pop3_server_maildrop_dele(struct pop3_server *server,
                               const struct pop3_server_arguments *arguments)
{
    uint32_t number = arguments->number;
    if (!pop3_server_maildrop_has(server, number))
        return;
    if (server->deleted == NULL)
        server->deleted = calloc(server->maildrop.count / 8 + 1, 1);
    if (server->deleted == NULL) {
        pop3_server_say(server, "-ERR [SYS/TEMP] Out of memory");
        return;
    }
    server->deleted[number / 8] |= (unsigned char)(1U << number % 8);
    server->deleted_count++;
    server->deleted_size += server->maildrop.messages[number].size;
    pop3_server_say(server, "+OK Marked; QUIT deletes it");
}

void pop3_server_maildrop_rset(struct pop3_server *server,
                               const struct pop3_server_arguments *arguments)
{
    (void)arguments;
    free(server->deleted);
    server->deleted = NULL;
    server->deleted_count = 0;
    server->deleted_size = 0;
    buffer_append_string(&server->output, "+OK ");
    append_count_and_size(server);
}
