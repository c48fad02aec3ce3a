/* Copies facts and asks SASL what they allow. */
#include "session/session_tls.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    OFFER_MAX = 512 /* bytes of all mechanisms' names */
};

struct session_tls *session_tls_new(const struct engine_tls *facts)
{
    struct session_tls *tls = calloc(1, sizeof(*tls));
    if (tls == NULL)
        return NULL;
    /* A name that does not fit is cut: it is for people. */
    if (facts->version != NULL)
        snprintf(tls->version, sizeof(tls->version), "%s", facts->version);
    if (facts->cipher != NULL)
        snprintf(tls->cipher, sizeof(tls->cipher), "%s", facts->cipher);
    if (facts->binding_name != NULL && strlen(facts->binding_name) < sizeof(tls->binding_name)) {
        memcpy(tls->binding_name, facts->binding_name, strlen(facts->binding_name));
        tls->binding_length = facts->binding_length;
        memcpy(tls->binding, facts->binding, facts->binding_length);
    }
    return tls;
}

struct sasl_server_place session_tls_place(const struct session_services *services,
                                           const struct session_tls *tls, bool allows_clear)
{
    /* Where everybody may log in there are no verifiers that SCRAM could use. */
    struct sasl_server_place place = {.is_encrypted = tls != NULL,
                                      .allows_clear = allows_clear,
                                      .wants_password = services->is_dev};
    if (tls != NULL && tls->binding_name[0] != '\0') {
        place.binding_name = tls->binding_name;
        place.binding = bytes_of(tls->binding, tls->binding_length);
    }
    return place;
}

char *session_tls_mechanisms(const struct session_services *services, const struct session_tls *tls,
                             bool allows_clear)
{
    struct sasl_server_place place = session_tls_place(services, tls, allows_clear);
    AUTO(buffer)
    offer = BUFFER(OFFER_MAX);
    sasl_server_offer(&place, &offer);
    const char *text = buffer_string(&offer);
    return text == NULL ? NULL : strdup(text);
}
