/* The server's certificate: the one that the configuration names, or one of our own making, so that
 * there is TLS from the first start on. */
#ifndef SERVER_SERVER_TLS_H
#define SERVER_SERVER_TLS_H

#include "base/buffer.h"
#include "net/net_tls_server.h"
#include "server/config.h"

enum {
    SERVER_TLS_PATH_MAX = 4200, /* bytes of a file's name */
};

/* The configuration names a certificate. */
bool server_tls_is_given(const struct config *config);

/* The certificate that the configuration names. NULL: fault. */
struct net_tls_context *server_tls_load(const struct config *config, struct fault *fault);

/* The one of our own making: certificate.pem and certificate.key in the folder, made for the name
   when they are not there. *path is the certificate's. NULL: fault. */
struct net_tls_context *server_tls_make(const char *folder, const char *host_name,
                                        struct buffer *path, struct fault *fault);

#endif
