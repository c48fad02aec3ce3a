/* The folding writer. */
#include "mail/header_writer.h"

#include "mail/header.h"

void header_writer_begin(struct header_writer *writer, struct buffer *out, struct bytes name)
{
    *writer = (struct header_writer){
        .out = out,
        .field_start = out->length,
        .line_start = out->length,
        .line_limit = HEADER_LINE_WISHED,
    };
    buffer_append(out, name);
    buffer_append_char(out, ':');
}

size_t header_writer_column(const struct header_writer *writer)
{
    return writer->out->length - writer->line_start;
}

static void fold(struct header_writer *writer)
{
    buffer_append_string(writer->out, "\r\n");
    writer->line_start = writer->out->length;
    writer->line_limit = HEADER_LINE_WISHED;
    writer->has_word = false;
}

static void put(struct header_writer *writer, struct bytes blanks, struct bytes word, size_t limit)
{
    if (limit > writer->line_limit)
        limit = writer->line_limit;
    size_t end = header_writer_column(writer) + blanks.length + word.length;
    /* A fold right behind the name only where nothing else helps: some readers stumble over it. */
    if (end > limit && (writer->has_word || end > HEADER_LINE_MAX))
        fold(writer);
    buffer_append(writer->out, blanks);
    buffer_append(writer->out, word);
    writer->has_word = true;
}

void header_writer_word(struct header_writer *writer, struct bytes blanks, struct bytes word)
{
    put(writer, blanks, word, HEADER_LINE_WISHED);
}

void header_writer_encoded_word(struct header_writer *writer, struct bytes blanks,
                                struct bytes word)
{
    put(writer, blanks, word, HEADER_LINE_ENCODED_WORD);
    writer->line_limit = HEADER_LINE_ENCODED_WORD;
}

size_t header_writer_encoded_word_room(const struct header_writer *writer, size_t blanks)
{
    size_t used = header_writer_column(writer) + blanks;
    return used < HEADER_LINE_ENCODED_WORD ? HEADER_LINE_ENCODED_WORD - used : 0;
}

static bool is_continuation(struct bytes line)
{
    return line.length > 0 && (line.data[0] == ' ' || line.data[0] == '\t') &&
           bytes_trim(line).length > 0;
}

/* Each line but the first starts with a blank and has something else too; no line has a CR, LF or
   NUL inside. */
static bool check(struct bytes field, struct fault *fault)
{
    struct bytes name;
    struct bytes value;
    if (!bytes_split(field, ':', &name, &value) || !header_name_is_valid(name))
        return fault_set(fault, FAULT_SYNTAX, "a header field has no valid name");
    bool is_first = true;
    size_t end;
    do {
        end = bytes_find(field, BYTES("\r\n"));
        struct bytes line = bytes_slice(field, 0, end);
        if (line.length > HEADER_LINE_MAX)
            return fault_set(fault, FAULT_LIMIT,
                             "a word of the field %.*s is longer than a line of %d bytes",
                             BYTES_FORMAT(bytes_slice(name, 0, 80)), HEADER_LINE_MAX);
        if (bytes_has_line_break_or_nul(line) || (!is_first && !is_continuation(line)))
            return fault_set(fault, FAULT_SYNTAX, "the field %.*s would hold a line end or NUL",
                             BYTES_FORMAT(bytes_slice(name, 0, 80)));
        field = bytes_skip(field, end == BYTES_NOT_FOUND ? field.length : end + 2);
        is_first = false;
    } while (end != BYTES_NOT_FOUND);
    return true;
}

bool header_writer_end(struct header_writer *writer, struct fault *fault)
{
    struct buffer *out = writer->out;
    if (buffer_is_failed(out))
        return fault_set(fault, FAULT_LIMIT, "the header is too long or memory ran out");
    if (!check(bytes_skip(buffer_bytes(out), writer->field_start), fault)) {
        buffer_truncate(out, writer->field_start);
        return false;
    }
    buffer_append_string(out, "\r\n");
    return true;
}
