/* The mechanisms of the server: a table, and the steps of each. */
#include "sasl/sasl_server.h"

#include <stdlib.h>

#include "base/secret.h"
#include "sasl/sasl_name.h"
#include "sasl/sasl_server_scram.h"

enum {
    RESPONSE_MAX = 16 * 1024, /* bytes of one decoded response */
    NAME_MAX_BYTES = 1024,    /* of a user name or an identity, RFC 4616 2 */
    PASSWORD_MAX = 4096,      /* bytes */
    BINDING_MAX = 64          /* bytes of channel binding data, and of its name */
};

enum family {
    FAMILY_SCRAM,
    FAMILY_PLAIN,
    FAMILY_LOGIN
};

/* The strongest first. */
static const struct mechanism {
    struct bytes name;
    enum family family;
    enum sasl_verifier_digest digest;
    bool is_bound;
} mechanisms[] = {
    {BYTES_INIT("SCRAM-SHA-256-PLUS"), FAMILY_SCRAM, SASL_VERIFIER_SHA_256, true},
    {BYTES_INIT("SCRAM-SHA-1-PLUS"), FAMILY_SCRAM, SASL_VERIFIER_SHA_1, true},
    {BYTES_INIT("SCRAM-SHA-256"), FAMILY_SCRAM, SASL_VERIFIER_SHA_256, false},
    {BYTES_INIT("SCRAM-SHA-1"), FAMILY_SCRAM, SASL_VERIFIER_SHA_1, false},
    {BYTES_INIT("PLAIN"), FAMILY_PLAIN, SASL_VERIFIER_SHA_256, false},
    {BYTES_INIT("LOGIN"), FAMILY_LOGIN, SASL_VERIFIER_SHA_256, false},
};

enum stage {
    STAGE_FIRST = 0,      /* nothing heard yet */
    STAGE_LOGIN_PASSWORD, /* LOGIN: the user is known */
    STAGE_VERIFIER,       /* the host looks the user up */
    STAGE_VERDICT,        /* the host judges the password */
    STAGE_PROOF,          /* SCRAM: client-final-message comes */
    STAGE_OVER
};

struct sasl_server {
    const struct mechanism *mechanism;
    enum stage stage;
    char binding_name[BINDING_MAX];
    char binding[BINDING_MAX];
    struct buffer user;
    struct buffer password;
    struct buffer authorization;
    struct sasl_server_scram scram;
};

static bool is_usable(const struct mechanism *mechanism, const struct sasl_server_place *place)
{
    if (mechanism->family != FAMILY_SCRAM)
        return place->is_encrypted || place->allows_clear;
    /* SCRAM in clear lets a listener guess passwords at leisure, so it needs TLS as well. */
    if (place->wants_password || !(place->is_encrypted || place->allows_clear))
        return false;
    return !mechanism->is_bound || (place->is_encrypted && place->binding_name != NULL);
}

void sasl_server_offer(const struct sasl_server_place *place, struct buffer *out)
{
    bool is_first = true;
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (!is_usable(&mechanisms[i], place))
            continue;
        if (!is_first)
            buffer_append_char(out, ' ');
        buffer_append(out, mechanisms[i].name);
        is_first = false;
    }
}

static bool open_scram(struct sasl_server *server, const struct sasl_server_place *place,
                       struct fault *fault)
{
    struct bytes name = bytes_from_string(place->binding_name);
    bool can_bind = place->is_encrypted && place->binding_name != NULL &&
                    name.length <= BINDING_MAX && place->binding.length <= BINDING_MAX;
    struct sasl_server_scram_place scram_place = {.is_bound = server->mechanism->is_bound,
                                                  .offers_binding = can_bind};
    if (can_bind) {
        memcpy(server->binding_name, name.data, name.length);
        if (place->binding.length > 0)
            memcpy(server->binding, place->binding.data, place->binding.length);
        scram_place.binding_name = bytes_of(server->binding_name, name.length);
        scram_place.binding = bytes_of(server->binding, place->binding.length);
    }
    return sasl_server_scram_init(
        &server->scram,
        server->mechanism->digest == SASL_VERIFIER_SHA_1 ? &sasl_scram_sha_1 : &sasl_scram_sha_256,
        &scram_place, NULL, fault);
}

struct sasl_server *sasl_server_new(struct bytes mechanism, const struct sasl_server_place *place,
                                    struct fault *fault)
{
    const struct mechanism *found = NULL;
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (bytes_equal_ignoring_case(mechanism, mechanisms[i].name) &&
            is_usable(&mechanisms[i], place))
            found = &mechanisms[i];
    }
    if (found == NULL) {
        fault_set(fault, FAULT_SYNTAX, "this mechanism is not offered here");
        return NULL;
    }
    struct sasl_server *server = calloc(1, sizeof *server);
    if (server == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    server->mechanism = found;
    buffer_init_secret(&server->user, NAME_MAX_BYTES);
    buffer_init_secret(&server->password, PASSWORD_MAX);
    buffer_init_secret(&server->authorization, NAME_MAX_BYTES);
    if (found->family == FAMILY_SCRAM && !open_scram(server, place, fault)) {
        sasl_server_free(server);
        return NULL;
    }
    return server;
}

void sasl_server_free(struct sasl_server *server)
{
    if (server == NULL)
        return;
    buffer_clear(&server->user);
    buffer_clear(&server->password);
    buffer_clear(&server->authorization);
    sasl_server_scram_clear(&server->scram);
    free(server);
}

/* Puts the name in its prepared form (RFC 4616 2, RFC 5802 5.1). One that cannot be prepared stays
 * as it is: nobody has it. */
static bool prepare_name(struct buffer *name)
{
    AUTO(buffer)
    prepared = SECRET_BUFFER(NAME_MAX_BYTES);
    const char *text = buffer_string(name);
    if (text == NULL)
        return false;
    if (sasl_name_prepare(text, "user name", &prepared, NULL)) {
        buffer_reset(name);
        buffer_append(name, buffer_bytes(&prepared));
    }
    return !buffer_is_failed(name) && !buffer_is_failed(&prepared);
}

/* RFC 4616 2: identity NUL user NUL password. */
static enum sasl_server_status hear_plain(struct sasl_server *server, struct bytes response)
{
    struct bytes identity, user, password;
    bytes_split(response, '\0', &identity, &user);
    if (!bytes_split(user, '\0', &user, &password) || user.length == 0 || password.length == 0 ||
        bytes_has_char(password, '\0'))
        return SASL_SERVER_BROKEN;
    buffer_append(&server->authorization, identity);
    buffer_append(&server->user, user);
    buffer_append(&server->password, password);
    if (buffer_is_failed(&server->password) || !prepare_name(&server->user) ||
        (identity.length > 0 && !prepare_name(&server->authorization)))
        return SASL_SERVER_BROKEN;
    server->stage = STAGE_VERDICT;
    return SASL_SERVER_NEEDS_VERDICT;
}

static enum sasl_server_status hear_login(struct sasl_server *server, struct bytes response)
{
    if (response.length == 0 || bytes_has_char(response, '\0'))
        return SASL_SERVER_BROKEN;
    if (server->stage == STAGE_LOGIN_PASSWORD) {
        buffer_append(&server->password, response);
        if (buffer_is_failed(&server->password))
            return SASL_SERVER_BROKEN;
        server->stage = STAGE_VERDICT;
        return SASL_SERVER_NEEDS_VERDICT;
    }
    buffer_append(&server->user, response);
    if (!prepare_name(&server->user))
        return SASL_SERVER_BROKEN;
    server->stage = STAGE_LOGIN_PASSWORD;
    return SASL_SERVER_CHALLENGE;
}

static enum sasl_server_status hear_scram(struct sasl_server *server, struct bytes response,
                                          struct buffer *challenge)
{
    enum sasl_server_scram_verdict verdict;
    if (server->stage == STAGE_FIRST) {
        verdict = sasl_server_scram_hear_first(&server->scram, response, &server->user,
                                               &server->authorization);
        if (verdict == SASL_SERVER_SCRAM_GOOD) {
            bool has_identity = server->authorization.length > 0;
            if (!prepare_name(&server->user) ||
                (has_identity && !prepare_name(&server->authorization)))
                return SASL_SERVER_BROKEN;
            server->stage = STAGE_VERIFIER;
            return SASL_SERVER_NEEDS_VERIFIER;
        }
    } else {
        verdict = sasl_server_scram_hear_final(&server->scram, response, challenge);
    }
    switch (verdict) {
    case SASL_SERVER_SCRAM_GOOD:
        return SASL_SERVER_ACCEPTED;
    case SASL_SERVER_SCRAM_WRONG:
        return SASL_SERVER_REFUSED;
    case SASL_SERVER_SCRAM_BROKEN:
        break;
    }
    return SASL_SERVER_BROKEN;
}

static enum sasl_server_status hear(struct sasl_server *server, struct bytes response,
                                    struct buffer *challenge)
{
    bool is_waiting_for_response = server->stage == STAGE_FIRST ||
                                   server->stage == STAGE_LOGIN_PASSWORD ||
                                   server->stage == STAGE_PROOF;
    if (!is_waiting_for_response || response.length > RESPONSE_MAX)
        return SASL_SERVER_BROKEN;
    switch (server->mechanism->family) {
    case FAMILY_PLAIN:
        return hear_plain(server, response);
    case FAMILY_LOGIN:
        return hear_login(server, response);
    case FAMILY_SCRAM:
        break;
    }
    return hear_scram(server, response, challenge);
}

/* What ended has ended: only a step that is asked for comes after this one. */
static enum sasl_server_status settle(struct sasl_server *server, enum sasl_server_status status)
{
    if (status == SASL_SERVER_ACCEPTED || status == SASL_SERVER_REFUSED ||
        status == SASL_SERVER_BROKEN) {
        server->stage = STAGE_OVER;
        buffer_clear(&server->password);
    }
    return status;
}

enum sasl_server_status sasl_server_step(struct sasl_server *server, struct bytes response,
                                         struct buffer *challenge)
{
    bool is_login = server->mechanism->family == FAMILY_LOGIN;
    /* Without an initial response the first challenge is empty, but LOGIN asks in words
       (draft-murchison-sasl-login 2). */
    if (server->stage == STAGE_FIRST && response.data == NULL) {
        if (is_login)
            buffer_append(challenge, BYTES("Username:"));
        return SASL_SERVER_CHALLENGE;
    }
    enum sasl_server_status status = hear(server, response, challenge);
    if (is_login && status == SASL_SERVER_CHALLENGE)
        buffer_append(challenge, BYTES("Password:"));
    return settle(server, status);
}

enum sasl_server_status sasl_server_give_verifier(struct sasl_server *server,
                                                  const struct sasl_verifier *verifier,
                                                  bool is_real, struct buffer *challenge)
{
    if (server->stage != STAGE_VERIFIER || verifier->digest != server->mechanism->digest)
        return settle(server, SASL_SERVER_BROKEN);
    sasl_server_scram_say_first(&server->scram, verifier, is_real, challenge);
    server->stage = STAGE_PROOF;
    return SASL_SERVER_CHALLENGE;
}

enum sasl_server_status sasl_server_give_verdict(struct sasl_server *server, bool is_right)
{
    if (server->stage != STAGE_VERDICT)
        return settle(server, SASL_SERVER_BROKEN);
    return settle(server, is_right ? SASL_SERVER_ACCEPTED : SASL_SERVER_REFUSED);
}

enum sasl_verifier_digest sasl_server_digest(const struct sasl_server *server)
{
    return server->mechanism->digest;
}

struct bytes sasl_server_user(const struct sasl_server *server)
{
    return buffer_bytes(&server->user);
}

struct bytes sasl_server_password(const struct sasl_server *server)
{
    return server->stage == STAGE_VERDICT ? buffer_bytes(&server->password) : BYTES("");
}

struct bytes sasl_server_authorization(const struct sasl_server *server)
{
    return buffer_bytes(&server->authorization);
}
