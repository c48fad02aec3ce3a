/* Passwords against credentials, and the memory of those that were right. */
#include "auth/auth_password.h"

#include <crypt.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/random.h"
#include "base/secret.h"

enum {
    KEY_SIZE = 32,
    PASSWORD_MAX = CRYPT_MAX_PASSPHRASE_SIZE - 1 /* bytes that crypt(3) takes */
};

/* A right password, as a keyed digest of it and of the credential as it then was. */
struct remembered {
    unsigned char digest[KEY_SIZE];
    uint64_t until; /* 0 = free */
};

struct auth_memory {
    unsigned char key[KEY_SIZE]; /* of this process, known to nobody */
    pthread_mutex_t lock;
    struct remembered entries[AUTH_PASSWORD_MEMORY];
};

struct auth_memory *auth_memory_new(struct fault *fault)
{
    struct auth_memory *memory = calloc(1, sizeof *memory);
    if (memory == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    if (!random_fill(memory->key, sizeof memory->key, fault)) {
        free(memory);
        return NULL;
    }
    pthread_mutex_init(&memory->lock, NULL);
    return memory;
}

void auth_memory_free(struct auth_memory *memory)
{
    if (memory == NULL)
        return;
    pthread_mutex_destroy(&memory->lock);
    secret_wipe(memory, sizeof *memory);
    free(memory);
}

/* Everything that the answer hangs on goes into the digest: a changed, revoked or foreign
 * credential has another. */
static bool digest_of(const struct auth_memory *memory, const struct store_credential *credential,
                      struct bytes password, unsigned char digest[KEY_SIZE])
{
    AUTO(buffer)
    text = SECRET_BUFFER(2 * (STORE_VERIFIER_MAX + PASSWORD_MAX));
    buffer_append_format(&text, "%lld %lld %d ", (long long)credential->id,
                         (long long)credential->account, (int)credential->kind);
    buffer_append_string(&text, credential->data);
    buffer_append_char(&text, '\0');
    buffer_append(&text, password);
    struct bytes whole = buffer_bytes(&text);
    return !buffer_is_failed(&text) &&
           HMAC(EVP_sha256(), memory->key, KEY_SIZE, (const unsigned char *)whole.data,
                whole.length, digest, NULL) != NULL;
}

static struct remembered *place_of(struct auth_memory *memory, const unsigned char digest[KEY_SIZE])
{
    unsigned index = (unsigned)digest[0] | (unsigned)digest[1] << 8;
    return &memory->entries[index % AUTH_PASSWORD_MEMORY];
}

static bool is_remembered(struct auth_memory *memory, const unsigned char digest[KEY_SIZE],
                          uint64_t now)
{
    pthread_mutex_lock(&memory->lock);
    const struct remembered *entry = place_of(memory, digest);
    bool is_known = entry->until > now &&
                    secret_equal(bytes_of(entry->digest, KEY_SIZE), bytes_of(digest, KEY_SIZE));
    pthread_mutex_unlock(&memory->lock);
    return is_known;
}

static void remember(struct auth_memory *memory, const unsigned char digest[KEY_SIZE], uint64_t now)
{
    pthread_mutex_lock(&memory->lock);
    struct remembered *entry = place_of(memory, digest);
    memcpy(entry->digest, digest, KEY_SIZE);
    entry->until = now + AUTH_PASSWORD_MEMORY_TIME;
    pthread_mutex_unlock(&memory->lock);
}

static bool check_crypt(const char *hash, struct bytes password)
{
    if (password.length > PASSWORD_MAX || bytes_has_char(password, '\0'))
        return false;
    struct crypt_data *data = calloc(1, sizeof *data);
    AUTO(buffer)
    text = SECRET_BUFFER(PASSWORD_MAX);
    buffer_append(&text, password);
    const char *phrase = buffer_string(&text);
    bool is_right = false;
    if (data != NULL && phrase != NULL) {
        const char *made = crypt_r(phrase, hash, data);
        is_right = made != NULL && made[0] != '*' &&
                   secret_equal(bytes_from_string(made), bytes_from_string(hash));
    }
    if (data != NULL)
        secret_wipe(data, sizeof *data);
    free(data);
    return is_right;
}

static bool check_one(const struct store_credential *credential, struct bytes password)
{
    if (credential->kind == STORE_CREDENTIAL_CRYPT)
        return check_crypt(credential->data, password);
    struct sasl_verifier verifier;
    bool is_right = sasl_verifier_parse(bytes_from_string(credential->data), &verifier, NULL) &&
                    sasl_verifier_check(&verifier, password);
    secret_wipe(&verifier, sizeof verifier);
    return is_right;
}

/* SCRAM-SHA-1 is kept beside SCRAM-SHA-256 for the same password: one of them is enough to judge.
 */
static bool is_second_form(const struct store_credential *credentials, size_t count, size_t index)
{
    if (credentials[index].kind != STORE_CREDENTIAL_SCRAM_SHA_1)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (credentials[i].kind == STORE_CREDENTIAL_SCRAM_SHA_256)
            return true;
    }
    return false;
}

bool auth_password_check(struct auth_memory *memory, const struct store_credential *credentials,
                         size_t count, const struct sasl_verifier *pretended, struct bytes password,
                         uint64_t now)
{
    unsigned char digest[KEY_SIZE];
    for (size_t i = 0; i < count; i++) {
        if (digest_of(memory, &credentials[i], password, digest) &&
            is_remembered(memory, digest, now))
            return true;
    }
    bool is_right = false;
    if (count == 0)
        sasl_verifier_check(pretended, password);
    for (size_t i = 0; i < count && !is_right; i++) {
        is_right = !is_second_form(credentials, count, i) && check_one(&credentials[i], password);
        if (is_right && digest_of(memory, &credentials[i], password, digest))
            remember(memory, digest, now);
    }
    secret_wipe(digest, sizeof digest);
    return is_right;
}

bool auth_password_is_crypt(struct bytes hash)
{
    AUTO(buffer)
    text = SECRET_BUFFER(STORE_VERIFIER_MAX);
    buffer_append(&text, hash);
    const char *setting = buffer_string(&text);
    /* A method that crypt(3) takes only for old hashes is good enough to import. */
    int verdict = setting == NULL ? CRYPT_SALT_INVALID : crypt_checksalt(setting);
    return verdict == CRYPT_SALT_OK || verdict == CRYPT_SALT_METHOD_LEGACY;
}
