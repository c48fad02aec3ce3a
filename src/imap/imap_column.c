/* Drafts and columns: values are put in order once, and merged with those that are in order
 * already. */
#include "imap/imap_column.h"

#include <stdlib.h>

enum {
    RADIX_BITS = 11,
    RADIX = 1 << RADIX_BITS,
    RADIX_MIN = 256, /* values below which comparing is quicker */
    VALUES_MAX = 1 << 30
};

/* A value of a draft. */
struct imap_column_value {
    uint64_t prefix; /* decides the order, but between equals */
    uint32_t start;  /* in the texts */
    uint32_t length;
    uint32_t place; /* among the values as they were added, with the mark */
};

/* ---- the order of values ---- */

/* The first eight bytes, so that comparing numbers is comparing texts. */
static uint64_t prefix_of_text(struct bytes text)
{
    uint64_t prefix = 0;
    for (size_t i = 0; i < sizeof prefix; i++)
        prefix = prefix << 8 | (i < text.length ? (unsigned char)text.data[i] : 0);
    return prefix;
}

/* Ids of one program begin alike: spread, hardly any two are equal here. Those that somebody makes
   equal cost no more than a comparison. */
static uint64_t prefix_of_id(struct bytes id)
{
    uint64_t hash = UINT64_C(0x9e3779b97f4a7c15) ^ id.length;
    for (; id.length >= 8; id = bytes_skip(id, 8)) {
        uint64_t word;
        memcpy(&word, id.data, sizeof word);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    for (size_t i = 0; i < id.length; i++)
        hash = (hash ^ (unsigned char)id.data[i]) * UINT64_C(0x100000001b3);
    hash = (hash ^ (hash >> 29)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 32);
}

static uint64_t prefix_of(enum imap_column_kind kind, struct bytes text)
{
    return kind == IMAP_COLUMN_IDS ? prefix_of_id(text) : prefix_of_text(text);
}

static struct bytes text_of(const struct imap_column_draft *draft,
                            const struct imap_column_value *value)
{
    return bytes_of(buffer_bytes(&draft->texts).data + value->start, value->length);
}

static int compare_values(const void *one, const void *other, void *argument)
{
    const struct imap_column_value *left = one;
    const struct imap_column_value *right = other;
    if (left->prefix != right->prefix)
        return left->prefix < right->prefix ? -1 : 1;
    return bytes_compare(text_of(argument, left), text_of(argument, right));
}

/* One pass by the bits from `shift` on; false: they are the same in all. */
static bool distribute(const struct imap_column_value *from, struct imap_column_value *to,
                       size_t count, unsigned shift)
{
    size_t places[RADIX] = {0};
    size_t place = 0;
    for (size_t i = 0; i < count; i++)
        places[from[i].prefix >> shift & (RADIX - 1)]++;
    if (places[from[0].prefix >> shift & (RADIX - 1)] == count)
        return false;
    for (size_t i = 0; i < RADIX; i++) {
        size_t here = places[i];
        places[i] = place;
        place += here;
    }
    for (size_t i = 0; i < count; i++)
        to[places[from[i].prefix >> shift & (RADIX - 1)]++] = from[i];
    return true;
}

/* Those whose prefixes are equal. */
static void order_equals(struct imap_column_draft *draft)
{
    struct imap_column_value *values = draft->values;
    for (size_t start = 0, end; start < draft->value_count; start = end) {
        bool is_same = true;
        for (end = start + 1;
             end < draft->value_count && values[end].prefix == values[start].prefix; end++)
            is_same = is_same &&
                      bytes_equal(text_of(draft, &values[end]), text_of(draft, &values[start]));
        if (!is_same)
            qsort_r(&values[start], end - start, sizeof *values, compare_values, draft);
    }
}

static bool order(struct imap_column_draft *draft, struct fault *fault)
{
    size_t count = draft->value_count;
    if (count < RADIX_MIN) {
        if (count > 1)
            qsort_r(draft->values, count, sizeof *draft->values, compare_values, draft);
        return true;
    }
    struct imap_column_value *other = malloc(count * sizeof *other);
    if (other == NULL)
        return fault_set_memory(fault);
    draft->value_capacity = count;
    for (unsigned shift = 0; shift < 64; shift += RADIX_BITS) {
        if (distribute(draft->values, other, count, shift)) {
            struct imap_column_value *ordered = other;
            other = draft->values;
            draft->values = ordered;
        }
    }
    free(other);
    order_equals(draft);
    return true;
}

/* ---- drafts ---- */

void imap_column_draft_clear(struct imap_column_draft *draft)
{
    buffer_clear(&draft->texts);
    free(draft->values);
    free(draft->uids);
    free(draft->ends);
    *draft = IMAP_COLUMN_DRAFT(draft->kind, draft->texts.limit);
}

size_t imap_column_draft_size(const struct imap_column_draft *draft)
{
    return draft->texts.length + draft->value_count * sizeof *draft->values +
           draft->count * (sizeof *draft->uids + sizeof *draft->ends);
}

/* Doubles *memory when it is full. */
static bool make_room(void **memory, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    size_t larger = *capacity == 0 ? 64 : 2 * *capacity;
    void *moved = realloc(*memory, larger * size);
    if (moved == NULL)
        return false;
    *memory = moved;
    *capacity = larger;
    return true;
}

bool imap_column_draft_begin(struct imap_column_draft *draft, uint32_t uid)
{
    assert(draft->count == 0 || draft->uids[draft->count - 1] < uid);
    size_t capacity = draft->capacity;
    if (!make_room((void **)&draft->uids, draft->count, &capacity, sizeof *draft->uids) ||
        !make_room((void **)&draft->ends, draft->count, &draft->capacity, sizeof *draft->ends))
        return false;
    draft->uids[draft->count] = uid;
    draft->ends[draft->count++] = (uint32_t)draft->value_count;
    return true;
}

bool imap_column_draft_add(struct imap_column_draft *draft, struct bytes text, bool is_marked)
{
    uint32_t place = (uint32_t)draft->value_count;
    size_t start = draft->texts.length;
    if (place >= VALUES_MAX || start + text.length > UINT32_MAX ||
        !make_room((void **)&draft->values, place, &draft->value_capacity, sizeof *draft->values))
        return false;
    buffer_append(&draft->texts, text);
    if (buffer_is_failed(&draft->texts))
        return false;
    draft->values[draft->value_count++] =
        (struct imap_column_value){.prefix = prefix_of(draft->kind, text),
                                   .start = (uint32_t)start,
                                   .length = (uint32_t)text.length,
                                   .place = is_marked ? place | IMAP_COLUMN_MARK : place};
    draft->ends[draft->count - 1] = (uint32_t)draft->value_count;
    return true;
}

bool imap_column_draft_add_number(struct imap_column_draft *draft, int64_t number)
{
    char text[sizeof number];
    uint64_t bits = (uint64_t)number ^ UINT64_C(1) << 63;
    for (size_t i = sizeof text; i > 0; i--, bits >>= 8)
        text[i - 1] = (char)(bits & 0xff);
    return imap_column_draft_add(draft, bytes_of(text, sizeof text), false);
}

/* ---- joining ---- */

struct joining {
    const struct imap_column *old;
    struct imap_column_draft *draft;
    struct imap_column *made;
    uint32_t *old_ranks; /* what an old rank is now */
    uint32_t *new_ranks; /* of the draft's values by their places */
    size_t text_size;
};

void imap_column_free(struct imap_column *column)
{
    if (column == NULL)
        return;
    free(column->uids);
    free(column->ends);
    free(column->ranks);
    free(column->text_ends);
    free(column->texts);
    free(column);
}

static size_t rank_count(const struct imap_column *column)
{
    return column->count == 0 || column->ends == NULL ? column->count
                                                      : column->ends[column->count - 1];
}

static bool allocate(struct joining *joining, struct fault *fault)
{
    const struct imap_column *old = joining->old;
    const struct imap_column_draft *draft = joining->draft;
    struct imap_column *made = joining->made;
    size_t texts = old->value_count > 0 ? old->text_ends[old->value_count - 1] : 0;
    size_t values = old->value_count + draft->value_count;
    size_t ranks = rank_count(old) + draft->value_count;
    if (texts + draft->texts.length > UINT32_MAX || values > VALUES_MAX || ranks > VALUES_MAX)
        return fault_set(fault, FAULT_LIMIT, "too many messages to put in order");
    made->count = old->count + draft->count;
    made->uids = malloc((made->count + 1) * sizeof *made->uids);
    made->ranks = malloc((ranks + 1) * sizeof *made->ranks);
    made->text_ends = malloc((values + 1) * sizeof *made->text_ends);
    made->texts = malloc(texts + draft->texts.length + 1);
    if (draft->kind == IMAP_COLUMN_IDS)
        made->ends = malloc((made->count + 1) * sizeof *made->ends);
    joining->old_ranks = malloc((old->value_count + (size_t)1) * sizeof *joining->old_ranks);
    joining->new_ranks = malloc((draft->value_count + 1) * sizeof *joining->new_ranks);
    bool is_done = made->uids != NULL && made->ranks != NULL && made->text_ends != NULL &&
                   made->texts != NULL && joining->old_ranks != NULL &&
                   joining->new_ranks != NULL &&
                   (draft->kind != IMAP_COLUMN_IDS || made->ends != NULL);
    return is_done || fault_set_memory(fault);
}

static void put_text(struct joining *joining, struct bytes text)
{
    struct imap_column *made = joining->made;
    if (text.length > 0)
        memcpy(made->texts + joining->text_size, text.data, text.length);
    joining->text_size += text.length;
    made->text_ends[made->value_count++] = (uint32_t)joining->text_size;
}

/* The order of an old value and one of the draft. */
static int compare_with_old(const struct joining *joining, uint32_t rank,
                            const struct imap_column_value *value)
{
    struct bytes text = imap_column_text(joining->old, rank);
    uint64_t prefix = prefix_of(joining->draft->kind, text);
    if (prefix != value->prefix)
        return prefix < value->prefix ? -1 : 1;
    return bytes_compare(text, text_of(joining->draft, value));
}

static void join_values(struct joining *joining)
{
    const struct imap_column_draft *draft = joining->draft;
    const struct imap_column_value *value = draft->values;
    const struct imap_column_value *end = value + draft->value_count;
    uint32_t old = 0;
    while (old < joining->old->value_count || value < end) {
        int result = value == end                       ? -1
                     : old == joining->old->value_count ? 1
                                                        : compare_with_old(joining, old, value);
        uint32_t rank = joining->made->value_count;
        put_text(joining,
                 result <= 0 ? imap_column_text(joining->old, old) : text_of(draft, value));
        if (result <= 0)
            joining->old_ranks[old++] = rank;
        if (result < 0)
            continue;
        const struct imap_column_value *first = value;
        for (; value < end && value->prefix == first->prefix &&
               bytes_equal(text_of(draft, value), text_of(draft, first));
             value++)
            joining->new_ranks[value->place & ~IMAP_COLUMN_MARK] =
                rank | (value->place & IMAP_COLUMN_MARK);
    }
}

static void join_messages(struct joining *joining)
{
    const struct imap_column *old = joining->old;
    const struct imap_column_draft *draft = joining->draft;
    struct imap_column *made = joining->made;
    uint32_t *rank = made->ranks;
    size_t at = 0;
    size_t new = 0;
    for (size_t i = 0; i < made->count; i++) {
        bool is_old = new == draft->count || (at < old->count && old->uids[at] < draft->uids[new]);
        size_t count;
        if (is_old) {
            const uint32_t *ranks = imap_column_ranks(old, at, &count);
            for (size_t k = 0; k < count; k++)
                *rank++ = joining->old_ranks[ranks[k] & ~IMAP_COLUMN_MARK] |
                          (ranks[k] & IMAP_COLUMN_MARK);
            made->uids[i] = old->uids[at++];
        } else {
            size_t start = new == 0 ? 0 : draft->ends[new - 1];
            count = draft->ends[new] - start;
            memcpy(rank, &joining->new_ranks[start], count * sizeof *rank);
            rank += count;
            made->uids[i] = draft->uids[new ++];
        }
        if (made->ends != NULL)
            made->ends[i] = (uint32_t)(rank - made->ranks);
    }
}

/* Gives back what equal values have left over. */
static void trim(struct joining *joining)
{
    struct imap_column *made = joining->made;
    char *texts = realloc(made->texts, joining->text_size + 1);
    uint32_t *ends = realloc(made->text_ends, ((size_t)made->value_count + 1) * sizeof *ends);
    if (texts != NULL)
        made->texts = texts;
    if (ends != NULL)
        made->text_ends = ends;
    made->size = sizeof *made + joining->text_size +
                 (made->count + rank_count(made) + made->value_count) * sizeof(uint32_t) +
                 (made->ends != NULL ? made->count * sizeof(uint32_t) : 0);
}

struct imap_column *imap_column_join(const struct imap_column *old, struct imap_column_draft *draft,
                                     struct fault *fault)
{
    static const struct imap_column none;
    struct joining joining = {.old = old == NULL ? &none : old, .draft = draft};
    if (!order(draft, fault))
        return NULL;
    joining.made = calloc(1, sizeof *joining.made);
    bool is_done = joining.made == NULL ? fault_set_memory(fault) : allocate(&joining, fault);
    if (is_done) {
        join_values(&joining);
        join_messages(&joining);
        trim(&joining);
    }
    free(joining.old_ranks);
    free(joining.new_ranks);
    if (is_done)
        return joining.made;
    imap_column_free(joining.made);
    return NULL;
}

/* ---- looking ---- */

/* By steps that double, then by halves: near ones and far ones are found quickly. */
bool imap_column_find(const struct imap_column *column, size_t *at, uint32_t uid)
{
    size_t low = *at; /* what is before it is lower */
    size_t step = 1;
    while (low + step <= column->count && column->uids[low + step - 1] < uid) {
        low += step;
        step *= 2;
    }
    size_t high = low + step <= column->count ? low + step - 1 : column->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (column->uids[middle] < uid)
            low = middle + 1;
        else
            high = middle;
    }
    *at = low;
    return low < column->count && column->uids[low] == uid;
}

const uint32_t *imap_column_ranks(const struct imap_column *column, size_t index, size_t *count)
{
    size_t start = column->ends == NULL ? index : index == 0 ? 0 : column->ends[index - 1];
    *count = column->ends == NULL ? 1 : column->ends[index] - start;
    return &column->ranks[start];
}

struct bytes imap_column_text(const struct imap_column *column, uint32_t rank)
{
    size_t start = rank == 0 ? 0 : column->text_ends[rank - 1];
    return bytes_of(column->texts + start, column->text_ends[rank] - start);
}
