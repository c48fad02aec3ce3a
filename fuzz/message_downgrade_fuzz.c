/* Messages in 7 bits. Laws: whole or in pieces, the result is the same; it is 7-bit; a message that
 * was 7-bit all along keeps its parts as they are; where there are parts, they are the same ones
 * with the same content; and what is in 7 bits already is in 7 bits again. */
#include <stdint.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "mail/message_downgrade.h"
#include "mail/message_parser.h"
#include "mail/message_structure.h"
#include "mail/transfer_decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OUTPUT_MAX = 64 * 1024 * 1024
};

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

/* Numbers that follow from the input and nothing else. */
static uint32_t next_random(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 16;
}

/* False: it cannot be said in 7 bits. */
static bool downgrade(struct bytes in, uint32_t *seed, struct buffer *out)
{
    struct fault fault = {0};
    struct message_downgrade *downgrade = message_downgrade_new(&fault);
    expect(downgrade != NULL);
    bool is_good = true;
    while (is_good && in.length > 0) {
        size_t piece = seed == NULL ? in.length : 1 + next_random(seed) % 40;
        is_good = message_downgrade_feed(downgrade, bytes_slice(in, 0, piece), out, &fault);
        in = bytes_skip(in, piece < in.length ? piece : in.length);
    }
    is_good = is_good && message_downgrade_finish(downgrade, out, &fault);
    expect(is_good || fault.kind == FAULT_PERMANENT);
    message_downgrade_free(downgrade);
    return is_good;
}

/* ---- the same parts ---- */

struct message {
    struct bytes text;
    struct message_parser *parser;
    struct message_parsed parsed;
};

static void parse(struct message *message, struct bytes text)
{
    message->text = text;
    message->parser = message_parser_new(NULL);
    expect(message->parser != NULL && message_parser_feed(message->parser, text, NULL) &&
           message_parser_finish(message->parser, &message->parsed, NULL));
}

/* The body of a part, its transfer encoding undone; line ends all CRLF, as quoted-printable makes
   them. */
static void append_content(const struct message *message, const struct message_structure_part *part,
                           struct buffer *out)
{
    struct transfer_decoder decoder;
    enum transfer_encoding encoding;
    AUTO(buffer)
    decoded = BUFFER(OUTPUT_MAX);
    if (!transfer_decoder_named(part->encoding, &encoding))
        encoding = TRANSFER_AS_IS;
    transfer_decoder_begin(&decoder, encoding);
    transfer_decoder_feed(&decoder, bytes_slice(message->text, part->body_start, part->body_size),
                          &decoded);
    transfer_decoder_finish(&decoder, &decoded);
    struct transfer_encoder encoder;
    transfer_encoding_begin(&encoder, TRANSFER_8BIT);
    transfer_encoding_feed(&encoder, buffer_bytes(&decoded), out);
    transfer_encoding_finish(&encoder, out);
}

static bool is_encoded(const struct message_structure_part *part)
{
    enum transfer_encoding encoding;
    return !transfer_decoder_named(part->encoding, &encoding) || encoding != TRANSFER_AS_IS;
}

/* What is encoded already, or said to be something that nobody knows, is not compared: bytes with
   no place in it mean nothing. */
static bool is_comparable(const struct message_structure_part *part)
{
    return !is_encoded(part) || part->body_size == 0;
}

static void expect_same(const struct message *left, struct bytes left_parts,
                        const struct message *right, struct bytes right_parts);

static void expect_same_part(const struct message *left, const struct message_structure_part *one,
                             const struct message *right, const struct message_structure_part *two)
{
    bool is_global = bytes_equal_ignoring_case(one->subtype, BYTES("global"));
    if (one->kind == MESSAGE_STRUCTURE_MESSAGE && (is_encoded(one) || is_global))
        return;
    if (one->kind >= MESSAGE_STRUCTURE_MULTIPART) {
        expect(one->kind == two->kind);
        expect_same(left, one->parts, right, two->parts);
        return;
    }
    expect(two->kind == one->kind);
    if (!is_comparable(one))
        return;
    AUTO(buffer)
    before = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    after = BUFFER(OUTPUT_MAX);
    append_content(left, one, &before);
    append_content(right, two, &after);
    expect(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
}

static void expect_same(const struct message *left, struct bytes left_parts,
                        const struct message *right, struct bytes right_parts)
{
    struct message_structure_part one;
    struct message_structure_part two;
    while (left_parts.length > 0) {
        expect(message_structure_next_part(&left_parts, &one, NULL) && right_parts.length > 0 &&
               message_structure_next_part(&right_parts, &two, NULL));
        expect_same_part(left, &one, right, &two);
    }
    expect(right_parts.length == 0);
}

static void compare(struct bytes in, struct bytes out)
{
    struct message left;
    struct message right;
    struct message_structure_part one;
    struct message_structure_part two;
    parse(&left, in);
    parse(&right, out);
    expect(!right.parsed.has_8bit);
    expect(message_structure_read(left.parsed.structure, &one, NULL) &&
           message_structure_read(right.parsed.structure, &two, NULL));
    expect_same_part(&left, &one, &right, &two);
    message_parser_free(left.parser);
    message_parser_free(right.parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    uint32_t seed = (uint32_t)size;
    for (size_t i = 0; i < size; i += 1 + i / 8)
        seed = seed * 31 + data[i];
    AUTO(buffer)
    whole = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    pieces = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    again = BUFFER(OUTPUT_MAX);
    bool is_possible = downgrade(in, NULL, &whole);
    expect(downgrade(in, &seed, &pieces) == is_possible);
    expect(bytes_equal(buffer_bytes(&whole), buffer_bytes(&pieces)));
    if (!is_possible)
        return 0;
    expect(bytes_is_ascii(buffer_bytes(&whole)));
    compare(in, buffer_bytes(&whole));
    expect(downgrade(buffer_bytes(&whole), &seed, &again));
    compare(in, buffer_bytes(&again));
    return 0;
}
