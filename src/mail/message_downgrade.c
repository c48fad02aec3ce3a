/* Walks over the parts of a message as message_parser does, and writes each in 7 bits. */
#include "mail/message_downgrade.h"

#include <stdlib.h>

#include "mail/message_boundary.h"
#include "mail/message_content.h"
#include "mail/message_downgrade_inside.h"
#include "mail/message_parser.h"
#include "mail/transfer_decoder.h"

enum {
    /* "--", the boundary and the "--" behind it: what decides about a line. */
    CANDIDATE_MAX = 2 + MESSAGE_BOUNDARY_MAX + 2
};

enum downgrade_state {
    STATE_HEADER,        /* of the innermost part */
    STATE_AROUND,        /* before and behind the parts of a multipart */
    STATE_LEAF,          /* a body with nothing in it */
    STATE_BOUNDARY_LINE, /* the rest of one that starts a part */
    STATE_CLOSING_LINE   /* the rest of one that ends a multipart */
};

struct downgrade_part {
    enum message_content_kind kind;
    bool is_digest;
    bool is_in_signed;
};

struct message_downgrade {
    enum downgrade_state state;
    struct fault fault; /* kind FAULT_NONE: none yet */
    bool is_line_start;
    bool is_cut; /* the rest of the boundary's line is left out */
    bool is_signed;
    struct downgrade_part open[MESSAGE_DEPTH_MAX + 1]; /* each in the one before it */
    unsigned depth;
    size_t part_count;
    struct message_boundaries boundaries;
    struct buffer section; /* the header of the innermost part, until it can be written */
    struct buffer held;    /* the beginning of a line that may be a boundary */
    struct arena arena;
    struct buffer scratch;
    struct message_downgrade_leaf leaf;
};

struct message_downgrade *message_downgrade_new(struct fault *fault)
{
    struct message_downgrade *downgrade = calloc(1, sizeof(*downgrade));
    if (downgrade == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    downgrade->is_line_start = true;
    buffer_init(&downgrade->section, MESSAGE_HEADER_MAX);
    buffer_init(&downgrade->held, CANDIDATE_MAX);
    buffer_init(&downgrade->scratch, MESSAGE_DOWNGRADE_MEMORY_MAX);
    message_downgrade_leaf_init(&downgrade->leaf);
    arena_init(&downgrade->arena, MESSAGE_DOWNGRADE_MEMORY_MAX);
    downgrade->depth = 1;
    downgrade->part_count = 1;
    return downgrade;
}

void message_downgrade_free(struct message_downgrade *downgrade)
{
    if (downgrade == NULL)
        return;
    message_boundary_clear(&downgrade->boundaries);
    buffer_clear(&downgrade->section);
    buffer_clear(&downgrade->held);
    buffer_clear(&downgrade->scratch);
    message_downgrade_leaf_clear(&downgrade->leaf);
    arena_clear(&downgrade->arena);
    free(downgrade);
}

bool message_downgrade_is_signed(const struct message_downgrade *downgrade)
{
    return downgrade->is_signed;
}

static struct downgrade_part *innermost(struct message_downgrade *downgrade)
{
    return &downgrade->open[downgrade->depth - 1];
}

static void note_change(struct message_downgrade *downgrade)
{
    if (innermost(downgrade)->is_in_signed)
        downgrade->is_signed = true;
}

/* Anything that was appended is as it should be? */
static bool check(struct message_downgrade *downgrade, const struct buffer *buffer)
{
    return !buffer_is_failed(buffer) || fault_set_memory(&downgrade->fault);
}

/* ---- headers ---- */

static bool write_header(struct message_downgrade *downgrade,
                         const struct message_downgrade_header *header, struct buffer *out)
{
    bool is_changed = false;
    if (!message_downgrade_header_write(buffer_bytes(&downgrade->section), header, out, &is_changed,
                                        &downgrade->fault))
        return false;
    if (is_changed)
        note_change(downgrade);
    buffer_reset(&downgrade->section);
    return true;
}

static bool begin_part(struct message_downgrade *downgrade)
{
    struct downgrade_part *parent = innermost(downgrade);
    downgrade->open[downgrade->depth++] =
        (struct downgrade_part){.is_in_signed = parent->is_in_signed};
    downgrade->part_count++;
    downgrade->state = STATE_HEADER;
    buffer_reset(&downgrade->section);
    return true;
}

static bool is_full(const struct message_downgrade *downgrade)
{
    return downgrade->part_count >= MESSAGE_PARTS_MAX;
}

/* Parts are in it: only its header is to be written. A body that says it is 8bit is not any more
   (RFC 2045 6.4). */
static bool begin_composite(struct message_downgrade *downgrade,
                            const struct message_content *content, struct buffer *out)
{
    struct downgrade_part *part = innermost(downgrade);
    part->kind = content->kind;
    part->is_digest = content->is_digest;
    struct message_downgrade_header header = {.is_inner = downgrade->depth > 1};
    if (message_downgrade_leaf_is_called_8bit(content))
        header.encoding = "7bit";
    if (!write_header(downgrade, &header, out))
        return false;
    if (content->kind == MESSAGE_CONTENT_MESSAGE)
        return begin_part(downgrade);
    if (message_downgrade_leaf_is_label(content->subtype, "signed"))
        part->is_in_signed = true;
    downgrade->state = STATE_AROUND;
    return message_boundary_push(&downgrade->boundaries, content->boundary, downgrade->depth - 1) ||
           fault_set_memory(&downgrade->fault);
}

/* Behind each step with the body of a leaf. */
static bool note_leaf(struct message_downgrade *downgrade, bool is_good)
{
    if (downgrade->leaf.is_changed)
        note_change(downgrade);
    downgrade->leaf.is_changed = false;
    return is_good;
}

static bool begin_leaf(struct message_downgrade *downgrade, const struct message_content *content,
                       struct message_downgrade_place place, struct buffer *out)
{
    innermost(downgrade)->kind = MESSAGE_CONTENT_OTHER;
    downgrade->state = STATE_LEAF;
    return note_leaf(downgrade,
                     message_downgrade_leaf_begin(&downgrade->leaf, &downgrade->section, content,
                                                  place, out, &downgrade->fault));
}

static bool feed_leaf(struct message_downgrade *downgrade, struct bytes bytes, struct buffer *out)
{
    return note_leaf(downgrade,
                     message_downgrade_leaf_feed(&downgrade->leaf, bytes, out, &downgrade->fault));
}

static bool end_leaf(struct message_downgrade *downgrade, struct buffer *out)
{
    return note_leaf(downgrade,
                     message_downgrade_leaf_end(&downgrade->leaf, out, &downgrade->fault));
}

/* The header of the innermost part is whole. */
static bool end_header(struct message_downgrade *downgrade, struct buffer *out)
{
    struct downgrade_part *parent =
        downgrade->depth > 1 ? &downgrade->open[downgrade->depth - 2] : NULL;
    struct bytes section = buffer_bytes(&downgrade->section);
    bool is_part = parent != NULL && parent->kind == MESSAGE_CONTENT_MULTIPART;
    struct message_content_place place = {.is_part = is_part,
                                          .is_digest = is_part && parent->is_digest};
    struct message_content content;
    arena_reset(&downgrade->arena);
    if (!check(downgrade, &downgrade->section))
        return false;
    if (!message_content_read(section, place, &downgrade->arena, &downgrade->scratch, &content))
        return fault_set_memory(&downgrade->fault);
    bool may_nest = downgrade->depth < MESSAGE_DEPTH_MAX && !is_full(downgrade);
    enum transfer_encoding encoding;
    bool is_plain = transfer_decoder_named(content.encoding, &encoding) &&
                    encoding != TRANSFER_BASE64 && encoding != TRANSFER_QUOTED_PRINTABLE;
    bool is_message = content.kind == MESSAGE_CONTENT_MESSAGE && is_plain &&
                      !message_downgrade_leaf_is_label(content.subtype, "global");
    bool is_multipart = content.kind == MESSAGE_CONTENT_MULTIPART && content.subtype.length > 0 &&
                        content.boundary.data != NULL;
    if (may_nest && (is_message || is_multipart))
        return begin_composite(downgrade, &content, out);
    const struct message_downgrade_place around = {.is_part = is_part, .is_inner = parent != NULL};
    return begin_leaf(downgrade, &content, around, out);
}

static bool feed_header(struct message_downgrade *downgrade, struct bytes line, struct buffer *out)
{
    struct buffer *section = &downgrade->section;
    if (line.length > buffer_room(section))
        return fault_set(&downgrade->fault, FAULT_PERMANENT,
                         "a header of more than %d bytes cannot be said in 7 bits",
                         (int)MESSAGE_HEADER_MAX);
    buffer_append(section, line);
    if (!check(downgrade, section))
        return false;
    if (!bytes_ends_with(line, BYTES("\n")))
        return true;
    struct bytes all = buffer_bytes(section);
    bool is_empty = all.length == 1 || bytes_equal(all, BYTES("\r\n")) ||
                    bytes_ends_with(all, BYTES("\n\n")) || bytes_ends_with(all, BYTES("\n\r\n"));
    return !is_empty || end_header(downgrade, out);
}

/* ---- what stands around parts ---- */

/* Nobody reads it (RFC 2046 5.1.1): what is beyond ASCII is "*", which is in no boundary. */
static void write_around(struct message_downgrade *downgrade, struct bytes bytes,
                         struct buffer *out)
{
    while (bytes.length > 0) {
        size_t good = 0;
        while (good < bytes.length && (unsigned char)bytes.data[good] < 128 &&
               bytes.data[good] != '\0')
            good++;
        buffer_append(out, bytes_slice(bytes, 0, good));
        bytes = bytes_skip(bytes, good);
        if (bytes.length == 0)
            return;
        note_change(downgrade);
        buffer_append_char(out, '*');
        bytes = bytes_skip(bytes, 1);
    }
}

/* The rest of a boundary's line: behind the first byte beyond ASCII there is nothing. */
static void write_boundary_line(struct message_downgrade *downgrade, struct bytes line,
                                struct buffer *out)
{
    bool has_end = bytes_ends_with(line, BYTES("\n"));
    size_t good = 0;
    while (!downgrade->is_cut && good < line.length) {
        downgrade->is_cut = (unsigned char)line.data[good] > 127 || line.data[good] == '\0';
        good += downgrade->is_cut ? 0 : 1;
    }
    buffer_append(out, bytes_slice(line, 0, good));
    if (has_end && good < line.length)
        buffer_append_string(out, bytes_ends_with(line, BYTES("\r\n")) ? "*\r\n" : "*\n");
}

/* ---- lines ---- */

/* The innermost parts end, down to `depth`. */
static bool end_parts(struct message_downgrade *downgrade, unsigned depth, struct buffer *out)
{
    while (downgrade->state == STATE_HEADER)
        if (!end_header(downgrade, out))
            return false;
    if (downgrade->state == STATE_LEAF && !end_leaf(downgrade, out))
        return false;
    downgrade->depth = depth;
    downgrade->state = STATE_AROUND;
    return true;
}

static bool find_boundary(const struct message_downgrade *downgrade, struct bytes line,
                          size_t *index)
{
    return bytes_starts_with(line, BYTES("--")) &&
           message_boundary_find(&downgrade->boundaries, bytes_skip(line, 2), index);
}

/* A line that begins with "-" and is no boundary: what is replaced in it must not make it one. */
static void defuse_line(struct message_downgrade *downgrade, struct bytes *line, struct buffer *out)
{
    if (bytes_is_ascii(*line) && !bytes_has_char(*line, '\0'))
        return;
    if (downgrade->state == STATE_LEAF) {
        message_downgrade_leaf_defuse(&downgrade->leaf, line, out);
        note_leaf(downgrade, true);
    } else if (downgrade->state == STATE_AROUND) {
        buffer_append_char(out, '*');
        *line = bytes_skip(*line, 1);
    }
}

/* A line that may be a boundary, as much of it as decides. Takes off *line what was written. */
static bool judge_line(struct message_downgrade *downgrade, struct bytes *line, struct buffer *out)
{
    size_t index = 0;
    if (!find_boundary(downgrade, *line, &index)) {
        defuse_line(downgrade, line, out);
        return true;
    }
    size_t length = downgrade->boundaries.open[index].length;
    struct bytes boundary = bytes_slice(*line, 2, length);
    struct bytes rest = bytes_skip(*line, 2 + length);
    bool is_closing = bytes_starts_with(rest, BYTES("--"));
    if (!is_closing && is_full(downgrade)) {
        message_boundary_shorten(&downgrade->boundaries, 0);
        return true;
    }
    unsigned depth = (unsigned)downgrade->boundaries.open[index].part + 1;
    struct bytes line_end = {NULL, 0};
    if (downgrade->state == STATE_LEAF)
        line_end = message_downgrade_leaf_take_line_end(&downgrade->leaf);
    if (!end_parts(downgrade, depth, out))
        return false;
    message_boundary_shorten(&downgrade->boundaries, is_closing ? index : index + 1);
    buffer_append(out, line_end);
    buffer_append_string(out, "--");
    message_downgrade_field_write_boundary(boundary, out);
    downgrade->state = is_closing ? STATE_CLOSING_LINE : STATE_BOUNDARY_LINE;
    downgrade->is_cut = false;
    *line = rest;
    return true;
}

/* The first of the bytes that can be taken together: a line, or in bodies all lines up to the next
   that may be a boundary. */
static struct bytes take(const struct message_downgrade *downgrade, struct bytes *rest)
{
    bool is_body = downgrade->state == STATE_LEAF || downgrade->state == STATE_AROUND;
    size_t length = 0;
    do {
        size_t end = bytes_find_char(bytes_skip(*rest, length), '\n');
        length = end == BYTES_NOT_FOUND ? rest->length : length + end + 1;
    } while (is_body && length < rest->length &&
             (downgrade->boundaries.count == 0 || rest->data[length] != '-'));
    struct bytes taken = bytes_slice(*rest, 0, length);
    *rest = bytes_skip(*rest, length);
    return taken;
}

/* Bytes that are no boundary, or the rest of its line. */
static bool feed_settled(struct message_downgrade *downgrade, struct bytes *rest,
                         struct buffer *out)
{
    struct bytes bytes = take(downgrade, rest);
    bool is_end = bytes_ends_with(bytes, BYTES("\n"));
    downgrade->is_line_start = is_end;
    switch (downgrade->state) {
    case STATE_HEADER:
        return feed_header(downgrade, bytes, out);
    case STATE_LEAF:
        return feed_leaf(downgrade, bytes, out);
    case STATE_AROUND:
        write_around(downgrade, bytes, out);
        return true;
    case STATE_BOUNDARY_LINE:
        write_boundary_line(downgrade, bytes, out);
        return !is_end || begin_part(downgrade);
    case STATE_CLOSING_LINE:
        write_boundary_line(downgrade, bytes, out);
        if (is_end)
            downgrade->state = STATE_AROUND;
        return true;
    }
    return true;
}

static bool feed_held(struct message_downgrade *downgrade, struct buffer *out)
{
    struct bytes rest = buffer_bytes(&downgrade->held);
    if (!check(downgrade, &downgrade->held) || !judge_line(downgrade, &rest, out))
        return false;
    downgrade->is_line_start = false;
    while (rest.length > 0)
        if (!feed_settled(downgrade, &rest, out))
            return false;
    buffer_reset(&downgrade->held);
    return true;
}

/* Gathers a line that begins with "-" until it is clear what it is. */
static bool hold(struct message_downgrade *downgrade, struct bytes *rest, struct buffer *out)
{
    struct bytes line = bytes_slice(*rest, 0, CANDIDATE_MAX - downgrade->held.length);
    size_t end = bytes_find_char(line, '\n');
    line = bytes_slice(line, 0, end == BYTES_NOT_FOUND ? end : end + 1);
    buffer_append(&downgrade->held, line);
    *rest = bytes_skip(*rest, line.length);
    bool is_settled = end != BYTES_NOT_FOUND || downgrade->held.length == CANDIDATE_MAX;
    return !is_settled || feed_held(downgrade, out);
}

static bool feed_some(struct message_downgrade *downgrade, struct bytes *rest, struct buffer *out)
{
    bool may_be_boundary = downgrade->is_line_start && downgrade->state <= STATE_LEAF &&
                           downgrade->boundaries.count > 0 && rest->data[0] == '-';
    if (downgrade->held.length > 0 || may_be_boundary)
        return hold(downgrade, rest, out);
    return feed_settled(downgrade, rest, out);
}

static bool fail(struct message_downgrade *downgrade, struct fault *fault)
{
    if (downgrade->fault.kind == FAULT_NONE)
        fault_set_memory(&downgrade->fault);
    if (fault != NULL)
        *fault = downgrade->fault;
    return false;
}

bool message_downgrade_feed(struct message_downgrade *downgrade, struct bytes piece,
                            struct buffer *out, struct fault *fault)
{
    while (downgrade->fault.kind == FAULT_NONE && piece.length > 0)
        if (!feed_some(downgrade, &piece, out))
            break;
    if (downgrade->fault.kind != FAULT_NONE || buffer_is_failed(out))
        return fail(downgrade, fault);
    return true;
}

bool message_downgrade_finish(struct message_downgrade *downgrade, struct buffer *out,
                              struct fault *fault)
{
    if (downgrade->fault.kind != FAULT_NONE)
        return fail(downgrade, fault);
    if (downgrade->held.length > 0 && !feed_held(downgrade, out))
        return fail(downgrade, fault);
    /* The last line end of the message is its own. */
    if (downgrade->state == STATE_LEAF &&
        !note_leaf(downgrade,
                   message_downgrade_leaf_flush(&downgrade->leaf, out, &downgrade->fault)))
        return fail(downgrade, fault);
    if (downgrade->state <= STATE_LEAF && !end_parts(downgrade, 1, out))
        return fail(downgrade, fault);
    return !buffer_is_failed(out) || fail(downgrade, fault);
}
