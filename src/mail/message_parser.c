/* Reading a message line by line, in pieces of any size. */
#include "mail/message_parser.h"

#include <stdlib.h>

#include "mail/date.h"
#include "mail/message_boundary.h"
#include "mail/message_envelope.h"
#include "mail/message_header.h"
#include "mail/message_outline.h"

enum parser_state {
    STATE_HEADER,        /* of the last part */
    STATE_BODY,          /* of the innermost open part */
    STATE_BOUNDARY_LINE, /* the rest of one that starts a part */
    STATE_CLOSING_LINE   /* the rest of one that ends a multipart */
};

enum {
    FRONT_MAX = 64 * 1024,
    ENVELOPE_MAX = 16 * MESSAGE_HEADER_MAX,
    STRUCTURE_MAX = 64 * 1024 * 1024, /* more than what an outline can say */
    KEPT_MEMORY = 16 * 1024,          /* bytes of a buffer that are kept for the next message */
    /* "--", the boundary and the "--" behind it: what decides about a line. */
    CANDIDATE_MAX = 2 + MESSAGE_BOUNDARY_MAX + 2,
    LANE_COUNT = 16 /* bytes looked at in one step */
};

struct message_parser {
    enum parser_state state;
    bool is_failed;
    bool has_8bit;
    bool has_nul;
    bool is_line_start;
    char last; /* the byte before the place, and the one before that */
    char last_but_one;
    struct message_place at;            /* up to where everything is settled */
    uint64_t behind_closing;            /* where the line of a last boundary ended */
    size_t line_length;                 /* header: bytes of the line so far */
    size_t open[MESSAGE_DEPTH_MAX + 1]; /* the open parts, each in the one before it */
    unsigned depth;
    struct message_outline outline;
    struct message_boundaries boundaries;
    struct buffer header;  /* of the message */
    struct buffer section; /* of the part within it that is being read */
    struct buffer held;    /* the beginning of a line that may be a boundary */
    struct buffer front;
    struct buffer envelope;
    struct buffer structure;
};

static void start(struct message_parser *parser)
{
    parser->state = STATE_HEADER;
    parser->is_failed = false;
    parser->has_8bit = false;
    parser->has_nul = false;
    parser->is_line_start = true;
    parser->last = 0;
    parser->last_but_one = 0;
    parser->at = (struct message_place){0, 0};
    parser->behind_closing = 0;
    parser->line_length = 0;
    parser->depth = 0;
}

struct message_parser *message_parser_new(struct fault *fault)
{
    struct message_parser *parser = calloc(1, sizeof *parser);
    if (parser == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    message_outline_init(&parser->outline);
    buffer_init(&parser->header, MESSAGE_HEADER_MAX);
    buffer_init(&parser->section, MESSAGE_HEADER_MAX);
    buffer_init(&parser->held, CANDIDATE_MAX);
    buffer_init(&parser->front, FRONT_MAX + MESSAGE_HEADER_MAX);
    buffer_init(&parser->envelope, ENVELOPE_MAX);
    buffer_init(&parser->structure, STRUCTURE_MAX);
    start(parser);
    return parser;
}

void message_parser_free(struct message_parser *parser)
{
    if (parser == NULL)
        return;
    message_outline_clear(&parser->outline);
    message_boundary_clear(&parser->boundaries);
    buffer_clear(&parser->header);
    buffer_clear(&parser->section);
    buffer_clear(&parser->held);
    buffer_clear(&parser->front);
    buffer_clear(&parser->envelope);
    buffer_clear(&parser->structure);
    free(parser);
}

static void forget(struct buffer *buffer)
{
    if (buffer->capacity > KEPT_MEMORY)
        buffer_clear(buffer);
    buffer_reset(buffer);
}

void message_parser_reset(struct message_parser *parser)
{
    message_outline_reset(&parser->outline);
    message_boundary_reset(&parser->boundaries);
    forget(&parser->header);
    forget(&parser->section);
    forget(&parser->held);
    forget(&parser->front);
    forget(&parser->envelope);
    forget(&parser->structure);
    start(parser);
}

static bool fail(struct message_parser *parser)
{
    parser->is_failed = true;
    return false;
}

static struct message_outline_part *part_at(struct message_parser *parser, unsigned depth)
{
    return &parser->outline.parts[parser->open[depth]];
}

static struct buffer *section_of(struct message_parser *parser)
{
    return parser->depth == 1 ? &parser->header : &parser->section;
}

static bool begin_part(struct message_parser *parser, struct message_place header)
{
    if (!message_outline_add(&parser->outline, header, parser->depth))
        return fail(parser);
    parser->open[parser->depth++] = parser->outline.count - 1;
    buffer_reset(section_of(parser));
    parser->state = STATE_HEADER;
    parser->line_length = 0;
    return true;
}

/* The header of the innermost part ends at `body`. */
static bool end_header(struct message_parser *parser, struct message_place body)
{
    struct message_outline_part *part = part_at(parser, parser->depth - 1);
    struct message_outline_part *parent =
        parser->depth > 1 ? part_at(parser, parser->depth - 2) : NULL;
    struct bytes section = buffer_bytes(section_of(parser));
    bool is_part = parent != NULL && parent->kind == MESSAGE_STRUCTURE_MULTIPART;
    struct message_content_place place = {.is_part = is_part,
                                          .is_digest = is_part && parent->is_digest};
    bool may_nest = parser->depth < MESSAGE_DEPTH_MAX && !message_outline_is_full(&parser->outline);
    struct bytes boundary;
    part->body = body;
    part->end = body;
    if (parent != NULL && parent->kind == MESSAGE_STRUCTURE_MESSAGE)
        message_outline_put_envelope(&parser->outline, parser->open[parser->depth - 2], section);
    if (!message_outline_describe(&parser->outline, section, place, may_nest, &boundary))
        return fail(parser);
    parser->state = STATE_BODY;
    if (part->kind == MESSAGE_STRUCTURE_MESSAGE)
        return begin_part(parser, body);
    if (boundary.data != NULL &&
        !message_boundary_push(&parser->boundaries, boundary, parser->depth - 1))
        return fail(parser);
    return true;
}

/* All open parts from `depth` on end at `end`, or where the body of one in them begins if that is
   later. */
static bool end_parts(struct message_parser *parser, unsigned depth, struct message_place end)
{
    while (parser->state == STATE_HEADER) {
        struct message_place body = part_at(parser, parser->depth - 1)->header;
        if (end.offset > body.offset)
            body = end;
        if (!end_header(parser, body))
            return false;
    }
    while (parser->depth > depth) {
        struct message_outline_part *part = part_at(parser, --parser->depth);
        if (part->body.offset > end.offset)
            end = part->body;
        part->end = end;
    }
    return true;
}

/* Takes bytes whose meaning is settled: the header's are gathered. */
static void pass(struct message_parser *parser, struct bytes bytes)
{
    if (bytes.length == 0)
        return;
    if (parser->state == STATE_HEADER)
        buffer_append(section_of(parser), bytes);
    parser->at.offset += bytes.length;
    parser->last_but_one = bytes.length > 1 ? bytes.data[bytes.length - 2] : parser->last;
    parser->last = bytes.data[bytes.length - 1];
    parser->is_line_start = parser->last == '\n';
}

/* The line end before a boundary belongs to the boundary (RFC 2046 5.1.1). */
static struct message_place before_line_end(const struct message_parser *parser)
{
    struct message_place place = parser->at;
    if (place.offset > 0 && parser->last == '\n') {
        place.lines--;
        place.offset -= place.offset > 1 && parser->last_but_one == '\r' ? 2 : 1;
    }
    return place;
}

/* Whether the line that starts here, `line` being as much of it as decides, is a boundary. */
static bool is_boundary(const struct message_parser *parser, struct bytes line, size_t *index,
                        bool *is_closing)
{
    if (!bytes_starts_with(line, BYTES("--")))
        return false;
    struct bytes rest = bytes_skip(line, 2);
    if (!message_boundary_find(&parser->boundaries, rest, index))
        return false;
    rest = bytes_skip(rest, parser->boundaries.open[*index].length);
    *is_closing = bytes_starts_with(rest, BYTES("--"));
    return true;
}

/* The place is at a line that may be a boundary, and `line` decides. */
static bool judge_line(struct message_parser *parser, struct bytes line)
{
    size_t index;
    bool is_closing;
    if (!is_boundary(parser, line, &index, &is_closing))
        return true;
    if (!is_closing && message_outline_is_full(&parser->outline)) {
        /* What comes belongs to the last part. */
        message_boundary_shorten(&parser->boundaries, 0);
        return true;
    }
    unsigned depth = (unsigned)parser->boundaries.open[index].part + 1;
    /* A header that is cut off, and the last boundary of a multipart in this one, keep their line
       end. */
    bool keeps_line_end =
        parser->state == STATE_HEADER || parser->at.offset == parser->behind_closing;
    struct message_place end = keeps_line_end ? parser->at : before_line_end(parser);
    if (!end_parts(parser, depth, end))
        return false;
    message_boundary_shorten(&parser->boundaries, is_closing ? index : index + 1);
    parser->state = is_closing ? STATE_CLOSING_LINE : STATE_BOUNDARY_LINE;
    return true;
}

/* Passes a line, or as much of it as there is. */
static bool pass_line(struct message_parser *parser, struct bytes line)
{
    bool is_end = line.length > 0 && line.data[line.length - 1] == '\n';
    parser->at.lines += is_end;
    pass(parser, line);
    if (!is_end) {
        parser->line_length += line.length;
        return true;
    }
    size_t length = parser->line_length + line.length - 1;
    bool is_empty = length == 0 || (length == 1 && parser->last_but_one == '\r');
    parser->line_length = 0;
    if (parser->state == STATE_BOUNDARY_LINE)
        return begin_part(parser, parser->at);
    if (parser->state == STATE_HEADER && is_empty)
        return end_header(parser, parser->at);
    if (parser->state == STATE_CLOSING_LINE) {
        parser->state = STATE_BODY;
        parser->behind_closing = parser->at.offset;
    }
    return true;
}

/* Takes the first line, or as much of it as there is, off *rest. */
static struct bytes take_line(struct bytes *rest)
{
    size_t end = bytes_find_char(*rest, '\n');
    struct bytes line = bytes_slice(*rest, 0, end == BYTES_NOT_FOUND ? end : end + 1);
    *rest = bytes_skip(*rest, line.length);
    return line;
}

static bool feed_header(struct message_parser *parser, struct bytes *rest)
{
    struct buffer *section = section_of(parser);
    struct bytes room = bytes_slice(*rest, 0, buffer_room(section));
    struct bytes left = room;
    struct bytes line = take_line(&left);
    *rest = bytes_skip(*rest, line.length);
    if (!pass_line(parser, line))
        return false;
    if (parser->state == STATE_HEADER && section == section_of(parser) && buffer_room(section) == 0)
        return !buffer_is_failed(section) && end_header(parser, parser->at);
    return true;
}

typedef unsigned char lanes __attribute__((vector_size(LANE_COUNT)));

/* Line ends, sixteen bytes in a step: each lane counts its own, at most 255. */
static uint64_t count_lines(struct bytes bytes)
{
    uint64_t count = 0;
    const lanes line_feeds = (lanes){0} + (unsigned char)'\n';
    while (bytes.length >= LANE_COUNT) {
        size_t steps = bytes.length / LANE_COUNT;
        if (steps > UINT8_MAX)
            steps = UINT8_MAX;
        lanes counts = {0};
        for (size_t i = 0; i < steps; i++) {
            lanes lane;
            memcpy(&lane, bytes.data + i * LANE_COUNT, sizeof lane);
            counts -= (lanes)(lane == line_feeds);
        }
        for (unsigned i = 0; i < LANE_COUNT; i++)
            count += counts[i];
        bytes = bytes_skip(bytes, steps * LANE_COUNT);
    }
    for (size_t i = 0; i < bytes.length; i++)
        count += bytes.data[i] == '\n';
    return count;
}

/* How many bytes there are up to the next line that starts with "--", or may do so when more has
   come; with the lines in them. */
static size_t find_dash_line(struct bytes bytes, uint64_t *lines)
{
    size_t position = 0;
    for (;;) {
        size_t end = bytes_find_char(bytes_skip(bytes, position), '\n');
        if (end == BYTES_NOT_FOUND)
            return bytes.length;
        position += end + 1;
        ++*lines;
        struct bytes line = bytes_slice(bytes, position, 2);
        if (line.length > 0 && line.data[0] == '-' && line.data[line.length - 1] == '-')
            return position;
    }
}

static void feed_body(struct message_parser *parser, struct bytes *rest)
{
    size_t length = rest->length;
    if (parser->boundaries.count == 0)
        parser->at.lines += count_lines(*rest);
    else
        length = find_dash_line(*rest, &parser->at.lines);
    pass(parser, bytes_slice(*rest, 0, length));
    *rest = bytes_skip(*rest, length);
}

/* The first of *rest, which is no boundary. */
static bool feed_settled(struct message_parser *parser, struct bytes *rest)
{
    if (parser->state == STATE_HEADER)
        return feed_header(parser, rest);
    if (parser->state == STATE_BODY) {
        feed_body(parser, rest);
        return true;
    }
    return pass_line(parser, take_line(rest));
}

/* What was held has been judged. */
static bool feed_held(struct message_parser *parser)
{
    struct bytes rest = buffer_bytes(&parser->held);
    while (rest.length > 0) {
        if (!feed_settled(parser, &rest))
            return false;
    }
    buffer_reset(&parser->held);
    return true;
}

/* What comes at the start of a line while boundaries are open. False in *is_settled: more must
   come before it can be said what the line is. */
static bool feed_line_start(struct message_parser *parser, struct bytes *rest, bool *is_settled)
{
    struct bytes line = bytes_slice(*rest, 0, CANDIDATE_MAX - parser->held.length);
    size_t end = bytes_find_char(line, '\n');
    line = bytes_slice(line, 0, end == BYTES_NOT_FOUND ? end : end + 1);
    *is_settled = end != BYTES_NOT_FOUND || parser->held.length + line.length == CANDIDATE_MAX;
    if (parser->held.length == 0 && *is_settled)
        return judge_line(parser, line);
    buffer_append(&parser->held, line);
    *rest = bytes_skip(*rest, line.length);
    struct bytes held = buffer_bytes(&parser->held);
    if (held.length > 1 && held.data[1] != '-')
        *is_settled = true;
    if (!*is_settled)
        return !buffer_is_failed(&parser->held) || fail(parser);
    if (!judge_line(parser, held))
        return false;
    return feed_held(parser);
}

static void note_bytes(struct message_parser *parser, struct bytes bytes)
{
    lanes high = {0};
    lanes zero = {0};
    while (bytes.length >= LANE_COUNT) {
        lanes lane;
        memcpy(&lane, bytes.data, sizeof lane);
        high |= lane;
        zero |= (lanes)(lane == (lanes){0});
        bytes = bytes_skip(bytes, LANE_COUNT);
    }
    unsigned all = 0;
    unsigned nuls = 0;
    for (unsigned i = 0; i < LANE_COUNT; i++) {
        all |= high[i];
        nuls |= zero[i];
    }
    for (size_t i = 0; i < bytes.length; i++) {
        all |= (unsigned char)bytes.data[i];
        nuls |= bytes.data[i] == '\0';
    }
    parser->has_8bit = parser->has_8bit || all > 127;
    parser->has_nul = parser->has_nul || nuls != 0;
}

static bool feed_some(struct message_parser *parser, struct bytes *rest)
{
    bool may_be_boundary =
        parser->is_line_start && parser->state <= STATE_BODY && parser->boundaries.count > 0;
    if (parser->held.length > 0 || (may_be_boundary && rest->data[0] == '-')) {
        bool is_settled;
        bool was_held = parser->held.length > 0;
        if (!feed_line_start(parser, rest, &is_settled))
            return false;
        if (!is_settled || was_held || parser->held.length > 0)
            return true;
    }
    return rest->length == 0 || feed_settled(parser, rest);
}

bool message_parser_feed(struct message_parser *parser, struct bytes piece, struct fault *fault)
{
    if (parser->is_failed)
        return fault_set_memory(fault);
    note_bytes(parser, piece);
    if (parser->depth == 0 && parser->outline.count == 0 && !begin_part(parser, parser->at))
        return fault_set_memory(fault);
    while (piece.length > 0) {
        if (!feed_some(parser, &piece))
            return fault_set_memory(fault);
    }
    return true;
}

/* What the header of the message says, front included, for the sessions. */
static void look_at_fields(const struct message_parser *parser, struct bytes section,
                           struct message_parsed *parsed)
{
    struct message_header_field field;
    while (message_header_next(&section, &field)) {
        if (bytes_equal_ignoring_case(field.name, BYTES("Date")))
            parsed->has_date = true;
        else if (bytes_equal_ignoring_case(field.name, BYTES("Message-ID")))
            parsed->has_message_id = true;
        else if (bytes_equal_ignoring_case(field.name, BYTES("From")))
            parsed->has_from = true;
        else if (bytes_equal_ignoring_case(field.name, BYTES("Received")))
            parsed->received_count++;
    }
    parsed->has_8bit = parser->has_8bit;
    parsed->has_nul = parser->has_nul;
}

size_t message_parser_memory(const struct message_parser *parser)
{
    return parser->header.capacity + parser->section.capacity +
           message_outline_memory(&parser->outline);
}

void message_parser_peek(const struct message_parser *parser, struct message_parsed *parsed)
{
    *parsed = (struct message_parsed){.size = parser->at.offset + parser->held.length};
    look_at_fields(parser, buffer_bytes(&parser->front), parsed);
    look_at_fields(parser, buffer_bytes(&parser->header), parsed);
}

bool message_parser_add_front(struct message_parser *parser, struct bytes fields,
                              struct fault *fault)
{
    if (fields.length > FRONT_MAX - parser->front.length)
        return fault_set(fault, FAULT_LIMIT, "more than %d bytes of header fields to add",
                         (int)FRONT_MAX);
    note_bytes(parser, fields);
    buffer_append(&parser->front, fields);
    return !buffer_is_failed(&parser->front) || fault_set_memory(fault);
}

static int64_t sent_date(struct bytes envelope)
{
    struct message_envelope fields;
    int64_t seconds;
    int offset;
    if (!message_envelope_read(envelope, &fields, NULL) || fields.date.data == NULL ||
        !date_parse(fields.date, &seconds, &offset))
        return 0;
    return seconds * 1000000;
}

/* What is still open ends with the message. */
static bool end_message(struct message_parser *parser)
{
    if (parser->outline.count == 0 && !begin_part(parser, parser->at))
        return false;
    if (parser->held.length > 0) {
        if (!judge_line(parser, buffer_bytes(&parser->held)) || !feed_held(parser))
            return false;
    }
    return end_parts(parser, 0, parser->at);
}

bool message_parser_finish(struct message_parser *parser, struct message_parsed *parsed,
                           struct fault *fault)
{
    if (parser->is_failed || !end_message(parser))
        return fault_set_memory(fault);
    uint64_t shift = parser->front.length;
    uint64_t front_lines = count_lines(buffer_bytes(&parser->front));
    struct buffer *header = &parser->header;
    if (shift > 0) {
        buffer_append(&parser->front, buffer_bytes(&parser->header));
        header = &parser->front;
    }
    struct message_parsed found = {.header = buffer_bytes(header),
                                   .size = parser->at.offset + shift,
                                   .lines = parser->at.lines + front_lines};
    message_envelope_write(found.header, &parser->envelope);
    message_outline_write(&parser->outline, shift, &parser->structure);
    if (buffer_is_failed(header) || buffer_is_failed(&parser->envelope) ||
        buffer_is_failed(&parser->structure)) {
        fail(parser);
        return fault_set_memory(fault);
    }
    found.envelope = buffer_bytes(&parser->envelope);
    found.structure = buffer_bytes(&parser->structure);
    found.sent = sent_date(found.envelope);
    look_at_fields(parser, found.header, &found);
    *parsed = found;
    return true;
}
