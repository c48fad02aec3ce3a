/* Decoders that hold back no more than a line's end. */
#include "mail/transfer_decoder.h"

enum {
    GROUP_DIGITS = 4
};

/* The value of a base64 digit plus one; 0 for every other byte. */
static const unsigned char digit_values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

bool transfer_decoder_named(struct bytes name, enum transfer_encoding *encoding)
{
    static const struct {
        struct bytes name;
        enum transfer_encoding encoding;
    } names[] = {
        {BYTES_INIT(""), TRANSFER_AS_IS},
        {BYTES_INIT("7bit"), TRANSFER_AS_IS},
        {BYTES_INIT("8bit"), TRANSFER_AS_IS},
        {BYTES_INIT("binary"), TRANSFER_AS_IS},
        {BYTES_INIT("quoted-printable"), TRANSFER_QUOTED_PRINTABLE},
        {BYTES_INIT("base64"), TRANSFER_BASE64},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (bytes_equal_ignoring_case(name, names[i].name)) {
            *encoding = names[i].encoding;
            return true;
        }
    }
    return false;
}

void transfer_decoder_begin(struct transfer_decoder *decoder, enum transfer_encoding encoding)
{
    decoder->encoding = encoding;
    decoder->digits = 0;
    decoder->group = 0;
    decoder->held_count = 0;
}

/* Whole groups; gives how many bytes were taken. */
static size_t decode_groups(struct bytes in, char *out, size_t *written)
{
    size_t taken = 0;
    size_t count = 0;
    while (in.length - taken >= GROUP_DIGITS) {
        const unsigned char *digits = (const unsigned char *)in.data + taken;
        unsigned a = digit_values[digits[0]];
        unsigned b = digit_values[digits[1]];
        unsigned c = digit_values[digits[2]];
        unsigned d = digit_values[digits[3]];
        if (a == 0 || b == 0 || c == 0 || d == 0)
            break;
        uint32_t group = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        out[count++] = (char)(group >> 16);
        out[count++] = (char)(group >> 8);
        out[count++] = (char)group;
        taken += GROUP_DIGITS;
    }
    *written = count;
    return taken;
}

/* A group that ends early: 12 bits are a byte and 18 are two. */
static void end_group(struct transfer_decoder *decoder, struct buffer *out)
{
    if (decoder->digits == 2) {
        buffer_append_char(out, (char)(decoder->group >> 4));
    } else if (decoder->digits == 3) {
        buffer_append_char(out, (char)(decoder->group >> 10));
        buffer_append_char(out, (char)(decoder->group >> 2));
    }
    decoder->digits = 0;
    decoder->group = 0;
}

/* RFC 2045 6.8: what is no digit is passed over. */
static void feed_digit(struct transfer_decoder *decoder, unsigned char c, struct buffer *out)
{
    if (c == '=') {
        end_group(decoder, out);
        return;
    }
    unsigned value = digit_values[c];
    if (value == 0)
        return;
    decoder->group = decoder->group << 6 | (value - 1);
    if (++decoder->digits < GROUP_DIGITS)
        return;
    buffer_append_char(out, (char)(decoder->group >> 16));
    buffer_append_char(out, (char)(decoder->group >> 8));
    buffer_append_char(out, (char)decoder->group);
    decoder->digits = 0;
    decoder->group = 0;
}

static void feed_base64(struct transfer_decoder *decoder, struct bytes in, struct buffer *out)
{
    while (in.length > 0) {
        if (decoder->digits == 0 && in.length >= GROUP_DIGITS) {
            char *end = buffer_reserve(out, in.length / GROUP_DIGITS * 3);
            size_t written;
            if (end == NULL)
                return;
            in = bytes_skip(in, decode_groups(in, end, &written));
            buffer_commit(out, written);
            if (in.length == 0)
                return;
        }
        feed_digit(decoder, (unsigned char)in.data[0], out);
        in = bytes_skip(in, 1);
    }
}

static void release_held(struct transfer_decoder *decoder, struct buffer *out)
{
    buffer_append(out, bytes_of(decoder->held, decoder->held_count));
    decoder->held_count = 0;
}

/* A line ends: the blanks before it were added on the way (RFC 2045 6.7 (3)), and behind "=" the
   line end itself was (RFC 2045 6.7 (5)). */
static void end_line(struct transfer_decoder *decoder, struct buffer *out)
{
    bool is_soft = decoder->held[0] == '=';
    bool has_cr = decoder->held[decoder->held_count - 1] == '\r';
    decoder->held_count = 0;
    if (!is_soft)
        buffer_append_string(out, has_cr ? "\r\n" : "\n");
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Whether the byte goes on with what is held. */
static bool is_continuing(const struct transfer_decoder *decoder, char c)
{
    char last = decoder->held[decoder->held_count - 1];
    if (decoder->held_count == TRANSFER_DECODER_HELD_MAX || last == '\r')
        return false;
    if (is_blank(c) || c == '\r')
        return last == '=' || is_blank(last);
    return last == '=' && bytes_hex_value(c) >= 0;
}

/* One byte while something is held; false: it is not taken, and nothing is held any more. */
static bool feed_held(struct transfer_decoder *decoder, char c, struct buffer *out)
{
    char last = decoder->held[decoder->held_count - 1];
    bool is_digit = bytes_hex_value(last) >= 0;
    if (c == '\n' && !is_digit) {
        end_line(decoder, out);
        return true;
    }
    if (is_digit && bytes_hex_value(c) >= 0) {
        decoder->held_count = 0;
        buffer_append_char(out, (char)(bytes_hex_value(last) << 4 | bytes_hex_value(c)));
        return true;
    }
    if (is_continuing(decoder, c)) {
        decoder->held[decoder->held_count++] = c;
        return true;
    }
    /* What is no encoding stands for itself (RFC 2045 6.7, the note on robustness). */
    release_held(decoder, out);
    return false;
}

static bool is_plain(char c)
{
    return c != '=' && c != '\r' && !is_blank(c);
}

/* How many bytes stand for themselves: also a blank before a letter, and CRLF behind one. */
static size_t length_of_plain(struct bytes in)
{
    size_t length = 0;
    while (length < in.length) {
        if (is_plain(in.data[length])) {
            length++;
            continue;
        }
        bool is_settled = in.length - length > 1;
        char next = is_settled ? in.data[length + 1] : '\0';
        if (is_settled && is_blank(in.data[length]))
            is_settled = next != '\n' && is_plain(next);
        else if (is_settled && in.data[length] == '\r')
            is_settled = next == '\n';
        else
            is_settled = false;
        if (!is_settled)
            break;
        length += 2;
    }
    return length;
}

static void feed_quoted(struct transfer_decoder *decoder, struct bytes in, struct buffer *out)
{
    while (in.length > 0) {
        if (decoder->held_count > 0) {
            if (feed_held(decoder, in.data[0], out))
                in = bytes_skip(in, 1);
            continue;
        }
        size_t plain = length_of_plain(in);
        buffer_append(out, bytes_slice(in, 0, plain));
        in = bytes_skip(in, plain);
        if (in.length > 0) {
            decoder->held[decoder->held_count++] = in.data[0];
            in = bytes_skip(in, 1);
        }
    }
}

void transfer_decoder_feed(struct transfer_decoder *decoder, struct bytes in, struct buffer *out)
{
    if (decoder->encoding == TRANSFER_BASE64)
        feed_base64(decoder, in, out);
    else if (decoder->encoding == TRANSFER_QUOTED_PRINTABLE)
        feed_quoted(decoder, in, out);
    else
        buffer_append(out, in);
}

void transfer_decoder_finish(struct transfer_decoder *decoder, struct buffer *out)
{
    end_group(decoder, out);
    /* Blanks, and a soft line end, that end the text. */
    size_t count = decoder->held_count;
    if (count == 0)
        return;
    char last = decoder->held[count - 1];
    if (bytes_hex_value(last) >= 0 || (count == 1 && last == '\r'))
        release_held(decoder, out);
    decoder->held_count = 0;
}
