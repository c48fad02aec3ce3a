/* What waits is listed in its order and read as it was put in; commits tell the watch. */
#include "store_outbound_fixture.h"

#include <stdlib.h>
#include <string.h>

#include <posthorn/smtp.h>

static const struct store_outbound_result deferred = {
    .outcome = STORE_OUTBOUND_DEFERRED, .due = OUTBOUND_TIME + 60, .code = 451};

static void entries_come_by_message(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    text = BUFFER(10000);
    int64_t messages[3];
    outbound_begin(fixture);
    outbound_list(fixture, fixture->store, NULL, 0, &text);
    assert_string_equal(buffer_bytes(&text).data, "");
    messages[0] =
        outbound_put(fixture, "a@x.org b@x.org c@y.org d@x.org", "x.org x.org y.org x.org");
    messages[1] = outbound_put(fixture, "e@x.org", "x.org");
    messages[2] = outbound_put(fixture, "f@x.org g@x.org", "x.org x.org");
    outbound_list(fixture, fixture->store, messages, 3, &text);
    assert_string_equal(buffer_bytes(&text).data,
                        "1 x.org 0;1 y.org 0;1 x.org 0;2 x.org 0;3 x.org 0;");
    struct store_outbound_result result = deferred;
    result.number = 1;
    assert_true(outbound_finish_one(fixture->store, messages[2], &result));
    outbound_list(fixture, fixture->store, messages, 3, &text);
    assert_string_equal(buffer_bytes(&text).data,
                        "1 x.org 0;1 y.org 0;1 x.org 0;2 x.org 0;3 x.org 0;3 x.org 60;");
}

/* Pages end between messages, and the last one says so. */
static void a_list_is_read_in_pages(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct store_outbound_entry entry;
    outbound_begin(fixture);
    for (int i = 0; i < 10; i++)
        outbound_put(fixture, "a@x.org b@y.org c@z.org", "x.org y.org z.org");
    for (size_t most = 1; most < 40; most++) {
        int64_t after = 0;
        size_t count = 0;
        size_t pages = 0;
        bool is_over = false;
        while (!is_over) {
            AUTO(store_outbound_list)
            list = {0};
            size_t of_page = 0;
            assert_true(store_outbound_list_open(&list, fixture->store, fixture->reader, after,
                                                 most, &fault));
            while (store_outbound_list_next(&list, &entry)) {
                assert_true(entry.message >= after);
                assert_int_equal(entry.account, fixture->account);
                after = entry.message;
                of_page++;
            }
            assert_true(store_outbound_list_finish(&list, &fault));
            assert_int_equal(of_page % 3, 0);
            assert_true(list.is_over || of_page >= most);
            assert_true(of_page < most + 3);
            is_over = list.is_over;
            count += of_page;
            pages++;
        }
        assert_int_equal(count, 30);
        assert_true(pages <= 11);
    }
}

static void assert_recipient(const struct store_outbound_recipient *recipient, uint32_t number,
                             const char *address)
{
    assert_int_equal(recipient->number, number);
    unit_assert_bytes(recipient->address, bytes_from_string(address), __FILE__, __LINE__);
    assert_int_equal(recipient->notify, 4);
    assert_int_equal(recipient->attempts, 0);
    assert_false(recipient->is_warned);
    assert_int_equal(recipient->last_code, 0);
    assert_bytes(recipient->last_text, "");
}

static bool read_letter(struct store_fixture *fixture, int64_t message, const char *route,
                        int64_t now, unsigned wants, struct arena *arena,
                        struct store_outbound_letter *letter)
{
    struct fault fault = {0};
    bool is_found;
    if (!store_outbound_read(fixture->store, fixture->reader, message, bytes_from_string(route),
                             now, wants, arena, letter, &is_found, &fault))
        fail_msg("%s", fault.message);
    return is_found;
}

static void a_letter_is_read_by_its_route(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_outbound_letter letter;
    AUTO(arena)
    arena = ARENA(1000 * 1000);
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org b@y.org c@x.org", "x.org y.org x.org");
    assert_true(read_letter(fixture, message, "x.org", OUTBOUND_TIME, STORE_OUTBOUND_WANTS_DATA,
                            &arena, &letter));
    assert_int_equal(letter.message, message);
    assert_int_equal(letter.body, message);
    assert_int_equal(letter.account, fixture->account);
    assert_int_equal(letter.created, OUTBOUND_TIME);
    assert_bytes(letter.sender, "bob@example.net");
    assert_bytes(letter.envelope_id, "env");
    assert_bytes(letter.prefix, OUTBOUND_PREFIX);
    assert_int_equal(letter.size, strlen(OUTBOUND_PREFIX OUTBOUND_LETTER));
    assert_bytes(letter.data, OUTBOUND_LETTER);
    assert_int_equal(letter.recipient_count, 2);
    assert_recipient(&letter.recipients[0], 0, "a@x.org");
    assert_recipient(&letter.recipients[1], 2, "c@x.org");
    assert_true(read_letter(fixture, message, "", OUTBOUND_TIME, 0, &arena, &letter));
    assert_int_equal(letter.recipient_count, 3);
    assert_bytes(letter.data, "");
    assert_false(read_letter(fixture, message, "z.org", OUTBOUND_TIME, 0, &arena, &letter));
    assert_false(read_letter(fixture, message + 1, "", OUTBOUND_TIME, 0, &arena, &letter));
}

static void what_is_not_due_is_read_on_demand(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_outbound_letter letter;
    AUTO(arena)
    arena = ARENA(1000 * 1000);
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org b@x.org", "x.org x.org");
    struct store_outbound_result result = deferred;
    result.enhanced = BYTES("4.7.1");
    result.text = BYTES("come back later");
    result.host = BYTES("mx.x.org");
    assert_true(outbound_finish_one(fixture->store, message, &result));
    assert_true(read_letter(fixture, message, "", OUTBOUND_TIME + 59, 0, &arena, &letter));
    assert_int_equal(letter.recipient_count, 1);
    assert_int_equal(letter.recipients[0].number, 1);
    assert_true(read_letter(fixture, message, "", OUTBOUND_TIME + 60, 0, &arena, &letter));
    assert_int_equal(letter.recipient_count, 2);
    assert_true(read_letter(fixture, message, "", OUTBOUND_TIME, STORE_OUTBOUND_WANTS_LATER, &arena,
                            &letter));
    assert_int_equal(letter.recipient_count, 2);
    const struct store_outbound_recipient *recipient = &letter.recipients[0];
    assert_int_equal(recipient->attempts, 1);
    assert_int_equal(recipient->last_code, 451);
    assert_bytes(recipient->last_enhanced, "4.7.1");
    assert_bytes(recipient->last_text, "come back later");
    assert_bytes(recipient->last_host, "mx.x.org");
    assert_int_equal(recipient->last_attempt, OUTBOUND_TIME + 1000);
}

static void a_route_in_trouble_is_a_reason(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_outbound_letter letter;
    AUTO(arena)
    arena = ARENA(1000 * 1000);
    const struct store_outbound_route route = {.route = BYTES("x.org"),
                                               .failures = 2,
                                               .code = 421,
                                               .text = BYTES("nobody answers"),
                                               .failed = 77};
    struct store_outbound_result result = deferred;
    result.text = BYTES("come back later");
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org b@x.org c@y.org", "x.org x.org y.org");
    assert_true(outbound_finish_one(fixture->store, message, &result));
    outbound_set_route(fixture->store, &route, 0);
    assert_true(read_letter(fixture, message, "", OUTBOUND_TIME, STORE_OUTBOUND_WANTS_LATER, &arena,
                            &letter));
    assert_int_equal(letter.recipient_count, 3);
    assert_bytes(letter.recipients[0].last_text, "come back later");
    assert_int_equal(letter.recipients[0].last_code, 451);
    assert_bytes(letter.recipients[1].last_text, "nobody answers");
    assert_int_equal(letter.recipients[1].last_code, 421);
    assert_int_equal(letter.recipients[1].last_attempt, 77);
    assert_bytes(letter.recipients[2].last_text, "");
    assert_int_equal(letter.recipients[2].last_attempt, 0);
    assert_true(read_letter(fixture, message, "", OUTBOUND_TIME, 0, &arena, &letter));
    assert_bytes(letter.recipients[0].last_text, "");
}

static void so_many_at_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct store_outbound_letter letter;
    AUTO(arena)
    arena = ARENA(1000 * 1000);
    AUTO(buffer)
    recipients = BUFFER(100000);
    AUTO(buffer)
    routes = BUFFER(100000);
    for (int i = 0; i < STORE_OUTBOUND_RECIPIENTS_MAX + 1; i++) {
        buffer_append_format(&recipients, "u%d@x.org ", i);
        buffer_append_format(&routes, "x.org ");
    }
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, buffer_string(&recipients), buffer_string(&routes));
    assert_true(read_letter(fixture, message, "x.org", OUTBOUND_TIME, 0, &arena, &letter));
    assert_int_equal(letter.recipient_count, STORE_OUTBOUND_RECIPIENTS_MAX);
    for (uint32_t i = 0; i < STORE_OUTBOUND_RECIPIENTS_MAX; i++)
        assert_int_equal(letter.recipients[i].number, i);
    AUTO(arena)
    small = ARENA(3000);
    struct fault fault = {0};
    bool is_found;
    assert_false(store_outbound_read(fixture->store, fixture->reader, message, BYTES(""),
                                     OUTBOUND_TIME, 0, &small, &letter, &is_found, &fault));
    assert_int_equal(fault.kind, FAULT_TEMPORARY);
}

static void a_body_is_read_in_pieces(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    static const size_t length = 700 * 1000;
    char *text = malloc(length);
    assert_non_null(text);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + i / 7 % 26);
    struct store_fixture_letter letter;
    struct store_delivery_far far = {.recipient = BYTES("a@x.org"), .route = BYTES("x.org")};
    outbound_begin(fixture);
    store_fixture_letter(fixture, &letter, bytes_of(text, length));
    letter.delivery.local_count = 0;
    letter.delivery.fars = &far;
    letter.delivery.far_count = 1;
    assert_true(store_fixture_deliver(&letter.delivery));
    store_fixture_letter_clear(&letter);
    AUTO(arena)
    arena = ARENA(1000 * 1000);
    struct store_outbound_letter read;
    assert_true(read_letter(fixture, letter.delivery.id, "", OUTBOUND_TIME,
                            STORE_OUTBOUND_WANTS_DATA, &arena, &read));
    assert_int_equal(read.size, length);
    assert_int_equal(read.data.length, STORE_OUTBOUND_DATA_MAX);
    assert_memory_equal(read.data.data, text, STORE_OUTBOUND_DATA_MAX);
    AUTO(buffer)
    out = BUFFER(1000 * 1000);
    bool is_gone;
    for (uint64_t offset = 0; offset < length + 100000; offset += 100000)
        assert_true(store_outbound_body_read(fixture->reader, read.body, offset, 100000, &out,
                                             &is_gone, &fault) &&
                    !is_gone);
    assert_int_equal(out.length, length);
    assert_memory_equal(buffer_bytes(&out).data, text, length);
    assert_true(store_outbound_body_read(fixture->reader, 7, 0, 10, &out, &is_gone, &fault));
    assert_true(is_gone);
    assert_int_equal(out.length, length);
    free(text);
}

/* ---- the watch ---- */

struct hearing {
    struct store_outbound_watch watch;
    struct buffer text;
};

static void hear(struct store_outbound_watch *watch, const struct store_outbound_entry *entries,
                 size_t count)
{
    struct hearing *hearing = (struct hearing *)watch;
    for (size_t i = 0; i < count; i++)
        buffer_append_format(&hearing->text, "%.*s %lld;", BYTES_FORMAT(entries[i].route),
                             (long long)(entries[i].due - OUTBOUND_TIME));
    buffer_append_char(&hearing->text, '|');
}

static void commits_are_told(void **state)
{
    struct store_fixture *fixture = *state;
    struct hearing hearing = {.watch.hear = hear, .text = BUFFER(10000)};
    outbound_begin(fixture);
    outbound_put(fixture, "a@x.org", "x.org");
    store_outbound_watch_set(fixture->store, &hearing.watch);
    outbound_put(fixture, "a@x.org b@x.org c@y.org", "x.org x.org y.org");
    assert_bytes(buffer_bytes(&hearing.text), "x.org 0;y.org 0;|");
    store_fixture_put(fixture, BYTES("x"));
    assert_bytes(buffer_bytes(&hearing.text), "x.org 0;y.org 0;|");
    AUTO(buffer)
    recipients = BUFFER(100000);
    AUTO(buffer)
    routes = BUFFER(100000);
    for (int i = 0; i < 130; i++) {
        buffer_append_format(&recipients, "u@x%d.org ", i);
        buffer_append_format(&routes, "%d ", i);
    }
    buffer_reset(&hearing.text);
    outbound_put(fixture, buffer_string(&recipients), buffer_string(&routes));
    size_t count = 0;
    for (size_t i = 0; i < hearing.text.length; i++)
        count += buffer_bytes(&hearing.text).data[i] == ';';
    assert_int_equal(count, 130);
    store_outbound_watch_set(fixture->store, NULL);
    buffer_reset(&hearing.text);
    outbound_put(fixture, "a@x.org", "x.org");
    assert_bytes(buffer_bytes(&hearing.text), "");
    buffer_clear(&hearing.text);
}

/* ---- what waited for long ---- */

static void old_messages_are_found(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    int64_t messages[4];
    int64_t found[8];
    size_t count;
    outbound_begin(fixture);
    for (int i = 0; i < 4; i++)
        messages[i] = outbound_put(fixture, "a@x.org b@x.org", "x.org x.org");
    assert_true(store_outbound_old(fixture->store, fixture->reader, 0, messages[3], false, found, 8,
                                   &count, &fault));
    assert_int_equal(count, 3);
    assert_memory_equal(found, messages, 3 * sizeof(found[0]));
    assert_true(store_outbound_old(fixture->store, fixture->reader, messages[0], INT64_MAX, false,
                                   found, 2, &count, &fault));
    assert_int_equal(count, 2);
    assert_memory_equal(found, &messages[1], 2 * sizeof(found[0]));
    struct store_outbound_result results[] = {
        {.number = 0, .outcome = STORE_OUTBOUND_WARNED},
        {.number = 1, .outcome = STORE_OUTBOUND_WARNED},
    };
    assert_true(outbound_finish_one(fixture->store, messages[0], &results[0]));
    assert_true(outbound_finish_one(fixture->store, messages[1], &results[0]));
    assert_true(outbound_finish_one(fixture->store, messages[1], &results[1]));
    assert_true(store_outbound_old(fixture->store, fixture->reader, 0, INT64_MAX, true, found, 8,
                                   &count, &fault));
    assert_int_equal(count, 3);
    assert_int_equal(found[0], messages[0]);
    assert_int_equal(found[1], messages[2]);
    assert_true(store_id_of_time(0) == 0);
    assert_true(store_id_of_time(INT64_C(1900000000000000)) > messages[3]);
    assert_true(store_id_of_time(INT64_C(1704067201000000)) > 0);
    assert_true(store_id_of_time(INT64_C(1704067201000000)) < messages[0]);
}

/* ---- routes in trouble ---- */

static bool write_route(void *context, const struct store_outbound_route *route)
{
    buffer_append_format(context, "%.*s %lld %u %d %.*s %lld;", BYTES_FORMAT(route->route),
                         (long long)route->resting_until, route->failures, route->code,
                         BYTES_FORMAT(route->text), (long long)route->failed);
    return true;
}

static void set_route(struct store_fixture *fixture, const char *name, unsigned failures,
                      struct bytes text)
{
    struct store_outbound_route route = {.route = bytes_from_string(name),
                                         .resting_until = 5,
                                         .failures = failures,
                                         .code = 421,
                                         .text = text,
                                         .failed = 3};
    outbound_set_route(fixture->store, &route, 0);
}

static void routes_in_trouble_are_kept(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    AUTO(buffer)
    text = BUFFER(10000);
    set_route(fixture, "y.org", 1, BYTES("go away"));
    set_route(fixture, "x.org", 2, BYTES("\xff\0\xc3\xa9z"));
    set_route(fixture, "y.org", 3, BYTES("go"));
    assert_true(store_outbound_route_list(fixture->reader, write_route, &text, &fault));
    assert_bytes(buffer_bytes(&text), "x.org 5 2 421 ??\xc3\xa9z 3;y.org 5 3 421 go 3;");
    set_route(fixture, "x.org", 0, BYTES(""));
    set_route(fixture, "z.org", 0, BYTES(""));
    buffer_reset(&text);
    assert_true(store_outbound_route_list(fixture->reader, write_route, &text, &fault));
    assert_bytes(buffer_bytes(&text), "y.org 5 3 421 go 3;");
}

static void old_routes_without_mail_are_forgotten(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    AUTO(buffer)
    text = BUFFER(10000);
    struct store_outbound_route route = {.route = BYTES("new.org"), .failures = 1, .failed = 4};
    outbound_begin(fixture);
    outbound_put(fixture, "a@mail.org", "mail.org");
    set_route(fixture, "mail.org", 1, BYTES(""));
    set_route(fixture, "old.org", 1, BYTES(""));
    outbound_set_route(fixture->store, &route, 4);
    assert_true(store_outbound_route_list(fixture->reader, write_route, &text, &fault));
    assert_bytes(buffer_bytes(&text), "mail.org 5 1 421  3;new.org 0 1 0  4;");
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(old_routes_without_mail_are_forgotten),
    STORE_TEST(entries_come_by_message),
    STORE_TEST(a_list_is_read_in_pages),
    STORE_TEST(a_letter_is_read_by_its_route),
    STORE_TEST(what_is_not_due_is_read_on_demand),
    STORE_TEST(a_route_in_trouble_is_a_reason),
    STORE_TEST(so_many_at_once),
    STORE_TEST(a_body_is_read_in_pieces),
    STORE_TEST(commits_are_told),
    STORE_TEST(old_messages_are_found),
    STORE_TEST(routes_in_trouble_are_kept),
};

STORE_MAIN(tests)
