/* What the tests of sessions share: a session that is connected to a script. */
#ifndef CLIENT_CLIENT_TALK_H
#define CLIENT_CLIENT_TALK_H

#include <posthorn/posthorn.h>

#include "client/scripted_server.h"

struct client_talk {
    struct scripted_server *server;
    struct ph_smtp *smtp;
};

/* The greeting, and EHLO with the usual extensions. */
#define CLIENT_TALK_GREETING                                                                       \
    "S: 220 mx.test\n"                                                                             \
    "C: EHLO *\n"                                                                                  \
    "S: 250-mx.test\n"                                                                             \
    "S: 250-PIPELINING\n"                                                                          \
    "S: 250-8BITMIME\n"                                                                            \
    "S: 250-ENHANCEDSTATUSCODES\n"                                                                 \
    "S: 250 SIZE 10000000\n"

/* Starts the server, makes a session and connects; options may be NULL. Fails the test when that
 * cannot be done. */
struct client_talk client_talk_begin(const struct ph_smtp_options *options, const char *script);

/* Frees the session and finishes the server; the body that it took, to be freed. */
char *client_talk_end_body(struct client_talk *talk, size_t *length);
void client_talk_end(struct client_talk *talk);

#endif
