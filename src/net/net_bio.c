/* A BIO over send(2) and recv(2). */
#include "net/net_bio.h"

#include <errno.h>
#include <sys/socket.h>

static int finish(BIO *bio, ssize_t count, int retry_flag)
{
    struct net_bio *socket = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (count >= 0)
        return (int)count;
    if (errno == EAGAIN || errno == EWOULDBLOCK)
        BIO_set_flags(bio, retry_flag | BIO_FLAGS_SHOULD_RETRY);
    else
        socket->error = errno;
    return -1;
}

static int write_bytes(BIO *bio, const char *data, int length)
{
    struct net_bio *socket = BIO_get_data(bio);
    ssize_t count;
    do
        count = send(socket->descriptor, data, (size_t)length, MSG_NOSIGNAL);
    while (count < 0 && errno == EINTR);
    return finish(bio, count, BIO_FLAGS_WRITE);
}

static int read_bytes(BIO *bio, char *data, int size)
{
    struct net_bio *socket = BIO_get_data(bio);
    ssize_t count;
    do
        count = recv(socket->descriptor, data, (size_t)size, 0);
    while (count < 0 && errno == EINTR);
    if (count == 0)
        socket->is_at_end = true;
    return finish(bio, count, BIO_FLAGS_READ);
}

static long control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    const struct net_bio *socket = BIO_get_data(bio);
    switch (command) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_EOF:
        return socket->is_at_end;
    default:
        return 0;
    }
}

static int create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

BIO_METHOD *net_bio_method_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "posthorn socket");
    if (method == NULL)
        return NULL;
    if (BIO_meth_set_write(method, write_bytes) != 1 ||
        BIO_meth_set_read(method, read_bytes) != 1 || BIO_meth_set_ctrl(method, control) != 1 ||
        BIO_meth_set_create(method, create) != 1) {
        BIO_meth_free(method);
        return NULL;
    }
    return method;
}

BIO *net_bio_new(const BIO_METHOD *method, struct net_bio *socket)
{
    BIO *bio = BIO_new(method);
    if (bio != NULL)
        BIO_set_data(bio, socket);
    return bio;
}
