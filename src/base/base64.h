/* Base64 of RFC 4648: whole values, and the long lines-of-76 form that mail bodies use. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "base/bytes.h"

/* RFC 2045 6.8: an encoded line is at most 76 characters; these are the bytes that fill one. */
enum {
    BASE64_LINE_COLUMNS = 76,
    BASE64_LINE_BYTES = 57
};

/* How long `length` bytes become, padding and all, without line ends. */
static inline size_t base64_encoded_length(size_t length)
{
    return (length / 3 + (length % 3 != 0)) * 4;
}

/* How long they become in lines of 76, each of them, the last as well, with CRLF behind it. */
static inline size_t base64_encoded_lines_length(size_t length)
{
    size_t lines = length / BASE64_LINE_BYTES + (length % BASE64_LINE_BYTES != 0);
    return base64_encoded_length(length) + lines * 2;
}

/* Appends the encoded form in one line, with padding. */
void base64_encode(struct bytes in, struct buffer *out);

/* Appends what the text stands for. Strict: a length that is no multiple of 4, a foreign character,
   a line end, missing padding or padding bits that are not zero are refused: false, and nothing
   appended. Whether there was room is asked of the buffer. */
bool base64_decode(struct bytes in, struct buffer *out);

/* Encodes a body piece by piece in lines of 76 with CRLF behind each. */
struct base64_encoder {
    unsigned char held[BASE64_LINE_BYTES]; /* the begun line; wiped by no one: not for secrets */
    size_t held_count;
};

void base64_encoder_init(struct base64_encoder *encoder);

/* Takes a piece; whole lines are appended at once, the rest is held. */
void base64_encoder_feed(struct base64_encoder *encoder, struct bytes in, struct buffer *out);

/* Appends the last, shorter line if there is one; the encoder is then as new. */
void base64_encoder_finish(struct base64_encoder *encoder, struct buffer *out);

#endif
