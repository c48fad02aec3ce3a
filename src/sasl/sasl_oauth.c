/* The messages that carry a bearer token. */
#include "sasl/sasl_oauth.h"

#include "sasl/sasl_name.h"

/* What stands between the pairs of RFC 7628 3.1. */
enum {
    SEPARATOR = 0x01
};

/* RFC 6750 2.1 allows fewer characters still; what matters is that a token cannot end its pair. */
static bool is_token(const char *token)
{
    if (*token == '\0')
        return false;
    for (; *token != '\0'; token++) {
        if ((unsigned char)*token <= ' ' || (unsigned char)*token >= 0x7F)
            return false;
    }
    return true;
}

static bool check_login(const struct sasl_oauth_login *login, struct fault *fault)
{
    if (!is_token(login->token))
        return fault_set(fault, FAULT_SYNTAX,
                         "the access token is empty or has a character that no token has");
    if (login->identity != NULL && bytes_has_control(bytes_from_string(login->identity)))
        return fault_set(fault, FAULT_SYNTAX, "the user name has a control character");
    if (login->host != NULL && bytes_has_control(bytes_from_string(login->host)))
        return fault_set(fault, FAULT_SYNTAX, "the host name has a control character");
    return true;
}

static void append_token(const char *token, struct buffer *response)
{
    buffer_append(response, BYTES("auth=Bearer "));
    buffer_append_string(response, token);
    buffer_append_char(response, SEPARATOR);
    buffer_append_char(response, SEPARATOR);
}

bool sasl_oauth_bearer_response(const struct sasl_oauth_login *login, struct buffer *response,
                                struct fault *fault)
{
    if (!check_login(login, fault))
        return false;
    buffer_append(response, BYTES("n,"));
    if (login->identity != NULL) {
        buffer_append(response, BYTES("a="));
        sasl_name_append(bytes_from_string(login->identity), response);
    }
    buffer_append_char(response, ',');
    buffer_append_char(response, SEPARATOR);
    if (login->host != NULL) {
        buffer_append(response, BYTES("host="));
        buffer_append_string(response, login->host);
        buffer_append_char(response, SEPARATOR);
    }
    if (login->port != 0) {
        buffer_append(response, BYTES("port="));
        buffer_append_unsigned(response, login->port);
        buffer_append_char(response, SEPARATOR);
    }
    append_token(login->token, response);
    return true;
}

bool sasl_oauth_xoauth2_response(const struct sasl_oauth_login *login, struct buffer *response,
                                 struct fault *fault)
{
    if (!check_login(login, fault))
        return false;
    buffer_append(response, BYTES("user="));
    buffer_append_string(response, login->identity);
    buffer_append_char(response, SEPARATOR);
    append_token(login->token, response);
    return true;
}
