/* Logins: SASL on one side, credentials on the other. */
#include "auth/auth_exchange.h"

#include <stdlib.h>

#include "auth/auth_password.h"
#include "base/clock.h"
#include "base/secret.h"
#include "store/store_jobs.h"

enum {
    PASSWORD_MAX = 4096 /* bytes of a password given plainly */
};

struct auth_exchange {
    struct auth *auth;
    struct sasl_server *sasl; /* NULL: a plain user and password */
    struct buffer user;
    struct buffer password;
    struct store_account account;
};

static struct auth_exchange *new_exchange(struct auth *auth, struct fault *fault)
{
    struct auth_exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    exchange->auth = auth;
    buffer_init_secret(&exchange->user, STORE_LOGIN_MAX);
    buffer_init_secret(&exchange->password, PASSWORD_MAX);
    return exchange;
}

struct auth_exchange *auth_exchange_new(struct auth *auth, struct bytes mechanism,
                                        const struct sasl_server_place *place, struct fault *fault)
{
    struct sasl_server_place seen = *place;
    /* Who logs in for the first time has no verifier that SCRAM could use. */
    seen.wants_password = seen.wants_password || auth_accepts_everybody(auth);
    struct auth_exchange *exchange = new_exchange(auth, fault);
    if (exchange == NULL)
        return NULL;
    exchange->sasl = sasl_server_new(mechanism, &seen, fault);
    if (exchange->sasl == NULL) {
        auth_exchange_free(exchange);
        return NULL;
    }
    return exchange;
}

struct auth_exchange *auth_exchange_new_plain(struct auth *auth, struct bytes user,
                                              struct bytes password, struct fault *fault)
{
    struct auth_exchange *exchange = new_exchange(auth, fault);
    if (exchange == NULL)
        return NULL;
    /* What is too long fits nobody, and is then refused as any wrong password is. */
    buffer_append(&exchange->user, bytes_slice(user, 0, STORE_LOGIN_MAX));
    buffer_append(&exchange->password, bytes_slice(password, 0, PASSWORD_MAX));
    if (buffer_is_failed(&exchange->user) || buffer_is_failed(&exchange->password)) {
        fault_set_memory(fault);
        auth_exchange_free(exchange);
        return NULL;
    }
    return exchange;
}

void auth_exchange_free(struct auth_exchange *exchange)
{
    if (exchange == NULL)
        return;
    sasl_server_free(exchange->sasl);
    buffer_clear(&exchange->user);
    buffer_clear(&exchange->password);
    free(exchange);
}

struct bytes auth_exchange_user(const struct auth_exchange *exchange)
{
    return exchange->sasl == NULL ? buffer_bytes(&exchange->user)
                                  : sasl_server_user(exchange->sasl);
}

const struct store_account *auth_exchange_account(const struct auth_exchange *exchange)
{
    return &exchange->account;
}

/* *is_found is false for a disabled account as well: it is answered as if nobody were there. */
static bool find_account(const struct auth *auth, struct db *reader, struct bytes user,
                         struct store_account *account, bool *is_found, struct fault *fault)
{
    AUTO(buffer)
    login = BUFFER(STORE_LOGIN_MAX);
    if (!auth_write_login(auth, reader, user, &login, fault))
        return false;
    *is_found = false;
    if (buffer_is_failed(&login))
        return true;
    if (!store_account_find(reader, buffer_bytes(&login), account, is_found, fault))
        return false;
    *is_found = *is_found && !account->is_disabled;
    return true;
}

/* Acting as somebody else is nobody's right; the own name may be said again (RFC 4616 2). */
static bool may_act_as(const struct auth *auth, struct db *reader, struct bytes identity,
                       const struct store_account *account)
{
    struct store_account named;
    bool is_found = false;
    return identity.length == 0 || (find_account(auth, reader, identity, &named, &is_found, NULL) &&
                                    is_found && named.id == account->id);
}

struct everybody_job {
    struct store_job job;
    struct store *store;
    struct bytes login;
};

static bool run_everybody_job(struct store_job *job, struct db *db, struct fault *fault)
{
    struct everybody_job *made = (struct everybody_job *)job;
    struct store_account account;
    bool is_found;
    if (!store_account_find(db, made->login, &account, &is_found, fault))
        return false;
    if (is_found)
        return true;
    size_t at = bytes_find_last_char(made->login, '@');
    if (at == BYTES_NOT_FOUND)
        return fault_set(fault, FAULT_SYNTAX, "a login needs a domain");
    /* That the domain is there already is no harm; any other trouble comes back with the account.
     */
    int64_t id = store_id_make(made->store);
    store_domain_add(db, id, bytes_skip(made->login, at + 1), NULL);
    return store_account_add(made->store, db, made->login, &id, fault);
}

static bool let_everybody_in(struct auth_exchange *exchange, struct db *reader, struct bytes user,
                             bool *is_found, struct fault *fault)
{
    AUTO(buffer)
    login = BUFFER(STORE_LOGIN_MAX);
    if (!auth_write_login(exchange->auth, reader, user, &login, fault) || buffer_is_failed(&login))
        return false;
    struct everybody_job job = {.job = {.run = run_everybody_job},
                                .store = auth_store(exchange->auth),
                                .login = buffer_bytes(&login)};
    return store_run(auth_store(exchange->auth), &job.job, fault) &&
           store_account_find(reader, buffer_bytes(&login), &exchange->account, is_found, fault);
}

/* *is_right: user and password belong together, and the identity is the user's own. */
static bool judge(struct auth_exchange *exchange, struct db *reader, struct bytes user,
                  struct bytes password, struct bytes identity, bool *is_right, struct fault *fault)
{
    struct auth *auth = exchange->auth;
    bool is_found = false;
    if (auth_accepts_everybody(auth)) {
        *is_right = let_everybody_in(exchange, reader, user, &is_found, fault) && is_found;
        return *is_right || fault->kind == FAULT_SYNTAX || fault->kind == FAULT_LIMIT;
    }
    struct store_credential *credentials = calloc(STORE_CREDENTIALS_MAX, sizeof *credentials);
    if (credentials == NULL)
        return fault_set_memory(fault);
    size_t count = 0;
    bool is_read = find_account(auth, reader, user, &exchange->account, &is_found, fault) &&
                   (!is_found || store_credentials_read(reader, exchange->account.id, credentials,
                                                        &count, fault));
    if (is_read) {
        struct sasl_verifier pretended;
        sasl_verifier_pretend(SASL_VERIFIER_SHA_256, user, auth_secret(auth), &pretended);
        *is_right = auth_password_check(auth_memory_of(auth), credentials, is_found ? count : 0,
                                        &pretended, password, clock_monotonic_milliseconds()) &&
                    is_found && may_act_as(auth, reader, identity, &exchange->account);
    }
    secret_wipe(credentials, STORE_CREDENTIALS_MAX * sizeof *credentials);
    free(credentials);
    return is_read;
}

/* The verifier for SCRAM: the account's own, or one made up. */
static bool find_verifier(struct auth_exchange *exchange, struct db *reader,
                          struct sasl_verifier *verifier, bool *is_real, struct fault *fault)
{
    struct auth *auth = exchange->auth;
    struct bytes user = sasl_server_user(exchange->sasl);
    enum sasl_verifier_digest digest = sasl_server_digest(exchange->sasl);
    enum store_credential_kind wanted = digest == SASL_VERIFIER_SHA_1
                                            ? STORE_CREDENTIAL_SCRAM_SHA_1
                                            : STORE_CREDENTIAL_SCRAM_SHA_256;
    struct store_credential *credentials = calloc(STORE_CREDENTIALS_MAX, sizeof *credentials);
    if (credentials == NULL)
        return fault_set_memory(fault);
    size_t count = 0;
    bool is_found = false;
    bool is_read = find_account(auth, reader, user, &exchange->account, &is_found, fault) &&
                   (!is_found || store_credentials_read(reader, exchange->account.id, credentials,
                                                        &count, fault));
    sasl_verifier_pretend(digest, user, auth_secret(auth), verifier);
    *is_real = false;
    for (size_t i = 0; is_read && is_found && i < count; i++) {
        if (credentials[i].kind == wanted)
            *is_real =
                sasl_verifier_parse(bytes_from_string(credentials[i].data), verifier, NULL) &&
                verifier->digest == digest;
    }
    *is_real = *is_real && may_act_as(auth, reader, sasl_server_authorization(exchange->sasl),
                                      &exchange->account);
    secret_wipe(credentials, STORE_CREDENTIALS_MAX * sizeof *credentials);
    free(credentials);
    return is_read;
}

static enum auth_status step_plain(struct auth_exchange *exchange, struct db *reader)
{
    struct fault fault = {0};
    bool is_right = false;
    if (!judge(exchange, reader, buffer_bytes(&exchange->user), buffer_bytes(&exchange->password),
               BYTES(""), &is_right, &fault))
        return AUTH_UNAVAILABLE;
    return is_right ? AUTH_ACCEPTED : AUTH_REFUSED;
}

/* What SASL asks for is found, until it has something to say to the client. */
static enum auth_status step_sasl(struct auth_exchange *exchange, struct db *reader,
                                  struct bytes response, struct buffer *challenge)
{
    struct sasl_server *sasl = exchange->sasl;
    enum sasl_server_status status = sasl_server_step(sasl, response, challenge);
    struct fault fault = {0};
    bool is_right = false;
    if (status == SASL_SERVER_NEEDS_VERDICT) {
        if (!judge(exchange, reader, sasl_server_user(sasl), sasl_server_password(sasl),
                   sasl_server_authorization(sasl), &is_right, &fault))
            return AUTH_UNAVAILABLE;
        status = sasl_server_give_verdict(sasl, is_right);
    } else if (status == SASL_SERVER_NEEDS_VERIFIER) {
        struct sasl_verifier verifier;
        if (!find_verifier(exchange, reader, &verifier, &is_right, &fault))
            return AUTH_UNAVAILABLE;
        status = sasl_server_give_verifier(sasl, &verifier, is_right, challenge);
        secret_wipe(&verifier, sizeof verifier);
    }
    switch (status) {
    case SASL_SERVER_CHALLENGE:
        return AUTH_CHALLENGE;
    case SASL_SERVER_ACCEPTED:
        return AUTH_ACCEPTED;
    case SASL_SERVER_REFUSED:
        return AUTH_REFUSED;
    default:
        return AUTH_BROKEN;
    }
}

enum auth_status auth_exchange_step(struct auth_exchange *exchange, struct db *reader,
                                    struct bytes response, struct buffer *challenge)
{
    if (reader == NULL)
        return AUTH_UNAVAILABLE;
    enum auth_status status = exchange->sasl == NULL
                                  ? step_plain(exchange, reader)
                                  : step_sasl(exchange, reader, response, challenge);
    return buffer_is_failed(challenge) ? AUTH_UNAVAILABLE : status;
}
