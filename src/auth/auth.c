/* The secret of the store, the passwords that are remembered, who is let in. */
#include "auth/auth.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/random.h"
#include "base/secret.h"
#include "store/store_jobs.h"

enum {
    SECRET_SIZE = 32,
    SECRET_TEXT_MAX = 64
};

static const char secret_setting[] = "auth.secret";
static const char domain_setting[] = "default.domain";

struct auth {
    struct store *store;
    struct auth_memory *memory;
    unsigned char secret[SECRET_SIZE]; /* of all nodes: made-up verifiers are the same on each */
    bool accepts_everybody;
    struct buffer default_domain; /* for everybody's logins without one */
};

/* Reads the secret, or keeps the one that was just made. */
struct secret_job {
    struct store_job job;
    struct auth *auth;
};

static bool run_secret_job(struct store_job *job, struct db *db, struct fault *fault)
{
    struct auth *auth = ((struct secret_job *)job)->auth;
    AUTO(buffer)
    kept = SECRET_BUFFER(SECRET_TEXT_MAX);
    AUTO(buffer)
    decoded = SECRET_BUFFER(SECRET_SIZE);
    if (!store_setting_get(db, secret_setting, &kept, fault))
        return false;
    if (base64_decode(buffer_bytes(&kept), &decoded) && decoded.length == SECRET_SIZE) {
        memcpy(auth->secret, buffer_bytes(&decoded).data, SECRET_SIZE);
        return true;
    }
    buffer_reset(&kept);
    base64_encode(bytes_of(auth->secret, SECRET_SIZE), &kept);
    return store_setting_put(db, secret_setting, buffer_bytes(&kept), fault);
}

struct auth *auth_new(struct store *store, struct fault *fault)
{
    struct auth *auth = calloc(1, sizeof *auth);
    if (auth == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    auth->store = store;
    buffer_init(&auth->default_domain, DOMAIN_OCTETS_MAX);
    auth->memory = auth_memory_new(fault);
    struct secret_job secret = {.job = {.run = run_secret_job}, .auth = auth};
    if (auth->memory == NULL || !random_fill(auth->secret, sizeof auth->secret, fault) ||
        !store_run(store, &secret.job, fault)) {
        auth_free(auth);
        return NULL;
    }
    return auth;
}

void auth_free(struct auth *auth)
{
    if (auth == NULL)
        return;
    auth_memory_free(auth->memory);
    buffer_clear(&auth->default_domain);
    secret_wipe(auth, sizeof *auth);
    free(auth);
}

void auth_accept_everybody(struct auth *auth, struct bytes default_domain)
{
    auth->accepts_everybody = true;
    buffer_reset(&auth->default_domain);
    buffer_append(&auth->default_domain, default_domain);
}

bool auth_write_login(const struct auth *auth, struct db *reader, struct bytes user,
                      struct buffer *login, struct fault *fault)
{
    buffer_append(login, user);
    if (bytes_has_char(user, '@'))
        return true;
    AUTO(buffer)
    domain = BUFFER(DOMAIN_OCTETS_MAX);
    buffer_append(&domain, buffer_bytes(&auth->default_domain));
    if (domain.length == 0 && !store_setting_get(reader, domain_setting, &domain, fault))
        return false;
    if (domain.length > 0) {
        buffer_append_char(login, '@');
        buffer_append(login, buffer_bytes(&domain));
    }
    return true;
}

struct store *auth_store(const struct auth *auth)
{
    return auth->store;
}

struct auth_memory *auth_memory_of(const struct auth *auth)
{
    return auth->memory;
}

struct bytes auth_secret(const struct auth *auth)
{
    return bytes_of(auth->secret, SECRET_SIZE);
}

bool auth_accepts_everybody(const struct auth *auth)
{
    return auth->accepts_everybody;
}
