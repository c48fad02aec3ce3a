/* The table of `posthorn send`'s options, and what each of them sets. */
#include "cli/send_request.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scan.h"

enum {
    SEND_SECONDS_MAX = 999999999, /* RFC 2852 3, RFC 4865 4: nine digits */
    SEND_PRIORITY_MAX = 9         /* RFC 6710 4.1: from -9 to 9 */
};

#define ACCOUNT(field) (SEND_OPTION_ACCOUNT + (int)SEND_ACCOUNT_##field)

static const struct option_row rows[] = {
    {.text = "The message:"},
    OPTION_ROW(SEND_OPTION_TO, 0, "to", "ADDRESS",
               "a recipient, or several with commas; may be repeated"),
    OPTION_ROW(SEND_OPTION_CC, 0, "cc", "ADDRESS", "a recipient of a copy"),
    OPTION_ROW(SEND_OPTION_BCC, 0, "bcc", "ADDRESS", "a recipient whom the message does not name"),
    OPTION_ROW(
        ACCOUNT(FROM), 'f', "from", "ADDRESS",
        "who writes; with a ready message only the envelope's sender, and its From if it has none"),
    OPTION_ROW(SEND_OPTION_REPLY_TO, 0, "reply-to", "ADDRESS", "where answers shall go"),
    OPTION_ROW(SEND_OPTION_SUBJECT, 's', "subject", "TEXT", "the subject"),
    OPTION_ROW(SEND_OPTION_HEADER, 0, "header", "'NAME: VALUE'",
               "a further header field; may be repeated"),
    OPTION_ROW(SEND_OPTION_BODY, 0, "body", "TEXT", "the text itself"),
    OPTION_ROW(SEND_OPTION_TEXT, 0, "text", "FILE", "the text from a file; - is standard input",
               .completion = OPTION_FILE),
    OPTION_ROW(SEND_OPTION_HTML, 0, "html", "FILE",
               "the text as HTML; beside --text readers choose", .completion = OPTION_FILE),
    OPTION_ROW(SEND_OPTION_ATTACH, 'a', "attach", "FILE[;type=T][;name=N]",
               "a file to go with it; may be repeated", .completion = OPTION_FILE),
    OPTION_ROW(SEND_OPTION_INLINE, 0, "inline", "ID=FILE[;type=T]",
               "an image that the HTML shows as cid:ID", .completion = OPTION_FILE),
    {.text = "A ready message (on standard input when no body is given):"},
    OPTION_ROW(SEND_OPTION_EML, 0, "eml", "FILE", "the message from a file; - is standard input",
               .completion = OPTION_FILE),
    OPTION_ROW(SEND_OPTION_READ_RECIPIENTS, 't', "read-recipients", NULL,
               "recipients are those in To, Cc and Bcc, which are sent without Bcc"),
    {.text = "The account:"},
    OPTION_ROW(SEND_OPTION_PROFILE, 'A', "account", "NAME", "a profile of the configuration file"),
    OPTION_ROW(SEND_OPTION_CONFIG, 'C', "config", "FILE", "instead of ~/.config/posthorn/send.conf",
               .completion = OPTION_FILE),
    OPTION_ROW(ACCOUNT(SERVER), 0, "server", "HOST[:PORT]",
               "where to hand over; port 587, 465 with --tls implicit; "
               "[ADDRESS]:PORT or /path/of/socket too"),
    OPTION_ROW(ACCOUNT(USER), 'u', "user", "NAME", "log in as this user"),
    OPTION_ROW(ACCOUNT(PASSWORD_FILE), 0, "password-file", "FILE",
               "first line is the password (else POSTHORN_PASSWORD, "
               "else asked on the terminal)",
               .completion = OPTION_FILE),
    OPTION_ROW(ACCOUNT(PASSWORD_COMMAND), 0, "password-command", "COMMAND",
               "run by sh; the first line it prints is the password"),
    OPTION_ROW(ACCOUNT(TOKEN_FILE), 0, "oauth-token-file", "FILE",
               "an OAuth 2.0 access token instead", .completion = OPTION_FILE),
    OPTION_ROW(ACCOUNT(TOKEN_COMMAND), 0, "oauth-token-command", "COMMAND",
               "a command that prints one"),
    OPTION_ROW(ACCOUNT(MECHANISM), 0, "mechanism", "LIST",
               "only these SASL mechanisms, in this order", .completion = OPTION_WORDS,
               .words = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS SCRAM-SHA-1 OAUTHBEARER "
                        "XOAUTH2 PLAIN "
                        "LOGIN CRAM-MD5 EXTERNAL"),
    OPTION_ROW(ACCOUNT(CLEARTEXT_LOGIN), 0, "cleartext-login", NULL,
               "send the password even without TLS: who listens has it"),
    {.text = "The connection:"},
    OPTION_ROW(ACCOUNT(TLS), 0, "tls", "MODE",
               "starttls (demanded; the default, but not for a server on this machine), implicit, "
               "opportunistic, none",
               .completion = OPTION_WORDS, .words = "starttls implicit opportunistic none"),
    OPTION_ROW(ACCOUNT(TLS_NAME), 0, "tls-name", "NAME",
               "the name the certificate must have, if not the server's"),
    OPTION_ROW(ACCOUNT(CA_FILE), 0, "ca-file", "FILE",
               "trust these authorities instead of the system's", .completion = OPTION_FILE),
    OPTION_ROW(ACCOUNT(CA_DIRECTORY), 0, "ca-dir", "DIRECTORY",
               "the same from a directory with hashed names", .completion = OPTION_DIRECTORY),
    OPTION_ROW(ACCOUNT(CERTIFICATE), 0, "cert", "FILE", "show this client certificate (PEM)",
               .completion = OPTION_FILE),
    OPTION_ROW(ACCOUNT(KEY), 0, "key", "FILE", "its key, if not in the same file",
               .completion = OPTION_FILE),
    OPTION_ROW(ACCOUNT(PIN), 0, "pin", "SHA256", "trust exactly this certificate; may be repeated"),
    OPTION_ROW(ACCOUNT(INSECURE), 0, "insecure", NULL,
               "trust any certificate: anyone may be the server"),
    OPTION_ROW(ACCOUNT(PROXY), 0, "proxy", "URL",
               "socks5://[USER:PASSWORD@]HOST[:PORT] or http://..."),
    OPTION_ROW(ACCOUNT(LMTP), 0, "lmtp", NULL, "speak LMTP: one verdict for each recipient"),
    OPTION_ROW(ACCOUNT(LOCAL_HOSTNAME), 0, "local-hostname", "NAME", "who we are in EHLO"),
    OPTION_ROW(ACCOUNT(SOURCE), 0, "source", "ADDRESS", "connect from this address"),
    OPTION_ROW(ACCOUNT(TIMEOUT), 0, "timeout", "SECONDS", "the longest wait for each answer"),
    OPTION_ROW(ACCOUNT(TOTAL_TIMEOUT), 0, "total-timeout", "SECONDS",
               "the longest time for each step: to connect, to log in, to send"),
    OPTION_ROW(ACCOUNT(NO_PIPELINING), 0, "no-pipelining", NULL, "one command at a time"),
    OPTION_ROW(ACCOUNT(NO_CHUNKING), 0, "no-chunking", NULL, "DATA even where BDAT is offered"),
    {.text = "The envelope:"},
    OPTION_ROW(SEND_OPTION_ENVELOPE_FROM, 0, "envelope-from", "ADDRESS",
               "where bounces go, if not to --from; <> for nowhere"),
    OPTION_ROW(SEND_OPTION_NOTIFY, 0, "dsn-notify", "WHEN",
               "when to be notified: never, or success,failure,delay", .completion = OPTION_WORDS,
               .words = "never success failure delay success,failure success,failure,delay"),
    OPTION_ROW(SEND_OPTION_RETURN, 0, "dsn-return", "WHAT",
               "what of the message comes back then: full or headers", .completion = OPTION_WORDS,
               .words = "full headers"),
    OPTION_ROW(SEND_OPTION_ENVELOPE_ID, 0, "envelope-id", "ID",
               "a mark of yours that such a notification bears"),
    OPTION_ROW(SEND_OPTION_REQUIRE_TLS, 0, "require-tls", NULL,
               "every server on the way must use TLS (REQUIRETLS)"),
    OPTION_ROW(SEND_OPTION_PRIORITY, 0, "priority", "N", "-9 to 9, the most urgent (MT-PRIORITY)"),
    OPTION_ROW(SEND_OPTION_DELIVER_BY, 0, "deliver-by", "SECONDS[,return]",
               "notify me, or give it back, when it takes longer (DELIVERBY)"),
    OPTION_ROW(SEND_OPTION_HOLD_FOR, 0, "hold-for", "SECONDS",
               "the server keeps it so long before it goes on (FUTURERELEASE)"),
    OPTION_ROW(SEND_OPTION_HOLD_UNTIL, 0, "hold-until", "TIME",
               "the same until a time: 2030-01-31T12:00:00Z"),
    {.text = "What is shown:"},
    OPTION_ROW(SEND_OPTION_DRY_RUN, 'n', "dry-run", NULL,
               "show envelope and message, send nothing"),
    OPTION_ROW(SEND_OPTION_TRANSCRIPT, 'v', "transcript", NULL,
               "show the talk with the server, without secrets"),
    OPTION_ROW(SEND_OPTION_JSON, 0, "json", NULL,
               "the result, recipient by recipient, on standard output"),
    OPTION_ROW(SEND_OPTION_QUIET, 'q', "quiet", NULL, "nothing but errors"),
    OPTION_ROW(SEND_OPTION_HELP, 'h', "help", NULL, "this text"),
    OPTION_ROW(SEND_OPTION_VERSION, 0, "version", NULL, "the version"),
};

const struct option_table send_request_table = {rows, sizeof(rows) / sizeof(rows[0])};

static bool number(const char *name, const char *text, uint64_t *value, struct fault *fault)
{
    struct scan scan = scan_of(bytes_from_string(text));
    if (scan_take_number(&scan, SEND_SECONDS_MAX, value) && scan_is_at_end(&scan) && *value > 0)
        return true;
    return fault_set(fault, FAULT_SYNTAX, "--%s \"%s\": it must be a number of seconds, 1 to %d",
                     name, text, SEND_SECONDS_MAX);
}

bool send_request_notify(const char *text, struct send_wishes *wishes, struct fault *fault)
{
    static const struct {
        struct bytes word;
        unsigned flag;
    } words[] = {
        {BYTES_INIT("never"), PH_NOTIFY_NEVER},
        {BYTES_INIT("success"), PH_NOTIFY_SUCCESS},
        {BYTES_INIT("failure"), PH_NOTIFY_FAILURE},
        {BYTES_INIT("delay"), PH_NOTIFY_DELAY},
    };
    struct bytes rest = bytes_from_string(text);
    unsigned set = 0;
    bool is_good;
    do {
        struct bytes word;
        bytes_split(rest, ',', &word, &rest);
        is_good = false;
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            if (bytes_equal_ignoring_case(bytes_trim(word), words[i].word)) {
                set |= words[i].flag;
                is_good = true;
            }
        }
    } while (is_good && rest.length > 0);
    /* RFC 3461 4.1: NEVER stands alone. */
    if (!is_good || ((set & PH_NOTIFY_NEVER) != 0 && set != PH_NOTIFY_NEVER))
        return fault_set(fault, FAULT_SYNTAX,
                         "dsn-notify \"%s\": it must be never, or some of success,failure,delay",
                         text);
    wishes->notify = set;
    wishes->demands |= PH_EXTENSION_DSN;
    return true;
}

bool send_request_return(const char *text, struct send_wishes *wishes, struct fault *fault)
{
    struct bytes word = bytes_from_string(text);
    if (bytes_equal_ignoring_case(word, BYTES("full")))
        wishes->return_content = PH_RETURN_FULL;
    else if (bytes_equal_ignoring_case(word, BYTES("headers")) ||
             bytes_equal_ignoring_case(word, BYTES("hdrs")))
        wishes->return_content = PH_RETURN_HEADERS;
    else
        return fault_set(fault, FAULT_SYNTAX, "dsn-return \"%s\": it must be full or headers",
                         text);
    wishes->demands |= PH_EXTENSION_DSN;
    return true;
}

static bool deliver_by(const char *text, struct send_wishes *wishes, struct fault *fault)
{
    struct bytes head;
    struct bytes mode;
    uint64_t value;
    bool has_mode = bytes_split(bytes_from_string(text), ',', &head, &mode);
    struct scan scan = scan_of(head);
    bool is_return = bytes_equal_ignoring_case(mode, BYTES("return"));
    if (!scan_take_number(&scan, SEND_SECONDS_MAX, &value) || !scan_is_at_end(&scan) ||
        value == 0 || (has_mode && !is_return && !bytes_equal_ignoring_case(mode, BYTES("notify"))))
        return fault_set(fault, FAULT_SYNTAX,
                         "--deliver-by \"%s\": it must be seconds, and perhaps ,notify or ,return",
                         text);
    wishes->deliver_by_seconds = (int64_t)value;
    wishes->deliver_by_mode = is_return ? 'R' : 'N';
    wishes->demands |= PH_EXTENSION_DELIVERBY;
    return true;
}

static bool priority(const char *text, struct send_wishes *wishes, struct fault *fault)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (end == text || *end != '\0' || value < -SEND_PRIORITY_MAX || value > SEND_PRIORITY_MAX)
        return fault_set(fault, FAULT_SYNTAX, "--priority \"%s\": it must be -9 to 9", text);
    wishes->priority = (int)value;
    wishes->has_priority = true;
    wishes->demands |= PH_EXTENSION_MT_PRIORITY;
    return true;
}

static bool set_wish(int id, const char *value, struct send_wishes *wishes, struct fault *fault)
{
    switch (id) {
    case SEND_OPTION_NOTIFY:
        return send_request_notify(value, wishes, fault);
    case SEND_OPTION_RETURN:
        return send_request_return(value, wishes, fault);
    case SEND_OPTION_ENVELOPE_ID:
        wishes->envelope_id = value;
        wishes->demands |= PH_EXTENSION_DSN;
        return true;
    case SEND_OPTION_REQUIRE_TLS:
        wishes->require_tls = true;
        return true;
    case SEND_OPTION_PRIORITY:
        return priority(value, wishes, fault);
    case SEND_OPTION_DELIVER_BY:
        return deliver_by(value, wishes, fault);
    case SEND_OPTION_HOLD_FOR:
        wishes->demands |= PH_EXTENSION_FUTURERELEASE;
        return number("hold-for", value, &wishes->hold_for_seconds, fault);
    default: /* SEND_OPTION_HOLD_UNTIL */
        wishes->demands |= PH_EXTENSION_FUTURERELEASE;
        wishes->hold_until = value;
        return true;
    }
}

static void set_switch(int id, struct send_request *request)
{
    switch (id) {
    case SEND_OPTION_READ_RECIPIENTS:
        request->reads_recipients = true;
        break;
    case SEND_OPTION_DRY_RUN:
        request->dry_run = true;
        break;
    case SEND_OPTION_TRANSCRIPT:
        request->transcript = true;
        break;
    case SEND_OPTION_JSON:
        request->json = true;
        break;
    case SEND_OPTION_QUIET:
        request->quiet = true;
        break;
    case SEND_OPTION_HELP:
        request->wants_help = true;
        break;
    default: /* SEND_OPTION_VERSION */
        request->wants_version = true;
        break;
    }
}

static bool set(struct send_request *request, struct option_match match, struct fault *fault)
{
    int id = match.id;
    if (id < SEND_OPTION_PROFILE)
        return send_account_set(&request->account,
                                (enum send_account_field)(id - SEND_OPTION_ACCOUNT), match.value,
                                fault);
    switch (id) {
    case SEND_OPTION_PROFILE:
        request->account_name = match.value;
        return true;
    case SEND_OPTION_CONFIG:
        request->config_path = match.value;
        return true;
    case SEND_OPTION_ENVELOPE_FROM:
        request->envelope_from = strcmp(match.value, "<>") == 0 ? "" : match.value;
        return true;
    case SEND_OPTION_EML:
        request->eml = match.value;
        return true;
    case SEND_OPTION_BODY:
    case SEND_OPTION_TEXT:
    case SEND_OPTION_HTML:
    case SEND_OPTION_ATTACH:
    case SEND_OPTION_INLINE:
        request->has_body = true;
        break;
    default:
        break;
    }
    if (id >= SEND_OPTION_NOTIFY && id <= SEND_OPTION_HOLD_UNTIL)
        return set_wish(id, match.value, &request->wishes, fault);
    if (id >= SEND_OPTION_READ_RECIPIENTS)
        set_switch(id, request);
    else
        request->parts[request->part_count++] = match;
    return true;
}

static bool check(const struct send_request *request, struct fault *fault)
{
    if (request->eml != NULL && request->has_body)
        return fault_set(fault, FAULT_SYNTAX,
                         "--eml is a whole message: it cannot be joined with "
                         "--text, --body, --html, --attach or --inline");
    if (request->wishes.hold_for_seconds > 0 && request->wishes.hold_until != NULL)
        return fault_set(fault, FAULT_SYNTAX, "--hold-for and --hold-until say the same: give one");
    return true;
}

bool send_request_parse(int argc, char **argv, struct send_request *request, struct fault *fault)
{
    *request = (struct send_request){0};
    /* No command line has more options than words. */
    request->parts = calloc((size_t)argc + 1, sizeof(request->parts[0]));
    if (request->parts == NULL)
        return fault_set_memory(fault);
    struct option_reader reader = option_reader_of(&send_request_table, argc, argv);
    struct option_match match;
    enum option_kind kind;
    while ((kind = option_next(&reader, &match, fault)) != OPTION_END) {
        if (kind == OPTION_BAD)
            return false;
        if (kind == OPTION_OPERAND)
            return fault_set(fault, FAULT_SYNTAX,
                             "unexpected argument \"%s\": recipients are given with --to",
                             match.value);
        if (!set(request, match, fault))
            return false;
    }
    return check(request, fault);
}

void send_request_clear(struct send_request *request)
{
    if (request == NULL)
        return;
    send_account_clear(&request->account);
    free(request->parts);
    *request = (struct send_request){0};
}
