/* Copies a stream into an unlinked file, line by line where lines matter. */
#include "cli/send_spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/bytes.h"
#include "base/scan.h"
#include "cli/sendmail_qualify.h"

enum {
    SEND_SPOOL_PIECE = 65536, /* bytes read at a time; longer lines come in pieces */
    SEND_SPOOL_HEADER_MAX =
        1 << 20 /* bytes of a header field: what the library takes of them all */
};

/* What has been read and not taken. */
struct reader {
    int descriptor;
    size_t start;
    size_t end;
    bool is_at_end;
    bool is_at_line_start; /* of the piece that comes next */
    uint64_t taken;
    char data[SEND_SPOOL_PIECE];
};

int send_spool_open(struct fault *fault)
{
    const char *folder = getenv("TMPDIR");
    if (folder == NULL || folder[0] != '/')
        folder = "/tmp";
    int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (descriptor >= 0)
        return descriptor;
    /* Not every file system knows O_TMPFILE. */
    char *path = NULL;
    if (asprintf(&path, "%s/posthorn-XXXXXX", folder) < 0) {
        fault_set_memory(fault);
        return -1;
    }
    descriptor = mkostemp(path, O_CLOEXEC);
    if (descriptor < 0)
        fault_set_system(fault, FAULT_TEMPORARY, errno, "cannot make a temporary file in %s",
                         folder);
    else
        unlink(path);
    free(path);
    return descriptor;
}

/* Fills the reader until it holds a whole line, is full, or the input ends. */
static bool fill(struct reader *reader)
{
    while (!reader->is_at_end &&
           memchr(reader->data + reader->start, '\n', reader->end - reader->start) == NULL) {
        if (reader->start > 0) {
            memmove(reader->data, reader->data + reader->start, reader->end - reader->start);
            reader->end -= reader->start;
            reader->start = 0;
        }
        if (reader->end == sizeof(reader->data))
            break;
        ssize_t count = read(reader->descriptor, reader->data + reader->end,
                             sizeof(reader->data) - reader->end);
        if (count < 0 && errno != EINTR)
            return false;
        reader->is_at_end = count == 0;
        if (count > 0)
            reader->end += (size_t)count;
    }
    return true;
}

/* The next line with its end, or a piece of one that is too long. Empty at the end. */
static bool next_piece(struct reader *reader, struct bytes *piece, bool *is_line_start)
{
    if (!fill(reader))
        return false;
    struct bytes held = bytes_of(reader->data + reader->start, reader->end - reader->start);
    size_t newline = bytes_find_char(held, '\n');
    *piece = newline == BYTES_NOT_FOUND ? held : bytes_slice(held, 0, newline + 1);
    *is_line_start = reader->is_at_line_start;
    reader->is_at_line_start = newline != BYTES_NOT_FOUND;
    reader->start += piece->length;
    reader->taken += piece->length;
    return true;
}

static struct bytes without_line_end(struct bytes line)
{
    if (bytes_ends_with(line, BYTES("\n")))
        line.length--;
    if (bytes_ends_with(line, BYTES("\r")))
        line.length--;
    return line;
}

/* RFC 5322 3.6.8: a name of printable characters, then a colon; 4.5.8 allows blanks before it. */
static bool is_field(struct bytes line)
{
    struct scan scan = scan_of(line);
    size_t length = 0;
    while (scan_peek(&scan) > ' ' && scan_peek(&scan) < 127 && scan_peek(&scan) != ':') {
        scan_take(&scan);
        length++;
    }
    scan_take_while(&scan, &scan_blanks);
    return length > 0 && scan_peek(&scan) == ':';
}

enum header_step {
    HEADER_GOES_ON,
    HEADER_SKIP, /* leave the line out */
    HEADER_ENDS,
    HEADER_IS_OVER /* the line belongs to the body already */
};

static enum header_step judge(struct bytes line, bool is_first)
{
    if (is_first &&
        (bytes_starts_with(line, BYTES("From ")) || bytes_starts_with(line, BYTES(">From "))))
        return HEADER_SKIP;
    if (without_line_end(line).length == 0)
        return HEADER_ENDS;
    if (!is_first && (line.data[0] == ' ' || line.data[0] == '\t'))
        return HEADER_GOES_ON;
    return is_field(line) ? HEADER_GOES_ON : HEADER_IS_OVER;
}

static bool write_all(FILE *file, struct bytes bytes)
{
    return fwrite(bytes.data, 1, bytes.length, file) == bytes.length;
}

/* Writes the header field that was gathered, if there is one. */
static bool write_field(struct buffer *field, const char *domain, FILE *file)
{
    AUTO(buffer)
    out = BUFFER(SEND_SPOOL_HEADER_MAX);
    if (domain != NULL)
        sendmail_qualify(buffer_bytes(field), domain, &out);
    else
        buffer_append(&out, buffer_bytes(field));
    if (buffer_is_failed(field) || buffer_is_failed(&out)) {
        errno = EMSGSIZE;
        return false;
    }
    buffer_reset(field);
    return write_all(file, buffer_bytes(&out));
}

/* A line of the header is gathered with those that continue it; what ends the header is written.
 *goes_on says whether the next line is one of the header's too. */
static bool copy_header_line(struct bytes line, bool is_first, struct buffer *field,
                             const char *domain, bool *goes_on, FILE *file)
{
    enum header_step step = judge(line, is_first);
    bool continues =
        !is_first && step == HEADER_GOES_ON && scan_blanks.has[(unsigned char)*line.data];
    *goes_on = step == HEADER_GOES_ON || step == HEADER_SKIP;
    if (!continues && !write_field(field, domain, file))
        return false;
    if (step == HEADER_GOES_ON)
        buffer_append(field, line);
    if (step == HEADER_IS_OVER && !write_all(file, BYTES("\n")))
        return false;
    return step == HEADER_GOES_ON || step == HEADER_SKIP || write_all(file, line);
}

/* False: errno. */
static bool copy_lines(struct reader *reader, struct send_spool_rules rules, FILE *file)
{
    AUTO(buffer)
    field = BUFFER(SEND_SPOOL_HEADER_MAX);
    bool is_in_header = rules.mends_header;
    bool is_first = true;
    for (;;) {
        struct bytes piece;
        bool is_line_start;
        if (!next_piece(reader, &piece, &is_line_start))
            return false;
        if (piece.length == 0 || (is_line_start && rules.lone_dot_ends &&
                                  bytes_equal(without_line_end(piece), BYTES("."))))
            break;
        bool is_written = true;
        if (!is_in_header)
            is_written = write_all(file, piece);
        else if (is_line_start)
            is_written =
                copy_header_line(piece, is_first, &field, rules.domain, &is_in_header, file);
        else
            buffer_append(&field, piece);
        if (!is_written)
            return false;
        is_first = false;
    }
    return write_field(&field, rules.domain, file) &&
           (!is_in_header || write_all(file, BYTES("\n")));
}

int send_spool_copy(int from, struct send_spool_rules rules, uint64_t *size, struct fault *fault)
{
    int descriptor = send_spool_open(fault);
    if (descriptor < 0)
        return -1;
    FILE *file = fdopen(fcntl(descriptor, F_DUPFD_CLOEXEC, 0), "w");
    struct reader *reader = malloc(sizeof(*reader));
    bool is_good = file != NULL && reader != NULL;
    if (is_good) {
        reader->descriptor = from;
        reader->start = 0;
        reader->end = 0;
        reader->is_at_end = false;
        reader->is_at_line_start = true;
        reader->taken = 0;
        is_good = copy_lines(reader, rules, file);
        *size = reader->taken;
    }
    int system_error = errno;
    if (file != NULL && fclose(file) != 0 && is_good) {
        is_good = false;
        system_error = errno;
    }
    free(reader);
    if (is_good && lseek(descriptor, 0, SEEK_SET) == 0)
        return descriptor;
    close(descriptor);
    fault_set_system(fault, FAULT_TEMPORARY, system_error, "cannot keep the message for sending");
    return -1;
}
