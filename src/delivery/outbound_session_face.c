/* What the connection sees of an outbound session. */
#include <stdio.h>

#include "delivery/outbound_session_inside.h"

static size_t feed(void *engine, struct bytes in, int64_t now)
{
    struct outbound_session *session = engine;
    struct bytes rest = in;
    while (rest.length > 0 && !smtp_client_is_closed(session->client)) {
        size_t taken = smtp_client_feed(session->client, rest.data, rest.length, now);
        rest = bytes_skip(rest, taken);
        outbound_session_dialogue_hear(session);
    }
    outbound_session_tell(session);
    return in.length;
}

static enum engine_wish wish(const void *engine)
{
    const struct outbound_session *session = engine;
    if (session->wants_close || smtp_client_is_closed(session->client))
        return ENGINE_WANTS_CLOSE;
    return session->wants_tls ? ENGINE_WANTS_TLS : ENGINE_WANTS_INPUT;
}

static struct bytes output(void *engine, int64_t now)
{
    struct outbound_session *session = engine;
    struct iovec slice = {0};
    (void)now;
    smtp_client_output(session->client, &slice, 1);
    return bytes_of(slice.iov_base, slice.iov_len);
}

static size_t slices(void *engine, struct iovec *out, size_t count, int64_t now)
{
    struct outbound_session *session = engine;
    (void)now;
    return smtp_client_output(session->client, out, count);
}

static void sent(void *engine, size_t count, int64_t now)
{
    struct outbound_session *session = engine;
    smtp_client_sent(session->client, count, now);
    outbound_session_dialogue_hear(session);
    outbound_session_tell(session);
}

/* A certificate that nobody looked at will do only where the relay's rule says so. */
static bool is_unverified(const struct outbound_session *session)
{
    return session->plan->relay->tls == RELAY_TLS_OPPORTUNISTIC &&
           !connector_is_verified(session->connection);
}

static void tls_started(void *engine, const struct engine_tls *facts, int64_t now)
{
    struct outbound_session *session = engine;
    struct ph_tls_facts told = {.binding_name = facts->binding_name,
                                .binding = facts->binding,
                                .binding_length = facts->binding_length,
                                .is_unverified = is_unverified(session)};
    session->wants_tls = false;
    snprintf(session->tls_version, sizeof session->tls_version, "%s", facts->version);
    smtp_client_tls_started(session->client, &told, now);
    outbound_session_dialogue_hear(session);
    outbound_session_tell(session);
}

static int64_t deadline(const void *engine)
{
    const struct outbound_session *session = engine;
    int64_t when = smtp_client_deadline(session->client);
    if (session->quit_by != 0 && session->quit_by < when)
        when = session->quit_by;
    return when == INT64_MAX ? ENGINE_NEVER : when;
}

static void tick(void *engine, int64_t now)
{
    struct outbound_session *session = engine;
    smtp_client_tick(session->client, now);
    outbound_session_dialogue_hear(session);
    if (session->quit_by != 0 && now >= session->quit_by)
        session->wants_close = true;
    outbound_session_tell(session);
}

static void stop(void *engine, int64_t now)
{
    struct outbound_session *session = engine;
    (void)now;
    outbound_session_dialogue_quit(session);
    outbound_session_tell(session);
}

static void end(void *engine, enum engine_end how, int64_t now)
{
    struct outbound_session *session = engine;
    session->connection = NULL;
    outbound_session_dialogue_end(session, how, now);
    outbound_session_tell(session);
}

const struct engine_face outbound_session_face = {
    .feed = feed,
    .wish = wish,
    .output = output,
    .slices = slices,
    .sent = sent,
    .tls_started = tls_started,
    .deadline = deadline,
    .tick = tick,
    .stop = stop,
    .end = end,
};
