/* What is sent: a message, composed from the command line or taken ready, and its envelope. */
#ifndef CLI_SEND_LETTER_H
#define CLI_SEND_LETTER_H

#include <posthorn/message.h>

#include "cli/send_request.h"
#include "cli/send_spool.h"

/* Zero at birth but for input, which is -1. Every function that returns an exit status has told why
   when that is not EX_OK. */
struct send_letter {
    struct ph_message *message;
    struct ph_message *envelope;   /* the addresses given outside of the message, parsed */
    int input;                     /* descriptor of a ready message; -1 = none of ours */
    char *sender;                  /* "" = the null sender */
    const char *const *recipients; /* in envelope */
    size_t recipient_count;
};

#define SEND_LETTER ((struct send_letter){.input = -1})

/* Accepts NULL. */
void send_letter_clear(struct send_letter *letter);

/* Makes message and envelope as `posthorn send` was told. */
int send_letter_make(struct send_letter *letter, const struct send_request *request,
                     const struct send_account *account);

/* Takes a ready message from a descriptor, which stays the caller's: a regular file is read where
   it is, unless a rule asks for more; anything else is copied first. name is for errors. */
int send_letter_read(struct send_letter *letter, int descriptor, const char *name,
                     struct send_spool_rules rules);

/* Adds recipients from an address list; those whom the message's header names. */
int send_letter_add_recipients(struct send_letter *letter, const char *text);
int send_letter_add_header_recipients(struct send_letter *letter);

/* Sets the envelope's sender: "" or one address, with or without a display name. */
int send_letter_set_sender(struct send_letter *letter, const char *text);

/* Fills recipients; there must be one at least. */
int send_letter_close_envelope(struct send_letter *letter);

#endif
