/* Chooses mechanisms and hands each step to whoever does the mechanism. */
#include "sasl/sasl_client.h"

#include <stdlib.h>

#include "base/utf8.h"
#include "sasl/sasl_gnu.h"
#include "sasl/sasl_mechanism.h"
#include "sasl/sasl_oauth.h"
#include "sasl/sasl_scram.h"

/* The bit of a mechanism in sasl_attempts is its rank; the user's own has one behind all of them.
 */
enum {
    OWN_RANK = 31,
    REASON_SIZE = 201, /* what is shown of a server's reason, and a NUL */
};

/* What the exchange has come to. */
enum stage {
    STAGE_START = 0,
    STAGE_RUNNING,
    STAGE_SAID_ALL,
    STAGE_FAILED
};

struct sasl_client {
    const struct sasl_mechanism *mechanism; /* NULL: the user's own */
    const struct ph_login *login;
    const struct sasl_place *place;
    struct sasl_gnu *gnu;
    struct sasl_scram *scram;
    enum stage stage;
    char reason[REASON_SIZE];
};

/* ---- choosing ---- */

enum verdict {
    VERDICT_GOOD = 0,
    VERDICT_UNFIT,
    VERDICT_IN_CLEAR
};

static bool is_in(const char *names, struct bytes wanted)
{
    struct bytes list = bytes_from_string(names);
    struct bytes name;
    for (unsigned seen = 0; seen < SASL_MECHANISMS_MAX && sasl_mechanism_next_name(&list, &name);
         seen++) {
        if (bytes_equal_ignoring_case(name, wanted))
            return true;
    }
    return false;
}

static bool has_binding(const struct sasl_place *place)
{
    return place->facts != NULL && place->facts->binding_name != NULL &&
           place->facts->binding_length > 0;
}

/* Neither somebody on the way nor somebody in the server's place reads along. */
static bool keeps_secrets(const struct sasl_place *place)
{
    return place->is_encrypted && (place->facts == NULL || !place->facts->is_unverified);
}

static bool fits_external(const struct ph_login *login, const struct sasl_place *place)
{
    /* Whoever names it knows of other proofs than a certificate, such as a Unix socket's. */
    if (login->mechanisms != NULL)
        return true;
    return place->facts != NULL && place->facts->has_client_certificate &&
           login->password == NULL && login->access_token == NULL;
}

static bool fits_login(const struct sasl_mechanism *mechanism, const struct ph_login *login,
                       const struct sasl_place *place)
{
    if (mechanism->needs_password && (login->user == NULL || login->password == NULL))
        return false;
    if (mechanism->needs_token && login->access_token == NULL)
        return false;
    if (login->authorization_id != NULL && !mechanism->carries_authorization_id)
        return false;
    switch (mechanism->family) {
    case SASL_FAMILY_EXTERNAL:
        return fits_external(login, place);
    case SASL_FAMILY_SCRAM_PLUS:
        return has_binding(place);
    case SASL_FAMILY_XOAUTH2:
        return login->user != NULL || login->authorization_id != NULL;
    default:
        return true;
    }
}

static enum verdict judge(const struct sasl_mechanism *mechanism, const struct ph_login *login,
                          const struct sasl_place *place, const char *offered)
{
    if (!is_in(offered, bytes_from_string(mechanism->name)) || !fits_login(mechanism, login, place))
        return VERDICT_UNFIT;
    if (mechanism->shows_secret && !keeps_secrets(place) && !login->allow_cleartext)
        return VERDICT_IN_CLEAR;
    return VERDICT_GOOD;
}

/* The mechanisms to look at, one a call: the user's list in its order, or all by rank. */
static const struct sasl_mechanism *next_candidate(const struct ph_login *login, struct bytes *list,
                                                   size_t *rank)
{
    if (login->mechanisms == NULL)
        return sasl_mechanism_at((*rank)++);
    struct bytes name;
    while (sasl_mechanism_next_name(list, &name)) {
        const struct sasl_mechanism *mechanism = sasl_mechanism_find(name);
        if (mechanism != NULL)
            return mechanism;
    }
    return NULL;
}

static const char *refuse_choice(const struct sasl_attempts *attempts,
                                 const struct sasl_place *place, bool is_in_clear,
                                 const char *offered, struct fault *fault)
{
    if (is_in_clear && place->is_encrypted)
        fault_set(fault, FAULT_DENIED,
                  "the server's certificate was not verified, and its login mechanisms (%.100s) "
                  "would show it the secret: have it verified, or allow logins in clear",
                  offered);
    else if (is_in_clear)
        fault_set(fault, FAULT_DENIED,
                  "the connection is not encrypted, and the server's login mechanisms (%.100s) "
                  "would show the secret: use TLS, or allow logins in clear",
                  offered);
    else if (attempts->tried != 0)
        fault_set(fault, FAULT_PERMANENT,
                  "no login mechanism is left to try of those offered: %.100s", offered);
    else if (*offered == '\0')
        fault_set(fault, FAULT_PERMANENT, "the server offers no login here");
    else
        fault_set(fault, FAULT_PERMANENT,
                  "the server offers no login mechanism that this login can use, only: %.100s",
                  offered);
    return NULL;
}

const char *sasl_client_choose(struct sasl_attempts *attempts, const struct ph_login *login,
                               const struct sasl_place *place, const char *offered,
                               struct fault *fault)
{
    const unsigned own_bit = 1u << OWN_RANK;
    if (login->own != NULL && (attempts->tried & own_bit) == 0 &&
        is_in(offered, bytes_from_string(login->own->name))) {
        attempts->tried |= own_bit;
        return login->own->name;
    }
    bool is_in_clear = false;
    struct bytes list = bytes_from_string(login->mechanisms);
    size_t rank = 0;
    const struct sasl_mechanism *mechanism;
    while ((mechanism = next_candidate(login, &list, &rank)) != NULL) {
        unsigned bit = 1u << (mechanism - sasl_mechanism_at(0));
        if ((attempts->tried & bit) != 0)
            continue;
        switch (judge(mechanism, login, place, offered)) {
        case VERDICT_GOOD:
            attempts->tried |= bit;
            return mechanism->name;
        case VERDICT_IN_CLEAR:
            is_in_clear = true;
            break;
        case VERDICT_UNFIT:
            break;
        }
    }
    return refuse_choice(attempts, place, is_in_clear, offered, fault);
}

bool sasl_client_may_fall_back(const char *refused, const char *next,
                               const struct sasl_place *place)
{
    if (keeps_secrets(place))
        return true;
    const struct sasl_mechanism *given = sasl_mechanism_find(bytes_from_string(refused));
    const struct sasl_mechanism *wanted = sasl_mechanism_find(bytes_from_string(next));
    if (wanted == NULL)
        return true;
    /* CRAM-MD5 shows no password but lets it be guessed at great speed. */
    if (!wanted->shows_secret && wanted->family != SASL_FAMILY_CRAM_MD5)
        return true;
    return given != NULL && given->shows_secret && given->needs_password == wanted->needs_password;
}

void sasl_client_note_refusal(struct sasl_attempts *attempts, const struct ph_login *login,
                              const char *mechanism)
{
    const struct sasl_mechanism *refused = sasl_mechanism_find(bytes_from_string(mechanism));
    if (refused == NULL || login->mechanisms != NULL)
        return;
    attempts->refusals++;
    if (!refused->shows_secret && attempts->refusals < 2)
        return;
    const struct sasl_mechanism *other;
    for (size_t rank = 0; (other = sasl_mechanism_at(rank)) != NULL; rank++) {
        if (other->needs_password == refused->needs_password &&
            other->needs_token == refused->needs_token)
            attempts->tried |= 1u << rank;
    }
}

/* ---- the exchange ---- */

static enum sasl_scram_binding choose_binding(const struct sasl_mechanism *mechanism,
                                              const struct sasl_place *place)
{
    if (mechanism->family == SASL_FAMILY_SCRAM_PLUS)
        return SASL_SCRAM_BOUND;
    /* RFC 5802 6: "y" when we could bind and the server does not offer it. Where it does offer it,
     * its -PLUS was refused or is not wanted, and "y" would be taken for an attack. */
    if (!has_binding(place) || place->offered == NULL ||
        is_in(place->offered, BYTES("SCRAM-SHA-256-PLUS")) ||
        is_in(place->offered, BYTES("SCRAM-SHA-1-PLUS")))
        return SASL_SCRAM_UNBOUND;
    return SASL_SCRAM_SERVER_CANNOT;
}

static bool start_scram(struct sasl_client *client, struct fault *fault)
{
    struct sasl_scram_login login = {
        .digest = client->mechanism->digest,
        .user = client->login->user,
        .password = client->login->password,
        .authorization_id = client->login->authorization_id,
        .binding = choose_binding(client->mechanism, client->place),
    };
    if (login.binding == SASL_SCRAM_BOUND) {
        login.binding_name = client->place->facts->binding_name;
        login.binding_data =
            bytes_of(client->place->facts->binding, client->place->facts->binding_length);
    }
    client->scram = sasl_scram_new(&login, fault);
    return client->scram != NULL;
}

static bool start_mechanism(struct sasl_client *client, struct fault *fault)
{
    switch (client->mechanism->family) {
    case SASL_FAMILY_SCRAM_PLUS:
    case SASL_FAMILY_SCRAM:
        return start_scram(client, fault);
    case SASL_FAMILY_OAUTHBEARER:
    case SASL_FAMILY_XOAUTH2:
        return true;
    default:
        client->gnu = sasl_gnu_new(client->mechanism->name, client->login, fault);
        return client->gnu != NULL;
    }
}

static bool check_text(const char *text, const char *what, size_t limit, struct fault *fault)
{
    struct bytes bytes = bytes_from_string(text);
    if (bytes.length > limit)
        return fault_set(fault, FAULT_LIMIT, "the %s is longer than %zu bytes", what, limit);
    return utf8_is_valid(bytes) || fault_set(fault, FAULT_SYNTAX, "the %s is not UTF-8", what);
}

static bool check_login(const char *mechanism, const struct sasl_client *client,
                        struct fault *fault)
{
    if (client->mechanism == NULL)
        return fault_set(fault, FAULT_PERMANENT, "the mechanism %.40s is not known", mechanism);
    if (!fits_login(client->mechanism, client->login, client->place))
        return fault_set(fault, FAULT_PERMANENT, "the login has not what %s needs", mechanism);
    const struct ph_login *login = client->login;
    return check_text(login->user, "user name", SASL_NAME_MAX, fault) &&
           check_text(login->authorization_id, "identity to act as", SASL_NAME_MAX, fault) &&
           check_text(login->password, "password", SASL_SECRET_MAX, fault) &&
           check_text(login->access_token, "access token", SASL_SECRET_MAX, fault);
}

struct sasl_client *sasl_client_new(const char *mechanism, const struct ph_login *login,
                                    const struct sasl_place *place, struct fault *fault)
{
    struct sasl_client *client = calloc(1, sizeof *client);
    if (client == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    client->login = login;
    client->place = place;
    if (login->own != NULL && bytes_equal_ignoring_case(bytes_from_string(login->own->name),
                                                        bytes_from_string(mechanism)))
        return client;
    client->mechanism = sasl_mechanism_find(bytes_from_string(mechanism));
    if (!check_login(mechanism, client, fault) || !start_mechanism(client, fault)) {
        sasl_client_free(client);
        return NULL;
    }
    return client;
}

void sasl_client_free(struct sasl_client *client)
{
    if (client == NULL)
        return;
    sasl_gnu_free(client->gnu);
    sasl_scram_free(client->scram);
    free(client);
}

bool sasl_client_speaks_first(const struct sasl_client *client)
{
    return client->mechanism == NULL ? client->login->own->has_initial_response
                                     : client->mechanism->speaks_first;
}

static bool step_own(struct sasl_client *client, struct bytes challenge, struct buffer *response,
                     struct fault *fault)
{
    const struct ph_mechanism *own = client->login->own;
    size_t size = buffer_room(response);
    if (size > SASL_RESPONSE_MAX)
        size = SASL_RESPONSE_MAX;
    char *memory = buffer_reserve(response, size);
    if (memory == NULL)
        return fault_set_memory(fault);
    size_t length = 0;
    if (!own->step(own->context, challenge.data, challenge.length, memory, size, &length))
        return fault_set(fault, FAULT_DENIED, "the mechanism %.40s gave up", own->name);
    if (length > size)
        return fault_set(fault, FAULT_BUG, "the mechanism %.40s wrote past its buffer", own->name);
    buffer_commit(response, length);
    return true;
}

/* It goes into sentences for people, so that nothing may steer a terminal there. */
static void keep_reason(struct sasl_client *client, struct bytes challenge)
{
    size_t length = 0;
    for (; length < challenge.length && length < sizeof client->reason - 1; length++) {
        char c = challenge.data[length];
        client->reason[length] = c >= ' ' && c <= '~' ? c : '?';
    }
    client->reason[length] = '\0';
}

const char *sasl_client_reason(const struct sasl_client *client)
{
    return client->reason;
}

static bool step_oauth(struct sasl_client *client, struct bytes challenge, struct buffer *response,
                       struct fault *fault)
{
    bool is_bearer = client->mechanism->family == SASL_FAMILY_OAUTHBEARER;
    if (client->stage == STAGE_RUNNING) {
        /* The challenge is the reason of a refusal. It wants an answer that says nothing, upon
         * which the server ends the exchange (RFC 7628 3.2.3). */
        keep_reason(client, challenge);
        if (is_bearer)
            buffer_append_char(response, 0x01);
        client->stage = STAGE_SAID_ALL;
        return true;
    }
    const struct ph_login *login = client->login;
    struct sasl_oauth_login oauth = {
        .identity = login->authorization_id != NULL ? login->authorization_id : login->user,
        .token = login->access_token,
        .host = client->place->host,
        .port = client->place->port,
    };
    return is_bearer ? sasl_oauth_bearer_response(&oauth, response, fault)
                     : sasl_oauth_xoauth2_response(&oauth, response, fault);
}

static bool step_gnu(struct sasl_client *client, struct bytes challenge, struct buffer *response,
                     struct fault *fault)
{
    if (client->mechanism->family == SASL_FAMILY_CRAM_MD5 &&
        (bytes_is_empty(challenge) || bytes_has_char(challenge, '\0')))
        return fault_set(fault, FAULT_SYNTAX, "the server's CRAM-MD5 challenge cannot be used");
    /* The prompts of LOGIN are worded as each server likes: first comes the user, then the
     * password. */
    if (client->mechanism->family != SASL_FAMILY_CRAM_MD5)
        challenge = BYTES("");
    if (!sasl_gnu_step(client->gnu, challenge, response, fault))
        return false;
    if (sasl_gnu_is_finished(client->gnu))
        client->stage = STAGE_SAID_ALL;
    return true;
}

static bool step(struct sasl_client *client, struct bytes challenge, struct buffer *response,
                 struct fault *fault)
{
    if (challenge.length > SASL_CHALLENGE_MAX)
        return fault_set(fault, FAULT_LIMIT, "the server's challenge is longer than %u bytes",
                         (unsigned)SASL_CHALLENGE_MAX);
    if (challenge.data == NULL && !sasl_client_speaks_first(client))
        return fault_set(fault, FAULT_BUG, "the server has the first word in this mechanism");
    if (client->stage == STAGE_SAID_ALL || client->stage == STAGE_FAILED)
        return fault_set(fault, FAULT_SYNTAX, "the server goes on where the login has ended");
    if (client->mechanism == NULL)
        return step_own(client, challenge, response, fault);
    if (client->scram != NULL)
        return sasl_scram_step(client->scram, challenge, response, fault);
    if (client->gnu != NULL)
        return step_gnu(client, challenge, response, fault);
    return step_oauth(client, challenge, response, fault);
}

bool sasl_client_step(struct sasl_client *client, struct bytes challenge, struct buffer *response,
                      struct fault *fault)
{
    if (!step(client, challenge, response, fault)) {
        client->stage = STAGE_FAILED;
        return false;
    }
    if (buffer_is_failed(response)) {
        client->stage = STAGE_FAILED;
        return fault_set_memory(fault);
    }
    if (client->stage == STAGE_START)
        client->stage = STAGE_RUNNING;
    return true;
}

bool sasl_client_finish(struct sasl_client *client, struct fault *fault)
{
    if (client->stage == STAGE_FAILED || client->stage == STAGE_START)
        return fault_set(fault, FAULT_DENIED, "the server ended the login before its time");
    /* RFC 5802 5: without the server's signature anybody could have said success. */
    if (client->scram != NULL && !sasl_scram_is_finished(client->scram))
        return fault_set(fault, FAULT_DENIED,
                         "the server did not prove that it knows the password: it is not who it "
                         "should be");
    if (client->gnu != NULL && !sasl_gnu_is_finished(client->gnu))
        return fault_set(fault, FAULT_DENIED, "the server ended the login before its time");
    return true;
}
