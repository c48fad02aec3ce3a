/* A GNU SASL session, fed and emptied. */
#include "sasl/sasl_gnu.h"

#include <gsasl.h>
#include <stdlib.h>

#include "base/secret.h"

struct sasl_gnu {
    Gsasl *context;
    Gsasl_session *session;
    const struct ph_login *login;
    bool is_finished;
};

/* GNU SASL asks for a value when it first needs it. */
static int answer(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
    const struct sasl_gnu *gnu = gsasl_callback_hook_get(context);
    const char *value = NULL;
    switch (property) {
    case GSASL_AUTHID:
        value = gnu->login->user;
        break;
    case GSASL_AUTHZID:
        value = gnu->login->authorization_id;
        break;
    case GSASL_PASSWORD:
        value = gnu->login->password;
        break;
    default:
        break;
    }
    return value == NULL ? GSASL_NO_CALLBACK : gsasl_property_set(session, property, value);
}

static bool explain(int result, struct fault *fault)
{
    switch (result) {
    case GSASL_MALLOC_ERROR:
        return fault_set_memory(fault);
    case GSASL_SASLPREP_ERROR:
        return fault_set(
            fault, FAULT_SYNTAX,
            "the user name or the password has a character that SASLprep (RFC 4013) forbids");
    default:
        return fault_set(fault, FAULT_PERMANENT, "the login cannot go on: %s",
                         gsasl_strerror(result));
    }
}

struct sasl_gnu *sasl_gnu_new(const char *mechanism, const struct ph_login *login,
                              struct fault *fault)
{
    struct sasl_gnu *gnu = calloc(1, sizeof *gnu);
    if (gnu == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    gnu->login = login;
    int result = gsasl_init(&gnu->context);
    if (result == GSASL_OK) {
        gsasl_callback_set(gnu->context, answer);
        gsasl_callback_hook_set(gnu->context, gnu);
        result = gsasl_client_start(gnu->context, mechanism, &gnu->session);
    } else {
        gnu->context = NULL;
    }
    if (result != GSASL_OK) {
        explain(result, fault);
        gnu->session = NULL;
        sasl_gnu_free(gnu);
        return NULL;
    }
    return gnu;
}

/* GNU SASL frees its copy without wiping it. */
static void wipe_property(Gsasl_session *session, Gsasl_property property)
{
    const char *value = gsasl_property_fast(session, property);
    if (value != NULL)
        secret_wipe((char *)(uintptr_t)value, strlen(value));
    gsasl_property_free(session, property);
}

void sasl_gnu_free(struct sasl_gnu *gnu)
{
    if (gnu == NULL)
        return;
    if (gnu->session != NULL) {
        wipe_property(gnu->session, GSASL_PASSWORD);
        gsasl_finish(gnu->session);
    }
    if (gnu->context != NULL)
        gsasl_done(gnu->context);
    free(gnu);
}

bool sasl_gnu_step(struct sasl_gnu *gnu, struct bytes challenge, struct buffer *response,
                   struct fault *fault)
{
    char *output = NULL;
    size_t length = 0;
    int result = gsasl_step(gnu->session, challenge.data, challenge.length, &output, &length);
    if (result != GSASL_OK && result != GSASL_NEEDS_MORE)
        return explain(result, fault);
    if (output != NULL) {
        buffer_append(response, bytes_of(output, length));
        secret_wipe(output, length);
        gsasl_free(output);
    }
    gnu->is_finished = result == GSASL_OK;
    return true;
}

bool sasl_gnu_is_finished(const struct sasl_gnu *gnu)
{
    return gnu->is_finished;
}
