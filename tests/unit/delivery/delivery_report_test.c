/* Reports as deliveries on a real store: who gets them, what is in front; who wants which; memory.
 * The message itself is read in tests/message. */
#include "unit.h"

#include <pthread.h>

#include <posthorn/transaction.h>

#include "delivery/report_mail.h"
#include "failing_allocation.h"
#include "store/store_accounts.h"
#include "store/store_jobs.h"

struct house {
    struct store *store;
    struct db *reader;
};

struct making {
    struct store_job job;
    struct store *store;
};

static bool make_everybody(struct store_job *job, struct db *db, struct fault *fault)
{
    struct store *store = ((struct making *)job)->store;
    int64_t id;
    return store_domain_add(db, store_id_make(store), BYTES("home.example"), fault) &&
           store_account_add(store, db, BYTES("ann@home.example"), &id, fault) &&
           store_account_add(store, db, BYTES("bob@home.example"), &id, fault) &&
           store_account_add(store, db, BYTES("off@home.example"), &id, fault) &&
           store_alias_add(store, db, BYTES("both@home.example"), BYTES("ann@home.example"),
                           fault) &&
           store_alias_add(store, db, BYTES("both@home.example"), BYTES("bob@home.example"),
                           fault) &&
           store_alias_add(store, db, BYTES("both@home.example"), BYTES("x@far.example"), fault) &&
           store_account_set_disabled(db, BYTES("off@home.example"), true, fault);
}

static int open_house(void **state)
{
    static struct house house;
    struct fault fault = {0};
    house.store = store_open(&(struct store_options){.place = ":memory:", .creates = true}, &fault);
    if (house.store == NULL)
        fail_msg("%s", fault.message);
    struct making making = {.job = {.run = make_everybody}, .store = house.store};
    if (!store_run(house.store, &making.job, &fault))
        fail_msg("%s", fault.message);
    house.reader = store_reader_open(house.store, &fault);
    assert_non_null(house.reader);
    *state = &house;
    return 0;
}

static int close_house(void **state)
{
    struct house *house = *state;
    store_reader_close(house->reader);
    store_close(house->store);
    return 0;
}

static const char letter[] = "From: ann@home.example\r\nSubject: x\r\n\r\nbody\r\n";

static struct report_mail *make(struct house *house, const char *sender, const char *text,
                                struct fault *fault)
{
    const struct report_recipient recipient = {.action = REPORT_FAILED,
                                               .address = BYTES("c@far.example"),
                                               .code = 550,
                                               .status = BYTES("5.1.1"),
                                               .text = BYTES("No such user"),
                                               .host = BYTES("mx.far.example")};
    const struct report report = {.reporter = "mx.home.example",
                                  .now = INT64_C(1795452488000000),
                                  .arrived = INT64_C(1795452480000000),
                                  .sender = bytes_from_string(sender),
                                  .returns_full = true,
                                  .content = bytes_from_string(text),
                                  .is_content_whole = true,
                                  .recipients = &recipient,
                                  .recipient_count = 1};
    const struct report_mail_place place = {.store = house->store, .reader = house->reader};
    return report_mail_new(&place, &report, fault);
}

/* The first bytes of what the delivery keeps. */
static void assert_draft_starts(const struct store_delivery *delivery, const char *expected)
{
    char memory[256];
    size_t count;
    assert_true(store_draft_read(delivery->draft, 0, memory, strlen(expected), &count, NULL));
    assert_int_equal(count, strlen(expected));
    assert_memory_equal(memory, expected, count);
    assert_int_equal(store_draft_size(delivery->draft), delivery->parsed->size);
}

static void to_a_mailbox_here(void **state)
{
    struct fault fault = {0};
    struct report_mail *mail = make(*state, "Ann+x@home.example", letter, &fault);
    assert_non_null(mail);
    assert_null(report_mail_objection(mail));
    const struct store_delivery *delivery = report_mail_delivery(mail);
    assert_int_equal(delivery->local_count, 1);
    assert_int_equal(delivery->far_count, 0);
    assert_true(bytes_equal(delivery->locals[0].prefix,
                            BYTES("Return-Path: <>\r\nDelivered-To: Ann+x@home.example\r\n")));
    assert_int_equal(delivery->sender.length, 0);
    assert_true(delivery->id != 0);
    assert_int_equal(delivery->body_kind, STORE_BODY_7BIT);
    assert_draft_starts(delivery, "From: Mail Delivery System <MAILER-DAEMON@mx.home.example>\r\n"
                                  "To: Ann+x@home.example\r\n");
    report_mail_free(mail);
}

static void to_a_far_sender(void **state)
{
    struct fault fault = {0};
    struct report_mail *mail = make(*state,
                                    "d@B\xc3\xbc"
                                    "cher.example",
                                    letter, &fault);
    assert_non_null(mail);
    const struct store_delivery *delivery = report_mail_delivery(mail);
    assert_int_equal(delivery->local_count, 0);
    assert_int_equal(delivery->far_count, 1);
    assert_true(bytes_equal(delivery->fars[0].recipient, BYTES("d@xn--bcher-kva.example")));
    assert_true(bytes_equal(delivery->fars[0].route, BYTES("xn--bcher-kva.example")));
    assert_int_equal(delivery->fars[0].notify, PH_NOTIFY_NEVER);
    assert_false(delivery->is_utf8);
    report_mail_free(mail);
}

static void to_a_sender_beyond_ascii(void **state)
{
    struct fault fault = {0};
    struct report_mail *mail = make(*state, "\xc3\xa4@far.example", letter, &fault);
    assert_non_null(mail);
    assert_true(report_mail_delivery(mail)->is_utf8);
    assert_int_equal(report_mail_delivery(mail)->body_kind, STORE_BODY_8BIT);
    report_mail_free(mail);
}

static void to_all_behind_an_alias(void **state)
{
    struct fault fault = {0};
    struct report_mail *mail = make(*state, "both@home.example", letter, &fault);
    assert_non_null(mail);
    const struct store_delivery *delivery = report_mail_delivery(mail);
    assert_int_equal(delivery->local_count, 2);
    assert_int_equal(delivery->far_count, 1);
    assert_true(bytes_equal(delivery->fars[0].recipient, BYTES("x@far.example")));
    report_mail_free(mail);
}

static void to_nobody(void **state)
{
    static const char *const senders[] = {"nobody@home.example", "off@home.example", "none"};
    for (size_t i = 0; i < sizeof(senders) / sizeof(senders[0]); i++) {
        struct fault fault = {0};
        struct report_mail *mail = make(*state, senders[i], letter, &fault);
        assert_non_null(mail);
        assert_null(report_mail_delivery(mail));
        assert_non_null(report_mail_objection(mail));
        report_mail_free(mail);
    }
}

struct keeping {
    struct store_delivery *delivery;
    pthread_mutex_t lock;
    pthread_cond_t condition;
    bool is_over;
};

static struct keeping *keeping;

static void kept(struct store_job *job)
{
    (void)job;
    pthread_mutex_lock(&keeping->lock);
    keeping->is_over = true;
    pthread_cond_signal(&keeping->condition);
    pthread_mutex_unlock(&keeping->lock);
}

/* A large letter: the report does not fit the draft's memory. */
static void is_kept(void **state)
{
    struct house *house = *state;
    struct fault fault = {0};
    AUTO(buffer)
    large = BUFFER(REPORT_RETURN_MAX);
    buffer_append_string(&large, letter);
    while (buffer_room(&large) > 100)
        buffer_append_string(&large, "a line of the letter\r\n");
    struct report_mail *mail = make(house, "ann@home.example", buffer_string(&large), &fault);
    assert_non_null(mail);
    struct keeping waiting = {.delivery = report_mail_delivery(mail),
                              .lock = PTHREAD_MUTEX_INITIALIZER,
                              .condition = PTHREAD_COND_INITIALIZER};
    keeping = &waiting;
    waiting.delivery->job.done = kept;
    store_delivery_submit(waiting.delivery);
    pthread_mutex_lock(&waiting.lock);
    while (!waiting.is_over)
        pthread_cond_wait(&waiting.condition, &waiting.lock);
    pthread_mutex_unlock(&waiting.lock);
    assert_true(waiting.delivery->job.is_done);
    assert_int_equal(waiting.delivery->locals[0].outcome, STORE_DELIVERY_KEPT);
    assert_true(waiting.delivery->locals[0].uid > 0);
    report_mail_free(mail);
}

static void who_wants_what(void **state)
{
    (void)state;
    static const struct {
        unsigned notify;
        bool wants[REPORT_EXPANDED + 1];
    } rows[] = {
        {PH_NOTIFY_DEFAULT, {true, true, false, false, false}},
        {PH_NOTIFY_NEVER, {false, false, false, false, false}},
        {PH_NOTIFY_SUCCESS, {false, false, true, true, true}},
        {PH_NOTIFY_FAILURE, {true, false, false, false, false}},
        {PH_NOTIFY_DELAY, {false, true, false, false, false}},
        {PH_NOTIFY_SUCCESS | PH_NOTIFY_FAILURE | PH_NOTIFY_DELAY, {true, true, true, true, true}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int action = REPORT_FAILED; action <= REPORT_EXPANDED; action++) {
            assert_int_equal(delivery_report_is_wanted(BYTES("a@b.example"), rows[i].notify,
                                                       (enum report_action)action),
                             rows[i].wants[action]);
            assert_false(
                delivery_report_is_wanted(BYTES(""), rows[i].notify, (enum report_action)action));
        }
    }
}

static void without_memory(void **state)
{
    (void)state;
    const struct report_recipient recipients[] = {
        {.action = REPORT_FAILED,
         .address = BYTES("c\xc3\xa4@far.example"),
         .original_recipient = BYTES("utf-8;c\xc3\xa4@far.example"),
         .code = 550,
         .status = BYTES("5.1.1"),
         .text = BYTES("No such user \xc3\xa4"),
         .host = BYTES("mx.far.example"),
         .last_attempt = 1},
        {.action = REPORT_DELAYED, .address = BYTES("d@far.example"), .will_retry_until = 1},
    };
    const struct report report = {
        .reporter = "mx.home.example",
        .sender = BYTES("\xc3\xa4@home.example"),
        .envelope_id = BYTES("1 2"),
        .is_utf8 = true,
        .content = BYTES("Subject: =?utf-8?q?=C3=A4?=\r\nMessage-ID: <1@x>\r\n\r\n"),
        .recipients = recipients,
        .recipient_count = 2};
    AUTO(buffer)
    whole = BUFFER(REPORT_SIZE_MAX);
    struct fault fault = {0};
    assert_true(delivery_report_write(&report, &whole, &fault));
    for (size_t count = 0;; count++) {
        AUTO(buffer)
        out = BUFFER(REPORT_SIZE_MAX);
        fault_clear(&fault);
        failing_allocation_start(count);
        bool is_good = delivery_report_write(&report, &out, &fault);
        bool was_refused = failing_allocation_stop();
        if (is_good) {
            assert_true(bytes_equal(buffer_bytes(&out), buffer_bytes(&whole)));
            if (!was_refused)
                return;
        } else {
            assert_true(was_refused);
            assert_int_equal(out.length, 0);
        }
    }
}

static void mail_without_memory(void **state)
{
    for (size_t count = 0;; count++) {
        struct fault fault = {0};
        failing_allocation_start(count);
        struct report_mail *mail = make(*state, "both@home.example", letter, &fault);
        bool was_refused = failing_allocation_stop();
        if (mail != NULL)
            assert_int_equal(report_mail_delivery(mail)->local_count, 2);
        else
            assert_true(was_refused && fault.kind != FAULT_NONE);
        report_mail_free(mail);
        if (!was_refused)
            return;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(to_a_mailbox_here, open_house, close_house),
        cmocka_unit_test_setup_teardown(to_a_far_sender, open_house, close_house),
        cmocka_unit_test_setup_teardown(to_a_sender_beyond_ascii, open_house, close_house),
        cmocka_unit_test_setup_teardown(to_all_behind_an_alias, open_house, close_house),
        cmocka_unit_test_setup_teardown(to_nobody, open_house, close_house),
        cmocka_unit_test_setup_teardown(is_kept, open_house, close_house),
        cmocka_unit_test(who_wants_what),
        cmocka_unit_test(without_memory),
        cmocka_unit_test_setup_teardown(mail_without_memory, open_house, close_house),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
