/* Certificates made on the spot: a CA and what it signed. */
#ifndef CLIENT_TEST_CERTIFICATE_H
#define CLIENT_TEST_CERTIFICATE_H

#include <stdbool.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

/* A certificate for names (an OpenSSL subjectAltName value; NULL = a CA), signed by issuer (NULL =
   itself), valid from yesterday for days (negative: already over). The key is made too. Aborts on
   failure. */
X509 *test_certificate_make(const char *names, X509 *issuer, EVP_PKEY *issuer_key, long days,
                            EVP_PKEY **key);

/* Writes it as PEM; key may be NULL. */
void test_certificate_write(const char *path, X509 *certificate, EVP_PKEY *key);

/* SHA-256 in hex: 64 digits and a NUL. */
void test_certificate_fingerprint(X509 *certificate, char text[65]);

#endif
