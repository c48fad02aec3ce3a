/* Prints what the parser made of a message, as IMAP shows it: ENVELOPE and BODYSTRUCTURE, a part a
 * line with its place. `print_structure FILE [PIECE]`: fed in pieces of PIECE bytes. */
#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "base/buffer.h"
#include "mail/message_envelope.h"
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

static void put_string(struct buffer *out, struct bytes string)
{
    bool is_literal = bytes_has_line_break_or_nul(string) || !bytes_is_ascii(string);
    if (is_literal) {
        put(out, "{");
        buffer_append_unsigned(out, string.length);
        put(out, "}\n");
        buffer_append(out, string);
        return;
    }
    put(out, "\"");
    for (size_t i = 0; i < string.length; i++) {
        if (string.data[i] == '"' || string.data[i] == '\\')
            put(out, "\\");
        buffer_append_char(out, string.data[i]);
    }
    put(out, "\"");
}

static void put_nstring(struct buffer *out, struct bytes string)
{
    if (string.data == NULL)
        put(out, "NIL");
    else
        put_string(out, string);
}

static void put_list(struct buffer *out, struct bytes list)
{
    struct message_envelope_address address;
    if (list.length == 0) {
        put(out, " NIL");
        return;
    }
    put(out, " (");
    while (message_envelope_next(&list, &address)) {
        put(out, "(");
        put_nstring(out, address.name);
        put(out, " ");
        put_nstring(out, address.route);
        put(out, " ");
        put_nstring(out, address.mailbox);
        put(out, " ");
        put_nstring(out, address.host);
        put(out, ")");
    }
    if (list.length > 0)
        die("a list of addresses is damaged");
    put(out, ")");
}

static void put_envelope(struct buffer *out, struct bytes compact)
{
    struct message_envelope envelope;
    struct fault fault;
    if (!message_envelope_read(compact, &envelope, &fault))
        die(fault.message);
    put(out, "(");
    put_nstring(out, envelope.date);
    put(out, " ");
    put_nstring(out, envelope.subject);
    put_list(out, envelope.from);
    put_list(out, envelope.sender.length > 0 ? envelope.sender : envelope.from);
    put_list(out, envelope.reply_to.length > 0 ? envelope.reply_to : envelope.from);
    put_list(out, envelope.to);
    put_list(out, envelope.cc);
    put_list(out, envelope.bcc);
    put(out, " ");
    put_nstring(out, envelope.in_reply_to);
    put(out, " ");
    put_nstring(out, envelope.message_id);
    put(out, ")");
}

static void put_parameters(struct buffer *out, struct bytes parameters, bool wants_charset)
{
    struct bytes name;
    struct bytes value;
    const char *before = "(";
    while (message_structure_next_parameter(&parameters, &name, &value)) {
        put(out, before);
        put_string(out, name);
        put(out, " ");
        put_string(out, value);
        before = " ";
        if (bytes_equal_ignoring_case(name, BYTES("charset")))
            wants_charset = false;
    }
    if (wants_charset) {
        put(out, before);
        put(out, "\"charset\" \"us-ascii\"");
        before = " ";
    }
    put(out, *before == '(' ? "NIL" : ")");
}

static void put_languages(struct buffer *out, struct bytes languages)
{
    struct bytes language;
    const char *before = "(";
    if (languages.length == 0) {
        put(out, "NIL");
        return;
    }
    while (message_structure_next_language(&languages, &language)) {
        put(out, before);
        put_string(out, language);
        before = " ";
    }
    put(out, ")");
}

static void put_tail(struct buffer *out, const struct message_structure_part *part)
{
    put(out, " ");
    if (part->disposition.data == NULL) {
        put(out, "NIL");
    } else {
        put(out, "(");
        put_string(out, part->disposition);
        put(out, " ");
        put_parameters(out, part->disposition_parameters, false);
        put(out, ")");
    }
    put(out, " ");
    put_languages(out, part->languages);
    put(out, " ");
    put_nstring(out, part->location);
}

static void put_part(struct buffer *out, const struct message_structure_part *part);

static void put_parts(struct buffer *out, struct bytes parts)
{
    struct message_structure_part part;
    struct fault fault;
    while (parts.length > 0) {
        if (!message_structure_next_part(&parts, &part, &fault))
            die(fault.message);
        put_part(out, &part);
    }
}

static void put_multipart(struct buffer *out, const struct message_structure_part *part)
{
    put_parts(out, part->parts);
    /* IMAP has no multipart of no parts. */
    if (part->parts.length == 0)
        put(out, "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL "
                 "NIL)");
    put(out, " ");
    put_string(out, part->subtype);
    put(out, " ");
    put_parameters(out, part->parameters, false);
}

static void put_single(struct buffer *out, const struct message_structure_part *part)
{
    bool is_message = part->kind == MESSAGE_STRUCTURE_MESSAGE;
    if (is_message || part->type.data == NULL) {
        put(out, is_message ? "\"message\" \"rfc822\"" : "\"text\" \"plain\"");
    } else {
        put_string(out, part->type);
        put(out, " ");
        put_string(out, part->subtype);
    }
    put(out, " ");
    put_parameters(out, part->parameters, part->kind == MESSAGE_STRUCTURE_TEXT);
    put(out, " ");
    put_nstring(out, part->id);
    put(out, " ");
    put_nstring(out, part->description);
    put(out, " ");
    put_string(out, part->encoding.data == NULL ? BYTES("7bit") : part->encoding);
    put(out, " ");
    buffer_append_unsigned(out, part->body_size);
    if (is_message) {
        put(out, " ");
        put_envelope(out, part->envelope);
        put(out, " ");
        put_parts(out, part->parts);
    }
    if (part->kind != MESSAGE_STRUCTURE_LEAF) {
        put(out, " ");
        buffer_append_unsigned(out, part->lines);
    }
    put(out, " ");
    put_nstring(out, part->md5);
}

static void put_part(struct buffer *out, const struct message_structure_part *part)
{
    put(out, "(");
    if (part->kind == MESSAGE_STRUCTURE_MULTIPART)
        put_multipart(out, part);
    else
        put_single(out, part);
    put_tail(out, part);
    put(out, ")");
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
    put_envelope(out, parsed->envelope);
    put(out, "\nBODYSTRUCTURE ");
    put_part(out, &message);
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
