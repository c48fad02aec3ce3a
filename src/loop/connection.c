/* The life of a connection, whoever opened it: from the first byte to the peer's last. */
#include "loop/connection.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop/connection_inside.h"

enum {
    TURN_OUTPUT_SIZE = 1024 * 1024, /* bytes written in one turn, so that others come to theirs */
    GATHERED_SIZE = 16 * 1024,      /* output that more input is read behind before it is written */
    SLICES_MAX = 64,                /* of output, for one write */
    LATE_TICK_MS = 10, /* before an engine that wanted a tick in the past hears again */
};

static bool feed(struct connection *connection);
static void pump(struct connection *connection);

static int64_t now_of(const struct connection *connection)
{
    return loop_now(connection->member.loop);
}

struct loop *connection_loop(const struct connection *connection)
{
    return connection->member.loop;
}

void connection_trust(struct connection *connection)
{
    listener_gate_trust(&connection->place);
}

/* ---- the end ---- */

void connection_free(struct connection *connection)
{
    if (connection == NULL)
        return;
    struct loop *loop = connection->member.loop;
    net_tls_free(connection->tls);
    net_tls_context_free(connection->context);
    buffer_clear(&connection->kept);
    listener_gate_leave(&connection->place);
    atomic_fetch_sub_explicit(&loop->load, 1, memory_order_relaxed);
    free(connection->address);
    free(connection->tls_name);
    free(connection);
}

static void hear_poll_closed(uv_handle_t *handle)
{
    connection_free(handle->data);
}

/* The connection is no more; its memory goes in the loop's next turn. */
static void drop(struct connection *connection)
{
    assert(connection->engine == NULL);
    connection->phase = CONNECTION_GONE;
    loop_member_remove(&connection->member);
    net_tls_free(connection->tls);
    connection->tls = NULL;
    listener_gate_leave(&connection->place);
    uv_close((uv_handle_t *)&connection->poll, hear_poll_closed);
    close(connection->descriptor);
}

static void end_engine(struct connection *connection, enum engine_end how)
{
    void *engine = connection->engine;
    connection->engine = NULL;
    if (engine != NULL)
        connection->engine_face->end(engine, how, now_of(connection));
}

void connection_lose(struct connection *connection, enum engine_end how)
{
    end_engine(connection, how);
    drop(connection);
}

/* Reads and forgets, until the peer has closed: closing over unread bytes would reset the
 * connection, and the peer might lose our last reply (RFC 1122 4.2.2.13). */
static void linger(struct connection *connection)
{
    /* Not into the loop's buffer: another connection's input may lie there. */
    char rest[4096];
    ssize_t count;
    do {
        count = recv(connection->descriptor, rest, sizeof rest, 0);
        if (count > 0)
            connection->lingered += (size_t)count;
    } while (count > 0 && connection->lingered < CONNECTION_LINGER_SIZE);
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        connection_settle(connection);
    else
        drop(connection);
}

/* Ends our side, then waits for the peer to end its own. */
void connection_finish(struct connection *connection, enum engine_end how)
{
    end_engine(connection, how);
    buffer_clear(&connection->kept);
    net_tls_free(connection->tls);
    connection->tls = NULL;
    if (connection->is_input_over || shutdown(connection->descriptor, SHUT_WR) != 0) {
        drop(connection);
        return;
    }
    connection->phase = CONNECTION_LINGERS;
    connection->is_output_stuck = false;
    connection->limit = now_of(connection) + connection->patience.linger;
    linger(connection);
}

/* ---- what to wait for ---- */

/* A client reads while it writes, too: a server that cannot get rid of its replies stops reading
 * (RFC 2920 3.1), and one that refuses says so before it has everything. */
static bool wants_input(const struct connection *connection)
{
    return (!connection->is_output_stuck || connection_is_client(connection)) &&
           !connection->is_input_over &&
           connection->engine_face->wish(connection->engine) == ENGINE_WANTS_INPUT;
}

static int wanted_events(struct connection *connection)
{
    if (connection->phase == CONNECTION_CONNECTS)
        return UV_WRITABLE;
    if (connection->phase == CONNECTION_HANDSHAKE)
        return connection_stream_read_events(connection);
    if (connection->phase == CONNECTION_LINGERS)
        return UV_READABLE;
    if (connection->is_output_stuck)
        return connection_stream_write_events(connection) |
               (wants_input(connection) ? connection_stream_read_events(connection) : 0);
    if (wants_input(connection)) {
        connection->is_read_paused = false;
        return connection_stream_read_events(connection);
    }
    if (connection->is_input_over || connection->is_peer_quiet)
        return 0;
    /* Most answers come before the peer says more: reading is only paused, at the price of a system
     * call, once there is something to read. */
    return connection->is_read_paused ? UV_DISCONNECT : connection_stream_read_events(connection);
}

static void hear_poll(uv_poll_t *poll, int status, int events);

static void watch(struct connection *connection)
{
    int events = wanted_events(connection);
    if (events == connection->watched)
        return;
    connection->watched = events;
    if (events == 0)
        uv_poll_stop(&connection->poll);
    else
        uv_poll_start(&connection->poll, events, hear_poll);
}

static int64_t earlier(int64_t left, int64_t right)
{
    return left == 0 || (right != 0 && right < left) ? right : left;
}

/* Before the loop goes on to others: what this connection waits for. */
void connection_settle(struct connection *connection)
{
    int64_t now = now_of(connection);
    int64_t when = connection->limit;
    if (connection->phase == CONNECTION_OPEN) {
        if (!connection->is_closing &&
            connection->engine_face->wish(connection->engine) == ENGINE_WANTS_CLOSE) {
            connection->is_closing = true;
            connection->limit = when = now + connection->patience.close;
        }
        int64_t tick =
            connection->is_closing ? 0 : connection->engine_face->deadline(connection->engine);
        if (tick != 0 && tick <= now)
            tick = now + LATE_TICK_MS;
        when = earlier(when, tick);
        if (connection->is_read_pending && wants_input(connection))
            when = now;
    }
    watch(connection);
    loop_member_wake_at(&connection->member, when);
}

/* ---- between socket and engine ---- */

/* The command in hand is not the last of its group: its reply will follow soon. */
static bool is_more_to_come(const struct connection *connection)
{
    return connection->input.length > 0 &&
           connection->engine_face->wish(connection->engine) == ENGINE_WAITS;
}

/* What is to be written, as far as it fits; returns how many bytes in *count slices. */
static size_t show_output(struct connection *connection, struct iovec *slices, size_t *count)
{
    int64_t now = now_of(connection);
    if (connection->engine_face->slices == NULL) {
        struct bytes output = connection->engine_face->output(connection->engine, now);
        slices[0] = (struct iovec){(void *)(uintptr_t)output.data, output.length};
        *count = output.length > 0;
        return output.length;
    }
    size_t length = 0;
    *count = connection->engine_face->slices(connection->engine, slices, SLICES_MAX, now);
    for (size_t i = 0; i < *count; i++)
        length += slices[i].iov_len;
    return length;
}

static size_t output_length(struct connection *connection)
{
    struct iovec slices[SLICES_MAX];
    size_t count;
    return show_output(connection, slices, &count);
}

/* A peer that refused and closed while we still wrote has said why: that is worth more than "broken
 * pipe". */
static void hear_last_words(struct connection *connection)
{
    struct fault why = *connection_fault(connection);
    while (connection_stream_keep(connection) && wants_input(connection) &&
           connection_stream_read(connection) == NET_DONE && feed(connection))
        ;
    *connection_fault(connection) = why;
}

/* False: lost. */
static bool write_output(struct connection *connection, size_t *budget)
{
    bool was_stuck = connection->is_output_stuck;
    bool has_moved = false;
    connection->is_output_stuck = false;
    while (!connection->is_output_stuck) {
        struct iovec slices[SLICES_MAX];
        size_t slice_count;
        size_t length = show_output(connection, slices, &slice_count);
        if (length == 0)
            break;
        size_t count = 0;
        enum net_result result = connection_stream_write(connection, slices, slice_count,
                                                         is_more_to_come(connection), &count);
        if (result != NET_DONE && result != NET_AGAIN) {
            if (connection_is_client(connection))
                hear_last_words(connection);
            connection_lose(connection, ENGINE_END_LOST);
            return false;
        }
        if (count > 0) {
            connection->engine_face->sent(connection->engine, count, now_of(connection));
            has_moved = true;
        }
        *budget -= count < *budget ? count : *budget;
        connection->is_output_stuck = count < length || *budget == 0;
    }
    if (!connection->is_closing) {
        if (!connection->is_output_stuck)
            connection->limit = 0;
        else if (!was_stuck || has_moved)
            connection->limit = now_of(connection) + connection->patience.stall;
    }
    return true;
}

/* Feeds until the engine takes no more. True: it took something. */
static bool feed(struct connection *connection)
{
    bool has_taken = false;
    while (connection->input.length > 0 &&
           connection->engine_face->wish(connection->engine) == ENGINE_WANTS_INPUT) {
        size_t count = connection->engine_face->feed(connection->engine, connection->input,
                                                     now_of(connection));
        if (count == 0)
            break;
        connection->input = bytes_skip(connection->input, count);
        has_taken = true;
    }
    return has_taken;
}

/* The reply that a job brought and those to what the peer has sent meanwhile leave together. */
static void gather(struct connection *connection)
{
    if (connection->is_output_stuck || connection->input.length == 0)
        return;
    size_t length = output_length(connection);
    if (length > 0 && length < GATHERED_SIZE)
        feed(connection);
}

/* The engine wants input: gives it what there is. True: go on, there may be output now. */
static bool give_input(struct connection *connection)
{
    if (feed(connection))
        return true;
    return connection->engine_face->wish(connection->engine) != ENGINE_WANTS_INPUT ||
           output_length(connection) > 0;
}

/* All is written: says so under TLS, then ends. False: the socket takes no more for now. */
static bool part(struct connection *connection, enum engine_end how)
{
    if (connection->tls != NULL && net_tls_notify(connection->tls) == NET_AGAIN) {
        connection->is_output_stuck = true;
        if (connection->limit == 0)
            connection->limit = now_of(connection) + connection->patience.close;
        return false;
    }
    connection_finish(connection, how);
    return true;
}

/* Carries bytes both ways until the engine or the socket must be waited for. The connection may be
 * gone afterwards. */
static void pump(struct connection *connection)
{
    size_t budget = TURN_OUTPUT_SIZE;
    gather(connection);
    for (;;) {
        if (!write_output(connection, &budget))
            return;
        if (connection->is_output_stuck) {
            if (wants_input(connection))
                feed(connection);
            break;
        }
        enum engine_wish wish = connection->engine_face->wish(connection->engine);
        if (wish == ENGINE_WANTS_CLOSE) {
            if (part(connection, ENGINE_END_CLOSED))
                return;
            break;
        }
        if (wish == ENGINE_WANTS_TLS) {
            connection_tls_start(connection);
            return;
        }
        if (wish == ENGINE_WAITS)
            break;
        if (give_input(connection))
            continue;
        if (connection->is_input_over && part(connection, ENGINE_END_PEER))
            return;
        break;
    }
    if (!connection_stream_keep(connection)) {
        connection_lose(connection, ENGINE_END_LOST);
        return;
    }
    connection_settle(connection);
}

/* The connection may be gone afterwards. */
static void read_once(struct connection *connection)
{
    switch (connection_stream_read(connection)) {
    case NET_AGAIN:
        if (connection->is_output_stuck)
            pump(connection);
        else
            connection_settle(connection);
        return;
    case NET_FAILED:
        connection_lose(connection, ENGINE_END_LOST);
        return;
    case NET_END:
        connection->is_input_over = true;
        break;
    case NET_DONE:
        break;
    }
    pump(connection);
}

void connection_go_on(struct connection *connection)
{
    if (connection->is_read_pending && wants_input(connection))
        read_once(connection);
    else
        pump(connection);
}

void connection_resume(struct connection *connection)
{
    if (connection->phase == CONNECTION_OPEN)
        pump(connection);
}

/* ---- what the loop tells ---- */

static void hear_open(struct connection *connection, int events, bool is_broken)
{
    if (wants_input(connection)) {
        /* What came before a reset can still be read. */
        read_once(connection);
    } else if (is_broken) {
        connection_lose(connection, ENGINE_END_LOST);
    } else if (connection->is_output_stuck) {
        pump(connection);
    } else {
        connection->is_peer_quiet = (events & UV_DISCONNECT) != 0;
        connection->is_read_paused = true;
        connection_settle(connection);
    }
}

static void hear_connected(struct connection *connection)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (connection->trouble->fault.kind != FAULT_NONE) {
        connection_lose(connection, ENGINE_END_LOST);
        return;
    }
    if (getsockopt(connection->descriptor, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
        error = errno;
    if (error != 0) {
        fault_set_system(connection_fault(connection), FAULT_TEMPORARY, error, "cannot connect");
        connection_lose(connection, ENGINE_END_LOST);
        return;
    }
    connection->limit = 0;
    connection_note_step(connection, CONNECTOR_IS_OPEN);
    connection_begin(connection);
}

static void hear_poll(uv_poll_t *poll, int status, int events)
{
    struct connection *connection = poll->data;
    /* libuv stops the poll of a broken socket. */
    if (status < 0)
        connection->watched = 0;
    switch (connection->phase) {
    case CONNECTION_CONNECTS:
        hear_connected(connection);
        return;
    case CONNECTION_HANDSHAKE:
        connection_tls_go_on(connection);
        return;
    case CONNECTION_OPEN:
        hear_open(connection, events, status < 0);
        return;
    case CONNECTION_LINGERS:
        linger(connection);
        return;
    default:
        assert(false);
    }
}

static struct connection *connection_of(struct loop_member *member)
{
    return (struct connection *)member;
}

static void hear_limit(struct connection *connection)
{
    struct fault *fault = connection_fault(connection);
    if (fault != NULL && fault->kind == FAULT_NONE)
        fault_set_system(fault, FAULT_TEMPORARY, ETIMEDOUT, "the far end took too long");
    if (connection->phase == CONNECTION_LINGERS)
        drop(connection);
    else
        connection_lose(connection, connection->phase == CONNECTION_HANDSHAKE ? ENGINE_END_TLS
                                                                              : ENGINE_END_LOST);
}

static void wake(struct loop_member *member, int64_t now)
{
    struct connection *connection = connection_of(member);
    if (connection->limit != 0 && now >= connection->limit) {
        hear_limit(connection);
        return;
    }
    if (connection->phase != CONNECTION_OPEN) {
        connection_settle(connection);
        return;
    }
    int64_t tick = connection->engine_face->deadline(connection->engine);
    if (tick != 0 && now >= tick && !connection->is_closing)
        connection->engine_face->tick(connection->engine, now);
    connection_go_on(connection);
}

static void stop(struct loop_member *member, int64_t now)
{
    struct connection *connection = connection_of(member);
    if (connection->phase == CONNECTION_OPEN) {
        if (!connection->is_closing)
            connection->engine_face->stop(connection->engine, now);
        pump(connection);
    } else {
        connection_lose(connection, ENGINE_END_STOP);
    }
}

static void end_now(struct loop_member *member, int64_t now)
{
    (void)now;
    connection_lose(connection_of(member), ENGINE_END_STOP);
}

static const struct loop_member_face member_face = {wake, stop, end_now};

/* ---- the beginning ---- */

struct connection *connection_new(struct loop *loop, int descriptor,
                                  const struct connection_patience *patience)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL)
        return NULL;
    connection->member.loop = loop;
    connection->descriptor = descriptor;
    connection->patience = *patience;
    connection->kept = BUFFER(CONNECTION_READ_SIZE);
    atomic_fetch_add_explicit(&loop->load, 1, memory_order_relaxed);
    return connection;
}

bool connection_join(struct connection *connection)
{
    struct loop *loop = connection->member.loop;
    if (loop->is_stopping ||
        uv_poll_init(&loop->uv, &connection->poll, connection->descriptor) != 0) {
        close(connection->descriptor);
        connection_free(connection);
        return false;
    }
    connection->poll.data = connection;
    if (!loop_member_add(loop, &connection->member, &member_face)) {
        uv_close((uv_handle_t *)&connection->poll, hear_poll_closed);
        close(connection->descriptor);
        return false;
    }
    return true;
}

void connection_await_connect(struct connection *connection, int64_t patience)
{
    connection->phase = CONNECTION_CONNECTS;
    connection->limit = now_of(connection) + patience;
    connection_settle(connection);
}

void connection_begin(struct connection *connection)
{
    if (connection->is_implicit) {
        connection_tls_start(connection);
    } else {
        connection->phase = CONNECTION_OPEN;
        pump(connection);
    }
}
