/* STARTTLS and logins. */
#include <posthorn/smtp.h>

#include "client/client_loop.h"
#include "client/client_session.h"
#include "smtp/smtp_error.h"

bool ph_smtp_starttls(struct ph_smtp *smtp, struct ph_error *error)
{
    if (!client_session_begin_connected(smtp, error))
        return false;
    if (smtp->transport.is_encrypted)
        return true;
    struct ph_error failure;
    if (client_session_start_tls(smtp, &failure))
        return true;
    if (error != NULL)
        *error = failure;
    return false;
}

static bool log_in(struct ph_smtp *smtp, const struct ph_login *login, struct ph_error *error)
{
    /* Whoever listens on the loopback has the password already. */
    struct ph_login here = *login;
    here.allow_cleartext = login->allow_cleartext || smtp->is_loopback;
    /* The connection is now somebody's: not the one that a pool gave out. */
    smtp->is_pooled = false;
    if (!ph_engine_login(smtp->engine, &here, client_session_now(), error))
        return false;
    client_loop_run(smtp, error);
    return error->kind == PH_OK;
}

bool ph_smtp_auth(struct ph_smtp *smtp, const struct ph_login *login, struct ph_error *error)
{
    if (!client_session_begin_connected(smtp, error))
        return false;
    struct ph_error failure;
    if (client_session_prepare(smtp, &failure) && log_in(smtp, login, &failure))
        return true;
    if (error != NULL)
        *error = failure;
    return false;
}

bool ph_smtp_login(struct ph_smtp *smtp, const char *user, const char *password,
                   struct ph_error *error)
{
    const struct ph_login login = {.user = user, .password = password};
    return ph_smtp_auth(smtp, &login, error);
}
