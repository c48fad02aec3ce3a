/* The body of a part with nothing in it, in 7 bits: looked at first, then passed on or encoded. */
#include "base/utf8.h"
#include "mail/message_charset.h"
#include "mail/message_downgrade_inside.h"
#include "mail/message_header.h"
#include "mail/message_parser.h"
#include "mail/transfer_decoder.h"

enum {
    /* Bytes of a part's body that are looked at before it is said how it travels. A longer part is
       encoded even if there is nothing beyond ASCII in them: there may be behind. */
    AHEAD_MAX = 256 * 1024,
    REPAIR_COLUMNS = 900 /* of a line of quoted-printable that gets longer */
};

void message_downgrade_leaf_init(struct message_downgrade_leaf *leaf)
{
    buffer_init(&leaf->section, MESSAGE_HEADER_MAX);
    buffer_init(&leaf->ahead, AHEAD_MAX);
}

void message_downgrade_leaf_clear(struct message_downgrade_leaf *leaf)
{
    buffer_clear(&leaf->section);
    buffer_clear(&leaf->ahead);
}

bool message_downgrade_leaf_is_label(struct bytes label, const char *name)
{
    return bytes_equal_ignoring_case(label, bytes_from_string(name));
}

bool message_downgrade_leaf_is_called_8bit(const struct message_content *content)
{
    return message_downgrade_leaf_is_label(content->encoding, "8bit") ||
           message_downgrade_leaf_is_label(content->encoding, "binary");
}

static bool has_field(struct bytes section, struct bytes name)
{
    struct message_header_field field;
    while (message_header_next(&section, &field))
        if (bytes_equal_ignoring_case(field.name, name))
            return true;
    return false;
}

static bool write_header(struct message_downgrade_leaf *leaf, struct buffer *out,
                         struct fault *fault)
{
    bool is_written = message_downgrade_header_write(buffer_bytes(&leaf->section), &leaf->header,
                                                     out, &leaf->is_changed, fault);
    buffer_reset(&leaf->section);
    return is_written;
}

bool message_downgrade_leaf_begin(struct message_downgrade_leaf *leaf, struct buffer *section,
                                  const struct message_content *content,
                                  struct message_downgrade_place place, struct buffer *out,
                                  struct fault *fault)
{
    struct buffer taken = *section;
    *section = leaf->section;
    leaf->section = taken;
    leaf->header = (struct message_downgrade_header){.is_inner = place.is_inner};
    leaf->has_mime_version =
        place.is_part || has_field(buffer_bytes(&leaf->section), BYTES("MIME-Version"));
    leaf->has_type = content->type.data != NULL;
    /* RFC 6532 3.7: message/global may be encoded, as other types of text may. */
    leaf->is_text = content->kind == MESSAGE_CONTENT_TEXT ||
                    message_downgrade_leaf_is_label(content->type, "message");
    leaf->is_called_8bit = message_downgrade_leaf_is_called_8bit(content);
    if (!transfer_decoder_named(content->encoding, &leaf->declared))
        leaf->declared = TRANSFER_AS_IS;
    leaf->line_end_length = 0;
    leaf->column = 0;
    leaf->analysis = (struct transfer_analysis){0};
    buffer_reset(&leaf->ahead);
    leaf->way =
        leaf->declared == TRANSFER_AS_IS ? MESSAGE_DOWNGRADE_AHEAD : MESSAGE_DOWNGRADE_REPAIR;
    return leaf->way == MESSAGE_DOWNGRADE_AHEAD || write_header(leaf, out, fault);
}

static bool is_valid_so_far(struct bytes text)
{
    uint32_t c;
    while (text.length > 0)
        if (!utf8_next(&text, &c))
            return message_charset_is_cut_off(text);
    return true;
}

static enum transfer_encoding choose_encoding(const struct message_downgrade_leaf *leaf)
{
    const struct transfer_analysis *analysis = &leaf->analysis;
    /* Quoted-printable would make a CR or LF that stands alone a line end. */
    bool has_odd_ends = analysis->length != leaf->ahead.length;
    if (!leaf->is_text || has_odd_ends || analysis->nul_bytes > 0)
        return TRANSFER_BASE64;
    enum transfer_encoding encoding = transfer_encoding_choose(analysis, false);
    return encoding == TRANSFER_7BIT ? TRANSFER_QUOTED_PRINTABLE : encoding;
}

/* All of it is 7-bit, and may go as it is. */
static bool is_7bit(const struct message_downgrade_leaf *leaf)
{
    const struct transfer_analysis *analysis = &leaf->analysis;
    if (analysis->high_bytes > 0 || analysis->nul_bytes > 0)
        return false;
    return !leaf->is_called_8bit ||
           (analysis->longest_line <= TRANSFER_LINE_MAX && analysis->length == leaf->ahead.length);
}

/* What was looked at decides. */
static bool decide(struct message_downgrade_leaf *leaf, bool is_end, struct buffer *out,
                   struct fault *fault)
{
    struct message_downgrade_header *header = &leaf->header;
    struct bytes ahead = buffer_bytes(&leaf->ahead);
    if (buffer_is_failed(&leaf->ahead))
        return fault_set_memory(fault);
    leaf->way = MESSAGE_DOWNGRADE_ENCODE;
    if (is_end && is_7bit(leaf)) {
        transfer_encoding_begin(&leaf->encoder, TRANSFER_AS_IS);
        if (leaf->is_called_8bit)
            header->encoding = "7bit";
    } else {
        enum transfer_encoding encoding = choose_encoding(leaf);
        transfer_encoding_begin(&leaf->encoder, encoding);
        leaf->encoder.hides_dashes = true;
        header->encoding = transfer_encoding_name(encoding);
        header->adds_mime_version = !leaf->has_mime_version;
        if (!leaf->has_type)
            header->charset = is_valid_so_far(ahead) ? "utf-8" : "unknown-8bit";
    }
    if (!write_header(leaf, out, fault))
        return false;
    transfer_encoding_feed(&leaf->encoder, ahead, out);
    buffer_reset(&leaf->ahead);
    return true;
}

/* One byte that an encoded body cannot hold. In base64 it means nothing, and "*" means nothing too;
   quoted-printable can say it. */
static void repair_byte(struct message_downgrade_leaf *leaf, unsigned char c, struct buffer *out)
{
    leaf->is_changed = true;
    if (leaf->declared == TRANSFER_BASE64) {
        buffer_append_char(out, '*');
        return;
    }
    if (leaf->column > REPAIR_COLUMNS) {
        buffer_append_string(out, "=\r\n");
        leaf->column = 0;
    }
    buffer_append_format(out, "=%02X", c);
    leaf->column += 3;
}

static void repair(struct message_downgrade_leaf *leaf, struct bytes bytes, struct buffer *out)
{
    while (bytes.length > 0) {
        size_t good = 0;
        while (good < bytes.length && (unsigned char)bytes.data[good] < 128 &&
               bytes.data[good] != '\0') {
            leaf->column = bytes.data[good] == '\n' ? 0 : leaf->column + 1;
            good++;
        }
        buffer_append(out, bytes_slice(bytes, 0, good));
        bytes = bytes_skip(bytes, good);
        if (bytes.length == 0)
            return;
        repair_byte(leaf, (unsigned char)bytes.data[0], out);
        bytes = bytes_skip(bytes, 1);
    }
}

static bool write_body(struct message_downgrade_leaf *leaf, struct bytes bytes, struct buffer *out,
                       struct fault *fault)
{
    while (leaf->way == MESSAGE_DOWNGRADE_AHEAD && bytes.length > 0) {
        struct bytes taken = bytes_slice(bytes, 0, buffer_room(&leaf->ahead));
        buffer_append(&leaf->ahead, taken);
        transfer_encoding_analyse(&leaf->analysis, taken);
        bytes = bytes_skip(bytes, taken.length);
        if (buffer_room(&leaf->ahead) == 0 && !decide(leaf, false, out, fault))
            return false;
    }
    if (leaf->way == MESSAGE_DOWNGRADE_ENCODE)
        transfer_encoding_feed(&leaf->encoder, bytes, out);
    else if (leaf->way == MESSAGE_DOWNGRADE_REPAIR)
        repair(leaf, bytes, out);
    return true;
}

bool message_downgrade_leaf_flush(struct message_downgrade_leaf *leaf, struct buffer *out,
                                  struct fault *fault)
{
    struct bytes line_end = bytes_of(leaf->line_end, leaf->line_end_length);
    leaf->line_end_length = 0;
    return write_body(leaf, line_end, out, fault);
}

static void hold_line_end(struct message_downgrade_leaf *leaf, struct bytes line_end)
{
    memcpy(leaf->line_end, line_end.data, line_end.length);
    leaf->line_end_length = line_end.length;
}

/* The last line end is held back: before a boundary it is none of the body's (RFC 2046 5.1.1). */
bool message_downgrade_leaf_feed(struct message_downgrade_leaf *leaf, struct bytes bytes,
                                 struct buffer *out, struct fault *fault)
{
    if (leaf->line_end_length == 1 && leaf->line_end[0] == '\r' && bytes.data[0] == '\n') {
        hold_line_end(leaf, BYTES("\r\n"));
        bytes = bytes_skip(bytes, 1);
    }
    if (bytes.length == 0)
        return true;
    if (!message_downgrade_leaf_flush(leaf, out, fault))
        return false;
    size_t end = bytes_ends_with(bytes, BYTES("\r\n"))                                        ? 2
                 : bytes_ends_with(bytes, BYTES("\n")) || bytes_ends_with(bytes, BYTES("\r")) ? 1
                                                                                              : 0;
    if (!write_body(leaf, bytes_slice(bytes, 0, bytes.length - end), out, fault))
        return false;
    hold_line_end(leaf, bytes_skip(bytes, bytes.length - end));
    return true;
}

bool message_downgrade_leaf_end(struct message_downgrade_leaf *leaf, struct buffer *out,
                                struct fault *fault)
{
    if (leaf->way == MESSAGE_DOWNGRADE_AHEAD && !decide(leaf, true, out, fault))
        return false;
    if (leaf->way == MESSAGE_DOWNGRADE_ENCODE)
        transfer_encoding_finish(&leaf->encoder, out);
    return true;
}

struct bytes message_downgrade_leaf_take_line_end(struct message_downgrade_leaf *leaf)
{
    size_t length = leaf->line_end_length;
    leaf->line_end_length = 0;
    return bytes_of(leaf->line_end, length);
}

void message_downgrade_leaf_defuse(struct message_downgrade_leaf *leaf, struct bytes *line,
                                   struct buffer *out)
{
    if (leaf->way != MESSAGE_DOWNGRADE_REPAIR)
        return;
    repair(leaf, message_downgrade_leaf_take_line_end(leaf), out);
    repair_byte(leaf, '-', out);
    *line = bytes_skip(*line, 1);
}
