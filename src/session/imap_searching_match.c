/* Keys on one message; an answer may wait until more was read of it. */
#include "session/imap_searching_match.h"

#include "imap/imap_sequence.h"
#include "mail/date.h"
#include "mail/message_header.h"
#include "store/store_maildrop.h"

enum {
    TEXT_MAX = 4 * 1024 * 1024, /* bytes of the addresses of one field */
    TEXT_KEPT = 64 * 1024       /* bytes of memory that are kept for the next */
};

#define DAY (INT64_C(24) * 60 * 60 * 1000000) /* in microseconds */

/* One message, while the keys are gone through. */
struct match {
    enum imap_searching_level level;
    const struct imap_searching_candidate *candidate;
    struct imap_searching_reader *reader;
    const struct store_fetched *message;
};

void imap_searching_match_reader_init(struct imap_searching_reader *reader, struct db *db,
                                      int64_t mailbox)
{
    *reader = (struct imap_searching_reader){.db = db, .mailbox = mailbox};
    buffer_init(&reader->text, TEXT_MAX);
    buffer_init(&reader->rest, STORE_FETCH_DATA_MAX);
}

void imap_searching_match_reader_clear(struct imap_searching_reader *reader)
{
    message_search_free(reader->search);
    buffer_clear(&reader->text);
    buffer_clear(&reader->rest);
}

/* ---- dates ---- */

static int64_t day_of(int64_t microseconds)
{
    int64_t day = microseconds / DAY;
    return microseconds % DAY < 0 ? day - 1 : day;
}

static bool compare_days(enum imap_search_kind before, const struct imap_searching_node *node,
                         int64_t day)
{
    unsigned which = (unsigned)(node->kind - before);
    return which == 0 ? day < node->day : which == 1 ? day == node->day : day >= node->day;
}

static const struct message_envelope *read_envelope(struct imap_searching_reader *reader)
{
    if (!reader->has_envelope) {
        /* What cannot be read has nothing in it. */
        if (!message_envelope_read(reader->message->envelope, &reader->envelope, NULL))
            reader->envelope = (struct message_envelope){0};
        reader->has_envelope = true;
    }
    return &reader->envelope;
}

/* RFC 9051 6.4.4: the date that the message shows, whatever its zone. Only near the border does the
   zone matter. */
static bool is_sent(const struct match *match, const struct imap_searching_node *node)
{
    int64_t sent = match->message->sent;
    if (sent == 0)
        return false;
    int64_t day = day_of(sent);
    int64_t seconds;
    int offset;
    if (day >= node->day - 1 && day <= node->day + 1 &&
        date_parse(read_envelope(match->reader)->date, &seconds, &offset))
        day = day_of((seconds + offset * 60) * 1000000);
    return compare_days(IMAP_SEARCH_SENTBEFORE, node, day);
}

static int64_t saved_at(const struct store_fetched *message)
{
    return message->saved != 0 ? message->saved : message->received;
}

/* ---- texts ---- */

/* The list as people see it: "Ann <ann@a.example>, Ben <ben@b.example>". */
static bool is_in_addresses(struct imap_searching_reader *reader, struct message_needle *needle,
                            struct bytes list)
{
    struct message_envelope_address address;
    struct buffer *text = &reader->text;
    if (list.length == 0)
        return false;
    if (text->capacity > TEXT_KEPT)
        buffer_clear(text);
    buffer_reset(text);
    while (message_envelope_next(&list, &address)) {
        if (text->length > 0)
            buffer_append(text, BYTES(", "));
        buffer_append(text, address.name);
        if (address.name.length > 0 && address.mailbox.length > 0)
            buffer_append_char(text, ' ');
        if (address.mailbox.length == 0)
            continue;
        if (address.host.length == 0) {
            buffer_append(text, address.mailbox);
            continue;
        }
        buffer_append_char(text, '<');
        buffer_append(text, address.mailbox);
        buffer_append_char(text, '@');
        buffer_append(text, address.host);
        buffer_append_char(text, '>');
    }
    return message_needle_is_in_value(needle, buffer_bytes(text));
}

static bool is_in_fields(const struct imap_searching_node *node, struct bytes section)
{
    struct message_header_field field;
    while (message_header_next(&section, &field)) {
        /* RFC 9051 6.4.4: with an empty string it is enough that the field is there. */
        if (bytes_equal_ignoring_case(field.name, node->name) &&
            message_needle_is_in_value(node->needle, field.value))
            return true;
    }
    return false;
}

/* What does not come with the message. */
static bool search_rest(struct imap_searching_reader *reader, bool *is_found)
{
    const struct store_fetched *message = reader->message;
    uint64_t offset = message->prefix_size + message->data.length;
    bool is_gone = false;
    while (!*is_found && !is_gone && offset < message->size) {
        buffer_reset(&reader->rest);
        if (!store_message_read(reader->db, reader->mailbox, message->uid, offset,
                                STORE_FETCH_DATA_MAX, &reader->rest, &is_gone, &reader->fault))
            return false;
        struct bytes piece = buffer_bytes(&reader->rest);
        if (piece.length == 0)
            break;
        if (!message_search_feed(reader->search, piece, is_found, &reader->fault))
            return false;
        offset += piece.length;
        reader->bytes += piece.length;
    }
    return true;
}

static bool is_in_message(struct imap_searching_reader *reader, struct message_needle *needle,
                          bool has_headers)
{
    const struct store_fetched *message = reader->message;
    bool is_found = false;
    if (has_headers && message_needle_is_in_header(needle, message->prefix))
        return true;
    if (reader->search == NULL)
        reader->search = message_search_new(&reader->fault);
    if (reader->search == NULL ||
        !message_search_begin(reader->search, needle, message->structure, has_headers,
                              &reader->fault) ||
        !message_search_feed(reader->search, message->data, &is_found, &reader->fault) ||
        !search_rest(reader, &is_found))
        return false;
    if (!is_found && !message_search_end(reader->search, &is_found, &reader->fault))
        return false;
    return is_found;
}

/* ---- keys ---- */

static bool fits_view(const struct imap_searching_node *node,
                      const struct imap_searching_candidate *candidate)
{
    uint64_t flags = candidate->flags;
    switch (node->kind) {
    case IMAP_SEARCH_FLAGS:
        return (flags & node->bits) == node->bits;
    case IMAP_SEARCH_NO_FLAGS:
    case IMAP_SEARCH_NO_KEYWORD:
        return (flags & node->bits) == 0;
    case IMAP_SEARCH_KEYWORD:
        return (flags & node->bits) != 0;
    case IMAP_SEARCH_RECENT:
        return (flags & IMAP_VIEW_RECENT) != 0;
    case IMAP_SEARCH_NEW:
        return (flags & (IMAP_VIEW_RECENT | IMAP_FLAG_SEEN)) == IMAP_VIEW_RECENT;
    case IMAP_SEARCH_OLD:
        return (flags & IMAP_VIEW_RECENT) == 0;
    case IMAP_SEARCH_SEQUENCE:
    case IMAP_SEARCH_UIDS:
        return imap_sequence_has(node->ranges, node->range_count, candidate->number);
    case IMAP_SEARCH_MODSEQ:
        return candidate->modseq >= node->number;
    case IMAP_SEARCH_THREADID: /* RFC 8474 5.2: there are none here */
        return false;
    default: /* ALL, SAVEDATESUPPORTED */
        return true;
    }
}

static bool fits_row(const struct imap_searching_node *node, const struct store_fetched *message)
{
    switch (node->kind) {
    case IMAP_SEARCH_LARGER:
        return message->size > node->number;
    case IMAP_SEARCH_SMALLER:
        return message->size < node->number;
    case IMAP_SEARCH_BEFORE:
    case IMAP_SEARCH_ON:
    case IMAP_SEARCH_SINCE:
        return compare_days(IMAP_SEARCH_BEFORE, node, day_of(message->received));
    case IMAP_SEARCH_SAVEDBEFORE:
    case IMAP_SEARCH_SAVEDON:
    case IMAP_SEARCH_SAVEDSINCE:
        return compare_days(IMAP_SEARCH_SAVEDBEFORE, node, day_of(saved_at(message)));
    case IMAP_SEARCH_OLDER: /* RFC 5032 3 */
        return message->received <= node->moment;
    case IMAP_SEARCH_YOUNGER:
        return message->received >= node->moment;
    default: /* EMAILID */
        return message->body == node->moment;
    }
}

static bool fits_envelope(const struct imap_searching_node *node, const struct match *match)
{
    struct imap_searching_reader *reader = match->reader;
    switch (node->kind) {
    case IMAP_SEARCH_FROM:
        return is_in_addresses(reader, node->needle, read_envelope(reader)->from);
    case IMAP_SEARCH_TO:
        return is_in_addresses(reader, node->needle, read_envelope(reader)->to);
    case IMAP_SEARCH_CC:
        return is_in_addresses(reader, node->needle, read_envelope(reader)->cc);
    case IMAP_SEARCH_BCC:
        return is_in_addresses(reader, node->needle, read_envelope(reader)->bcc);
    case IMAP_SEARCH_SUBJECT:
        return read_envelope(reader)->subject.data != NULL &&
               message_needle_is_in_value(node->needle, read_envelope(reader)->subject);
    default:
        return is_sent(match, node);
    }
}

static enum imap_searching_answer answer_leaf(const struct imap_searching_node *node,
                                              const struct match *match)
{
    bool fits = false;
    if (node->level > match->level)
        return IMAP_SEARCHING_UNKNOWN;
    switch (node->level) {
    case IMAP_SEARCHING_VIEW:
        fits = fits_view(node, match->candidate);
        break;
    case IMAP_SEARCHING_ROW:
        fits = fits_row(node, match->message);
        break;
    case IMAP_SEARCHING_ENVELOPE:
        fits = fits_envelope(node, match);
        break;
    case IMAP_SEARCHING_HEADER:
        fits = is_in_fields(node, match->message->prefix) ||
               is_in_fields(node, match->message->header);
        break;
    case IMAP_SEARCHING_DATA:
    case IMAP_SEARCHING_LEVELS:
        fits = is_in_message(match->reader, node->needle, node->kind == IMAP_SEARCH_TEXT);
        break;
    }
    return fits ? IMAP_SEARCHING_YES : IMAP_SEARCHING_NO;
}

static enum imap_searching_answer answer(const struct imap_searching_node *node,
                                         const struct match *match);

/* All of them, or (OR) one of them: `decisive` ends it. */
static enum imap_searching_answer answer_children(const struct imap_searching_node *node,
                                                  const struct match *match,
                                                  enum imap_searching_answer decisive)
{
    enum imap_searching_answer all =
        decisive == IMAP_SEARCHING_NO ? IMAP_SEARCHING_YES : IMAP_SEARCHING_NO;
    for (const struct imap_searching_node *child = node->children; child != NULL;
         child = child->next) {
        enum imap_searching_answer one = answer(child, match);
        if (one == decisive)
            return decisive;
        if (one == IMAP_SEARCHING_UNKNOWN)
            all = IMAP_SEARCHING_UNKNOWN;
    }
    return all;
}

static enum imap_searching_answer answer(const struct imap_searching_node *node,
                                         const struct match *match)
{
    enum imap_searching_answer one;
    switch (node->kind) {
    case IMAP_SEARCH_AND:
        return answer_children(node, match, IMAP_SEARCHING_NO);
    case IMAP_SEARCH_OR:
        return answer_children(node, match, IMAP_SEARCHING_YES);
    case IMAP_SEARCH_NOT:
        one = answer_children(node, match, IMAP_SEARCHING_NO);
        return one == IMAP_SEARCHING_UNKNOWN ? one
               : one == IMAP_SEARCHING_YES   ? IMAP_SEARCHING_NO
                                             : IMAP_SEARCHING_YES;
    default:
        return answer_leaf(node, match);
    }
}

enum imap_searching_answer
imap_searching_match_view(const struct imap_searching_program *program,
                          const struct imap_searching_candidate *candidate)
{
    const struct match match = {.level = IMAP_SEARCHING_VIEW, .candidate = candidate};
    return answer(program->root, &match);
}

enum imap_searching_answer imap_searching_match(const struct imap_searching_program *program,
                                                enum imap_searching_level level,
                                                const struct imap_searching_candidate *candidate,
                                                struct imap_searching_reader *reader,
                                                const struct store_fetched *message)
{
    const struct match match = {level, candidate, reader, message};
    reader->message = message;
    reader->has_envelope = false;
    reader->bytes += message->data.length + message->header.length + message->envelope.length;
    return answer(program->root, &match);
}
