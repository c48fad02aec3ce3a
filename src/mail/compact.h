/* The alphabet of the compact forms in which envelopes and structures are kept: numbers of seven
 * bits a byte, the lowest first, and strings that may be missing. Readers trust nothing. */
#ifndef MAIL_COMPACT_H
#define MAIL_COMPACT_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

enum {
    COMPACT_NUMBER_MAX = 10 /* bytes of a number */
};

void compact_put_number(struct buffer *out, uint64_t number);

/* data NULL: a missing string, which is not an empty one. */
void compact_put_string(struct buffer *out, struct bytes string);

/* Each takes one value off the front of *rest. False: it is damaged; *rest is then unspecified. */
bool compact_take_byte(struct bytes *rest, unsigned *byte);
bool compact_take_number(struct bytes *rest, uint64_t *number);
bool compact_take_bytes(struct bytes *rest, uint64_t length, struct bytes *taken);

/* Borrowed from *rest; a missing string has data NULL, an empty one has not. */
bool compact_take_string(struct bytes *rest, struct bytes *string);

#endif
