/* Fingerprints, names and dates of certificates. */
#include "net/net_certificate.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

bool net_certificate_digest(const X509 *certificate,
                            unsigned char digest[NET_CERTIFICATE_DIGEST_SIZE])
{
    unsigned length = 0;
    return X509_digest(certificate, EVP_sha256(), digest, &length) == 1 &&
           length == NET_CERTIFICATE_DIGEST_SIZE;
}

bool net_certificate_fingerprint(const X509 *certificate,
                                 char text[NET_CERTIFICATE_FINGERPRINT_SIZE])
{
    unsigned char digest[NET_CERTIFICATE_DIGEST_SIZE];
    if (!net_certificate_digest(certificate, digest))
        return false;
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
    return true;
}

/* Text that is built up and silently cut at its end. */
struct cut_text {
    char *text;
    size_t size;
    size_t length;
};

static void append(struct cut_text *out, const char *string, size_t length)
{
    for (size_t i = 0; i < length && out->length + 1 < out->size; i++) {
        char c = string[i];
        out->text[out->length++] = c > ' ' && c < 0x7F ? c : '?';
    }
    out->text[out->length] = '\0';
}

static void append_name(const GENERAL_NAME *name, struct cut_text *out)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    if (type != GEN_DNS && type != GEN_IPADD)
        return;
    if (out->length > 0 && out->length + 2 < out->size) {
        memcpy(out->text + out->length, ", ", 3);
        out->length += 2;
    }
    const char *data = (const char *)ASN1_STRING_get0_data(value);
    int length = ASN1_STRING_length(value);
    char address[INET6_ADDRSTRLEN];
    if (type == GEN_DNS)
        append(out, data, (size_t)length);
    else if ((length == 4 || length == 16) &&
             inet_ntop(length == 4 ? AF_INET : AF_INET6, data, address, sizeof address) != NULL)
        append(out, address, strlen(address));
}

/* What a certificate is for, as far as it goes into size. */
static void list_names(const X509 *certificate, char *text, size_t size)
{
    struct cut_text out = {text, size, 0};
    *text = '\0';
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        append_name(sk_GENERAL_NAME_value(names, i), &out);
    GENERAL_NAMES_free(names);
    if (out.length == 0)
        snprintf(text, size, "no name at all");
}

static void format_date(const ASN1_TIME *time, char text[32])
{
    struct tm date;
    if (time == NULL || ASN1_TIME_to_tm(time, &date) != 1 ||
        strftime(text, 32, "%Y-%m-%d", &date) == 0)
        snprintf(text, 32, "a date that cannot be read");
}

static void explain_trust(int error, const X509 *certificate,
                          char text[NET_CERTIFICATE_EXPLANATION_SIZE])
{
    char fingerprint[NET_CERTIFICATE_FINGERPRINT_SIZE];
    const char *reason = X509_verify_cert_error_string(error);
    if (net_certificate_fingerprint(certificate, fingerprint))
        snprintf(text, NET_CERTIFICATE_EXPLANATION_SIZE,
                 "%s; name its CA if you trust it, or pin SHA-256 %s", reason, fingerprint);
    else
        snprintf(text, NET_CERTIFICATE_EXPLANATION_SIZE, "%s", reason);
}

void net_certificate_explain(int error, const X509 *certificate,
                             char text[NET_CERTIFICATE_EXPLANATION_SIZE])
{
    char detail[120];
    if (certificate == NULL)
        error = X509_V_ERR_UNSPECIFIED;
    switch (error) {
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        list_names(certificate, detail, sizeof detail);
        snprintf(text, NET_CERTIFICATE_EXPLANATION_SIZE, "it is for another host: %s", detail);
        break;
    case X509_V_ERR_CERT_HAS_EXPIRED:
        format_date(X509_get0_notAfter(certificate), detail);
        snprintf(text, NET_CERTIFICATE_EXPLANATION_SIZE,
                 "it expired on %s: the server needs a new one, or this clock is wrong", detail);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        format_date(X509_get0_notBefore(certificate), detail);
        snprintf(text, NET_CERTIFICATE_EXPLANATION_SIZE,
                 "it is not valid before %s: is this clock right?", detail);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        explain_trust(error, certificate, text);
        break;
    default:
        snprintf(text, NET_CERTIFICATE_EXPLANATION_SIZE, "%s",
                 X509_verify_cert_error_string(error));
        break;
    }
}
