/* Messages. The input is taken twice: as an existing message, and, its first four lines, as
 * subject, recipients, file name and another header of a composed one with the rest as its text.
 *
 * Laws: no Bcc leaves; an existing body leaves as it came; a composed message has no header field
 * that was not asked for, CRLF at the end of every line and no line that is too long; the size is
 * as it was said to be. */
#include <posthorn/message.h>

#include <stdint.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "base/bytes.h"
#include "mail/date.h"
#include "mail/encoded_word.h"
#include "mail/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

/* Renders, and holds the size against what the body said. Memory to be freed, or NULL. */
static char *render(struct ph_message *message, const struct ph_rendering *rendering,
                    struct bytes *out)
{
    struct ph_body body;
    char *data;
    size_t length;
    bool utf8_headers;
    if (!ph_message_body(message, rendering, &body, &utf8_headers, NULL))
        return NULL;
    uint64_t size = body.size;
    bool is_callback = body.kind == PH_BODY_CALLBACK;
    expect(!utf8_headers || (rendering != NULL && rendering->utf8));
    expect(ph_message_to_memory(message, rendering, &data, &length, NULL));
    expect(!is_callback || size == length);
    *out = bytes_of(data, length);
    return data;
}

/* Lines that are no field stay where they are, and what they make of the rest is for the reader. */
static bool has_broken_lines(struct bytes in)
{
    struct bytes section;
    struct bytes body;
    struct header_field field;
    expect(header_split(in, true, &section, &body));
    if (section.length == 0 && !bytes_starts_with(in, BYTES("\r\n")))
        return true;
    while (header_next(&section, &field)) {
        if (field.name.length == 0)
            return true;
    }
    return false;
}

static void check_existing(struct bytes in, const struct ph_rendering *rendering)
{
    struct ph_message *message = ph_message_from_memory(in.data, in.length, NULL);
    if (message == NULL)
        return;
    const char *const *recipients;
    const char *sender;
    size_t count;
    struct bytes out;
    struct header_field field;
    if (ph_message_sender(message, &sender, NULL))
        expect(sender[0] != '\0');
    if (ph_message_recipients(message, &recipients, &count, NULL))
        expect(count > 0);
    ph_message_needs_utf8(message);
    char *data = render(message, rendering, &out);
    if (data != NULL && !has_broken_lines(out)) {
        struct bytes section;
        struct bytes body;
        expect(header_split(out, true, &section, &body));
        expect(!header_find(section, BYTES("Bcc"), &field));
        expect(!header_find(section, BYTES("Resent-Bcc"), &field));
        expect(bytes_ends_with(in, body));
    }
    free(data);
    ph_message_free(message);
}

static bool is_expected(struct bytes name)
{
    static const char *const names[] = {
        "Date",         "From",         "To",
        "Subject",      "Message-ID",   "X-Fuzz",
        "MIME-Version", "Content-Type", "Content-Transfer-Encoding"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (bytes_equal(name, bytes_from_string(names[i])))
            return true;
    }
    return false;
}

static void check_lines(struct bytes out)
{
    while (out.length > 0) {
        size_t end = bytes_find(out, BYTES("\r\n"));
        expect(end != BYTES_NOT_FOUND && end <= PH_MESSAGE_LINE_MAX);
        expect(!bytes_has_line_break_or_nul(bytes_slice(out, 0, end)));
        out = bytes_skip(out, end + 2);
    }
}

static void check_composed(struct bytes in, const struct ph_rendering *rendering)
{
    struct bytes lines[4];
    AUTO(buffer)
    copy = BUFFER(1 << 24);
    const char *texts[4];
    for (size_t i = 0; i < 4; i++)
        bytes_split(in, '\n', &lines[i], &in);
    struct ph_message *message = ph_message_new(NULL);
    expect(message != NULL && ph_message_add_from(message, "a@x.example", NULL));
    for (size_t i = 0; i < 4; i++) {
        buffer_append(&copy, lines[i]);
        buffer_append_char(&copy, '\0');
    }
    texts[0] = buffer_string(&copy);
    expect(texts[0] != NULL);
    size_t start = 0;
    for (size_t i = 0; i < 4; i++) {
        texts[i] = buffer_bytes(&copy).data + start;
        start += lines[i].length + 1;
    }
    struct ph_attachment about = {.filename = texts[2], .description = texts[3]};
    ph_message_set_subject(message, texts[0], NULL);
    ph_message_add_to(message, texts[1], NULL);
    ph_message_attach_memory(message, in.data, in.length, &about, NULL);
    ph_message_set_header(message, "X-Fuzz", texts[3], NULL);
    ph_message_set_text(message, in.data, in.length, NULL);
    struct bytes out;
    char *data = render(message, rendering, &out);
    if (data != NULL) {
        struct bytes section;
        struct bytes body;
        struct header_field field;
        check_lines(out);
        expect(header_split(out, true, &section, &body));
        while (header_next(&section, &field))
            expect(is_expected(field.name));
        free(data);
    }
    ph_message_free(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct ph_rendering renderings[] = {
        {.utf8 = false}, {.utf8 = true, .prefer_utf8 = true, .eight_bit = true}};
    struct bytes in = bytes_of(data, size);
    for (size_t i = 0; i < 2; i++) {
        check_existing(in, &renderings[i]);
        check_composed(in, &renderings[i]);
    }
    AUTO(buffer)
    decoded = BUFFER(1 << 24);
    AUTO(buffer)
    date = BUFFER(100);
    int64_t seconds;
    int offset;
    encoded_word_decode_text(in, &decoded);
    if (date_parse(in, &seconds, &offset) && date_write(&date, seconds, offset, NULL)) {
        int64_t again;
        expect(date_parse(buffer_bytes(&date), &again, &offset) && again == seconds);
    }
    return 0;
}
