/* Reads bodies for the engine. */
#include "client/client_body.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "smtp/smtp_error.h"

/* A regular file says beforehand how long it is: for SIZE= (RFC 1870 5), and so that a file which
   shrinks while it is sent is not taken for a whole message. */
static bool measure_file(struct client_item *item, struct ph_error *error)
{
    struct stat status;
    int descriptor = item->source.descriptor;
    if (fstat(descriptor, &status) != 0) {
        int system_error = errno;
        smtp_error_set(error, PH_ERROR_BODY, "", "the file descriptor of the message is not open");
        if (error != NULL)
            error->system_error = system_error;
        return false;
    }
    if (!S_ISREG(status.st_mode))
        return true;
    off_t offset = lseek(descriptor, 0, SEEK_CUR);
    if (offset < 0)
        return true;
    item->total = status.st_size > offset ? (uint64_t)(status.st_size - offset) : 0;
    item->is_exact = true;
    return true;
}

/* Memory goes to the engine as it is unless somebody wants to see how far it is. */
static bool is_for_the_engine(const struct client_item *item, const struct ph_smtp *smtp)
{
    return item->source.kind == PH_BODY_MEMORY && smtp->options.progress == NULL;
}

/* What the engine would see in memory that it is given whole. */
static enum ph_body_content look_through(const char *data, size_t length)
{
    return bytes_is_ascii(bytes_of(data, length)) ? PH_CONTENT_7BIT : PH_CONTENT_8BIT;
}

bool client_body_begin(struct client_item *item, const struct ph_transaction *transaction,
                       const struct ph_smtp *smtp, struct ph_error *error)
{
    *item = (struct client_item){.transaction = *transaction, .source = transaction->body};
    if (is_for_the_engine(item, smtp))
        return true;
    struct ph_body *body = &item->transaction.body;
    body->kind = PH_BODY_CALLBACK;
    switch (item->source.kind) {
    case PH_BODY_MEMORY:
        item->total = item->source.length;
        item->is_exact = true;
        if (body->content == PH_CONTENT_UNKNOWN)
            body->content = look_through(item->source.data, item->source.length);
        break;
    case PH_BODY_FILE:
        if (!measure_file(item, error))
            return false;
        break;
    case PH_BODY_CALLBACK:
        if (item->source.read == NULL)
            return smtp_error_set(error, PH_ERROR_ARGUMENT, "",
                                  "the message's body is a callback, but there is none");
        item->total = item->source.size;
        break;
    }
    body->size = item->total;
    return true;
}

static ssize_t read_file(int descriptor, char *piece, size_t size)
{
    ssize_t got;
    do
        got = read(descriptor, piece, size);
    while (got < 0 && errno == EINTR);
    return got;
}

static ssize_t call_read(struct ph_smtp *smtp, const struct ph_body *source, char *piece,
                         size_t size)
{
    smtp->is_in_callback = true;
    ssize_t got = source->read(source->context, piece, size);
    smtp->is_in_callback = false;
    return got;
}

/* True when there is nobody to ask, too. */
static bool may_go_on(struct ph_smtp *smtp, const struct client_item *item)
{
    if (smtp->options.progress == NULL)
        return true;
    smtp->is_in_callback = true;
    bool answer = smtp->options.progress(smtp->options.progress_context, item->taken, item->total);
    smtp->is_in_callback = false;
    return answer;
}

/* Where pieces are read to; NULL with errno when there is no memory. */
static char *piece_room(struct ph_smtp *smtp)
{
    if (smtp->piece_memory == NULL)
        smtp->piece_memory = malloc(CLIENT_PIECE_SIZE + CLIENT_PAGE_SIZE);
    if (smtp->piece_memory == NULL)
        return NULL;
    uintptr_t start = (uintptr_t)smtp->piece_memory;
    return smtp->piece_memory + (CLIENT_PAGE_SIZE - start % CLIENT_PAGE_SIZE) % CLIENT_PAGE_SIZE;
}

/* Reads the next piece; -1 with errno. */
static ssize_t take_piece(struct ph_smtp *smtp, struct client_item *item, const char **piece)
{
    size_t size = CLIENT_PIECE_SIZE;
    if (item->is_exact && item->total - item->taken < size)
        size = (size_t)(item->total - item->taken);
    if (item->source.kind == PH_BODY_MEMORY) {
        *piece = item->source.data + item->taken;
        return (ssize_t)size;
    }
    char *room = piece_room(smtp);
    if (room == NULL)
        return -1;
    *piece = room;
    if (size == 0)
        return 0;
    errno = 0;
    ssize_t got = item->source.kind == PH_BODY_FILE ? read_file(item->source.descriptor, room, size)
                                                    : call_read(smtp, &item->source, room, size);
    if (got > (ssize_t)size || (got == 0 && item->is_exact)) {
        errno = EIO;
        return -1;
    }
    return got;
}

void client_body_supply(struct ph_smtp *smtp, struct client_item *item)
{
    const char *piece = NULL;
    ssize_t got = take_piece(smtp, item, &piece);
    int system_error = errno;
    int64_t now = client_session_now();
    if (got < 0) {
        ph_engine_body_failed(smtp->engine, system_error, now);
        return;
    }
    item->taken += (uint64_t)got;
    if (got > 0 && !may_go_on(smtp, item)) {
        item->is_cancelled = true;
        ph_engine_body_failed(smtp->engine, ECANCELED, now);
        return;
    }
    bool is_last = got == 0 || (item->is_exact && item->taken == item->total);
    ph_engine_body(smtp->engine, piece, (size_t)got, is_last, now);
}
