/* Many clients at once, to load an IMAP server; a thread and a blocking socket each, logins in
 * clear. Prints one line of JSON.
 *
 * imap_load run [OPTION...] PORT USER PASSWORD COMMAND
 *     selects --mailbox and says the command --messages times; --then COMMAND comes after each and
 *     is not measured
 * imap_load append [OPTION...] PORT USER PASSWORD
 *     --messages of --size, --each of them in one command; --pipelined: no client waits for the
 *     answer before it says the next command
 * imap_load sessions [OPTION...] PORT USER PASSWORD
 *     connect, LOGIN, SELECT, LOGOUT
 * imap_load push [OPTION...] PORT USER PASSWORD SMTP-PORT
 *     from the 250 of a delivery to the EXISTS that IDLE hears
 *
 * Options: --connections N (1), --messages N (100, of all connections together),
 * --size BYTES (4096), --each N (1), --first N (0): the number of the first message,
 * --mailbox NAME (INBOX), --then COMMAND, --pipelined, --lmtp (push). */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load_client.h"

enum {
    STACK_SIZE = 128 * 1024,
    COMMAND_SIZE = 8192,
    HEADER_SIZE = 1024,
    LITERAL_MINUS_MAX = 4096, /* RFC 7888 4 */
    THREAD_LENGTH = 4,        /* messages of a conversation */
    PEOPLE = 997,
    FLIGHT = 64 /* commands that are on their way with --pipelined */
};

/* What all clients share. */
static struct {
    const char *mode, *mailbox, *then;
    const char *user, *password, *command;
    bool is_lmtp, is_pipelined;
    unsigned connections, messages, each, first;
    size_t size;
    int port, smtp_port;
    atomic_uint begun;
    double *latencies;
} load = {.mailbox = "INBOX", .connections = 1, .messages = 100, .each = 1, .size = 4096};

/* One connection. */
struct client {
    struct load_client wire;
    bool has_literal_plus, has_literal_minus;
    unsigned tag;
    char *message;
    size_t message_length;
    /* Of the last command. */
    size_t untagged, bytes;
};

static const char *const words[] = {"meeting", "invoice", "garden", "holiday", "report",
                                    "letter",  "harvest", "music",  "travel",  "weather"};

/* ---- messages ---- */

/* Every one differs from the others; some answer others. */
static void make_message(struct client *client, unsigned number)
{
    size_t count = sizeof words / sizeof words[0];
    unsigned root = number - number % THREAD_LENGTH;
    char *text = client->message;
    size_t at = (size_t)snprintf(
        text, HEADER_SIZE,
        "Received: from load.example by mail.bench.test; Mon, 23 Nov 2026 12:00:00 +0000\r\n"
        "From: Person Number %u <person%u@load.example>\r\nTo: <you@bench.test>\r\n"
        "Subject: %s%s %u about the %s\r\n"
        "Date: %s, %u Nov 2026 %02u:%02u:%02u +0000\r\nMessage-ID: <%u@load.example>\r\n",
        number % PEOPLE, number % PEOPLE, number == root ? "" : "Re: ", words[root % count], root,
        words[root / count % count], root % 2 == 0 ? "Mon" : "Tue", root % 2 == 0 ? 23 : 24,
        number / 3600 % 24, number / 60 % 60, number % 60, number);
    if (number != root)
        at += (size_t)snprintf(
            text + at, HEADER_SIZE - at,
            "In-Reply-To: <%u@load.example>\r\nReferences: <%u@load.example>\r\n", root, root);
    at += (size_t)snprintf(text + at, HEADER_SIZE - at,
                           "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
                           "User-Agent: imap_load\r\n\r\n");
    size_t header = at;
    for (unsigned word = number; at < load.size; word = word * 31 + 7) {
        at += (size_t)sprintf(text + at, "%s %u ", words[word % count], word % 10000);
        if (word % 8 == 0) {
            memcpy(text + at, "\r\n", 2);
            at += 2;
        }
    }
    /* As long as was asked for to the byte, unless the header is longer. */
    client->message_length = load.size > header ? load.size : header;
    memcpy(text + client->message_length - 2, "\r\n", 2);
    if (text[client->message_length - 3] == '\r')
        text[client->message_length - 3] = ' ';
}

/* ---- responses ---- */

/* How many bytes of a literal are behind the line; 0 = none. */
static size_t literal_behind(const char *line)
{
    const char *brace = strrchr(line, '{');
    if (brace == NULL || line[strlen(line) - 1] != '}')
        return 0;
    return (size_t)strtoul(brace + 1, NULL, 10);
}

/* Reads over untagged responses until the tagged one, which must be OK. */
static void hear_end(struct client *client, unsigned tag)
{
    char wanted[32];
    int length = snprintf(wanted, sizeof wanted, "T%u ", tag);
    client->untagged = client->bytes = 0;
    for (;;) {
        const char *line = load_client_hear_line(&client->wire);
        if (line[0] == 'T' && strncmp(line, wanted, (size_t)length) == 0) {
            if (strncmp(line + length, "OK", 2) != 0)
                load_client_fail("refused", line);
            return;
        }
        client->untagged++;
        for (;;) {
            size_t literal = literal_behind(line);
            client->bytes += strlen(line) + 2 + literal;
            if (line[strlen(line) == 0 ? 0 : strlen(line) - 1] != '}')
                break;
            load_client_skip(&client->wire, literal);
            line = load_client_hear_line(&client->wire);
        }
    }
}

static unsigned say_command(struct client *client, const char *command)
{
    char text[COMMAND_SIZE];
    int length = snprintf(text, sizeof text, "T%u %s\r\n", ++client->tag, command);
    load_client_say(&client->wire, text, (size_t)length);
    return client->tag;
}

static void do_command(struct client *client, const char *command)
{
    hear_end(client, say_command(client, command));
}

static void hear_plus(struct client *client)
{
    const char *line;
    while ((line = load_client_hear_line(&client->wire))[0] == '*')
        continue;
    if (line[0] != '+')
        load_client_fail("refused", line);
}

/* ---- sessions ---- */

static void ask_capabilities(struct client *client)
{
    unsigned tag = say_command(client, "CAPABILITY");
    char wanted[32];
    snprintf(wanted, sizeof wanted, "T%u OK", tag);
    for (const char *line;
         strncmp(line = load_client_hear_line(&client->wire), wanted, strlen(wanted)) != 0;) {
        client->has_literal_plus |= strstr(line, " LITERAL+") != NULL;
        client->has_literal_minus |= strstr(line, " LITERAL-") != NULL;
    }
}

static void log_in(struct client *client)
{
    char command[COMMAND_SIZE];
    load_client_open(&client->wire, load.port);
    const char *greeting = load_client_hear_line(&client->wire);
    if (strncmp(greeting, "* OK", 4) != 0)
        load_client_fail("no greeting", greeting);
    snprintf(command, sizeof command, "LOGIN %s %s", load.user, load.password);
    do_command(client, command);
}

static void select_mailbox(struct client *client)
{
    char command[COMMAND_SIZE];
    snprintf(command, sizeof command, "SELECT \"%s\"", load.mailbox);
    do_command(client, command);
}

static void log_out(struct client *client)
{
    do_command(client, "LOGOUT");
    load_client_close(&client->wire);
}

static void run_sessions(struct client *client)
{
    unsigned number;
    while ((number = atomic_fetch_add(&load.begun, 1)) < load.messages) {
        double begun = load_client_now();
        log_in(client);
        select_mailbox(client);
        log_out(client);
        load.latencies[number] = load_client_now() - begun;
    }
}

static void run_command(struct client *client)
{
    log_in(client);
    if (load.mailbox[0] != '\0')
        select_mailbox(client);
    size_t untagged = 0;
    size_t bytes = 0;
    for (unsigned number = 0; number < load.messages; number++) {
        double begun = load_client_now();
        do_command(client, load.command);
        load.latencies[number] = load_client_now() - begun;
        untagged = client->untagged;
        bytes = client->bytes;
        if (load.then != NULL)
            do_command(client, load.then);
    }
    log_out(client);
    fprintf(stderr, "%zu %zu\n", untagged, bytes);
}

/* ---- APPEND ---- */

/* The literal of a message, behind what was said of the command. */
static void say_message(struct client *client, unsigned number)
{
    char text[64];
    bool waits;
    make_message(client, number);
    waits = !client->has_literal_plus &&
            !(client->has_literal_minus && client->message_length <= LITERAL_MINUS_MAX);
    snprintf(text, sizeof text, waits ? " {%zu}\r\n" : " {%zu+}\r\n", client->message_length);
    load_client_say_string(&client->wire, text);
    if (waits)
        hear_plus(client);
    load_client_say(&client->wire, client->message, client->message_length);
}

static void run_appends(struct client *client)
{
    double begun[FLIGHT];
    unsigned numbers[FLIGHT], tags[FLIGHT];
    size_t here = 0;
    size_t most = load.is_pipelined ? FLIGHT : 1;
    char command[COMMAND_SIZE];
    log_in(client);
    ask_capabilities(client);
    for (;;) {
        unsigned number = atomic_fetch_add(&load.begun, load.each);
        bool is_over = number >= load.messages;
        if (here == most || (is_over && here > 0)) {
            for (size_t i = 0; i < here; i++) {
                hear_end(client, tags[i]);
                double took = load_client_now() - begun[i];
                for (unsigned j = numbers[i]; j < numbers[i] + load.each && j < load.messages; j++)
                    load.latencies[j] = took;
            }
            here = 0;
        }
        if (is_over)
            break;
        begun[here] = load_client_now();
        numbers[here] = number;
        snprintf(command, sizeof command, "T%u APPEND \"%s\"", ++client->tag, load.mailbox);
        load_client_say_string(&client->wire, command);
        for (unsigned i = number; i < number + load.each && i < load.messages; i++)
            say_message(client, load.first + i);
        load_client_say_string(&client->wire, "\r\n");
        tags[here++] = client->tag;
    }
    log_out(client);
}

/* ---- push ---- */

static void hear_smtp(struct load_client *wire, char class)
{
    for (;;) {
        const char *line = load_client_hear_line(wire);
        if (line[0] != class)
            load_client_fail("refused", line);
        if (line[3] != '-')
            return;
    }
}

static void ask_smtp(struct load_client *wire, const char *command, char class)
{
    load_client_say_string(wire, command);
    hear_smtp(wire, class);
}

/* When the first byte came, of whichever comes first; both must come. The one behind the other is
   what the wait was. A push that overtakes the reply took no time. */
static double wait_for_both(struct load_client *smtp, struct client *reader)
{
    double replied = 0;
    double told = 0;
    while (replied == 0 || told == 0) {
        struct pollfd polled[2] = {
            {.fd = replied == 0 ? smtp->descriptor : -1, .events = POLLIN},
            {.fd = told == 0 ? reader->wire.descriptor : -1, .events = POLLIN},
        };
        if (poll(polled, 2, -1) < 0)
            load_client_fail("poll", NULL);
        double now = load_client_now();
        if (polled[0].revents != 0) {
            hear_smtp(smtp, '2');
            replied = now;
        }
        if (polled[1].revents != 0) {
            while (strstr(load_client_hear_line(&reader->wire), " EXISTS") == NULL)
                continue;
            /* What else is told of it is read with the next. */
            told = now;
            reader->wire.start = reader->wire.end;
        }
    }
    return told > replied ? told - replied : 0;
}

static void run_push(struct client *client)
{
    struct load_client smtp;
    char command[COMMAND_SIZE];
    load_client_init(&smtp);
    load_client_open(&smtp, load.smtp_port);
    hear_smtp(&smtp, '2');
    ask_smtp(&smtp, load.is_lmtp ? "LHLO load.example\r\n" : "EHLO load.example\r\n", '2');
    log_in(client);
    select_mailbox(client);
    unsigned tag = say_command(client, "IDLE");
    hear_plus(client);
    for (unsigned number = 0; number < load.messages; number++) {
        /* Each finds a reader who has been waiting for a while. */
        usleep(20000);
        make_message(client, load.first + number);
        ask_smtp(&smtp, "MAIL FROM:<load@load.example>\r\n", '2');
        snprintf(command, sizeof command, "RCPT TO:<%s>\r\n", load.user);
        ask_smtp(&smtp, command, '2');
        ask_smtp(&smtp, "DATA\r\n", '3');
        load_client_say(&smtp, client->message, client->message_length);
        load_client_say_string(&smtp, ".\r\n");
        load.latencies[number] = wait_for_both(&smtp, client);
    }
    load_client_say_string(&client->wire, "DONE\r\n");
    hear_end(client, tag);
    log_out(client);
    load_client_close(&smtp);
    load_client_clear(&smtp);
}

/* ---- the whole ---- */

static void *run(void *unused)
{
    (void)unused;
    struct client client = {.message = load_client_allocate(load.size + HEADER_SIZE + 64)};
    load_client_init(&client.wire);
    if (strcmp(load.mode, "append") == 0)
        run_appends(&client);
    else if (strcmp(load.mode, "sessions") == 0)
        run_sessions(&client);
    else if (strcmp(load.mode, "push") == 0)
        run_push(&client);
    else
        run_command(&client);
    load_client_clear(&client.wire);
    free(client.message);
    return NULL;
}

static _Noreturn void show_usage(void)
{
    fprintf(stderr, "usage: imap_load run|append|sessions|push [OPTION...] PORT USER PASSWORD "
                    "[COMMAND|SMTP-PORT]\n");
    exit(2);
}

static void read_arguments(int argc, char **argv)
{
    static const struct option options[] = {
        {"connections", required_argument, NULL, 'c'},
        {"messages", required_argument, NULL, 'm'},
        {"size", required_argument, NULL, 's'},
        {"each", required_argument, NULL, 'e'},
        {"first", required_argument, NULL, 'f'},
        {"mailbox", required_argument, NULL, 'b'},
        {"then", required_argument, NULL, 't'},
        {"pipelined", no_argument, NULL, 'p'},
        {"lmtp", no_argument, NULL, 'l'},
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
        case 'e':
            load.each = value;
            break;
        case 'f':
            load.first = value;
            break;
        case 'b':
            load.mailbox = optarg;
            break;
        case 't':
            load.then = optarg;
            break;
        case 'p':
            load.is_pipelined = true;
            break;
        case 'l':
            load.is_lmtp = true;
            break;
        default:
            show_usage();
        }
    }
    bool needs_more = argc > optind && (strcmp(argv[optind], "run") == 0 || //
                                        strcmp(argv[optind], "push") == 0);
    if (argc - optind != (needs_more ? 5 : 4) || load.messages == 0)
        show_usage();
    load.mode = argv[optind];
    load.port = atoi(argv[optind + 1]);
    load.user = argv[optind + 2];
    load.password = argv[optind + 3];
    load.command = needs_more ? argv[optind + 4] : NULL;
    load.smtp_port = needs_more ? atoi(load.command) : 0;
}

int main(int argc, char **argv)
{
    read_arguments(argc, argv);
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
    load_client_print(load.latencies, load.messages, load_client_now() - begun);
    return 0;
}
