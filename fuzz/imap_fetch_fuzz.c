/* What FETCH makes of any message. Laws: whole or in pieces, the answers are the same; every
 * section lies within the message, header and text make up the whole; a header's fields that are
 * named and those that are not are all of them; answers are balanced; damaged forms leave nothing
 * behind. */
#include <stdint.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "base/utf8.h"
#include "imap/imap_section.h"
#include "imap/imap_structure.h"
#include "mail/message_parser.h"
#include "mail/message_preview.h"
#include "mail/message_structure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    OUTPUT_MAX = 64 * 1024 * 1024,
    DEPTH_MAX = MESSAGE_STRUCTURE_NESTING_MAX,
    PARTS_MAX = 2000, /* of one message that are looked at */
    PREFIX_SIZE = 17
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

/* ---- answers ---- */

/* Strings and literals are whole, parentheses have their partners. */
static void expect_balanced(struct bytes text)
{
    size_t depth = 0;
    for (size_t i = 0; i < text.length; i++) {
        switch (text.data[i]) {
        case '(':
            depth++;
            break;
        case ')':
            expect(depth-- > 0);
            break;
        case '"':
            for (i++; i < text.length && text.data[i] != '"'; i++)
                i += text.data[i] == '\\';
            expect(i < text.length);
            break;
        case '{': {
            size_t length = 0;
            for (i++; i < text.length && text.data[i] != '}'; i++)
                length = length * 10 + (size_t)(text.data[i] - '0');
            i += length + 2;
            expect(i < text.length);
            break;
        }
        default:
            expect(text.data[i] > 0);
        }
    }
    expect(depth == 0);
}

static void write_answers(const struct message_parsed *parsed, bool is_utf8, struct buffer *out)
{
    expect(imap_structure_write_envelope(out, parsed->envelope, is_utf8, NULL));
    buffer_append_char(out, ' ');
    expect(imap_structure_write(out, parsed->structure, false, is_utf8, NULL));
    buffer_append_char(out, ' ');
    expect(imap_structure_write(out, parsed->structure, true, is_utf8, NULL));
    expect(!buffer_is_failed(out));
}

static void check_answers(const struct message_parsed *whole, const struct message_parsed *pieces)
{
    for (int is_utf8 = 0; is_utf8 < 2; is_utf8++) {
        AUTO(buffer)
        left = BUFFER(OUTPUT_MAX);
        AUTO(buffer)
        right = BUFFER(OUTPUT_MAX);
        write_answers(whole, is_utf8 == 1, &left);
        write_answers(pieces, is_utf8 == 1, &right);
        expect(bytes_equal(buffer_bytes(&left), buffer_bytes(&right)));
        expect_balanced(buffer_bytes(&left));
    }
}

/* ---- sections ---- */

struct walk {
    struct bytes in; /* prefix and body */
    struct imap_section_message message;
    uint32_t path[DEPTH_MAX + 1];
    unsigned parts;
};

static bool find(const struct walk *walk, enum imap_section_kind kind, size_t depth, bool is_binary,
                 struct imap_section_place *place)
{
    struct imap_section section = {.kind = kind, .path = walk->path, .depth = depth};
    expect(imap_section_find(&walk->message, &section, is_binary, place, NULL));
    expect(!place->is_found ||
           (place->start <= walk->in.length && place->size <= walk->in.length - place->start));
    return place->is_found;
}

static void check_filter(struct bytes header)
{
    static const struct bytes names[] = {BYTES_INIT("subject"), BYTES_INIT("Content-Type"),
                                         BYTES_INIT("x")};
    struct imap_section section = {.kind = IMAP_SECTION_FIELDS, .fields = names, .field_count = 3};
    AUTO(buffer)
    named = BUFFER(OUTPUT_MAX);
    AUTO(buffer)
    others = BUFFER(OUTPUT_MAX);
    imap_section_filter(&section, header, &named);
    section.kind = IMAP_SECTION_FIELDS_NOT;
    imap_section_filter(&section, header, &others);
    /* The empty line is in both. */
    size_t empty = named.length + others.length - header.length;
    expect(empty <= 2 && empty <= named.length);
    expect(bytes_ends_with(header, bytes_skip(buffer_bytes(&named), named.length - empty)));
}

/* All sections of one path; the depth of the path is at least 1. */
static bool check_part(struct walk *walk, size_t depth)
{
    struct imap_section_place all;
    struct imap_section_place place;
    struct imap_section_place text;
    if (!find(walk, IMAP_SECTION_ALL, depth, true, &all)) {
        for (unsigned kind = 0; kind <= IMAP_SECTION_MIME; kind++)
            expect(!find(walk, (enum imap_section_kind)kind, depth, false, &place));
        return false;
    }
    expect(find(walk, IMAP_SECTION_MIME, depth, false, &place));
    expect(place.start + place.size == all.start);
    check_filter(bytes_slice(walk->in, (size_t)place.start, (size_t)place.size));
    bool has_header = find(walk, IMAP_SECTION_HEADER, depth, false, &place);
    expect(find(walk, IMAP_SECTION_TEXT, depth, false, &text) == has_header);
    if (has_header) {
        expect(place.start == all.start && text.start == place.start + place.size);
        expect(text.start + text.size == all.start + all.size);
        check_filter(bytes_slice(walk->in, (size_t)place.start, (size_t)place.size));
    }
    return true;
}

static void check_parts(struct walk *walk, size_t depth)
{
    for (uint32_t number = 1; depth < DEPTH_MAX && walk->parts < PARTS_MAX; number++) {
        walk->path[depth] = number;
        walk->parts++;
        if (!check_part(walk, depth + 1))
            return;
        check_parts(walk, depth + 1);
    }
}

static void check_whole(struct walk *walk)
{
    struct imap_section_place header;
    struct imap_section_place text;
    struct imap_section_place all;
    expect(find(walk, IMAP_SECTION_ALL, 0, false, &all));
    expect(all.start == 0 && all.size == walk->in.length);
    expect(find(walk, IMAP_SECTION_HEADER, 0, false, &header) && header.start == 0);
    expect(find(walk, IMAP_SECTION_TEXT, 0, false, &text));
    expect(text.start == header.size && text.start + text.size == walk->in.length);
    check_filter(bytes_slice(walk->in, 0, (size_t)header.size));
}

static void check_sections(struct bytes in, const struct message_parsed *parsed)
{
    AUTO(buffer)
    joined = BUFFER(OUTPUT_MAX);
    buffer_append(&joined, BYTES("X-Prefix: here.\r\n"));
    buffer_append(&joined, in);
    struct walk walk = {.in = buffer_bytes(&joined),
                        .message = {.structure = parsed->structure,
                                    .prefix_size = PREFIX_SIZE,
                                    .header_size = parsed->header.length,
                                    .size = PREFIX_SIZE + in.length}};
    check_whole(&walk);
    check_parts(&walk, 0);
}

/* ---- previews ---- */

static void check_preview(struct bytes structure, struct bytes in, bool is_sound)
{
    AUTO(buffer)
    preview = BUFFER(OUTPUT_MAX);
    bool is_written = message_preview_write(structure, in, &preview, NULL);
    expect(is_written || !is_sound);
    struct bytes rest = buffer_bytes(&preview);
    uint32_t c;
    size_t count = 0;
    expect(utf8_is_valid(rest));
    while (utf8_next(&rest, &c))
        count++;
    expect(count <= MESSAGE_PREVIEW_MAX);
}

/* ---- damage ---- */

static void check_damaged(struct bytes structure, struct bytes in)
{
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    uint32_t path[] = {1, 2, 1};
    struct imap_section section = {.kind = IMAP_SECTION_HEADER, .path = path, .depth = 2};
    struct imap_section_message message = {.structure = structure, .size = in.length};
    struct imap_section_place place;
    buffer_append(&out, BYTES("before"));
    if (!imap_structure_write(&out, structure, true, true, NULL) && !buffer_is_failed(&out))
        expect(out.length == 6);
    buffer_reset(&out);
    buffer_append(&out, BYTES("before"));
    if (!imap_structure_write_envelope(&out, structure, true, NULL))
        expect(out.length == 6);
    if (imap_section_find(&message, &section, true, &place, NULL) && place.is_found)
        expect(place.start <= in.length && place.size <= in.length - place.start);
    check_preview(structure, in, false);
}

static void check_damage(struct bytes compact, struct bytes in, uint32_t *seed)
{
    AUTO(buffer)
    copy = BUFFER(OUTPUT_MAX);
    for (unsigned i = 0; i < 8 && compact.length > 0; i++) {
        buffer_reset(&copy);
        buffer_append(&copy, compact);
        for (unsigned k = 0; k < 3; k++)
            copy.memory[copy.start + next_random(seed) % copy.length] = (char)next_random(seed);
        check_damaged(buffer_bytes(&copy), in);
    }
}

/* ---- all ---- */

static void feed(struct message_parser *parser, struct bytes in, uint32_t *seed)
{
    while (in.length > 0) {
        size_t piece = seed == NULL ? in.length : 1 + next_random(seed) % 40;
        expect(message_parser_feed(parser, bytes_slice(in, 0, piece), NULL));
        in = bytes_skip(in, piece < in.length ? piece : in.length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = bytes_of(data, size);
    struct message_parsed whole;
    struct message_parsed pieces;
    uint32_t seed = (uint32_t)size;
    for (size_t i = 0; i < size; i += 1 + i / 8)
        seed = seed * 31 + data[i];
    struct message_parser *left = message_parser_new(NULL);
    struct message_parser *right = message_parser_new(NULL);
    expect(left != NULL && right != NULL);
    feed(left, in, NULL);
    feed(right, in, &seed);
    expect(message_parser_finish(left, &whole, NULL));
    expect(message_parser_finish(right, &pieces, NULL));
    check_answers(&whole, &pieces);
    check_sections(in, &whole);
    check_preview(whole.structure, in, true);
    check_damage(whole.structure, in, &seed);
    check_damage(whole.envelope, in, &seed);
    check_damaged(in, in);
    message_parser_free(left);
    message_parser_free(right);
    return 0;
}
