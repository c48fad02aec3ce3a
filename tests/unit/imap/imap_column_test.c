/* Columns against plain comparing: joined in one piece or in many, they say the same. */
#include "imap/imap_column.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/auto.h"
#include "failing_allocation.h"
#include "unit.h"

enum {
    TEXTS_MAX = 1024 * 1024,
    MESSAGES = 200,
    VALUES_MAX = 4,
    TEXT_SIZE = 24
};

/* What a message has. */
struct plain {
    uint32_t uid;
    size_t count;
    char texts[VALUES_MAX][TEXT_SIZE];
    size_t lengths[VALUES_MAX];
    bool is_marked[VALUES_MAX];
};

static struct bytes plain_text(const struct plain *plain, size_t value)
{
    return bytes_of(plain->texts[value], plain->lengths[value]);
}

/* Many alike, some with the same first bytes, some with bytes of all kinds. */
static void fill_text(struct plain *plain, size_t value)
{
    static const char *const starts[] = {"", "a", "common start ", "\xff\xff"};
    char *text = plain->texts[value];
    size_t length = (size_t)sprintf(text, "%s", starts[rand() % 4]);
    for (int i = rand() % 4; i > 0; i--)
        text[length++] = (char)("ab\0\xc3"[rand() % 4]);
    plain->lengths[value] = length;
    plain->is_marked[value] = rand() % 3 == 0;
}

static void fill(struct plain *messages, enum imap_column_kind kind)
{
    uint32_t uid = 0;
    for (size_t i = 0; i < MESSAGES; i++) {
        struct plain *plain = &messages[i];
        plain->uid = uid += 1 + (uint32_t)rand() % 3;
        plain->count = kind == IMAP_COLUMN_IDS ? (size_t)rand() % (VALUES_MAX + 1) : 1;
        for (size_t k = 0; k < plain->count; k++)
            fill_text(plain, k);
    }
}

static void draft(struct imap_column_draft *draft, const struct plain *plain)
{
    assert_true(imap_column_draft_begin(draft, plain->uid));
    for (size_t i = 0; i < plain->count; i++)
        assert_true(imap_column_draft_add(draft, plain_text(plain, i), plain->is_marked[i]));
}

/* All messages are there with their values, and equal ranks are equal texts. */
static void check(const struct imap_column *column, enum imap_column_kind kind,
                  const struct plain *messages, size_t count)
{
    size_t at = 0;
    assert_int_equal(column->count, count);
    for (size_t i = 0; i < count; i++) {
        size_t values;
        assert_true(imap_column_find(column, &at, messages[i].uid));
        assert_int_equal(at, i);
        const uint32_t *ranks = imap_column_ranks(column, at, &values);
        assert_int_equal(values, messages[i].count);
        for (size_t k = 0; k < values; k++) {
            uint32_t rank = ranks[k] & ~IMAP_COLUMN_MARK;
            assert_true(rank < column->value_count);
            assert_true(bytes_equal(imap_column_text(column, rank), plain_text(&messages[i], k)));
            assert_int_equal((ranks[k] & IMAP_COLUMN_MARK) != 0, messages[i].is_marked[k]);
        }
    }
    for (uint32_t rank = 1; rank < column->value_count; rank++) {
        struct bytes before = imap_column_text(column, rank - 1);
        struct bytes text = imap_column_text(column, rank);
        assert_true(kind == IMAP_COLUMN_IDS ? !bytes_equal(before, text)
                                            : bytes_compare(before, text) < 0);
    }
}

static struct imap_column *join(struct imap_column *old, struct imap_column_draft *draft)
{
    struct fault fault;
    struct imap_column *column = imap_column_join(old, draft, &fault);
    assert_non_null(column);
    imap_column_free(old);
    imap_column_draft_clear(draft);
    return column;
}

/* Joined in pieces that have a part of the messages each, whatever their UIDs. */
static void pieces(void **state)
{
    (void)state;
    static struct plain messages[MESSAGES];
    srand(4);
    for (unsigned round = 0; round < 200; round++) {
        enum imap_column_kind kind = round % 2 == 0 ? IMAP_COLUMN_TEXTS : IMAP_COLUMN_IDS;
        size_t parts = 1 + (size_t)rand() % 4;
        struct imap_column *column = NULL;
        uint32_t part_of[MESSAGES];
        fill(messages, kind);
        for (size_t i = 0; i < MESSAGES; i++)
            part_of[i] = (uint32_t)rand() % (uint32_t)parts;
        for (size_t part = 0; part < parts; part++) {
            struct imap_column_draft piece = IMAP_COLUMN_DRAFT(kind, TEXTS_MAX);
            for (size_t i = 0; i < MESSAGES; i++) {
                if (part_of[i] == part)
                    draft(&piece, &messages[i]);
            }
            column = join(column, &piece);
        }
        check(column, kind, messages, MESSAGES);
        imap_column_free(column);
    }
}

static void finding(void **state)
{
    (void)state;
    struct imap_column_draft piece = IMAP_COLUMN_DRAFT(IMAP_COLUMN_TEXTS, TEXTS_MAX);
    for (uint32_t uid = 10; uid <= 1000; uid += 10)
        draft(&piece, &(struct plain){.uid = uid, .count = 1});
    struct imap_column *column = join(NULL, &piece);
    for (uint32_t step = 1; step < 300; step++) {
        size_t at = 0;
        for (uint32_t uid = 1; uid < 1200; uid += step) {
            bool is_there = uid % 10 == 0 && uid <= 1000;
            assert_int_equal(imap_column_find(column, &at, uid), is_there);
            assert_int_equal(at, uid > 1000 ? 100 : (uid + 9) / 10 - 1);
        }
    }
    imap_column_free(column);
}

static void numbers(void **state)
{
    (void)state;
    static const int64_t values[] = {0, INT64_MIN, -1, INT64_MAX, 1, -256, 255, 0};
    static const uint32_t ranks[] = {3, 0, 2, 6, 4, 1, 5, 3};
    struct imap_column_draft piece = IMAP_COLUMN_DRAFT(IMAP_COLUMN_TEXTS, TEXTS_MAX);
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(imap_column_draft_begin(&piece, i + 1));
        assert_true(imap_column_draft_add_number(&piece, values[i]));
    }
    struct imap_column *column = join(NULL, &piece);
    assert_int_equal(column->value_count, 7);
    assert_memory_equal(column->ranks, ranks, sizeof ranks);
    imap_column_free(column);
}

static void nothing(void **state)
{
    (void)state;
    struct imap_column_draft piece = IMAP_COLUMN_DRAFT(IMAP_COLUMN_IDS, TEXTS_MAX);
    size_t at = 0;
    struct imap_column *column = join(NULL, &piece);
    assert_false(imap_column_find(column, &at, 1));
    column = join(column, &piece);
    assert_int_equal(column->count, 0);
    imap_column_free(column);
}

/* The texts of a draft have a limit; what fitted stays. */
static void limit(void **state)
{
    (void)state;
    struct imap_column_draft piece = IMAP_COLUMN_DRAFT(IMAP_COLUMN_TEXTS, 10);
    assert_true(imap_column_draft_begin(&piece, 1));
    assert_true(imap_column_draft_add(&piece, BYTES("0123456789"), false));
    assert_true(imap_column_draft_begin(&piece, 2));
    assert_false(imap_column_draft_add(&piece, BYTES("0"), false));
    imap_column_draft_clear(&piece);
}

static bool make(struct imap_column *old, const struct plain *messages)
{
    struct imap_column_draft piece = IMAP_COLUMN_DRAFT(IMAP_COLUMN_IDS, TEXTS_MAX);
    struct imap_column *column = NULL;
    struct fault fault;
    bool is_done = true;
    for (size_t i = 1; is_done && i < MESSAGES; i += 2) {
        is_done = imap_column_draft_begin(&piece, messages[i].uid);
        for (size_t k = 0; is_done && k < messages[i].count; k++)
            is_done = imap_column_draft_add(&piece, plain_text(&messages[i], k), false);
    }
    if (is_done) {
        column = imap_column_join(old, &piece, &fault);
        assert_true(column != NULL || fault.kind == FAULT_TEMPORARY);
    }
    imap_column_draft_clear(&piece);
    imap_column_free(column);
    return column != NULL;
}

static void out_of_memory(void **state)
{
    (void)state;
    static struct plain messages[MESSAGES];
    struct imap_column_draft piece = IMAP_COLUMN_DRAFT(IMAP_COLUMN_IDS, TEXTS_MAX);
    srand(5);
    fill(messages, IMAP_COLUMN_IDS);
    for (size_t i = 0; i < MESSAGES; i += 2)
        draft(&piece, &messages[i]);
    struct imap_column *old = join(NULL, &piece);
    bool was_refused = true;
    for (size_t n = 0; was_refused; n++) {
        failing_allocation_start(n);
        bool is_done = make(old, messages);
        was_refused = failing_allocation_stop();
        assert_true(is_done || was_refused);
    }
    imap_column_free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces),  cmocka_unit_test(finding), cmocka_unit_test(numbers),
        cmocka_unit_test(nothing), cmocka_unit_test(limit),   cmocka_unit_test(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
