/* The engine on poll(2): one connection, one message, no TLS, to show the loop that every host of
 * the engine has. Usage: engine_poll HOST PORT FROM TO */
#include <posthorn/engine.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static int connect_to(const char *host, const char *port)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    if (getaddrinfo(host, port, &hints, &found) != 0)
        return -1;
    int descriptor = socket(found->ai_family, found->ai_socktype, 0);
    if (descriptor >= 0 && connect(descriptor, found->ai_addr, found->ai_addrlen) != 0) {
        close(descriptor);
        descriptor = -1;
    }
    freeaddrinfo(found);
    if (descriptor >= 0)
        fcntl(descriptor, F_SETFL, O_NONBLOCK);
    return descriptor;
}

/* Each operation that is done calls for the next. Returns false when there is no next. */
static bool go_on(struct ph_engine *engine, const struct ph_event *event,
                  const struct ph_transaction *transaction, struct ph_error *error)
{
    if (event->error->kind != PH_OK) {
        *error = *event->error;
        return false;
    }
    switch (event->operation) {
    case PH_OPERATION_GREETING:
        return ph_engine_hello(engine, PH_HELLO_AUTOMATIC, NULL, now(), error);
    case PH_OPERATION_HELLO:
        return ph_engine_send(engine, transaction, now(), error);
    case PH_OPERATION_TRANSACTION:
        printf("%s\n", event->reply.text);
        return ph_engine_quit(engine, now(), error);
    default:
        return false;
    }
}

/* Pulls every event; false = the conversation is over. */
static bool hear(struct ph_engine *engine, const struct ph_transaction *transaction,
                 struct ph_error *error)
{
    struct ph_event event;
    while (ph_engine_next(engine, &event)) {
        if (event.kind == PH_EVENT_RECIPIENT)
            printf("%s: %d\n", transaction->recipients[event.index].address, event.reply.code);
        if (event.kind == PH_EVENT_DONE && !go_on(engine, &event, transaction, error))
            return false;
    }
    return true;
}

/* Writes what there is, as far as the socket takes it. True when something is left. */
static bool write_output(struct ph_engine *engine, int descriptor)
{
    struct iovec slices[16];
    size_t count;
    while ((count = ph_engine_output(engine, slices, 16)) > 0) {
        struct msghdr group = {.msg_iov = slices, .msg_iovlen = count};
        ssize_t written = sendmsg(descriptor, &group, MSG_NOSIGNAL);
        if (written < 0 && errno != EAGAIN)
            ph_engine_end_of_input(engine, errno, now());
        if (written < 0)
            return errno == EAGAIN;
        ph_engine_sent(engine, (size_t)written, now());
    }
    return false;
}

static void read_input(struct ph_engine *engine, int descriptor,
                       const struct ph_transaction *transaction, bool *is_open,
                       struct ph_error *error)
{
    char buffer[4096];
    ssize_t got = recv(descriptor, buffer, sizeof buffer, 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0)
        ph_engine_end_of_input(engine, got < 0 ? errno : 0, now());
    /* The engine takes no more than it can tell of; after its events it takes the rest. */
    for (ssize_t fed = 0; fed < got && *is_open;) {
        fed += (ssize_t)ph_engine_feed(engine, buffer + fed, (size_t)(got - fed), now());
        *is_open = hear(engine, transaction, error);
    }
}

static void run(struct ph_engine *engine, int descriptor, const struct ph_transaction *transaction,
                struct ph_error *error)
{
    bool is_open = true;
    while (is_open && (is_open = hear(engine, transaction, error))) {
        bool wants_write = write_output(engine, descriptor);
        int64_t left = ph_engine_deadline(engine) - now();
        struct pollfd polled = {.fd = descriptor, .events = POLLIN};
        if (wants_write)
            polled.events |= POLLOUT;
        /* Reading goes on while writing waits: that is what keeps the two ends from a deadlock. */
        if (poll(&polled, 1, left < 0 ? 0 : left > 60000 ? 60000 : (int)left) > 0)
            read_input(engine, descriptor, transaction, &is_open, error);
        ph_engine_tick(engine, now());
    }
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: engine_poll HOST PORT FROM TO\n");
        return 2;
    }
    static const char letter[] = "Subject: From an engine\r\n\r\nHello from poll(2).\r\n";
    struct ph_recipient recipient = {.address = argv[4]};
    struct ph_transaction transaction = {
        .sender = argv[3],
        .recipients = &recipient,
        .recipient_count = 1,
        .body = {.data = letter, .length = strlen(letter)},
    };
    struct ph_engine_options options = {.hello_name = "[127.0.0.1]"};
    struct ph_error error = {0};
    int descriptor = connect_to(argv[1], argv[2]);
    if (descriptor < 0) {
        fprintf(stderr, "cannot connect\n");
        return 1;
    }
    struct ph_engine *engine = ph_engine_new(&options, now(), &error);
    if (engine != NULL)
        run(engine, descriptor, &transaction, &error);
    ph_engine_free(engine);
    close(descriptor);
    if (error.kind != PH_OK)
        fprintf(stderr, "%s\n", error.message);
    return error.kind == PH_OK ? 0 : 1;
}
