/* Encoding by a table of 12-bit pairs, so that three bytes cost two look-ups and two stores. */
#include "base/base64.h"

#include <stdint.h>

/* clang-format off */
#define PAIR(first, second) {first, second},
#define EACH(apply, a) \
    apply(a, 'A') apply(a, 'B') apply(a, 'C') apply(a, 'D') apply(a, 'E') apply(a, 'F') apply(a, 'G') apply(a, 'H') \
    apply(a, 'I') apply(a, 'J') apply(a, 'K') apply(a, 'L') apply(a, 'M') apply(a, 'N') apply(a, 'O') apply(a, 'P') \
    apply(a, 'Q') apply(a, 'R') apply(a, 'S') apply(a, 'T') apply(a, 'U') apply(a, 'V') apply(a, 'W') apply(a, 'X') \
    apply(a, 'Y') apply(a, 'Z') apply(a, 'a') apply(a, 'b') apply(a, 'c') apply(a, 'd') apply(a, 'e') apply(a, 'f') \
    apply(a, 'g') apply(a, 'h') apply(a, 'i') apply(a, 'j') apply(a, 'k') apply(a, 'l') apply(a, 'm') apply(a, 'n') \
    apply(a, 'o') apply(a, 'p') apply(a, 'q') apply(a, 'r') apply(a, 's') apply(a, 't') apply(a, 'u') apply(a, 'v') \
    apply(a, 'w') apply(a, 'x') apply(a, 'y') apply(a, 'z') apply(a, '0') apply(a, '1') apply(a, '2') apply(a, '3') \
    apply(a, '4') apply(a, '5') apply(a, '6') apply(a, '7') apply(a, '8') apply(a, '9') apply(a, '+') apply(a, '/')
#define ROW(first) EACH(PAIR, first)

static const char pairs[4096][2] = {
    ROW('A') ROW('B') ROW('C') ROW('D') ROW('E') ROW('F') ROW('G') ROW('H')
    ROW('I') ROW('J') ROW('K') ROW('L') ROW('M') ROW('N') ROW('O') ROW('P')
    ROW('Q') ROW('R') ROW('S') ROW('T') ROW('U') ROW('V') ROW('W') ROW('X')
    ROW('Y') ROW('Z') ROW('a') ROW('b') ROW('c') ROW('d') ROW('e') ROW('f')
    ROW('g') ROW('h') ROW('i') ROW('j') ROW('k') ROW('l') ROW('m') ROW('n')
    ROW('o') ROW('p') ROW('q') ROW('r') ROW('s') ROW('t') ROW('u') ROW('v')
    ROW('w') ROW('x') ROW('y') ROW('z') ROW('0') ROW('1') ROW('2') ROW('3')
    ROW('4') ROW('5') ROW('6') ROW('7') ROW('8') ROW('9') ROW('+') ROW('/')
};
/* clang-format on */

/* Encodes whole groups of three bytes; returns where the output ends. */
static char *encode_groups(const unsigned char *in, size_t groups, char *out)
{
    for (; groups > 0; groups--, in += 3, out += 4) {
        memcpy(out, pairs[in[0] << 4 | in[1] >> 4], 2);
        memcpy(out + 2, pairs[(in[1] & 0x0F) << 8 | in[2]], 2);
    }
    return out;
}

/* Encodes the one or two bytes that are left over, with padding. */
static char *encode_rest(const unsigned char *in, size_t count, char *out)
{
    unsigned second = count > 1 ? in[1] : 0;
    memcpy(out, pairs[(unsigned)in[0] << 4 | second >> 4], 2);
    out[2] = count > 1 ? pairs[(second & 0x0F) << 8][0] : '=';
    out[3] = '=';
    return out + 4;
}

static char *encode_all(const unsigned char *in, size_t length, char *out)
{
    size_t rest = length % 3;
    out = encode_groups(in, length / 3, out);
    return rest > 0 ? encode_rest(in + length - rest, rest, out) : out;
}

void base64_encode(struct bytes in, struct buffer *out)
{
    size_t length = base64_encoded_length(in.length);
    char *end = buffer_reserve(out, length);
    if (end == NULL || length == 0)
        return;
    encode_all((const unsigned char *)in.data, in.length, end);
    buffer_commit(out, length);
}

/* The value of a character, or -1. Arithmetic rather than a table: decoding is for short values,
   and secrets among them should not show in the cache. */
static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    return c == '/' ? 63 : -1;
}

/* Decodes four characters, of which the last `padding` are '='; returns false on a foreign one or
   on bits that stand for nothing (RFC 4648 3.5). */
static bool decode_group(const char *in, size_t padding, char *out)
{
    uint32_t group = 0;
    for (size_t i = 0; i < 4 - padding; i++) {
        int value = value_of(in[i]);
        if (value < 0)
            return false;
        group |= (uint32_t)value << (18 - 6 * i);
    }
    if ((group & ((UINT32_C(1) << 8 * padding) - 1)) != 0)
        return false;
    for (size_t i = 0; i < 3 - padding; i++)
        out[i] = (char)(group >> (16 - 8 * i) & 0xFF);
    return true;
}

bool base64_decode(struct bytes in, struct buffer *out)
{
    if (in.length % 4 != 0)
        return false;
    if (in.length == 0)
        return true;
    size_t padding = in.data[in.length - 1] != '=' ? 0 : in.data[in.length - 2] != '=' ? 1 : 2;
    size_t length = in.length / 4 * 3 - padding;
    char *start = buffer_reserve(out, length);
    size_t written = 0;
    for (size_t i = 0; i < in.length; i += 4, written += 3) {
        char group[3];
        size_t missing = i + 4 == in.length ? padding : 0;
        if (!decode_group(in.data + i, missing, group))
            return false;
        if (start != NULL)
            memcpy(start + written, group, 3 - missing);
    }
    if (start != NULL)
        buffer_commit(out, length);
    return true;
}

void base64_encoder_init(struct base64_encoder *encoder)
{
    encoder->held_count = 0;
}

/* Encodes whole lines only: `length` is a multiple of BASE64_LINE_BYTES. */
static void append_lines(const unsigned char *in, size_t length, struct buffer *out)
{
    size_t size = base64_encoded_lines_length(length);
    char *end = buffer_reserve(out, size);
    if (end == NULL)
        return;
    for (; length > 0; length -= BASE64_LINE_BYTES, in += BASE64_LINE_BYTES) {
        end = encode_groups(in, BASE64_LINE_BYTES / 3, end);
        *end++ = '\r';
        *end++ = '\n';
    }
    buffer_commit(out, size);
}

void base64_encoder_feed(struct base64_encoder *encoder, struct bytes in, struct buffer *out)
{
    if (encoder->held_count > 0) {
        struct bytes piece = bytes_slice(in, 0, BASE64_LINE_BYTES - encoder->held_count);
        if (piece.length > 0)
            memcpy(encoder->held + encoder->held_count, piece.data, piece.length);
        encoder->held_count += piece.length;
        in = bytes_skip(in, piece.length);
        if (encoder->held_count < BASE64_LINE_BYTES)
            return;
        append_lines(encoder->held, BASE64_LINE_BYTES, out);
        encoder->held_count = 0;
    }
    size_t whole = in.length - in.length % BASE64_LINE_BYTES;
    if (whole > 0)
        append_lines((const unsigned char *)in.data, whole, out);
    in = bytes_skip(in, whole);
    if (in.length > 0)
        memcpy(encoder->held, in.data, in.length);
    encoder->held_count = in.length;
}

void base64_encoder_finish(struct base64_encoder *encoder, struct buffer *out)
{
    if (encoder->held_count == 0)
        return;
    base64_encode(bytes_of(encoder->held, encoder->held_count), out);
    buffer_append(out, BYTES("\r\n"));
    encoder->held_count = 0;
}
