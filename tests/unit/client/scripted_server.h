/* A server in a thread of its own that plays a script and writes down what did not happen as
 * written.
 *
 * A script has one step a line:
 *
 *   S: text    sends the text with CRLF
 *   P: text    the same, if anybody still listens
 *   s: text    sends it without; \r, \n, \xhh and \\ as in C
 *   O: text    sends such a text over and over until the client closes; it must before it has
 *              taken all of 32 MiB
 *   C: glob    awaits a line that matches (fnmatch)
 *   G:         takes whatever comes next; the end of the stream too
 *   D:         takes a body up to the lone dot; it is at scripted_server_body
 *   B: n       takes n bytes; they are at the same place
 *   T:         makes the TLS handshake as a server
 *   F:         the same, but it must fail, or what follows it: the client does not want this
 *              certificate
 *   E:         awaits the end of the stream
 *   W:         waits until the test calls scripted_server_go_on
 *   K:         tells the test, which waits in scripted_server_await
 *   X:         closes the connection
 *   H:         the same, but without TLS's close_notify
 *   R:         breaks it (RST)
 *   A:         takes the next connection; the first one is taken by itself
 *
 * When the script ends the connection is closed. Steps are played until one fails.
 */
#ifndef CLIENT_SCRIPTED_SERVER_H
#define CLIENT_SCRIPTED_SERVER_H

#include <stdbool.h>
#include <stddef.h>

struct scripted_server;

/* How it can be reached. */
enum scripted_place {
    SCRIPTED_LOOPBACK = 0, /* scripted_server_address: "127.0.0.1:port" */
    SCRIPTED_LOOPBACK_V6,  /* "[::1]:port" */
    SCRIPTED_PATH,         /* "/tmp/.../socket" */
    SCRIPTED_PAIR          /* scripted_server_take_descriptor */
};

/* What it proves itself with in step T. */
enum scripted_certificate {
    SCRIPTED_GOOD =
        0, /* for localhost, mx.test and 127.0.0.1, signed by the CA at scripted_server_ca_file */
    SCRIPTED_WRONG_NAME, /* the same for other.test */
    SCRIPTED_EXPIRED,
    SCRIPTED_STRANGE_CA /* signed by itself */
};

struct scripted_server *scripted_server_start(enum scripted_place place, const char *script);
struct scripted_server *scripted_server_start_tls(enum scripted_place place,
                                                  enum scripted_certificate certificate,
                                                  const char *script);

const char *scripted_server_address(const struct scripted_server *server);
int scripted_server_take_descriptor(struct scripted_server *server);

/* The PEM file of the CA; lives until the process ends. */
const char *scripted_server_ca_file(void);
/* The PEM file of a certificate that the CA signed, with its key; lives as long. */
const char *scripted_server_certificate_file(void);
/* SHA-256 of the good certificate in hex. */
const char *scripted_server_fingerprint(void);

void scripted_server_go_on(struct scripted_server *server);
void scripted_server_await(struct scripted_server *server);

/* Waits for the thread and frees; fails the test when the script was not played to its end. */
void scripted_server_finish(struct scripted_server *server);

/* As finish, but whatever became of the script: for clients whose time may have run out early. */
void scripted_server_finish_early(struct scripted_server *server);

/* As finish, but hands the bodies over first; *length bytes and a NUL, to be freed. */
char *scripted_server_finish_body(struct scripted_server *server, size_t *length);

#endif
