/* New passwords: asked for twice, read from standard input, or made up. */
#ifndef CLI_PASSWORD_INPUT_H
#define CLI_PASSWORD_INPUT_H

#include "base/buffer.h"
#include "cli/admin.h"

enum {
    PASSWORD_INPUT_MAX = 1024, /* bytes of a password */
    PASSWORD_INPUT_MADE = 23   /* of one that is made up: 4 groups of 5, 100 bits */
};

/* Fills a wiping buffer by --generate, --stdin or two questions about `login`. *is_made: it was
   made up, and has to be shown. Returns EX_OK, or the exit status after a message. */
int password_input_read(const struct admin *admin, const char *login, struct buffer *password,
                        bool *is_made);

/* Makes one up: "k7m2p-...", of letters and digits that are not taken for one another. */
bool password_input_make(struct buffer *password, struct fault *fault);

#endif
