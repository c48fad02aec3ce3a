/* Connections kept for the next who asks for just the same. */
#include <posthorn/smtp.h>

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "base/secret.h"
#include "client/client_loop.h"
#include "client/client_session.h"
#include "smtp/smtp_error.h"

enum {
    POOL_IDLE_MAX_DEFAULT = 8,
    POOL_IDLE_MAX = 4096,
    POOL_IDLE_TIMEOUT_MS = 60000,
    POOL_SALT_SIZE = 32,
    POOL_PROOF_TIMEOUT_MS = 5000 /* a server that does not answer RSET by then is as good as gone */
};

struct ph_pool {
    pthread_mutex_t mutex; /* never held over I/O */
    size_t idle_max;
    int64_t idle_timeout;
    struct ph_smtp **idle; /* the newest last */
    size_t idle_count;
    unsigned char salt[POOL_SALT_SIZE]; /* a digest means nothing outside of this pool */
};

/* ---- the key: everything that makes one connection differ from another ---- */

static void add_bytes(EVP_MD_CTX *digest, bool *is_sound, const void *data, size_t size)
{
    *is_sound = *is_sound && EVP_DigestUpdate(digest, data, size) == 1;
}

/* Length first, so that no two lists of strings look the same; NULL is not "". */
static void add_string(EVP_MD_CTX *digest, bool *is_sound, const char *string)
{
    uint64_t length = string == NULL ? UINT64_MAX : strlen(string);
    add_bytes(digest, is_sound, &length, sizeof length);
    if (string != NULL)
        add_bytes(digest, is_sound, string, (size_t)length);
}

static void add_number(EVP_MD_CTX *digest, bool *is_sound, uint64_t number)
{
    add_bytes(digest, is_sound, &number, sizeof number);
}

static void add_tls(EVP_MD_CTX *digest, bool *is_sound, const struct ph_tls_options *tls)
{
    add_number(digest, is_sound, tls->mode);
    add_number(digest, is_sound, tls->no_verification);
    add_string(digest, is_sound, tls->ca_file);
    add_string(digest, is_sound, tls->ca_directory);
    add_string(digest, is_sound, tls->certificate_file);
    add_string(digest, is_sound, tls->key_file);
    add_string(digest, is_sound, tls->key_password);
    add_string(digest, is_sound, tls->server_name);
    for (size_t i = 0; tls->fingerprints != NULL && tls->fingerprints[i] != NULL; i++)
        add_string(digest, is_sound, tls->fingerprints[i]);
    add_string(digest, is_sound, NULL);
}

static void add_timeouts(EVP_MD_CTX *digest, bool *is_sound, const struct ph_timeouts *timeouts)
{
    const int64_t all[] = {
        timeouts->connect,    timeouts->tls,        timeouts->greeting, timeouts->command,
        timeouts->data_start, timeouts->data_block, timeouts->data_end, timeouts->total,
    };
    add_bytes(digest, is_sound, all, sizeof all);
}

static void add_options(EVP_MD_CTX *digest, bool *is_sound, const struct ph_smtp_options *options)
{
    add_string(digest, is_sound, options->host == NULL ? "localhost" : options->host);
    add_number(digest, is_sound, options->port);
    add_string(digest, is_sound, options->local_hostname);
    add_string(digest, is_sound, options->source_address);
    add_number(digest, is_sound, options->source_port);
    add_number(digest, is_sound, options->lmtp);
    add_tls(digest, is_sound, &options->tls);
    add_timeouts(digest, is_sound, &options->timeouts);
    add_number(digest, is_sound, options->proxy.kind);
    add_string(digest, is_sound, options->proxy.address);
    add_string(digest, is_sound, options->proxy.user);
    add_string(digest, is_sound, options->proxy.password);
    add_number(digest, is_sound, options->no_pipelining);
    add_number(digest, is_sound, options->no_chunking);
    add_number(digest, is_sound, options->bodies_in_flight);
    add_number(digest, is_sound, (uintptr_t)options->trace);
    add_number(digest, is_sound, (uintptr_t)options->trace_context);
    add_number(digest, is_sound, (uintptr_t)options->progress);
    add_number(digest, is_sound, (uintptr_t)options->progress_context);
}

static void add_login(EVP_MD_CTX *digest, bool *is_sound, const struct ph_login *login)
{
    add_number(digest, is_sound, login != NULL);
    if (login == NULL)
        return;
    add_string(digest, is_sound, login->user);
    add_string(digest, is_sound, login->password);
    add_string(digest, is_sound, login->access_token);
    add_string(digest, is_sound, login->authorization_id);
    add_string(digest, is_sound, login->mechanisms);
    add_number(digest, is_sound, login->allow_cleartext);
    add_number(digest, is_sound, login->no_initial_response);
    add_number(digest, is_sound, login->own != NULL);
    if (login->own == NULL)
        return;
    add_string(digest, is_sound, login->own->name);
    add_number(digest, is_sound, login->own->has_initial_response);
    add_number(digest, is_sound, (uintptr_t)login->own->step);
    add_number(digest, is_sound, (uintptr_t)login->own->context);
}

/* Only this digest is kept, never a secret that went into it. The salt is random, so that nobody
 * who sees digests can have prepared those of likely passwords. */
static bool make_key(const struct ph_pool *pool, const struct ph_smtp_options *options,
                     const struct ph_login *login, unsigned char key[CLIENT_KEY_SIZE],
                     struct ph_error *error)
{
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool is_sound = digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1;
    if (is_sound) {
        add_bytes(digest, &is_sound, pool->salt, sizeof pool->salt);
        add_options(digest, &is_sound, options);
        add_login(digest, &is_sound, login);
        is_sound = is_sound && EVP_DigestFinal_ex(digest, key, NULL) == 1;
    }
    EVP_MD_CTX_free(digest);
    return is_sound || smtp_error_memory(error);
}

static bool has_key(const struct ph_smtp *smtp, const unsigned char key[CLIENT_KEY_SIZE])
{
    return secret_equal(bytes_of(smtp->pool_key, CLIENT_KEY_SIZE), bytes_of(key, CLIENT_KEY_SIZE));
}

/* ---- birth and end ---- */

struct ph_pool *ph_pool_new(size_t idle_max, int64_t idle_timeout, struct ph_error *error)
{
    if (idle_max > POOL_IDLE_MAX) {
        smtp_error_set(error, PH_ERROR_ARGUMENT, "", "a pool keeps %d connections at most",
                       POOL_IDLE_MAX);
        return NULL;
    }
    struct ph_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        smtp_error_memory(error);
        return NULL;
    }
    pool->idle_max = idle_max == 0 ? POOL_IDLE_MAX_DEFAULT : idle_max;
    pool->idle_timeout = idle_timeout <= 0 ? POOL_IDLE_TIMEOUT_MS : idle_timeout;
    struct fault fault = {0};
    if (!random_fill(pool->salt, sizeof pool->salt, &fault)) {
        free(pool);
        smtp_error_from_fault(error, PH_ERROR_LIMIT, "", &fault, "a pool cannot be made");
        return NULL;
    }
    pool->idle = calloc(pool->idle_max, sizeof(struct ph_smtp *));
    if (pool->idle == NULL || pthread_mutex_init(&pool->mutex, NULL) != 0) {
        free(pool->idle);
        free(pool);
        smtp_error_memory(error);
        return NULL;
    }
    return pool;
}

/* Says QUIT for politeness, but waits for nothing. */
static void retire(struct ph_smtp *smtp)
{
    if (smtp == NULL)
        return;
    struct iovec slices[4];
    size_t count;
    struct fault fault;
    if (smtp->engine != NULL && !ph_engine_is_closed(smtp->engine) &&
        ph_engine_quit(smtp->engine, client_session_now(), NULL)) {
        size_t slice_count = ph_engine_output(smtp->engine, slices, 4);
        if (slice_count > 0)
            client_transport_write(&smtp->transport, slices, slice_count, &count, &fault);
    }
    ph_smtp_free(smtp);
}

void ph_pool_free(struct ph_pool *pool)
{
    if (pool == NULL)
        return;
    for (size_t i = 0; i < pool->idle_count; i++)
        retire(pool->idle[i]);
    pthread_mutex_destroy(&pool->mutex);
    secret_wipe(pool->salt, sizeof pool->salt);
    free(pool->idle);
    free(pool);
}

/* ---- the idle ones; the mutex is held ---- */

static struct ph_smtp *take_at(struct ph_pool *pool, size_t index)
{
    struct ph_smtp *smtp = pool->idle[index];
    pool->idle_count--;
    memmove(&pool->idle[index], &pool->idle[index + 1],
            (pool->idle_count - index) * sizeof(struct ph_smtp *));
    return smtp;
}

/* The oldest, when its time is over. */
static struct ph_smtp *take_expired(struct ph_pool *pool, int64_t now)
{
    if (pool->idle_count == 0 || now - pool->idle[0]->idle_since < pool->idle_timeout)
        return NULL;
    return take_at(pool, 0);
}

/* The newest with this key: it is the likeliest to be alive. */
static struct ph_smtp *take_with_key(struct ph_pool *pool, const unsigned char *key)
{
    for (size_t i = pool->idle_count; i > 0; i--)
        if (has_key(pool->idle[i - 1], key))
            return take_at(pool, i - 1);
    return NULL;
}

/* ---- getting and giving back ---- */

static void retire_expired(struct ph_pool *pool)
{
    struct ph_smtp *smtp;
    do {
        pthread_mutex_lock(&pool->mutex);
        smtp = take_expired(pool, client_session_now());
        pthread_mutex_unlock(&pool->mutex);
        retire(smtp);
    } while (smtp != NULL);
}

static struct ph_smtp *take_idle(struct ph_pool *pool, const unsigned char *key)
{
    pthread_mutex_lock(&pool->mutex);
    struct ph_smtp *smtp = take_with_key(pool, key);
    pthread_mutex_unlock(&pool->mutex);
    return smtp;
}

/* A server may have closed, or said 421, while nobody listened (RFC 5321 3.8); a dead path shows
 * only when it is used. */
static bool is_alive(struct ph_smtp *smtp)
{
    if (smtp->state.input_end != smtp->state.input_start ||
        !client_transport_is_quiet(&smtp->transport))
        return false;
    struct ph_error error;
    if (!client_session_begin_connected(smtp, &error))
        return false;
    smtp->deadline =
        client_session_earlier(smtp->deadline, client_session_now() + POOL_PROOF_TIMEOUT_MS);
    return ph_engine_command(smtp->engine, "RSET", NULL, client_session_now(), &error) &&
           client_loop_run(smtp, &error) == 250 && smtp->engine != NULL;
}

static struct ph_smtp *make(const struct ph_smtp_options *options, const struct ph_login *login,
                            struct ph_error *error)
{
    struct ph_smtp *smtp = ph_smtp_new(options, error);
    if (smtp == NULL)
        return NULL;
    struct ph_error failure;
    bool is_ready = ph_smtp_connect(smtp, NULL, 0, &failure) &&
                    (login == NULL ? client_session_prepare(smtp, &failure)
                                   : ph_smtp_auth(smtp, login, &failure));
    if (is_ready)
        return smtp;
    ph_smtp_free(smtp);
    if (error != NULL)
        *error = failure;
    return NULL;
}

struct ph_smtp *ph_pool_get(struct ph_pool *pool, const struct ph_smtp_options *options,
                            const struct ph_login *login, struct ph_error *error)
{
    static const struct ph_smtp_options defaults;
    unsigned char key[CLIENT_KEY_SIZE];
    if (options == NULL)
        options = &defaults;
    if (!make_key(pool, options, login, key, error))
        return NULL;
    retire_expired(pool);
    struct ph_smtp *smtp;
    while ((smtp = take_idle(pool, key)) != NULL && !is_alive(smtp))
        ph_smtp_free(smtp);
    if (smtp == NULL)
        smtp = make(options, login, error);
    if (smtp == NULL)
        return NULL;
    memcpy(smtp->pool_key, key, sizeof key);
    smtp->is_pooled = true;
    return smtp;
}

/* It is still what its key says, and nothing is open on it. */
static bool is_fit(const struct ph_smtp *smtp)
{
    if (!smtp->is_pooled || smtp->engine == NULL || smtp->state.has_raw ||
        __atomic_load_n(&smtp->is_cancelled, __ATOMIC_ACQUIRE))
        return false;
    uint64_t most = ph_engine_capabilities(smtp->engine)->messages_max;
    return ph_engine_is_idle(smtp->engine) && !ph_engine_is_closed(smtp->engine) &&
           (most == 0 || smtp->state.transactions < most);
}

void ph_pool_put(struct ph_pool *pool, struct ph_smtp *smtp)
{
    if (smtp == NULL)
        return;
    if (!is_fit(smtp)) {
        ph_smtp_free(smtp);
        return;
    }
    ph_smtp_set_debuglevel(smtp, 0);
    smtp->idle_since = client_session_now();
    struct ph_smtp *oldest = NULL;
    pthread_mutex_lock(&pool->mutex);
    if (pool->idle_count == pool->idle_max)
        oldest = take_at(pool, 0);
    pool->idle[pool->idle_count++] = smtp;
    pthread_mutex_unlock(&pool->mutex);
    retire(oldest);
    retire_expired(pool);
}
