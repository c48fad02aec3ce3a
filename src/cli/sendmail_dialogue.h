/* `sendmail -bs`: SMTP on standard input and output, handed on command by command. */
#ifndef CLI_SENDMAIL_DIALOGUE_H
#define CLI_SENDMAIL_DIALOGUE_H

#include <stdint.h>
#include <stdio.h>

#include "cli/send_account.h"

enum {
    SENDMAIL_LINE_MAX = 4096,   /* bytes of a command line with CRLF: RFC 5321 4.5.3.1.4 asks 512,
                                   its extensions more */
    SENDMAIL_MISTAKES_MAX = 20, /* commands that cannot be obeyed, until we hang up */
    SENDMAIL_RECIPIENTS_MAX = 10000 /* of one message; RFC 5321 4.5.3.1.8 asks 100 */
};

#define SENDMAIL_MESSAGE_MAX ((uint64_t)256 << 20) /* bytes of a message: 256 MiB */

/* Speaks with whoever is at standard input until QUIT or its end. Every command is put to the
   account's server and its own reply goes back, so a refused recipient is refused at once.
   transcript: of the talk with that server, or NULL. Returns the program's exit status. */
int sendmail_dialogue(struct send_account *account, FILE *transcript);

#endif
