/* Replies of a server: the same bytes, whole or in pieces, are read as the same replies; what is
   read keeps its limits and holds nothing that a terminal or a log would take for more than text.
 */
#include "smtp/smtp_reply.h"

#include <posthorn/protocol.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Far more than any input becomes. */
enum {
    STORY_LIMIT = 1 << 22
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void expect_text(struct bytes text, bool has_lines)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        expect((c >= ' ' && c != 0x7F) || (has_lines && c == '\n'));
    }
}

static void tell_line(const struct smtp_reply *reply, struct buffer *story)
{
    struct bytes line = smtp_reply_line(reply);
    expect(line.length < PH_ENGINE_LINE_MAX);
    expect(strlen(line.data) == line.length);
    expect_text(line, false);
    buffer_append(story, line);
    buffer_append_char(story, '\n');
}

static void tell_reply(const struct smtp_reply *reply, struct buffer *story)
{
    struct ph_reply value = smtp_reply_value(reply);
    size_t breaks = 0;
    expect(value.code >= 200 && value.code <= 559 && value.code / 10 % 10 <= 5);
    expect(value.text_length <= PH_ENGINE_REPLY_MAX);
    expect(strlen(value.text) == value.text_length);
    expect_text(bytes_of(value.text, value.text_length), true);
    for (size_t i = 0; i < value.text_length; i++)
        breaks += value.text[i] == '\n';
    expect(breaks < PH_ENGINE_REPLY_LINES_MAX);
    expect(value.enhanced[0] == 0 || value.enhanced[0] == value.code / 100);
    expect(value.enhanced[1] <= 999 && value.enhanced[2] <= 999);
    buffer_append_format(story, "reply %d %hu.%hu.%hu ", value.code, value.enhanced[0],
                         value.enhanced[1], value.enhanced[2]);
    buffer_append(story, bytes_of(value.text, value.text_length));
    buffer_append_char(story, '\n');
}

/* Returns false when nothing more can be read. */
static bool read_piece(struct smtp_reply *reply, struct bytes piece, struct buffer *story)
{
    struct fault fault;
    while (piece.length > 0) {
        size_t length = piece.length;
        switch (smtp_reply_read(reply, &piece, &fault)) {
        case SMTP_REPLY_MORE:
            expect(piece.length == 0);
            break;
        case SMTP_REPLY_LINE:
            tell_line(reply, story);
            break;
        case SMTP_REPLY_DONE:
            tell_line(reply, story);
            tell_reply(reply, story);
            expect(!smtp_reply_is_begun(reply));
            break;
        case SMTP_REPLY_BROKEN:
            buffer_append_format(story, "broken %d\n", (int)fault.kind);
            return false;
        }
        expect(piece.length < length);
    }
    return true;
}

/* The bytes themselves say how they are cut; step 0 = not at all. */
static void read_all(struct bytes in, size_t step, struct buffer *story)
{
    struct smtp_reply reply;
    smtp_reply_init(&reply);
    bool goes_on = true;
    for (size_t at = 0; at < in.length && goes_on;) {
        size_t length = step == 0 ? in.length : 1 + (unsigned char)in.data[at] % step;
        struct bytes piece = bytes_slice(in, at, length);
        /* Of its own, so that a look past its end is seen. */
        char *copy = malloc(piece.length);
        expect(copy != NULL);
        memcpy(copy, piece.data, piece.length);
        goes_on = read_piece(&reply, bytes_of(copy, piece.length), story);
        free(copy);
        at += piece.length;
    }
    buffer_append_format(story, "begun %d\n", goes_on && smtp_reply_is_begun(&reply));
    smtp_reply_clear(&reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buffer)
    whole = BUFFER(STORY_LIMIT);
    AUTO(buffer)
    pieces = BUFFER(STORY_LIMIT);
    AUTO(buffer)
    single = BUFFER(STORY_LIMIT);
    struct bytes in = bytes_of(data, size);
    read_all(in, 0, &whole);
    read_all(in, 100, &pieces);
    read_all(in, 1, &single);
    expect(bytes_equal(buffer_bytes(&whole), buffer_bytes(&pieces)));
    expect(bytes_equal(buffer_bytes(&whole), buffer_bytes(&single)));
    return 0;
}
