/* Reading and writing, in clear or under TLS. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "loop/connection_inside.h"

enum {
    RECORD_SIZE = 16 * 1024 /* bytes that one TLS record carries at most */
};

static enum net_result judge_error(const struct connection *connection)
{
    int error = errno;
    if (error == EAGAIN || error == EWOULDBLOCK)
        return NET_AGAIN;
    fault_set_system(connection_fault(connection), FAULT_TEMPORARY, error, "the connection broke");
    return NET_FAILED;
}

/* ---- reading ---- */

static enum net_result read_clear(struct connection *connection, char *room, size_t size,
                                  size_t *count)
{
    ssize_t length;
    do
        length = recv(connection->descriptor, room, size, 0);
    while (length < 0 && errno == EINTR);
    if (length > 0) {
        *count = (size_t)length;
        return NET_DONE;
    }
    return length == 0 ? NET_END : judge_error(connection);
}

/* All records that lie there, as long as they fit. */
static enum net_result read_tls(struct connection *connection, char *room, size_t size,
                                size_t *count)
{
    size_t total = 0;
    enum net_result result;
    do {
        size_t length = 0;
        result = net_tls_read(connection->tls, room + total, size - total, &length,
                              connection_fault(connection));
        total += length;
    } while (result == NET_DONE && size - total >= RECORD_SIZE &&
             net_tls_has_pending(connection->tls));
    *count = total;
    connection->is_read_pending = result == NET_DONE && net_tls_has_pending(connection->tls);
    /* An end or a failure is told again by the next read. */
    if (total > 0 && result != NET_DONE) {
        connection->is_read_pending = result != NET_AGAIN;
        return NET_DONE;
    }
    return result;
}

static enum net_result read_some(struct connection *connection, char *room, size_t size,
                                 size_t *count)
{
    return connection->tls == NULL ? read_clear(connection, room, size, count)
                                   : read_tls(connection, room, size, count);
}

enum net_result connection_stream_read(struct connection *connection)
{
    size_t count = 0;
    connection->is_read_pending = false;
    if (connection->kept.length == 0) {
        char *room = connection->member.loop->buffer;
        enum net_result result = read_some(connection, room, CONNECTION_READ_SIZE, &count);
        connection->input = bytes_of(room, count);
        return result;
    }
    size_t size = buffer_room(&connection->kept);
    char *room = size == 0 ? NULL : buffer_reserve(&connection->kept, size);
    /* An engine that wants more and takes nothing of so much is not to be helped. */
    if (room == NULL)
        return NET_FAILED;
    enum net_result result = read_some(connection, room, size, &count);
    buffer_commit(&connection->kept, count);
    connection->input = buffer_bytes(&connection->kept);
    return result;
}

bool connection_stream_keep(struct connection *connection)
{
    struct bytes left = connection->input;
    if (connection->kept.length > 0) {
        buffer_consume(&connection->kept, connection->kept.length - left.length);
    } else {
        buffer_append(&connection->kept, left);
        if (buffer_is_failed(&connection->kept))
            return false;
    }
    if (connection->kept.length == 0)
        buffer_clear(&connection->kept);
    connection->input = buffer_bytes(&connection->kept);
    return true;
}

/* ---- writing ---- */

static ssize_t send_slices(int descriptor, const struct iovec *slices, size_t count, int flags)
{
    if (count == 1)
        return send(descriptor, slices->iov_base, slices->iov_len, flags);
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)slices, .msg_iovlen = count};
    return sendmsg(descriptor, &message, flags);
}

static enum net_result write_clear(struct connection *connection, const struct iovec *slices,
                                   size_t slice_count, bool is_more_to_come, size_t *count)
{
    /* The kernel waits a moment for what follows, so that a group of replies is one packet. */
    int flags = MSG_NOSIGNAL | (is_more_to_come ? MSG_MORE : 0);
    ssize_t length;
    do
        length = send_slices(connection->descriptor, slices, slice_count, flags);
    while (length < 0 && errno == EINTR);
    if (length >= 0) {
        *count = (size_t)length;
        return NET_DONE;
    }
    return judge_error(connection);
}

enum net_result connection_stream_write(struct connection *connection, const struct iovec *slices,
                                        size_t slice_count, bool is_more_to_come, size_t *count)
{
    return connection->tls == NULL
               ? write_clear(connection, slices, slice_count, is_more_to_come, count)
               : net_tls_write(connection->tls, slices, slice_count, count,
                               connection_fault(connection));
}

/* ---- waiting ---- */

static int events_of(short events)
{
    return ((events & POLLIN) != 0 ? UV_READABLE : 0) | ((events & POLLOUT) != 0 ? UV_WRITABLE : 0);
}

int connection_stream_read_events(const struct connection *connection)
{
    return connection->tls == NULL ? UV_READABLE : events_of(net_tls_read_events(connection->tls));
}

int connection_stream_write_events(const struct connection *connection)
{
    return connection->tls == NULL ? UV_WRITABLE : events_of(net_tls_write_events(connection->tls));
}
