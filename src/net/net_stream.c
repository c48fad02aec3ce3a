/* A socket, in clear or with TLS on it. */
#include "net/net_stream.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net_address.h"
#include "net/net_wait.h"

enum {
    SLICES_MAX = 1024, /* of one sendmsg: IOV_MAX of Linux */
};

struct net_stream {
    int descriptor;
    struct net_tls *tls; /* or NULL */
};

static bool prepare_socket(int descriptor, struct fault *fault)
{
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &type, &length) != 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "the descriptor is of no use");
    if (type != SOCK_STREAM)
        return fault_set(fault, FAULT_PERMANENT, "the descriptor is no stream socket");
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0)
        return fault_set_system(fault, FAULT_PERMANENT, errno, "the socket cannot be set up");
    /* A Unix socket knows no such option, and needs none. */
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return true;
}

struct net_stream *net_stream_take(int descriptor, struct fault *fault)
{
    if (!prepare_socket(descriptor, fault))
        return NULL;
    struct net_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    stream->descriptor = descriptor;
    return stream;
}

void net_stream_close(struct net_stream *stream)
{
    if (stream == NULL)
        return;
    net_tls_free(stream->tls);
    close(stream->descriptor);
    free(stream);
}

bool net_stream_start_tls(struct net_stream *stream, struct net_tls_context *context,
                          const char *name, struct fault *fault)
{
    if (stream->tls != NULL)
        return fault_set(fault, FAULT_BUG, "TLS has been started already");
    stream->tls = net_tls_new(context, stream->descriptor, name, fault);
    return stream->tls != NULL;
}

enum net_result net_stream_handshake(struct net_stream *stream, struct fault *fault)
{
    if (stream->tls != NULL)
        return net_tls_handshake(stream->tls, fault);
    fault_set(fault, FAULT_BUG, "TLS has not been started");
    return NET_FAILED;
}

const struct net_tls *net_stream_tls(const struct net_stream *stream)
{
    return stream->tls;
}

static enum net_result judge(int error, const char *what, struct fault *fault)
{
    if (error == EAGAIN || error == EWOULDBLOCK)
        return NET_AGAIN;
    fault_set_system(fault, FAULT_TEMPORARY, error, "%s", what);
    return NET_FAILED;
}

enum net_result net_stream_read(struct net_stream *stream, char *buffer, size_t size, size_t *count,
                                struct fault *fault)
{
    if (stream->tls != NULL)
        return net_tls_read(stream->tls, buffer, size, count, fault);
    ssize_t taken;
    do
        taken = recv(stream->descriptor, buffer, size, 0);
    while (taken < 0 && errno == EINTR);
    if (taken < 0)
        return judge(errno, "the connection broke while reading", fault);
    if (taken == 0)
        return NET_END;
    *count = (size_t)taken;
    return NET_DONE;
}

enum net_result net_stream_write(struct net_stream *stream, const struct iovec *slices,
                                 size_t slice_count, size_t *count, struct fault *fault)
{
    if (stream->tls != NULL)
        return net_tls_write(stream->tls, slices, slice_count, count, fault);
    struct msghdr message = {
        .msg_iov = (struct iovec *)(uintptr_t)slices,
        .msg_iovlen = slice_count < SLICES_MAX ? slice_count : SLICES_MAX,
    };
    ssize_t written;
    do
        written = sendmsg(stream->descriptor, &message, MSG_NOSIGNAL);
    while (written < 0 && errno == EINTR);
    if (written < 0)
        return judge(errno, "the connection broke while writing", fault);
    *count = (size_t)written;
    return NET_DONE;
}

static short wanted_events(const struct net_stream *stream, int wanted)
{
    short reading = stream->tls == NULL ? POLLIN : net_tls_read_events(stream->tls);
    short writing = stream->tls == NULL ? POLLOUT : net_tls_write_events(stream->tls);
    int events = 0;
    if ((wanted & NET_READY_READ) != 0)
        events |= reading;
    if ((wanted & NET_READY_WRITE) != 0)
        events |= writing;
    return (short)events;
}

/* An error, or the peer's end, is for the next read or write to find. */
static int ready_set(const struct net_stream *stream, int wanted, short happened)
{
    const short trouble = POLLERR | POLLHUP | POLLNVAL;
    int ready = 0;
    for (int one = NET_READY_READ; one <= NET_READY_WRITE; one <<= 1) {
        if ((wanted & one) != 0 && (happened & (wanted_events(stream, one) | trouble)) != 0)
            ready |= one;
    }
    return ready;
}

int net_stream_wait(struct net_stream *stream, int wanted, int wake_descriptor, int64_t deadline,
                    struct fault *fault)
{
    bool has_pending =
        (wanted & NET_READY_READ) != 0 && stream->tls != NULL && net_tls_has_pending(stream->tls);
    struct pollfd polled[2] = {
        {.fd = stream->descriptor, .events = wanted_events(stream, wanted)},
        {.fd = wake_descriptor, .events = POLLIN},
    };
    int count = net_wait_poll(polled, 2, has_pending ? 0 : deadline, fault);
    if (count < 0)
        return -1;
    int ready = ready_set(stream, wanted, polled[0].revents);
    if (polled[1].revents != 0)
        ready |= NET_READY_WOKEN;
    if (has_pending)
        ready |= NET_READY_READ;
    return ready;
}

bool net_stream_is_quiet(struct net_stream *stream)
{
    if (stream->tls != NULL)
        return net_tls_peek(stream->tls, NULL) == NET_AGAIN;
    char byte;
    ssize_t count;
    do
        count = recv(stream->descriptor, &byte, 1, MSG_PEEK);
    while (count < 0 && errno == EINTR);
    return count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

bool net_stream_local_literal(const struct net_stream *stream, char *text, size_t size)
{
    struct net_address address = {.length = sizeof address.storage};
    return getsockname(stream->descriptor, (struct sockaddr *)&address.storage, &address.length) ==
               0 &&
           net_address_format_literal(&address, text, size);
}

void net_stream_peer_name(const struct net_stream *stream, char *text, size_t size)
{
    struct net_address address = {.length = sizeof address.storage};
    if (getpeername(stream->descriptor, (struct sockaddr *)&address.storage, &address.length) != 0)
        address.length = 0;
    net_address_format(&address, text, size);
}
