/* The server's side of SASL by GNU SASL: somebody else's opinion of what our client says. */
#ifndef GNU_SERVER_H
#define GNU_SERVER_H

#include "base/buffer.h"

/* Who the server knows, and how it stands. */
struct gnu_server_account {
    const char *user;
    const char *password;     /* as SASLprep leaves it */
    const char *binding_name; /* "tls-exporter", "tls-unique", or NULL: it does not bind */
    struct bytes binding;
};

struct gnu_server;

/* Fails the test when GNU SASL does not do the mechanism. */
struct gnu_server *gnu_server_new(const char *mechanism, const struct gnu_server_account *account);
void gnu_server_free(struct gnu_server *server);

enum gnu_server_verdict {
    GNU_SERVER_GOES_ON,
    GNU_SERVER_ACCEPTS,
    GNU_SERVER_REFUSES
};

/* Takes what the client said and appends what the server says to it, which on acceptance may be
 * nothing. */
enum gnu_server_verdict gnu_server_step(struct gnu_server *server, struct bytes message,
                                        struct buffer *challenge);

/* Who the client wanted to act as, as far as it said so; or NULL. */
const char *gnu_server_authorization_id(struct gnu_server *server);

#endif
