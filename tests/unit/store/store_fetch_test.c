/* Messages one after another, with as much of each as is asked for. */
#include "store_fixture.h"

#include <stdlib.h>

#include "failing_allocation.h"
#include "mail/message_envelope.h"
#include "mail/message_structure.h"
#include "store/store_fetch.h"

#define PREFIX "Return-Path: <bob@example.net>\r\n"

enum {
    ALL = STORE_FETCH_ENVELOPE | STORE_FETCH_STRUCTURE | STORE_FETCH_HEADER | STORE_FETCH_PREFIX |
          STORE_FETCH_DATA,
    LARGE_SIZE = 300 * 1024,
    ALLOCATIONS_MAX = 200
};

static const char *const letters[] = {
    "Subject: one\r\nDate: Mon, 23 Nov 2026 17:48:08 +0100\r\n\r\nfirst\r\n",
    "Subject: two\r\n\r\nsecond\r\n",
    "Subject: three\r\nContent-Type: text/html\r\n\r\nthird\r\n",
};

enum {
    LETTERS = 3
};

/* With what the parser makes of it. */
static void put(struct store_fixture *fixture, struct bytes text)
{
    struct store_fixture_letter letter;
    struct fault fault = {0};
    struct message_parser *parser = message_parser_new(&fault);
    assert_non_null(parser);
    assert_true(message_parser_feed(parser, text, &fault));
    store_fixture_letter(fixture, &letter, text);
    assert_true(message_parser_finish(parser, &letter.parsed, &fault));
    if (!store_fixture_deliver(&letter.delivery))
        fail_msg("%s", letter.delivery.job.fault.message);
    store_fixture_letter_clear(&letter);
    message_parser_free(parser);
}

static void put_letters(struct store_fixture *fixture)
{
    for (size_t i = 0; i < LETTERS; i++)
        put(fixture, bytes_from_string(letters[i]));
}

static void open_fetch(struct store_fixture *fixture, struct store_fetch *fetch, uint32_t first,
                       uint32_t last, size_t count, unsigned wants)
{
    struct fault fault = {0};
    if (!store_fetch_open(fetch, fixture->reader, fixture->inbox, first, last, count, wants,
                          &fault))
        fail_msg("%s", fault.message);
}

static void finish_fetch(struct store_fetch *fetch)
{
    struct fault fault = {0};
    if (!store_fetch_finish(fetch, &fault))
        fail_msg("%s", fault.message);
}

static void assert_meta(const struct store_fetched *message, unsigned wants, size_t index)
{
    static const char *const subjects[] = {"one", "two", "three"};
    struct bytes letter = bytes_from_string(letters[index]);
    struct fault fault = {0};
    if ((wants & STORE_FETCH_ENVELOPE) != 0) {
        struct message_envelope envelope;
        assert_true(message_envelope_read(message->envelope, &envelope, &fault));
        assert_true(bytes_equal(envelope.subject, bytes_from_string(subjects[index])));
    }
    if ((wants & STORE_FETCH_STRUCTURE) != 0) {
        struct message_structure_part part;
        assert_true(message_structure_read(message->structure, &part, &fault));
        assert_int_equal(part.body_start + part.body_size, letter.length);
    }
    if ((wants & STORE_FETCH_HEADER) != 0) {
        assert_true(bytes_starts_with(letter, message->header));
        assert_true(bytes_ends_with(message->header, BYTES("\r\n\r\n")));
    }
    bool has_meta =
        (wants & (STORE_FETCH_ENVELOPE | STORE_FETCH_STRUCTURE | STORE_FETCH_HEADER)) != 0;
    assert_true(message->sent == (has_meta && index == 0 ? INT64_C(1795452488000000) : 0));
}

static void assert_message(const struct store_fetched *message, unsigned wants, size_t index)
{
    size_t length = strlen(letters[index]);
    assert_int_equal(message->uid, index + 1);
    assert_int_equal(message->flags, 0);
    assert_true(message->modseq > 0);
    assert_true(message->body != 0);
    assert_true(message->received > 0);
    assert_int_equal(message->size, strlen(PREFIX) + length);
    assert_int_equal(message->prefix_size, strlen(PREFIX));
    assert_meta(message, wants, index);
    if ((wants & (STORE_FETCH_PREFIX | STORE_FETCH_HEADER | STORE_FETCH_DATA)) != 0)
        assert_bytes(message->prefix, PREFIX);
    else
        assert_int_equal(message->prefix.length, 0);
    if ((wants & STORE_FETCH_DATA) != 0)
        assert_true(bytes_equal(message->data, bytes_from_string(letters[index])));
    else
        assert_int_equal(message->data.length, 0);
    if ((wants & STORE_FETCH_ENVELOPE) == 0)
        assert_int_equal(message->envelope.length, 0);
    if ((wants & STORE_FETCH_STRUCTURE) == 0)
        assert_int_equal(message->structure.length, 0);
    if ((wants & STORE_FETCH_HEADER) == 0)
        assert_int_equal(message->header.length, 0);
}

static void every_combination_gives_what_it_says(void **state)
{
    struct store_fixture *fixture = *state;
    put_letters(fixture);
    for (unsigned wants = 0; wants <= ALL; wants++) {
        struct store_fetched message;
        AUTO(store_fetch)
        fetch = {0};
        open_fetch(fixture, &fetch, 1, UINT32_MAX, 100, wants);
        for (size_t i = 0; i < LETTERS; i++) {
            assert_true(store_fetch_next(&fetch, &message));
            assert_message(&message, wants, i);
        }
        assert_false(store_fetch_next(&fetch, &message));
        finish_fetch(&fetch);
    }
}

static void ranges_and_counts_are_kept(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_fetched message;
    put_letters(fixture);
    AUTO(store_fetch)
    fetch = {0};
    open_fetch(fixture, &fetch, 2, 2, 100, 0);
    assert_true(store_fetch_next(&fetch, &message));
    assert_int_equal(message.uid, 2);
    assert_false(store_fetch_next(&fetch, &message));
    finish_fetch(&fetch);
    open_fetch(fixture, &fetch, 2, UINT32_MAX, 1, ALL);
    assert_true(store_fetch_next(&fetch, &message));
    assert_int_equal(message.uid, 2);
    assert_false(store_fetch_next(&fetch, &message));
    finish_fetch(&fetch);
    open_fetch(fixture, &fetch, 4, UINT32_MAX, 100, ALL);
    assert_false(store_fetch_next(&fetch, &message));
    finish_fetch(&fetch);
}

static void it_can_be_left_in_the_middle(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_fetched message;
    put_letters(fixture);
    for (unsigned i = 0; i < 3; i++) {
        AUTO(store_fetch)
        fetch = {0};
        open_fetch(fixture, &fetch, 1, UINT32_MAX, 100, ALL);
        assert_true(store_fetch_next(&fetch, &message));
    }
}

static void other_mailboxes_are_not_in_it(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_fetched message;
    int64_t account;
    int64_t inbox;
    put_letters(fixture);
    store_fixture_add_account(fixture, "bob@example.org", &account, &inbox);
    struct fault fault = {0};
    AUTO(store_fetch)
    fetch = {0};
    assert_true(store_fetch_open(&fetch, fixture->reader, inbox, 1, UINT32_MAX, 10, ALL, &fault));
    assert_false(store_fetch_next(&fetch, &message));
    finish_fetch(&fetch);
}

static void of_a_large_body_the_front_comes(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_fetched message;
    char *text = malloc(LARGE_SIZE);
    assert_non_null(text);
    memset(text, 'x', LARGE_SIZE);
    memcpy(text, "A: b\r\n\r\n", 8);
    put(fixture, bytes_of(text, LARGE_SIZE));
    AUTO(store_fetch)
    fetch = {0};
    open_fetch(fixture, &fetch, 1, 1, 1, ALL);
    assert_true(store_fetch_next(&fetch, &message));
    assert_int_equal(message.size, strlen(PREFIX) + LARGE_SIZE);
    assert_int_equal(message.data.length, STORE_FETCH_DATA_MAX);
    assert_true(bytes_starts_with(bytes_of(text, LARGE_SIZE), message.data));
    finish_fetch(&fetch);
    free(text);
}

static void without_memory_it_fails_in_good_order(void **state)
{
    struct store_fixture *fixture = *state;
    put_letters(fixture);
    bool was_read = false;
    for (size_t i = 0; i < ALLOCATIONS_MAX && !was_read; i++) {
        struct fault fault = {0};
        struct store_fetched message;
        size_t count = 0;
        AUTO(store_fetch)
        fetch = {0};
        failing_allocation_start(i);
        bool is_done = store_fetch_open(&fetch, fixture->reader, fixture->inbox, 1, UINT32_MAX, 10,
                                        ALL, &fault);
        if (is_done) {
            while (store_fetch_next(&fetch, &message))
                count++;
            is_done = store_fetch_finish(&fetch, &fault);
        }
        bool has_failed = failing_allocation_stop();
        if (!is_done)
            assert_int_equal(fault.kind, FAULT_TEMPORARY);
        else
            assert_int_equal(count, LETTERS);
        was_read = !has_failed;
    }
    assert_true(was_read);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(every_combination_gives_what_it_says),
    STORE_TEST(ranges_and_counts_are_kept),
    STORE_TEST(it_can_be_left_in_the_middle),
    STORE_TEST(other_mailboxes_are_not_in_it),
    STORE_TEST(of_a_large_body_the_front_comes),
    STORE_TEST(without_memory_it_fails_in_good_order),
};

STORE_MAIN(tests)
