/* Holds idle connections against a server and tells what each costs it in memory.
 *
 *   idle_connections PID PORT COUNT [clear|tls|starttls|stls [USER PASSWORD MAILBOX]]
 *
 * clear waits for the greeting; tls shakes hands first; starttls and stls ask for TLS as SMTP and
 * POP3 do. With a user they are sessions of IMAP (clear and tls) that have selected the mailbox and
 * said IDLE. Every hundred connections come from another /24 of 127.0.0.0/8, thirty from one
 * address at most, so that the usual limits hold. The memory is the server's Pss by
 * /proc/PID/smaps_rollup. Both need descriptors enough (ulimit -n). */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    BY_ADDRESS = 25,
    BY_PREFIX = 100,
    GREETING_SIZE = 4096,
    COMMAND_SIZE = 1024
};

enum manner {
    CLEAR,
    TLS,
    STARTTLS,
    STLS
};

static const char *const manners[] = {"clear", "tls", "starttls", "stls"};

/* What all connections have in common. */
static struct {
    enum manner manner;
    unsigned port;
    const char *user, *password, *mailbox; /* user: NULL = no IMAP */
    SSL_CTX *context;
} idle;

/* One connection; ssl: NULL = in clear. */
struct wire {
    int descriptor;
    SSL *ssl;
};

static _Noreturn void fail(const char *what)
{
    perror(what);
    exit(1);
}

static double read_memory(const char *pid)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%s/smaps_rollup", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail(path);
    char line[256];
    double kilobytes = -1;
    while (fgets(line, sizeof line, file) != NULL)
        if (sscanf(line, "Pss: %lf kB", &kilobytes) == 1)
            break;
    fclose(file);
    return kilobytes;
}

static int connect_from(unsigned number)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0)
        fail("socket");
    unsigned prefix = number / BY_PREFIX + 256;
    unsigned host = number % BY_PREFIX / BY_ADDRESS + 1;
    struct sockaddr_in source = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(0x7F000000u + prefix * 256 + host)};
    struct sockaddr_in target = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)idle.port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(descriptor, (const struct sockaddr *)&source, sizeof source) != 0 ||
        connect(descriptor, (const struct sockaddr *)&target, sizeof target) != 0)
        fail("connect");
    return descriptor;
}

/* A line with its end, byte by byte: nothing behind it is taken. */
static size_t read_line(const struct wire *wire, char text[GREETING_SIZE])
{
    size_t length = 0;
    do {
        char *place = text + length;
        if (length == GREETING_SIZE - 1 ||
            (wire->ssl != NULL ? SSL_read(wire->ssl, place, 1) != 1
                               : recv(wire->descriptor, place, 1, 0) != 1)) {
            fprintf(stderr, "no reply, but \"%.*s\"\n", (int)length, text);
            exit(1);
        }
    } while (text[length++] != '\n');
    text[length] = '\0';
    return length;
}

static _Noreturn void show_refusal(const char *line)
{
    fprintf(stderr, "refused: %s", line);
    exit(1);
}

/* Reads until the line that ends a reply of SMTP or POP3. */
static void read_reply(const struct wire *wire)
{
    char line[GREETING_SIZE];
    while (read_line(wire, line) > 4 && line[3] == '-')
        continue;
    if (line[0] != '2' && line[0] != '+' && strncmp(line, "* OK", 4) != 0)
        show_refusal(line);
}

static void say(const struct wire *wire, const char *command)
{
    size_t length = strlen(command);
    if (wire->ssl != NULL
            ? SSL_write(wire->ssl, command, (int)length) != (int)length
            : send(wire->descriptor, command, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail("send");
}

static void ask(const struct wire *wire, const char *command)
{
    say(wire, command);
    read_reply(wire);
}

/* A command of IMAP, up to the line that begins as the answer must. */
static void ask_imap(const struct wire *wire, const char *command, const char *answer)
{
    char line[GREETING_SIZE];
    say(wire, command);
    do
        read_line(wire, line);
    while (line[0] == '*');
    if (strncmp(line, answer, strlen(answer)) != 0)
        show_refusal(line);
}

static void select_mailbox(const struct wire *wire)
{
    char command[COMMAND_SIZE];
    snprintf(command, sizeof command, "A LOGIN %s %s\r\n", idle.user, idle.password);
    ask_imap(wire, command, "A OK");
    snprintf(command, sizeof command, "B SELECT %s\r\n", idle.mailbox);
    ask_imap(wire, command, "B OK");
    ask_imap(wire, "C IDLE\r\n", "+");
}

static void shake_hands(struct wire *wire)
{
    wire->ssl = SSL_new(idle.context);
    if (wire->ssl == NULL || SSL_set_fd(wire->ssl, wire->descriptor) != 1 ||
        SSL_connect(wire->ssl) != 1) {
        fprintf(stderr, "the TLS handshake failed\n");
        exit(1);
    }
}

/* The TLS session is forgotten here, and stands at the server. */
static void open_one(unsigned number)
{
    struct wire wire = {.descriptor = connect_from(number)};
    if (idle.manner == TLS)
        shake_hands(&wire);
    read_reply(&wire);
    if (idle.manner == STARTTLS) {
        ask(&wire, "EHLO idle.example\r\n");
        ask(&wire, "STARTTLS\r\n");
    } else if (idle.manner == STLS) {
        ask(&wire, "STLS\r\n");
    }
    if (idle.manner == STARTTLS || idle.manner == STLS)
        shake_hands(&wire);
    if (idle.user != NULL)
        select_mailbox(&wire);
    if (wire.ssl != NULL)
        SSL_set_quiet_shutdown(wire.ssl, 1);
    SSL_free(wire.ssl);
}

static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void read_arguments(int count, char **arguments)
{
    while (count >= 5 && idle.manner <= STLS && strcmp(arguments[4], manners[idle.manner]) != 0)
        idle.manner++;
    if ((count != 4 && count != 5 && count != 8) || idle.manner > STLS) {
        fprintf(stderr, "usage: idle_connections PID PORT COUNT [clear|tls|starttls|stls [USER "
                        "PASSWORD MAILBOX]]\n");
        exit(2);
    }
    idle.port = (unsigned)strtoul(arguments[2], NULL, 10);
    if (count == 8) {
        idle.user = arguments[5];
        idle.password = arguments[6];
        idle.mailbox = arguments[7];
    }
}

int main(int count, char **arguments)
{
    read_arguments(count, arguments);
    unsigned connections = (unsigned)strtoul(arguments[3], NULL, 10);
    raise_limit();
    idle.context = SSL_CTX_new(TLS_client_method());
    /* What the first of all costs (tables, threads) is not what each costs. */
    open_one(0);
    double before = read_memory(arguments[1]);
    for (unsigned i = 1; i <= connections; i++)
        open_one(i);
    double after = read_memory(arguments[1]);
    printf("%u %s connections: %.0f KiB before, %.0f KiB with them, %.2f KiB each\n", connections,
           manners[idle.manner], before, after, (after - before) / connections);
    SSL_CTX_free(idle.context);
    return 0;
}
