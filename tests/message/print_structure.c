/* Prints what the parser made of a message, as IMAP shows it: ENVELOPE and BODYSTRUCTURE, a part a
 * line with its place. `print_structure FILE [PIECE]`: fed in pieces of PIECE bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "imap/imap_structure.h"
#include "mail/message_parser.h"
#include "mail/message_structure.h"

enum {
    OUTPUT_MAX = 64 * 1024 * 1024,
    MESSAGE_MAX = 64 * 1024 * 1024
};

static void die(const char *what)
{
    fprintf(stderr, "print_structure: %s\n", what);
    exit(1);
}

static void put(struct buffer *out, const char *text)
{
    buffer_append_string(out, text);
}

static void put_places(struct buffer *out, const struct message_structure_part *part,
                       const char *path)
{
    AUTO(buffer)
    name = BUFFER(OUTPUT_MAX);
    struct message_structure_part inner;
    struct bytes parts = part->parts;
    unsigned number = 0;
    buffer_append_format(out, "%s header %llu body %llu size %llu lines %llu\n", path,
                         (unsigned long long)part->header_start,
                         (unsigned long long)part->body_start, (unsigned long long)part->body_size,
                         (unsigned long long)part->lines);
    while (parts.length > 0) {
        if (!message_structure_next_part(&parts, &inner, NULL))
            die("a part is damaged");
        buffer_reset(&name);
        buffer_append_format(&name, "%s.%u", path, ++number);
        put_places(out, &inner, buffer_string(&name));
    }
}

static void put_all(struct buffer *out, const struct message_parsed *parsed)
{
    struct message_structure_part message;
    struct fault fault;
    if (!message_structure_read(parsed->structure, &message, &fault))
        die(fault.message);
    put(out, "ENVELOPE ");
    if (!imap_structure_write_envelope(out, parsed->envelope, false, &fault))
        die(fault.message);
    put(out, "\nBODYSTRUCTURE ");
    if (!imap_structure_write(out, parsed->structure, true, false, &fault))
        die(fault.message);
    put(out, "\n");
    put_places(out, &message, "message");
    buffer_append_format(out, "size %llu lines %llu sent %lld received %u%s%s%s%s%s\n",
                         (unsigned long long)parsed->size, (unsigned long long)parsed->lines,
                         (long long)parsed->sent, parsed->received_count,
                         parsed->has_date ? " date" : "", parsed->has_from ? " from" : "",
                         parsed->has_message_id ? " message-id" : "",
                         parsed->has_8bit ? " 8bit" : "", parsed->has_nul ? " nul" : "");
}

static void read_file(const char *path, struct buffer *in)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        die("the message cannot be read");
    size_t count = 1;
    while (count > 0 && !buffer_is_failed(in)) {
        char piece[4096];
        count = fread(piece, 1, sizeof piece, file);
        buffer_append(in, bytes_of(piece, count));
    }
    fclose(file);
    if (buffer_is_failed(in))
        die("the message is too large");
}

int main(int count, char **arguments)
{
    AUTO(buffer)
    in = BUFFER(MESSAGE_MAX);
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    struct message_parsed parsed;
    struct fault fault;
    if (count < 2)
        die("which message?");
    read_file(arguments[1], &in);
    size_t piece = count > 2 ? strtoul(arguments[2], NULL, 10) : in.length;
    struct message_parser *parser = message_parser_new(&fault);
    if (parser == NULL)
        die(fault.message);
    for (size_t at = 0; at < in.length; at += piece) {
        if (!message_parser_feed(parser, bytes_slice(buffer_bytes(&in), at, piece), &fault))
            die(fault.message);
    }
    if (!message_parser_finish(parser, &parsed, &fault))
        die(fault.message);
    put_all(&out, &parsed);
    message_parser_free(parser);
    if (buffer_is_failed(&out))
        die("out of memory");
    return fwrite(out.memory + out.start, 1, out.length, stdout) == out.length ? 0 : 1;
}
