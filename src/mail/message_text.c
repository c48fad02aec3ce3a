/* Values of header fields and whole texts: decoding and folding. */
#include "mail/message_text.h"

#include "mail/message_charset.h"
#include "mail/message_fold.h"
#include "mail/transfer_decoder.h"

enum {
    /* Bytes of an encoded word; RFC 2047 2 allows 75, programs write more. */
    WORD_MAX = 4096
};

bool message_text_knows_charset(struct bytes charset)
{
    return message_charset_is_known(charset);
}

const char *message_text_charset(size_t index)
{
    return message_charset_listed(index);
}

bool message_text_convert(struct bytes text, struct bytes charset, struct buffer *out,
                          struct fault *fault)
{
    AUTO(message_charset)
    conversion = {0};
    if (!message_charset_is_known(charset) && charset.length > 0)
        return fault_set(fault, FAULT_DENIED, "unknown charset");
    if (!message_charset_begin(&conversion, charset))
        return fault_set_memory(fault);
    size_t length = out->length;
    message_charset_feed(&conversion, text, out);
    message_charset_finish(&conversion, out);
    if (!buffer_is_failed(out))
        return true;
    buffer_truncate(out, length);
    return fault_set_memory(fault);
}

void message_text_fold(struct bytes text, struct buffer *out)
{
    struct message_fold fold = {0};
    message_fold_feed(&fold, text, out);
    message_fold_finish(&fold, out);
}

/* ---- encoded words ---- */

struct word {
    struct bytes charset;
    bool is_base64;
    struct bytes text;
};

/* "=?charset?B?text?=" at the front of *rest. Programs put them where they do not belong, side by
   side and with blanks in them; all of that is read. */
static bool take_word(struct bytes *rest, struct word *word)
{
    struct bytes ahead = bytes_slice(*rest, 0, WORD_MAX);
    struct bytes encoding;
    struct bytes language;
    if (!bytes_starts_with(ahead, BYTES("=?")))
        return false;
    ahead = bytes_skip(ahead, 2);
    if (!bytes_split(ahead, '?', &word->charset, &ahead) || word->charset.length == 0 ||
        word->charset.length > MESSAGE_TEXT_CHARSET_MAX ||
        !bytes_split(ahead, '?', &encoding, &ahead) || encoding.length != 1)
        return false;
    char letter = bytes_lower_char(encoding.data[0]);
    size_t end = bytes_find(ahead, BYTES("?="));
    if (end == BYTES_NOT_FOUND || (letter != 'b' && letter != 'q'))
        return false;
    word->is_base64 = letter == 'b';
    word->text = bytes_slice(ahead, 0, end);
    bytes_split(word->charset, '*', &word->charset, &language); /* RFC 2231 5 */
    const char *behind = ahead.data + end + 2;
    *rest = bytes_skip(*rest, (size_t)(behind - rest->data));
    return true;
}

/* RFC 2047 4.2 */
static void decode_q(struct bytes in, struct buffer *out)
{
    for (size_t i = 0; i < in.length; i++) {
        char c = in.data[i];
        if (c == '=' && i + 2 < in.length) {
            int high = bytes_hex_value((unsigned char)in.data[i + 1]);
            int low = bytes_hex_value((unsigned char)in.data[i + 2]);
            if (high >= 0 && low >= 0) {
                c = (char)(high << 4 | low);
                i += 2;
            }
        } else if (c == '_') {
            c = ' ';
        }
        buffer_append_char(out, c);
    }
}

static void feed_word(struct message_charset *charset, const struct word *word, struct buffer *out)
{
    AUTO(buffer)
    raw = BUFFER(WORD_MAX + TRANSFER_DECODER_HELD_MAX);
    if (word->is_base64) {
        struct transfer_decoder decoder;
        transfer_decoder_begin(&decoder, TRANSFER_BASE64);
        transfer_decoder_feed(&decoder, word->text, &raw);
        transfer_decoder_finish(&decoder, &raw);
    } else {
        decode_q(word->text, &raw);
    }
    message_charset_feed(charset, buffer_bytes(&raw), out);
}

static struct bytes skip_blanks(struct bytes text)
{
    return bytes_trim_start(text);
}

/* A run of words of one charset is one text: a character may be cut in two by them, although RFC
   2047 5 forbids it. False: the charset is not known, nothing was taken. */
static bool take_run(struct message_charset *charset, struct bytes *rest, struct word word,
                     struct bytes behind, struct buffer *out)
{
    struct bytes name = word.charset;
    if (!message_charset_begin(charset, name))
        return false;
    for (;;) {
        feed_word(charset, &word, out);
        *rest = behind;
        struct bytes ahead = skip_blanks(behind);
        if (!take_word(&ahead, &word) || !bytes_equal_ignoring_case(word.charset, name))
            break;
        behind = ahead;
    }
    message_charset_finish(charset, out);
    return true;
}

/* Plain text up to the next encoded word, without its folds (RFC 5322 2.2.3): a fold is one blank,
   whatever it was made of. */
static void put_plain(struct message_charset *plain, struct bytes text, struct buffer *out)
{
    if (bytes_is_ascii(text) && !bytes_has_char(text, '\n')) {
        buffer_append(out, text);
        return;
    }
    while (text.length > 0) {
        size_t end = bytes_find_char(text, '\n');
        struct bytes line = bytes_slice(text, 0, end);
        text = bytes_skip(text, end == BYTES_NOT_FOUND ? text.length : end + 1);
        if (end != BYTES_NOT_FOUND && line.length > 0 && line.data[line.length - 1] == '\r')
            line.length--;
        message_charset_feed(plain, line, out);
        if (end != BYTES_NOT_FOUND && text.length > 0 && text.data[0] == '\t') {
            message_charset_feed(plain, BYTES(" "), out);
            text = bytes_skip(text, 1);
        }
    }
    message_charset_finish(plain, out);
}

static bool is_all_blank(struct bytes text)
{
    return skip_blanks(text).length == 0;
}

void message_text_decode_words(struct bytes value, struct buffer *out)
{
    AUTO(message_charset)
    charset = {0};
    AUTO(message_charset)
    plain = {0};
    bool is_behind_word = false;
    message_charset_begin(&plain, BYTES("UTF-8"));
    while (value.length > 0) {
        size_t start = 0;
        size_t found;
        struct bytes behind = {NULL, 0};
        struct word word;
        /* The next "=?" that is a word. */
        while ((found = bytes_find(bytes_skip(value, start), BYTES("=?"))) != BYTES_NOT_FOUND) {
            start += found;
            behind = bytes_skip(value, start);
            if (take_word(&behind, &word))
                break;
            start += 2;
        }
        struct bytes before =
            bytes_slice(value, 0, found == BYTES_NOT_FOUND ? value.length : start);
        /* RFC 2047 6.2: what stands between two of them is not shown. */
        if (!is_behind_word || found == BYTES_NOT_FOUND || !is_all_blank(before))
            put_plain(&plain, before, out);
        value = bytes_skip(value, before.length);
        if (found == BYTES_NOT_FOUND)
            return;
        is_behind_word = take_run(&charset, &value, word, behind, out);
        if (!is_behind_word) {
            put_plain(&plain, bytes_slice(value, 0, value.length - behind.length), out);
            value = behind;
        }
    }
}
