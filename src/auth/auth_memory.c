/* A table of digests; one that falls into a taken place makes the older be forgotten. */
#include "auth/auth_memory.h"

#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/random.h"
#include "base/secret.h"

enum {
    KEY_SIZE = 32,
    PASSWORD_MAX = 4096 /* bytes; longer ones are not remembered */
};

/* A right password, as a keyed digest of it and of the credential as it then was. */
struct remembered {
    unsigned char digest[KEY_SIZE];
    uint64_t until; /* 0 = free */
};

struct auth_memory {
    unsigned char key[KEY_SIZE]; /* of this process, known to nobody */
    pthread_mutex_t lock;
    struct remembered entries[AUTH_MEMORY_ENTRIES];
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
    text = SECRET_BUFFER(2 * STORE_VERIFIER_MAX + PASSWORD_MAX);
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
    return &memory->entries[index % AUTH_MEMORY_ENTRIES];
}

bool auth_memory_knows(struct auth_memory *memory, const struct store_credential *credential,
                       struct bytes password, uint64_t now)
{
    unsigned char digest[KEY_SIZE];
    if (!digest_of(memory, credential, password, digest))
        return false;
    pthread_mutex_lock(&memory->lock);
    const struct remembered *entry = place_of(memory, digest);
    bool is_known = entry->until > now &&
                    secret_equal(bytes_of(entry->digest, KEY_SIZE), bytes_of(digest, KEY_SIZE));
    pthread_mutex_unlock(&memory->lock);
    secret_wipe(digest, sizeof(digest));
    return is_known;
}

void auth_memory_keep(struct auth_memory *memory, const struct store_credential *credential,
                      struct bytes password, uint64_t now)
{
    unsigned char digest[KEY_SIZE];
    if (!digest_of(memory, credential, password, digest))
        return;
    pthread_mutex_lock(&memory->lock);
    struct remembered *entry = place_of(memory, digest);
    memcpy(entry->digest, digest, KEY_SIZE);
    entry->until = now + AUTH_MEMORY_TIME;
    pthread_mutex_unlock(&memory->lock);
    secret_wipe(digest, sizeof(digest));
}
