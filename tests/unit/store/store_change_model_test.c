/* Random changes of two mailboxes, beside a model that is simple enough to be right: after each the
 * store is what the model is, and whoever looks on gets there by what changed alone. */
#include "store_change_fixture.h"

#include <stdlib.h>
#include <string.h>

enum {
    STEPS = 400,
    MESSAGES_MAX = 400,
    MAILBOXES = 2,
    WATCHERS = 3, /* of each mailbox */
    NAMES = 4,
    RANGES_MAX = 6,
    LOOK_EVERY = 50 /* steps between two looks at everything */
};

#define LETTER "From: bob@example.net\r\nSubject: hello\r\n\r\nHello, Ann.\r\n"

static const char *const names[NAMES] = {"$Forwarded", "Work", "$Junk", "later"};

/* Flags of the model: system flags, and keyword i as bit 8 + i, whatever bit it is in a mailbox. */
struct entry {
    uint32_t uid;
    uint64_t flags;
    uint64_t modseq;
};

struct list {
    struct entry entries[MESSAGES_MAX];
    size_t count;
    uint64_t modseq;
    uint32_t uidnext;
};

struct play {
    struct store_fixture *fixture;
    uint64_t random;
    int64_t mailboxes[MAILBOXES];
    struct list lists[MAILBOXES];
    struct list watchers[MAILBOXES][WATCHERS]; /* flags with the mailbox's own bits */
};

static uint32_t random_below(struct play *play, uint32_t limit)
{
    play->random ^= play->random << 13;
    play->random ^= play->random >> 7;
    play->random ^= play->random << 17;
    return (uint32_t)(play->random >> 20) % limit;
}

static struct entry *find(struct list *list, uint32_t uid)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->entries[i].uid == uid)
            return &list->entries[i];
    return NULL;
}

static void add(struct list *list, uint32_t uid, uint64_t flags, uint64_t modseq)
{
    assert_true(list->count < MESSAGES_MAX);
    list->entries[list->count++] = (struct entry){uid, flags, modseq};
}

static bool is_in(const struct store_uid_range *ranges, size_t count, uint32_t uid)
{
    for (size_t i = 0; i < count; i++)
        if (uid >= ranges[i].first && uid <= ranges[i].last)
            return true;
    return false;
}

/* Ranges in order that do not meet. */
static size_t make_ranges(struct play *play, const struct list *list,
                          struct store_uid_range *ranges)
{
    uint32_t uid = 1 + random_below(play, list->uidnext / 4 + 2);
    size_t count = 1 + random_below(play, RANGES_MAX);
    for (size_t i = 0; i < count; i++) {
        ranges[i].first = uid;
        ranges[i].last = uid + random_below(play, i == 0 ? 20 : 5);
        uid = ranges[i].last + 1 + random_below(play, 4);
    }
    return count;
}

static uint64_t make_flags(struct play *play, struct bytes *keywords, size_t *count)
{
    uint64_t flags = random_below(play, 32);
    *count = 0;
    for (size_t i = 0; i < NAMES; i++) {
        if (random_below(play, 5) > 0)
            continue;
        keywords[(*count)++] = bytes_from_string(names[i]);
        flags |= (uint64_t)1 << (STORE_KEYWORD_FIRST + i);
    }
    return flags;
}

/* ---- steps ---- */

static void append_one(struct play *play, size_t at)
{
    struct list *list = &play->lists[at];
    const char *keyword = NULL;
    uint64_t flags = random_below(play, 32);
    if (random_below(play, 3) == 0) {
        size_t name = random_below(play, NAMES);
        keyword = names[name];
        flags |= (uint64_t)1 << (STORE_KEYWORD_FIRST + name);
    }
    uint32_t uid = store_change_fixture_put(play->fixture, play->mailboxes[at], LETTER,
                                            (uint32_t)flags & 31, keyword);
    assert_int_equal(uid, list->uidnext);
    add(list, list->uidnext++, flags, ++list->modseq);
}

static void change_flags(struct play *play, size_t at)
{
    struct list *list = &play->lists[at];
    struct store_uid_range ranges[RANGES_MAX];
    struct bytes keywords[NAMES];
    size_t keyword_count;
    uint64_t flags = make_flags(play, keywords, &keyword_count);
    /* Single ones go another way. */
    if (random_below(play, 2) == 0) {
        flags = (uint64_t)1 << random_below(play, 5);
        keyword_count = 0;
    }
    struct store_flag_change change = {
        .mailbox = play->mailboxes[at],
        .ranges = ranges,
        .range_count = make_ranges(play, list, ranges),
        .mode = (enum store_flag_mode)random_below(play, 3),
        .flags = (uint32_t)flags & 31,
        .keywords = keywords,
        .keyword_count = keyword_count,
        .unchanged_since =
            random_below(play, 3) == 0 ? list->modseq - random_below(play, 20) : UINT64_MAX,
    };
    assert_true(store_change_fixture_flags(play->fixture, &change));
    bool is_changed = false;
    for (size_t i = 0; i < list->count; i++) {
        struct entry *entry = &list->entries[i];
        if (!is_in(ranges, change.range_count, entry->uid))
            continue;
        bool is_refused = entry->modseq > change.unchanged_since;
        assert_true(is_refused == is_in(change.refused, change.refused_count, entry->uid));
        uint64_t now = change.mode == STORE_FLAGS_SET      ? flags
                       : change.mode == STORE_FLAGS_REMOVE ? entry->flags & ~flags
                                                           : entry->flags | flags;
        if (is_refused || now == entry->flags)
            continue;
        is_changed = true;
        entry->flags = now;
        entry->modseq = list->modseq + 1;
    }
    list->modseq += is_changed;
    assert_int_equal(change.modseq, is_changed ? list->modseq : 0);
    store_flag_change_clear(&change);
}

static void expunge(struct play *play, size_t at)
{
    struct list *list = &play->lists[at];
    struct store_uid_range ranges[RANGES_MAX];
    struct store_expunge job = {
        .mailbox = play->mailboxes[at],
        .ranges = ranges,
        .range_count = make_ranges(play, list, ranges),
    };
    assert_true(store_change_fixture_expunge(play->fixture, &job));
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct entry *entry = &list->entries[i];
        bool goes =
            is_in(ranges, job.range_count, entry->uid) && (entry->flags & STORE_FLAG_DELETED) != 0;
        assert_true(goes == is_in(job.removed, job.removed_count, entry->uid));
        if (!goes)
            list->entries[kept++] = *entry;
    }
    list->modseq += kept < list->count;
    assert_int_equal(job.modseq, kept < list->count ? list->modseq : 0);
    list->count = kept;
    store_expunge_clear(&job);
}

static void copy(struct play *play, size_t from, size_t to, bool is_move)
{
    struct list *source = &play->lists[from];
    struct list *target = &play->lists[to];
    struct store_uid_range ranges[RANGES_MAX];
    struct store_copy job = {
        .account = play->fixture->account,
        .mailbox = play->mailboxes[from],
        .target = play->mailboxes[to],
        .ranges = ranges,
        .range_count = make_ranges(play, source, ranges),
        .is_move = is_move,
        .now = 5000000,
    };
    assert_true(store_change_fixture_copy(play->fixture, &job));
    uint32_t first = target->uidnext;
    uint64_t modseq = target->modseq + 1;
    size_t count = source->count;
    size_t kept = 0;
    size_t copied = 0;
    struct entry *copies = calloc(MESSAGES_MAX, sizeof(*copies));
    for (size_t i = 0; i < count; i++) {
        struct entry entry = source->entries[i];
        bool goes = is_in(ranges, job.range_count, entry.uid);
        assert_true(goes == is_in(job.copied, job.copied_count, entry.uid));
        if (goes)
            copies[copied++] = entry;
        if (!goes || !is_move)
            source->entries[kept++] = entry;
    }
    source->count = kept;
    assert_int_equal(job.count, copied);
    for (size_t i = 0; i < copied; i++)
        add(target, target->uidnext++, copies[i].flags, modseq);
    free(copies);
    if (copied > 0) {
        assert_int_equal(job.first_uid, first);
        target->modseq = modseq;
        if (is_move && source != target)
            source->modseq++;
        assert_int_equal(job.modseq, is_move ? source->modseq : 0);
    }
    store_copy_clear(&job);
}

/* ---- looking ---- */

static uint64_t translate(const struct store_keywords *keywords, uint64_t flags)
{
    uint64_t translated = flags & 31;
    for (size_t bit = 0; bit < STORE_KEYWORDS_MAX; bit++) {
        if ((flags >> (STORE_KEYWORD_FIRST + bit) & 1) == 0)
            continue;
        size_t name = 0;
        while (name < NAMES && !bytes_equal(keywords->names[bit], bytes_from_string(names[name])))
            name++;
        assert_true(name < NAMES);
        translated |= (uint64_t)1 << (STORE_KEYWORD_FIRST + name);
    }
    return translated;
}

static void compare(struct play *play, size_t at)
{
    const struct list *list = &play->lists[at];
    struct store_change_fixture_view view;
    struct store_keywords keywords;
    struct fault fault;
    store_change_fixture_read(play->fixture, play->mailboxes[at], &view);
    assert_true(store_keywords_read(play->fixture->reader, play->mailboxes[at], &keywords, &fault));
    assert_int_equal(view.count, list->count);
    for (size_t i = 0; i < view.count; i++) {
        assert_int_equal(view.messages[i].uid, list->entries[i].uid);
        assert_int_equal(view.messages[i].modseq, list->entries[i].modseq);
        assert_int_equal(translate(&keywords, view.messages[i].flags), list->entries[i].flags);
    }
    store_keywords_clear(&keywords);
}

static void apply(struct list *watcher, const struct store_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++) {
        const struct store_view_message *message = &changes->messages[i];
        struct entry *entry = find(watcher, message->uid);
        assert_true(i == 0 || changes->messages[i - 1].uid < message->uid);
        assert_true((entry == NULL) == (message->uid >= watcher->uidnext));
        if (entry == NULL)
            add(watcher, message->uid, message->flags, message->modseq);
        else
            *entry = (struct entry){message->uid, message->flags, message->modseq};
    }
    size_t kept = 0;
    for (size_t i = 0; i < watcher->count; i++)
        if (!is_in(changes->vanished.ranges, changes->vanished.count, watcher->entries[i].uid))
            watcher->entries[kept++] = watcher->entries[i];
    watcher->count = kept;
    watcher->modseq = changes->mailbox.modseq;
    watcher->uidnext = changes->mailbox.uidnext;
}

static void look_on(struct play *play, size_t at, struct list *watcher)
{
    const struct list *list = &play->lists[at];
    struct store_changes changes;
    struct fault fault = {0};
    if (!store_changes_read(play->fixture->reader, play->mailboxes[at], watcher->modseq,
                            watcher->uidnext, &changes, &fault))
        fail_msg("%s", fault.message);
    assert_true(changes.is_whole && !changes.is_gone);
    apply(watcher, &changes);
    assert_int_equal(watcher->modseq, list->modseq);
    assert_int_equal(watcher->uidnext, list->uidnext);
    assert_int_equal(watcher->count, list->count);
    assert_int_equal(changes.mailbox.messages, list->count);
    for (size_t i = 0; i < list->count; i++) {
        assert_int_equal(watcher->entries[i].uid, list->entries[i].uid);
        assert_int_equal(watcher->entries[i].modseq, list->entries[i].modseq);
        assert_int_equal(translate(&changes.keywords, watcher->entries[i].flags),
                         list->entries[i].flags);
    }
    store_changes_clear(&changes);
}

static void step(struct play *play)
{
    size_t at = random_below(play, MAILBOXES);
    size_t to = random_below(play, MAILBOXES);
    size_t room = MESSAGES_MAX - play->lists[to].count;
    switch (random_below(play, 8)) {
    case 0:
    case 1:
    case 2:
        if (play->lists[at].count < MESSAGES_MAX / 2)
            append_one(play, at);
        break;
    case 3:
    case 4:
        change_flags(play, at);
        break;
    case 5:
        expunge(play, at);
        break;
    case 6:
        if (room > MESSAGES_MAX / 2)
            copy(play, at, to, false);
        break;
    default:
        if (room > MESSAGES_MAX / 2)
            copy(play, at, to, true);
        break;
    }
}

static void random_changes(void **state)
{
    struct play *play = calloc(1, sizeof(*play));
    assert_non_null(play);
    play->fixture = *state;
    play->random = 0x9e3779b97f4a7c15;
    play->mailboxes[0] = play->fixture->inbox;
    play->mailboxes[1] = store_change_fixture_mailbox(play->fixture, STORE_ROLE_ARCHIVE);
    for (size_t i = 0; i < MAILBOXES; i++) {
        play->lists[i].modseq = play->lists[i].uidnext = 1;
        for (size_t j = 0; j < WATCHERS; j++)
            play->watchers[i][j] = play->lists[i];
    }
    for (int i = 1; i <= STEPS; i++) {
        size_t at = random_below(play, MAILBOXES);
        step(play);
        compare(play, 0);
        compare(play, 1);
        look_on(play, at, &play->watchers[at][random_below(play, WATCHERS)]);
        if (i % LOOK_EVERY == 0)
            store_change_fixture_assert_sound(play->fixture);
    }
    free(play);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(random_changes),
};

STORE_MAIN(tests)
