/* What others said, made fit to be shown and to stand in a field: nothing in it ends a line, hides,
 * or turns the direction of writing. */
#ifndef DELIVERY_REPORT_WORD_H
#define DELIVERY_REPORT_WORD_H

#include "base/buffer.h"
#include "mail/header_writer.h"

enum {
    REPORT_WORD_COLUMNS = 72 /* of a paragraph */
};

/* Appends at most `most` bytes of a text: controls and blanks in a row become one blank, bytes that
   are no UTF-8, and without allow_utf8 all characters beyond ASCII, become "?". */
void report_word_clean(struct bytes text, size_t most, bool allow_utf8, struct buffer *out);

/* Writes the words of a clean text into a field; too long ones are broken. The first stands behind
   `blanks`, which may be empty. */
void report_word_write(struct header_writer *writer, struct bytes blanks, struct bytes text);

/* Appends a clean text as lines of REPORT_WORD_COLUMNS behind so many blanks. */
void report_word_paragraph(struct bytes text, size_t indent, struct buffer *out);

#endif
