/* Passwords against credentials. */
#include "auth/auth_password.h"

#include <crypt.h>
#include <stdlib.h>

#include "base/secret.h"

enum {
    PASSWORD_MAX = CRYPT_MAX_PASSPHRASE_SIZE - 1 /* bytes that crypt(3) takes */
};

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
    for (size_t i = 0; i < count; i++) {
        if (auth_memory_knows(memory, &credentials[i], password, now))
            return true;
    }
    bool is_right = false;
    if (count == 0)
        sasl_verifier_check(pretended, password);
    for (size_t i = 0; i < count && !is_right; i++) {
        is_right = !is_second_form(credentials, count, i) && check_one(&credentials[i], password);
        if (is_right)
            auth_memory_keep(memory, &credentials[i], password, now);
    }
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
