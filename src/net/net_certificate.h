/* What people must know of a server's certificate. */
#ifndef NET_NET_CERTIFICATE_H
#define NET_NET_CERTIFICATE_H

#include <openssl/x509.h>
#include <stdbool.h>

enum {
    NET_CERTIFICATE_DIGEST_SIZE = 32,       /* SHA-256 */
    NET_CERTIFICATE_FINGERPRINT_SIZE = 65,  /* in hex, NUL included */
    NET_CERTIFICATE_EXPLANATION_SIZE = 200, /* NUL included; longer ones are cut */
};

bool net_certificate_digest(const X509 *certificate,
                            unsigned char digest[NET_CERTIFICATE_DIGEST_SIZE]);

/* The digest as lower-case hex digits. */
bool net_certificate_fingerprint(const X509 *certificate,
                                 char text[NET_CERTIFICATE_FINGERPRINT_SIZE]);

/* What is wrong, and what to do about it. error: X509_V_ERR_...; certificate: the one it is about,
 * or NULL. */
void net_certificate_explain(int error, const X509 *certificate,
                             char text[NET_CERTIFICATE_EXPLANATION_SIZE]);

#endif
