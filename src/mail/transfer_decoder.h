/* Undoing quoted-printable and base64, in pieces of any size and as forgivingly as mail needs it:
 * nothing is refused (RFC 2045 6.7, 6.8). */
#ifndef MAIL_TRANSFER_DECODER_H
#define MAIL_TRANSFER_DECODER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "mail/transfer_encoding.h"

enum {
    /* Blanks that may end a line, to be left out then; a longer run of them is text. */
    TRANSFER_DECODER_HELD_MAX = 128
};

/* Begin, then leave the members alone. */
struct transfer_decoder {
    enum transfer_encoding encoding;
    unsigned digits; /* base64: of the group so far */
    uint32_t group;
    size_t held_count; /* quoted-printable: what the next byte gives a meaning */
    char held[TRANSFER_DECODER_HELD_MAX];
};

/* The encoding that Content-Transfer-Encoding names, in any case; nothing is 7bit. False: unknown
   (RFC 2045 6.4: such a body is not text). */
bool transfer_decoder_named(struct bytes name, enum transfer_encoding *encoding);

void transfer_decoder_begin(struct transfer_decoder *decoder, enum transfer_encoding encoding);

/* Appends what a piece stands for, as far as it is settled. Never more than the piece and
   TRANSFER_DECODER_HELD_MAX bytes. */
void transfer_decoder_feed(struct transfer_decoder *decoder, struct bytes in, struct buffer *out);

/* Appends what was held back. Nothing may be fed after that. */
void transfer_decoder_finish(struct transfer_decoder *decoder, struct buffer *out);

#endif
