/* Text beyond ASCII in headers: the encoded words of RFC 2047, in UTF-8. */
#ifndef MAIL_ENCODED_WORD_H
#define MAIL_ENCODED_WORD_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "mail/header_writer.h"

enum {
    ENCODED_WORD_MAX = 75, /* RFC 2047 2 */
    /* Longer words without a blank are encoded although they are ASCII, so that they can be broken.
     */
    ENCODED_WORD_PLAIN_MAX = 900
};

/* The word cannot stand as it is: it is not ASCII (and UTF-8 is not allowed), it could be taken for
   an encoded word, or it is too long. */
bool encoded_word_is_needed(struct bytes word, bool allow_utf8);

/* Writes a text as encoded words (what is no UTF-8 as "unknown-8bit", RFC 1428 3), split at
   characters; readers join them without the folds. Of the encodings Q and B the shorter one. Fit
   for phrases too (RFC 2047 5). */
void encoded_word_write(struct header_writer *writer, struct bytes blanks, struct bytes text);

/* Writes an unstructured value (RFC 5322 3.2.5): words that can as they are, the others encoded. */
void encoded_word_write_text(struct header_writer *writer, struct bytes text, bool allow_utf8);

/* Appends what an encoded word stands for, in UTF-8. False, and nothing appended: it is none, or
   its character set is not UTF-8, US-ASCII or ISO-8859-1. */
bool encoded_word_decode(struct bytes word, struct buffer *out);

/* Appends an unstructured value with the encoded words in it decoded; those that cannot be stay as
   they are. */
void encoded_word_decode_text(struct bytes text, struct buffer *out);

#endif
