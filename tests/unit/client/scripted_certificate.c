/* Makes the certificates in a directory of its own, which is removed when the process ends. */
#include "client/scripted_certificate.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/test_certificate.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static char directory[64];
static struct scripted_certificates made;

static void remove_files(void)
{
    unlink(made.ca_file);
    unlink(made.certificate_file);
    rmdir(directory);
    for (size_t i = 0; i < 4; i++) {
        X509_free(made.certificates[i]);
        EVP_PKEY_free(made.keys[i]);
    }
}

static void make_certificates(void)
{
    EVP_PKEY *ca_key;
    X509 *ca = test_certificate_make(NULL, NULL, NULL, 10, &ca_key);
    const char *good = "DNS:localhost,DNS:mx.test,IP:127.0.0.1";
    made.certificates[SCRIPTED_GOOD] =
        test_certificate_make(good, ca, ca_key, 10, &made.keys[SCRIPTED_GOOD]);
    made.certificates[SCRIPTED_WRONG_NAME] =
        test_certificate_make("DNS:other.test", ca, ca_key, 10, &made.keys[SCRIPTED_WRONG_NAME]);
    made.certificates[SCRIPTED_EXPIRED] =
        test_certificate_make(good, ca, ca_key, -1, &made.keys[SCRIPTED_EXPIRED]);
    made.certificates[SCRIPTED_STRANGE_CA] =
        test_certificate_make(good, NULL, NULL, 10, &made.keys[SCRIPTED_STRANGE_CA]);
    strcpy(directory, "/tmp/posthorn-test-XXXXXX");
    if (mkdtemp(directory) == NULL)
        abort();
    snprintf(made.ca_file, sizeof made.ca_file, "%s/ca.pem", directory);
    test_certificate_write(made.ca_file, ca, NULL);
    snprintf(made.certificate_file, sizeof made.certificate_file, "%s/client.pem", directory);
    test_certificate_write(made.certificate_file, made.certificates[SCRIPTED_GOOD],
                           made.keys[SCRIPTED_GOOD]);
    test_certificate_fingerprint(made.certificates[SCRIPTED_GOOD], made.fingerprint);
    X509_free(ca);
    EVP_PKEY_free(ca_key);
    atexit(remove_files);
}

const struct scripted_certificates *scripted_certificate_all(void)
{
    pthread_once(&once, make_certificates);
    return &made;
}
