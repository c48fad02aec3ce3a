/* SCRAM, heard from the server's side. */
#include "sasl/sasl_server_scram.h"

#include "base/base64.h"
#include "base/random.h"
#include "base/secret.h"
#include "sasl/sasl_name.h"

enum {
    NONCE_BYTES = 18,
    CLIENT_NONCE_MAX = 1024, /* bytes */
    TEXT_MAX = 16 * 1024     /* bytes of anything kept; messages are limited by sasl_server */
};

bool sasl_server_scram_init(struct sasl_server_scram *scram, const struct sasl_scram_digest *digest,
                            const struct sasl_server_scram_place *place, const char *nonce,
                            struct fault *fault)
{
    *scram = (struct sasl_server_scram){.digest = digest, .place = *place};
    buffer_init_secret(&scram->gs2_header, TEXT_MAX);
    buffer_init_secret(&scram->first_bare, TEXT_MAX);
    buffer_init_secret(&scram->nonce, TEXT_MAX);
    buffer_init_secret(&scram->server_first, TEXT_MAX);
    if (nonce != NULL) {
        buffer_append_string(&scram->nonce, nonce);
    } else {
        unsigned char random[NONCE_BYTES];
        if (!random_fill(random, sizeof random, fault))
            return false;
        base64_encode(bytes_of(random, sizeof random), &scram->nonce);
    }
    return !buffer_is_failed(&scram->nonce) || fault_set_memory(fault);
}

void sasl_server_scram_clear(struct sasl_server_scram *scram)
{
    buffer_clear(&scram->gs2_header);
    buffer_clear(&scram->first_bare);
    buffer_clear(&scram->nonce);
    buffer_clear(&scram->server_first);
    secret_wipe(&scram->verifier, sizeof scram->verifier);
}

/* gs2-cbind-flag (RFC 5802 7). */
static enum sasl_server_scram_verdict hear_flag(const struct sasl_server_scram *scram,
                                                struct scan *scan)
{
    struct bytes name;
    if (sasl_scram_keys_take_attribute(scan, 'p', &name)) {
        if (!scram->place.is_bound)
            return SASL_SERVER_SCRAM_BROKEN;
        return bytes_equal(name, scram->place.binding_name) ? SASL_SERVER_SCRAM_GOOD
                                                            : SASL_SERVER_SCRAM_WRONG;
    }
    if (scram->place.is_bound)
        return SASL_SERVER_SCRAM_BROKEN;
    /* RFC 5802 6: "y" says that we did not offer to bind. If we did, somebody took the offer away.
     */
    if (scan_take_char(scan, 'y'))
        return scram->place.offers_binding ? SASL_SERVER_SCRAM_WRONG : SASL_SERVER_SCRAM_GOOD;
    return scan_take_char(scan, 'n') ? SASL_SERVER_SCRAM_GOOD : SASL_SERVER_SCRAM_BROKEN;
}

enum sasl_server_scram_verdict sasl_server_scram_hear_first(struct sasl_server_scram *scram,
                                                            struct bytes message,
                                                            struct buffer *user,
                                                            struct buffer *authorization)
{
    struct scan scan = scan_of(message);
    enum sasl_server_scram_verdict verdict = hear_flag(scram, &scan);
    if (verdict != SASL_SERVER_SCRAM_GOOD)
        return verdict;

    struct bytes identity = {0};
    struct bytes name, nonce;
    if (!scan_take_char(&scan, ','))
        return SASL_SERVER_SCRAM_BROKEN;
    bool has_identity = sasl_scram_keys_take_attribute(&scan, 'a', &identity);
    if (!scan_take_char(&scan, ','))
        return SASL_SERVER_SCRAM_BROKEN;
    struct bytes bare = scan_rest(&scan);
    /* A leading "m=" would demand an extension that nobody knows (RFC 5802 5.1): it is no "n=". */
    if (!sasl_scram_keys_take_attribute(&scan, 'n', &name) || !scan_take_char(&scan, ',') ||
        !sasl_scram_keys_take_attribute(&scan, 'r', &nonce) || nonce.length == 0 ||
        nonce.length > CLIENT_NONCE_MAX)
        return SASL_SERVER_SCRAM_BROKEN;
    if (!sasl_name_read(name, user) || (has_identity && !sasl_name_read(identity, authorization)))
        return SASL_SERVER_SCRAM_BROKEN;

    buffer_append(&scram->gs2_header, bytes_slice(message, 0, message.length - bare.length));
    buffer_append(&scram->first_bare, bare);
    AUTO(buffer)
    ours = SECRET_BUFFER(TEXT_MAX);
    buffer_append(&ours, buffer_bytes(&scram->nonce));
    buffer_reset(&scram->nonce);
    buffer_append(&scram->nonce, nonce);
    buffer_append(&scram->nonce, buffer_bytes(&ours));
    if (buffer_is_failed(&ours))
        buffer_fail(&scram->nonce);
    return SASL_SERVER_SCRAM_GOOD;
}

void sasl_server_scram_say_first(struct sasl_server_scram *scram,
                                 const struct sasl_verifier *verifier, bool is_real,
                                 struct buffer *out)
{
    scram->verifier = *verifier;
    scram->is_real = is_real;
    struct buffer *first = &scram->server_first;
    buffer_append(first, BYTES("r="));
    buffer_append(first, buffer_bytes(&scram->nonce));
    buffer_append(first, BYTES(",s="));
    base64_encode(bytes_of(verifier->salt, verifier->salt_length), first);
    buffer_append(first, BYTES(",i="));
    buffer_append_unsigned(first, verifier->rounds);
    buffer_append(out, buffer_bytes(first));
    if (buffer_is_failed(first) || buffer_is_failed(&scram->nonce))
        buffer_fail(out);
}

/* c= must be the header that we heard, and the binding of this very TLS session (RFC 5802 6). */
static bool is_bound_to_us(const struct sasl_server_scram *scram, struct bytes attribute)
{
    AUTO(buffer)
    expected = SECRET_BUFFER(TEXT_MAX);
    AUTO(buffer)
    heard = SECRET_BUFFER(TEXT_MAX);
    buffer_append(&expected, buffer_bytes(&scram->gs2_header));
    if (scram->place.is_bound)
        buffer_append(&expected, scram->place.binding);
    return base64_decode(attribute, &heard) && !buffer_is_failed(&heard) &&
           !buffer_is_failed(&expected) &&
           secret_equal(buffer_bytes(&heard), buffer_bytes(&expected));
}

/* RFC 5802 3: the proof hides the client's key, whose digest we keep. */
static bool is_proved(const struct sasl_server_scram *scram, struct bytes proof,
                      struct bytes authentication_message)
{
    unsigned char key[SASL_SCRAM_KEY_MAX];
    unsigned char stored_key[SASL_SCRAM_KEY_MAX];
    size_t size = scram->digest->size;
    bool is_right = sasl_scram_keys_sign(scram->digest, scram->verifier.stored_key,
                                         authentication_message, key);
    for (size_t i = 0; i < size; i++)
        key[i] ^= (unsigned char)proof.data[i];
    is_right = is_right && sasl_scram_keys_hash(scram->digest, key, stored_key) &&
               secret_equal(bytes_of(stored_key, size), bytes_of(scram->verifier.stored_key, size));
    secret_wipe(key, sizeof key);
    secret_wipe(stored_key, sizeof stored_key);
    return is_right && scram->is_real;
}

static bool say_final(const struct sasl_server_scram *scram, struct bytes authentication_message,
                      struct buffer *out)
{
    unsigned char signature[SASL_SCRAM_KEY_MAX];
    if (!sasl_scram_keys_sign(scram->digest, scram->verifier.server_key, authentication_message,
                              signature))
        return false;
    buffer_append(out, BYTES("v="));
    base64_encode(bytes_of(signature, scram->digest->size), out);
    return true;
}

enum sasl_server_scram_verdict sasl_server_scram_hear_final(struct sasl_server_scram *scram,
                                                            struct bytes message,
                                                            struct buffer *out)
{
    /* The proof stands last; what is between the nonce and it are extensions, which mean nothing to
       us but are signed with the rest. */
    size_t last_comma = bytes_find_last_char(message, ',');
    if (last_comma == BYTES_NOT_FOUND)
        return SASL_SERVER_SCRAM_BROKEN;
    struct bytes without_proof = bytes_slice(message, 0, last_comma);
    struct scan head = scan_of(without_proof);
    struct scan tail = scan_of(bytes_skip(message, last_comma + 1));
    struct bytes binding, nonce, proof_text;
    AUTO(buffer)
    proof = SECRET_BUFFER(SASL_SCRAM_KEY_MAX);
    if (!sasl_scram_keys_take_attribute(&head, 'c', &binding) || !scan_take_char(&head, ',') ||
        !sasl_scram_keys_take_attribute(&head, 'r', &nonce) ||
        !sasl_scram_keys_take_attribute(&tail, 'p', &proof_text) ||
        !base64_decode(proof_text, &proof) || proof.length != scram->digest->size)
        return SASL_SERVER_SCRAM_BROKEN;

    AUTO(buffer)
    signed_text = SECRET_BUFFER(3 * TEXT_MAX);
    buffer_append(&signed_text, buffer_bytes(&scram->first_bare));
    buffer_append_char(&signed_text, ',');
    buffer_append(&signed_text, buffer_bytes(&scram->server_first));
    buffer_append_char(&signed_text, ',');
    buffer_append(&signed_text, without_proof);
    if (buffer_is_failed(&signed_text) || buffer_is_failed(&scram->first_bare)) {
        buffer_fail(out);
        return SASL_SERVER_SCRAM_WRONG;
    }
    bool is_right = is_proved(scram, buffer_bytes(&proof), buffer_bytes(&signed_text));
    if (!is_bound_to_us(scram, binding) || !secret_equal(nonce, buffer_bytes(&scram->nonce)) ||
        !is_right || !say_final(scram, buffer_bytes(&signed_text), out))
        return SASL_SERVER_SCRAM_WRONG;
    return SASL_SERVER_SCRAM_GOOD;
}
