/* The messages of the view: what comes, what changes, what goes. What the client is told of it is
 * in imap_view_tell.c. */
#include "session/imap_view.h"

#include <stdlib.h>

#include "store/store_change.h"

void imap_view_init(struct imap_view *view)
{
    *view = (struct imap_view){.uidnext = 1};
}

void imap_view_clear(struct imap_view *view)
{
    if (view == NULL)
        return;
    free(view->messages);
    store_keywords_clear(&view->keywords);
    imap_view_init(view);
}

/* ---- memory ---- */

static bool set_capacity(struct imap_view *view, size_t capacity, struct fault *fault)
{
    if (capacity > IMAP_VIEW_MESSAGES_MAX)
        return fault_set(fault, FAULT_LIMIT, "too many messages in a mailbox");
    struct imap_view_message *messages = realloc(view->messages, capacity * sizeof *view->messages);
    if (messages == NULL)
        return fault_set_memory(fault);
    view->messages = messages;
    view->capacity = capacity;
    return true;
}

bool imap_view_reserve(struct imap_view *view, size_t count, struct fault *fault)
{
    return count <= view->capacity || set_capacity(view, count, fault);
}

/* A mailbox that grows grows a little at a time: most views are idle. */
static bool make_room(struct imap_view *view, size_t count, struct fault *fault)
{
    if (count <= view->capacity)
        return true;
    size_t capacity = view->capacity + view->capacity / 16 + 4;
    return set_capacity(view, capacity > count ? capacity : count, fault);
}

/* ---- modseqs ---- */

/* Above the base in 32 bits. When they are used up the base is raised: what lies below is then told
   as the base, which is later than it was and so makes nobody miss anything. */
static uint32_t modseq_above(struct imap_view *view, uint64_t modseq)
{
    if (modseq < view->modseq_base)
        return 0;
    uint64_t above = modseq - view->modseq_base;
    if (above <= UINT32_MAX)
        return (uint32_t)above;
    uint64_t raised = above - UINT32_MAX / 2;
    for (size_t i = 0; i < view->count; i++) {
        uint32_t *kept = &view->messages[i].modseq_above;
        *kept = *kept > raised ? (uint32_t)(*kept - raised) : 0;
    }
    view->modseq_base += raised;
    return (uint32_t)(modseq - view->modseq_base);
}

/* ---- single messages ---- */

static void append(struct imap_view *view, const struct store_view_message *message)
{
    assert(view->count < view->capacity);
    assert(view->count == 0 || view->messages[view->count - 1].uid < message->uid);
    bool is_recent = view->recent_from != 0 && message->uid >= view->recent_from;
    uint32_t above = modseq_above(view, message->modseq);
    view->messages[view->count++] = (struct imap_view_message){
        .uid = message->uid,
        .modseq_above = above,
        .flags = (message->flags & IMAP_VIEW_STORED) | (is_recent ? IMAP_VIEW_RECENT : 0)};
    view->recent += is_recent;
}

bool imap_view_add(struct imap_view *view, const struct store_view_message *message,
                   struct fault *fault)
{
    if (!make_room(view, view->count + 1, fault))
        return false;
    append(view, message);
    return true;
}

void imap_view_tell_all(struct imap_view *view)
{
    view->told = view->count;
}

static bool has_to_be_told(const struct imap_view_message *message)
{
    return (message->flags & (IMAP_VIEW_UNTOLD | IMAP_VIEW_SILENT)) != 0;
}

/* `bit`: IMAP_VIEW_UNTOLD or IMAP_VIEW_SILENT. */
static void mark(struct imap_view *view, size_t index, uint64_t bit)
{
    struct imap_view_message *message = &view->messages[index];
    if (index >= view->told || (message->flags & IMAP_VIEW_GONE) != 0)
        return;
    if (!has_to_be_told(message)) {
        view->untold++;
        if (view->untold == 1 || index < view->untold_from)
            view->untold_from = index;
    }
    message->flags |= bit;
}

static void mark_gone(struct imap_view *view, struct imap_view_message *message)
{
    if ((message->flags & IMAP_VIEW_GONE) != 0)
        return;
    view->untold -= has_to_be_told(message);
    view->recent -= (message->flags & IMAP_VIEW_RECENT) != 0;
    message->flags &= ~(IMAP_VIEW_UNTOLD | IMAP_VIEW_SILENT | IMAP_VIEW_RECENT);
    message->flags |= IMAP_VIEW_GONE;
    view->gone++;
}

/* Those the client has never heard of go without a word. */
static void drop_unknown(struct imap_view *view)
{
    size_t kept = view->told;
    for (size_t i = view->told; i < view->count; i++)
        if ((view->messages[i].flags & IMAP_VIEW_GONE) == 0)
            view->messages[kept++] = view->messages[i];
    view->gone -= view->count - kept;
    view->count = kept;
}

static void remove_ranges(struct imap_view *view, const struct store_uid_range *ranges,
                          size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t at = imap_view_find(view, ranges[i].first);
             at < view->count && view->messages[at].uid <= ranges[i].last; at++)
            mark_gone(view, &view->messages[at]);
    drop_unknown(view);
}

/* What a reading of the store says of a message that the view has. Older news than ours is none. */
static void take_over(struct imap_view *view, size_t index,
                      const struct store_view_message *message)
{
    struct imap_view_message *ours = &view->messages[index];
    uint64_t before = imap_view_modseq_of(view, ours);
    if ((ours->flags & IMAP_VIEW_GONE) != 0 || message->modseq < before)
        return;
    uint64_t flags = message->flags & IMAP_VIEW_STORED;
    bool has_other_flags = (ours->flags & IMAP_VIEW_STORED) != flags;
    if (!has_other_flags && message->modseq == before)
        return;
    uint32_t above = modseq_above(view, message->modseq);
    ours->modseq_above = above;
    ours->flags = (ours->flags & ~IMAP_VIEW_STORED) | flags;
    mark(view, index, has_other_flags ? IMAP_VIEW_UNTOLD : IMAP_VIEW_SILENT);
}

/* ---- what happened ---- */

static bool are_same_keywords(const struct store_keywords *left, const struct store_keywords *right)
{
    if (left->count != right->count)
        return false;
    for (size_t i = 0; i < left->count; i++)
        if (!bytes_equal(left->names[i], right->names[i]))
            return false;
    return true;
}

bool imap_view_set_keywords(struct imap_view *view, const struct store_keywords *keywords,
                            struct fault *fault)
{
    if (are_same_keywords(&view->keywords, keywords))
        return true;
    size_t size = 0;
    for (size_t i = 0; i < keywords->count; i++)
        size += keywords->names[i].length;
    char *memory = malloc(size + 1);
    if (memory == NULL)
        return fault_set_memory(fault);
    struct store_keywords copy = {.count = keywords->count, .memory = memory};
    for (size_t i = 0; i < keywords->count; i++) {
        struct bytes name = keywords->names[i];
        if (name.length > 0)
            memcpy(memory, name.data, name.length);
        copy.names[i] = bytes_of(memory, name.length);
        memory += name.length;
    }
    store_keywords_clear(&view->keywords);
    view->keywords = copy;
    view->has_untold_keywords = true;
    return true;
}

static size_t count_new(const struct imap_view *view, const struct store_changes *changes)
{
    uint32_t last = view->count == 0 ? 0 : view->messages[view->count - 1].uid;
    size_t known = 0;
    for (size_t i = 0; i < changes->count && changes->messages[i].uid <= last; i++)
        known++;
    return changes->count - known;
}

bool imap_view_apply(struct imap_view *view, const struct store_changes *changes,
                     struct fault *fault)
{
    size_t added = count_new(view, changes);
    if ((added > 0 && !make_room(view, view->count + added, fault)) ||
        !imap_view_set_keywords(view, &changes->keywords, fault))
        return false;
    size_t known = changes->count - added;
    size_t at = 0;
    for (size_t i = 0; i < known; i++) {
        uint32_t uid = changes->messages[i].uid;
        if (at < view->count && view->messages[at].uid < uid)
            at = imap_view_find(view, uid);
        if (at < view->count && view->messages[at].uid == uid)
            take_over(view, at, &changes->messages[i]);
    }
    for (size_t i = known; i < changes->count; i++)
        append(view, &changes->messages[i]);
    remove_ranges(view, changes->vanished.ranges, changes->vanished.count);
    if (changes->mailbox.modseq > view->modseq)
        view->modseq = changes->mailbox.modseq;
    if (changes->mailbox.uidnext > view->uidnext)
        view->uidnext = changes->mailbox.uidnext;
    return true;
}

/* ---- our own changes ---- */

static uint64_t change_bits(uint64_t flags, int mode, uint64_t bits)
{
    uint64_t stored = flags & IMAP_VIEW_STORED;
    switch ((enum store_flag_mode)mode) {
    case STORE_FLAGS_SET:
        stored = bits;
        break;
    case STORE_FLAGS_ADD:
        stored |= bits;
        break;
    case STORE_FLAGS_REMOVE:
        stored &= ~bits;
        break;
    }
    return (flags & ~IMAP_VIEW_STORED) | (stored & IMAP_VIEW_STORED);
}

/* The view is up to date with the modseq if it was with the one before. */
static void take_modseq(struct imap_view *view, uint64_t modseq)
{
    if (modseq == view->modseq + 1)
        view->modseq = modseq;
}

/* One message of those. */
static void set_flags(struct imap_view *view, size_t index, uint64_t flags, uint64_t modseq)
{
    struct imap_view_message *message = &view->messages[index];
    if (flags == message->flags)
        return;
    uint32_t above = modseq_above(view, modseq);
    message->modseq_above = above;
    message->flags = flags;
    mark(view, index, IMAP_VIEW_SILENT);
}

void imap_view_set_flags(struct imap_view *view, const struct imap_range *numbers, size_t count,
                         int mode, uint64_t bits, uint64_t modseq, bool is_silent,
                         const struct store_uid_range *refused, size_t refused_count)
{
    bool is_exact = modseq == view->modseq + 1;
    size_t refusal = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t at = numbers[i].first - 1; at < numbers[i].last; at++) {
            const struct imap_view_message *message = &view->messages[at];
            while (refusal < refused_count && refused[refusal].last < message->uid)
                refusal++;
            if ((message->flags & IMAP_VIEW_GONE) != 0 ||
                (refusal < refused_count && refused[refusal].first <= message->uid))
                continue;
            if (is_exact)
                set_flags(view, at, change_bits(message->flags, mode, bits), modseq);
            if (!is_silent)
                mark(view, at, IMAP_VIEW_UNTOLD);
        }
    take_modseq(view, modseq);
}

void imap_view_tell_again(struct imap_view *view, const struct imap_range *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        for (size_t at = numbers[i].first - 1; at < numbers[i].last; at++)
            if ((view->messages[at].flags & IMAP_VIEW_GONE) == 0)
                mark(view, at, IMAP_VIEW_UNTOLD);
}

void imap_view_remove(struct imap_view *view, const struct store_uid_range *uids, size_t count,
                      uint64_t modseq)
{
    remove_ranges(view, uids, count);
    take_modseq(view, modseq);
}

/* ---- a mailbox as it once was ---- */

/* UIDs of the ranges that the view does not have, at most `missing`. */
static size_t choose_gone(const struct imap_view *view, const struct store_uid_range *ranges,
                          size_t count, uint32_t *uids, size_t missing)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count && chosen < missing; i++) {
        size_t at = imap_view_find(view, ranges[i].first);
        for (uint64_t uid = ranges[i].first; uid <= ranges[i].last && chosen < missing; uid++) {
            if (at < view->count && view->messages[at].uid == uid)
                at++;
            else
                uids[chosen++] = (uint32_t)uid;
        }
    }
    return chosen;
}

bool imap_view_add_gone(struct imap_view *view, const struct store_uid_range *ranges, size_t count,
                        size_t missing, struct fault *fault)
{
    uint32_t *uids = malloc((missing + 1) * sizeof *uids);
    if (uids == NULL)
        return fault_set_memory(fault);
    bool is_done = imap_view_reserve(view, view->count + missing, fault);
    if (is_done && choose_gone(view, ranges, count, uids, missing) < missing)
        is_done = fault_set(fault, FAULT_BUG, "a mailbox has fewer messages than it says");
    if (is_done) {
        struct imap_view_message *messages = view->messages;
        size_t row = view->count;
        size_t gone = missing;
        for (size_t to = row + gone; gone > 0; to--) {
            if (row > 0 && messages[row - 1].uid > uids[gone - 1])
                messages[to - 1] = messages[--row];
            else
                messages[to - 1] =
                    (struct imap_view_message){.uid = uids[--gone], .flags = IMAP_VIEW_GONE};
        }
        view->count += missing;
        view->gone += missing;
    }
    free(uids);
    return is_done;
}

/* ---- finding ---- */

size_t imap_view_find(const struct imap_view *view, uint32_t uid)
{
    size_t low = 0;
    size_t high = view->count;
    if (high > 0 && view->messages[high - 1].uid < uid)
        return high;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (view->messages[middle].uid < uid)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* "*" among UIDs: the last message that is there (RFC 9051 9, seq-number). */
static uint32_t largest_uid(const struct imap_view *view)
{
    for (size_t i = view->told; i > 0; i--)
        if ((view->messages[i - 1].flags & IMAP_VIEW_GONE) == 0)
            return view->messages[i - 1].uid;
    return 0;
}

static size_t numbers_of_uids(const struct imap_view *view, struct imap_range *ranges, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        size_t first = imap_view_find(view, ranges[i].first);
        size_t behind =
            ranges[i].last == UINT32_MAX ? view->count : imap_view_find(view, ranges[i].last + 1);
        if (behind > view->told)
            behind = view->told;
        if (first >= behind)
            continue;
        if (kept > 0 && ranges[kept - 1].last == first)
            ranges[kept - 1].last = (uint32_t)behind;
        else
            ranges[kept++] = (struct imap_range){(uint32_t)first + 1, (uint32_t)behind};
    }
    return kept;
}

bool imap_view_resolve(const struct imap_view *view, const struct imap_sequence *sequence,
                       bool is_uid, struct arena *arena, struct imap_range **numbers, size_t *count,
                       struct fault *fault)
{
    uint32_t largest = is_uid ? largest_uid(view) : (uint32_t)view->told;
    /* RFC 9051 9: a number past the last is BAD, and so is any in an empty mailbox. */
    if (!is_uid)
        for (size_t i = 0; i < sequence->count; i++)
            if (largest == 0 || sequence->ranges[i].first > largest ||
                sequence->ranges[i].last > largest)
                return fault_set(fault, FAULT_SYNTAX, "No message has this number");
    struct imap_range *ranges = arena_allocate_array(arena, sequence->count, sizeof *ranges);
    if (ranges == NULL)
        return fault_set_memory(fault);
    *count = imap_sequence_order(sequence->ranges, sequence->count, largest, ranges);
    if (is_uid)
        *count = numbers_of_uids(view, ranges, *count);
    *numbers = ranges;
    return true;
}

/* Of `count` pairs that begin with these two and go up by one each. UIDs grow at least as fast as
   numbers, so those that are too low stand before those that are too high. */
static uint32_t match_run(const struct imap_view *view, uint64_t number, uint64_t uid,
                          uint64_t count)
{
    uint64_t low = 0;
    uint64_t high = number > view->told ? 0 : view->told - number + 1;
    if (high > count)
        high = count;
    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        if (view->messages[number - 1 + middle].uid <= uid + middle)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_match = low > 0 && view->messages[number - 2 + low].uid == uid + low - 1;
    return is_match ? (uint32_t)(uid + low - 1) : 0;
}

uint32_t imap_view_match(const struct imap_view *view, const struct imap_sequence *numbers,
                         const struct imap_sequence *uids)
{
    uint32_t highest = 0;
    uint64_t skipped[2] = {0, 0}; /* of the ranges in hand */
    size_t i = 0;
    size_t j = 0;
    while (i < numbers->count && j < uids->count) {
        const struct imap_range *left = &numbers->ranges[i];
        const struct imap_range *right = &uids->ranges[j];
        /* RFC 7162 3.2.5.2: both go up. */
        if (left->first > left->last || right->first > right->last)
            break;
        uint64_t number = left->first + skipped[0];
        uint64_t uid = right->first + skipped[1];
        uint64_t count = left->last - number + 1;
        if (count > right->last - uid + 1)
            count = right->last - uid + 1;
        uint32_t matched = match_run(view, number, uid, count);
        highest = matched > highest ? matched : highest;
        skipped[0] = number + count > left->last ? 0 : skipped[0] + count;
        skipped[1] = uid + count > right->last ? 0 : skipped[1] + count;
        i += skipped[0] == 0;
        j += skipped[1] == 0;
    }
    return highest;
}

/* Counts, and with `ranges` fills. */
static size_t walk_uids(const struct imap_view *view, const struct imap_range *numbers,
                        size_t count, struct store_uid_range *ranges)
{
    size_t made = 0;
    size_t follower = SIZE_MAX; /* the index that would continue the last range */
    for (size_t i = 0; i < count; i++)
        for (size_t at = numbers[i].first - 1; at < numbers[i].last; at++) {
            const struct imap_view_message *message = &view->messages[at];
            if ((message->flags & IMAP_VIEW_GONE) != 0)
                continue;
            if (at != follower)
                made++;
            if (ranges != NULL) {
                if (at != follower)
                    ranges[made - 1].first = message->uid;
                ranges[made - 1].last = message->uid;
            }
            follower = at + 1;
        }
    return made;
}

bool imap_view_uid_ranges(const struct imap_view *view, const struct imap_range *numbers,
                          size_t count, struct store_uid_range **ranges, size_t *range_count,
                          struct fault *fault)
{
    size_t needed = walk_uids(view, numbers, count, NULL);
    struct store_uid_range *made = malloc((needed + 1) * sizeof *made);
    if (made == NULL)
        return fault_set_memory(fault);
    walk_uids(view, numbers, count, made);
    *ranges = made;
    *range_count = needed;
    return true;
}
