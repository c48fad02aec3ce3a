/* Lines of texts whose ends may be CRLF, LF or CR. */
#ifndef MAIL_TEXT_LINE_H
#define MAIL_TEXT_LINE_H

#include <stdbool.h>

#include "base/bytes.h"

/* Takes the next line off *text; *line is without its end, *has_end says whether it has one. With
   is_behind_cr the text comes in pieces, each shorter or longer than a line: it carries a CR at the
   end of a piece over to the LF at the start of the next; false to begin with. False: nothing is
   left. */
bool text_line_take(struct bytes *text, struct bytes *line, bool *has_end, bool *is_behind_cr);

#endif
