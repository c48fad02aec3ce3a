/* Messages go in once, are counted, and come out as they went in. */
#include "store_fixture.h"

#include <stdlib.h>
#include <string.h>

#include "store/store_maildrop.h"

#define LETTER "From: bob@example.net\r\nSubject: hello\r\n\r\nHello, Ann.\r\n"
#define PREFIX "Return-Path: <bob@example.net>\r\n"

static void a_letter_comes_out_as_it_went_in(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    assert_int_equal(store_fixture_put(fixture, BYTES(LETTER)), 1);
    assert_int_equal(store_fixture_put(fixture, BYTES(LETTER)), 2);
    struct store_maildrop maildrop;
    assert_true(store_maildrop_read(fixture->reader, fixture->inbox, &maildrop, &fault));
    assert_int_equal(maildrop.count, 2);
    assert_int_equal(maildrop.messages[0].uid, 1);
    assert_int_equal(maildrop.messages[0].size, strlen(PREFIX) + strlen(LETTER));
    AUTO(buffer)
    out = BUFFER(1000);
    bool is_gone;
    assert_true(
        store_message_read(fixture->reader, fixture->inbox, 2, 0, 1000, &out, &is_gone, &fault));
    assert_false(is_gone);
    assert_int_equal(out.length, maildrop.messages[1].size);
    assert_memory_equal(out.memory, PREFIX, strlen(PREFIX));
    assert_memory_equal(out.memory + strlen(PREFIX), LETTER, strlen(LETTER));
    store_maildrop_clear(&maildrop);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(a_letter_comes_out_as_it_went_in),
};

STORE_MAIN(tests)
