/* A raw header section, as messages bring it: field by field, forgiving what is wrong, hiding
 * nothing (RFC 5322 2.2, 4.5). A line ends with CRLF, LF or CR, for the way to the server makes
 * CRLF of all three: what would become a line there is one here. */
#ifndef MAIL_HEADER_H
#define MAIL_HEADER_H

#include <stdbool.h>

#include "base/buffer.h"
#include "base/bytes.h"

/* One field, borrowed from the section. */
struct header_field {
    struct bytes raw;   /* all its lines with their ends */
    struct bytes name;  /* without blanks; empty for lines that are no field at all */
    struct bytes value; /* behind the colon, folded as it is, without the last line end */
};

/* Takes the first field, with the lines that continue it, off *rest. False at the end of the
 *section: rest is empty or starts with an empty line. */
bool header_next(struct bytes *rest, struct header_field *field);

/* Where a message's header section ends: *section without the empty line, *body behind it. False:
   the end is not in sight, more of the message is needed (is_whole says that there is no more, then
   all of it is header). A message whose first line is no field has an empty section. */
bool header_split(struct bytes message, bool is_whole, struct bytes *section, struct bytes *body);

/* The first field of a name, in any case. False: there is none. */
bool header_find(struct bytes section, struct bytes name, struct header_field *field);

/* Appends a value with its folds undone and the blanks at both ends left out (RFC 5322 2.2.3). What
   comes out has neither CR nor LF. */
void header_unfold(struct bytes value, struct buffer *out);

/* Appends lines with CRLF behind each. */
void header_append_lines(struct bytes lines, struct buffer *out);

/* A name that a field may have: printable ASCII but the colon (RFC 5322 3.6.8). */
bool header_name_is_valid(struct bytes name);

#endif
