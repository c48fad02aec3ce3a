/* The client's side of SASL against servers that say anything. The first byte is the mechanism, the
   second the place; what follows are challenges, one a line. Whatever a server says, the answers
   are bounded, a broken exchange stays broken, and SCRAM is only finished by somebody who knows the
   password. */
#include "sasl/sasl_client.h"

#include <stdint.h>
#include <stdlib.h>

#include "sasl/sasl_scram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    ROUND_DIGITS_MAX = 4, /* of "i=": the arithmetic of more costs time and finds nothing */
};

static const char *const mechanisms[] = {
    "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1",
    "OAUTHBEARER",        "XOAUTH2",          "PLAIN",         "LOGIN",
    "CRAM-MD5",           "EXTERNAL",
};

/* RFC 7677 3 */
static const struct bytes example_first = BYTES_INIT(
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
static const struct bytes example_proof =
    BYTES_INIT("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");

static void expect(bool is_so)
{
    if (!is_so)
        abort();
}

/* Takes the next challenge off the input, without digits that make too many rounds. */
static bool next_challenge(struct bytes *rest, struct buffer *challenge)
{
    struct bytes line;
    if (bytes_is_empty(*rest))
        return false;
    bytes_split(*rest, '\n', &line, rest);
    buffer_reset(challenge);
    size_t digits = 0;
    for (size_t i = 0; i < line.length; i++) {
        digits = line.data[i] >= '0' && line.data[i] <= '9' ? digits + 1 : 0;
        if (digits <= ROUND_DIGITS_MAX)
            buffer_append_char(challenge, line.data[i]);
    }
    return true;
}

/* The example of RFC 7677: its nonce is known, so that the input can get past the first message. */
static void play_known_nonce(struct bytes rest)
{
    const struct sasl_scram_login login = {
        .digest = "SHA256", .user = "user", .password = "pencil", .nonce = "rOprNGfwEbeRWgbNEkqO"};
    struct sasl_scram *scram = sasl_scram_new(&login, NULL);
    AUTO(buffer)
    challenge = BUFFER(SASL_CHALLENGE_MAX);
    AUTO(buffer)
    response = SECRET_BUFFER(SASL_RESPONSE_MAX);
    expect(scram != NULL && sasl_scram_step(scram, BYTES(""), &response, NULL));
    bool is_broken = false;
    bool is_example = false;
    while (next_challenge(&rest, &challenge)) {
        bool was_finished = sasl_scram_is_finished(scram);
        buffer_reset(&response);
        bool is_good = sasl_scram_step(scram, buffer_bytes(&challenge), &response, NULL);
        expect(!(is_good && (is_broken || was_finished)));
        expect(is_good || response.length == 0);
        is_broken = !is_good;
        /* Only the example itself has the right proof: one byte off, and it is somebody else. */
        expect(!sasl_scram_is_finished(scram) ||
               (is_example && bytes_starts_with(buffer_bytes(&challenge), example_proof)));
        is_example = bytes_equal(buffer_bytes(&challenge), example_first);
    }
    sasl_scram_free(scram);
}

static void play(const char *mechanism, const struct sasl_place *place, struct bytes rest)
{
    const struct ph_login login = {
        .user = "user", .password = "pencil", .access_token = "token", .mechanisms = mechanism};
    struct sasl_client *client = sasl_client_new(mechanism, &login, place, NULL);
    if (client == NULL)
        return;
    AUTO(buffer)
    challenge = BUFFER(SASL_CHALLENGE_MAX);
    AUTO(buffer)
    response = SECRET_BUFFER(SASL_RESPONSE_MAX);
    bool is_broken = false;
    while (next_challenge(&rest, &challenge)) {
        buffer_reset(&response);
        bool is_good = sasl_client_step(client, buffer_bytes(&challenge), &response, NULL);
        expect(!(is_good && is_broken));
        expect(response.length <= SASL_RESPONSE_MAX);
        is_broken = !is_good;
        /* A random nonce cannot be answered: nobody can finish this. */
        expect(mechanism[0] != 'S' || !sasl_client_finish(client, NULL));
    }
    expect(!is_broken || !sasl_client_finish(client, NULL));
    sasl_client_free(client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct ph_tls_facts facts = {.binding_name = "tls-exporter",
                                       .binding = (const unsigned char *)"0123456789abcdef",
                                       .binding_length = 16};
    const struct sasl_place place = {
        .service = "smtp",
        .host = "mx.example",
        .port = 587,
        .is_encrypted = true,
        .facts = data[1] % 2 == 0 ? &facts : NULL,
    };
    struct bytes rest = bytes_of(data + 2, size - 2);
    size_t which = data[0] % (sizeof mechanisms / sizeof mechanisms[0] + 1);
    if (which == sizeof mechanisms / sizeof mechanisms[0])
        play_known_nonce(rest);
    else
        play(mechanisms[which], &place, rest);

    /* The offer of a server is just as little to be trusted. */
    AUTO(buffer)
    offered = BUFFER(SASL_CHALLENGE_MAX);
    buffer_append(&offered, rest);
    const char *text = buffer_string(&offered);
    const struct ph_login login = {.user = "user", .password = "pencil"};
    struct sasl_attempts attempts = {0};
    struct fault fault;
    size_t chosen = 0;
    while (text != NULL && sasl_client_choose(&attempts, &login, &place, text, &fault) != NULL)
        chosen++;
    expect(chosen <= sizeof mechanisms / sizeof mechanisms[0]);
    return 0;
}
