/* One header field in 7 bits: what it is decides how. */
#include "mail/compact.h"
#include "mail/header.h"
#include "mail/encoded_word.h"
#include "mail/message_content.h"
#include "mail/message_downgrade_inside.h"
#include "mail/message_header.h"
#include "mail/parameter.h"

enum {
    VALUE_MAX = 4 * 1024 * 1024, /* bytes of an unfolded value; NULs grow */
    NAME_MAX = 200,              /* bytes of a field's name that is written anew */
    PIECE_MAX = 600              /* bytes of an encoded parameter on a line */
};

enum field_kind {
    FIELD_TEXT,
    FIELD_ADDRESSES,
    FIELD_PARAMETERS,
    FIELD_OTHER /* of a syntax that leaves no room: kept under another name (RFC 6857 3.1.10) */
};

static enum field_kind kind_of(struct bytes name)
{
    static const struct {
        struct bytes name;
        enum field_kind kind;
    } rows[] = {
        {BYTES_INIT("From"), FIELD_ADDRESSES},
        {BYTES_INIT("Sender"), FIELD_ADDRESSES},
        {BYTES_INIT("Reply-To"), FIELD_ADDRESSES},
        {BYTES_INIT("To"), FIELD_ADDRESSES},
        {BYTES_INIT("Cc"), FIELD_ADDRESSES},
        {BYTES_INIT("Bcc"), FIELD_ADDRESSES},
        {BYTES_INIT("Resent-From"), FIELD_ADDRESSES},
        {BYTES_INIT("Resent-Sender"), FIELD_ADDRESSES},
        {BYTES_INIT("Resent-Reply-To"), FIELD_ADDRESSES},
        {BYTES_INIT("Resent-To"), FIELD_ADDRESSES},
        {BYTES_INIT("Resent-Cc"), FIELD_ADDRESSES},
        {BYTES_INIT("Resent-Bcc"), FIELD_ADDRESSES},
        {BYTES_INIT("Disposition-Notification-To"), FIELD_ADDRESSES},
        {BYTES_INIT("Return-Receipt-To"), FIELD_ADDRESSES},
        {BYTES_INIT("Errors-To"), FIELD_ADDRESSES},
        {BYTES_INIT("Mail-Followup-To"), FIELD_ADDRESSES},
        {BYTES_INIT("Mail-Reply-To"), FIELD_ADDRESSES},
        {BYTES_INIT("Apparently-To"), FIELD_ADDRESSES},
        {BYTES_INIT("Content-Type"), FIELD_PARAMETERS},
        {BYTES_INIT("Content-Disposition"), FIELD_PARAMETERS},
        {BYTES_INIT("Content-Transfer-Encoding"), FIELD_OTHER},
        {BYTES_INIT("Content-ID"), FIELD_OTHER},
        {BYTES_INIT("MIME-Version"), FIELD_OTHER},
        {BYTES_INIT("Received"), FIELD_OTHER},
        {BYTES_INIT("Return-Path"), FIELD_OTHER},
        {BYTES_INIT("Delivered-To"), FIELD_OTHER},
        {BYTES_INIT("Date"), FIELD_OTHER},
        {BYTES_INIT("Resent-Date"), FIELD_OTHER},
        {BYTES_INIT("Message-ID"), FIELD_OTHER},
        {BYTES_INIT("Resent-Message-ID"), FIELD_OTHER},
        {BYTES_INIT("In-Reply-To"), FIELD_OTHER},
        {BYTES_INIT("References"), FIELD_OTHER},
        {BYTES_INIT("Original-Recipient"), FIELD_OTHER},
        {BYTES_INIT("DKIM-Signature"), FIELD_OTHER},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (bytes_equal_ignoring_case(name, rows[i].name))
            return rows[i].kind;
    return FIELD_TEXT;
}

void message_downgrade_field_write_boundary(struct bytes boundary, struct buffer *out)
{
    for (size_t i = 0; i < boundary.length; i++) {
        unsigned char c = (unsigned char)boundary.data[i];
        if (c > 127)
            buffer_append_format(out, "=%02X", c);
        else
            buffer_append_char(out, (char)c);
    }
}

/* ---- parameters ---- */

/* A parameter that is not to be written otherwise than it is named. */
static void put_quoted(struct header_writer *writer, struct bytes name, struct bytes value)
{
    AUTO(buffer)
    word = BUFFER(VALUE_MAX);
    buffer_append(&word, name);
    buffer_append_string(&word, "=\"");
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] == '"' || value.data[i] == '\\')
            buffer_append_char(&word, '\\');
        buffer_append_char(&word, value.data[i]);
    }
    buffer_append_char(&word, '"');
    buffer_append_char(writer->out, ';');
    header_writer_word(writer, BYTES(" "), buffer_bytes(&word));
    if (buffer_is_failed(&word))
        buffer_fail(writer->out);
}

static void write_boundary(struct header_writer *writer, struct bytes name, struct bytes value)
{
    AUTO(buffer)
    boundary = BUFFER(VALUE_MAX);
    message_downgrade_field_write_boundary(value, &boundary);
    put_quoted(writer, name, buffer_bytes(&boundary));
    if (buffer_is_failed(&boundary))
        buffer_fail(writer->out);
}

/* An encoded value (RFC 2231 4) stays encoded; only what is raw in it is encoded too. The name ends
   in "*". */
static void write_encoded(struct header_writer *writer, struct bytes name, struct bytes value)
{
    AUTO(buffer)
    encoded = BUFFER(VALUE_MAX);
    for (size_t i = 0; i < value.length; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c <= ' ' || c > 126 || strchr("()<>@,;:\\\"/[]?=", c) != NULL)
            buffer_append_format(&encoded, "%%%02X", c);
        else
            buffer_append_char(&encoded, (char)c);
    }
    struct bytes rest = buffer_bytes(&encoded);
    bool is_single = rest.length <= PIECE_MAX;
    AUTO(buffer)
    word = BUFFER(VALUE_MAX);
    name.length--;
    for (unsigned number = 0; number == 0 || rest.length > 0; number++) {
        size_t length = rest.length <= PIECE_MAX ? rest.length : PIECE_MAX;
        while (length < rest.length &&
               (rest.data[length - 1] == '%' || rest.data[length - 2] == '%'))
            length--;
        buffer_reset(&word);
        buffer_append(&word, name);
        if (!is_single)
            buffer_append_format(&word, "*%u", number);
        buffer_append_string(&word, "*=");
        buffer_append(&word, bytes_slice(rest, 0, length));
        buffer_append_char(writer->out, ';');
        header_writer_word(writer, BYTES(" "), buffer_bytes(&word));
        rest = bytes_skip(rest, length);
    }
    if (buffer_is_failed(&encoded) || buffer_is_failed(&word))
        buffer_fail(writer->out);
}

/* A piece of a value of which others are missing (RFC 2231 3). */
static void write_piece(struct header_writer *writer, struct bytes name, struct bytes value)
{
    AUTO(buffer)
    encoded_name = BUFFER(NAME_MAX + 1);
    if (bytes_is_ascii(value)) {
        put_quoted(writer, name, value);
        return;
    }
    buffer_append(&encoded_name, name);
    buffer_append_char(&encoded_name, '*');
    if (buffer_is_failed(&encoded_name))
        buffer_fail(writer->out);
    else
        write_encoded(writer, buffer_bytes(&encoded_name), value);
}

static void write_parameters(struct header_writer *writer, struct bytes parameters)
{
    struct bytes name;
    struct bytes value;
    while (parameters.length > 0 && compact_take_string(&parameters, &name) &&
           compact_take_string(&parameters, &value)) {
        if (!parameter_is_token(name) || name.length > NAME_MAX)
            continue;
        if (bytes_equal_ignoring_case(name, BYTES("boundary")))
            write_boundary(writer, name, value);
        else if (bytes_ends_with(name, BYTES("*")))
            write_encoded(writer, name, value);
        else if (bytes_has_char(name, '*'))
            write_piece(writer, name, value);
        else
            parameter_write(writer, name, value);
    }
}

/* A token in which nothing can be encoded: bytes beyond ASCII are "_", so that it stays one. */
static void append_token(struct bytes token, struct buffer *out)
{
    for (size_t i = 0; i < token.length; i++)
        buffer_append_char(out, (unsigned char)token.data[i] > 127 ? '_' : token.data[i]);
}

/* *is_possible: false when it cannot be read. */
static bool write_content(struct bytes raw, struct bytes name, struct header_writer *writer,
                          bool *is_possible, struct fault *fault)
{
    AUTO(arena)
    arena = ARENA(MESSAGE_DOWNGRADE_MEMORY_MAX);
    AUTO(buffer)
    scratch = BUFFER(MESSAGE_DOWNGRADE_MEMORY_MAX);
    struct message_content content;
    if (!message_content_read(raw, (struct message_content_place){.is_part = true}, &arena,
                              &scratch, &content))
        return fault_set_memory(fault);
    bool is_type = bytes_equal_ignoring_case(name, BYTES("Content-Type"));
    AUTO(buffer)
    word = BUFFER(VALUE_MAX);
    append_token(is_type ? content.type : content.disposition, &word);
    if (is_type) {
        buffer_append_char(&word, '/');
        append_token(content.subtype, &word);
    }
    *is_possible =
        is_type ? content.type.length > 0 && content.subtype.length > 0 : word.length > 0;
    header_writer_word(writer, BYTES(" "), buffer_bytes(&word));
    write_parameters(writer, is_type ? content.parameters : content.disposition_parameters);
    return !buffer_is_failed(&word) || fault_set_memory(fault);
}

/* ---- fields ---- */

/* Nothing else could be done: what is beyond ASCII is gone. */
static void write_raw(struct bytes raw, struct buffer *out)
{
    for (size_t i = 0; i < raw.length; i++) {
        unsigned char c = (unsigned char)raw.data[i];
        /* A line that was none must not become a boundary. */
        bool is_dash = i == 0 && c == '-';
        buffer_append_char(out, c > 127 ? '?' : is_dash ? '*' : (char)c);
    }
}

static bool write_value(struct bytes raw, const struct message_header_field *field, bool is_inner,
                        struct bytes value, struct header_writer *writer, bool *is_possible,
                        struct fault *fault)
{
    *is_possible = true;
    switch (kind_of(field->name)) {
    case FIELD_ADDRESSES:
        return message_downgrade_address_write(value, is_inner, writer, is_possible, fault);
    case FIELD_PARAMETERS:
        return write_content(raw, field->name, writer, is_possible, fault);
    case FIELD_TEXT:
        encoded_word_write_text(writer, value, false);
        break;
    case FIELD_OTHER:
        *is_possible = false;
        break;
    }
    return true;
}

/* Under a name of its own, with the value as text. */
static bool write_aside(const struct message_header_field *field, struct bytes value,
                        struct buffer *out)
{
    AUTO(buffer)
    name = BUFFER(NAME_MAX + sizeof("Downgraded-"));
    buffer_append_string(&name, "Downgraded-");
    buffer_append(&name, field->name);
    struct header_writer writer;
    header_writer_begin(&writer, out, buffer_bytes(&name));
    encoded_word_write_text(&writer, value, false);
    if (buffer_is_failed(&name))
        buffer_fail(out);
    return header_writer_end(&writer, NULL);
}

bool message_downgrade_field_write(struct bytes raw, bool is_inner, struct buffer *out,
                                   struct fault *fault)
{
    struct message_header_field field = {{NULL, 0}, {NULL, 0}};
    struct bytes rest = raw;
    size_t start = out->length;
    bool is_possible = false;
    AUTO(buffer)
    value = BUFFER(VALUE_MAX);
    if (!message_header_next(&rest, &field) || !header_name_is_valid(field.name) ||
        field.name.length > NAME_MAX || field.name.data[0] == '-') {
        write_raw(raw, out);
        return !buffer_is_failed(out) || fault_set_memory(fault);
    }
    message_header_unfold(field.value, &value);
    for (size_t i = 0; i < value.length; i++)
        if (value.memory[i] == '\r')
            value.memory[i] = ' ';
    struct header_writer writer;
    header_writer_begin(&writer, out, field.name);
    if (!write_value(raw, &field, is_inner, buffer_bytes(&value), &writer, &is_possible, fault))
        return false;
    if (buffer_is_failed(out) || buffer_is_failed(&value))
        return fault_set_memory(fault);
    if (is_possible && header_writer_end(&writer, NULL))
        return true;
    buffer_truncate(out, start);
    if (kind_of(field.name) == FIELD_PARAMETERS ||
        !write_aside(&field, buffer_bytes(&value), out)) {
        buffer_truncate(out, start);
        write_raw(raw, out);
    }
    return !buffer_is_failed(out) || fault_set_memory(fault);
}
