/* Finds the first text of a message, undoes its encoding, charset and markup, and joins its words.
 */
#include "mail/message_preview.h"

#include "base/scan.h"
#include "base/utf8.h"
#include "mail/message_structure.h"
#include "mail/message_text.h"
#include "mail/transfer_decoder.h"

enum {
    TEXT_MAX = 4 * MESSAGE_PREVIEW_READ_MAX, /* bytes when it is UTF-8 */
    READ_FIRST = 1024,                       /* bytes of the part, for most need no more */
    CODE_POINT_MAX = 0x10ffff,
    REPLACEMENT = 0xfffd
};

/* ---- which part ---- */

static bool is_text(const struct message_structure_part *part)
{
    return part->kind == MESSAGE_STRUCTURE_TEXT &&
           !bytes_equal_ignoring_case(part->disposition, BYTES("attachment"));
}

/* The first text in a list of parts; *is_found. */
static bool find_text(struct bytes parts, unsigned depth, struct message_structure_part *text,
                      bool *is_found, struct fault *fault)
{
    while (parts.length > 0 && !*is_found) {
        struct message_structure_part part;
        if (!message_structure_next_part(&parts, &part, fault))
            return false;
        if (is_text(&part)) {
            *text = part;
            *is_found = true;
        } else if (depth < MESSAGE_PREVIEW_NESTING_MAX &&
                   !find_text(part.parts, depth + 1, text, is_found, fault)) {
            return false;
        }
    }
    return true;
}

static bool find_part(struct bytes structure, struct message_structure_part *text, bool *is_found,
                      struct fault *fault)
{
    struct message_structure_part whole;
    if (!message_structure_read(structure, &whole, fault))
        return false;
    *is_found = is_text(&whole);
    if (*is_found) {
        *text = whole;
        return true;
    }
    return find_text(whole.parts, 0, text, is_found, fault);
}

static struct bytes charset_of(const struct message_structure_part *part)
{
    struct bytes parameters = part->parameters;
    struct bytes name;
    struct bytes value;
    while (message_structure_next_parameter(&parameters, &name, &value))
        if (bytes_equal_ignoring_case(name, BYTES("charset")))
            return value;
    return BYTES("utf-8");
}

/* ---- words ---- */

/* The text so far, with at most one blank between two words. */
struct words {
    struct buffer *out;
    unsigned count; /* characters */
    bool has_blank; /* before the next word */
};

static bool is_full(const struct words *words)
{
    return words->count >= MESSAGE_PREVIEW_MAX;
}

/* Blanks of any kind, and what nobody sees: mailings fill their previews with it. */
static bool is_blank(uint32_t c)
{
    return c <= ' ' || (c >= 0x7f && c <= 0xa0) || c == 0xad || c == 0x34f || c == 0x3000 ||
           (c >= 0x2000 && c <= 0x200f) || (c >= 0x2028 && c <= 0x202f) ||
           (c >= 0x205f && c <= 0x206f) || c == 0xfeff;
}

static void add_character(struct words *words, uint32_t c)
{
    if (is_blank(c)) {
        words->has_blank = words->count > 0;
        return;
    }
    if (words->has_blank) {
        words->has_blank = false;
        words->count++;
        /* No blank at the end. */
        if (is_full(words))
            return;
        buffer_append_char(words->out, ' ');
    }
    utf8_append(words->out, c);
    words->count++;
}

static uint32_t take_character(struct bytes *rest)
{
    uint32_t c;
    if (utf8_next(rest, &c))
        return c;
    *rest = bytes_skip(*rest, 1);
    return REPLACEMENT;
}

static void add_plain(struct words *words, struct bytes text)
{
    while (text.length > 0 && !is_full(words))
        add_character(words, take_character(&text));
}

/* ---- markup ---- */

/* Elements whose content is no text. */
static const struct bytes unseen[] = {
    BYTES_INIT("head"),
    BYTES_INIT("script"),
    BYTES_INIT("style"),
    BYTES_INIT("title"),
};

/* Elements that stand within a word. */
static const struct bytes within[] = {
    BYTES_INIT("a"),    BYTES_INIT("b"),   BYTES_INIT("big"),   BYTES_INIT("em"),
    BYTES_INIT("font"), BYTES_INIT("i"),   BYTES_INIT("small"), BYTES_INIT("span"),
    BYTES_INIT("s"),    BYTES_INIT("sub"), BYTES_INIT("sup"),   BYTES_INIT("strong"),
    BYTES_INIT("u"),
};

static bool is_among(struct bytes name, const struct bytes *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal_ignoring_case(name, names[i]))
            return true;
    return false;
}

/* Skips to behind the end tag, which may be missing. */
static void skip_element(struct scan *scan, struct bytes name)
{
    while (!scan_is_at_end(scan)) {
        scan_take_until_char(scan, '<');
        struct scan tag = *scan;
        if (scan_take_literal(&tag, BYTES("</")) && scan_take_literal_ignoring_case(&tag, name)) {
            scan_take_until_char(&tag, '>');
            scan_take_char(&tag, '>');
            *scan = tag;
            return;
        }
        scan_take(scan);
    }
}

/* The place is at a "<" that begins a tag. */
static void skip_tag(struct words *words, struct scan *scan)
{
    if (scan_take_literal(scan, BYTES("<!--"))) {
        size_t end = bytes_find(scan_rest(scan), BYTES("-->"));
        scan->position = end == BYTES_NOT_FOUND ? scan->end : scan->position + end + 3;
        return;
    }
    scan_take_char(scan, '<');
    bool is_end = scan_take_char(scan, '/');
    struct bytes name = scan_take_while(scan, &scan_letters_and_digits);
    scan_take_until_char(scan, '>');
    bool is_empty = scan->position > name.data && scan->position[-1] == '/';
    scan_take_char(scan, '>');
    if (!is_end && !is_empty && is_among(name, unseen, sizeof unseen / sizeof *unseen))
        skip_element(scan, name);
    if (!is_among(name, within, sizeof within / sizeof *within))
        add_character(words, ' ');
}

static bool begins_tag(const struct scan *scan)
{
    struct scan ahead = *scan;
    if (!scan_take_char(&ahead, '<'))
        return false;
    int c = scan_peek(&ahead);
    return c == '/' || c == '!' || c == '?' || (c > 0 && scan_letters.has[c]);
}

/* "&#8217;", "&#x2019;". */
static bool take_number(struct scan *scan, uint32_t *c)
{
    uint64_t number = 0;
    bool is_hexadecimal = scan_take_char(scan, 'x') || scan_take_char(scan, 'X');
    if (!is_hexadecimal) {
        if (!scan_take_number(scan, CODE_POINT_MAX, &number))
            return false;
    } else {
        int value = bytes_hex_value(scan_peek(scan));
        if (value < 0)
            return false;
        for (; value >= 0 && number <= CODE_POINT_MAX; value = bytes_hex_value(scan_peek(scan))) {
            number = number * 16 + (unsigned)value;
            scan_take(scan);
        }
    }
    bool is_character =
        number > 0 && number <= CODE_POINT_MAX && !(number >= 0xd800 && number <= 0xdfff);
    *c = is_character ? (uint32_t)number : REPLACEMENT;
    return true;
}

static bool take_name(struct scan *scan, uint32_t *c)
{
    static const struct {
        struct bytes name;
        uint32_t c;
    } entities[] = {
        {BYTES_INIT("amp"), '&'},      {BYTES_INIT("lt"), '<'},
        {BYTES_INIT("gt"), '>'},       {BYTES_INIT("quot"), '"'},
        {BYTES_INIT("apos"), '\''},    {BYTES_INIT("nbsp"), ' '},
        {BYTES_INIT("zwnj"), ' '},     {BYTES_INIT("shy"), ' '},
        {BYTES_INIT("ndash"), 0x2013}, {BYTES_INIT("mdash"), 0x2014},
        {BYTES_INIT("rsquo"), 0x2019}, {BYTES_INIT("hellip"), 0x2026},
        {BYTES_INIT("auml"), 0xe4},    {BYTES_INIT("ouml"), 0xf6},
        {BYTES_INIT("uuml"), 0xfc},    {BYTES_INIT("Auml"), 0xc4},
        {BYTES_INIT("Ouml"), 0xd6},    {BYTES_INIT("Uuml"), 0xdc},
        {BYTES_INIT("szlig"), 0xdf},   {BYTES_INIT("eacute"), 0xe9},
        {BYTES_INIT("euro"), 0x20ac},
    };
    struct bytes name = scan_take_while(scan, &scan_letters_and_digits);
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        if (bytes_equal(name, entities[i].name)) {
            *c = entities[i].c;
            return true;
        }
    }
    return false;
}

/* The place is at a "&"; what is no entity is one like any other. */
static uint32_t take_entity(struct scan *scan)
{
    uint32_t c = '&';
    struct scan ahead = *scan;
    scan_take(&ahead);
    bool is_known = scan_take_char(&ahead, '#') ? take_number(&ahead, &c) : take_name(&ahead, &c);
    if (!is_known) {
        scan_take(scan);
        return '&';
    }
    scan_take_char(&ahead, ';');
    *scan = ahead;
    return c;
}

static void add_markup(struct words *words, struct bytes text)
{
    struct scan scan = scan_of(text);
    while (!scan_is_at_end(&scan) && !is_full(words)) {
        if (begins_tag(&scan)) {
            skip_tag(words, &scan);
        } else if (scan_peek(&scan) == '&') {
            add_character(words, take_entity(&scan));
        } else {
            struct bytes rest = scan_rest(&scan);
            add_character(words, take_character(&rest));
            scan.position = rest.data;
        }
    }
}

/* ---- all of it ---- */

static void decode(const struct message_structure_part *part, struct bytes raw, struct buffer *out)
{
    enum transfer_encoding encoding;
    struct transfer_decoder decoder;
    if (!transfer_decoder_named(part->encoding, &encoding))
        return;
    transfer_decoder_begin(&decoder, encoding);
    transfer_decoder_feed(&decoder, raw, out);
    transfer_decoder_finish(&decoder, out);
}

/* Of so many bytes of the part. *is_whole: more of them would give no more. */
static bool write_front(const struct message_structure_part *part, struct bytes raw,
                        struct buffer *out, bool *is_whole, struct fault *fault)
{
    AUTO(buffer)
    decoded = BUFFER(TEXT_MAX);
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    struct fault unreadable = {0};
    decode(part, raw, &decoded);
    bool is_converted =
        message_text_convert(buffer_bytes(&decoded), charset_of(part), &text, &unreadable);
    if (buffer_is_failed(&decoded) || unreadable.kind == FAULT_TEMPORARY)
        return fault_set_memory(fault);
    /* What is in no known charset is read as UTF-8. */
    struct bytes readable = is_converted ? buffer_bytes(&text) : buffer_bytes(&decoded);
    struct words words = {.out = out};
    if (bytes_equal_ignoring_case(part->subtype, BYTES("html")))
        add_markup(&words, readable);
    else
        add_plain(&words, readable);
    *is_whole = is_full(&words);
    return true;
}

bool message_preview_write(struct bytes structure, struct bytes body, struct buffer *out,
                           struct fault *fault)
{
    struct message_structure_part part;
    bool is_found;
    bool is_whole = false;
    if (!find_part(structure, &part, &is_found, fault))
        return false;
    if (!is_found)
        return true;
    size_t start = part.body_start < body.length ? (size_t)part.body_start : body.length;
    size_t size = part.body_size < MESSAGE_PREVIEW_READ_MAX ? (size_t)part.body_size
                                                            : MESSAGE_PREVIEW_READ_MAX;
    struct bytes raw = bytes_slice(body, start, size);
    size_t before = out->length;
    if (!write_front(&part, bytes_slice(raw, 0, READ_FIRST), out, &is_whole, fault))
        return false;
    if (is_whole || raw.length <= READ_FIRST)
        return true;
    buffer_truncate(out, before);
    return write_front(&part, raw, out, &is_whole, fault);
}
