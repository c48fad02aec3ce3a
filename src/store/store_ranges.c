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

void store_walk_clear(struct store_walk *walk)
{
    buffer_clear(&walk->firsts);
    buffer_clear(&walk->lasts);
}

void store_walk_begin(struct store_walk *walk, const struct db *db,
                      const struct store_uid_range *ranges, size_t count)
{
    *walk = (struct store_walk){
        .left = ranges,
        .left_count = count,
        .most = db_kind(db) == DB_SQLITE ? 1 : STORE_WALK_RANGES_MAX,
        .firsts = BUFFER(STORE_WALK_TEXT_MAX),
        .lasts = BUFFER(STORE_WALK_TEXT_MAX),
    };
}

static void append_number(struct buffer *list, uint32_t number)
{
    buffer_append_char(list, list->length == 0 ? '{' : ',');
    buffer_append_unsigned(list, number);
}

static bool write_lists(struct store_walk *walk, struct fault *fault)
{
    buffer_reset(&walk->firsts);
    buffer_reset(&walk->lasts);
    for (size_t i = 0; i < walk->count; i++) {
        uint32_t first = walk->ranges[i].first;
        append_number(&walk->firsts, first < walk->from ? walk->from : first);
        append_number(&walk->lasts, walk->ranges[i].last);
    }
    buffer_append_char(&walk->firsts, '}');
    buffer_append_char(&walk->lasts, '}');
    walk->first = db_text(buffer_bytes(&walk->firsts));
    walk->last = db_text(buffer_bytes(&walk->lasts));
    return (!buffer_is_failed(&walk->firsts) && !buffer_is_failed(&walk->lasts)) ||
           fault_set_memory(fault);
}

bool store_walk_next(struct store_walk *walk, bool *is_end, struct fault *fault)
{
    while (walk->left_count > 0 && walk->left->last < walk->from) {
        walk->left++;
        walk->left_count--;
    }
    *is_end = walk->left_count == 0;
    if (*is_end)
        return true;
    walk->ranges = walk->left;
    walk->count = walk->left_count < walk->most ? walk->left_count : walk->most;
    walk->left += walk->count;
    walk->left_count -= walk->count;
    if (walk->most > 1)
        return write_lists(walk, fault);
    uint32_t first = walk->ranges->first;
    walk->first = db_number(first < walk->from ? walk->from : first);
    walk->last = db_number(walk->ranges->last);
    return true;
}

void store_walk_return(struct store_walk *walk, uint32_t uid)
{
    walk->left -= walk->count;
    walk->left_count += walk->count;
    walk->from = uid;
}
