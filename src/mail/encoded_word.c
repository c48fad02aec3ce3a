/* Encoded words, both ways. */
#include "mail/encoded_word.h"

#include "base/auto.h"
#include "base/base64.h"
#include "base/scan.h"
#include "base/utf8.h"

enum {
    AROUND = 7, /* "=?", "?Q?" and "?=" around charset and text */
    CHARSET_LEAST = sizeof "UTF-8" - 1,
    PAYLOAD_MAX = ENCODED_WORD_MAX - AROUND - CHARSET_LEAST,
    /* Less room than this for the text of the first one on a line is not worth a word. */
    ROOM_LEAST = 16
};

/* What Q leaves alone even in a phrase (RFC 2047 5 (3)). */
static const struct scan_class q_plain = {.has = {['0' ... '9'] = true,
                                                  ['A' ... 'Z'] = true,
                                                  ['a' ... 'z'] = true,
                                                  ['!'] = true,
                                                  ['*'] = true,
                                                  ['+'] = true,
                                                  ['-'] = true,
                                                  ['/'] = true}};

bool encoded_word_is_needed(struct bytes word, bool allow_utf8)
{
    return (!allow_utf8 && !bytes_is_ascii(word)) ||
           bytes_find(word, BYTES("=?")) != BYTES_NOT_FOUND || word.length > ENCODED_WORD_PLAIN_MAX;
}

static size_t q_width(char c)
{
    return c == ' ' || q_plain.has[(unsigned char)c] ? 1 : 3;
}

static size_t q_length(struct bytes text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++)
        length += q_width(text.data[i]);
    return length;
}

static size_t append_q(struct bytes text, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c == ' ') {
            out[length++] = '_';
        } else if (q_plain.has[c]) {
            out[length++] = (char)c;
        } else {
            out[length++] = '=';
            out[length++] = digits[c >> 4];
            out[length++] = digits[c & 15];
        }
    }
    return length;
}

/* The longest start of text, in whole characters, that fits; at least one character. */
static struct bytes take_characters(struct bytes *rest, bool is_q, size_t payload)
{
    struct bytes all = *rest;
    size_t taken = 0;
    size_t width = 0;
    while (rest->length > 0) {
        struct bytes before = *rest;
        uint32_t c;
        if (!utf8_next(rest, &c))
            *rest = bytes_skip(*rest, 1);
        size_t size = before.length - rest->length;
        width += is_q ? q_length(bytes_slice(before, 0, size)) : 0;
        size_t needed = is_q ? width : base64_encoded_length(taken + size);
        if (needed > payload && taken > 0) {
            *rest = before;
            break;
        }
        taken += size;
    }
    return bytes_slice(all, 0, taken);
}

void encoded_word_write(struct header_writer *writer, struct bytes blanks, struct bytes text)
{
    bool is_q = q_length(text) <= base64_encoded_length(text.length);
    const char *charset = utf8_is_valid(text) ? "UTF-8" : "unknown-8bit";
    size_t overhead = AROUND + strlen(charset);
    while (text.length > 0) {
        size_t room = header_writer_encoded_word_room(writer, blanks.length);
        size_t payload =
            (room >= overhead + ROOM_LEAST && room < ENCODED_WORD_MAX ? room : ENCODED_WORD_MAX) -
            overhead;
        struct bytes piece = take_characters(&text, is_q, payload);
        AUTO(buffer)
        word = BUFFER(ENCODED_WORD_MAX);
        buffer_append_format(&word, "=?%s?%c?", charset, is_q ? 'Q' : 'B');
        if (is_q) {
            char encoded[PAYLOAD_MAX + 12];
            buffer_append(&word, bytes_of(encoded, append_q(piece, encoded)));
        } else {
            base64_encode(piece, &word);
        }
        buffer_append_string(&word, "?=");
        if (buffer_is_failed(&word))
            buffer_fail(writer->out);
        header_writer_encoded_word(writer, blanks, buffer_bytes(&word));
        blanks = BYTES(" ");
    }
}

/* Takes blanks and the word behind them. False: there is no further word. */
static bool take_word(struct bytes *rest, struct bytes *blanks, struct bytes *word)
{
    struct scan scan = scan_of(*rest);
    *blanks = scan_take_while(&scan, &scan_blanks);
    *word = scan_rest(&scan);
    size_t end = 0;
    while (end < word->length && !scan_blanks.has[(unsigned char)word->data[end]])
        end++;
    word->length = end;
    *rest = bytes_skip(*rest, blanks->length + end);
    return end > 0;
}

/* Words side by side that need it are encoded as one text, the blanks between them included,
   because readers drop what stands between two encoded words (RFC 2047 6.2). */
void encoded_word_write_text(struct header_writer *writer, struct bytes text, bool allow_utf8)
{
    struct bytes blanks;
    struct bytes word;
    bool is_first = true;
    while (take_word(&text, &blanks, &word)) {
        if (is_first || blanks.length == 0)
            blanks = BYTES(" ");
        is_first = false;
        if (!encoded_word_is_needed(word, allow_utf8)) {
            header_writer_word(writer, blanks, word);
            continue;
        }
        struct bytes run = word;
        struct bytes ahead = text;
        struct bytes next_blanks;
        struct bytes next;
        while (take_word(&ahead, &next_blanks, &next) && encoded_word_is_needed(next, allow_utf8)) {
            run.length = (size_t)(next.data + next.length - run.data);
            text = ahead;
        }
        encoded_word_write(writer, blanks, run);
    }
}

static bool decode_q(struct bytes in, struct buffer *out)
{
    struct scan scan = scan_of(in);
    for (int c = scan_take(&scan); c >= 0; c = scan_take(&scan)) {
        if (c == '=') {
            int high = bytes_hex_value(scan_take(&scan));
            int low = bytes_hex_value(scan_take(&scan));
            if (high < 0 || low < 0)
                return false;
            c = high << 4 | low;
        } else if (c == '_') {
            c = ' ';
        }
        buffer_append_char(out, (char)c);
    }
    return true;
}

static bool append_in_utf8(struct bytes charset, struct bytes raw, struct buffer *out)
{
    if (bytes_equal_ignoring_case(charset, BYTES("iso-8859-1"))) {
        for (size_t i = 0; i < raw.length; i++)
            utf8_append(out, (unsigned char)raw.data[i]);
        return true;
    }
    if (!bytes_equal_ignoring_case(charset, BYTES("utf-8")) &&
        !bytes_equal_ignoring_case(charset, BYTES("us-ascii")))
        return false;
    if (!utf8_is_valid(raw))
        return false;
    buffer_append(out, raw);
    return true;
}

bool encoded_word_decode(struct bytes word, struct buffer *out)
{
    struct bytes charset;
    struct bytes encoding;
    struct bytes language;
    struct bytes text;
    if (word.length > 2000 || !bytes_starts_with(word, BYTES("=?")) ||
        !bytes_ends_with(word, BYTES("?=")) || word.length < AROUND - 1)
        return false;
    word = bytes_slice(word, 2, word.length - 4);
    if (!bytes_split(word, '?', &charset, &word) || !bytes_split(word, '?', &encoding, &text) ||
        bytes_has_char(text, '?') || encoding.length != 1)
        return false;
    bytes_split(charset, '*', &charset, &language); /* RFC 2231 5 */
    AUTO(buffer)
    raw = BUFFER(2000);
    char letter = bytes_lower_char(encoding.data[0]);
    if (!(letter == 'q'   ? decode_q(text, &raw)
          : letter == 'b' ? base64_decode(text, &raw)
                          : false) ||
        buffer_is_failed(&raw))
        return false;
    return append_in_utf8(charset, buffer_bytes(&raw), out);
}

void encoded_word_decode_text(struct bytes text, struct buffer *out)
{
    struct bytes blanks;
    struct bytes word;
    bool is_behind_encoded_word = false;
    while (take_word(&text, &blanks, &word)) {
        size_t length = out->length;
        if (blanks.length > 0)
            buffer_append(out, blanks);
        size_t without_blanks = length;
        AUTO(buffer)
        decoded = BUFFER(4000);
        bool is_encoded = encoded_word_decode(word, &decoded) && !buffer_is_failed(&decoded);
        if (is_encoded && is_behind_encoded_word)
            buffer_truncate(out, without_blanks);
        buffer_append(out, is_encoded ? buffer_bytes(&decoded) : word);
        is_behind_encoded_word = is_encoded;
    }
}
