/* A login is one worker job at a time and one span of waiting at a time, before the job for earlier
 * failures, after it for its own. */
#include "session/session_login.h"

#include <stdlib.h>

#include "base/secret.h"

enum {
    CHALLENGE_MAX = 16 * 1024 /* bytes of a challenge before base64 */
};

/* What goes on. */
enum login_phase {
    LOGIN_IDLE = 0, /* the outcome of the last step is there, or nothing was begun */
    LOGIN_DELAYED,  /* the step waits because of earlier failures */
    LOGIN_WORKING,  /* a worker has it */
    LOGIN_HELD_BACK /* it was refused, which is not told yet */
};

struct session_login {
    struct worker_job job;
    struct session_services *services;
    struct session_identity identity;
    struct loop_task *told; /* NULL: the session is gone */

    enum login_phase phase;
    enum session_login_status status;
    int64_t deadline; /* of the delay */
    int64_t began;    /* the worker's step */

    struct auth_exchange *exchange;
    char mechanism[32]; /* for the log; "" = user and password */
    struct buffer response;
    bool has_response;
    bool has_waited; /* one delay for a login, however many steps it has */
    struct buffer challenge;
    enum auth_status result; /* of the worker's step */
    /* Borrowed by the exchange. */
    char binding_name[SESSION_TLS_BINDING_NAME_SIZE];
    unsigned char binding[ENGINE_BINDING_MAX];
};

struct session_login *session_login_new(struct session_services *services,
                                        const struct session_identity *identity,
                                        struct loop_task *told, struct fault *fault)
{
    struct session_login *login = calloc(1, sizeof(*login));
    if (login == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    login->services = services;
    login->identity = *identity;
    login->told = told;
    buffer_init_secret(&login->response, SMTP_SERVER_RESPONSE_MAX);
    buffer_init_secret(&login->challenge, CHALLENGE_MAX);
    return login;
}

static void free_now(struct session_login *login)
{
    auth_exchange_free(login->exchange);
    buffer_clear(&login->response);
    buffer_clear(&login->challenge);
    free(login);
}

void session_login_free(struct session_login *login)
{
    if (login == NULL)
        return;
    login->told = NULL;
    if (login->phase != LOGIN_WORKING)
        free_now(login);
}

/* Log lines name who tried; never what with. */
static void log_outcome(const struct session_login *login, enum log_level level, const char *event,
                        const char *reason)
{
    struct log_line line;
    session_identity_log(&login->identity, login->services, level, event, &line);
    log_text(&line, "user", auth_exchange_user(login->exchange));
    log_string(&line, "mechanism", login->mechanism[0] == '\0' ? "plain" : login->mechanism);
    log_string(&line, "peer", login->identity.peer);
    if (reason != NULL)
        log_string(&line, "reason", reason);
    log_end(&line);
}

static enum session_login_status settle(struct session_login *login,
                                        enum session_login_status status)
{
    login->phase = LOGIN_IDLE;
    login->status = status;
    return status;
}

/* ---- the worker's step ---- */

static void work(struct worker_job *job, void *context)
{
    struct session_login *login = (struct session_login *)job;
    struct bytes response =
        login->has_response ? buffer_bytes(&login->response) : (struct bytes){0};
    login->result = auth_exchange_step(login->exchange, context, response, &login->challenge);
    if (login->result == AUTH_CHALLENGE && buffer_is_failed(&login->challenge))
        login->result = AUTH_UNAVAILABLE;
}

/* The delay counts from where the step began: how long it took may tell whether there is such a
   user, and with which kind of hash. */
static void hold_back(struct session_login *login, int64_t now)
{
    log_outcome(login, LOG_LEVEL_WARNING, "login-refused", NULL);
    int64_t delay =
        auth_throttle_failed(login->services->throttle, auth_exchange_user(login->exchange),
                             bytes_from_string(login->identity.prefix), now);
    login->phase = LOGIN_HELD_BACK;
    login->deadline = login->began + delay;
    if (login->deadline <= now)
        settle(login, SESSION_LOGIN_REFUSED);
}

static void hear_result(struct session_login *login, int64_t now)
{
    switch (login->result) {
    case AUTH_CHALLENGE:
        settle(login, SESSION_LOGIN_CHALLENGE);
        return;
    case AUTH_ACCEPTED:
        auth_throttle_succeeded(login->services->throttle, auth_exchange_user(login->exchange),
                                bytes_from_string(login->identity.prefix));
        log_outcome(login, LOG_LEVEL_INFO, "login", NULL);
        settle(login, SESSION_LOGIN_ACCEPTED);
        return;
    case AUTH_REFUSED:
        hold_back(login, now);
        return;
    case AUTH_BROKEN:
        log_outcome(login, LOG_LEVEL_INFO, "login-broken", NULL);
        settle(login, SESSION_LOGIN_BROKEN);
        return;
    case AUTH_UNAVAILABLE:
        log_outcome(login, LOG_LEVEL_WARNING, "login-unavailable", "the store cannot be read");
        settle(login, SESSION_LOGIN_UNAVAILABLE);
        return;
    }
}

static void come_back(struct loop_task *task)
{
    struct session_login *login =
        (struct session_login *)((char *)task - offsetof(struct session_login, job.done));
    buffer_clear(&login->response);
    login->phase = LOGIN_IDLE;
    /* A guess counts, also of a client that did not stay for the answer. */
    hear_result(login, loop_now(login->identity.loop));
    if (login->told == NULL)
        free_now(login);
    else
        login->told->run(login->told);
}

static enum session_login_status submit(struct session_login *login)
{
    login->phase = LOGIN_WORKING;
    login->status = SESSION_LOGIN_WAITS;
    login->began = loop_now(login->identity.loop);
    buffer_reset(&login->challenge);
    login->job =
        (struct worker_job){.run = work, .done = {.run = come_back}, .loop = login->identity.loop};
    worker_submit(login->services->workers, &login->job);
    return SESSION_LOGIN_WAITS;
}

/* Submits the step, or waits first when this user, or this network, failed a short while ago. Steps
   that come before the user is known prove nothing, and whoever logged in well from there before
   must not wait for others' failures. */
static enum session_login_status submit_later(struct session_login *login, struct bytes user,
                                              int64_t now)
{
    if (login->has_waited || bytes_is_empty(user))
        return submit(login);
    int64_t wait = auth_throttle_wait(login->services->throttle, user,
                                      bytes_from_string(login->identity.prefix), now);
    if (wait <= 0)
        return submit(login);
    login->has_waited = true;
    login->phase = LOGIN_DELAYED;
    login->status = SESSION_LOGIN_WAITS;
    login->deadline = now + wait;
    return SESSION_LOGIN_WAITS;
}

/* ---- the session's calls ---- */

/* The user that a response of PLAIN names (RFC 4616 2), so that a login which is one step is
   delayed by account too; empty where it names none. */
static struct bytes user_of_plain(struct bytes response)
{
    struct bytes authorization, user, password;
    if (!bytes_split(response, '\0', &authorization, &response) ||
        !bytes_split(response, '\0', &user, &password))
        return BYTES("");
    return user;
}

/* Who tries, as far as that is known before the step. */
static struct bytes user_so_far(const struct session_login *login)
{
    struct bytes user = auth_exchange_user(login->exchange);
    if (bytes_is_empty(user) && strcmp(login->mechanism, "PLAIN") == 0 && login->has_response)
        user = user_of_plain(buffer_bytes(&login->response));
    return user;
}

static bool keep_response(struct session_login *login, struct bytes response)
{
    buffer_reset(&login->response);
    login->has_response = response.data != NULL;
    buffer_append(&login->response, response);
    return !buffer_is_failed(&login->response);
}

static enum session_login_status fail(struct session_login *login, const struct fault *fault,
                                      int64_t now)
{
    session_services_tell_trouble(login->services, SESSION_TROUBLE_MEMORY, login->identity.id,
                                  fault, now);
    return settle(login, SESSION_LOGIN_UNAVAILABLE);
}

/* The place, with what the exchange borrows kept here. */
static struct sasl_server_place keep_place(struct session_login *login,
                                           const struct sasl_server_place *place)
{
    struct sasl_server_place kept = *place;
    kept.binding_name = NULL;
    kept.binding = BYTES("");
    if (place->binding_name != NULL && place->binding.length <= sizeof(login->binding) &&
        strlen(place->binding_name) < sizeof(login->binding_name)) {
        strcpy(login->binding_name, place->binding_name);
        if (place->binding.length > 0)
            memcpy(login->binding, place->binding.data, place->binding.length);
        kept.binding_name = login->binding_name;
        kept.binding = bytes_of(login->binding, place->binding.length);
    }
    return kept;
}

enum session_login_status session_login_start(struct session_login *login, struct bytes mechanism,
                                              const struct sasl_server_place *place,
                                              struct bytes response, int64_t now)
{
    assert(login->exchange == NULL);
    if (mechanism.length >= sizeof(login->mechanism))
        return settle(login, SESSION_LOGIN_NO_MECHANISM);
    memcpy(login->mechanism, mechanism.data, mechanism.length);
    struct fault fault = {0};
    struct sasl_server_place kept = keep_place(login, place);
    login->exchange = auth_exchange_new(login->services->auth, mechanism, &kept, &fault);
    if (login->exchange == NULL && fault.kind == FAULT_SYNTAX)
        return settle(login, SESSION_LOGIN_NO_MECHANISM);
    if (login->exchange == NULL)
        return fail(login, &fault, now);
    return session_login_respond(login, response, now);
}

enum session_login_status session_login_start_plain(struct session_login *login, struct bytes user,
                                                    struct bytes password, int64_t now)
{
    assert(login->exchange == NULL);
    struct fault fault = {0};
    login->exchange = auth_exchange_new_plain(login->services->auth, user, password, &fault);
    if (login->exchange == NULL && fault.kind == FAULT_SYNTAX)
        return settle(login, SESSION_LOGIN_BROKEN);
    if (login->exchange == NULL)
        return fail(login, &fault, now);
    return submit_later(login, user, now);
}

enum session_login_status session_login_respond(struct session_login *login, struct bytes response,
                                                int64_t now)
{
    assert(login->phase == LOGIN_IDLE);
    struct fault fault = {0};
    if (!keep_response(login, response)) {
        fault_set_memory(&fault);
        return fail(login, &fault, now);
    }
    return submit_later(login, user_so_far(login), now);
}

int64_t session_login_deadline(const struct session_login *login)
{
    return login->phase == LOGIN_DELAYED || login->phase == LOGIN_HELD_BACK ? login->deadline
                                                                            : ENGINE_NEVER;
}

enum session_login_status session_login_tick(struct session_login *login, int64_t now)
{
    if (session_login_deadline(login) == ENGINE_NEVER || now < login->deadline)
        return login->status;
    if (login->phase == LOGIN_DELAYED)
        return submit(login);
    return settle(login, SESSION_LOGIN_REFUSED);
}

enum session_login_status session_login_status(const struct session_login *login)
{
    return login->status;
}

struct bytes session_login_challenge(const struct session_login *login)
{
    return buffer_bytes(&login->challenge);
}

const struct store_account *session_login_account(const struct session_login *login)
{
    return auth_exchange_account(login->exchange);
}
