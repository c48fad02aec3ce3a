/* Many clients at once, to load a mail server: deliveries by SMTP or LMTP, or POP3 sessions; a
 * thread and a blocking socket each. Prints one line of JSON.
 *
 * mail_load deliver [OPTION...] PORT ADDRESS...
 *     each message goes to the next --recipients of the addresses, in turn
 * mail_load login [OPTION...] PORT USER PASSWORD
 *     POP3: connect, log in, STAT, QUIT
 * mail_load fetch [OPTION...] PORT USER PASSWORD
 *     POP3: RETR of --messages from the front of the mailbox
 * mail_load stat [OPTION...] PORT USER PASSWORD
 *     POP3: STAT, again and again
 *
 * Options: --connections N (1), --messages N (100, of all connections together),
 * --size BYTES (4096), --recipients N (1),
 * --each N (50): messages of a connection before it is made anew,
 * --lmtp, --pipelined (fetch), --from ADDRESS. */
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "load_client.h"

enum {
    COMMANDS_SIZE = 128 * 1024,
    LINE_BODY = 76,
    STACK_SIZE = 128 * 1024,
    PIPELINE = 100 /* commands of a flight of fetch --pipelined */
};

/* What all clients share. */
static struct {
    const char *mode;
    const char *from;
    const char *user;
    const char *password;
    bool is_lmtp, is_pipelined;
    unsigned connections, messages, recipients, each;
    size_t size;
    int port;
    char **targets;
    unsigned target_count;
    char *body; /* with its last dot */
    size_t body_length;
    atomic_uint begun;
    double *latencies;
} load = {.from = "load@example.org",
          .connections = 1,
          .messages = 100,
          .recipients = 1,
          .each = 50,
          .size = 4096};

/* One connection. */
struct client {
    struct load_client wire;
    bool can_pipeline;
    char *commands;
};

/* A header and lines of letters. */
static void make_body(void)
{
    load.body = load_client_allocate(load.size + 512);
    size_t at = (size_t)sprintf(
        load.body,
        "From: <load@example.org>\r\nTo: <you@example.org>\r\nSubject: A letter of the load\r\n"
        "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <load@example.org>\r\n\r\n");
    for (unsigned letter = 0; at + LINE_BODY + 2 < load.size;) {
        for (int column = 0; column < LINE_BODY; column++)
            load.body[at++] = (char)('a' + (letter++ * 7) % 26);
        memcpy(load.body + at, "\r\n", 2);
        at += 2;
    }
    memcpy(load.body + at, ".\r\n", 3);
    load.body_length = at + 3;
}

/* A whole SMTP reply of one class; *found: `keyword` stood in one of its lines. */
static void hear_reply(struct client *client, char class, const char *keyword, bool *found)
{
    for (;;) {
        char *line = load_client_hear_line(&client->wire);
        if (line[0] != class)
            load_client_fail("refused", line);
        if (keyword != NULL && strstr(line, keyword) != NULL)
            *found = true;
        if (line[3] != '-')
            return;
    }
}

static void open_smtp(struct client *client)
{
    load_client_open(&client->wire, load.port);
    /* Some servers take few connections at once: one that was not greeted was lost on its way in.
     */
    while (!load_client_is_answered(&client->wire, 1)) {
        load_client_close(&client->wire);
        load_client_open(&client->wire, load.port);
    }
    hear_reply(client, '2', NULL, NULL);
    load_client_say_string(&client->wire, load.is_lmtp ? "LHLO load.example.org\r\n"
                                                       : "EHLO load.example.org\r\n");
    client->can_pipeline = false;
    hear_reply(client, '2', "PIPELINING", &client->can_pipeline);
}

static void close_smtp(struct client *client)
{
    load_client_say_string(&client->wire, "QUIT\r\n");
    hear_reply(client, '2', NULL, NULL);
    load_client_close(&client->wire);
}

/* One message. With PIPELINING the envelope is one flight. */
static void deliver(struct client *client, unsigned number)
{
    size_t length = (size_t)sprintf(client->commands, "MAIL FROM:<%s>\r\n", load.from);
    if (!client->can_pipeline) {
        load_client_say(&client->wire, client->commands, length);
        hear_reply(client, '2', NULL, NULL);
        length = 0;
    }
    for (unsigned i = 0; i < load.recipients; i++) {
        const char *target = load.targets[(number * load.recipients + i) % load.target_count];
        length += (size_t)sprintf(client->commands + length, "RCPT TO:<%s>\r\n", target);
        if (!client->can_pipeline) {
            load_client_say(&client->wire, client->commands, length);
            hear_reply(client, '2', NULL, NULL);
            length = 0;
        }
    }
    length += (size_t)sprintf(client->commands + length, "DATA\r\n");
    load_client_say(&client->wire, client->commands, length);
    for (unsigned i = 0; client->can_pipeline && i < load.recipients + 1; i++)
        hear_reply(client, '2', NULL, NULL);
    hear_reply(client, '3', NULL, NULL);
    load_client_say(&client->wire, load.body, load.body_length);
    for (unsigned i = 0; i < (load.is_lmtp ? load.recipients : 1); i++)
        hear_reply(client, '2', NULL, NULL);
}

static void run_deliveries(struct client *client)
{
    unsigned here = 0;
    unsigned number;
    while ((number = atomic_fetch_add(&load.begun, 1)) < load.messages) {
        if (here == 0)
            open_smtp(client);
        double begun = load_client_now();
        deliver(client, number);
        load.latencies[number] = load_client_now() - begun;
        if (++here == load.each) {
            close_smtp(client);
            here = 0;
        }
    }
    if (here > 0)
        close_smtp(client);
}

static void hear_good(struct client *client)
{
    char *line = load_client_hear_line(&client->wire);
    if (line[0] != '+')
        load_client_fail("refused", line);
}

static void open_pop3(struct client *client)
{
    load_client_open(&client->wire, load.port);
    hear_good(client);
    sprintf(client->commands, "USER %s\r\n", load.user);
    load_client_say_string(&client->wire, client->commands);
    hear_good(client);
    sprintf(client->commands, "PASS %s\r\n", load.password);
    load_client_say_string(&client->wire, client->commands);
    hear_good(client);
}

static void say_and_hear(struct client *client, const char *command)
{
    load_client_say_string(&client->wire, command);
    hear_good(client);
}

static void close_pop3(struct client *client)
{
    say_and_hear(client, "QUIT\r\n");
    load_client_close(&client->wire);
}

static void run_logins(struct client *client)
{
    unsigned number;
    while ((number = atomic_fetch_add(&load.begun, 1)) < load.messages) {
        double begun = load_client_now();
        open_pop3(client);
        say_and_hear(client, "STAT\r\n");
        close_pop3(client);
        load.latencies[number] = load_client_now() - begun;
    }
}

static void run_stats(struct client *client)
{
    unsigned number;
    open_pop3(client);
    while ((number = atomic_fetch_add(&load.begun, 1)) < load.messages) {
        double begun = load_client_now();
        say_and_hear(client, "STAT\r\n");
        load.latencies[number] = load_client_now() - begun;
    }
    close_pop3(client);
}

/* Reads over one message: up to the line that is a dot. */
static void hear_message(struct client *client)
{
    hear_good(client);
    for (;;) {
        char *text = client->wire.input + client->wire.start;
        size_t length = client->wire.end - client->wire.start;
        if (length >= 3 && memcmp(text, ".\r\n", 3) == 0) {
            client->wire.start += 3;
            return;
        }
        char *end = memmem(text, length, "\r\n.\r\n", 5);
        if (end != NULL) {
            client->wire.start = (size_t)(end + 5 - client->wire.input);
            return;
        }
        /* The end may begin in what is here. */
        if (length > 4)
            client->wire.start += length - 4;
        load_client_read(&client->wire);
    }
}

static void run_fetches(struct client *client)
{
    open_pop3(client);
    for (unsigned number = 0; number < load.messages;) {
        unsigned flight = load.is_pipelined ? PIPELINE : 1;
        if (flight > load.messages - number)
            flight = load.messages - number;
        size_t length = 0;
        for (unsigned i = 0; i < flight; i++)
            length += (size_t)sprintf(client->commands + length, "RETR %u\r\n", number + i + 1);
        double begun = load_client_now();
        load_client_say(&client->wire, client->commands, length);
        for (unsigned i = 0; i < flight; i++, number++) {
            hear_message(client);
            load.latencies[number] = load_client_now() - begun;
        }
    }
    close_pop3(client);
}

static void *run(void *unused)
{
    (void)unused;
    struct client client = {.commands = load_client_allocate(COMMANDS_SIZE)};
    load_client_init(&client.wire);
    if (strcmp(load.mode, "deliver") == 0)
        run_deliveries(&client);
    else if (strcmp(load.mode, "login") == 0)
        run_logins(&client);
    else if (strcmp(load.mode, "stat") == 0)
        run_stats(&client);
    else
        run_fetches(&client);
    load_client_clear(&client.wire);
    free(client.commands);
    return NULL;
}

static void read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"connections", required_argument, NULL, 'c'},
        {"messages", required_argument, NULL, 'm'},
        {"size", required_argument, NULL, 's'},
        {"recipients", required_argument, NULL, 'r'},
        {"each", required_argument, NULL, 'e'},
        {"lmtp", no_argument, NULL, 'l'},
        {"pipelined", no_argument, NULL, 'p'},
        {"from", required_argument, NULL, 'f'},
        {NULL, 0, NULL, 0},
    };
    for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        unsigned value = optarg == NULL ? 0 : (unsigned)strtoul(optarg, NULL, 10);
        switch (letter) {
        case 'c':
            load.connections = value;
            break;
        case 'm':
            load.messages = value;
            break;
        case 's':
            load.size = value;
            break;
        case 'r':
            load.recipients = value;
            break;
        case 'e':
            load.each = value;
            break;
        case 'l':
            load.is_lmtp = true;
            break;
        case 'p':
            load.is_pipelined = true;
            break;
        case 'f':
            load.from = optarg;
            break;
        default:
            exit(2);
        }
    }
    if (argc - optind < 3) {
        fprintf(stderr, "usage: mail_load deliver|login|fetch|stat [OPTION...] PORT "
                        "ADDRESS...|USER PASSWORD\n");
        exit(2);
    }
    load.mode = argv[optind];
    load.port = atoi(argv[optind + 1]);
    load.targets = argv + optind + 2;
    load.target_count = (unsigned)(argc - optind - 2);
    load.user = load.targets[0];
    load.password = load.target_count > 1 ? load.targets[1] : "";
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
    make_body();
    load.latencies = load_client_allocate(load.messages * sizeof *load.latencies);
    pthread_t *threads = load_client_allocate(load.connections * sizeof *threads);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    double begun = load_client_now();
    for (unsigned i = 0; i < load.connections; i++) {
        errno = pthread_create(&threads[i], &attributes, run, NULL);
        if (errno != 0)
            load_client_fail("pthread_create", NULL);
    }
    for (unsigned i = 0; i < load.connections; i++)
        pthread_join(threads[i], NULL);
    double seconds = load_client_now() - begun;
    load_client_print(load.latencies, load.messages, seconds);
    return 0;
}
