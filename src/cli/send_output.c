/* Words, bars and JSON about a sending. */
#include "cli/send_output.h"

#include <jansson.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cli/exit_code.h"
#include "cli/report.h"

enum {
    BAR_MAX = 40,            /* columns of the progress bar */
    COLUMNS_DEFAULT = 80,    /* of a terminal that does not tell */
    BAR_SURROUNDINGS = 40,   /* columns that its figures need */
    JSON_TEXT_MAX = 1 << 20, /* bytes of one text in the result */
    REPLY_SHOWN_MAX = 1024   /* bytes of a reply in a line for people */
};

/* ---- transcript ---- */

void send_output_trace(void *context, enum ph_trace_kind kind, const char *text, size_t length)
{
    static const char *const marks[] = {
        [PH_TRACE_SENT] = "C: ",
        [PH_TRACE_RECEIVED] = "S: ",
        [PH_TRACE_BODY] = "C: ",
        [PH_TRACE_NOTE] = "*  ",
    };
    FILE *file = context;
    bool is_dim = (kind == PH_TRACE_NOTE || kind == PH_TRACE_BODY) && report_has_colours(file);
    fputs(is_dim ? "\033[2m" : "", file);
    fputs(marks[kind], file);
    report_write_safely(file, text, length);
    fputs(is_dim ? "\033[0m\n" : "\n", file);
}

/* ---- progress ---- */

bool send_output_has_terminal(void)
{
    return isatty(STDERR_FILENO) == 1;
}

static size_t bar_width(void)
{
    struct winsize window;
    size_t columns = COLUMNS_DEFAULT;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
        columns = window.ws_col;
    size_t width = columns > BAR_SURROUNDINGS ? columns - BAR_SURROUNDINGS : 0;
    return width < BAR_MAX ? width : BAR_MAX;
}

bool send_output_progress(void *context, uint64_t done, uint64_t total)
{
    struct send_progress *progress = context;
    uint64_t now = clock_monotonic_milliseconds();
    uint64_t known = total > done ? total : done;
    bool is_due = !progress->is_drawn || now - progress->drawn_at >= SEND_OUTPUT_PROGRESS_INTERVAL;
    if (known < SEND_OUTPUT_PROGRESS_MIN || !(is_due || done == total))
        return true;
    progress->is_drawn = true;
    progress->drawn_at = now;
    double mebibytes = (double)done / (1 << 20);
    if (total == 0) {
        fprintf(stderr, "\rsending %.1f MiB\033[K", mebibytes);
    } else {
        char bar[BAR_MAX + 1];
        size_t width = bar_width();
        size_t filled = (size_t)((double)done / (double)known * (double)width);
        memset(bar, '.', width);
        memset(bar, '#', filled);
        bar[width] = '\0';
        fprintf(stderr, "\rsending [%s] %3d%% of %.1f MiB\033[K", bar,
                (int)(100.0 * (double)done / (double)known), (double)known / (1 << 20));
    }
    fflush(stderr);
    return true;
}

void send_output_end_progress(struct send_progress *progress)
{
    if (progress->is_drawn)
        fputs("\r\033[K", stderr);
    progress->is_drawn = false;
}

/* ---- summary ---- */

/* "250 2.0.0 queued as 4711", a reply of several lines in one. */
static void append_reply(struct buffer *out, const struct ph_reply *reply)
{
    buffer_append_format(out, "%d ", reply->code);
    if (reply->enhanced[0] != 0)
        buffer_append_format(out, "%d.%d.%d ", reply->enhanced[0], reply->enhanced[1],
                             reply->enhanced[2]);
    for (size_t i = 0; reply->text != NULL && i < reply->text_length; i++)
        buffer_append_char(out, reply->text[i] == '\n' ? ' ' : reply->text[i]);
}

static const char *shown_reply(struct buffer *out, const struct ph_reply *reply)
{
    buffer_reset(out);
    append_reply(out, reply);
    const char *text = buffer_string(out);
    return text == NULL ? "a very long reply" : text;
}

void send_output_summary(const struct send_letter *letter, const struct ph_result *result,
                         const struct ph_error *error, bool is_quiet)
{
    AUTO(buffer)
    out = BUFFER(REPLY_SHOWN_MAX);
    for (size_t i = 0; i < result->recipient_count; i++) {
        const struct ph_recipient_result *recipient = &result->recipients[i];
        if (!recipient->is_accepted && recipient->reply.code >= 400)
            report_error("%s was refused: %s", letter->recipients[i],
                         shown_reply(&out, &recipient->reply));
        else if (!recipient->is_accepted && recipient->fate == PH_MAYBE_SENT)
            report_error("%s may have got it: the connection was lost before the verdict",
                         letter->recipients[i]);
    }
    if (error->kind != PH_OK) {
        report_error("%s", error->message);
        if (error->fate == PH_MAYBE_SENT)
            report_error("the message may have been sent: look before you send it again");
        return;
    }
    if (is_quiet)
        return;
    bool is_whole = result->accepted_count == result->recipient_count;
    char of[32] = "";
    if (!is_whole)
        snprintf(of, sizeof(of), " of %zu", result->recipient_count);
    const char *reply = result->reply.code == 0 ? "" : shown_reply(&out, &result->reply);
    report_news(is_whole ? REPORT_GREEN : REPORT_YELLOW, "sent to %zu%s recipient%s%s%s",
                result->accepted_count, of, result->recipient_count == 1 ? "" : "s",
                *reply == '\0' ? "" : ": ", reply);
}

/* ---- JSON ---- */

/* A JSON text may hold valid UTF-8 only; what a server sent may be anything. */
static json_t *text_value(const char *text, size_t length)
{
    if (text == NULL)
        return json_null();
    if (utf8_is_valid(bytes_of(text, length)))
        return json_stringn(text, length);
    AUTO(buffer)
    out = BUFFER(JSON_TEXT_MAX);
    struct bytes rest = bytes_of(text, length);
    while (rest.length > 0) {
        const char *start = rest.data;
        uint32_t code_point;
        if (utf8_next(&rest, &code_point)) {
            buffer_append(&out, bytes_of(start, (size_t)(rest.data - start)));
        } else {
            utf8_append(&out, 0xFFFD);
            rest = bytes_skip(rest, 1);
        }
    }
    return json_stringn(buffer_bytes(&out).data, out.length);
}

static json_t *string_value(const char *text)
{
    return text_value(text, text == NULL ? 0 : strlen(text));
}

static json_t *reply_value(int code, const unsigned short enhanced[3], const char *text,
                           size_t length)
{
    if (code == 0)
        return json_null();
    char status[24];
    snprintf(status, sizeof(status), "%d.%d.%d", enhanced[0], enhanced[1], enhanced[2]);
    return json_pack("{s:i, s:o, s:o}", "code", code, "enhanced",
                     string_value(enhanced[0] == 0 ? NULL : status), "text",
                     text_value(text, length));
}

static json_t *ph_reply_value(const struct ph_reply *reply)
{
    return reply_value(reply->code, reply->enhanced, reply->text, reply->text_length);
}

static const char *fate_name(enum ph_fate fate)
{
    switch (fate) {
    case PH_NOT_SENT:
        return "not sent";
    case PH_MAYBE_SENT:
        return "maybe sent";
    case PH_ACCEPTED:
        break;
    }
    return "accepted";
}

static json_t *error_value(const struct ph_error *error)
{
    if (error->kind == PH_OK)
        return json_null();
    return json_pack("{s:s, s:o, s:o, s:b, s:o, s:o}", "kind", ph_error_kind_name(error->kind),
                     "message", string_value(error->message), "verb",
                     string_value(error->verb[0] == '\0' ? NULL : error->verb), "retry",
                     error->retry, "reply",
                     reply_value(error->reply_code, error->reply_enhanced, error->reply_text,
                                 strlen(error->reply_text)),
                     "system_error",
                     string_value(error->system_error == 0 ? NULL : strerror(error->system_error)));
}

static json_t *recipients_value(const struct send_letter *letter, const struct ph_result *result)
{
    static const struct ph_recipient_result untold;
    json_t *list = json_array();
    for (size_t i = 0; i < letter->recipient_count; i++) {
        const struct ph_recipient_result *recipient =
            i < result->recipient_count ? &result->recipients[i] : &untold;
        json_array_append_new(
            list, json_pack("{s:o, s:b, s:s, s:o}", "address", string_value(letter->recipients[i]),
                            "accepted", recipient->is_accepted, "fate", fate_name(recipient->fate),
                            "reply", ph_reply_value(&recipient->reply)));
    }
    return list;
}

static json_t *dropped_value(unsigned dropped)
{
    static const struct {
        enum ph_extension extension;
        const char *name;
    } names[] = {
        {PH_EXTENSION_8BITMIME, "8BITMIME"},
        {PH_EXTENSION_SMTPUTF8, "SMTPUTF8"},
        {PH_EXTENSION_DSN, "DSN"},
        {PH_EXTENSION_REQUIRETLS, "REQUIRETLS"},
        {PH_EXTENSION_DELIVERBY, "DELIVERBY"},
        {PH_EXTENSION_FUTURERELEASE, "FUTURERELEASE"},
        {PH_EXTENSION_MT_PRIORITY, "MT-PRIORITY"},
        {PH_EXTENSION_BINARYMIME, "BINARYMIME"},
        {PH_EXTENSION_SIZE, "SIZE"},
    };
    json_t *list = json_array();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if ((dropped & names[i].extension) != 0)
            json_array_append_new(list, json_string(names[i].name));
    }
    return list;
}

/* Takes the value over. */
static bool print_json(json_t *value)
{
    if (value == NULL) {
        report_error("out of memory");
        return false;
    }
    json_dumpf(value, stdout, JSON_INDENT(2));
    json_decref(value);
    fputc('\n', stdout);
    return report_flush_output();
}

bool send_output_json(const char *server, const struct send_letter *letter,
                      const struct ph_result *result, const struct ph_error *error, int exit_code)
{
    size_t refused = 0;
    for (size_t i = 0; i < result->recipient_count; i++)
        refused += !result->recipients[i].is_accepted && result->recipients[i].reply.code >= 400;
    enum ph_fate fate = error->kind == PH_OK ? result->fate : error->fate;
    return print_json(json_pack(
        "{s:o, s:o, s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:i, s:s}", "server", string_value(server),
        "sender", string_value(letter->sender), "fate", fate_name(fate), "accepted",
        (json_int_t)result->accepted_count, "refused", (json_int_t)refused, "reply",
        ph_reply_value(&result->reply), "recipients", recipients_value(letter, result), "dropped",
        dropped_value(result->dropped), "error", error_value(error), "exit", exit_code, "exit_name",
        exit_code_name(exit_code)));
}

/* ---- dry run ---- */

/* A ph_message_sink: the message as text, so with the line ends of files. */
static bool write_piece(void *context, const char *piece, size_t length)
{
    FILE *file = context;
    struct bytes rest = bytes_of(piece, length);
    while (rest.length > 0) {
        struct bytes head;
        bytes_split(rest, '\r', &head, &rest);
        if (fwrite(head.data, 1, head.length, file) != head.length)
            return false;
    }
    return true;
}

static bool print_envelope_json(const char *server, const struct send_letter *letter)
{
    json_t *list = json_array();
    for (size_t i = 0; i < letter->recipient_count; i++)
        json_array_append_new(list, string_value(letter->recipients[i]));
    return print_json(json_pack("{s:b, s:o, s:o, s:o}", "dry_run", 1, "server",
                                string_value(server), "sender", string_value(letter->sender),
                                "recipients", list));
}

int send_output_dry_run(const char *server, const struct send_letter *letter, bool as_json,
                        bool is_quiet)
{
    struct ph_error error;
    if (as_json)
        return print_envelope_json(server, letter) ? EX_OK : EX_IOERR;
    if (!is_quiet) {
        printf("MAIL FROM:<%s>\n", letter->sender);
        for (size_t i = 0; i < letter->recipient_count; i++)
            printf("RCPT TO:<%s>\n", letter->recipients[i]);
        printf("\n");
    }
    struct ph_rendering rendering = {.utf8 = ph_message_needs_utf8(letter->message)};
    if (!ph_message_write(letter->message, &rendering, write_piece, stdout, &error)) {
        if (report_flush_output())
            report_error("%s", error.message);
        return ferror(stdout) ? EX_IOERR : exit_code_of_error(&error, NULL);
    }
    return report_flush_output() ? EX_OK : EX_IOERR;
}
