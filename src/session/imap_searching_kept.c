/* Sort keys and thread links, made once a message; the texts lie in one arena. */
#include "session/imap_searching_kept.h"

#include <stdlib.h>

#include "imap/imap_write.h"
#include "mail/message_header.h"
#include "mail/message_id.h"
#include "mail/message_parser.h"
#include "session/imap_searching.h"

enum {
    TEXT_MAX = 4 * MESSAGE_HEADER_MAX, /* bytes of one text while it is made */
    TEXT_KEPT = 64 * 1024,             /* bytes of memory that are kept for the next */
    REFERENCES_MAX = 1000              /* ids of one message: the first and the last of more */
};

struct imap_searching_kept {
    bool is_thread;
    bool is_uid;
    enum imap_thread_algorithm algorithm;
    struct imap_sort_criterion criteria[IMAP_COMMAND_SORT_KEYS_MAX];
    size_t criterion_count;
    struct imap_sort_message *sorted; /* one of the two */
    struct imap_thread_message *threaded;
    size_t count;
    size_t capacity;
    uint64_t highest_modseq;
    struct arena arena;
    struct buffer text;
    struct buffer folded;
    struct buffer ids; /* of struct bytes */
};

struct imap_searching_kept *imap_searching_kept_new(const struct imap_command *command,
                                                    struct fault *fault)
{
    const struct imap_search *search = &command->search;
    struct imap_searching_kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    kept->is_thread = command->verb == IMAP_THREAD;
    kept->is_uid = command->is_uid;
    kept->algorithm = search->algorithm;
    memcpy(kept->criteria, search->sort, sizeof kept->criteria);
    kept->criterion_count = search->sort_count;
    arena_init(&kept->arena, IMAP_SEARCHING_TEXTS_MAX);
    buffer_init(&kept->text, TEXT_MAX);
    buffer_init(&kept->folded, TEXT_MAX);
    buffer_init(&kept->ids, REFERENCES_MAX * sizeof(struct bytes));
    return kept;
}

void imap_searching_kept_free(struct imap_searching_kept *kept)
{
    if (kept == NULL)
        return;
    arena_clear(&kept->arena);
    buffer_clear(&kept->text);
    buffer_clear(&kept->folded);
    buffer_clear(&kept->ids);
    free(kept->sorted);
    free(kept->threaded);
    free(kept);
}

static unsigned wants_of(enum imap_sort_key key)
{
    return key == IMAP_SORT_ARRIVAL || key == IMAP_SORT_SIZE ? 0 : STORE_FETCH_ENVELOPE;
}

unsigned imap_searching_kept_wants(const struct imap_searching_kept *kept)
{
    unsigned wants = 0;
    if (kept->is_thread)
        return kept->algorithm == IMAP_THREAD_REFERENCES ? STORE_FETCH_ENVELOPE | STORE_FETCH_HEADER
                                                         : STORE_FETCH_ENVELOPE;
    for (size_t i = 0; i < kept->criterion_count; i++)
        wants |= wants_of(kept->criteria[i].key);
    return wants;
}

/* ---- memory ---- */

static size_t entry_size(const struct imap_searching_kept *kept)
{
    return kept->is_thread ? sizeof *kept->threaded : sizeof *kept->sorted;
}

static bool fail(const struct imap_searching_kept *kept, struct fault *fault)
{
    if (kept->arena.used + kept->capacity * entry_size(kept) >= IMAP_SEARCHING_TEXTS_MAX / 2)
        return fault_set(fault, FAULT_LIMIT, "too many messages to put in order");
    return fault_set_memory(fault);
}

/* Entries and texts have one limit together. */
static bool make_room(struct imap_searching_kept *kept, struct fault *fault)
{
    if (kept->count < kept->capacity)
        return true;
    size_t capacity = kept->capacity == 0 ? 1000 : kept->capacity + kept->capacity / 2;
    size_t size = capacity * entry_size(kept);
    if (size >= IMAP_SEARCHING_TEXTS_MAX || kept->arena.used > IMAP_SEARCHING_TEXTS_MAX - size)
        return fault_set(fault, FAULT_LIMIT, "too many messages to put in order");
    void *larger = realloc(kept->is_thread ? (void *)kept->threaded : (void *)kept->sorted, size);
    if (larger == NULL)
        return fault_set_memory(fault);
    if (kept->is_thread)
        kept->threaded = larger;
    else
        kept->sorted = larger;
    kept->capacity = capacity;
    kept->arena.limit = IMAP_SEARCHING_TEXTS_MAX - size;
    return true;
}

static void reset(struct buffer *buffer)
{
    if (buffer->capacity > TEXT_KEPT)
        buffer_clear(buffer);
    buffer_reset(buffer);
}

static bool keep(struct imap_searching_kept *kept, const struct buffer *text, struct bytes *copy)
{
    char *memory =
        buffer_is_failed(text) ? NULL : arena_copy_string(&kept->arena, buffer_bytes(text));
    *copy = memory == NULL ? BYTES("") : bytes_of(memory, text->length);
    return memory != NULL;
}

/* ---- texts ---- */

/* What kept->text holds, folded. */
static bool keep_folded(struct imap_searching_kept *kept, struct bytes *copy)
{
    reset(&kept->folded);
    message_text_fold(buffer_bytes(&kept->text), &kept->folded);
    return !buffer_is_failed(&kept->text) && keep(kept, &kept->folded, copy);
}

static bool keep_subject(struct imap_searching_kept *kept, struct bytes subject, struct bytes *copy,
                         bool *is_reply)
{
    AUTO(buffer)
    decoded = BUFFER(TEXT_MAX);
    message_text_decode_words(subject, &decoded);
    reset(&kept->text);
    imap_sort_base_subject(buffer_bytes(&decoded), &kept->text, is_reply);
    return !buffer_is_failed(&decoded) && keep_folded(kept, copy);
}

/* RFC 5256 3: the mailbox of the first address. */
static bool keep_mailbox(struct imap_searching_kept *kept, struct bytes list, struct bytes *copy)
{
    struct message_envelope_address address = {0};
    reset(&kept->text);
    if (list.length > 0 && message_envelope_next(&list, &address))
        buffer_append(&kept->text, address.mailbox);
    return keep_folded(kept, copy);
}

/* RFC 5957 3: the name as people see it, else the address. */
static bool keep_display(struct imap_searching_kept *kept, struct bytes list, struct bytes *copy)
{
    struct message_envelope_address address = {0};
    reset(&kept->text);
    if (list.length > 0 && message_envelope_next(&list, &address)) {
        message_text_decode_words(address.name, &kept->text);
        if (kept->text.length == 0) {
            buffer_append(&kept->text, address.mailbox);
            if (address.host.length > 0) {
                buffer_append_char(&kept->text, '@');
                buffer_append(&kept->text, address.host);
            }
        }
    }
    return keep_folded(kept, copy);
}

static bool keep_criterion(struct imap_searching_kept *kept, enum imap_sort_key key,
                           const struct message_envelope *envelope, struct bytes *copy)
{
    bool is_reply;
    switch (key) {
    case IMAP_SORT_CC:
        return keep_mailbox(kept, envelope->cc, copy);
    case IMAP_SORT_FROM:
        return keep_mailbox(kept, envelope->from, copy);
    case IMAP_SORT_TO:
        return keep_mailbox(kept, envelope->to, copy);
    case IMAP_SORT_SUBJECT:
        return keep_subject(kept, envelope->subject, copy, &is_reply);
    case IMAP_SORT_DISPLAYFROM:
        return keep_display(kept, envelope->from, copy);
    case IMAP_SORT_DISPLAYTO:
        return keep_display(kept, envelope->to, copy);
    case IMAP_SORT_ARRIVAL:
    case IMAP_SORT_DATE:
    case IMAP_SORT_SIZE:
        break;
    }
    *copy = BYTES("");
    return true;
}

/* RFC 5256 2.2: a date that cannot be read is the internal date. */
static int64_t sent_at(const struct store_fetched *message)
{
    return message->sent != 0 ? message->sent : message->received;
}

static void read_envelope(const struct store_fetched *message, struct message_envelope *envelope)
{
    if (message->envelope.length == 0 || !message_envelope_read(message->envelope, envelope, NULL))
        *envelope = (struct message_envelope){0};
}

static bool add_sorted(struct imap_searching_kept *kept,
                       const struct imap_searching_candidate *candidate,
                       const struct store_fetched *message)
{
    struct message_envelope envelope;
    struct bytes *texts = arena_allocate_array(&kept->arena, kept->criterion_count, sizeof *texts);
    read_envelope(message, &envelope);
    if (texts == NULL)
        return false;
    for (size_t i = 0; i < kept->criterion_count; i++) {
        if (!keep_criterion(kept, kept->criteria[i].key, &envelope, &texts[i]))
            return false;
    }
    kept->sorted[kept->count++] = (struct imap_sort_message){
        .number = candidate->number,
        .uid = candidate->uid,
        .arrival = message->received,
        .sent = sent_at(message),
        .size = message->size,
        .texts = texts,
    };
    return true;
}

/* ---- links ---- */

/* RFC 5256 3: an id is what stands between the brackets, and quotes do not matter. */
static bool keep_id(struct imap_searching_kept *kept, struct bytes id, struct bytes *copy)
{
    reset(&kept->text);
    bool is_quoted = false;
    for (size_t i = 1; i + 1 < id.length; i++) {
        char c = id.data[i];
        if (c == '"')
            is_quoted = !is_quoted;
        else if (c == '\\' && is_quoted && i + 2 < id.length)
            buffer_append_char(&kept->text, id.data[++i]);
        else
            buffer_append_char(&kept->text, c);
    }
    return keep(kept, &kept->text, copy);
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

static bool keep_first_id(struct imap_searching_kept *kept, struct bytes text, struct bytes *copy)
{
    struct bytes id;
    *copy = BYTES("");
    return !take_id(&text, &id) || keep_id(kept, id, copy);
}

static bool add_references(struct imap_searching_kept *kept, struct bytes text)
{
    struct bytes id;
    while (kept->ids.length < REFERENCES_MAX * sizeof id && take_id(&text, &id)) {
        if (!keep_id(kept, id, &id))
            return false;
        buffer_append(&kept->ids, bytes_of(&id, sizeof id));
    }
    return !buffer_is_failed(&kept->ids);
}

/* RFC 5256 3: References, and only where there are none In-Reply-To, of which the first counts. */
static bool keep_references(struct imap_searching_kept *kept, struct bytes header,
                            struct bytes in_reply_to, struct imap_thread_message *message)
{
    struct message_header_field field;
    reset(&kept->ids);
    while (message_header_next(&header, &field)) {
        if (bytes_equal_ignoring_case(field.name, BYTES("References")) &&
            !add_references(kept, field.value))
            return false;
    }
    struct bytes id;
    if (kept->ids.length == 0 && take_id(&in_reply_to, &id)) {
        if (!keep_id(kept, id, &id))
            return false;
        buffer_append(&kept->ids, bytes_of(&id, sizeof id));
    }
    message->reference_count = kept->ids.length / sizeof id;
    struct bytes *references =
        arena_allocate_array(&kept->arena, message->reference_count, sizeof *references);
    if (references == NULL || buffer_is_failed(&kept->ids))
        return false;
    if (message->reference_count > 0)
        memcpy(references, buffer_bytes(&kept->ids).data, kept->ids.length);
    message->references = references;
    return true;
}

static bool add_threaded(struct imap_searching_kept *kept,
                         const struct imap_searching_candidate *candidate,
                         const struct store_fetched *message)
{
    struct message_envelope envelope;
    struct imap_thread_message *made = &kept->threaded[kept->count];
    *made = (struct imap_thread_message){.name = kept->is_uid ? candidate->uid : candidate->number,
                                         .sent = sent_at(message)};
    read_envelope(message, &envelope);
    if (!keep_subject(kept, envelope.subject, &made->subject, &made->is_reply))
        return false;
    if (kept->algorithm == IMAP_THREAD_REFERENCES &&
        (!keep_first_id(kept, envelope.message_id, &made->message_id) ||
         !keep_references(kept, message->header, envelope.in_reply_to, made)))
        return false;
    kept->count++;
    return true;
}

bool imap_searching_kept_add(struct imap_searching_kept *kept,
                             const struct imap_searching_candidate *candidate,
                             const struct store_fetched *message, struct fault *fault)
{
    if (!make_room(kept, fault))
        return false;
    if (candidate->modseq > kept->highest_modseq)
        kept->highest_modseq = candidate->modseq;
    bool is_kept = kept->is_thread ? add_threaded(kept, candidate, message)
                                   : add_sorted(kept, candidate, message);
    return is_kept || fail(kept, fault);
}

/* ---- the answer ---- */

uint64_t imap_searching_kept_modseq(const struct imap_searching_kept *kept)
{
    return kept->highest_modseq;
}

bool imap_searching_kept_finish(struct imap_searching_kept *kept, struct buffer *out,
                                struct fault *fault)
{
    if (kept->is_thread) {
        if (kept->count > 0)
            buffer_append_char(out, ' ');
        return imap_thread(kept->algorithm, kept->threaded, kept->count, out, fault);
    }
    imap_sort(kept->sorted, kept->count, kept->criteria, kept->criterion_count);
    for (size_t i = 0; i < kept->count; i++) {
        buffer_append_char(out, ' ');
        imap_write_number(out, kept->is_uid ? kept->sorted[i].uid : kept->sorted[i].number);
    }
    return !buffer_is_failed(out) || fault_set_memory(fault);
}
