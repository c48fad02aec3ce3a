/* A header section in 7 bits: field by field, what is ASCII byte for byte. */
#include "mail/message_downgrade_inside.h"
#include "mail/message_header.h"

static void write_encoding(const struct message_downgrade_header *header, struct buffer *out)
{
    buffer_append_format(out, "Content-Transfer-Encoding: %s\r\n", header->encoding);
}

/* What the section has to say and did not, behind its last field. */
static void write_missing(const struct message_downgrade_header *header, bool has_encoding,
                          struct buffer *out)
{
    if (header->adds_mime_version)
        buffer_append_string(out, "MIME-Version: 1.0\r\n");
    if (header->charset != NULL)
        buffer_append_format(out, "Content-Type: text/plain; charset=%s\r\n", header->charset);
    if (header->encoding != NULL && !has_encoding)
        write_encoding(header, out);
}

bool message_downgrade_header_write(struct bytes section,
                                    const struct message_downgrade_header *header,
                                    struct buffer *out, bool *is_changed, struct fault *fault)
{
    struct message_header_field field;
    bool has_encoding = false;
    struct bytes rest = section;
    while (message_header_next(&rest, &field)) {
        struct bytes raw = bytes_slice(section, 0, section.length - rest.length);
        section = rest;
        if (header->encoding != NULL &&
            bytes_equal_ignoring_case(field.name, BYTES("Content-Transfer-Encoding"))) {
            /* A second one says nothing. */
            if (!has_encoding)
                write_encoding(header, out);
            has_encoding = true;
        } else if (bytes_is_ascii(raw)) {
            buffer_append(out, raw);
        } else {
            *is_changed = true;
            if (!message_downgrade_field_write(raw, header->is_inner, out, fault))
                return false;
        }
    }
    *is_changed = *is_changed || header->encoding != NULL;
    write_missing(header, has_encoding, out);
    buffer_append(out, rest);
    return !buffer_is_failed(out) || fault_set_memory(fault);
}
