/* Writes a message in 7 bits. `downgrade_message FILE [PIECE]`: fed in pieces of PIECE bytes. Ends
 * with 2, and the reason, where it cannot be said; tells on the standard error that something in a
 * signed part was changed. */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "mail/message_downgrade.h"

enum {
    MESSAGE_MAX = 64 * 1024 * 1024
};

static void die(const char *what)
{
    fprintf(stderr, "downgrade_message: %s\n", what);
    exit(1);
}

static void read_file(const char *name, struct buffer *out)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        die("the message cannot be read");
    size_t count;
    char piece[4096];
    while ((count = fread(piece, 1, sizeof(piece), file)) > 0)
        buffer_append(out, bytes_of(piece, count));
    fclose(file);
    if (buffer_is_failed(out))
        die("the message is too large");
}

int main(int count, char **arguments)
{
    if (count < 2)
        die("a file is needed");
    AUTO(buffer)
    message = BUFFER(MESSAGE_MAX);
    AUTO(buffer)
    out = BUFFER(4 * (size_t)MESSAGE_MAX);
    struct fault fault = {0};
    read_file(arguments[1], &message);
    size_t size = count > 2 ? (size_t)atol(arguments[2]) : message.length;
    struct message_downgrade *downgrade = message_downgrade_new(&fault);
    if (downgrade == NULL)
        die(fault.message);
    struct bytes rest = buffer_bytes(&message);
    bool is_good = true;
    while (is_good && rest.length > 0) {
        struct bytes piece = bytes_slice(rest, 0, size);
        is_good = message_downgrade_feed(downgrade, piece, &out, &fault);
        rest = bytes_skip(rest, piece.length);
    }
    is_good = is_good && message_downgrade_finish(downgrade, &out, &fault);
    if (is_good)
        fwrite(buffer_bytes(&out).data, 1, out.length, stdout);
    if (is_good && message_downgrade_is_signed(downgrade))
        fprintf(stderr, "signed\n");
    if (!is_good)
        fprintf(stderr, "%s\n", fault.message);
    message_downgrade_free(downgrade);
    return is_good ? 0 : 2;
}
