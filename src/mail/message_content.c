/* Reading Content fields; the parameters are in message_parameter.c. */
#include "mail/message_content.h"

#include "mail/compact.h"
#include "mail/mail_token.h"
#include "mail/message_header.h"
#include "mail/message_parameter.h"

struct content_reader {
    struct arena *arena;
    struct buffer *scratch;
    struct message_content *content;
    bool has_mime_version;
    bool is_failed;
};

/* What the scratch buffer holds, kept. */
static struct bytes keep(struct content_reader *reader)
{
    struct bytes text = buffer_bytes(reader->scratch);
    char *copy = arena_copy_string(reader->arena, text);
    if (copy == NULL || buffer_is_failed(reader->scratch)) {
        reader->is_failed = true;
        return BYTES("");
    }
    return bytes_of(copy, text.length);
}

static struct bytes keep_text(struct content_reader *reader, struct bytes value)
{
    buffer_reset(reader->scratch);
    message_header_unfold(value, reader->scratch);
    return keep(reader);
}

/* A type that cannot be read is an empty one, which is neither text nor anything else. */
static bool refuse_type(struct message_content *content)
{
    content->type = BYTES("");
    content->subtype = BYTES("");
    return false;
}

/* type "/" subtype. False: no parameters can be behind it. */
static bool take_type(struct content_reader *reader, struct mail_token *token)
{
    struct message_content *content = reader->content;
    buffer_reset(reader->scratch);
    content->subtype = BYTES("");
    enum mail_token_result result = mail_token_skip_blanks(token);
    if (result == MAIL_TOKEN_MORE)
        result = mail_token_take_mime_token(token, reader->scratch);
    content->type = keep(reader);
    if (result == MAIL_TOKEN_END)
        return false;
    if (result == MAIL_TOKEN_BROKEN || !scan_take_char(&token->scan, '/') ||
        mail_token_skip_blanks(token) != MAIL_TOKEN_MORE)
        return refuse_type(content);
    buffer_reset(reader->scratch);
    result = mail_token_take_mime_token(token, reader->scratch);
    content->subtype = keep(reader);
    if (result == MAIL_TOKEN_BROKEN || content->type.length == 0 || content->subtype.length == 0 ||
        (result == MAIL_TOKEN_MORE && scan_peek(&token->scan) != ';'))
        return refuse_type(content);
    return true;
}

static void read_parameters(struct content_reader *reader, struct mail_token *token,
                            struct bytes *parameters)
{
    AUTO(buffer)
    compact = BUFFER(MESSAGE_PARAMETERS_SIZE_MAX);
    buffer_reset(reader->scratch);
    message_parameter_read(token, reader->scratch, &compact);
    if (buffer_is_failed(&compact))
        reader->is_failed = true;
    struct bytes text = buffer_bytes(&compact);
    char *copy = arena_copy_string(reader->arena, text);
    if (copy == NULL)
        reader->is_failed = true;
    else if (text.length > 0)
        *parameters = bytes_of(copy, text.length);
}

static void find_boundary(struct message_content *content)
{
    struct bytes rest = content->parameters;
    struct bytes name;
    struct bytes value;
    while (rest.length > 0 && compact_take_string(&rest, &name) &&
           compact_take_string(&rest, &value)) {
        if (bytes_equal_ignoring_case(name, BYTES("boundary"))) {
            content->boundary = value;
            return;
        }
    }
}

static void read_type(struct content_reader *reader, struct bytes value)
{
    struct message_content *content = reader->content;
    struct mail_token token = {.scan = scan_of(value)};
    if (content->type.data != NULL)
        return;
    bool has_parameters = take_type(reader, &token);
    if (has_parameters)
        read_parameters(reader, &token, &content->parameters);
    if (bytes_equal_ignoring_case(content->type, BYTES("text"))) {
        content->kind = MESSAGE_CONTENT_TEXT;
    } else if (bytes_equal_ignoring_case(content->type, BYTES("multipart"))) {
        content->kind = MESSAGE_CONTENT_MULTIPART;
        content->is_digest = bytes_equal_ignoring_case(content->subtype, BYTES("digest"));
        find_boundary(content);
    } else if (bytes_equal_ignoring_case(content->type, BYTES("message")) &&
               (bytes_equal_ignoring_case(content->subtype, BYTES("rfc822")) ||
                bytes_equal_ignoring_case(content->subtype, BYTES("global")))) {
        /* RFC 6532 3.7 */
        content->kind = MESSAGE_CONTENT_MESSAGE;
    }
}

static void read_encoding(struct content_reader *reader, struct bytes value)
{
    struct mail_token token = {.scan = scan_of(value)};
    if (reader->content->encoding.data != NULL)
        return;
    buffer_reset(reader->scratch);
    mail_token_skip_blanks(&token);
    if (mail_token_take_mime_token(&token, reader->scratch) == MAIL_TOKEN_END &&
        reader->scratch->length > 0)
        reader->content->encoding = keep(reader);
}

static void read_disposition(struct content_reader *reader, struct bytes value)
{
    struct mail_token token = {.scan = scan_of(value)};
    /* A later field that has parameters says more. */
    if (reader->content->disposition_parameters.data != NULL)
        return;
    buffer_reset(reader->scratch);
    mail_token_skip_blanks(&token);
    if (mail_token_take_mime_token(&token, reader->scratch) == MAIL_TOKEN_BROKEN)
        return;
    reader->content->disposition = keep(reader);
    read_parameters(reader, &token, &reader->content->disposition_parameters);
}

static void read_language(struct content_reader *reader, struct bytes value)
{
    struct mail_token token = {.scan = scan_of(value)};
    if (reader->content->language.data != NULL)
        return;
    AUTO(buffer)
    tag = BUFFER(value.length);
    buffer_reset(reader->scratch);
    mail_token_skip_blanks(&token);
    while (mail_token_take_atom(&token, &tag) != MAIL_TOKEN_BROKEN) {
        compact_put_string(reader->scratch, buffer_bytes(&tag));
        buffer_reset(&tag);
        if (!scan_take_char(&token.scan, ','))
            break;
        mail_token_skip_blanks(&token);
    }
    if (buffer_is_failed(&tag))
        reader->is_failed = true;
    if (reader->scratch->length > 0)
        reader->content->language = keep(reader);
}

static void read_text(struct content_reader *reader, struct bytes value, struct bytes *text)
{
    if (text->data == NULL)
        *text = keep_text(reader, value);
}

static void read_field(struct content_reader *reader, const struct message_header_field *field)
{
    struct message_content *content = reader->content;
    if (!bytes_starts_with_ignoring_case(field->name, BYTES("Content-"))) {
        if (bytes_equal_ignoring_case(field->name, BYTES("MIME-Version")))
            reader->has_mime_version = true;
        return;
    }
    struct bytes name = bytes_skip(field->name, sizeof "Content-" - 1);
    if (bytes_equal_ignoring_case(name, BYTES("Type")))
        read_type(reader, field->value);
    else if (bytes_equal_ignoring_case(name, BYTES("Transfer-Encoding")))
        read_encoding(reader, field->value);
    else if (bytes_equal_ignoring_case(name, BYTES("Disposition")))
        read_disposition(reader, field->value);
    else if (bytes_equal_ignoring_case(name, BYTES("ID")))
        read_text(reader, field->value, &content->id);
    else if (bytes_equal_ignoring_case(name, BYTES("Description")))
        read_text(reader, field->value, &content->description);
    else if (bytes_equal_ignoring_case(name, BYTES("MD5")))
        read_text(reader, field->value, &content->md5);
    else if (bytes_equal_ignoring_case(name, BYTES("Location")))
        read_text(reader, field->value, &content->location);
    else if (bytes_equal_ignoring_case(name, BYTES("Language")))
        read_language(reader, field->value);
}

bool message_content_read(struct bytes section, struct message_content_place place,
                          struct arena *arena, struct buffer *scratch,
                          struct message_content *content)
{
    struct content_reader reader = {.arena = arena, .scratch = scratch, .content = content};
    struct message_header_field field;
    *content = (struct message_content){.kind = MESSAGE_CONTENT_OTHER};
    while (message_header_next(&section, &field))
        read_field(&reader, &field);
    /* Without a word that this is MIME the other fields mean nothing (RFC 2045 4). A Content-Type
       is word enough: many programs forget MIME-Version. */
    if (!place.is_part && !reader.has_mime_version && content->type.data == NULL)
        *content = (struct message_content){.kind = MESSAGE_CONTENT_OTHER};
    /* RFC 2045 5.2, RFC 2046 5.1.5 */
    if (content->type.data == NULL)
        content->kind = place.is_digest ? MESSAGE_CONTENT_MESSAGE : MESSAGE_CONTENT_TEXT;
    return !reader.is_failed;
}
