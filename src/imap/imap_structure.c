/* The compact forms of envelopes and structures as IMAP prints them. */
#include "imap/imap_structure.h"

#include "imap/imap_write.h"
#include "mail/message_envelope.h"
#include "mail/message_structure.h"

struct writer {
    struct buffer *out;
    bool has_extensions;
    bool is_utf8;
    struct fault *fault;
};

static void write_nstring(struct writer *writer, struct bytes text)
{
    buffer_append_char(writer->out, ' ');
    imap_write_nstring(writer->out, text, writer->is_utf8);
}

static void write_number(struct writer *writer, uint64_t number)
{
    buffer_append_char(writer->out, ' ');
    imap_write_number(writer->out, number);
}

/* ---- envelopes ---- */

static void write_address(struct writer *writer, const struct message_envelope_address *address)
{
    buffer_append_char(writer->out, '(');
    imap_write_nstring(writer->out, address->name, writer->is_utf8);
    write_nstring(writer, address->route);
    write_nstring(writer, address->mailbox);
    write_nstring(writer, address->host);
    buffer_append_char(writer->out, ')');
}

static void write_addresses(struct writer *writer, struct bytes list)
{
    struct message_envelope_address address;
    if (list.length == 0) {
        buffer_append(writer->out, BYTES(" NIL"));
        return;
    }
    buffer_append(writer->out, BYTES(" ("));
    while (message_envelope_next(&list, &address))
        write_address(writer, &address);
    buffer_append_char(writer->out, ')');
}

static bool write_envelope(struct writer *writer, struct bytes compact)
{
    struct message_envelope envelope;
    if (!message_envelope_read(compact, &envelope, writer->fault))
        return false;
    buffer_append_char(writer->out, '(');
    imap_write_nstring(writer->out, envelope.date, writer->is_utf8);
    write_nstring(writer, envelope.subject);
    write_addresses(writer, envelope.from);
    /* RFC 9051 7.5.2: Sender and Reply-To that are missing are those of From. */
    write_addresses(writer, envelope.sender.length > 0 ? envelope.sender : envelope.from);
    write_addresses(writer, envelope.reply_to.length > 0 ? envelope.reply_to : envelope.from);
    write_addresses(writer, envelope.to);
    write_addresses(writer, envelope.cc);
    write_addresses(writer, envelope.bcc);
    write_nstring(writer, envelope.in_reply_to);
    write_nstring(writer, envelope.message_id);
    buffer_append_char(writer->out, ')');
    return true;
}

/* ---- structures ---- */

static void write_parameters(struct writer *writer, struct bytes parameters, bool wants_charset)
{
    struct bytes name;
    struct bytes value;
    char before = '(';
    buffer_append_char(writer->out, ' ');
    while (message_structure_next_parameter(&parameters, &name, &value)) {
        buffer_append_char(writer->out, before);
        imap_write_string(writer->out, name, writer->is_utf8);
        write_nstring(writer, value);
        before = ' ';
        wants_charset = wants_charset && !bytes_equal_ignoring_case(name, BYTES("charset"));
    }
    /* RFC 2045 5.2. */
    if (wants_charset) {
        buffer_append_char(writer->out, before);
        buffer_append(writer->out, BYTES("\"charset\" \"us-ascii\""));
        before = ' ';
    }
    buffer_append(writer->out, before == '(' ? BYTES("NIL") : BYTES(")"));
}

static void write_languages(struct writer *writer, struct bytes languages)
{
    struct bytes language;
    char before = '(';
    buffer_append_char(writer->out, ' ');
    while (message_structure_next_language(&languages, &language)) {
        buffer_append_char(writer->out, before);
        imap_write_string(writer->out, language, writer->is_utf8);
        before = ' ';
    }
    buffer_append(writer->out, before == '(' ? BYTES("NIL") : BYTES(")"));
}

/* What only BODYSTRUCTURE has of every part. */
static void write_extensions(struct writer *writer, const struct message_structure_part *part)
{
    if (part->disposition.data == NULL) {
        buffer_append(writer->out, BYTES(" NIL"));
    } else {
        buffer_append(writer->out, BYTES(" ("));
        imap_write_string(writer->out, part->disposition, writer->is_utf8);
        write_parameters(writer, part->disposition_parameters, false);
        buffer_append_char(writer->out, ')');
    }
    write_languages(writer, part->languages);
    write_nstring(writer, part->location);
}

static bool write_part(struct writer *writer, const struct message_structure_part *part,
                       unsigned depth);

static bool write_parts(struct writer *writer, struct bytes parts, unsigned depth)
{
    struct message_structure_part part;
    if (depth == MESSAGE_STRUCTURE_NESTING_MAX)
        return fault_set(writer->fault, FAULT_PERMANENT, "a stored body structure is too deep");
    while (parts.length > 0) {
        if (!message_structure_next_part(&parts, &part, writer->fault) ||
            !write_part(writer, &part, depth + 1))
            return false;
    }
    return true;
}

static bool write_multipart(struct writer *writer, const struct message_structure_part *part,
                            unsigned depth)
{
    if (!write_parts(writer, part->parts, depth))
        return false;
    /* IMAP has no multipart of no parts (RFC 9051 9, body-type-mpart). */
    if (part->parts.length == 0) {
        buffer_append(writer->out,
                      BYTES("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0"));
        buffer_append(writer->out,
                      writer->has_extensions ? BYTES(" NIL NIL NIL NIL)") : BYTES(")"));
    }
    buffer_append_char(writer->out, ' ');
    imap_write_string(writer->out, part->subtype, writer->is_utf8);
    if (writer->has_extensions)
        write_parameters(writer, part->parameters, false);
    return true;
}

static bool is_global(const struct message_structure_part *part)
{
    return bytes_equal_ignoring_case(part->subtype, BYTES("global"));
}

/* Who does not read UTF-8 knows message/global as a leaf: a message in a message is message/rfc822
   (RFC 3501 9: body-type-msg, and RFC 9051 9 for the others). */
static bool is_told_as_message(const struct writer *writer,
                               const struct message_structure_part *part)
{
    return part->kind == MESSAGE_STRUCTURE_MESSAGE && (writer->is_utf8 || !is_global(part));
}

static void write_type(struct writer *writer, const struct message_structure_part *part)
{
    if (part->kind == MESSAGE_STRUCTURE_MESSAGE) {
        buffer_append(writer->out, is_global(part) ? BYTES("\"message\" \"global\"")
                                                   : BYTES("\"message\" \"rfc822\""));
    } else if (part->type.data == NULL) {
        buffer_append(writer->out, BYTES("\"text\" \"plain\""));
    } else {
        imap_write_string(writer->out, part->type, writer->is_utf8);
        buffer_append_char(writer->out, ' ');
        imap_write_string(writer->out, part->subtype, writer->is_utf8);
    }
}

static bool write_single(struct writer *writer, const struct message_structure_part *part,
                         unsigned depth)
{
    write_type(writer, part);
    write_parameters(writer, part->parameters, part->kind == MESSAGE_STRUCTURE_TEXT);
    write_nstring(writer, part->id);
    write_nstring(writer, part->description);
    write_nstring(writer, part->encoding.data == NULL ? BYTES("7bit") : part->encoding);
    write_number(writer, part->body_size);
    if (is_told_as_message(writer, part)) {
        buffer_append_char(writer->out, ' ');
        if (!write_envelope(writer, part->envelope))
            return false;
        buffer_append_char(writer->out, ' ');
        if (!write_parts(writer, part->parts, depth))
            return false;
    }
    if (part->kind == MESSAGE_STRUCTURE_TEXT || is_told_as_message(writer, part))
        write_number(writer, part->lines);
    if (writer->has_extensions)
        write_nstring(writer, part->md5);
    return true;
}

static bool write_part(struct writer *writer, const struct message_structure_part *part,
                       unsigned depth)
{
    buffer_append_char(writer->out, '(');
    if (part->kind == MESSAGE_STRUCTURE_MULTIPART ? !write_multipart(writer, part, depth)
                                                  : !write_single(writer, part, depth))
        return false;
    if (writer->has_extensions)
        write_extensions(writer, part);
    buffer_append_char(writer->out, ')');
    return true;
}

/* ---- the door ---- */

bool imap_structure_write_envelope(struct buffer *out, struct bytes envelope, bool is_utf8,
                                   struct fault *fault)
{
    struct writer writer = {.out = out, .is_utf8 = is_utf8, .fault = fault};
    size_t start = out->length;
    if (write_envelope(&writer, envelope))
        return true;
    buffer_truncate(out, start);
    return false;
}

bool imap_structure_write(struct buffer *out, struct bytes structure, bool has_extensions,
                          bool is_utf8, struct fault *fault)
{
    struct writer writer = {out, has_extensions, is_utf8, fault};
    struct message_structure_part message;
    size_t start = out->length;
    if (message_structure_read(structure, &message, fault) && write_part(&writer, &message, 0))
        return true;
    buffer_truncate(out, start);
    return false;
}
