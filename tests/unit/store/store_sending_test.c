/* What an account sent within an hour is counted with each commit, by slots of time. */
#include "store_outbound_fixture.h"

#include <pthread.h>

#include "store/store_accounts.h"
#include "store/store_sending.h"

static const int64_t second = 1000000;
static const int64_t start = INT64_C(1000000) * 1000000;

struct counting {
    struct store_job job;
    int64_t account;
    int64_t now;
    uint64_t recipients;
    struct store_sending_limits limits;
};

static bool run(struct store_job *job, struct db *db, struct fault *fault)
{
    const struct counting *counting = (const struct counting *)job;
    return store_sending_count(db, counting->account, counting->now, counting->recipients,
                               &counting->limits, fault);
}

static bool count(struct store_fixture *fixture, int64_t now, uint64_t recipients,
                  struct store_sending_limits limits)
{
    struct fault fault = {0};
    struct counting counting = {.job.run = run,
                                .account = fixture->account,
                                .now = now,
                                .recipients = recipients,
                                .limits = limits};
    bool is_done = store_run(fixture->store, &counting.job, &fault);
    assert_true(is_done || fault.kind == FAULT_LIMIT);
    return is_done;
}

static void assert_sent(struct store_fixture *fixture, int64_t now, uint64_t messages,
                        uint64_t recipients)
{
    struct fault fault = {0};
    struct store_sending sending;
    if (!store_sending_read(fixture->reader, fixture->account, now, &sending, &fault))
        fail_msg("%s", fault.message);
    assert_int_equal(sending.messages, messages);
    assert_int_equal(sending.recipients, recipients);
}

static void limits_hold_for_an_hour(void **state)
{
    struct store_fixture *fixture = *state;
    const struct store_sending_limits limits = {.messages = 3, .recipients = 10};
    assert_sent(fixture, start, 0, 0);
    assert_true(count(fixture, start, 4, limits));
    assert_true(count(fixture, start + 1, 4, limits));
    assert_false(count(fixture, start + 2, 3, limits));
    assert_sent(fixture, start + 2, 2, 8);
    assert_true(count(fixture, start + 600 * second, 2, limits));
    assert_false(count(fixture, start + 600 * second, 1, limits));
    assert_sent(fixture, start + 600 * second, 3, 10);
    /* Slots are forgotten whole: within the last of the hour. */
    assert_false(count(fixture, start + 3300 * second - 1, 1, limits));
    assert_true(count(fixture, start + 3600 * second, 8, limits));
    assert_sent(fixture, start + 3600 * second, 2, 10);
    assert_sent(fixture, start + 2 * 3600 * second, 0, 0);
    static const struct db_statement rows = {"SELECT COUNT(*) FROM sending", NULL};
    assert_int_equal(store_fixture_number(fixture, &rows, DB_NO_VALUES), 2);
    outbound_check(fixture);
}

static void no_limit_counts_all_the_same(void **state)
{
    struct store_fixture *fixture = *state;
    const struct store_sending_limits none = {0};
    const struct store_sending_limits messages = {.messages = 101};
    const struct store_sending_limits recipients = {.recipients = 100100};
    for (int i = 0; i < 100; i++)
        assert_true(count(fixture, start, 1000, none));
    assert_sent(fixture, start, 100, 100000);
    assert_false(count(fixture, start, 101, recipients));
    assert_true(count(fixture, start, 100, recipients));
    assert_false(count(fixture, start, 1, messages));
}

/* ---- with a delivery ---- */

static bool submit(struct store_fixture *fixture, const struct store_sending_limits *limits,
                   size_t fars, bool *is_over)
{
    struct store_fixture_letter letter;
    struct store_delivery_far far[3];
    for (int i = 0; i < 3; i++)
        far[i] = (struct store_delivery_far){.recipient = BYTES("a@x.org"), .route = BYTES("x")};
    store_fixture_letter(fixture, &letter, BYTES(OUTBOUND_LETTER));
    letter.delivery.fars = far;
    letter.delivery.far_count = fars;
    letter.delivery.account = fixture->account;
    letter.delivery.received = start;
    letter.delivery.sending_limits = limits;
    bool is_done = store_fixture_deliver(&letter.delivery);
    *is_over = letter.delivery.is_over_sending_limit;
    assert_true(is_done || letter.delivery.job.fault.kind == FAULT_LIMIT);
    store_fixture_letter_clear(&letter);
    return is_done;
}

static void submissions_are_counted(void **state)
{
    struct store_fixture *fixture = *state;
    const struct store_sending_limits limits = {.recipients = 4};
    bool is_over;
    outbound_begin(fixture);
    assert_true(submit(fixture, &limits, 3, &is_over));
    assert_false(is_over);
    assert_sent(fixture, start, 1, 3);
    assert_false(submit(fixture, &limits, 2, &is_over));
    assert_true(is_over);
    /* Nothing of it was kept. */
    assert_sent(fixture, start, 1, 3);
    assert_int_equal(outbound_count(fixture, "body"), 1);
    assert_int_equal(outbound_count(fixture, "recipient"), 3);
    /* Who sends to nobody far away is not counted. */
    assert_true(submit(fixture, &limits, 0, &is_over));
    assert_true(submit(fixture, &limits, 1, &is_over));
    assert_sent(fixture, start, 2, 4);
    assert_true(submit(fixture, NULL, 3, &is_over));
    assert_sent(fixture, start, 2, 4);
    outbound_check(fixture);
}

/* Another reason is told as what it is. */
static void a_full_mailbox_is_not_a_sending_limit(void **state)
{
    struct store_fixture *fixture = *state;
    static const struct db_statement limit = {"UPDATE account SET quota_bytes = 1 WHERE id = $1",
                                              NULL};
    const struct store_sending_limits limits = {.recipients = 4};
    bool is_over;
    store_fixture_execute(fixture, &limit, DB_VALUES(db_number(fixture->account)));
    assert_false(submit(fixture, &limits, 0, &is_over));
    assert_false(is_over);
}

static bool remove_account(struct store_job *job, struct db *db, struct fault *fault)
{
    (void)job;
    return store_account_remove(db, BYTES("ann@example.org"), fault);
}

static void counts_go_with_their_account(void **state)
{
    struct store_fixture *fixture = *state;
    struct fault fault = {0};
    struct store_job removal = {.run = remove_account};
    static const struct db_statement rows = {"SELECT COUNT(*) FROM sending", NULL};
    const struct store_sending_limits none = {0};
    assert_true(count(fixture, start, 1, none));
    assert_int_equal(store_fixture_number(fixture, &rows, DB_NO_VALUES), 1);
    assert_true(store_run(fixture->store, &removal, &fault));
    assert_int_equal(store_fixture_number(fixture, &rows, DB_NO_VALUES), 0);
}

/* ---- at the same time ---- */

enum {
    THREADS = 8,
    EACH = 12
};

struct sender {
    struct store_fixture *fixture;
    pthread_t thread;
    unsigned taken;
};

static void *send_many(void *argument)
{
    struct sender *sender = argument;
    const struct store_sending_limits limits = {.messages = 40};
    for (int i = 0; i < EACH; i++) {
        struct counting counting = {.job = {.run = run, .account = sender->fixture->account},
                                    .account = sender->fixture->account,
                                    .now = start,
                                    .recipients = 2,
                                    .limits = limits};
        sender->taken += store_run(sender->fixture->store, &counting.job, NULL);
    }
    return NULL;
}

static void no_more_than_allowed_by_many_at_once(void **state)
{
    struct store_fixture *fixture = *state;
    struct sender senders[THREADS];
    unsigned taken = 0;
    for (int i = 0; i < THREADS; i++) {
        senders[i] = (struct sender){.fixture = fixture};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, send_many, &senders[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(senders[i].thread, NULL);
        taken += senders[i].taken;
    }
    assert_int_equal(taken, 40);
    assert_sent(fixture, start, 40, 80);
}

static const struct CMUnitTest tests[] = {
    STORE_TEST(limits_hold_for_an_hour),      STORE_TEST(no_limit_counts_all_the_same),
    STORE_TEST(submissions_are_counted),      STORE_TEST(a_full_mailbox_is_not_a_sending_limit),
    STORE_TEST(counts_go_with_their_account), STORE_TEST(no_more_than_allowed_by_many_at_once),
};

STORE_MAIN(tests)
