/* Writes header fields: folds at 78 columns (RFC 5322 2.1.1), and looks at its own work again
 * before it lets a field go, so that nothing but a fold ever ends a line inside one. */
#ifndef MAIL_HEADER_WRITER_H
#define MAIL_HEADER_WRITER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum {
    HEADER_LINE_WISHED = 78,       /* columns of a line, CRLF not counted (RFC 5322 2.1.1) */
    HEADER_LINE_ENCODED_WORD = 76, /* of a line with an encoded word (RFC 2047 2) */
    HEADER_LINE_MAX = 998          /* octets of a line, CRLF not counted (RFC 5322 2.1.1) */
};

/* Leave the members alone. */
struct header_writer {
    struct buffer *out;
    size_t field_start; /* lengths of out when the field, the line began */
    size_t line_start;
    size_t line_limit;
    bool has_word; /* the line has one that it could be folded behind */
};

/* Begins a field: "Name:". */
void header_writer_begin(struct header_writer *writer, struct buffer *out, struct bytes name);

/* Appends blanks and a word that is not to be broken, on a new line when this one is full. Both are
   not empty; the blanks are spaces or tabs and stand before the word wherever it comes to stand. */
void header_writer_word(struct header_writer *writer, struct bytes blanks, struct bytes word);

/* The same for an encoded word. */
void header_writer_encoded_word(struct header_writer *writer, struct bytes blanks,
                                struct bytes word);

/* How many columns an encoded word behind so many blanks would have on this line. */
size_t header_writer_encoded_word_room(const struct header_writer *writer, size_t blanks);

/* Columns used on this line. */
size_t header_writer_column(const struct header_writer *writer);

/* Ends the field. False, with the field taken back: a line of it is longer than HEADER_LINE_MAX, or
   it holds a line end that is no fold, or NUL (FAULT_LIMIT, FAULT_SYNTAX), or the buffer has
   failed. */
bool header_writer_end(struct header_writer *writer, struct fault *fault);

#endif
