/* What scripted servers prove themselves with: a CA and what it signed, made once in a process. */
#ifndef CLIENT_SCRIPTED_CERTIFICATE_H
#define CLIENT_SCRIPTED_CERTIFICATE_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "client/scripted_server.h"

struct scripted_certificates {
    char ca_file[96];
    char certificate_file[96]; /* the good one, with its key */
    char fingerprint[65];      /* of the good one */
    X509 *certificates[4];     /* by enum scripted_certificate */
    EVP_PKEY *keys[4];
};

/* Lives until the process ends. */
const struct scripted_certificates *scripted_certificate_all(void);

#endif
