/* Writes a report from values of the command line, each "name=value": of the report, and behind
 * each "recipient=address" of this one. content=FILE is the letter. */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "delivery/delivery_report.h"

enum {
    OUTPUT_MAX = 16 * 1024 * 1024
};

static struct report report = {.id = 0x1122334455667788, .reporter = "mx.home.example"};
static struct report_recipient recipients[REPORT_RECIPIENTS_MAX];
static struct buffer content = {.limit = OUTPUT_MAX};

static void die(const char *what)
{
    fprintf(stderr, "render_report: %s\n", what);
    exit(1);
}

static void read_content(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        die("the letter cannot be read");
    size_t count;
    char piece[4096];
    while ((count = fread(piece, 1, sizeof(piece), file)) > 0)
        buffer_append(&content, bytes_of(piece, count));
    fclose(file);
    if (buffer_is_failed(&content))
        die("the letter is too large");
    report.content = buffer_bytes(&content);
}

static enum report_action action_of(struct bytes name)
{
    static const char *const names[] = {"failed", "delayed", "delivered", "relayed", "expanded"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (bytes_equal(name, bytes_from_string(names[i])))
            return (enum report_action)i;
    die("no such action");
    return REPORT_FAILED;
}

/* False: it is none of the report's own. */
static bool read_own(struct bytes name, const char *text)
{
    struct bytes value = bytes_from_string(text);
    if (bytes_equal(name, BYTES("now")))
        report.now = atoll(text);
    else if (bytes_equal(name, BYTES("arrived")))
        report.arrived = atoll(text);
    else if (bytes_equal(name, BYTES("sender")))
        report.sender = value;
    else if (bytes_equal(name, BYTES("envelope_id")))
        report.envelope_id = value;
    else if (bytes_equal(name, BYTES("returns_full")))
        report.returns_full = atoi(text) != 0;
    else if (bytes_equal(name, BYTES("is_utf8")))
        report.is_utf8 = atoi(text) != 0;
    else if (bytes_equal(name, BYTES("is_content_whole")))
        report.is_content_whole = atoi(text) != 0;
    else if (bytes_equal(name, BYTES("content")))
        read_content(text);
    else
        return false;
    return true;
}

static void read_recipient(struct bytes name, const char *text)
{
    struct bytes value = bytes_from_string(text);
    if (bytes_equal(name, BYTES("recipient"))) {
        if (report.recipient_count == REPORT_RECIPIENTS_MAX)
            die("too many recipients");
        recipients[report.recipient_count++].address = value;
        return;
    }
    if (report.recipient_count == 0)
        die("a value of no recipient");
    struct report_recipient *last = &recipients[report.recipient_count - 1];
    if (bytes_equal(name, BYTES("action")))
        last->action = action_of(value);
    else if (bytes_equal(name, BYTES("original")))
        last->original_recipient = value;
    else if (bytes_equal(name, BYTES("code")))
        last->code = atoi(text);
    else if (bytes_equal(name, BYTES("status")))
        last->status = value;
    else if (bytes_equal(name, BYTES("text")))
        last->text = value;
    else if (bytes_equal(name, BYTES("host")))
        last->host = value;
    else if (bytes_equal(name, BYTES("last_attempt")))
        last->last_attempt = atoll(text);
    else if (bytes_equal(name, BYTES("will_retry_until")))
        last->will_retry_until = atoll(text);
    else
        die("no such value");
}

int main(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        struct bytes name;
        struct bytes value;
        if (!bytes_split(bytes_from_string(arguments[i]), '=', &name, &value))
            die("a value is of the form name=value");
        const char *text = arguments[i] + name.length + 1;
        if (!read_own(name, text))
            read_recipient(name, text);
    }
    report.recipients = recipients;
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct fault fault = {0};
    if (!delivery_report_write(&report, &out, &fault))
        die(fault.message);
    fwrite(buffer_bytes(&out).data, 1, out.length, stdout);
    buffer_clear(&content);
    return 0;
}
