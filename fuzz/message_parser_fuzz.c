/* The reader of messages. Laws: whole or in pieces, with what was put in front or as one message,
 * the result is the same; sizes and places fit the message; what it wrote can be read; and readers
 * of damaged forms stay within them. The decoders follow the same law of pieces. */
#include <stdint.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "mail/message_envelope.h"
#include "mail/message_parser.h"
#include "mail/message_structure.h"
#include "mail/transfer_decoder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OUTPUT_MAX = 16 * 1024 * 1024
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

static void read_addresses(struct bytes list, bool is_sound)
{
    struct message_envelope_address address;
    while (message_envelope_next(&list, &address)) {
    }
    expect(!is_sound || list.length == 0);
}

static bool read_envelope(struct bytes compact)
{
    struct message_envelope envelope;
    if (!message_envelope_read(compact, &envelope, NULL))
        return false;
    read_addresses(envelope.from, true);
    read_addresses(envelope.sender, true);
    read_addresses(envelope.reply_to, true);
    read_addresses(envelope.to, true);
    read_addresses(envelope.cc, true);
    read_addresses(envelope.bcc, true);
    return true;
}

static bool is_within(const struct message_structure_part *inner,
                      const struct message_structure_part *outer)
{
    return inner->header_start >= outer->body_start && inner->body_start >= inner->header_start &&
           inner->body_start + inner->body_size <= outer->body_start + outer->body_size &&
           inner->lines <= outer->lines;
}

/* All that is in a part; is_sound: it was written and never changed. */
static bool read_parts(const struct message_structure_part *part, unsigned depth, bool is_sound)
{
    struct bytes parts = part->parts;
    struct message_structure_part inner;
    if (part->kind == MESSAGE_STRUCTURE_MESSAGE && !read_envelope(part->envelope))
        return false;
    if (depth == MESSAGE_STRUCTURE_NESTING_MAX)
        return false;
    while (parts.length > 0) {
        if (!message_structure_next_part(&parts, &inner, NULL))
            return false;
        expect(!is_sound || is_within(&inner, part));
        if (!read_parts(&inner, depth + 1, is_sound))
            return false;
    }
    return true;
}

static bool read_structure(struct bytes compact, bool is_sound)
{
    struct message_structure_part message;
    return message_structure_read(compact, &message, NULL) && read_parts(&message, 0, is_sound);
}

static void check_damage(struct bytes compact, uint32_t *seed)
{
    AUTO(buffer)
    copy = BUFFER(OUTPUT_MAX);
    static const uint32_t path[] = {1, 2, 1};
    for (unsigned i = 0; i < 8 && compact.length > 0; i++) {
        struct message_structure_part part;
        bool is_found;
        buffer_reset(&copy);
        buffer_append(&copy,
                      bytes_slice(compact, 0,
                                  next_random(seed) % 4 == 0 ? next_random(seed) % compact.length
                                                             : compact.length));
        for (unsigned k = 0; k < 3 && copy.length > 0; k++)
            copy.memory[next_random(seed) % copy.length] = (char)next_random(seed);
        read_envelope(buffer_bytes(&copy));
        read_structure(buffer_bytes(&copy), false);
        message_structure_find(buffer_bytes(&copy), path, 3, &part, &is_found, NULL);
    }
}

static void feed(struct message_parser *parser, struct bytes in, uint32_t *seed)
{
    struct fault fault;
    while (in.length > 0) {
        size_t piece = seed == NULL ? in.length : 1 + next_random(seed) % 40;
        expect(message_parser_feed(parser, bytes_slice(in, 0, piece), &fault));
        in = bytes_skip(in, piece < in.length ? piece : in.length);
    }
}

static void expect_same(const struct message_parsed *left, const struct message_parsed *right)
{
    expect(bytes_equal(left->header, right->header));
    expect(bytes_equal(left->envelope, right->envelope));
    expect(bytes_equal(left->structure, right->structure));
    expect(left->size == right->size && left->lines == right->lines && left->sent == right->sent);
    expect(left->received_count == right->received_count && left->has_date == right->has_date);
    expect(left->has_message_id == right->has_message_id && left->has_from == right->has_from);
    expect(left->has_8bit == right->has_8bit && left->has_nul == right->has_nul);
}

static void check_parser(struct bytes in, uint32_t *seed)
{
    struct message_parsed whole;
    struct message_parsed pieces;
    struct message_parsed peeked;
    struct message_parser *left = message_parser_new(NULL);
    struct message_parser *right = message_parser_new(NULL);
    expect(left != NULL && right != NULL);
    feed(left, in, NULL);
    expect(message_parser_finish(left, &whole, NULL));
    expect(whole.size == in.length);
    expect(bytes_starts_with(in, whole.header));
    expect(read_envelope(whole.envelope));
    expect(read_structure(whole.structure, true));
    check_damage(whole.structure, seed);
    check_damage(whole.envelope, seed);
    feed(right, in, seed);
    message_parser_peek(right, &peeked);
    expect(peeked.has_date == whole.has_date && peeked.has_from == whole.has_from);
    expect(peeked.received_count == whole.received_count);
    expect(message_parser_finish(right, &pieces, NULL));
    expect_same(&whole, &pieces);
    /* A field in front is as if it had come with the message. */
    struct bytes front = BYTES("X-Front: 1\r\nDate: Mon, 23 Nov 2026 17:48:08 +0100\r\n");
    AUTO(buffer)
    joined = BUFFER(OUTPUT_MAX);
    buffer_append(&joined, front);
    buffer_append(&joined, in);
    message_parser_reset(left);
    message_parser_reset(right);
    feed(left, buffer_bytes(&joined), NULL);
    expect(message_parser_finish(left, &whole, NULL));
    feed(right, in, seed);
    expect(message_parser_add_front(right, front, NULL));
    expect(message_parser_finish(right, &pieces, NULL));
    /* But for a first line that continues the field before it. */
    if (in.length == 0 || (in.data[0] != ' ' && in.data[0] != '\t'))
        expect_same(&whole, &pieces);
    message_parser_free(left);
    message_parser_free(right);
}

static void check_decoder(struct bytes in, enum transfer_encoding encoding, uint32_t *seed)
{
    AUTO(buffer)
    whole = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    pieces = BUFFER(OUTPUT_MAX);
    struct transfer_decoder decoder;
    transfer_decoder_begin(&decoder, encoding);
    transfer_decoder_feed(&decoder, in, &whole);
    transfer_decoder_finish(&decoder, &whole);
    expect(whole.length <= in.length);
    transfer_decoder_begin(&decoder, encoding);
    while (in.length > 0) {
        size_t piece = 1 + next_random(seed) % 9;
        transfer_decoder_feed(&decoder, bytes_slice(in, 0, piece), &pieces);
        in = bytes_skip(in, piece < in.length ? piece : in.length);
    }
    transfer_decoder_finish(&decoder, &pieces);
    expect(bytes_equal(buffer_bytes(&whole), buffer_bytes(&pieces)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    uint32_t seed = (uint32_t)size;
    for (size_t i = 0; i < size; i += 1 + i / 8)
        seed = seed * 31 + data[i];
    check_parser(in, &seed);
    read_envelope(in);
    read_structure(in, false);
    check_decoder(in, TRANSFER_QUOTED_PRINTABLE, &seed);
    check_decoder(in, TRANSFER_BASE64, &seed);
    return 0;
}
