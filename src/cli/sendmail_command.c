/* The program as `sendmail`: the flags that programs use, an account's server behind them. */
#include "cli/command.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/utf8.h"
#include "cli/exit_code.h"
#include "cli/report.h"
#include "cli/send_delivery.h"
#include "cli/send_output.h"
#include "cli/send_profile.h"
#include "cli/sendmail_dialogue.h"

enum sendmail_option {
    SENDMAIL_READ_RECIPIENTS = 1,
    SENDMAIL_DOT_IS_TEXT,
    SENDMAIL_SENDER,
    SENDMAIL_FULL_NAME,
    SENDMAIL_MODE,
    SENDMAIL_OPTION,
    SENDMAIL_NOTIFY,
    SENDMAIL_RETURN,
    SENDMAIL_ENVELOPE_ID,
    SENDMAIL_VERBOSE,
    SENDMAIL_LOG,
    SENDMAIL_CONFIG,
    SENDMAIL_QUEUE,
    SENDMAIL_ALIASES,
    SENDMAIL_IGNORED,
    SENDMAIL_ACCOUNT,
    SENDMAIL_HELP,
    SENDMAIL_VERSION
};

enum {
    SENDMAIL_ADDRESS_MAX = 2048, /* bytes of an address made here, name and all */
    SENDMAIL_HOST_MAX = 256
};

static const struct option_row rows[] = {
    OPTION_ROW(SENDMAIL_READ_RECIPIENTS, 't', NULL, NULL,
               "recipients are those in To, Cc and Bcc as well"),
    OPTION_ROW(SENDMAIL_DOT_IS_TEXT, 'i', NULL, NULL,
               "a line with a lone dot does not end the message (also -oi)"),
    OPTION_ROW(SENDMAIL_SENDER, 'f', NULL, "ADDRESS",
               "the envelope's sender, and From if there is none"),
    OPTION_ROW(SENDMAIL_SENDER, 'r', NULL, "ADDRESS", "the same"),
    OPTION_ROW(SENDMAIL_FULL_NAME, 'F', NULL, "NAME",
               "the name beside the address, in a From that is made"),
    OPTION_ROW(
        SENDMAIL_MODE, 'b', NULL, "MODE",
        "m: send (the default); s: speak SMTP on standard input and output; p: list the queue"),
    OPTION_ROW(SENDMAIL_NOTIFY, 'N', NULL, "WHEN",
               "when to be notified: never, or success,failure,delay"),
    OPTION_ROW(SENDMAIL_RETURN, 'R', NULL, "WHAT",
               "what of the message comes back then: full or hdrs"),
    OPTION_ROW(SENDMAIL_ENVELOPE_ID, 'V', NULL, "ID",
               "a mark of yours that such a notification bears"),
    OPTION_ROW(SENDMAIL_VERBOSE, 'v', NULL, NULL, "show the talk with the server"),
    OPTION_ROW(SENDMAIL_CONFIG, 'C', NULL, "FILE", "instead of ~/.config/posthorn/send.conf",
               .completion = OPTION_FILE),
    OPTION_ROW(SENDMAIL_ACCOUNT, 0, "account", "NAME", "a profile of that file"),
    OPTION_ROW(SENDMAIL_HELP, 0, "help", NULL, "this text"),
    OPTION_ROW(SENDMAIL_VERSION, 0, "version", NULL, "the version"),
    /* Understood and without effect here. */
    OPTION_ROW(SENDMAIL_OPTION, 'o', NULL, "OPTION", NULL),
    OPTION_ROW(SENDMAIL_OPTION, 'O', NULL, "OPTION=VALUE", NULL),
    OPTION_ROW(SENDMAIL_QUEUE, 'q', NULL, "[TIME]", NULL, .is_attached_or_none = true),
    OPTION_ROW(SENDMAIL_ALIASES, 'I', NULL, NULL, NULL),
    OPTION_ROW(SENDMAIL_LOG, 'X', NULL, "FILE", NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'A', NULL, "c|m", NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'B', NULL, "TYPE", NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'd', NULL, "[LEVEL]", NULL, .is_attached_or_none = true),
    OPTION_ROW(SENDMAIL_IGNORED, 'e', NULL, "MODE", NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'h', NULL, "HOPS", NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'L', NULL, "TAG", NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'p', NULL, "PROTOCOL", NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'G', NULL, NULL, NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'm', NULL, NULL, NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'n', NULL, NULL, NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 's', NULL, NULL, NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'U', NULL, NULL, NULL),
    OPTION_ROW(SENDMAIL_IGNORED, 'x', NULL, NULL, NULL),
};

static const struct option_table table = OPTION_TABLE(rows);

/* Strings point into argv. */
struct sendmail_request {
    bool reads_recipients;
    bool dot_is_text;
    const char *sender; /* NULL = not said; "" = the null sender */
    const char *full_name;
    char mode;
    bool is_queue_run;
    bool is_verbose;
    const char *config_path;
    const char *account_name;
    struct send_wishes wishes;
    const char **recipients;
    size_t recipient_count;
    bool wants_help;
    bool wants_version;
};

static bool set_mode(struct sendmail_request *request, const char *value, struct fault *fault)
{
    if (value[0] == '\0' || value[1] != '\0' || strchr("msip", value[0]) == NULL)
        return fault_set(fault, FAULT_SYNTAX,
                         "-b%s needs a mail server of its own; here are -bm, -bs, -bp and -bi",
                         value);
    request->mode = value[0];
    return true;
}

static void set_switch(struct sendmail_request *request, enum sendmail_option option)
{
    switch (option) {
    case SENDMAIL_READ_RECIPIENTS:
        request->reads_recipients = true;
        break;
    case SENDMAIL_DOT_IS_TEXT:
        request->dot_is_text = true;
        break;
    case SENDMAIL_VERBOSE:
        request->is_verbose = true;
        break;
    case SENDMAIL_QUEUE:
        request->is_queue_run = true;
        break;
    case SENDMAIL_ALIASES:
        request->mode = 'i';
        break;
    case SENDMAIL_HELP:
        request->wants_help = true;
        break;
    case SENDMAIL_VERSION:
        request->wants_version = true;
        break;
    default: /* SENDMAIL_IGNORED */
        break;
    }
}

static bool set(struct sendmail_request *request, struct option_match match, struct fault *fault)
{
    const char *value = match.value;
    switch ((enum sendmail_option)match.id) {
    case SENDMAIL_SENDER:
        request->sender = strcmp(value, "<>") == 0 ? "" : value;
        break;
    case SENDMAIL_FULL_NAME:
        request->full_name = value;
        break;
    case SENDMAIL_MODE:
        return set_mode(request, value, fault);
    case SENDMAIL_OPTION:
        if (strcmp(value, "i") == 0 || strncmp(value, "IgnoreDots", strlen("IgnoreDots")) == 0)
            request->dot_is_text = true;
        break;
    case SENDMAIL_NOTIFY:
        return send_request_notify(value, &request->wishes, fault);
    case SENDMAIL_RETURN:
        return send_request_return(value, &request->wishes, fault);
    case SENDMAIL_ENVELOPE_ID:
        request->wishes.envelope_id = value;
        break;
    case SENDMAIL_LOG:
        /* Web programs pass texts of strangers in the command line: no file is written. */
        report_warning("-X is not followed: no file is written; -v shows the talk");
        break;
    case SENDMAIL_CONFIG:
        request->config_path = value;
        break;
    case SENDMAIL_ACCOUNT:
        request->account_name = value;
        break;
    default:
        set_switch(request, (enum sendmail_option)match.id);
        break;
    }
    return true;
}

static bool parse(int argc, char **argv, struct sendmail_request *request, struct fault *fault)
{
    struct option_reader reader = option_reader_of(&table, argc, argv);
    struct option_match match;
    enum option_kind kind;
    request->mode = 'm';
    while ((kind = option_next(&reader, &match, fault)) != OPTION_END) {
        if (kind == OPTION_BAD)
            return false;
        if (kind == OPTION_OPERAND)
            request->recipients[request->recipient_count++] = match.value;
        else if (!set(request, match, fault))
            return false;
    }
    /* Programs that ask for notifications everywhere want their mail to go in any case. */
    request->wishes.demands = 0;
    return true;
}

/* ---- who we are ---- */

/* What is put behind a bare name: `domain`, else the domain of `from`, else this machine. */
static void own_domain(const struct send_account *account, char domain[SENDMAIL_HOST_MAX])
{
    const char *said = send_account_value(account, SEND_ACCOUNT_DOMAIN);
    const char *from = send_account_value(account, SEND_ACCOUNT_FROM);
    const char *at = from == NULL ? NULL : strrchr(from, '@');
    if (said != NULL)
        snprintf(domain, SENDMAIL_HOST_MAX, "%s", said);
    else if (at != NULL)
        snprintf(domain, SENDMAIL_HOST_MAX, "%.*s", (int)strcspn(at + 1, ">, \t"), at + 1);
    else if (gethostname(domain, SENDMAIL_HOST_MAX) != 0)
        snprintf(domain, SENDMAIL_HOST_MAX, "localhost");
    domain[SENDMAIL_HOST_MAX - 1] = '\0';
}

/* A bare name of letters as in `sendmail root`, which no far server knows without its domain. */
static bool is_bare_name(const char *text)
{
    return *text != '\0' && strpbrk(text, "@,:;<>()[]\" \t\\") == NULL;
}

static const char *qualified(const char *address, const char *domain, struct buffer *out)
{
    if (!is_bare_name(address))
        return address;
    buffer_reset(out);
    buffer_append_format(out, "%s@%s", address, domain);
    const char *text = buffer_string(out);
    return text == NULL ? address : text;
}

static void own_address(const char *domain, struct buffer *out)
{
    const struct passwd *user = getpwuid(getuid());
    buffer_reset(out);
    buffer_append_format(out, "%s@%s", user == NULL ? "nobody" : user->pw_name, domain);
}

/* The user's name in the password file, up to the first comma; "" when there is none. */
static void own_name(struct buffer *out)
{
    const struct passwd *user = getpwuid(getuid());
    buffer_reset(out);
    if (user == NULL || user->pw_gecos == NULL)
        return;
    struct bytes name = bytes_of(user->pw_gecos, strcspn(user->pw_gecos, ","));
    if (utf8_is_valid(name))
        buffer_append(out, name);
}

/* ---- sending ---- */

static int choose_sender(struct send_letter *letter, const struct sendmail_request *request,
                         const struct send_account *account, const char *domain)
{
    AUTO(buffer)
    address = BUFFER(SENDMAIL_ADDRESS_MAX);
    const char *from = send_account_value(account, SEND_ACCOUNT_FROM);
    if (request->sender != NULL)
        return send_letter_set_sender(letter, qualified(request->sender, domain, &address));
    if (from != NULL)
        return send_letter_set_sender(letter, from);
    own_address(domain, &address);
    return send_letter_set_sender(letter, buffer_string(&address));
}

/* From, Date and Message-ID where they are missing (RFC 6409 8). */
static int complete_header(struct send_letter *letter, const struct sendmail_request *request,
                           const struct send_account *account, const char *domain)
{
    AUTO(buffer)
    address = BUFFER(SENDMAIL_ADDRESS_MAX);
    AUTO(buffer)
    name = BUFFER(SENDMAIL_ADDRESS_MAX);
    struct ph_error error;
    struct ph_message *message = letter->message;
    const char *from = send_account_value(account, SEND_ACCOUNT_FROM);
    bool is_done = true;
    if (!ph_message_has_header(message, "From")) {
        if (request->full_name == NULL && request->sender == NULL && from != NULL) {
            is_done = ph_message_add_from(message, from, &error);
        } else {
            if (*letter->sender != '\0')
                buffer_append_string(&address, letter->sender);
            else
                own_address(domain, &address);
            if (request->full_name != NULL)
                buffer_append_string(&name, request->full_name);
            else
                own_name(&name);
            is_done = ph_message_add_address(message, PH_FROM,
                                             name.length > 0 ? buffer_string(&name) : NULL,
                                             buffer_string(&address), &error);
        }
    }
    is_done = is_done && ph_message_set_id_domain(message, domain, &error) &&
              ph_message_complete(message, &error);
    if (is_done)
        return EX_OK;
    report_error("%s", error.message);
    return exit_code_of_error(&error, NULL);
}

static int make_letter(struct send_letter *letter, const struct sendmail_request *request,
                       const struct send_account *account)
{
    AUTO(buffer)
    address = BUFFER(SENDMAIL_ADDRESS_MAX);
    char domain[SENDMAIL_HOST_MAX];
    own_domain(account, domain);
    struct send_spool_rules rules = {
        .lone_dot_ends = !request->dot_is_text,
        .mends_header = true,
        .domain = domain,
    };
    int code = send_letter_read(letter, STDIN_FILENO, "standard input", rules);
    for (size_t i = 0; i < request->recipient_count && code == EX_OK; i++)
        code =
            send_letter_add_recipients(letter, qualified(request->recipients[i], domain, &address));
    if (code == EX_OK && request->reads_recipients)
        code = send_letter_add_header_recipients(letter);
    if (code == EX_OK)
        code = choose_sender(letter, request, account, domain);
    if (code == EX_OK)
        code = complete_header(letter, request, account, domain);
    return code == EX_OK ? send_letter_close_envelope(letter) : code;
}

static int send_message(const struct sendmail_request *request, struct send_account *account,
                        FILE *transcript)
{
    AUTO(send_letter)
    letter = SEND_LETTER;
    struct send_delivery delivery = {0};
    struct ph_result result = {0};
    struct ph_error error = {0};
    int code = make_letter(&letter, request, account);
    if (code != EX_OK)
        return code;
    code = send_delivery_open(&delivery, account, transcript, false, &error);
    bool is_told = code != EX_OK && error.kind == PH_OK;
    if (code == EX_OK) {
        if (send_delivery_send(&delivery, &letter, &request->wishes, &result, &error))
            code = exit_code_of_result(&result);
        else
            code = exit_code_of_error(&error, &result);
    }
    if (!is_told)
        send_output_summary(&letter, &result, &error, true);
    ph_result_clear(&result);
    send_delivery_clear(&delivery);
    return code;
}

/* Web programs pass texts of strangers in the command line, and let them leave files: such a file
   must not run commands or read secrets. */
static int check_config(const struct sendmail_request *request, const struct send_account *account)
{
    static const enum send_account_field fields[] = {
        SEND_ACCOUNT_PASSWORD_FILE, SEND_ACCOUNT_PASSWORD_COMMAND, SEND_ACCOUNT_TOKEN_FILE,
        SEND_ACCOUNT_TOKEN_COMMAND};
    for (size_t i = 0; request->config_path != NULL && i < sizeof(fields) / sizeof(fields[0]);
         i++) {
        if (send_account_value(account, fields[i]) != NULL) {
            report_error("%s: %s is not followed in a file given by -C; keep it in "
                         "~/.config/posthorn/send.conf, or use posthorn send -t -C",
                         request->config_path, send_account_field_name(fields[i]));
            return EX_CONFIG;
        }
    }
    return EX_OK;
}

static int settle_account(const struct sendmail_request *request, struct send_account *account)
{
    int code =
        send_profile_load(request->config_path, request->account_name, request->sender, account);
    if (code == EX_OK)
        code = check_config(request, account);
    if (code != EX_OK)
        return code;
    if (send_account_value(account, SEND_ACCOUNT_SERVER) != NULL)
        return EX_OK;
    report_error("there is no account to send by: write one in ~/.config/posthorn/send.conf or "
                 "/etc/posthorn/send.conf, with default-account or as the only one, and a server");
    return EX_CONFIG;
}

static int send_or_speak(const struct sendmail_request *request)
{
    AUTO(send_account)
    account = {0};
    int code = settle_account(request, &account);
    if (code != EX_OK)
        return code;
    FILE *transcript = request->is_verbose ? stderr : NULL;
    return request->mode == 's' ? sendmail_dialogue(&account, transcript)
                                : send_message(request, &account, transcript);
}

static void print_help(void)
{
    printf("Usage: sendmail [OPTION]... [--] [RECIPIENT]...\n"
           "Send the message on standard input, as programs expect of a program of this name.\n"
           "\n"
           "  printf 'Subject: Done\\n\\nIt is.\\n' | sendmail -i ann@example.org\n"
           "  sendmail -t < letter.eml\n"
           "\n");
    option_print_help(&table, stdout);
    printf(
        "\n"
        "Server and login come from an account in ~/.config/posthorn/send.conf or\n"
        "/etc/posthorn/send.conf; see posthorn-send(1). -A -B -d -e -G -h -I -L -m -n -O -o -p -q\n"
        "-s -U -X -x are understood and change nothing.\n");
}

static int obey(const struct sendmail_request *request)
{
    if (request->wants_help || request->wants_version) {
        if (request->wants_help)
            print_help();
        else
            printf("posthorn %s\n", POSTHORN_VERSION);
        return report_flush_output() ? EX_OK : EX_IOERR;
    }
    /* There is no queue and there are no aliases: mail goes to the server at once, or not at all.
     */
    if (request->mode == 'p') {
        printf("Mail queue is empty\n");
        return report_flush_output() ? EX_OK : EX_IOERR;
    }
    bool has_mail = request->recipient_count > 0 || request->reads_recipients;
    if (request->mode == 'i' || (request->mode == 'm' && request->is_queue_run && !has_mail))
        return EX_OK;
    if (request->mode == 'm' && !has_mail)
        return report_usage("there is no recipient: name one, or use -t");
    return send_or_speak(request);
}

static int run(int argc, char **argv)
{
    struct sendmail_request request = {0};
    struct fault fault;
    report_set_name("sendmail");
    request.recipients = calloc((size_t)argc + 1, sizeof(request.recipients[0]));
    if (request.recipients == NULL) {
        report_error("out of memory");
        return EX_OSERR;
    }
    int code = parse(argc, argv, &request, &fault) ? obey(&request) : report_usage(fault.message);
    free(request.recipients);
    return code;
}

const struct command sendmail_command = {
    .name = "sendmail",
    .summary = "send a message as sendmail(8) does, for programs",
    .run = run,
    .options = &table,
};
