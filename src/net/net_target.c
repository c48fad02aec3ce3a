/* Host and port read from text. */
#include "net/net_target.h"

#include <idn2.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "base/bytes.h"
#include "base/scan.h"
#include "net/net_address.h"

enum {
    PORT_MAX = 65535,
};

static bool parse_port(struct bytes text, unsigned *port)
{
    struct scan scan = scan_of(text);
    uint64_t number;
    if (!scan_take_number(&scan, PORT_MAX, &number) || !scan_is_at_end(&scan) || number == 0)
        return false;
    *port = (unsigned)number;
    return true;
}

/* The text as "host" and what stands behind it: nothing, or ":port". */
static bool split(struct bytes text, struct bytes *host, struct bytes *rest)
{
    if (bytes_starts_with(text, BYTES("["))) {
        if (!bytes_split(bytes_skip(text, 1), ']', host, rest))
            return false;
        return bytes_is_empty(*rest) || rest->data[0] == ':';
    }
    size_t first = bytes_find_char(text, ':');
    bool is_bare_ipv6 = first != BYTES_NOT_FOUND && bytes_find_last_char(text, ':') != first;
    if (first == BYTES_NOT_FOUND || is_bare_ipv6)
        first = text.length;
    *host = bytes_slice(text, 0, first);
    *rest = bytes_skip(text, first);
    return true;
}

/* What is no host name at all; the underscore is none either (RFC 952), but some internal hosts
 * have it. */
static bool is_host_name(const char *host)
{
    for (const char *c = host; *c != '\0'; c++) {
        bool is_letter_or_digit = (*c >= '0' && *c <= '9') ||
                                  (bytes_lower_char(*c) >= 'a' && bytes_lower_char(*c) <= 'z');
        if (!is_letter_or_digit && *c != '-' && *c != '.' && *c != '_')
            return false;
    }
    return *host != '\0' && *host != '.' && *host != '-' && strstr(host, "..") == NULL;
}

static bool take_host(struct bytes host, struct net_target *target, struct fault *fault)
{
    char name[NET_HOST_MAX + 1];
    if (host.length >= sizeof name)
        return fault_set(fault, FAULT_SYNTAX, "a host name has at most %d bytes", NET_HOST_MAX);
    memcpy(name, host.data, host.length);
    name[host.length] = '\0';
    struct net_address address;
    if (!bytes_is_ascii(host)) {
        char *ascii = NULL;
        int result = idn2_lookup_u8((const uint8_t *)name, (uint8_t **)&ascii,
                                    IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
        if (result != IDN2_OK)
            return fault_set(fault, FAULT_SYNTAX, "\"%.100s\" is no host name: %s", name,
                             idn2_strerror(result));
        strncpy(name, ascii, sizeof name - 1);
        idn2_free(ascii);
    }
    if (!is_host_name(name) && !net_address_parse(name, 0, &address))
        return fault_set(fault, FAULT_SYNTAX, "\"%.100s\" is no host name and no address", name);
    memcpy(target->host, name, sizeof name);
    return true;
}

static bool parse_path(const char *text, struct net_target *target, struct fault *fault)
{
    if (strlen(text) > NET_HOST_MAX)
        return fault_set(fault, FAULT_SYNTAX, "the path of a socket has at most %d bytes",
                         NET_HOST_MAX);
    *target = (struct net_target){.is_path = true};
    strcpy(target->host, text);
    return true;
}

bool net_target_parse(const char *text, unsigned port, struct net_target *target,
                      struct fault *fault)
{
    if (*text == '/')
        return parse_path(text, target, fault);
    struct bytes host;
    struct bytes rest;
    struct net_target parsed = {.port = port};
    if (!split(bytes_from_string(text), &host, &rest))
        return fault_set(fault, FAULT_SYNTAX, "\"%.100s\" is not as [IPv6 address]:port", text);
    if (!bytes_is_empty(rest) && !parse_port(bytes_skip(rest, 1), &parsed.port))
        return fault_set(fault, FAULT_SYNTAX, "the port in \"%.100s\" is not 1 to %d", text,
                         PORT_MAX);
    if (parsed.port == 0 || parsed.port > PORT_MAX)
        return fault_set(fault, FAULT_SYNTAX, "the port is not 1 to %d", PORT_MAX);
    if (!take_host(host, &parsed, fault))
        return false;
    *target = parsed;
    return true;
}

bool net_target_is_localhost_name(const char *host)
{
    struct bytes name = bytes_from_string(host);
    if (bytes_ends_with(name, BYTES(".")))
        name.length--;
    return bytes_equal_ignoring_case(name, BYTES("localhost")) ||
           bytes_ends_with_ignoring_case(name, BYTES(".localhost"));
}

bool net_target_is_loopback(const struct net_target *target)
{
    if (target->is_path || net_target_is_localhost_name(target->host))
        return true;
    struct net_address address;
    if (!net_address_parse(target->host, 0, &address))
        return false;
    if (address.storage.ss_family == AF_INET) {
        struct sockaddr_in ipv4;
        memcpy(&ipv4, &address.storage, sizeof ipv4);
        return ntohl(ipv4.sin_addr.s_addr) >> 24 == 127;
    }
    struct sockaddr_in6 ipv6;
    memcpy(&ipv6, &address.storage, sizeof ipv6);
    return IN6_IS_ADDR_LOOPBACK(&ipv6.sin6_addr);
}
