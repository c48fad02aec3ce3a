/* MAIL, RCPT, DATA and BDAT of the server engine: from the line to the question for the host. */
#include "base/scan.h"
#include "smtp/smtp_parameter.h"
#include "smtp/smtp_server_inside.h"

/* RFC 3207 4, RFC 6409 4.3: what must come before MAIL. */
static const struct smtp_server_reply *check_rights(const struct smtp_server *server)
{
    static const struct smtp_server_reply tls = {530, "5.7.0", "Say STARTTLS first"};
    static const struct smtp_server_reply login = {530, "5.7.0", "Log in first"};
    if (server->options.needs_tls && !server->is_tls)
        return &tls;
    return server->options.is_submission && !server->is_authenticated ? &login : NULL;
}

void smtp_server_envelope_hear_mail(struct smtp_server *server, struct bytes argument, int64_t now)
{
    static const struct smtp_server_reply too_large = {552, "5.3.4", "The message is too large"};
    const struct smtp_server_reply *rights = check_rights(server);
    struct smtp_server_event event = {.kind = SMTP_SERVER_MAIL};
    struct smtp_server_reply refusal;
    if (rights != NULL) {
        smtp_server_reply_refuse(server, rights, now);
        return;
    }
    /* RFC 9422 4.1: every MAIL is counted, whatever became of it. */
    if (++server->messages > server->options.limits.messages) {
        smtp_server_close(server, "4.7.0", "Too many messages", "too many messages");
        return;
    }
    if (!smtp_parameter_read_mail(argument, &event, &refusal)) {
        smtp_server_reply_refuse(server, &refusal, now);
    } else if (event.has_size && event.size > server->options.limits.size) {
        /* RFC 1870 6.1 */
        smtp_server_reply_refuse(server, &too_large, now);
    } else {
        smtp_server_forget_transaction(server);
        server->body = event.body;
        server->is_utf8 = event.is_utf8;
        server->event = event;
        smtp_server_ask(server, SMTP_SERVER_MAIL, SMTP_SERVER_OWED_MAIL, now);
    }
}

void smtp_server_envelope_hear_rcpt(struct smtp_server *server, struct bytes argument, int64_t now)
{
    struct smtp_server_event event = {.kind = SMTP_SERVER_RCPT};
    struct smtp_server_reply refusal;
    if (!smtp_parameter_read_rcpt(argument, server->is_utf8, &event, &refusal)) {
        smtp_server_reply_refuse(server, &refusal, now);
    } else if (server->recipients >= server->options.limits.recipients) {
        /* RFC 5321 4.5.3.1.10: the rest is for another transaction, so it is no error. */
        smtp_server_reply_say(server, 452, "4.5.3", "Too many recipients");
    } else {
        server->event = event;
        smtp_server_ask(server, SMTP_SERVER_RCPT, SMTP_SERVER_OWED_RCPT, now);
    }
}

/* RFC 5321 3.3, RFC 2033 4.2: without a recipient there is no body; RFC 3030 2, 3: none by DATA
   where chunks have come or binary was said. */
static const struct smtp_server_reply *check_data(const struct smtp_server *server)
{
    static const struct smtp_server_reply order = {503, "5.5.1", "Say MAIL and RCPT first"};
    static const struct smtp_server_reply nobody = {503, "5.5.1", "There is no valid recipient"};
    static const struct smtp_server_reply chunks = {503, "5.5.1", "The body comes by BDAT"};
    static const struct smtp_server_reply binary = {503, "5.5.1",
                                                    "A body of BINARYMIME comes by BDAT"};
    switch (server->phase) {
    case SMTP_SERVER_PHASE_MAIL:
        return &nobody;
    case SMTP_SERVER_PHASE_RCPT:
        return server->body == SMTP_SERVER_BINARY ? &binary : NULL;
    case SMTP_SERVER_PHASE_CHUNKS:
        return &chunks;
    default:
        return &order;
    }
}

void smtp_server_envelope_hear_data(struct smtp_server *server, struct bytes argument, int64_t now)
{
    const struct smtp_server_reply *refusal = check_data(server);
    (void)argument;
    if (refusal != NULL) {
        smtp_server_reply_refuse(server, refusal, now);
        return;
    }
    smtp_server_reply_say(server, 354, NULL, "Go ahead, end with <CRLF>.<CRLF>");
    smtp_server_body_begin_data(server, now);
}

/* ---- BDAT ---- */

static const struct smtp_server_reply *check_chunk(const struct smtp_server *server)
{
    static const struct smtp_server_reply order = {503, "5.5.1", "Say MAIL and RCPT first"};
    static const struct smtp_server_reply nobody = {503, "5.5.1", "There is no valid recipient"};
    static const struct smtp_server_reply lost = {503, "5.5.1", "An earlier chunk was refused"};
    switch (server->phase) {
    case SMTP_SERVER_PHASE_RCPT:
    case SMTP_SERVER_PHASE_CHUNKS:
        return NULL;
    case SMTP_SERVER_PHASE_MAIL:
        return &nobody;
    case SMTP_SERVER_PHASE_LOST:
        return &lost;
    default:
        return &order;
    }
}

void smtp_server_envelope_hear_bdat(struct smtp_server *server, struct bytes argument, int64_t now)
{
    static const struct smtp_server_reply words = {501, "5.5.4",
                                                   "BDAT wants a size and perhaps LAST"};
    struct scan scan = scan_of(argument);
    uint64_t size;
    /* Whoever does not know how many bytes follow must not read them as commands. */
    if (!scan_take_number(&scan, UINT64_MAX, &size) ||
        (!scan_is_at_end(&scan) && scan_peek(&scan) != ' ')) {
        smtp_server_reply_say(server, 501, "5.5.4", words.text);
        smtp_server_close(server, "4.7.0", "The size of the chunk cannot be read",
                          "BDAT without a size");
        return;
    }
    struct bytes last = bytes_trim_start(scan_rest(&scan));
    const struct smtp_server_reply *refusal = check_chunk(server);
    server->chunk = size;
    server->is_last_chunk = bytes_equal_ignoring_case(last, BYTES("LAST"));
    if (last.length > 0 && !server->is_last_chunk)
        refusal = &words;
    smtp_server_body_begin_chunk(server, refusal, now);
}
