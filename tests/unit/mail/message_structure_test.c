/* Body structures: the part of a path, and readers of damaged ones. */
#include "mail/message_structure.h"

#include <stdlib.h>

#include "mail/message_envelope.h"
#include "mail/message_parser.h"
#include "unit.h"

/* The example of RFC 3501 6.4.5. */
static const char letter[] = "Content-Type: multipart/mixed; boundary=a\r\n\r\n"
                             "--a\r\nContent-ID: 1\r\n\r\n\r\n"
                             "--a\r\nContent-Type: application/x\r\nContent-ID: 2\r\n\r\n\r\n"
                             "--a\r\nContent-Type: message/rfc822\r\nContent-ID: 3\r\n\r\n"
                             "Content-Type: multipart/mixed; boundary=c\r\nSubject: three\r\n\r\n"
                             "--c\r\nContent-ID: 3.1\r\n\r\n\r\n"
                             "--c\r\nContent-Type: application/x\r\nContent-ID: 3.2\r\n\r\n\r\n"
                             "--c--\r\n"
                             "--a\r\nContent-Type: multipart/mixed; boundary=d\r\n"
                             "Content-ID: 4\r\n\r\n"
                             "--d\r\nContent-Type: image/gif\r\nContent-ID: 4.1\r\n\r\n\r\n"
                             "--d\r\nContent-Type: message/rfc822\r\nContent-ID: 4.2\r\n\r\n"
                             "Content-Type: multipart/mixed; boundary=e\r\n\r\n"
                             "--e\r\nContent-ID: 4.2.1\r\n\r\n\r\n"
                             "--e\r\nContent-Type: multipart/alternative; boundary=f\r\n"
                             "Content-ID: 4.2.2\r\n\r\n"
                             "--f\r\nContent-ID: 4.2.2.1\r\n\r\n\r\n"
                             "--f\r\nContent-ID: 4.2.2.2\r\n\r\n\r\n"
                             "--f--\r\n--e--\r\n--d--\r\n--a--\r\n";

static struct message_parser *parse(struct bytes in, struct message_parsed *parsed)
{
    struct fault fault;
    struct message_parser *parser = message_parser_new(&fault);
    assert_non_null(parser);
    assert_true(message_parser_feed(parser, in, &fault));
    assert_true(message_parser_finish(parser, parsed, &fault));
    return parser;
}

/* "4.2.1" as numbers. */
static size_t numbers_of(const char *text, uint32_t *path)
{
    size_t count = 0;
    char *end;
    while (*text != '\0') {
        path[count++] = (uint32_t)strtoul(text, &end, 10);
        text = *end == '.' ? end + 1 : end;
    }
    return count;
}

static bool find(struct bytes structure, const char *text, struct message_structure_part *part)
{
    uint32_t path[16];
    bool is_found;
    struct fault fault;
    assert_true(
        message_structure_find(structure, path, numbers_of(text, path), part, &is_found, &fault));
    return is_found;
}

static void paths(void **state)
{
    (void)state;
    static const char *const there[] = {"1",   "2",   "3",     "3.1",   "3.2",     "4",
                                        "4.1", "4.2", "4.2.1", "4.2.2", "4.2.2.1", "4.2.2.2"};
    static const char *const missing[] = {"0",   "5",     "1.1",     "2.1",       "3.3",
                                          "4.3", "4.1.1", "4.2.3",   "4.2.2.3",   "3.1.1",
                                          "3.0", "1.0",   "4.2.1.1", "4.2.2.1.1", "99999999"};
    struct message_parsed parsed;
    struct message_structure_part part;
    struct message_parser *parser = parse(bytes_from_string(letter), &parsed);
    for (size_t i = 0; i < sizeof there / sizeof *there; i++) {
        assert_true(find(parsed.structure, there[i], &part));
        if (!bytes_equal(part.id, bytes_from_string(there[i])))
            fail_msg("%s is %.*s", there[i], BYTES_FORMAT(part.id));
        /* The header that the places give is that of the part. */
        struct bytes header = bytes_slice(bytes_from_string(letter), part.header_start,
                                          part.body_start - part.header_start);
        assert_true(bytes_find(header, BYTES("Content-ID: ")) != BYTES_NOT_FOUND);
        assert_true(bytes_ends_with(header, BYTES("\r\n\r\n")));
    }
    for (size_t i = 0; i < sizeof missing / sizeof *missing; i++) {
        if (find(parsed.structure, missing[i], &part))
            fail_msg("%s was found", missing[i]);
    }
    assert_true(find(parsed.structure, "", &part));
    assert_int_equal(part.kind, MESSAGE_STRUCTURE_MULTIPART);
    message_parser_free(parser);
}

/* Part 1 of a message that is no multipart is its body, at every depth. */
static void single_parts(void **state)
{
    (void)state;
    struct message_parsed parsed;
    struct message_structure_part part;
    struct bytes in = BYTES("Content-Type: message/rfc822\r\n\r\nContent-ID: in\r\n"
                            "MIME-Version: 1.0\r\n\r\nbody\r\n");
    struct message_parser *parser = parse(in, &parsed);
    assert_true(find(parsed.structure, "1", &part));
    assert_int_equal(part.kind, MESSAGE_STRUCTURE_MESSAGE);
    assert_true(find(parsed.structure, "1.1", &part));
    assert_bytes(part.id, "in");
    assert_bytes(bytes_slice(in, part.body_start, part.body_size), "body\r\n");
    assert_false(find(parsed.structure, "1.1.1", &part));
    assert_false(find(parsed.structure, "1.2", &part));
    assert_false(find(parsed.structure, "2", &part));
    message_parser_free(parser);
}

static void inner_envelope(void **state)
{
    (void)state;
    struct message_parsed parsed;
    struct message_structure_part part;
    struct message_envelope envelope;
    struct message_parser *parser = parse(bytes_from_string(letter), &parsed);
    assert_true(find(parsed.structure, "3", &part));
    assert_true(message_envelope_read(part.envelope, &envelope, NULL));
    assert_bytes(envelope.subject, "three");
    message_parser_free(parser);
}

/* Walks over all that can be read; false: a fault. */
static bool walk(struct bytes parts, unsigned depth)
{
    struct message_structure_part part;
    struct message_envelope envelope;
    struct bytes name;
    struct bytes value;
    while (parts.length > 0) {
        struct fault fault;
        if (!message_structure_next_part(&parts, &part, &fault)) {
            assert_int_equal(fault.kind, FAULT_PERMANENT);
            return false;
        }
        while (message_structure_next_parameter(&part.parameters, &name, &value)) {
        }
        while (message_structure_next_language(&part.languages, &name)) {
        }
        message_envelope_read(part.envelope, &envelope, NULL);
        if (depth < MESSAGE_STRUCTURE_NESTING_MAX && !walk(part.parts, depth + 1))
            return false;
    }
    return true;
}

static void damage(void **state)
{
    (void)state;
    struct message_parsed parsed;
    struct message_structure_part part;
    struct message_parser *parser = parse(bytes_from_string(letter), &parsed);
    struct bytes whole = parsed.structure;
    for (size_t length = 0; length < whole.length; length++) {
        char *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy, whole.data, length);
        assert_false(message_structure_read(bytes_of(copy, length), &part, NULL));
        free(copy);
    }
    char *copy = malloc(whole.length);
    assert_non_null(copy);
    memcpy(copy, whole.data, whole.length);
    for (size_t i = 0; i < whole.length; i++) {
        for (unsigned value = 0; value < 256; value += i < 40 ? 1 : 17) {
            bool is_found;
            static const uint32_t path[] = {4, 2, 2, 2};
            copy[i] = (char)value;
            if (message_structure_read(bytes_of(copy, whole.length), &part, NULL))
                walk(part.parts, 1);
            message_structure_find(bytes_of(copy, whole.length), path, 4, &part, &is_found, NULL);
        }
        copy[i] = whole.data[i];
    }
    copy[0] = MESSAGE_STRUCTURE_VERSION + 1;
    assert_false(message_structure_read(bytes_of(copy, whole.length), &part, NULL));
    free(copy);
    message_parser_free(parser);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths),
        cmocka_unit_test(single_parts),
        cmocka_unit_test(inner_envelope),
        cmocka_unit_test(damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
