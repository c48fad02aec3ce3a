/* Every word that a peer chose is checked against the grammar of its place or cleaned, then folded
 * by the header writer. */
#include "delivery/trace_header.h"

#include <inttypes.h>

#include "base/utf8.h"
#include "mail/date.h"
#include "mail/domain.h"
#include "mail/header_writer.h"
#include "mail/message_id.h"

enum {
    WORD_MAX = 1024,      /* bytes of one word: an address with its brackets fits */
    HELLO_SHOWN_MAX = 100 /* bytes of a name that is no domain, in a comment */
};

#define MICROSECONDS 1000000

const char *trace_header_protocol(const struct trace_header *trace)
{
    /* In the order of the bits: UTF8, LMTP, encrypted, authenticated. */
    static const char *const words[16] = {
        "ESMTP",    "ESMTPA",    "ESMTPS",    "ESMTPSA",    /* RFC 3848 */
        "LMTP",     "LMTPA",     "LMTPS",     "LMTPSA",     /* the same */
        "UTF8SMTP", "UTF8SMTPA", "UTF8SMTPS", "UTF8SMTPSA", /* RFC 6531 4.3 */
        "UTF8LMTP", "UTF8LMTPA", "UTF8LMTPS", "UTF8LMTPSA", /* the same */
    };
    if (!trace->is_extended && !trace->is_lmtp)
        return "SMTP"; /* RFC 5321 4.4: what HELO began; it knows no other words */
    return words[(trace->is_utf8 ? 8 : 0) + (trace->is_lmtp ? 4 : 0) +
                 (trace->is_encrypted ? 2 : 0) + (trace->is_authenticated ? 1 : 0)];
}

static void write_word(struct header_writer *writer, struct bytes word)
{
    header_writer_word(writer, BYTES(" "), word);
}

/* A word that was put together; without memory for it the whole fails. */
static void write_buffer(struct header_writer *writer, const struct buffer *word)
{
    if (buffer_is_failed(word))
        buffer_fail(writer->out);
    else
        write_word(writer, buffer_bytes(word));
}

static void write_string(struct header_writer *writer, const char *word)
{
    write_word(writer, bytes_from_string(word));
}

/* Appends the peer's address as RFC 5321 4.1.3 writes it; false for a Unix socket, which has none.
 */
static bool append_literal(const char *peer, struct buffer *out)
{
    struct bytes text = bytes_from_string(peer);
    AUTO(buffer)
    literal = BUFFER(WORD_MAX);
    buffer_append_string(&literal, bytes_has_char(text, ':') ? "[IPv6:" : "[");
    buffer_append(&literal, text);
    buffer_append_char(&literal, ']');
    if (buffer_is_failed(&literal))
        buffer_fail(out);
    if (!domain_is_address_literal(buffer_bytes(&literal)))
        return false;
    buffer_append(out, buffer_bytes(&literal));
    return true;
}

/* Appends a comment with what the client called itself where that is no name; what could end the
   comment or hide in it is shown as "?". */
static void append_hello_comment(struct bytes hello, struct buffer *out)
{
    buffer_append_string(out, "(hello ");
    struct bytes shown = bytes_slice(hello, 0, HELLO_SHOWN_MAX);
    for (size_t i = 0; i < shown.length; i++) {
        char c = shown.data[i];
        bool is_plain = c > ' ' && c < 127 && c != '(' && c != ')' && c != '\\' && c != '"';
        buffer_append_char(out, is_plain ? c : '?');
    }
    buffer_append_char(out, ')');
}

/* RFC 5321 4.4 From-domain, with the address in TCP-info. */
static void write_from(const struct trace_header *trace, struct header_writer *writer)
{
    bool is_name = domain_is_hello_name(trace->hello) && trace->hello.length <= DOMAIN_OCTETS_MAX;
    AUTO(buffer)
    literal = BUFFER(WORD_MAX);
    bool has_address = append_literal(trace->peer, &literal);

    write_string(writer, "from");
    if (is_name)
        write_word(writer, trace->hello);
    else if (has_address)
        write_buffer(writer, &literal);
    else
        write_string(writer, "localhost");
    if (buffer_is_failed(&literal))
        buffer_fail(writer->out);
    if (has_address) {
        AUTO(buffer)
        information = BUFFER(WORD_MAX);
        buffer_append_char(&information, '(');
        buffer_append(&information, buffer_bytes(&literal));
        buffer_append_char(&information, ')');
        write_buffer(writer, &information);
    }
    if (!is_name && trace->hello.length > 0) {
        AUTO(buffer)
        comment = BUFFER(WORD_MAX);
        append_hello_comment(trace->hello, &comment);
        write_buffer(writer, &comment);
    }
}

static void write_tls(const struct trace_header *trace, struct header_writer *writer)
{
    if (trace->tls_version == NULL || trace->tls_cipher == NULL)
        return;
    AUTO(buffer)
    comment = BUFFER(WORD_MAX);
    buffer_append_format(&comment, "(%s %s)", trace->tls_version, trace->tls_cipher);
    write_buffer(writer, &comment);
}

/* May the address stand in a field of this message? Beyond ASCII only with SMTPUTF8 (RFC 6531
   3.7.3), and never with anything that a line could end at. */
static bool may_be_shown(const struct trace_header *trace, struct bytes address)
{
    if (bytes_is_empty(address) || address.length > WORD_MAX - 3 || bytes_has_control(address))
        return false;
    return bytes_is_ascii(address) || (trace->is_utf8 && utf8_is_valid(address));
}

static void write_date(int64_t microseconds, struct header_writer *writer)
{
    AUTO(buffer)
    date = BUFFER(WORD_MAX);
    if (!date_write(&date, microseconds / MICROSECONDS, 0, NULL))
        buffer_fail(&date);
    write_buffer(writer, &date);
}

void trace_header_received(const struct trace_header *trace, struct bytes recipient,
                           struct buffer *out)
{
    struct header_writer writer;
    header_writer_begin(&writer, out, BYTES("Received"));
    write_from(trace, &writer);
    write_string(&writer, "by");
    write_string(&writer, trace->name);
    write_string(&writer, "with");
    write_string(&writer, trace_header_protocol(trace));
    write_tls(trace, &writer);
    write_string(&writer, "id");

    bool has_recipient = may_be_shown(trace, recipient);
    AUTO(buffer)
    id = BUFFER(WORD_MAX);
    buffer_append_format(&id, "%016" PRIx64 "%s", (uint64_t)trace->id, has_recipient ? "" : ";");
    write_buffer(&writer, &id);
    if (has_recipient) {
        AUTO(buffer)
        path = BUFFER(WORD_MAX);
        buffer_append_format(&path, "<%.*s>;", BYTES_FORMAT(recipient));
        write_string(&writer, "for");
        write_buffer(&writer, &path);
    }
    write_date(trace->received, &writer);
    if (!header_writer_end(&writer, NULL))
        buffer_fail(out);
}

/* "Name: <address>" or "Name: address"; an address that may not be shown is left out. */
static void write_address(const struct trace_header *trace, struct bytes name, struct bytes address,
                          bool has_brackets, struct buffer *out)
{
    if (!bytes_is_empty(address) && !may_be_shown(trace, address))
        return;
    AUTO(buffer)
    word = BUFFER(WORD_MAX);
    if (has_brackets)
        buffer_append_format(&word, "<%.*s>", BYTES_FORMAT(address));
    else
        buffer_append(&word, address);
    struct header_writer writer;
    header_writer_begin(&writer, out, name);
    write_buffer(&writer, &word);
    if (!header_writer_end(&writer, NULL))
        buffer_fail(out);
}

void trace_header_own(const struct trace_header *trace, struct bytes recipient, struct buffer *out)
{
    /* RFC 5321 4.4: the final delivery puts one Return-Path at the very top. */
    write_address(trace, BYTES("Return-Path"), trace->sender, true, out);
    if (!bytes_is_empty(recipient))
        write_address(trace, BYTES("Delivered-To"), recipient, false, out);
}

void trace_header_local(const struct trace_header *trace, struct bytes recipient, bool is_only,
                        struct buffer *out)
{
    trace_header_own(trace, recipient, out);
    trace_header_received(trace, is_only ? recipient : BYTES(""), out);
}

bool trace_header_missing(const struct trace_header *trace, bool lacks_date, bool lacks_message_id,
                          struct buffer *out, struct fault *fault)
{
    AUTO(buffer)
    fields = BUFFER(TRACE_HEADER_MAX);
    struct header_writer writer;
    if (lacks_date) {
        header_writer_begin(&writer, &fields, BYTES("Date"));
        write_date(trace->received, &writer);
        if (!header_writer_end(&writer, fault))
            return false;
    }
    if (lacks_message_id) {
        AUTO(buffer)
        id = BUFFER(WORD_MAX);
        if (!message_id_make(bytes_from_string(trace->name), &id, fault))
            return false;
        header_writer_begin(&writer, &fields, BYTES("Message-ID"));
        write_buffer(&writer, &id);
        if (!header_writer_end(&writer, fault))
            return false;
    }
    if (buffer_is_failed(&fields))
        return fault_set_memory(fault);
    buffer_append(out, buffer_bytes(&fields));
    return true;
}
