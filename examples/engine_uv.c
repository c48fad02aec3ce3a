/* The engine on libuv: one connection, one message, no TLS; many connections would run beside each
 * other on the same loop. Usage: engine_uv ADDRESS PORT FROM TO */
#include <posthorn/engine.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

struct mail {
    int descriptor;
    uv_poll_t poll;   /* the socket's readiness */
    uv_timer_t timer; /* the engine's deadline */
    struct ph_engine *engine;
    struct ph_transaction transaction;
    struct ph_recipient recipient;
    struct ph_error error;
};

static void pump(struct mail *mail);

static int64_t now(const struct mail *mail)
{
    return (int64_t)uv_now(mail->poll.loop);
}

static bool is_finished(const struct mail *mail)
{
    return uv_is_closing((const uv_handle_t *)&mail->poll);
}

static void finish(struct mail *mail)
{
    uv_close((uv_handle_t *)&mail->poll, NULL);
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

static void on_ready(uv_poll_t *poll, int status, int events);

/* Writes what there is, as far as the socket takes it, and asks to be told when it takes more. The
 * engine hears at once how much went out: a reply may be there the next moment. */
static void write_output(struct mail *mail)
{
    struct iovec slices[16];
    size_t count;
    int wanted = UV_READABLE;
    while ((count = ph_engine_output(mail->engine, slices, 16)) > 0) {
        struct msghdr group = {.msg_iov = slices, .msg_iovlen = count};
        ssize_t written = sendmsg(mail->descriptor, &group, MSG_NOSIGNAL);
        if (written < 0) {
            if (errno == EAGAIN)
                wanted |= UV_WRITABLE;
            else
                ph_engine_end_of_input(mail->engine, errno, now(mail));
            break;
        }
        ph_engine_sent(mail->engine, (size_t)written, now(mail));
    }
    uv_poll_start(&mail->poll, wanted, on_ready);
}

static void read_input(struct mail *mail)
{
    char buffer[4096];
    ssize_t got = recv(mail->descriptor, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        ph_engine_end_of_input(mail->engine, got < 0 ? errno : 0, now(mail));
    /* The engine takes no more than it can tell of; after its events it takes the rest. */
    for (ssize_t fed = 0; fed < got && !is_finished(mail);) {
        fed += (ssize_t)ph_engine_feed(mail->engine, buffer + fed, (size_t)(got - fed), now(mail));
        pump(mail);
    }
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
    struct mail *mail = poll->data;
    if (status < 0)
        ph_engine_end_of_input(mail->engine, -status, now(mail));
    else if (events & UV_READABLE)
        read_input(mail);
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
    if (is_finished(mail))
        return;
    if (!hear(mail)) {
        finish(mail);
        return;
    }
    write_output(mail);
    set_timer(mail);
}

static int connect_to(const char *address, const char *port)
{
    struct sockaddr_in to;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (uv_ip4_addr(address, atoi(port), &to) != 0 ||
        connect(descriptor, (const struct sockaddr *)&to, sizeof to) != 0) {
        close(descriptor);
        return -1;
    }
    fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return descriptor;
}

static void run(struct mail *mail, uv_loop_t *loop)
{
    struct ph_engine_options options = {.hello_name = "[127.0.0.1]"};
    uv_poll_init_socket(loop, &mail->poll, mail->descriptor);
    uv_timer_init(loop, &mail->timer);
    mail->poll.data = mail->timer.data = mail;
    mail->engine = ph_engine_new(&options, now(mail), &mail->error);
    if (mail->engine == NULL)
        finish(mail);
    else
        pump(mail);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    ph_engine_free(mail->engine);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: engine_uv ADDRESS PORT FROM TO\n");
        return 2;
    }
    static const char letter[] = "Subject: From an engine\r\n\r\nHello from libuv.\r\n";
    struct mail mail = {.recipient.address = argv[4], .descriptor = connect_to(argv[1], argv[2])};
    mail.transaction = (struct ph_transaction){
        .sender = argv[3],
        .recipients = &mail.recipient,
        .recipient_count = 1,
        .body = {.data = letter, .length = strlen(letter)},
    };
    if (mail.descriptor < 0) {
        fprintf(stderr, "cannot connect\n");
        return 1;
    }
    run(&mail, uv_default_loop());
    close(mail.descriptor);
    if (mail.error.kind != PH_OK)
        fprintf(stderr, "%s\n", mail.error.message);
    return mail.error.kind == PH_OK ? 0 : 1;
}
