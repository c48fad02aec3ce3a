/* Where the password or the access token comes from: a file, a command, the environment, the
   profile, or the person at the terminal. Never the command line, which every user can read. */
#ifndef CLI_SEND_SECRET_H
#define CLI_SEND_SECRET_H

#include "base/buffer.h"
#include "cli/send_account.h"

enum {
    SEND_SECRET_MAX = 65536 /* bytes of a password or token */
};

/* The environment variable that is asked. */
#define SEND_SECRET_VARIABLE "POSTHORN_PASSWORD"

/* Fills password or token (wiping buffers, empty before) by the first of: --oauth-token-file,
   -command;
   --password-file, -command; the environment; the profile's password; a question on the terminal.
   Neither is filled for a login that needs none (EXTERNAL). Returns EX_OK, or the exit status after
   a message. */
int send_secret_find(const struct send_account *account, struct buffer *password,
                     struct buffer *token);

#endif
