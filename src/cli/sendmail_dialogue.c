/* A small SMTP server on two descriptors, without a mailbox of its own. */
#include "cli/sendmail_dialogue.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/scan.h"
#include "cli/exit_code.h"
#include "cli/send_delivery.h"
#include "cli/send_spool.h"

enum dialogue_end {
    GOES_ON = 0,
    ENDS_WELL,
    ENDS_BADLY
};

struct dialogue {
    struct send_account *account;
    FILE *transcript;
    struct send_delivery delivery;
    char name[256]; /* ours */
    bool has_hello;
    bool has_sender;
    size_t recipients; /* accepted in this transaction */
    unsigned mistakes;

    char input[65536];
    size_t start;
    size_t end;
};

/* ---- lines in and out ---- */

static void reply(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void reply(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    fputs("\r\n", stdout);
}

/* A reply of several lines keeps its code on each (RFC 5321 4.2.1). */
static void reply_as(int code, const unsigned short enhanced[3], const char *text)
{
    struct bytes rest = bytes_from_string(text);
    struct bytes line;
    bool has_more;
    do {
        has_more = bytes_split(rest, '\n', &line, &rest);
        printf("%d%c", code, has_more ? '-' : ' ');
        if (enhanced[0] != 0)
            printf("%d.%d.%d ", enhanced[0], enhanced[1], enhanced[2]);
        fwrite(line.data, 1, line.length, stdout);
        fputs("\r\n", stdout);
    } while (has_more);
}

/* What the far server said; or, without a word of it, what went wrong on the way. */
static void reply_from_server(const struct dialogue *dialogue, int code,
                              const struct ph_error *error)
{
    static const unsigned short temporary[3] = {4, 4, 1};
    static const unsigned short permanent[3] = {5, 0, 0};
    static const unsigned short address[3] = {5, 1, 3};
    const struct ph_reply *said =
        dialogue->delivery.smtp == NULL ? NULL : ph_smtp_reply(dialogue->delivery.smtp);
    if (code >= 200 && said != NULL)
        reply_as(code, said->enhanced, said->text);
    else if (error->reply_code >= 400)
        reply_as(error->reply_code, error->reply_enhanced, error->reply_text);
    else if (error->kind == PH_ERROR_ARGUMENT)
        reply_as(553, address, error->message);
    else
        reply_as(error->retry ? 451 : 554, error->retry ? temporary : permanent, error->message);
}

/* Reads more; false at the end of the input. What we said goes out before we wait. */
static bool fill(struct dialogue *dialogue)
{
    if (dialogue->start == dialogue->end)
        dialogue->start = dialogue->end = 0;
    if (dialogue->start > 0 && dialogue->end == sizeof(dialogue->input)) {
        memmove(dialogue->input, dialogue->input + dialogue->start,
                dialogue->end - dialogue->start);
        dialogue->end -= dialogue->start;
        dialogue->start = 0;
    }
    if (fflush(stdout) != 0)
        return false;
    ssize_t count;
    do {
        count = read(STDIN_FILENO, dialogue->input + dialogue->end,
                     sizeof(dialogue->input) - dialogue->end);
    } while (count < 0 && errno == EINTR);
    if (count > 0)
        dialogue->end += (size_t)count;
    return count > 0;
}

static int next_byte(struct dialogue *dialogue)
{
    if (dialogue->start == dialogue->end && !fill(dialogue))
        return -1;
    return (unsigned char)dialogue->input[dialogue->start++];
}

enum line_kind {
    LINE_GOOD,
    LINE_TOO_LONG,
    LINE_UNCLEAN,
    LINE_NONE
};

/* Reads a command without its CRLF. RFC 5321 2.3.8: nothing but CRLF ends a line. */
static enum line_kind read_line(struct dialogue *dialogue, char line[SENDMAIL_LINE_MAX + 1],
                                size_t *length)
{
    size_t count = 0;
    bool is_clean = true;
    int last = 0;
    for (;;) {
        int c = next_byte(dialogue);
        if (c < 0)
            return LINE_NONE;
        if (c == '\n')
            break;
        is_clean = is_clean && last != '\r' && c != '\0';
        if (count < SENDMAIL_LINE_MAX)
            line[count] = (char)c;
        count++;
        last = c;
    }
    if (count > SENDMAIL_LINE_MAX - 1)
        return LINE_TOO_LONG;
    if (last != '\r' || !is_clean)
        return LINE_UNCLEAN;
    *length = count - 1;
    line[*length] = '\0';
    return LINE_GOOD;
}

/* ---- the far server ---- */

static bool connect_to_server(struct dialogue *dialogue, struct ph_error *error)
{
    struct send_delivery *delivery = &dialogue->delivery;
    if (delivery->smtp != NULL && ph_smtp_is_connected(delivery->smtp))
        return true;
    send_delivery_clear(delivery);
    if (send_delivery_open(delivery, dialogue->account, dialogue->transcript, false, error) ==
        EX_OK)
        return true;
    if (error->kind == PH_OK)
        *error = (struct ph_error){.kind = PH_ERROR_AUTHENTICATION,
                                   .message = "the way to the mail server is not configured"};
    return false;
}

static void end_transaction(struct dialogue *dialogue)
{
    if (dialogue->has_sender && dialogue->delivery.smtp != NULL &&
        ph_smtp_is_connected(dialogue->delivery.smtp))
        ph_smtp_rset(dialogue->delivery.smtp, NULL);
    dialogue->has_sender = false;
    dialogue->recipients = 0;
}

/* ---- commands ---- */

static enum dialogue_end on_ehlo(struct dialogue *dialogue, struct bytes argument)
{
    struct ph_error error;
    if (bytes_is_empty(argument)) {
        reply("501 5.5.4 EHLO needs a name");
        return GOES_ON;
    }
    if (!connect_to_server(dialogue, &error)) {
        reply_as(421, (const unsigned short[]){4, 4, 1}, error.message);
        return ENDS_BADLY;
    }
    end_transaction(dialogue);
    dialogue->has_hello = true;
    /* Only what the far server takes, because that is where all parameters go. */
    const struct ph_capabilities *offered = ph_smtp_esmtp_features(dialogue->delivery.smtp);
    uint64_t size = offered->size_limit == 0 || offered->size_limit > SENDMAIL_MESSAGE_MAX
                        ? SENDMAIL_MESSAGE_MAX
                        : offered->size_limit;
    reply("250-%s", dialogue->name);
    reply("250-PIPELINING");
    reply("250-ENHANCEDSTATUSCODES");
    if ((offered->set & PH_CAPABILITY_8BITMIME) != 0)
        reply("250-8BITMIME");
    if ((offered->set & PH_CAPABILITY_SMTPUTF8) != 0)
        reply("250-SMTPUTF8");
    if ((offered->set & PH_CAPABILITY_DSN) != 0)
        reply("250-DSN");
    if ((offered->set & PH_CAPABILITY_SIZE) != 0)
        reply("250-SIZE %llu", (unsigned long long)size);
    reply("250 HELP");
    return GOES_ON;
}

static enum dialogue_end on_helo(struct dialogue *dialogue, struct bytes argument)
{
    if (bytes_is_empty(argument)) {
        reply("501 5.5.4 HELO needs a name");
        return GOES_ON;
    }
    end_transaction(dialogue);
    dialogue->has_hello = true;
    reply("250 %s", dialogue->name);
    return GOES_ON;
}

/* Takes "FROM:<path> parameters" apart. path and parameters get a NUL in the line. A source route
   is left out (RFC 5321 appendix C). */
static bool take_path(char *line, struct bytes keyword, char **path, char **parameters)
{
    struct bytes whole = bytes_from_string(line);
    if (!bytes_starts_with_ignoring_case(whole, keyword))
        return false;
    char *c = line + keyword.length;
    c += strspn(c, " ");
    if (*c != '<')
        return false;
    *path = ++c;
    if (*c == '@') {
        char *colon = strchr(c, ':');
        if (colon == NULL)
            return false;
        *path = c = colon + 1;
    }
    bool is_quoted = false;
    for (; *c != '\0' && (is_quoted || *c != '>'); c++) {
        if (*c == '"')
            is_quoted = !is_quoted;
        else if (*c == '\\' && c[1] != '\0')
            c++;
    }
    if (*c != '>' || (c[1] != '\0' && c[1] != ' '))
        return false;
    *c++ = '\0';
    c += strspn(c, " ");
    *parameters = *c == '\0' ? NULL : c;
    return true;
}

static enum dialogue_end on_mail(struct dialogue *dialogue, char *argument)
{
    char *path;
    char *parameters;
    struct ph_error error;
    if (!dialogue->has_hello || dialogue->has_sender) {
        reply("503 5.5.1 %s", dialogue->has_sender ? "MAIL was said already" : "say EHLO first");
        return GOES_ON;
    }
    if (!take_path(argument, BYTES("FROM:"), &path, &parameters)) {
        reply("501 5.5.4 It must be MAIL FROM:<address>");
        return GOES_ON;
    }
    if (!connect_to_server(dialogue, &error)) {
        reply_from_server(dialogue, -1, &error);
        return GOES_ON;
    }
    int code = ph_smtp_mail(dialogue->delivery.smtp, path, parameters, &error);
    /* An idle connection may have been closed by the server meanwhile. */
    if (code < 0 && error.kind == PH_ERROR_DISCONNECTED && connect_to_server(dialogue, &error))
        code = ph_smtp_mail(dialogue->delivery.smtp, path, parameters, &error);
    dialogue->has_sender = code / 100 == 2;
    reply_from_server(dialogue, code, &error);
    return GOES_ON;
}

static enum dialogue_end on_rcpt(struct dialogue *dialogue, char *argument)
{
    char *path;
    char *parameters;
    struct ph_error error;
    /* After LMTP's DATA there is a verdict for each recipient, and here only one can be told
       (RFC 2033 4.2): whoever sends takes the rest in further transactions (RFC 5321 4.5.3.1.10).
     */
    bool is_lmtp = send_account_value(dialogue->account, SEND_ACCOUNT_LMTP) != NULL;
    size_t limit = is_lmtp ? 1 : SENDMAIL_RECIPIENTS_MAX;
    if (!dialogue->has_sender) {
        reply("503 5.5.1 Say MAIL first");
        return GOES_ON;
    }
    if (!take_path(argument, BYTES("TO:"), &path, &parameters) || *path == '\0') {
        reply("501 5.5.4 It must be RCPT TO:<address>");
        return GOES_ON;
    }
    if (dialogue->recipients >= limit) {
        reply("452 4.5.3 Too many recipients for one message");
        return GOES_ON;
    }
    int code = ph_smtp_rcpt(dialogue->delivery.smtp, path, parameters, &error);
    if (code / 100 == 2)
        dialogue->recipients++;
    reply_from_server(dialogue, code, &error);
    return GOES_ON;
}

struct body {
    FILE *file;
    uint64_t size;
    bool is_unclean; /* a CR or LF stood alone */
    bool is_failed;
};

static void keep(struct body *body, int c)
{
    body->size++;
    if (body->size <= SENDMAIL_MESSAGE_MAX && fputc(c, body->file) == EOF)
        body->is_failed = true;
}

/* Takes the lines up to CRLF . CRLF, and the dot off those that begin with one (RFC 5321 4.5.2).
   False: the input ended. */
static bool read_body(struct dialogue *dialogue, struct body *body)
{
    enum {
        LINE_START,
        DOT,
        DOT_CR,
        CR,
        MIDDLE
    } state = LINE_START;
    for (;;) {
        int c = next_byte(dialogue);
        if (c < 0)
            return false;
        if (state == DOT_CR && c == '\n')
            return true;
        if (state == CR && c == '\n') {
            keep(body, '\r');
            keep(body, '\n');
            state = LINE_START;
            continue;
        }
        if (state == LINE_START && c == '.') {
            state = DOT;
            continue;
        }
        if (state == CR || state == DOT_CR) {
            body->is_unclean = true;
            keep(body, '\r');
        }
        if (c == '\r') {
            state = state == DOT ? DOT_CR : CR;
            continue;
        }
        body->is_unclean = body->is_unclean || c == '\n';
        keep(body, c);
        state = MIDDLE;
    }
}

static void hand_over(struct dialogue *dialogue, int descriptor, const struct body *body)
{
    struct ph_error error;
    void *memory = NULL;
    if (body->size > 0) {
        memory = mmap(NULL, (size_t)body->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (memory == MAP_FAILED) {
            reply("451 4.3.0 Cannot read the message back");
            return;
        }
    }
    int code = ph_smtp_data(dialogue->delivery.smtp, memory == NULL ? "" : memory,
                            (size_t)body->size, &error);
    if (code < 0 && error.fate == PH_MAYBE_SENT)
        reply("451 4.4.2 The connection was lost at the end: the message may have been sent");
    else
        reply_from_server(dialogue, code, &error);
    dialogue->has_sender = code / 100 != 2;
    if (memory != NULL)
        munmap(memory, (size_t)body->size);
}

static enum dialogue_end on_data(struct dialogue *dialogue)
{
    struct fault fault;
    if (dialogue->recipients == 0) {
        reply("%s", dialogue->has_sender ? "554 5.5.1 No recipient was accepted"
                                         : "503 5.5.1 Say MAIL and RCPT first");
        return GOES_ON;
    }
    int descriptor = send_spool_open(&fault);
    FILE *file = descriptor < 0 ? NULL : fdopen(descriptor, "w");
    if (file == NULL) {
        reply("451 4.3.0 No room for a message");
        return GOES_ON;
    }
    struct body body = {.file = file};
    reply("354 End with a lone dot");
    bool is_whole = read_body(dialogue, &body);
    if (is_whole && (fflush(file) != 0 || body.is_failed))
        reply("452 4.3.1 No room for the message");
    else if (is_whole && body.size > SENDMAIL_MESSAGE_MAX)
        reply("552 5.3.4 The message is larger than %llu bytes",
              (unsigned long long)SENDMAIL_MESSAGE_MAX);
    else if (is_whole && body.is_unclean)
        reply("550 5.6.0 A CR or LF stands alone in the message: lines end in CRLF");
    else if (is_whole)
        hand_over(dialogue, descriptor, &body);
    fclose(file);
    end_transaction(dialogue);
    return is_whole ? GOES_ON : ENDS_BADLY;
}

static enum dialogue_end mistake(struct dialogue *dialogue, const char *text)
{
    if (++dialogue->mistakes < SENDMAIL_MISTAKES_MAX) {
        reply("%s", text);
        return GOES_ON;
    }
    reply("421 4.7.0 Too many mistakes");
    return ENDS_BADLY;
}

static enum dialogue_end obey(struct dialogue *dialogue, char *line, size_t length)
{
    struct bytes verb;
    struct bytes rest;
    bytes_split(bytes_of(line, length), ' ', &verb, &rest);
    rest = bytes_trim(rest);
    char *argument = line + verb.length;
    argument += strspn(argument, " ");
    if (bytes_equal_ignoring_case(verb, BYTES("EHLO")))
        return on_ehlo(dialogue, rest);
    if (bytes_equal_ignoring_case(verb, BYTES("HELO")))
        return on_helo(dialogue, rest);
    if (bytes_equal_ignoring_case(verb, BYTES("MAIL")))
        return on_mail(dialogue, argument);
    if (bytes_equal_ignoring_case(verb, BYTES("RCPT")))
        return on_rcpt(dialogue, argument);
    if (bytes_equal_ignoring_case(verb, BYTES("DATA")))
        return on_data(dialogue);
    if (bytes_equal_ignoring_case(verb, BYTES("RSET"))) {
        end_transaction(dialogue);
        reply("250 2.0.0 Forgotten");
    } else if (bytes_equal_ignoring_case(verb, BYTES("NOOP"))) {
        reply("250 2.0.0 Yes");
    } else if (bytes_equal_ignoring_case(verb, BYTES("HELP"))) {
        reply("214 2.0.0 EHLO HELO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT");
    } else if (bytes_equal_ignoring_case(verb, BYTES("VRFY"))) {
        reply("252 2.1.5 Send it and see");
    } else if (bytes_equal_ignoring_case(verb, BYTES("QUIT"))) {
        reply("221 2.0.0 %s", dialogue->name);
        return ENDS_WELL;
    } else {
        return mistake(dialogue, "500 5.5.1 Unknown command");
    }
    return GOES_ON;
}

static enum dialogue_end turn(struct dialogue *dialogue)
{
    char line[SENDMAIL_LINE_MAX + 1];
    size_t length = 0;
    switch (read_line(dialogue, line, &length)) {
    case LINE_GOOD:
        return obey(dialogue, line, length);
    case LINE_TOO_LONG:
        return mistake(dialogue, "500 5.5.6 The line is too long");
    case LINE_UNCLEAN:
        return mistake(dialogue, "500 5.5.2 A line must end in CRLF");
    case LINE_NONE:
        break;
    }
    return dialogue->has_sender ? ENDS_BADLY : ENDS_WELL;
}

int sendmail_dialogue(struct send_account *account, FILE *transcript)
{
    struct dialogue dialogue = {.account = account, .transcript = transcript};
    if (gethostname(dialogue.name, sizeof(dialogue.name) - 1) != 0)
        strcpy(dialogue.name, "localhost");
    reply("220 %s ESMTP posthorn", dialogue.name);
    enum dialogue_end end;
    do {
        end = turn(&dialogue);
    } while (end == GOES_ON);
    bool is_flushed = fflush(stdout) == 0;
    send_delivery_clear(&dialogue.delivery);
    if (!is_flushed)
        return EX_IOERR;
    return end == ENDS_WELL ? EX_OK : EX_PROTOCOL;
}
