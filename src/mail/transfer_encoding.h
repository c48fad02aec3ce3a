/* How a body travels: the encodings of RFC 2045 6, the choice between them, and the encoders, which
 * take pieces of any size. */
#ifndef MAIL_TRANSFER_ENCODING_H
#define MAIL_TRANSFER_ENCODING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/bytes.h"

enum transfer_encoding {
    TRANSFER_AS_IS, /* nothing is touched */
    TRANSFER_7BIT,  /* text, whose line ends all become CRLF */
    TRANSFER_8BIT,  /* likewise */
    TRANSFER_QUOTED_PRINTABLE,
    TRANSFER_BASE64
};

enum {
    TRANSFER_LINE_MAX = 998,       /* octets of a line that goes unencoded (RFC 5322 2.1.1) */
    TRANSFER_QUOTED_LINE_MAX = 76, /* RFC 2045 6.7 (5) */
    /* However the bytes fall, quoted-printable makes at most so many of one: "=XX" and a share of
       the soft line ends... */
    TRANSFER_GROWTH_MAX = 4,
    /* ...and so many more of a piece, for what was held back. */
    TRANSFER_GROWTH_EXTRA = 128
};

/* What a text is made of. All zero to begin with. */
struct transfer_analysis {
    uint64_t length;     /* with CRLF for every line end */
    uint64_t high_bytes; /* beyond ASCII */
    uint64_t odd_bytes;  /* what quoted-printable writes as three: those, controls, "=" */
    uint64_t nul_bytes;
    uint64_t longest_line; /* without its end */
    uint64_t line;         /* so far */
    bool is_behind_cr;
};

void transfer_encoding_analyse(struct transfer_analysis *analysis, struct bytes text);

/* 7bit where nothing speaks against it, 8bit where eight_bit allows, else the shorter of
   quoted-printable and base64 (RFC 2045 6.2). */
enum transfer_encoding transfer_encoding_choose(const struct transfer_analysis *analysis,
                                                bool eight_bit);

/* As in Content-Transfer-Encoding; not for TRANSFER_AS_IS. */
const char *transfer_encoding_name(enum transfer_encoding encoding);

/* Initialise, then leave the members alone. */
struct transfer_encoder {
    enum transfer_encoding encoding;
    struct base64_encoder base64;
    size_t column;     /* quoted-printable: of the line being written */
    char held_blank;   /* it may turn out to end a line; or 0 */
    bool is_behind_cr; /* a line feed now belongs to a line end that is written already */
    /* To be set behind begin: quoted-printable starts no line with "-", so that none looks like a
       boundary, wherever it is broken. */
    bool hides_dashes;
};

void transfer_encoding_begin(struct transfer_encoder *encoder, enum transfer_encoding encoding);

/* Appends the encoded form of a piece, as far as it is settled. */
void transfer_encoding_feed(struct transfer_encoder *encoder, struct bytes in, struct buffer *out);

/* Appends what was held back. Nothing may be fed after that. */
void transfer_encoding_finish(struct transfer_encoder *encoder, struct buffer *out);

/* How long the whole text becomes. */
uint64_t transfer_encoding_length(enum transfer_encoding encoding, struct bytes text);

#endif
