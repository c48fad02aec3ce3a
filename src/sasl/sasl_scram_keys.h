/* The arithmetic that both sides of SCRAM share (RFC 5802 3), and the form of its messages. */
#ifndef SASL_SASL_SCRAM_KEYS_H
#define SASL_SASL_SCRAM_KEYS_H

#include "base/bytes.h"
#include "base/scan.h"

enum {
    SASL_SCRAM_KEY_MAX = 32 /* bytes of a key: SHA-256 has the longest */
};

/* A digest by the name that OpenSSL has for it: "SHA256", "SHA1". */
struct sasl_scram_digest {
    const char *name;
    size_t size;
};

extern const struct sasl_scram_digest sasl_scram_sha_256;
extern const struct sasl_scram_digest sasl_scram_sha_1;

/* By that name; NULL for any other. */
const struct sasl_scram_digest *sasl_scram_keys_digest(const char *name);

/* What a password becomes; wipe it. */
struct sasl_scram_keys {
    unsigned char client_key[SASL_SCRAM_KEY_MAX];
    unsigned char stored_key[SASL_SCRAM_KEY_MAX];
    unsigned char server_key[SASL_SCRAM_KEY_MAX];
};

/* password: prepared by SASLprep. False: OpenSSL failed. */
bool sasl_scram_keys_derive(const struct sasl_scram_digest *digest, struct bytes password,
                            struct bytes salt, unsigned rounds, struct sasl_scram_keys *keys);

/* HMAC with a key of the digest's size. */
bool sasl_scram_keys_sign(const struct sasl_scram_digest *digest, const unsigned char *key,
                          struct bytes message, unsigned char *out);

/* The digest of a key of its own size. */
bool sasl_scram_keys_hash(const struct sasl_scram_digest *digest, const unsigned char *key,
                          unsigned char *out);

/* Takes "x=value" up to the next comma, which stays. */
bool sasl_scram_keys_take_attribute(struct scan *scan, char name, struct bytes *value);

#endif
