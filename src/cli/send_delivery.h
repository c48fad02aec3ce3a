/* The way to the server: connected, encrypted and logged in as an account says, and a letter over
 * it. */
#ifndef CLI_SEND_DELIVERY_H
#define CLI_SEND_DELIVERY_H

#include <stdio.h>

#include <posthorn/smtp.h>

#include "cli/send_letter.h"
#include "cli/send_output.h"

/* Zero at birth. */
struct send_delivery {
    struct ph_pool *pool;
    struct ph_smtp *smtp; /* NULL until send_delivery_open */
    struct send_progress progress;
};

/* Goes as far as the login. transcript: where the talk is shown, or NULL. Returns EX_OK, with
   *error filled when the server or the way to it is the cause of another status; where error->kind
   is PH_OK then, the cause has been told. */
int send_delivery_open(struct send_delivery *delivery, struct send_account *account,
                       FILE *transcript, bool shows_progress, struct ph_error *error);

/* Sends. result must be zero. Control-C ends it in good order. */
bool send_delivery_send(struct send_delivery *delivery, const struct send_letter *letter,
                        const struct send_wishes *wishes, struct ph_result *result,
                        struct ph_error *error);

/* Says QUIT where there is a connection, and frees everything. Accepts NULL. */
void send_delivery_clear(struct send_delivery *delivery);

#endif
