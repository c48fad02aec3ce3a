/* The compact form of envelopes: writer and reader. */
#include "mail/message_envelope.h"

#include "base/auto.h"
#include "mail/compact.h"
#include "mail/message_address.h"
#include "mail/message_header.h"
#include "mail/message_parser.h"

/* In the order of the compact form. */
enum field {
    FIELD_DATE,
    FIELD_SUBJECT,
    FIELD_FROM,
    FIELD_SENDER,
    FIELD_REPLY_TO,
    FIELD_TO,
    FIELD_CC,
    FIELD_BCC,
    FIELD_IN_REPLY_TO,
    FIELD_MESSAGE_ID,
    FIELD_COUNT
};

static const struct {
    struct bytes name;
    bool is_list;
} fields[FIELD_COUNT] = {
    [FIELD_DATE] = {BYTES_INIT("Date"), false},
    [FIELD_SUBJECT] = {BYTES_INIT("Subject"), false},
    [FIELD_FROM] = {BYTES_INIT("From"), true},
    [FIELD_SENDER] = {BYTES_INIT("Sender"), true},
    [FIELD_REPLY_TO] = {BYTES_INIT("Reply-To"), true},
    [FIELD_TO] = {BYTES_INIT("To"), true},
    [FIELD_CC] = {BYTES_INIT("Cc"), true},
    [FIELD_BCC] = {BYTES_INIT("Bcc"), true},
    [FIELD_IN_REPLY_TO] = {BYTES_INIT("In-Reply-To"), false},
    [FIELD_MESSAGE_ID] = {BYTES_INIT("Message-ID"), false},
};

/* A field of the envelope, as it was met. */
struct found {
    enum field field;
    struct bytes value;
};

enum {
    /* More fields of the envelope than a header of this size can have. */
    FOUND_MAX = MESSAGE_HEADER_MAX / 2 * (int)sizeof(struct found),
    SCRATCH_MAX = 2 * MESSAGE_HEADER_MAX
};

static bool field_of(struct bytes name, enum field *field)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (bytes_equal_ignoring_case(fields[i].name, name)) {
            *field = (enum field)i;
            return true;
        }
    }
    return false;
}

static void find_all(struct bytes section, struct buffer *found)
{
    struct message_header_field field;
    struct found match;
    while (message_header_next(&section, &field)) {
        if (field_of(field.name, &match.field)) {
            match.value = field.value;
            buffer_append(found, bytes_of(&match, sizeof match));
        }
    }
}

static void put_string(const struct found *found, size_t count, enum field field,
                       struct buffer *scratch, struct buffer *out)
{
    struct bytes value = {NULL, 0};
    buffer_reset(scratch);
    for (size_t i = 0; i < count; i++) {
        if (found[i].field == field)
            value = found[i].value;
    }
    if (value.data != NULL) {
        if (field == FIELD_SUBJECT)
            message_header_condense(value, scratch);
        else
            message_header_unfold(value, scratch);
        value = buffer_bytes(scratch);
    }
    compact_put_string(out, value);
}

/* A list is joined, so that nobody can show one From to a filter and another to a reader. */
static void put_list(const struct found *found, size_t count, enum field field,
                     struct message_address_reader *reader, struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        if (found[i].field == field)
            message_address_read(reader, found[i].value, out);
    }
    buffer_append_char(out, 0);
}

void message_envelope_write(struct bytes section, struct buffer *out)
{
    AUTO(buffer)
    matches = BUFFER(FOUND_MAX);
    struct message_address_reader reader = {
        .text = BUFFER(SCRATCH_MAX), .comment = BUFFER(SCRATCH_MAX), .room = MESSAGE_ADDRESSES_MAX};
    buffer_reserve(&matches, FIELD_COUNT * sizeof(struct found));
    find_all(section, &matches);
    const struct found *found = (const void *)buffer_bytes(&matches).data;
    size_t count = matches.length / sizeof *found;
    buffer_append_char(out, MESSAGE_ENVELOPE_VERSION);
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        if (fields[i].is_list)
            put_list(found, count, (enum field)i, &reader, out);
        else
            put_string(found, count, (enum field)i, &reader.text, out);
    }
    if (buffer_is_failed(&matches) || buffer_is_failed(&reader.text) ||
        buffer_is_failed(&reader.comment))
        buffer_fail(out);
    buffer_clear(&reader.text);
    buffer_clear(&reader.comment);
}

static bool take_address(struct bytes *rest, struct message_envelope_address *address)
{
    return compact_take_string(rest, &address->name) &&
           compact_take_string(rest, &address->route) &&
           compact_take_string(rest, &address->mailbox) &&
           compact_take_string(rest, &address->host);
}

static bool take_list(struct bytes *rest, struct bytes *list)
{
    struct bytes start = *rest;
    struct message_envelope_address address;
    unsigned mark;
    while (compact_take_byte(rest, &mark)) {
        if (mark == 0) {
            *list = bytes_slice(start, 0, start.length - rest->length - 1);
            return true;
        }
        if (mark != 1 || !take_address(rest, &address))
            return false;
    }
    return false;
}

bool message_envelope_read(struct bytes compact, struct message_envelope *envelope,
                           struct fault *fault)
{
    struct message_envelope found;
    unsigned version;
    if (!compact_take_byte(&compact, &version) || version != MESSAGE_ENVELOPE_VERSION ||
        !compact_take_string(&compact, &found.date) ||
        !compact_take_string(&compact, &found.subject) || !take_list(&compact, &found.from) ||
        !take_list(&compact, &found.sender) || !take_list(&compact, &found.reply_to) ||
        !take_list(&compact, &found.to) || !take_list(&compact, &found.cc) ||
        !take_list(&compact, &found.bcc) || !compact_take_string(&compact, &found.in_reply_to) ||
        !compact_take_string(&compact, &found.message_id) || compact.length > 0)
        return fault_set(fault, FAULT_PERMANENT, "a stored envelope is damaged");
    *envelope = found;
    return true;
}

bool message_envelope_next(struct bytes *list, struct message_envelope_address *address)
{
    struct bytes rest = *list;
    struct message_envelope_address found;
    unsigned mark;
    if (!compact_take_byte(&rest, &mark) || mark != 1 || !take_address(&rest, &found))
        return false;
    *address = found;
    *list = rest;
    return true;
}
