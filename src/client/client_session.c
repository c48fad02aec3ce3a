/* What every call of the session begins and ends with, and what comes before mail by itself. */
#include "client/client_session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/client_loop.h"
#include "client/client_trace.h"
#include "smtp/smtp_error.h"

bool client_session_refuse(struct ph_error *error)
{
    return smtp_error_set(error, PH_ERROR_DISCONNECTED, "",
                          "there is no connection to a server: call ph_smtp_connect");
}

/* ---- the beginning of a call ---- */

bool client_session_take_cancel(struct ph_smtp *smtp)
{
    if (!__atomic_load_n(&smtp->is_cancelled, __ATOMIC_ACQUIRE))
        return false;
    __atomic_store_n(&smtp->is_cancelled, false, __ATOMIC_RELEASE);
    /* Whoever set the flag writes exactly once; that write is there or about to be. */
    uint64_t count;
    while (read(smtp->wake_descriptor, &count, sizeof count) < 0 && errno == EINTR)
        ;
    return true;
}

bool client_session_is_free(const struct ph_smtp *smtp, struct ph_error *error)
{
    if (!smtp->is_in_callback && !smtp->transport.is_in_callback)
        return true;
    return smtp_error_set(error, PH_ERROR_ARGUMENT, "",
                          "a callback may not call into the session that called it");
}

bool client_session_begin(struct ph_smtp *smtp, struct ph_error *error)
{
    if (!client_session_is_free(smtp, error))
        return false;
    int64_t total = smtp->options.timeouts.total;
    smtp->deadline = total > 0 ? client_session_now() + total : INT64_MAX;
    if (!client_session_take_cancel(smtp))
        return true;
    client_session_drop(smtp);
    return smtp_error_set(error, PH_ERROR_CANCELLED, "", "the call was cancelled");
}

bool client_session_begin_connected(struct ph_smtp *smtp, struct ph_error *error)
{
    if (!client_session_begin(smtp, error))
        return false;
    if (smtp->engine == NULL)
        return client_session_refuse(error);
    if (smtp->state.replies_due > 0)
        return smtp_error_set(error, PH_ERROR_ARGUMENT, "",
                              "the reply to an earlier command is still to be read: "
                              "ph_smtp_getreply");
    smtp->state.has_raw = false;
    client_loop_feed_rest(smtp);
    if (!ph_engine_is_closed(smtp->engine))
        return true;
    /* Its engine tells why, whatever it is asked. */
    ph_engine_command(smtp->engine, "NOOP", NULL, client_session_now(), error);
    client_session_drop(smtp);
    return false;
}

/* ---- its end ---- */

void client_session_drop(struct ph_smtp *smtp)
{
    ph_engine_free(smtp->engine);
    smtp->engine = NULL;
    client_transport_close(&smtp->transport);
    smtp->state = (struct client_state){0};
    smtp->is_pooled = false;
}

void client_session_take_error(struct ph_smtp *smtp, const struct ph_error *from,
                               struct ph_error *error)
{
    if (error == NULL)
        return;
    *error = *from;
    const struct client_loss *loss = &smtp->state.loss;
    if (loss->kind == PH_OK || from->kind != PH_ERROR_DISCONNECTED)
        return;
    error->kind = loss->kind;
    if (loss->kind == PH_ERROR_CANCELLED || loss->kind == PH_ERROR_CERTIFICATE)
        error->retry = false;
    error->system_error = loss->system_error;
    if (loss->verb[0] != '\0')
        memcpy(error->verb, loss->verb, sizeof error->verb);
    snprintf(error->message, sizeof error->message, "%s%s", loss->message,
             from->fate == PH_MAYBE_SENT ? "; the message may have been sent all the same" : "");
}

void client_session_keep_reply(struct ph_smtp *smtp, const struct ph_reply *reply)
{
    buffer_reset(&smtp->reply_text);
    buffer_append(&smtp->reply_text, bytes_of(reply->text, reply->text_length));
    const char *text = buffer_string(&smtp->reply_text);
    smtp->reply = *reply;
    if (text == NULL) {
        text = "";
        smtp->reply.text_length = 0;
    }
    smtp->reply.text = text;
}

void client_session_note(struct ph_smtp *smtp, const char *format, ...)
{
    ph_trace *trace = client_trace_function(smtp);
    if (trace == NULL)
        return;
    char text[PH_ERROR_TEXT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    trace(smtp, PH_TRACE_NOTE, text, strlen(text));
}

/* ---- what comes before mail ---- */

bool client_session_ensure_tls_context(struct ph_smtp *smtp, struct fault *fault)
{
    if (smtp->tls_context != NULL)
        return true;
    const struct ph_tls_options *options = &smtp->options.tls;
    struct net_tls_policy policy = {
        .ca_file = options->ca_file,
        .ca_directory = options->ca_directory,
        .certificate_file = options->certificate_file,
        .key_file = options->key_file,
        .key_password = options->key_password,
        .fingerprints = options->fingerprints,
        /* RFC 7435: opportunistic security takes what it gets. */
        .no_verification = options->no_verification ||
                           (options->mode == PH_TLS_OPPORTUNISTIC && options->fingerprints == NULL),
    };
    smtp->tls_context = net_tls_context_new(&policy, fault);
    return smtp->tls_context != NULL;
}

int client_session_hello(struct ph_smtp *smtp, enum ph_hello which, const char *name,
                         struct ph_error *error)
{
    int64_t now = client_session_now();
    smtp->state.has_hello = false;
    smtp->state.hello_text = NULL;
    if (!ph_engine_hello(smtp->engine, which, name, now, error))
        return -1;
    int code = client_loop_run(smtp, error);
    if (smtp->engine == NULL || code / 100 != 2)
        return code;
    smtp->state.has_hello = true;
    buffer_reset(&smtp->hello_memory);
    buffer_append(&smtp->hello_memory, bytes_of(smtp->reply.text, smtp->reply.text_length));
    smtp->state.hello_text = buffer_string(&smtp->hello_memory);
    return code;
}

bool client_session_ensure_hello(struct ph_smtp *smtp, struct ph_error *error)
{
    return smtp->state.has_hello ||
           client_session_hello(smtp, PH_HELLO_AUTOMATIC, NULL, error) / 100 == 2;
}

bool client_session_start_tls(struct ph_smtp *smtp, struct ph_error *error)
{
    if (!client_session_ensure_hello(smtp, error))
        return false;
    if (!ph_engine_starttls(smtp->engine, client_session_now(), error))
        return false;
    client_loop_run(smtp, error);
    if (error->kind != PH_OK)
        return false;
    smtp->is_pooled = false;
    /* RFC 3207 4.2: what was said in clear is forgotten, and so EHLO is due again. */
    smtp->state.has_hello = false;
    smtp->state.hello_text = NULL;
    return client_session_ensure_hello(smtp, error);
}

static bool is_starttls_offered(const struct ph_smtp *smtp)
{
    return ph_engine_capabilities(smtp->engine)->set & PH_CAPABILITY_STARTTLS;
}

bool client_session_prepare(struct ph_smtp *smtp, struct ph_error *error)
{
    if (!client_session_ensure_hello(smtp, error))
        return false;
    if (smtp->transport.is_encrypted || smtp->tls_mode == PH_TLS_NONE)
        return true;
    if (smtp->tls_mode == PH_TLS_OPPORTUNISTIC) {
        if (!is_starttls_offered(smtp) || smtp->state.tried_starttls)
            return true;
        smtp->state.tried_starttls = true;
        /* A refusal leaves the connection as it was: in clear (RFC 7435). */
        return client_session_start_tls(smtp, error) ||
               (error->reply_code != 0 && smtp->engine != NULL);
    }
    if (!is_starttls_offered(smtp))
        return smtp_error_set(
            error, PH_ERROR_TLS, "STARTTLS",
            "%s does not offer STARTTLS, and without TLS nothing is sent: "
            "use its port with TLS from the start, or allow the connection in clear",
            smtp->target.host);
    return client_session_start_tls(smtp, error);
}
