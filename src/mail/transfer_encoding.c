/* The encoders, and the look at a text that decides between them. */
#include "mail/transfer_encoding.h"

#include <assert.h>

#include "base/scan.h"
#include "mail/text_line.h"

/* What quoted-printable leaves as it is wherever it stands (RFC 2045 6.7 (2)). */
static const struct scan_class quoted_plain = {.has = {['!' ... '<'] = true, ['>' ... '~'] = true}};

/* What it never leaves as it is: 1 for those. */
static const unsigned char quoted_odd[256] = {
    [0 ... 8] = 1, [11 ... 12] = 1, [14 ... 31] = 1, ['='] = 1, [127 ... 255] = 1};

/* Bytes of one line, or of a part of it. Without branches: every text is looked at byte by byte. */
static void analyse_span(struct transfer_analysis *analysis, struct bytes span)
{
    size_t odd_bytes = 0;
    for (size_t i = 0; i < span.length; i++)
        odd_bytes += quoted_odd[(unsigned char)span.data[i]];
    /* Few texts have any; then it matters of what kind. */
    if (odd_bytes > 0) {
        for (size_t i = 0; i < span.length; i++) {
            analysis->high_bytes += (unsigned char)span.data[i] > 127;
            analysis->nul_bytes += span.data[i] == 0;
        }
    }
    analysis->odd_bytes += odd_bytes;
    analysis->length += span.length;
    analysis->line += span.length;
    if (analysis->line > analysis->longest_line)
        analysis->longest_line = analysis->line;
}

void transfer_encoding_analyse(struct transfer_analysis *analysis, struct bytes text)
{
    struct bytes line;
    bool has_end;
    while (text_line_take(&text, &line, &has_end, &analysis->is_behind_cr)) {
        analyse_span(analysis, line);
        if (has_end) {
            analysis->line = 0;
            analysis->length += 2;
        }
    }
}

enum transfer_encoding transfer_encoding_choose(const struct transfer_analysis *analysis,
                                                bool eight_bit)
{
    bool fits_lines = analysis->longest_line <= TRANSFER_LINE_MAX && analysis->nul_bytes == 0;
    if (fits_lines && analysis->high_bytes == 0)
        return TRANSFER_7BIT;
    if (fits_lines && eight_bit)
        return TRANSFER_8BIT;
    uint64_t quoted = analysis->length + 2 * analysis->odd_bytes;
    uint64_t base64 = analysis->length * (BASE64_LINE_COLUMNS + 2) / BASE64_LINE_BYTES;
    return quoted <= base64 ? TRANSFER_QUOTED_PRINTABLE : TRANSFER_BASE64;
}

const char *transfer_encoding_name(enum transfer_encoding encoding)
{
    switch (encoding) {
    case TRANSFER_7BIT:
        return "7bit";
    case TRANSFER_8BIT:
        return "8bit";
    case TRANSFER_QUOTED_PRINTABLE:
        return "quoted-printable";
    case TRANSFER_BASE64:
        return "base64";
    case TRANSFER_AS_IS:
        break;
    }
    assert(false);
    return "binary";
}

void transfer_encoding_begin(struct transfer_encoder *encoder, enum transfer_encoding encoding)
{
    *encoder = (struct transfer_encoder){.encoding = encoding};
    base64_encoder_init(&encoder->base64);
}

/* ---- text as it is, with CRLF line ends ---- */

static void feed_text(struct transfer_encoder *encoder, struct bytes in, struct buffer *out)
{
    struct bytes line;
    bool has_end;
    while (text_line_take(&in, &line, &has_end, &encoder->is_behind_cr)) {
        buffer_append(out, line);
        if (has_end)
            buffer_append(out, BYTES("\r\n"));
    }
}

/* ---- quoted-printable ---- */

/* Puts 1 plain or 3 encoded characters, behind a soft line end when the line is full: one column is
   kept for its "=". */
static char *put_quoted(struct transfer_encoder *encoder, unsigned char c, bool is_plain, char *end)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t width = is_plain ? 1 : 3;
    if (encoder->column + width > TRANSFER_QUOTED_LINE_MAX - 1) {
        memcpy(end, "=\r\n", 3);
        end += 3;
        encoder->column = 0;
    }
    if (encoder->hides_dashes && encoder->column == 0 && c == '-') {
        is_plain = false;
        width = 3;
    }
    encoder->column += width;
    if (is_plain) {
        *end++ = (char)c;
        return end;
    }
    *end++ = '=';
    *end++ = digits[c >> 4];
    *end++ = digits[c & 15];
    return end;
}

/* A blank at a line's end must be encoded (RFC 2045 6.7 (3)). */
static char *put_held_blank(struct transfer_encoder *encoder, bool is_at_end, char *end)
{
    if (encoder->held_blank == 0)
        return end;
    end = put_quoted(encoder, (unsigned char)encoder->held_blank, !is_at_end, end);
    encoder->held_blank = 0;
    return end;
}

static char *put_line_end(struct transfer_encoder *encoder, char *end)
{
    end = put_held_blank(encoder, true, end);
    memcpy(end, "\r\n", 2);
    encoder->column = 0;
    return end + 2;
}

/* One byte: at most a held blank, a soft line end and three characters come of it. */
static char *put_byte(struct transfer_encoder *encoder, unsigned char c, char *end)
{
    bool is_behind_cr = encoder->is_behind_cr;
    encoder->is_behind_cr = c == '\r';
    if (c == '\r' || c == '\n')
        return c == '\n' && is_behind_cr ? end : put_line_end(encoder, end);
    end = put_held_blank(encoder, false, end);
    if (c != ' ' && c != '\t')
        return put_quoted(encoder, c, quoted_plain.has[c], end);
    encoder->held_blank = (char)c;
    return end;
}

static void feed_quoted(struct transfer_encoder *encoder, struct bytes in, struct buffer *out)
{
    char *start = buffer_reserve(out, in.length * TRANSFER_GROWTH_MAX + TRANSFER_GROWTH_EXTRA);
    if (start == NULL)
        return;
    char *end = start;
    for (size_t i = 0; i < in.length; i++)
        end = put_byte(encoder, (unsigned char)in.data[i], end);
    buffer_commit(out, (size_t)(end - start));
}

static void finish_quoted(struct transfer_encoder *encoder, struct buffer *out)
{
    char *start = buffer_reserve(out, TRANSFER_GROWTH_EXTRA);
    if (start == NULL)
        return;
    char *end = put_held_blank(encoder, true, start);
    buffer_commit(out, (size_t)(end - start));
}

void transfer_encoding_feed(struct transfer_encoder *encoder, struct bytes in, struct buffer *out)
{
    switch (encoder->encoding) {
    case TRANSFER_AS_IS:
        buffer_append(out, in);
        break;
    case TRANSFER_7BIT:
    case TRANSFER_8BIT:
        feed_text(encoder, in, out);
        break;
    case TRANSFER_QUOTED_PRINTABLE:
        feed_quoted(encoder, in, out);
        break;
    case TRANSFER_BASE64:
        base64_encoder_feed(&encoder->base64, in, out);
        break;
    }
}

void transfer_encoding_finish(struct transfer_encoder *encoder, struct buffer *out)
{
    if (encoder->encoding == TRANSFER_QUOTED_PRINTABLE)
        finish_quoted(encoder, out);
    else if (encoder->encoding == TRANSFER_BASE64)
        base64_encoder_finish(&encoder->base64, out);
}

/* Byte by byte into the same few: nothing is allocated, so it cannot fail. */
static uint64_t quoted_length(struct bytes text)
{
    struct transfer_encoder encoder;
    char scratch[TRANSFER_GROWTH_EXTRA];
    uint64_t length = 0;
    transfer_encoding_begin(&encoder, TRANSFER_QUOTED_PRINTABLE);
    for (size_t i = 0; i < text.length; i++)
        length += (uint64_t)(put_byte(&encoder, (unsigned char)text.data[i], scratch) - scratch);
    return length + (uint64_t)(put_held_blank(&encoder, true, scratch) - scratch);
}

uint64_t transfer_encoding_length(enum transfer_encoding encoding, struct bytes text)
{
    struct transfer_analysis analysis = {0};
    switch (encoding) {
    case TRANSFER_7BIT:
    case TRANSFER_8BIT:
        transfer_encoding_analyse(&analysis, text);
        return analysis.length;
    case TRANSFER_QUOTED_PRINTABLE:
        return quoted_length(text);
    case TRANSFER_BASE64:
        return base64_encoded_lines_length(text.length);
    case TRANSFER_AS_IS:
        break;
    }
    return text.length;
}
