/* A key and a certificate of our own making, for servers that nobody gave one: enough to encrypt,
 * and to be pinned by hand. */
#ifndef NET_NET_CERTIFICATE_MAKE_H
#define NET_NET_CERTIFICATE_MAKE_H

#include "base/fault.h"

enum {
    NET_CERTIFICATE_DAYS = 3650, /* how long it is valid: nobody renews it */
};

/* Makes a P-256 key and a certificate that it signs itself, for the host name (A-labels),
 * localhost, 127.0.0.1 and ::1, and writes both as PEM files that only we may read. Each file
 * appears whole or not at all and takes the place of an older one. key_file: NULL = behind the
 * certificate in its file. */
bool net_certificate_make(const char *host, const char *certificate_file, const char *key_file,
                          struct fault *fault);

#endif
