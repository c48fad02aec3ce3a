/* Base subjects, mailboxes, names, dates and ids, folded where case does not matter. */
#include "session/imap_searching_key.h"

#include "imap/imap_sort.h"
#include "mail/message_header.h"
#include "mail/message_id.h"
#include "mail/message_parser.h"
#include "mail/message_text.h"

enum {
    TEXT_MAX = 4 * MESSAGE_HEADER_MAX, /* bytes of one text while it is made */
    TEXT_KEPT = 64 * 1024,             /* bytes of memory that are kept for the next */
    REFERENCES_MAX = 1000              /* ids of one message: the first of more */
};

void imap_searching_key_maker_init(struct imap_searching_key_maker *maker)
{
    *maker = (struct imap_searching_key_maker){
        .text = BUFFER(TEXT_MAX), .base = BUFFER(TEXT_MAX), .folded = BUFFER(TEXT_MAX)};
}

void imap_searching_key_maker_clear(struct imap_searching_key_maker *maker)
{
    buffer_clear(&maker->text);
    buffer_clear(&maker->base);
    buffer_clear(&maker->folded);
}

unsigned imap_searching_key_wants(unsigned key)
{
    if (key == IMAP_SORT_ARRIVAL || key == IMAP_SORT_SIZE)
        return 0;
    if (key != IMAP_SEARCHING_KEY_IDS)
        return STORE_FETCH_ENVELOPE;
    return STORE_FETCH_ENVELOPE | STORE_FETCH_HEADER | STORE_FETCH_NO_PREFIX;
}

enum imap_column_kind imap_searching_key_kind(unsigned key)
{
    return key == IMAP_SEARCHING_KEY_IDS ? IMAP_COLUMN_IDS : IMAP_COLUMN_TEXTS;
}

void imap_searching_key_begin(struct imap_searching_key_maker *maker,
                              const struct store_fetched *message)
{
    maker->message = message;
    if (message->envelope.length == 0 ||
        !message_envelope_read(message->envelope, &maker->envelope, NULL))
        maker->envelope = (struct message_envelope){0};
}

static void reset(struct buffer *buffer)
{
    if (buffer->capacity > TEXT_KEPT)
        buffer_clear(buffer);
    buffer_reset(buffer);
}

/* ---- texts ---- */

/* A text, folded. */
static bool add_folded(struct imap_searching_key_maker *maker, struct bytes text, bool is_marked,
                       struct imap_column_draft *draft)
{
    reset(&maker->folded);
    message_text_fold(text, &maker->folded);
    return !buffer_is_failed(&maker->text) && !buffer_is_failed(&maker->folded) &&
           imap_column_draft_add(draft, buffer_bytes(&maker->folded), is_marked);
}

static bool add_subject(struct imap_searching_key_maker *maker, struct imap_column_draft *draft)
{
    bool is_reply;
    reset(&maker->text);
    reset(&maker->base);
    message_text_decode_words(maker->envelope.subject, &maker->text);
    imap_sort_base_subject(buffer_bytes(&maker->text), &maker->base, &is_reply);
    return !buffer_is_failed(&maker->base) &&
           add_folded(maker, buffer_bytes(&maker->base), is_reply, draft);
}

/* RFC 5256 3: the mailbox of the first address. */
static bool add_mailbox(struct imap_searching_key_maker *maker, struct bytes list,
                        struct imap_column_draft *draft)
{
    struct message_envelope_address address = {0};
    if (list.length > 0 && !message_envelope_next(&list, &address))
        address.mailbox = BYTES("");
    return add_folded(maker, address.mailbox, false, draft);
}

/* RFC 5957 3: the name as people see it, else the address. */
static bool add_display(struct imap_searching_key_maker *maker, struct bytes list,
                        struct imap_column_draft *draft)
{
    struct message_envelope_address address = {0};
    reset(&maker->text);
    if (list.length > 0 && message_envelope_next(&list, &address)) {
        message_text_decode_words(address.name, &maker->text);
        if (maker->text.length == 0) {
            buffer_append(&maker->text, address.mailbox);
            if (address.host.length > 0) {
                buffer_append_char(&maker->text, '@');
                buffer_append(&maker->text, address.host);
            }
        }
    }
    return add_folded(maker, buffer_bytes(&maker->text), false, draft);
}

/* ---- ids ---- */

/* RFC 5256 3: an id is what stands between the brackets, and quotes do not matter. */
static bool add_id(struct imap_searching_key_maker *maker, struct bytes id,
                   struct imap_column_draft *draft)
{
    reset(&maker->text);
    bool is_quoted = false;
    for (size_t i = 1; i + 1 < id.length; i++) {
        char c = id.data[i];
        if (c == '"')
            is_quoted = !is_quoted;
        else if (c == '\\' && is_quoted && i + 2 < id.length)
            buffer_append_char(&maker->text, id.data[++i]);
        else
            buffer_append_char(&maker->text, c);
    }
    return !buffer_is_failed(&maker->text) &&
           imap_column_draft_add(draft, buffer_bytes(&maker->text), false);
}

/* The next id of a text in which other things may stand (RFC 5256 3: they are skipped). */
static bool take_id(struct bytes *rest, struct bytes *id)
{
    size_t open;
    while ((open = bytes_find_char(*rest, '<')) != BYTES_NOT_FOUND) {
        *rest = bytes_skip(*rest, open);
        struct bytes ahead = bytes_slice(*rest, 0, MESSAGE_ID_MAX);
        if (message_id_take(&ahead, id)) {
            *rest = bytes_skip(*rest, id->length);
            return true;
        }
        *rest = bytes_skip(*rest, 1);
    }
    return false;
}

/* RFC 5256 3: References, and only where there are none In-Reply-To, of which the first counts. */
static bool add_references(struct imap_searching_key_maker *maker, struct imap_column_draft *draft)
{
    struct bytes header = maker->message->header;
    struct bytes in_reply_to = maker->envelope.in_reply_to;
    struct bytes id;
    struct message_header_field field;
    size_t count = 0;
    while (message_header_next(&header, &field)) {
        if (!bytes_equal_ignoring_case(field.name, BYTES("References")))
            continue;
        for (; count < REFERENCES_MAX && take_id(&field.value, &id); count++) {
            if (!add_id(maker, id, draft))
                return false;
        }
    }
    return count > 0 || !take_id(&in_reply_to, &id) || add_id(maker, id, draft);
}

static bool add_ids(struct imap_searching_key_maker *maker, struct imap_column_draft *draft)
{
    struct bytes text = maker->envelope.message_id;
    struct bytes id;
    bool has_id = take_id(&text, &id);
    return (has_id ? add_id(maker, id, draft) : imap_column_draft_add(draft, BYTES(""), false)) &&
           add_references(maker, draft);
}

/* ---- all of them ---- */

/* RFC 5256 2.2: a date that cannot be read is the internal date. */
static int64_t sent_at(const struct store_fetched *message)
{
    return message->sent != 0 ? message->sent : message->received;
}

bool imap_searching_key_add(struct imap_searching_key_maker *maker, unsigned key,
                            struct imap_column_draft *draft)
{
    const struct store_fetched *message = maker->message;
    if (!imap_column_draft_begin(draft, message->uid))
        return false;
    switch (key) {
    case IMAP_SORT_ARRIVAL:
        return imap_column_draft_add_number(draft, message->received);
    case IMAP_SORT_DATE:
        return imap_column_draft_add_number(draft, sent_at(message));
    case IMAP_SORT_SIZE:
        return imap_column_draft_add_number(draft, (int64_t)message->size);
    case IMAP_SORT_CC:
        return add_mailbox(maker, maker->envelope.cc, draft);
    case IMAP_SORT_FROM:
        return add_mailbox(maker, maker->envelope.from, draft);
    case IMAP_SORT_TO:
        return add_mailbox(maker, maker->envelope.to, draft);
    case IMAP_SORT_SUBJECT:
        return add_subject(maker, draft);
    case IMAP_SORT_DISPLAYFROM:
        return add_display(maker, maker->envelope.from, draft);
    case IMAP_SORT_DISPLAYTO:
        return add_display(maker, maker->envelope.to, draft);
    default:
        return add_ids(maker, draft);
    }
}
