/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/bytes.h"

/* ASCII is valid, and so are no bytes at all. */
bool utf8_is_valid(struct bytes bytes);

/* Takes the first code point off *rest; false, with both untouched, when *rest is empty or does
   not start with a valid sequence. */
bool utf8_next(struct bytes *rest, uint32_t *code_point);

/* Appends a code point, which must be one that UTF-8 can carry. */
void utf8_append(struct buffer *buffer, uint32_t code_point);

#endif
