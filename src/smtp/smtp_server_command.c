/* The verbs of the server engine: where each is allowed and what hears it, as a table; and the
 * commands that are answered at once. */
#include "base/scan.h"
#include "smtp/smtp_server_inside.h"

enum {
    ANYWHERE = SMTP_SERVER_PHASE_NEW | SMTP_SERVER_PHASE_READY | SMTP_SERVER_PHASE_MAIL |
               SMTP_SERVER_PHASE_RCPT | SMTP_SERVER_PHASE_CHUNKS | SMTP_SERVER_PHASE_LOST,
    OUTSIDE = SMTP_SERVER_PHASE_READY | SMTP_SERVER_PHASE_LOST,
    INSIDE = SMTP_SERVER_PHASE_MAIL | SMTP_SERVER_PHASE_RCPT
};

/* How a verb is to be written. */
enum verb_form {
    FORM_ANY = 0,
    FORM_BARE,     /* no argument: 501 */
    FORM_ARGUMENT, /* not without: 501 */
};

typedef void hear_verb(struct smtp_server *server, struct bytes argument, int64_t now);

struct verb {
    const char *name;
    enum verb_form form;
    unsigned phases;
    hear_verb *hear;
};

/* ---- commands that are answered at once ---- */

/* What was in hand is dropped, and the host told. */
static void drop_transaction(struct smtp_server *server)
{
    if (smtp_server_is_in_transaction(server))
        smtp_server_tell(server, SMTP_SERVER_RESET);
    smtp_server_forget_transaction(server);
}

/* RFC 5321 4.1.4: the name is not verified, and a hello resets like RSET. */
static void hear_any_hello(struct smtp_server *server, struct bytes name, bool is_extended,
                           int64_t now)
{
    static const struct smtp_server_reply no_name = {501, "5.5.4", "The name is too long"};
    if (name.length > SMTP_SERVER_NAME_MAX) {
        smtp_server_reply_refuse(server, &no_name, now);
        return;
    }
    drop_transaction(server);
    server->phase = SMTP_SERVER_PHASE_READY;
    server->is_extended = is_extended;
    smtp_server_reply_say_hello(server);
    server->event = (struct smtp_server_event){.name = name, .is_extended = is_extended};
    smtp_server_tell(server, SMTP_SERVER_HELLO);
}

/* RFC 2033 4.1: HELO and EHLO are no commands of LMTP, nor is LHLO one of SMTP. */
static bool is_other_protocol(struct smtp_server *server, bool is_lmtp_verb, int64_t now)
{
    static const struct smtp_server_reply smtp = {500, "5.5.1", "This is SMTP, say EHLO"};
    static const struct smtp_server_reply lmtp = {500, "5.5.1", "This is LMTP, say LHLO"};
    if (server->options.is_lmtp == is_lmtp_verb)
        return false;
    smtp_server_reply_refuse(server, server->options.is_lmtp ? &lmtp : &smtp, now);
    return true;
}

static void hear_helo(struct smtp_server *server, struct bytes argument, int64_t now)
{
    if (!is_other_protocol(server, false, now))
        hear_any_hello(server, argument, false, now);
}

static void hear_ehlo(struct smtp_server *server, struct bytes argument, int64_t now)
{
    if (!is_other_protocol(server, false, now))
        hear_any_hello(server, argument, true, now);
}

static void hear_lhlo(struct smtp_server *server, struct bytes argument, int64_t now)
{
    if (!is_other_protocol(server, true, now))
        hear_any_hello(server, argument, true, now);
}

static void hear_rset(struct smtp_server *server, struct bytes argument, int64_t now)
{
    (void)argument;
    (void)now;
    drop_transaction(server);
    smtp_server_reply_say(server, 250, "2.0.0", "Reset");
}

static void hear_noop(struct smtp_server *server, struct bytes argument, int64_t now)
{
    (void)argument;
    (void)now;
    smtp_server_reply_say(server, 250, "2.0.0", "OK");
}

/* RFC 5321 3.5.3, 7.3: neither yes nor no. */
static void hear_vrfy(struct smtp_server *server, struct bytes argument, int64_t now)
{
    (void)argument;
    (void)now;
    smtp_server_reply_say(server, 252, "2.1.5", "Not verified, but mail to it will be tried");
}

static void hear_help(struct smtp_server *server, struct bytes argument, int64_t now)
{
    (void)argument;
    (void)now;
    smtp_server_reply_say(server, 214, "2.0.0",
                          "Commands: EHLO HELO LHLO STARTTLS AUTH MAIL RCPT DATA BDAT\n"
                          "RSET NOOP VRFY HELP QUIT; RFC 5321 tells how they are used");
}

static void hear_quit(struct smtp_server *server, struct bytes argument, int64_t now)
{
    (void)argument;
    (void)now;
    smtp_server_reply_say(server, 221, "2.0.0", "Bye");
    smtp_server_close(server, NULL, NULL, "quit");
}

/* RFC 3207 4. */
static void hear_starttls(struct smtp_server *server, struct bytes argument, int64_t now)
{
    static const struct smtp_server_reply not_offered = {502, "5.5.1", "STARTTLS is not offered"};
    static const struct smtp_server_reply is_on = {503, "5.5.1", "TLS is on already"};
    (void)argument;
    if (server->is_tls) {
        smtp_server_reply_refuse(server, &is_on, now);
    } else if (!server->options.has_tls_at_hand) {
        smtp_server_reply_refuse(server, &not_offered, now);
    } else {
        smtp_server_reply_say(server, 220, "2.0.0", "Ready to start TLS");
        smtp_server_enter(server, SMTP_SERVER_STATE_TLS, now);
        smtp_server_tell(server, SMTP_SERVER_TLS_WANTED);
    }
}

static void hear_unimplemented(struct smtp_server *server, struct bytes argument, int64_t now)
{
    static const struct smtp_server_reply reply = {502, "5.5.1", "The command is not implemented"};
    (void)argument;
    smtp_server_reply_refuse(server, &reply, now);
}

/* A browser that was talked into speaking to us: its next lines are not its own. */
static void hear_http(struct smtp_server *server, struct bytes argument, int64_t now)
{
    (void)argument;
    (void)now;
    smtp_server_close(server, "4.7.0", "This is not HTTP", "HTTP");
}

/* ---- the table ---- */

static const struct verb verbs[] = {
    {"MAIL", FORM_ARGUMENT, OUTSIDE, smtp_server_envelope_hear_mail},
    {"RCPT", FORM_ARGUMENT, INSIDE, smtp_server_envelope_hear_rcpt},
    {"DATA", FORM_BARE, ANYWHERE, smtp_server_envelope_hear_data},
    {"BDAT", FORM_ANY, ANYWHERE, smtp_server_envelope_hear_bdat},
    {"EHLO", FORM_ARGUMENT, ANYWHERE, hear_ehlo},
    {"HELO", FORM_ARGUMENT, ANYWHERE, hear_helo},
    {"LHLO", FORM_ARGUMENT, ANYWHERE, hear_lhlo},
    {"QUIT", FORM_BARE, ANYWHERE, hear_quit},
    {"RSET", FORM_BARE, ANYWHERE, hear_rset},
    {"NOOP", FORM_ANY, ANYWHERE, hear_noop},
    {"STARTTLS", FORM_BARE, OUTSIDE, hear_starttls},
    {"AUTH", FORM_ARGUMENT, OUTSIDE, smtp_server_auth_hear},
    {"VRFY", FORM_ARGUMENT, ANYWHERE, hear_vrfy},
    {"HELP", FORM_ANY, ANYWHERE, hear_help},
    {"EXPN", FORM_ANY, ANYWHERE, hear_unimplemented},
    {"ETRN", FORM_ANY, ANYWHERE, hear_unimplemented},
    {"TURN", FORM_ANY, ANYWHERE, hear_unimplemented},
    {"SEND", FORM_ANY, ANYWHERE, hear_unimplemented},
    {"SOML", FORM_ANY, ANYWHERE, hear_unimplemented},
    {"SAML", FORM_ANY, ANYWHERE, hear_unimplemented},
    {"GET", FORM_ANY, ANYWHERE, hear_http},
    {"POST", FORM_ANY, ANYWHERE, hear_http},
    {"PUT", FORM_ANY, ANYWHERE, hear_http},
    {"CONNECT", FORM_ANY, ANYWHERE, hear_http},
};

static const struct verb *find_verb(struct bytes name)
{
    for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++) {
        if (bytes_equal_ignoring_case(name, bytes_from_string(verbs[i].name)))
            return &verbs[i];
    }
    return NULL;
}

/* Why a known verb cannot be heard here; NULL when it can. */
static const struct smtp_server_reply *check_verb(const struct smtp_server *server,
                                                  const struct verb *verb, struct bytes argument)
{
    static const struct smtp_server_reply needless = {501, "5.5.4", "No argument is allowed"};
    static const struct smtp_server_reply missing = {501, "5.5.4", "An argument is missing"};
    static const struct smtp_server_reply hello = {503, "5.5.1", "Say EHLO first"};
    static const struct smtp_server_reply lhlo = {503, "5.5.1", "Say LHLO first"};
    static const struct smtp_server_reply inside = {503, "5.5.1", "A transaction is open"};
    static const struct smtp_server_reply outside = {503, "5.5.1", "Say MAIL first"};
    static const struct smtp_server_reply chunks = {503, "5.5.1", "The body has begun"};
    if ((verb->phases & (unsigned)server->phase) == 0) {
        if (server->phase == SMTP_SERVER_PHASE_NEW)
            return server->options.is_lmtp ? &lhlo : &hello;
        if (!smtp_server_is_in_transaction(server))
            return &outside;
        return verb->phases == INSIDE ? &chunks : &inside;
    }
    if (verb->form == FORM_BARE && argument.length > 0)
        return &needless;
    return verb->form == FORM_ARGUMENT && argument.length == 0 ? &missing : NULL;
}

static bool is_session_used_up(struct smtp_server *server)
{
    if (++server->commands <= server->options.limits.commands)
        return false;
    smtp_server_close(server, "4.7.0", "Too many commands", "too many commands");
    return true;
}

void smtp_server_command_hear(struct smtp_server *server, struct bytes line, int64_t now)
{
    static const struct smtp_server_reply control = {500, "5.5.2",
                                                     "A control character in the command"};
    static const struct smtp_server_reply unknown = {500, "5.5.1", "The command is not known"};
    struct bytes name;
    struct bytes argument;
    if (is_session_used_up(server))
        return;
    if (bytes_has_control(line)) {
        smtp_server_reply_refuse(server, &control, now);
        return;
    }
    bytes_split(bytes_trim_end(line), ' ', &name, &argument);
    argument = bytes_trim_start(argument);
    const struct verb *verb = find_verb(name);
    const struct smtp_server_reply *refusal =
        verb == NULL ? &unknown : check_verb(server, verb, argument);
    if (refusal != NULL)
        smtp_server_reply_refuse(server, refusal, now);
    else
        verb->hear(server, argument, now);
}
