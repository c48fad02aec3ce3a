/* One face for sockets and for the user's transport. */
#include "client/client_transport.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/secret.h"

/* Slices below this are gathered before the user's write sees them: one call for one group of
 * commands. */
enum {
    GATHER_SIZE = 4096
};

void client_transport_close(struct client_transport *transport)
{
    net_stream_close(transport->stream);
    if (transport->has_own && transport->own.close != NULL) {
        transport->is_in_callback = true;
        transport->own.close(transport->own.context);
    }
    *transport = (struct client_transport){0};
}

/* What -1 with errno from the user's callback means. */
static enum net_result own_failure(const char *what, struct fault *fault)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
        return NET_AGAIN;
    int system_error = errno == 0 ? EIO : errno;
    fault_set_system(fault, FAULT_TEMPORARY, system_error, "the transport cannot %s", what);
    return NET_FAILED;
}

static enum net_result own_result(ssize_t moved, size_t most, const char *what, size_t *count,
                                  struct fault *fault)
{
    if (moved < 0)
        return own_failure(what, fault);
    if ((size_t)moved > most) {
        fault_set(fault, FAULT_BUG,
                  "the transport says that it moved more bytes than it was given");
        return NET_FAILED;
    }
    *count = (size_t)moved;
    return NET_DONE;
}

enum net_result client_transport_read(struct client_transport *transport, char *buffer, size_t size,
                                      size_t *count, struct fault *fault)
{
    if (!transport->has_own)
        return net_stream_read(transport->stream, buffer, size, count, fault);
    int64_t patience = transport->read_patience;
    transport->read_patience = 0;
    transport->is_in_callback = true;
    ssize_t moved = transport->own.read(transport->own.context, buffer, size, patience);
    transport->is_in_callback = false;
    return moved == 0 ? NET_END : own_result(moved, size, "read", count, fault);
}

/* The first slice when it is long, else as many as fit into memory. */
static struct bytes gather(const struct iovec *slices, size_t slice_count, char *memory)
{
    if (slice_count == 1 || slices[0].iov_len >= GATHER_SIZE)
        return bytes_of(slices[0].iov_base, slices[0].iov_len);
    size_t length = 0;
    for (size_t i = 0; i < slice_count && slices[i].iov_len <= GATHER_SIZE - length; i++) {
        memcpy(memory + length, slices[i].iov_base, slices[i].iov_len);
        length += slices[i].iov_len;
    }
    return bytes_of(memory, length);
}

enum net_result client_transport_write(struct client_transport *transport,
                                       const struct iovec *slices, size_t slice_count,
                                       size_t *count, struct fault *fault)
{
    if (!transport->has_own)
        return net_stream_write(transport->stream, slices, slice_count, count, fault);
    char memory[GATHER_SIZE];
    struct bytes piece = gather(slices, slice_count, memory);
    int64_t patience = transport->write_patience;
    transport->write_patience = 0;
    transport->is_in_callback = true;
    ssize_t moved =
        transport->own.write(transport->own.context, piece.data, piece.length, patience);
    transport->is_in_callback = false;
    /* A login may have passed through here. */
    if (piece.data == memory)
        secret_wipe(memory, piece.length);
    return moved == 0 ? NET_AGAIN : own_result(moved, piece.length, "write", count, fault);
}

int client_transport_start_tls(struct client_transport *transport, const char *server_name,
                               struct ph_tls_facts *facts, int64_t timeout)
{
    transport->is_in_callback = true;
    int result = transport->own.start_tls(transport->own.context, server_name, facts, timeout);
    transport->is_in_callback = false;
    return result;
}

int client_transport_wait(struct client_transport *transport, int wanted, int wake_descriptor,
                          int64_t deadline, struct fault *fault)
{
    if (!transport->has_own)
        return net_stream_wait(transport->stream, wanted, wake_descriptor, deadline, fault);
    int64_t now = (int64_t)clock_monotonic_milliseconds();
    if (now >= deadline)
        return 0;
    int64_t patience = deadline - now;
    if (patience > CLIENT_TRANSPORT_SLICE_MS)
        patience = CLIENT_TRANSPORT_SLICE_MS;
    /* Whatever holds the write up may be a peer that waits for us to read: only one of the two may
     * wait. */
    if (wanted & NET_READY_WRITE)
        transport->write_patience = patience;
    else
        transport->read_patience = patience;
    return wanted;
}

bool client_transport_is_quiet(struct client_transport *transport)
{
    return transport->has_own || net_stream_is_quiet(transport->stream);
}
