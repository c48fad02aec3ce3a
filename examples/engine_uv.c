/* The engine on libuv: one connection, one message, no TLS; many connections would run beside each
 * other on the same loop. Usage: engine_uv ADDRESS PORT FROM TO */
#include <posthorn/engine.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

struct mail {
    uv_tcp_t socket;
    uv_timer_t timer; /* the engine's deadline */
    uv_write_t write;
    size_t writing; /* bytes given to libuv and not yet reported; 0 = none */
    struct ph_engine *engine;
    struct ph_transaction transaction;
    struct ph_recipient recipient;
    struct ph_error error;
    char input[4096];
};

static void pump(struct mail *mail);

static int64_t now(const struct mail *mail)
{
    return (int64_t)uv_now(mail->socket.loop);
}

static void finish(struct mail *mail)
{
    if (!uv_is_closing((uv_handle_t *)&mail->socket))
        uv_close((uv_handle_t *)&mail->socket, NULL);
    if (!uv_is_closing((uv_handle_t *)&mail->timer))
        uv_close((uv_handle_t *)&mail->timer, NULL);
}

/* ---- events ---- */

/* Each operation that is done calls for the next. Returns false when there is no next. */
static bool go_on(struct mail *mail, const struct ph_event *event)
{
    if (event->error->kind != PH_OK) {
        mail->error = *event->error;
        return false;
    }
    switch (event->operation) {
    case PH_OPERATION_GREETING:
        return ph_engine_hello(mail->engine, PH_HELLO_AUTOMATIC, NULL, now(mail), &mail->error);
    case PH_OPERATION_HELLO:
        return ph_engine_send(mail->engine, &mail->transaction, now(mail), &mail->error);
    case PH_OPERATION_TRANSACTION:
        printf("%s\n", event->reply.text);
        return ph_engine_quit(mail->engine, now(mail), &mail->error);
    default:
        return false;
    }
}

static bool hear(struct mail *mail)
{
    struct ph_event event;
    while (ph_engine_next(mail->engine, &event))
        if (event.kind == PH_EVENT_DONE && !go_on(mail, &event))
            return false;
    return true;
}

/* ---- bytes ---- */

static void on_written(uv_write_t *write, int status)
{
    struct mail *mail = write->data;
    size_t count = mail->writing;
    mail->writing = 0;
    if (status < 0)
        ph_engine_end_of_input(mail->engine, -status, now(mail));
    else
        ph_engine_sent(mail->engine, count, now(mail));
    pump(mail);
}

/* The slices are the engine's until it is told that they are sent: one write at a time. */
static void write_output(struct mail *mail)
{
    struct iovec slices[16];
    uv_buf_t buffers[16];
    if (mail->writing > 0)
        return;
    size_t count = ph_engine_output(mail->engine, slices, 16);
    for (size_t i = 0; i < count; i++) {
        buffers[i] = uv_buf_init(slices[i].iov_base, (unsigned)slices[i].iov_len);
        mail->writing += slices[i].iov_len;
    }
    if (count > 0)
        uv_write(&mail->write, (uv_stream_t *)&mail->socket, buffers, (unsigned)count, on_written);
}

static void give_memory(uv_handle_t *handle, size_t wish, uv_buf_t *buffer)
{
    struct mail *mail = handle->data;
    (void)wish;
    *buffer = uv_buf_init(mail->input, sizeof mail->input);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct mail *mail = stream->data;
    if (got < 0)
        ph_engine_end_of_input(mail->engine, got == UV_EOF ? 0 : (int)-got, now(mail));
    /* The engine takes no more than it can tell of; after its events it takes the rest. */
    for (ssize_t fed = 0; fed < got && !uv_is_closing((uv_handle_t *)stream);) {
        fed += (ssize_t)ph_engine_feed(mail->engine, buffer->base + fed, (size_t)(got - fed),
                                       now(mail));
        pump(mail);
    }
    pump(mail);
}

/* ---- time ---- */

static void on_deadline(uv_timer_t *timer)
{
    struct mail *mail = timer->data;
    ph_engine_tick(mail->engine, now(mail));
    pump(mail);
}

static void set_timer(struct mail *mail)
{
    int64_t deadline = ph_engine_deadline(mail->engine);
    if (deadline == INT64_MAX)
        uv_timer_stop(&mail->timer);
    else
        uv_timer_start(&mail->timer, on_deadline,
                       deadline > now(mail) ? (uint64_t)(deadline - now(mail)) : 0, 0);
}

/* After anything that happened: events first, then what they made to be written, then the clock. */
static void pump(struct mail *mail)
{
    if (uv_is_closing((uv_handle_t *)&mail->socket))
        return;
    if (!hear(mail)) {
        finish(mail);
        return;
    }
    write_output(mail);
    set_timer(mail);
}

static void on_connected(uv_connect_t *connect, int status)
{
    struct mail *mail = connect->data;
    struct ph_engine_options options = {.hello_name = "[127.0.0.1]"};
    if (status < 0)
        fprintf(stderr, "cannot connect: %s\n", uv_strerror(status));
    mail->error.kind = PH_ERROR_CONNECT;
    if (status == 0) {
        uv_tcp_nodelay(&mail->socket, 1);
        mail->error.kind = PH_OK;
        mail->engine = ph_engine_new(&options, now(mail), &mail->error);
    }
    if (mail->engine == NULL) {
        finish(mail);
        return;
    }
    uv_read_start((uv_stream_t *)&mail->socket, give_memory, on_read);
    pump(mail);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: engine_uv ADDRESS PORT FROM TO\n");
        return 2;
    }
    static const char letter[] = "Subject: From an engine\r\n\r\nHello from libuv.\r\n";
    uv_loop_t *loop = uv_default_loop();
    struct mail mail = {.recipient.address = argv[4]};
    mail.transaction = (struct ph_transaction){
        .sender = argv[3],
        .recipients = &mail.recipient,
        .recipient_count = 1,
        .body = {.data = letter, .length = strlen(letter)},
    };
    uv_tcp_init(loop, &mail.socket);
    uv_timer_init(loop, &mail.timer);
    mail.socket.data = mail.timer.data = mail.write.data = &mail;
    uv_connect_t connect = {.data = &mail};
    struct sockaddr_in address;
    uv_ip4_addr(argv[1], atoi(argv[2]), &address);
    uv_tcp_connect(&connect, &mail.socket, (const struct sockaddr *)&address, on_connected);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    ph_engine_free(mail.engine);
    if (mail.error.kind != PH_OK)
        fprintf(stderr, "%s\n", mail.error.message);
    return mail.error.kind == PH_OK ? 0 : 1;
}
