/* SCRAM: three messages of the server are heard, two are sent, then it has proved itself. */
#include "sasl/sasl_scram.h"

#include <stdlib.h>

#include "base/base64.h"
#include "base/random.h"
#include "base/scan.h"
#include "base/secret.h"
#include "sasl/sasl_name.h"
#include "sasl/sasl_scram_keys.h"

enum {
    NONCE_BYTES = 24,
    TEXT_MAX = 1024 * 1024, /* bytes of anything of ours; what goes in is bounded by sasl_client */
};

enum stage {
    STAGE_FIRST = 0,
    STAGE_FINAL,
    STAGE_VERIFY,
    STAGE_FINISHED,
    STAGE_FAILED
};

struct sasl_scram {
    const struct sasl_scram_digest *digest;
    enum stage stage;
    struct buffer password;      /* prepared */
    struct buffer nonce;         /* ours */
    struct buffer gs2_header;    /* "p=tls-exporter,a=...," */
    struct buffer binding_input; /* gs2_header and the binding (RFC 5802 7, cbind-input) */
    struct buffer first_bare;    /* client-first-message-bare */
    unsigned char server_signature[SASL_SCRAM_KEY_MAX];
};

/* What server-first-message says. */
struct server_first {
    struct bytes nonce;
    struct bytes salt; /* in base64 */
    uint64_t rounds;
};

void sasl_scram_free(struct sasl_scram *scram)
{
    if (scram == NULL)
        return;
    buffer_clear(&scram->password);
    buffer_clear(&scram->nonce);
    buffer_clear(&scram->gs2_header);
    buffer_clear(&scram->binding_input);
    buffer_clear(&scram->first_bare);
    secret_wipe(scram, sizeof *scram);
    free(scram);
}

static bool make_nonce(struct sasl_scram *scram, const char *given, struct fault *fault)
{
    if (given != NULL) {
        buffer_append_string(&scram->nonce, given);
        return true;
    }
    unsigned char random[NONCE_BYTES];
    if (!random_fill(random, sizeof random, fault))
        return false;
    base64_encode(bytes_of(random, sizeof random), &scram->nonce);
    secret_wipe(random, sizeof random);
    return true;
}

static void make_gs2_header(struct sasl_scram *scram, const struct sasl_scram_login *login)
{
    switch (login->binding) {
    case SASL_SCRAM_UNBOUND:
        buffer_append_char(&scram->gs2_header, 'n');
        break;
    case SASL_SCRAM_SERVER_CANNOT:
        buffer_append_char(&scram->gs2_header, 'y');
        break;
    case SASL_SCRAM_BOUND:
        buffer_append(&scram->gs2_header, BYTES("p="));
        buffer_append_string(&scram->gs2_header, login->binding_name);
        break;
    }
    buffer_append_char(&scram->gs2_header, ',');
    if (login->authorization_id != NULL) {
        buffer_append(&scram->gs2_header, BYTES("a="));
        sasl_name_append(bytes_from_string(login->authorization_id), &scram->gs2_header);
    }
    buffer_append_char(&scram->gs2_header, ',');
    buffer_append(&scram->binding_input, buffer_bytes(&scram->gs2_header));
    if (login->binding == SASL_SCRAM_BOUND)
        buffer_append(&scram->binding_input, login->binding_data);
}

static bool make_first_bare(struct sasl_scram *scram, const char *user, struct fault *fault)
{
    AUTO(buffer)
    name = SECRET_BUFFER(TEXT_MAX);
    if (!sasl_name_prepare(user, "user name", &name, fault))
        return false;
    buffer_append(&scram->first_bare, BYTES("n="));
    sasl_name_append(buffer_bytes(&name), &scram->first_bare);
    buffer_append(&scram->first_bare, BYTES(",r="));
    buffer_append(&scram->first_bare, buffer_bytes(&scram->nonce));
    if (buffer_is_failed(&name))
        buffer_fail(&scram->first_bare);
    return true;
}

static bool prepare(struct sasl_scram *scram, const struct sasl_scram_login *login,
                    struct fault *fault)
{
    scram->digest = sasl_scram_keys_digest(login->digest);
    if (scram->digest == NULL)
        return fault_set(fault, FAULT_PERMANENT, "there is no SCRAM with %s", login->digest);
    make_gs2_header(scram, login);
    if (!make_nonce(scram, login->nonce, fault) || !make_first_bare(scram, login->user, fault) ||
        !sasl_name_prepare(login->password, "password", &scram->password, fault))
        return false;
    if (buffer_is_failed(&scram->password) || buffer_is_failed(&scram->nonce) ||
        buffer_is_failed(&scram->binding_input) || buffer_is_failed(&scram->first_bare))
        return fault_set_memory(fault);
    return true;
}

struct sasl_scram *sasl_scram_new(const struct sasl_scram_login *login, struct fault *fault)
{
    struct sasl_scram *scram = calloc(1, sizeof *scram);
    if (scram == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    buffer_init_secret(&scram->password, TEXT_MAX);
    buffer_init_secret(&scram->nonce, TEXT_MAX);
    buffer_init_secret(&scram->gs2_header, TEXT_MAX);
    buffer_init_secret(&scram->binding_input, TEXT_MAX);
    buffer_init_secret(&scram->first_bare, TEXT_MAX);
    if (!prepare(scram, login, fault)) {
        sasl_scram_free(scram);
        return NULL;
    }
    return scram;
}

/* Extensions that are not known may follow and mean nothing (RFC 5802 5.1), a leading "m=" would
 * demand one. */
static bool parse_server_first(struct bytes message, struct server_first *first)
{
    struct scan scan = scan_of(message);
    struct bytes rounds;
    if (!sasl_scram_keys_take_attribute(&scan, 'r', &first->nonce) || !scan_take_char(&scan, ',') ||
        !sasl_scram_keys_take_attribute(&scan, 's', &first->salt) || !scan_take_char(&scan, ',') ||
        !sasl_scram_keys_take_attribute(&scan, 'i', &rounds))
        return false;
    struct scan digits = scan_of(rounds);
    return scan_take_number(&digits, UINT32_MAX, &first->rounds) && scan_is_at_end(&digits);
}

static bool check_server_first(const struct sasl_scram *scram, const struct server_first *first,
                               struct fault *fault)
{
    /* RFC 5802 5.1: the server's nonce goes on where ours ends. */
    struct bytes ours = buffer_bytes(&scram->nonce);
    if (!bytes_starts_with(first->nonce, ours) || first->nonce.length == ours.length)
        return fault_set(fault, FAULT_DENIED, "the server does not answer to our SCRAM message");
    if (first->rounds < SASL_SCRAM_ROUNDS_MIN)
        return fault_set(
            fault, FAULT_DENIED,
            "the server wants %u rounds of SCRAM, fewer than the %u that keep a password",
            (unsigned)first->rounds, (unsigned)SASL_SCRAM_ROUNDS_MIN);
    if (first->rounds > SASL_SCRAM_ROUNDS_MAX)
        return fault_set(fault, FAULT_LIMIT,
                         "the server wants %u rounds of SCRAM, more than the limit of %u",
                         (unsigned)first->rounds, (unsigned)SASL_SCRAM_ROUNDS_MAX);
    return true;
}

/* RFC 5802 3: from the password to the proof, and to what the server must show at the end. */
static bool sign(struct sasl_scram *scram, struct bytes salt, uint64_t rounds,
                 struct bytes authentication_message, unsigned char *proof)
{
    struct sasl_scram_keys keys;
    bool is_done =
        sasl_scram_keys_derive(scram->digest, buffer_bytes(&scram->password), salt,
                               (unsigned)rounds, &keys) &&
        sasl_scram_keys_sign(scram->digest, keys.stored_key, authentication_message, proof) &&
        sasl_scram_keys_sign(scram->digest, keys.server_key, authentication_message,
                             scram->server_signature);
    for (size_t i = 0; is_done && i < scram->digest->size; i++)
        proof[i] ^= keys.client_key[i];
    secret_wipe(&keys, sizeof keys);
    return is_done;
}

static bool send_final(struct sasl_scram *scram, struct bytes message, struct buffer *response,
                       struct fault *fault)
{
    struct server_first first;
    AUTO(buffer)
    salt = BUFFER(SASL_SCRAM_SALT_MAX);
    if (!parse_server_first(message, &first) || !base64_decode(first.salt, &salt) ||
        buffer_is_failed(&salt) || salt.length == 0)
        return fault_set(fault, FAULT_SYNTAX, "the server's SCRAM message cannot be read");
    if (!check_server_first(scram, &first, fault))
        return false;

    AUTO(buffer)
    without_proof = SECRET_BUFFER(TEXT_MAX);
    buffer_append(&without_proof, BYTES("c="));
    base64_encode(buffer_bytes(&scram->binding_input), &without_proof);
    buffer_append(&without_proof, BYTES(",r="));
    buffer_append(&without_proof, first.nonce);

    /* RFC 5802 3, AuthMessage */
    AUTO(buffer)
    authentication_message = SECRET_BUFFER(TEXT_MAX);
    buffer_append(&authentication_message, buffer_bytes(&scram->first_bare));
    buffer_append_char(&authentication_message, ',');
    buffer_append(&authentication_message, message);
    buffer_append_char(&authentication_message, ',');
    buffer_append(&authentication_message, buffer_bytes(&without_proof));
    if (buffer_is_failed(&without_proof) || buffer_is_failed(&authentication_message))
        return fault_set_memory(fault);

    unsigned char proof[SASL_SCRAM_KEY_MAX];
    if (!sign(scram, buffer_bytes(&salt), first.rounds, buffer_bytes(&authentication_message),
              proof))
        return fault_set(fault, FAULT_TEMPORARY, "OpenSSL failed at the arithmetic of SCRAM");
    buffer_append(response, buffer_bytes(&without_proof));
    buffer_append(response, BYTES(",p="));
    base64_encode(bytes_of(proof, scram->digest->size), response);
    secret_wipe(proof, sizeof proof);
    return true;
}

static bool verify_server(const struct sasl_scram *scram, struct bytes message, struct fault *fault)
{
    struct scan scan = scan_of(message);
    struct bytes value;
    if (sasl_scram_keys_take_attribute(&scan, 'e', &value)) {
        struct scan word = scan_of(value);
        struct bytes reason = scan_take_while(&word, &scan_printable);
        return fault_set(fault, FAULT_DENIED, "the server refuses the login: %.*s",
                         reason.length < 64 ? (int)reason.length : 64, reason.data);
    }
    AUTO(buffer)
    signature = SECRET_BUFFER(SASL_SCRAM_KEY_MAX);
    if (!sasl_scram_keys_take_attribute(&scan, 'v', &value) || !base64_decode(value, &signature))
        return fault_set(fault, FAULT_SYNTAX, "the server's last SCRAM message cannot be read");
    if (buffer_is_failed(&signature) ||
        !secret_equal(buffer_bytes(&signature),
                      bytes_of(scram->server_signature, scram->digest->size)))
        return fault_set(fault, FAULT_DENIED,
                         "the server could not prove that it knows the password: it is not who it "
                         "should be");
    return true;
}

static bool take_stage(struct sasl_scram *scram, struct bytes message, struct buffer *response,
                       struct fault *fault)
{
    if (message.length > SASL_SCRAM_MESSAGE_MAX)
        return fault_set(fault, FAULT_LIMIT, "the server's SCRAM message is too long");
    switch (scram->stage) {
    case STAGE_FIRST:
        buffer_append(response, buffer_bytes(&scram->gs2_header));
        buffer_append(response, buffer_bytes(&scram->first_bare));
        return true;
    case STAGE_FINAL:
        return send_final(scram, message, response, fault);
    case STAGE_VERIFY:
        return verify_server(scram, message, fault);
    case STAGE_FINISHED:
    case STAGE_FAILED:
        break;
    }
    return fault_set(fault, FAULT_SYNTAX, "the server goes on where SCRAM has ended");
}

bool sasl_scram_step(struct sasl_scram *scram, struct bytes message, struct buffer *response,
                     struct fault *fault)
{
    bool is_good = take_stage(scram, message, response, fault);
    scram->stage = is_good ? scram->stage + 1 : STAGE_FAILED;
    return is_good;
}

bool sasl_scram_is_finished(const struct sasl_scram *scram)
{
    return scram->stage == STAGE_FINISHED;
}
