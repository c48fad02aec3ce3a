/* Commands of IMAP: any bytes are a command or a fault with words for it; the same text in another
   place, and with its quoted strings written as literals, gives the same. */
#include "imap/imap_command.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../tests/unit/imap/imap_command_print.h"
#include "imap/imap_date.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Far more than any input becomes. */
enum {
    OUTPUT_LIMIT = 1 << 24
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

static void expect_printable(const char *message)
{
    expect(message[0] != '\0');
    for (; *message != '\0'; message++)
        expect(*message >= 32 && *message < 127);
}

/* In memory of its own, of just its size, so that a look past the end is seen. */
static char *copy_text(struct bytes text)
{
    char *copy = malloc(text.length > 0 ? text.length : 1);
    expect(copy != NULL);
    if (text.length > 0)
        memcpy(copy, text.data, text.length);
    return copy;
}

static void expect_same_verb(struct bytes text, const struct imap_command *command)
{
    struct bytes tag;
    struct bytes rest;
    enum imap_verb verb;
    bool is_uid;
    expect(imap_command_read_verb(text, &tag, &verb, &is_uid, &rest, NULL));
    expect(bytes_equal(tag, command->tag) && verb == command->verb && is_uid == command->is_uid);
}

/* Appends the command, or what is said against it. True: it is one. */
static bool read_text(struct bytes text, unsigned enabled, struct buffer *out)
{
    const struct imap_command_mode mode = {.enabled = enabled};
    AUTO(arena)
    arena = ARENA(IMAP_COMMAND_ARENA_MAX);
    struct imap_command command = {.verb = IMAP_VERB_COUNT};
    struct fault fault = {0};
    char *copy = copy_text(text);
    bool is_read = imap_command_parse(bytes_of(copy, text.length), &mode, &arena, &command, &fault);
    if (is_read) {
        expect_same_verb(text, &command);
        print_command(out, &command);
    } else {
        expect(command.verb == IMAP_VERB_COUNT);
        expect(fault.kind == FAULT_SYNTAX || fault.kind == FAULT_LIMIT ||
               fault.kind == FAULT_DENIED);
        expect_printable(fault.message);
        buffer_append_string(out, fault.message);
    }
    expect(!buffer_is_failed(out));
    free(copy);
    return is_read;
}

/* What a literal says it is; the text is a command, so that it is whole. */
static size_t literal_length(struct bytes rest)
{
    struct scan scan = scan_of(bytes_skip(rest, 1));
    uint64_t size;
    expect(scan_take_number(&scan, UINT32_MAX, &size));
    scan_take_char(&scan, '+');
    expect(scan_take_literal(&scan, BYTES("}\r\n")));
    return rest.length - scan_rest(&scan).length + (size_t)size;
}

/* Appends a literal for the quoted string that the text begins with; returns how long that is. A
   date has no other form. */
static size_t write_literal(struct bytes rest, struct buffer *out)
{
    AUTO(buffer)
    content = BUFFER(OUTPUT_LIMIT);
    struct scan scan = scan_of(rest);
    int32_t day;
    size_t at = 1;
    if (imap_date_take(&scan, &day)) {
        size_t length = rest.length - scan_rest(&scan).length;
        buffer_append(out, bytes_slice(rest, 0, length));
        return length;
    }
    for (; rest.data[at] != '"'; at++) {
        if (rest.data[at] == '\\')
            at++;
        buffer_append_char(&content, rest.data[at]);
    }
    buffer_append_format(out, "{%zu+}\r\n", content.length);
    buffer_append(out, buffer_bytes(&content));
    return at + 1;
}

/* A bare CR or LF cannot be in a quoted string, nor in a literal: nothing is lost on the way. */
static void write_with_literals(struct bytes text, struct buffer *out)
{
    while (text.length > 0) {
        size_t taken = 1;
        if (text.data[0] == '"') {
            taken = write_literal(text, out);
        } else {
            if (text.data[0] == '{')
                taken = literal_length(text);
            buffer_append(out, bytes_slice(text, 0, taken));
        }
        text = bytes_skip(text, taken);
    }
}

static void check_command(struct bytes text, unsigned enabled)
{
    AUTO(buffer)
    first = BUFFER(OUTPUT_LIMIT);
    AUTO(buffer)
    second = BUFFER(OUTPUT_LIMIT);
    AUTO(buffer)
    third = BUFFER(OUTPUT_LIMIT);
    AUTO(buffer)
    rewritten = BUFFER(OUTPUT_LIMIT);
    bool is_read = read_text(text, enabled, &first);
    expect(read_text(text, enabled, &second) == is_read);
    expect(bytes_equal(buffer_bytes(&first), buffer_bytes(&second)));
    if (!is_read)
        return;
    write_with_literals(text, &rewritten);
    expect(read_text(buffer_bytes(&rewritten), enabled, &third));
    expect(bytes_equal(buffer_bytes(&first), buffer_bytes(&third)));
}

static void check_append(struct bytes text, bool is_first)
{
    const struct imap_command_mode mode = {0};
    AUTO(arena)
    arena = ARENA(IMAP_COMMAND_ARENA_MAX);
    struct imap_command command = {0};
    struct imap_append append = {0};
    struct fault fault = {0};
    bool is_end = false;
    char *copy = copy_text(text);
    if (!imap_command_parse_append(bytes_of(copy, text.length), is_first, &mode, &arena, &command,
                                   &append, &is_end, &fault))
        expect_printable(fault.message);
    else
        expect(is_end == (!is_first && text.length == 0));
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = bytes_of(data, size);
    check_command(text, 0);
    check_command(text, IMAP_ENABLED_REV2 | IMAP_ENABLED_QRESYNC);
    check_append(text, true);
    check_append(text, false);
    return 0;
}
