/* Plain words, in English. */
#include "delivery/report_text.h"

#include "delivery/report_reason.h"
#include "delivery/report_status.h"
#include "delivery/report_word.h"
#include "mail/date.h"
#include "mail/header.h"
#include "mail/message_text.h"

enum {
    SUBJECT_MAX = 200, /* bytes of the letter's subject that are shown */
    SAID_MAX = 1000,   /* bytes of a reply */
    ADDRESS_MAX = 600, /* bytes of an address */
    VALUE_MAX = 64 * 1024,
    INDENT = 4
};

#define MICROSECONDS 1000000
#define HOUR         (INT64_C(3600) * MICROSECONDS)

static bool find_value(const struct report *report, struct bytes name, struct header_field *field)
{
    struct bytes section;
    struct bytes body;
    if (!header_split(report->content, true, &section, &body))
        section = report->content;
    return header_find(section, name, field);
}

void report_text_letter_subject(const struct report *report, struct buffer *out)
{
    struct header_field field;
    if (!find_value(report, BYTES("Subject"), &field))
        return;
    AUTO(buffer)
    decoded = BUFFER(4 * VALUE_MAX);
    message_text_decode_words(bytes_slice(field.value, 0, VALUE_MAX), &decoded);
    if (buffer_is_failed(&decoded))
        buffer_fail(out);
    report_word_clean(buffer_bytes(&decoded), SUBJECT_MAX, true, out);
}

static bool has_action(const struct report *report, enum report_action action)
{
    for (size_t i = 0; i < report->recipient_count; i++)
        if (report->recipients[i].action == action)
            return true;
    return false;
}

const char *report_text_title(const struct report *report)
{
    if (has_action(report, REPORT_FAILED))
        return "Not delivered";
    if (has_action(report, REPORT_DELAYED))
        return "Not delivered yet";
    return has_action(report, REPORT_DELIVERED) ? "Delivered" : "Passed on";
}

/* A paragraph of text of any bytes. */
static void write_words(struct bytes text, size_t indent, struct buffer *out)
{
    AUTO(buffer)
    clean = BUFFER(VALUE_MAX);
    report_word_clean(text, SAID_MAX, true, &clean);
    if (buffer_is_failed(&clean))
        buffer_fail(out);
    report_word_paragraph(buffer_bytes(&clean), indent, out);
}

static void write_string(const char *text, struct buffer *out)
{
    write_words(bytes_from_string(text), 0, out);
}

static void end_paragraph(struct buffer *out)
{
    buffer_append_string(out, "\r\n");
}

/* The address, and the one that the sender had written where that is another. */
static void write_address(const struct report_recipient *recipient, struct buffer *out)
{
    AUTO(buffer)
    line = BUFFER(VALUE_MAX);
    struct bytes type;
    struct bytes original;
    report_word_clean(recipient->address, ADDRESS_MAX, true, &line);
    if (bytes_split(recipient->original_recipient, ';', &type, &original) &&
        !bytes_equal_ignoring_case(bytes_trim(original), recipient->address)) {
        buffer_append_string(&line, " (to whom letters for ");
        report_word_clean(bytes_trim(original), ADDRESS_MAX, true, &line);
        buffer_append_string(&line, " go)");
    }
    if (buffer_is_failed(&line))
        buffer_fail(out);
    report_word_paragraph(buffer_bytes(&line), INDENT, out);
    end_paragraph(out);
}

/* "for 5 days" */
static void append_span(int64_t span, struct buffer *out)
{
    int64_t hours = (span + HOUR / 2) / HOUR;
    if (hours < 2)
        buffer_append_string(out, "for an hour");
    else if (hours < 48)
        buffer_append_format(out, "for %d hours", (int)hours);
    else
        buffer_append_format(out, "for %lld days", (long long)((hours + 12) / 24));
}

/* What would be a refusal for good is greylisting or the like while it lasts. */
static bool is_put_off(const struct report_recipient *recipient)
{
    return recipient->action == REPORT_DELAYED &&
           bytes_starts_with(report_status_code(recipient), BYTES("4.7."));
}

/* The reason in our words, and that in those of the far end. */
static void write_reason(const struct report *report, const struct report_recipient *recipient,
                         const struct report_reason *reason, struct buffer *out)
{
    AUTO(buffer)
    line = BUFFER(VALUE_MAX);
    int64_t span = report->now - report->arrived;
    if (recipient->action == REPORT_FAILED && report_status_code(recipient).data[0] == '4' &&
        span >= HOUR) {
        buffer_append_string(&line, "It was tried ");
        append_span(span, &line);
        buffer_append_string(&line, " in vain. ");
    }
    buffer_append_string(&line, is_put_off(recipient)
                                    ? "The far host puts off letters that it does not know yet, or "
                                      "has too many of; that is nothing unusual."
                                    : reason->what);
    if (recipient->text.length > 0 || recipient->code != 0) {
        if (recipient->host.length > 0) {
            buffer_append_char(&line, ' ');
            report_word_clean(recipient->host, ADDRESS_MAX, true, &line);
            buffer_append_string(&line, " said:");
        } else {
            buffer_append_string(&line, " More exactly:");
        }
    }
    if (buffer_is_failed(&line))
        buffer_fail(out);
    report_word_paragraph(buffer_bytes(&line), 0, out);
    end_paragraph(out);
}

static void write_reply(const struct report_recipient *recipient, struct buffer *out)
{
    AUTO(buffer)
    said = BUFFER(VALUE_MAX);
    if (recipient->code != 0)
        report_status_reply(recipient, &said);
    else
        buffer_append(&said, bytes_slice(recipient->text, 0, SAID_MAX));
    if (buffer_is_failed(&said))
        buffer_fail(out);
    if (said.length == 0)
        return;
    write_words(buffer_bytes(&said), INDENT, out);
    end_paragraph(out);
}

static void write_until(int64_t until, struct buffer *out)
{
    AUTO(buffer)
    line = BUFFER(VALUE_MAX);
    buffer_append_string(&line, "You need not do anything: it will be tried");
    if (until != 0) {
        buffer_append_string(&line, " until ");
        date_write(&line, until / MICROSECONDS, 0, NULL);
        buffer_append_string(&line, ", and if that is in vain you will be told.");
    } else {
        buffer_append_string(&line, " again.");
    }
    if (buffer_is_failed(&line))
        buffer_fail(out);
    report_word_paragraph(buffer_bytes(&line), 0, out);
    end_paragraph(out);
}

static void write_trouble(const struct report *report, const struct report_recipient *recipient,
                          struct buffer *out)
{
    const struct report_reason *reason = report_reason_find(report_status_code(recipient));
    write_address(recipient, out);
    write_reason(report, recipient, reason, out);
    write_reply(recipient, out);
    if (recipient->action == REPORT_DELAYED) {
        write_until(recipient->will_retry_until, out);
    } else {
        write_string(reason->advice, out);
        end_paragraph(out);
    }
}

/* All recipients that fared so. */
static void write_group(const struct report *report, enum report_action action, struct buffer *out)
{
    static const char *const headings[] = {
        [REPORT_FAILED] = "Your letter could not be delivered to:",
        [REPORT_DELAYED] = "Your letter has not been delivered yet to:",
        [REPORT_DELIVERED] = "Your letter was put into the mailbox of:",
        [REPORT_RELAYED] = "Your letter was taken by the next mail server, which sends no reports "
                           "of its own, so that you will hear no more of it unless something goes "
                           "wrong, for:",
        [REPORT_EXPANDED] = "Your letter was handed on to everybody behind the address:",
    };
    if (!has_action(report, action))
        return;
    write_string(headings[action], out);
    end_paragraph(out);
    for (size_t i = 0; i < report->recipient_count; i++) {
        const struct report_recipient *recipient = &report->recipients[i];
        if (recipient->action != action)
            continue;
        if (action == REPORT_FAILED || action == REPORT_DELAYED)
            write_trouble(report, recipient, out);
        else
            write_address(recipient, out);
    }
}

/* "    Name: value", when there is one. */
static void write_letter_line(const char *name, struct bytes value, struct buffer *out)
{
    AUTO(buffer)
    line = BUFFER(VALUE_MAX);
    if (value.length == 0)
        return;
    buffer_append_string(&line, name);
    buffer_append_string(&line, ": ");
    report_word_clean(value, SAID_MAX, true, &line);
    if (buffer_is_failed(&line))
        buffer_fail(out);
    report_word_paragraph(buffer_bytes(&line), INDENT, out);
}

static void write_letter(const struct report *report, struct buffer *out)
{
    AUTO(buffer)
    value = BUFFER(VALUE_MAX);
    struct header_field id;
    write_string("The letter was:", out);
    end_paragraph(out);
    report_text_letter_subject(report, &value);
    write_letter_line("Subject", buffer_bytes(&value), out);
    buffer_reset(&value);
    if (date_write(&value, report->arrived / MICROSECONDS, 0, NULL))
        write_letter_line("Came in", buffer_bytes(&value), out);
    if (find_value(report, BYTES("Message-ID"), &id))
        write_letter_line("Message-ID", id.value, out);
    if (buffer_is_failed(&value))
        buffer_fail(out);
    end_paragraph(out);
}

void report_text_write(const struct report *report, struct buffer *out)
{
    for (int action = REPORT_FAILED; action <= REPORT_EXPANDED; action++)
        write_group(report, (enum report_action)action, out);
    write_letter(report, out);
    AUTO(buffer)
    end = BUFFER(VALUE_MAX);
    buffer_append_format(&end,
                         "This report was written by the mail server %s itself. What follows is "
                         "the same for programs, and what is returned of the letter.",
                         report->reporter);
    if (buffer_is_failed(&end))
        buffer_fail(out);
    report_word_paragraph(buffer_bytes(&end), 0, out);
}
