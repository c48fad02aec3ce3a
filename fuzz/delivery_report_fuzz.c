/* Reports. Laws: whatever peers and senders said, a report is a message of three parts, in lines
 * that fit, 7-bit unless UTF-8 or the letter wants more; its status has the fields that it should
 * and no others; and nothing in the text for people can disturb a terminal. */
#include <stdint.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "base/utf8.h"
#include "delivery/delivery_report.h"
#include "delivery/report_status.h"
#include "delivery/report_text.h"
#include "mail/message_header.h"
#include "mail/message_parser.h"
#include "mail/message_structure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    LINE_MAX_LENGTH = 998
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

/* The next value of the input: up to a line of one dot, or all that is left. */
static struct bytes take(struct bytes *rest)
{
    size_t end = bytes_find(*rest, BYTES("\n.\n"));
    struct bytes value = bytes_slice(*rest, 0, end);
    *rest = end == BYTES_NOT_FOUND ? (struct bytes){rest->data, 0} : bytes_skip(*rest, end + 3);
    return value;
}

static void expect_lines(struct bytes text)
{
    expect(text.length > 0 && bytes_ends_with(text, BYTES("\r\n")));
    while (text.length > 0) {
        size_t end = bytes_find(text, BYTES("\r\n"));
        struct bytes line = bytes_slice(text, 0, end);
        expect(line.length <= LINE_MAX_LENGTH && !bytes_has_control(line));
        text = bytes_skip(text, end + 2);
    }
}

static bool is_known(struct bytes name)
{
    static const struct bytes names[] = {
        BYTES_INIT("Original-Envelope-Id"),
        BYTES_INIT("Reporting-MTA"),
        BYTES_INIT("Arrival-Date"),
        BYTES_INIT("Original-Recipient"),
        BYTES_INIT("Final-Recipient"),
        BYTES_INIT("Action"),
        BYTES_INIT("Status"),
        BYTES_INIT("Remote-MTA"),
        BYTES_INIT("Diagnostic-Code"),
        BYTES_INIT("Last-Attempt-Date"),
        BYTES_INIT("Will-Retry-Until"),
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (bytes_equal(name, names[i]))
            return true;
    return false;
}

static void check_status(const struct report *report)
{
    AUTO(buffer)
    out = BUFFER(REPORT_SIZE_MAX);
    expect(report_status_write(report, &out, NULL));
    struct bytes rest = buffer_bytes(&out);
    expect_lines(rest);
    expect(report->is_utf8 ? utf8_is_valid(rest) : bytes_is_ascii(rest));
    size_t groups = 1;
    size_t statuses = 0;
    while (rest.length > 0) {
        struct message_header_field field;
        if (!message_header_next(&rest, &field)) {
            expect(bytes_starts_with(rest, BYTES("\r\n")));
            rest = bytes_skip(rest, 2);
            groups++;
            continue;
        }
        expect(is_known(field.name));
        statuses += bytes_equal(field.name, BYTES("Status"));
    }
    expect(groups == report->recipient_count + 1 && statuses == report->recipient_count);
}

static void check_text(const struct report *report)
{
    AUTO(buffer)
    out = BUFFER(REPORT_SIZE_MAX);
    report_text_write(report, &out);
    expect(!buffer_is_failed(&out) && utf8_is_valid(buffer_bytes(&out)));
    for (size_t i = 0; i < out.length; i++) {
        unsigned char c = (unsigned char)buffer_bytes(&out).data[i];
        expect((c >= ' ' && c != 127) || c == '\r' || c == '\n');
    }
}

static void check_message(const struct report *report)
{
    AUTO(buffer)
    out = BUFFER(REPORT_SIZE_MAX);
    expect(delivery_report_write(report, &out, NULL));
    struct message_parsed parsed;
    struct message_structure_part message;
    struct message_structure_part part;
    struct message_parser *parser = message_parser_new(NULL);
    expect(parser != NULL && message_parser_feed(parser, buffer_bytes(&out), NULL) &&
           message_parser_finish(parser, &parsed, NULL));
    expect_lines(parsed.header);
    expect(bytes_is_ascii(parsed.header) && parsed.has_date && parsed.has_message_id);
    expect(!parsed.has_8bit || !bytes_is_ascii(report->content));
    expect(message_structure_read(parsed.structure, &message, NULL));
    size_t count = 0;
    while (message.parts.length > 0) {
        expect(message_structure_next_part(&message.parts, &part, NULL));
        count++;
    }
    expect(count == 3);
    message_parser_free(parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct bytes rest = bytes_of(data + 1, size - 1);
    struct report_recipient recipients[2] = {
        {.action = (enum report_action)(data[0] % 5), .code = data[0] * 3},
        {.action = (enum report_action)(data[0] / 5 % 5), .will_retry_until = data[0]},
    };
    struct report report = {.id = 1,
                            .reporter = "mx.home.example",
                            .sender = BYTES("ann@home.example"),
                            .returns_full = (data[0] & 1) != 0,
                            .is_utf8 = (data[0] & 2) != 0,
                            .is_content_whole = (data[0] & 4) != 0,
                            .recipients = recipients,
                            .recipient_count = 2};
    report.envelope_id = take(&rest);
    for (size_t i = 0; i < 2; i++) {
        recipients[i].address = take(&rest);
        recipients[i].original_recipient = take(&rest);
        recipients[i].status = take(&rest);
        recipients[i].text = take(&rest);
        recipients[i].host = take(&rest);
    }
    report.content = rest;
    check_status(&report);
    check_text(&report);
    check_message(&report);
    return 0;
}
