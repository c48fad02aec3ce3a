/* The reader of messages: what it tells besides the structure, its limits, its memory. Structures
 * are tested in tests/message. */
#include "mail/message_parser.h"

#include <stdlib.h>

#include "base/auto.h"
#include "failing_allocation.h"
#include "mail/message_envelope.h"
#include "mail/message_structure.h"
#include "unit.h"

enum {
    INPUT_MAX = 64 * 1024 * 1024
};

static struct message_parser *new_parser(void)
{
    struct fault fault;
    struct message_parser *parser = message_parser_new(&fault);
    assert_non_null(parser);
    return parser;
}

static void parse(struct message_parser *parser, struct bytes in, struct message_parsed *parsed)
{
    struct fault fault;
    message_parser_reset(parser);
    assert_true(message_parser_feed(parser, in, &fault));
    assert_true(message_parser_finish(parser, parsed, &fault));
}

static void read_message(struct bytes structure, struct message_structure_part *message)
{
    struct fault fault;
    assert_true(message_structure_read(structure, message, &fault));
}

static const char letter[] = "Received: from a\r\nreceived : from b\r\n"
                             "Date: Mon, 23 Nov 2026 17:48:08 +0100\r\n"
                             "From: a@b.example\r\nMessage-ID: <1@b>\r\nSubject: s\r\n"
                             "\r\nBody\r\nFrom: not here\r\nDate: nor here\r\n";

static void what_sessions_ask(void **state)
{
    (void)state;
    struct message_parser *parser = new_parser();
    struct message_parsed parsed;
    parse(parser, bytes_from_string(letter), &parsed);
    assert_int_equal(parsed.received_count, 2);
    assert_true(parsed.has_date && parsed.has_from && parsed.has_message_id);
    assert_false(parsed.has_8bit || parsed.has_nul);
    assert_true(parsed.sent == INT64_C(1795452488000000));
    assert_true(parsed.size == sizeof letter - 1);
    assert_true(parsed.lines == 10);
    assert_true(bytes_ends_with(parsed.header, BYTES("Subject: s\r\n\r\n")));
    parse(parser, BYTES("Subject: x\r\n\r\nFrom: a\r\n"), &parsed);
    assert_false(parsed.has_date || parsed.has_from || parsed.has_message_id);
    assert_true(parsed.sent == 0);
    message_parser_free(parser);
}

/* A byte beyond ASCII, or a NUL, at every place of a text. */
static void odd_bytes(void **state)
{
    (void)state;
    struct message_parser *parser = new_parser();
    struct message_parsed parsed;
    char text[70];
    for (size_t i = 0; i < sizeof text; i++) {
        memset(text, 'x', sizeof text);
        text[i] = (char)0x80;
        parse(parser, bytes_of(text, sizeof text), &parsed);
        assert_true(parsed.has_8bit && !parsed.has_nul);
        text[i] = '\0';
        parse(parser, bytes_of(text, sizeof text), &parsed);
        assert_true(parsed.has_nul && !parsed.has_8bit);
    }
    message_parser_free(parser);
}

static void peeking(void **state)
{
    (void)state;
    struct message_parser *parser = new_parser();
    struct message_parsed parsed;
    struct fault fault;
    assert_true(message_parser_feed(parser, BYTES("From: a@b\r\nDate: x"), &fault));
    message_parser_peek(parser, &parsed);
    assert_true(parsed.has_from && parsed.has_date);
    assert_false(parsed.has_message_id);
    assert_true(
        message_parser_add_front(parser, BYTES("Message-ID: <a>\r\nReceived: x\r\n"), &fault));
    message_parser_peek(parser, &parsed);
    assert_true(parsed.has_message_id);
    assert_int_equal(parsed.received_count, 1);
    message_parser_free(parser);
}

static const char mixed[] =
    "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
    "one\r\n--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nx\r\n--b--\r\n";

/* Fields in front are as if they had come with the message. */
static void front(void **state)
{
    (void)state;
    struct message_parser *left = new_parser();
    struct message_parser *right = new_parser();
    struct message_parsed whole;
    struct message_parsed added;
    struct fault fault;
    AUTO(buffer)
    joined = BUFFER(INPUT_MAX);
    struct bytes fields = BYTES("Date: Mon, 23 Nov 2026 17:48:08 +0100\r\nMessage-ID: <f@x>\r\n");
    buffer_append(&joined, fields);
    buffer_append_string(&joined, mixed);
    parse(left, buffer_bytes(&joined), &whole);
    assert_true(message_parser_feed(right, bytes_from_string(mixed), &fault));
    assert_true(message_parser_add_front(right, bytes_slice(fields, 0, 39), &fault));
    assert_true(message_parser_add_front(right, bytes_skip(fields, 39), &fault));
    assert_true(message_parser_finish(right, &added, &fault));
    assert_true(bytes_equal(whole.header, added.header));
    assert_true(bytes_equal(whole.envelope, added.envelope));
    assert_true(bytes_equal(whole.structure, added.structure));
    assert_true(whole.size == added.size && whole.lines == added.lines);
    assert_true(added.has_date && added.has_message_id && added.sent == whole.sent);
    message_parser_free(left);
    message_parser_free(right);
}

static void append_many(struct buffer *out, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buffer_append_string(out, text);
}

/* One byte below the limit, at it, and beyond: the header ends where the limit is. */
static void header_limit(void **state)
{
    (void)state;
    struct message_parser *parser = new_parser();
    struct message_parsed parsed;
    struct message_structure_part message;
    AUTO(buffer)
    in = BUFFER(INPUT_MAX);
    append_many(&in, "Subject: 0123456789abcdefghij\r\n", MESSAGE_HEADER_MAX / 31 + 2);
    for (size_t length = MESSAGE_HEADER_MAX - 1; length <= MESSAGE_HEADER_MAX + 1; length++) {
        size_t expected = length > MESSAGE_HEADER_MAX ? MESSAGE_HEADER_MAX : length;
        parse(parser, bytes_slice(buffer_bytes(&in), 0, length), &parsed);
        read_message(parsed.structure, &message);
        assert_int_equal(parsed.header.length, expected);
        assert_true(message.body_start == expected);
        assert_true(message.body_size == length - expected);
    }
    message_parser_free(parser);
}

static size_t count_parts(const struct message_structure_part *part)
{
    struct message_structure_part inner;
    struct bytes parts = part->parts;
    size_t count = 0;
    while (parts.length > 0) {
        assert_true(message_structure_next_part(&parts, &inner, NULL));
        count++;
    }
    return count;
}

/* What comes behind the last part that is taken belongs to it. */
static void parts_limit(void **state)
{
    (void)state;
    struct message_parser *parser = new_parser();
    struct message_parsed parsed;
    struct message_structure_part message;
    struct message_structure_part last;
    const uint32_t path[] = {MESSAGE_PARTS_MAX - 1};
    bool is_found;
    AUTO(buffer)
    in = BUFFER(INPUT_MAX);
    buffer_append_string(&in, "Content-Type: multipart/mixed; boundary=b\r\n\r\n");
    append_many(&in, "--b\r\n\r\nx\r\n", MESSAGE_PARTS_MAX - 1);
    parse(parser, buffer_bytes(&in), &parsed);
    read_message(parsed.structure, &message);
    assert_int_equal(count_parts(&message), MESSAGE_PARTS_MAX - 1);
    append_many(&in, "--b\r\n\r\nx\r\n", 5);
    parse(parser, buffer_bytes(&in), &parsed);
    read_message(parsed.structure, &message);
    assert_int_equal(count_parts(&message), MESSAGE_PARTS_MAX - 1);
    assert_true(message_structure_find(parsed.structure, path, 1, &last, &is_found, NULL));
    assert_true(is_found);
    assert_true(last.body_start + last.body_size == in.length);
    message_parser_free(parser);
}

static size_t depth_of(const struct message_structure_part *part, enum message_structure_kind *kind)
{
    struct message_structure_part at = *part;
    size_t depth = 1;
    while (at.parts.length > 0) {
        struct bytes parts = at.parts;
        assert_true(message_structure_next_part(&parts, &at, NULL));
        depth++;
    }
    *kind = at.kind;
    return depth;
}

static void depth_limit(void **state)
{
    (void)state;
    struct message_parser *parser = new_parser();
    struct message_parsed parsed;
    struct message_structure_part message;
    enum message_structure_kind kind;
    AUTO(buffer)
    in = BUFFER(INPUT_MAX);
    append_many(&in, "Content-Type: message/rfc822\r\n\r\n", MESSAGE_DEPTH_MAX - 1);
    parse(parser, buffer_bytes(&in), &parsed);
    read_message(parsed.structure, &message);
    assert_int_equal(depth_of(&message, &kind), MESSAGE_DEPTH_MAX);
    assert_int_equal(kind, MESSAGE_STRUCTURE_TEXT);
    append_many(&in, "Content-Type: message/rfc822\r\n\r\n", 20);
    parse(parser, buffer_bytes(&in), &parsed);
    read_message(parsed.structure, &message);
    assert_int_equal(depth_of(&message, &kind), MESSAGE_DEPTH_MAX);
    assert_int_equal(kind, MESSAGE_STRUCTURE_LEAF);
    message_parser_free(parser);
}

static void parameters_limit(void **state)
{
    (void)state;
    struct message_parser *parser = new_parser();
    struct message_parsed parsed;
    struct message_structure_part message;
    struct bytes name;
    struct bytes value;
    AUTO(buffer)
    in = BUFFER(INPUT_MAX);
    buffer_append_string(&in, "Content-Type: a/b");
    append_many(&in, "; c=d", MESSAGE_PARAMETERS_MAX + 1);
    buffer_append_string(&in, "\r\n\r\n");
    parse(parser, buffer_bytes(&in), &parsed);
    read_message(parsed.structure, &message);
    size_t count = 0;
    while (message_structure_next_parameter(&message.parameters, &name, &value))
        count++;
    assert_int_equal(count, MESSAGE_PARAMETERS_MAX);
    message_parser_free(parser);
}

static bool parse_in_pieces(struct message_parser *parser, struct bytes in, size_t piece)
{
    struct message_parsed parsed;
    struct fault fault;
    for (size_t start = 0; start < in.length; start += piece) {
        if (!message_parser_feed(parser, bytes_slice(in, start, piece), &fault)) {
            assert_int_equal(fault.kind, FAULT_TEMPORARY);
            return false;
        }
    }
    return message_parser_add_front(parser, BYTES("Date: x\r\n"), &fault) &&
           message_parser_finish(parser, &parsed, &fault);
}

static void memory_runs_out(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 7, sizeof mixed};
    for (size_t i = 0; i < 3; i++) {
        bool was_refused = true;
        for (size_t n = 0; was_refused; n++) {
            failing_allocation_start(n);
            struct message_parser *parser = message_parser_new(NULL);
            bool is_parsed =
                parser != NULL && parse_in_pieces(parser, bytes_from_string(mixed), sizes[i]);
            was_refused = failing_allocation_stop();
            assert_int_equal(is_parsed, !was_refused);
            /* It can be used again. */
            if (parser != NULL) {
                message_parser_reset(parser);
                assert_true(parse_in_pieces(parser, bytes_from_string(mixed), 5));
            }
            message_parser_free(parser);
        }
    }
}

/* A large message and a small one behind it: nothing is left of the first. */
static void reset(void **state)
{
    (void)state;
    struct message_parser *parser = new_parser();
    struct message_parser *fresh = new_parser();
    struct message_parsed first;
    struct message_parsed second;
    AUTO(buffer)
    in = BUFFER(INPUT_MAX);
    buffer_append_string(&in, "Content-Type: multipart/mixed; boundary=b\r\n");
    append_many(&in, "X-Long: 0123456789\r\n", 5000);
    append_many(&in, "--b\r\nContent-Type: text/html\r\n\r\n\xff\r\n", 500);
    parse(parser, buffer_bytes(&in), &first);
    parse(parser, bytes_from_string(mixed), &first);
    parse(fresh, bytes_from_string(mixed), &second);
    assert_true(bytes_equal(first.structure, second.structure));
    assert_true(bytes_equal(first.envelope, second.envelope));
    assert_true(bytes_equal(first.header, second.header));
    assert_false(first.has_8bit);
    message_parser_free(parser);
    message_parser_free(fresh);
    message_parser_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_sessions_ask), cmocka_unit_test(odd_bytes),
        cmocka_unit_test(peeking),           cmocka_unit_test(front),
        cmocka_unit_test(header_limit),      cmocka_unit_test(parts_limit),
        cmocka_unit_test(depth_limit),       cmocka_unit_test(parameters_limit),
        cmocka_unit_test(memory_runs_out),   cmocka_unit_test(reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
