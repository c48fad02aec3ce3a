/* The view of a mailbox: what it takes in and what it tells, by hand and at random against a client
 * that knows only what it was told. */
#include "session/imap_view.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "failing_allocation.h"
#include "store/store_change.h"
#include "store/store_delivery.h"

enum {
    OUTPUT_MAX = 1024 * 1024,
    PLENTY = 64 * 1024,
    RUNS = 400,
    TURNS = 120,
    MESSAGES_MAX = 400
};

static const struct imap_view_telling everything = {.allows_expunge = true, .has_recent = true};

static void add(struct imap_view *view, uint32_t uid, uint64_t flags, uint64_t modseq)
{
    const struct store_view_message message = {uid, flags, modseq};
    assert_true(imap_view_add(view, &message, NULL));
}

/* Messages with the UIDs 10, 20, ... */
static struct imap_view make_view(uint32_t count)
{
    struct imap_view view;
    imap_view_init(&view);
    for (uint32_t i = 1; i <= count; i++)
        add(&view, i * 10, 0, i);
    imap_view_tell_all(&view);
    view.modseq = count;
    view.uidnext = count * 10 + 1;
    return view;
}

static void expect_told(struct imap_view *view, const struct imap_view_telling *how,
                        const char *expected)
{
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    assert_true(imap_view_tell(view, how, &out, PLENTY));
    assert_string_equal(buffer_string(&out), expected);
}

/* ---- by hand ---- */

static void tells_numbers_that_shrink(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(5);
    const struct store_uid_range gone[] = {{20, 30}, {50, 50}};
    imap_view_remove(&view, gone, 2, 6);
    assert_int_equal(view.modseq, 6);
    assert_int_equal(view.count, 5);
    assert_true(imap_view_tell_has_news(&view, true));
    assert_false(imap_view_tell_has_news(&view, false));
    expect_told(&view, &(struct imap_view_telling){0}, "");
    expect_told(&view, &everything, "* 2 EXPUNGE\r\n* 2 EXPUNGE\r\n* 3 EXPUNGE\r\n");
    assert_int_equal(view.count, 2);
    assert_int_equal(view.messages[1].uid, 40);
    assert_false(imap_view_tell_has_news(&view, true));
}

static void tells_uids_where_they_are_wanted(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(5);
    const struct store_uid_range gone[] = {{20, 30}, {50, 50}};
    imap_view_remove(&view, gone, 2, 6);
    const struct imap_view_telling how = {.allows_expunge = true, .wants_vanished = true};
    expect_told(&view, &how, "* VANISHED 20,30,50\r\n");
}

static void keeps_numbers_while_expunges_wait(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(3);
    const struct store_uid_range gone = {10, 10};
    imap_view_remove(&view, &gone, 1, 4);
    add(&view, 40, 0, 5);
    const struct imap_range all = {3, 3};
    imap_view_set_flags(&view, &all, 1, STORE_FLAGS_ADD, STORE_FLAG_SEEN, 5, false, NULL, 0);
    expect_told(&view, &(struct imap_view_telling){.wants_uid = true},
                "* 4 EXISTS\r\n* 3 FETCH (UID 30 FLAGS (\\Seen))\r\n");
    expect_told(&view, &everything, "* 1 EXPUNGE\r\n");
}

static void forgets_who_was_never_known(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1);
    add(&view, 20, 0, 2);
    add(&view, 30, 0, 3);
    const struct store_uid_range gone = {20, 20};
    imap_view_remove(&view, &gone, 1, 4);
    assert_int_equal(view.count, 2);
    expect_told(&view, &everything, "* 2 EXISTS\r\n* 0 RECENT\r\n");
}

static void silence_is_broken_for_modseqs_only(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(2);
    const struct imap_range both = {1, 2};
    imap_view_set_flags(&view, &both, 1, STORE_FLAGS_SET, STORE_FLAG_DELETED, 3, true, NULL, 0);
    assert_int_equal(view.modseq, 3);
    expect_told(&view, &everything, "");
    imap_view_set_flags(&view, &both, 1, STORE_FLAGS_REMOVE, STORE_FLAG_DELETED, 4, true, NULL, 0);
    expect_told(&view, &(struct imap_view_telling){.wants_modseq = true},
                "* 1 FETCH (MODSEQ (4))\r\n* 2 FETCH (MODSEQ (4))\r\n");
}

static void refused_messages_stay_as_they_are(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(3);
    const struct imap_range all = {1, 3};
    const struct store_uid_range refused = {15, 25};
    imap_view_set_flags(&view, &all, 1, STORE_FLAGS_ADD, STORE_FLAG_FLAGGED, 4, false, &refused, 1);
    expect_told(&view, &everything,
                "* 1 FETCH (FLAGS (\\Flagged))\r\n* 3 FETCH (FLAGS (\\Flagged))\r\n");
}

/* RFC 3501 6.4.6: who stores a flag is told of it, though it was there. */
static void flags_that_were_there_are_told(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1);
    const struct imap_range one = {1, 1};
    imap_view_set_flags(&view, &one, 1, STORE_FLAGS_REMOVE, STORE_FLAG_SEEN, 0, false, NULL, 0);
    assert_int_equal(view.modseq, 1);
    expect_told(&view, &everything, "* 1 FETCH (FLAGS ())\r\n");
}

static void recent_ones_are_counted(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1);
    view.recent_from = 11;
    add(&view, 20, STORE_FLAG_SEEN, 2);
    expect_told(&view, &everything, "* 2 EXISTS\r\n* 1 RECENT\r\n");
    const struct imap_range one = {2, 2};
    imap_view_set_flags(&view, &one, 1, STORE_FLAGS_SET, 0, 2, false, NULL, 0);
    expect_told(&view, &everything, "* 2 FETCH (FLAGS (\\Recent))\r\n");
    const struct store_uid_range gone = {20, 20};
    imap_view_remove(&view, &gone, 1, 4);
    assert_int_equal(view.recent, 0);
}

static void keywords_are_told_when_they_change(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1);
    struct store_keywords keywords = {.names = {BYTES("$Junk"), BYTES(""), BYTES("todo")},
                                      .count = 3};
    assert_true(imap_view_set_keywords(&view, &keywords, NULL));
    expect_told(&view, &everything,
                "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk todo)\r\n"
                "* OK [PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Junk todo "
                "\\*)] Flags that are kept\r\n");
    assert_true(imap_view_set_keywords(&view, &keywords, NULL));
    assert_false(imap_view_tell_has_news(&view, true));
}

/* RFC 9051 7.1: without "\*" no new keyword can be made. */
static void a_full_set_of_keywords_has_no_star(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1);
    struct store_keywords keywords = {.count = STORE_KEYWORDS_MAX};
    char names[STORE_KEYWORDS_MAX][8];
    for (int i = 0; i < STORE_KEYWORDS_MAX; i++) {
        snprintf(names[i], sizeof(names[i]), "k%d", i);
        keywords.names[i] = bytes_from_string(names[i]);
    }
    assert_true(imap_view_set_keywords(&view, &keywords, NULL));
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    imap_view_tell_flags(&view, false, &out);
    assert_null(strstr(buffer_string(&out), "\\*"));
    buffer_reset(&out);
    imap_view_tell_flags(&view, true, &out);
    assert_non_null(strstr(buffer_string(&out), "[PERMANENTFLAGS ()]"));
}

static void stops_where_it_is_full(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1000);
    const struct imap_range all = {1, 1000};
    const struct store_uid_range gone[] = {{10, 5000}, {9000, 9500}};
    imap_view_set_flags(&view, &all, 1, STORE_FLAGS_ADD, STORE_FLAG_SEEN, 1001, false, NULL, 0);
    imap_view_remove(&view, gone, 2, 1002);
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    unsigned expunges = 0;
    unsigned fetches = 0;
    for (bool is_done = false; !is_done;) {
        is_done = imap_view_tell(&view, &everything, &out, 300);
        assert_true(out.length < 400);
        for (const char *at = buffer_string(&out); (at = strchr(at, '\n')) != NULL; at++)
            assert_int_equal(at[-1], '\r');
        const char *text = buffer_string(&out);
        for (const char *at = text; (at = strstr(at, "EXPUNGE")) != NULL; at++)
            expunges++;
        for (const char *at = text; (at = strstr(at, "FETCH")) != NULL; at++)
            fetches++;
        buffer_reset(&out);
    }
    assert_int_equal(expunges, 551);
    assert_int_equal(fetches, 449);
    assert_int_equal(view.count, 449);
}

static void vanished_stops_where_it_is_full(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1000);
    const struct store_uid_range gone = {1, 10000};
    imap_view_remove(&view, &gone, 1, 1001);
    const struct imap_view_telling how = {.allows_expunge = true, .wants_vanished = true};
    AUTO(buffer)
    out = BUFFER(OUTPUT_MAX);
    unsigned lines = 0;
    while (!imap_view_tell(&view, &how, &out, 300)) {
        assert_true(out.length < 400);
        assert_int_equal(memcmp(buffer_string(&out), "* VANISHED ", 11), 0);
        assert_int_equal(imap_view_tell(&view, &how, &out, 300), false);
        buffer_reset(&out);
        lines++;
    }
    assert_true(lines > 10);
    assert_int_equal(view.count, 0);
}

/* ---- sets ---- */

static void expect_numbers(const struct imap_view *view, const char *set, bool is_uid,
                           const char *expected)
{
    AUTO(arena)
    arena = ARENA(65536);
    AUTO(buffer)
    out = BUFFER(65536);
    struct imap_sequence sequence;
    struct fault fault = {0};
    struct imap_range *numbers = NULL;
    size_t count = 0;
    assert_true(imap_sequence_parse(bytes_from_string(set), &arena, &sequence, &fault));
    if (!imap_view_resolve(view, &sequence, is_uid, &arena, &numbers, &count, &fault)) {
        assert_int_equal(fault.kind, FAULT_SYNTAX);
        assert_null(expected);
        return;
    }
    assert_non_null(expected);
    imap_sequence_write(numbers, count, &out);
    assert_string_equal(buffer_string(&out), expected);
}

static void sets_mean_what_the_client_knows(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(4);
    AUTO(imap_view)
    empty = make_view(0);
    expect_numbers(&view, "1:*", false, "1:4");
    expect_numbers(&view, "4:2,1", false, "1:4");
    expect_numbers(&view, "5", false, NULL);
    expect_numbers(&view, "3:5", false, NULL);
    expect_numbers(&view, "1:15,31:*", true, "1,4");
    expect_numbers(&view, "99:*", true, "4");
    expect_numbers(&view, "1:9,41:4294967295", true, "");
    expect_numbers(&view, "1:4294967295", true, "1:4");
    expect_numbers(&empty, "*", false, NULL);
    expect_numbers(&empty, "1:*", true, "");
    add(&view, 50, 0, 5);
    expect_numbers(&view, "50", true, "");
    expect_numbers(&view, "99:*", true, "4");
    const struct store_uid_range gone[] = {{20, 20}, {40, 40}};
    imap_view_remove(&view, gone, 2, 6);
    expect_numbers(&view, "99:*", true, "3:4");
    expect_numbers(&view, "*", true, "3");
}

static void expect_match(const struct imap_view *view, const char *numbers, const char *uids,
                         uint32_t expected)
{
    AUTO(arena)
    arena = ARENA(65536);
    struct imap_sequence left;
    struct imap_sequence right;
    assert_true(imap_sequence_parse(bytes_from_string(numbers), &arena, &left, NULL));
    assert_true(imap_sequence_parse(bytes_from_string(uids), &arena, &right, NULL));
    assert_int_equal(imap_view_match(view, &left, &right), expected);
}

/* RFC 7162 3.2.5.2 */
static void pairs_show_how_much_a_client_knows(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(5);
    AUTO(imap_view)
    dense = make_view(0);
    const uint32_t uids[] = {1, 2, 4, 5, 6, 9};
    for (size_t i = 0; i < sizeof uids / sizeof uids[0]; i++)
        add(&dense, uids[i], 0, i + 1);
    imap_view_tell_all(&dense);
    const struct imap_sequence none = {0};
    assert_int_equal(imap_view_match(&view, &none, &none), 0);
    expect_match(&view, "1:3", "10,20,30", 30);
    expect_match(&view, "2,4", "20,41", 20);
    expect_match(&view, "2,4", "21,40", 40);
    expect_match(&view, "1:5", "10:14", 10);
    expect_match(&view, "6", "60", 0);
    expect_match(&view, "4294967295", "4294967295", 0);
    expect_match(&view, "5:4294967295", "50:4294967295", 50);
    expect_match(&view, "1,2", "10", 10);
    expect_match(&view, "5", "50,60", 50);
    expect_match(&dense, "1:6", "1:6", 2);
    expect_match(&dense, "1:5", "1:2,4:6", 6);
    expect_match(&dense, "1:6", "1:2,4:7", 6);
    expect_match(&dense, "3,4:6", "3,5:7", 6);
    expect_match(&dense, "3:6", "3:6", 0);
    /* RFC 7162 asks for ascending order. */
    expect_match(&dense, "6:1", "9,6,5,4,2,1", 0);
}

static void ranges_of_uids_hold_no_others(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(6);
    const struct store_uid_range gone = {20, 20};
    imap_view_remove(&view, &gone, 1, 7);
    const struct imap_range numbers[] = {{1, 4}, {6, 6}};
    struct store_uid_range *ranges = NULL;
    size_t count = 0;
    assert_true(imap_view_uid_ranges(&view, numbers, 2, &ranges, &count, NULL));
    assert_int_equal(count, 3);
    assert_true(ranges[0].first == 10 && ranges[0].last == 10);
    assert_true(ranges[1].first == 30 && ranges[1].last == 40);
    assert_true(ranges[2].first == 60 && ranges[2].last == 60);
    free(ranges);
}

static void shows_what_went_in_its_place(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(4);
    const struct store_uid_range went[] = {{5, 6}, {35, 41}};
    assert_true(imap_view_add_gone(&view, went, 2, 5, NULL));
    imap_view_tell_all(&view);
    static const uint32_t uids[] = {5, 6, 10, 20, 30, 35, 36, 37, 40};
    assert_int_equal(view.count, 9);
    for (size_t i = 0; i < 9; i++)
        assert_int_equal(view.messages[i].uid, uids[i]);
    expect_told(&view, &everything,
                "* 1 EXPUNGE\r\n* 1 EXPUNGE\r\n* 4 EXPUNGE\r\n* 4 EXPUNGE\r\n* 4 EXPUNGE\r\n");
    struct fault fault = {0};
    assert_false(imap_view_add_gone(&view, went, 1, 3, &fault));
    assert_int_equal(fault.kind, FAULT_BUG);
    assert_int_equal(view.count, 4);
}

/* ---- modseqs ---- */

static void modseqs_beyond_32_bits_are_told(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1);
    uint64_t high = (uint64_t)1 << 62;
    add(&view, 20, 0, high);
    assert_true(imap_view_modseq_of(&view, &view.messages[1]) == high);
    assert_true(imap_view_modseq_of(&view, &view.messages[0]) < high);
    add(&view, 30, 0, high + 7);
    assert_true(imap_view_modseq_of(&view, &view.messages[2]) == high + 7);
    assert_true(imap_view_modseq_of(&view, &view.messages[1]) == high);
}

static void older_news_change_nothing(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1);
    const struct imap_range one = {1, 1};
    imap_view_set_flags(&view, &one, 1, STORE_FLAGS_SET, STORE_FLAG_SEEN, 2, true, NULL, 0);
    struct store_view_message message = {10, STORE_FLAG_DRAFT, 1};
    const struct store_changes changes = {.is_whole = true,
                                          .mailbox = {.modseq = 1, .uidnext = 11},
                                          .messages = &message,
                                          .count = 1};
    assert_true(imap_view_apply(&view, &changes, NULL));
    assert_int_equal(view.messages[0].flags & IMAP_VIEW_STORED, STORE_FLAG_SEEN);
    assert_int_equal(view.modseq, 2);
}

/* What others did in between is not known: our change is read with theirs. */
static void our_change_behind_others_is_read(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1);
    const struct imap_range one = {1, 1};
    imap_view_set_flags(&view, &one, 1, STORE_FLAGS_ADD, STORE_FLAG_SEEN, 3, true, NULL, 0);
    assert_int_equal(view.messages[0].flags, 0);
    assert_int_equal(view.modseq, 1);
}

static void without_memory_nothing_is_taken_in(void **state)
{
    (void)state;
    AUTO(imap_view)
    view = make_view(1);
    struct store_view_message messages[] = {{10, STORE_FLAG_SEEN, 2}, {11, 0, 3}, {12, 0, 3}};
    const struct store_changes changes = {.mailbox = {.modseq = 3, .uidnext = 13},
                                          .messages = messages,
                                          .count = 3,
                                          .keywords = {.names = {BYTES("k")}, .count = 1}};
    struct fault fault = {0};
    size_t tries = 0;
    for (bool is_done = false; !is_done; tries++) {
        failing_allocation_start(tries);
        is_done = imap_view_apply(&view, &changes, &fault);
        failing_allocation_stop();
        if (!is_done) {
            assert_int_equal(fault.kind, FAULT_TEMPORARY);
            assert_true(view.count == 1 && view.modseq == 1 && view.messages[0].flags == 0);
        }
    }
    assert_true(tries > 1);
    assert_int_equal(view.count, 3);
}

/* ---- at random ---- */

/* A mailbox as the store has it, with all that ever was in it. */
struct model_message {
    uint64_t flags;
    uint64_t modseq;
    uint64_t gone; /* modseq of the removal; 0 = it is there */
};
struct model {
    struct model_message messages[MESSAGES_MAX]; /* UID = index + 1 */
    uint32_t count;
    uint64_t modseq;
};

/* What a client knows, from responses alone; the UIDs it gets by asking for them. */
struct picture {
    uint32_t uids[MESSAGES_MAX];
    uint64_t flags[MESSAGES_MAX];
    size_t count;
};

static uint32_t draw(uint64_t *seed, uint32_t below)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 33) % below;
}

static uint64_t read_flags(const char *text)
{
    static const struct {
        const char *name;
        uint64_t bit;
    } names[] = {{"\\Seen", STORE_FLAG_SEEN},
                 {"\\Answered", STORE_FLAG_ANSWERED},
                 {"\\Flagged", STORE_FLAG_FLAGGED},
                 {"\\Deleted", STORE_FLAG_DELETED},
                 {"\\Draft", STORE_FLAG_DRAFT}};
    uint64_t flags = 0;
    const char *end = strchr(text, '\r');
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *found = strstr(text, names[i].name);
        if (found != NULL && found < end)
            flags |= names[i].bit;
    }
    return flags;
}

static void vanish(struct picture *picture, size_t at)
{
    assert_true(at < picture->count);
    memmove(&picture->uids[at], &picture->uids[at + 1],
            (picture->count - at - 1) * sizeof(picture->uids[0]));
    memmove(&picture->flags[at], &picture->flags[at + 1],
            (picture->count - at - 1) * sizeof(picture->flags[0]));
    picture->count--;
}

static void vanish_uids(struct picture *picture, const char *text)
{
    while (*text != '\r') {
        char *end;
        uint32_t first = (uint32_t)strtoul(text, &end, 10);
        uint32_t last = *end == ':' ? (uint32_t)strtoul(end + 1, &end, 10) : first;
        for (uint32_t uid = first; uid <= last; uid++) {
            size_t at = 0;
            while (at < picture->count && picture->uids[at] != uid)
                at++;
            vanish(picture, at);
        }
        text = *end == ',' ? end + 1 : end;
    }
}

static void hear(struct picture *picture, const struct imap_view *view,
                 const struct imap_view_telling *how, const char *text)
{
    for (; *text != '\0'; text = strchr(text, '\n') + 1) {
        char *word;
        assert_int_equal(memcmp(text, "* ", 2), 0);
        if (strncmp(text, "* VANISHED ", 11) == 0) {
            assert_true(how->allows_expunge && how->wants_vanished);
            vanish_uids(picture, text + 11);
            continue;
        }
        size_t number = strtoul(text + 2, &word, 10);
        if (strncmp(word, " EXPUNGE", 8) == 0) {
            assert_true(how->allows_expunge && !how->wants_vanished && number > 0);
            vanish(picture, number - 1);
        } else if (strncmp(word, " EXISTS", 7) == 0) {
            assert_true(number > picture->count && number <= MESSAGES_MAX);
            for (; picture->count < number; picture->count++) {
                picture->uids[picture->count] = view->messages[picture->count].uid;
                picture->flags[picture->count] =
                    view->messages[picture->count].flags & IMAP_VIEW_STORED;
            }
        } else if (strncmp(word, " FETCH", 6) == 0) {
            assert_true(number > 0 && number <= picture->count);
            if (strstr(word, "FLAGS") != NULL && strstr(word, "FLAGS") < strchr(word, '\r'))
                picture->flags[number - 1] = read_flags(word);
        } else {
            assert_int_equal(strncmp(word, " RECENT", 7), 0);
        }
    }
}

static void tell(struct imap_view *view, struct picture *picture, uint64_t *seed, bool is_all)
{
    const struct imap_view_telling how = {
        .allows_expunge = is_all || draw(seed, 2) == 0,
        .wants_vanished = draw(seed, 3) == 0,
        .wants_modseq = draw(seed, 2) == 0,
        .wants_uid = draw(seed, 2) == 0,
        .has_recent = draw(seed, 2) == 0,
    };
    size_t most = 1 + draw(seed, 2000);
    for (bool is_done = false; !is_done;) {
        AUTO(buffer)
        out = BUFFER(OUTPUT_MAX);
        is_done = imap_view_tell(view, &how, &out, most);
        hear(picture, view, &how, buffer_string(&out));
    }
    assert_false(imap_view_tell_has_news(view, how.allows_expunge));
    assert_int_equal(view->told, picture->count);
    for (size_t i = 0; i < picture->count; i++)
        assert_int_equal(view->messages[i].uid, picture->uids[i]);
}

/* Somebody changes the mailbox; *uid is what was changed. */
static void change(struct model *model, uint64_t *seed)
{
    uint32_t which = draw(seed, 4);
    if (which == 0 && model->count < MESSAGES_MAX) {
        model->messages[model->count++] =
            (struct model_message){.flags = draw(seed, 32), .modseq = ++model->modseq};
        return;
    }
    if (model->count == 0)
        return;
    struct model_message *message = &model->messages[draw(seed, model->count)];
    if (message->gone != 0)
        return;
    if (which == 1)
        message->gone = ++model->modseq;
    else {
        message->flags = draw(seed, 32);
        message->modseq = ++model->modseq;
    }
}

/* What store_changes_read would say. */
static void sync_view(struct imap_view *view, const struct model *model)
{
    struct store_view_message messages[MESSAGES_MAX];
    struct store_uid_range vanished[MESSAGES_MAX];
    struct store_changes changes = {
        .is_whole = true,
        .mailbox = {.modseq = model->modseq, .uidnext = model->count + 1},
        .messages = messages,
        .vanished = {.ranges = vanished}};
    for (uint32_t i = 0; i < model->count; i++) {
        const struct model_message *message = &model->messages[i];
        if (message->gone > view->modseq)
            vanished[changes.vanished.count++] = (struct store_uid_range){i + 1, i + 1};
        else if (message->gone == 0 && (message->modseq > view->modseq || i + 1 >= view->uidnext))
            messages[changes.count++] =
                (struct store_view_message){i + 1, message->flags, message->modseq};
    }
    assert_true(imap_view_apply(view, &changes, NULL));
}

/* The session's own STORE or EXPUNGE of some messages, as the families do it. */
static void change_own(struct imap_view *view, struct model *model, uint64_t *seed)
{
    if (view->told == 0)
        return;
    uint32_t first = 1 + draw(seed, (uint32_t)view->told);
    uint32_t last = first + draw(seed, (uint32_t)view->told - first + 1);
    const struct imap_range numbers = {first, last};
    struct store_uid_range *ranges = NULL;
    size_t count = 0;
    assert_true(imap_view_uid_ranges(view, &numbers, 1, &ranges, &count, NULL));
    bool is_removal = draw(seed, 4) == 0;
    int mode = (int)draw(seed, 3);
    uint64_t bits = draw(seed, 32);
    uint64_t modseq = 0;
    for (size_t i = 0; i < count; i++)
        for (uint32_t uid = ranges[i].first; uid <= ranges[i].last; uid++) {
            struct model_message *message = &model->messages[uid - 1];
            uint64_t flags = mode == STORE_FLAGS_SET   ? bits
                             : mode == STORE_FLAGS_ADD ? message->flags | bits
                                                       : message->flags & ~bits;
            if (message->gone != 0 || (!is_removal && flags == message->flags))
                continue;
            if (modseq == 0)
                modseq = ++model->modseq;
            if (is_removal)
                message->gone = modseq;
            else {
                message->flags = flags;
                message->modseq = modseq;
            }
        }
    if (is_removal && modseq != 0)
        imap_view_remove(view, ranges, count, modseq);
    else if (!is_removal)
        imap_view_set_flags(view, &numbers, 1, mode, bits, modseq, false, NULL, 0);
    free(ranges);
}

static void compare(const struct picture *picture, const struct model *model)
{
    size_t at = 0;
    for (uint32_t i = 0; i < model->count; i++) {
        if (model->messages[i].gone != 0)
            continue;
        assert_true(at < picture->count);
        assert_int_equal(picture->uids[at], i + 1);
        assert_int_equal(picture->flags[at], model->messages[i].flags);
        at++;
    }
    assert_int_equal(at, picture->count);
}

static void run_at_random(uint64_t seed)
{
    static struct model model;
    static struct picture picture;
    AUTO(imap_view)
    view = {0};
    imap_view_init(&view);
    memset(&model, 0, sizeof(model));
    memset(&picture, 0, sizeof(picture));
    for (int turn = 0; turn < TURNS; turn++) {
        uint32_t which = draw(&seed, 8);
        if (which < 4)
            change(&model, &seed);
        else if (which == 4)
            change_own(&view, &model, &seed);
        else if (which == 5)
            sync_view(&view, &model);
        else
            tell(&view, &picture, &seed, false);
    }
    sync_view(&view, &model);
    tell(&view, &picture, &seed, true);
    compare(&picture, &model);
}

static void clients_know_the_mailbox_in_the_end(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= RUNS; seed++)
        run_at_random(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_numbers_that_shrink),
        cmocka_unit_test(tells_uids_where_they_are_wanted),
        cmocka_unit_test(keeps_numbers_while_expunges_wait),
        cmocka_unit_test(forgets_who_was_never_known),
        cmocka_unit_test(silence_is_broken_for_modseqs_only),
        cmocka_unit_test(refused_messages_stay_as_they_are),
        cmocka_unit_test(flags_that_were_there_are_told),
        cmocka_unit_test(recent_ones_are_counted),
        cmocka_unit_test(keywords_are_told_when_they_change),
        cmocka_unit_test(a_full_set_of_keywords_has_no_star),
        cmocka_unit_test(stops_where_it_is_full),
        cmocka_unit_test(vanished_stops_where_it_is_full),
        cmocka_unit_test(sets_mean_what_the_client_knows),
        cmocka_unit_test(pairs_show_how_much_a_client_knows),
        cmocka_unit_test(ranges_of_uids_hold_no_others),
        cmocka_unit_test(shows_what_went_in_its_place),
        cmocka_unit_test(modseqs_beyond_32_bits_are_told),
        cmocka_unit_test(older_news_change_nothing),
        cmocka_unit_test(our_change_behind_others_is_read),
        cmocka_unit_test(without_memory_nothing_is_taken_in),
        cmocka_unit_test(clients_know_the_mailbox_in_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
