/* A whole server in this process, with clients on threads of their own, while it reloads and ends:
 * what the thread sanitizer is to see. */
#include "unit.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server.h"

enum {
    CLIENTS = 8,
    LETTERS = 5,
    RELOADS = 5,
    REPLY_SIZE = 4096
};

struct client {
    unsigned smtp;
    unsigned pop3;
    int number;
    unsigned kept;
    unsigned found;
};

static int connect_to(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

/* Sends the line, reads until `end` ends what came; false: the connection did. */
static bool say(int descriptor, const char *line, const char *end, char reply[REPLY_SIZE])
{
    size_t length = 0;
    if (send(descriptor, line, strlen(line), MSG_NOSIGNAL) != (ssize_t)strlen(line))
        return false;
    do {
        ssize_t count = read(descriptor, reply + length, REPLY_SIZE - 1 - length);
        if (count <= 0)
            return false;
        length += (size_t)count;
        reply[length] = '\0';
    } while (length < strlen(end) || strcmp(reply + length - strlen(end), end) != 0);
    return true;
}

static bool send_letter(struct client *client)
{
    char reply[REPLY_SIZE], recipient[64];
    int descriptor = connect_to(client->smtp);
    snprintf(recipient, sizeof(recipient), "RCPT TO:<u%d@x.example>\r\n", client->number);
    bool is_kept = descriptor >= 0 && say(descriptor, "", "\r\n", reply) &&
                   say(descriptor, "HELO c.example\r\n", "\r\n", reply) &&
                   say(descriptor, "MAIL FROM:<a@c.example>\r\n", "\r\n", reply) &&
                   say(descriptor, recipient, "\r\n", reply) &&
                   say(descriptor, "DATA\r\n", "\r\n", reply) &&
                   say(descriptor, "Subject: x\r\n\r\ny\r\n.\r\n", "\r\n", reply) &&
                   strncmp(reply, "250", 3) == 0;
    close(descriptor);
    return is_kept;
}

static unsigned count_letters(const struct client *client)
{
    char reply[REPLY_SIZE], user[64];
    unsigned count = 0;
    int descriptor = connect_to(client->pop3);
    snprintf(user, sizeof(user), "USER u%d@x.example\r\n", client->number);
    if (descriptor >= 0 && say(descriptor, "", "\r\n", reply) &&
        say(descriptor, user, "\r\n", reply) && say(descriptor, "PASS any\r\n", "\r\n", reply) &&
        say(descriptor, "STAT\r\n", "\r\n", reply))
        sscanf(reply, "+OK %u", &count);
    close(descriptor);
    return count;
}

static void *be_client(void *argument)
{
    struct client *client = argument;
    for (int i = 0; i < LETTERS; i++)
        client->kept += send_letter(client);
    client->found = count_letters(client);
    return NULL;
}

/* Clients, reloads in between, and the end. */
static void *be_everybody(void *argument)
{
    struct client *clients = argument;
    pthread_t threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&threads[i], NULL, be_client, &clients[i]);
    for (int i = 0; i < RELOADS; i++)
        kill(getpid(), SIGHUP);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    kill(getpid(), SIGTERM);
    return NULL;
}

static unsigned port_of(const struct server *server, enum config_id id)
{
    const char *place = server_place(server, id, 0);
    assert_non_null(place);
    return (unsigned)strtoul(strrchr(place, ':') + 1, NULL, 10);
}

static void set(struct config *config, enum config_id id, const char *text)
{
    struct fault fault;
    assert_true(config_set(config, id, &text, text == NULL ? 0 : 1, &fault));
}

static void configure(struct config *config, const char *folder)
{
    struct fault fault;
    assert_true(config_init(config, &fault));
    for (enum config_id id = CONFIG_LISTEN_SMTP; id <= CONFIG_LISTEN_POP3S; id++)
        set(config, id, NULL);
    set(config, CONFIG_LISTEN_SMTP, "127.0.0.1:0");
    set(config, CONFIG_LISTEN_POP3, "127.0.0.1:0");
    set(config, CONFIG_STORE, ":memory:");
    set(config, CONFIG_DATA_DIRECTORY, folder);
    set(config, CONFIG_HOST_NAME, "mail.example.org");
    set(config, CONFIG_LOG_LEVEL, "warning");
    if (geteuid() == 0)
        set(config, CONFIG_USER, "root");
}

static void remove_folder(const char *folder)
{
    static const char *const files[] = {"certificate.pem", "certificate.key"};
    char path[128];
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(rmdir(folder), 0);
}

static void letters_come_in_while_it_reloads_and_all_are_there(void **state)
{
    static const char *const domains[] = {"localhost", NULL};
    static struct client clients[CLIENTS];
    char folder[] = "/tmp/posthorn-server-XXXXXX";
    struct config config;
    struct fault fault;
    pthread_t everybody;
    (void)state;
    assert_non_null(mkdtemp(folder));
    configure(&config, folder);
    assert_true(config_check(&config, &fault));
    struct server_options options = {.config = &config, .is_dev = true, .domains = domains};
    struct server *server = server_new(&options, &fault);
    if (server == NULL)
        fail_msg("%s", fault.message);
    config_clear(&config);
    assert_string_equal(server_host_name(server), "mail.example.org");
    for (int i = 0; i < CLIENTS; i++)
        clients[i] = (struct client){.smtp = port_of(server, CONFIG_LISTEN_SMTP),
                                     .pop3 = port_of(server, CONFIG_LISTEN_POP3),
                                     .number = i};
    assert_int_equal(pthread_create(&everybody, NULL, be_everybody, clients), 0);
    server_run(server);
    pthread_join(everybody, NULL);
    server_free(server);
    for (int i = 0; i < CLIENTS; i++) {
        assert_int_equal(clients[i].kept, LETTERS);
        assert_int_equal(clients[i].found, LETTERS);
    }
    remove_folder(folder);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(letters_come_in_while_it_reloads_and_all_are_there),
};

UNIT_MAIN(tests)
