/* Cleaning and wrapping. */
#include "delivery/report_word.h"

#include "base/utf8.h"

enum {
    PIECE_MAX = 900 /* bytes of a word in a field; longer ones would not fit a line */
};

/* Controls, and what changes the direction or the breaks of a line unseen. */
static bool is_blank(uint32_t c)
{
    return c <= ' ' || (c >= 0x7f && c <= 0xa0) || (c >= 0x2028 && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void report_word_clean(struct bytes text, size_t most, bool allow_utf8, struct buffer *out)
{
    size_t start = out->length;
    bool is_behind_blank = false;
    while (text.length > 0) {
        uint32_t c;
        if (!utf8_next(&text, &c)) {
            text = bytes_skip(text, 1);
            c = '?';
        }
        if (is_blank(c)) {
            is_behind_blank = true;
            continue;
        }
        if (c > 127 && !allow_utf8)
            c = '?';
        size_t length = out->length;
        if (is_behind_blank && length > start)
            buffer_append_char(out, ' ');
        is_behind_blank = false;
        utf8_append(out, c);
        if (out->length - start > most) {
            buffer_truncate(out, length);
            return;
        }
    }
}

/* Takes a word, without the blank behind it; of a long one the first PIECE_MAX bytes in whole
   characters. False: there is none. */
static bool take_word(struct bytes *rest, struct bytes *word)
{
    if (rest->length > 0 && rest->data[0] == ' ')
        *rest = bytes_skip(*rest, 1);
    *word = bytes_slice(*rest, 0, bytes_find_char(*rest, ' '));
    if (word->length > PIECE_MAX) {
        word->length = PIECE_MAX;
        while (((unsigned char)rest->data[word->length] & 0xc0) == 0x80)
            word->length--;
    }
    *rest = bytes_skip(*rest, word->length);
    return word->length > 0;
}

void report_word_write(struct header_writer *writer, struct bytes blanks, struct bytes text)
{
    struct bytes word;
    while (take_word(&text, &word)) {
        header_writer_word(writer, blanks, word);
        blanks = BYTES(" ");
    }
}

static size_t count_columns(struct bytes word)
{
    size_t count = 0;
    for (size_t i = 0; i < word.length; i++)
        count += ((unsigned char)word.data[i] & 0xc0) != 0x80;
    return count;
}

void report_word_paragraph(struct bytes text, size_t indent, struct buffer *out)
{
    struct bytes word;
    size_t column = 0;
    while (take_word(&text, &word)) {
        size_t width = count_columns(word);
        if (column > 0 && column + 1 + width > REPORT_WORD_COLUMNS) {
            buffer_append(out, BYTES("\r\n"));
            column = 0;
        }
        if (column == 0) {
            buffer_append_format(out, "%*s", (int)indent, "");
            column = indent;
        } else {
            buffer_append_char(out, ' ');
            column++;
        }
        buffer_append(out, word);
        column += width;
    }
    buffer_append(out, BYTES("\r\n"));
}
