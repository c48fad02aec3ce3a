/* Ranges of UIDs: gathering, joining, and walking through them. */
#include "store/store_ranges.h"

#include <stdlib.h>

enum {
    FIRST_CAPACITY = 16
};

void store_ranges_clear(struct store_ranges *ranges)
{
    free(ranges->items);
    *ranges = (struct store_ranges){0};
}

bool store_ranges_add(struct store_ranges *ranges, uint32_t first, uint32_t last,
                      struct fault *fault)
{
    struct store_uid_range *before = ranges->count == 0 ? NULL : &ranges->items[ranges->count - 1];
    if (before != NULL && before->last < first && before->last + 1 == first) {
        before->last = last;
        return true;
    }
    if (ranges->count == ranges->capacity) {
        size_t wanted = ranges->capacity == 0 ? FIRST_CAPACITY : ranges->capacity * 2;
        void *grown = reallocarray(ranges->items, wanted, sizeof(*ranges->items));
        if (grown == NULL)
            return fault_set_memory(fault);
        ranges->items = grown;
        ranges->capacity = wanted;
    }
    ranges->items[ranges->count++] = (struct store_uid_range){first, last};
    return true;
}

static int compare_ranges(const void *left, const void *right)
{
    const struct store_uid_range *a = left;
    const struct store_uid_range *b = right;
    return a->first < b->first ? -1 : a->first > b->first;
}

void store_ranges_join(struct store_ranges *ranges)
{
    size_t used = 0;
    if (ranges->count == 0)
        return;
    qsort(ranges->items, ranges->count, sizeof(*ranges->items), compare_ranges);
    for (size_t i = 1; i < ranges->count; i++) {
        struct store_uid_range *end = &ranges->items[used];
        const struct store_uid_range *range = &ranges->items[i];
        if (range->first <= end->last || range->first - 1 == end->last)
            end->last = range->last > end->last ? range->last : end->last;
        else
            ranges->items[++used] = *range;
    }
    ranges->count = used + 1;
}

void store_ranges_widen(struct store_ranges *ranges, size_t most)
{
    if (ranges->count <= most)
        return;
    size_t each = (ranges->count + most - 1) / most;
    size_t used = 0;
    for (size_t i = 0; i < ranges->count; i += each) {
        size_t end = i + each < ranges->count ? i + each : ranges->count;
        ranges->items[used++] =
            (struct store_uid_range){ranges->items[i].first, ranges->items[end - 1].last};
    }
    ranges->count = used;
}

/* The index of the first range that does not end before `uid`. */
static size_t find(const struct store_uid_range *ranges, size_t count, uint32_t uid)
{
    size_t low = 0;
    while (low < count) {
        size_t middle = low + (count - low) / 2;
        if (ranges[middle].last < uid)
            low = middle + 1;
        else
            count = middle;
    }
    return low;
}

bool store_ranges_add_within(struct store_ranges *ranges, uint32_t first, uint32_t last,
                             const struct store_uid_range *within, size_t within_count,
                             struct fault *fault)
{
    for (size_t i = find(within, within_count, first); i < within_count; i++) {
        if (within[i].first > last)
            break;
        uint32_t from = within[i].first > first ? within[i].first : first;
        uint32_t to = within[i].last < last ? within[i].last : last;
        if (!store_ranges_add(ranges, from, to, fault))
            return false;
    }
    return true;
}

void store_ranges_walk_clear(struct store_ranges_walk *walk)
{
    buffer_clear(&walk->firsts);
    buffer_clear(&walk->lasts);
}

void store_ranges_walk_begin(struct store_ranges_walk *walk, const struct db *db,
                             const struct store_uid_range *ranges, size_t count)
{
    *walk = (struct store_ranges_walk){
        .left = ranges,
        .left_count = count,
        .is_in_lists = db_kind(db) == DB_POSTGRES,
        .firsts = BUFFER(STORE_WALK_TEXT_MAX),
        .lasts = BUFFER(STORE_WALK_TEXT_MAX),
    };
}

void store_ranges_walk_begin_reading(struct store_ranges_walk *walk, const struct db *db,
                                     const struct store_uid_range *ranges, size_t count)
{
    store_ranges_walk_begin(walk, db, ranges, count);
    walk->is_reading = true;
}

static uint32_t first_of(const struct store_ranges_walk *walk, const struct store_uid_range *range)
{
    return range->first < walk->from ? walk->from : range->first;
}

/* Whether the range behind the step's may belong to it. */
static bool takes(const struct store_ranges_walk *walk, uint64_t named)
{
    const struct store_uid_range *range = &walk->left[walk->count];
    if (walk->count == walk->left_count || walk->count == STORE_WALK_RANGES_MAX)
        return false;
    if (walk->is_in_lists)
        return named + (range->last - range->first) < STORE_WALK_UIDS_MAX;
    /* SQLite reads from the first to the last, which pays while they lie close together. */
    return walk->is_reading && range->last - first_of(walk, walk->left) <
                                   STORE_WALK_SPARSE * (named + range->last - range->first);
}

static void append_number(struct buffer *list, uint32_t number)
{
    buffer_append_char(list, list->length == 0 ? '{' : ',');
    buffer_append_unsigned(list, number);
}

static bool write_lists(struct store_ranges_walk *walk, struct fault *fault)
{
    buffer_reset(&walk->firsts);
    buffer_reset(&walk->lasts);
    for (size_t i = 0; i < walk->count; i++) {
        append_number(&walk->firsts, first_of(walk, &walk->ranges[i]));
        append_number(&walk->lasts, walk->ranges[i].last);
    }
    buffer_append_char(&walk->firsts, '}');
    buffer_append_char(&walk->lasts, '}');
    walk->first = db_text(buffer_bytes(&walk->firsts));
    walk->last = db_text(buffer_bytes(&walk->lasts));
    return (!buffer_is_failed(&walk->firsts) && !buffer_is_failed(&walk->lasts)) ||
           fault_set_memory(fault);
}

bool store_ranges_walk_next(struct store_ranges_walk *walk, bool *is_end, struct fault *fault)
{
    while (walk->left_count > 0 && walk->left->last < walk->from) {
        walk->left++;
        walk->left_count--;
    }
    *is_end = walk->left_count == 0;
    if (*is_end)
        return true;
    uint64_t named = 0;
    walk->ranges = walk->left;
    walk->count = 0;
    walk->at = SIZE_MAX;
    do {
        const struct store_uid_range *range = &walk->left[walk->count++];
        named += (uint64_t)range->last - first_of(walk, range) + 1;
    } while (takes(walk, named));
    walk->left += walk->count;
    walk->left_count -= walk->count;
    if (walk->is_in_lists)
        return write_lists(walk, fault);
    walk->first = db_number(first_of(walk, walk->ranges));
    walk->last = db_number(walk->ranges[walk->count - 1].last);
    return true;
}

bool store_ranges_walk_has(struct store_ranges_walk *walk, uint32_t uid, bool *is_other)
{
    size_t before = walk->at;
    if (walk->at == SIZE_MAX)
        walk->at = 0;
    while (walk->at < walk->count && walk->ranges[walk->at].last < uid)
        walk->at++;
    *is_other = walk->at != before;
    return walk->at < walk->count && walk->ranges[walk->at].first <= uid;
}

void store_ranges_walk_return(struct store_ranges_walk *walk, uint32_t uid)
{
    walk->left -= walk->count;
    walk->left_count += walk->count;
    walk->from = uid < UINT32_MAX ? uid + 1 : UINT32_MAX;
    /* Nothing is behind the last of all. */
    if (uid == UINT32_MAX)
        walk->left_count = 0;
}
