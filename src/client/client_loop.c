/* Moves bytes between engine and transport. Writes first and waits only for what is owed: a group
   of commands costs one sendmsg, its replies one poll and one recv. */
#include "client/client_loop.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "client/client_body.h"
#include "smtp/smtp_error.h"

/* What one writev carries at most: a body with doubled dots comes as a slice a dot. */
enum {
    SLICES_MAX = 256
};

/* ---- giving a connection up ---- */

/* Ends every operation; the first reason stands. The engine knows what became of a message. */
static void lose(struct ph_smtp *smtp, enum ph_error_kind kind, int system_error, const char *verb,
                 const char *message)
{
    struct client_loss *loss = &smtp->state.loss;
    if (loss->kind == PH_OK) {
        *loss = (struct client_loss){.kind = kind, .system_error = system_error};
        snprintf(loss->verb, sizeof loss->verb, "%s", verb);
        snprintf(loss->message, sizeof loss->message, "%s", message);
    }
    ph_engine_end_of_input(smtp->engine, system_error, client_session_now());
}

static void lose_by_fault(struct ph_smtp *smtp, const struct fault *fault)
{
    enum ph_error_kind kind = PH_ERROR_DISCONNECTED;
    if (fault->kind == FAULT_DENIED)
        kind = PH_ERROR_CERTIFICATE;
    else if (fault->system_error == ENOMEM)
        kind = PH_ERROR_MEMORY;
    else if (fault->kind == FAULT_PERMANENT && smtp->transport.is_encrypted)
        kind = PH_ERROR_TLS; /* a stream that was merely cut off is FAULT_TEMPORARY */
    lose(smtp, kind, fault->system_error, "", fault->message);
}

/* False: the call is over before its time. */
static bool may_go_on(struct ph_smtp *smtp)
{
    if (client_session_take_cancel(smtp)) {
        lose(smtp, PH_ERROR_CANCELLED, ECANCELED, "", "the call was cancelled");
        return false;
    }
    if (smtp->deadline != INT64_MAX && client_session_now() >= smtp->deadline) {
        lose(smtp, PH_ERROR_TIMEOUT, ETIMEDOUT, "",
             "the call took longer than its total time limit");
        return false;
    }
    return true;
}

/* ---- reading ---- */

/* Gives the engine what was read; false = that changed nothing. What breaks the protocol is not
 * taken, but ends the connection. */
static bool feed(struct ph_smtp *smtp)
{
    struct client_state *state = &smtp->state;
    size_t length = state->input_end - state->input_start;
    if (length == 0 || ph_engine_is_closed(smtp->engine))
        return false;
    size_t taken = ph_engine_feed(smtp->engine, smtp->input + state->input_start, length,
                                  client_session_now());
    state->input_start += taken;
    if (state->input_start == state->input_end)
        state->input_start = state->input_end = 0;
    return taken > 0 || ph_engine_is_closed(smtp->engine);
}

void client_loop_feed_rest(struct ph_smtp *smtp)
{
    struct ph_event event;
    if (smtp->engine == NULL || smtp->state.has_raw)
        return;
    while (feed(smtp))
        while (ph_engine_next(smtp->engine, &event))
            ;
    smtp->state.input_start = smtp->state.input_end = 0;
}

/* Reads from the transport and feeds. Nothing may be unread still: it would be overwritten. */
static enum net_result read_and_feed(struct ph_smtp *smtp, struct fault *fault)
{
    size_t count = 0;
    assert(smtp->state.input_start == smtp->state.input_end);
    enum net_result result =
        client_transport_read(&smtp->transport, smtp->input, sizeof smtp->input, &count, fault);
    if (result != NET_DONE)
        return result;
    smtp->state.input_start = 0;
    smtp->state.input_end = count;
    feed(smtp);
    return NET_DONE;
}

static void read_once(struct ph_smtp *smtp)
{
    struct fault fault = {0};
    switch (read_and_feed(smtp, &fault)) {
    case NET_DONE:
        break;
    case NET_AGAIN:
        break;
    case NET_END:
        ph_engine_end_of_input(smtp->engine, 0, client_session_now());
        break;
    case NET_FAILED:
        lose_by_fault(smtp, &fault);
        break;
    }
}

/* ---- writing ---- */

/* Writes one run of slices. NET_DONE: look again whether there is more; NET_AGAIN: the transport is
   full; NET_END: there was nothing to write. */
static enum net_result write_once(struct ph_smtp *smtp, struct fault *fault)
{
    struct iovec slices[SLICES_MAX];
    size_t slice_count = ph_engine_output(smtp->engine, slices, SLICES_MAX);
    if (slice_count == 0)
        return NET_END;
    size_t count = 0;
    enum net_result result =
        client_transport_write(&smtp->transport, slices, slice_count, &count, fault);
    if (result == NET_DONE)
        ph_engine_sent(smtp->engine, count, client_session_now());
    return result == NET_END ? NET_FAILED : result;
}

/* A peer that refuses and closes while we still write has said why: that is worth more than "broken
 * pipe". */
static void hear_last_words(struct ph_smtp *smtp, const struct fault *fault)
{
    struct fault unheard = {0};
    smtp->state.is_write_broken = true;
    if (read_and_feed(smtp, &unheard) != NET_DONE)
        lose_by_fault(smtp, fault);
}

/* ---- waiting ---- */

static void wait_and_read(struct ph_smtp *smtp, int wanted)
{
    struct fault fault = {0};
    int64_t deadline = client_session_earlier(ph_engine_deadline(smtp->engine), smtp->deadline);
    int ready =
        client_transport_wait(&smtp->transport, wanted, smtp->wake_descriptor, deadline, &fault);
    if (ready < 0)
        lose_by_fault(smtp, &fault);
    else if (ready == 0 && may_go_on(smtp))
        ph_engine_tick(smtp->engine, client_session_now());
    else if (ready & NET_READY_READ)
        read_once(smtp);
}

static void move(struct ph_smtp *smtp)
{
    if (!may_go_on(smtp))
        return;
    if (smtp->state.is_write_broken) {
        wait_and_read(smtp, NET_READY_READ);
        return;
    }
    struct fault fault = {0};
    switch (write_once(smtp, &fault)) {
    case NET_DONE:
        break;
    case NET_AGAIN:
        /* Reads while it writes: a peer that cannot get rid of its replies stops reading (RFC
         * 2920 3.1). */
        wait_and_read(smtp, NET_READY_READ | NET_READY_WRITE);
        break;
    case NET_END:
        wait_and_read(smtp, NET_READY_READ);
        break;
    case NET_FAILED:
        hear_last_words(smtp, &fault);
        break;
    }
}

/* ---- TLS ---- */

static bool handshake_on_stream(struct ph_smtp *smtp, const char *name, int64_t deadline,
                                struct fault *fault)
{
    struct net_stream *stream = smtp->transport.stream;
    if (!net_stream_start_tls(stream, smtp->tls_context, name, fault))
        return false;
    for (;;) {
        enum net_result result = net_stream_handshake(stream, fault);
        if (result == NET_DONE)
            return true;
        if (result == NET_END)
            return fault_set(fault, FAULT_TEMPORARY, "the server closed the connection");
        if (result == NET_FAILED)
            return false;
        int ready = net_stream_wait(stream, NET_READY_READ, smtp->wake_descriptor, deadline, fault);
        if (ready < 0)
            return false;
        if (ready & NET_READY_WOKEN)
            return fault_set_system(fault, FAULT_TEMPORARY, ECANCELED, "cancelled");
        if (ready == 0)
            return fault_set_system(fault, FAULT_TEMPORARY, ETIMEDOUT, "no answer in time");
    }
}

static bool handshake_on_own(struct ph_smtp *smtp, const char *name, int64_t deadline,
                             struct ph_tls_facts *facts, struct fault *fault)
{
    if (smtp->transport.own.start_tls == NULL)
        return fault_set(fault, FAULT_PERMANENT, "the transport has no start_tls");
    errno = 0;
    int64_t timeout = deadline - client_session_now();
    if (client_transport_start_tls(&smtp->transport, name, facts, timeout) == 0)
        return true;
    if (errno == EAGAIN)
        errno = ETIMEDOUT;
    return fault_set_system(fault, errno == EACCES ? FAULT_DENIED : FAULT_PERMANENT, errno,
                            "the transport cannot start TLS");
}

static void tell_facts(struct ph_smtp *smtp, struct ph_tls_facts *facts, unsigned char *binding)
{
    const struct net_tls *tls = net_stream_tls(smtp->transport.stream);
    facts->binding_name = net_tls_channel_binding(tls, binding, &facts->binding_length);
    facts->binding = binding;
    facts->has_client_certificate = net_tls_showed_certificate(tls);
    /* Whoever says that any certificate will do has judged for himself. */
    facts->is_unverified = !net_tls_is_verified(tls) && !smtp->options.tls.no_verification;
    client_session_note(smtp, "%s with %s, certificate %s", net_tls_version(tls),
                        net_tls_cipher(tls),
                        net_tls_is_verified(tls) ? "verified" : "not verified");
}

/* Turns what stopped the handshake into a loss. */
static void lose_handshake(struct ph_smtp *smtp, const char *name, const struct fault *fault)
{
    enum ph_error_kind kind = PH_ERROR_TLS;
    if (fault->system_error == ECANCELED)
        kind = PH_ERROR_CANCELLED;
    else if (fault->system_error == ETIMEDOUT)
        kind = PH_ERROR_TIMEOUT;
    else if (fault->system_error == ENOMEM)
        kind = PH_ERROR_MEMORY;
    else if (fault->kind == FAULT_DENIED)
        kind = PH_ERROR_CERTIFICATE;
    struct client_loss *loss = &smtp->state.loss;
    *loss = (struct client_loss){.kind = kind, .system_error = fault->system_error, .verb = "TLS"};
    snprintf(loss->message, sizeof loss->message, "TLS with %.150s failed: %s", name,
             fault->message);
}

bool client_loop_handshake(struct ph_smtp *smtp, struct ph_tls_facts *facts,
                           unsigned char binding[NET_TLS_BINDING_MAX])
{
    struct fault fault = {0};
    const char *name =
        smtp->options.tls.server_name != NULL ? smtp->options.tls.server_name : smtp->target.host;
    int64_t limit =
        smtp->options.timeouts.tls > 0 ? smtp->options.timeouts.tls : CLIENT_TLS_TIMEOUT_MS;
    int64_t deadline = client_session_earlier(client_session_now() + limit, smtp->deadline);
    *facts = (struct ph_tls_facts){0};
    bool is_done = smtp->transport.has_own ? handshake_on_own(smtp, name, deadline, facts, &fault)
                                           : client_session_ensure_tls_context(smtp, &fault) &&
                                                 handshake_on_stream(smtp, name, deadline, &fault);
    if (!is_done) {
        if (fault.system_error == ECANCELED)
            client_session_take_cancel(smtp);
        lose_handshake(smtp, name, &fault);
        return false;
    }
    smtp->transport.is_encrypted = true;
    if (!smtp->transport.has_own)
        tell_facts(smtp, facts, binding);
    return true;
}

/* RFC 3207 4.2: a server has nothing to say between its 220 and the handshake; what came all the
   same was slipped in by somebody on the way, and the engine refuses it. */
static void answer_tls_wanted(struct ph_smtp *smtp)
{
    smtp->state.wants_handshake = false;
    read_once(smtp);
    if (ph_engine_is_closed(smtp->engine))
        return;
    struct ph_tls_facts facts;
    unsigned char binding[NET_TLS_BINDING_MAX];
    if (client_loop_handshake(smtp, &facts, binding))
        ph_engine_tls_started(smtp->engine, &facts, client_session_now());
    else
        ph_engine_end_of_input(smtp->engine, smtp->state.loss.system_error, client_session_now());
}

/* ---- events ---- */

/* Two bodies share one piece of memory: the one must be on its way before the other is read. */
static bool is_piece_free(struct ph_smtp *smtp, const struct client_item *item)
{
    if (smtp->state.piece_owner == NULL || smtp->state.piece_owner == item)
        return true;
    struct iovec slice;
    return ph_engine_output(smtp->engine, &slice, 1) == 0 || smtp->state.is_write_broken;
}

/* Hands on the piece that was asked for, once there is room for it. */
static bool supply_if_possible(struct ph_smtp *smtp)
{
    struct client_item *item = smtp->state.hungry;
    if (item == NULL || !is_piece_free(smtp, item))
        return false;
    smtp->state.hungry = NULL;
    smtp->state.piece_owner = item;
    client_body_supply(smtp, item);
    return true;
}

static void forget_item(struct ph_smtp *smtp, const struct client_item *item)
{
    if (smtp->state.hungry == item)
        smtp->state.hungry = NULL;
    if (smtp->state.piece_owner == item)
        smtp->state.piece_owner = NULL;
}

/* Keeps for the loop what an event asks of it. True: the event is also the caller's. */
static bool note_event(struct ph_smtp *smtp, const struct ph_event *event)
{
    struct client_item *item = (struct client_item *)event->transaction;
    if (event->kind == PH_EVENT_TLS_WANTED)
        smtp->state.wants_handshake = true;
    else if (event->kind == PH_EVENT_BODY_WANTED)
        smtp->state.hungry = item;
    else if (event->kind == PH_EVENT_DONE && item != NULL)
        forget_item(smtp, item);
    return event->kind != PH_EVENT_TLS_WANTED && event->kind != PH_EVENT_BODY_WANTED;
}

bool client_loop_next(struct ph_smtp *smtp, struct ph_event *event)
{
    for (;;) {
        while (ph_engine_next(smtp->engine, event))
            if (note_event(smtp, event))
                return true;
        if (supply_if_possible(smtp) || feed(smtp))
            continue;
        if (ph_engine_is_closed(smtp->engine) || ph_engine_is_idle(smtp->engine))
            return false;
        if (smtp->state.wants_handshake)
            answer_tls_wanted(smtp);
        else
            move(smtp);
    }
}

int client_loop_run(struct ph_smtp *smtp, struct ph_error *error)
{
    struct ph_event event;
    *error = (struct ph_error){0};
    while (client_loop_next(smtp, &event)) {
        if (event.reply.code != 0)
            client_session_keep_reply(smtp, &event.reply);
        if (event.kind != PH_EVENT_DONE)
            continue;
        int code = event.reply.code;
        bool is_closed = event.is_closed;
        if (event.error->kind != PH_OK)
            client_session_take_error(smtp, event.error, error);
        if (is_closed)
            client_session_drop(smtp);
        client_loop_feed_rest(smtp);
        return code != 0 ? code : -1;
    }
    client_session_refuse(error);
    client_session_drop(smtp);
    return -1;
}

/* Raw bytes belong to no operation of the engine: their time is that of a piece of body. */
static int64_t flush_deadline(const struct ph_smtp *smtp)
{
    int64_t limit = smtp->options.timeouts.data_block;
    if (limit <= 0)
        limit = CLIENT_FLUSH_TIMEOUT_MS;
    return client_session_earlier(client_session_now() + limit, smtp->deadline);
}

static void wait_until_writable(struct ph_smtp *smtp)
{
    struct fault fault = {0};
    int ready = client_transport_wait(&smtp->transport, NET_READY_WRITE, smtp->wake_descriptor,
                                      flush_deadline(smtp), &fault);
    if (ready < 0)
        lose_by_fault(smtp, &fault);
    else if (ready == 0 && may_go_on(smtp))
        lose(smtp, PH_ERROR_TIMEOUT, ETIMEDOUT, "", "the server takes no more bytes");
}

bool client_loop_flush(struct ph_smtp *smtp, struct ph_error *error)
{
    struct fault fault = {0};
    while (smtp->state.loss.kind == PH_OK && may_go_on(smtp)) {
        switch (write_once(smtp, &fault)) {
        case NET_END:
            return true;
        case NET_AGAIN:
            wait_until_writable(smtp);
            break;
        case NET_FAILED:
            lose_by_fault(smtp, &fault);
            break;
        case NET_DONE:
            break;
        }
    }
    struct ph_error lost;
    smtp_error_set(&lost, PH_ERROR_DISCONNECTED, "", "the connection is lost");
    client_session_take_error(smtp, &lost, error);
    client_session_drop(smtp);
    return false;
}
