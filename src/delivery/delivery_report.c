/* The message around a report: multipart/report (RFC 6522) of a text, the status and what is
 * returned of the letter. */
#include "delivery/delivery_report.h"

#include <inttypes.h>
#include <stdio.h>

#include <posthorn/transaction.h>

#include "base/utf8.h"
#include "delivery/report_status.h"
#include "delivery/report_text.h"
#include "mail/address.h"
#include "mail/date.h"
#include "mail/encoded_word.h"
#include "mail/header.h"
#include "mail/header_writer.h"
#include "mail/message_id.h"
#include "mail/transfer_encoding.h"

enum {
    BOUNDARY_SIZE = 64,
    WORD_MAX = 1024,
    SUBJECT_SIZE = 1024,
    REFERENCES_MAX = 20,   /* ids of References */
    HEADER_MAX = 64 * 1024 /* bytes of the letter's header that are returned */
};

#define MICROSECONDS 1000000

bool delivery_report_is_wanted(struct bytes sender, unsigned notify, enum report_action action)
{
    if (sender.length == 0 || (notify & PH_NOTIFY_NEVER) != 0)
        return false;
    switch (action) {
    case REPORT_FAILED:
        return notify == PH_NOTIFY_DEFAULT || (notify & PH_NOTIFY_FAILURE) != 0;
    case REPORT_DELAYED:
        return notify == PH_NOTIFY_DEFAULT || (notify & PH_NOTIFY_DELAY) != 0;
    case REPORT_DELIVERED:
    case REPORT_RELAYED:
    case REPORT_EXPANDED:
        break;
    }
    return (notify & PH_NOTIFY_SUCCESS) != 0;
}

/* ---- what is returned ---- */

enum part_kind {
    PART_TEXT,
    PART_STATUS,
    PART_LETTER,
    PART_LETTER_HEADER
};

/* One part: what it holds and how it travels. */
struct report_part {
    enum part_kind kind;
    struct bytes content;
    bool is_global; /* needs the types of RFC 6533 */
};

struct report_writer {
    const struct report *report;
    struct buffer *out;
    struct fault *fault;
    bool needs_utf8; /* the sender's address is beyond ASCII: 8 bits go all the way (RFC 6531) */
    char boundary[BOUNDARY_SIZE];
    struct buffer text;
    struct buffer status;
    struct buffer header;
    struct report_part letter;
};

static bool has_failure(const struct report *report)
{
    for (size_t i = 0; i < report->recipient_count; i++)
        if (report->recipients[i].action == REPORT_FAILED)
            return true;
    return false;
}

/* The header of the letter, whole fields up to HEADER_MAX, in lines that end with CRLF. */
static struct bytes take_header(const struct report *report, struct buffer *out)
{
    struct bytes rest = report->content;
    struct header_field field;
    while (header_next(&rest, &field) && out->length + 2 * field.raw.length <= HEADER_MAX &&
           !bytes_has_char(field.raw, '\0')) {
        /* What was cut off within a field is none. */
        if (rest.length == 0 && !report->is_content_whole && out->length > 0)
            break;
        header_append_lines(field.raw, out);
    }
    return buffer_bytes(out);
}

/* RFC 3461 4.3, 6.2: the whole only of letters that were not delivered. */
static void choose_letter(struct report_writer *writer)
{
    const struct report *report = writer->report;
    bool is_whole = report->returns_full && report->is_content_whole && has_failure(report) &&
                    report->content.length <= REPORT_RETURN_MAX &&
                    !bytes_has_char(report->content, '\0');
    struct report_part *part = &writer->letter;
    part->kind = is_whole ? PART_LETTER : PART_LETTER_HEADER;
    struct bytes header = take_header(report, &writer->header);
    part->content = is_whole ? report->content : header;
    /* RFC 6532 3.7: of a letter without UTF-8 in its header the older types will do. */
    part->is_global = report->is_utf8 && !bytes_is_ascii(header) && utf8_is_valid(header);
}

/* ---- parts ---- */

static void write_line(struct report_writer *writer, const char *line)
{
    buffer_append_string(writer->out, line);
    buffer_append_string(writer->out, "\r\n");
}

static const char *type_of(const struct report_part *part)
{
    bool is_ascii = bytes_is_ascii(part->content);
    switch (part->kind) {
    case PART_TEXT:
        return is_ascii ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8";
    case PART_STATUS:
        return part->is_global ? "message/global-delivery-status" : "message/delivery-status";
    case PART_LETTER:
        return part->is_global ? "message/global" : "message/rfc822";
    case PART_LETTER_HEADER:
        break;
    }
    if (part->is_global)
        return "message/global-headers";
    if (is_ascii)
        return "text/rfc822-headers";
    /* RFC 6522 4; RFC 1428 for what nobody can tell. */
    return utf8_is_valid(part->content) ? "text/rfc822-headers; charset=utf-8"
                                        : "text/rfc822-headers; charset=unknown-8bit";
}

static enum transfer_encoding encoding_of(const struct report_writer *writer,
                                          const struct report_part *part)
{
    if (bytes_is_ascii(part->content))
        return TRANSFER_AS_IS;
    /* RFC 2046 5.2.1: message/rfc822 is never encoded; RFC 6533 4.5: the global types are, where a
       host on the way back may take 7 bits only. */
    if ((part->kind == PART_LETTER && !part->is_global) || (writer->needs_utf8 && part->is_global))
        return TRANSFER_8BIT;
    if (part->kind == PART_TEXT)
        return TRANSFER_QUOTED_PRINTABLE;
    struct transfer_analysis analysis = {0};
    transfer_encoding_analyse(&analysis, part->content);
    return transfer_encoding_choose(&analysis, false);
}

static void write_part(struct report_writer *writer, const struct report_part *part)
{
    static const char *const descriptions[] = {
        [PART_TEXT] = "What happened",
        [PART_STATUS] = "The same for programs",
        [PART_LETTER] = "Your letter",
        [PART_LETTER_HEADER] = "The header of your letter",
    };
    enum transfer_encoding encoding = encoding_of(writer, part);
    buffer_append_format(writer->out, "\r\n--%s\r\n", writer->boundary);
    buffer_append_format(writer->out, "Content-Description: %s\r\n", descriptions[part->kind]);
    buffer_append_format(writer->out, "Content-Type: %s\r\n", type_of(part));
    if (encoding != TRANSFER_AS_IS)
        buffer_append_format(writer->out, "Content-Transfer-Encoding: %s\r\n",
                             transfer_encoding_name(encoding));
    write_line(writer, "");
    struct transfer_encoder encoder;
    transfer_encoding_begin(&encoder, encoding == TRANSFER_8BIT ? TRANSFER_AS_IS : encoding);
    transfer_encoding_feed(&encoder, part->content, writer->out);
    transfer_encoding_finish(&encoder, writer->out);
}

/* ---- the header of the report ---- */

static bool write_field(struct report_writer *writer, struct bytes name, struct bytes value)
{
    struct header_writer field;
    header_writer_begin(&field, writer->out, name);
    header_writer_word(&field, BYTES(" "), value);
    return header_writer_end(&field, writer->fault);
}

static bool write_to(struct report_writer *writer)
{
    struct address address;
    AUTO(buffer)
    word = BUFFER(WORD_MAX);
    if (!address_parse(writer->report->sender, &address, writer->fault) ||
        !address_print_wire(&address, &word, &writer->needs_utf8, writer->fault))
        return false;
    return write_field(writer, BYTES("To"), buffer_bytes(&word));
}

static bool write_subject(struct report_writer *writer)
{
    AUTO(buffer)
    subject = BUFFER(SUBJECT_SIZE);
    buffer_append_string(&subject, report_text_title(writer->report));
    buffer_append_string(&subject, ": ");
    size_t length = subject.length;
    report_text_letter_subject(writer->report, &subject);
    if (subject.length == length)
        buffer_append_string(&subject, "(no subject)");
    if (buffer_is_failed(&subject))
        return fault_set_memory(writer->fault);
    struct header_writer field;
    header_writer_begin(&field, writer->out, BYTES("Subject"));
    encoded_word_write_text(&field, buffer_bytes(&subject), false);
    return header_writer_end(&field, writer->fault);
}

/* RFC 5322 3.6.4: the ids that the letter referred to, and its own. */
static bool write_references(struct report_writer *writer)
{
    struct bytes section = writer->report->content;
    struct header_field own;
    struct header_field references;
    struct bytes id;
    struct bytes ids[REFERENCES_MAX];
    size_t count = 0;
    if (!header_find(section, BYTES("Message-ID"), &own) || !message_id_take(&own.value, &id) ||
        !message_id_is_valid(id) || !bytes_is_ascii(id))
        return true;
    if (!write_field(writer, BYTES("In-Reply-To"), id))
        return false;
    if (header_find(section, BYTES("References"), &references)) {
        struct bytes before;
        while (count < REFERENCES_MAX - 1 && message_id_take(&references.value, &before))
            if (message_id_is_valid(before) && bytes_is_ascii(before))
                ids[count++] = before;
    }
    ids[count++] = id;
    struct header_writer field;
    header_writer_begin(&field, writer->out, BYTES("References"));
    for (size_t i = 0; i < count; i++)
        header_writer_word(&field, BYTES(" "), ids[i]);
    return header_writer_end(&field, writer->fault);
}

static bool write_dates(struct report_writer *writer)
{
    const struct report *report = writer->report;
    AUTO(buffer)
    word = BUFFER(WORD_MAX);
    if (!date_write(&word, report->now / MICROSECONDS, 0, writer->fault) ||
        !write_field(writer, BYTES("Date"), buffer_bytes(&word)))
        return false;
    buffer_reset(&word);
    buffer_append_format(&word, "<%016" PRIx64 ".report@%s>", (uint64_t)report->id,
                         report->reporter);
    return !buffer_is_failed(&word) ? write_field(writer, BYTES("Message-ID"), buffer_bytes(&word))
                                    : fault_set_memory(writer->fault);
}

static bool write_header(struct report_writer *writer)
{
    buffer_append_format(writer->out, "From: Mail Delivery System <MAILER-DAEMON@%s>\r\n",
                         writer->report->reporter);
    if (!write_to(writer) || !write_subject(writer) || !write_dates(writer) ||
        !write_references(writer))
        return false;
    write_line(writer, "Auto-Submitted: auto-replied"); /* RFC 3834 5 */
    write_line(writer, "MIME-Version: 1.0");
    buffer_append_format(writer->out,
                         "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                         " boundary=\"%s\"\r\n",
                         writer->boundary);
    return true;
}

/* A boundary that is nowhere in what the parts hold. */
static void choose_boundary(struct report_writer *writer)
{
    for (unsigned number = 0;; number++) {
        int length = snprintf(writer->boundary, sizeof(writer->boundary), "=_%016" PRIx64 ".%u",
                              (uint64_t)writer->report->id, number);
        struct bytes boundary = bytes_of(writer->boundary, (size_t)length);
        if (bytes_find(writer->letter.content, boundary) == BYTES_NOT_FOUND &&
            bytes_find(buffer_bytes(&writer->text), boundary) == BYTES_NOT_FOUND &&
            bytes_find(buffer_bytes(&writer->status), boundary) == BYTES_NOT_FOUND)
            return;
    }
}

static bool write_all(struct report_writer *writer)
{
    report_text_write(writer->report, &writer->text);
    if (!report_status_write(writer->report, &writer->status, writer->fault))
        return false;
    choose_letter(writer);
    if (buffer_is_failed(&writer->text) || buffer_is_failed(&writer->header))
        return fault_set_memory(writer->fault);
    choose_boundary(writer);
    if (!write_header(writer))
        return false;
    const struct report_part text = {.kind = PART_TEXT, .content = buffer_bytes(&writer->text)};
    const struct report_part status = {.kind = PART_STATUS,
                                       .content = buffer_bytes(&writer->status),
                                       .is_global = !bytes_is_ascii(buffer_bytes(&writer->status))};
    if (writer->letter.kind == PART_LETTER && !bytes_is_ascii(writer->letter.content))
        write_line(writer, "Content-Transfer-Encoding: 8bit");
    write_part(writer, &text);
    write_part(writer, &status);
    write_part(writer, &writer->letter);
    buffer_append_format(writer->out, "\r\n--%s--\r\n", writer->boundary);
    return true;
}

bool delivery_report_write(const struct report *report, struct buffer *out, struct fault *fault)
{
    AUTO(buffer)
    message = BUFFER(REPORT_SIZE_MAX);
    struct report_writer writer = {.report = report,
                                   .out = &message,
                                   .fault = fault,
                                   .text = BUFFER(REPORT_SIZE_MAX),
                                   .status = BUFFER(REPORT_SIZE_MAX),
                                   .header = BUFFER(HEADER_MAX)};
    bool is_written = write_all(&writer);
    buffer_clear(&writer.text);
    buffer_clear(&writer.status);
    buffer_clear(&writer.header);
    if (!is_written)
        return false;
    if (buffer_is_failed(&message))
        return fault_set(fault, FAULT_LIMIT, "a report is larger than %d bytes, or memory ran out",
                         (int)REPORT_SIZE_MAX);
    buffer_append(out, buffer_bytes(&message));
    return !buffer_is_failed(out) || fault_set_memory(fault);
}
