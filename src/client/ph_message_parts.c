/* Texts and attachments of a composed message. */
#include "client/message.h"

#include <stdlib.h>

#include "base/auto.h"
#include "base/utf8.h"
#include "mail/header_writer.h"
#include "mail/message_id.h"
#include "mail/parameter.h"
#include "mail/transfer_encoding.h"
#include "smtp/smtp_error.h"

static bool is_composed(const struct ph_message *message, struct ph_error *error)
{
    return !message->is_existing ||
           message_refuse_argument(error, "an existing message has its body already");
}

/* A text ends with its last line's end, and all of them are CRLF. */
static bool set_text(struct ph_message *message, struct buffer *text, struct bytes given,
                     struct ph_error *error)
{
    if (!is_composed(message, error))
        return false;
    if (given.length > PH_MESSAGE_TEXT_MAX)
        return smtp_error_set(error, PH_ERROR_LIMIT, "",
                              "a text is at most %d bytes long: attach what is longer",
                              PH_MESSAGE_TEXT_MAX);
    if (bytes_has_char(given, '\0') || !utf8_is_valid(given))
        return message_refuse_argument(error, "the text is not valid UTF-8 or holds NUL");
    AUTO(buffer)
    canonical = BUFFER(text->limit);
    struct transfer_encoder encoder;
    transfer_encoding_begin(&encoder, TRANSFER_8BIT);
    transfer_encoding_feed(&encoder, given, &canonical);
    if (!bytes_ends_with(buffer_bytes(&canonical), BYTES("\r\n")))
        buffer_append_string(&canonical, "\r\n");
    if (buffer_is_failed(&canonical))
        return smtp_error_memory(error);
    struct buffer old = *text;
    *text = canonical;
    canonical = old;
    return true;
}

bool ph_message_set_text(struct ph_message *message, const char *text, size_t length,
                         struct ph_error *error)
{
    if (!set_text(message, &message->text, bytes_of(text, length), error))
        return false;
    message->has_text = true;
    return true;
}

bool ph_message_set_html(struct ph_message *message, const char *html, size_t length,
                         struct ph_error *error)
{
    if (!set_text(message, &message->html, bytes_of(html, length), error))
        return false;
    message->has_html = true;
    return true;
}

/* ---- attachments ---- */

static bool set_part_text(struct buffer *text, struct bytes value, const char *what,
                          struct ph_error *error)
{
    buffer_init(text, MESSAGE_PART_TEXT_MAX);
    if (value.length > MESSAGE_PART_TEXT_MAX)
        return smtp_error_set(error, PH_ERROR_LIMIT, "", "%s is longer than %d bytes", what,
                              MESSAGE_PART_TEXT_MAX);
    if (!message_text_is_valid(value))
        return message_refuse_argument(
            error, "%s is not UTF-8 or holds a line end or control character", what);
    buffer_append(text, value);
    return !buffer_is_failed(text) || smtp_error_memory(error);
}

/* The name behind the last slash: where a file lay is nobody's business. */
static struct bytes base_name(struct bytes path)
{
    size_t slash = bytes_find_last_char(path, '/');
    return slash == BYTES_NOT_FOUND ? path : bytes_skip(path, slash + 1);
}

static bool content_type_is_valid(struct bytes type, struct ph_error *error)
{
    AUTO(buffer)
    scratch = BUFFER((size_t)MESSAGE_PART_TEXT_MAX * 8);
    struct header_writer writer;
    struct fault fault;
    header_writer_begin(&writer, &scratch, BYTES("Content-Type"));
    if (!parameter_write_content_type(&writer, type, &fault) || !header_writer_end(&writer, &fault))
        return message_refuse(error, &fault, "the content type cannot be used");
    /* RFC 2045 6.4: a multipart must not be encoded, and what its boundary is nobody here knows. */
    if (bytes_starts_with_ignoring_case(bytes_trim(type), BYTES("multipart/")))
        return message_refuse_argument(error, "an attachment cannot be a multipart");
    return true;
}

static bool content_id_is_valid(struct bytes id, struct ph_error *error)
{
    if (bytes_has_char(id, '<') || bytes_has_char(id, '>') || bytes_has_char(id, ' ') ||
        bytes_has_char(id, '\t') || !bytes_is_ascii(id) || id.length > MESSAGE_ID_MAX)
        return message_refuse_argument(error,
                                       "a content id is printable ASCII without blanks, < and >");
    return true;
}

static bool describe(struct message_part *part, const struct ph_attachment *about,
                     struct bytes own_name, struct ph_error *error)
{
    struct ph_attachment nothing = {0};
    if (about == NULL)
        about = &nothing;
    struct bytes name =
        about->filename != NULL ? base_name(bytes_from_string(about->filename)) : own_name;
    struct bytes type = bytes_from_string(about->content_type);
    if (type.length == 0)
        type = bytes_from_string(mime_type_by_name(name));
    struct bytes id = bytes_from_string(about->content_id);
    part->is_inline = about->is_inline || id.length > 0;
    return set_part_text(&part->filename, name, "the file name", error) &&
           set_part_text(&part->content_type, type, "the content type", error) &&
           set_part_text(&part->content_id, id, "the content id", error) &&
           set_part_text(&part->description, bytes_from_string(about->description),
                         "the description", error) &&
           content_type_is_valid(type, error) && content_id_is_valid(id, error);
}

static bool has_room(struct ph_message *message, struct ph_error *error)
{
    if (!is_composed(message, error))
        return false;
    if (message->part_count >= PH_MESSAGE_ATTACHMENTS_MAX)
        return smtp_error_set(error, PH_ERROR_LIMIT, "", "the message has more than %d attachments",
                              PH_MESSAGE_ATTACHMENTS_MAX);
    if (message->part_count < message->part_capacity)
        return true;
    size_t capacity = message->part_capacity == 0 ? 4 : message->part_capacity * 2;
    void *parts = realloc(message->parts, capacity * sizeof *message->parts);
    if (parts == NULL)
        return smtp_error_memory(error);
    message->parts = parts;
    message->part_capacity = capacity;
    return true;
}

/* Takes a part into the message; on failure it is cleared. */
static bool take_part(struct ph_message *message, struct message_part *part,
                      const struct ph_attachment *about, struct bytes own_name,
                      struct ph_error *error)
{
    bool is_taken = describe(part, about, own_name, error);
    size_t size = part->filename.length + part->content_type.length + part->content_id.length +
                  part->description.length;
    if (is_taken && message->header_size + size > PH_MESSAGE_HEADER_MAX)
        is_taken = smtp_error_set(error, PH_ERROR_LIMIT, "",
                                  "the headers of the parts are longer than %d bytes",
                                  PH_MESSAGE_HEADER_MAX);
    if (!is_taken) {
        message_part_clear(part);
        return false;
    }
    message->header_size += size;
    message->parts[message->part_count++] = *part;
    return true;
}

bool ph_message_attach_memory(struct ph_message *message, const void *data, size_t length,
                              const struct ph_attachment *about, struct ph_error *error)
{
    struct message_part part = {0};
    struct fault fault;
    if (!has_room(message, error))
        return false;
    if (!message_source_copy(&part.source, bytes_of(data, length), &fault))
        return message_refuse(error, &fault, "the attachment cannot be kept");
    return take_part(message, &part, about, BYTES(""), error);
}

bool ph_message_attach_file(struct ph_message *message, const char *path,
                            const struct ph_attachment *about, struct ph_error *error)
{
    struct message_part part = {0};
    struct fault fault;
    if (!has_room(message, error))
        return false;
    if (!message_source_open(&part.source, path, &fault))
        return message_refuse(error, &fault, "the attachment cannot be read");
    return take_part(message, &part, about, base_name(bytes_from_string(path)), error);
}

bool ph_message_attach_callback(struct ph_message *message, ph_body_read *read, void *context,
                                uint64_t size, const struct ph_attachment *about,
                                struct ph_error *error)
{
    struct message_part part = {.source = {.kind = MESSAGE_SOURCE_CALLBACK,
                                           .read = read,
                                           .context = context,
                                           .size = size,
                                           .is_size_known = size > 0}};
    if (!has_room(message, error))
        return false;
    if (read == NULL)
        return message_refuse_argument(error, "an attachment by callback needs the callback");
    return take_part(message, &part, about, BYTES(""), error);
}
