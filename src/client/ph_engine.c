/* The engine's front door: struct ph_engine is the client engine of smtp/ under another name. */
#include <posthorn/engine.h>

#include "smtp/smtp_client.h"

static struct smtp_client *inside(struct ph_engine *engine)
{
    return (struct smtp_client *)engine;
}

static const struct smtp_client *look_inside(const struct ph_engine *engine)
{
    return (const struct smtp_client *)engine;
}

struct ph_engine *ph_engine_new(const struct ph_engine_options *options, int64_t now,
                                struct ph_error *error)
{
    return (struct ph_engine *)smtp_client_new(options, now, error);
}

void ph_engine_free(struct ph_engine *engine)
{
    smtp_client_free(inside(engine));
}

void ph_engine_set_trace(struct ph_engine *engine, ph_trace *trace, void *trace_context)
{
    smtp_client_set_trace(inside(engine), trace, trace_context);
}

size_t ph_engine_feed(struct ph_engine *engine, const char *data, size_t length, int64_t now)
{
    return smtp_client_feed(inside(engine), data, length, now);
}

void ph_engine_end_of_input(struct ph_engine *engine, int system_error, int64_t now)
{
    smtp_client_end_of_input(inside(engine), system_error, now);
}

bool ph_engine_next(struct ph_engine *engine, struct ph_event *event)
{
    return smtp_client_next(inside(engine), event);
}

size_t ph_engine_output(struct ph_engine *engine, struct iovec *slices, size_t count)
{
    return smtp_client_output(inside(engine), slices, count);
}

void ph_engine_sent(struct ph_engine *engine, size_t count, int64_t now)
{
    smtp_client_sent(inside(engine), count, now);
}

int64_t ph_engine_deadline(const struct ph_engine *engine)
{
    return smtp_client_deadline(look_inside(engine));
}

void ph_engine_tick(struct ph_engine *engine, int64_t now)
{
    smtp_client_tick(inside(engine), now);
}

bool ph_engine_hello(struct ph_engine *engine, enum ph_hello which, const char *name, int64_t now,
                     struct ph_error *error)
{
    return smtp_client_hello(inside(engine), which, name, now, error);
}

bool ph_engine_starttls(struct ph_engine *engine, int64_t now, struct ph_error *error)
{
    return smtp_client_starttls(inside(engine), now, error);
}

void ph_engine_tls_started(struct ph_engine *engine, const struct ph_tls_facts *facts, int64_t now)
{
    smtp_client_tls_started(inside(engine), facts, now);
}

bool ph_engine_login(struct ph_engine *engine, const struct ph_login *login, int64_t now,
                     struct ph_error *error)
{
    return smtp_client_login(inside(engine), login, now, error);
}

bool ph_engine_send(struct ph_engine *engine, const struct ph_transaction *transaction, int64_t now,
                    struct ph_error *error)
{
    return smtp_client_send(inside(engine), transaction, now, error);
}

void ph_engine_body(struct ph_engine *engine, const char *piece, size_t length, bool is_last,
                    int64_t now)
{
    smtp_client_body(inside(engine), piece, length, is_last, now);
}

void ph_engine_body_failed(struct ph_engine *engine, int system_error, int64_t now)
{
    smtp_client_body_failed(inside(engine), system_error, now);
}

bool ph_engine_command(struct ph_engine *engine, const char *verb, const char *argument,
                       int64_t now, struct ph_error *error)
{
    return smtp_client_command(inside(engine), verb, argument, now, error);
}

bool ph_engine_mail(struct ph_engine *engine, const char *sender, const char *parameters,
                    int64_t now, struct ph_error *error)
{
    return smtp_client_mail(inside(engine), sender, parameters, now, error);
}

bool ph_engine_rcpt(struct ph_engine *engine, const char *recipient, const char *parameters,
                    int64_t now, struct ph_error *error)
{
    return smtp_client_rcpt(inside(engine), recipient, parameters, now, error);
}

bool ph_engine_data(struct ph_engine *engine, const struct ph_transaction *transaction, int64_t now,
                    struct ph_error *error)
{
    return smtp_client_data(inside(engine), transaction, now, error);
}

bool ph_engine_raw(struct ph_engine *engine, const char *data, size_t length, int64_t now,
                   struct ph_error *error)
{
    return smtp_client_raw(inside(engine), data, length, now, error);
}

bool ph_engine_expect(struct ph_engine *engine, int64_t now, struct ph_error *error)
{
    return smtp_client_expect(inside(engine), now, error);
}

bool ph_engine_quit(struct ph_engine *engine, int64_t now, struct ph_error *error)
{
    return smtp_client_quit(inside(engine), now, error);
}

const struct ph_capabilities *ph_engine_capabilities(const struct ph_engine *engine)
{
    return smtp_client_capabilities(look_inside(engine));
}

const char *ph_engine_extension(const struct ph_engine *engine, const char *keyword)
{
    return smtp_client_extension(look_inside(engine), keyword);
}

bool ph_engine_is_idle(const struct ph_engine *engine)
{
    return smtp_client_is_idle(look_inside(engine));
}

bool ph_engine_is_closed(const struct ph_engine *engine)
{
    return smtp_client_is_closed(look_inside(engine));
}
