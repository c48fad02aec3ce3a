/* What a server keeps instead of a password: SCRAM's salted keys (RFC 5802 3), as text in the form
 * of RFC 5803: "SCRAM-SHA-256$4096:salt$StoredKey:ServerKey". PLAIN is checked against them too. */
#ifndef SASL_SASL_VERIFIER_H
#define SASL_SASL_VERIFIER_H

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/fault.h"

enum sasl_verifier_digest {
    SASL_VERIFIER_SHA_256 = 0,
    SASL_VERIFIER_SHA_1
};

enum {
    SASL_VERIFIER_ROUNDS = 4096,        /* of new ones (RFC 7677 4) */
    SASL_VERIFIER_ROUNDS_MAX = 1000000, /* of any that is read */
    SASL_VERIFIER_SALT = 16,            /* bytes of new salts */
    SASL_VERIFIER_SALT_MAX = 64,
    SASL_VERIFIER_KEY_MAX = 32
};

struct sasl_verifier {
    enum sasl_verifier_digest digest;
    unsigned rounds;
    unsigned char salt[SASL_VERIFIER_SALT_MAX];
    size_t salt_length;
    unsigned char stored_key[SASL_VERIFIER_KEY_MAX];
    unsigned char server_key[SASL_VERIFIER_KEY_MAX];
};

/* From a password, prepared by SASLprep; FAULT_SYNTAX: it holds characters no password may have. */
bool sasl_verifier_make(enum sasl_verifier_digest digest, struct bytes password,
                        struct sasl_verifier *verifier, struct fault *fault);

bool sasl_verifier_parse(struct bytes text, struct sasl_verifier *verifier, struct fault *fault);
void sasl_verifier_print(const struct sasl_verifier *verifier, struct buffer *out);

/* Is it this password? In the time that the rounds take, whatever the answer. */
bool sasl_verifier_check(const struct sasl_verifier *verifier, struct bytes password);

/* The verifier to show for a user who does not exist: always the same for the same name. */
void sasl_verifier_pretend(enum sasl_verifier_digest digest, struct bytes user, struct bytes secret,
                           struct sasl_verifier *verifier);

#endif
