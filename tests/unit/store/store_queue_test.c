/* The queue as people look at it, and what they do to it. */
#include "store_outbound_fixture.h"

#include "store/store_queue.h"

static bool write_item(void *context, const struct store_queue_item *item)
{
    struct buffer *text = context;
    buffer_append_format(text, "%.*s ", BYTES_FORMAT(item->recipient));
    return text->length < 5000;
}

/* The recipients that fit, as text. */
static void list(struct store_fixture *fixture, const struct store_queue_filter *filter,
                 struct buffer *text)
{
    struct fault fault = {0};
    buffer_reset(text);
    if (!store_queue_list(fixture->reader, filter, 0, 0, 1000, write_item, text, &fault))
        fail_msg("%s", fault.message);
}

#define assert_list(filter, expected)                                                              \
    do {                                                                                           \
        const struct store_queue_filter wanted = filter;                                           \
        list(fixture, &wanted, &text);                                                             \
        assert_bytes(buffer_bytes(&text), expected);                                               \
    } while (0)
#define FILTER(...) ((struct store_queue_filter){__VA_ARGS__})

struct changing {
    struct store_job job;
    enum store_queue_deed deed;
    const struct store_queue_filter *filter;
    int64_t after_message;
    int64_t after_number;
    size_t most;
    size_t count;
};

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    struct changing *changing = (struct changing *)job;
    int64_t message = changing->after_message;
    int64_t number = changing->after_number;
    if (!store_queue_change(db, changing->deed, changing->filter, OUTBOUND_TIME + 7, &message,
                            &number, changing->most, &changing->count, fault))
        return false;
    changing->after_message = message;
    changing->after_number = number;
    return true;
}

/* All slices; gives how many recipients were changed. */
static size_t change(struct store_fixture *fixture, enum store_queue_deed deed,
                     const struct store_queue_filter *filter, size_t most)
{
    struct fault fault = {0};
    struct changing changing = {.job.run = run, .deed = deed, .filter = filter, .most = most};
    size_t total = 0;
    do {
        if (!store_run(fixture->store, &changing.job, &fault))
            fail_msg("%s", fault.message);
        total += changing.count;
        assert_true(changing.count <= most);
    } while (changing.count > 0);
    return total;
}

static void filters_are_joined(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    text = BUFFER(10000);
    outbound_begin(fixture);
    assert_list(FILTER(0), "");
    int64_t first = outbound_put(fixture, "Ann@X.org bea@y.org", "x.org y.org");
    outbound_put(fixture, "cid@sub.x.org", "sub.x.org");
    const struct store_outbound_result result = {
        .number = 1, .outcome = STORE_OUTBOUND_DEFERRED, .due = OUTBOUND_TIME + 5};
    assert_true(outbound_finish_one(fixture->store, first, &result));
    assert_list(FILTER(0), "Ann@X.org bea@y.org cid@sub.x.org ");
    assert_list(FILTER(.message = first), "Ann@X.org bea@y.org ");
    assert_list(FILTER(.message = first - 1), "");
    assert_list(FILTER(.sender = BYTES("Bob@example.NET"), .recipient = BYTES("@X.ORG")),
                "Ann@X.org ");
    assert_list(FILTER(.sender = BYTES("@example.net")), "Ann@X.org bea@y.org cid@sub.x.org ");
    assert_list(FILTER(.sender = BYTES("@ample.net")), "");
    assert_list(FILTER(.sender = BYTES("bob")), "");
    assert_list(FILTER(.sender = BYTES("<>")), "");
    assert_list(FILTER(.recipient = BYTES("ann@x.org")), "Ann@X.org ");
    assert_list(FILTER(.recipient = BYTES("%")), "");
    assert_list(FILTER(.route = BYTES("y.org")), "bea@y.org ");
    assert_list(FILTER(.account = fixture->account), "Ann@X.org bea@y.org cid@sub.x.org ");
    assert_list(FILTER(.account = 1), "");
    assert_list(FILTER(.before = OUTBOUND_TIME), "");
    assert_list(FILTER(.before = OUTBOUND_TIME + 1, .after = OUTBOUND_TIME - 1),
                "Ann@X.org bea@y.org cid@sub.x.org ");
    assert_list(FILTER(.after = OUTBOUND_TIME), "");
    assert_list(FILTER(.is_failed_only = true), "bea@y.org ");
    change(fixture, STORE_QUEUE_HOLD, &FILTER(.route = BYTES("x.org")), 10);
    assert_list(FILTER(.is_held_only = true), "Ann@X.org ");
    assert_list(FILTER(.is_waiting_only = true), "bea@y.org cid@sub.x.org ");
    assert_list(FILTER(.is_waiting_only = true, .is_held_only = true), "");
}

static void a_list_goes_on_where_it_ended(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    AUTO(buffer)
    text = BUFFER(10000);
    const struct store_queue_filter all = {0};
    outbound_begin(fixture);
    int64_t first = outbound_put(fixture, "a@x.org b@x.org c@x.org", "x.org x.org x.org");
    int64_t second = outbound_put(fixture, "d@x.org e@x.org", "x.org x.org");
    assert_true(store_queue_list(fixture->reader, &all, first, 1, 2, write_item, &text, &fault));
    assert_bytes(buffer_bytes(&text), "c@x.org d@x.org ");
    buffer_reset(&text);
    assert_true(store_queue_list(fixture->reader, &all, second, 0, 9, write_item, &text, &fault));
    assert_bytes(buffer_bytes(&text), "e@x.org ");
    buffer_reset(&text);
    /* The place lies in another message than the one that is asked for. */
    const struct store_queue_filter one = {.message = second};
    assert_true(store_queue_list(fixture->reader, &one, first, 2, 9, write_item, &text, &fault));
    assert_bytes(buffer_bytes(&text), "d@x.org e@x.org ");
}

static bool keep_item(void *context, const struct store_queue_item *item)
{
    *(struct store_queue_item *)context = *item;
    assert_bytes(item->sender, "bob@example.net");
    assert_bytes(item->recipient, "a@x.org");
    assert_bytes(item->route, "x.org");
    assert_bytes(item->envelope_id, "env");
    return true;
}

static bool keep_own_failure(void *context, const struct store_queue_item *item)
{
    assert_bytes(item->last_text, "try later");
    assert_bytes(item->last_host, "mx.x.org");
    assert_bytes(item->last_enhanced, "4.2.0");
    return keep_item(context, item);
}

static bool keep_failure_of_route(void *context, const struct store_queue_item *item)
{
    assert_bytes(item->last_text, "nobody answers");
    return keep_item(context, item);
}

static void an_item_tells_why_it_waits(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct store_queue_item item;
    const struct store_queue_filter all = {0};
    const struct store_outbound_route route = {.route = BYTES("x.org"),
                                               .resting_until = OUTBOUND_TIME + 900,
                                               .failures = 3,
                                               .code = 421,
                                               .text = BYTES("nobody answers"),
                                               .failed = OUTBOUND_TIME + 1};
    const struct store_outbound_result result = {.outcome = STORE_OUTBOUND_DEFERRED,
                                                 .due = OUTBOUND_TIME + 500,
                                                 .code = 450,
                                                 .enhanced = BYTES("4.2.0"),
                                                 .text = BYTES("try later"),
                                                 .host = BYTES("mx.x.org")};
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org", "x.org");
    assert_true(store_queue_list(fixture->reader, &all, 0, 0, 10, keep_item, &item, &fault));
    assert_int_equal(item.message, message);
    assert_int_equal(item.number, 0);
    assert_int_equal(item.account, fixture->account);
    assert_int_equal(item.created, OUTBOUND_TIME);
    assert_int_equal(item.size, sizeof(OUTBOUND_PREFIX OUTBOUND_LETTER) - 1);
    assert_int_equal(item.state, STORE_OUTBOUND_WAITS);
    assert_int_equal(item.due, OUTBOUND_TIME);
    assert_int_equal(item.last_code, 0);
    outbound_set_route(fixture->store, &route, 0);
    assert_true(
        store_queue_list(fixture->reader, &all, 0, 0, 10, keep_failure_of_route, &item, &fault));
    assert_int_equal(item.due, OUTBOUND_TIME + 900);
    assert_int_equal(item.last_code, 421);
    assert_int_equal(item.last_attempt, OUTBOUND_TIME + 1);
    assert_true(outbound_finish_one(fixture->store, message, &result));
    assert_true(store_queue_list(fixture->reader, &all, 0, 0, 10, keep_own_failure, &item, &fault));
    assert_int_equal(item.last_code, 450);
    assert_int_equal(item.attempts, 1);
    assert_int_equal(item.last_attempt, OUTBOUND_TIME + 1000);
}

static void the_queue_is_counted(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct store_queue_stats stats;
    outbound_begin(fixture);
    assert_true(store_queue_stats(fixture->reader, OUTBOUND_TIME, &stats, &fault));
    assert_int_equal(stats.recipients + stats.messages + stats.routes + stats.due, 0);
    assert_int_equal(stats.oldest, 0);
    int64_t first = outbound_put(fixture, "a@x.org b@y.org c@x.org", "x.org y.org x.org");
    outbound_put(fixture, "d@z.org", "z.org");
    const struct store_outbound_result result = {.outcome = STORE_OUTBOUND_DEFERRED,
                                                 .due = OUTBOUND_TIME + 500};
    assert_true(outbound_finish_one(fixture->store, first, &result));
    assert_int_equal(change(fixture, STORE_QUEUE_HOLD, &FILTER(.recipient = BYTES("d@z.org")), 10),
                     1);
    assert_true(store_queue_stats(fixture->reader, OUTBOUND_TIME, &stats, &fault));
    assert_int_equal(stats.recipients, 4);
    assert_int_equal(stats.messages, 2);
    assert_int_equal(stats.waiting, 3);
    assert_int_equal(stats.held, 1);
    assert_int_equal(stats.due, 2);
    assert_int_equal(stats.tried, 1);
    assert_int_equal(stats.routes, 3);
    assert_int_equal(stats.oldest, OUTBOUND_TIME);
}

static bool write_route(void *context, const struct store_queue_route *route)
{
    buffer_append_format(context, "%.*s %d %d %lld %lld %u %d %.*s;", BYTES_FORMAT(route->route),
                         (int)route->waiting, (int)route->held,
                         route->next_due == 0 ? 0 : (long long)route->next_due - OUTBOUND_TIME,
                         (long long)route->resting_until, route->failures, route->last_code,
                         BYTES_FORMAT(route->last_text));
    return true;
}

static void routes_are_counted(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    AUTO(buffer)
    text = BUFFER(10000);
    const struct store_outbound_route route = {.route = BYTES("y.org"),
                                               .resting_until = 900,
                                               .failures = 3,
                                               .code = 421,
                                               .text = BYTES("nobody")};
    outbound_begin(fixture);
    outbound_put(fixture, "a@x.org b@y.org c@y.org d@z.org", "x.org y.org y.org z.org");
    outbound_set_route(fixture->store, &route, 0);
    change(fixture, STORE_QUEUE_HOLD, &FILTER(.route = BYTES("x.org")), 10);
    assert_true(store_queue_routes(fixture->reader, 10, write_route, &text, &fault));
    assert_bytes(buffer_bytes(&text),
                 "y.org 2 0 0 900 3 421 nobody;x.org 0 1 0 0 0 0 ;z.org 1 0 0 0 0 0 ;");
    buffer_reset(&text);
    assert_true(store_queue_routes(fixture->reader, 1, write_route, &text, &fault));
    assert_bytes(buffer_bytes(&text), "y.org 2 0 0 900 3 421 nobody;");
}

/* ---- deeds ---- */

static int64_t read_nudge(struct store_fixture *fixture)
{
    struct fault fault = {0};
    int64_t nudge;
    assert_true(store_outbound_nudge_read(fixture->reader, &nudge, &fault));
    return nudge;
}

static void retry_makes_due_and_wakes(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement count = {"SELECT COUNT(*) FROM outbound_route", NULL};
    AUTO(buffer)
    text = BUFFER(10000);
    struct store_outbound_route route = {.resting_until = 9000000, .failures = 1};
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org b@y.org c@x.org", "x.org y.org x.org");
    const struct store_outbound_result results[] = {
        {.number = 0, .outcome = STORE_OUTBOUND_DEFERRED, .due = OUTBOUND_TIME + 500},
        {.number = 1, .outcome = STORE_OUTBOUND_DEFERRED, .due = OUTBOUND_TIME + 500}};
    assert_true(outbound_finish_one(fixture->store, message, &results[0]));
    assert_true(outbound_finish_one(fixture->store, message, &results[1]));
    for (int i = 0; i < 3; i++) {
        route.route = i == 0 ? BYTES("w.org") : i == 1 ? BYTES("x.org") : BYTES("y.org");
        outbound_set_route(fixture->store, &route, 0);
    }
    int64_t nudge = read_nudge(fixture);
    assert_int_equal(change(fixture, STORE_QUEUE_RETRY, &FILTER(.recipient = BYTES("a@x.org")), 9),
                     1);
    assert_int_equal(read_nudge(fixture), nudge + 1);
    outbound_list(fixture, fixture->store, &message, 1, &text);
    assert_string_equal(buffer_bytes(&text).data, "1 x.org 7;1 y.org 500;1 x.org 0;");
    assert_int_equal(store_fixture_number(fixture, &count, DB_NO_VALUES), 2);
    assert_int_equal(change(fixture, STORE_QUEUE_RETRY, &FILTER(0), 2), 3);
    assert_int_equal(read_nudge(fixture), nudge + 3);
    outbound_list(fixture, fixture->store, &message, 1, &text);
    assert_string_equal(buffer_bytes(&text).data, "1 x.org 7;1 y.org 7;1 x.org 7;");
    assert_int_equal(store_fixture_number(fixture, &count, DB_NO_VALUES), 1);
    outbound_check(fixture);
}

static void nothing_found_is_no_nudge(void **state)
{
    struct store_fixture *fixture = *state;
    outbound_begin(fixture);
    outbound_put(fixture, "a@x.org", "x.org");
    assert_int_equal(read_nudge(fixture), 0);
    assert_int_equal(change(fixture, STORE_QUEUE_REMOVE, &FILTER(.route = BYTES("y.org")), 9), 0);
    assert_int_equal(read_nudge(fixture), 0);
}

static void what_is_held_waits_for_its_release(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    text = BUFFER(10000);
    outbound_begin(fixture);
    int64_t message = outbound_put(fixture, "a@x.org b@x.org", "x.org x.org");
    const struct store_queue_filter one = {.recipient = BYTES("b@x.org")};
    assert_int_equal(change(fixture, STORE_QUEUE_HOLD, &one, 9), 1);
    assert_int_equal(change(fixture, STORE_QUEUE_HOLD, &one, 9), 0);
    assert_int_equal(change(fixture, STORE_QUEUE_RETRY, &one, 9), 0);
    AUTO(arena)
    arena = ARENA(100000);
    struct store_outbound_letter letter;
    struct fault fault = {0};
    bool is_found;
    assert_true(store_outbound_read(fixture->store, fixture->reader, message, BYTES(""),
                                    OUTBOUND_TIME, 0, &arena, &letter, &is_found, &fault));
    assert_int_equal(letter.recipient_count, 1);
    assert_int_equal(change(fixture, STORE_QUEUE_RELEASE, &FILTER(0), 9), 1);
    assert_int_equal(change(fixture, STORE_QUEUE_RELEASE, &FILTER(0), 9), 0);
    assert_list(FILTER(.is_waiting_only = true), "a@x.org b@x.org ");
}

static void what_is_removed_takes_its_body_along(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    text = BUFFER(10000);
    outbound_begin(fixture);
    outbound_put(fixture, "a@x.org b@y.org c@x.org", "x.org y.org x.org");
    outbound_put_both(fixture, "d@x.org e@x.org", "x.org x.org");
    outbound_put(fixture, "f@x.org", "x.org");
    assert_int_equal(change(fixture, STORE_QUEUE_REMOVE, &FILTER(.route = BYTES("x.org")), 2), 5);
    assert_list(FILTER(0), "b@y.org ");
    assert_int_equal(outbound_count(fixture, "message"), 1);
    /* One is also in a mailbox. */
    assert_int_equal(outbound_count(fixture, "body"), 2);
    outbound_check(fixture);
}

static void a_slice_is_bounded(void **state)
{
    struct store_fixture *fixture = *state;
    AUTO(buffer)
    recipients = BUFFER(100000);
    AUTO(buffer)
    routes = BUFFER(100000);
    for (int i = 0; i < 400; i++) {
        buffer_append_format(&recipients, "u@x%d.org ", i);
        buffer_append_format(&routes, "x%d.org ", i);
    }
    outbound_begin(fixture);
    for (int i = 0; i < 3; i++)
        outbound_put(fixture, buffer_string(&recipients), buffer_string(&routes));
    assert_int_equal(change(fixture, STORE_QUEUE_RETRY, &FILTER(0), 5000), 1200);
    assert_int_equal(change(fixture, STORE_QUEUE_REMOVE, &FILTER(0), 7), 1200);
    assert_int_equal(outbound_count(fixture, "body"), 0);
}

static void an_address_is_not_without_end(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    static char address[5000];
    memset(address, 'a', sizeof(address));
    const struct store_queue_filter filter = {.sender = bytes_of(address, sizeof(address))};
    assert_false(store_queue_list(fixture->reader, &filter, 0, 0, 1, write_item, NULL, &fault));
    assert_int_equal(fault.kind, FAULT_LIMIT);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(filters_are_joined),
    STORE_TEST(a_list_goes_on_where_it_ended),
    STORE_TEST(an_item_tells_why_it_waits),
    STORE_TEST(the_queue_is_counted),
    STORE_TEST(routes_are_counted),
    STORE_TEST(retry_makes_due_and_wakes),
    STORE_TEST(nothing_found_is_no_nudge),
    STORE_TEST(what_is_held_waits_for_its_release),
    STORE_TEST(what_is_removed_takes_its_body_along),
    STORE_TEST(a_slice_is_bounded),
    STORE_TEST(an_address_is_not_without_end),
};

STORE_MAIN(tests)
