/* Reads secrets: from a terminal without showing them, or the first line of a stream. */
#ifndef CLI_SECRET_INPUT_H
#define CLI_SECRET_INPUT_H

#include "base/buffer.h"

/* Appends the first line to a wiping buffer, without its end, and reads what follows as well.
   False: errno. */
bool secret_input_line(int descriptor, struct buffer *secret);

enum secret_input_answer {
    SECRET_INPUT_GIVEN = 0,
    SECRET_INPUT_REFUSED, /* Control-C or Control-D */
    SECRET_INPUT_NOBODY   /* there is no terminal */
};

/* Asks on the terminal of the process, whatever its standard streams are, and reads keys until
   Return into a wiping buffer. */
enum secret_input_answer secret_input_ask(const char *question, struct buffer *secret);

#endif
