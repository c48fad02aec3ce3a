/* Certificates with fixed dates and fresh keys. */
#include "net/authority.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

enum {
    FILES_MAX = 32,
    PATH_SIZE = 128,
};

static char directory[] = "/tmp/posthorn-test-XXXXXX";
static bool has_directory;
static char paths[FILES_MAX][PATH_SIZE];
static size_t path_count;

static void remove_files(void)
{
    for (size_t i = 0; i < path_count; i++)
        unlink(paths[i]);
    rmdir(directory);
}

static const char *new_path(const char *name)
{
    if (!has_directory) {
        assert_non_null(mkdtemp(directory));
        has_directory = true;
        atexit(remove_files);
    }
    assert_true(path_count < FILES_MAX);
    snprintf(paths[path_count], PATH_SIZE, "%s/%s", directory, name);
    return paths[path_count++];
}

static const char *new_numbered_path(void)
{
    char name[32];
    snprintf(name, sizeof name, "%zu.pem", path_count);
    return new_path(name);
}

static void set_dates(X509 *certificate, enum authority_dates dates)
{
    static const char *const from[] = {"20000101000000Z", "20000101000000Z", "21000101000000Z"};
    static const char *const until[] = {"21000101000000Z", "20010101000000Z", "21010101000000Z"};
    assert_int_equal(ASN1_TIME_set_string_X509(X509_getm_notBefore(certificate), from[dates]), 1);
    assert_int_equal(ASN1_TIME_set_string_X509(X509_getm_notAfter(certificate), until[dates]), 1);
}

static void add_extension(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(certificate, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

struct identity authority_make(const struct authority_wish *wish)
{
    static long serial;
    struct identity made = {.certificate = X509_new(), .key = EVP_EC_gen("P-256")};
    assert_non_null(made.certificate);
    assert_non_null(made.key);
    const struct identity *issuer = wish->issuer == NULL ? &made : wish->issuer;
    X509_set_version(made.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), ++serial);
    set_dates(made.certificate, wish->dates);
    X509_set_pubkey(made.certificate, made.key);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(X509_get_subject_name(made.certificate), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)wish->common_name, -1, -1, 0),
        1);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(issuer->certificate));
    add_extension(made.certificate, issuer->certificate, NID_basic_constraints,
                  wish->is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (wish->names != NULL)
        add_extension(made.certificate, issuer->certificate, NID_subject_alt_name, wish->names);
    assert_true(X509_sign(made.certificate, issuer->key, EVP_sha256()) > 0);
    return made;
}

void authority_clear(struct identity *identity)
{
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    *identity = (struct identity){0};
}

static void write_certificate(const char *path, const struct identity *identity)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_X509(file, identity->certificate), 1);
    fclose(file);
}

const char *authority_write_certificate(const struct identity *identity)
{
    const char *path = new_numbered_path();
    write_certificate(path, identity);
    return path;
}

const char *authority_write_key(const struct identity *identity, const char *password)
{
    const char *path = new_numbered_path();
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(PEM_write_PKCS8PrivateKey(
                         file, identity->key, password == NULL ? NULL : EVP_aes_128_cbc(), password,
                         password == NULL ? 0 : (int)strlen(password), NULL, NULL),
                     1);
    fclose(file);
    return path;
}

const char *authority_write_hashed(const struct identity *identity)
{
    char name[32];
    snprintf(name, sizeof name, "%08lx.0", X509_subject_name_hash(identity->certificate));
    write_certificate(new_path(name), identity);
    return directory;
}
