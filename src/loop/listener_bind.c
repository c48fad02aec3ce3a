/* From a place's text to a listening socket. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "loop/listener_inside.h"
#include "net/net_address.h"

static const char unix_start[] = "unix:";

/* ---- places ---- */

static bool parse_port(const char *text, unsigned *port)
{
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    unsigned long number = strtoul(text, &end, 10);
    *port = (unsigned)number;
    return *end == '\0' && number <= UINT16_MAX;
}

/* "192.0.2.1:25", "[::1]:25", "*:25". */
static bool parse_place(const char *place, struct net_address *address, bool *is_any)
{
    const char *colon = strrchr(place, ':');
    char host[INET6_ADDRSTRLEN + 2];
    unsigned port;
    if (colon == NULL || (size_t)(colon - place) >= sizeof host || !parse_port(colon + 1, &port))
        return false;
    memcpy(host, place, (size_t)(colon - place));
    host[colon - place] = '\0';
    *is_any = strcmp(host, "*") == 0;
    if (*is_any)
        return net_address_parse("::", port, address);
    size_t length = strlen(host);
    bool is_bracketed = length > 2 && host[0] == '[' && host[length - 1] == ']';
    if (is_bracketed)
        host[length - 1] = '\0';
    return (strchr(host, ':') != NULL) == is_bracketed &&
           net_address_parse(is_bracketed ? host + 1 : host, port, address);
}

/* ---- sockets ---- */

static bool fail(const char *place, struct fault *fault)
{
    int error = errno;
    return fault_set_system(fault, FAULT_PERMANENT, error, "cannot listen on %.120s", place);
}

static int open_socket(int family)
{
    return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static bool is_listening(int descriptor, const struct net_address *address)
{
    return bind(descriptor, (const struct sockaddr *)&address->storage, address->length) == 0 &&
           listen(descriptor, LISTENER_BACKLOG) == 0;
}

static bool bind_internet(struct listener *listener, struct net_address *address, bool is_any)
{
    listener->descriptor = open_socket(address->storage.ss_family);
    if (listener->descriptor < 0 && is_any && errno == EAFNOSUPPORT) {
        const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)&address->storage;
        if (!net_address_parse("0.0.0.0", ntohs(ipv6->sin6_port), address))
            return false;
        listener->descriptor = open_socket(AF_INET);
    }
    if (listener->descriptor < 0)
        return false;
    int on = 1;
    int only_ipv6 = is_any ? 0 : 1;
    if (setsockopt(listener->descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return false;
    if (address->storage.ss_family == AF_INET6 &&
        setsockopt(listener->descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &only_ipv6, sizeof only_ipv6) !=
            0)
        return false;
    /* Accepted sockets inherit it. */
    if (setsockopt(listener->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0)
        return false;
    return is_listening(listener->descriptor, address);
}

/* Everybody may connect, as with a port; whom that is too many for keeps the socket in a folder of
   its own. The mode is the socket's before it has a name: to change that of a name, which may be
   another's by then, is nothing for root. */
static bool is_listening_to_all(int descriptor, const struct net_address *address)
{
    if (fchmod(descriptor, 0666) != 0)
        return false;
    mode_t before = umask(0);
    bool is_done = is_listening(descriptor, address);
    int error = errno;
    umask(before);
    errno = error;
    return is_done;
}

/* Nobody answers on the socket's file: whoever made it is no more. */
static bool is_stale(const struct net_address *address, const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0 || !S_ISSOCK(status.st_mode))
        return false;
    int probe = open_socket(AF_UNIX);
    if (probe < 0)
        return false;
    bool is_refused =
        connect(probe, (const struct sockaddr *)&address->storage, address->length) != 0 &&
        errno == ECONNREFUSED;
    close(probe);
    return is_refused;
}

static bool bind_unix(struct listener *listener, const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (*path != '/' || strlen(path) >= sizeof name.sun_path) {
        errno = *path != '/' ? EINVAL : ENAMETOOLONG;
        return false;
    }
    memcpy(name.sun_path, path, strlen(path) + 1);
    struct net_address address = {.length = sizeof name};
    memcpy(&address.storage, &name, sizeof name);
    listener->descriptor = open_socket(AF_UNIX);
    if (listener->descriptor < 0)
        return false;
    if (!is_listening_to_all(listener->descriptor, &address)) {
        if (errno != EADDRINUSE)
            return false;
        if (!is_stale(&address, path) || unlink(path) != 0) {
            errno = EADDRINUSE;
            return false;
        }
        if (!is_listening_to_all(listener->descriptor, &address))
            return false;
    }
    struct stat status;
    if (lstat(path, &status) != 0)
        return false;
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
    listener->path = listener->place + sizeof unix_start - 1;
    return true;
}

/* The place with the port that the system chose. */
static void note_place(struct listener *listener, const char *place, bool is_any)
{
    struct net_address bound = {.length = sizeof bound.storage};
    getsockname(listener->descriptor, (struct sockaddr *)&bound.storage, &bound.length);
    char text[LISTENER_PLACE_SIZE];
    net_address_format(&bound, text, sizeof text);
    const char *colon = strrchr(text, ':');
    if (colon == NULL || !parse_port(colon + 1, &listener->port)) {
        snprintf(listener->place, sizeof listener->place, "%s", place);
        return;
    }
    if (is_any)
        snprintf(listener->place, sizeof listener->place, "*:%u", listener->port);
    else
        memcpy(listener->place, text, sizeof text);
}

static bool open_listener(struct listener *listener, const char *place, struct fault *fault)
{
    size_t start = sizeof unix_start - 1;
    if (strncmp(place, unix_start, start) == 0) {
        if (!bind_unix(listener, place + start))
            return fail(place, fault);
        snprintf(listener->place, sizeof listener->place, "%s", place);
    } else {
        struct net_address address;
        bool is_any = false;
        if (!parse_place(place, &address, &is_any))
            return fault_set(fault, FAULT_SYNTAX,
                             "\"%.120s\" is no place to listen on: give address:port, "
                             "[address]:port, *:port or unix:/path",
                             place);
        if (!bind_internet(listener, &address, is_any))
            return fail(place, fault);
        note_place(listener, place, is_any);
    }
    listener->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return listener->reserve >= 0 || fail(place, fault);
}

struct listener *listener_bind(const char *place, struct fault *fault)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    listener->descriptor = -1;
    listener->reserve = -1;
    pthread_mutex_init(&listener->mutex, NULL);
    if (!open_listener(listener, place, fault)) {
        listener_close(listener);
        return NULL;
    }
    return listener;
}
