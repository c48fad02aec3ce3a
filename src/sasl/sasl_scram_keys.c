/* PBKDF2 and HMAC by OpenSSL. */
#include "sasl/sasl_scram_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/secret.h"

const struct sasl_scram_digest sasl_scram_sha_256 = {"SHA256", 32};
const struct sasl_scram_digest sasl_scram_sha_1 = {"SHA1", 20};

const struct sasl_scram_digest *sasl_scram_keys_digest(const char *name)
{
    if (strcmp(name, sasl_scram_sha_256.name) == 0)
        return &sasl_scram_sha_256;
    return strcmp(name, sasl_scram_sha_1.name) == 0 ? &sasl_scram_sha_1 : NULL;
}

static const EVP_MD *openssl_digest(const struct sasl_scram_digest *digest)
{
    return digest == &sasl_scram_sha_1 ? EVP_sha1() : EVP_sha256();
}

bool sasl_scram_keys_sign(const struct sasl_scram_digest *digest, const unsigned char *key,
                          struct bytes message, unsigned char *out)
{
    return HMAC(openssl_digest(digest), key, (int)digest->size, (const unsigned char *)message.data,
                message.length, out, NULL) != NULL;
}

bool sasl_scram_keys_hash(const struct sasl_scram_digest *digest, const unsigned char *key,
                          unsigned char *out)
{
    return EVP_Digest(key, digest->size, out, NULL, openssl_digest(digest), NULL) == 1;
}

bool sasl_scram_keys_derive(const struct sasl_scram_digest *digest, struct bytes password,
                            struct bytes salt, unsigned rounds, struct sasl_scram_keys *keys)
{
    unsigned char salted[SASL_SCRAM_KEY_MAX];
    bool is_done =
        PKCS5_PBKDF2_HMAC(password.data, (int)password.length, (const unsigned char *)salt.data,
                          (int)salt.length, (int)rounds, openssl_digest(digest), (int)digest->size,
                          salted) == 1 &&
        sasl_scram_keys_sign(digest, salted, BYTES("Client Key"), keys->client_key) &&
        sasl_scram_keys_hash(digest, keys->client_key, keys->stored_key) &&
        sasl_scram_keys_sign(digest, salted, BYTES("Server Key"), keys->server_key);
    secret_wipe(salted, sizeof salted);
    return is_done;
}

bool sasl_scram_keys_take_attribute(struct scan *scan, char name, struct bytes *value)
{
    struct scan start = *scan;
    if (!scan_take_char(scan, name) || !scan_take_char(scan, '=')) {
        *scan = start;
        return false;
    }
    *value = scan_take_until_char(scan, ',');
    return true;
}
