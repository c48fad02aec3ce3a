/* Making certificates, and writing files that are there whole or not at all. */
#include "net/net_certificate_make.h"

#include <errno.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "net/net_target.h"
#include "net/net_tls_fault.h"

enum {
    SERIAL_SIZE = 16,     /* RFC 5280 4.1.2.2 allows 20 bytes */
    COMMON_NAME_MAX = 64, /* RFC 5280, appendix A: ub-common-name */
    PATH_SIZE = 4096,
    SECONDS_A_DAY = 24 * 60 * 60,
};

/* ---- the certificate ---- */

static bool is_host_name(const char *host)
{
    size_t length = strlen(host);
    return length > 0 && length <= NET_HOST_MAX &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               length;
}

static bool set_serial(X509 *certificate, struct fault *fault)
{
    unsigned char digits[SERIAL_SIZE];
    if (!random_fill(digits, sizeof digits, fault))
        return false;
    digits[0] &= 0x7F; /* positive */
    digits[0] |= 0x40; /* of the same length for all */
    BIGNUM *number = BN_bin2bn(digits, sizeof digits, NULL);
    bool is_set =
        number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != NULL;
    BN_free(number);
    return is_set || net_tls_fault_set(fault, FAULT_TEMPORARY, "no certificate can be made");
}

static bool add_extension(X509 *certificate, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

static bool name_host(X509 *certificate, const char *host)
{
    char names[NET_HOST_MAX + 64];
    bool is_localhost = strcmp(host, "localhost") == 0;
    snprintf(names, sizeof names, "%s%s%sDNS:localhost,IP:127.0.0.1,IP:::1",
             is_localhost ? "" : "DNS:", is_localhost ? "" : host, is_localhost ? "" : ",");
    X509_NAME *subject = X509_get_subject_name(certificate);
    const char *common = strlen(host) <= COMMON_NAME_MAX ? host : "Posthorn";
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)common,
                                      -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, subject) == 1 &&
           add_extension(certificate, NID_subject_alt_name, names) &&
           add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
           add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
           add_extension(certificate, NID_ext_key_usage, "serverAuth") &&
           add_extension(certificate, NID_subject_key_identifier, "hash");
}

static X509 *make_certificate(const char *host, EVP_PKEY *key, struct fault *fault)
{
    X509 *certificate = X509_new();
    if (certificate == NULL || X509_set_version(certificate, X509_VERSION_3) != 1 ||
        X509_set_pubkey(certificate, key) != 1 ||
        /* Clocks of clients may be behind ours. */
        X509_gmtime_adj(X509_getm_notBefore(certificate), -SECONDS_A_DAY) == NULL ||
        X509_time_adj_ex(X509_getm_notAfter(certificate), NET_CERTIFICATE_DAYS, 0, NULL) == NULL ||
        !name_host(certificate, host)) {
        net_tls_fault_set(fault, FAULT_TEMPORARY, "no certificate can be made for %.100s", host);
    } else if (set_serial(certificate, fault)) {
        if (X509_sign(certificate, key, EVP_sha256()) > 0)
            return certificate;
        net_tls_fault_set(fault, FAULT_TEMPORARY, "no certificate can be signed for %.100s", host);
    }
    X509_free(certificate);
    return NULL;
}

/* ---- the files ---- */

/* A file on its way: written under another name first. */
struct draft_file {
    const char *path;
    char written[PATH_SIZE]; /* "" = there is none */
};

static bool write_pem(FILE *file, X509 *certificate, EVP_PKEY *key)
{
    if (certificate != NULL && PEM_write_X509(file, certificate) != 1)
        return false;
    if (key != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1)
        return false;
    return fflush(file) == 0 && fsync(fileno(file)) == 0;
}

static bool write_draft(struct draft_file *draft, X509 *certificate, EVP_PKEY *key,
                        struct fault *fault)
{
    int length = snprintf(draft->written, sizeof draft->written, "%s.XXXXXX", draft->path);
    if (length < 0 || (size_t)length >= sizeof draft->written) {
        draft->written[0] = '\0';
        return fault_set_system(fault, FAULT_PERMANENT, ENAMETOOLONG, "%.100s cannot be written",
                                draft->path);
    }
    int descriptor = mkstemp(draft->written); /* with mode 0600 */
    int error = errno;
    if (descriptor < 0) {
        draft->written[0] = '\0';
        return fault_set_system(fault, FAULT_PERMANENT, error, "%.150s cannot be written",
                                draft->path);
    }
    FILE *file = fdopen(descriptor, "w");
    bool is_written = file != NULL && write_pem(file, certificate, key);
    error = errno;
    if (file == NULL)
        close(descriptor);
    else if (fclose(file) != 0 && is_written) {
        is_written = false;
        error = errno;
    }
    return is_written ||
           fault_set_system(fault, FAULT_TEMPORARY, error, "%.150s cannot be written", draft->path);
}

static bool put_in_place(struct draft_file *draft, struct fault *fault)
{
    if (rename(draft->written, draft->path) != 0) {
        int error = errno;
        return fault_set_system(fault, FAULT_PERMANENT, error, "%.150s cannot be replaced",
                                draft->path);
    }
    draft->written[0] = '\0';
    return true;
}

static void forget_draft(struct draft_file *draft)
{
    if (draft->written[0] != '\0')
        unlink(draft->written);
}

static bool write_files(X509 *certificate, EVP_PKEY *key, const char *certificate_file,
                        const char *key_file, struct fault *fault)
{
    struct draft_file first = {.path = certificate_file};
    struct draft_file second = {.path = key_file};
    bool is_written = write_draft(&first, certificate, key_file == NULL ? key : NULL, fault) &&
                      (key_file == NULL || write_draft(&second, NULL, key, fault)) &&
                      (key_file == NULL || put_in_place(&second, fault)) &&
                      put_in_place(&first, fault);
    forget_draft(&first);
    forget_draft(&second);
    return is_written;
}

bool net_certificate_make(const char *host, const char *certificate_file, const char *key_file,
                          struct fault *fault)
{
    if (!is_host_name(host))
        return fault_set(fault, FAULT_SYNTAX, "\"%.100s\" is no host name for a certificate", host);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL)
        return net_tls_fault_set(fault, FAULT_TEMPORARY, "no key can be made");
    X509 *certificate = make_certificate(host, key, fault);
    bool is_made =
        certificate != NULL && write_files(certificate, key, certificate_file, key_file, fault);
    X509_free(certificate);
    EVP_PKEY_free(key);
    return is_made;
}
