/* Certificates for tests of TLS. */
#include "client/test_certificate.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/pem.h>
#include <openssl/x509v3.h>

static void demand(bool is_so, const char *what)
{
    if (is_so)
        return;
    fprintf(stderr, "no test certificate: %s\n", what);
    abort();
}

static void add_extension(X509 *certificate, X509 *issuer, int which, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, which, value);
    demand(extension != NULL, value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

X509 *test_certificate_make(const char *names, X509 *issuer, EVP_PKEY *issuer_key, long days,
                            EVP_PKEY **key)
{
    static long serial = 1;
    *key = EVP_EC_gen("P-256");
    X509 *certificate = X509_new();
    demand(*key != NULL && certificate != NULL, "key");
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -30 * 86400L);
    X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86400L);
    X509_NAME *name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)(names == NULL ? "test CA" : "test"), -1, -1,
                               0);
    X509_set_issuer_name(certificate, issuer == NULL ? name : X509_get_subject_name(issuer));
    X509_set_pubkey(certificate, *key);
    X509 *signer = issuer == NULL ? certificate : issuer;
    if (names == NULL)
        add_extension(certificate, signer, NID_basic_constraints, "critical,CA:TRUE");
    else
        add_extension(certificate, signer, NID_subject_alt_name, names);
    demand(X509_sign(certificate, issuer_key == NULL ? *key : issuer_key, EVP_sha256()) > 0,
           "sign");
    return certificate;
}

void test_certificate_write(const char *path, X509 *certificate, EVP_PKEY *key)
{
    FILE *file = fopen(path, "w");
    demand(file != NULL, path);
    demand(PEM_write_X509(file, certificate) == 1, path);
    if (key != NULL)
        demand(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1, path);
    demand(fclose(file) == 0, path);
}

void test_certificate_fingerprint(X509 *certificate, char text[65])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    demand(X509_digest(certificate, EVP_sha256(), digest, &length) == 1, "digest");
    for (unsigned i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}
