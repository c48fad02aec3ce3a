/* Messages that exist already: their header section is read, their body left where it is. */
#include "client/message.h"

#include <errno.h>

#include "base/auto.h"
#include "mail/header.h"
#include "smtp/smtp_error.h"

enum {
    READ_SIZE = 16384 /* bytes asked for at a time while the header section is read */
};

/* An mbox "From " line is no field (RFC 4155); what stands behind it is the message. False: more is
   needed to say. */
static bool split(struct bytes bytes, bool is_whole, struct bytes *section, struct bytes *body)
{
    if (bytes_starts_with(bytes, BYTES("From "))) {
        size_t end = bytes_find_char(bytes, '\n');
        if (end == BYTES_NOT_FOUND && !is_whole)
            return false;
        bytes = bytes_skip(bytes, end == BYTES_NOT_FOUND ? bytes.length : end + 1);
    } else if (bytes.length < sizeof "From " - 1 && !is_whole) {
        return false;
    }
    return header_split(bytes, is_whole, section, body);
}

static bool refuse_long_header(struct ph_error *error)
{
    return smtp_error_set(error, PH_ERROR_LIMIT, "",
                          "the header section of the message is longer than %d bytes",
                          PH_MESSAGE_HEADER_MAX);
}

static struct ph_message *new_existing(struct ph_error *error)
{
    struct ph_message *message = ph_message_new(error);
    if (message != NULL)
        message->is_existing = true;
    return message;
}

struct ph_message *ph_message_from_memory(const char *data, size_t length, struct ph_error *error)
{
    struct bytes section;
    struct bytes body;
    struct bytes whole = bytes_of(data, length);
    split(whole, true, &section, &body);
    if (section.length > PH_MESSAGE_HEADER_MAX) {
        refuse_long_header(error);
        return NULL;
    }
    struct ph_message *message = new_existing(error);
    if (message == NULL)
        return NULL;
    message->whole = whole;
    message->section = section;
    message->body =
        (struct message_source){.memory = body, .size = body.length, .is_size_known = true};
    return message;
}

/* Reads READ_SIZE bytes more, fewer only at the end, so that a source that gives few at a time does
   not make the search below start over for each of them. */
static bool read_more(struct message_source *source, struct buffer *head, bool *is_at_end,
                      struct ph_error *error)
{
    size_t wanted = head->length + READ_SIZE;
    *is_at_end = false;
    while (head->length < wanted && !*is_at_end) {
        char *end = buffer_reserve(head, wanted - head->length);
        if (end == NULL)
            return smtp_error_memory(error);
        ssize_t count = message_source_read(source, end, wanted - head->length);
        if (count < 0) {
            struct fault fault;
            fault_set_system(&fault, FAULT_PERMANENT, errno, "its header");
            return message_refuse(error, &fault, "the message cannot be read");
        }
        buffer_commit(head, (size_t)count);
        *is_at_end = count == 0;
    }
    return true;
}

/* Reads until the end of the header section is in sight; *head keeps all that was read. */
static bool read_head(struct message_source *source, struct buffer *head, struct bytes *section,
                      struct bytes *body, struct ph_error *error)
{
    bool is_at_end;
    do {
        if (!read_more(source, head, &is_at_end, error))
            return false;
        if (split(buffer_bytes(head), is_at_end, section, body))
            return section->length <= PH_MESSAGE_HEADER_MAX || refuse_long_header(error);
    } while (head->length <= PH_MESSAGE_HEADER_MAX);
    return refuse_long_header(error);
}

/* What was read beyond the header section: a file is read again from there, a pipe's is kept. */
static bool keep_body(struct ph_message *message, struct bytes ahead, size_t before,
                      struct ph_error *error)
{
    struct message_source *body = &message->body;
    if (body->kind == MESSAGE_SOURCE_FILE) {
        body->start += before;
        if (body->is_size_known)
            body->size -= before < body->size ? before : body->size;
        body->is_size_known = body->size > 0;
    } else {
        struct message_source kept;
        struct fault fault;
        if (!message_source_copy(&kept, ahead, &fault))
            return message_refuse(error, &fault, "the message cannot be kept");
        body->owned = kept.owned;
        body->memory = kept.memory;
    }
    body->position = 0;
    body->is_used_up = false;
    return true;
}

static bool take_source(struct ph_message *message, struct ph_error *error)
{
    AUTO(buffer)
    head = BUFFER(PH_MESSAGE_HEADER_MAX + 2 * READ_SIZE);
    struct bytes section;
    struct bytes body;
    if (!read_head(&message->body, &head, &section, &body, error))
        return false;
    if (!keep_body(message, body, head.length - body.length, error))
        return false;
    buffer_append(&message->section_memory, section);
    message->section = buffer_bytes(&message->section_memory);
    return !buffer_is_failed(&message->section_memory) || smtp_error_memory(error);
}

/* The source moves in, whether it works out or not. */
static struct ph_message *from_source(struct message_source *source, struct ph_error *error)
{
    struct ph_message *message = new_existing(error);
    if (message == NULL) {
        message_source_clear(source);
        return NULL;
    }
    message->body = *source;
    if (!take_source(message, error)) {
        ph_message_free(message);
        return NULL;
    }
    return message;
}

struct ph_message *ph_message_from_file(const char *path, struct ph_error *error)
{
    struct message_source source;
    struct fault fault;
    if (!message_source_open(&source, path, &fault)) {
        message_refuse(error, &fault, "the message cannot be read");
        return NULL;
    }
    return from_source(&source, error);
}

struct ph_message *ph_message_from_descriptor(int descriptor, struct ph_error *error)
{
    struct message_source source;
    struct fault fault;
    if (!message_source_take_descriptor(&source, descriptor, &fault)) {
        message_refuse(error, &fault, "the message cannot be read");
        return NULL;
    }
    return from_source(&source, error);
}
