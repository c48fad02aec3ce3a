/* What the server engine says: replies with enhanced codes on every line (RFC 2034 4), the
 * greeting, the reply to a hello, and the last words of a connection. */
#include <stdio.h>

#include "base/base64.h"
#include "smtp/smtp_server_inside.h"

/* RFC 5321 4.2: a reply is one event for the client; a part of it must not go out. So what does not
   fit is taken back. */
static void end_reply(struct smtp_server *server, size_t length)
{
    if (!buffer_is_failed(&server->output))
        return;
    server->output.is_failed = false;
    buffer_truncate(&server->output, length);
    smtp_server_close_for_memory(server);
}

/* One line; text is cut where RFC 5321 4.5.3.1.5 ends a line, and cannot break out of it. */
static void append_line(struct buffer *output, int code, bool is_last, const char *enhanced,
                        struct bytes text)
{
    char start[24];
    int length = snprintf(start, sizeof start, "%03d%c%s%s", code, is_last ? ' ' : '-',
                          enhanced == NULL ? "" : enhanced, enhanced == NULL ? "" : " ");
    buffer_append(output, bytes_of(start, (size_t)length));
    text = bytes_slice(text, 0, (size_t)(SMTP_SERVER_REPLY_LINE_MAX - 2 - length));
    if (!bytes_has_control(text)) {
        buffer_append(output, text);
    } else {
        for (size_t i = 0; i < text.length; i++)
            buffer_append_char(output,
                               bytes_has_control(bytes_slice(text, i, 1)) ? '?' : text.data[i]);
    }
    buffer_append(output, BYTES("\r\n"));
}

void smtp_server_reply_say(struct smtp_server *server, int code, const char *enhanced,
                           const char *text)
{
    struct bytes rest = bytes_from_string(text);
    struct bytes line;
    size_t length = server->output.length;
    if (server->state == SMTP_SERVER_STATE_CLOSED)
        return;
    for (bool is_last = false; !is_last;) {
        is_last = !bytes_split(rest, '\n', &line, &rest);
        append_line(&server->output, code, is_last, enhanced, line);
    }
    end_reply(server, length);
}

void smtp_server_reply_refuse(struct smtp_server *server, const struct smtp_server_reply *reply,
                              int64_t now)
{
    smtp_server_reply_say(server, reply->code, reply->enhanced, reply->text);
    smtp_server_count_error(server, now);
}

void smtp_server_reply_say_greeting(struct smtp_server *server)
{
    size_t length = server->output.length;
    buffer_append_format(&server->output, "220 %s %s Posthorn\r\n", server->options.name,
                         server->options.is_lmtp ? "LMTP" : "ESMTP");
    end_reply(server, length);
}

/* The extensions of RFC 1870, 2034, 2920, 3030, 3207, 3461, 4954, 6152, 6531 and 9422, always in
   this order. */
static void append_extensions(const struct smtp_server *server, struct buffer *output)
{
    const struct smtp_server_limits *limits = &server->options.limits;
    const char *mechanisms = smtp_server_auth_mechanisms(server);
    buffer_append_string(output, "250-PIPELINING\r\n");
    buffer_append_format(output, "250-SIZE %llu\r\n", (unsigned long long)limits->size);
    if (server->options.has_tls_at_hand && !server->is_tls)
        buffer_append_string(output, "250-STARTTLS\r\n");
    if (*mechanisms != '\0' && !server->is_authenticated)
        buffer_append_format(output, "250-AUTH %s\r\n", mechanisms);
    buffer_append_string(output, "250-ENHANCEDSTATUSCODES\r\n"
                                 "250-8BITMIME\r\n"
                                 "250-DSN\r\n"
                                 "250-SMTPUTF8\r\n"
                                 "250-CHUNKING\r\n"
                                 "250-BINARYMIME\r\n");
    buffer_append_format(output, "250-LIMITS RCPTMAX=%u MAILMAX=%u\r\n", limits->recipients,
                         limits->messages);
    buffer_append_string(output, "250 HELP\r\n");
}

void smtp_server_reply_say_hello(struct smtp_server *server)
{
    size_t length = server->output.length;
    const char *peer = server->options.peer;
    buffer_append_format(&server->output, "250%c%s at your service%s%s\r\n",
                         server->is_extended ? '-' : ' ', server->options.name,
                         peer == NULL ? "" : ", ", peer == NULL ? "" : peer);
    if (server->is_extended)
        append_extensions(server, &server->output);
    end_reply(server, length);
}

void smtp_server_reply_say_challenge(struct smtp_server *server, struct bytes challenge)
{
    size_t length = server->output.length;
    buffer_append_string(&server->output, "334 ");
    base64_encode(challenge, &server->output);
    buffer_append_string(&server->output, "\r\n");
    end_reply(server, length);
}
