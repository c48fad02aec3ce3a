/* Holds idle connections against a server and tells what each costs it in memory.
 *
 *   idle_connections PID PORT COUNT [clear|tls|starttls|stls]
 *
 * clear waits for the greeting; tls shakes hands first; starttls and stls ask for TLS as SMTP and
 * POP3 do. Every hundred connections come from another /24 of 127.0.0.0/8, thirty from one address
 * at most, so that the usual limits hold. The memory is the server's Pss by /proc/PID/smaps_rollup.
 * Both need descriptors enough (ulimit -n). */
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
    GREETING_SIZE = 4096
};

enum manner {
    CLEAR,
    TLS,
    STARTTLS,
    STLS
};

static const char *const manners[] = {"clear", "tls", "starttls", "stls"};

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

static int connect_from(unsigned number, unsigned port)
{
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    if (descriptor < 0)
        fail("socket");
    unsigned prefix = number / BY_PREFIX + 256;
    unsigned host = number % BY_PREFIX / BY_ADDRESS + 1;
    struct sockaddr_in source = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(0x7F000000u + prefix * 256 + host)};
    struct sockaddr_in target = {.sin_family = AF_INET,
                                 .sin_port = htons((uint16_t)port),
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(descriptor, (const struct sockaddr *)&source, sizeof source) != 0 ||
        connect(descriptor, (const struct sockaddr *)&target, sizeof target) != 0)
        fail("connect");
    return descriptor;
}

/* Reads until the line that ends a reply of SMTP or POP3. */
static void read_reply(int descriptor)
{
    char text[GREETING_SIZE];
    size_t length = 0;
    size_t line = 0;
    for (;;) {
        if (length == sizeof text || recv(descriptor, text + length, 1, 0) != 1) {
            fprintf(stderr, "no greeting, but \"%.*s\"\n", (int)length, text);
            exit(1);
        }
        if (text[length++] != '\n')
            continue;
        int is_last = length - line < 4 || text[line + 3] != '-';
        int is_good = text[line] == '2' || text[line] == '+';
        if (is_last && is_good)
            return;
        if (is_last) {
            fprintf(stderr, "refused: %.*s", (int)length, text);
            exit(1);
        }
        line = length;
    }
}

static void ask(int descriptor, const char *command)
{
    size_t length = strlen(command);
    if (send(descriptor, command, length, MSG_NOSIGNAL) != (ssize_t)length)
        fail("send");
    read_reply(descriptor);
}

/* The session is forgotten here, and stands at the server. */
static void shake_hands(SSL_CTX *context, int descriptor, int has_greeting)
{
    SSL *ssl = SSL_new(context);
    if (ssl == NULL || SSL_set_fd(ssl, descriptor) != 1 || SSL_connect(ssl) != 1) {
        fprintf(stderr, "the TLS handshake failed\n");
        exit(1);
    }
    char text[GREETING_SIZE];
    if (has_greeting && SSL_read(ssl, text, sizeof text) <= 0) {
        fprintf(stderr, "no greeting under TLS\n");
        exit(1);
    }
    SSL_set_quiet_shutdown(ssl, 1);
    SSL_free(ssl);
}

static void open_one(unsigned number, unsigned port, enum manner manner, SSL_CTX *context)
{
    int descriptor = connect_from(number, port);
    if (manner != TLS)
        read_reply(descriptor);
    if (manner == STARTTLS) {
        ask(descriptor, "EHLO idle.example\r\n");
        ask(descriptor, "STARTTLS\r\n");
    } else if (manner == STLS) {
        ask(descriptor, "STLS\r\n");
    }
    if (manner != CLEAR)
        shake_hands(context, descriptor, manner == TLS);
}

static void raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int count, char **arguments)
{
    enum manner manner = CLEAR;
    while (count == 5 && manner <= STLS && strcmp(arguments[4], manners[manner]) != 0)
        manner++;
    if ((count != 4 && count != 5) || manner > STLS) {
        fprintf(stderr, "usage: idle_connections PID PORT COUNT [clear|tls|starttls|stls]\n");
        return 2;
    }
    unsigned port = (unsigned)strtoul(arguments[2], NULL, 10);
    unsigned connections = (unsigned)strtoul(arguments[3], NULL, 10);
    raise_limit();
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    /* What the first of all costs (tables, threads) is not what each costs. */
    open_one(0, port, manner, context);
    double before = read_memory(arguments[1]);
    for (unsigned i = 1; i <= connections; i++)
        open_one(i, port, manner, context);
    double after = read_memory(arguments[1]);
    printf("%u %s connections: %.0f KiB before, %.0f KiB with them, %.2f KiB each\n", connections,
           manners[manner], before, after, (after - before) / connections);
    SSL_CTX_free(context);
    return 0;
}
