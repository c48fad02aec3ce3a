/* The bodies of a message, part after part, while it goes by. */
#include <stdlib.h>

#include "mail/message_charset.h"
#include "mail/message_needle.h"
#include "mail/message_parser.h"
#include "mail/transfer_decoder.h"

enum {
    DECODE_STEP = 8 * 1024, /* bytes of a body that are decoded at once */
    HEADER_MAX = MESSAGE_HEADER_MAX + 1024
};

/* What is to be searched: stretches of the message, in their order. */
struct stretch {
    uint64_t start;
    uint64_t end;
    bool is_header;
    enum transfer_encoding encoding;
    struct bytes charset; /* borrowed from the structure */
};

struct message_search {
    struct message_needle *needle;
    bool has_headers;
    struct stretch *stretches;
    size_t count;
    size_t capacity;
    size_t current;  /* which of them is next, or at hand */
    bool is_begun;   /* it is at hand */
    uint64_t offset; /* of the next byte in the message */
    bool is_found;
    struct buffer header; /* of a header that comes in several pieces */
    struct transfer_decoder decoder;
    struct message_charset charset;
    struct buffer decoded;
    struct buffer converted;
    struct message_matcher matcher;
};

struct message_search *message_search_new(struct fault *fault)
{
    struct message_search *search = calloc(1, sizeof *search);
    if (search == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    buffer_init(&search->header, HEADER_MAX);
    buffer_init(&search->decoded, DECODE_STEP + 2 * TRANSFER_DECODER_HELD_MAX);
    buffer_init(&search->converted, 8 * DECODE_STEP);
    return search;
}

void message_search_free(struct message_search *search)
{
    if (search == NULL)
        return;
    buffer_clear(&search->header);
    buffer_clear(&search->decoded);
    buffer_clear(&search->converted);
    message_charset_clear(&search->charset);
    message_pattern_matcher_clear(&search->matcher);
    free(search->stretches);
    free(search);
}

/* ---- what is to be searched ---- */

static bool add(struct message_search *search, const struct stretch *stretch, struct fault *fault)
{
    if (stretch->start >= stretch->end)
        return true;
    if (search->count == search->capacity) {
        size_t capacity = search->capacity == 0 ? 16 : 2 * search->capacity;
        struct stretch *larger = realloc(search->stretches, capacity * sizeof *larger);
        if (larger == NULL)
            return fault_set_memory(fault);
        search->stretches = larger;
        search->capacity = capacity;
    }
    search->stretches[search->count++] = *stretch;
    return true;
}

static struct bytes find_charset(const struct message_structure_part *part)
{
    struct bytes rest = part->parameters;
    struct bytes name;
    struct bytes value;
    while (message_structure_next_parameter(&rest, &name, &value)) {
        if (bytes_equal_ignoring_case(name, BYTES("charset")))
            return bytes_trim(value);
    }
    return BYTES("");
}

/* Reports and pieces of messages are lines for people too (RFC 3464 2.1, RFC 2046 5.2.2). */
static bool is_text(const struct message_structure_part *part)
{
    return part->kind == MESSAGE_STRUCTURE_TEXT ||
           (part->kind == MESSAGE_STRUCTURE_LEAF &&
            bytes_equal_ignoring_case(part->type, BYTES("message")));
}

/* Is the header searched: of parts only for TEXT; that of a message in the message is body. */
static bool add_part(struct message_search *search, const struct message_structure_part *part,
                     bool wants_header, struct fault *fault)
{
    struct stretch header = {
        .start = part->header_start, .end = part->body_start, .is_header = true};
    if (wants_header && !add(search, &header, fault))
        return false;
    struct stretch body = {.start = part->body_start,
                           .end = part->body_start + part->body_size,
                           .charset = find_charset(part)};
    /* RFC 2045 6.4: what is encoded in a way that nobody knows is no text. */
    if (!is_text(part) || !transfer_decoder_named(part->encoding, &body.encoding))
        return true;
    return add(search, &body, fault);
}

/* A level of the structure: the parts that are still to come, and what they stand in. */
struct level {
    struct bytes parts;
    bool is_in_message;
};

static bool list_stretches(struct message_search *search, struct bytes structure,
                           struct fault *fault)
{
    struct level levels[MESSAGE_STRUCTURE_NESTING_MAX];
    struct message_structure_part part;
    size_t depth = 0;
    if (!message_structure_read(structure, &part, fault) ||
        !add_part(search, &part, search->has_headers, fault))
        return false;
    levels[0] = (struct level){part.parts, part.kind == MESSAGE_STRUCTURE_MESSAGE};
    for (;;) {
        struct level *level = &levels[depth];
        if (level->parts.length == 0) {
            if (depth == 0)
                return true;
            depth--;
            continue;
        }
        if (!message_structure_next_part(&level->parts, &part, fault) ||
            !add_part(search, &part, search->has_headers || level->is_in_message, fault))
            return false;
        if (part.parts.length > 0 && depth + 1 < MESSAGE_STRUCTURE_NESTING_MAX)
            levels[++depth] = (struct level){part.parts, part.kind == MESSAGE_STRUCTURE_MESSAGE};
    }
}

bool message_search_begin(struct message_search *search, struct message_needle *needle,
                          struct bytes structure, bool has_headers, struct fault *fault)
{
    search->needle = needle;
    search->has_headers = has_headers;
    search->count = 0;
    search->current = 0;
    search->is_begun = false;
    search->offset = 0;
    search->is_found = message_needle_is_empty(needle);
    return list_stretches(search, structure, fault);
}

/* ---- searching ---- */

static void begin_stretch(struct message_search *search, const struct stretch *stretch)
{
    search->is_begun = true;
    if (stretch->is_header) {
        buffer_reset(&search->header);
        return;
    }
    transfer_decoder_begin(&search->decoder, stretch->encoding);
    /* In a charset that nobody knows what is ASCII is still found. */
    if (!message_charset_begin(&search->charset, stretch->charset))
        message_charset_begin(&search->charset, BYTES("UTF-8"));
    message_pattern_matcher_begin(&search->matcher, &search->needle->pattern);
}

static bool feed_header(struct message_search *search, struct bytes piece, bool is_last)
{
    if (search->header.length == 0 && is_last) {
        search->is_found = message_needle_is_in_header(search->needle, piece);
        return true;
    }
    /* A header of a part is never longer; if it were, its end would not be searched. */
    buffer_append(&search->header, bytes_slice(piece, 0, buffer_room(&search->header)));
    if (is_last)
        search->is_found =
            message_needle_is_in_header(search->needle, buffer_bytes(&search->header));
    return !buffer_is_failed(&search->header);
}

/* Text without its transfer encoding. */
static bool feed_charset(struct message_search *search, struct bytes text)
{
    if (search->charset.is_utf8)
        return message_pattern_matcher_feed(&search->matcher, text);
    while (text.length > 0 && !search->matcher.is_found) {
        size_t ascii =
            message_charset_is_at_rest(&search->charset) ? message_pattern_ascii(text) : 0;
        if (ascii > 0 &&
            !message_pattern_matcher_feed(&search->matcher, bytes_slice(text, 0, ascii)))
            return false;
        text = bytes_skip(text, ascii);
        struct bytes step = bytes_slice(text, 0, DECODE_STEP);
        buffer_reset(&search->converted);
        message_charset_feed(&search->charset, step, &search->converted);
        if (buffer_is_failed(&search->converted) ||
            !message_pattern_matcher_feed(&search->matcher, buffer_bytes(&search->converted)))
            return false;
        text = bytes_skip(text, step.length);
    }
    return true;
}

static bool feed_decoded(struct message_search *search)
{
    return !buffer_is_failed(&search->decoded) &&
           feed_charset(search, buffer_bytes(&search->decoded));
}

static bool finish_text(struct message_search *search, enum transfer_encoding encoding)
{
    buffer_reset(&search->decoded);
    buffer_reset(&search->converted);
    if (encoding == TRANSFER_QUOTED_PRINTABLE || encoding == TRANSFER_BASE64)
        transfer_decoder_finish(&search->decoder, &search->decoded);
    if (!feed_decoded(search))
        return false;
    buffer_reset(&search->converted);
    message_charset_finish(&search->charset, &search->converted);
    return message_pattern_matcher_feed(&search->matcher, buffer_bytes(&search->converted)) &&
           message_pattern_matcher_finish(&search->matcher);
}

static bool feed_text(struct message_search *search, enum transfer_encoding encoding,
                      struct bytes piece)
{
    if (encoding != TRANSFER_QUOTED_PRINTABLE && encoding != TRANSFER_BASE64)
        return feed_charset(search, piece);
    while (piece.length > 0 && !search->matcher.is_found) {
        struct bytes step = bytes_slice(piece, 0, DECODE_STEP);
        buffer_reset(&search->decoded);
        transfer_decoder_feed(&search->decoder, step, &search->decoded);
        if (!feed_decoded(search))
            return false;
        piece = bytes_skip(piece, step.length);
    }
    return true;
}

static bool feed_stretch(struct message_search *search, const struct stretch *stretch,
                         struct bytes piece, bool is_last)
{
    if (!search->is_begun)
        begin_stretch(search, stretch);
    if (stretch->is_header)
        return feed_header(search, piece, is_last);
    bool is_sound = feed_text(search, stretch->encoding, piece) &&
                    (!is_last || finish_text(search, stretch->encoding));
    search->is_found = search->matcher.is_found;
    return is_sound;
}

bool message_search_feed(struct message_search *search, struct bytes piece, bool *is_found,
                         struct fault *fault)
{
    uint64_t end = search->offset + piece.length;
    while (!search->is_found && search->current < search->count) {
        const struct stretch *stretch = &search->stretches[search->current];
        uint64_t from = stretch->start > search->offset ? stretch->start : search->offset;
        uint64_t to = stretch->end < end ? stretch->end : end;
        if (from >= to && stretch->end > search->offset)
            break;
        bool is_last = stretch->end <= end;
        struct bytes here =
            from >= to ? BYTES("")
                       : bytes_slice(piece, (size_t)(from - search->offset), (size_t)(to - from));
        if (!feed_stretch(search, stretch, here, is_last))
            return fault_set_memory(fault);
        if (!is_last)
            break;
        search->current++;
        search->is_begun = false;
    }
    search->offset = end;
    *is_found = search->is_found;
    return true;
}

bool message_search_end(struct message_search *search, bool *is_found, struct fault *fault)
{
    /* A message that is shorter than its structure says. */
    if (!search->is_found && search->is_begun) {
        const struct stretch *stretch = &search->stretches[search->current];
        if (!feed_stretch(search, stretch, BYTES(""), true))
            return fault_set_memory(fault);
        search->is_begun = false;
    }
    *is_found = search->is_found;
    return true;
}
