/* A GNU SASL server session. */
#include "sasl/gnu_server.h"

#include <gsasl.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "unit.h"

struct gnu_server {
    Gsasl *context;
    Gsasl_session *session;
    const struct gnu_server_account *account;
};

static int set_binding(Gsasl_session *session, Gsasl_property property, const char *name,
                       const struct gnu_server_account *account)
{
    if (account->binding_name == NULL || strcmp(account->binding_name, name) != 0)
        return GSASL_NO_CALLBACK;
    AUTO(buffer)
    encoded = BUFFER(1024);
    base64_encode(account->binding, &encoded);
    return gsasl_property_set(session, property, buffer_string(&encoded));
}

static int check_password(Gsasl_session *session, const struct gnu_server_account *account)
{
    const char *user = gsasl_property_fast(session, GSASL_AUTHID);
    const char *password = gsasl_property_fast(session, GSASL_PASSWORD);
    bool is_right = user != NULL && password != NULL && strcmp(user, account->user) == 0 &&
                    strcmp(password, account->password) == 0;
    return is_right ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

static int answer(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
    const struct gnu_server *server = gsasl_callback_hook_get(context);
    const struct gnu_server_account *account = server->account;
    const char *user = gsasl_property_fast(session, GSASL_AUTHID);
    switch (property) {
    case GSASL_VALIDATE_SIMPLE:
        return check_password(session, account);
    case GSASL_VALIDATE_EXTERNAL:
        return GSASL_OK;
    case GSASL_PASSWORD:
        if (user == NULL || strcmp(user, account->user) != 0)
            return GSASL_NO_CALLBACK;
        return gsasl_property_set(session, property, account->password);
    case GSASL_SCRAM_ITER:
        return gsasl_property_set(session, property, "4096");
    case GSASL_CB_TLS_EXPORTER:
        return set_binding(session, property, "tls-exporter", account);
    case GSASL_CB_TLS_UNIQUE:
        return set_binding(session, property, "tls-unique", account);
    default:
        return GSASL_NO_CALLBACK;
    }
}

struct gnu_server *gnu_server_new(const char *mechanism, const struct gnu_server_account *account)
{
    struct gnu_server *server = calloc(1, sizeof *server);
    assert_non_null(server);
    server->account = account;
    assert_int_equal(gsasl_init(&server->context), GSASL_OK);
    gsasl_callback_set(server->context, answer);
    gsasl_callback_hook_set(server->context, server);
    assert_int_equal(gsasl_server_start(server->context, mechanism, &server->session), GSASL_OK);
    return server;
}

void gnu_server_free(struct gnu_server *server)
{
    gsasl_finish(server->session);
    gsasl_done(server->context);
    free(server);
}

enum gnu_server_verdict gnu_server_step(struct gnu_server *server, struct bytes message,
                                        struct buffer *challenge)
{
    char *output = NULL;
    size_t length = 0;
    int result = gsasl_step(server->session, message.data, message.length, &output, &length);
    if (result != GSASL_OK && result != GSASL_NEEDS_MORE)
        return GNU_SERVER_REFUSES;
    buffer_append(challenge, bytes_of(output, length));
    gsasl_free(output);
    return result == GSASL_OK ? GNU_SERVER_ACCEPTS : GNU_SERVER_GOES_ON;
}

const char *gnu_server_authorization_id(struct gnu_server *server)
{
    return gsasl_property_fast(server->session, GSASL_AUTHZID);
}
