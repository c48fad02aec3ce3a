/* Columns that are known already, drafts of what was not, and what is said of both. */
#include "session/imap_searching_kept.h"

#include <stdlib.h>

#include "imap/imap_sort.h"
#include "imap/imap_thread.h"
#include "imap/imap_write.h"
#include "session/imap_searching.h"

enum {
    /* A column that has more messages than the mailbox has, by this factor and number, is made
       anew: most of it is of those that are gone. */
    STALE_FACTOR = 2,
    STALE_MIN = 1000
};

/* A message that fits. */
struct hit {
    uint32_t number;
    uint32_t uid;
};

/* One key of all messages. */
struct column {
    unsigned key;
    struct imap_searching_memory_column held; /* zero: nothing is known */
    size_t added_at;                          /* how far imap_column_find is */
    size_t read_at;
    struct imap_column_draft draft;
};

struct imap_searching_kept {
    struct imap_searching_memory *memory;
    int64_t mailbox;
    size_t mailbox_count;
    bool is_thread;
    bool is_uid;
    enum imap_thread_algorithm algorithm;
    struct imap_sort_criterion criteria[IMAP_COMMAND_SORT_KEYS_MAX];
    size_t criterion_count;
    struct column columns[IMAP_SEARCHING_KEYS];
    size_t column_count;
    struct hit *hits;
    size_t count;
    size_t capacity;
    uint64_t highest_modseq;
    struct imap_searching_key_maker maker;
};

static void add_column(struct imap_searching_kept *kept, unsigned key)
{
    for (size_t i = 0; i < kept->column_count; i++) {
        if (kept->columns[i].key == key)
            return;
    }
    struct column *column = &kept->columns[kept->column_count++];
    column->key = key;
    column->draft = IMAP_COLUMN_DRAFT(imap_searching_key_kind(key), IMAP_SEARCHING_TEXTS_MAX);
    if (imap_searching_memory_take(kept->memory, kept->mailbox, key, &column->held) &&
        column->held.column->count > STALE_FACTOR * kept->mailbox_count + STALE_MIN)
        imap_searching_memory_give_back(kept->memory, &column->held);
}

struct imap_searching_kept *imap_searching_kept_new(const struct imap_command *command,
                                                    struct imap_searching_memory *memory,
                                                    int64_t mailbox, size_t count,
                                                    struct fault *fault)
{
    const struct imap_search *search = &command->search;
    struct imap_searching_kept *kept = calloc(1, sizeof *kept);
    if (kept == NULL) {
        fault_set_memory(fault);
        return NULL;
    }
    kept->memory = memory;
    kept->mailbox = mailbox;
    kept->mailbox_count = count;
    kept->is_thread = command->verb == IMAP_THREAD;
    kept->is_uid = command->is_uid;
    kept->algorithm = search->algorithm;
    memcpy(kept->criteria, search->sort, sizeof kept->criteria);
    kept->criterion_count = search->sort_count;
    imap_searching_key_maker_init(&kept->maker);
    for (size_t i = 0; i < kept->criterion_count; i++)
        add_column(kept, kept->criteria[i].key);
    if (kept->is_thread) {
        add_column(kept, IMAP_SORT_DATE);
        add_column(kept, IMAP_SORT_SUBJECT);
        if (kept->algorithm == IMAP_THREAD_REFERENCES)
            add_column(kept, IMAP_SEARCHING_KEY_IDS);
    }
    return kept;
}

void imap_searching_kept_free(struct imap_searching_kept *kept)
{
    if (kept == NULL)
        return;
    for (size_t i = 0; i < kept->column_count; i++) {
        imap_searching_memory_give_back(kept->memory, &kept->columns[i].held);
        imap_column_draft_clear(&kept->columns[i].draft);
    }
    imap_searching_key_maker_clear(&kept->maker);
    free(kept->hits);
    free(kept);
}

/* ---- what fits ---- */

static bool is_too_much(const struct imap_searching_kept *kept)
{
    size_t size = kept->capacity * sizeof *kept->hits;
    for (size_t i = 0; i < kept->column_count; i++)
        size += imap_column_draft_size(&kept->columns[i].draft);
    return size > IMAP_SEARCHING_TEXTS_MAX;
}

static bool set_too_much(struct fault *fault)
{
    return fault_set(fault, FAULT_LIMIT, "too many messages to put in order");
}

/* Also when all that was left is a little less than the text that did not fit. */
static bool fail(const struct imap_searching_kept *kept, struct fault *fault)
{
    for (size_t i = 0; i < kept->column_count; i++) {
        if (kept->columns[i].draft.texts.length > IMAP_SEARCHING_TEXTS_MAX / 2)
            return set_too_much(fault);
    }
    return fault_set_memory(fault);
}

static bool knows(const struct column *column, size_t *at, uint32_t uid)
{
    return column->held.column != NULL && imap_column_find(column->held.column, at, uid);
}

bool imap_searching_kept_add(struct imap_searching_kept *kept,
                             const struct imap_searching_candidate *candidate, bool *is_known,
                             struct fault *fault)
{
    if (kept->count == kept->capacity) {
        size_t capacity = kept->capacity == 0 ? 1000 : 2 * kept->capacity;
        struct hit *larger = realloc(kept->hits, capacity * sizeof *larger);
        if (larger == NULL)
            return fault_set_memory(fault);
        kept->hits = larger;
        kept->capacity = capacity;
        if (is_too_much(kept))
            return set_too_much(fault);
    }
    if (candidate->modseq > kept->highest_modseq)
        kept->highest_modseq = candidate->modseq;
    kept->hits[kept->count++] = (struct hit){candidate->number, candidate->uid};
    *is_known = true;
    for (size_t i = 0; i < kept->column_count; i++) {
        struct column *column = &kept->columns[i];
        *is_known = knows(column, &column->added_at, candidate->uid) && *is_known;
    }
    return true;
}

unsigned imap_searching_kept_wants(const struct imap_searching_kept *kept)
{
    unsigned wants = 0;
    for (size_t i = 0; i < kept->column_count; i++)
        wants |= imap_searching_key_wants(kept->columns[i].key);
    return wants;
}

bool imap_searching_kept_read(struct imap_searching_kept *kept, const struct store_fetched *message,
                              struct fault *fault)
{
    imap_searching_key_begin(&kept->maker, message);
    for (size_t i = 0; i < kept->column_count; i++) {
        struct column *column = &kept->columns[i];
        if (!knows(column, &column->read_at, message->uid) &&
            !imap_searching_key_add(&kept->maker, column->key, &column->draft))
            return fail(kept, fault);
    }
    return !is_too_much(kept) || set_too_much(fault);
}

uint64_t imap_searching_kept_modseq(const struct imap_searching_kept *kept)
{
    return kept->highest_modseq;
}

/* ---- the answer ---- */

/* What was read becomes part of what is known, here and for the next who ask. */
static bool join(struct imap_searching_kept *kept, struct column *column, struct fault *fault)
{
    if (column->held.column != NULL && column->draft.count == 0)
        return true;
    struct imap_searching_memory_column made = {
        .column = imap_column_join(column->held.column, &column->draft, fault)};
    imap_column_draft_clear(&column->draft);
    if (made.column == NULL)
        return false;
    if (!imap_searching_memory_put(kept->memory, kept->mailbox, column->key, &made)) {
        imap_column_free(made.column);
        return fault_set_memory(fault);
    }
    imap_searching_memory_give_back(kept->memory, &column->held);
    column->held = made;
    return true;
}

/* The places of all hits in all columns; hits that some column does not have are left out. */
static uint32_t *find_places(struct imap_searching_kept *kept)
{
    size_t columns = kept->column_count;
    size_t at[IMAP_SEARCHING_KEYS] = {0};
    uint32_t *places = malloc((kept->count * columns + 1) * sizeof *places);
    size_t count = 0;
    for (size_t i = 0; places != NULL && i < kept->count; i++) {
        bool is_there = true;
        for (size_t k = 0; k < columns; k++) {
            is_there = imap_column_find(kept->columns[k].held.column, &at[k], kept->hits[i].uid) &&
                       is_there;
            places[count * columns + k] = (uint32_t)at[k];
        }
        if (is_there)
            kept->hits[count++] = kept->hits[i];
    }
    kept->count = count;
    return places;
}

static uint32_t name_of(const struct imap_searching_kept *kept, size_t index)
{
    return kept->is_uid ? kept->hits[index].uid : kept->hits[index].number;
}

static size_t index_of(const struct imap_searching_kept *kept, unsigned key)
{
    size_t i = 0;
    while (kept->columns[i].key != key)
        i++;
    return i;
}

/* The ranks of all hits in each column, one column behind the other. */
static uint32_t *gather_ranks(const struct imap_searching_kept *kept, const uint32_t *places)
{
    size_t columns = kept->column_count;
    uint32_t *ranks = malloc((kept->count * columns + 1) * sizeof *ranks);
    for (size_t k = 0; ranks != NULL && k < columns; k++) {
        const uint32_t *known = kept->columns[k].held.column->ranks;
        for (size_t i = 0; i < kept->count; i++)
            ranks[k * kept->count + i] = known[places[i * columns + k]] & ~IMAP_COLUMN_MARK;
    }
    return ranks;
}

static bool sort(const struct imap_searching_kept *kept, const uint32_t *places, struct buffer *out,
                 struct fault *fault)
{
    struct imap_sort_criterion_ranks criteria[IMAP_COMMAND_SORT_KEYS_MAX];
    uint32_t *ranks = gather_ranks(kept, places);
    uint32_t *order = malloc((kept->count + 1) * sizeof *order);
    for (size_t i = 0; ranks != NULL && i < kept->criterion_count; i++) {
        size_t k = index_of(kept, kept->criteria[i].key);
        criteria[i] = (struct imap_sort_criterion_ranks){ranks + k * kept->count,
                                                         kept->columns[k].held.column->value_count,
                                                         kept->criteria[i].is_reverse};
    }
    bool is_done = ranks != NULL && order != NULL
                       ? imap_sort(criteria, kept->criterion_count, order, kept->count, fault)
                       : fault_set_memory(fault);
    for (size_t i = 0; is_done && i < kept->count; i++) {
        buffer_append_char(out, ' ');
        imap_write_number(out, name_of(kept, order[i]));
    }
    free(ranks);
    free(order);
    return is_done && (!buffer_is_failed(out) || fault_set_memory(fault));
}

static bool is_empty(const struct imap_column *column, uint32_t rank)
{
    return imap_column_text(column, rank).length == 0;
}

static void fill_message(const struct imap_searching_kept *kept, const uint32_t *places,
                         struct imap_thread_message *message)
{
    size_t count;
    const struct imap_column *dates = kept->columns[0].held.column;
    const struct imap_column *subjects = kept->columns[1].held.column;
    uint32_t subject = subjects->ranks[places[1]];
    message->sent = dates->ranks[places[0]];
    message->subject = subject & ~IMAP_COLUMN_MARK;
    message->has_subject = !is_empty(subjects, message->subject);
    message->is_reply = (subject & IMAP_COLUMN_MARK) != 0;
    message->id = IMAP_THREAD_NO_ID;
    if (kept->algorithm != IMAP_THREAD_REFERENCES)
        return;
    const struct imap_column *ids = kept->columns[2].held.column;
    const uint32_t *ranks = imap_column_ranks(ids, places[2], &count);
    if (!is_empty(ids, ranks[0]))
        message->id = ranks[0];
    message->references = ranks + 1;
    message->reference_count = count - 1;
}

static bool thread(const struct imap_searching_kept *kept, const uint32_t *places,
                   struct buffer *out, struct fault *fault)
{
    struct imap_thread_message *messages = calloc(kept->count + 1, sizeof *messages);
    if (messages == NULL)
        return fault_set_memory(fault);
    struct imap_thread_mailbox mailbox = {.messages = messages,
                                          .count = kept->count,
                                          .sent_count = kept->columns[0].held.column->value_count,
                                          .subject_count =
                                              kept->columns[1].held.column->value_count};
    if (kept->algorithm == IMAP_THREAD_REFERENCES)
        mailbox.id_count = kept->columns[2].held.column->value_count;
    for (size_t i = 0; i < kept->count; i++) {
        messages[i].name = name_of(kept, i);
        fill_message(kept, &places[i * kept->column_count], &messages[i]);
    }
    if (kept->count > 0)
        buffer_append_char(out, ' ');
    bool is_done = imap_thread(kept->algorithm, &mailbox, out, fault);
    free(messages);
    return is_done;
}

bool imap_searching_kept_finish(struct imap_searching_kept *kept, struct buffer *out,
                                struct fault *fault)
{
    for (size_t i = 0; i < kept->column_count; i++) {
        if (!join(kept, &kept->columns[i], fault))
            return false;
    }
    uint32_t *places = find_places(kept);
    bool is_done = places == NULL    ? fault_set_memory(fault)
                   : kept->is_thread ? thread(kept, places, out, fault)
                                     : sort(kept, places, out, fault);
    free(places);
    return is_done;
}
