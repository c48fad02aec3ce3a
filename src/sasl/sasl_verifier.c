/* Verifiers: made, read, written, checked. */
#include "sasl/sasl_verifier.h"

#include "base/base64.h"
#include "base/random.h"
#include "base/scan.h"
#include "base/secret.h"
#include "sasl/sasl_name.h"
#include "sasl/sasl_scram_keys.h"

enum {
    PASSWORD_MAX = 4096 /* bytes of a prepared password */
};

static const struct sasl_scram_digest *scram_digest(enum sasl_verifier_digest digest)
{
    return digest == SASL_VERIFIER_SHA_1 ? &sasl_scram_sha_1 : &sasl_scram_sha_256;
}

static struct bytes mechanism_name(enum sasl_verifier_digest digest)
{
    return digest == SASL_VERIFIER_SHA_1 ? BYTES("SCRAM-SHA-1") : BYTES("SCRAM-SHA-256");
}

/* Appends the password as SASLprep makes it. */
static bool prepare_password(struct bytes password, struct buffer *out, struct fault *fault)
{
    if (password.length > PASSWORD_MAX)
        return fault_set(fault, FAULT_LIMIT, "a password may have %d bytes at most", PASSWORD_MAX);
    if (bytes_has_char(password, '\0'))
        return fault_set(fault, FAULT_SYNTAX, "a password cannot hold a NUL");
    AUTO(buffer)
    text = SECRET_BUFFER(PASSWORD_MAX);
    buffer_append(&text, password);
    const char *string = buffer_string(&text);
    return string == NULL ? fault_set_memory(fault)
                          : sasl_name_prepare(string, "password", out, fault);
}

bool sasl_verifier_make(enum sasl_verifier_digest digest, struct bytes password,
                        struct sasl_verifier *verifier, struct fault *fault)
{
    AUTO(buffer)
    prepared = SECRET_BUFFER(4 * PASSWORD_MAX);
    if (!prepare_password(password, &prepared, fault))
        return false;
    if (buffer_is_failed(&prepared))
        return fault_set_memory(fault);

    struct sasl_verifier made = {
        .digest = digest, .rounds = SASL_VERIFIER_ROUNDS, .salt_length = SASL_VERIFIER_SALT};
    struct sasl_scram_keys keys;
    if (!random_fill(made.salt, made.salt_length, fault))
        return false;
    if (!sasl_scram_keys_derive(scram_digest(digest), buffer_bytes(&prepared),
                                bytes_of(made.salt, made.salt_length), made.rounds, &keys))
        return fault_set(fault, FAULT_TEMPORARY, "OpenSSL failed at the arithmetic of SCRAM");
    memcpy(made.stored_key, keys.stored_key, scram_digest(digest)->size);
    memcpy(made.server_key, keys.server_key, scram_digest(digest)->size);
    secret_wipe(&keys, sizeof keys);
    *verifier = made;
    return true;
}

/* Decodes exactly `size` bytes, or with size 0 at least one, into memory. */
static bool take_base64(struct bytes text, size_t size, unsigned char *memory, size_t room,
                        size_t *length)
{
    AUTO(buffer)
    decoded = SECRET_BUFFER(room);
    if (!base64_decode(text, &decoded) || buffer_is_failed(&decoded) || decoded.length == 0 ||
        (size != 0 && decoded.length != size))
        return false;
    memcpy(memory, buffer_bytes(&decoded).data, decoded.length);
    *length = decoded.length;
    return true;
}

bool sasl_verifier_parse(struct bytes text, struct sasl_verifier *verifier, struct fault *fault)
{
    struct sasl_verifier read = {0};
    struct bytes name, rest, rounds, salt, stored, server;
    bytes_split(text, '$', &name, &rest);
    if (bytes_equal(name, mechanism_name(SASL_VERIFIER_SHA_1)))
        read.digest = SASL_VERIFIER_SHA_1;
    else if (!bytes_equal(name, mechanism_name(SASL_VERIFIER_SHA_256)))
        return fault_set(fault, FAULT_SYNTAX, "this is no SCRAM verifier (RFC 5803)");

    bytes_split(rest, '$', &salt, &stored);
    bytes_split(salt, ':', &rounds, &salt);
    bytes_split(stored, ':', &stored, &server);
    size_t size = scram_digest(read.digest)->size;
    size_t key_length;
    uint64_t count;
    struct scan digits = scan_of(rounds);
    if (!scan_take_number(&digits, SASL_VERIFIER_ROUNDS_MAX, &count) || count == 0 ||
        !scan_is_at_end(&digits) ||
        !take_base64(salt, 0, read.salt, sizeof read.salt, &read.salt_length) ||
        !take_base64(stored, size, read.stored_key, sizeof read.stored_key, &key_length) ||
        !take_base64(server, size, read.server_key, sizeof read.server_key, &key_length))
        return fault_set(fault, FAULT_SYNTAX, "this SCRAM verifier (RFC 5803) is damaged");
    read.rounds = (unsigned)count;
    *verifier = read;
    return true;
}

void sasl_verifier_print(const struct sasl_verifier *verifier, struct buffer *out)
{
    size_t size = scram_digest(verifier->digest)->size;
    buffer_append(out, mechanism_name(verifier->digest));
    buffer_append_char(out, '$');
    buffer_append_unsigned(out, verifier->rounds);
    buffer_append_char(out, ':');
    base64_encode(bytes_of(verifier->salt, verifier->salt_length), out);
    buffer_append_char(out, '$');
    base64_encode(bytes_of(verifier->stored_key, size), out);
    buffer_append_char(out, ':');
    base64_encode(bytes_of(verifier->server_key, size), out);
}

bool sasl_verifier_check(const struct sasl_verifier *verifier, struct bytes password)
{
    AUTO(buffer)
    prepared = SECRET_BUFFER(4 * PASSWORD_MAX);
    struct sasl_scram_keys keys;
    const struct sasl_scram_digest *digest = scram_digest(verifier->digest);
    /* What cannot be prepared is no password of anybody's; the rounds are gone through all the
       same. */
    bool is_prepared = prepare_password(password, &prepared, NULL) && !buffer_is_failed(&prepared);
    bool is_right = sasl_scram_keys_derive(digest, buffer_bytes(&prepared),
                                           bytes_of(verifier->salt, verifier->salt_length),
                                           verifier->rounds, &keys) &&
                    secret_equal(bytes_of(keys.stored_key, digest->size),
                                 bytes_of(verifier->stored_key, digest->size));
    secret_wipe(&keys, sizeof keys);
    return is_right && is_prepared;
}

void sasl_verifier_pretend(enum sasl_verifier_digest digest, struct bytes user, struct bytes secret,
                           struct sasl_verifier *verifier)
{
    unsigned char key[SASL_SCRAM_KEY_MAX] = {0};
    unsigned char salt[SASL_SCRAM_KEY_MAX] = {0};
    memcpy(key, secret.data, secret.length < sizeof key ? secret.length : sizeof key);
    *verifier = (struct sasl_verifier){
        .digest = digest, .rounds = SASL_VERIFIER_ROUNDS, .salt_length = SASL_VERIFIER_SALT};
    /* Names that are the same to the store must look the same here. */
    AUTO(buffer)
    folded = BUFFER(PASSWORD_MAX);
    buffer_append(&folded, mechanism_name(digest));
    for (size_t i = 0; i < user.length; i++)
        buffer_append_char(&folded, bytes_lower_char(user.data[i]));
    sasl_scram_keys_sign(&sasl_scram_sha_256, key, buffer_bytes(&folded), salt);
    memcpy(verifier->salt, salt, SASL_VERIFIER_SALT);
    /* Keys that no password has. */
    sasl_scram_keys_hash(&sasl_scram_sha_256, salt, verifier->stored_key);
    sasl_scram_keys_hash(&sasl_scram_sha_256, verifier->stored_key, verifier->server_key);
    secret_wipe(key, sizeof key);
}
