/* The words spoken to proxies. */
#include "net/net_proxy.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/base64.h"
#include "base/buffer.h"
#include "base/scan.h"
#include "net/net_address.h"
#include "net/net_wait.h"

enum {
    SOCKS_VERSION = 5,
    SOCKS_AUTH_VERSION = 1, /* RFC 1929 2 */
    SOCKS_NO_AUTH = 0,
    SOCKS_PASSWORD = 2,
    SOCKS_NOTHING_SUITS = 0xFF,
    SOCKS_CONNECT = 1,
    SOCKS_IPV4 = 1,
    SOCKS_DOMAIN = 3,
    SOCKS_IPV6 = 4,
    SOCKS_FIELD_MAX = 255, /* bytes of a user, a password, a domain */
    REQUEST_MAX = 4096,    /* bytes of anything that is sent to a proxy */
};

/* The socket and how long to wait on it. */
struct talk {
    int descriptor;
    int wake_descriptor;
    int64_t deadline;
};

/* ---- moving bytes ---- */

static bool wait_for(const struct talk *talk, short events, struct fault *fault)
{
    return net_wait_for(talk->descriptor, events, talk->wake_descriptor, talk->deadline, fault);
}

static bool send_all(const struct talk *talk, const struct buffer *request, struct fault *fault)
{
    if (buffer_is_failed(request))
        return fault_set(fault, FAULT_LIMIT, "the request to the proxy is too long");
    struct bytes rest = buffer_bytes(request);
    while (!bytes_is_empty(rest)) {
        if (!wait_for(talk, POLLOUT, fault))
            return false;
        ssize_t sent = send(talk->descriptor, rest.data, rest.length, MSG_NOSIGNAL);
        if (sent >= 0)
            rest = bytes_skip(rest, (size_t)sent);
        else if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
            return fault_set_system(fault, FAULT_TEMPORARY, errno,
                                    "the connection to the proxy broke");
    }
    return true;
}

/* At least one byte and at most size of them. */
static bool receive(const struct talk *talk, void *memory, size_t size, int flags, size_t *count,
                    struct fault *fault)
{
    for (;;) {
        if (!wait_for(talk, POLLIN, fault))
            return false;
        ssize_t taken = recv(talk->descriptor, memory, size, flags);
        if (taken > 0) {
            *count = (size_t)taken;
            return true;
        }
        if (taken == 0)
            return fault_set(fault, FAULT_TEMPORARY, "the proxy closed the connection");
        if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
            return fault_set_system(fault, FAULT_TEMPORARY, errno,
                                    "the connection to the proxy broke");
    }
}

static bool receive_exactly(const struct talk *talk, unsigned char *memory, size_t size,
                            struct fault *fault)
{
    for (size_t taken = 0; taken < size;) {
        size_t count;
        if (!receive(talk, memory + taken, size - taken, 0, &count, fault))
            return false;
        taken += count;
    }
    return true;
}

/* ---- SOCKS5 ---- */

static void append_byte(struct buffer *request, size_t byte)
{
    buffer_append_char(request, (char)(unsigned char)byte);
}

static bool append_field(struct buffer *request, const char *text, const char *what,
                         struct fault *fault)
{
    struct bytes field = bytes_from_string(text);
    if (field.length == 0 || field.length > SOCKS_FIELD_MAX)
        return fault_set(fault, FAULT_SYNTAX, "the %s for a SOCKS5 proxy has 1 to %d bytes", what,
                         SOCKS_FIELD_MAX);
    append_byte(request, field.length);
    buffer_append(request, field);
    return true;
}

static bool socks_log_in(const struct talk *talk, const struct net_proxy *proxy,
                         struct fault *fault)
{
    AUTO(buffer)
    request = SECRET_BUFFER(REQUEST_MAX);
    append_byte(&request, SOCKS_AUTH_VERSION);
    if (!append_field(&request, proxy->user, "user", fault) ||
        !append_field(&request, proxy->password, "password", fault) ||
        !send_all(talk, &request, fault))
        return false;
    unsigned char answer[2];
    if (!receive_exactly(talk, answer, sizeof answer, fault))
        return false;
    if (answer[0] != SOCKS_AUTH_VERSION)
        return fault_set(fault, FAULT_SYNTAX, "the proxy does not speak SOCKS5 as RFC 1929 has it");
    if (answer[1] != 0)
        return fault_set(fault, FAULT_DENIED, "the proxy refuses the user or the password");
    return true;
}

static bool socks_greet(const struct talk *talk, const struct net_proxy *proxy, struct fault *fault)
{
    bool has_login = proxy->user != NULL && proxy->password != NULL;
    AUTO(buffer)
    request = BUFFER(REQUEST_MAX);
    append_byte(&request, SOCKS_VERSION);
    append_byte(&request, has_login ? 2 : 1);
    append_byte(&request, SOCKS_NO_AUTH);
    if (has_login)
        append_byte(&request, SOCKS_PASSWORD);
    unsigned char answer[2];
    if (!send_all(talk, &request, fault) || !receive_exactly(talk, answer, sizeof answer, fault))
        return false;
    if (answer[0] != SOCKS_VERSION)
        return fault_set(fault, FAULT_SYNTAX, "the proxy does not speak SOCKS5");
    if (answer[1] == SOCKS_NO_AUTH)
        return true;
    if (answer[1] == SOCKS_PASSWORD && has_login)
        return socks_log_in(talk, proxy, fault);
    if (answer[1] == SOCKS_NOTHING_SUITS)
        return fault_set(fault, FAULT_DENIED, "the proxy wants another login%s",
                         has_login ? "" : ", perhaps a user and a password");
    return fault_set(fault, FAULT_SYNTAX, "the proxy chose a login that was not offered");
}

static bool append_destination(struct buffer *request, const struct net_target *target,
                               struct fault *fault)
{
    struct net_address address;
    if (!net_address_parse(target->host, 0, &address)) {
        append_byte(request, SOCKS_DOMAIN);
        return append_field(request, target->host, "host name", fault);
    }
    if (address.storage.ss_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, &address.storage, sizeof ipv4);
        append_byte(request, SOCKS_IPV4);
        buffer_append(request, bytes_of(&ipv4.sin_addr, sizeof ipv4.sin_addr));
    } else {
        struct sockaddr_in6 ipv6;
        memcpy(&ipv6, &address.storage, sizeof ipv6);
        append_byte(request, SOCKS_IPV6);
        buffer_append(request, bytes_of(&ipv6.sin6_addr, sizeof ipv6.sin6_addr));
    }
    return true;
}

/* RFC 1928 6 */
static const char *socks_refusal(unsigned char code)
{
    static const char *const words[] = {
        [1] = "it failed",
        [2] = "its rules forbid it",
        [3] = "the network is unreachable",
        [4] = "the host is unreachable",
        [5] = "the connection was refused",
        [6] = "it took too long",
        [7] = "it does not know how",
        [8] = "it does not know this kind of address",
    };
    const size_t count = sizeof words / sizeof words[0];
    return code > 0 && code < count ? words[code] : "it gives no reason";
}

/* The address that the proxy uses is of no interest, but must be taken to its last byte. */
static bool socks_skip_address(const struct talk *talk, unsigned char kind, struct fault *fault)
{
    unsigned char rest[SOCKS_FIELD_MAX + 2];
    unsigned char length;
    switch (kind) {
    case SOCKS_IPV4:
        return receive_exactly(talk, rest, 4 + 2, fault);
    case SOCKS_IPV6:
        return receive_exactly(talk, rest, 16 + 2, fault);
    case SOCKS_DOMAIN:
        return receive_exactly(talk, &length, 1, fault) &&
               receive_exactly(talk, rest, (size_t)length + 2, fault);
    default:
        return fault_set(fault, FAULT_SYNTAX, "the proxy does not speak SOCKS5");
    }
}

static bool open_socks(const struct talk *talk, const struct net_proxy *proxy,
                       const struct net_target *target, struct fault *fault)
{
    AUTO(buffer)
    request = BUFFER(REQUEST_MAX);
    append_byte(&request, SOCKS_VERSION);
    append_byte(&request, SOCKS_CONNECT);
    append_byte(&request, 0);
    if (!append_destination(&request, target, fault))
        return false;
    append_byte(&request, target->port >> 8);
    append_byte(&request, target->port & 0xFF);
    unsigned char answer[4]; /* version, verdict, 0, kind of address */
    if (!socks_greet(talk, proxy, fault) || !send_all(talk, &request, fault) ||
        !receive_exactly(talk, answer, sizeof answer, fault))
        return false;
    if (answer[0] != SOCKS_VERSION || answer[2] != 0)
        return fault_set(fault, FAULT_SYNTAX, "the proxy does not speak SOCKS5");
    if (answer[1] != 0)
        return fault_set(fault, answer[1] == 2 ? FAULT_DENIED : FAULT_TEMPORARY,
                         "the proxy could not connect to %.100s port %u: %s", target->host,
                         target->port, socks_refusal(answer[1]));
    return socks_skip_address(talk, answer[3], fault);
}

/* ---- HTTP ---- */

/* RFC 7617 2: a user has no colon, neither has a control character. */
static bool append_basic(struct buffer *request, const struct net_proxy *proxy, struct fault *fault)
{
    const char *password = proxy->password == NULL ? "" : proxy->password;
    if (bytes_has_control(bytes_from_string(proxy->user)) ||
        bytes_has_control(bytes_from_string(password)) || strchr(proxy->user, ':') != NULL)
        return fault_set(
            fault, FAULT_SYNTAX,
            "the user or the password for the proxy has a character that HTTP forbids");
    AUTO(buffer)
    pair = SECRET_BUFFER(REQUEST_MAX);
    buffer_append_string(&pair, proxy->user);
    buffer_append_char(&pair, ':');
    buffer_append_string(&pair, password);
    buffer_append(request, BYTES("Proxy-Authorization: Basic "));
    base64_encode(buffer_bytes(&pair), request);
    buffer_append(request, BYTES("\r\n"));
    if (buffer_is_failed(&pair))
        buffer_fail(request);
    return true;
}

static bool send_connect(const struct talk *talk, const struct net_proxy *proxy,
                         const struct net_target *target, struct fault *fault)
{
    AUTO(buffer)
    request = SECRET_BUFFER(REQUEST_MAX);
    bool is_ipv6 = strchr(target->host, ':') != NULL;
    char authority[NET_HOST_MAX + 16];
    snprintf(authority, sizeof authority, is_ipv6 ? "[%s]:%u" : "%s:%u", target->host,
             target->port);
    buffer_append_format(&request, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", authority, authority);
    if (proxy->user != NULL && !append_basic(&request, proxy, fault))
        return false;
    buffer_append(&request, BYTES("\r\n"));
    return send_all(talk, &request, fault);
}

/* How many bytes of text belong to the header, its empty line included; 0: it goes on behind text.
 */
static size_t header_length(struct bytes text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.data[i] != '\n')
            continue;
        if (i + 1 < text.length && text.data[i + 1] == '\n')
            return i + 2;
        if (i + 2 < text.length && text.data[i + 1] == '\r' && text.data[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

/* What has arrived is looked at first, and taken only as far as the header goes. */
static bool receive_header(const struct talk *talk, struct buffer *header, struct fault *fault)
{
    for (;;) {
        size_t before = header->length;
        size_t room = buffer_room(header) < 1024 ? buffer_room(header) : 1024;
        char *memory = room == 0 ? NULL : buffer_reserve(header, room);
        if (room == 0)
            return fault_set(fault, FAULT_LIMIT, "the proxy's answer is longer than %d bytes",
                             NET_PROXY_REPLY_MAX);
        if (memory == NULL)
            return fault_set_memory(fault);
        size_t count;
        if (!receive(talk, memory, room, MSG_PEEK, &count, fault))
            return false;
        buffer_commit(header, count);
        size_t end = header_length(buffer_bytes(header));
        size_t wanted = end == 0 ? count : end - before;
        buffer_truncate(header, before);
        memory = buffer_reserve(header, wanted);
        if (memory == NULL)
            return fault_set_memory(fault);
        if (!receive_exactly(talk, (unsigned char *)memory, wanted, fault))
            return false;
        buffer_commit(header, wanted);
        if (end != 0)
            return true;
    }
}

/* "HTTP/1.1 200 reason" (RFC 9112 4) */
static bool parse_status(struct bytes header, unsigned *status, struct bytes *reason)
{
    struct scan scan = scan_of(header);
    uint64_t minor;
    uint64_t code;
    if (!scan_take_literal(&scan, BYTES("HTTP/1.")) || !scan_take_number(&scan, 9, &minor) ||
        !scan_take_char(&scan, ' ') || !scan_take_number(&scan, 599, &code) || code < 100)
        return false;
    *status = (unsigned)code;
    if (!scan_take_char(&scan, ' ') && scan_peek(&scan) != '\r' && scan_peek(&scan) != '\n')
        return false;
    struct bytes line = scan_take_until_char(&scan, '\n');
    struct scan words = scan_of(line);
    while (!scan_is_at_end(&words) && scan_peek(&words) >= ' ' && scan_peek(&words) < 0x7F)
        scan_take(&words);
    *reason = bytes_of(line.data, (size_t)(words.position - line.data));
    return true;
}

static bool open_http(const struct talk *talk, const struct net_proxy *proxy,
                      const struct net_target *target, struct fault *fault)
{
    AUTO(buffer)
    header = BUFFER(NET_PROXY_REPLY_MAX);
    unsigned status = 0;
    struct bytes reason;
    if (!send_connect(talk, proxy, target, fault) || !receive_header(talk, &header, fault))
        return false;
    if (!parse_status(buffer_bytes(&header), &status, &reason))
        return fault_set(fault, FAULT_SYNTAX, "the proxy does not speak HTTP");
    if (status >= 200 && status < 300)
        return true;
    if (status == 407)
        return fault_set(fault, FAULT_DENIED, "the proxy %s",
                         proxy->user == NULL ? "wants a user and a password"
                                             : "refuses the user or the password");
    return fault_set(fault, status == 403 ? FAULT_DENIED : FAULT_TEMPORARY,
                     "the proxy could not connect to %.100s port %u: %u %.*s", target->host,
                     target->port, status, reason.length < 60 ? (int)reason.length : 60,
                     reason.data);
}

bool net_proxy_open(int descriptor, const struct net_proxy *proxy, const struct net_target *target,
                    int wake_descriptor, int64_t deadline, struct fault *fault)
{
    struct talk talk = {descriptor, wake_descriptor, deadline};
    if (target->is_path || strchr(target->host, '%') != NULL)
        return fault_set(fault, FAULT_PERMANENT, "no proxy leads to %.100s", target->host);
    switch (proxy->kind) {
    case NET_PROXY_SOCKS5:
        return open_socks(&talk, proxy, target, fault);
    case NET_PROXY_HTTP:
        return open_http(&talk, proxy, target, fault);
    case NET_PROXY_NONE:
        break;
    }
    return true;
}
