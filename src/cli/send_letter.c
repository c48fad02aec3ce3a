/* Composes messages from options, takes ready ones, and works out the envelope. */
#include "cli/send_letter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "cli/exit_code.h"
#include "cli/report.h"

enum {
    REMARK_LENGTH = sizeof(";type=") - 1 /* and of ";name=" */
};

void send_letter_clear(struct send_letter *letter)
{
    if (letter == NULL)
        return;
    ph_message_free(letter->message);
    ph_message_free(letter->envelope);
    if (letter->input >= 0)
        close(letter->input);
    free(letter->sender);
    *letter = SEND_LETTER;
}

/* Tells what is wrong with an option's value. */
static int refuse(const char *option, const struct ph_error *error)
{
    if (option == NULL)
        report_error("%s", error->message);
    else
        report_error("--%s: %s", option, error->message);
    if (error->kind == PH_ERROR_BODY && error->system_error != 0)
        return EX_NOINPUT;
    return exit_code_of_error(error, NULL);
}

/* Tells what is wrong with a message that was given to us. */
static int refuse_message(const char *name, const struct ph_error *error)
{
    report_error("%s: %s", name, error->message);
    if (error->kind == PH_ERROR_ARGUMENT)
        return EX_DATAERR;
    return error->kind == PH_ERROR_BODY ? EX_NOINPUT : exit_code_of_error(error, NULL);
}

/* ---- the envelope ---- */

static int need_envelope(struct send_letter *letter)
{
    struct ph_error error;
    if (letter->envelope == NULL)
        letter->envelope = ph_message_new(&error);
    return letter->envelope == NULL ? refuse(NULL, &error) : EX_OK;
}

int send_letter_add_recipients(struct send_letter *letter, const char *text)
{
    struct ph_error error;
    int code = need_envelope(letter);
    if (code != EX_OK)
        return code;
    if (!ph_message_add_to(letter->envelope, text, &error)) {
        report_error("recipient \"%s\": %s", text, error.message);
        return exit_code_of_error(&error, NULL);
    }
    return EX_OK;
}

/* There is a field that may name one; whoever needs recipients asks at the end. */
static bool names_recipients(const struct ph_message *message)
{
    static const char *const fields[] = {"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (ph_message_has_header(message, fields[i]))
            return true;
    }
    return false;
}

int send_letter_add_header_recipients(struct send_letter *letter)
{
    struct ph_error error;
    const char *const *recipients;
    size_t count;
    int code = need_envelope(letter);
    if (code != EX_OK)
        return code;
    if (!names_recipients(letter->message))
        return EX_OK;
    if (!ph_message_recipients(letter->message, &recipients, &count, &error))
        return refuse_message("the message's recipients", &error);
    for (size_t i = 0; i < count; i++) {
        if (!ph_message_add_address(letter->envelope, PH_TO, NULL, recipients[i], &error))
            return refuse_message(recipients[i], &error);
    }
    return EX_OK;
}

static int keep_sender(struct send_letter *letter, const char *sender)
{
    free(letter->sender);
    letter->sender = strdup(sender);
    if (letter->sender != NULL)
        return EX_OK;
    report_error("out of memory");
    return EX_OSERR;
}

int send_letter_set_sender(struct send_letter *letter, const char *text)
{
    struct ph_error error;
    if (*text == '\0')
        return keep_sender(letter, text);
    struct ph_message *parsed = ph_message_new(&error);
    const char *sender = NULL;
    int code = EX_OK;
    if (parsed == NULL || !ph_message_set_sender(parsed, text, &error) ||
        !ph_message_sender(parsed, &sender, &error)) {
        report_error("sender \"%s\": %s", text, error.message);
        code = exit_code_of_error(&error, NULL);
    } else {
        code = keep_sender(letter, sender);
    }
    ph_message_free(parsed);
    return code;
}

int send_letter_close_envelope(struct send_letter *letter)
{
    struct ph_error error;
    int code = need_envelope(letter);
    if (code != EX_OK)
        return code;
    if (!ph_message_recipients(letter->envelope, &letter->recipients, &letter->recipient_count,
                               &error))
        letter->recipient_count = 0;
    if (letter->recipient_count > 0)
        return EX_OK;
    report_error("there is no recipient: name one with --to, or use -t and To, Cc or Bcc in the "
                 "message");
    return EX_USAGE;
}

/* ---- a ready message ---- */

/* A plain text is no message, whatever its first word is. */
static bool has_message_header(const struct ph_message *message)
{
    static const char *const fields[] = {"From",     "Sender",   "To",           "Cc",
                                         "Bcc",      "Subject",  "Date",         "Message-ID",
                                         "Reply-To", "Received", "MIME-Version", "Content-Type"};
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (ph_message_has_header(message, fields[i]))
            return true;
    }
    return false;
}

int send_letter_read(struct send_letter *letter, int descriptor, const char *name,
                     struct send_spool_rules rules)
{
    struct stat status;
    struct fault fault;
    struct ph_error error;
    bool has_rules = rules.lone_dot_ends || rules.mends_header;
    bool is_known = fstat(descriptor, &status) == 0;
    if (!is_known || S_ISDIR(status.st_mode)) {
        report_error("cannot read %s: %s", name, strerror(is_known ? EISDIR : errno));
        return EX_NOINPUT;
    }
    uint64_t size = S_ISREG(status.st_mode) ? (uint64_t)status.st_size : 0;
    if (!S_ISREG(status.st_mode) || has_rules) {
        letter->input = send_spool_copy(descriptor, rules, &size, &fault);
        if (letter->input < 0) {
            report_error("%s: %s", name, fault.message);
            return EX_OSERR;
        }
        descriptor = letter->input;
    }
    if (size == 0 && !rules.mends_header) {
        report_error("%s is empty: there is no message to send", name);
        return EX_NOINPUT;
    }
    letter->message = ph_message_from_descriptor(descriptor, &error);
    if (letter->message == NULL)
        return refuse_message(name, &error);
    if (rules.mends_header || has_message_header(letter->message))
        return EX_OK;
    report_error("%s is no message: it has no header. To send it as a text, give --text %s", name,
                 letter->input >= 0 ? "-" : "FILE");
    return EX_DATAERR;
}

static int read_ready(struct send_letter *letter, const struct send_request *request)
{
    const struct send_spool_rules as_it_is = {0};
    if (request->eml == NULL || strcmp(request->eml, "-") == 0) {
        if (request->eml == NULL && isatty(STDIN_FILENO)) {
            report_error("there is no message: give --text FILE, --body TEXT or --eml FILE, or a "
                         "ready message on standard input");
            return EX_USAGE;
        }
        return send_letter_read(letter, STDIN_FILENO, "standard input", as_it_is);
    }
    int descriptor = open(request->eml, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0) {
        report_error("cannot read %s: %s", request->eml, strerror(errno));
        return EX_NOINPUT;
    }
    int code = send_letter_read(letter, descriptor, request->eml, as_it_is);
    if (letter->input >= 0)
        close(descriptor);
    else
        letter->input = descriptor;
    return code;
}

/* ---- a message of our own ---- */

/* Reads a text whole. */
static int read_text(const char *path, struct buffer *content)
{
    bool is_input = strcmp(path, "-") == 0;
    FILE *file = is_input ? stdin : fopen(path, "re");
    if (file != NULL) {
        char piece[16384];
        size_t count;
        while ((count = fread(piece, 1, sizeof(piece), file)) > 0)
            buffer_append(content, bytes_of(piece, count));
    }
    bool is_read = file != NULL && !ferror(file);
    if (!is_read)
        report_error("cannot read %s: %s", is_input ? "standard input" : path, strerror(errno));
    if (file != NULL && !is_input)
        fclose(file);
    if (!is_read)
        return EX_NOINPUT;
    if (!buffer_is_failed(content))
        return EX_OK;
    report_error("%s: a text may have %d MiB; what is larger goes with --attach",
                 is_input ? "standard input" : path, PH_MESSAGE_TEXT_MAX >> 20);
    return EX_DATAERR;
}

static int add_text(struct send_letter *letter, int id, const char *path)
{
    AUTO(buffer)
    content = BUFFER(PH_MESSAGE_TEXT_MAX);
    struct ph_error error;
    int code = read_text(path, &content);
    if (code != EX_OK)
        return code;
    struct bytes text = buffer_bytes(&content);
    bool is_taken = id == SEND_OPTION_HTML
                        ? ph_message_set_html(letter->message, text.data, text.length, &error)
                        : ph_message_set_text(letter->message, text.data, text.length, &error);
    return is_taken ? EX_OK : refuse_message(path, &error);
}

/* The last ";type=" or ";name=" of a specification; NULL = none. */
static char *last_remark(char *specification)
{
    char *last = NULL;
    for (char *c = strchr(specification, ';'); c != NULL; c = strchr(c + 1, ';')) {
        if (strncmp(c, ";type=", REMARK_LENGTH) == 0 || strncmp(c, ";name=", REMARK_LENGTH) == 0)
            last = c;
    }
    return last;
}

/* Cuts the remarks off the end of a specification, the last one first: a type may have parameters
   with semicolons of their own. */
static void cut_remarks(char *specification, struct ph_attachment *about)
{
    for (char *remark; (remark = last_remark(specification)) != NULL;) {
        if (remark[1] == 't')
            about->content_type = remark + REMARK_LENGTH;
        else
            about->filename = remark + REMARK_LENGTH;
        *remark = '\0';
    }
}

static int attach(struct send_letter *letter, int id, const char *value)
{
    struct ph_attachment about = {0};
    struct ph_error error;
    char *copy = strdup(value);
    if (copy == NULL) {
        report_error("out of memory");
        return EX_OSERR;
    }
    cut_remarks(copy, &about);
    const char *path = copy;
    int code = EX_OK;
    if (id == SEND_OPTION_INLINE) {
        char *equals = strchr(copy, '=');
        if (equals == NULL) {
            report_error("--inline %s: it must be ID=FILE, for instance logo=logo.png", value);
            code = EX_USAGE;
        } else {
            *equals = '\0';
            path = equals + 1;
            about.content_id = copy;
        }
    }
    if (strcmp(path, "-") == 0)
        path = "/dev/stdin";
    if (code == EX_OK && !ph_message_attach_file(letter->message, path, &about, &error)) {
        if (error.kind == PH_ERROR_BODY)
            code = refuse_message(path, &error);
        else
            code = refuse(id == SEND_OPTION_INLINE ? "inline" : "attach", &error);
    }
    free(copy);
    return code;
}

static int add_header(struct send_letter *letter, const char *value)
{
    struct ph_error error;
    const char *colon = strchr(value, ':');
    if (colon == NULL) {
        report_error("--header \"%s\": it must be 'Name: value'", value);
        return EX_USAGE;
    }
    char *name = strndup(value, (size_t)(colon - value));
    if (name == NULL) {
        report_error("out of memory");
        return EX_OSERR;
    }
    const char *text = colon + 1;
    text += strspn(text, " \t");
    bool is_taken = ph_message_add_header(letter->message, name, text, &error);
    free(name);
    return is_taken ? EX_OK : refuse("header", &error);
}

static int add_addresses(struct ph_message *message, enum ph_address_field field,
                         const char *option, const char *text)
{
    struct ph_error error;
    if (ph_message_add_addresses(message, field, text, &error))
        return EX_OK;
    report_error("--%s \"%s\": %s", option, text, error.message);
    return exit_code_of_error(&error, NULL);
}

/* A header field or a part, in the order of the command line. */
static int add_part(struct send_letter *letter, const struct option_match *part)
{
    struct ph_error error;
    struct ph_message *message = letter->message;
    const char *value = part->value;
    switch (part->id) {
    case SEND_OPTION_TO:
        return add_addresses(message, PH_TO, "to", value);
    case SEND_OPTION_CC:
        return add_addresses(message, PH_CC, "cc", value);
    case SEND_OPTION_BCC:
        return add_addresses(message, PH_BCC, "bcc", value);
    case SEND_OPTION_REPLY_TO:
        return add_addresses(message, PH_REPLY_TO, "reply-to", value);
    case SEND_OPTION_SUBJECT:
        return ph_message_set_subject(message, value, &error) ? EX_OK : refuse("subject", &error);
    case SEND_OPTION_HEADER:
        return add_header(letter, value);
    case SEND_OPTION_BODY:
        return ph_message_set_text(message, value, strlen(value), &error) ? EX_OK
                                                                          : refuse("body", &error);
    case SEND_OPTION_TEXT:
    case SEND_OPTION_HTML:
        return add_text(letter, part->id, value);
    default: /* SEND_OPTION_ATTACH, SEND_OPTION_INLINE */
        return attach(letter, part->id, value);
    }
}

static bool is_recipient(int id)
{
    return id == SEND_OPTION_TO || id == SEND_OPTION_CC || id == SEND_OPTION_BCC;
}

/* The value names standard input: "-", and for a part "-;type=..." or "ID=-" too. */
static bool reads_standard_input(const struct option_match *part)
{
    const char *value = part->value;
    switch (part->id) {
    case SEND_OPTION_INLINE:
        value = strchr(value, '=');
        return value != NULL && value[1] == '-' && (value[2] == '\0' || value[2] == ';');
    case SEND_OPTION_ATTACH:
        return value[0] == '-' && (value[1] == '\0' || value[1] == ';');
    case SEND_OPTION_TEXT:
    case SEND_OPTION_HTML:
        return strcmp(value, "-") == 0;
    default:
        return false;
    }
}

static int check_standard_input(const struct send_request *request)
{
    int uses = request->eml != NULL && strcmp(request->eml, "-") == 0;
    for (size_t i = 0; i < request->part_count; i++)
        uses += reads_standard_input(&request->parts[i]);
    if (uses <= 1)
        return EX_OK;
    report_error("standard input can be read once only, and several options name it with -");
    return EX_USAGE;
}

static int compose(struct send_letter *letter, const struct send_request *request,
                   const struct send_account *account)
{
    struct ph_error error;
    const char *from = send_account_value(account, SEND_ACCOUNT_FROM);
    letter->message = ph_message_new(&error);
    if (letter->message == NULL)
        return refuse(NULL, &error);
    int code = from == NULL ? EX_OK : add_addresses(letter->message, PH_FROM, "from", from);
    for (size_t i = 0; i < request->part_count && code == EX_OK; i++)
        code = add_part(letter, &request->parts[i]);
    if (code != EX_OK)
        return code;
    if (!ph_message_has_header(letter->message, "From")) {
        report_error("there is no sender: give --from, or `from` in the profile");
        return EX_USAGE;
    }
    return send_letter_add_header_recipients(letter);
}

/* The options' recipients are the envelope's; other fields are put into the message. */
static int complete_ready(struct send_letter *letter, const struct send_request *request,
                          const struct send_account *account)
{
    int code = EX_OK;
    const char *from = send_account_value(account, SEND_ACCOUNT_FROM);
    if (from != NULL && !ph_message_has_header(letter->message, "From"))
        code = add_addresses(letter->message, PH_FROM, "from", from);
    for (size_t i = 0; i < request->part_count && code == EX_OK; i++) {
        const struct option_match *part = &request->parts[i];
        code = is_recipient(part->id) ? send_letter_add_recipients(letter, part->value)
                                      : add_part(letter, part);
    }
    if (code == EX_OK && request->reads_recipients)
        code = send_letter_add_header_recipients(letter);
    return code;
}

static int choose_sender(struct send_letter *letter, const struct send_request *request,
                         const struct send_account *account)
{
    struct ph_error error;
    const char *from = send_account_value(account, SEND_ACCOUNT_FROM);
    if (request->envelope_from != NULL)
        return send_letter_set_sender(letter, request->envelope_from);
    const char *sender;
    if (request->has_body || from == NULL) {
        if (!ph_message_sender(letter->message, &sender, &error))
            return refuse_message("the message's sender", &error);
        return keep_sender(letter, sender);
    }
    return send_letter_set_sender(letter, from);
}

int send_letter_make(struct send_letter *letter, const struct send_request *request,
                     const struct send_account *account)
{
    int code = check_standard_input(request);
    if (code == EX_OK && request->has_body)
        code = compose(letter, request, account);
    else if (code == EX_OK) {
        code = read_ready(letter, request);
        if (code == EX_OK)
            code = complete_ready(letter, request, account);
    }
    if (code == EX_OK)
        code = choose_sender(letter, request, account);
    return code == EX_OK ? send_letter_close_envelope(letter) : code;
}
