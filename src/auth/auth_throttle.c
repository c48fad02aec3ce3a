/* Failures by account, by prefix, and by the pair of them; the oldest make room. */
#include "auth/auth_throttle.h"

#include <openssl/hmac.h>
#include <pthread.h>
#include <stdlib.h>
/* Out of memory is one failure forgotten, not the end of the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/buffer.h"
#include "base/random.h"

enum {
    KEY_SIZE = 16,
    SECRET_SIZE = 32,
    TEXT_MAX = 1024,           /* bytes of what a key is made of; longer names share keys */
    PREFIX_FREE = 10,          /* failures of a prefix that slow nobody: many people share one */
    ACCOUNT_FREE = 20,         /* the same of an account, from anywhere */
    ACCOUNT_WAIT = 2000,       /* milliseconds; others' failures must not lock the owner out */
    PAIR_TRUSTED_FAILURES = 5, /* of somebody who has logged in from there: mistypings */
    DOUBLINGS_MAX = 4
};

enum scope {
    SCOPE_ACCOUNT = 'a',
    SCOPE_PREFIX = 'p',
    SCOPE_PAIR = 'b'
};

struct entry {
    unsigned char key[KEY_SIZE];
    unsigned failures;
    int64_t since;   /* of the oldest failure that counts */
    bool is_trusted; /* a pair that has logged in well */
    UT_hash_handle hh;
};

struct auth_throttle {
    pthread_mutex_t lock;
    unsigned char secret[SECRET_SIZE]; /* so that nobody can choose names that share a key */
    struct entry *entries;             /* the longest untouched first */
};

struct auth_throttle *auth_throttle_new(struct fault *fault)
{
    struct auth_throttle *throttle = calloc(1, sizeof *throttle);
    if (throttle == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    if (!random_fill(throttle->secret, sizeof throttle->secret, fault)) {
        free(throttle);
        return NULL;
    }
    pthread_mutex_init(&throttle->lock, NULL);
    return throttle;
}

void auth_throttle_free(struct auth_throttle *throttle)
{
    if (throttle == NULL)
        return;
    struct entry *entry, *next;
    HASH_ITER(hh, throttle->entries, entry, next)
    {
        HASH_DEL(throttle->entries, entry);
        free(entry);
    }
    pthread_mutex_destroy(&throttle->lock);
    free(throttle);
}

static void make_key(const struct auth_throttle *throttle, enum scope scope, struct bytes user,
                     struct bytes prefix, unsigned char key[KEY_SIZE])
{
    unsigned char digest[SECRET_SIZE] = {0};
    AUTO(buffer)
    text = BUFFER(TEXT_MAX);
    buffer_append_char(&text, (char)scope);
    if (scope != SCOPE_ACCOUNT)
        buffer_append(&text, bytes_slice(prefix, 0, TEXT_MAX / 4));
    buffer_append_char(&text, '\0');
    user = bytes_slice(user, 0, scope == SCOPE_PREFIX ? 0 : TEXT_MAX / 2);
    for (size_t i = 0; i < user.length; i++)
        buffer_append_char(&text, bytes_lower_char(user.data[i]));
    struct bytes whole = buffer_bytes(&text);
    HMAC(EVP_sha256(), throttle->secret, SECRET_SIZE, (const unsigned char *)whole.data,
         whole.length, digest, NULL);
    memcpy(key, digest, KEY_SIZE);
}

static struct entry *find(struct auth_throttle *throttle, enum scope scope, struct bytes user,
                          struct bytes prefix)
{
    unsigned char key[KEY_SIZE];
    struct entry *entry;
    make_key(throttle, scope, user, prefix, key);
    HASH_FIND(hh, throttle->entries, key, KEY_SIZE, entry);
    return entry;
}

/* One failure fades after another. */
static unsigned failures_of(struct entry *entry, int64_t now)
{
    if (entry == NULL)
        return 0;
    int64_t faded = now > entry->since ? (now - entry->since) / AUTH_THROTTLE_FADE : 0;
    if (faded >= (int64_t)entry->failures) {
        entry->failures = 0;
        entry->since = now;
    } else {
        entry->failures -= (unsigned)faded;
        entry->since += faded * AUTH_THROTTLE_FADE;
    }
    return entry->failures;
}

/* The entry, moved to the end of the order, made when it is missing. NULL: out of memory, and then
 * nobody is slowed by it. */
static struct entry *touch(struct auth_throttle *throttle, enum scope scope, struct bytes user,
                           struct bytes prefix, int64_t now)
{
    struct entry *entry = find(throttle, scope, user, prefix);
    if (entry != NULL) {
        HASH_DEL(throttle->entries, entry);
    } else if (HASH_COUNT(throttle->entries) >= AUTH_THROTTLE_ENTRIES_MAX) {
        entry = throttle->entries;
        HASH_DEL(throttle->entries, entry);
        *entry = (struct entry){.since = now};
    } else {
        entry = calloc(1, sizeof *entry);
        if (entry == NULL)
            return NULL;
        entry->since = now;
    }
    make_key(throttle, scope, user, prefix, entry->key);
    HASH_ADD(hh, throttle->entries, key, KEY_SIZE, entry);
    /* uthash leaves the table out of an entry that it could not add. */
    if (entry->hh.tbl == NULL) {
        free(entry);
        return NULL;
    }
    return entry;
}

static unsigned note(struct auth_throttle *throttle, enum scope scope, struct bytes user,
                     struct bytes prefix, int64_t now)
{
    struct entry *entry = touch(throttle, scope, user, prefix, now);
    if (entry == NULL)
        return 1;
    failures_of(entry, now);
    return ++entry->failures;
}

static int64_t delay_of(unsigned failures)
{
    unsigned doublings = failures > DOUBLINGS_MAX ? DOUBLINGS_MAX : failures - 1;
    int64_t delay = (int64_t)AUTH_THROTTLE_DELAY_FIRST << doublings;
    return delay < AUTH_THROTTLE_DELAY_MAX ? delay : AUTH_THROTTLE_DELAY_MAX;
}

int64_t auth_throttle_failed(struct auth_throttle *throttle, struct bytes user, struct bytes prefix,
                             int64_t now)
{
    pthread_mutex_lock(&throttle->lock);
    unsigned by_account = note(throttle, SCOPE_ACCOUNT, user, prefix, now);
    unsigned by_prefix = note(throttle, SCOPE_PREFIX, user, prefix, now);
    unsigned by_pair = note(throttle, SCOPE_PAIR, user, prefix, now);
    pthread_mutex_unlock(&throttle->lock);
    unsigned worst = by_pair;
    if (by_account > ACCOUNT_FREE && by_account - ACCOUNT_FREE > worst)
        worst = by_account - ACCOUNT_FREE;
    if (by_prefix > PREFIX_FREE && by_prefix - PREFIX_FREE > worst)
        worst = by_prefix - PREFIX_FREE;
    return delay_of(worst);
}

int64_t auth_throttle_wait(struct auth_throttle *throttle, struct bytes user, struct bytes prefix,
                           int64_t now)
{
    pthread_mutex_lock(&throttle->lock);
    struct entry *pair = find(throttle, SCOPE_PAIR, user, prefix);
    bool is_trusted =
        pair != NULL && pair->is_trusted && failures_of(pair, now) < PAIR_TRUSTED_FAILURES;
    unsigned by_account = failures_of(find(throttle, SCOPE_ACCOUNT, user, prefix), now);
    unsigned by_prefix = failures_of(find(throttle, SCOPE_PREFIX, user, prefix), now);
    pthread_mutex_unlock(&throttle->lock);
    if (is_trusted)
        return 0;
    if (by_prefix > PREFIX_FREE)
        return delay_of(by_prefix - PREFIX_FREE);
    return by_account > ACCOUNT_FREE ? ACCOUNT_WAIT : 0;
}

void auth_throttle_succeeded(struct auth_throttle *throttle, struct bytes user, struct bytes prefix)
{
    pthread_mutex_lock(&throttle->lock);
    struct entry *pair = touch(throttle, SCOPE_PAIR, user, prefix, 0);
    if (pair != NULL) {
        pair->failures = 0;
        pair->is_trusted = true;
    }
    pthread_mutex_unlock(&throttle->lock);
}
