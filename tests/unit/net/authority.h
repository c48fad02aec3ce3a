/* Certificates made for the test that needs them, and the files that they are read from. */
#ifndef AUTHORITY_H
#define AUTHORITY_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

/* A certificate with its key. */
struct identity {
    X509 *certificate;
    EVP_PKEY *key;
};

enum authority_dates {
    DATES_VALID = 0,
    DATES_EXPIRED,
    DATES_FUTURE
};

/* What is to be made. */
struct authority_wish {
    const char *common_name;
    const char *names;             /* subjectAltName as OpenSSL's configuration has it:
                                      "DNS:a.example,IP:127.0.0.1"; NULL = none */
    const struct identity *issuer; /* NULL: signs itself */
    enum authority_dates dates;
    bool is_authority;
};

struct identity authority_make(const struct authority_wish *wish);
void authority_clear(struct identity *identity);

/* Writes certificate and key into a new file under the test's own directory; returns its path,
 * which lives as long as the program. password: encrypts the key; or NULL. */
const char *authority_write_certificate(const struct identity *identity);
const char *authority_write_key(const struct identity *identity, const char *password);

/* Writes the certificate where a hashed directory has it and returns the directory. */
const char *authority_write_hashed(const struct identity *identity);

#endif
