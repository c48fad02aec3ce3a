/* Each value is cleaned before it is folded into its field. */
#include "delivery/report_status.h"

#include "base/utf8.h"
#include "delivery/report_word.h"
#include "mail/date.h"
#include "mail/header_writer.h"
#include "delivery/report_reason.h"

enum {
    VALUE_MAX = 2048, /* bytes of a value that is shown */
    DATE_SIZE = 64
};

#define MICROSECONDS 1000000

struct bytes report_status_code(const struct report_recipient *recipient)
{
    if (report_reason_is_status(recipient->status))
        return recipient->status;
    switch (recipient->action) {
    case REPORT_FAILED:
        return BYTES("5.0.0");
    case REPORT_DELAYED:
        return BYTES("4.0.0");
    case REPORT_DELIVERED:
    case REPORT_RELAYED:
    case REPORT_EXPANDED:
        break;
    }
    return BYTES("2.0.0");
}

struct status_writer {
    struct buffer *out;
    bool is_utf8;
    struct fault *fault;
};

/* Ends a field whose words were written. */
static bool end_field(struct header_writer *field, const struct buffer *value, struct fault *fault)
{
    if (buffer_is_failed(value))
        return fault_set_memory(fault);
    return header_writer_end(field, fault);
}

/* "Name: type; text", without the type when it is empty. */
static bool write_field(const struct status_writer *writer, struct bytes name, struct bytes type,
                        struct bytes text)
{
    AUTO(buffer)
    value = BUFFER(2 * VALUE_MAX);
    if (type.length > 0) {
        buffer_append(&value, type);
        buffer_append_string(&value, "; ");
    }
    report_word_clean(text, VALUE_MAX, writer->is_utf8, &value);
    struct header_writer field;
    header_writer_begin(&field, writer->out, name);
    report_word_write(&field, BYTES(" "), buffer_bytes(&value));
    return end_field(&field, &value, writer->fault);
}

static bool write_date(const struct status_writer *writer, struct bytes name, int64_t microseconds)
{
    AUTO(buffer)
    date = BUFFER(DATE_SIZE);
    if (!date_write(&date, microseconds / MICROSECONDS, 0, writer->fault))
        return false;
    return write_field(writer, name, BYTES(""), buffer_bytes(&date));
}

/* RFC 6533 3: utf-8-addr-xtext, which is ASCII. */
static void append_in_ascii(struct bytes address, struct buffer *out)
{
    while (address.length > 0) {
        uint32_t c;
        if (!utf8_next(&address, &c)) {
            address = bytes_skip(address, 1);
            c = '?';
        }
        if (c > ' ' && c < 127 && c != '\\' && c != '+' && c != '=')
            buffer_append_char(out, (char)c);
        else
            buffer_append_format(out, "\\x{%02X}", (unsigned)c);
    }
}

/* An address stays as it is, blanks and all; what could break out of the field is "?". */
static void append_address(struct bytes address, struct buffer *out)
{
    for (size_t i = 0; i < address.length; i++) {
        unsigned char c = (unsigned char)address.data[i];
        buffer_append_char(out, c < ' ' || c == 127 ? '?' : (char)c);
    }
}

static bool write_address(const struct status_writer *writer, struct bytes name, struct bytes type,
                          struct bytes address)
{
    AUTO(buffer)
    value = BUFFER(8 * VALUE_MAX);
    address = bytes_slice(address, 0, VALUE_MAX);
    bool is_ascii = bytes_is_ascii(address);
    bool is_shown = is_ascii || (writer->is_utf8 && utf8_is_valid(address));
    /* RFC 6533 3: an address beyond ASCII is of the type utf-8. */
    report_word_clean(is_ascii ? type : BYTES("utf-8"), VALUE_MAX, false, &value);
    buffer_append_char(&value, ';');
    struct header_writer field;
    header_writer_begin(&field, writer->out, name);
    header_writer_word(&field, BYTES(" "), buffer_bytes(&value));
    buffer_reset(&value);
    if (is_shown)
        append_address(address, &value);
    else
        append_in_ascii(address, &value);
    if (value.length > 0)
        header_writer_word(&field, BYTES(" "), bytes_slice(buffer_bytes(&value), 0, 900));
    return end_field(&field, &value, writer->fault);
}

/* RFC 3461 6.3 (d): as the sender gave it. */
static bool write_original(const struct status_writer *writer, struct bytes original)
{
    struct bytes type;
    struct bytes address;
    if (!bytes_split(original, ';', &type, &address) || bytes_trim(type).length == 0)
        return true;
    return write_address(writer, BYTES("Original-Recipient"), bytes_trim(type),
                         bytes_trim(address));
}

/* RFC 3461 9.2: what the far end said is of the type smtp; what only we know is not. */
static bool write_diagnostic(const struct status_writer *writer,
                             const struct report_recipient *recipient)
{
    struct bytes name = BYTES("Diagnostic-Code");
    if (recipient->code == 0)
        return recipient->text.length == 0 ||
               write_field(writer, name, BYTES("x-posthorn"), recipient->text);
    AUTO(buffer)
    said = BUFFER(2 * VALUE_MAX);
    report_status_reply(recipient, &said);
    if (buffer_is_failed(&said))
        return fault_set_memory(writer->fault);
    return write_field(writer, name, BYTES("smtp"), buffer_bytes(&said));
}

void report_status_reply(const struct report_recipient *recipient, struct buffer *out)
{
    struct bytes status = recipient->status;
    struct bytes text = bytes_slice(recipient->text, 0, VALUE_MAX);
    bool has_status = report_reason_is_status(status) &&
                      status.data[0] - '0' == recipient->code / 100 &&
                      !bytes_starts_with(text, status);
    buffer_append_format(out, "%03d", recipient->code % 1000);
    if (has_status) {
        buffer_append_char(out, ' ');
        buffer_append(out, status);
    }
    buffer_append_char(out, ' ');
    buffer_append(out, text);
}

static struct bytes action_word(enum report_action action)
{
    static const struct bytes words[] = {
        [REPORT_FAILED] = BYTES_INIT("failed"),       [REPORT_DELAYED] = BYTES_INIT("delayed"),
        [REPORT_DELIVERED] = BYTES_INIT("delivered"), [REPORT_RELAYED] = BYTES_INIT("relayed"),
        [REPORT_EXPANDED] = BYTES_INIT("expanded"),
    };
    return words[action];
}

/* RFC 3464 2.3 */
static bool write_recipient(const struct status_writer *writer,
                            const struct report_recipient *recipient)
{
    bool is_good = recipient->action >= REPORT_DELIVERED;
    struct bytes none = BYTES("");
    return write_original(writer, recipient->original_recipient) &&
           write_address(writer, BYTES("Final-Recipient"), BYTES("rfc822"), recipient->address) &&
           write_field(writer, BYTES("Action"), none, action_word(recipient->action)) &&
           write_field(writer, BYTES("Status"), none, report_status_code(recipient)) &&
           (recipient->host.length == 0 ||
            write_field(writer, BYTES("Remote-MTA"), BYTES("dns"), recipient->host)) &&
           ((is_good && recipient->code == 0) || write_diagnostic(writer, recipient)) &&
           (recipient->last_attempt == 0 ||
            write_date(writer, BYTES("Last-Attempt-Date"), recipient->last_attempt)) &&
           /* RFC 3464 2.3.9: in no other reports. */
           (recipient->action != REPORT_DELAYED || recipient->will_retry_until == 0 ||
            write_date(writer, BYTES("Will-Retry-Until"), recipient->will_retry_until));
}

/* RFC 3464 2.2.1: case and spelling are the sender's, blanks included. */
static bool write_envelope_id(const struct status_writer *writer, struct bytes id)
{
    struct bytes name = BYTES("Original-Envelope-Id");
    if (id.length == 0)
        return true;
    if (bytes_has_control(id) || id.length > VALUE_MAX / 4 ||
        !(bytes_is_ascii(id) || (writer->is_utf8 && utf8_is_valid(id))))
        return write_field(writer, name, BYTES(""), id);
    struct header_writer field;
    header_writer_begin(&field, writer->out, name);
    header_writer_word(&field, BYTES(" "), id);
    return header_writer_end(&field, writer->fault);
}

bool report_status_write(const struct report *report, struct buffer *out, struct fault *fault)
{
    const struct status_writer writer = {out, report->is_utf8, fault};
    if (!write_envelope_id(&writer, report->envelope_id) ||
        !write_field(&writer, BYTES("Reporting-MTA"), BYTES("dns"),
                     bytes_from_string(report->reporter)) ||
        !write_date(&writer, BYTES("Arrival-Date"), report->arrived))
        return false;
    for (size_t i = 0; i < report->recipient_count; i++) {
        buffer_append_string(out, "\r\n");
        if (!write_recipient(&writer, &report->recipients[i]))
            return false;
    }
    return !buffer_is_failed(out) || fault_set_memory(fault);
}
